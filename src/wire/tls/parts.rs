//! What a suite's name says of its parts.

/// The parts of a suite. Everything that concerns us is in IANA's names, which exist for kinds of SSL 2.0 too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts<'a> {
    /// Key exchange and authentication, such as `ECDHE_RSA` or `DH_anon_EXPORT`; empty in TLS 1.3, whose suites do not say.
    pub exchange: &'a str,
    /// Cipher and hash, such as `AES_128_CBC_SHA`.
    pub cipher: &'a str,
}

impl<'a> Parts<'a> {
    /// The parts of the suite with this name.
    pub fn of(name: &'a str) -> Self {
        let name = ["TLS_", "SSL_CK_"].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
        let (exchange, cipher) = name.split_once("_WITH_").unwrap_or(("", name));
        // The registry has no WITH in the names of TLS 1.3, in two pairs of CCM suites no other order, and in SSL 2.0 the hash
        // stands behind it.
        if cipher == "MD5" { Self { exchange: "", cipher: name } } else { Self { exchange, cipher } }
    }

    /// Whether the parts of the key exchange hold this one.
    pub fn exchanges(&self, part: &str) -> bool {
        self.exchange.split('_').any(|other| other == part)
    }

    /// Whether keys are agreed on over an elliptic curve that is named in a `ServerKeyExchange` (RFC 8422, section 5.4).
    pub fn is_ephemeral_curve(&self) -> bool {
        self.exchanges("ECDHE") || (self.exchanges("ECDH") && self.is_anonymous())
    }

    /// Whether the server sends a prime of its own choice (RFC 5246, section 7.4.3).
    pub fn is_ephemeral_prime(&self) -> bool {
        self.exchanges("DHE") || (self.exchanges("DH") && self.is_anonymous())
    }

    /// Whether the server does not prove who it is.
    pub fn is_anonymous(&self) -> bool {
        self.exchanges("anon")
    }

    /// Where OpenSSL puts such a suite among others, unless it is told otherwise: forward secrecy before all, then what
    /// authenticates as it encrypts, then the longer key (`ssl_create_cipher_list`).
    pub fn rank(&self) -> [u8; 6] {
        let holds = |part: &str| self.cipher.contains(part);
        let first = |parts: &[bool]| u8::try_from(parts.iter().take_while(|part| !**part).count()).unwrap_or(u8::MAX);
        let aead = holds("GCM") || holds("CCM") || self.is_chacha();
        let forward = self.exchange.is_empty() || self.is_ephemeral_curve() || self.is_ephemeral_prime();
        let cipher =
            first(&[self.is_aes_gcm(), self.is_chacha(), holds("CCM_8"), holds("CCM"), holds("ARIA"), holds("AES")]);
        [
            u8::from(holds("NULL")),
            first(&[forward]),
            first(&[aead, holds("SHA256") || holds("SHA384")]),
            first(&[holds("_256_") || self.is_chacha(), holds("_128_")]),
            u8::from(self.is_anonymous()) * 8 + cipher,
            first(&[self.exchange == "ECDHE_ECDSA", self.exchange == "ECDHE_RSA", self.exchanges("DHE")]),
        ]
    }

    /// Whether `ChaCha20` encrypts.
    pub fn is_chacha(&self) -> bool {
        self.cipher.contains("CHACHA20")
    }

    /// Whether AES in Galois/Counter mode encrypts.
    pub fn is_aes_gcm(&self) -> bool {
        self.cipher.starts_with("AES_") && self.cipher.contains("GCM")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_parts() {
        for (name, exchange, cipher) in [
            ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE_RSA", "AES_128_GCM_SHA256"),
            ("TLS_DH_anon_EXPORT_WITH_RC4_40_MD5", "DH_anon_EXPORT", "RC4_40_MD5"),
            ("TLS_AES_128_GCM_SHA256", "", "AES_128_GCM_SHA256"),
            ("SSL_CK_RC4_128_WITH_MD5", "", "RC4_128_WITH_MD5"),
        ] {
            assert_eq!(Parts::of(name), Parts { exchange, cipher });
        }
        let ranked = [
            "TLS_AES_256_GCM_SHA384",
            "TLS_CHACHA20_POLY1305_SHA256",
            "TLS_AES_128_GCM_SHA256",
            "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384",
            "TLS_DHE_RSA_WITH_AES_256_CBC_SHA",
            "TLS_RSA_WITH_AES_256_GCM_SHA384",
            "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
            "TLS_RSA_WITH_NULL_MD5",
        ];
        assert!(ranked.map(|name| Parts::of(name).rank()).is_sorted());
        assert!(Parts::of("TLS_ECDH_anon_WITH_NULL_SHA").is_ephemeral_curve());
        assert!(!Parts::of("TLS_ECDH_RSA_WITH_NULL_SHA").is_ephemeral_curve());
        assert!(Parts::of("TLS_DHE_PSK_WITH_NULL_SHA").is_ephemeral_prime());
        assert!(!Parts::of("TLS_DH_RSA_WITH_AES_128_CBC_SHA").is_ephemeral_prime());
    }
}
