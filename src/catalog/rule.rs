//! The closed set of rules that a catalog may use, and how they are written.

use super::suite_policy::Weakness;
use super::toml_file::Reader;
use crate::model::ports::Ports;
use crate::model::service::{Product, Version};
use crate::model::tls::TlsVersion;
use serde::Deserialize;
use std::ops::Range;
use toml::Spanned;

/// How the words of the rule end that asks for no version that is known to be attacked.
pub const NOT_ATTACKED: &str = "not of a version known to be attacked";

/// What must answer on a port that should be reachable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswersAs {
    /// This product.
    Product(Product),
    /// HTTP over TLS.
    Https,
    /// Anything but TLS or HTTP: ScreenConnect's relay.
    Raw,
}

/// A protocol that a rule can look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// MySQL or MariaDB.
    MySql,
    /// The MySQL X plugin.
    MySqlX,
    /// Remote Desktop.
    Rdp,
    /// SMB over TCP.
    Smb,
    /// The NetBIOS session service.
    NetBios,
    /// MSRPC.
    MsRpc,
    /// Automate's redirector.
    Redirector,
    /// SSH.
    Ssh,
}

/// Protocols by the names that catalogs use.
pub const PROTOCOLS: [(&str, Protocol); 8] = [
    ("mysql", Protocol::MySql),
    ("mysqlx", Protocol::MySqlX),
    ("rdp", Protocol::Rdp),
    ("smb", Protocol::Smb),
    ("netbios", Protocol::NetBios),
    ("msrpc", Protocol::MsRpc),
    ("redirector", Protocol::Redirector),
    ("ssh", Protocol::Ssh),
];

/// Products by the names that catalogs use.
pub const PRODUCTS: [(&str, Product); 4] = [
    ("automate", Product::Automate),
    ("screenconnect", Product::ScreenConnect),
    ("endpoint-central", Product::EndpointCentral),
    ("iis", Product::Iis),
];

/// TLS versions by the names that catalogs use.
pub const TLS_VERSIONS: [(&str, TlsVersion); 6] = [
    ("ssl2", TlsVersion::Ssl2),
    ("ssl3", TlsVersion::Ssl3),
    ("tls1.0", TlsVersion::Tls10),
    ("tls1.1", TlsVersion::Tls11),
    ("tls1.2", TlsVersion::Tls12),
    ("tls1.3", TlsVersion::Tls13),
];

/// A method that a rule wants denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `OPTIONS` (RFC 9110, section 9.3.7).
    Options,
    /// `TRACE` (RFC 9110, section 9.3.8).
    Trace,
}

/// Who can answer what cannot be seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The host itself, by evidence collected there.
    Evidence,
    /// A person.
    Attestation,
}

/// What evidence from the host can answer, each by a reading of its own in the judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostCheck {
    /// Anonymous enumeration of accounts and shares.
    RestrictAnonymous,
    /// AutoPlay of devices that are no volumes.
    NoAutoplayNonVolume,
    /// The default of `AutoRun`.
    NoAutorun,
    /// AutoPlay on all drives.
    NoDriveTypeAutorun,
    /// Who may act as part of the operating system.
    ActAsSystem,
    /// Whether installers run with elevated privileges.
    AlwaysInstallElevated,
    /// Whether the host may reach itself.
    LoopbackFree,
    /// Whether it was restarted since its protocol settings changed.
    Restarted,
    /// Whether Everyone has permissions on LTShare.
    LtshareEveryone,
    /// Whether only the pools and System have.
    LtsharePools,
    /// Whether ScreenConnect's session manager is on the network.
    SessionManagerLocal,
    /// Who may impersonate a client.
    Impersonate,
    /// Who may replace a process token.
    PrimaryToken,
    /// Who may come in over the network.
    NetworkLogon,
    /// Who may adjust memory quotas.
    MemoryQuota,
    /// Who may log on as a batch job.
    BatchLogon,
    /// Who may log on as a service.
    ServiceLogon,
}

