//! MySQL and MariaDB: the greeting with which the server begins, or its refusal to send one.

use super::Parse;
use super::bytes::{Bytes, Stop, bad, size};
use crate::model::peer_text::PeerText;
use crate::model::service::Service;

/// The longest first packet that is read; a greeting takes about a hundred bytes.
pub const LIMIT: usize = 4096;

/// The error of a server that does not accept connections from our address (MySQL Error Reference).
pub const HOST_NOT_PRIVILEGED: u16 = 1130;
/// The error of a server that has blocked our address after too many aborted handshakes.
pub const HOST_IS_BLOCKED: u16 = 1129;

/// How much text is kept, in bytes.
const TEXT: usize = 256;

/// Capability flags (MySQL Internals, "Capabilities Flags").
mod capability {
    /// `CLIENT_LONG_PASSWORD`, which `MariaDB` calls `CLIENT_MYSQL`.
    pub(super) const LONG_PASSWORD: u32 = 0x0001;
    /// `CLIENT_PROTOCOL_41`.
    pub(super) const PROTOCOL_41: u32 = 0x0200;
    /// `CLIENT_SSL`.
    pub(super) const SSL: u32 = 0x0800;
    /// `CLIENT_SECURE_CONNECTION`.
    pub(super) const SECURE_CONNECTION: u32 = 0x8000;
}

/// What the server said first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// `Protocol::HandshakeV10`.
    V10 {
        /// The server's version, without the `5.5.5-` that MariaDB puts before its own for old replicas.
        version: PeerText,
        /// The lower 16 capability flags.
        capabilities: u32,
    },
    /// `ERR_Packet`.
    Refused {
        /// The error's number.
        code: u16,
        /// The message, in the server's language.
        message: PeerText,
    },
}

impl Greeting {
    /// Whether TLS may be asked for.
    pub fn offers_tls(&self) -> bool {
        matches!(self, Self::V10 { capabilities, .. } if capabilities & capability::SSL != 0)
    }
}

impl From<Greeting> for Service {
    fn from(greeting: Greeting) -> Self {
        let tls = greeting.offers_tls();
        match greeting {
            Greeting::V10 { version, .. } => Self::MySql { version: Some(version), refused: None, tls },
            Greeting::Refused { code, .. } => Self::MySql { version: None, refused: Some(code), tls },
        }
    }
}

/// Reads the first packet (MySQL Internals, "Connection Phase").
pub fn read_greeting(bytes: &[u8]) -> Parse<Greeting> {
    greeting(bytes).into()
}

fn greeting(bytes: &[u8]) -> Result<Greeting, Stop> {
    let mut stream = Bytes::stream(bytes);
    let length = size(stream.u24_le()?);
    if !(3..=LIMIT).contains(&length) {
        return Err(bad(format!("a first packet of {length} bytes")));
    }
    // The first packet of a connection; MariaDB's errors before the greeting may be numbered 1.
    let sequence = stream.u8()?;
    if sequence > 1 {
        return Err(bad(format!("a first packet numbered {sequence}")));
    }
    let kind = stream.clone().u8()?;
    if !matches!(kind, 0x0a | 0xff) {
        return Err(bad(format!("a first packet of type {kind:#04x}")));
    }
    let mut packet = Bytes::whole(stream.take(length)?);
    packet.u8()?;
    if kind == 0xff {
        return refusal(packet);
    }
    let version_end = packet.rest().iter().position(|byte| *byte == 0).ok_or_else(|| bad("a version without end"))?;
    let version = packet.take(version_end)?;
    if version.is_empty() || !version.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(bad("a version that is no text"));
    }
    packet.take(1 + 4 + 8 + 1)?; // the version's end, thread id, salt, filler
    let capabilities = u32::from(packet.u16_le()?);
    let version = match version.strip_prefix(b"5.5.5-") {
        Some(own) if own.starts_with(b"1") => own,
        _ => version,
    };
    Ok(Greeting::V10 { version: PeerText::from_bytes(version, TEXT), capabilities })
}

/// The rest of an `ERR_Packet`. Before the greeting it has no SQL state, as the client's capabilities are not yet
/// known.
fn refusal(mut packet: Bytes<'_>) -> Result<Greeting, Stop> {
    let code = packet.u16_le()?;
    // Server errors begin at 1000.
    if !(1000..10_000).contains(&code) {
        return Err(bad(format!("an error numbered {code}")));
    }
    let message = match packet.rest() {
        [b'#', _, _, _, _, _, message @ ..] | message => message,
    };
    Ok(Greeting::Refused { code, message: PeerText::from_bytes(message, TEXT) })
}

