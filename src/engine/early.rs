//! TLS asked of ports before it is known whether they speak it, because the user says so: two round trips instead of five.

use super::address::AddressScan;
use super::log::Entry;
use super::look::{TlsAsked, speaks_tls, was_turned_away};
use crate::model::ports::Transport;
use crate::model::question::Question;
use crate::model::tls::TlsPreface;
use crate::probe::{Known, Peer, TlsVersions, begins_otherwise};
use std::collections::BTreeMap;
use std::time::Instant;

/// What is known of a port that is asked early.
const DIRECT: Known = Known { scheme: None, preface: Some(TlsPreface::Direct), logical_port: None };

/// What a port was asked early.
pub(super) struct Early<'a> {
    versions: TlsAsked<'a>,
    certificate: Vec<Entry>,
    /// When it has been asked for long enough.
    pub(super) until: Instant,
}

/// What an early question led to.
pub(super) enum Led {
    /// The port speaks TLS, and this is all of it.
    Tls(Vec<Entry>),
    /// It does not, as far as its versions go; what was asked instead, and what there is to say where that has no answer.
    Elsewhere {
        /// What speaks.
        service: Vec<Entry>,
        /// Versions and certificate.
        tls: Vec<Entry>,
    },
}

impl AddressScan<'_> {
    /// Asks `ports`, but for those where by their number something else comes first.
    pub(super) async fn early_tls<'a>(&'a self, peer: &'a Peer, ports: &[u16]) -> BTreeMap<u16, Early<'a>> {
        if !self.plan.expects_tls {
            return BTreeMap::new();
        }
        let direct = ports.iter().filter(|port| !begins_otherwise(self.target.logical(Transport::Tcp, **port)));
        let asking = direct.map(|&port| async move {
            let until = Instant::now() + self.asker.endpoint();
            let sni = self.target.server_name().is_some();
            let certificate = Question::Certificate { port, sni };
            let certificate = (!self.plan.follow_up.certificate.is_empty()).then_some(certificate);
            let (versions, certificate) = futures::join!(
                self.tls_versions(peer, port, Some(TlsPreface::Direct), until),
                futures::future::join_all(certificate.map(|question| self.counted_until(
                    question,
                    &DIRECT,
                    Some(until)
                )))
            );
            versions.map(|versions| (port, Early { versions, certificate, until }))
        });
        futures::future::join_all(asking).await.into_iter().flatten().collect()
    }

    /// What becomes of a port that was asked early. All of it within the time that a port is given.
    pub(super) async fn after_early(&self, port: u16, early: Early<'_>) -> Led {
        let Early { mut versions, mut certificate, until } = early;
        let service = Question::service(port);
        let known = Known { logical_port: Some(self.target.logical(Transport::Tcp, port)), ..Known::default() };
        let asked = match &mut versions {
            Ok(versions) if versions.any_accepted() => None,
            // Nobody minds being asked something else meanwhile who says nothing.
            Ok(versions) if versions.is_silent() => {
                let again = self.stop.unless(versions.settle());
                Some(futures::join!(self.counted_until(service, &known, Some(until)), again).0)
            }
            // Whoever chokes on the usual hello may take another.
            Ok(versions) => {
                let _ = self.stop.unless(versions.settle()).await;
                None
            }
            Err(_) => None,
        };
        let is_tls = versions.as_ref().is_ok_and(TlsVersions::any_accepted);
        let service = match asked {
            _ if is_tls => Vec::new(),
            Some(entry) => vec![entry],
            None => vec![self.counted_until(service, &known, Some(until)).await],
        };
        if is_tls || service.iter().any(|entry| speaks_tls(entry) == Some(TlsPreface::Direct)) {
            for entry in certificate.iter_mut().filter(|entry| was_turned_away(entry)) {
                *entry = self.ask_until(entry.question, &DIRECT, Some(until)).await;
            }
        }
        let tls: Vec<Entry> =
            certificate.into_iter().chain(self.settled(port, TlsPreface::Direct, versions).await).collect();
        if is_tls { Led::Tls(tls) } else { Led::Elsewhere { service, tls } }
    }
}
