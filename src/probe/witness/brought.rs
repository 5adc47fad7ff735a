//! The account of a session from the witness's log, which somebody brings by hand.

use super::account::Account;
use crate::model::observation::Blame;
use crate::model::witness::ToldBy;
use crate::wire::witness::log::{self, Arrived, Line, LogError};
use crate::wire::witness::{ArrivalRecord, Key, NoiseRecord, PortsRecord, SessionId, WINDOW_MS};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

/// The largest log that is read, in bytes; a witness's own limit.
const MOST: u64 = 64 << 20;

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// For how long after the last message was sent the log must tell, in milliseconds: what is on its way by then has arrived.
const SETTLED_MS: u64 = 2000;

/// Why a log tells nothing of a session, and never will; each with what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BroughtError {
    #[error("what --witness-log names is no ordinary file: copy the witness's log to a file and name that one")]
    NoFile,
    #[error("the log is larger than a witness writes ({} MiB): name the file that the witness wrote", MOST >> 20)]
    TooLarge,
    #[error("the log cannot be read ({0}): see to that file, or copy it anew")]
    Unreadable(String),
    /// It is not to be believed.
    #[error(
        "the log proves nothing: {error} (the fingerprint of this key is {fingerprint}); copy it anew from a witness with \
         the same key"
    )]
    Untrue { error: LogError, fingerprint: String },
    #[error("the log is of another version of portreeve: run the same version on both machines")]
    OtherVersion,
    #[error(
        "the witness received messages of this scan and discarded them, because its clock is more than 5 minutes from this \
         one's: set both clocks"
    )]
    Clock,
    #[error(
        "no message of this scan is in the log, so nothing proves that the address leads to this witness: let it hold one \
         port that may be reached"
    )]
    NothingArrived,
    #[error("the witness ended before this scan had sent its last message: let it run longer (--for)")]
    EndedEarly,
}

impl BroughtError {
    /// Who is to blame.
    pub(super) fn blame(&self) -> Blame {
        match self {
            Self::NoFile
            | Self::TooLarge
            | Self::Unreadable(_)
            | Self::Untrue { .. }
            | Self::OtherVersion
            | Self::Clock => Blame::Ourselves,
            Self::NothingArrived => Blame::Path,
            Self::EndedEarly => Blame::Peer,
        }
    }
}

