//! What looks decide by what they were given, from outside.

use super::*;
use jiff::ToSpan as _;
use jiff::civil::Date;
use support::watching::Watching;

/// So many days from today.
fn day(days: i32) -> Date {
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    now.date().checked_add(days.days()).unwrap()
}

fn waiver(item: &str, until: Date) -> String {
    format!(
        "[[waiver]]\nclient = \"Client 0\"\ntarget = \"server\"\nitem = \"{item}\"\nwhy = \"The hoster moves it.\"\n\
         approved_by = \"Kim Lee\"\non = {}\nuntil = {until}\nrisk = \"high\"\nrisk_words = \"Guessing.\"\n",
        day(-60)
    )
}

impl Estate {
    /// A look that is given a file of waivers.
    fn check_with(&self, waivers: &Path) -> Output {
        self.alerts(&["check"]).arg("--").arg("--waivers").arg(waivers).output().unwrap()
    }

    /// As another inventory, in the store of this one.
    fn check_other(&self, other: &Self) -> Output {
        let mut command = portreeve();
        command.args(["alerts", "check", "--targets"]).arg(other.path("inventory"));
        command.arg("--store").arg(self.path("history.db")).output().unwrap()
    }
}

#[test]
fn a_look_without_the_options_of_others_takes_nothing_back_and_says_what_it_did_not_look_at() {
    let receiver = Receiver::start();
    let estate = looked_at(1, &[("noc", &receiver)]);
    let (apart, beside) = (estate.path("approved.toml"), estate.path("inventory/waivers.toml"));
    fs::write(&apart, waiver("IIS-SVC-01", day(5))).unwrap();
    fs::write(&beside, waiver("IIS-SVC-02", day(5))).unwrap();
    ended(&estate.check_with(&apart), 0);
    assert_eq!((phases(&receiver.taken(), "raised"), estate.open()), (2, 2));
    let check = estate.check();
    ended(&check, 0);
    let (said, file) = (stderr(&check), fs::canonicalize(&apart).unwrap().display().to_string());
    assert!(said.contains("Not looked at: 1 statement that ends") && said.contains(&file), "{said}");
    assert_eq!((receiver.taken().len(), estate.open()), (1, 2), "nobody took it back");
    // It cannot be read: that is told, and is over only for who reads it.
    fs::write(&apart, "[[waiver]]\nitem = 5\n").unwrap();
    ended(&estate.check_with(&apart), 2);
    assert_eq!(estate.open(), 3);
    let check = estate.check();
    ended(&check, 0);
    assert!(stderr(&check).contains("that the inventory cannot be read stays open"), "{}", stderr(&check));
    assert_eq!((estate.open(), phases(&receiver.taken(), "resolved")), (3, 0));
    // Taken out of the file, which is read; and gone with the file that is found by itself.
    fs::write(&apart, "").unwrap();
    ended(&estate.check_with(&apart), 0);
    assert_eq!((estate.open(), phases(&receiver.taken(), "withdrawn")), (1, 1));
    assert_eq!(phases(&receiver.taken(), "resolved"), 1);
    fs::remove_file(&beside).unwrap();
    let check = estate.check();
    ended(&check, 0);
    assert!(!stderr(&check).contains("Not looked at"), "{}", stderr(&check));
    assert_eq!((estate.open(), phases(&receiver.taken(), "withdrawn")), (0, 2));
}

#[test]
fn the_days_of_a_list_are_those_that_are_left_now() {
    let receiver = Receiver::start();
    let estate = looked_at(1, &[("noc", &receiver)]);
    fs::write(estate.path("inventory/waivers.toml"), waiver("IIS-SVC-01", day(16))).unwrap();
    ended(&estate.check(), 0);
    // As if it had been told a fortnight ago.
    let store = rusqlite::Connection::open(estate.path("history.db")).unwrap();
    let changed =
        store.execute("UPDATE matter SET body = replace(body, 'ends in 16 days', 'ends in 30 days')", []).unwrap();
    assert_eq!(changed, 1);
    let list = stdout(&estate.alerts(&["list", "--width", "200"]).output().unwrap());
    assert!(list.contains(&format!("ends in 16 days ({})", day(16))) && !list.contains("30 days"), "{list}");
    assert!(text(&array(&estate.listed(), "open")[0], "title").contains("ends in 16 days"));
}

