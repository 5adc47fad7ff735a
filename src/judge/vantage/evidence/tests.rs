use super::*;
use crate::judge::vantage::fixture::Host;
use proptest::prelude::*;

fn evidence(hosts: &[Host]) -> Evidence {
    let mut evidence = Evidence::default();
    for host in hosts {
        evidence.add(host.seen());
    }
    evidence
}

/// What is said of one subject, and the ways in words.
fn said(hosts: &[Host], subject: Subject) -> (Option<(Standing, String)>, Vec<String>) {
    let (checkups, ways) = evidence(hosts).conclude(&Ways::default());
    let checkup = checkups.into_iter().find(|checkup| checkup.subject == subject);
    let ways = ways.each().map(|way| {
        let sender = way.sender.map_or_else(String::new, |sender| format!(" by {sender}"));
        format!("{} {:?} v6={}{sender}", way.ports, way.passage, way.v6)
    });
    (checkup.map(|checkup| (checkup.standing, checkup.seen)), ways.collect())
}

/// A server that refuses what nobody listens at, and at which the ports that providers block are in the given state.
fn server(number: u8, suspects: &str) -> Host {
    let line = |ports: &str| format!("{ports} {suspects}");
    let lines = [line("tcp/25"), line("tcp/135-139"), line("tcp/445")];
    let mut ports = vec!["tcp/443 open", "tcp/70 closed", "tcp/3306 closed", "tcp/8040-8041 closed"];
    ports.extend(lines.iter().map(String::as_str));
    Host::new(&format!("203.0.113.{number}"), &ports)
}

#[test]
fn silence_on_suspects_at_three_servers_that_refuse_the_rest_is_a_block() {
    let hosts = [server(1, "filtered"), server(2, "filtered"), server(3, "filtered")];
    let (checkup, ways) = said(&hosts, Subject::OutboundBlocks);
    let (standing, seen) = checkup.unwrap();
    assert_eq!(standing, Standing::Warning);
    assert_eq!(
        seen,
        "Over IPv4 tcp/25, tcp/135-139 and tcp/445 met silence at all 3 addresses that refuse other ports."
    );
    let kinds = ["tcp/25", "tcp/135-139", "tcp/445"].map(|ports| format!("{ports} ProbablyBlocked v6=false"));
    assert_eq!(ways, kinds);
}

#[test]
fn two_servers_are_not_enough() {
    let (checkup, ways) = said(&[server(1, "filtered"), server(2, "filtered")], Subject::OutboundBlocks);
    let (standing, seen) = checkup.unwrap();
    assert_eq!(standing, Standing::NotChecked, "{seen}");
    assert!(ways.is_empty());
    // An address that two targets share is one address.
    let (_, ways) =
        said(&[server(1, "filtered"), server(2, "filtered"), server(2, "filtered")], Subject::OutboundBlocks);
    assert!(ways.is_empty());
}

#[test]
fn one_answer_disproves_a_block() {
    for answer in ["open", "closed", "unstable", "rejected 203.0.113.4"] {
        let mut hosts: Vec<Host> = (1..4).map(|number| server(number, "filtered")).collect();
        hosts.push(server(4, answer));
        let (checkup, ways) = said(&hosts, Subject::OutboundBlocks);
        assert_eq!(checkup.unwrap().0, Standing::Ok, "{answer}");
        assert!(ways.is_empty(), "{answer}");
    }
}

#[test]
fn servers_that_drop_everything_prove_nothing() {
    let dropping = |number: u8| {
        let address = format!("203.0.113.{number}");
        // One port is let through and nobody listens there.
        Host::new(&address, &["tcp/443 open", "tcp/8040-8041 closed", "tcp/70-75 filtered", "tcp/445 filtered"])
    };
    let (checkup, ways) = said(&[dropping(1), dropping(2), dropping(3), dropping(4)], Subject::OutboundBlocks);
    assert_eq!(checkup.unwrap().0, Standing::NotChecked);
    assert!(ways.is_empty());
}

#[test]
fn who_refuses_for_all_is_named() {
    let near = "rejected 198.51.100.1";
    let (checkup, ways) = said(&[server(1, near), server(2, near), server(3, "filtered")], Subject::OutboundBlocks);
    let (standing, seen) = checkup.unwrap();
    assert_eq!(standing, Standing::Warning);
    assert!(seen.contains("was refused by 198.51.100.1, or met silence,"), "{seen}");
    assert_eq!(ways[2], "tcp/445 ProbablyBlocked v6=false by 198.51.100.1");
}

#[test]
fn servers_that_are_refused_by_different_firewalls_are_not_blocked_here() {
    let own = |number: u8| server(number, &format!("rejected 198.51.100.{number}"));
    let (checkup, ways) = said(&[own(1), own(2), own(3)], Subject::OutboundBlocks);
    assert_eq!(checkup.unwrap().0, Standing::NotChecked);
    assert!(ways.is_empty());
    // Nor where one is: a packet that meets that server's own firewall has left this network.
    let (_, ways) = said(&[own(1), server(2, "filtered"), server(3, "filtered")], Subject::OutboundBlocks);
    assert!(ways.is_empty());
}

#[test]
fn what_a_server_left_unanswered_after_it_went_silent_proves_nothing() {
    let hosts: Vec<Host> =
        (1..5).map(|number| server(number, "filtered").with_health(|health| health.stopped_answering = true)).collect();
    assert!(said(&hosts, Subject::OutboundBlocks).1.is_empty());
    let hosts: Vec<Host> = (1..5).map(|number| server(number, "skipped")).collect();
    assert_eq!(said(&hosts, Subject::OutboundBlocks), (None, Vec::new()));
}