/// Checks of evidence by the names that catalogs use.
pub const HOST_CHECKS: [(&str, HostCheck); 17] = [
    ("restrict-anonymous", HostCheck::RestrictAnonymous),
    ("no-autoplay-non-volume", HostCheck::NoAutoplayNonVolume),
    ("no-autorun", HostCheck::NoAutorun),
    ("no-drive-type-autorun", HostCheck::NoDriveTypeAutorun),
    ("act-as-system", HostCheck::ActAsSystem),
    ("always-install-elevated", HostCheck::AlwaysInstallElevated),
    ("loopback-free", HostCheck::LoopbackFree),
    ("restarted", HostCheck::Restarted),
    ("ltshare-everyone", HostCheck::LtshareEveryone),
    ("ltshare-pools", HostCheck::LtsharePools),
    ("session-manager-local", HostCheck::SessionManagerLocal),
    ("impersonate", HostCheck::Impersonate),
    ("primary-token", HostCheck::PrimaryToken),
    ("network-logon", HostCheck::NetworkLogon),
    ("memory-quota", HostCheck::MemoryQuota),
    ("batch-logon", HostCheck::BatchLogon),
    ("service-logon", HostCheck::ServiceLogon),
];

/// When a rule concerns a target at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnlyWhen {
    /// The Control server is at this host.
    ControlHere,
    /// The Control server is in the vendor's cloud.
    ControlCloud,
}

/// A rule: what must hold for an item to pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Every port is open.
    Reachable {
        /// The ports.
        ports: Vec<Ports>,
        /// What must answer there.
        answers_as: Option<AnswersAs>,
    },
    /// No port is open.
    Unreachable {
        /// The ports.
        ports: Vec<Ports>,
        /// Open ports are a declared exception where redirectors are used.
        unless_redirectors: bool,
        /// The range grows to four ports per technician.
        grows_with_technicians: bool,
        /// A member of Active Directory may have them open towards its own network.
        inside_active_directory: bool,
        /// Only this product's answer makes an open port a failure.
        product: Option<Product>,
    },
    /// Nothing but these ports is open.
    OnlyTheseOpen {
        /// The ports.
        ports: Vec<Ports>,
    },
    /// None of these versions is accepted on any TLS port.
    TlsRefused {
        /// The versions.
        versions: Vec<TlsVersion>,
    },
    /// No suite with any of these weaknesses is accepted on any TLS port.
    SuitesRefused {
        /// The weaknesses.
        weaknesses: Vec<Weakness>,
    },
    /// None of these header fields is sent on any web port.
    HeaderAbsent {
        /// The fields' names.
        headers: Vec<String>,
        /// Ports where these products answer are left out.
        skip_products: Vec<Product>,
    },
    /// The method is denied on every web port.
    MethodDenied {
        /// The method.
        method: Method,
        /// Ports where these products answer are left out.
        skip_products: Vec<Product>,
    },
    /// A request without Host gets no Server header.
    HostlessHeaderAbsent {
        /// Ports where these products answer are left out.
        skip_products: Vec<Product>,
    },
    /// A request without Host gets no internal address or name.
    HostlessAddressHidden {
        /// Ports where these products answer are left out.
        skip_products: Vec<Product>,
    },
    /// http.sys answers a malformed request without its Server header.
    HttpSysSilent,
    /// HTTPS is served on these ports.
    HttpsServed {
        /// The ports.
        ports: Vec<Ports>,
    },
    /// The certificate on these ports is valid and trusted.
    CertificateValid {
        /// The ports.
        ports: Vec<Ports>,
    },
    /// The product is of this version or later.
    VersionAtLeast {
        /// The product.
        product: Product,
        /// The version.
        version: Version,
    },
    /// The product's version is not among those known to be attacked.
    NotKnownExploited {
        /// The product.
        product: Product,
    },
    /// The product does not answer without TLS.
    ProductNotOverHttp {
        /// The product.
        product: Product,
    },
    /// None of these protocols answers on any port that was asked.
    ServiceAbsent {
        /// The protocols.
        services: Vec<Protocol>,
    },
    /// RDP insists on network level authentication.
    RdpNla,
    /// SMB 1 is not answered.
    Smb1Refused,
    /// Only evidence or a person can tell.
    Needs {
        /// Which.
        source: Source,
        /// What would answer it.
        by: String,
        /// How the judge reads evidence from the host, where it can.
        evidence: Option<HostCheck>,
    },
    /// The recommendation cannot concern such a target.
    NotApplicable {
        /// Why.
        because: String,
    },
}

