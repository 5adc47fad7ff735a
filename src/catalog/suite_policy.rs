//! What is weak about suites, groups and primes: a dated policy with its sources.
//!
//! Reports show it beside what a server accepts, and name its date; rules name the weaknesses that they refuse.

use crate::wire::tls::{Parts, kind_name, suite_name};

/// When the policy was last compared with its sources.
pub const DATE: &str = "2026-11-21";

/// Primes of Diffie-Hellman shorter than this are weak (RFC 9325, section 4.5; NIST SP 800-52r2, section 3.3.1): bits.
pub const SHORTEST_PRIME: u32 = 2048;

/// Something that is weak about a suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weakness {
    /// Nothing is encrypted.
    Null,
    /// The server does not prove who it is.
    Anonymous,
    /// Made breakable for export in the 1990s.
    Export,
    /// RC4.
    Rc4,
    /// Single DES.
    Des,
    /// Triple DES.
    TripleDes,
    /// RC2.
    Rc2,
    /// IDEA.
    Idea,
    /// A cipher of 64-bit blocks from GOST.
    Gost64,
    /// MD5 protects integrity.
    Md5,
    /// Whoever gets the server's key later reads what was recorded before.
    NoForwardSecrecy,
    /// We do not know the suite.
    NotKnown,
}

impl Weakness {
    /// Every one, in the order in which they are told.
    pub const ALL: [Self; 12] = [
        Self::Null,
        Self::Anonymous,
        Self::Export,
        Self::Rc4,
        Self::Des,
        Self::TripleDes,
        Self::Rc2,
        Self::Idea,
        Self::Gost64,
        Self::Md5,
        Self::NoForwardSecrecy,
        Self::NotKnown,
    ];

    /// The name in machine-readable output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Anonymous => "anonymous",
            Self::Export => "export",
            Self::Rc4 => "rc4",
            Self::Des => "des",
            Self::TripleDes => "3des",
            Self::Rc2 => "rc2",
            Self::Idea => "idea",
            Self::Gost64 => "gost-64",
            Self::Md5 => "md5",
            Self::NoForwardSecrecy => "no-forward-secrecy",
            Self::NotKnown => "not-known",
        }
    }

    /// What to call it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Null => "no encryption",
            Self::Anonymous => "anonymous",
            Self::Export => "export",
            Self::Rc4 => "RC4",
            Self::Des => "DES",
            Self::TripleDes => "3DES",
            Self::Rc2 => "RC2",
            Self::Idea => "IDEA",
            Self::Gost64 => "64-bit blocks",
            Self::Md5 => "MD5",
            Self::NoForwardSecrecy => "no forward secrecy",
            Self::NotKnown => "not in the policy",
        }
    }

    /// Where it is said to be weak.
    pub const fn source(self) -> &'static str {
        match self {
            Self::Null | Self::Anonymous => "RFC 9325, sections 4.1 and 4.2.1; IANA TLS Cipher Suites: not recommended",
            Self::Export => "RFC 9325, section 4.1; CVE-2015-0204 (FREAK), CVE-2015-4000 (Logjam)",
            Self::Rc4 => "RFC 7465",
            Self::Des | Self::Idea => "RFC 5469; RFC 9325, section 4.1",
            Self::TripleDes => "CVE-2016-2183 (Sweet32); NIST SP 800-131A r2: disallowed after 2023",
            Self::Rc2 => "RFC 9325, section 4.1: less than 112 bits of security, or CVE-2016-2183 (Sweet32)",
            Self::Gost64 => "CVE-2016-2183 (Sweet32)",
            Self::Md5 => "RFC 6151; RFC 9325, section 4.1",
            Self::NoForwardSecrecy => "RFC 9325, section 4.1; RFC 9847; NIST SP 800-52r2, section 3.3.1",
            Self::NotKnown => "not in the table of names",
        }
    }
}

/// The name of a suite in IANA's registry, or of a kind of SSL 2.0.
pub fn name(suite: u32) -> Option<&'static str> {
    u16::try_from(suite).map_or_else(|_| kind_name(suite), suite_name)
}

/// What is weak about a suite, or a kind of SSL 2.0; nothing where it is good.
pub fn weaknesses(suite: u32) -> Vec<Weakness> {
    let Some(name) = name(suite) else { return vec![Weakness::NotKnown] };
    let parts = Parts::of(name);
    Weakness::ALL.into_iter().filter(|weakness| has(*weakness, suite, parts)).collect()
}

fn has(weakness: Weakness, suite: u32, parts: Parts<'_>) -> bool {
    let cipher = parts.cipher;
    match weakness {
        // RFC 9150: integrity alone.
        Weakness::Null => cipher.starts_with("NULL") || matches!(cipher, "SHA256_SHA256" | "SHA384_SHA384"),
        Weakness::Anonymous => parts.is_anonymous(),
        Weakness::Export => parts.exchanges("EXPORT") || parts.exchanges("EXPORT1024") || cipher.contains("EXPORT40"),
        Weakness::Rc4 => cipher.starts_with("RC4"),
        Weakness::Des => (cipher.starts_with("DES") && !cipher.contains("EDE")) || cipher.starts_with("DES40"),
        Weakness::TripleDes => cipher.starts_with("3DES") || cipher.contains("DES_192_EDE3"),
        Weakness::Rc2 => cipher.starts_with("RC2"),
        Weakness::Idea => cipher.starts_with("IDEA"),
        Weakness::Gost64 => cipher.starts_with("MAGMA") || cipher.starts_with("28147"),
        Weakness::Md5 => cipher.ends_with("MD5"),
        Weakness::NoForwardSecrecy => !is_forward_secret(suite, parts),
        Weakness::NotKnown => false,
    }
}

