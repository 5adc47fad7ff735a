//! Examples of rules: what was seen, and which verdict must follow. Every rule carries some, and they are run.
//!
//! An observation is written as one line, such as `tcp/443 tls1.0 accepted`; the forms are listed in the catalogs'
//! README.

use super::rule::{PRODUCTS, TLS_VERSIONS};
use super::toml_file::Reader;
use crate::model::certificate::{
    ChainFact, ChainProblem, OcspAge, OcspAnswer, OcspSignature, OcspStatus, Staple, Transparency,
};
use crate::model::fact::{Fact, PortFact, PortReason, PortState};
use crate::model::http::{Header, HttpAnswer, Request, Scheme, WebPath};
use crate::model::observation::{Attempt, Blame, Cause, Failure, Stage};
use crate::model::peer_text::PeerText;
use crate::model::ports::{Ports, Transport};
use crate::model::question::Question;
use crate::model::service::{Identified, Product, Service, Version};
use crate::model::suites::{SuiteOrder, SuitesFact, VersionSuites};
use crate::model::target::{ControlServer, Role};
use crate::model::tls::{CertificateFact, TlsAnswer, TlsPreface, TlsVersion, Trust};
use crate::model::udp::Rationed;
use crate::model::verdict::Verdict;
use crate::model::witness::{NotHeld, Proof, ToldBy, WitnessFact};
use serde::Deserialize;
use std::collections::BTreeSet;
use toml::Spanned;

/// What an example says of the target. What it does not say is not declared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Given {
    /// Joined to Active Directory.
    pub active_directory: Option<bool>,
    /// How many technicians.
    pub technicians: Option<u32>,
    /// Redirectors in use.
    pub redirectors: Option<bool>,
    /// Database on a machine of its own.
    pub split_database: Option<bool>,
    /// Where Control is.
    pub control: Option<ControlServer>,
    /// Ports that are meant to be open.
    pub expected: Vec<Ports>,
    /// Roles, where they are not the item's.
    pub roles: BTreeSet<Role>,
}

/// Something seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// An answer, or a failure to get one.
    Observation(Question, Box<Attempt>),
    /// Decoy ports open.
    DecoysOpen,
    /// Decoy ports open that answer like services.
    DecoysSpeak,
    /// The target stopped answering.
    StoppedAnswering,
    /// Nothing at the address answered.
    SilentHost,
    /// The address is private.
    Inside,
}

/// An example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The line of the catalog where its verdict stands.
    pub line: usize,
    /// The target.
    pub given: Given,
    /// What is seen.
    pub seen: Vec<Seen>,
    /// The verdict that must follow.
    pub verdict: Verdict,
}

/// An example as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExample {
    #[serde(default)]
    given: Given,
    seen: Vec<Spanned<String>>,
    verdict: Spanned<String>,
}

impl RawExample {
    pub(super) fn read(self, reader: &mut Reader<'_>) -> Option<Example> {
        let names = Verdict::ALL.map(|verdict| (verdict.as_str(), verdict));
        let verdict = reader.choose("a verdict", &self.verdict, &names);
        let seen: Option<Vec<Seen>> = self.seen.iter().map(|text| reader.read(text, parse_seen)).collect();
        let before = reader.text.get(..self.verdict.span().start).unwrap_or_default();
        Some(Example { line: before.matches('\n').count() + 1, given: self.given, seen: seen?, verdict: verdict? })
    }
}

