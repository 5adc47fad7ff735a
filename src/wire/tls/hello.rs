//! The ClientHello.

use super::super::bytes::{with_u8_length, with_u16_length};
use super::{ssl2, suite};
use crate::model::tls::TlsVersion;
use std::net::IpAddr;

/// What a hello needs of randomness; the caller has it, so that the same seed gives the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed {
    /// The client's random (RFC 8446, section 4.1.2).
    pub random: [u8; 32],
    /// The legacy session id of a TLS 1.3 hello; earlier versions send none.
    pub session_id: [u8; 32],
    /// What the public value of the X25519 key share is made of. As the handshake goes no further nobody needs the secret.
    pub key_share: [u8; 32],
}

/// Extension types (IANA TLS `ExtensionType` Values).
mod extension {
    /// `server_name` (RFC 6066, section 3).
    pub(super) const SERVER_NAME: u16 = 0;
    /// `supported_groups` (RFC 8422, section 5.1.1).
    pub(super) const SUPPORTED_GROUPS: u16 = 10;
    /// `ec_point_formats` (RFC 8422, section 5.1.2).
    pub(super) const EC_POINT_FORMATS: u16 = 11;
    /// `signature_algorithms` (RFC 5246, section 7.4.1.4.1; RFC 8446, section 4.2.3).
    pub(super) const SIGNATURE_ALGORITHMS: u16 = 13;
    /// `padding` (RFC 7685).
    pub(super) const PADDING: u16 = 21;
    /// `extended_master_secret` (RFC 7627, section 5.1): servers in FIPS mode insist on it in TLS 1.2.
    pub(super) const EXTENDED_MASTER_SECRET: u16 = 23;
    /// `supported_versions` (RFC 8446, section 4.2.1).
    pub(super) const SUPPORTED_VERSIONS: u16 = 43;
    /// `psk_key_exchange_modes` (RFC 8446, section 4.2.9).
    pub(super) const PSK_KEY_EXCHANGE_MODES: u16 = 45;
    /// `key_share` (RFC 8446, section 4.2.8).
    pub(super) const KEY_SHARE: u16 = 51;
}

/// x25519 (RFC 8446, section 4.2.7).
const X25519: u16 = 0x001d;

/// The groups of all versions: x25519, secp256r1, secp384r1, secp521r1 and x448 (RFC 8422, section 5.1.1; RFC 8446, section
/// 4.2.7).
const GROUPS: [u16; 5] = [X25519, 0x0017, 0x0018, 0x0019, 0x001e];

/// Groups that only versions before TLS 1.3 have: secp256k1 and secp224r1 (RFC 8422, section 5.1.1), and the Brainpool
/// curves under their first numbers (RFC 7027; RFC 8734 gives them others). Some servers refuse a hello for TLS 1.3 that
/// names them.
const EARLIER_GROUPS: [u16; 5] = [0x0016, 0x0015, 0x001a, 0x001b, 0x001c];

/// Groups of TLS 1.3, where a server without the key share that we sent asks for another: the finite-field groups
/// (RFC 7919). In an older hello they would forbid every other Diffie-Hellman group.
const FINITE_FIELD_GROUPS: [u16; 5] = [0x0100, 0x0101, 0x0102, 0x0103, 0x0104];

/// More groups of TLS 1.3: the Brainpool curves (RFC 8734), those with ML-KEM (draft-ietf-tls-ecdhe-mlkem and
/// draft-ietf-tls-mlkem), `curveSM2` (RFC 8998) and GOST's (RFC 9367).
const LATER_GROUPS: [u16; 17] = [
    0x001f, 0x0020, 0x0021, 0x11ec, 0x11eb, 0x11ed, 0x0200, 0x0201, 0x0202, 0x0029, 0x0022, 0x0023, 0x0024, 0x0025,
    0x0026, 0x0027, 0x0028,
];

