//! What a look was given and what it was not, servers that are called otherwise, and what was so before.

use super::super::{Placed, Route, as_of, messages, placed, renamed};
use super::*;
use crate::history::outbox::Standing;

const HOST: &str = "rmm.example.com";

fn at_host(client: &str, name: &str, host: &str) -> Placed {
    Placed { client: client.to_owned(), name: name.to_owned(), host: host.to_owned() }
}

fn here(client: &str, name: &str) -> Placed {
    at_host(client, name, HOST)
}

/// A look at an inventory that has these servers, and nothing else.
fn look(standing: &mut Standing, targets: &[Placed], others: &[&str]) -> Vec<Notice> {
    let mut book = Book::new(standing.clone()).of_inventory("inventory");
    let others = others.iter().copied().collect();
    renamed(&mut book, "inventory", targets, &others, |_, _| 2, night(3));
    let names = targets.iter().map(|one| (one.client.as_str(), one.name.as_str()));
    servers(&mut book, "inventory", names, night(3));
    placed(&mut book, targets);
    *standing = book.standing();
    book.notices().to_vec()
}

/// Two nights, in the second of which a port was open.
fn open_port() -> (Nights, Vec<String>) {
    let mut nights = Nights::new();
    nights.scanned(&sound());
    nights.scanned(&rdp());
    assert!(look(&mut nights.standing, &[here(CLIENT, NAME)], &[]).is_empty());
    let keys: Vec<String> = nights.standing.matters.iter().map(|matter| matter.key.clone()).collect();
    assert!(!keys.is_empty());
    (nights, keys)
}

fn call(nights: &mut Nights, client: &str, name: &str) {
    for (_, run) in &mut nights.runs {
        (run.targets[0].target.client, run.targets[0].target.name) = (client.to_owned(), name.to_owned());
    }
}

fn named(mut run: Run, client: &str, name: &str) -> Run {
    (run.targets[0].target.client, run.targets[0].target.name) = (client.to_owned(), name.to_owned());
    run
}

#[test]
fn a_server_that_is_called_otherwise_keeps_what_is_open_with_one_word() {
    let (mut nights, keys) = open_port();
    let since: Vec<String> = nights.standing.matters.iter().map(|matter| matter.since.clone()).collect();
    let notices = look(&mut nights.standing, &[here(CLIENT, "rmm-01")], &[]);
    assert_eq!(notices.len(), 1, "{:#?}", told(&notices));
    assert!(notices[0].title.starts_with("automate-01 is called rmm-01 now: "), "{}", notices[0].title);
    assert!(keys.contains(&notices[0].key) && notices[0].phase == Phase::Escalated && notices[0].client == CLIENT);
    let open = &nights.standing.matters;
    assert!(open.iter().all(|one| one.is_of(CLIENT, "rmm-01") && keys.contains(&one.told_key().to_owned())));
    assert!(open.iter().all(|one| since.contains(&one.since)) && open.len() == keys.len());
    assert_eq!(nights.standing.servers.len(), 1);
    assert_eq!(nights.standing.servers[0].formerly[0].until, 2);
    assert!(look(&mut nights.standing, &[here(CLIENT, "rmm-01")], &[]).is_empty(), "once");
    // It goes on as if it had always been called so, and ends under the key by which it was told.
    call(&mut nights, CLIENT, "rmm-01");
    let again = nights.ran(named(rdp().run(), CLIENT, "rmm-01"));
    assert!(again.is_empty(), "{:#?}", told(&again));
    let ended = nights.ran(named(sound().run(), CLIENT, "rmm-01"));
    let ended_keys: BTreeSet<String> = ended.iter().map(|notice| notice.key.clone()).collect();
    assert!(ended.iter().all(|notice| notice.phase == Phase::Resolved), "{:#?}", told(&ended));
    assert_eq!((ended_keys, nights.standing.matters.len()), (keys.into_iter().collect(), 0));
}

#[test]
fn who_takes_the_old_name_is_told_by_keys_of_its_own() {
    let (mut nights, keys) = open_port();
    let both = [here(CLIENT, "rmm-01"), at_host(CLIENT, NAME, "other.example.com")];
    // One that took the name at once cannot be told from the old one.
    assert!(look(&mut nights.standing, &both, &[]).is_empty());
    assert!(nights.standing.matters.iter().all(|matter| matter.is_of(CLIENT, NAME)));
    let (mut nights, _) = open_port();
    look(&mut nights.standing, &both[..1], &[]);
    look(&mut nights.standing, &both, &[]);
    let moved = nights.standing.matters.len();
    nights.runs.clear();
    nights.scanned(&sound());
    let raised = nights.scanned(&rdp());
    assert!(!raised.is_empty() && raised.iter().all(|notice| !keys.contains(&notice.key)), "{:#?}", told(&raised));
    assert_eq!(nights.standing.matters.len(), moved + raised.len());
}

