//! A hand-made run that holds one of everything, for the tests of the reports.

mod drift;
mod findings;
mod observations;
pub(super) mod overview;
mod rules;
mod statements;

pub(super) use drift::{drift, hostile_drift};

use crate::model::evidence::{Contradiction, EvidenceRun, FirewallRow, NotCollected};
use crate::model::ports::Ports;
use crate::model::run::{AddressHealth, AddressRun, Disagreement, GuideUsed, Run, TargetRun, Trouble};
use crate::model::target::{ControlServer, Host, Moved, Role, Target};
use crate::model::udp::UdpRation;
use crate::model::vantage::{Checkup, Passage, Standing, Subject, Vantage, Way, Ways};

/// A run with every verdict, health flag, trouble and kind of answer.
pub(super) fn everything() -> Run {
    Run {
        tool_version: "0.1.0".to_owned(),
        started: "2026-03-14T21:05:09Z".to_owned(),
        elapsed_ms: 134_200,
        guides: ["automate", "control", "endpoint-central", "iis"].into_iter().map(guide).collect(),
        targets: vec![automate(), control(), endpoint_central(), gone(), dark()],
        interrupted: true,
        vantage: vantage(),
        drift: None,
    }
}

/// The run with drift since an earlier one.
pub(super) fn drifted() -> Run {
    Run { drift: Some(Box::new(drift())), ..everything() }
}

/// Two runs between which nothing changed.
pub(super) fn unchanged() -> crate::model::drift::Drift {
    let mut drift = drift();
    drift.after = drift.before.clone();
    drift.vantage.clear();
    drift.targets.retain(|target| target.changes.is_empty());
    drift
}

/// A whole run without failures: one target, nothing missing.
pub(super) fn quiet() -> Run {
    let mut target = automate();
    target.findings.retain(|finding| {
        use crate::model::verdict::Verdict::{NotApplicable, Pass};
        matches!(finding.verdict, Pass | NotApplicable)
    });
    target.rules.retain(|rule| rule.verdict() == crate::model::expected::RuleVerdict::Proved);
    target.disagreements.clear();
    Run { targets: vec![target], interrupted: false, vantage: Vantage::default(), ..everything() }
}

/// A run over `count` targets of several clients.
pub(super) fn estate(count: usize) -> Run {
    let targets = (0..count)
        .map(|index| {
            let mut target = automate();
            target.target.client =
                ["Harbour Dental Group", "Küstner & Söhne", "North Shore Logistics"][index % 3].to_owned();
            target.target.name = format!("server-{index:03}");
            target.findings.rotate_left(index % 7);
            target.findings.truncate(20 - index % 5);
            target.rules.truncate(index % 4);
            target
        })
        .collect();
    Run { targets, interrupted: false, vantage: Vantage::default(), ..everything() }
}

/// The run with every text of the inventory and the guides replaced by `text`.
pub(super) fn hostile(text: &str) -> Run {
    let mut run = everything();
    let own = || text.to_owned();
    run.tool_version = own();
    run.started = own();
    for checkup in &mut run.vantage.checkups {
        (checkup.seen, checkup.why, checkup.todo) = (own(), own(), own());
    }
    for guide in &mut run.guides {
        (guide.id, guide.title, guide.revision, guide.sha256) = (own(), own(), own(), own());
    }
    for target in &mut run.targets {
        (target.target.client, target.target.name, target.target.notes) = (own(), own(), Some(own()));
        (target.target.host, target.target.sni) = (Host::Name(own()), Some(own()));
        target.target.tags = [own()].into();
        for disagreement in &mut target.disagreements {
            *disagreement =
                Disagreement { subject: own(), items: vec![own(), own()], rule: Some(own()), explanation: own() };
        }
        for trouble in &mut target.troubles {
            match trouble {
                Trouble::Unresolved { message } | Trouble::Ourselves { message } | Trouble::Bug { message } => {
                    *message = own();
                }
                _ => {}
            }
        }
        statements::hostile(target, text);
        for finding in &mut target.rules {
            (finding.rule.note, finding.disagreements) = (Some(own()), vec![own()]);
            let check = &mut finding.check;
            (check.rule, check.why, check.settle, check.seen) = (own(), own(), Some(own()), vec![own(), own()]);
        }
        for finding in &mut target.findings {
            (finding.guide, finding.item, finding.section, finding.title) = (own(), own(), own(), own());
            (finding.rationale, finding.remedy) = (own(), vec![own(), own()]);
            finding.references = vec![own(), format!("https://{text}"), format!("STIG {text}")];
            finding.disagreements = vec![own()];
            for check in &mut finding.checks {
                (check.rule, check.why, check.settle, check.seen) = (own(), own(), Some(own()), vec![own(), own()]);
            }
        }
    }
    run
}

