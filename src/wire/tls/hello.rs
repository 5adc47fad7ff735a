//! The ClientHello.

use super::super::bytes::{with_u8_length, with_u16_length};
use super::suite;
use crate::model::tls::TlsVersion;
use std::net::IpAddr;

/// What a hello needs of randomness; the caller has it, so that the same seed gives the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed {
    /// The client's random (RFC 8446, section 4.1.2).
    pub random: [u8; 32],
    /// The legacy session id of a TLS 1.3 hello; earlier versions send none.
    pub session_id: [u8; 32],
    /// The public value of the X25519 key share. Any 32 bytes are one (RFC 7748, section 5), and as the handshake goes
    /// no further nobody needs the secret.
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

/// The groups of all versions: x25519, secp256r1, secp384r1, secp521r1, x448, secp256k1 and secp224r1 (RFC 8422,
/// section 5.1.1), and the Brainpool curves (RFC 7027).
const GROUPS: [u16; 10] = [X25519, 0x0017, 0x0018, 0x0019, 0x001e, 0x0016, 0x0015, 0x001a, 0x001b, 0x001c];

/// Groups beyond those for TLS 1.3, where a server without the key share that we sent asks for another: the
/// finite-field groups (RFC 7919). In an older hello they would forbid every other Diffie-Hellman group.
const FINITE_FIELD_GROUPS: [u16; 5] = [0x0100, 0x0101, 0x0102, 0x0103, 0x0104];

/// Signature schemes (RFC 8446, section 4.2.3), and for TLS 1.2 also SHA-224, SHA-1 and DSA: ECDSA, `EdDSA`, RSA-PSS,
/// PKCS #1, legacy.
const SIGNATURES: [u16; 22] = [
    0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b, 0x0401, 0x0501, 0x0601,
    0x0303, 0x0301, 0x0203, 0x0201, 0x0402, 0x0502, 0x0302, 0x0202,
];

/// A hello that offers `version` and no other, in a record of its own.
///
/// `server_name` is sent as SNI where it is a DNS name; RFC 6066 section 3 does not permit addresses there. An SSL 3.0
/// hello has no extensions and so no SNI.
pub fn client_hello(version: TlsVersion, server_name: Option<&str>, seed: &Seed) -> Vec<u8> {
    let mut body = Vec::with_capacity(600);
    // RFC 8446, section 4.1.2: TLS 1.3 calls itself 1.2 here.
    body.extend_from_slice(&version.min(TlsVersion::Tls12).wire().to_be_bytes());
    body.extend_from_slice(&seed.random);
    with_u8_length(&mut body, |out| {
        if version == TlsVersion::Tls13 {
            out.extend_from_slice(&seed.session_id);
        }
    });
    with_u16_length(&mut body, |out| numbers(out, &suite::offered(version)));
    // One compression method: null.
    body.extend_from_slice(&[1, 0]);
    if version != TlsVersion::Ssl3 {
        let mut extensions = extensions(version, server_name, seed);
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

fn extensions(version: TlsVersion, server_name: Option<&str>, seed: &Seed) -> Vec<u8> {
    let mut out = Vec::new();
    if let Some(name) = server_name.map(|name| name.trim_end_matches('.')).filter(|name| is_server_name(name)) {
        extension(&mut out, extension::SERVER_NAME, |out| {
            with_u16_length(out, |out| {
                out.push(0); // host_name
                with_u16_length(out, |out| out.extend_from_slice(name.as_bytes()));
            });
        });
    }
    extension(&mut out, extension::EXTENDED_MASTER_SECRET, |_| {});
    // uncompressed, and the two compressed ones that old clients named
    extension(&mut out, extension::EC_POINT_FORMATS, |out| out.extend_from_slice(&[3, 0, 1, 2]));
    extension(&mut out, extension::SUPPORTED_GROUPS, |out| {
        with_u16_length(out, |out| {
            numbers(out, &GROUPS);
            if version == TlsVersion::Tls13 {
                numbers(out, &FINITE_FIELD_GROUPS);
            }
        });
    });
    if version >= TlsVersion::Tls12 {
        extension(&mut out, extension::SIGNATURE_ALGORITHMS, |out| {
            with_u16_length(out, |out| numbers(out, &SIGNATURES));
        });
    }
    if version == TlsVersion::Tls13 {
        extension(&mut out, extension::SUPPORTED_VERSIONS, |out| {
            with_u8_length(out, |out| numbers(out, &[version.wire()]));
        });
        extension(&mut out, extension::PSK_KEY_EXCHANGE_MODES, |out| out.extend_from_slice(&[1, 1]));
        extension(&mut out, extension::KEY_SHARE, |out| {
            with_u16_length(out, |out| {
                numbers(out, &[X25519]);
                with_u16_length(out, |out| out.extend_from_slice(&seed.key_share));
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
        for version in TlsVersion::ALL {
            reread(&client_hello(version, Some("rmm.example.com."), &SEED), |record, hello, extensions| {
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
            let hello = client_hello(TlsVersion::Tls12, Some(name), &SEED);
            reread(&hello, |_, _, extensions| assert_eq!(name_in(extensions), None, "{name}"));
        }
    }

    proptest! {
        #[test]
        fn no_hello_has_a_length_that_middleboxes_hang_on(
            name in "[a-z]{1,60}(\\.[a-z]{1,60}){0,3}",
            random: [u8; 32],
        ) {
            for version in TlsVersion::ALL {
                let hello = client_hello(version, Some(&name), &Seed { random, ..SEED });
                let message = hello.len() - 5;
                prop_assert!(!(256..512).contains(&message), "{version}: {message}");
                reread(&hello, |_, _, _| ());
            }
        }
    }
}
