//! Whether Windows was restarted since settings changed that it reads when it starts.

use super::{not_collected, on};
use crate::host::evidence::Evidence;
use crate::host::{Line, State, key_times};
use crate::judge::part::Part;
use crate::judge::tls;
use crate::judge::view::View;
use crate::model::tls::TlsVersion;
use crate::model::verdict::{Confidence, Verdict};
use jiff::Timestamp;

/// How far the times of the start and of a key must be apart to tell which came first, in seconds: Windows works out when it
/// started from its clock, which may have been set since.
const APART: i64 = 600;

/// When settings were written.
pub(super) enum Since {
    /// All of them before Windows started; the last of them.
    Before(Line),
    /// After it: the last of them.
    After(Line),
    /// The times are there and do not tell.
    Unclear(String, Line),
    /// The times are not there.
    Unknown,
}

/// When the keys of `root` were written last, against the start of Windows.
pub(super) fn since(evidence: &Evidence, root: &str) -> Since {
    let system = evidence.system.as_ref().ok();
    let (Ok(times), Some((boot, _))) = (&evidence.key_times, system.and_then(|system| system.time("boot"))) else {
        return Since::Unknown;
    };
    let Some(last) = times.last(root) else { return Since::Unknown };
    let line = last.line.clone();
    let (written, boot) = (last.time.as_second(), boot.as_second());
    match evidence.collected().map(Timestamp::as_second) {
        None => Since::Unclear("the bundle does not say when it was collected".to_owned(), line),
        Some(collected) if written.max(boot) > collected + super::SKEW => {
            Since::Unclear("a time is later than that of the bundle: the host's clock was set back".to_owned(), line)
        }
        Some(_) if written > boot + APART => Since::After(line),
        Some(_) if written < boot - APART => Since::Before(line),
        Some(_) => Since::Unclear(
            "the last change and the start of Windows are less than ten minutes apart, and its clock may have been set"
                .to_owned(),
            line,
        ),
    }
}

/// Whether Windows was restarted since the protocol settings changed: by the times of their keys, where the compiled collector
/// noted them. Built-in commands do not show those; without them what the network sees decides, for settings that are in effect
/// were followed by a restart.
pub(super) fn restarted(evidence: &Evidence, view: &View<'_>) -> Vec<Part> {
    let boot = evidence.system.as_ref().ok().and_then(|system| system.get("boot")).map(|(_, line)| line.quote());
    let mut disabled = Vec::new();
    for version in [TlsVersion::Tls10, TlsVersion::Tls11] {
        match super::claims::schannel(evidence, version) {
            State::NotCollected(why) => return vec![not_collected(&format!("the SCHANNEL settings: {why}"))],
            State::Value(false, line) => disabled.push((version, line)),
            _ => {}
        }
    }
    let with_boot = |part: Part| boot.iter().cloned().fold(part, Part::seen);
    match since(evidence, key_times::SCHANNEL) {
        Since::Before(line) => return vec![with_boot(before(&disabled, &line, view))],
        Since::After(line) => {
            let why = "a setting of SCHANNEL was written after Windows started, which reads them at its start only: a restart is \
                       outstanding";
            return vec![with_boot(on(Part::fail(why), &line))];
        }
        Since::Unclear(why, line) => {
            let why = format!("which came first, the last change or the start of Windows: {why}");
            return vec![with_boot(on(not_collected(&why), &line))];
        }
        Since::Unknown => {}
    }
    if disabled.is_empty() {
        let why = "the time of the last change: no version is disabled in SCHANNEL, so there is no setting whose effect could be seen";
        return vec![with_boot(not_collected(why))];
    }
    if view.addresses.is_empty() {
        let why = "when the settings were changed, which no built-in command shows and `portreeve host collect` on the host does; a scan with this bundle tells whether they are in effect";
        return vec![with_boot(disabled.iter().fold(not_collected(why), |part, (_, line)| on(part, line)))];
    }
    let part = |(version, line): &(TlsVersion, Line)| {
        let check = Part::combine(String::new(), tls::refused(view, &[*version]));
        let part = match check.verdict {
            Verdict::Pass => Part::pass("what the registry disables is refused from outside: the settings are in effect, so Windows was restarted since")
                .at_most(Confidence::Medium),
            Verdict::Fail => Part::fail("the registry disables a version that is still accepted: Windows was not restarted since, or something else answers"),
            _ => not_collected("when the settings were changed; and whether they are in effect could not be seen from outside either"),
        };
        let part = check.seen.iter().take(3).cloned().fold(on(part, line), Part::seen);
        part.on(check.rests_on)
    };
    disabled.iter().map(part).map(with_boot).collect()
}

/// All settings were written before Windows started. What is refused from outside, or not, may still say otherwise.
fn before(disabled: &[(TlsVersion, Line)], written: &Line, view: &View<'_>) -> Part {
    let pass = Part::pass("Windows started after every change of SCHANNEL's settings, by the times of their keys");
    let accepted = |(version, line): &(TlsVersion, Line)| {
        let check = Part::combine(String::new(), tls::refused(view, &[*version]));
        (check.verdict == Verdict::Fail).then(|| (check, line.clone()))
    };
    if view.addresses.is_empty() {
        return on(pass, written);
    }
    match disabled.iter().find_map(accepted) {
        None => on(pass, written),
        Some((check, line)) => {
            let why = "Windows was restarted since, by the times of the keys, and what the registry disables is still accepted: \
                       something else than SCHANNEL answers";
            let part = Part::inconclusive(why).settle(
                "Compare the certificate that is seen from outside with those on the host: a proxy, a program with a TLS library of \
                 its own, or another host answers.",
            );
            let part = on(on(part, written), &line);
            check.seen.iter().take(3).cloned().fold(part, Part::seen).on(check.rests_on)
        }
    }
}
