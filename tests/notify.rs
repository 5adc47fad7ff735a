//! Deliveries to receivers that refuse, hang, break off, lead elsewhere or want to be believed: small servers of our own on
//! loopback, which do one thing each. Receivers that others wrote are in `tests/daemons`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may")]

#[path = "support/message.rs"]
mod message;

use message::message;
use portreeve::catalog::channels::{Channel, parse};
use portreeve::notify::{Blame, Limits, Receipt, Undelivered, deliver_within};
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const PASSWORD: &str = "correct-horse-battery";
const PATH: &str = "services/T0AAAAAAA/B0BBBBBBB/s3cr3tpath";

/// Long enough for a slow machine; what hangs is given less.
const PATIENT: Duration = Duration::from_secs(30);

fn patient() -> Limits {
    Limits { connect: PATIENT, hook: PATIENT, mail: PATIENT, program: PATIENT }
}

fn hasty() -> Limits {
    let short = Duration::from_millis(600);
    Limits { connect: PATIENT, hook: short, mail: short, program: short }
}

/// A folder with the secrets that channels name.
struct Secrets(TempDir);

impl Secrets {
    fn new() -> Self {
        let secrets = Self(tempfile::tempdir().unwrap());
        secrets.write("key", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", 0o600);
        secrets.write("password", PASSWORD, 0o600);
        secrets
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        #[cfg(not(unix))]
        let _ = mode;
        path
    }

    fn channel(&self, keys: &str) -> Channel {
        let text = format!("[[channel]]\nname = 'x'\n{keys}\n");
        let alerts = parse("alerts.toml", &text, self.0.path(), None).unwrap_or_else(|error| panic!("{error}"));
        alerts.channels.into_iter().next().unwrap()
    }

    fn webhook(&self, socket: SocketAddr) -> Channel {
        self.channel(&format!("kind = 'webhook'\nurl = 'http://{socket}/hook'\nsecret_file = 'key'"))
    }

    /// Of Slack or Teams.
    fn hook(&self, kind: &str, socket: SocketAddr) -> Channel {
        self.write("url", &format!("http://{socket}/{PATH}\n"), 0o600);
        self.channel(&format!("kind = '{kind}'\nurl_file = 'url'"))
    }

    fn mail(&self, socket: SocketAddr, keys: &str) -> Channel {
        self.channel(&format!(
            "kind = 'mail'\nserver = '{socket}'\nfrom = 'p@msp.example'\nto = ['a@msp.example', 'b@msp.example']\n{keys}"
        ))
    }
}

/// What receivers heard, one text a connection.
type Heard = Arc<Mutex<Vec<String>>>;

/// A server that does the same with every connection.
async fn serve<F, W>(what: F) -> SocketAddr
where
    F: Fn(TcpStream) -> W + Send + Sync + 'static,
    W: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(what(stream));
        }
    });
    socket
}

/// Reads a request to its end: head, and as much body as it says.
async fn request(stream: &mut TcpStream) -> String {
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        match stream.read(&mut buffer).await {
            Ok(count @ 1..) => text.push_str(&String::from_utf8_lossy(&buffer[..count])),
            _ => return text,
        }
    }
}

