//! Alerts, delivered to what others wrote: nginx, Exim, and Python's web server, which verifies the signature by itself.

use super::issuer::{Identity, Issuer};
use super::rig::{Daemon, Rig};
use super::webserver::{nginx, nginx_tls};
use portreeve::catalog::channels::{Channel, parse};
use portreeve::model::alert::Message;
use portreeve::notify::{Blame, Receipt, Undelivered, deliver};
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::net::SocketAddrV4;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PASSWORD: &str = "correct-horse-battery";

/// How long a mail may take from the server's word to its file.
const PATIENCE: Duration = Duration::from_mins(1);

/// Of a client whose name wants to be a header, with details that want to end the mail.
fn message() -> Message {
    let mut message = super::message::message();
    "Nørthwind Dental\r\nBcc: everybody@msp.example".clone_into(&mut message.client);
    let notice = &mut message.notices[0];
    "Nørthwind Dental".clone_into(&mut notice.client);
    notice.details.extend([".".to_owned(), "\r\n.\r\nQUIT\r\n".to_owned()]);
    message
}

fn channel(rig: &Rig, keys: &str) -> Channel {
    for (name, text) in [("key", KEY), ("password", PASSWORD), ("wrong", "not the password")] {
        fs::set_permissions(rig.write(name, text), Permissions::from_mode(0o600)).unwrap();
    }
    let text = format!("[[channel]]\nname = 'x'\n{keys}\n");
    let alerts = parse("alerts.toml", &text, &rig.path(""), None).unwrap_or_else(|error| panic!("{error}"));
    alerts.channels.into_iter().next().unwrap()
}

fn send(channel: &Channel, message: &Message) -> Result<Receipt, Undelivered> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let sent = runtime.block_on(deliver(channel, message, &[]));
    let all = format!("{sent:?}");
    assert!(!all.contains(PASSWORD) && !all.contains("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), "{all}");
    sent
}

#[test]
fn nginx_takes_and_refuses_over_tls_that_is_verified() {
    let Some(rig) = Rig::with(&["nginx"]) else { return };
    let issuer = Issuer::new(&rig);
    let server = "location = /ok { return 204; }\nlocation = /fail { return 500; }\nlocation = /gone { return 410; }\n\
        location = /moved { return 301 https://elsewhere.example/; }\n\
        location = /small { client_max_body_size 1; proxy_pass http://127.0.0.1:1; }\n\
        location = /wait { add_header Retry-After 90 always; return 503; }\n";
    let with = |identity: &Identity| nginx(&rig, "ssl", &format!("{}{server}", nginx_tls(identity, "TLSv1.2 TLSv1.3")));
    let good = with(&issuer.for_address());
    let hook = |daemon: &Daemon, path: &str, trust: &str| {
        let keys = format!("kind = 'webhook'\nurl = 'https://{}/{path}'\nsecret_file = 'key'\n{trust}", daemon.socket);
        send(&channel(&rig, &keys), &message())
    };
    let trusted = "ca_file = 'ca.pem'";
    assert_eq!(hook(&good, "ok", trusted).unwrap().said, "204 No Content");
    for (path, blame, lasting, hint) in [
        ("fail", Blame::Receiver, false, "500 Internal Server Error"),
        ("gone", Blame::Settings, true, "410 Gone"),
        ("moved", Blame::Settings, true, "to https://elsewhere.example: it leads elsewhere"),
        ("small", Blame::Receiver, true, "413"),
        ("wait", Blame::Receiver, false, "503 Service Unavailable"),
        ("nothing", Blame::Settings, true, "404 Not Found"),
    ] {
        let wrong = hook(&good, path, trusted).unwrap_err();
        assert_eq!((wrong.blame, wrong.lasting), (blame, lasting), "{wrong:?}");
        assert!(wrong.what.contains(hint), "{wrong:?}");
        assert_eq!(wrong.retry_after, (path == "wait").then_some(Duration::from_secs(90)), "{wrong:?}");
    }
    for (daemon, trust, hint) in [
        (&good, "", "no trusted root issued it"),
        (&with(&issuer.for_another_name()), trusted, "it is for another name"),
        (&with(&issuer.expired()), trusted, "for another name"),
    ] {
        let wrong = hook(daemon, "ok", trust).unwrap_err();
        assert!(wrong.blame == Blame::Path && wrong.lasting, "{wrong:?}");
        assert!(
            wrong.what.contains("the certificate of") && (wrong.what.contains(hint) || wrong.what.contains("expired")),
            "{wrong:?}"
        );
    }
    // Stopped, it is nobody's secret that nothing listens there; back, it takes the same message.
    let socket = good.socket;
    drop(good);
    let keys = format!("kind = 'webhook'\nurl = 'https://{socket}/ok'\nsecret_file = 'key'\n{trusted}");
    assert!(send(&channel(&rig, &keys), &message()).unwrap_err().what.contains("nothing listens"));
    assert!(hook(&with(&issuer.for_address()), "ok", trusted).is_ok());
}

/// Verifies what it gets by the words of the specification, without a line of ours.
const VERIFIER: &str = r#"
import base64, hashlib, hmac, http.server, sys, time
key = base64.b64decode(sys.argv[3].removeprefix("whsec_"))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + body
        expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        fresh = abs(time.time() - int(self.headers["webhook-timestamp"])) < 300
        good = fresh and hmac.compare_digest(expected, self.headers["webhook-signature"])
        self.send_response(202 if good else 401)
        self.send_header("content-length", "0")
        self.end_headers()
http.server.HTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
"#;

#[test]
fn a_receiver_that_nobody_here_wrote_verifies_the_signature() {
    let Some(rig) = Rig::with(&["python3"]) else { return };
    let verifier = |key: &'static str| {
        let script = rig.write("verifier.py", VERIFIER);
        rig.start("python3", |socket: SocketAddrV4| {
            let mut command = rig.command("python3");
            command.arg(&script).args([socket.ip().to_string(), socket.port().to_string(), key.to_owned()]);
            command
        })
    };
    let sent = |daemon: &Daemon| {
        let keys = format!("kind = 'webhook'\nurl = 'http://{}/'\nsecret_file = 'key'", daemon.socket);
        send(&channel(&rig, &keys), &message())
    };
    assert_eq!(sent(&verifier(KEY)).unwrap().said, "202 Accepted");
    let wrong = sent(&verifier("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")).unwrap_err();
    assert!(wrong.blame == Blame::Settings && wrong.what.contains("401 Unauthorized"), "{wrong:?}");
}

