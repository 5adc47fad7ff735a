//! What firewalls do with a packet that they do not let through.

use crate::PORTS;
use crate::seen::Transport::{Tcp, Udp};
use crate::seen::{ANSWERS, CLOSED, FILTERED, OPEN, SILENT, Seen, icmp, probe, truth};
use crate::support::namespaces::usable;
use crate::support::perimeter::{Perimeter, ROUTER, v4, v6};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::net::IpAddr;

/// ICMP type and code over IPv4 and IPv6.
type Codes = [(u8, u8); 2];

const ADMIN_PROHIBITED: Codes = [(3, 13), (1, 1)];
const PORT_UNREACHABLE: Codes = [(3, 3), (1, 4)];
const HOST_UNREACHABLE: Codes = [(3, 1), (1, 3)];

fn said(state: &str, codes: Codes, sender: &str) -> String {
    let (kind, code) = codes[usize::from(sender.contains(':'))];
    icmp(state, kind, code, &sender)
}

/// The address of the router that a target's refusals would come from.
fn router(address: IpAddr) -> &'static str {
    ROUTER[usize::from(address.is_ipv6())]
}

#[test]
fn a_policy_of_drop_hides_all_but_what_is_let_through() {
    if !usable() {
        return;
    }
    let mut perimeter = Perimeter::new(&[10]);
    // 8443 is let through and nobody listens; 3306 is listened at and not let through.
    perimeter.target.nft(
        "table inet gate { chain input { type filter hook input priority 0; policy drop; meta l4proto ipv6-icmp accept
            ct state established accept; tcp dport { 443, 8443, 8484 } accept; }; }",
    );
    for address in [v4(10), v6(10)] {
        perimeter.tcp(address, &[443, 3306, 8484]);
    }
    let seen = Seen::probe(&perimeter, &[v4(10), v6(10)], &PORTS, &[]);
    let truth = truth(&[(Tcp, &PORTS, FILTERED), (Tcp, &[443, 8484], OPEN), (Tcp, &[8443], CLOSED)]);
    seen.ended(0).is(v4(10), &truth).is(v6(10), &truth);
}

#[test]
fn without_a_firewall_what_nobody_listens_at_is_closed() {
    if !usable() {
        return;
    }
    let mut perimeter = Perimeter::new(&[10]);
    for address in [v4(10), v6(10)] {
        perimeter.tcp(address, &[443, 3306, 3389]);
    }
    let seen = Seen::probe(&perimeter, &[v4(10), v6(10)], &PORTS, &[]);
    let truth = truth(&[(Tcp, &PORTS, CLOSED), (Tcp, &[443, 3306, 3389], OPEN)]);
    seen.ended(0).is(v4(10), &truth).is(v6(10), &truth);
    assert_eq!(seen.health(v4(10))["answered"], true);
}

#[test]
fn whoever_rejects_is_named_with_the_reason_given() {
    if !usable() {
        return;
    }
    let mut perimeter = Perimeter::new(&[10]);
    let ways = |first: u16| {
        format!(
            "tcp dport {0} reject with icmpx admin-prohibited; udp dport {0} reject with icmpx admin-prohibited
            tcp dport {1} reject with icmpx port-unreachable; udp dport {1} reject with icmpx port-unreachable
            tcp dport {2} reject with icmpx host-unreachable; udp dport {2} reject with icmpx host-unreachable",
            first,
            first + 1,
            first + 2
        )
    };
    let table = |hook: &str, rules: &str| {
        format!("table inet gate {{ chain gate {{ type filter hook {hook} priority 0; {rules}\n }}; }}")
    };
    // What `REJECT` of iptables says by itself on some distributions, and a router that answers with a RST.
    let more = "ip protocol tcp tcp dport 2004 reject with icmp host-prohibited; tcp dport 2005 reject with tcp reset";
    perimeter.router.nft(&table("forward", &format!("{}\n{more}", ways(2001))));
    perimeter.target.nft(&table("input", &ways(1001)));
    for address in [v4(10), v6(10)] {
        perimeter.tcp(address, &[443]);
        perimeter.udp_echo(address, 443);
    }
    let udp = [1001, 1002, 1003, 2001, 2002, 2003, 443];
    let tcp = [1001, 1002, 1003, 2001, 2002, 2003, 443, 2004, 2005];
    let seen = Seen::probe(&perimeter, &[v4(10), v6(10)], &tcp, &udp);
    for address in [v4(10), v6(10)] {
        let near = router(address);
        let mut all = truth(&[(Tcp, &[443], OPEN), (Udp, &[443], ANSWERS), (Tcp, &[2004, 2005], CLOSED)]);
        for transport in [Tcp, Udp] {
            for (first, sender) in [(1001, address.to_string()), (2001, near.to_owned())] {
                // Only the target knows that nobody listens.
                let unreachable = if first == 1001 { "closed" } else { "rejected" };
                all.extend([
                    ((transport, first), said("rejected", ADMIN_PROHIBITED, &sender)),
                    ((transport, first + 1), said(unreachable, PORT_UNREACHABLE, &sender)),
                    ((transport, first + 2), said("rejected", HOST_UNREACHABLE, &sender)),
                ]);
            }
        }
        if address.is_ipv4() {
            all.insert((Tcp, 2004), icmp("rejected", 3, 10, &near));
        }
        seen.is(address, &all);
    }
    seen.ended(0);
}

