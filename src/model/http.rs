//! Facts about HTTP: which requests we may make, and what came back.

use super::peer_text::PeerText;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A path that portreeve may request. The set is closed so that no catalog and no target can make it ask for a path
/// that does something (`/SetupWizard.aspx`, `Deployment.aspx`, an installer).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum WebPath {
    /// The site's root.
    #[serde(rename = "/")]
    Root,
    /// The directory that IIS with ASP.NET has, without its trailing slash.
    #[serde(rename = "/aspnet_client")]
    AspNetClient,
    /// Automate's agent directory, without its trailing slash.
    #[serde(rename = "/LabTech")]
    LabTech,
    /// Automate's web control centre, without its trailing slash.
    #[serde(rename = "/automate")]
    Automate,
    /// A managed page that does not exist: ASP.NET itself answers 404 and shows its headers.
    #[serde(rename = "/portreeve-no-such-page.aspx")]
    MissingPage,
    /// Automate's reachability and version check.
    #[serde(rename = "/LabTech/Agent.aspx")]
    AutomateAgent,
    /// ScreenConnect's sign-in page.
    #[serde(rename = "/Login")]
    ScreenConnectLogin,
    /// ScreenConnect's script, which holds its version.
    #[serde(rename = "/Script.ashx")]
    ScreenConnectScript,
    /// Endpoint Central's sign-in page, which holds its build.
    #[serde(rename = "/configurations.do")]
    EndpointCentralConfigurations,
}

impl WebPath {
    /// Every path.
    pub const ALL: [Self; 9] = [
        Self::Root,
        Self::AspNetClient,
        Self::LabTech,
        Self::Automate,
        Self::MissingPage,
        Self::AutomateAgent,
        Self::ScreenConnectLogin,
        Self::ScreenConnectScript,
        Self::EndpointCentralConfigurations,
    ];

    /// The path as it stands in the request line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Root => "/",
            Self::AspNetClient => "/aspnet_client",
            Self::LabTech => "/LabTech",
            Self::Automate => "/automate",
            Self::MissingPage => "/portreeve-no-such-page.aspx",
            Self::AutomateAgent => "/LabTech/Agent.aspx",
            Self::ScreenConnectLogin => "/Login",
            Self::ScreenConnectScript => "/Script.ashx",
            Self::EndpointCentralConfigurations => "/configurations.do",
        }
    }
}

impl fmt::Display for WebPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A request that portreeve may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "request", content = "path")]
pub enum Request {
    /// `GET`, HTTP/1.1, with Host.
    Get(WebPath),
    /// `OPTIONS`, HTTP/1.1, with Host.
    Options(WebPath),
    /// `TRACE`, HTTP/1.1, with Host.
    Trace(WebPath),
    /// `HEAD`, HTTP/1.0, without Host: what the guides' curl line sends.
    HostlessHead(WebPath),
    /// `GET /`, HTTP/1.1, without the Host that RFC 9112 section 3.2 requires: the kernel's http.sys refuses it before
    /// IIS sees it.
    MissingHost,
}

impl Request {
    /// The path that is asked for.
    pub const fn path(self) -> WebPath {
        match self {
            Self::Get(path) | Self::Options(path) | Self::Trace(path) | Self::HostlessHead(path) => path,
            Self::MissingHost => WebPath::Root,
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Get(path) => write!(f, "GET {path}"),
            Self::Options(path) => write!(f, "OPTIONS {path}"),
            Self::Trace(path) => write!(f, "TRACE {path}"),
            Self::HostlessHead(path) => write!(f, "HEAD {path} HTTP/1.0 without Host"),
            Self::MissingHost => write!(f, "GET / HTTP/1.1 without Host"),
        }
    }
}

/// Plain HTTP or HTTP over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Without TLS.
    Http,
    /// Over TLS.
    Https,
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// A header field as sent: order, case and duplicates kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The field's name, in the peer's case.
    pub name: PeerText,
    /// The field's value.
    pub value: PeerText,
}

/// The head of an HTTP response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpAnswer {
    /// How it was asked.
    pub scheme: Scheme,
    /// The status code.
    pub status: u16,
    /// The minor version: 0 for HTTP/1.0, 1 for HTTP/1.1.
    pub minor_version: u8,
    /// The reason phrase.
    pub reason: PeerText,
    /// The header fields, in order.
    pub headers: Vec<Header>,
    /// The beginning of the body, as far as it came with the head or was waited for; evidence for `TRACE`.
    pub body_start: PeerText,
}

impl HttpAnswer {
    /// The values of every field called `name`, whatever its case.
    pub fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a PeerText> + 'a {
        self.headers.iter().filter(move |h| h.name.as_str().eq_ignore_ascii_case(name)).map(|h| &h.value)
    }

    /// The first value of the field called `name`.
    pub fn first(&self, name: &str) -> Option<&PeerText> {
        self.headers.iter().find(|h| h.name.as_str().eq_ignore_ascii_case(name)).map(|h| &h.value)
    }
}