#[test]
fn each_version_and_the_inside_are_by_themselves() {
    let lines = ["tcp/443 open", "tcp/70-75 closed", "tcp/445 filtered"];
    let all = |prefix: &str, from: u8| {
        (from..from + 2).map(|number| Host::new(&format!("{prefix}{number}"), &lines)).collect::<Vec<_>>()
    };
    let mixed = [all("203.0.113.", 1), all("2001:db8::", 1), all("10.0.0.", 1)].concat();
    assert!(said(&mixed, Subject::OutboundBlocks).1.is_empty());
    let v6 = [all("2001:db8::", 1), all("2001:db8::", 5)].concat();
    assert_eq!(said(&v6, Subject::OutboundBlocks).1, ["tcp/445 ProbablyBlocked v6=true"]);
}

#[test]
fn what_a_control_host_said_is_not_doubted() {
    let hosts = [server(1, "filtered"), server(2, "filtered"), server(3, "filtered")];
    let mut known = Ways::default();
    for ports in ["tcp/25", "tcp/135-139", "tcp/445"] {
        known.add(Way {
            ports: ports.parse().unwrap(),
            v6: false,
            inside: false,
            passage: Passage::Passes,
            sender: None,
        });
    }
    let (checkups, ways) = evidence(&hosts).conclude(&known);
    assert_eq!(ways, known);
    let blocks = checkups.iter().find(|checkup| checkup.subject == Subject::OutboundBlocks).unwrap();
    assert_eq!(blocks.standing, Standing::Ok);
}

#[test]
fn decoys_that_open_everywhere_are_this_sides_doing() {
    let open = |number: u8| Host::new(&format!("203.0.113.{number}"), &["tcp/1-500 open"]).decoys_open();
    let (checkup, _) = said(&[open(1), open(2)], Subject::Decoys);
    assert_eq!(checkup.unwrap().0, Standing::Warning);
    let (checkup, _) = said(&[open(1)], Subject::Decoys);
    assert_eq!(checkup.unwrap().0, Standing::NotChecked);
    let (checkup, _) = said(&[open(1), open(2), server(3, "closed")], Subject::Decoys);
    assert_eq!(checkup.unwrap(), (Standing::Ok, "They stay shut at 1 of 3 addresses.".to_owned()));
    // Servers in the same house have no proxy between, and say nothing of the way to the others.
    let (checkup, _) = said(&[open(1), open(2), Host::new("10.0.0.1", &["tcp/443 open"])], Subject::Decoys);
    assert_eq!(checkup.unwrap().0, Standing::Warning);
    assert_eq!(said(&[], Subject::Decoys), (None, Vec::new()));
}

#[test]
fn addresses_inside_are_counted() {
    let (checkup, _) = said(&[server(1, "closed"), Host::new("10.0.0.1", &["tcp/443 open"])], Subject::InsideAddresses);
    assert_eq!(checkup.unwrap(), (Standing::Warning, "1 of 2 addresses is not public.".to_owned()));
    let (checkup, _) = said(&[server(1, "closed")], Subject::InsideAddresses);
    assert_eq!(checkup.unwrap().0, Standing::Ok);
}

proptest! {
    #[test]
    fn the_order_of_the_targets_changes_nothing(
        states in prop::collection::vec(0_usize..5, 1..7),
        rotate in 0_usize..7,
    ) {
        let kinds = ["filtered", "closed", "rejected 198.51.100.1", "rejected 198.51.100.2", "skipped"];
        let hosts: Vec<Host> = states.iter().zip(1_u8..).map(|(kind, number)| server(number, kinds[*kind])).collect();
        let mut turned = hosts.clone();
        turned.rotate_left(rotate % hosts.len());
        let known = Ways::default();
        prop_assert_eq!(evidence(&hosts).conclude(&known), evidence(&turned).conclude(&known));
    }

    /// An answer of a server for a port is never outweighed.
    #[test]
    fn nothing_is_blocked_that_answered_somewhere(count in 0_u8..9, answered in 0_u8..9) {
        let mut hosts: Vec<Host> = (1..=count).map(|number| server(number, "filtered")).collect();
        hosts.push(server(100 + answered, "open"));
        prop_assert!(said(&hosts, Subject::OutboundBlocks).1.is_empty());
    }
}

#[test]
fn where_only_the_ports_of_the_web_answered_nothing_is_proven_of_the_others() {
    let hosts = [Host::new("203.0.113.1", &["tcp/443 open", "tcp/80 closed", "tcp/3306 filtered"])];
    let (checkup, ways) = said(&hosts, Subject::OutboundBlocks);
    assert_eq!(checkup.unwrap().0, Standing::Warning);
    assert_eq!(ways, ["tcp/1-79 Unproven v6=false", "tcp/81-442 Unproven v6=false", "tcp/444-65535 Unproven v6=false"]);
    // One answer elsewhere, whatever it is and wherever, shows that others are let out.
    for answer in ["tcp/8484 open", "tcp/3389 closed"] {
        let both = [hosts[0].clone(), Host::new("203.0.113.2", &[answer])];
        assert_eq!(said(&both, Subject::OutboundBlocks).1, [""; 0], "{answer}");
    }
    // Nothing answered at all: that is the address's matter.
    assert_eq!(said(&[Host::new("203.0.113.3", &["tcp/443 filtered"])], Subject::OutboundBlocks).1, [""; 0]);
}

#[test]
fn where_only_the_ports_of_the_web_were_asked_nothing_is_said_of_the_others() {
    let hosts = [Host::new("203.0.113.1", &["tcp/443 open", "tcp/80 closed"])];
    let (checkup, ways) = said(&hosts, Subject::OutboundBlocks);
    assert!(checkup.is_none_or(|checkup| checkup.0 != Standing::Warning) && ways.is_empty(), "{ways:?}");
}
