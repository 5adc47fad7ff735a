use super::*;
use crate::catalog::inventory::Places;
use crate::model::alert::Phase;
use proptest::prelude::*;

const ALL: &str = r#"
[when]
at_least = "high"
certificate_days = [1, 30, 7]
statement_days = []

[[channel]]
name = "psa"
kind = "webhook"
url = "https://psa.example:8443/hooks?x=1"
secret_env = "PSA_SECRET"
ca_file = "ca.pem"
clients = ["north*"]
kinds = ["drift", "missed"]
at_least = "low"

[[channel]]
name = "noc"
kind = "slack"
url_file = "/etc/portreeve/slack"

[[channel]]
name = "oncall"
kind = "teams"
url_env = "TEAMS"

[[channel]]
name = "mail"
kind = "mail"
server = "smtp.example"
from = "portreeve <p@msp.example>"
to = ["noc@msp.example"]
user = "p"
password_file = "smtp.password"

[[channel]]
name = "page"
kind = "command"
program = ["./page", "--urgent", ""]
"#;

fn read(text: &str) -> Result<Alerts, Diagnostics> {
    parse("alerts.toml", text, Path::new("t"), None)
}

/// One channel, of which `keys` are written beside a name.
fn channel(keys: &str) -> Result<Channel, Diagnostics> {
    read(&format!("[[channel]]\nname = 'x'\n{keys}\n")).map(|alerts| alerts.channels.into_iter().next().unwrap())
}

fn mail(keys: &str) -> Result<Channel, Diagnostics> {
    channel(&format!("kind = 'mail'\nfrom = 'a@b.example'\nto = ['c@d.example']\n{keys}"))
}

#[test]
fn reads_everything_a_file_can_say() {
    let alerts = read(ALL).unwrap();
    assert_eq!(
        alerts.when,
        When { at_least: Severity::High, certificate_days: vec![30, 7, 1], statement_days: Vec::new() }
    );
    let names: Vec<_> = alerts.channels.iter().map(|one| (one.name.as_str(), one.means.as_str(), one.line)).collect();
    assert_eq!(
        names,
        [
            ("psa", "webhook", 7),
            ("noc", "slack", 17),
            ("oncall", "teams", 22),
            ("mail", "mail", 27),
            ("page", "command", 36)
        ]
    );
    let Means::Webhook(webhook) = &alerts.channels[0].means else { panic!("no webhook") };
    assert_eq!(webhook.ca_file, Some(PathBuf::from("t/ca.pem")));
    let Means::Mail(mail) = &alerts.channels[3].means else { panic!("no mail") };
    assert_eq!((mail.host.as_str(), mail.port, mail.tls), ("smtp.example", 587, MailTls::StartTls));
    assert_eq!(mail.login.as_ref().unwrap().password, Source::File("t/smtp.password".into()));
    let Means::Command(program) = &alerts.channels[4].means else { panic!("no command") };
    assert_eq!((program.path.as_path(), program.arguments.len()), (Path::new("t/./page"), 2));
    assert_eq!(read("").unwrap(), Alerts::default());
}

/// What the example in the folder of inventories says, were it not commented out, is read too.
#[test]
fn the_template_is_read_and_so_is_what_it_shows() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("targets/alerts.toml");
    let text = std::fs::read_to_string(path).unwrap();
    assert_eq!(read(&text).unwrap(), Alerts::default());
    let shown: String = text
        .lines()
        .skip_while(|line| *line != "# [when]                                 # all of it may be left out")
        .filter_map(|line| line.strip_prefix("# "))
        .filter(|line| line.starts_with('[') || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' ')))
        .fold(String::new(), |all, line| all + line + "\n");
    // What every channel may say stands between [when] and the first one.
    let (before, rest) = shown.split_once("clients = ").unwrap();
    let (_, channels) = rest.split_once("[[channel]]").unwrap();
    let alerts = read(&format!("{before}[[channel]]{channels}")).unwrap();
    assert_eq!(
        alerts.channels.iter().map(|one| one.means.as_str()).collect::<Vec<_>>(),
        ["webhook", "slack", "teams", "mail", "command"]
    );
    assert_eq!(alerts.when, When::default());
}

