//! Items that only evidence from inside the host can answer.
//!
//! The first law holds here too: what was not collected is [`Verdict::NeedsEvidence`] and says why; every pass names the line
//! that it rests on, or the proof that there is none.

pub(super) mod claims;
mod folders;
mod listening;
mod policies;
pub(super) mod ports;
mod restart;
mod rights;
pub(super) mod whole;

use super::part::Part;
use super::view::View;
use crate::catalog::rule::HostCheck;
use crate::host::evidence::Evidence;
use crate::host::{Line, State};
use crate::model::run::Trouble;
use crate::model::verdict::{Check, Confidence, Verdict};

/// Evidence older than this, in seconds, may no longer be so: a week.
const STALE: i64 = 7 * 24 * 3600;
/// Older than this it says what once was: 90 days.
const OLD: i64 = 90 * 24 * 3600;
/// How far two clocks may be apart, in seconds, before it matters.
const SKEW: i64 = 300;

/// What to do with evidence of another host.
const OTHER: &str =
    "Collect the evidence on the host that is scanned; if something in front answers, scan from behind it.";

/// The parts of a check that only the host can answer.
pub(super) fn apply(check: HostCheck, by: &str, view: &View<'_>, evidence: &Evidence) -> Vec<Part> {
    let parts = match check {
        HostCheck::RestrictAnonymous => policies::restrict_anonymous(evidence),
        HostCheck::NoAutoplayNonVolume => policies::no_autoplay_non_volume(evidence),
        HostCheck::NoAutorun => policies::no_autorun(evidence),
        HostCheck::NoDriveTypeAutorun => policies::no_drive_type_autorun(evidence),
        HostCheck::AlwaysInstallElevated => policies::always_install_elevated(evidence),
        HostCheck::ActAsSystem => rights::act_as_system(evidence),
        HostCheck::Impersonate => rights::impersonate(evidence, view),
        HostCheck::PrimaryToken => rights::primary_token(evidence),
        HostCheck::NetworkLogon => rights::network_logon(evidence),
        HostCheck::MemoryQuota => rights::memory_quota(evidence),
        HostCheck::BatchLogon => rights::batch_logon(evidence),
        HostCheck::ServiceLogon => rights::service_logon(evidence),
        HostCheck::LoopbackFree => listening::loopback_free(evidence),
        HostCheck::SessionManagerLocal => listening::session_manager(evidence),
        HostCheck::Restarted => restart::restarted(evidence, view),
        HostCheck::LtshareEveryone => folders::everyone(evidence),
        HostCheck::LtsharePools => folders::pools(evidence),
    };
    let (limit, doubts) = trust(evidence);
    let parts = parts.into_iter().map(|part| {
        let open = part.verdict() == Verdict::NeedsEvidence;
        let part = if open { part.settle(by) } else { part.at_most(limit) };
        doubts.iter().filter(|_| !open).fold(part, |part, doubt| part.seen(doubt.clone()))
    });
    parts.collect()
}

/// How sure the evidence as a whole can be, and what lowers it.
pub(super) fn trust(evidence: &Evidence) -> (Confidence, Vec<String>) {
    let days = |seconds: i64| seconds / (24 * 3600);
    if evidence.by_hand {
        let doubt = "exported by hand: when, and of which host, is not known".to_owned();
        return (Confidence::Medium, vec![doubt]);
    }
    match evidence.age() {
        None => (Confidence::Medium, vec!["the bundle does not say when it was collected".to_owned()]),
        Some(age) if age < -SKEW => (
            Confidence::Low,
            vec![format!("the host's clock is {} ahead of this machine's, so the age is not known", in_words(-age))],
        ),
        Some(age) if age > OLD => (Confidence::Low, vec![format!("the bundle is {} days old", days(age))]),
        Some(age) if age > STALE => (Confidence::Medium, vec![format!("the bundle is {} days old", days(age))]),
        Some(_) => (Confidence::High, Vec::new()),
    }
}

/// A time span, in seconds, in the largest unit of which there are at least two.
fn in_words(seconds: i64) -> String {
    const UNITS: [(i64, &str); 4] = [(365 * 24 * 3600, "years"), (24 * 3600, "days"), (3600, "hours"), (60, "minutes")];
    let fitting = UNITS.into_iter().find(|(unit, _)| seconds >= 2 * unit);
    fitting.map_or_else(|| format!("{seconds} seconds"), |(unit, name)| format!("{} {name}", seconds / unit))
}

/// A check for which the evidence is not used, for it is of another host.
pub(super) fn unused(check: &mut Check, why: &str) {
    let why = format!("the host's evidence settles nothing here: {why}");
    if check.verdict == Verdict::NeedsEvidence {
        check.why = why;
        check.settle = Some(OTHER.to_owned());
    } else {
        check.seen.push(why);
    }
}

/// That the evidence is of another host, as a trouble of the run.
pub(super) fn of_another(why: &str) -> Trouble {
    Trouble::Evidence { message: format!("nothing of it was used: {why}. {OTHER}") }
}

/// What was not collected says so, and why.
fn not_collected(why: &str) -> Part {
    Part::new(Verdict::NeedsEvidence, Confidence::High, &format!("not collected: {why}")).lacking()
}

/// A setting as it was found.
fn shown<T>(state: &State<T>) -> Option<String> {
    match state {
        State::Value(_, line) => Some(line.quote()),
        State::NotSet(line) => Some(format!("not set: {}", line.quote())),
        State::Absent(line) => Some(format!("the key does not exist: {} holds all that is beside it", line.quote())),
        State::NotCollected(_) => None,
    }
}

fn on(part: Part, line: &Line) -> Part {
    part.seen(line.quote())
}
