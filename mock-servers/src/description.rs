//! What a mock server is: a name and a list of faces, each on its logical ports, read from TOML.
//!
//! Promises that a description that parses can be started: overlapping ports, a TCP protocol on a UDP port and
//! unknown keys are refused here, with the line and column. How each face behaves is told in [`crate::settings`].

use serde::Deserialize;
use toml::Spanned;

use crate::ports::{Ports, Transport};
use crate::settings::{Bytes, Http, Mysql, Netbios, Rdp, Relay, Rpc, Smb, Tls};

/// A server with chosen faults.
#[derive(Debug, Clone)]
pub struct Description {
    /// The server's name, for people.
    pub name: String,
    /// The public DNS name. Certificates are made for it, and redirects point to it.
    pub host: String,
    /// What answers on which logical port. Ports that are not listed are not bound.
    pub faces: Vec<Face>,
}

/// What answers on one logical port or range.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Face {
    /// Where.
    pub port: Ports,
    /// What.
    pub kind: Kind,
}

/// The ways a port can behave.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Kind {
    /// TCP: every connect meets a RST, and the port is held so that nobody else can open it. UDP: nothing is bound,
    /// the kernel answers with ICMP port unreachable.
    Closed,
    /// TCP: connects time out, as behind a firewall that drops. Linux only, see [`crate::StartError::CannotFilter`].
    Filtered,
    /// UDP: bound, never answers.
    SilentUdp,
    /// UDP: sends every datagram back.
    EchoUdp,
    /// TCP: accepts and never says anything.
    Hang,
    /// TCP: accepts, then FIN.
    Close,
    /// TCP: accepts, then RST.
    Reset,
    /// TCP: sends garbage without end, to prove that a client bounds what it reads.
    Flood,
    /// TCP: sends one byte a second without end.
    Drip,
    /// TCP: sends fixed bytes, then waits.
    Banner(Bytes),
    /// TCP: TLS, and nothing behind it.
    Tls(Box<Tls>),
    /// TCP: a web server, with or without TLS.
    Http(Box<Http>),
    /// TCP: `MySQL`, classic protocol.
    Mysql(Box<Mysql>),
    /// TCP: `MySQL` X plugin.
    Mysqlx,
    /// TCP: Remote Desktop.
    Rdp(Box<Rdp>),
    /// TCP: SMB over TCP (445).
    Smb(Smb),
    /// TCP: `NetBIOS` session service (139).
    Netbios(Netbios),
    /// TCP: the RPC endpoint mapper (135).
    Msrpc(Rpc),
    /// TCP: the Automate redirector (70).
    Redirector,
    /// TCP: the `ScreenConnect` relay (8041).
    ScreenconnectRelay(Relay),
}

impl Kind {
    /// Whether the behaviour makes sense on the transport.
    fn fits(&self, transport: Transport) -> bool {
        match self {
            Self::Closed => true,
            Self::SilentUdp | Self::EchoUdp => transport == Transport::Udp,
            _ => transport == Transport::Tcp,
        }
    }

    /// The TLS settings, where the behaviour has any.
    pub(crate) fn tls(&self) -> Option<&Tls> {
        match self {
            Self::Tls(tls) => Some(tls),
            Self::Http(http) => http.tls.as_ref(),
            Self::Mysql(mysql) => mysql.tls.as_ref(),
            Self::Rdp(rdp) => rdp.tls.as_ref(),
            _ => None,
        }
    }
}

/// The servers that come with the crate; each one's file says which faults are planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Builtin {
    /// Automate, hardened as the guides ask.
    AutomateHardened,
    /// Automate with every fault the guides warn of.
    AutomateCareless,
    /// `ScreenConnect`, hardened and patched.
    ScreenConnect,
    /// Endpoint Central, unpatched, with a plain HTTP port.
    EndpointCentral,
}

