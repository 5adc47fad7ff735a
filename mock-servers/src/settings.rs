//! The settings of the faces that have any, as they stand in the TOML: keys and values in kebab-case, all optional.
//!
//! Defaults are those of a plain, modern installation; a fault has to be asked for.

use std::collections::BTreeMap;

use serde::Deserialize;

pub use crate::settings_http::{
    Coding, EndpointCentral, Hostile, Hostility, Http, HttpOptions, Iis, Plain, Product, ScreenConnect, Trace,
};

/// How one TLS version is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Negotiated. From TLS 1.2 on really so; for older versions up to and including `ServerHelloDone`.
    Accept,
    /// A fatal alert with this number, then FIN.
    Alert(u8),
    /// RST without a word, as `SChannel` likes to do.
    Rst,
    /// FIN without a word.
    Fin,
    /// Nothing at all; the connection stays open.
    Silence,
}

/// Which certificate a TLS face shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateKind {
    /// From the test authority, for the names asked for.
    #[default]
    Trusted,
    /// Signed with its own key.
    SelfSigned,
    /// From another authority that nobody trusts.
    UnknownAuthority,
    /// From the test authority, expired years ago.
    Expired,
    /// From the test authority, valid only in the far future.
    NotYetValid,
    /// From the test authority, for a name nobody asks for.
    WrongName,
}

/// The type of key in the certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyKind {
    /// RSA with 2048 bits, as Windows servers mostly have.
    #[default]
    Rsa,
    /// ECDSA on P-256.
    Ecdsa,
}

/// What meets a client that speaks plain HTTP to a TLS port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlainAnswer {
    /// RST.
    #[default]
    Rst,
    /// FIN.
    Fin,
    /// `HTTP/1.1 400 Bad Request` in plain text.
    BadRequest,
}

/// How a TLS face behaves. Versions not mentioned: 1.2 and 1.3 are accepted, older ones refused with RST.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches, named as in the file")]
pub struct Tls {
    /// SSL 3.0.
    pub ssl3: Answer,
    /// TLS 1.0.
    #[serde(rename = "tls1.0")]
    pub tls10: Answer,
    /// TLS 1.1.
    #[serde(rename = "tls1.1")]
    pub tls11: Answer,
    /// TLS 1.2.
    #[serde(rename = "tls1.2")]
    pub tls12: Answer,
    /// TLS 1.3.
    #[serde(rename = "tls1.3")]
    pub tls13: Answer,
    /// Which certificate.
    pub certificate: CertificateKind,
    /// Which key.
    pub key: KeyKind,
    /// Names and addresses in the certificate, beside the listen address. Empty: the host of the description.
    pub names: Vec<String>,
    /// How a hello without a server name is refused; absent: it is welcome.
    pub sni_required: Option<Answer>,
    /// A warning alert with this number goes out before the `ServerHello`.
    pub early_warning: Option<u8>,
    /// At most this many bytes in one segment of the server's.
    pub split: Option<usize>,
    /// What plain HTTP on this port meets.
    pub plain_http: PlainAnswer,
    /// Answers every hello with `HTTP/1.1 400`, as a web server without TLS does.
    pub http_answer: bool,
    /// Answers every hello with bytes that are no TLS.
    pub garbage_answer: bool,
    /// Knows nothing of the `supported_versions` extension, as Windows before 2022: only the old field counts, and
    /// TLS 1.3 is never reached.
    pub ignore_supported_versions: bool,
    /// Refuses TLS 1.2 hellos without secure renegotiation, as Windows Server 2019.
    pub renegotiation_required: bool,
    /// Suites in order of preference for versions that are answered up to `ServerHelloDone` only.
    pub legacy_suites: Vec<u16>,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            ssl3: Answer::Rst,
            tls10: Answer::Rst,
            tls11: Answer::Rst,
            tls12: Answer::Accept,
            tls13: Answer::Accept,
            certificate: CertificateKind::default(),
            key: KeyKind::default(),
            names: Vec::new(),
            sni_required: None,
            early_warning: None,
            split: None,
            plain_http: PlainAnswer::default(),
            http_answer: false,
            garbage_answer: false,
            ignore_supported_versions: false,
            renegotiation_required: false,
            // Suites with RSA key exchange first: their flight needs no signature and is correct to the last byte.
            legacy_suites: vec![0x0035, 0x002f, 0x000a, 0x0005, 0x0004, 0xc014, 0xc013, 0xc00a, 0xc009],
        }
    }
}

