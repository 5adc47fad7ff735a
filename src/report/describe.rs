//! Observations in words, one sentence each, the same in every report.

use super::{certificate, proof, suites};
use crate::model::fact::{Fact, PortFact, PortReason};
use crate::model::http::{HttpAnswer, Request};
use crate::model::observation::{Attempt, Blame, Observation};
use crate::model::ports::Ports;
use crate::model::question::Question;
use crate::model::service::{Identified, Service};
use crate::model::tls::{TlsAnswer, TlsPreface, TlsVersion};
use crate::wire::tls;
use std::fmt::Write as _;

/// Headers that tell what a server is or does; the others are noise to a reader.
const TELLING_HEADERS: [&str; 11] = [
    "Server",
    "X-Powered-By",
    "X-AspNet-Version",
    "X-AspNetMvc-Version",
    "Via",
    "Allow",
    "Public",
    "DAV",
    "Location",
    "WWW-Authenticate",
    "Strict-Transport-Security",
];

/// What came of an observation, in one sentence without a full stop.
pub fn describe(observation: &Observation) -> String {
    match &observation.attempt {
        Attempt::Answered { fact } => describe_fact(observation, fact),
        Attempt::Failed { failure } => {
            let fault = match failure.blame {
                Blame::Bug => failure.blame.to_string(),
                Blame::Peer | Blame::Path | Blame::Ourselves => format!("fault of {}", failure.blame),
            };
            let (question, cause, stage) = (observation.question, &failure.cause, failure.stage);
            format!("{question}: no usable answer, {cause} ({stage}; {fault})")
        }
        Attempt::Skipped { skip } => format!("{}: not asked, because {skip}", observation.question),
    }
}

fn describe_fact(observation: &Observation, fact: &Fact) -> String {
    let question = observation.question;
    let on = match question {
        Question::Service { ports } if ports.count() > 1 => format!("each of {ports}"),
        other => format!("tcp/{}", other.port()),
    };
    match fact {
        Fact::Port(fact) => describe_port(question, fact),
        Fact::Service { service, tls } => describe_service(&on, service, *tls),
        Fact::Tls { answer } => describe_tls(&on, question, answer),
        Fact::Certificate(fact) => certificate::describe(&on, question, fact),
        Fact::Suites(fact) => suites::describe(&on, question, fact),
        Fact::Http(answer) => describe_http(&on, question, answer),
        Fact::Products { products } => describe_products(&on, products),
        Fact::RdpNla { enforced: true, code } => {
            format!("{on} refuses a client without network level authentication (code {code})")
        }
        Fact::RdpNla { enforced: false, code } => {
            format!("{on} lets a client in without network level authentication (code {code})")
        }
        Fact::Smb1 { answered: true } => format!("{on} answers SMB 1"),
        Fact::Smb1 { answered: false } => format!("{on} does not answer SMB 1"),
        Fact::Witness(fact) => match question {
            Question::Witness { ports } => proof::describe(ports, observation.address, fact),
            other => format!("{other}: {}", fact.proof.words()),
        },
    }
}

fn describe_port(question: Question, fact: &PortFact) -> String {
    let ports = match question {
        Question::Port { ports } => ports,
        other => match Ports::tcp(other.port()) {
            Some(ports) => ports,
            None => return format!("{other}: {}", fact.state),
        },
    };
    let verb = if ports.count() == 1 { "is" } else { "are" };
    let mut text = format!("{ports} {verb} {}: {}", fact.state, fact.reason.describe());
    if let PortReason::Datagram { first_bytes, .. } = &fact.reason
        && !first_bytes.is_empty()
    {
        let _ = write!(text, ", beginning \"{first_bytes}\"");
    }
    if let Some(sender) = fact.sender {
        let _ = write!(text, ", sent by {sender}");
    }
    text
}

fn describe_service(on: &str, service: &Service, tls: Option<TlsPreface>) -> String {
    let speaks = match service {
        Service::Silent => format!("{on} {service}"),
        Service::Unknown { first_bytes } => {
            format!("{on} speaks a protocol that is not known here, first bytes \"{first_bytes}\"")
        }
        Service::Rdp { selected: Some(selected), .. } => match rdp_security(*selected) {
            Some(name) => format!("{on} speaks {service}, and chose {name}"),
            None => format!("{on} speaks {service}, and chose security protocol {selected}"),
        },
        Service::Rdp { failure: Some(failure), .. } => {
            format!("{on} speaks {service}, and refused with code {failure}")
        }
        Service::NetBios { answer } => format!("{on} speaks {service} (answer 0x{answer:02x})"),
        Service::MsRpc { answer } => format!("{on} speaks {service} (answer {answer})"),
        _ => format!("{on} speaks {service}"),
    };
    match tls {
        Some(TlsPreface::Rdp) => format!("{speaks}; TLS starts after the RDP negotiation"),
        Some(TlsPreface::MySql) => format!("{speaks}; TLS starts after the MySQL greeting"),
        Some(TlsPreface::Direct) | None => speaks,
    }
}