impl Builtin {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::AutomateHardened, Self::AutomateCareless, Self::ScreenConnect, Self::EndpointCentral];

    /// The name used in file names and on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::AutomateHardened => "automate-hardened",
            Self::AutomateCareless => "automate-careless",
            Self::ScreenConnect => "screenconnect",
            Self::EndpointCentral => "endpoint-central",
        }
    }

    /// The TOML text.
    pub fn toml(self) -> &'static str {
        match self {
            Self::AutomateHardened => include_str!("../servers/automate-hardened.toml"),
            Self::AutomateCareless => include_str!("../servers/automate-careless.toml"),
            Self::ScreenConnect => include_str!("../servers/screenconnect.toml"),
            Self::EndpointCentral => include_str!("../servers/endpoint-central.toml"),
        }
    }
}

impl Description {
    /// Reads a description.
    pub fn from_toml(text: &str) -> Result<Self, DescriptionError> {
        let file: File = toml::from_str(text)
            .map_err(|error| DescriptionError::at(text, error.span().map_or(0, |span| span.start), error.message()))?;
        for (index, face) in file.face.iter().enumerate() {
            let (start, face) = (face.span().start, face.get_ref());
            if !face.kind.fits(face.port.transport) {
                let message = format!("this kind of face cannot stand on {}", face.port);
                return Err(DescriptionError::at(text, start, &message));
            }
            if let Some(earlier) = file.face[..index].iter().find(|other| other.get_ref().port.overlaps(&face.port)) {
                let message = format!("{} overlaps {}, which an earlier face has", face.port, earlier.get_ref().port);
                return Err(DescriptionError::at(text, start, &message));
            }
        }
        let faces = file.face.into_iter().map(Spanned::into_inner).collect();
        Ok(Self { name: file.name, host: file.host, faces })
    }

    /// A server that comes with the crate.
    #[expect(clippy::expect_used, clippy::missing_panics_doc, reason = "embedded text; a test parses every one")]
    pub fn builtin(which: Builtin) -> Self {
        Self::from_toml(which.toml()).expect("embedded descriptions parse")
    }
}

/// The file as written, before the faces are compared with each other.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    #[serde(default = "localhost")]
    host: String,
    #[serde(default)]
    face: Vec<Spanned<Face>>,
}

fn localhost() -> String {
    "localhost".to_owned()
}

/// Why a text is not a description, and where in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct DescriptionError {
    /// Line, counted from 1.
    pub line: usize,
    /// Column, counted from 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl DescriptionError {
    fn at(text: &str, offset: usize, message: &str) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: message.trim_end().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builtin_parses() {
        for which in Builtin::ALL {
            let description = Description::from_toml(which.toml()).unwrap_or_else(|e| panic!("{}:{e}", which.name()));
            assert!(!description.faces.is_empty());
        }
    }

    #[test]
    fn the_example_of_the_readme_parses() {
        let readme = include_str!("../README.md");
        let example = readme.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
        assert!(Description::from_toml(example).unwrap().faces.len() > 3);
    }

    #[track_caller]
    fn refused(text: &str, line: usize, column: usize, message: &str) {
        let error = Description::from_toml(text).unwrap_err();
        assert_eq!((error.line, error.column), (line, column), "{error}");
        assert!(error.message.contains(message), "{error}");
    }

    #[test]
    fn errors_name_the_place() {
        refused("name = 3\n", 1, 8, "invalid type");
        refused("name = \"x\"\nport = 1\n", 2, 1, "unknown field");
        refused("name = \"x\"\n[[face]]\nport = \"tcp/0\"\nkind = \"hang\"\n", 3, 8, "not a port number");
        refused("name = \"x\"\n[[face]]\nport = \"tcp/1\"\nkind = \"hung\"\n", 4, 8, "unknown variant");
        refused("name = \"x\"\n[[face]]\nport = \"udp/1\"\nkind = \"hang\"\n", 2, 1, "cannot stand on udp/1");
        refused("name = \"x\"\n[[face]]\nport = \"tcp/1\"\nkind.rdp = { nlla = true }\n", 4, 14, "unknown field");
        refused("name = \"ü\" x\n", 1, 12, "");
    }

    #[test]
    fn two_faces_cannot_share_a_port() {
        let text = "name = \"x\"\n[[face]]\nport = \"tcp/1-9\"\nkind = \"hang\"\n[[face]]\nport = \"tcp/9\"\nkind = \"hang\"\n";
        refused(text, 5, 1, "overlaps tcp/1-9");
        assert!(Description::from_toml(&text.replace("tcp/9", "tcp/10")).is_ok());
    }
}