#[test]
fn a_rename_that_cannot_be_proved_is_said_to_be_a_name_that_is_gone() {
    for targets in
        [vec![at_host(CLIENT, "rmm-01", "elsewhere.example.com")], vec![here(CLIENT, "rmm-01"), here(CLIENT, "rmm-02")]]
    {
        let (mut nights, keys) = open_port();
        let notices = look(&mut nights.standing, &targets, &[]);
        let words = told(&notices);
        let plain = "withdrawn drift: automate-01 is not in the inventory under that name any more";
        assert!(words.iter().all(|line| line == plain) && words.len() == keys.len(), "{words:#?}");
        assert!(notices.iter().all(|notice| notice.details[0].contains("was not seen to be mended")));
        assert!(nights.standing.matters.is_empty());
    }
}

#[test]
fn a_client_that_is_called_otherwise_keeps_what_is_open_and_only_who_hears_of_all_is_told() {
    let (mut nights, keys) = open_port();
    let mut book = Book::new(nights.standing.clone());
    renamed(&mut book, "inventory", &[here("Bay Dental", NAME)], &BTreeSet::new(), |_, _| 2, night(3));
    let route = |is_of_some| Route { channel: "noc", takes: Box::new(|_| true), is_of_some };
    let sent = |is_of_some| messages(&book, &[route(is_of_some)], night(3), String::new).len();
    assert_eq!((sent(false), sent(true)), (1, 0));
    let notices = look(&mut nights.standing, &[here("Bay Dental", NAME)], &[]);
    assert_eq!(notices.len(), 1, "{:#?}", told(&notices));
    assert!(notices[0].title.starts_with("The client Harbour Dental Group is called Bay Dental now: "));
    let open = &nights.standing.matters;
    assert!(open.iter().all(|one| one.is_of("Bay Dental", NAME) && keys.contains(&one.told_key().to_owned())));
    assert!(!open.iter().any(|one| format!("{:?}{}", one.details, one.title).contains(CLIENT)), "{open:#?}");
}

#[test]
fn what_is_open_is_never_carried_from_one_client_to_another() {
    let old = at_host(CLIENT, "other", "o.example.com");
    for (before, targets, others) in [
        // One of two servers was handed over.
        (vec![here(CLIENT, NAME), old.clone()], vec![here("Bay Dental", NAME), old], vec![]),
        // To a client that was known.
        (vec![here(CLIENT, NAME), at_host("Bay Dental", "b", "b")], vec![here("Bay Dental", NAME)], vec![]),
        // The client is in another file.
        (vec![here(CLIENT, NAME)], vec![here("Bay Dental", NAME)], vec![CLIENT]),
        // Under another name too.
        (vec![here(CLIENT, NAME)], vec![here("Bay Dental", "rmm-01")], vec![]),
    ] {
        let (mut nights, keys) = open_port();
        look(&mut nights.standing, &before, &[]);
        let notices = look(&mut nights.standing, &targets, &others);
        assert!(
            notices.iter().all(|one| one.phase == Phase::Withdrawn && one.client == CLIENT),
            "{:#?}",
            told(&notices)
        );
        assert_eq!((notices.len(), nights.standing.matters.len()), (keys.len(), 0), "{targets:?}");
        assert!(!notices.iter().any(|one| format!("{one:?}").contains("Bay Dental")), "{notices:#?}");
    }
}

#[test]
fn what_stands_in_a_file_that_was_not_read_is_not_taken_back() {
    let mut standing = Standing { looks: 1, ..Standing::default() };
    let mut look = |all: &[Said], read: &[&str]| {
        let mut book = Book::new(standing.clone());
        let was_read = |file: &str| read.contains(&file);
        let left = statements(&mut book, all, |_, _| true, was_read, at("2026-12-20T00:00:00Z"), &rules());
        standing = book.standing();
        (told(book.notices()), left.into_iter().collect::<Vec<_>>())
    };
    let (one, file) = (said("2026-12-31"), "/a/attestations.toml");
    assert_eq!(look(std::slice::from_ref(&one), &[file]).0.len(), 1);
    assert_eq!(look(&[], &["/b/waivers.toml"]), (Vec::new(), vec![(file.to_owned(), 1)]));
    // It was moved to another file: that one has it from now on.
    let moved = Said { file: "/b/attestations.toml".to_owned(), ..one };
    assert_eq!(look(&[moved], &["/b/attestations.toml"]), (Vec::new(), Vec::new()));
    assert!(look(&[], &[file]).0.is_empty());
    let (words, left) = look(&[], &["/b/attestations.toml"]);
    assert_eq!(words, ["withdrawn attestation: What was stated of automate-01 was taken back"]);
    assert!(left.is_empty());
}

#[test]
fn an_inventory_can_be_read_again_only_by_who_reads_the_file_that_could_not_be() {
    let mut standing = Standing { looks: 1, ..Standing::default() };
    let mut look = |problem: Option<&str>, files: &[&str]| {
        let mut book = Book::new(standing.clone());
        let files = files.iter().map(|file| (*file).to_owned()).collect();
        let left = inventory(&mut book, "a", problem, &files, night(1)).len();
        standing = book.standing();
        (told(book.notices()), left)
    };
    assert_eq!(look(Some("w.toml: cannot be read"), &["/w.toml"]).0, ["raised failure: The inventory cannot be read"]);
    assert_eq!(look(None, &[]), (Vec::new(), 1), "that look did not read it");
    // Something else is wrong meanwhile.
    assert_eq!(look(Some("targets.toml: no such key"), &[]), (Vec::new(), 0));
    assert_eq!(look(None, &["/v.toml"]), (Vec::new(), 1));
    assert_eq!(
        look(None, &["/v.toml", "/w.toml"]),
        (vec!["resolved failure: The inventory can be read again".to_owned()], 0)
    );
}