impl From<io::Error> for BroughtError {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// What a log says of a session, or why it does not yet.
#[derive(Debug)]
enum Told {
    Account(Account),
    /// It was copied too early.
    NotYet,
    /// It will never tell.
    Never(BroughtError),
}

/// Waits for the log to tell what came of the session. Returns an error only where waiting is of no use; whoever has no more
/// time drops the future.
pub(super) async fn read(
    path: &Path,
    key: &Key,
    session: SessionId,
    last_sent_ms: u64,
) -> Result<Account, BroughtError> {
    let mut seen = None;
    loop {
        let stamp = std::fs::metadata(path).and_then(|file| Ok((file.len(), file.modified()?, file.is_file())));
        match stamp {
            Ok((_, _, false)) => return Err(BroughtError::NoFile),
            Ok((length, ..)) if length > MOST => return Err(BroughtError::TooLarge),
            Ok(stamp) if seen != Some(stamp) => {
                seen = Some(stamp);
                let text = text_of(path)?;
                match log::read(key, &text).map(|lines| tell(&lines, session, last_sent_ms)) {
                    Ok(Told::Account(account)) => return Ok(account),
                    Ok(Told::Never(why)) => return Err(why),
                    Ok(Told::NotYet) => {}
                    Err(error) => {
                        return Err(BroughtError::Untrue { error, fingerprint: key.fingerprint().to_string() });
                    }
                }
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The text of an ordinary file, and no more of it than a witness writes. Opening does not wait, as it would for whoever writes
/// into a pipe that has come there since.
fn text_of(path: &Path) -> Result<String, BroughtError> {
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, nix::libc::O_NONBLOCK);
    let file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(BroughtError::NoFile);
    }
    let mut text = String::new();
    file.take(MOST).read_to_string(&mut text)?;
    Ok(text)
}

fn tell(lines: &[Line], session: SessionId, last_sent_ms: u64) -> Told {
    let mut account = Account::new(ToldBy::Log);
    let mut covered_ms = 0;
    let mut ended = false;
    // How far the witness's clock is ahead; the quickest message tells best.
    let mut ahead: Option<i128> = None;
    let mut stale = false;
    for line in lines {
        match line {
            Line::Opened { version, ports, .. } => {
                if *version != log::VERSION {
                    return Told::Never(BroughtError::OtherVersion);
                }
                account.ports.extend(ports.iter().map(|listed| PortsRecord {
                    v6: listed.v6,
                    ports: listed.ports,
                    not_held: listed.not_held,
                }));
            }
            Line::Arrived(arrived) if arrived.session == session => {
                let late = i128::from(arrived.at_ms) - i128::from(arrived.sent_ms);
                ahead = Some(ahead.map_or(late, |known| known.min(late)));
                let Arrived { nonce, transport, port, source, here, at_ms, .. } = *arrived;
                account.arrivals.insert(nonce, ArrivalRecord { nonce, transport, port, source, here, at_ms });
            }
            Line::Stale(arrived) => stale |= arrived.session == session,
            Line::Altered { session: of, transport, port, .. } if *of == session => {
                let place = (*transport, *port);
                let new = NoiseRecord { transport: place.0, port: place.1, altered: 0, strangers: 0 };
                account.noise.entry(place).or_insert(new).altered += 1;
            }
            // Counted from the witness's beginning, which is more than came during the session: the careful side.
            Line::Strangers { transport, port, count, .. } => {
                let place = (*transport, *port);
                let new = NoiseRecord { transport: place.0, port: place.1, altered: 0, strangers: 0 };
                account.noise.entry(place).or_insert(new).strangers = *count;
            }
            Line::Arrived(_) | Line::Altered { .. } => {}
            Line::Alive { at_ms, crowded, full } | Line::Ended { at_ms, crowded, full } => {
                covered_ms = *at_ms;
                account.crowded |= *crowded > 0;
                account.full |= *full;
                ended = matches!(line, Line::Ended { .. });
            }
        }
    }
    let Some(ahead) = ahead else {
        if stale {
            return Told::Never(BroughtError::Clock);
        }
        if ended || covered_ms > last_sent_ms.saturating_add(WINDOW_MS) {
            return Told::Never(BroughtError::NothingArrived);
        }
        return Told::NotYet;
    };
    let needed = i128::from(last_sent_ms) + ahead + i128::from(SETTLED_MS);
    if i128::from(covered_ms) >= needed {
        Told::Account(account)
    } else if ended {
        Told::Never(BroughtError::EndedEarly)
    } else {
        Told::NotYet
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ports::Transport;
    use crate::wire::witness::Nonce;
    use crate::wire::witness::log::{ListedPorts, VERSION};

    const OURS: SessionId = SessionId([1; 16]);

    fn opened() -> Line {
        let ports = vec![ListedPorts { v6: false, ports: "udp/70-75".parse().unwrap(), not_held: None }];
        Line::Opened { version: VERSION, at_ms: 0, until_ms: 1 << 40, ports }
    }

    /// A message that was sent at `sent_ms` by our clock; the witness's is an hour ahead.
    fn arrived(session: SessionId, sent_ms: u64) -> Arrived {
        Arrived {
            session,
            nonce: Nonce([5; 8]),
            transport: Transport::Udp,
            port: 75,
            sent_to: 75,
            source: "198.51.100.2:4000".parse().unwrap(),
            here: None,
            sent_ms,
            at_ms: sent_ms + 3_600_000 + 20,
        }
    }

    fn alive(at_ms: u64) -> Line {
        Line::Alive { at_ms, crowded: 0, full: false }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn what_is_no_ordinary_file_is_refused_at_once_as_a_log() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let key = Key::from_text("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f").unwrap();
        for path in [pipe.as_path(), Path::new("/dev/zero"), folder.path()] {
            let told = tokio::time::timeout(Duration::from_secs(20), read(path, &key, OURS, 5000)).await;
            assert!(matches!(told, Ok(Err(BroughtError::NoFile))), "{path:?}");
            assert!(text_of(path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn a_log_tells_only_what_a_later_line_covers() {
        let message = Line::Arrived(arrived(OURS, 1000));
        let hour = 3_600_000;
        // The last message was sent at 5000, which is an hour and 5 seconds by the witness's clock.
        let told = |lines: &[Line]| tell(lines, OURS, 5000);
        assert!(matches!(told(&[opened(), message.clone()]), Told::NotYet));
        assert!(matches!(told(&[opened(), message.clone(), alive(hour + 6000)]), Told::NotYet));
        let Told::Account(account) = told(&[opened(), message.clone(), alive(hour + 8000)]) else { panic!() };
        assert_eq!(account.arrivals.len(), 1);
        assert_eq!(account.not_held(Transport::Udp, 70, false), None);
        let ended = Line::Ended { at_ms: hour + 6000, crowded: 0, full: false };
        assert!(matches!(told(&[opened(), message, ended]), Told::Never(BroughtError::EndedEarly)));
    }

    #[test]
    fn without_a_message_of_the_scan_a_log_proves_nothing() {
        let other = Line::Arrived(arrived(SessionId([2; 16]), 1000));
        let late = alive(5000 + WINDOW_MS + 1);
        let told = |lines: &[Line]| tell(lines, OURS, 5000);
        assert!(matches!(told(&[opened(), other.clone(), alive(6000)]), Told::NotYet), "it may have been copied early");
        assert!(matches!(told(&[opened(), other, late]), Told::Never(BroughtError::NothingArrived)));
        let stale = Line::Stale(arrived(OURS, 1000));
        assert!(matches!(told(&[opened(), stale]), Told::Never(BroughtError::Clock)));
    }
}
