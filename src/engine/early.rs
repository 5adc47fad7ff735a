//! TLS asked of ports before it is known whether they speak it, because the user says so: two round trips instead of five.

use super::address::AddressScan;
use super::log::Entry;
use super::look::TlsAsked;
use crate::model::ports::Transport;
use crate::model::question::Question;
use crate::model::tls::TlsPreface;
use crate::probe::{Known, Peer, TlsVersions, begins_otherwise};
use std::collections::BTreeMap;

/// What a port was asked early.
pub(super) struct Early<'a> {
    pub(super) versions: TlsAsked<'a>,
    pub(super) certificate: Vec<Entry>,
}

impl Early<'_> {
    /// Whether the port spoke TLS. Where it did not, it is found out first what speaks there.
    pub(super) fn is_tls(&self) -> bool {
        self.versions.as_ref().is_ok_and(TlsVersions::any_accepted)
    }
}

impl AddressScan<'_> {
    /// Asks `ports`, but for those where by their number something else comes first.
    pub(super) async fn early_tls<'a>(&'a self, peer: &'a Peer, ports: &[u16]) -> BTreeMap<u16, Early<'a>> {
        if !self.plan.expects_tls {
            return BTreeMap::new();
        }
        let direct = ports.iter().filter(|port| !begins_otherwise(self.target.logical(Transport::Tcp, **port)));
        let asking = direct.map(|&port| async move {
            let known = Known { preface: Some(TlsPreface::Direct), ..Known::default() };
            let sni = self.target.server_name().is_some();
            let certificate =
                (!self.plan.follow_up.certificate.is_empty()).then_some(Question::Certificate { port, sni });
            let (versions, certificate) = futures::join!(
                self.tls_versions(peer, port, known.preface),
                self.counted(certificate.into_iter().collect(), &known)
            );
            versions.map(|versions| (port, Early { versions, certificate }))
        });
        futures::future::join_all(asking).await.into_iter().flatten().collect()
    }
}
