//! The samples were made with OpenSSL 3.0.22: a root, an intermediate authority beneath it, and leaves of that one.

use super::super::super::testing::hex as from_hex;
use super::super::{Served, read_certificate};
use super::*;
use proptest::prelude::*;

/// 2026-11-21.
const NOW: i64 = 1_795_300_000;

fn sample(name: &str) -> Vec<u8> {
    from_hex(match name {
        "root" => include_str!("../samples/chain-root.hex"),
        "inter" => include_str!("../samples/chain-inter.hex"),
        "inter-sha1" => include_str!("../samples/chain-inter-sha1.hex"),
        "leaf" => include_str!("../samples/chain-leaf.hex"),
        "plain" => include_str!("../samples/chain-plain.hex"),
        "named" => include_str!("../samples/chain-named.hex"),
        "fetch" => include_str!("../samples/chain-fetch.hex"),
        "self-signed" => include_str!("../samples/p256.hex"),
        "rsa" => include_str!("../samples/names.hex"),
        "garbage" => "300100",
        _ => panic!("{name}"),
    })
}

fn untrusted() -> Trust {
    Trust::Untrusted { reason: PeerText::new("no trusted root issued it", 99) }
}

fn fact(names: &[&str]) -> ChainFact {
    let served: Vec<Vec<u8>> = names.iter().map(|name| sample(name)).collect();
    let chain = Chain::read(served.iter().map(Vec::as_slice), NOW);
    chain.fact(&Judged { trust: &untrusted(), unknown_issuer: true, needed: 9 })
}

#[test]
fn the_chain_is_told_as_served_with_what_each_is_there_for() {
    use LinkRole::{Duplicate, Intermediate, Leaf, Root, Stray, Unreadable};
    for (served, roles, out_of_order) in [
        (&["leaf", "inter"][..], &[Leaf, Intermediate][..], false),
        (&["leaf", "inter", "root"], &[Leaf, Intermediate, Root], false),
        (&["leaf", "root", "inter"], &[Leaf, Root, Intermediate], true),
        (&["leaf", "rsa", "inter"], &[Leaf, Stray, Intermediate], true),
        (&["leaf", "inter", "rsa"], &[Leaf, Intermediate, Stray], false),
        (&["leaf", "leaf", "inter", "inter"], &[Leaf, Duplicate, Intermediate, Duplicate], true),
        (&["leaf", "inter", "garbage"], &[Leaf, Intermediate, Unreadable], false),
        (&["leaf", "root"], &[Leaf, Stray], false),
        (&["garbage", "inter"], &[Unreadable, Stray], false),
        (&["self-signed"], &[Leaf], false),
    ] {
        let fact = fact(served);
        let told: Vec<LinkRole> = fact.links.iter().map(|link| link.role).collect();
        assert_eq!((told.as_slice(), fact.out_of_order), (roles, out_of_order), "{served:?}");
    }
    let links = fact(&["leaf", "inter"]).links;
    assert_eq!(links[1].subject.as_str(), "CN=Sample Intermediate");
    assert_eq!(links[1].issuer.as_str(), "CN=Sample Root");
    assert_eq!((links[1].authority, links[1].self_signed, links[0].authority), (true, false, false));
    assert_eq!(links[1].key, "EC P-256");
}

#[test]
fn where_the_chain_stops_says_what_is_missing() {
    for (served, problem) in [
        // Logged in public, so it is of a public authority, whose roots certify no servers.
        (&["leaf"][..], ChainProblem::Incomplete { missing: PeerText::new("CN=Sample Intermediate", 99) }),
        // Names the issuer of its issuer.
        (&["named"], ChainProblem::Incomplete { missing: PeerText::new("CN=Sample Intermediate", 99) }),
        // Says where the issuer's certificate is.
        (&["fetch", "rsa"], ChainProblem::Incomplete { missing: PeerText::new("CN=Sample Intermediate", 99) }),
        (&["plain"], ChainProblem::IssuerNotSent { issuer: PeerText::new("CN=Sample Intermediate", 99) }),
        (&["plain", "inter"], ChainProblem::UnknownAuthority { authority: PeerText::new("CN=Sample Root", 99) }),
        (
            &["plain", "inter", "root"],
            ChainProblem::SelfSignedAuthority { authority: PeerText::new("CN=Sample Root", 99) },
        ),
        (&["self-signed"], ChainProblem::SelfSignedLeaf),
    ] {
        assert_eq!(fact(served).problems, [problem], "{served:?}");
    }
}

#[test]
fn what_a_trusted_chain_does_not_need_is_no_problem() {
    let served = [sample("leaf"), sample("inter-sha1")];
    let chain = Chain::read(served.iter().map(Vec::as_slice), NOW);
    assert!(chain.has_weak_authority());
    let problems = |needed| chain.fact(&Judged { trust: &Trust::Trusted, unknown_issuer: false, needed }).problems;
    assert_eq!(problems(1), []);
    assert!(matches!(problems(2).as_slice(), [ChainProblem::WeakSignature { position: 1, .. }]));
    let unknown = Trust::Unknown { reason: String::new() };
    assert_eq!(chain.fact(&Judged { trust: &unknown, unknown_issuer: true, needed: 2 }).problems, []);
}

#[test]
fn timestamps_and_the_demand_for_a_staple_are_read_from_the_leaf() {
    let read = |name| {
        let served = Served {
            chain_length: 1,
            checked_name: "rmm.example.com",
            now: NOW,
            trust: Trust::Trusted,
            negotiated: 0x0303,
            chain: ChainFact::default(),
            staple: <_>::default(),
        };
        let fact = read_certificate(&sample(name), served).expect("a certificate");
        (fact.transparency.embedded, fact.must_staple)
    };
    assert_eq!(read("leaf"), (Some(2), true));
    assert_eq!(read("plain"), (Some(0), false));
}

#[test]
fn only_so_many_certificates_are_read() {
    let leaf = sample("leaf");
    let fact = Chain::read(std::iter::repeat_n(leaf.as_slice(), 500), NOW).fact(&Judged {
        trust: &untrusted(),
        unknown_issuer: true,
        needed: 9,
    });
    assert_eq!(fact.links.len(), ChainFact::KEPT);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn any_chain_is_read_without_panic(
        names in prop::collection::vec(0_usize..6, 0..20), damage: (usize, usize, u8), now: i64, needed: usize,
        bytes: Vec<u8>,
    ) {
        const NAMES: [&str; 6] = ["leaf", "inter", "root", "inter-sha1", "self-signed", "garbage"];
        let mut served: Vec<Vec<u8>> = names.iter().map(|name| sample(NAMES[*name])).collect();
        served.push(bytes);
        let (which, at, byte) = damage;
        let count = served.len();
        if let Some(place) = served.get_mut(which % count) {
            let length = place.len().max(1);
            place.get_mut(at % length).into_iter().for_each(|damaged| *damaged = byte);
        }
        let chain = Chain::read(served.iter().map(Vec::as_slice), now);
        let _ = (chain.when_valid(), chain.issuer(), chain.has_weak_authority());
        for trust in [untrusted(), Trust::Trusted] {
            let fact = chain.fact(&Judged { trust: &trust, unknown_issuer: true, needed });
            prop_assert!(fact.links.len() <= ChainFact::KEPT);
            prop_assert_eq!(fact.links.len(), served.len().min(ChainFact::KEPT));
        }
    }
}