/// Reads one observation.
pub fn parse_seen(text: &str) -> Result<Seen, String> {
    match text.trim() {
        "decoys open" => return Ok(Seen::DecoysOpen),
        "decoys speak" => return Ok(Seen::DecoysSpeak),
        "stopped answering" => return Ok(Seen::StoppedAnswering),
        "silent host" => return Ok(Seen::SilentHost),
        "inside" => return Ok(Seen::Inside),
        _ => {}
    }
    let (ports, said) = text.trim().split_once(' ').ok_or_else(|| format!("`{text}` does not say what was seen"))?;
    let ports: Ports = ports.parse().map_err(|error| format!("{error}"))?;
    if let Some(fact) = port_fact(ports.transport(), said) {
        return Ok(seen(Question::Port { ports }, Fact::Port(fact)));
    }
    if let Some(word) = said.strip_prefix("witness ") {
        return witness(ports, word.trim()).ok_or_else(|| format!("`{word}` is nothing that a witness proves"));
    }
    if ports.count() != 1 || ports.transport() != Transport::Tcp {
        return Err(format!("`{said}` is not a port state"));
    }
    about_tcp(ports.first(), said).ok_or_else(|| format!("`{said}` is no observation that is known"))
}

fn seen(question: Question, fact: Fact) -> Seen {
    Seen::Observation(question, Box::new(Attempt::Answered { fact }))
}

/// What a witness behind the firewall proves of ports.
fn witness(ports: Ports, word: &str) -> Option<Seen> {
    let proof = match word {
        "passed" => Proof::Passed,
        "blocked" => Proof::Blocked,
        "answered-by-another" => Proof::AnsweredByAnother,
        "arrived-elsewhere" => Proof::ArrivedElsewhere { at: 4444 },
        "altered" => Proof::Altered,
        "answer-lost" => Proof::AnswerLost,
        "not-held" => Proof::NotHeld { because: NotHeld::Occupied },
        "unknown" => return Some(timed_out(Question::Witness { ports })),
        _ => return None,
    };
    let (arrived, answered) = (u32::from(proof.lets_in()) * 4, u32::from(proof == Proof::Passed) * 4);
    let fact =
        WitnessFact { proof, sent: 4, arrived, answered, source: None, destination: None, told_by: ToldBy::Account };
    Some(seen(Question::Witness { ports }, Fact::Witness(fact)))
}

fn timed_out(question: Question) -> Seen {
    let failure = Failure { stage: Stage::Response, blame: Blame::Peer, cause: Cause::TimedOut { allowed_ms: 3000 } };
    Seen::Observation(question, Box::new(Attempt::Failed { failure }))
}

fn port_fact(transport: Transport, said: &str) -> Option<PortFact> {
    let (state, reason) = match (transport, said) {
        (Transport::Tcp, "open") => (PortState::Open, PortReason::HandshakeCompleted),
        (Transport::Udp, "open") => {
            (PortState::Open, PortReason::Datagram { length: 4, first_bytes: PeerText::new("data", 9), speaks: None })
        }
        (Transport::Tcp, "closed") => (PortState::Closed, PortReason::Reset),
        (Transport::Udp, "closed") => (PortState::Closed, PortReason::Icmp { v6: false, kind: 3, code: 3 }),
        (_, "rejected") => (PortState::Rejected, PortReason::Icmp { v6: false, kind: 3, code: 13 }),
        (Transport::Tcp, "filtered") => (PortState::Filtered, PortReason::Silence),
        (Transport::Udp, "open-or-filtered") => (PortState::OpenOrFiltered, PortReason::Silence),
        (Transport::Udp, "silent-among-refusals") => {
            (PortState::OpenOrFiltered, PortReason::SilentAmongRefusals { refusals: 12, tries: 3 })
        }
        (Transport::Udp, "rationed") => {
            let rationed = Rationed { answered: 6, asked: 58, undecided: 52, interval_ms: Some(1000) };
            (PortState::OpenOrFiltered, PortReason::Rationed(rationed))
        }
        (_, "unstable") => {
            (PortState::Unstable, PortReason::Disagreement { tries: vec![PortState::Open, PortState::Closed] })
        }
        _ => return None,
    };
    Some(PortFact { state, reason, sender: None })
}