impl Rule {
    /// What the rule asks for, in words.
    pub fn describe(&self) -> String {
        let list = |ports: &[Ports]| ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Self::Reachable { ports, .. } => format!("{} reachable", list(ports)),
            Self::Unreachable { ports, .. } => format!("{} not reachable", list(ports)),
            Self::OnlyTheseOpen { ports } => format!("nothing open but {}", list(ports)),
            Self::TlsRefused { versions } => {
                let versions: Vec<String> = versions.iter().map(ToString::to_string).collect();
                format!("{} not accepted on any TLS port", versions.join(", "))
            }
            Self::SuitesRefused { weaknesses } => {
                let words: Vec<&str> = weaknesses.iter().map(|weakness| weakness.words()).collect();
                format!("no suite with {} accepted on any TLS port", words.join(", "))
            }
            Self::HeaderAbsent { headers, .. } => format!("no header {} in any answer", headers.join(", ")),
            Self::MethodDenied { method: Method::Options, .. } => "OPTIONS denied".to_owned(),
            Self::MethodDenied { method: Method::Trace, .. } => "TRACE denied".to_owned(),
            Self::HostlessHeaderAbsent { .. } => "no Server header on an HTTP/1.0 request without Host".to_owned(),
            Self::HostlessAddressHidden { .. } => "no internal address on an HTTP/1.0 request without Host".to_owned(),
            Self::HttpSysSilent => "http.sys does not name itself on a malformed request".to_owned(),
            Self::HttpsServed { ports } => format!("HTTPS served on {}", list(ports)),
            Self::CertificateValid { ports } => format!("valid, trusted certificate on {}", list(ports)),
            Self::VersionAtLeast { product, version } => format!("{product} {version} or later"),
            Self::NotKnownExploited { product } => format!("{product} {NOT_ATTACKED}"),
            Self::ProductNotOverHttp { product } => format!("{product} does not answer without TLS"),
            Self::ServiceAbsent { services } => {
                let names = services.iter().filter_map(|service| PROTOCOLS.iter().find(|(_, known)| known == service));
                format!("no {} on any port asked", names.map(|(name, _)| *name).collect::<Vec<_>>().join(", "))
            }
            Self::RdpNla => "RDP enforces network level authentication".to_owned(),
            Self::Smb1Refused => "SMB 1 refused".to_owned(),
            Self::Needs { source: Source::Evidence, .. } => "evidence from the host".to_owned(),
            Self::Needs { source: Source::Attestation, .. } => "attestation by a person".to_owned(),
            Self::NotApplicable { .. } => "does not concern such a server".to_owned(),
        }
    }

    /// The ports that the rule names, as the guides number them.
    pub fn ports(&self) -> &[Ports] {
        match self {
            Self::Reachable { ports, .. }
            | Self::Unreachable { ports, .. }
            | Self::OnlyTheseOpen { ports }
            | Self::HttpsServed { ports }
            | Self::CertificateValid { ports } => ports,
            _ => &[],
        }
    }

    /// Whether the rule asks the network at all.
    pub fn asks(&self) -> bool {
        !matches!(self, Self::Needs { .. } | Self::NotApplicable { .. })
    }
}

