//! A real MariaDB where the guide wants none to be seen.

use super::issuer::self_signed;
use super::oracle::agree_on_versions;
use super::report::{probe, scan};
use super::rig::{Daemon, Rig};
use super::webserver::is_root;
use serde_json::Value;
use std::time::{Duration, Instant};

const PROGRAMS: [&str; 4] = ["mariadbd", "mariadb-install-db", "mariadb", "sslscan"];

fn mariadb(rig: &Rig, options: &[String]) -> Daemon {
    let data = format!("--datadir={}", rig.path("data").display());
    let user: &[&str] = if is_root(rig) { &["--user=root"] } else { &[] };
    let mut install = vec!["--no-defaults", &data, "--skip-test-db", "--auth-root-authentication-method=normal"];
    install.extend(user);
    rig.run("mariadb-install-db", &install);
    rig.start("mariadbd", |socket| {
        let mut command = rig.command("mariadbd");
        command.args(["--no-defaults", &data, "--innodb-buffer-pool-size=8M"]).args(user).args(options);
        command.arg(format!("--bind-address={}", socket.ip())).arg(format!("--port={}", socket.port()));
        command.arg(format!("--socket={}", rig.path("socket").display()));
        command.arg(format!("--pid-file={}", rig.path("pid").display()));
        command
    })
}

/// What the server answers to a query of its administrator.
fn ask(rig: &Rig, query: &str) -> String {
    let socket = format!("--socket={}", rig.path("socket").display());
    let answer =
        rig.run("mariadb", &["--no-defaults", &socket, "--user=root", "--batch", "--skip-column-names", "-e", query]);
    answer.trim().to_owned()
}

/// How many connections the server has seen that broke off before they were authenticated; waits until there are
/// `expected`, since the server counts them when it gets to it.
fn aborted(rig: &Rig, expected: u32) -> u32 {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let answer = ask(rig, "SHOW GLOBAL STATUS LIKE 'Aborted_connects'");
        let count = answer.split_whitespace().last().unwrap().parse().unwrap();
        if count >= expected || Instant::now() > deadline {
            return count;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_mariadb_on_3306_fails_with_its_version_and_is_asked_politely() {
    let Some(rig) = Rig::with(&PROGRAMS) else { return };
    let server = mariadb(&rig, &["--skip-ssl".to_owned()]);
    let version = ask(&rig, "SELECT VERSION()");
    assert_eq!(aborted(&rig, 1), 1, "the test's own, to see whether the server is there");
    let report = probe(&["service", &server.socket.to_string()]);
    assert_eq!(report.protocol(server.port()), "mysql");
    assert_eq!(aborted(&rig, 3), 3, "one to see that the port is open, one to learn what speaks there");

    let report = scan(&rig, &["--role", "automate", "--moved", &server.moved(3306)]);
    let tries: Vec<&Value> = report.observations("service", server.port()).map(|seen| &seen["tries"]).collect();
    assert_eq!(tries, [1], "one connection tells what it is");
    // MariaDB blocks an address after a hundred.
    let broken_off = aborted(&rig, 5) - 3;
    assert!((2..=8).contains(&broken_off), "{broken_off}: the same two, and a few to see that it still answers");
    let place = format!("tcp/3306 (here tcp/{})", server.port());
    report.says("AUT-NET-12", "fail", &[&place, "MySQL", &version]);
    report.says("BEY-DB-01", "fail", &[&place, "MySQL", &version]);
    report.says("AUT-TLS-01", "not-applicable", &["none speaks TLS"]);
}

#[test]
fn a_mariadb_that_turns_this_address_away_is_reachable_all_the_same() {
    let Some(rig) = Rig::with(&PROGRAMS) else { return };
    let server = mariadb(&rig, &["--skip-name-resolve".to_owned(), "--skip-ssl".to_owned()]);
    ask(&rig, "DELETE FROM mysql.global_priv WHERE Host <> 'localhost'; FLUSH PRIVILEGES");
    let report = scan(&rig, &["--role", "automate", "--moved", &server.moved(3306)]);
    report.says("AUT-NET-12", "fail", &["MySQL, refusing this address (error 1130)"]);
    report.says("BEY-DB-01", "fail", &["MySQL, refusing this address (error 1130)"]);
    report.says("AUT-TLS-01", "not-applicable", &["none speaks TLS"]);
}

#[test]
fn the_tls_of_mariadb_is_asked_after_its_greeting() {
    let Some(rig) = Rig::with(&PROGRAMS) else { return };
    let identity = self_signed(&rig);
    let tls = |versions: &str| {
        [
            format!("--ssl-cert={}", identity.certificate.display()),
            format!("--ssl-key={}", identity.key.display()),
            "--ssl-cipher=ALL:@SECLEVEL=0".to_owned(),
            format!("--tls-version={versions}"),
        ]
    };
    let server = mariadb(&rig, &tls("TLSv1.0,TLSv1.1,TLSv1.2"));
    let report = scan(&rig, &["--role", "automate", "--moved", &server.moved(3306)]);
    let place = format!("tcp/3306 (here tcp/{})", server.port());
    report.says("AUT-TLS-01", "fail", &[&place, "accepts TLS 1.0"]);
    report.says("AUT-TLS-02", "fail", &[&place, "accepts TLS 1.1"]);
    agree_on_versions(&rig, &report, &server, &["--starttls-mysql"], &["TLS 1.0", "TLS 1.1", "TLS 1.2"]);
    drop(server);

    std::fs::remove_dir_all(rig.path("data")).unwrap();
    let server = mariadb(&rig, &tls("TLSv1.2,TLSv1.3"));
    let report = scan(&rig, &["--role", "automate", "--moved", &server.moved(3306)]);
    report.says("AUT-TLS-01", "pass", &["refuses TLS 1.0", "accepts TLS 1.3"]);
    report.says("AUT-TLS-02", "pass", &["refuses TLS 1.1", "accepts TLS 1.3"]);
    agree_on_versions(&rig, &report, &server, &["--starttls-mysql"], &["TLS 1.2", "TLS 1.3"]);
    let directly = probe(&["tls", &server.socket.to_string()]);
    assert!(directly.answer("certificate", server.port())["self_signed"] == true);
}
