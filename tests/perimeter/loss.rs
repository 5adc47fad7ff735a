//! Paths that lose packets: no open port is missed, and none is invented.

use crate::PORTS;
use crate::seen::Transport::Tcp;
use crate::seen::{CLOSED, FILTERED, OPEN, Seen, truth};
use crate::support::namespaces::usable;
use crate::support::perimeter::{Perimeter, v4, v6};
use crate::support::wire::{Fates, Path, Wire};
use std::net::IpAddr;
use std::time::Duration;

/// The hardened host, and the careless one.
const ADDRESSES: [fn() -> IpAddr; 4] = [|| v4(11), || v4(12), || v6(11), || v6(12)];

/// Paths on which the first two or three handshakes of some open port are lost.
const FIVE_PERCENT: [u64; 5] = [39, 43, 47, 129, 156];

/// The same with up to four: of a thousand ports behind such a path seven meet three losses, one meets four.
const TEN_PERCENT: [u64; 5] = [5, 34, 100, 142, 163];

/// Drops all but what is let through, at 11; nothing is dropped at 12.
const FIREWALL: &str = "table inet gate { chain input { type filter hook input priority 0
    ip daddr 203.0.113.11 ct state new tcp dport != { 443, 8484 } drop
    ip6 daddr 2001:db8:7::11 ct state new tcp dport != { 443, 8484 } drop; }; }";

/// What is open at each address.
fn open(address: IpAddr) -> &'static [u16] {
    if address == v4(11) || address == v6(11) { &[443, 8484] } else { &[80, 443, 445, 3306, 3389, 8040, 40014] }
}

fn scan(loss: u32, seed: u64) -> (Perimeter, Seen) {
    let path = Path { round_trip: Duration::from_millis(20), loss, seed };
    let mut perimeter = Perimeter::behind(path, &[11, 12]);
    perimeter.target.nft(FIREWALL);
    for address in ADDRESSES.map(|address| address()) {
        perimeter.tcp(address, open(address));
    }
    let seen = Seen::probe(&perimeter, &ADDRESSES.map(|address| address()), &PORTS, &[]);
    (perimeter, seen)
}

/// Scans over several paths, side by side.
fn nothing_is_missed(loss: u32, seeds: [u64; 5]) {
    if !usable() {
        return;
    }
    let scans: Vec<(u64, Perimeter, Seen)> = std::thread::scope(|scope| {
        let scans = seeds.map(|seed| scope.spawn(move || scan(loss, seed)));
        seeds
            .into_iter()
            .zip(scans)
            .map(|(seed, scan)| scan.join().map(|(perimeter, seen)| (seed, perimeter, seen)).unwrap())
            .collect()
    });
    let wires = || scans.iter().filter_map(|(_, perimeter, _)| perimeter.wire.as_ref());
    let lost: u64 = wires().map(Wire::lost).sum();
    let all = lost + wires().map(Wire::carried).sum::<u64>();
    // The paths really lost what they are said to lose, within what chance allows.
    let expected = all * u64::from(loss) / 1000;
    assert!(lost > expected / 2 && lost < expected * 2, "{lost} of {all} frames were lost");
    for (seed, _, seen) in &scans {
        // Loss is no firewall that begins to drop us.
        assert!(seen.troubles().is_empty(), "seed {seed}: {:?}", seen.troubles());
        seen.ended(0);
    }
    let wrong = scans.iter().flat_map(|(seed, _, seen)| {
        ADDRESSES.into_iter().flat_map(|address| differences(*seed, address(), seen)).collect::<Vec<_>>()
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn differences(seed: u64, address: IpAddr, seen: &Seen) -> Vec<String> {
    let shut = if open(address).len() == 2 { FILTERED } else { CLOSED };
    let truth = truth(&[(Tcp, &PORTS, shut), (Tcp, open(address), OPEN)]);
    let states = seen.states(address);
    assert_eq!(states.len(), truth.len(), "{address}: a port is lost");
    let differ = states.into_iter().filter(|(port, state)| truth[port] != *state);
    differ.map(|(port, state)| format!("seed {seed}, {address} {port:?}: said {state}, is {}", truth[&port])).collect()
}

#[test]
fn five_packets_of_a_hundred_lost_hide_nothing() {
    nothing_is_missed(50, FIVE_PERCENT);
}

#[test]
fn ten_packets_of_a_hundred_lost_hide_nothing() {
    nothing_is_missed(100, TEN_PERCENT);
}

#[test]
fn a_path_that_loses_nothing_shows_the_truth() {
    if !usable() {
        return;
    }
    let (perimeter, seen) = scan(0, 1);
    let wrong: Vec<String> = ADDRESSES.into_iter().flat_map(|address| differences(1, address(), &seen)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert_eq!(perimeter.wire.as_ref().unwrap().lost(), 0);
    seen.ended(0);
}

/// An Ethernet frame with a TCP SYN from the scanner to a port of the hardened host.
fn syn(port: u16) -> Vec<u8> {
    let mut frame = vec![0; 12];
    frame.extend([0x08, 0x00, 0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 198, 51, 100, 2, 203, 0, 113, 11]);
    frame.extend([0x9c, 0x40]);
    frame.extend(port.to_be_bytes());
    frame.extend([0; 16]);
    frame
}

#[test]
fn what_is_lost_depends_on_the_seed_and_not_on_the_order() {
    let fates = |seed| Fates::new(Path { round_trip: Duration::ZERO, loss: 100, seed });
    let tries = |fates: &mut Fates, port| (0..8).map(|_| fates.is_lost(true, &syn(port))).collect::<Vec<_>>();
    let mut one_by_one = fates(1);
    let lost: Vec<Vec<bool>> = PORTS.iter().map(|port| tries(&mut one_by_one, *port)).collect();
    let mut side_by_side = fates(1);
    let mut again = vec![Vec::new(); PORTS.len()];
    for _ in 0..8 {
        for (port, again) in PORTS.iter().zip(&mut again).rev() {
            again.push(side_by_side.is_lost(true, &syn(*port)));
        }
    }
    assert_eq!(again, lost);
    let mut other = fates(2);
    assert_ne!(PORTS.map(|port| tries(&mut other, port)).to_vec(), lost, "another seed is another path");
    let all = lost.iter().flatten().filter(|lost| **lost).count();
    assert!((16..48).contains(&all), "{all} of 320 are lost");
}