#[test]
fn every_mistake_is_named_where_it_is() {
    let hook = "kind = 'webhook'\nsecret_env = 'S'\n";
    for (keys, place, hint) in [
        ("kind = 'pager'", "3:8", "`pager` is not a kind of channel"),
        ("kind = 'webhook'\nurl = 'https://a.example'", "1:1", "no secret to sign with"),
        (
            "kind = 'webhook'\nurl = 'https://a.example'\nsecret = 'hunter2hunter2hunter2'",
            "5:10",
            "a secret does not stand",
        ),
        (&format!("{hook}url = 'http://a.example/'"), "5:7", "not HTTPS"),
        (&format!("{hook}url = 'ftp://a.example/'"), "5:7", "not an address"),
        (&format!("{hook}url = 'https://u:hunter2@a.example/'"), "5:7", "user name or a password"),
        (&format!("{hook}url = 'https://a.example/#x'"), "5:7", "fragment"),
        (&format!("{hook}url = 'https://a.example/'\nurl_env = 'U'"), "5:7", "two addresses"),
        (hook, "1:1", "has no address"),
        (&format!("{hook}url_env = '$U'"), "5:11", "not the name of an environment variable"),
        (&format!("{hook}url = 'https://a.example/'\nsecret_file = 's'"), "6:15", "both say where it is"),
        (&format!("{hook}url = 'https://a.example/'\nserver = 's.example'"), "6:10", "has no `server`"),
        (&format!("{hook}url = 'https://a.example/'\nat_leats = 'low'"), "6:1", "unknown field"),
        (&format!("{hook}url = 'https://a.example/'\nat_least = 'lwo'"), "6:12", "not a severity"),
        (&format!("{hook}url = 'https://a.example/'\nkinds = ['drfit']"), "6:10", "not a kind of notice"),
        (&format!("{hook}url = 'https://a.example/'\nkinds = []"), "6:9", "`kinds` is empty"),
        ("kind = 'slack'\nurl = 'https://hooks.slack.com/services/T/B/hunter2'", "4:7", "it is a secret"),
        ("kind = 'mail'\nto = ['a@b.example']\nserver = 's.example'", "1:1", "no `from`"),
        ("kind = 'mail'\nfrom = 'a@b.example'\nserver = 's.example'", "1:1", "no `to`"),
        ("kind = 'mail'\nfrom = \"a@b.example\\r\\nBcc: c@d\"\nto = []\nserver = 's'", "4:8", "control characters"),
        ("kind = 'mail'\nfrom = 'a@b.example'\nto = ['ä@b.example']\nserver = 's'", "5:7", "no mail address"),
        ("kind = 'mail'\nfrom = 'a@b.example'\nto = ['a@b.example', 'a@b.example']\nserver = 's'", "5:22", "twice"),
        (
            "kind = 'mail'\nfrom = 'a@b.example'\nto = ['a@b.example']\npassword = 'hunter2'",
            "6:12",
            "password does not stand",
        ),
        ("kind = 'command'", "1:1", "no `program`"),
        ("kind = 'command'\nprogram = ['page']", "4:12", "without a folder"),
        ("kind = 'command'\nprogram = []", "4:11", "`program` is empty"),
    ] {
        let errors = channel(keys).unwrap_err();
        let all: Vec<_> = errors.0.iter().map(|one| format!("{one}\n{}\n", one.render(false))).collect();
        let all = all.concat();
        assert!(all.contains(&format!("alerts.toml:{place}: ")) && all.contains(hint), "{keys}\n{all}");
        assert!(!all.contains("hunter2"), "{all}");
    }
    for (keys, hint) in [
        ("server = 's.example:0'", "no port"),
        ("server = 'https://s.example'", "write it as"),
        ("server = 's.example'\ntls = 'opportunistic'", "not a kind of TLS"),
        ("server = 's.example'\nuser = 'u'", "without a password"),
        ("server = 's.example'\npassword_env = 'P'", "without a `user`"),
        ("server = 's.example'\nuser = 'u'\npassword_env = 'P'\ntls = 'none'", "could read the password"),
    ] {
        let errors = mail(keys).unwrap_err();
        assert!(errors.0.iter().any(|one| one.render(false).contains(hint)), "{keys}\n{errors}");
    }
}

#[test]
fn a_channel_is_named_once_and_when_is_said_once() {
    let command = "kind = 'command'\nprogram = ['/bin/true']\n";
    let twice = format!("[[channel]]\nname = 'noc'\n{command}[[channel]]\nname = 'NOC'\n{command}");
    assert!(
        read(&twice).unwrap_err().to_string().contains("alerts.toml:6:8: `NOC` is already a channel, at alerts.toml:2")
    );
    let mut reading = Reading::new(None);
    reading.add("a/alerts.toml", "[when]\nat_least = 'low'", Path::new("a")).unwrap();
    reading.add("b/alerts.toml", "", Path::new("b")).unwrap();
    assert_eq!(reading.alerts.when.at_least, Severity::Low);
    let error = reading.add("c/alerts.toml", "[when]", Path::new("c")).unwrap_err().to_string();
    assert!(error.contains("a [when] already, at a/alerts.toml:1"), "{error}");
    for days in ["[0]", "[-1]", "[401]", "[7, 7]"] {
        assert!(read(&format!("[when]\ncertificate_days = {days}")).is_err(), "{days}");
    }
}

