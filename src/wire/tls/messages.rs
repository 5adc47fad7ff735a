//! Handshake messages and alerts out of the record layer, whichever way the server cut them.

use super::super::bytes::{Bytes, Stop, bad, size};

/// What the record layer carried (RFC 8446, section 5.1).
#[derive(Debug)]
pub(super) enum Message {
    /// A whole handshake message.
    Handshake {
        /// Its type (RFC 8446, section 4).
        kind: u8,
        /// Its body.
        body: Vec<u8>,
    },
    /// An alert.
    Alert {
        /// Warning 1 or fatal 2.
        level: u8,
        /// What it says.
        description: u8,
    },
}

/// Content types (RFC 8446, section 5.1).
const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

/// The longest record: 2^14 bytes of plaintext, and 2048 for what protection may add (RFC 5246, section 6.2.3).
const RECORD_LIMIT: u16 = 0x4800;

/// Whether a first byte can be a record's content type. Heartbeats (24) never begin a connection.
pub(super) const fn is_content_type(byte: u8) -> bool {
    matches!(byte, CHANGE_CIPHER_SPEC | ALERT | HANDSHAKE | APPLICATION_DATA)
}

/// Reads messages off the bytes so far.
#[derive(Debug)]
pub(super) struct Messages<'a> {
    records: Bytes<'a>,
    /// Handshake bytes of earlier records that make no whole message yet.
    handshake: Vec<u8>,
    /// An alert's first byte, where a record ended after it.
    alert: Option<u8>,
    /// Alert bytes of the current record.
    alerts: &'a [u8],
    /// The longest handshake message that is accepted.
    limit: usize,
}

impl<'a> Messages<'a> {
    /// Reads `bytes`, and no more than `limit` of them.
    pub(super) fn new(bytes: &'a [u8], limit: usize) -> Self {
        Self { records: Bytes::stream(bytes), handshake: Vec::new(), alert: None, alerts: &[], limit }
    }

    /// The next message. [`Stop::Short`] means that the bytes so far hold no further one.
    pub(super) fn next(&mut self) -> Result<Message, Stop> {
        loop {
            if let Some((&byte, rest)) = self.alerts.split_first() {
                self.alerts = rest;
                match self.alert.take() {
                    None => self.alert = Some(byte),
                    Some(level) => return Ok(Message::Alert { level, description: byte }),
                }
                continue;
            }
            if let Some(message) = self.whole_message()? {
                return Ok(message);
            }
            self.record()?;
        }
    }

    /// A handshake message, where one is whole.
    fn whole_message(&mut self) -> Result<Option<Message>, Stop> {
        let mut bytes = Bytes::stream(&self.handshake);
        let (Ok(kind), Ok(length)) = (bytes.u8(), bytes.u24()) else {
            return Ok(None);
        };
        if size(length) > self.limit {
            return Err(bad(format!("a handshake message of {length} bytes")));
        }
        let Ok(body) = bytes.take(size(length)) else {
            return Ok(None);
        };
        let body = body.to_vec();
        self.handshake = bytes.rest().to_vec();
        Ok(Some(Message::Handshake { kind, body }))
    }

    /// Takes in one record.
    fn record(&mut self) -> Result<(), Stop> {
        let kind = self.records.u8()?;
        if !is_content_type(kind) {
            return Err(bad(format!("a record of type {kind}")));
        }
        self.records.expect(&[3], "a record of version 3")?;
        self.records.u8()?;
        let length = self.records.u16()?;
        if length > RECORD_LIMIT {
            return Err(bad(format!("a record of {length} bytes")));
        }
        let body = match kind {
            ALERT | HANDSHAKE => self.records.take(usize::from(length))?,
            CHANGE_CIPHER_SPEC => return Err(bad("ChangeCipherSpec before the server's hello was read")),
            _ => return Err(bad("application data before the server's hello was read")),
        };
        if kind == ALERT {
            self.alerts = body;
        } else {
            self.handshake.extend_from_slice(body);
        }
        Ok(())
    }
}