#[test]
fn a_look_at_one_file_keeps_the_look_at_its_folder_from_nothing() {
    let (mut nights, keys) = open_port();
    let mut look = |inventory: &str, names: &[&str]| {
        let mut book = Book::new(nights.standing.clone());
        servers(&mut book, inventory, names.iter().map(|name| (CLIENT, *name)), night(3));
        nights.standing = book.standing();
        told(book.notices()).len()
    };
    assert_eq!(look("inventory", &[NAME, "other"]), 0);
    assert_eq!(look("inventory/one.toml", &[NAME]), 0);
    assert_eq!(look("inventory-2", &[]), 0);
    assert_eq!(look("inventory/two.toml", &[]), 0, "what is in another file is not its business");
    assert_eq!(look("inventory", &["other"]), keys.len());
}

#[test]
fn the_first_look_at_a_second_inventory_is_a_baseline_of_its_own() {
    let route = || [Route { channel: "noc", takes: Box::new(|_| true), is_of_some: false }];
    let mut standing = Standing { looks: 7, ..Standing::default() };
    look(&mut standing, &[here(CLIENT, NAME)], &[]);
    let mut book = Book::new(standing.clone()).of_inventory("second");
    let of = |client: &str, number: usize| Said {
        client: client.to_owned(),
        target: number.to_string(),
        ..said("2026-11-01")
    };
    let mut all: Vec<Said> = ["A", "B"].iter().flat_map(|client| (0..30).map(|number| of(client, number))).collect();
    // A server that the other inventory has too: what begins there is news.
    all.push(said("2026-11-01"));
    statements(&mut book, &all, |_, _| true, |_| true, night(20), &rules());
    let sent = messages(&book, &route(), night(20), String::new);
    let of_client: Vec<(&str, usize)> = sent.iter().map(|(_, one)| (one.client.as_str(), one.notices.len())).collect();
    assert_eq!(of_client, [(super::super::EVERYBODY, super::super::NOTICES_MOST), (CLIENT, 1)]);
    assert!(sent[0].1.notices[1].details[0].contains("It was so when alerts began"));
    assert!(!sent[1].1.notices[0].details[0].contains("when alerts began"), "{:#?}", sent[1]);
    // From then on all is news.
    standing = book.standing();
    let mut book = Book::new(standing).of_inventory("second");
    servers(&mut book, "second", [("A", "0")], night(20));
    let mut book = Book::new(book.standing()).of_inventory("second");
    statements(&mut book, &[of("C", 1)], |client, _| client == "C", |_| true, night(20), &rules());
    let sent = messages(&book, &route(), night(20), String::new);
    assert_eq!((sent.len(), sent[0].1.client.as_str()), (1, "C"));
    assert!(!sent[0].1.notices[0].details[0].contains("when alerts began"));
}

#[test]
fn days_are_those_that_are_left_when_it_is_read() {
    let mut book = Book::new(Standing { looks: 1, ..Standing::default() });
    statements(&mut book, &[said("2026-12-31")], |_, _| true, |_| true, at("2026-12-02T00:00:00Z"), &rules());
    let matter = book.open().next().unwrap().clone();
    let read = |now: &str| {
        let read = as_of(&matter, at(now));
        (read.title, read.details[1].clone(), read.severity)
    };
    let title = "The attestation of AUT-ACC-01 on automate-01";
    assert!(matter.title.ends_with("ends in 29 days (2026-12-31)"), "{}", matter.title);
    let ends = "What it answered needs a person again when its last day is over.".to_owned();
    assert_eq!(read("2026-12-15T00:00:00Z"), (format!("{title} ends in 16 days (2026-12-31)"), ends, Severity::Low));
    let over = "What it answered needs a person again.".to_owned();
    assert_eq!(
        read("2027-01-02T00:00:00Z"),
        (format!("{title} ended 2 days ago and counts no more (2026-12-31)"), over, Severity::High)
    );
    let mut nights = Nights::new();
    let world = World::sound()
        .certificate(|fact| (fact.sha256, fact.not_after) = ("a".to_owned(), "2026-11-25T12:00:00Z".to_owned()));
    nights.scanned(&world);
    let of = nights.standing.matters.iter().find(|matter| matter.kind == Kind::Certificate).unwrap();
    let titles = ["2026-11-09T13:00:00Z", "2026-11-26T13:00:00Z"].map(|now| as_of(of, at(now)).title);
    assert_eq!(
        titles,
        [
            "The certificate of automate-01 ends in 15 days (2026-11-25)",
            "The certificate of automate-01 expired 1 day ago (2026-11-25)"
        ]
    );
}