#[test]
fn a_server_that_is_called_otherwise_goes_on_with_its_drift() {
    let receiver = Receiver::start();
    let address = support::own_address();
    let (web, mut extra) = (Receiver::start_at(address), Receiver::start_at(address));
    web.is(Mood::Refuses);
    extra.is(Mood::Refuses);
    extra.goes();
    let (open, closed) = (web.port(), extra.port());
    let target = |client: &str, name: &str| {
        format!(
            "[[target]]\nclient = \"{client}\"\nname = \"{name}\"\nhost = \"{address}\"\nroles = [\"iis\"]\n\
             [target.moved]\n\"tcp/443\" = {open}\n\"tcp/80\" = {closed}\n"
        )
    };
    let estate = Estate::new(&target("Test", "web"), &[("noc", &receiver)]);
    let call = |client, name| fs::write(estate.path("inventory/targets.toml"), target(client, name)).unwrap();
    let night = || {
        let mut command = portreeve();
        command.arg("scan").arg("--targets").arg(estate.path("inventory"));
        command.args(["--guide", SMALL, "--fail-on", "never", "--store"]).arg(estate.path("history.db"));
        ended(&command.output().unwrap(), 0);
        ended(&estate.check(), 0);
    };
    night();
    extra.comes_back();
    night();
    let taken = receiver.taken();
    assert_eq!((taken.len(), phases(&taken, "raised")), (1, 1), "{taken:#?}");
    let key = text(&array(&taken[0], "notices")[0], "key").to_owned();
    let since = text(&array(&estate.listed(), "open")[0], "since").to_owned();
    // Scanned under its new name before anybody looked.
    call("Test", "portal");
    night();
    let taken = receiver.taken();
    assert_eq!(taken.len(), 2, "{taken:#?}");
    let word = &array(&taken[1], "notices")[0];
    assert_eq!((text(word, "phase"), text(word, "key")), ("escalated", key.as_str()));
    assert!(text(word, "title").starts_with("web is called portal now: 1 thing"), "{word:#}");
    let listed = estate.listed();
    let listed = &array(&listed, "open")[0];
    assert_eq!(
        (text(listed, "target"), text(listed, "since"), text(listed, "key")),
        ("portal", since.as_str(), key.as_str())
    );
    night();
    assert_eq!(receiver.taken().len(), 2, "and no more");
    // The client too.
    call("Another", "portal");
    ended(&estate.check(), 0);
    let taken = receiver.taken();
    assert!(text(&array(&taken[2], "notices")[0], "title").starts_with("The client Test is called Another now"));
    extra.goes();
    night();
    let taken = receiver.taken();
    let last = &array(&taken[3], "notices")[0];
    assert_eq!((taken.len(), text(last, "phase"), text(last, "key")), (4, "resolved", key.as_str()), "{taken:#?}");
    assert_eq!((text(last, "client"), estate.open()), ("Another", 0));
}

#[test]
fn a_second_inventory_in_a_store_begins_with_one_message_and_loses_nothing_after() {
    let (receiver, theirs) = (Receiver::start(), Receiver::start());
    let estate = looked_at(1, &[("noc", &receiver)]);
    let other = Estate::new(&clients(60).replace("Client", "Other"), &[("noc", &theirs)]);
    let settled = |clients: std::ops::Range<usize>, time: &str| {
        let store = rusqlite::Connection::open(estate.path("history.db")).unwrap();
        for client in clients {
            let sql = "INSERT OR REPLACE INTO job (id, settled, began, ended, exit) VALUES (?1, ?2, ?2, ?2, 0)";
            store.execute(sql, [&format!("Other {client}: 17 3 29 2 * UTC"), time]).unwrap();
        }
    };
    settled(0..50, LONG_AGO);
    settled(50..60, NEVER);
    ended(&estate.check_other(&other), 0);
    let taken = theirs.taken();
    assert_eq!((taken.len(), array(&taken[0], "notices").len(), estate.open()), (1, 40, 50), "{taken:#?}");
    settled(50..52, LONG_AGO);
    ended(&estate.check_other(&other), 0);
    let taken = theirs.taken();
    assert_eq!((taken.len(), text(&taken[1], "client")), (3, "Other 50"));
    assert!(!taken[1].to_string().contains("when alerts began") && receiver.taken().is_empty());
}

