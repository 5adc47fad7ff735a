//! Policies in the registry.

use super::{not_collected, shown};
use crate::host::State;
use crate::host::evidence::Evidence;
use crate::host::inf::{self, Policy};
use crate::host::registry::Data;
use crate::judge::part::Part;
use crate::model::verdict::Confidence;

const LSA: &str = r"HKLM\SYSTEM\CurrentControlSet\Control\Lsa";
/// The same value in the INF of secedit.
const LSA_IN_INF: &str = r"MACHINE\System\CurrentControlSet\Control\Lsa\RestrictAnonymous";
const EXPLORER: &str = r"HKLM\SOFTWARE\Policies\Microsoft\Windows\Explorer";
const EXPLORER_OF_WINDOWS: &str = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\Explorer";
const INSTALLER: &str = r"Microsoft\Windows\Installer";
/// The roles of domain controllers (`Win32_ComputerSystem.DomainRole`).
const CONTROLLERS: [&str; 2] = ["4", "5"];

/// A number that must be something.
fn number(state: &State<Data>, wanted: impl Fn(u32) -> Option<&'static str>, absent: &str) -> Part {
    let seen = shown(state).unwrap_or_default();
    match state {
        State::NotCollected(why) => not_collected(why),
        State::NotSet(_) | State::Absent(_) => Part::fail(absent).seen(seen),
        State::Value(data, _) => match data.dword() {
            None => Part::inconclusive("the value is no number (REG_DWORD), and Windows may ignore it")
                .settle("Look at the value on the host, and set it as a REG_DWORD.")
                .seen(seen),
            Some(number) => match wanted(number) {
                None => Part::pass("the setting is what the guide asks for").seen(seen),
                Some(why) => Part::fail(why).seen(seen),
            },
        },
    }
}

pub(super) fn restrict_anonymous(evidence: &Evidence) -> Vec<Part> {
    let state = evidence.registry.value(LSA, "RestrictAnonymous");
    let mut part = match (&state, state.value().and_then(Data::dword)) {
        (_, Some(2)) => {
            Part::inconclusive("2 is a setting of Windows 2000, and what this Windows makes of it is not documented")
                .settle("Set RestrictAnonymous to 1.")
                .seen(shown(&state).unwrap_or_default())
        }
        (State::NotCollected(why), _) => from_policy(evidence, why),
        _ => number(
            &state,
            |number| (number != 1).then_some("RestrictAnonymous is not 1"),
            "RestrictAnonymous is not set, and Windows then takes 0",
        ),
    };
    let role = evidence.system.as_ref().ok().and_then(|system| system.get("role"));
    if role.is_some_and(|(role, _)| CONTROLLERS.contains(&role)) {
        part = part.seen("the host is a domain controller, where this setting has no effect").at_most(Confidence::Low);
    }
    vec![part]
}

/// The value as secedit exports it, where the registry was not collected. That it is not listed there proves nothing.
fn from_policy(evidence: &Evidence, why: &str) -> Part {
    let in_force = evidence.policy().map(|policy: &Policy| policy.value(inf::VALUES, LSA_IN_INF));
    let Ok(State::Value(value, line)) = in_force else { return not_collected(why) };
    let part = match value.replace(' ', "").as_str() {
        "4,1" => Part::pass("the setting is what the guide asks for"),
        "4,0" => Part::fail("RestrictAnonymous is not 1"),
        _ => return not_collected(&format!("{}, which is neither 4,0 nor 4,1", line.quote())),
    };
    super::on(part, &line).at_most(Confidence::Medium)
}

pub(super) fn no_autoplay_non_volume(evidence: &Evidence) -> Vec<Part> {
    let state = evidence.registry.value(EXPLORER, "NoAutoplayfornonVolume");
    let wrong = "NoAutoplayfornonVolume is not 1";
    vec![number(
        &state,
        |number| (number != 1).then_some(wrong),
        "NoAutoplayfornonVolume is not set, so AutoPlay is allowed",
    )]
}

pub(super) fn no_autorun(evidence: &Evidence) -> Vec<Part> {
    let state = evidence.registry.value(EXPLORER_OF_WINDOWS, "NoAutorun");
    vec![number(&state, |number| (number != 1).then_some("NoAutorun is not 1"), "NoAutorun is not set: nobody decided")]
}

pub(super) fn no_drive_type_autorun(evidence: &Evidence) -> Vec<Part> {
    let state = evidence.registry.value(EXPLORER_OF_WINDOWS, "NoDriveTypeAutoRun");
    let wrong = "NoDriveTypeAutoRun is not 255 (0xff), so some kinds of drive are left out";
    vec![number(
        &state,
        |number| (number != 255).then_some(wrong),
        "NoDriveTypeAutoRun is not set, so Windows' own choice of drives holds",
    )]
}

pub(super) fn always_install_elevated(evidence: &Evidence) -> Vec<Part> {
    let mut parts = vec![installer(evidence, r"HKLM\SOFTWARE\Policies", "the computer")];
    match &evidence.users {
        Err(why) => parts.push(not_collected(&format!("the users' hives: {why}"))),
        Ok(users) if users.is_empty() => parts.push(not_collected("no user's hive is in the bundle")),
        Ok(users) => {
            parts.extend(
                users.iter().map(|user| installer(evidence, &user.policies, &format!("the user {}", user.sid))),
            );
            parts.extend(unloaded(evidence));
        }
    }
    parts
}

fn installer(evidence: &Evidence, policies: &str, whose: &str) -> Part {
    let state = evidence.registry.value(&format!(r"{policies}\{INSTALLER}"), "AlwaysInstallElevated");
    let seen = format!("{whose}: {}", shown(&state).unwrap_or_default());
    match &state {
        State::NotCollected(why) => not_collected(&format!("{whose}: {why}")),
        State::NotSet(_) | State::Absent(_) => {
            Part::pass("AlwaysInstallElevated is not set, which is safe, or set to 0, which also keeps it so")
                .seen(seen)
        }
        State::Value(data, _) => match data.dword() {
            Some(0) => {
                Part::pass("AlwaysInstallElevated is not set, which is safe, or set to 0, which also keeps it so")
                    .seen(seen)
            }
            Some(_) => Part::fail("AlwaysInstallElevated is on").seen(seen),
            None => Part::inconclusive("AlwaysInstallElevated is no number (REG_DWORD)")
                .settle("Look at the value on the host.")
                .seen(seen),
        },
    }
}

/// Users who have a profile and were not signed in: their policies are not in any loaded hive.
fn unloaded(evidence: &Evidence) -> Option<Part> {
    let users = evidence.users.as_ref().ok()?;
    let profiles = evidence.registry.subkeys(r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList");
    if profiles.is_empty() {
        return Some(
            Part::pass("no user is known to have it on")
                .at_most(Confidence::Medium)
                .lacking()
                .seen("the list of profiles was not collected, so users who were not signed in are not known"),
        );
    }
    let missing: Vec<String> = profiles
        .into_iter()
        .filter(|sid| sid.starts_with("S-1-5-21-") && !users.iter().any(|user| user.sid.eq_ignore_ascii_case(sid)))
        .collect();
    (!missing.is_empty()).then(|| {
        Part::pass("no user is known to have it on").at_most(Confidence::Medium).seen(format!(
            "the hives of {} users were not loaded and are not known: {}",
            missing.len(),
            missing.join(", ")
        ))
    })
}
