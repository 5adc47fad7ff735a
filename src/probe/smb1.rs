//! Is SMB 1 answered?

use super::Stop;
use super::session::Session;
use super::talk::{read, send};
use crate::model::observation::Stage;
use crate::wire::smb::{read_negotiated, smb1_negotiate};

/// The longest answer that is read, in bytes.
const LIMIT: usize = 64 * 1024;

/// Whether a negotiation in SMB 1 is answered in SMB 1.
///
/// A server that has SMB 1 off hangs up, or answers in SMB 2. Hanging up is believed only the second time.
pub(super) async fn ask(session: &mut Session<'_>) -> Result<bool, Stop> {
    match once(session).await? {
        Some(answered) => Ok(answered),
        None => Ok(once(session).await?.unwrap_or(false)),
    }
}

/// `None` where the server hung up without a byte.
async fn once(session: &mut Session<'_>) -> Result<Option<bool>, Stop> {
    let mut connection = session.connect().await?;
    let deadline = session.deadline();
    let mut buffer = Vec::new();
    let sent = send(&mut connection, &smb1_negotiate(), deadline).await;
    match (sent, read(&mut connection, &mut buffer, LIMIT, deadline, read_negotiated).await) {
        (_, Ok(negotiated)) => Ok(Some(negotiated.is_smb1())),
        (_, Err(cut)) if cut.is_end() && buffer.is_empty() => Ok(None),
        (_, Err(cut)) => Err(cut.failure(Stage::Response, deadline).into()),
    }
}