/// A rule as written. One flat table, so that every mistake can be named where it stands.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(super) struct RawRule {
    check: Spanned<String>,
    ports: Option<Spanned<Vec<Spanned<String>>>>,
    answers_as: Option<Spanned<String>>,
    exception: Option<Spanned<String>>,
    grows: Option<Spanned<String>>,
    inside: Option<Spanned<String>>,
    product: Option<Spanned<String>>,
    versions: Option<Spanned<Vec<Spanned<String>>>>,
    weaknesses: Option<Spanned<Vec<Spanned<String>>>>,
    headers: Option<Spanned<Vec<Spanned<String>>>>,
    skip_products: Option<Spanned<Vec<Spanned<String>>>>,
    method: Option<Spanned<String>>,
    version: Option<Spanned<String>>,
    services: Option<Spanned<Vec<Spanned<String>>>>,
    source: Option<Spanned<String>>,
    by: Option<Spanned<String>>,
    evidence: Option<Spanned<String>>,
    because: Option<Spanned<String>>,
    only_when: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) example: Vec<super::example::RawExample>,
}

const CHECKS: [&str; 20] = [
    "reachable",
    "unreachable",
    "only-these-open",
    "tls-refused",
    "suites-refused",
    "header-absent",
    "method-denied",
    "hostless-header-absent",
    "hostless-address-hidden",
    "http-sys-silent",
    "https-served",
    "certificate-valid",
    "version-at-least",
    "not-known-exploited",
    "product-not-over-http",
    "service-absent",
    "rdp-nla",
    "smb1-refused",
    "needs",
    "not-applicable",
];

const ANSWERS: [(&str, AnswersAs); 5] = [
    ("automate", AnswersAs::Product(Product::Automate)),
    ("screenconnect", AnswersAs::Product(Product::ScreenConnect)),
    ("endpoint-central", AnswersAs::Product(Product::EndpointCentral)),
    ("https", AnswersAs::Https),
    ("raw", AnswersAs::Raw),
];

impl RawRule {
    pub(super) fn span(&self) -> Range<usize> {
        self.check.span()
    }

    /// The rule, with what is wrong with it noted in `reader`.
    pub(super) fn read(self, reader: &mut Reader<'_>) -> Option<(Rule, Option<OnlyWhen>)> {
        let names = CHECKS.map(|name| (name, name));
        let check = reader.choose("a check", &self.check, &names)?;
        let only_when = self.only_when.as_ref().and_then(|value| {
            let known = [("control-here", OnlyWhen::ControlHere), ("control-cloud", OnlyWhen::ControlCloud)];
            reader.choose("a condition", value, &known)
        });
        let before = reader.found.len();
        let mut fields = Fields { reader, check, span: self.check.span() };
        let rule = match check {
            "reachable" => Rule::Reachable {
                ports: fields.ports(self.ports)?,
                answers_as: fields.optional(self.answers_as, "an answer", &ANSWERS),
            },
            "unreachable" => Rule::Unreachable {
                ports: fields.ports(self.ports)?,
                unless_redirectors: fields.flag(self.exception, "redirectors"),
                grows_with_technicians: fields.flag(self.grows, "technicians"),
                inside_active_directory: fields.flag(self.inside, "active-directory"),
                product: fields.optional(self.product, "a product", &PRODUCTS),
            },
            "only-these-open" => Rule::OnlyTheseOpen { ports: fields.ports(self.ports)? },
            "tls-refused" => {
                Rule::TlsRefused { versions: fields.list(self.versions, "versions", "a TLS version", &TLS_VERSIONS)? }
            }
            "suites-refused" => {
                let known = Weakness::ALL.map(|weakness| (weakness.as_str(), weakness));
                Rule::SuitesRefused { weaknesses: fields.list(self.weaknesses, "weaknesses", "a weakness", &known)? }
            }
            "header-absent" => Rule::HeaderAbsent {
                headers: fields.headers(self.headers)?,
                skip_products: fields.skip(self.skip_products),
            },
            "method-denied" => Rule::MethodDenied {
                method: fields.one(
                    self.method,
                    "method",
                    "a method",
                    &[("OPTIONS", Method::Options), ("TRACE", Method::Trace)],
                )?,
                skip_products: fields.skip(self.skip_products),
            },
            "hostless-header-absent" => Rule::HostlessHeaderAbsent { skip_products: fields.skip(self.skip_products) },
            "hostless-address-hidden" => Rule::HostlessAddressHidden { skip_products: fields.skip(self.skip_products) },
            "http-sys-silent" => Rule::HttpSysSilent,
            "https-served" => Rule::HttpsServed { ports: fields.ports(self.ports)? },
            "certificate-valid" => Rule::CertificateValid { ports: fields.ports(self.ports)? },
            "version-at-least" => Rule::VersionAtLeast {
                product: fields.one(self.product, "product", "a product", &PRODUCTS)?,
                version: fields.version(self.version)?,
            },
            "not-known-exploited" => {
                Rule::NotKnownExploited { product: fields.one(self.product, "product", "a product", &PRODUCTS)? }
            }
            "product-not-over-http" => {
                Rule::ProductNotOverHttp { product: fields.one(self.product, "product", "a product", &PRODUCTS)? }
            }
            "service-absent" => {
                Rule::ServiceAbsent { services: fields.list(self.services, "services", "a service", &PROTOCOLS)? }
            }
            "rdp-nla" => Rule::RdpNla,
            "smb1-refused" => Rule::Smb1Refused,
            "needs" => {
                let sources = [("evidence", Source::Evidence), ("attestation", Source::Attestation)];
                Rule::Needs {
                    source: fields.one(self.source, "source", "a source", &sources)?,
                    by: fields.text(self.by, "by")?,
                    evidence: fields.optional(self.evidence, "a check of evidence", &HOST_CHECKS),
                }
            }
            _ => Rule::NotApplicable { because: fields.text(self.because, "because")? },
        };
        (reader.found.len() == before).then_some((rule, only_when))
    }

