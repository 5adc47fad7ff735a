//! Secrets: where they are kept, and how they never show.

use crate::model::peer_text::PeerText;
use data_encoding::BASE64;
use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// The longest secret that is read, in bytes.
const LIMIT: u64 = 16 * 1024;

/// The fewest and the most bytes of a key that signs (Standard Webhooks, "Symmetric").
const KEY_LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// What stands before a key in base64 (the same).
const KEY_PREFIX: &str = "whsec_";

/// A text that shows nowhere: neither its `Debug` form nor any other tells it, and it cannot be written to JSON.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret from somewhere else than the user's environment or files: for tests.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text itself, for whom it is meant.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A key that signs. It shows nowhere either.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Vec<u8>);

impl Key {
    /// A key of any bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.to_owned())
    }

    /// The bytes, for whom they are meant.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// Where a secret is kept. It is read anew for each delivery, so that one that was changed counts at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An environment variable.
    Variable(String),
    /// A file, of which a line end at its end is no part.
    File(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "the environment variable {}", PeerText::new(name, 200)),
            Self::File(path) => write!(f, "{}", PeerText::new(&path.display().to_string(), 400)),
        }
    }
}

/// Why a secret cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct SecretError {
    /// Where it should be.
    pub place: Source,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The variable is not set.
    #[error("it is not set for this process")]
    Unset,
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// Others than its owner and group may read it, or others than its owner change it.
    #[error("its mode is {0:04o}: others on this machine may read or change it")]
    Open(u32),
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// It is longer than any secret.
    #[error("it is longer than {LIMIT} bytes")]
    Long,
    /// It has control characters, or several lines.
    #[error("it has more than one line, or characters that are no text")]
    NotText,
    /// It is no key.
    #[error("a key has {} to {} bytes, or those in base64 after `{KEY_PREFIX}`", KEY_LENGTHS.start(), KEY_LENGTHS.end())]
    NotAKey,
}

impl SecretError {
    /// What to do about it.
    pub fn advice(&self) -> String {
        match (&self.problem, &self.place) {
            (Problem::Unset, Source::Variable(name)) => format!(
                "set {} where portreeve runs: for a service in its unit (`Environment=` or `EnvironmentFile=`)",
                PeerText::new(name, 200)
            ),
            (Problem::Open(_), Source::File(path)) => {
                format!("chmod 600 {}", PeerText::new(&path.display().to_string(), 400))
            }
            (Problem::NotAKey, _) => "make one: echo \"whsec_$(openssl rand -base64 32)\"".to_owned(),
            (Problem::Unreadable(_), _) => "check its path, and let the user that portreeve runs as read it".to_owned(),
            _ => "put the secret there, on one line".to_owned(),
        }
    }
}

impl Source {
    /// The secret.
    pub fn read(&self) -> Result<Secret, SecretError> {
        let wrong = |problem| SecretError { place: self.clone(), problem };
        let text = match self {
            Self::Variable(name) => match std::env::var(name) {
                Ok(text) => text,
                Err(std::env::VarError::NotPresent) => return Err(wrong(Problem::Unset)),
                Err(std::env::VarError::NotUnicode(_)) => return Err(wrong(Problem::NotText)),
            },
            Self::File(path) => read_file(path).map_err(wrong)?,
        };
        let text = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
        if text.trim().is_empty() {
            return Err(wrong(Problem::Empty));
        }
        if text.len() as u64 > LIMIT {
            return Err(wrong(Problem::Long));
        }
        if text.chars().any(char::is_control) {
            return Err(wrong(Problem::NotText));
        }
        Ok(Secret(text.to_owned()))
    }

    /// The secret as a key: base64 after `whsec_`, or else the bytes as they are.
    pub fn read_key(&self) -> Result<Key, SecretError> {
        let secret = self.read()?;
        let wrong = || SecretError { place: self.clone(), problem: Problem::NotAKey };
        let bytes = match secret.expose().strip_prefix(KEY_PREFIX) {
            Some(encoded) => BASE64.decode(encoded.as_bytes()).map_err(|_| wrong())?,
            None => secret.expose().as_bytes().to_owned(),
        };
        if KEY_LENGTHS.contains(&bytes.len()) { Ok(Key(bytes)) } else { Err(wrong()) }
    }
}

fn read_file(path: &Path) -> Result<String, Problem> {
    let unreadable = |error: io::Error| Problem::Unreadable(error.to_string());
    // Looked at before it is opened: opening a pipe waits for whoever writes into it.
    let before = std::fs::metadata(path).map_err(unreadable)?;
    if !before.is_file() {
        return Err(Problem::Unreadable("it is not a regular file".to_owned()));
    }
    let file = std::fs::File::open(path).map_err(unreadable)?;
    // Of what was opened, whatever has the name by now.
    check_mode(&file.metadata().map_err(unreadable)?)?;
    let mut bytes = Vec::new();
    file.take(LIMIT + 3).read_to_end(&mut bytes).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|_| Problem::NotText)
}

/// ssh refuses a key that anybody else may read. A group is left its right to read, for that is how a service gets its secrets.
#[cfg(unix)]
fn check_mode(data: &std::fs::Metadata) -> Result<(), Problem> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = data.permissions().mode() & 0o7777;
    if mode & 0o026 == 0 { Ok(()) } else { Err(Problem::Open(mode)) }
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "who may read a file is asked where modes say it")]
fn check_mode(_: &std::fs::Metadata) -> Result<(), Problem> {
    Ok(())
}
