//! What a run saw of a target, thing by thing.
//!
//! What varies with every asking is left out here, and here alone: times, tries and round trips; the suite that was chosen; what
//! an alert says; headers such as `Date`, values of cookies, and of every header that does not tell what the server is; days
//! left of a certificate, but for the bands in which they matter; first bytes that nobody knows.

mod certificate;
mod web;

pub(super) use certificate::band;

use super::sight::{Sight, Value, Worth};
use crate::catalog::suite_policy::{name, weaknesses};
use crate::model::drift::Subject;
use crate::model::fact::Fact;
use crate::model::observation::{Attempt, Observation};
use crate::model::question::Question;
use crate::model::run::TargetRun;
use crate::model::service::{Identified, Product, Service};
use crate::model::suites::{SuitesFact, VersionSuites};
use crate::model::tls::{TlsAnswer, TlsVersion};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What was seen of each thing that is no port state.
pub(super) type Sights = BTreeMap<Subject, Sight>;

/// Every product that may be recognised.
const PRODUCTS: [Product; 4] = [Product::Automate, Product::ScreenConnect, Product::EndpointCentral, Product::Iis];

/// What `run` saw of its target, but for port states, services and proofs, which come in ranges.
pub(super) fn sights(run: &TargetRun) -> Sights {
    let controls = controls(run);
    let mut sights = Sights::new();
    for observation in &run.observations {
        one(&mut sights, observation, &controls);
    }
    sights
}

/// The ports on which a version of TLS was accepted: elsewhere "not accepted" says nothing.
fn controls(run: &TargetRun) -> BTreeSet<(IpAddr, u16)> {
    let accepted = run.observations.iter().filter(|seen| {
        matches!(seen.attempt.fact(), Some(Fact::Tls { answer: TlsAnswer::Accepted { .. } }))
            || matches!(seen.attempt.fact(), Some(Fact::Certificate(_)))
    });
    accepted.map(|seen| (seen.address, seen.question.port())).collect()
}

fn one(sights: &mut Sights, observation: &Observation, controls: &BTreeSet<(IpAddr, u16)>) {
    let address = observation.address;
    let lost = || Sight::Lost(lost(&observation.attempt));
    let fact = observation.attempt.fact();
    match observation.question {
        // Ranges: `super::ranges`.
        Question::Port { .. } | Question::Service { .. } | Question::Witness { .. } => {}
        Question::TlsVersion { port, version, sni } => {
            let sight = match fact {
                Some(Fact::Tls { answer }) => accepted(answer, version, controls.contains(&(address, port))),
                _ => lost(),
            };
            sights.insert(Subject::TlsVersion { address, port, version, sni }, sight);
        }
        Question::Certificate { port, sni } => {
            for (part, sight) in certificate::parts(fact, &observation.attempt) {
                sights.insert(Subject::Certificate { address, port, sni, part }, sight);
            }
        }
        Question::Suites { port, .. } => {
            let of = |version| Subject::Suites { address, port, version };
            if let Some(Fact::Suites(fact)) = fact {
                sights.extend(TlsVersion::ALL.into_iter().map(|version| (of(version), suites(fact, version))));
            } else {
                sights.extend(TlsVersion::ALL.into_iter().map(|version| (of(version), lost())));
            }
        }
        Question::Http { port, request } => {
            for (part, sight) in web::parts(fact, &observation.attempt) {
                sights.insert(Subject::Http { address, port, request, part }, sight);
            }
        }
        Question::Products { port } => {
            for product in PRODUCTS {
                let sight = match fact {
                    Some(Fact::Products { products }) => self::product(products, product),
                    _ => lost(),
                };
                sights.insert(Subject::Product { address, port, product }, sight);
            }
        }
        Question::RdpNla { port } => {
            let sight = match fact {
                Some(Fact::RdpNla { enforced, .. }) => {
                    Sight::level(if *enforced { "enforced" } else { "not enforced" }, usize::from(!enforced))
                }
                _ => lost(),
            };
            sights.insert(Subject::RdpNla { address, port }, sight);
        }
        Question::Smb1 { port } => {
            let sight = match fact {
                Some(Fact::Smb1 { answered }) => {
                    Sight::level(if *answered { "answered" } else { "not answered" }, usize::from(*answered))
                }
                _ => lost(),
            };
            sights.insert(Subject::Smb1 { address, port }, sight);
        }
    }
}

/// Why an attempt told nothing, without what varies.
pub(super) fn lost(attempt: &Attempt) -> String {
    match attempt {
        Attempt::Answered { .. } => "the answer says nothing of it".to_owned(),
        Attempt::Failed { failure } => format!("no usable answer, {failure}"),
        Attempt::Skipped { skip } => format!("not asked, because {skip}"),
    }
}

/// A refusal counts beside an acceptance on the same port only; which word refuses is of no matter.
fn accepted(answer: &TlsAnswer, version: TlsVersion, control: bool) -> Sight {
    let old = version < TlsVersion::Tls12;
    match answer {
        TlsAnswer::Accepted { .. } => Sight::level("accepted", usize::from(old)),
        TlsAnswer::NotTls { .. } if version != TlsVersion::Ssl2 => Sight::lost("the answer is no TLS"),
        _ if !control => Sight::lost("no version of TLS was accepted on that port, so a refusal says nothing"),
        _ => Sight::level("not accepted", usize::from(!old)),
    }
}

fn suites(fact: &SuitesFact, version: TlsVersion) -> Sight {
    if let Some(unsettled) = fact.unsettled.iter().find(|unsettled| unsettled.version == version) {
        return Sight::lost(format!("whether {version} is accepted could not be told, {}", unsettled.why));
    }
    let Some(VersionSuites { suites, incomplete, .. }) = fact.versions.iter().find(|one| one.version == version) else {
        return Sight::level("none", 0);
    };
    if let Some(why) = incomplete {
        return Sight::lost(format!("the list is not complete, {why}"));
    }
    // Whose order decides, and what it is, is left out: load alone may change what a server prefers.
    let named = |suite: &u32| name(*suite).map_or_else(|| format!("0x{suite:04x}"), str::to_owned);
    let names: BTreeSet<String> = suites.iter().map(named).collect();
    let weak = suites.iter().filter(|suite| !weaknesses(**suite).is_empty()).count();
    Sight::level(names.into_iter().collect::<Vec<_>>().join(", "), weak)
}

fn product(products: &[Identified], product: Product) -> Sight {
    match products.iter().find(|seen| seen.product == product) {
        Some(Identified { version: Some(version), .. }) => {
            let mut value = Value::new(version.to_string(), Worth::Version(version.clone()));
            // Versions that are equal by number are no change.
            let parts: Vec<&u32> = version.parts().iter().rev().skip_while(|part| **part == 0).collect();
            value.same = format!("{parts:?}");
            Sight::Seen(value)
        }
        Some(_) => Sight::text("seen, its version not"),
        None => Sight::Seen(Value { absent: true, ..Value::new("not seen", Worth::Unknown) }),
    }
}

/// What speaks on a port, without what differs from answer to answer.
pub(super) fn service(service: &Service) -> Sight {
    match service {
        Service::Http => Sight::level(service.to_string(), 1),
        Service::Https => Sight::level(service.to_string(), 0),
        Service::TlsOpaque { .. } => Sight::text("TLS, its inside not seen"),
        Service::Unknown { .. } => Sight::text("a protocol that is not known"),
        known => Sight::text(known.to_string()),
    }
}