    /// Keys that were written and that this check does not know.
    pub(super) fn refuse_strangers(&self, reader: &mut Reader<'_>) {
        let known: &[&str] = match self.check.get_ref().as_str() {
            "reachable" => &["ports", "answers_as"],
            "unreachable" => &["ports", "exception", "grows", "inside", "product"],
            "only-these-open" | "https-served" | "certificate-valid" => &["ports"],
            "tls-refused" => &["versions"],
            "suites-refused" => &["weaknesses"],
            "header-absent" => &["headers", "skip_products"],
            "method-denied" => &["method", "skip_products"],
            "hostless-header-absent" | "hostless-address-hidden" => &["skip_products"],
            "version-at-least" => &["product", "version"],
            "not-known-exploited" | "product-not-over-http" => &["product"],
            "service-absent" => &["services"],
            "needs" => &["source", "by", "evidence"],
            "not-applicable" => &["because"],
            _ => &[],
        };
        let written = [
            ("ports", self.ports.as_ref().map(Spanned::span)),
            ("answers_as", self.answers_as.as_ref().map(Spanned::span)),
            ("exception", self.exception.as_ref().map(Spanned::span)),
            ("grows", self.grows.as_ref().map(Spanned::span)),
            ("inside", self.inside.as_ref().map(Spanned::span)),
            ("product", self.product.as_ref().map(Spanned::span)),
            ("versions", self.versions.as_ref().map(Spanned::span)),
            ("weaknesses", self.weaknesses.as_ref().map(Spanned::span)),
            ("headers", self.headers.as_ref().map(Spanned::span)),
            ("skip_products", self.skip_products.as_ref().map(Spanned::span)),
            ("method", self.method.as_ref().map(Spanned::span)),
            ("version", self.version.as_ref().map(Spanned::span)),
            ("services", self.services.as_ref().map(Spanned::span)),
            ("source", self.source.as_ref().map(Spanned::span)),
            ("by", self.by.as_ref().map(Spanned::span)),
            ("evidence", self.evidence.as_ref().map(Spanned::span)),
            ("because", self.because.as_ref().map(Spanned::span)),
        ];
        for (key, span) in written {
            if let Some(span) = span.filter(|_| !known.contains(&key)) {
                let check = self.check.get_ref();
                reader.wrong(span, &format!("the check `{check}` has no `{key}`"), None);
            }
        }
    }
}

