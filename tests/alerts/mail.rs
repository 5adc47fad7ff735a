//! Mail to several recipients, each of whom has a mailbox of its own.

use super::*;
use support::mailserver::MailServer;

/// An estate with so many clients, whose alerts go to these by mail.
fn mailed(number: usize, server: &MailServer, to: &[&str]) -> Estate {
    let estate = Estate::new(&clients(number), &[]);
    address(&estate, server, to);
    ended(&estate.check(), 0);
    estate
}

fn address(estate: &Estate, server: &MailServer, to: &[&str]) {
    let to: Vec<String> = to.iter().map(|one| format!("\"{one}@msp.example\"")).collect();
    let text = format!(
        "[[channel]]\nname = \"mail\"\nkind = \"mail\"\nserver = \"{}\"\ntls = \"none\"\nfrom = \"p@msp.example\"\nto = [{}]\n",
        server.address,
        to.join(", ")
    );
    fs::write(estate.path("inventory/alerts.toml"), text).unwrap();
}

/// As if the job of one client had last been scanned then.
fn settled(estate: &Estate, client: usize, time: &str) {
    let store = rusqlite::Connection::open(estate.path("history.db")).unwrap();
    let sql = "UPDATE job SET settled = ?1, began = ?1, ended = ?1, exit = 0 WHERE id LIKE ?2";
    assert_eq!(store.execute(sql, [time, &format!("Client {client}:%")]).unwrap(), 1);
}

/// As if what waits had waited long enough to be tried again.
fn all_due(estate: &Estate) {
    let store = rusqlite::Connection::open(estate.path("history.db")).unwrap();
    store.execute("UPDATE outbox SET due = 0", []).unwrap();
}

fn clients_of(mails: &[String]) -> Vec<&str> {
    mails.iter().map(|subject| subject.split(": ").next().unwrap().trim_start_matches("[portreeve] ")).collect()
}

#[test]
fn a_mailbox_that_is_full_keeps_nothing_from_others_and_gets_all_in_its_order() {
    let server = MailServer::start();
    let estate = mailed(3, &server, &["a", "b", "full"]);
    server.answers("full@msp.example", "452 4.2.2 mailbox full");
    for client in 0..3 {
        settled(&estate, client, LONG_AGO);
        let output = estate.check();
        ended(&output, 3);
        assert!(stdout(&output).contains("1 sent to some and not yet to all"), "{}", stdout(&output));
    }
    let all = ["Client 0", "Client 1", "Client 2"];
    for whom in ["a@msp.example", "b@msp.example"] {
        assert_eq!(clients_of(&server.taken(whom)), all, "{whom}");
    }
    assert!(server.taken("full@msp.example").is_empty());
    let listed = estate.listed();
    let errors: Vec<&str> = array(&listed, "waiting").iter().map(|message| text(message, "error")).collect();
    assert!(errors[0].contains("full@msp.example (452 4.2.2 mailbox full)"), "{errors:?}");
    assert!(errors[1].contains("full@msp.example too, who will get an earlier message first"), "{errors:?}");
    // One try for the oldest, and no flood of them.
    all_due(&estate);
    ended(&estate.check(), 3);
    assert_eq!(estate.waiting(), 3);
    // There is room again: with its own wait, not before.
    server.answers("full@msp.example", "250 ok");
    ended(&estate.check(), 3);
    assert!(server.taken("full@msp.example").is_empty(), "it is not time yet");
    all_due(&estate);
    ended(&estate.check(), 0);
    for whom in ["a@msp.example", "b@msp.example", "full@msp.example"] {
        assert_eq!(clients_of(&server.taken(whom)), all, "{whom}");
    }
    assert_eq!(estate.waiting(), 0);
}

#[test]
fn a_server_that_takes_nothing_keeps_the_order_of_all() {
    let server = MailServer::start();
    let estate = mailed(2, &server, &["a", "b"]);
    for whom in ["a@msp.example", "b@msp.example"] {
        server.answers(whom, "451 come back");
    }
    for client in 0..2 {
        settled(&estate, client, LONG_AGO);
        ended(&estate.check(), 3);
    }
    assert_eq!(array(&estate.listed(), "waiting")[1]["attempts"], 0, "what is behind it waits with it");
    server.answers("b@msp.example", "250 ok");
    ended(&estate.alerts(&["send"]).output().unwrap(), 3);
    server.answers("a@msp.example", "250 ok");
    ended(&estate.alerts(&["send"]).output().unwrap(), 0);
    for whom in ["a@msp.example", "b@msp.example"] {
        assert_eq!(clients_of(&server.taken(whom)), ["Client 0", "Client 1"], "{whom}");
    }
}

#[test]
fn who_is_refused_for_good_is_told_until_a_mail_arrives_there() {
    let server = MailServer::start();
    let estate = mailed(4, &server, &["a", "gone"]);
    server.answers("gone@msp.example", "550 5.1.1 no such user \x1b[2J");
    settled(&estate, 0, LONG_AGO);
    let output = estate.check();
    ended(&output, 3);
    assert!(stderr(&output).contains("gone@msp.example did not take it: 550"), "{}", stderr(&output));
    assert!(stdout(&output).contains("1 sent, nothing waits"), "{}", stdout(&output));
    assert_eq!(clients_of(&server.taken("a@msp.example")), ["Client 0"]);
    // In that call; what lasts is in the list.
    ended(&estate.check(), 0);
    let list = || estate.alerts(&["list", "--width", "300"]).output().unwrap();
    ended(&list(), 3);
    assert!(stdout(&list()).contains("refused  mail: gone@msp.example did not take the message about Client 0"));
    assert!(stdout(&list()).contains("550 5.1.1 no such user \\x1b[2J"), "{}", stdout(&list()));
    let refused = || array(&estate.listed()["health"], "refused").len();
    assert_eq!((refused(), estate.waiting()), (1, 0));
    // The last one for each.
    settled(&estate, 1, LONG_AGO);
    ended(&estate.check(), 3);
    assert!(refused() == 1 && stdout(&list()).contains("about Client 1"), "{}", stdout(&list()));
    let mut once = portreeve();
    once.args(["watch", "--once", "--targets"])
        .arg(estate.path("inventory"))
        .arg("--status")
        .arg(estate.path("status"));
    once.arg("--store").arg(estate.path("history.db")).args(["--", "--guide", SMALL]).output().unwrap();
    assert_eq!(array(&support::json(&estate.path("status"))["alerts"], "refused").len(), 1);
    // A mail that arrives ends it.
    server.answers("gone@msp.example", "250 ok");
    settled(&estate, 2, LONG_AGO);
    ended(&estate.check(), 0);
    assert_eq!(refused(), 0);
    ended(&list(), 0);
    // So does the word that nobody is to be there.
    server.answers("gone@msp.example", "550 5.1.1 no such user");
    settled(&estate, 3, LONG_AGO);
    ended(&estate.check(), 3);
    assert_eq!(refused(), 1);
    address(&estate, &server, &["a"]);
    assert_eq!(refused(), 0);
    ended(&estate.check(), 0);
    let store = rusqlite::Connection::open(estate.path("history.db")).unwrap();
    assert_eq!(store.query_row("SELECT count(*) FROM outbox", [], |row| row.get::<_, i64>(0)).unwrap(), 0);
}
