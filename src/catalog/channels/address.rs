//! Addresses of webhooks.

use super::Service;
use super::secret::{SecretError, Source};
use crate::model::peer_text::PeerText;
use reqwest::Url;
use std::fmt;
use std::net::IpAddr;

/// Where the connectors of Teams were, before they were retired in favour of workflows.
const RETIRED: [&str; 2] = ["webhook.office.com", "outlook.office.com"];

/// An address as it is written, or where it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// As it is written.
    Written(WebAddress),
    /// A secret.
    Kept(Source),
}

impl Address {
    /// The address.
    pub fn read(&self, service: Service) -> Result<WebAddress, AddressError> {
        match self {
            Self::Written(address) => Ok(address.clone()),
            Self::Kept(source) => {
                let secret = source.read()?;
                WebAddress::parse(secret.expose(), service)
                    .map_err(|problem| AddressError::Bad { place: source.to_string(), problem })
            }
        }
    }
}

/// An address that something can be sent to. It shows as scheme, host and port: what comes after them may be a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct WebAddress(Url);

impl WebAddress {
    /// Reads an address: HTTPS, or HTTP to this machine itself.
    pub fn parse(text: &str, service: Service) -> Result<Self, UrlProblem> {
        let url = Url::parse(text.trim()).map_err(|_| UrlProblem::NotAUrl)?;
        let Some(host) = url.host_str() else { return Err(UrlProblem::NotAUrl) };
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(host) => {}
            "http" => return Err(UrlProblem::InTheOpen),
            _ => return Err(UrlProblem::NotAUrl),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlProblem::Password);
        }
        if url.fragment().is_some() {
            return Err(UrlProblem::Fragment);
        }
        let retired = |known: &&str| host == *known || host.ends_with(&format!(".{known}"));
        if service == Service::Teams && RETIRED.iter().any(retired) {
            return Err(UrlProblem::Retired);
        }
        Ok(Self(url))
    }

    /// The whole address, for the client that connects to it.
    pub fn expose(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for WebAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.0.host_str().unwrap_or_default();
        write!(f, "{}://{}", self.0.scheme(), PeerText::new(host, 260))?;
        self.0.port().map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Debug for WebAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebAddress({self}/…)")
    }
}

/// Whether a host is this machine itself (RFC 6761, section 6.3).
pub fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().map_or_else(|_| bare.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}

/// What is wrong with an address. The text of it is never told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlProblem {
    /// It cannot be read.
    #[error("not an address that begins with https://")]
    NotAUrl,
    /// Everybody on the way could read it.
    #[error("the address is not HTTPS: everybody on the way could read and change what is sent")]
    InTheOpen,
    /// A name or a password stands in it.
    #[error("the address holds a user name or a password")]
    Password,
    /// It has a fragment, which is never sent.
    #[error("the address has a fragment (`#…`), which is never sent")]
    Fragment,
    /// A connector of Teams.
    #[error("this is the address of a connector, which Microsoft has retired")]
    Retired,
}

impl UrlProblem {
    /// What to do about it.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::NotAUrl => "copy the whole address from the service, such as https://hooks.example.com/portreeve",
            Self::InTheOpen => "use https://; http:// is for receivers on this machine only",
            Self::Password => "leave it out: a webhook is known by its address and its signature",
            Self::Fragment => "leave it out",
            Self::Retired => {
                "make a workflow in Teams (\"Post to a channel when a webhook request is received\") and use its address"
            }
        }
    }
}

/// Why there is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// A secret cannot be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// What is kept there is no address.
    #[error("{place}: {problem}")]
    Bad {
        /// Where it is kept.
        place: String,
        /// What is wrong.
        problem: UrlProblem,
    },
}

impl AddressError {
    /// What to do about it.
    pub fn advice(&self) -> String {
        match self {
            Self::Secret(error) => error.advice(),
            Self::Bad { problem, .. } => problem.advice().to_owned(),
        }
    }
}