/// The security protocols of MS-RDPBCGR 2.2.1.2.1.
fn rdp_security(selected: u32) -> Option<&'static str> {
    match selected {
        0 => Some("standard RDP security"),
        1 => Some("TLS"),
        2 => Some("CredSSP"),
        8 => Some("CredSSP with early user authentication"),
        _ => None,
    }
}

fn describe_tls(on: &str, question: Question, answer: &TlsAnswer) -> String {
    let (version, sni) = match question {
        Question::TlsVersion { version, sni, .. } => (version.to_string(), sni),
        _ => ("TLS".to_owned(), true),
    };
    let with = if sni { "" } else { " without SNI" };
    match answer {
        TlsAnswer::Accepted { suite } => format!("{on} accepts {version}{with}, with {}", suite_name(*suite)),
        TlsAnswer::OtherVersion { version: other } => {
            format!("{on} answers an offer of {version}{with} with {}", version_name(*other))
        }
        TlsAnswer::Alert { description } => {
            format!("{on} refuses {version}{with}: alert {description}{}", alert_name(*description))
        }
        TlsAnswer::Ssl2Error { code } => format!("{on} refuses {version}{with}: SSL 2.0 error {code}"),
        TlsAnswer::Reset => format!("{on} resets the connection when offered {version}{with}"),
        TlsAnswer::Closed => format!("{on} closes the connection when offered {version}{with}"),
        TlsAnswer::NotTls { first_bytes } => {
            format!("{on} answers an offer of {version}{with} with bytes that are not TLS: \"{first_bytes}\"")
        }
    }
}

/// A suite's name in IANA's registry, or its number.
fn suite_name(suite: u32) -> String {
    match u16::try_from(suite) {
        Ok(0) => "no suite".to_owned(),
        Ok(suite) => tls::suite_name(suite)
            .map_or_else(|| format!("suite 0x{suite:04x}"), |known| format!("{known} (0x{suite:04x})")),
        Err(_) => tls::kind_name(suite).map_or_else(|| format!("cipher 0x{suite:06x}"), str::to_owned),
    }
}

/// A version's name, or its number.
pub(super) fn version_name(number: u16) -> String {
    TlsVersion::from_wire(number).map_or_else(|| format!("version 0x{number:04x}"), |version| version.to_string())
}

/// The alerts that a hello provokes (RFC 8446, section 6.2; RFC 7301).
fn alert_name(description: u8) -> &'static str {
    match description {
        10 => ", unexpected message",
        40 => ", handshake failure",
        47 => ", illegal parameter",
        50 => ", decode error",
        70 => ", protocol version",
        71 => ", insufficient security",
        80 => ", internal error",
        86 => ", inappropriate fallback",
        109 => ", missing extension",
        112 => ", unrecognised name",
        116 => ", certificate required",
        120 => ", no application protocol",
        _ => "",
    }
}

fn describe_http(on: &str, question: Question, answer: &HttpAnswer) -> String {
    let request = match question {
        Question::Http { request, .. } => request.to_string(),
        other => other.to_string(),
    };
    let mut text = format!("{on} answers {request} over {} with {}", answer.scheme, answer.status);
    if !answer.reason.is_empty() {
        let _ = write!(text, " {}", answer.reason);
    }
    let told: Vec<String> = answer
        .headers
        .iter()
        .filter(|header| TELLING_HEADERS.iter().any(|name| header.name.as_str().eq_ignore_ascii_case(name)))
        .map(|header| format!("{}: {}", header.name, header.value))
        .collect();
    if told.is_empty() {
        text.push_str(", and no header that tells what it is");
    } else {
        let _ = write!(text, "; {}", told.join("; "));
    }
    if matches!(question, Question::Http { request: Request::Trace(_), .. }) && !answer.body_start.is_empty() {
        let _ = write!(text, "; body begins \"{}\"", answer.body_start);
    }
    text
}

fn describe_products(on: &str, products: &[Identified]) -> String {
    if products.is_empty() {
        return format!("{on} shows no product that is known here");
    }
    let seen: Vec<String> = products
        .iter()
        .map(|seen| format!("{} ({} says \"{}\")", product_name(seen), seen.path, seen.evidence))
        .collect();
    format!("{on} shows {}", seen.join(", "))
}

/// A product with its version, where that is known.
pub(super) fn product_name(seen: &Identified) -> String {
    match &seen.version {
        Some(version) => format!("{} {version}", seen.product),
        None => seen.product.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::describe;
    use crate::report::fixture::everything;

    #[test]
    fn observations_are_told_in_sentences() {
        let run = everything();
        let told: Vec<String> = run.targets.iter().flat_map(|target| &target.observations).map(describe).collect();
        assert!(told.iter().all(|sentence| !sentence.ends_with('.') && !sentence.contains('\n')));
        insta::assert_snapshot!(told.join("\n"));
    }
}
