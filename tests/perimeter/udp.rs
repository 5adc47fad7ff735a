//! UDP: what is said of ports that answer, that refuse, and that are silent for whatever reason.

use crate::seen::Transport::Udp;
use crate::seen::{ANSWERS, SILENT, Seen, icmp, truth};
use crate::support::namespaces::usable;
use crate::support::perimeter::{Perimeter, ration_icmp, v4, v6};
use std::net::IpAddr;

/// A closed port, as the target itself says.
fn closed(address: IpAddr) -> String {
    let (kind, code) = if address.is_ipv6() { (1, 4) } else { (3, 3) };
    icmp("closed", kind, code, &address)
}

fn perimeter() -> Perimeter {
    let mut perimeter = Perimeter::new(&[10]);
    perimeter
        .target
        .nft("table inet gate { chain input { type filter hook input priority 0; udp dport 3000-3009 drop; }; }");
    for address in [v4(10), v6(10)] {
        perimeter.udp_echo(address, 2000);
        perimeter.udp_silent(address, &[2001]);
        // Answers would come, were they let through.
        perimeter.udp_echo(address, 3000);
    }
    perimeter
}

#[test]
fn silence_over_udp_is_never_closed_and_a_refusal_never_silence() {
    if !usable() {
        return;
    }
    let perimeter = perimeter();
    let seen = Seen::probe(&perimeter, &[v4(10), v6(10)], &[], &[2000, 2001, 2002, 2003, 3000, 3001]);
    for address in [v4(10), v6(10)] {
        let closed = closed(address);
        let silent = [2001, 3000, 3001];
        seen.is(address, &truth(&[(Udp, &[2000], ANSWERS), (Udp, &silent, SILENT), (Udp, &[2002, 2003], &closed)]));
    }
    seen.ended(0);
}

/// Linux sends six refusals at once and then one a second: whoever hurries sees silence where ports are closed.
#[test]
fn rationed_refusals_make_nothing_of_a_port_that_it_is_not() {
    if !usable() {
        return;
    }
    let perimeter = perimeter();
    ration_icmp(&perimeter.target, true);
    let closed_ports: Vec<u16> = (4000..4030).collect();
    let dropped: Vec<u16> = (3000..3010).collect();
    let asked = [&[2000, 2001], closed_ports.as_slice(), &dropped].concat();
    let seen = Seen::probe(&perimeter, &[v4(10), v6(10)], &[], &asked);
    for address in [v4(10), v6(10)] {
        let mut states = seen.states(address);
        let mut refused = 0;
        for port in &closed_ports {
            let state = states.remove(&(Udp, *port)).unwrap();
            assert!(state == SILENT || state == closed(address), "{address} {port}: {state}");
            refused += usize::from(state != SILENT);
        }
        assert!(refused > 0, "{address}: no refusal was seen");
        assert_eq!(
            states,
            truth(&[(Udp, &[2000], ANSWERS), (Udp, &[2001], SILENT), (Udp, &dropped, SILENT)]),
            "{address}"
        );
    }
    seen.ended(0);
}