/// Reads the fields of one rule.
struct Fields<'r, 'a> {
    reader: &'r mut Reader<'a>,
    check: &'static str,
    span: Range<usize>,
}

impl Fields<'_, '_> {
    fn missing(&mut self, key: &str) {
        let message = format!("the check `{}` needs `{key}`", self.check);
        self.reader.wrong(self.span.clone(), &message, None);
    }

    fn required<T>(&mut self, value: Option<T>, key: &str) -> Option<T> {
        if value.is_none() {
            self.missing(key);
        }
        value
    }

    fn filled(&mut self, value: Option<Spanned<Vec<Spanned<String>>>>, key: &str) -> Option<Vec<Spanned<String>>> {
        let value = self.required(value, key)?;
        if value.get_ref().is_empty() {
            self.reader.wrong(value.span(), &format!("`{key}` is empty"), None);
            return None;
        }
        Some(value.into_inner())
    }

    fn ports(&mut self, value: Option<Spanned<Vec<Spanned<String>>>>) -> Option<Vec<Ports>> {
        let texts = self.filled(value, "ports")?;
        texts.iter().map(|text| self.reader.read(text, str::parse::<Ports>)).collect()
    }

    fn list<T: Copy>(
        &mut self,
        value: Option<Spanned<Vec<Spanned<String>>>>,
        key: &str,
        what: &str,
        known: &[(&'static str, T)],
    ) -> Option<Vec<T>> {
        let texts = self.filled(value, key)?;
        texts.iter().map(|text| self.reader.choose(what, text, known)).collect()
    }

    fn skip(&mut self, value: Option<Spanned<Vec<Spanned<String>>>>) -> Vec<Product> {
        let texts = value.map(Spanned::into_inner).unwrap_or_default();
        texts.iter().filter_map(|text| self.reader.choose("a product", text, &PRODUCTS)).collect()
    }

    fn headers(&mut self, value: Option<Spanned<Vec<Spanned<String>>>>) -> Option<Vec<String>> {
        let texts = self.filled(value, "headers")?;
        for text in &texts {
            // RFC 9110, section 5.6.2: a field name is a token.
            let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
            if text.get_ref().is_empty() || !text.get_ref().bytes().all(token) {
                self.reader.wrong(text.span(), "this is not the name of a header field", None);
            }
        }
        Some(texts.into_iter().map(Spanned::into_inner).collect())
    }

    fn one<T: Copy>(
        &mut self,
        value: Option<Spanned<String>>,
        key: &str,
        what: &str,
        known: &[(&'static str, T)],
    ) -> Option<T> {
        let value = self.required(value, key)?;
        self.reader.choose(what, &value, known)
    }

    fn optional<T: Copy>(
        &mut self,
        value: Option<Spanned<String>>,
        what: &str,
        known: &[(&'static str, T)],
    ) -> Option<T> {
        value.and_then(|value| self.reader.choose(what, &value, known))
    }

    fn flag(&mut self, value: Option<Spanned<String>>, known: &'static str) -> bool {
        value.and_then(|value| self.reader.choose("known here", &value, &[(known, ())])).is_some()
    }

    fn version(&mut self, value: Option<Spanned<String>>) -> Option<Version> {
        let value = self.required(value, "version")?;
        let parse =
            |text: &str| Version::parse(text).ok_or_else(|| format!("`{text}` is not a dotted version such as 23.9.8"));
        self.reader.read(&value, parse)
    }

    fn text(&mut self, value: Option<Spanned<String>>, key: &str) -> Option<String> {
        let value = self.required(value, key)?;
        self.reader.require_text(key, &value);
        Some(value.into_inner())
    }
}
