//! What must be said before TLS can start.

use super::talk::{Deadline, read, send};
use crate::model::observation::{Blame, Cause, Failure, Stage};
use crate::model::peer_text::PeerText;
use crate::model::tls::TlsPreface;
use crate::net::dial::Connection;
use crate::wire::mysql::{self, Greeting};
use crate::wire::rdp::{self, Confirm, PROTOCOL_HYBRID, PROTOCOL_RDP, PROTOCOL_SSL};

/// Brings `connection` to where a TLS hello is expected.
pub(super) async fn pass(connection: &mut Connection, preface: TlsPreface, deadline: Deadline) -> Result<(), Failure> {
    match preface {
        TlsPreface::Direct => Ok(()),
        TlsPreface::Rdp => rdp_preface(connection, deadline).await,
        TlsPreface::MySql => mysql_preface(connection, deadline).await,
    }
}

async fn rdp_preface(connection: &mut Connection, deadline: Deadline) -> Result<(), Failure> {
    match ask_rdp(connection, PROTOCOL_SSL | PROTOCOL_HYBRID, deadline).await? {
        Confirm::Selected { protocol, .. } if protocol != PROTOCOL_RDP => Ok(()),
        Confirm::Selected { .. } | Confirm::NoNegotiation => {
            Err(declined("RDP: the server chose standard security, without TLS"))
        }
        Confirm::Failure { code } => {
            let meaning = rdp::failure_meaning(code).unwrap_or("unknown");
            Err(declined(&format!("RDP failure {code}: {meaning}")))
        }
    }
}

/// Asks an RDP server for one of `protocols`.
pub(super) async fn ask_rdp(
    connection: &mut Connection,
    protocols: u32,
    deadline: Deadline,
) -> Result<Confirm, Failure> {
    let failed = |cut: super::talk::Cut| cut.failure(Stage::Preface, deadline);
    send(connection, &rdp::connection_request(protocols), deadline).await.map_err(failed)?;
    read(connection, &mut Vec::new(), 1024, deadline, rdp::read_confirm).await.map_err(failed)
}

async fn mysql_preface(connection: &mut Connection, deadline: Deadline) -> Result<(), Failure> {
    let failed = |cut: super::talk::Cut| cut.failure(Stage::Preface, deadline);
    let greeting = read(connection, &mut Vec::new(), mysql::LIMIT + 4, deadline, mysql::read_greeting).await;
    match greeting.map_err(failed)? {
        Greeting::Refused { code, message } => Err(declined(&format!("MySQL error {code}: {message}"))),
        greeting if !greeting.offers_tls() => Err(declined("MySQL: the server offers no TLS")),
        Greeting::V10 { .. } => send(connection, &mysql::ssl_request(), deadline).await.map_err(failed),
    }
}

fn declined(how: &str) -> Failure {
    let cause = Cause::Declined { how: PeerText::new(how, 300) };
    Failure { stage: Stage::Preface, blame: Blame::Peer, cause }
}
