//! Public keys, and how strong they are.

use x509_parser::der_parser::oid::Oid;
use x509_parser::objects::{oid_registry, oid2sn};
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_DSA, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_NIST_EC_P521,
    OID_PKCS1_RSAENCRYPTION, OID_PKCS1_RSASSAPSS, OID_SIG_ED448, OID_SIG_ED25519,
};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

/// A public key.
pub(super) struct Key {
    /// Such as `RSA 2048` or `EC P-256`.
    pub(super) name: String,
    /// The size; 0 where it could not be read.
    pub(super) bits: usize,
    /// Below 112 bits of strength (NIST SP 800-57 part 1, table 2): RSA below 2048 bits, curves below 224; and DSA of
    /// any size, which FIPS 186-5 no longer approves.
    pub(super) weak: bool,
}

/// Describes a key (RFC 3279, 5480, 8410). A key that cannot be read is not called weak.
pub(super) fn describe(info: &SubjectPublicKeyInfo<'_>) -> Key {
    let algorithm = &info.algorithm.algorithm;
    if is_rsa(info) {
        return match info.parsed() {
            Ok(PublicKey::RSA(key)) => {
                let mut modulus = key.modulus.iter().skip_while(|byte| **byte == 0);
                let first = modulus.next().map_or(0, |byte| u8::BITS - byte.leading_zeros());
                let bits = usize::try_from(first).unwrap_or_default() + modulus.count().saturating_mul(8);
                Key { name: format!("RSA {bits}"), bits, weak: bits < 2048 }
            }
            _ => unreadable("RSA"),
        };
    }
    if *algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY {
        let curve = info.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
        let named = |name: &str, bits| Key { name: format!("EC {name}"), bits, weak: bits < 224 };
        return match curve {
            Some(curve) if curve == OID_EC_P256 => named("P-256", 256),
            Some(curve) if curve == OID_NIST_EC_P384 => named("P-384", 384),
            Some(curve) if curve == OID_NIST_EC_P521 => named("P-521", 521),
            curve => {
                // An uncompressed point is twice the field's size and a byte (SEC 1, section 2.3.3).
                let bits = match info.subject_public_key.data.split_first() {
                    Some((4, point)) => point.len() / 2 * 8,
                    Some((2 | 3, point)) => point.len() * 8,
                    _ => 0,
                };
                let name = curve.map_or_else(|| "parameters of its own".to_owned(), |curve| oid_name(&curve));
                Key { name: format!("EC {bits} ({name})"), bits, weak: bits != 0 && bits < 224 }
            }
        };
    }
    if *algorithm == OID_KEY_TYPE_DSA {
        return Key { name: "DSA".to_owned(), bits: 0, weak: true };
    }
    if *algorithm == OID_SIG_ED25519 {
        return Key { name: "Ed25519".to_owned(), bits: 256, weak: false };
    }
    if *algorithm == OID_SIG_ED448 {
        return Key { name: "Ed448".to_owned(), bits: 456, weak: false };
    }
    Key { name: oid_name(algorithm), bits: 0, weak: false }
}

/// Whether it is an RSA key (RFC 3279, section 2.3.1; RFC 4055, section 1.2).
pub(super) fn is_rsa(info: &SubjectPublicKeyInfo<'_>) -> bool {
    [&OID_PKCS1_RSAENCRYPTION, &OID_PKCS1_RSASSAPSS].contains(&&info.algorithm.algorithm)
}

fn unreadable(kind: &str) -> Key {
    Key { name: format!("{kind}, unreadable"), bits: 0, weak: false }
}

/// The usual short name of an object identifier, or its numbers.
pub(super) fn oid_name(oid: &Oid<'_>) -> String {
    oid2sn(oid, oid_registry()).map_or_else(|_| oid.to_id_string().chars().take(100).collect(), str::to_owned)
}