/// Exim with one mailbox for everybody: `nobody` is refused, `later` for now, and whoever does not sign in for good.
/// `main` stands among its main options.
fn exim(rig: &Rig, identity: &Identity, implicit: bool, main: &str) -> Daemon {
    rig.start("exim4", |socket| {
        let folder = rig.folder(&format!("exim-{}", socket.port()));
        for name in ["spool", "log", "mail"] {
            let folder = rig.folder(&format!("exim-{}/{name}", socket.port()));
            // It gives up root, whoever starts it.
            fs::set_permissions(folder, Permissions::from_mode(0o777)).unwrap();
        }
        fs::set_permissions(&identity.key, Permissions::from_mode(0o644)).unwrap();
        let folder = folder.display();
        let mut text = format!(
            "primary_hostname = mx.example\nspool_directory = {folder}/spool\nlog_file_path = {folder}/log/%slog\n\
             local_interfaces = {}\ndaemon_smtp_ports = {}\ntls_certificate = {}\ntls_privatekey = {}\n\
             pid_file_path = {folder}/spool/pid\nacl_smtp_rcpt = rcpt\nacl_smtp_data = data\nhost_lookup =\n\
             rfc1413_query_timeout = 0s\nqualify_domain = example\nkeep_environment =\ndeliver_drop_privilege = true\n",
            socket.ip(),
            socket.port(),
            identity.certificate.display(),
            identity.key.display(),
        );
        if implicit {
            let _ = writeln!(text, "tls_on_connect_ports = {}", socket.port());
        }
        let _ = write!(
            text,
            "{main}\nbegin acl\nrcpt:\n  deny local_parts = nobody\n       message = no such user here\n\
             \x20 defer local_parts = later\n        message = greylisted, come back\n\
             \x20 accept authenticated = *\n  deny message = relaying denied\n\
             data:\n  deny condition = ${{if match{{$h_subject:}}{{spam}}}}\n       message = looks like spam\n  accept\n\
             begin routers\nall:\n  driver = accept\n  transport = file\n\
             begin transports\nfile:\n  driver = appendfile\n  file = {folder}/mail/box\n  envelope_to_add\n  mode_fail_narrower = false\n\
             begin authenticators\nplain:\n  driver = plaintext\n  public_name = PLAIN\n  server_prompts = :\n\
             \x20 server_condition = ${{if and{{{{eq{{$auth2}}{{portreeve}}}}{{eq{{$auth3}}{{{PASSWORD}}}}}}}}}\n  server_set_id = $auth2\n\
             \x20 server_advertise_condition = ${{if def:tls_in_cipher}}\n",
        );
        let file = rig.write(&format!("exim-{}/exim.conf", socket.port()), &text);
        let mut command = rig.command("exim4");
        command.arg("-C").arg(file).args(["-bdf", "-q1h"]);
        command
    })
}