fn is_forward_secret(suite: u32, parts: Parts<'_>) -> bool {
    // Of SSL 2.0 no kind is; of TLS 1.3 every suite (a resumption without a new key exchange is not offered).
    let tls13 = parts.exchange.is_empty() && suite <= 0xffff || matches!(suite, 0xc103..=0xc106);
    let exchanges = ["SRP", "ECCPWD"].into_iter().any(|part| parts.exchanges(part));
    tls13 || parts.is_ephemeral_curve() || parts.is_ephemeral_prime() || exchanges
}

/// Whether blocks are chained and authenticated apart, which every implementation has to get right by itself: told, not weak
/// (RFC 9325, section 4.2; CVE-2013-0169, Lucky 13).
pub fn chains_blocks(suite: u32) -> bool {
    name(suite).is_some_and(|name| Parts::of(name).cipher.contains("_CBC"))
}

/// The name of a group (IANA TLS Supported Groups).
pub fn group_name(group: u16) -> Option<&'static str> {
    Some(match group {
        0x0013 => "secp192r1",
        0x0015 => "secp224r1",
        0x0016 => "secp256k1",
        0x0017 => "secp256r1",
        0x0018 => "secp384r1",
        0x0019 => "secp521r1",
        0x001a => "brainpoolP256r1",
        0x001b => "brainpoolP384r1",
        0x001c => "brainpoolP512r1",
        0x001d => "x25519",
        0x001e => "x448",
        0x001f => "brainpoolP256r1tls13",
        0x0020 => "brainpoolP384r1tls13",
        0x0021 => "brainpoolP512r1tls13",
        0x0022 => "GC256A",
        0x0023 => "GC256B",
        0x0024 => "GC256C",
        0x0025 => "GC256D",
        0x0026 => "GC512A",
        0x0027 => "GC512B",
        0x0028 => "GC512C",
        0x0029 => "curveSM2",
        0x0100 => "ffdhe2048",
        0x0101 => "ffdhe3072",
        0x0102 => "ffdhe4096",
        0x0103 => "ffdhe6144",
        0x0104 => "ffdhe8192",
        0x0200 => "MLKEM512",
        0x0201 => "MLKEM768",
        0x0202 => "MLKEM1024",
        0x11eb => "SecP256r1MLKEM768",
        0x11ec => "X25519MLKEM768",
        0x11ed => "SecP384r1MLKEM1024",
        _ => return None,
    })
}

/// Whether a group holds against a quantum computer (draft-ietf-tls-ecdhe-mlkem, draft-ietf-tls-mlkem).
pub fn is_post_quantum(group: u16) -> bool {
    matches!(group, 0x0200..=0x0202 | 0x11eb..=0x11ed)
}

/// Whether a group has less than 112 bits of strength (NIST SP 800-57 part 1, table 2).
pub fn is_weak_group(group: u16) -> bool {
    matches!(group, 0x0001..=0x0005 | 0x000f..=0x0013)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tls::TlsVersion;
    use crate::wire::tls::{all_suites, groups};
    use std::collections::BTreeSet;
    use std::fmt::Write as _;

    #[test]
    fn the_policy_for_every_suite() {
        let mut table = String::new();
        let all: BTreeSet<u16> = TlsVersion::ALL.into_iter().flat_map(all_suites).collect();
        let kinds = [0x0001_0080, 0x0002_0080, 0x0003_0080, 0x0004_0080, 0x0005_0080, 0x0006_0040, 0x0007_00c0];
        for suite in all.into_iter().map(u32::from).chain(kinds) {
            let weak: Vec<&str> = weaknesses(suite).into_iter().map(Weakness::words).collect();
            let _ = writeln!(table, "{suite:#06x} {} {}", name(suite).unwrap_or("?"), weak.join(", "));
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn what_everybody_agrees_on() {
        use Weakness::{Anonymous, Export, Md5, NoForwardSecrecy, Null, Rc4, TripleDes};
        for (suite, weak) in [
            (0x1301, vec![]),
            (0xc02f, vec![]),
            (0xcca8, vec![]),
            (0xc014, vec![]),
            (0x0033, vec![]),
            (0x009c, vec![NoForwardSecrecy]),
            (0x000a, vec![TripleDes, NoForwardSecrecy]),
            (0x0004, vec![Rc4, Md5, NoForwardSecrecy]),
            (0x0003, vec![Export, Rc4, Md5, NoForwardSecrecy]),
            (0x0034, vec![Anonymous]),
            (0xc010, vec![Null]),
            (0xc0b4, vec![Null]),
            (0x0007_00c0, vec![TripleDes, Md5, NoForwardSecrecy]),
            (0xfafa, vec![Weakness::NotKnown]),
        ] {
            assert_eq!(weaknesses(suite), weak, "{suite:#06x}");
        }
        assert!(chains_blocks(0xc014) && !chains_blocks(0xc02f));
    }

    #[test]
    fn every_group_of_a_hello_has_a_name() {
        for group in TlsVersion::ALL.into_iter().flat_map(groups) {
            assert!(group_name(group).is_some(), "{group:#06x}");
        }
        assert!(is_post_quantum(0x11ec) && !is_post_quantum(0x001d));
    }
}
