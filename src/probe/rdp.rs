//! Does RDP insist on network level authentication?

use super::session::Session;
use super::{Stop, preface};
use crate::model::fact::Fact;
use crate::model::observation::{Blame, Cause, Failure, Stage};
use crate::model::peer_text::PeerText;
use crate::wire::rdp::{Confirm, HYBRID_REQUIRED_BY_SERVER, PROTOCOL_RDP, PROTOCOL_SSL, failure_meaning};

/// What a client that knows no network level authentication is told: first one that can TLS, then one that cannot.
///
/// It is enforced where neither gets in and one of them is told that this is why.
pub(super) async fn ask(session: &mut Session<'_>) -> Result<Fact, Stop> {
    let with_tls = confirm(session, PROTOCOL_SSL).await?;
    if let Confirm::Selected { protocol, .. } = with_tls {
        return Ok(Fact::RdpNla { enforced: false, code: protocol });
    }
    let without = match confirm(session, PROTOCOL_RDP).await {
        Ok(confirm) => Some(confirm),
        // Hanging up on a client without TLS is a refusal too; silence is none.
        Err(Stop::Failed(Failure { cause: Cause::Closed | Cause::Reset, stage: Stage::Preface, .. })) => None,
        Err(stop) => return Err(stop),
    };
    let required = Confirm::Failure { code: HYBRID_REQUIRED_BY_SERVER };
    match without {
        Some(Confirm::Selected { protocol, .. }) => Ok(Fact::RdpNla { enforced: false, code: protocol }),
        Some(Confirm::NoNegotiation) => Ok(Fact::RdpNla { enforced: false, code: PROTOCOL_RDP }),
        other if with_tls == required || other == Some(required) => {
            Ok(Fact::RdpNla { enforced: true, code: HYBRID_REQUIRED_BY_SERVER })
        }
        other => {
            let how = match (with_tls, other) {
                (_, Some(Confirm::Failure { code })) | (Confirm::Failure { code }, _) => {
                    format!("RDP failure {code}: {}", failure_meaning(code).unwrap_or("unknown"))
                }
                _ => "the connection was closed".to_owned(),
            };
            let cause = Cause::Declined { how: PeerText::new(&how, 200) };
            Err(Failure { stage: Stage::Preface, blame: Blame::Peer, cause }.into())
        }
    }
}

async fn confirm(session: &mut Session<'_>, protocols: u32) -> Result<Confirm, Stop> {
    let mut connection = session.connect().await?;
    Ok(preface::ask_rdp(&mut connection, protocols, session.deadline()).await?)
}