/// Fixed bytes, as text, as hexadecimal digits, or both (text first).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bytes {
    /// As text.
    pub text: String,
    /// As hexadecimal digits, with or without blanks.
    pub hex: Hex,
}

impl Bytes {
    pub(crate) fn to_vec(&self) -> Vec<u8> {
        [self.text.as_bytes(), &self.hex.0].concat()
    }
}

/// Bytes written as hexadecimal digits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Hex(pub Vec<u8>);

impl TryFrom<String> for Hex {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a row of hexadecimal bytes");
        let digits: Vec<u8> = text
            .chars()
            .filter(|c| !c.is_whitespace())
            .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()).ok_or_else(wrong))
            .collect::<Result<_, _>>()?;
        if !digits.len().is_multiple_of(2) {
            return Err(wrong());
        }
        Ok(Self(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()))
    }
}

/// The first packet of a `MySQL` server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MysqlAnswer {
    /// The greeting, protocol 10.
    #[default]
    Greeting,
    /// Error 1130: this host may not connect.
    NotAllowed,
    /// Error 1129: this host is blocked.
    Blocked,
    /// Nothing; the connection stays open.
    Silent,
}

/// How a `MySQL` face behaves.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Mysql {
    /// The first packet.
    pub answer: MysqlAnswer,
    /// Version string of the greeting.
    pub version: String,
    /// Text of an error packet. Servers localise it; only the code counts.
    pub text: String,
    /// TLS after an `SSLRequest`; absent: the server does not offer it.
    pub tls: Option<Tls>,
}

impl Default for Mysql {
    fn default() -> Self {
        Self {
            answer: MysqlAnswer::default(),
            version: "8.4.3".to_owned(),
            text: "Host is not allowed to connect to this MySQL server".to_owned(),
            tls: None,
        }
    }
}

/// How a Remote Desktop face behaves.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rdp {
    /// Network Level Authentication is enforced: only `CredSSP` is accepted.
    pub nla: bool,
    /// Without NLA: standard RDP security is refused, only TLS is accepted.
    pub tls_required: bool,
    /// Answers the connection request without a negotiation part, as before Windows Vista.
    pub negotiation: bool,
    /// The flags byte of the negotiation response.
    pub flags: u8,
    /// TLS after the confirm; absent: silence after it.
    pub tls: Option<Tls>,
}

impl Default for Rdp {
    fn default() -> Self {
        Self { nla: true, tls_required: false, negotiation: true, flags: 0x1f, tls: Some(Tls::default()) }
    }
}

/// How an SMB face behaves.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Smb {
    /// Answers SMB1 negotiation; else such a connection is closed.
    pub smb1: bool,
    /// Requires signing.
    pub signing_required: bool,
    /// The highest SMB2 dialect, for example `0x0302`.
    pub dialect: u16,
    /// With SMB1 off, an SMB1 hello meets RST instead of FIN.
    pub reset: bool,
}

impl Default for Smb {
    fn default() -> Self {
        Self { smb1: false, signing_required: false, dialect: 0x0302, reset: false }
    }
}

/// How a `NetBIOS` session face behaves.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Netbios {
    /// The error code of a negative response (`83`), for example `0x82`; absent: positive (`82`).
    pub refuse: Option<u8>,
}

/// How the RPC endpoint mapper behaves.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rpc {
    /// Answers a bind with `bind_nak`.
    pub refuse: bool,
}

/// How the `ScreenConnect` relay behaves. Whether the real one speaks first is not known: both can be had.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Relay {
    /// What it sends on its own; absent: it waits.
    pub speaks_first: Option<Bytes>,
}

/// Header fields by name.
pub type Headers = BTreeMap<String, String>;