/// A web server that gives every request this answer; `REQUEST` in it is the request.
async fn answering(answer: &str) -> (SocketAddr, Heard) {
    let heard = Heard::default();
    let (answer, book) = (answer.to_owned(), Arc::clone(&heard));
    let socket = serve(move |mut stream| {
        let (answer, book) = (answer.clone(), Arc::clone(&book));
        async move {
            let heard = request(&mut stream).await;
            let answer = answer.replace("REQUEST", &heard);
            book.lock().unwrap().push(heard);
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    })
    .await;
    (socket, heard)
}

async fn deliver(channel: &Channel, limits: &Limits) -> Result<Receipt, Undelivered> {
    deliver_within(channel, &message(), &[], limits).await
}

/// The trouble of a delivery, which names no secret in any of its texts.
async fn trouble(channel: &Channel, limits: &Limits) -> Undelivered {
    let wrong = deliver(channel, limits).await.unwrap_err();
    let all = format!("{wrong} {wrong:?} {channel:?}");
    for secret in
        [PASSWORD, "s3cr3tpath", "T0AAAAAAA", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5"]
    {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
    assert!(!wrong.advice.is_empty() && !wrong.what.contains(['\r', '\n', '\x1b']), "{all}");
    wrong
}

#[tokio::test]
async fn a_webhook_gets_json_with_a_signature_and_an_id() {
    let secrets = Secrets::new();
    let (socket, heard) = answering("HTTP/1.1 204 No Content\r\n\r\n").await;
    let receipt = deliver(&secrets.webhook(socket), &patient()).await.unwrap();
    assert_eq!(receipt.said, "204 No Content");
    let request = heard.lock().unwrap().pop().unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let head = head.to_lowercase();
    assert!(head.starts_with("post /hook http/1.1\r\n"), "{head}");
    for wanted in [
        "content-type: application/json",
        "webhook-id: 0123456789abcdef0123456789abcdef",
        "idempotency-key: \"0123456789abcdef0123456789abcdef\"",
        "webhook-signature: v1,",
        "user-agent: portreeve/",
    ] {
        assert!(head.contains(wanted), "{wanted} in {head}");
    }
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!((&body["format"], &body["version"]), (&"portreeve-alert".into(), &1.into()));
    assert_eq!(body["headline"], "Northwind Dental: tcp/3389 opened on rmm");
}

#[tokio::test]
async fn slack_takes_a_message_only_by_saying_ok() {
    let secrets = Secrets::new();
    let (socket, heard) = answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    deliver(&secrets.hook("slack", socket), &patient()).await.unwrap();
    let request = heard.lock().unwrap().pop().unwrap();
    assert!(request.starts_with(&format!("POST /{PATH} ")) && request.contains("\"blocks\""), "{request}");
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n<html>Sign in</a>",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nok",
    ] {
        let (socket, _) = answering(answer).await;
        let wrong = trouble(&secrets.hook("slack", socket), &patient()).await;
        assert!(wrong.blame == Blame::Receiver && wrong.what.contains("instead of `ok`"), "{wrong:?}");
    }
}

#[tokio::test]
async fn a_workflow_of_teams_accepts_before_it_posts_and_that_is_said() {
    let secrets = Secrets::new();
    let (socket, heard) = answering("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").await;
    let receipt = deliver(&secrets.hook("teams", socket), &patient()).await.unwrap();
    assert!(receipt.said.starts_with("202 Accepted (the workflow has it"), "{receipt:?}");
    assert!(heard.lock().unwrap().pop().unwrap().contains("AdaptiveCard"));
    let said = "Webhook message delivery failed with error: returned HTTP error 429";
    let (socket, _) = answering(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{said}", said.len())).await;
    let wrong = trouble(&secrets.hook("teams", socket), &patient()).await;
    assert!(wrong.blame == Blame::Receiver && !wrong.lasting && wrong.what.contains(said), "{wrong:?}");
}

#[tokio::test]
async fn an_answer_that_does_not_accept_is_told_apart() {
    let secrets = Secrets::new();
    for (answer, blame, lasting, pause, hint) in [
        ("500 Internal Server Error\r\n\r\n", Blame::Receiver, false, None, "500 Internal Server Error"),
        ("503 X\r\nRetry-After: 120\r\n\r\n", Blame::Receiver, false, Some(120), "503 Service Unavailable"),
        ("429 X\r\nRetry-After: 7\r\n\r\n", Blame::Receiver, false, Some(7), "429"),
        ("404 X\r\nRetry-After: 7\r\n\r\n", Blame::Settings, true, None, "404 Not Found"),
        ("410 X\r\n\r\n", Blame::Settings, true, None, "410 Gone"),
        ("401 X\r\n\r\n", Blame::Settings, true, None, "401"),
        ("400 X\r\nContent-Length: 15\r\n\r\ninvalid_payload", Blame::Receiver, true, None, "invalid_payload"),
        (
            "302 X\r\nLocation: https://login.example/s3cr3tpath\r\n\r\n",
            Blame::Settings,
            true,
            None,
            "https://login.example:",
        ),
        ("400 X\r\n\r\n\x1b[2J\u{202e}\r\nforged: line", Blame::Receiver, true, None, "\\x1b[2J\\u{202e}"),
    ] {
        let (socket, heard) = answering(&format!("HTTP/1.1 {answer}")).await;
        let wrong = trouble(&secrets.hook("slack", socket), &patient()).await;
        assert_eq!((wrong.blame, wrong.lasting), (blame, lasting), "{answer:?}: {wrong:?}");
        assert_eq!(wrong.retry_after, pause.map(Duration::from_secs), "{answer:?}");
        assert!(wrong.what.contains(hint), "{answer:?}: {wrong:?}");
        assert_eq!(heard.lock().unwrap().len(), 1, "{answer:?} is asked once");
    }
}

#[tokio::test]
async fn a_page_that_repeats_the_address_is_not_shown() {
    let secrets = Secrets::new();
    let (socket, _) = answering("HTTP/1.1 500 X\r\n\r\nDebug page: REQUEST").await;
    let wrong = trouble(&secrets.hook("slack", socket), &patient()).await;
    assert!(wrong.what.contains("repeats a secret"), "{wrong:?}");
}

#[tokio::test]
async fn a_receiver_that_hangs_drips_floods_or_breaks_off_holds_nobody_up() {
    let secrets = Secrets::new();
    let drips = serve(|mut stream| async move {
        request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX: ").await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let hangs = serve(|mut stream| async move {
        request(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let began = Instant::now();
    for socket in [drips, hangs] {
        let wrong = trouble(&secrets.webhook(socket), &hasty()).await;
        assert!(wrong.what.contains("took longer than 0.6 s to answer") && !wrong.lasting, "{wrong:?}");
        assert!(wrong.advice.contains("may have taken the message all the same"), "{wrong:?}");
    }
    assert!(began.elapsed() < PATIENT);

    let floods = serve(|mut stream| async move {
        request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 500 X\r\n\r\n").await;
        while stream.write_all(&[b'y'; 8192]).await.is_ok() {}
    })
    .await;
    let wrong = trouble(&secrets.webhook(floods), &patient()).await;
    assert!(wrong.what.len() < 500 && wrong.what.contains("500 Internal Server Error: yyy"), "{wrong:?}");

    let closes = serve(|mut stream| async move { drop(request(&mut stream).await) }).await;
    let wrong = trouble(&secrets.webhook(closes), &patient()).await;
    assert_eq!(wrong.blame, Blame::Path, "{wrong:?}");

    // Bound, so that nobody else gets the port, and listening is none.
    let held = tokio::net::TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let nobody = held.local_addr().unwrap();
    let wrong = trouble(&secrets.webhook(nobody), &patient()).await;
    assert!(wrong.what.contains(&format!("nothing listens at http://{nobody}")), "{wrong:?}");

    // No HTTP, and TLS with what speaks none.
    let greets = serve(|mut stream| async move { drop(stream.write_all(b"220 mail here\r\n").await) }).await;
    let wrong = trouble(&secrets.webhook(greets), &patient()).await;
    assert!(!wrong.lasting, "{wrong:?}");
    let tls = secrets.channel(&format!("kind = 'webhook'\nurl = 'https://{greets}/'\nsecret_file = 'key'"));
    let wrong = trouble(&tls, &patient()).await;
    assert!(wrong.what.contains("no TLS with https://"), "{wrong:?}");
}

#[tokio::test]
async fn secrets_that_cannot_be_had_are_named_and_nothing_is_sent() {
    let secrets = Secrets::new();
    let (socket, heard) = answering("HTTP/1.1 204 No Content\r\n\r\n").await;
    let channel = secrets.webhook(socket);
    std::fs::remove_file(secrets.0.path().join("key")).unwrap();
    let wrong = trouble(&channel, &patient()).await;
    assert!(wrong.blame == Blame::Settings && wrong.what.contains("key: it cannot be read"), "{wrong:?}");
    assert!(portreeve::notify::check(&channel).is_err());
    secrets.write("key", "too short", 0o600);
    assert!(trouble(&channel, &patient()).await.what.contains("a key has 24 to 64 bytes"));
    let unset = secrets.channel("kind = 'teams'\nurl_env = 'PORTREEVE_TEST_NOT_SET'");
    assert!(trouble(&unset, &patient()).await.what.contains("PORTREEVE_TEST_NOT_SET: it is not set"));
    #[cfg(unix)]
    {
        secrets.write("key", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 0o644);
        let wrong = trouble(&channel, &patient()).await;
        assert!(wrong.what.contains("its mode is 0644") && wrong.advice.starts_with("chmod 600 "), "{wrong:?}");
    }
    assert_eq!(heard.lock().unwrap().len(), 0);
}

/// Answers in the order of `script`, one a line that the client sends; what a mail says is one line too. What is no pair is said
/// at once. After its end it says nothing more.
async fn smtp(script: &'static [&'static str]) -> (SocketAddr, Heard) {
    let heard = Heard::default();
    let book = Arc::clone(&heard);
    let socket = serve(move |mut stream| {
        let book = Arc::clone(&book);
        async move {
            let (mut buffer, mut data) = ([0; 8192], false);
            for answer in script {
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
                let mut said = String::new();
                while !said.ends_with(if data { "\r\n.\r\n" } else { "\r\n" }) {
                    match stream.read(&mut buffer).await {
                        Ok(count @ 1..) => said.push_str(&String::from_utf8_lossy(&buffer[..count])),
                        _ => return,
                    }
                }
                data = said.trim() == "DATA";
                book.lock().unwrap().push(said);
            }
            std::future::pending::<()>().await;
        }
    })
    .await;
    (socket, heard)
}

const HELLO: &str = "250-mx.example\r\n250 AUTH PLAIN LOGIN\r\n";

#[tokio::test]
async fn mail_is_told_apart_by_what_the_server_says_and_when() {
    let secrets = Secrets::new();
    let login = "tls = 'none'\nuser = 'p'\npassword_file = 'password'";
    for (script, keys, blame, lasting, hint) in [
        (
            &["554 5.7.1 you are on a list\r\n"][..],
            "tls = 'none'",
            Blame::Receiver,
            true,
            "refused before it greeted: 554 5.7.1",
        ),
        (&["421 too busy\r\n"], "tls = 'none'", Blame::Receiver, false, "421 too busy"),
        (
            &["220 mx\r\n", HELLO, "535 5.7.8 no: \x1b[2J\r\n"],
            login,
            Blame::Settings,
            true,
            "while signing in: 535 5.7.8 no: \\x1b[2J",
        ),
        (
            &["220 mx\r\n", HELLO, "535 correct-horse-battery is wrong\r\n"],
            login,
            Blame::Settings,
            true,
            "repeats a secret",
        ),
        (&["220 mx\r\n", HELLO, "454 later\r\n"], login, Blame::Receiver, false, "454 later"),
        (&["220 mx\r\n", "250 mx\r\n"], login, Blame::Settings, true, "no way of signing in"),
        (
            &["220 mx\r\n", HELLO, "550 not your address\r\n"],
            "tls = 'none'",
            Blame::Settings,
            true,
            "550 not your address",
        ),
        (
            &["220 mx\r\n", HELLO, "250 ok\r\n", "550 no\r\n", "551 no\r\n"],
            "tls = 'none'",
            Blame::Settings,
            true,
            "b@msp.example (551 no)",
        ),
        (
            &["220 mx\r\n", HELLO, "250 ok\r\n", "450 grey\r\n", "550 no\r\n"],
            "tls = 'none'",
            Blame::Receiver,
            false,
            "a@msp.example (450 grey)",
        ),
        (
            &["220 mx\r\n", HELLO, "250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "554 spam\r\n"],
            "tls = 'none'",
            Blame::Receiver,
            true,
            "554 spam",
        ),
        (
            &["220 mx\r\n", HELLO, "250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "452 full\r\n"],
            "tls = 'none'",
            Blame::Receiver,
            false,
            "452 full",
        ),
        (&["HTTP/1.1 400 Bad Request\r\n"], "tls = 'none'", Blame::Receiver, false, "no SMTP"),
        (&["220 mx\r\n", "250 no TLS here\r\n"], "", Blame::Path, true, "does not offer STARTTLS"),
        (
            &["220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "454 no certificate\r\n"],
            "",
            Blame::Receiver,
            false,
            "454 no certificate",
        ),
        (&["554 go away\r\n"], "", Blame::Receiver, true, "554 go away"),
    ] {
        let (socket, _) = smtp(script).await;
        let wrong = trouble(&secrets.mail(socket, keys), &patient_but_quits()).await;
        assert_eq!((wrong.blame, wrong.lasting), (blame, lasting), "{script:?}: {wrong:?}");
        assert!(wrong.what.contains(hint), "{script:?}: {wrong:?}");
    }
}

/// A server that says nothing to QUIT is not waited for long.
fn patient_but_quits() -> Limits {
    Limits { connect: Duration::from_millis(500), ..patient() }
}

#[tokio::test]
async fn who_has_a_mail_is_not_given_it_again() {
    let secrets = Secrets::new();
    let (socket, _) = smtp(&[
        "220 mx\r\n",
        HELLO,
        "250 ok\r\n",
        "250 ok\r\n",
        "451 grey\r\n",
        "354 go\r\n",
        "250 queued\r\n",
        "221 bye\r\n",
    ])
    .await;
    let wrong = trouble(&secrets.mail(socket, "tls = 'none'"), &patient()).await;
    assert_eq!((wrong.reached.as_slice(), wrong.lasting), (&["a@msp.example".to_owned()][..], false), "{wrong:?}");

    // The next try is for the other one alone, and what goes wrong in it forgets nobody.
    let again = async |script| {
        let (socket, heard) = smtp(script).await;
        let channel = secrets.mail(socket, "tls = 'none'");
        (deliver_within(&channel, &message(), &wrong.reached, &patient_but_quits()).await, heard)
    };
    let (came, heard) =
        again(&["220 mx\r\n", HELLO, "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 queued as 7\r\n", "221 bye\r\n"])
            .await;
    assert_eq!(came.unwrap(), Receipt { said: "250 queued as 7".to_owned(), refused: Vec::new() });
    let said = heard.lock().unwrap().concat();
    assert!(said.contains("RCPT TO:<b@msp.example>") && !said.contains("RCPT TO:<a@msp.example>"), "{said}");
    assert!(said.contains("Message-ID: <alert.0123456789abcdef0123456789abcdef@msp.example>"), "{said}");
    let (came, _) = again(&["421 busy\r\n"]).await;
    assert_eq!(came.unwrap_err().reached, wrong.reached);
    // Nobody is left who could be given it: that is told, and is an end.
    let (came, _) = again(&["220 mx\r\n", HELLO, "250 ok\r\n", "550 gone\r\n", "221 bye\r\n"]).await;
    let came = came.unwrap();
    assert_eq!((came.refused[0].whom.as_str(), came.refused[0].said.as_str()), ("b@msp.example", "550 gone"));
}

#[tokio::test]
async fn a_mail_server_that_hangs_or_never_ends_holds_nobody_up() {
    let secrets = Secrets::new();
    let all: [&[&str]; 4] = [
        &[],
        &["220 mx\r\n"],
        &["220 mx\r\n", HELLO, "250 ok\r\n", "250 ok\r\n"],
        &["220 mx\r\n", HELLO, "250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n"],
    ];
    for (script, hint) in
        all.into_iter().zip(["before it greeted", "before it greeted", "recipients", "given the mail"])
    {
        let (socket, _) = smtp(script).await;
        let wrong = trouble(&secrets.mail(socket, "tls = 'none'"), &hasty()).await;
        assert!(wrong.what.contains("took longer than 0.6 s") && wrong.what.contains(hint), "{wrong:?}");
        assert_eq!(wrong.advice.contains("may have taken"), hint == "given the mail", "{wrong:?}");
    }
    // STARTTLS and implicit TLS hang elsewhere.
    let (socket, _) = smtp(&["220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go\r\n"]).await;
    let wrong = trouble(&secrets.mail(socket, ""), &hasty()).await;
    assert!(wrong.what.contains("while TLS was agreed upon"), "{wrong:?}");
    let silent = serve(|_stream| std::future::pending()).await;
    let wrong = trouble(&secrets.mail(silent, "tls = 'implicit'"), &hasty()).await;
    assert!(wrong.what.contains("while TLS was agreed upon"), "{wrong:?}");
    // One line without an end, and lines without an end.
    let began = Instant::now();
    for flood in ["x", "250-x\r\n"] {
        let floods = serve(move |mut stream| async move {
            let _ = stream.write_all(b"220-").await;
            let flood = flood.repeat(1000);
            while stream.write_all(flood.as_bytes()).await.is_ok() {}
        })
        .await;
        for keys in ["tls = 'none'", ""] {
            let wrong = trouble(&secrets.mail(floods, keys), &patient_but_quits()).await;
            assert!(!wrong.what.contains("took longer"), "{wrong:?}");
        }
    }
    assert!(began.elapsed() < PATIENT, "{:?}", began.elapsed());
}

/// Whoever is on the way may speak in the open before TLS begins. None of it counts.
#[tokio::test]
async fn what_is_slipped_in_before_tls_is_never_taken_for_the_server() {
    let secrets = Secrets::new();
    let ready = "220 go\r\n250-mx\r\n250 OK\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n";
    let script: &'static [&'static str] = Box::leak(Box::new(["220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", ready]));
    let (socket, heard) = smtp(script).await;
    let wrong = trouble(&secrets.mail(socket, ""), &patient()).await;
    assert!(wrong.what.contains("says more than it was asked, before TLS"), "{wrong:?}");
    let said = heard.lock().unwrap().concat();
    assert!(!said.contains("MAIL FROM") && !said.contains("AUTH"), "{said}");
}

/// Where everything is logged that any library has to say.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_secret_is_logged_at_any_level() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    tracing::trace!("the log works");
    let secrets = Secrets::new();
    let (socket, _) = answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    deliver(&secrets.hook("slack", socket), &patient()).await.unwrap();
    let tls = secrets.write("url", &format!("https://{socket}/{PATH}"), 0o600);
    assert!(tls.exists());
    trouble(&secrets.channel("kind = 'slack'\nurl_file = 'url'"), &hasty()).await;
    let login = "tls = 'none'\nuser = 'p'\npassword_file = 'password'";
    let (socket, heard) = smtp(&["220 mx\r\n", HELLO, "235 welcome\r\n", "421 busy\r\n"]).await;
    trouble(&secrets.mail(socket, login), &patient_but_quits()).await;
    // It was sent, so it could have been logged.
    let said = heard.lock().unwrap().concat();
    let plain = data_encoding::BASE64.encode(format!("\0p\0{PASSWORD}").as_bytes());
    assert!(said.contains(&plain), "{said}");
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("the log works"));
    for secret in [PASSWORD, plain.as_str(), "s3cr3tpath", "T0AAAAAAA"] {
        assert!(!logged.contains(secret), "{secret} in {logged}");
    }
}

#[cfg(unix)]
mod programs {
    use super::*;

    fn script(secrets: &Secrets, text: &str) -> Channel {
        secrets.write("page", &format!("#!/bin/sh\n{text}\n"), 0o700);
        secrets.channel("kind = 'command'\nprogram = ['./page', 'an argument; $(no) shell']")
    }

    #[tokio::test]
    async fn a_program_gets_the_message_and_says_how_it_went() {
        let secrets = Secrets::new();
        let folder = secrets.0.path().display();
        let came = deliver(&script(&secrets, &format!("cat > {folder}/got; echo \"$1\"")), &patient()).await;
        assert_eq!(came.unwrap().said, "exit code 0: an argument; $(no) shell");
        let got = std::fs::read_to_string(secrets.0.path().join("got")).unwrap();
        let got: serde_json::Value = serde_json::from_str(&got).unwrap();
        assert_eq!(got["notices"][0]["title"], "tcp/3389 opened on rmm");
        for (text, blame, lasting, hint) in [
            (
                "echo no carrier >&2; exit 75",
                Blame::Receiver,
                false,
                "exit code 75, which asks for another try: no carrier",
            ),
            ("printf 'a\\033[2Jb'; exit 1", Blame::Receiver, false, "exit code 1: a\\x1b[2Jb"),
            ("kill -9 $$", Blame::Here, false, "ended by a signal"),
        ] {
            let wrong = trouble(&script(&secrets, text), &patient()).await;
            assert_eq!((wrong.blame, wrong.lasting), (blame, lasting), "{wrong:?}");
            assert!(wrong.what.contains(hint), "{wrong:?}");
        }
        // One that reads nothing, and says far too much.
        let came = deliver(&script(&secrets, "exec < /dev/null; yes | head -c 10000000"), &patient()).await.unwrap();
        assert!(came.said.len() < 400, "{came:?}");
    }

    /// Its environment is ours, of which these two are there in every test.
    #[tokio::test]
    async fn a_program_does_not_see_what_is_a_secret_of_other_channels() {
        let secrets = Secrets::new();
        secrets.write("page", "#!/bin/sh\necho \"${CARGO_MANIFEST_DIR-none} $CARGO_PKG_NAME\"\n", 0o700);
        let page = "[[channel]]\nname = 'page'\nkind = 'command'\nprogram = ['./page']\n";
        for other in [
            "kind = 'slack'\nurl_env = 'CARGO_MANIFEST_DIR'",
            "kind = 'webhook'\nurl = 'https://psa.example/'\nsecret_env = 'CARGO_MANIFEST_DIR'",
        ] {
            let text = format!("{page}[[channel]]\nname = 'x'\n{other}\n");
            let channels = parse("alerts.toml", &text, secrets.0.path(), None).unwrap().channels;
            assert_eq!(deliver(&channels[0], &patient()).await.unwrap().said, "exit code 0: none portreeve");
        }
        let alone = secrets.channel("kind = 'command'\nprogram = ['./page']");
        let said = deliver(&alone, &patient()).await.unwrap().said;
        assert!(said.ends_with(" portreeve") && !said.contains("none"), "{said}");
    }

    #[tokio::test]
    async fn a_program_that_cannot_be_started_is_somebodys_fault() {
        let secrets = Secrets::new();
        let missing = secrets.channel("kind = 'command'\nprogram = ['./missing']");
        let wrong = trouble(&missing, &patient()).await;
        assert!(
            wrong.blame == Blame::Settings && wrong.lasting && wrong.what.contains("cannot be started"),
            "{wrong:?}"
        );
        secrets.write("text", "no program", 0o600);
        let text = secrets.channel("kind = 'command'\nprogram = ['./text']");
        assert_eq!(trouble(&text, &patient()).await.blame, Blame::Settings);
        for channel in [missing, text] {
            assert!(portreeve::notify::check(&channel).is_err());
        }
        assert_eq!(portreeve::notify::check(&script(&secrets, "true")), Ok(()));
    }

    /// Whether the process is still there.
    fn lives(pid: i32) -> bool {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None).is_ok()
    }

    async fn pid_in(path: &Path) -> i32 {
        let deadline = Instant::now() + PATIENT;
        while Instant::now() < deadline {
            if let Ok(pid) = std::fs::read_to_string(path).unwrap_or_default().trim().parse() {
                return pid;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no pid");
    }

    #[tokio::test]
    async fn a_program_that_does_not_end_is_stopped_with_all_that_it_started() {
        let secrets = Secrets::new();
        let pid = secrets.0.path().join("pid");
        let channel = script(&secrets, &format!("sleep 3600 & echo $! > {}; wait", pid.display()));
        let wrong = trouble(&channel, &hasty()).await;
        assert!(wrong.what.contains("had not ended after 0.6 s, and was stopped") && !wrong.lasting, "{wrong:?}");
        let child = pid_in(&pid).await;
        let deadline = Instant::now() + PATIENT;
        while lives(child) && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(!lives(child));
    }

    #[tokio::test]
    async fn what_a_program_leaves_behind_on_purpose_is_not_waited_for() {
        let secrets = Secrets::new();
        let pid = secrets.0.path().join("pid");
        let channel = script(&secrets, &format!("sleep 3600 & echo $! > {}", pid.display()));
        let began = Instant::now();
        deliver(&channel, &patient()).await.unwrap();
        assert!(began.elapsed() < PATIENT);
        let child = pid_in(&pid).await;
        assert!(lives(child));
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(child), nix::sys::signal::Signal::SIGKILL).unwrap();
    }
}