fn about_tcp(port: u16, said: &str) -> Option<Seen> {
    let mut words = said.split_whitespace();
    let (topic, rest) = (words.next()?, words.collect::<Vec<_>>());
    if let Some((_, version)) = TLS_VERSIONS.iter().find(|(name, _)| *name == topic) {
        return tls(port, *version, &rest);
    }
    match (topic, rest.as_slice()) {
        ("service", [name]) => {
            let (service, tls) = service(name)?;
            Some(seen(Question::service(port), Fact::Service { service, tls }))
        }
        ("product", ["none"]) => Some(seen(Question::Products { port }, Fact::Products { products: Vec::new() })),
        ("product", [name]) => Some(product(port, name, None)?),
        ("product", [name, version]) => Some(product(port, name, Some(Version::parse(version)?))?),
        ("certificate", [kind]) => {
            let fact = Fact::Certificate(Box::new(certificate(kind)?));
            Some(seen(Question::Certificate { port, sni: true }, fact))
        }
        ("suites", numbers) => suites(port, numbers),
        ("nla", [state @ ("enforced" | "off")]) => {
            Some(seen(Question::RdpNla { port }, Fact::RdpNla { enforced: *state == "enforced", code: 5 }))
        }
        ("smb1", [state @ ("answered" | "refused")]) => {
            Some(seen(Question::Smb1 { port }, Fact::Smb1 { answered: *state == "answered" }))
        }
        _ => http(port, said),
    }
}

fn tls(port: u16, version: TlsVersion, rest: &[&str]) -> Option<Seen> {
    let (rest, sni) = match rest {
        [rest @ .., "without-sni"] => (rest, false),
        rest => (rest, true),
    };
    let question = Question::TlsVersion { port, version, sni };
    let answer = match rest {
        ["accepted"] => TlsAnswer::Accepted { suite: 0xc014 },
        ["refused"] => TlsAnswer::Reset,
        ["alert", number] => TlsAnswer::Alert { description: number.parse().ok()? },
        ["timeout"] => return Some(timed_out(question)),
        _ => return None,
    };
    Some(seen(question, Fact::Tls { answer }))
}

/// Suites of TLS 1.2, with the numbers of the registry; `incomplete` behind them where there may be more.
fn suites(port: u16, numbers: &[&str]) -> Option<Seen> {
    let question = Question::Suites { port, sni: true };
    let (numbers, incomplete) = match numbers {
        ["timeout"] => return Some(timed_out(question)),
        [numbers @ .., "incomplete"] => (numbers, Some("some hellos are not answered".to_owned())),
        numbers => (numbers, None),
    };
    let suites: Option<Vec<u32>> = numbers.iter().map(|number| u32::from_str_radix(number, 16).ok()).collect();
    let version = VersionSuites {
        version: TlsVersion::Tls12,
        sni: true,
        suites: suites.filter(|suites| !suites.is_empty())?,
        order: SuiteOrder::Client,
        incomplete,
        groups: Vec::new(),
        groups_incomplete: None,
        dh_bits: Vec::new(),
        dh_incomplete: None,
    };
    Some(seen(question, Fact::Suites(SuitesFact { versions: vec![version], unsettled: Vec::new() })))
}

fn service(name: &str) -> Option<(Service, Option<TlsPreface>)> {
    let first_bytes = PeerText::new("hello", 9);
    let version = Some(PeerText::new("5.7.30", 9));
    Some(match name {
        "http" => (Service::Http, None),
        "https" => (Service::Https, Some(TlsPreface::Direct)),
        "tls" => (Service::Tls { inside: PeerText::default() }, Some(TlsPreface::Direct)),
        "mysql" => (Service::MySql { version, refused: None, tls: false }, None),
        "mysqlx" => (Service::MySqlX, None),
        "rdp" => (Service::Rdp { selected: Some(2), failure: None }, Some(TlsPreface::Rdp)),
        "smb" => (Service::Smb { dialect: Some(0x0302) }, None),
        "netbios" => (Service::NetBios { answer: 0x82 }, None),
        "msrpc" => (Service::MsRpc { answer: 12 }, None),
        "redirector" => (Service::AutomateRedirector, None),
        "ssh" => (Service::Ssh { banner: PeerText::new("SSH-2.0-OpenSSH_9.2", 40) }, None),
        "silent" => (Service::Silent, None),
        "unknown" => (Service::Unknown { first_bytes }, None),
        _ => return None,
    })
}

