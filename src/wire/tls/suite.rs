//! The suites that our hellos offer, and their names.

use crate::model::tls::TlsVersion;
use std::collections::BTreeSet;
use std::sync::LazyLock;
use tls_parser::{TlsCipherMac, TlsCipherSuite, TlsPRF};

/// The IANA name of a cipher suite (TLS Cipher Suites registry), such as `TLS_RSA_WITH_AES_128_CBC_SHA`.
pub fn suite_name(suite: u16) -> Option<&'static str> {
    let gost = || GOST.iter().find(|(number, _)| *number == suite).map(|(_, name)| *name);
    TlsCipherSuite::from_id(suite).map(|suite| suite.name).or_else(gost)
}

/// GOST suites: of TLS 1.2 (RFC 9189, section 4) and of TLS 1.3 (RFC 9367, section 4), which our table of names lacks.
const GOST: [(u16, &str); 7] = [
    (0xc100, "TLS_GOSTR341112_256_WITH_KUZNYECHIK_CTR_OMAC"),
    (0xc101, "TLS_GOSTR341112_256_WITH_MAGMA_CTR_OMAC"),
    (0xc102, "TLS_GOSTR341112_256_WITH_28147_CNT_IMIT"),
    (0xc103, "TLS_GOSTR341112_256_WITH_KUZNYECHIK_MGM_L"),
    (0xc104, "TLS_GOSTR341112_256_WITH_MAGMA_MGM_L"),
    (0xc105, "TLS_GOSTR341112_256_WITH_KUZNYECHIK_MGM_S"),
    (0xc106, "TLS_GOSTR341112_256_WITH_MAGMA_MGM_S"),
];

/// GOST suites before RFC 9189, never registered and used all the same (draft-chudov-cryptopro-cptls), and the numbers
/// under which two suites for FIPS were used before TLS had names for them.
const UNREGISTERED: [u16; 6] = [0x0080, 0x0081, 0x0082, 0x0083, 0xfeff, 0xfefe];

/// `TLS_EMPTY_RENEGOTIATION_INFO_SCSV` (RFC 5746, section 3.3): some SChannel servers refuse a hello without it.
pub(super) const RENEGOTIATION_INFO: u16 = 0x00ff;

/// The suites of TLS 1.3 (RFC 8446, section B.4).
const TLS13: [u16; 5] = [0x1302, 0x1303, 0x1301, 0x1304, 0x1305];

/// Others of TLS 1.3: `ShangMi` (RFC 8998), integrity only (RFC 9150), AEGIS and GOST (RFC 9367).
const TLS13_ODD: [u16; 10] = [0x1306, 0x1307, 0x00c6, 0x00c7, 0xc0b4, 0xc0b5, 0xc103, 0xc104, 0xc105, 0xc106];

/// The suites that need TLS 1.2: GCM, CCM, `ChaCha20` and CBC with SHA-2 (RFC 5246, 5288, 5289, 5932, 6209, 6367, 6655,
/// 7251, 7905).
const TLS12: [u16; 56] = [
    0xc02c, 0xc030, 0x009f, 0x00a3, 0xcca9, 0xcca8, 0xccaa, 0xc02b, 0xc02f, 0x009e, 0x00a2, 0xc0ad, 0xc0ac, 0xc0af,
    0xc0ae, 0xc09f, 0xc09e, 0xc0a3, 0xc0a2, 0xc024, 0xc028, 0x006b, 0x006a, 0xc023, 0xc027, 0x0067, 0x0040, 0x009d,
    0x009c, 0xc09d, 0xc09c, 0xc0a1, 0xc0a0, 0x003d, 0x003c, 0xc073, 0xc077, 0x00c4, 0xc072, 0xc076, 0x00be, 0x00c0,
    0x00ba, 0xc087, 0xc08b, 0xc086, 0xc08a, 0xc07b, 0xc07a, 0xc05d, 0xc061, 0xc05c, 0xc060, 0xc02e, 0xc032, 0xc02d,
];

