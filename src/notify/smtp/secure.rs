//! The connection to a mail server, and its protection.
//!
//! STARTTLS is spoken here and not by the library, for what comes in the open must not be read as if it had come inside: whoever
//! is on the way could answer for the server in advance, say that the mail was taken, and no alert would arrive (RFC 3207,
//! section 6; CVE-2011-0411 and its kin). So nothing may have been sent behind the answer to STARTTLS, and the library gets a
//! connection on which only the greeting was said in the open.

use super::Stage;
use crate::catalog::channels::{Mail, MailTls};
use crate::notify::outcome::Undelivered;
use crate::notify::{Limits, trouble, verifying};
use lettre::transport::smtp::client::AsyncTokioStream;
use lettre::transport::smtp::extension::ClientId;
use rustls::pki_types::ServerName;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The most of one answer, in bytes (RFC 5321, section 4.5.3.1.5, and room for extensions). The library reads an answer anew with
/// each line of it, so that a long one takes minutes in which no wait can end.
const ANSWER: usize = 8 * 1024;

/// Connects as the user wants it: the connection, our name on it, and whether it is protected.
pub(super) async fn connect(
    mail: &Mail,
    whom: &str,
    stage: &mut Stage,
    limits: &Limits,
) -> Result<(Stream, ClientId, bool), Undelivered> {
    // Before anybody is asked anything: what this machine lacks is no fault of theirs.
    let config = match mail.tls {
        MailTls::None => None,
        MailTls::StartTls | MailTls::Implicit => Some(Arc::new(verifying(mail.ca_file.as_deref()).await?)),
    };
    let mut tcp = dial(mail, whom, limits).await?;
    let _ = tcp.set_nodelay(true);
    let failed = |error: &io::Error, stage: Stage| trouble::io(error, whom, stage.words());
    let peer = tcp.peer_addr().map_err(|error| failed(&error, Stage::Connecting))?;
    let hello = hello(mail, &tcp);
    let Some(config) = config else {
        return Ok((Stream::new(Inner::Plain(tcp), Vec::new(), peer), hello, false));
    };
    let mut greeting = Vec::new();
    if mail.tls == MailTls::StartTls {
        *stage = Stage::Greeting;
        greeting = start_tls(&mut tcp, &hello, whom, stage).await?;
    }
    *stage = Stage::Tls;
    let name = ServerName::try_from(mail.host.clone())
        .map_err(|_| trouble::settings("the server's name is none that a certificate can have", "check `server`"))?;
    let tls = TlsConnector::from(config).connect(name, tcp).await.map_err(|error| failed(&error, Stage::Tls))?;
    Ok((Stream::new(Inner::Tls(Box::new(tls)), greeting, peer), hello, true))
}

/// Tries each address of the server.
async fn dial(mail: &Mail, whom: &str, limits: &Limits) -> Result<TcpStream, Undelivered> {
    let addresses: Vec<SocketAddr> = match tokio::net::lookup_host((mail.host.as_str(), mail.port)).await {
        Ok(addresses) => addresses.collect(),
        Err(_) => return Err(trouble::name(whom)),
    };
    let mut wrong = trouble::name(whom);
    for address in addresses {
        match tokio::time::timeout(limits.connect, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => wrong = trouble::io(&error, whom, Stage::Connecting.words()),
            Err(_) => {
                let what = format!("{whom} did not accept a connection within {} s", limits.connect.as_secs_f64());
                wrong =
                    trouble::path(&what, "many networks let no mail out: see whether port 587 or 465 is open to there");
            }
        }
    }
    Err(wrong)
}

/// A name of the user's, or our address on this connection (RFC 5321, section 4.1.4).
fn hello(mail: &Mail, stream: &TcpStream) -> ClientId {
    match (&mail.hello, stream.local_addr().map(|address| address.ip().to_canonical())) {
        (Some(name), _) => ClientId::Domain(name.clone()),
        (None, Ok(IpAddr::V4(address))) => ClientId::Ipv4(address),
        (None, Ok(IpAddr::V6(address))) => ClientId::Ipv6(address),
        (None, Err(_)) => ClientId::default(),
    }
}

/// Speaks until TLS may begin, and gives back the greeting.
async fn start_tls(
    tcp: &mut TcpStream,
    hello: &ClientId,
    whom: &str,
    stage: &mut Stage,
) -> Result<Vec<u8>, Undelivered> {
    let greeting = answer(tcp, whom, *stage).await?;
    greeting.expect(220, whom, *stage)?;
    *stage = Stage::Tls;
    say(tcp, &format!("EHLO {hello}\r\n"), whom, *stage).await?;
    let offers = answer(tcp, whom, *stage).await?;
    offers.expect(250, whom, *stage)?;
    if !offers.lines().skip(1).any(|line| line.get(4..).unwrap_or_default().trim().eq_ignore_ascii_case("STARTTLS")) {
        let advice = "use its port for submission (587), or `tls = \"implicit\"` (465); if it used to, somebody on the way may \
                      have taken the offer out. The mail was not sent";
        return Err(Undelivered { lasting: true, ..trouble::path(&format!("{whom} does not offer STARTTLS"), advice) });
    }
    say(tcp, "STARTTLS\r\n", whom, *stage).await?;
    answer(tcp, whom, *stage).await?.expect(220, whom, *stage)?;
    Ok(greeting.bytes)
}

