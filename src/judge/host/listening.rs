//! What the host's firewall, processes and restarts say.

use super::{not_collected, on};
use crate::host::State;
use crate::host::evidence::Evidence;
use crate::host::firewall::Action;
use crate::host::registry::Data;
use crate::host::sockets::Listener;
use crate::judge::part::Part;
use crate::judge::tls;
use crate::judge::view::View;
use crate::model::ports::Transport;
use crate::model::tls::TlsVersion;
use crate::model::verdict::{Confidence, Verdict};

/// Whether a program is one of Automate's, by the folders that it installs itself to.
fn is_automates(program: Option<&str>) -> bool {
    program.is_some_and(|path| {
        let path = path.to_ascii_lowercase();
        ["\\labtech", "\\ltsvc", "\\automate", "\\ltshare"].iter().any(|folder| path.contains(folder))
    })
}

pub(super) fn loopback_free(evidence: &Evidence) -> Vec<Part> {
    let firewall = match &evidence.firewall {
        Err(why) => return vec![not_collected(&format!("the firewall: {why}"))],
        Ok(firewall) => firewall,
    };
    let mut parts: Vec<Part> = firewall
        .rules
        .iter()
        .filter(|placed| placed.rule.active && placed.rule.action == Action::Block)
        .filter(|placed| placed.rule.meets_loopback() || is_automates(placed.rule.program.as_deref()))
        .map(|placed| on(Part::fail("a rule that is in force blocks the machine's way to itself"), &placed.line))
        .collect();
    parts.extend(firewall.unread.iter().map(|rule| {
        Part::inconclusive("a rule could not be read, and may block it")
            .settle("Look at the rule on the host.")
            .seen(rule.clone())
    }));
    if parts.is_empty() {
        let part =
            Part::pass("no rule that is in force blocks 127.0.0.1, and Windows' firewall leaves it alone otherwise");
        parts.push(part.at_most(Confidence::Medium).seen(format!(
            "{} rules of both stores read; firewalls of other makers are not seen",
            firewall.rules.len()
        )));
    }
    parts
}

/// The ports that an address of http.sys or of the relay names: `http://+:8040/`, `relay://+:8041/`.
fn port_of(address: &str) -> Option<u16> {
    let (scheme, rest) = address.split_once("://")?;
    let authority = rest.split('/').next()?;
    match authority.rsplit_once(':') {
        Some((_, port)) if !port.ends_with(']') => port.parse().ok(),
        _ => match scheme.to_ascii_lowercase().as_str() {
            "https" => Some(443),
            "http" => Some(80),
            _ => None,
        },
    }
}

pub(super) fn session_manager(evidence: &Evidence) -> Vec<Part> {
    let sources = (&evidence.screenconnect, &evidence.listeners, &evidence.processes);
    let (config, listeners, processes) = match sources {
        (Ok(config), Ok(listeners), Ok(processes)) => (config, listeners, processes),
        (Err(why), _, _) => return vec![not_collected(&format!("ScreenConnect's web.config: {why}"))],
        (_, Err(why), _) => return vec![not_collected(&format!("what listens: {why}"))],
        (_, _, Err(why)) => return vec![not_collected(&format!("the processes: {why}"))],
    };
    let mut parts: Vec<Part> = config
        .endpoints
        .iter()
        .map(|(address, line)| {
            if address.to_ascii_lowercase().starts_with("net.pipe://") {
                on(Part::pass("the session manager has named pipes only"), line)
            } else {
                on(Part::fail("an endpoint of the session manager is on the network"), line)
            }
        })
        .collect();
    let own: Vec<u32> = processes
        .iter()
        .filter(|(_, process)| process.name.to_ascii_lowercase().starts_with("screenconnect"))
        .map(|(pid, _)| *pid)
        .collect();
    if own.is_empty() {
        return vec![not_collected("no process of ScreenConnect ran, so what it listens on could not be seen")];
    }
    let known: Vec<u16> = config.listen.iter().filter_map(|(_, address, _)| port_of(address)).collect();
    let outside: Vec<&Listener> = listeners
        .iter()
        .filter(|listener| {
            own.contains(&listener.pid) && listener.transport == Transport::Tcp && listener.beyond_loopback()
        })
        .collect();
    for listener in &outside {
        let part = if known.contains(&listener.port) {
            Part::pass("ScreenConnect's processes listen only where its web server and relay are configured")
        } else {
            Part::fail("a process of ScreenConnect listens on a port that is neither the web server's nor the relay's")
        };
        parts.push(on(part, &listener.line));
    }
    if outside.is_empty() {
        parts.push(
            Part::pass("ScreenConnect's processes listen only where its web server and relay are configured").seen(
                format!("{} processes of ScreenConnect run and none of them listens beyond this machine", own.len()),
            ),
        );
    }
    parts
}

/// Whether Windows was restarted since the protocol settings changed. Built-in commands do not show when a key was changed,
/// so what the network sees decides: settings that are in effect were followed by a restart.
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
    if disabled.is_empty() {
        let why = "the time of the last change: no version is disabled in SCHANNEL, so there is no setting whose effect could be seen";
        return vec![with_boot(not_collected(why))];
    }
    if view.addresses.is_empty() {
        let why = "when the settings were changed, which no built-in command shows; a scan with this bundle tells whether they are in effect";
        return vec![with_boot(disabled.iter().fold(not_collected(why), |part, (_, line)| on(part, line)))];
    }
    let part = |(version, line): &(TlsVersion, crate::host::Line)| {
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

/// A number of the registry.
pub(super) fn dword(state: &State<Data>) -> Option<u32> {
    state.value().and_then(Data::dword)
}