#[test]
fn a_secret_that_cannot_be_read_is_seen_before_anything_is_to_be_told() {
    let receiver = Receiver::start();
    let estate = looked_at(1, &[("noc", &receiver)]);
    assert_eq!(array(&estate.listed()["health"], "unusable").len(), 0);
    let secret = estate.path("secret");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
    let list = stdout(&estate.alerts(&["list", "--width", "300"]).output().unwrap());
    assert!(list.contains("could not send by the channel noc: ") && list.contains("its mode is 0644"), "{list}");
    assert!(list.contains("chmod 600 "), "{list}");
    let check = estate.check();
    ended(&check, 3);
    assert!(stderr(&check).contains("nothing can be sent by the channel noc: "), "{}", stderr(&check));
    let path = |name: &str| estate.path(name).into_os_string();
    let watching = Watching::begin([
        "--targets".into(),
        path("inventory"),
        "--store".into(),
        path("history.db"),
        "--status".into(),
        path("status.json"),
    ]);
    let unusable = || {
        let status: Value =
            serde_json::from_slice(&fs::read(estate.path("status.json")).unwrap_or_default()).unwrap_or_default();
        status["alerts"]["unusable"][0].as_str().unwrap_or_default().to_owned()
    };
    let begin = Instant::now();
    while !unusable().contains("its mode is 0644") {
        assert!(begin.elapsed() < PATIENCE, "the status says nothing of it");
        std::thread::sleep(Duration::from_millis(20));
    }
    ended(&watching.end(), 0);
    // One that is not there at all.
    fs::remove_file(&secret).unwrap();
    assert_eq!(estate.waiting(), 0);
    assert!(estate.listed()["health"]["unusable"][0].as_str().unwrap().contains("cannot be read"));
}

/// The last server of a client leaves the inventory, and a channel still says that it is for that client.
#[test]
fn a_channel_for_a_client_that_is_gone_keeps_nobody_from_being_told() {
    let receiver = Receiver::start();
    let estate = looked_at(2, &[("noc", &receiver)]);
    let channels = fs::read_to_string(estate.path("inventory/alerts.toml")).unwrap();
    let secret = estate.path("secret").display().to_string();
    let of_one = format!(
        "{channels}[[channel]]\nname = \"one\"\nkind = \"webhook\"\nurl = \"{}\"\nsecret_file = \"{secret}\"\nclients = [\"Client 1\"]\n",
        receiver.url()
    );
    fs::write(estate.path("inventory/alerts.toml"), &of_one).unwrap();
    ended(&estate.check(), 0);
    fs::write(estate.path("inventory/targets.toml"), clients(1)).unwrap();
    estate.settled(LONG_AGO);
    for _ in 0..2 {
        let check = estate.check();
        ended(&check, 3);
        assert!(stderr(&check).contains("alerts.toml") && stderr(&check).contains("Client 1"), "{}", stderr(&check));
    }
    let raised = || -> Vec<String> {
        let notices =
            receiver.taken().into_iter().flat_map(|message| array(&message, "notices").to_vec()).collect::<Vec<_>>();
        let raised = notices.iter().filter(|notice| text(notice, "phase") == "raised");
        raised.map(|notice| text(notice, "title").to_owned()).collect()
    };
    let titles = raised();
    assert_eq!(titles.len(), 2, "{titles:#?}");
    assert!(titles.iter().any(|title| title.starts_with("The scan of Client 0 that was due ")), "{titles:#?}");
    assert!(titles.iter().any(|title| title.starts_with("A channel for alerts is for a client")), "{titles:#?}");
    // Whoever asks about the channels is told of the mistake alone.
    ended(&estate.alerts(&["test"]).output().unwrap(), 2);
    fs::write(estate.path("inventory/alerts.toml"), channels).unwrap();
    ended(&estate.check(), 0);
    assert_eq!((raised().len(), phases(&receiver.taken(), "resolved")), (2, 1));
}