/// What came, once there are so many mails.
fn mailbox(rig: &Rig, daemon: &Daemon, mails: usize) -> String {
    let path = rig.path(&format!("exim-{}/mail/box", daemon.port()));
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = fs::read_to_string(&path).unwrap_or_default();
        if text.matches("Envelope-to: ").count() >= mails && text.trim_end().ends_with("--") {
            return text;
        }
        assert!(Instant::now() < deadline, "{text}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

const TO: &str = "to = ['noc@msp.example']";
const SIGNED_IN: &str = "user = 'portreeve'\npassword_file = 'password'\nca_file = 'ca.pem'";

fn mail(rig: &Rig, daemon: &Daemon, keys: &str) -> Result<Receipt, Undelivered> {
    let keys = format!("kind = 'mail'\nserver = '{}'\nfrom = 'portreeve@msp.example'\n{keys}", daemon.socket);
    send(&channel(rig, &keys), &message())
}

#[test]
fn exim_takes_mail_over_starttls_and_implicit_tls() {
    let Some(rig) = Rig::with(&["exim4"]) else { return };
    let issuer = Issuer::new(&rig);
    for (implicit, tls) in [(false, "tls = 'starttls'"), (true, "tls = 'implicit'")] {
        let daemon = exim(&rig, &issuer.for_address(), implicit, "tls_advertise_hosts = *");
        let to = "to = ['noc@msp.example', 'Kim Lee <kim@msp.example>']";
        let came = mail(&rig, &daemon, &format!("{tls}\n{to}\n{SIGNED_IN}")).unwrap();
        assert!(came.said.starts_with("250 OK id=") && came.refused.is_empty(), "{came:?}");
        let text = mailbox(&rig, &daemon, 2);
        for wanted in [
            "Envelope-to: noc@msp.example",
            "Envelope-to: kim@msp.example",
            "with esmtpsa",
            "Message-ID: <alert.0123456789abcdef0123456789abcdef@msp.example>",
            "Auto-Submitted: auto-generated",
            "Subject: [portreeve] =?utf-8?b?",
            "Content-Type: text/plain; charset=utf-8",
            "Content-Type: text/html; charset=utf-8",
        ] {
            assert!(text.contains(wanted), "{wanted} in {text}");
        }
        assert!(!text.contains("\nBcc:"), "{text}");
    }
}

#[test]
fn exim_refuses_and_each_refusal_is_told_apart() {
    let Some(rig) = Rig::with(&["exim4"]) else { return };
    let issuer = Issuer::new(&rig);
    let daemon = exim(&rig, &issuer.for_address(), false, "tls_advertise_hosts = *");
    // Some have it, one never will, one will later.
    let to = "to = ['noc@msp.example', 'nobody@msp.example']";
    let came = mail(&rig, &daemon, &format!("{to}\n{SIGNED_IN}")).unwrap();
    assert_eq!(
        (came.refused[0].whom.as_str(), came.refused[0].said.as_str()),
        ("nobody@msp.example", "550 no such user here")
    );
    let to = "to = ['noc@msp.example', 'nobody@msp.example', 'later@msp.example']";
    let wrong = mail(&rig, &daemon, &format!("{to}\n{SIGNED_IN}")).unwrap_err();
    assert_eq!((wrong.reached.as_slice(), wrong.lasting), (&["noc@msp.example".to_owned()][..], false), "{wrong:?}");
    assert!(wrong.what.contains("later@msp.example (451 greylisted, come back)"), "{wrong:?}");
    for (keys, blame, lasting, hint) in [
        (format!("{TO}\nca_file = 'ca.pem'"), Blame::Settings, true, "550 relaying denied"),
        (
            format!("{TO}\nca_file = 'ca.pem'\nuser = 'portreeve'\npassword_file = 'wrong'"),
            Blame::Settings,
            true,
            "535 Incorrect",
        ),
        (format!("to = ['nobody@msp.example']\n{SIGNED_IN}"), Blame::Settings, true, "550 no such user"),
        (format!("to = ['later@msp.example']\n{SIGNED_IN}"), Blame::Receiver, false, "451 greylisted"),
        // Another authority, and TLS where there is none yet.
        (
            format!("{TO}\nuser = 'portreeve'\npassword_file = 'password'"),
            Blame::Path,
            true,
            "no trusted root issued it",
        ),
        (format!("{TO}\ntls = 'implicit'\n{SIGNED_IN}"), Blame::Path, false, "no TLS with"),
    ] {
        let wrong = mail(&rig, &daemon, &keys).unwrap_err();
        assert_eq!((wrong.blame, wrong.lasting), (blame, lasting), "{keys}: {wrong:?}");
        assert!(wrong.what.contains(hint), "{keys}: {wrong:?}");
    }
    for (identity, main, hint) in [
        (issuer.for_another_name(), "tls_advertise_hosts = *", "it is for another name"),
        (issuer.for_address(), "tls_advertise_hosts =", "does not offer STARTTLS"),
    ] {
        let daemon = exim(&rig, &identity, false, main);
        let wrong = mail(&rig, &daemon, &format!("{TO}\n{SIGNED_IN}")).unwrap_err();
        assert!(wrong.what.contains(hint) && wrong.lasting, "{wrong:?}");
        let log = fs::read_to_string(rig.path(&format!("exim-{}/log/mainlog", daemon.port()))).unwrap();
        assert!(!log.contains("A=plain") && !log.contains("<= "), "{log}");
    }
    let small = exim(&rig, &issuer.for_address(), false, "tls_advertise_hosts = *\nmessage_size_limit = 500");
    let wrong = mail(&rig, &small, &format!("{TO}\n{SIGNED_IN}")).unwrap_err();
    assert!(wrong.lasting && wrong.what.contains("552"), "{wrong:?}");
}

#[test]
fn exim_that_was_stopped_takes_the_same_mail_when_it_is_back() {
    let Some(rig) = Rig::with(&["exim4"]) else { return };
    let issuer = Issuer::new(&rig);
    let first = exim(&rig, &issuer.for_address(), false, "tls_advertise_hosts = *");
    let keys = format!("{TO}\n{SIGNED_IN}");
    let there = format!("kind = 'mail'\nserver = '{}'\nfrom = 'portreeve@msp.example'\n{keys}", first.socket);
    let there = channel(&rig, &there);
    drop(first);
    let wrong = send(&there, &message()).unwrap_err();
    assert!(wrong.blame == Blame::Path && !wrong.lasting && wrong.what.contains("nothing listens"), "{wrong:?}");
    let back = exim(&rig, &issuer.for_address(), false, "tls_advertise_hosts = *");
    mail(&rig, &back, &keys).unwrap();
    mail(&rig, &back, &keys).unwrap();
    let text = mailbox(&rig, &back, 2);
    assert_eq!(text.matches("Message-ID: <alert.0123456789abcdef0123456789abcdef@msp.example>").count(), 2, "{text}");
}

/// The whole way, by the program: what Exim defers for one is tried again for that one, and what comes after it goes to the other.
#[test]
fn exim_defers_one_recipient_and_the_other_gets_all_once() {
    let Some(rig) = Rig::with(&["exim4"]) else { return };
    let issuer = Issuer::new(&rig);
    let daemon = exim(&rig, &issuer.for_address(), false, "tls_advertise_hosts = *");
    fs::set_permissions(rig.write("password", PASSWORD), Permissions::from_mode(0o600)).unwrap();
    let target = |client: &str| {
        format!(
            "[[target]]\nclient = \"{client}\"\nname = \"server\"\nhost = \"{client}.invalid\"\nroles = [\"iis\"]\n\
             schedule = {{ cron = \"17 3 29 2 *\", zone = \"UTC\" }}\n"
        )
    };
    rig.write("inventory/targets.toml", &["First", "Second"].map(target).concat());
    let keys = SIGNED_IN.replace("= 'password'", "= '../password'").replace("ca.pem", "../ca.pem");
    let channel = format!(
        "[[channel]]\nname = 'mail'\nkind = 'mail'\nserver = '{}'\nfrom = 'portreeve@msp.example'\n\
         to = ['later@msp.example', 'noc@msp.example']\n{keys}\n",
        daemon.socket
    );
    rig.write("inventory/alerts.toml", &channel);
    let check = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_portreeve"));
        command.args(["alerts", "check", "--targets"]).arg(rig.path("inventory")).env("PORTREEVE_STORE", "none");
        let output = command.arg("--store").arg(rig.path("history.db")).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(check(), (Some(0), String::new()));
    let store = rusqlite::Connection::open(rig.path("history.db")).unwrap();
    for (mails, client) in ["First", "Second"].into_iter().enumerate() {
        let settled = "UPDATE job SET settled = '2015-01-01T00:00:00Z' WHERE id LIKE ?1";
        assert_eq!(store.execute(settled, [format!("{client}:%")]).unwrap(), 1);
        let (code, said) = check();
        assert_eq!(code, Some(3), "{said}");
        let text = mailbox(&rig, &daemon, mails + 1);
        assert_eq!(text.matches("Envelope-to: noc@msp.example").count(), mails + 1, "{text}");
        assert!(!text.contains("Envelope-to: later@"), "{text}");
    }
    let waiting: i64 = store.query_row("SELECT count(*) FROM outbox", [], |row| row.get(0)).unwrap();
    assert_eq!(waiting, 2, "both are still for whom Exim wants later");
    let first: String = store.query_row("SELECT error FROM outbox ORDER BY number", [], |row| row.get(0)).unwrap();
    assert!(first.contains("later@msp.example (451 greylisted, come back)"), "{first}");
}