/// Every group that a hello of `version` may name.
pub fn groups(version: TlsVersion) -> Vec<u16> {
    match version {
        TlsVersion::Tls13 => [GROUPS.as_slice(), &FINITE_FIELD_GROUPS, &LATER_GROUPS].concat(),
        _ => [GROUPS, EARLIER_GROUPS].concat(),
    }
}

/// The public value of an X25519 key share. RFC 7748, section 5: a sender masks the most significant bit of the last byte;
/// most servers ignore it, wolfSSL refuses the hello.
fn x25519_value(mut random: [u8; 32]) -> [u8; 32] {
    random[31] &= 0x7f;
    random
}

/// The signature schemes of a small hello: RSA-PSS, PKCS #1 and ECDSA with SHA-256 and SHA-384, `EdDSA`, and SHA-1.
const SMALL_SIGNATURES: [u16; 9] = [0x0804, 0x0805, 0x0401, 0x0501, 0x0403, 0x0503, 0x0807, 0x0201, 0x0203];

/// Signature schemes (RFC 8446, section 4.2.3), and for TLS 1.2 also SHA-224, SHA-1 and DSA: ECDSA, `EdDSA`, RSA-PSS,
/// PKCS #1, legacy.
const SIGNATURES: [u16; 22] = [
    0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b, 0x0401, 0x0501, 0x0601,
    0x0303, 0x0301, 0x0203, 0x0201, 0x0402, 0x0502, 0x0302, 0x0202,
];

/// What surrounds the offer: servers choke on what they do not expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Every extension that a server may insist on, padded past the lengths that middleboxes hang on.
    Usual,
    /// Few suites and groups and only what the version cannot do without: shorter than 256 bytes, unless the name is long.
    Small,
    /// No extension at all, and so no SNI: as servers know it that were written before RFC 3546.
    Bare,
}

/// What a hello offers: one version, and suites for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer<'a> {
    /// The only version.
    pub version: TlsVersion,
    /// Sent as SNI where it is a DNS name; RFC 6066 section 3 does not permit addresses there. An SSL 3.0 hello has no
    /// extensions and so no SNI.
    pub server_name: Option<&'a str>,
    /// The suites, best first; at most 120 are sent. The renegotiation signal follows them.
    pub suites: Vec<u16>,
    /// The groups, best first; all that are known, where empty.
    pub groups: Vec<u16>,
    /// Whether a TLS 1.3 hello brings a key share for x25519. Without any the server names the group that it wants (RFC
    /// 8446, section 4.2.8).
    pub key_share: bool,
    /// What surrounds it.
    pub shape: Shape,
}

impl<'a> Offer<'a> {
    /// These suites, in this order.
    pub fn of(version: TlsVersion, server_name: Option<&'a str>, suites: Vec<u16>) -> Self {
        Self { version, server_name, suites, groups: Vec::new(), key_share: true, shape: Shape::Usual }
    }

    /// What a present-day client and one of the server's time would offer together.
    pub fn usual(version: TlsVersion, server_name: Option<&'a str>) -> Self {
        Self::of(version, server_name, suite::usual(version))
    }

    /// All that the [usual](Self::usual) one leaves out: pre-shared keys, NULL, anonymous, export, ARIA, GOST and others.
    pub fn odd(version: TlsVersion, server_name: Option<&'a str>) -> Vec<Self> {
        suite::odd(version).into_iter().map(|suites| Self::of(version, server_name, suites)).collect()
    }

    /// What nearly everybody has in common, in few bytes.
    pub fn small(version: TlsVersion, server_name: Option<&'a str>) -> Self {
        let groups = GROUPS.to_vec();
        Self { shape: Shape::Small, groups, ..Self::of(version, server_name, suite::few(version)) }
    }

    /// Without extensions, which TLS 1.3 cannot be without.
    pub fn bare(version: TlsVersion) -> Option<Self> {
        let suites = suite::usual(version);
        (version != TlsVersion::Tls13).then(|| Self { shape: Shape::Bare, ..Self::of(version, None, suites) })
    }
}

