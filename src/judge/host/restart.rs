//! Whether Windows was restarted since settings changed that it reads when it starts.

use super::{not_collected, on};
use crate::host::evidence::Evidence;
use crate::host::{Line, State, key_times};
use crate::judge::part::Part;
use crate::judge::tls;
use crate::judge::view::View;
use crate::model::tls::TlsVersion;
use crate::model::verdict::{Check, Confidence, Verdict};
use jiff::Timestamp;

/// How far the times of the start and of a key must be apart to tell which came first, in seconds; and how far Windows' own word
/// for its start and the key that it writes then may be: it works out the start from its clock, which may have been set since.
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
    let unclear = |why: &str| Since::Unclear(why.to_owned(), line.clone());
    let (written, boot) = (last.time.as_second(), boot.as_second());
    let Some(collected) = evidence.collected().map(Timestamp::as_second) else {
        return unclear("the bundle does not say when it was collected");
    };
    if written.max(boot) > collected + super::SKEW {
        return unclear("a time is later than that of the bundle: the host's clock was set back");
    }
    let Some(start) = times.of(key_times::START) else {
        return unclear("the key that Windows writes when it starts has no time");
    };
    if (start.time.as_second() - boot).abs() > APART {
        return unclear(&format!(
            "Windows' own word for its start and the key that it writes then ({}) are more than ten minutes apart: the machine was \
             saved and resumed, or its clock was set",
            start.line.quote()
        ));
    }
    if written > boot + APART {
        Since::After(line)
    } else if written < boot - APART {
        Since::Before(line)
    } else {
        unclear(
            "the last change and the start of Windows are less than ten minutes apart, and its clock may have been set",
        )
    }
}

/// Whether Windows was restarted since the protocol settings changed: by the times of their keys, where the compiled collector
/// noted them, and by what the network sees, for settings that are in effect were followed by a restart. Built-in commands do not
/// show the times. Where both are known the network wins: a policy that sets the same value again gives its key a new time.
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
    let unclear = match since(evidence, key_times::PROTOCOLS) {
        Since::Before(line) => return vec![with_boot(before(&disabled, &line, view))],
        Since::After(line) => return vec![with_boot(after(&disabled, &line, view))],
        Since::Unclear(why, line) => {
            Some((format!("which came first, the last change or the start of Windows: {why}"), line))
        }
        Since::Unknown => None,
    };
    if disabled.is_empty() || view.addresses.is_empty() {
        let part = match &unclear {
            Some((why, line)) => on(not_collected(why), line),
            None if disabled.is_empty() => not_collected(
                "the time of the last change: no version is disabled in SCHANNEL, so there is no setting whose effect could be seen",
            ),
            None => not_collected(
                "when the settings were changed, which no built-in command shows and `portreeve host collect` on the host does; a \
                 scan with this bundle tells whether they are in effect",
            ),
        };
        return vec![with_boot(disabled.iter().fold(part, |part, (_, line)| on(part, line)))];
    }
    let part = |(version, line): &(TlsVersion, Line)| {
        let check = refused(view, *version);
        let part = match check.verdict {
            Verdict::Pass => Part::pass("what the registry disables is refused from outside: the settings are in effect, so Windows was restarted since")
                .at_most(Confidence::Medium),
            Verdict::Fail => Part::fail("the registry disables a version that is still accepted: Windows was not restarted since, or something else answers"),
            _ => not_collected("when the settings were changed; and whether they are in effect could not be seen from outside either"),
        };
        let part = with_seen(on(part, line), &check);
        unclear.iter().fold(part, |part, (why, line)| on(part.seen(why.clone()), line))
    };
    disabled.iter().map(part).map(with_boot).collect()
}

/// Whether a version is refused from outside.
fn refused(view: &View<'_>, version: TlsVersion) -> Check {
    Part::combine(String::new(), tls::refused(view, &[version]))
}

/// What was seen from outside, the first three.
fn with_seen(part: Part, check: &Check) -> Part {
    check.seen.iter().take(3).cloned().fold(part, Part::seen).on(check.rests_on.clone())
}

/// A setting was written after Windows started, though perhaps as it was before.
fn after(disabled: &[(TlsVersion, Line)], written: &Line, view: &View<'_>) -> Part {
    let outstanding = "a setting of SCHANNEL was written after Windows started, which reads them at its start only: a restart is \
                       outstanding";
    let again = "a policy that sets the same value again gives its key a new time too; a scan tells what is in effect";
    let alone = || on(Part::fail(outstanding), written).at_most(Confidence::Medium).seen(again);
    if view.addresses.is_empty() {
        return alone();
    }
    let seen: Vec<(Check, &Line)> = disabled.iter().map(|(version, line)| (refused(view, *version), line)).collect();
    let of = |verdict: Verdict| seen.iter().find(|(check, _)| check.verdict == verdict);
    if let Some((check, line)) = of(Verdict::Fail) {
        let part = on(on(Part::fail(outstanding), written), line);
        return with_seen(part.seen("what the registry disables is still accepted from outside"), check);
    }
    let Some((check, line)) = of(Verdict::Pass) else { return alone() };
    let why = "a setting of SCHANNEL was written after Windows started, yet what the registry disables is refused from outside: it was \
               set again to what it was, or something in front refuses";
    let part = Part::inconclusive(why).settle(
        "Restart the host and collect again; a policy that writes its values again and again may be set to apply once.",
    );
    with_seen(on(on(part, written), line), check)
}

/// All settings were written before Windows started, by clocks that may be wrong. What is refused from outside, or not, may still
/// say otherwise.
fn before(disabled: &[(TlsVersion, Line)], written: &Line, view: &View<'_>) -> Part {
    let pass = Part::pass("Windows started after every change of SCHANNEL's protocols, by the times of their keys")
        .at_most(Confidence::Medium);
    if view.addresses.is_empty() {
        return on(pass, written);
    }
    let accepted = |(version, line): &(TlsVersion, Line)| {
        let check = refused(view, *version);
        (check.verdict == Verdict::Fail).then(|| (check, line.clone()))
    };
    match disabled.iter().find_map(accepted) {
        None => on(pass, written),
        Some((check, line)) => {
            let why = "Windows was restarted since, by the times of the keys, and what the registry disables is still accepted: \
                       something else than SCHANNEL answers, or the host's clock was set";
            let part = Part::inconclusive(why).settle(
                "Compare the certificate that is seen from outside with those on the host: a proxy, a program with a TLS library of \
                 its own, or another host answers. If it is the same, restart the host.",
            );
            with_seen(on(on(part, written), &line), &check)
        }
    }
}
