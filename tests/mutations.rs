//! The fuzz targets on answers of real servers with a few bytes changed, cut out, put in or doubled: what a fuzzer begins with,
//! in every test run. `PROPTEST_CASES=1000000 cargo test --release --test mutations` makes it long.
//!
//! The answers are in `fuzz/seeds`, a folder for each target: raw bytes, named after who sent them. Those of `first_bytes` are
//! all of them.

#![expect(clippy::expect_used, clippy::panic, reason = "a test's helpers are test code")]

extern crate self as libfuzzer_sys;

use portreeve::model::peer_text::PeerText;
use portreeve::model::service::Service;
use portreeve::wire::tls::ServerAnswer;
use portreeve::wire::{Parse, first_bytes, http, msrpc, mysql, netbios, rdp, redirector, smb, ssh, tls};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use std::fmt::Debug;
use std::fs;
use std::path::Path;

/// The targets themselves.
#[path = "../fuzz/fuzz_targets"]
#[expect(unused_attributes, reason = "each is a program of its own, without a main function")]
mod targets {
    pub(super) mod catalog_channels;
    pub(super) mod catalog_statements;
    pub(super) mod certificate;
    pub(super) mod datagram;
    pub(super) mod first_bytes;
    pub(super) mod history_transfer;
    pub(super) mod host_acl;
    pub(super) mod host_bundle;
    pub(super) mod host_config;
    pub(super) mod host_evidence;
    pub(super) mod host_firewall;
    pub(super) mod host_http_sys;
    pub(super) mod host_inf;
    pub(super) mod host_ini;
    pub(super) mod host_key_times;
    pub(super) mod host_manifest;
    pub(super) mod host_registry;
    pub(super) mod host_secrets;
    pub(super) mod host_services;
    pub(super) mod host_sockets;
    pub(super) mod host_system;
    pub(super) mod host_text;
    pub(super) mod http;
    pub(super) mod msrpc;
    pub(super) mod mysql;
    pub(super) mod netbios;
    pub(super) mod ocsp;
    pub(super) mod product;
    pub(super) mod rdp;
    pub(super) mod redirector;
    pub(super) mod segment;
    pub(super) mod smb;
    pub(super) mod ssh;
    pub(super) mod tls;
    pub(super) mod witness;
}

/// What stands in the place of the fuzzer's: a function of that name. It stands behind them, so that they find it where
/// they look for the fuzzer's.
#[macro_export]
macro_rules! fuzz_target {
    (|$bytes:ident: &[u8]| $body:block) => {
        pub(crate) fn run($bytes: &[u8]) {
            $body
        }
    };
    // As the fuzzer does: what is no UTF-8 is left out.
    (|$text:ident: &str| $body:block) => {
        pub(crate) fn run(bytes: &[u8]) {
            if let Ok($text) = std::str::from_utf8(bytes) $body
        }
    };
}

/// A test for each, under its name.
macro_rules! tests {
    ($($name:ident),*) => {
        $(#[test]
        fn $name() {
            for_mutations_of(stringify!($name), |bytes, _| {
                targets::$name::run(bytes);
                Ok(())
            });
        })*

        #[test]
        fn every_target_is_here() {
            let mut names = vec![$(stringify!($name).to_owned()),*];
            names.sort_unstable();
            let files = fs::read_dir(root().join("fuzz/fuzz_targets")).expect("the targets");
            let name = |file: fs::DirEntry| file.path().file_stem().map(|name| name.to_string_lossy().into_owned());
            let mut targets: Vec<String> = files.filter_map(|file| name(file.expect("a file"))).collect();
            targets.sort_unstable();
            assert_eq!(names, targets);
        }
    };
}

tests!(
    catalog_channels,
    catalog_statements,
    certificate,
    datagram,
    first_bytes,
    history_transfer,
    host_acl,
    host_bundle,
    host_config,
    host_evidence,
    host_firewall,
    host_http_sys,
    host_inf,
    host_ini,
    host_key_times,
    host_manifest,
    host_registry,
    host_secrets,
    host_services,
    host_sockets,
    host_system,
    host_text,
    http,
    msrpc,
    mysql,
    netbios,
    ocsp,
    product,
    rdp,
    redirector,
    segment,
    smb,
    ssh,
    tls,
    witness
);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The answers to begin with, in the order of their names.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    if target == "first_bytes" {
        let all = ["http", "msrpc", "mysql", "netbios", "rdp", "redirector", "smb", "ssh", "tls"];
        return all.into_iter().flat_map(seeds).chain(read("fuzz/seeds/first_bytes")).collect();
    }
    match target {
        "certificate" => hex("src/wire/certificate/samples"),
        "ocsp" => hex("src/wire/ocsp/samples"),
        target => read(&format!("fuzz/seeds/{target}")),
    }
}