/// A hello in a record of its own.
pub fn client_hello(offer: &Offer<'_>, seed: &Seed) -> Vec<u8> {
    let version = offer.version;
    if version == TlsVersion::Ssl2 {
        return ssl2::client_hello(&seed.random);
    }
    let mut body = Vec::with_capacity(600);
    // RFC 8446, section 4.1.2: TLS 1.3 calls itself 1.2 here.
    body.extend_from_slice(&version.min(TlsVersion::Tls12).wire().to_be_bytes());
    body.extend_from_slice(&seed.random);
    with_u8_length(&mut body, |out| {
        if version == TlsVersion::Tls13 {
            out.extend_from_slice(&seed.session_id);
        }
    });
    with_u16_length(&mut body, |out| {
        numbers(out, offer.suites.get(..suite::MOST).unwrap_or(&offer.suites));
        numbers(out, &[suite::RENEGOTIATION_INFO]);
    });
    // One compression method: null.
    body.extend_from_slice(&[1, 0]);
    if version != TlsVersion::Ssl3 && offer.shape != Shape::Bare {
        let mut extensions = extensions(offer, seed);
        pad(&mut extensions, HEADER + body.len() + 2);
        with_u16_length(&mut body, |out| out.extend_from_slice(&extensions));
    }

    let mut message = vec![1]; // client_hello
    message.extend(u32::try_from(body.len()).unwrap_or(0).to_be_bytes().iter().skip(1));
    message.extend_from_slice(&body);

    // RFC 5246, appendix E.1: real clients put their lowest version, TLS 1.0, into the first record.
    let record_version = version.min(TlsVersion::Tls10).wire();
    let mut record = vec![22]; // handshake
    record.extend_from_slice(&record_version.to_be_bytes());
    with_u16_length(&mut record, |out| out.extend_from_slice(&message));
    record
}

/// The length of a handshake message's header.
const HEADER: usize = 4;

fn extensions(offer: &Offer<'_>, seed: &Seed) -> Vec<u8> {
    let version = offer.version;
    let small = offer.shape == Shape::Small;
    let mut out = Vec::new();
    if let Some(name) = offer.server_name.map(|name| name.trim_end_matches('.')).filter(|name| is_server_name(name)) {
        extension(&mut out, extension::SERVER_NAME, |out| {
            with_u16_length(out, |out| {
                out.push(0); // host_name
                with_u16_length(out, |out| out.extend_from_slice(name.as_bytes()));
            });
        });
    }
    if !small {
        extension(&mut out, extension::EXTENDED_MASTER_SECRET, |_| {});
    }
    // uncompressed, and the two compressed ones that old clients named
    extension(&mut out, extension::EC_POINT_FORMATS, |out| out.extend_from_slice(&[3, 0, 1, 2]));
    extension(&mut out, extension::SUPPORTED_GROUPS, |out| {
        with_u16_length(out, |out| {
            numbers(out, &if offer.groups.is_empty() { groups(version) } else { offer.groups.clone() });
        });
    });
    if version >= TlsVersion::Tls12 {
        extension(&mut out, extension::SIGNATURE_ALGORITHMS, |out| {
            with_u16_length(out, |out| numbers(out, if small { &SMALL_SIGNATURES } else { &SIGNATURES }));
        });
    }
    if version == TlsVersion::Tls13 {
        extension(&mut out, extension::SUPPORTED_VERSIONS, |out| {
            with_u8_length(out, |out| numbers(out, &[version.wire()]));
        });
        extension(&mut out, extension::PSK_KEY_EXCHANGE_MODES, |out| out.extend_from_slice(&[1, 1]));
        extension(&mut out, extension::KEY_SHARE, |out| {
            with_u16_length(out, |out| {
                if offer.key_share {
                    numbers(out, &[X25519]);
                    with_u16_length(out, |out| out.extend_from_slice(&x25519_value(seed.key_share)));
                }
            });
        });
    }
    out
}