/// Elliptic-curve suites since TLS 1.0 (RFC 8422 and RFC 4492); they need extensions, which SSL 3.0 has not.
const ELLIPTIC: [u16; 18] = [
    0xc00a, 0xc014, 0xc009, 0xc013, 0xc005, 0xc00f, 0xc004, 0xc00e, 0xc008, 0xc012, 0xc003, 0xc00d, 0xc007, 0xc011,
    0xc019, 0xc018, 0xc017, 0xc002,
];

/// Suites since SSL 3.0: AES, Camellia, SEED, IDEA, 3DES, RC4, and last those that no server should have, single DES,
/// export and anonymous (RFC 2246, 3268, 4132, 4162, 4346).
const CLASSIC: [u16; 36] = [
    0x0039, 0x0038, 0x0033, 0x0032, 0x0088, 0x0087, 0x0045, 0x0044, 0x0035, 0x002f, 0x0084, 0x0041, 0x009a, 0x0099,
    0x0096, 0x0016, 0x0013, 0x000a, 0x0007, 0x0005, 0x0004, 0x0015, 0x0012, 0x0009, 0x0014, 0x0011, 0x0008, 0x0006,
    0x0003, 0x003a, 0x0034, 0x0089, 0x0046, 0x001b, 0x0018, 0x0017,
];

/// The most suites of a hello, the renegotiation signal aside: some old servers cannot take 128.
pub(super) const MOST: usize = 120;

/// The suites that a server of our time may have in common with a hello of a few.
const FEW: [u16; 16] = [
    0xc030, 0xc02c, 0xc02f, 0xc02b, 0x009f, 0x009e, 0x009d, 0x009c, 0xc014, 0xc00a, 0xc013, 0x0039, 0x0035, 0x002f,
    0x000a, 0x0005,
];

/// SSL 2.0 knows none of these numbers; its kinds are the matter of `ssl2`.
fn is_of(version: TlsVersion, number: u16) -> bool {
    let only_tls13 = matches!(number, 0x1301..=0x1307 | 0x00c6 | 0x00c7 | 0xc0b4 | 0xc0b5 | 0xc103..=0xc106);
    if matches!(number, 0 | RENEGOTIATION_INFO | 0x5600) {
        return false;
    }
    let elliptic = (0xc001..=0xc019).contains(&number) || (0xc033..=0xc03b).contains(&number);
    let needs_tls12 = TlsCipherSuite::from_id(number).map_or((0xc100..=0xc102).contains(&number), |suite| {
        suite.prf != TlsPRF::Default
            || !matches!(suite.mac, TlsCipherMac::HmacMd5 | TlsCipherMac::HmacSha1 | TlsCipherMac::Null)
    });
    match version {
        TlsVersion::Ssl2 => false,
        TlsVersion::Ssl3 => !only_tls13 && !needs_tls12 && !elliptic,
        TlsVersion::Tls10 | TlsVersion::Tls11 => !only_tls13 && !needs_tls12,
        TlsVersion::Tls12 => !only_tls13,
        TlsVersion::Tls13 => only_tls13,
    }
}

/// Every number that is known.
static KNOWN: LazyLock<Vec<u16>> = LazyLock::new(|| {
    let registered = (0..=u16::MAX).filter(|number| TlsCipherSuite::from_id(*number).is_some());
    registered
        .chain(GOST.iter().map(|(number, _)| *number))
        .chain(UNREGISTERED)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
});

/// Every suite that `version` may choose, the usual ones first.
pub fn all_suites(version: TlsVersion) -> Vec<u16> {
    let mut all: Vec<u16> = usual(version).into_iter().filter(|number| is_of(version, *number)).collect();
    let usual: BTreeSet<u16> = all.iter().copied().collect();
    all.extend(KNOWN.iter().copied().filter(|number| is_of(version, *number) && !usual.contains(number)));
    all
}