fn read(folder: &str) -> Vec<Vec<u8>> {
    let files = fs::read_dir(root().join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).filter(|path| path.is_file()).collect();
    files.sort_unstable();
    files.iter().map(|file| fs::read(file).expect("a seed")).collect()
}

/// Seeds that stand beside the code as hexadecimal digits. Certificates also as a chain, each after its length.
fn hex(folder: &str) -> Vec<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = |text: Vec<u8>| -> Vec<u8> {
        let digits: Vec<u8> = text.iter().filter_map(digit).collect();
        digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    };
    let mut all: Vec<Vec<u8>> = read(folder).into_iter().map(bytes).collect();
    let with_length = |one: &Vec<u8>| [&u16::try_from(one.len()).unwrap_or(0).to_be_bytes()[..], one].concat();
    all.push(all.iter().flat_map(with_length).collect());
    all
}

/// One change. Places are taken modulo the length.
#[derive(Clone, Debug)]
enum Change {
    Flip { at: usize, bit: u8 },
    Set { at: usize, byte: u8 },
    Add { at: usize, more: u8 },
    Cut { at: usize, length: usize },
    End { at: usize },
    Double { at: usize, length: usize, to: usize },
    Insert { at: usize, bytes: Vec<u8> },
    Splice { at: usize, other: usize, from: usize },
}

fn change() -> impl Strategy<Value = Change> {
    let at = 0_usize..1 << 16;
    let short = prop_oneof![3 => 1_usize..9, 1 => 1_usize..400];
    // What lengths and kinds hang on.
    let byte = prop_oneof![prop::sample::select(vec![0, 1, 2, 0x7f, 0x80, 0xfe, 0xff, 0x16, 0x15, 0x30]), any::<u8>()];
    prop_oneof![
        4 => (at.clone(), 0_u8..8).prop_map(|(at, bit)| Change::Flip { at, bit }),
        4 => (at.clone(), byte.clone()).prop_map(|(at, byte)| Change::Set { at, byte }),
        2 => (at.clone(), prop::sample::select(vec![1, 2, 0xff, 0xfe])).prop_map(|(at, more)| Change::Add { at, more }),
        2 => (at.clone(), short.clone()).prop_map(|(at, length)| Change::Cut { at, length }),
        1 => at.clone().prop_map(|at| Change::End { at }),
        2 => (at.clone(), short, at.clone()).prop_map(|(at, length, to)| Change::Double { at, length, to }),
        1 => (at.clone(), vec(byte, 1..9)).prop_map(|(at, bytes)| Change::Insert { at, bytes }),
        1 => (at.clone(), any::<usize>(), at).prop_map(|(at, other, from)| Change::Splice { at, other, from }),
    ]
}

impl Change {
    fn make(&self, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let length = bytes.len();
        let byte = |bytes: &mut [u8], at: usize, change: &dyn Fn(u8) -> u8| {
            if let Some(byte) = bytes.get_mut(at % length.max(1)) {
                *byte = change(*byte);
            }
        };
        match self {
            Self::Flip { at, bit } => byte(bytes, *at, &|byte| byte ^ (1 << bit)),
            Self::Set { at, byte: new } => byte(bytes, *at, &|_| *new),
            Self::Add { at, more } => byte(bytes, *at, &|byte| byte.wrapping_add(*more)),
            Self::Cut { at, length: cut } => {
                let from = place(*at, length);
                bytes.drain(from..(from + cut).min(length));
            }
            Self::End { at } => bytes.truncate(place(*at, length)),
            Self::Double { at, length: more, to } => {
                let from = place(*at, length);
                let part = bytes[from..(from + more).min(length)].to_vec();
                let to = place(*to, length);
                bytes.splice(to..to, part);
            }
            Self::Insert { at, bytes: more } => {
                let at = place(*at, length);
                bytes.splice(at..at, more.iter().copied());
            }
            Self::Splice { at, other, from } => {
                let other = &seeds[other % seeds.len()];
                bytes.truncate(place(*at, length));
                bytes.extend_from_slice(&other[place(*from, other.len())..]);
            }
        }
    }
}

