//! The settings of the web faces.

use serde::Deserialize;

use crate::settings::{Headers, Tls};

/// A web server: what is the same whichever product answers.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Http {
    /// TLS; absent: plain HTTP.
    pub tls: Option<Tls>,
    /// Which server answers.
    pub product: Product,
    /// How bodies are sent.
    pub coding: Coding,
    /// Every request is answered with 302 to this address.
    pub redirect: Option<String>,
    /// Reads the request and never answers.
    pub hang: bool,
    /// Header fields added to every answer.
    pub headers: Headers,
}

/// How a body travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coding {
    /// As it is, with a length.
    #[default]
    Identity,
    /// In chunks.
    Chunked,
    /// Compressed, whether asked for or not.
    Gzip,
    /// A small compressed body that unpacks to 64 MiB.
    GzipBomb,
}

/// The web servers that can be played.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Product {
    /// IIS 10, with Automate on it if an agent version is given.
    Iis(Iis),
    /// `ScreenConnect` on HTTP.SYS.
    Screenconnect(ScreenConnect),
    /// `ManageEngine` Endpoint Central.
    EndpointCentral(EndpointCentral),
    /// A server of no known make.
    Plain(Plain),
    /// The same, speaking HTTP/1.0 only: no length, no second request.
    Http10(Plain),
    /// Answers meant to hurt whoever shows or stores them.
    Hostile(Hostile),
}

impl Default for Product {
    fn default() -> Self {
        Self::Plain(Plain::default())
    }
}

/// How OPTIONS is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HttpOptions {
    /// 200 with Allow and Public, the default of IIS.
    #[default]
    Allowed,
    /// Denied by Request Filtering, which is a plain 404 on the wire.
    Denied,
}

/// How TRACE is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trace {
    /// 501, the default of IIS although Allow lists it.
    #[default]
    NotImplemented,
    /// 200, the request echoed.
    Echo,
    /// Denied by Request Filtering: 404.
    Denied,
}

/// IIS 10. The defaults are those of a fresh installation with ASP.NET.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches, named as in the file")]
pub struct Iis {
    /// The Server header of IIS itself is removed.
    pub remove_server_header: bool,
    /// `X-Powered-By: ASP.NET` on every answer.
    pub powered_by: bool,
    /// `X-AspNet-Version` on managed answers.
    pub aspnet_version: bool,
    /// The Server header on what HTTP.SYS answers before IIS sees it.
    pub http_sys_header: bool,
    /// How OPTIONS is treated.
    pub options: HttpOptions,
    /// How TRACE is treated.
    pub trace: Trace,
    /// `WebDAV` is installed.
    pub webdav: bool,
    /// Directories that exist, without slashes.
    pub directories: Vec<String>,
    /// The address that leaks when a request carries no Host; absent: the address the client connected to.
    pub internal_address: Option<String>,
    /// The name given instead of the internal address.
    pub alternate_host_name: Option<String>,
    /// Host names the site is bound to; empty: any.
    pub host_bindings: Vec<String>,
    /// Version of Automate; absent: a bare IIS.
    pub agent_version: Option<String>,
    /// The status of `/automate`: 403 where the in-app restriction shuts strangers out.
    pub automate_status: u16,
}

impl Default for Iis {
    fn default() -> Self {
        Self {
            remove_server_header: false,
            powered_by: true,
            aspnet_version: true,
            http_sys_header: true,
            options: HttpOptions::default(),
            trace: Trace::default(),
            webdav: false,
            directories: vec!["aspnet_client".to_owned()],
            internal_address: None,
            alternate_host_name: None,
            host_bindings: Vec::new(),
            agent_version: None,
            automate_status: 200,
        }
    }
}

/// The `ScreenConnect` web server.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct ScreenConnect {
    /// Version in four parts.
    pub version: String,
    /// The number after the version in the Server header.
    pub build: String,
    /// HTTP.SYS adds its own name to the Server header.
    pub httpapi_suffix: bool,
    /// The version does not appear in the Server header.
    pub hide_version: bool,
    /// The Server header on what HTTP.SYS answers itself.
    pub http_sys_header: bool,
}

impl Default for ScreenConnect {
    fn default() -> Self {
        Self {
            version: "26.1.21.9593".to_owned(),
            build: "4039728469".to_owned(),
            httpapi_suffix: true,
            hide_version: false,
            http_sys_header: true,
        }
    }
}

/// The Endpoint Central web server.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct EndpointCentral {
    /// Title of the pages.
    pub title: String,
    /// Build number as the page holds it: `100474` is 10.0.474.
    pub build: String,
}

impl Default for EndpointCentral {
    fn default() -> Self {
        Self { title: "ManageEngine Endpoint Central".to_owned(), build: "1132428".to_owned() }
    }
}

/// A server of no known make: every request gets the same answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Plain {
    /// Status.
    pub status: u16,
    /// Body.
    pub body: String,
}

impl Default for Plain {
    fn default() -> Self {
        Self { status: 200, body: "<html><head><title>It works</title></head></html>\n".to_owned() }
    }
}

/// What a hostile server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hostility {
    /// Terminal escape sequences in Server, title and a header.
    Escapes,
    /// NUL bytes and bytes that are no UTF-8 in a header.
    Nul,
    /// Markup in Server and title.
    Script,
    /// A header of 256 KiB.
    LongHeader,
    /// 5000 headers.
    ManyHeaders,
    /// A status line that is no HTTP.
    StatusLine,
    /// A length of 2^63-1, and no body.
    HugeLength,
    /// A body without end.
    EndlessBody,
}

/// A server that means harm to whoever reads it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Hostile {
    /// What it does, all at once.
    pub with: Vec<Hostility>,
}