fn vantage() -> Vantage {
    let mut ways = Ways::default();
    for (ports, passage, sender) in [
        ("tcp/25", Passage::Passes, None),
        ("tcp/135-139", Passage::Blocked, Some("198.51.100.1")),
        ("tcp/445", Passage::ProbablyBlocked, None),
        ("tcp/3306", Passage::Refused, None),
    ] {
        let sender = sender.map(|sender| sender.parse().unwrap());
        ways.add(Way { ports: self::ports(ports), v6: false, inside: false, passage, sender });
    }
    let checkup = |subject, standing| {
        Checkup::bad(subject, standing, "This was seen.", "This is why it matters.", "This is what to do.")
    };
    let checkups = vec![
        checkup(Subject::InsideAddresses, Standing::Warning),
        Checkup {
            seen: "The control host control.example.net could not be used: no such name.".to_owned(),
            ..checkup(Subject::ControlHost, Standing::Unknown)
        },
        checkup(Subject::Decoys, Standing::Broken),
        checkup(Subject::OutboundBlocks, Standing::Warning),
    ];
    Vantage { checkups, ways }
}

fn guide(id: &str) -> GuideUsed {
    let (title, revision, built_in) = match id {
        "automate" => ("ConnectWise Automate hardening guide", "2024-05-02", true),
        "control" => ("ConnectWise Control hardening guide", "2023-11-20", true),
        "endpoint-central" => ("Endpoint Central MSP security recommendations", "11.3.2428", true),
        _ => ("IIS hardening after the CIS benchmark", "our own, 3", false),
    };
    let digest = "9f86d081".repeat(8);
    GuideUsed { id: id.to_owned(), title: title.to_owned(), revision: revision.to_owned(), sha256: digest, built_in }
}

fn target(client: &str, name: &str, host: Host, roles: &[Role]) -> Target {
    Target {
        name: name.to_owned(),
        roles: roles.iter().copied().collect(),
        tags: ["production".to_owned()].into(),
        ..Target::new(client, host)
    }
}

fn named(name: &str) -> Host {
    Host::Name(name.to_owned())
}

fn address(text: &str, health: AddressHealth) -> AddressRun {
    let address: std::net::IpAddr = text.parse().unwrap();
    let vantage = if address.is_ipv4() { "198.51.100.2" } else { "2001:db8:51::2" };
    AddressRun { address, vantage: Some(vantage.parse().unwrap()), health }
}

fn healthy() -> AddressHealth {
    AddressHealth { answered: true, decoys_asked: 4, ..AddressHealth::default() }
}

fn ports(text: &str) -> Ports {
    text.parse().unwrap()
}

fn automate() -> TargetRun {
    let mut target =
        target("Harbour Dental Group", "automate-01", named("rmm.harbourdental.example"), &[Role::Automate, Role::Iis]);
    target.active_directory = Some(false);
    target.technicians = Some(12);
    target.redirectors = Some(false);
    target.split_database = Some(true);
    target.control = Some(ControlServer::Elsewhere);
    target.expected = vec![ports("tcp/8443")];
    target.notes = Some("Moved to the new firewall in January; ask Dana before changing the NAT.".to_owned());
    TargetRun {
        target,
        addresses: vec![address("203.0.113.10", healthy()), address("2001:db8:20::10", healthy())],
        observations: observations::automate(),
        findings: findings::automate(),
        rules: rules::automate(),
        disagreements: vec![Disagreement {
            subject: "tcp/3389".to_owned(),
            items: vec!["AUT-NET-11".to_owned()],
            rule: Some("allow tcp/3389 over IPv4".to_owned()),
            explanation: rules::AGAINST.to_owned(),
        }],
        troubles: Vec::new(),
        evidence: Some(Box::new(evidence())),
    }
}

/// Evidence from inside, with one of everything that a report says of it.
fn evidence() -> EvidenceRun {
    let text = |text: &str| text.to_owned();
    EvidenceRun {
        name: text("evidence/rmm.zip"),
        computer: Some(text("RMM01")),
        version: Some(text("Microsoft Windows [Version 10.0.17763.5936]")),
        collected: Some(text("2026-03-02T09:00:00Z")),
        age_seconds: Some(7200),
        booted: Some(text("2026-02-01T03:00:00Z")),
        elevated: Some(true),
        doubts: vec![text("the host computed no SHA-256 of 2 files, of which only the sizes could be checked")],
        not_collected: vec![NotCollected { what: text("sslcert"), why: text("sslcert.txt of `sslcert` is empty") }],
        contradictions: vec![Contradiction {
            subject: text("TLS 1.0"),
            items: vec![text("automate AUT-TLS-01")],
            host: text("schannel.reg:8: \"Enabled\"=dword:00000000"),
            network: text("tcp/443 at 203.0.113.10 accepts TLS 1.0"),
            explanations: vec![
                text("Windows was not restarted since the setting changed (started 2026-02-01T03:00:00Z)"),
                text("a proxy or load balancer in front of the host answers"),
            ],
            settle: text("Restart the host, collect again and scan again."),
        }],
        firewall: vec![
            FirewallRow {
                port: text("tcp/443"),
                listener: Some(text("System")),
                claim: text("let in"),
                line: text(
                    "System listens on tcp/443 (netstat.txt:5), and the host's firewall lets it in (firewall.reg:40)",
                ),
                outside: Some(text("open")),
                together: text("open, as the rules say"),
            },
            FirewallRow {
                port: text("tcp/40000-40050"),
                listener: None,
                claim: text("nothing listens"),
                line: text("nothing listens on tcp/40000 on the host"),
                outside: None,
                together: text("contradiction: open, though nothing listens"),
            },
        ],
    }
}

