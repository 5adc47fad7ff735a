//! The suites that our hellos offer, and their names.

use crate::model::tls::TlsVersion;
use tls_parser::TlsCipherSuite;

/// The IANA name of a cipher suite (TLS Cipher Suites registry), such as `TLS_RSA_WITH_AES_128_CBC_SHA`.
pub fn suite_name(suite: u16) -> Option<&'static str> {
    TlsCipherSuite::from_id(suite).map(|suite| suite.name)
}

/// `TLS_EMPTY_RENEGOTIATION_INFO_SCSV` (RFC 5746, section 3.3): some SChannel servers refuse a hello without it.
pub(super) const RENEGOTIATION_INFO: u16 = 0x00ff;

/// The suites of TLS 1.3 (RFC 8446, section B.4).
const TLS13: [u16; 5] = [0x1302, 0x1303, 0x1301, 0x1304, 0x1305];

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

/// The suites that a hello of `version` offers, best first, with the renegotiation signal last: fewer than 128, which
/// some old servers cannot exceed.
pub(super) fn offered(version: TlsVersion) -> Vec<u16> {
    let parts: &[&[u16]] = match version {
        TlsVersion::Ssl3 => &[&CLASSIC],
        TlsVersion::Tls10 | TlsVersion::Tls11 => &[&ELLIPTIC, &CLASSIC],
        TlsVersion::Tls12 => &[&TLS12, &ELLIPTIC, &CLASSIC],
        // A server that has never heard of TLS 1.3 reads the hello as one for TLS 1.2. With suites that it knows it
        // answers in 1.2, which proves more than an alert.
        TlsVersion::Tls13 => &[&TLS13, &TLS12, &ELLIPTIC],
    };
    let mut suites = parts.concat();
    suites.push(RENEGOTIATION_INFO);
    suites
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_offered_suite_is_registered_and_offered_once() {
        for version in TlsVersion::ALL {
            let suites = offered(version);
            assert!(suites.len() < 128, "{version}: {}", suites.len());
            assert_eq!(suites.iter().collect::<BTreeSet<_>>().len(), suites.len(), "{version}");
            for suite in suites {
                assert!(suite_name(suite).is_some(), "{suite:#06x}");
                // RFC 7507: it would make servers refuse every old version that we ask for.
                assert_ne!(suite, 0x5600);
            }
        }
    }

    #[test]
    fn the_suites_of_an_old_schannel_server_are_offered() {
        for suite in [0xc00a, 0xc009, 0xc014, 0xc013, 0x0035, 0x002f, 0x000a, 0x0005, 0x0004] {
            for version in [TlsVersion::Tls10, TlsVersion::Tls11, TlsVersion::Tls12] {
                assert!(offered(version).contains(&suite), "{suite:#06x} in {version}");
            }
        }
        assert_eq!(suite_name(0x002f), Some("TLS_RSA_WITH_AES_128_CBC_SHA"));
    }
}
