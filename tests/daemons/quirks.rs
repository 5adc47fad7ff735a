//! Servers that are hard to ask. Whatever they do, no version is said to be refused that is accepted, nor the other way round,
//! and nobody waits for long.

use super::fronts::{Away, Front, Hello, SUPPORTED_VERSIONS, by_bytes, hand_on, ignore, in_records_of, plainly};
use super::issuer::{NAME, self_signed, self_signed_rsa};
use super::oracle::{REFUSED, agree_with_s_client, agree_with_truth, s_client_accepts};
use super::report::{Report, VERSIONS, probe, probe_timed};
use super::rig::{Daemon, Rig};
use super::webserver::{nginx, nginx_tls};
use std::collections::VecDeque;
use std::io::Write as _;
use std::net::{SocketAddrV4, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long a port may be asked for in all, and what a busy machine may add.
const BOUND: Duration = Duration::from_secs(12);

const PROGRAMS: [&str; 4] = ["nginx", "openssl", "sslscan", "timeout"];

const OLD: [&str; 3] = ["TLS 1.0", "TLS 1.1", "TLS 1.2"];
const NEW: [&str; 2] = ["TLS 1.2", "TLS 1.3"];

/// A real server behind a front: what an independent client finds there is the truth about the front, for clients that it
/// hands on.
fn behind(rig: &Rig, truth: &[&str]) -> SocketAddrV4 {
    let versions: Vec<String> =
        truth.iter().map(|version| version.replace("TLS 1.0", "TLS 1").replace("TLS ", "TLSv")).collect();
    let tls = nginx_tls(&self_signed_rsa(rig), &versions.join(" "));
    let server = nginx(rig, "ssl", &format!("{tls}location / {{ return 200 hello; }}"));
    for version in ["TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3"] {
        let option =
            format!("-{}", version.replace("TLS 1.0", "TLS 1").replace(' ', "").replace('.', "_").to_lowercase());
        assert_eq!(s_client_accepts(rig, server.socket, &[&option]), truth.contains(&version), "{version}");
    }
    let place = server.socket;
    rig.keep(server);
    place
}

/// What portreeve says of a port, with SNI and without, in the time that it may take.
#[track_caller]
fn bounded(place: SocketAddrV4) -> Report {
    let (report, took) = probe_timed(&["tls", &place.to_string(), "--sni", NAME]);
    assert!(took < BOUND, "{place} was asked for {took:?}");
    report
}

/// Everything is said, and right.
#[track_caller]
fn told(front: &Front, truth: &[&str]) {
    agree_with_truth(&bounded(front.place), front.place, truth);
}

/// Nothing is wrong of what is said; something may be left open.
#[track_caller]
fn never_wrong(front: &Front, truth: &[&str]) {
    let ours = bounded(front.place).answers(front.place.port());
    for (version, our) in &ours {
        let is_accepted = truth.contains(&version.as_str());
        let wrong = if is_accepted { REFUSED.contains(&our.as_str()) } else { our == "accepted" };
        assert!(!wrong, "{version} is {our}, of {truth:?}: {ours:#?}");
    }
}

/// Nothing is accepted and nothing refused where there is nobody to do so.
#[track_caller]
fn nothing_claimed(front: &Front) {
    let ours = bounded(front.place).answers(front.place.port());
    let claims = ours.iter().any(|(_, our)| our == "accepted" || REFUSED.contains(&our.as_str()));
    assert!(!claims, "{ours:#?}");
}

/// A front that turns away who `is_unwelcome`, and hands everybody else on to a server of `truth`.
fn picky(rig: &Rig, truth: &[&str], away: Away, is_unwelcome: fn(&Hello) -> bool) -> Front {
    let server = behind(rig, truth);
    Front::start(rig, move |mut stream| {
        let Some(hello) = Hello::read(&mut stream) else { return };
        if is_unwelcome(&hello) { away.turn(stream) } else { hand_on(&stream, &hello, server, plainly) }
    })
}

#[test]
fn records_of_one_byte_each_are_put_together() {
    let Some(rig) = Rig::with(&PROGRAMS) else { return };
    for truth in [OLD.as_slice(), &NEW] {
        let server = behind(&rig, truth);
        for size in [1, 3, 17] {
            let front = Front::start(&rig, move |mut stream| {
                let Some(hello) = Hello::read(&mut stream) else { return };
                hand_on(&stream, &hello, server, in_records_of(size));
            });
            agree_with_s_client(&rig, &bounded(front.place), front.place, truth);
        }
    }
}

#[test]
fn segments_of_one_byte_each_are_put_together() {
    let Some(rig) = Rig::with(&PROGRAMS) else { return };
    for truth in [OLD.as_slice(), &NEW] {
        let server = behind(&rig, truth);
        let front = Front::start(&rig, move |mut stream| {
            let Some(hello) = Hello::read(&mut stream) else { return };
            hand_on(&stream, &hello, server, by_bytes(Duration::from_micros(100)));
        });
        agree_with_s_client(&rig, &bounded(front.place), front.place, truth);
    }
}

#[test]
fn warnings_before_the_server_hello_are_heard_and_passed_over() {
    let Some(rig) = Rig::with(&PROGRAMS) else { return };
    for truth in [OLD.as_slice(), &NEW] {
        let server = behind(&rig, truth);
        for count in [1, 3] {
            let front = Front::start(&rig, move |mut stream| {
                let Some(hello) = Hello::read(&mut stream) else { return };
                // unrecognized_name (RFC 6066, section 3)
                let _ = stream.write_all(&[21, 3, 1, 0, 2, 1, 112].repeat(count));
                hand_on(&stream, &hello, server, plainly);
            });
            told(&front, truth);
        }
    }
}

#[test]
fn what_is_no_tls_neither_accepts_nor_refuses() {
    let Some(rig) = Rig::with(&[]) else { return };
    let answers: [&[u8]; 4] = [
        b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
        b"220 mail.example.com ESMTP\r\n",
        b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
    ];
    for answer in answers {
        nothing_claimed(&Front::saying(&rig, answer));
    }
}

/// A record of SSL 2.0 is no answer to a hello of TLS.
#[test]
fn what_looks_like_ssl_2_accepts_no_tls() {
    let Some(rig) = Rig::with(&[]) else { return };
    // An error (no cipher), and the beginning of a SERVER-HELLO without certificate or ciphers.
    let answers: [&[u8]; 2] = [b"\x80\x03\x00\x00\x01", b"\x80\x0b\x04\x00\x00\x00\x02\x00\x00\x00\x00\x00\x10"];
    for answer in answers {
        let front = Front::saying(&rig, answer);
        let ours = bounded(front.place).versions(front.place.port());
        for version in VERSIONS {
            let our = ours.get(version).map_or("not asked", String::as_str);
            assert!(our != "accepted" && !REFUSED.contains(&our), "{answer:x?}: {version} is {our}");
        }
        assert_ne!(ours.get("SSL 2.0").map(String::as_str), Some("accepted"), "{answer:x?} names no cipher");
    }
}

/// The lengths that some middleboxes hang on (RFC 7685, section 1).
#[test]
fn a_hello_of_256_to_511_bytes_may_be_unwelcome() {
    let Some(rig) = Rig::with(&PROGRAMS) else { return };
    for away in [Away::Silence, Away::Close, Away::Reset] {
        told(&picky(&rig, &NEW, away, |hello| (256..512).contains(&hello.length)), &NEW);
        told(&picky(&rig, &OLD, away, |hello| (256..512).contains(&hello.length)), &OLD);
    }
}

#[test]
fn a_long_hello_may_be_unwelcome() {
    let Some(rig) = Rig::with(&PROGRAMS) else { return };
    for away in [Away::Close, Away::Reset, Away::Alert(40), Away::Silence] {
        told(&picky(&rig, &NEW, away, |hello| hello.length > 512), &NEW);
        told(&picky(&rig, &OLD, away, |hello| hello.length >= 256), &OLD);
    }
}

#[test]
fn a_version_may_be_unwelcome() {
    let Some(rig) = Rig::with(&PROGRAMS) else { return };
    for away in [Away::Close, Away::Reset, Away::Alert(70)] {
        told(&picky(&rig, &OLD, away, |hello| hello.extensions.contains(&SUPPORTED_VERSIONS)), &OLD);
    }
    let silent = picky(&rig, &OLD, Away::Silence, |hello| hello.extensions.contains(&SUPPORTED_VERSIONS));
    never_wrong(&silent, &OLD);
}

#[test]
fn where_any_extension_is_unwelcome_nothing_wrong_is_said() {
    let Some(rig) = Rig::with(&PROGRAMS) else { return };
    for away in [Away::Close, Away::Reset, Away::Alert(50), Away::Silence] {
        never_wrong(&picky(&rig, &OLD, away, |hello| !hello.extensions.is_empty()), &OLD);
    }
}

#[test]
fn any_extension_may_be_unwelcome() {
    let Some(rig) = Rig::with(&PROGRAMS) else { return };
    for away in [Away::Close, Away::Reset, Away::Alert(50)] {
        told(&picky(&rig, &OLD, away, |hello| !hello.extensions.is_empty()), &OLD);
    }
}

#[test]
fn many_suites_may_be_unwelcome() {
    let Some(rig) = Rig::with(&PROGRAMS) else { return };
    for away in [Away::Close, Away::Reset, Away::Alert(40)] {
        told(&picky(&rig, &OLD, away, |hello| hello.suites > 127), &OLD);
        told(&picky(&rig, &OLD, away, |hello| hello.suites > 64), &OLD);
        told(&picky(&rig, &NEW, away, |hello| hello.suites > 64), &NEW);
    }
}

/// A front that serves one connection at a time and turns the others away.
fn one_at_a_time(rig: &Rig, truth: &[&str], away: Away) -> Front {
    let server = behind(rig, truth);
    let busy = AtomicUsize::new(0);
    Front::start(rig, move |mut stream| {
        if busy.fetch_add(1, Ordering::SeqCst) == 0 {
            if let Some(hello) = Hello::read(&mut stream) {
                hand_on(&stream, &hello, server, plainly);
            }
        } else {
            away.turn(stream);
        }
        busy.fetch_sub(1, Ordering::SeqCst);
    })
}

#[test]
fn whoever_comes_second_may_be_turned_away() {
    let Some(rig) = Rig::with(&PROGRAMS) else { return };
    for away in [Away::Close, Away::Reset] {
        for truth in [OLD.as_slice(), &NEW] {
            told(&one_at_a_time(&rig, truth, away), truth);
        }
    }
}

/// A front that does both: it takes one connection at a time, and no long hello on it.
#[test]
fn whoever_comes_second_may_be_turned_away_and_a_long_hello_too() {
    let Some(rig) = Rig::with(&PROGRAMS) else { return };
    for (busy_away, long_away) in [
        (Away::Close, Away::Close),
        (Away::Reset, Away::Reset),
        (Away::Close, Away::Alert(40)),
        (Away::Alert(80), Away::Close),
    ] {
        for truth in [OLD.as_slice(), &NEW] {
            let server = behind(&rig, truth);
            let busy = AtomicUsize::new(0);
            let front = Front::start(&rig, move |mut stream| {
                if busy.fetch_add(1, Ordering::SeqCst) > 0 {
                    busy_away.turn(stream);
                } else if let Some(hello) = Hello::read(&mut stream) {
                    if hello.length > 256 {
                        long_away.turn(stream);
                    } else {
                        hand_on(&stream, &hello, server, plainly);
                    }
                }
                busy.fetch_sub(1, Ordering::SeqCst);
            });
            told(&front, truth);
        }
    }
}

/// The same with a rate: it serves so many a second, and no long hello among them.
#[test]
fn only_so_many_may_be_served_in_a_second_and_no_long_hello() {
    let Some(rig) = Rig::with(&PROGRAMS) else { return };
    for (away, most) in [(Away::Close, 4), (Away::Reset, 10)] {
        for truth in [OLD.as_slice(), &NEW] {
            let limited = so_many_a_second(&rig, truth, most, away);
            let behind = limited.place;
            let front = Front::start(&rig, move |mut stream| {
                let Some(hello) = Hello::read(&mut stream) else { return };
                if hello.length > 256 {
                    away.turn(stream);
                } else {
                    hand_on(&stream, &hello, behind, plainly);
                }
            });
            never_wrong(&front, truth);
        }
    }
}

#[test]
fn whoever_comes_second_may_have_to_wait() {
    let Some(rig) = Rig::with(&PROGRAMS) else { return };
    for truth in [OLD.as_slice(), &NEW] {
        let server = behind(&rig, truth);
        let front = Front::one_by_one(&rig, move |mut stream| {
            let Some(hello) = Hello::read(&mut stream) else { return };
            hand_on(&stream, &hello, server, plainly);
        });
        told(&front, truth);
    }
}

/// A front that serves so many connections in any second.
fn so_many_a_second(rig: &Rig, truth: &[&str], most: usize, away: Away) -> Front {
    let server = behind(rig, truth);
    let served = Mutex::new(VecDeque::new());
    Front::start(rig, move |mut stream| {
        let is_too_many = {
            let (mut served, now) = (served.lock().unwrap(), Instant::now());
            served.retain(|at| now.duration_since(*at) < Duration::from_secs(1));
            let is_too_many = served.len() >= most;
            if !is_too_many {
                served.push_back(now);
            }
            is_too_many
        };
        if is_too_many {
            away.turn(stream);
        } else if let Some(hello) = Hello::read(&mut stream) {
            hand_on(&stream, &hello, server, plainly);
        }
    })
}

#[test]
fn only_so_many_may_be_served_in_a_second() {
    let Some(rig) = Rig::with(&PROGRAMS) else { return };
    for away in [Away::Close, Away::Reset] {
        for (truth, most) in [(OLD.as_slice(), 3), (&NEW, 10)] {
            never_wrong(&so_many_a_second(&rig, truth, most, away), truth);
        }
    }
}

#[test]
fn a_byte_a_second_is_not_waited_for() {
    let Some(rig) = Rig::with(&PROGRAMS) else { return };
    let server = behind(&rig, &NEW);
    let front = Front::start(&rig, move |mut stream| {
        let Some(hello) = Hello::read(&mut stream) else { return };
        hand_on(&stream, &hello, server, by_bytes(Duration::from_secs(1)));
    });
    never_wrong(&front, &NEW);
}

#[test]
fn who_says_nothing_neither_accepts_nor_refuses() {
    let Some(rig) = Rig::with(&[]) else { return };
    nothing_claimed(&Front::start(&rig, |stream| ignore(&stream)));
    nothing_claimed(&Front::start(&rig, |mut stream| {
        let _ = Hello::read(&mut stream);
        ignore(&stream);
    }));
}

/// Nothing but warnings, for as long as anybody listens.
#[test]
fn who_warns_without_end_neither_accepts_nor_refuses() {
    let Some(rig) = Rig::with(&[]) else { return };
    nothing_claimed(&Front::start(&rig, |mut stream| {
        while stream.write_all(&[21, 3, 1, 0, 2, 1, 112]).is_ok() {
            std::thread::sleep(Duration::from_millis(200));
        }
    }));
}

/// Who hangs up on everybody may be anything.
#[test]
fn who_hangs_up_on_everybody_accepts_nothing_and_is_not_clean() {
    let Some(rig) = Rig::with(&[]) else { return };
    for away in [Away::Close, Away::Reset] {
        for after_hello in [false, true] {
            let front = Front::start(&rig, move |mut stream| {
                if after_hello {
                    let _ = Hello::read(&mut stream);
                }
                away.turn(stream);
            });
            // Nothing else works there, so what it means is not known.
            nothing_claimed(&front);
        }
    }
}

#[test]
fn a_certificate_of_1500_names_is_no_obstacle() {
    let Some(rig) = Rig::with(&PROGRAMS) else { return };
    let names: Vec<String> = (0..1500).map(|number| format!("customer-{number:04}.rmm.example.com")).collect();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    let mut identity = self_signed(&rig);
    identity.certificate = rig.write("names.pem", &certificate.pem());
    identity.key = rig.write("names.key", &key.serialize_pem());
    let tls = nginx_tls(&identity, "TLSv1 TLSv1.1 TLSv1.2 TLSv1.3");
    let server = nginx(&rig, "ssl", &format!("{tls}location / {{ return 200 hello; }}"));
    let (report, took) = probe_timed(&["tls", &server.socket.to_string(), "--sni", "customer-1499.rmm.example.com"]);
    assert!(took < BOUND, "{took:?}");
    agree_with_s_client(&rig, &report, server.socket, &["TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3"]);
    let certificate = report.answer("certificate", server.port());
    assert!(certificate["name_matches"] == true, "{certificate:#}");
}

/// `openssl s_server` that wants a certificate of its client.
fn walled(rig: &Rig, version: &str) -> Daemon {
    let identity = self_signed(rig);
    rig.start("openssl", |socket| {
        let mut command = rig.command("openssl");
        command.args(["s_server", "-quiet", "-www", "-Verify", "1", "-verify_return_error", version]);
        command.args(["-cipher", "ALL:@SECLEVEL=0", "-accept", &socket.to_string()]);
        command.arg("-cert").arg(&identity.certificate).arg("-key").arg(&identity.key);
        command
    })
}

#[test]
fn who_wants_a_certificate_of_its_client_accepts_the_version_all_the_same() {
    let Some(rig) = Rig::with(&["openssl"]) else { return };
    for (option, version) in [("-tls1", "TLS 1.0"), ("-tls1_2", "TLS 1.2"), ("-tls1_3", "TLS 1.3")] {
        let server = walled(&rig, option);
        let report = probe(&["tls", &server.socket.to_string(), "--sni", NAME]);
        agree_with_truth(&report, server.socket, &[version]);
    }
}

#[test]
fn a_front_that_changes_nothing_is_the_server_behind_it() {
    let Some(rig) = Rig::with(&PROGRAMS) else { return };
    let front = picky(&rig, &NEW, Away::Close, |_| false);
    let _ = TcpStream::connect(front.place).unwrap();
    agree_with_s_client(&rig, &bounded(front.place), front.place, &NEW);
}
