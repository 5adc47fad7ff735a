//! What SCHANNEL's settings say of protocol versions, and of whom they do not speak.

use super::Claim;
use crate::host::evidence::Evidence;
use crate::host::http_sys::Binding;
use crate::host::{Line, State, key_times};
use crate::judge::host::listening::dword;
use crate::judge::host::restart::{Since, since};
use crate::model::ports::Transport;
use crate::model::tls::TlsVersion;

const PROTOCOLS: &str = r"HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols";
/// From this build on (Server 2025) what Windows does without a setting is not relied on.
const NEW_DEFAULTS: u32 = 26_100;

/// Whether SCHANNEL lets its servers accept a version: enabled or not by a value, or not set.
pub(in crate::judge::host) fn schannel(evidence: &Evidence, version: TlsVersion) -> State<bool> {
    let key = match version {
        TlsVersion::Ssl2 => "SSL 2.0",
        TlsVersion::Ssl3 => "SSL 3.0",
        TlsVersion::Tls10 => "TLS 1.0",
        TlsVersion::Tls11 => "TLS 1.1",
        TlsVersion::Tls12 => "TLS 1.2",
        TlsVersion::Tls13 => "TLS 1.3",
    };
    let state = evidence.registry.value(&format!(r"{PROTOCOLS}\{key}\Server"), "Enabled");
    match (dword(&state), state) {
        (Some(number), state) => state.map(|_| number != 0),
        (None, State::Value(_, line)) => State::NotCollected(format!("{} is no number (REG_DWORD)", line.quote())),
        (None, state) => state.map(|_| false),
    }
}

pub(super) fn claim(evidence: &Evidence, version: TlsVersion) -> Claim {
    let build = evidence.system.as_ref().ok().and_then(|system| system.get("build")?.0.parse::<u32>().ok());
    let state = schannel(evidence, version);
    let mut lacking = matches!(state, State::NotCollected(_));
    let (holds, seen) = match &state {
        State::Value(enabled, line) => (Some(!enabled), vec![line.quote()]),
        State::NotSet(line) | State::Absent(line) => {
            let by_default = build.is_some_and(|build| build < NEW_DEFAULTS)
                && matches!(version, TlsVersion::Tls10 | TlsVersion::Tls11);
            let says = format!("{version} is not set in SCHANNEL ({})", line.quote());
            (
                by_default.then_some(false),
                vec![if by_default { format!("{says}, so this Windows accepts it") } else { says }],
            )
        }
        State::NotCollected(why) => (None, vec![format!("not collected: {why}")]),
    };
    let disabled = holds == Some(true);
    let boot = evidence.system.as_ref().ok().and_then(|system| system.get("boot")).map(|(boot, _)| boot.to_owned());
    let boot = boot.map_or_else(String::new, |boot| format!(" (started {boot})"));
    let foreign = foreign_listeners(evidence);
    let alone = matches!(&foreign, Ok(programs) if programs.is_empty());
    let mut seen = seen;
    let mut explanations = Vec::new();
    if disabled {
        match foreign {
            Ok(programs) => {
                explanations.extend(programs.into_iter().map(|program| {
                    format!("{program} listens too and does not use SCHANNEL: it has settings of its own")
                }));
            }
            Err(why) => {
                lacking = true;
                seen.push(format!("not collected: whether programs listen that do not use SCHANNEL: {why}"));
            }
        }
        seen.extend(explanations.iter().cloned());
        match since(evidence, key_times::SCHANNEL) {
            Since::Before(line) => {
                seen.push(format!("Windows was restarted since the settings changed ({})", line.quote()));
            }
            Since::After(line) => explanations
                .insert(0, format!("Windows was not restarted since the setting changed{boot}: {}", line.quote())),
            Since::Unclear(..) | Since::Unknown => {
                explanations.push(format!("Windows was not restarted since the setting changed{boot}"));
            }
        }
        explanations.push("a proxy or load balancer in front of the host answers".to_owned());
        explanations.push("the bundle is of another host".to_owned());
    } else {
        let (floors, may) = floors(evidence, version);
        seen.extend(floors.iter().cloned());
        explanations.extend(floors);
        explanations.push("a proxy or load balancer in front of the host answers, and refuses the version".to_owned());
        if may {
            explanations
                .push("the certificate's binding has a floor of its own (`netsh http show sslcert`)".to_owned());
        }
        explanations
            .push("the setting changed after the bundle was collected, or the bundle is of another host".to_owned());
    }
    Claim {
        subject: version.to_string(),
        holds,
        seen,
        lacking,
        // SCHANNEL speaks for the programs that use it; what it enables is wrong whoever listens.
        passes_alone: !disabled || alone,
        own: false,
        network: None,
        explanations,
        settle: "Restart the host, collect again and scan again; if both stay as they are, compare the certificate on the host with \
                 the one that is seen from outside."
            .to_owned(),
    }
}

