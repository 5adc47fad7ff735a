//! What goes wrong on the way to any receiver.

use super::outcome::{Blame, Undelivered};
use crate::net::trust::{TrustError, why_refused};
use std::io::{self, ErrorKind};
use std::time::Duration;

pub(super) const CHECK_NETWORK: &str = "see whether this machine reaches it: name resolution, firewall, proxy";

fn of(blame: Blame, lasting: bool, what: &str, advice: &str) -> Undelivered {
    Undelivered {
        blame,
        what: what.to_owned(),
        advice: advice.to_owned(),
        lasting,
        retry_after: None,
        reached: Vec::new(),
        refused: Vec::new(),
    }
}

/// What the user wrote, or a secret that is not there: nothing but a change mends it.
pub(super) fn settings(what: &str, advice: &str) -> Undelivered {
    of(Blame::Settings, true, what, advice)
}

/// This machine, for now.
pub(super) fn here(what: &str, advice: &str) -> Undelivered {
    of(Blame::Here, false, what, advice)
}

/// The way there, for now.
pub(super) fn path(what: &str, advice: &str) -> Undelivered {
    of(Blame::Path, false, what, advice)
}

/// The receiver, for now.
pub(super) fn receiver(what: &str, advice: &str) -> Undelivered {
    of(Blame::Receiver, false, what, advice)
}

/// The receiver, and it will say the same again.
pub(super) fn refused(what: &str, advice: &str) -> Undelivered {
    of(Blame::Receiver, true, what, advice)
}

/// There is nothing to verify certificates with.
pub(super) fn trust(error: &TrustError) -> Undelivered {
    match error {
        TrustError::CaFile(_) => settings(&error.to_string(), "mend or replace `ca_file`"),
        TrustError::Store(_) => {
            here(&error.to_string(), "install the system's CA certificates (ca-certificates), or name a `ca_file`")
        }
    }
}

/// A handshake failed.
pub(super) fn tls(error: &rustls::Error, whom: &str) -> Undelivered {
    let (why, about_certificate) = why_refused(error);
    if about_certificate {
        let advice = "if its certificate comes from an authority of your own, name that by `ca_file`; if not, somebody else \
                      may be answering in its place. Nothing was sent";
        return of(Blame::Path, true, &format!("the certificate of {whom} is not accepted: {why}"), advice);
    }
    let advice = "see which versions of TLS it speaks (1.2 or 1.3 are needed), and whether that port speaks TLS at all. \
                  Nothing was sent";
    path(&format!("no TLS with {whom}: {why}"), advice)
}

/// Reading, writing or connecting failed. `stage` says what was being done, such as `while connecting`.
pub(super) fn io(error: &io::Error, whom: &str, stage: &str) -> Undelivered {
    if let Some(tls_error) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return tls(tls_error, whom);
    }
    // EMFILE and ENFILE have no kind of their own.
    #[cfg(unix)]
    if let Some(code) = error.raw_os_error()
        && [nix::libc::EMFILE, nix::libc::ENFILE].contains(&code)
    {
        return here("this process has no file descriptors left", "raise its limit of open files");
    }
    let what = match error.kind() {
        ErrorKind::ConnectionRefused => format!("nothing listens at {whom}"),
        ErrorKind::ConnectionReset
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof
        | ErrorKind::ConnectionAborted => {
            format!("{whom} broke the connection off {stage}")
        }
        ErrorKind::TimedOut => format!("{whom} did not answer {stage}"),
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable | ErrorKind::NetworkDown => {
            format!("there is no route to {whom}")
        }
        ErrorKind::InvalidData => format!("{whom} answers with what cannot be read {stage}"),
        _ => format!("{whom} was not reached {stage}: {}", crate::report::text::clean(&error.to_string())),
    };
    path(&what, CHECK_NETWORK)
}

/// The name was not found.
pub(super) fn name(whom: &str) -> Undelivered {
    path(&format!("the name of {whom} was not found"), "check how it is written, and this machine's name resolution")
}

/// It took too long.
pub(super) fn late(whom: &str, limit: Duration, stage: &str) -> Undelivered {
    let what = format!("{whom} took longer than {} {stage}", seconds(limit));
    receiver(&what, "look whether it is overloaded; it may have taken the message all the same, and get it again")
}

fn seconds(limit: Duration) -> String {
    format!("{} s", limit.as_secs_f64())
}
