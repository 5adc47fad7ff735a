//! Is SMB 1 answered?

use super::Stop;
use super::session::Session;
use super::talk::{read, send};
use crate::model::observation::{Blame, Cause, Failure, Stage};
use crate::wire::smb::{Negotiated, read_negotiated, smb1_negotiate, smb2_negotiate};

/// The longest answer that is read, in bytes.
const LIMIT: usize = 64 * 1024;

/// Whether a negotiation in SMB 1 is answered in SMB 1.
///
/// A server that has SMB 1 off hangs up, or answers in SMB 2. Hanging up is believed only the second time, and only of a
/// server that still answers a negotiation in SMB 2: others hang up on everything.
pub(super) async fn ask(session: &mut Session<'_>) -> Result<bool, Stop> {
    for _ in 0..2 {
        if let Some(negotiated) = once(session, &smb1_negotiate()).await? {
            return Ok(negotiated.is_smb1());
        }
    }
    match once(session, &smb2_negotiate(std::array::from_fn(|_| fastrand::u8(..)))).await? {
        Some(_) => Ok(false),
        None => Err(Failure { stage: Stage::Response, blame: Blame::Peer, cause: Cause::Closed }.into()),
    }
}

/// `None` where the server hung up without a byte.
async fn once(session: &mut Session<'_>, request: &[u8]) -> Result<Option<Negotiated>, Stop> {
    let mut connection = session.connect().await?;
    let deadline = session.deadline();
    let mut buffer = Vec::new();
    let sent = send(&mut connection, request, deadline).await;
    match (sent, read(&mut connection, &mut buffer, LIMIT, deadline, read_negotiated).await) {
        (_, Ok(negotiated)) => Ok(Some(negotiated)),
        (_, Err(cut)) if cut.is_end() && buffer.is_empty() => Ok(None),
        (_, Err(cut)) => Err(cut.failure(Stage::Response, deadline).into()),
    }
}