#[test]
fn a_client_that_no_inventory_has_is_a_mistake() {
    let inventory = "client = 'Northwind Dental'\n[[target]]\nname = 'rmm'\nhost = 'h.example'\nroles = ['iis']";
    let targets = crate::catalog::inventory::parse("i.toml", inventory, &mut Places::default()).unwrap();
    let elsewhere = [Named { client: "Acme".to_owned(), name: "a".to_owned(), host: "b".to_owned() }];
    let known = Known { targets: &targets, elsewhere: &elsewhere };
    let with = |clients: &str| {
        let text = format!("[[channel]]\nname='x'\nkind='command'\nprogram=['/bin/true']\nclients = [{clients}]");
        parse("alerts.toml", &text, Path::new(""), Some(known))
    };
    assert!(with("'northwind*', 'ACME', '*'").is_ok());
    let error = with("'Northwind Dentl'").unwrap_err();
    assert!(error.0[0].render(false).contains("did you mean `Northwind Dental`?"), "{error}");
    assert!(with("'Contoso*'").unwrap_err().to_string().contains("no client of the inventory is called `Contoso*`"));
}

#[test]
fn a_channel_gets_what_it_wants() {
    let notice = Notice {
        key: "0".repeat(16),
        kind: Kind::Drift,
        phase: Phase::Raised,
        severity: Severity::Medium,
        client: "Northwind Dental".to_owned(),
        target: None,
        title: String::new(),
        details: Vec::new(),
        action: None,
        since: String::new(),
        run: None,
    };
    let wants = |clients: &[&str], kinds: &[Kind], at_least| Wants {
        clients: clients.iter().map(|client| (*client).to_owned()).collect(),
        kinds: kinds.iter().copied().collect(),
        at_least,
    };
    assert!(Wants::default().takes(&notice));
    assert!(wants(&["NORTH*"], &[Kind::Drift], Some(Severity::Medium)).takes(&notice));
    assert!(!wants(&["North"], &[], None).takes(&notice));
    assert!(!wants(&[], &[Kind::Missed], None).takes(&notice));
    assert!(!wants(&[], &[], Some(Severity::High)).takes(&notice));
}

#[test]
fn only_this_machine_is_spoken_to_in_the_open() {
    for good in
        ["https://a.example", "http://127.0.0.1:8080/x", "http://[::1]/", "http://localhost/x", "https://192.0.2.1/"]
    {
        assert!(WebAddress::parse(good, Service::Webhook).is_ok(), "{good}");
    }
    for bad in [
        "http://127.0.0.1.example/",
        "http://localhost.example/",
        "http://[::2]/",
        "file:///etc/passwd",
        "https://",
        "x",
        "",
    ] {
        assert!(WebAddress::parse(bad, Service::Webhook).is_err(), "{bad}");
    }
    for retired in ["https://msp.webhook.office.com/webhookb2/x", "https://outlook.office.com/webhook/x"] {
        assert_eq!(WebAddress::parse(retired, Service::Teams).unwrap_err(), UrlProblem::Retired);
        assert!(WebAddress::parse(retired, Service::Slack).is_ok());
    }
}

#[cfg(unix)]
#[test]
fn a_secret_is_read_from_a_file_that_only_its_owner_and_group_may_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    let source = Source::File(path.clone());
    let with = |text: &[u8], mode: u32| {
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        source.read().map(|secret| secret.expose().to_owned()).map_err(|error| error.problem)
    };
    assert_eq!(source.read().unwrap_err().problem.to_string().split(':').next(), Some("it cannot be read"));
    for mode in [0o600, 0o400, 0o640, 0o440, 0o700] {
        assert_eq!(with(b"hunter2\r\n", mode).as_deref(), Ok("hunter2"), "{mode:o}");
    }
    for mode in [0o644, 0o604, 0o602, 0o660, 0o666, 0o620] {
        assert_eq!(with(b"hunter2\n", mode), Err(Problem::Open(mode)), "{mode:o}");
    }
    assert_eq!(with(b"\n", 0o600), Err(Problem::Empty));
    assert_eq!(with(b"a\nb\n", 0o600), Err(Problem::NotText));
    assert_eq!(with(b"\xff", 0o600), Err(Problem::NotText));
    assert_eq!(with(&vec![b'x'; 20_000], 0o600), Err(Problem::Long));
    let folder_as_file = Source::File(folder.path().to_owned());
    assert!(folder_as_file.read().unwrap_err().to_string().contains("not a regular file"));
    // Of keys: base64 behind the prefix of the specification, or any other text.
    for (text, length) in [("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Some(24)), ("whsec_!!", None), ("short", None)] {
        let _ = with(text.as_bytes(), 0o600);
        assert_eq!(source.read_key().ok().map(|key| key.expose().len()), length, "{text}");
    }
    let _ = with(&[b'k'; 32], 0o600);
    assert_eq!(source.read_key().unwrap().expose(), [b'k'; 32]);
}