#[test]
fn where_icmp_is_filtered_on_the_way_silence_is_all_that_is_seen() {
    if !usable() {
        return;
    }
    let mut perimeter = Perimeter::new(&[10]);
    perimeter.router.nft(
        "table inet gate { chain forward { type filter hook forward priority 0
            icmp type destination-unreachable drop; icmpv6 type destination-unreachable drop; }; }",
    );
    perimeter.target.nft(
        "table inet gate { chain input { type filter hook input priority 0
            tcp dport 1001 reject with icmpx admin-prohibited; }; }",
    );
    for address in [v4(10), v6(10)] {
        perimeter.tcp(address, &[443]);
        perimeter.udp_echo(address, 2000);
    }
    let seen = Seen::probe(&perimeter, &[v4(10), v6(10)], &[443, 1001, 1002], &[1001, 1002, 2000]);
    let truth = truth(&[
        (Tcp, &[443], OPEN),
        (Tcp, &[1001], FILTERED),
        (Tcp, &[1002], CLOSED),
        (Udp, &[1001, 1002], SILENT),
        (Udp, &[2000], ANSWERS),
    ]);
    seen.ended(0).is(v4(10), &truth).is(v6(10), &truth);
}

/// A name leads to both families, and the firewall was made for one.
#[test]
fn the_open_side_of_a_name_is_seen_beside_the_hardened_one() {
    if !usable() {
        return;
    }
    let mut perimeter = Perimeter::new(&[17]);
    perimeter.target.nft(
        "table ip gate { chain input { type filter hook input priority 0; policy drop
            ct state established accept; tcp dport 443 accept; }; }",
    );
    for address in [v4(17), v6(17)] {
        perimeter.tcp(address, &[443, 3306, 3389]);
    }
    let folder = tempfile::tempdir().unwrap();
    let hosts = folder.path().join("hosts");
    std::fs::write(&hosts, format!("{} rmm.example.com\n{} rmm.example.com\n", v4(17), v6(17))).unwrap();
    let mut command = probe(&["rmm.example.com"], &PORTS, &[]);
    command.args(["--format", "json"]);
    let seen = Seen::of(perimeter.scanner.inside(|| {
        // The program reads names from a file of our own; nobody else on this machine does.
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let nothing = None::<&str>;
        mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing).unwrap();
        mount(Some(&hosts), "/etc/hosts", nothing, MsFlags::MS_BIND, nothing).unwrap();
        command.output().unwrap()
    }));
    assert_eq!(seen.report["targets"].as_array().unwrap().len(), 1, "one target of two addresses");
    seen.ended(0)
        .is(v4(17), &truth(&[(Tcp, &PORTS, FILTERED), (Tcp, &[443], OPEN)]))
        .is(v6(17), &truth(&[(Tcp, &PORTS, CLOSED), (Tcp, &[443, 3306, 3389], OPEN)]));
}