/// A place in so many bytes, or right behind them.
fn place(at: usize, length: usize) -> usize {
    at % (length + 1)
}

/// Holds `check` for a target's seeds, each changed a little, and some place within them.
#[track_caller]
fn for_mutations_of(target: &str, check: impl Fn(&[u8], usize) -> Result<(), TestCaseError>) {
    let seeds = seeds(target);
    assert!(!seeds.is_empty(), "{target} has no seeds");
    for seed in &seeds {
        for cut in (0..=seed.len()).step_by(seed.len() / 200 + 1) {
            check(&seed[..cut], cut / 2).expect("a beginning of a seed");
        }
    }
    let cases = (any::<usize>(), vec(change(), 1..6), any::<usize>());
    let changed = |seed: usize, changes: &[Change]| {
        let mut bytes = seeds[seed % seeds.len()].clone();
        for change in changes {
            change.make(&mut bytes, &seeds);
        }
        bytes
    };
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let found = runner.run(&cases, |(seed, changes, cut)| {
        let bytes = changed(seed, &changes);
        check(&bytes, place(cut, bytes.len()))
    });
    if let Err(TestError::Fail(why, (seed, changes, cut))) = found {
        let bytes = changed(seed, &changes);
        panic!("{target}: {why}: cut at {}: {bytes:02x?}", place(cut, bytes.len()));
    }
    found.expect("no case is refused");
}

/// What [`Parse`] promises: later bytes change no answer.
fn later_bytes_change_nothing<T: Debug + PartialEq>(
    read: impl Fn(&[u8]) -> Parse<T>,
    bytes: &[u8],
    cut: usize,
) -> Result<(), TestCaseError> {
    match (read(&bytes[..cut]), read(bytes)) {
        // Its words may quote what came.
        (Parse::Incomplete, _) | (Parse::Malformed(_), Parse::Malformed(_)) => {}
        (early, late) => prop_assert_eq!(early, late),
    }
    Ok(())
}

#[test]
fn later_bytes_change_no_answer_of_tls() {
    for_mutations_of("tls", |bytes, cut| {
        let quoteless = |answer| match answer {
            ServerAnswer::NotTls { .. } => ServerAnswer::NotTls { first_bytes: PeerText::default() },
            other => other,
        };
        later_bytes_change_nothing(|bytes| tls::read_server_answer(bytes).map(quoteless), bytes, cut)?;
        later_bytes_change_nothing(tls::read_certificate_chain, bytes, cut)?;
        later_bytes_change_nothing(tls::read_key_exchange, bytes, cut)?;
        later_bytes_change_nothing(tls::read_kinds, bytes, cut)
    });
}

#[test]
fn later_bytes_change_no_head_of_http() {
    for_mutations_of("http", |bytes, cut| later_bytes_change_nothing(http::read_head, bytes, cut));
}

#[test]
fn later_bytes_change_no_answer_of_other_protocols() {
    for_mutations_of("smb", |bytes, cut| later_bytes_change_nothing(smb::read_negotiated, bytes, cut));
    for_mutations_of("rdp", |bytes, cut| later_bytes_change_nothing(rdp::read_confirm, bytes, cut));
    for_mutations_of("mysql", |bytes, cut| later_bytes_change_nothing(mysql::read_greeting, bytes, cut));
    for_mutations_of("msrpc", |bytes, cut| later_bytes_change_nothing(msrpc::read_bind_answer, bytes, cut));
    for_mutations_of("netbios", |bytes, cut| later_bytes_change_nothing(netbios::read_session, bytes, cut));
    for_mutations_of("ssh", |bytes, cut| later_bytes_change_nothing(ssh::read_banner, bytes, cut));
    for_mutations_of("redirector", |bytes, cut| later_bytes_change_nothing(redirector::read_redirector, bytes, cut));
    let quoteless = |service| match service {
        Service::Unknown { .. } => Service::Unknown { first_bytes: PeerText::default() },
        other => other,
    };
    for_mutations_of("first_bytes", |bytes, cut| {
        later_bytes_change_nothing(|bytes| first_bytes::classify(bytes).map(quoteless), bytes, cut)
    });
}