fn product(port: u16, name: &str, version: Option<Version>) -> Option<Seen> {
    let (_, product) = PRODUCTS.iter().find(|(known, _)| *known == name)?;
    let path = match product {
        Product::Automate => WebPath::AutomateAgent,
        Product::ScreenConnect => WebPath::ScreenConnectScript,
        Product::EndpointCentral => WebPath::EndpointCentralConfigurations,
        Product::Iis => WebPath::Root,
    };
    let evidence = PeerText::new(name, 40);
    let products = vec![Identified { product: *product, version, evidence, path }];
    Some(seen(Question::Products { port }, Fact::Products { products }))
}

/// A certificate of the kind that an example names.
pub(crate) fn certificate(kind: &str) -> Option<CertificateFact> {
    let sound = CertificateFact {
        subject: PeerText::new("CN=rmm.example", 99),
        issuer: PeerText::new("CN=Example CA", 99),
        names: vec![PeerText::new("rmm.example", 99)],
        serial: "01".to_owned(),
        sha256: "00".repeat(32),
        not_before: "2026-01-01T00:00:00Z".to_owned(),
        not_after: "2027-01-01T00:00:00Z".to_owned(),
        days_left: 90,
        not_yet_valid: false,
        self_signed: false,
        key: "RSA 2048".to_owned(),
        weak_key: false,
        signature: "sha256WithRSAEncryption".to_owned(),
        weak_signature: false,
        chain_length: 2,
        checked_name: "rmm.example".to_owned(),
        name_matches: true,
        trust: Trust::Trusted,
        negotiated: 0x0303,
        chain: ChainFact::default(),
        transparency: Transparency { embedded: Some(0), stapled: 0 },
        staple: Staple::None,
        must_staple: false,
    };
    let text = || PeerText::new("CN=Example CA", 99);
    let chain = |problem| ChainFact { problems: vec![problem], ..ChainFact::default() };
    let broken = |problem| CertificateFact {
        trust: Trust::Untrusted { reason: PeerText::new("unknown issuer", 99) },
        chain: chain(problem),
        ..sound.clone()
    };
    let stapled = |status| {
        Staple::Answer(OcspAnswer {
            status,
            this_update: "2026-01-01T00:00:00Z".to_owned(),
            next_update: None,
            age: OcspAge::Current,
            about_this: true,
            signature: OcspSignature::Valid,
        })
    };
    let not_after = || "2025-12-01T00:00:00Z".to_owned();
    let untrusted = |reason: &str| Trust::Untrusted { reason: PeerText::new(reason, 99) };
    Some(match kind {
        "trusted" => sound,
        "self-signed" => CertificateFact { self_signed: true, trust: untrusted("unknown issuer"), ..sound },
        "expired" => CertificateFact { days_left: -3, trust: untrusted("expired"), ..sound },
        "not-yet-valid" => CertificateFact { not_yet_valid: true, trust: untrusted("not valid yet"), ..sound },
        "wrong-name" => CertificateFact { name_matches: false, ..sound },
        "untrusted" => CertificateFact { trust: untrusted("unknown issuer"), ..sound },
        "incomplete" => broken(ChainProblem::Incomplete { missing: text() }),
        "unknown-authority" => broken(ChainProblem::UnknownAuthority { authority: text() }),
        "private-root" => broken(ChainProblem::SelfSignedAuthority { authority: text() }),
        "issuer-not-sent" => broken(ChainProblem::IssuerNotSent { issuer: text() }),
        "expired-intermediate" => {
            broken(ChainProblem::Expired { position: 1, subject: text(), not_after: not_after() })
        }
        "revoked" => {
            let status = OcspStatus::Revoked { at: not_after(), reason: Some(1) };
            CertificateFact { staple: stapled(status), ..sound }
        }
        "unknown-to-authority" => CertificateFact { staple: stapled(OcspStatus::Unknown), ..sound },
        "good-staple" => CertificateFact { staple: stapled(OcspStatus::Good), must_staple: true, ..sound },
        "staple-missing" => CertificateFact { must_staple: true, ..sound },
        "weak-key" => CertificateFact { weak_key: true, key: "RSA 1024".to_owned(), ..sound },
        _ => return None,
    })
}