fn control() -> TargetRun {
    let mut target = target(
        "Harbour Dental Group",
        "control-01",
        named("support.harbourdental.example"),
        &[Role::Control, Role::EndpointCentral],
    );
    target.sni = Some("help.harbourdental.example".to_owned());
    target.moved = vec![Moved { from: ports("tcp/8040"), to: ports("tcp/9040") }];
    TargetRun {
        target,
        addresses: vec![address(
            "203.0.113.11",
            AddressHealth {
                decoys_open: vec![2, 47_101, 61_999],
                stopped_answering: true,
                udp_ration: Some(UdpRation { burst: 6, interval_ms: Some(1004) }),
                ..healthy()
            },
        )],
        observations: observations::control(),
        findings: findings::control(),
        rules: Vec::new(),
        disagreements: vec![Disagreement {
            subject: "tcp/8040".to_owned(),
            items: vec!["CTL-NET-01".to_owned(), "EC-LOG-03".to_owned()],
            rule: None,
            explanation:
                "The Control guide wants tcp/8040 reachable for its web server; the Endpoint Central guide wants \
                          its plain HTTP port closed. Both were judged on what answers there: ScreenConnect."
                    .to_owned(),
        }],
        troubles: vec![
            Trouble::OutOfTime,
            Trouble::Ourselves { message: "no file descriptors left (EMFILE)".to_owned() },
            Trouble::Witness { address: "203.0.113.11".parse().unwrap(), message: "no witness answered".to_owned() },
        ],
        evidence: None,
    }
}

fn endpoint_central() -> TargetRun {
    TargetRun {
        target: target(
            "Küstner & Söhne <Logistik>",
            "endpoint-central",
            Host::Address("10.20.0.5".parse().unwrap()),
            &[Role::EndpointCentral, Role::Database],
        ),
        addresses: vec![
            address("10.20.0.5", AddressHealth { inside: true, ..healthy() }),
            address("fd00:20::5", AddressHealth { inside: true, ..AddressHealth::default() }),
            address("2001:db8:20::5", AddressHealth::default()),
        ],
        observations: observations::endpoint_central(),
        findings: findings::endpoint_central(),
        rules: Vec::new(),
        disagreements: Vec::new(),
        troubles: vec![
            Trouble::NoRoute { address: "2001:db8:20::5".parse().unwrap() },
            Trouble::Interrupted,
            Trouble::Bug { message: "the SMB reader expected 4 bytes and had 3".to_owned() },
        ],
        evidence: None,
    }
}

fn gone() -> TargetRun {
    TargetRun {
        target: target(
            "Küstner & Söhne <Logistik>",
            "distribution",
            named("ds.kuestner.example"),
            &[Role::DistributionServer],
        ),
        addresses: Vec::new(),
        observations: Vec::new(),
        findings: Vec::new(),
        rules: Vec::new(),
        disagreements: Vec::new(),
        troubles: vec![Trouble::Unresolved {
            message: "ds.kuestner.example does not exist (NXDOMAIN, asked 192.0.2.53); check the name in the inventory"
                .to_owned(),
        }],
        evidence: None,
    }
}

/// A run of one server before which something opens all ports, without findings.
pub(super) fn middlebox() -> Run {
    let health = AddressHealth {
        decoys_asked: 3,
        decoys_open: vec![20_100, 23_000, 31_000],
        answered: true,
        ..AddressHealth::default()
    };
    let target = TargetRun {
        target: target("Northwind Dental", "behind-proxy", named("proxied.example"), &Role::ALL),
        addresses: vec![address("203.0.113.12", health)],
        observations: observations::middlebox(),
        findings: Vec::new(),
        rules: Vec::new(),
        disagreements: Vec::new(),
        troubles: Vec::new(),
        evidence: None,
    };
    Run { targets: vec![target], ..quiet() }
}

fn dark() -> TargetRun {
    TargetRun {
        target: target("Küstner & Söhne <Logistik>", "iis-legacy", named("old.kuestner.example"), &[Role::Iis]),
        addresses: vec![address("198.51.100.77", AddressHealth { decoys_asked: 4, ..AddressHealth::default() })],
        observations: observations::dark(),
        findings: findings::dark(),
        rules: Vec::new(),
        disagreements: Vec::new(),
        troubles: vec![Trouble::Unreachable],
        evidence: None,
    }
}