/// `Protocol::SSLRequest`, the answer to a greeting that offers TLS. A TLS hello follows it.
pub fn ssl_request() -> Vec<u8> {
    let flags = capability::LONG_PASSWORD | capability::PROTOCOL_41 | capability::SSL | capability::SECURE_CONNECTION;
    let mut packet = vec![32, 0, 0, 1];
    packet.extend_from_slice(&flags.to_le_bytes());
    packet.extend_from_slice(&0x0100_0000_u32.to_le_bytes()); // longest packet
    packet.push(33); // utf8
    packet.extend_from_slice(&[0; 23]);
    packet
}

/// The notice with which the X plugin begins: `ServerHello` (`Mysqlx.Notice.Frame`, type 5).
const X_HELLO: &[u8] = &[5, 0, 0, 0, 0x0b, 8, 5, 0x1a, 0];

/// Reads the X plugin's first message.
pub fn read_x_notice(bytes: &[u8]) -> Parse<()> {
    Bytes::stream(bytes).expect(X_HELLO, "the X plugin's notice").into()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{hex, only_whole};
    use super::*;
    use proptest::prelude::*;

    /// mariadbd 10.11.19 (Debian 12).
    const MARIADB: &str =
        "640000000a352e352e352d31302e31312e31392d4d6172696144422d302b646562313275310003000000475b74573544337400fe
        ff080200ff81150000000000001d0000006e4c7277213836463c3b526b006d7973716c5f6e61746976655f70617373776f726400";

    #[test]
    fn a_greeting_shows_version_and_tls() {
        let greeting = only_whole(&hex(MARIADB), read_greeting);
        assert!(greeting.offers_tls());
        let version = Some(PeerText::new("10.11.19-MariaDB-0+deb12u1", 99));
        assert_eq!(Service::from(greeting), Service::MySql { version, refused: None, tls: true });
    }

    /// mariadbd 10.11.19 to an address for which it has no account.
    const NOT_ALLOWED: &str = "44000000ff6a04486f737420273132372e302e302e3227206973206e6f7420616c6c6f7765642074
        6f20636f6e6e65637420746f2074686973204d61726961444220736572766572";

    #[test]
    fn a_real_refusal_has_no_sql_state() {
        let message = PeerText::new("Host '127.0.0.2' is not allowed to connect to this MariaDB server", 99);
        let greeting = only_whole(&hex(NOT_ALLOWED), read_greeting);
        assert_eq!(greeting, Greeting::Refused { code: HOST_NOT_PRIVILEGED, message });
    }

    #[test]
    fn a_refused_host_is_known_by_the_code() {
        // The same in a server's own language.
        let answer = [&hex("0a 00 00 00 ff 6a 04")[..], b"Rechner"].concat();
        let greeting = only_whole(&answer, read_greeting);
        assert_eq!(greeting, Greeting::Refused { code: HOST_NOT_PRIVILEGED, message: PeerText::new("Rechner", 99) });
        let answer = [&hex("0d 00 00 01 ff 69 04")[..], b"#HY000gone"].concat();
        let greeting = only_whole(&answer, read_greeting);
        assert_eq!(greeting, Greeting::Refused { code: HOST_IS_BLOCKED, message: PeerText::new("gone", 99) });
        assert_eq!(Service::from(greeting), Service::MySql { version: None, refused: Some(1129), tls: false });
    }

    #[test]
    fn the_x_plugin_is_another_protocol() {
        only_whole(X_HELLO, read_x_notice);
        assert!(matches!(read_greeting(X_HELLO), Parse::Malformed(_)));
    }

    #[test]
    fn the_ssl_request_is_a_packet_of_32_bytes() {
        assert_eq!(ssl_request().len(), 36);
        assert!(ssl_request().starts_with(&hex("20 00 00 01 01 8a 00 00")));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>, kind in prop::sample::select(vec![0x0a_u8, 0xff])) {
            let _ = read_greeting(&bytes);
            let _ = read_x_notice(&bytes);
            let mut packet = vec![u8::try_from(bytes.len().min(200)).unwrap(), 0, 0, 0, kind];
            packet.extend_from_slice(&bytes);
            let _ = read_greeting(&packet);
        }
    }
}