#[cfg(unix)]
#[test]
fn a_program_is_named_by_no_file_that_anybody_may_change() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alerts.toml");
    for (kind, mode, good) in [
        ("kind = 'command'\nprogram = ['/bin/true']", 0o664, true),
        ("kind = 'command'\nprogram = ['/bin/true']", 0o666, false),
        ("kind = 'slack'\nurl_env = 'U'", 0o666, true),
    ] {
        std::fs::write(&path, format!("[[channel]]\nname = 'x'\n{kind}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(load(std::slice::from_ref(&path), None).is_ok(), good, "{kind} {mode:o}");
    }
}

proptest! {
    #[test]
    fn any_file_is_read_without_panic(text in "(\\[when\\]\n|\\[\\[channel\\]\\]\n)?([a-z_]{1,13} ?= ?[\"'\\[{0-9a-z/.,:@\\]}-]{0,24}\n){0,8}") {
        let _ = read(&text);
    }

    /// Every value of every key that may be a secret, where it must not stand and where it must.
    #[test]
    fn no_secret_shows_in_any_text(secret in "[A-Za-z0-9+/=_-]{12,40}") {
        let key = Key::new(secret.as_bytes());
        let hidden = Secret::new(&secret);
        let shown = format!("{key:?}{hidden:?}");
        prop_assert!(!shown.contains(&secret));
        let url = format!("https://h.example/{secret}?sig={secret}");
        for service in [Service::Webhook, Service::Slack, Service::Teams] {
            let address = WebAddress::parse(&url, service).unwrap();
            let shown = format!("{address} {address:?} {:?}", Address::Written(address.clone()));
            prop_assert!(!shown.contains(&secret));
        }
        for keys in [
            format!("kind = 'slack'\nurl = '{url}'"),
            format!("kind = 'webhook'\nurl = 'http://h.example/{secret}'\nsecret_env = 'S'"),
            format!("kind = 'webhook'\nurl = 'https://h.example/'\nsecret = '{secret}'"),
            format!("kind = 'webhook'\nurl = 'https://h.example/'\nsecret_env = '{secret}-'"),
            format!("kind = 'mail'\npassword = '{secret}'"),
            format!("kind = 'mail'\npasswrod = '{secret}'"),
            format!("kind = 'mail'\npassword_env = '{secret}"),
        ] {
            let errors = channel(&keys).unwrap_err();
            let all: Vec<_> = errors.0.iter().map(|one| format!("{one:?}{one}{}", one.render(true))).collect();
            let all = all.concat();
            prop_assert!(!all.contains(&secret), "{}", all);
        }
    }
}

#[test]
fn a_program_is_not_given_the_variables_that_hold_secrets() {
    let page = "[[channel]]\nname = 'a'\nkind = 'command'\nprogram = ['./page']\n";
    let mail = "[[channel]]\nname = 'b'\nkind = 'mail'\nserver = 'smtp.example'\nfrom = 'a@b.example'\nto = ['c@d.example']\n\
                user = 'p'\npassword_env = 'MAIL'\n";
    let channels = read(&format!(
        "{page}{mail}{}",
        ALL.replace("[when]", "")
            .replacen("at_least = \"high\"\ncertificate_days = [1, 30, 7]\nstatement_days = []\n", "", 1)
            .replace("name = \"mail\"", "name = \"m\"")
    ))
    .unwrap()
    .channels;
    let withheld = |channel: &Channel| match &channel.means {
        Means::Command(program) => Some(program.withheld.iter().cloned().collect::<Vec<_>>()),
        _ => None,
    };
    let withheld: Vec<Vec<String>> = channels.iter().filter_map(withheld).collect();
    assert_eq!(withheld, vec![["MAIL", "PSA_SECRET", "TEAMS"]; 2]);
}
