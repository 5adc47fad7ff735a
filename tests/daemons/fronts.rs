//! Servers with a quirk: they look at what a client sends, and hang up, keep silent, or hand it on to a real server whose
//! answer they may take apart.

use super::rig::Rig;
use socket2::SockRef;
use std::io::{self, Read, Write as _};
use std::net::{Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// How long a connection is kept at most when nothing happens on it.
const IDLE: Duration = Duration::from_secs(20);
/// How many connections a front has at once at most.
const AT_ONCE: usize = 400;

/// A listener of this process. Dropping it ends it.
pub(crate) struct Front {
    pub(crate) place: SocketAddrV4,
    stop: Arc<AtomicBool>,
}

impl Front {
    /// One that serves connections side by side.
    pub(crate) fn start(rig: &Rig, serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let serve = Arc::new(serve);
        let busy = Arc::new(AtomicUsize::new(0));
        Self::one_by_one(rig, move |stream| {
            let (serve, now) = (Arc::clone(&serve), Arc::clone(&busy));
            if now.fetch_add(1, Ordering::SeqCst) < AT_ONCE {
                thread::spawn(move || {
                    serve(stream);
                    now.fetch_sub(1, Ordering::SeqCst);
                });
            }
        })
    }

    /// One that takes a connection when it is done with the one before.
    pub(crate) fn one_by_one(rig: &Rig, serve: impl Fn(TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind((rig.address, 0)).unwrap();
        let place = SocketAddrV4::new(rig.address, listener.local_addr().unwrap().port());
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let _ = stream.set_nodelay(true);
                let _ = stream.set_read_timeout(Some(IDLE)).and_then(|()| stream.set_write_timeout(Some(IDLE)));
                serve(stream);
            }
        });
        Self { place, stop }
    }

    /// One that says `answer` to whatever it is sent, and closes.
    pub(crate) fn saying(rig: &Rig, answer: &'static [u8]) -> Self {
        Self::start(rig, move |mut stream| {
            if matches!(stream.read(&mut [0; 4096]), Ok(1..)) {
                let _ = stream.write_all(answer);
                until_closed(&stream);
            }
        })
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.place);
    }
}

/// How a front turns somebody away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Away {
    Close,
    Reset,
    Silence,
    /// A fatal alert of this number.
    Alert(u8),
}

impl Away {
    pub(crate) fn turn(self, mut stream: TcpStream) {
        match self {
            Self::Close => drop(stream),
            Self::Reset => {
                let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            }
            Self::Silence => until_closed(&stream),
            Self::Alert(number) => {
                let _ = stream.write_all(&[21, 3, 1, 0, 2, 2, number]);
            }
        }
    }
}

/// Waits until the peer is gone, so that what it has not read yet is not lost by a reset.
pub(crate) fn until_closed(mut stream: &TcpStream) {
    let _ = stream.shutdown(Shutdown::Write).and_then(|()| io::copy(&mut stream, &mut io::sink()).map(drop));
}

/// Waits until the peer is gone, and says nothing, not even that.
pub(crate) fn ignore(mut stream: &TcpStream) {
    let _ = io::copy(&mut stream, &mut io::sink());
}

/// The first record of a client, as far as fronts look at it.
#[derive(Debug, Default)]
pub(crate) struct Hello {
    pub(crate) bytes: Vec<u8>,
    /// Of the handshake message with its header; 0 where it is none, as in SSL 2.0.
    pub(crate) length: usize,
    pub(crate) suites: usize,
    pub(crate) extensions: Vec<u16>,
}

/// `supported_versions`, which only hellos for TLS 1.3 have.
pub(crate) const SUPPORTED_VERSIONS: u16 = 43;

impl Hello {
    pub(crate) fn read(stream: &mut TcpStream) -> Option<Self> {
        let mut bytes = vec![0; 5];
        stream.read_exact(&mut bytes).ok()?;
        let is_record = bytes[0] == 22;
        let length = if is_record { number(&bytes[3..5]) } else { (number(&bytes[..2]) & 0x7fff).saturating_sub(3) };
        bytes.resize(5 + length.min(0x4000), 0);
        stream.read_exact(&mut bytes[5..]).ok()?;
        let mut hello = Self { bytes, ..Self::default() };
        if is_record {
            hello.length = length;
            hello.look();
        }
        Some(hello)
    }

    /// RFC 5246, section 7.4.1.2.
    fn look(&mut self) -> Option<()> {
        let rest = self.bytes.get(5 + 4 + 2 + 32..)?;
        let rest = rest.get(1 + usize::from(rest[0])..)?;
        self.suites = number(rest.get(..2)?) / 2;
        let rest = rest.get(2 + 2 * self.suites..)?;
        let mut rest = rest.get(1 + usize::from(*rest.first()?)..)?.get(2..)?;
        while let (Some(kind), Some(length)) = (rest.get(..2), rest.get(2..4)) {
            self.extensions.push(u16::try_from(number(kind)).unwrap());
            rest = rest.get(4 + number(length)..)?;
        }
        Some(())
    }
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// Hands a client's hello, and all that follows, on to a real server; `tell` passes on what that answers.
pub(crate) fn hand_on(
    client: &TcpStream,
    hello: &Hello,
    server: SocketAddrV4,
    mut tell: impl FnMut(&[u8], &mut &TcpStream) -> io::Result<()>,
) {
    let Ok(mut server) = TcpStream::connect(server) else { return };
    let _ = server.set_read_timeout(Some(IDLE)).and_then(|()| server.write_all(&hello.bytes));
    thread::scope(|scope| {
        scope.spawn(|| {
            let _ = io::copy(&mut &*client, &mut &server);
            let _ = server.shutdown(Shutdown::Write);
        });
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = (&server).read(&mut buffer) {
            if tell(&buffer[..length], &mut &*client).is_err() {
                break;
            }
        }
        let _ = client.shutdown(Shutdown::Write);
        // A client that does not go by itself is not waited for.
        let _ = client.set_read_timeout(Some(Duration::from_secs(1)));
    });
}

/// Passes on what comes as it comes.
pub(crate) fn plainly(bytes: &[u8], client: &mut &TcpStream) -> io::Result<()> {
    client.write_all(bytes)
}

/// Cuts handshake records into records with `size` bytes each, as long as nothing is encrypted.
pub(crate) fn in_records_of(size: usize) -> impl FnMut(&[u8], &mut &TcpStream) -> io::Result<()> {
    let (mut held, mut encrypted) = (Vec::new(), false);
    move |bytes, client| {
        held.extend_from_slice(bytes);
        while held.len() >= 5 && held.len() >= 5 + number(&held[3..5]) {
            let record: Vec<u8> = held.drain(..5 + number(&held[3..5])).collect();
            encrypted |= record[0] != 22;
            if encrypted {
                client.write_all(&record)?;
                continue;
            }
            for piece in record[5..].chunks(size) {
                let length = u16::try_from(piece.len()).unwrap().to_be_bytes();
                client.write_all(&[&record[..3], &length, piece].concat())?;
            }
        }
        Ok(())
    }
}

/// Sends every byte in a segment of its own, with a pause after each.
pub(crate) fn by_bytes(pause: Duration) -> impl FnMut(&[u8], &mut &TcpStream) -> io::Result<()> {
    move |bytes, client| {
        bytes.iter().try_for_each(|byte| {
            thread::sleep(pause);
            client.write_all(&[*byte])
        })
    }
}