/// `GET / 200 Server: x | X-Powered-By: y`, `NOHOST 400`, `HOSTLESS /aspnet_client timeout`.
fn http(port: u16, said: &str) -> Option<Seen> {
    let (method, rest) = said.split_once(' ')?;
    let (request, rest) = if method == "NOHOST" {
        (Request::MissingHost, rest)
    } else {
        let (path, rest) = rest.split_once(' ')?;
        let path = WebPath::ALL.into_iter().find(|known| known.as_str() == path)?;
        let request = match method {
            "GET" => Request::Get(path),
            "OPTIONS" => Request::Options(path),
            "TRACE" => Request::Trace(path),
            "HOSTLESS" => Request::HostlessHead(path),
            _ => return None,
        };
        (request, rest)
    };
    let question = Question::Http { port, request };
    let (status, fields) = rest.split_once(' ').unwrap_or((rest, ""));
    if status == "timeout" {
        return Some(timed_out(question));
    }
    let headers: Option<Vec<Header>> = fields
        .split(" | ")
        .filter(|field| !field.is_empty())
        .map(|field| {
            let (name, value) = field.split_once(':')?;
            Some(Header { name: PeerText::new(name.trim(), 99), value: PeerText::new(value.trim(), 999) })
        })
        .collect();
    let echo = matches!(request, Request::Trace(_)) && status == "200";
    let answer = HttpAnswer {
        scheme: Scheme::Https,
        status: status.parse().ok().filter(|status| (100..600).contains(status))?,
        minor_version: 1,
        reason: PeerText::default(),
        headers: headers?,
        body_start: PeerText::new(if echo { "TRACE / HTTP/1.1" } else { "" }, 99),
    };
    Some(seen(question, Fact::Http(Box::new(answer))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_form_of_the_notation_is_read() {
        for text in [
            "tcp/443 open",
            "udp/40000-41000 open-or-filtered",
            "tcp/443 service https",
            "tcp/443 tls1.0 accepted",
            "tcp/443 tls1.0 alert 70",
            "tcp/443 tls1.3 timeout without-sni",
            "tcp/443 GET / 200 Server: Microsoft-IIS/10.0 | X-Powered-By: ASP.NET",
            "tcp/443 HOSTLESS /aspnet_client 301 Location: https://10.0.0.4/aspnet_client/",
            "tcp/443 NOHOST 400 Server: Microsoft-HTTPAPI/2.0",
            "tcp/443 OPTIONS / timeout",
            "tcp/443 certificate self-signed",
            "tcp/8040 product screenconnect 25.8.1",
            "tcp/443 product none",
            "tcp/3389 nla off",
            "tcp/445 smb1 answered",
            "decoys open",
        ] {
            assert!(parse_seen(text).is_ok(), "{text}: {:?}", parse_seen(text));
        }
        for text in ["tcp/443", "tcp/443 opened", "udp/53 filtered", "tcp/1-2 service http", "tcp/443 GET /evil 200"] {
            assert!(parse_seen(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "(tcp|udp)/[0-9-]{1,7} .{0,40}|.{0,40}") {
            let _ = parse_seen(&text);
        }
    }
}