/// The suites of `version` that its usual hello does not offer, as lists for hellos.
pub(super) fn odd(version: TlsVersion) -> Vec<Vec<u16>> {
    let usual: BTreeSet<u16> = usual(version).into_iter().collect();
    let odd: Vec<u16> = all_suites(version).into_iter().filter(|number| !usual.contains(number)).collect();
    let hellos = odd.len().div_ceil(MOST).max(1);
    odd.chunks(odd.len().div_ceil(hellos).max(1)).map(<[u16]>::to_vec).collect()
}

/// The suites of a small hello of `version`.
pub(super) fn few(version: TlsVersion) -> Vec<u16> {
    match version {
        TlsVersion::Tls13 => [TLS13.as_slice(), FEW.get(..4).unwrap_or_default()].concat(),
        version => FEW.into_iter().filter(|number| is_of(version, *number)).collect(),
    }
}

/// The suites that the usual hello of `version` offers, best first.
pub fn usual(version: TlsVersion) -> Vec<u16> {
    let parts: &[&[u16]] = match version {
        TlsVersion::Ssl2 => &[],
        TlsVersion::Ssl3 => &[&CLASSIC],
        TlsVersion::Tls10 | TlsVersion::Tls11 => &[&ELLIPTIC, &CLASSIC],
        TlsVersion::Tls12 => &[&TLS12, &ELLIPTIC, &CLASSIC],
        // A server that has never heard of TLS 1.3 reads the hello as one for TLS 1.2. With suites that it knows it
        // answers in 1.2, which proves more than an alert.
        TlsVersion::Tls13 => &[&TLS13, &TLS13_ODD, &TLS12, &ELLIPTIC],
    };
    parts.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_hello_offers_a_suite_twice_too_many_or_one_that_is_a_signal() {
        for version in TlsVersion::ALL {
            for suites in odd(version).into_iter().chain([usual(version), few(version)]) {
                assert!(suites.len() <= MOST, "{version}: {}", suites.len());
                assert_eq!(suites.iter().collect::<BTreeSet<_>>().len(), suites.len(), "{version}");
                // RFC 7507: it would make servers refuse every old version that we ask for.
                assert!(!suites.contains(&0x5600) && !suites.contains(&0) && !suites.contains(&RENEGOTIATION_INFO));
            }
            for suite in usual(version) {
                assert!(suite_name(suite).is_some(), "{suite:#06x}");
            }
        }
    }

    #[test]
    fn the_hellos_of_a_version_offer_together_all_that_it_may_choose() {
        for version in TlsVersion::ALL {
            let offered: BTreeSet<u16> = odd(version).into_iter().flatten().chain(usual(version)).collect();
            assert!(all_suites(version).iter().all(|suite| offered.contains(suite)), "{version}");
            assert_eq!(all_suites(version).iter().collect::<BTreeSet<_>>().len(), all_suites(version).len());
        }
        for suite in [0x0001, 0x0003, 0x0018, 0x008c, 0x00a8, 0xc0a4, 0xc050, 0xc100, 0x0081, 0xc01a] {
            assert!(all_suites(TlsVersion::Tls12).contains(&suite), "{suite:#06x}");
        }
        for suite in [0xc02f, 0x009c, 0x003c, 0x1301, 0xc100] {
            assert!(!all_suites(TlsVersion::Tls10).contains(&suite), "{suite:#06x}");
        }
        assert!(!all_suites(TlsVersion::Ssl3).contains(&0xc014) && all_suites(TlsVersion::Tls10).contains(&0xc014));
        assert_eq!(suite_name(0xc100), Some("TLS_GOSTR341112_256_WITH_KUZNYECHIK_CTR_OMAC"));
    }

    #[test]
    fn the_suites_of_an_old_schannel_server_are_offered() {
        for suite in [0xc00a, 0xc009, 0xc014, 0xc013, 0x0035, 0x002f, 0x000a, 0x0005, 0x0004] {
            for version in [TlsVersion::Tls10, TlsVersion::Tls11, TlsVersion::Tls12] {
                assert!(usual(version).contains(&suite), "{suite:#06x} in {version}");
            }
        }
        assert_eq!(suite_name(0x002f), Some("TLS_RSA_WITH_AES_128_CBC_SHA"));
    }
}