/// The bindings of http.sys that refuse a version whatever SCHANNEL says, the first three; and whether others may. They speak for
/// their own port only, so nothing passes by them.
fn floors(evidence: &Evidence, version: TlsVersion) -> (Vec<String>, bool) {
    let Ok(bindings) = &evidence.certificates else { return (Vec::new(), true) };
    let flag = |binding: &'_ Binding| match version {
        TlsVersion::Ssl2 | TlsVersion::Ssl3 | TlsVersion::Tls10 | TlsVersion::Tls11 => binding.no_legacy.clone(),
        TlsVersion::Tls12 => binding.no_tls12.clone(),
        TlsVersion::Tls13 => None,
    };
    let flags: Vec<(u16, Option<(bool, Line)>)> =
        bindings.iter().map(|binding| (binding.port, flag(binding))).collect();
    let refuses = flags.iter().filter_map(|(port, flag)| match flag {
        Some((true, line)) => {
            Some(format!("the certificate's binding of tcp/{port} refuses {version} by itself ({})", line.quote()))
        }
        _ => None,
    });
    (refuses.take(3).collect(), flags.is_empty() || flags.iter().any(|(_, flag)| flag.is_none()))
}

/// How the files of programs begin that bring a TLS library of their own.
const FOREIGN: [&str; 20] = [
    "java",
    "tomcat",
    "nginx",
    "httpd",
    "apache",
    "mysqld",
    "mariadbd",
    "node.",
    "python",
    "postgres",
    "mongod",
    "redis-server",
    "openvpn",
    "stunnel",
    "haproxy",
    "caddy",
    "traefik",
    "ruby",
    "php",
    "jetty",
];

/// Programs that listen beyond this machine and bring a TLS library of their own, the first three; an error where it is not
/// known which programs listen.
fn foreign_listeners(evidence: &Evidence) -> Result<Vec<String>, String> {
    let listeners = evidence.listeners.as_ref().map_err(|why| format!("what listens: {why}"))?;
    let processes = evidence.processes.as_ref().map_err(|why| format!("the processes: {why}"))?;
    let mut found: Vec<String> = Vec::new();
    let mut unknown = None;
    for listener in listeners.iter().filter(|one| one.transport == Transport::Tcp && one.beyond_loopback()) {
        let Some(process) = processes.get(&listener.pid) else {
            unknown = Some(format!("process {}, which has tcp/{}, is in no list", listener.pid, listener.port));
            continue;
        };
        let name = process.name.to_ascii_lowercase();
        if FOREIGN.iter().any(|foreign| name.starts_with(foreign)) {
            found.push(format!("{} (tcp/{})", process.name, listener.port));
        }
    }
    found.dedup();
    found.truncate(3);
    // Those that are known to be foreign are told first.
    match unknown {
        Some(why) if found.is_empty() => Err(why),
        _ => Ok(found),
    }
}