/// Pads to 512 bytes a hello that would be 256 to 511 bytes long: some middleboxes hang on those (RFC 7685, section 1).
fn pad(extensions: &mut Vec<u8>, before: usize) {
    let unpadded = before + extensions.len();
    if (256..512).contains(&unpadded) {
        // The extension's own header takes four bytes, and an empty extension at the end offends other old servers.
        let zeros = 512_usize.saturating_sub(unpadded + 4).max(1);
        extension(extensions, extension::PADDING, |out| out.resize(zeros, 0));
    }
}

fn extension(out: &mut Vec<u8>, kind: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&kind.to_be_bytes());
    with_u16_length(out, fill);
}

fn numbers(out: &mut Vec<u8>, numbers: &[u16]) {
    out.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
}

/// Whether `name` can be sent as SNI: an ASCII DNS name (RFC 6066, section 3), no address. A final dot must be cut
/// first.
pub fn is_server_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    name.len() <= 253 && name.parse::<IpAddr>().is_err() && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tls_parser::{
        TlsCipherSuiteID, TlsClientHelloContents, TlsExtension, TlsMessage, TlsMessageHandshake,
        parse_tls_client_hello_extensions, parse_tls_plaintext,
    };

    const SEED: Seed = Seed { random: [7; 32], session_id: [8; 32], key_share: [9; 32] };

    const AFTER_SSL2: [TlsVersion; 5] =
        [TlsVersion::Ssl3, TlsVersion::Tls10, TlsVersion::Tls11, TlsVersion::Tls12, TlsVersion::Tls13];

    #[test]
    fn a_small_hello_is_small_and_a_bare_one_has_no_extensions() {
        for version in AFTER_SSL2 {
            let small = client_hello(&Offer::small(version, Some("rmm.example.com")), &SEED);
            assert!(small.len() - 5 < 256, "{version}: {}", small.len());
            if let Some(bare) = Offer::bare(version) {
                reread(&client_hello(&bare, &SEED), |_, hello, _| assert_eq!(hello.ext, None));
            }
        }
        assert_eq!(Offer::bare(TlsVersion::Tls13), None);
    }

    /// RFC 8446, section 4.2.7.
    #[test]
    fn a_hello_for_tls_1_3_names_no_group_that_tls_1_3_does_not_have() {
        let has = |group: u16| {
            matches!(group, 0x0017..=0x001e | 0x001f..=0x0029 | 0x0100..=0x0104 | 0x0200..=0x0202 | 0x11eb..=0x11ed)
                && !matches!(group, 0x001a..=0x001c)
        };
        assert!(groups(TlsVersion::Tls13).into_iter().all(has));
        let earlier = groups(TlsVersion::Tls12);
        assert!(EARLIER_GROUPS.iter().all(|group| earlier.contains(group)));
    }

    #[test]
    fn without_a_key_share_the_server_is_left_to_name_a_group() {
        let offer = Offer { key_share: false, groups: vec![0x0019], ..Offer::usual(TlsVersion::Tls13, None) };
        reread(&client_hello(&offer, &SEED), |_, _, extensions| {
            assert!(extensions.iter().any(|e| matches!(e, TlsExtension::KeyShare(share) if **share == [0, 0])));
            assert!(
                extensions.iter().any(
                    |e| matches!(e, TlsExtension::EllipticCurves(groups) if groups.iter().map(|g| g.0).eq([0x0019]))
                )
            );
        });
    }

    /// Reads a hello with an independent parser.
    fn reread<T>(hello: &[u8], look: impl FnOnce(u16, &TlsClientHelloContents<'_>, &[TlsExtension<'_>]) -> T) -> T {
        let (rest, record) = parse_tls_plaintext(hello).expect("a record");
        assert!(rest.is_empty());
        let [TlsMessage::Handshake(TlsMessageHandshake::ClientHello(contents))] = record.msg.as_slice() else {
            panic!("one ClientHello, not {:?}", record.msg);
        };
        let (rest, extensions) =
            parse_tls_client_hello_extensions(contents.ext.unwrap_or_default()).expect("extensions");
        assert!(rest.is_empty());
        look(record.hdr.version.0, contents, &extensions)
    }

    fn name_in(extensions: &[TlsExtension<'_>]) -> Option<String> {
        extensions.iter().find_map(|e| match e {
            TlsExtension::SNI(names) => Some(String::from_utf8(names[0].1.to_vec()).unwrap()),
            _ => None,
        })
    }

    #[test]
    fn another_parser_reads_what_was_meant() {
        for version in AFTER_SSL2 {
            let offer = Offer::usual(version, Some("rmm.example.com."));
            reread(&client_hello(&offer, &SEED), |record, hello, extensions| {
                assert_eq!(record, if version == TlsVersion::Ssl3 { 0x0300 } else { 0x0301 });
                assert_eq!(hello.version.0, version.wire().min(0x0303));
                assert_eq!(hello.random, [7; 32]);
                assert!(hello.ciphers.contains(&TlsCipherSuiteID(0x00ff)));
                let versions = extensions.iter().find_map(|e| match e {
                    TlsExtension::SupportedVersions(versions) => Some(versions.iter().map(|v| v.0).collect::<Vec<_>>()),
                    _ => None,
                });
                assert_eq!(versions, (version == TlsVersion::Tls13).then(|| vec![0x0304]));
                let name = name_in(extensions);
                assert_eq!(name.as_deref(), (version != TlsVersion::Ssl3).then_some("rmm.example.com"));
                assert_eq!(hello.ext.is_none(), version == TlsVersion::Ssl3);
                assert!(!matches!(extensions.last(), Some(TlsExtension::ExtendedMasterSecret)));
            });
        }
    }

    #[test]
    fn an_address_is_never_sent_as_a_name() {
        for name in ["192.0.2.7", "2001:db8::7", "", "a b", "a..b", "münchen.example"] {
            let hello = client_hello(&Offer::usual(TlsVersion::Tls12, Some(name)), &SEED);
            reread(&hello, |_, _, extensions| assert_eq!(name_in(extensions), None, "{name}"));
        }
    }

    proptest! {
        #[test]
        fn the_top_bit_of_a_key_share_is_clear(key_share: [u8; 32]) {
            for offer in [Offer::usual(TlsVersion::Tls13, None), Offer::small(TlsVersion::Tls13, None)] {
                let hello = client_hello(&offer, &Seed { key_share, ..SEED });
                reread(&hello, |_, _, extensions| {
                    let share = extensions.iter().find_map(|e| match e {
                        TlsExtension::KeyShare(share) => Some(share.to_vec()),
                        _ => None,
                    });
                    // Length of the list, group, length of the value (RFC 8446, section 4.2.8).
                    let mut expected = vec![0, 36, 0, 0x1d, 0, 32];
                    expected.extend_from_slice(&key_share[..31]);
                    expected.push(key_share[31] & 0x7f);
                    assert_eq!(share, Some(expected));
                });
            }
        }

        #[test]
        fn no_hello_has_a_length_that_middleboxes_hang_on(
            name in "[a-z]{1,60}(\\.[a-z]{1,60}){0,3}",
            random: [u8; 32],
        ) {
            for version in AFTER_SSL2 {
                let (usual, small) = (Offer::usual(version, Some(&name)), Offer::small(version, Some(&name)));
                let odd = Offer::odd(version, Some(&name));
                for offer in odd.into_iter().chain([usual, small]).chain(Offer::bare(version)) {
                    let hello = client_hello(&offer, &Seed { random, ..SEED });
                    let message = hello.len() - 5;
                    let bare = offer.shape == Shape::Bare || version == TlsVersion::Ssl3;
                    prop_assert!(bare || !(256..512).contains(&message), "{version}: {message}");
                    reread(&hello, |_, _, _| ());
                }
            }
        }
    }
}