async fn say(tcp: &mut TcpStream, line: &str, whom: &str, stage: Stage) -> Result<(), Undelivered> {
    tcp.write_all(line.as_bytes()).await.map_err(|error| trouble::io(&error, whom, stage.words()))
}

/// One answer that came in the open.
struct Answer {
    bytes: Vec<u8>,
}

impl Answer {
    fn lines(&self) -> impl Iterator<Item = &str> {
        self.bytes.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok()).map(str::trim_end)
    }

    fn expect(&self, code: u16, whom: &str, stage: Stage) -> Result<(), Undelivered> {
        let first = self.bytes.get(..3).and_then(|code| std::str::from_utf8(code).ok()?.parse::<u16>().ok());
        if first == Some(code) {
            return Ok(());
        }
        let said = super::Hidden::default().shown(&String::from_utf8_lossy(&self.bytes));
        let what = format!("{whom} refused {}: {said}", stage.words());
        Err(match first {
            Some(400..=499) => trouble::receiver(&what, "it is tried again"),
            Some(500..=599) => {
                trouble::refused(&what, "see what the server says of this machine: a block list, a wrong `hello`")
            }
            _ => no_smtp(whom, stage),
        })
    }
}

fn no_smtp(whom: &str, stage: Stage) -> Undelivered {
    let what = format!("{whom} answers with what is no SMTP {}", stage.words());
    trouble::receiver(&what, "see whether that is the port of a mail server, and which `tls` it wants")
}

/// Reads one answer to its last line, and not a byte more: who speaks on, in the open, speaks for somebody else.
async fn answer(tcp: &mut TcpStream, whom: &str, stage: Stage) -> Result<Answer, Undelivered> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 2048];
    loop {
        let count = match tcp.read(&mut buffer).await {
            Ok(0) => return Err(trouble::io(&ErrorKind::UnexpectedEof.into(), whom, stage.words())),
            Ok(count) => count,
            Err(error) => return Err(trouble::io(&error, whom, stage.words())),
        };
        bytes.extend(buffer.iter().take(count));
        match end(&bytes) {
            Some(end) if end == bytes.len() => return Ok(Answer { bytes }),
            Some(_) => {
                let what = format!("{whom} says more than it was asked, before TLS");
                let advice = "somebody on the way may be speaking in the server's place. The mail was not sent";
                return Err(Undelivered { lasting: true, ..trouble::path(&what, advice) });
            }
            None if bytes.len() > ANSWER => return Err(no_smtp(whom, stage)),
            None => {}
        }
    }
}

/// Where the answer ends: behind its first line whose code is not followed by a hyphen (RFC 5321, section 4.2.1).
fn end(bytes: &[u8]) -> Option<usize> {
    let mut start = 0;
    while let Some(length) = bytes.get(start..)?.iter().position(|byte| *byte == b'\n') {
        let line = bytes.get(start..start + length)?;
        start += length + 1;
        if line.get(3) != Some(&b'-') {
            return Some(start);
        }
    }
    None
}

/// A connection to which the greeting is given back, and on which a server can say only so much until it is spoken to again.
#[derive(Debug)]
pub(super) struct Stream {
    inner: Inner,
    /// What was heard before TLS and is still to be read.
    before: Vec<u8>,
    /// How much more may be heard now.
    left: usize,
    peer: SocketAddr,
}

#[derive(Debug)]
enum Inner {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

impl Stream {
    fn new(inner: Inner, before: Vec<u8>, peer: SocketAddr) -> Self {
        Self { inner, before, left: ANSWER, peer }
    }
}

impl AsyncTokioStream for Stream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.before.is_empty() {
            let count = self.before.len().min(buffer.remaining());
            let heard: Vec<u8> = self.before.drain(..count).collect();
            buffer.put_slice(&heard);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = match &mut self.inner {
            Inner::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Inner::Tls(stream) => Pin::new(stream.as_mut()).poll_read(context, buffer),
        };
        match self.left.checked_sub(buffer.filled().len() - before) {
            Some(left) => self.left = left,
            None => return Poll::Ready(Err(ErrorKind::InvalidData.into())),
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.left = ANSWER;
        match &mut self.inner {
            Inner::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Inner::Tls(stream) => Pin::new(stream.as_mut()).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Inner::Plain(stream) => Pin::new(stream).poll_flush(context),
            Inner::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Inner::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Inner::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
        }
    }
}
