//! Evidence from inside a Windows host: the bundle that the collector wrote, its files read, and what they say.
//!
//! Everything here is pure but [`bundle`], which reads the bundle's own files. Promises:
//!
//! - **What was not collected is never read as an absence.** A value is found, or its key is there without it, or the key is
//!   proven absent by an export of its parent; anything else is "not collected" and carries the reason ([`State`]).
//! - Any bytes are read without panic and with bounded memory; what is wrong is said with file, line and column.
//! - Half a character at the end of a file, a missing end of an export, a size or digest that differs from the manifest:
//!   the file counts as not collected, never as short.
//!
//! It leaves out who signed a bundle: nobody did. A bundle is what the host says of itself, and where the network says
//! otherwise, the network is believed.

pub mod acl;
pub mod bundle;
pub mod collector;
pub mod config;
pub mod evidence;
pub mod firewall;
pub mod http_sys;
pub mod inf;
pub mod ini;
pub mod key_times;
pub mod manifest;
pub mod registry;
pub mod secrets;
pub mod services;
pub mod sids;
pub mod sockets;
pub mod system;
pub mod text;

use crate::model::peer_text::PeerText;

/// The longest quotation of a line of evidence, in bytes.
const QUOTE_LIMIT: usize = 240;

/// How much of a line is looked at for that, in bytes.
const LOOKED_AT: usize = 4 * QUOTE_LIMIT;

/// Where in the evidence something stands: the line that a verdict rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The file, as the bundle names it.
    pub file: String,
    /// The line, from 1; 0 where it is about the file as a whole.
    pub number: usize,
    /// The line, escaped; secrets in it are blacked out.
    pub text: String,
}

impl Line {
    /// Line `number` of `file`, which says `text`.
    pub fn new(file: &str, number: usize, text: &str) -> Self {
        // Cut first: a line may be as long as its file, and a secret that is cut in two is still taken for one.
        let text = text.trim();
        let end = text.char_indices().map(|(at, _)| at).find(|at| *at >= LOOKED_AT).unwrap_or(text.len());
        let text = secrets::blacked_out(text.get(..end).unwrap_or_default());
        // Paths of Windows are full of backslashes, which the escaping doubles.
        let text = PeerText::new(&text, QUOTE_LIMIT).as_str().replace("\\\\", "\\");
        let file = PeerText::new(file, QUOTE_LIMIT).as_str().replace("\\\\", "\\");
        Self { file, number, text }
    }

    /// `file:line: text`.
    pub fn quote(&self) -> String {
        match (self.number, self.text.is_empty()) {
            (0, true) => self.file.clone(),
            (0, false) => format!("{}: {}", self.file, self.text),
            (number, _) => format!("{}:{number}: {}", self.file, self.text),
        }
    }
}

/// What the evidence says of one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State<T> {
    /// It is set.
    Value(T, Line),
    /// The place where it would be is there, and it is not in it.
    NotSet(Line),
    /// The place where it would be is proven not to exist.
    Absent(Line),
    /// Nobody knows: why.
    NotCollected(String),
}

impl<T> State<T> {
    /// The value with another reading.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> State<U> {
        match self {
            Self::Value(value, line) => State::Value(change(value), line),
            Self::NotSet(line) => State::NotSet(line),
            Self::Absent(line) => State::Absent(line),
            Self::NotCollected(why) => State::NotCollected(why),
        }
    }

    /// The value, where it is set.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value, _) => Some(value),
            _ => None,
        }
    }
}

/// A source of evidence: read, or not collected and why.
pub type Collected<T> = Result<T, String>;

/// The number of the line in which byte `at` of `text` stands, from 1.
fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}
