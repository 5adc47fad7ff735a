//! `portreeve witness`, and what `scan --witness` and `probe ports --witness` need of it.

use super::args::{ProveArgs, Shared, WitnessArgs};
use super::exit::{CliError, Exit};
use super::output::{complain, print, shown, wrapped};
use super::session;
use crate::model::observation::Blame;
use crate::model::ports::Ports;
use crate::model::run::{Run, Trouble};
use crate::model::witness::NotHeld;
use crate::probe::WitnessSettings;
use crate::report::duration;
use crate::wire::witness::{Key, KeyError, new_key_text};
use crate::witness::{self, CONNECTIONS, Held, Logbook, MOST_PORTS, Notice, Summary, Terms, hold, now_ms, random};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How much of a key file is read, in bytes: more than any key.
const KEY_FILE: u64 = 8192;

/// Descriptors beyond those of connections that are set aside: the log, signals, standard streams.
const SPARE: usize = 32;

/// How many notices may wait to be shown.
const NOTICES: usize = 64;

/// Runs `portreeve witness`.
pub(super) async fn run(args: WitnessArgs, shared: &Shared) -> Result<Exit, CliError> {
    if let Some(path) = &args.new_key {
        return new_key(path, shared);
    }
    let Some(key_file) = &args.key_file else {
        return Err(CliError::Usage("name the key with --key-file, or make one with --new-key".to_owned()));
    };
    let key = load_key(key_file)?;
    let ports: Vec<Ports> = args.tcp.iter().chain(&args.udp).copied().collect();
    let count: usize = ports.iter().map(|ports| ports.count()).sum();
    if count > MOST_PORTS {
        return Err(CliError::Usage(format!("{count} ports are more than a witness holds ({MOST_PORTS}); name fewer")));
    }
    let listen: Vec<IpAddr> = args.listen.iter().map(IpAddr::to_canonical).collect();
    let held = hold(&ports, &listen, CONNECTIONS + SPARE);
    if held.is_empty() {
        return Err(nothing_held(&held));
    }
    let log = args.log.as_deref().map(|path| {
        Logbook::create(path, &key).map_err(|error| CliError::Usage(format!("--log {}: {error}", shown(path))))
    });
    let log = log.transpose()?;
    let stop = session::interrupts(shared);
    if !shared.quiet {
        print(&greeting(&held, &key, args.lasts, shared.columns()))?;
    }
    let terms = Terms { key, lasts: args.lasts, log, clock: now_ms };
    let (sender, mut notices) = mpsc::channel(NOTICES);
    let quiet = shared.quiet;
    let listener = async move {
        while let Some(notice) = notices.recv().await {
            if !quiet {
                complain(&warning(&notice));
            }
        }
    };
    let (summary, ()) = tokio::join!(witness::run(held, terms, stop, sender), listener);
    let summary = summary.map_err(|error| CliError::Machine(format!("the ports could not be listened on: {error}")))?;
    if !shared.quiet {
        print(&farewell(summary))?;
    }
    Ok(Exit::Clean)
}

fn new_key(path: &Path, shared: &Shared) -> Result<Exit, CliError> {
    let random = random().map_err(|error| CliError::Machine(error.to_string()))?;
    let text = new_key_text(random);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let made = options.open(path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    made.map_err(|error| {
        CliError::Usage(if error.kind() == io::ErrorKind::AlreadyExists {
            format!("{} exists already, and a key is never overwritten; name another file", shown(path))
        } else {
            format!("{} could not be made: {error}", shown(path))
        })
    })?;
    let key = Key::from_text(&text).map_err(|error| CliError::Bug(format!("a new key: {error}")))?;
    if !shared.quiet {
        print(&format!(
            "A new key is in {}, fingerprint {}. Copy it to the other machine by a safe way: whoever has it can forge \
             proofs.\n",
            shown(path),
            key.fingerprint()
        ))?;
    }
    Ok(Exit::Clean)
}

/// Reads a key that nobody but its owner can.
pub(super) fn load_key(path: &Path) -> Result<Key, CliError> {
    let wrong = |what: String| CliError::Usage(format!("the key file {} {what}", shown(path)));
    let file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => wrong("does not exist; make one with `portreeve witness --new-key FILE`".to_owned()),
        _ => wrong(format!("cannot be read: {error}")),
    })?;
    check_mode(&file).map_err(&wrong)?;
    let mut text = String::new();
    let read = file.take(KEY_FILE).read_to_string(&mut text);
    read.map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => wrong("is not text; a key is written as hexadecimal or base64".to_owned()),
        _ => wrong(format!("cannot be read: {error}")),
    })?;
    Key::from_text(&text).map_err(|error| {
        let what = match error {
            KeyError::Empty => "is empty".to_owned(),
            _ => format!("holds no key: {error}"),
        };
        wrong(format!("{what}; make one with `portreeve witness --new-key FILE`"))
    })
}

#[cfg(unix)]
fn check_mode(file: &File) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt as _;
    let Ok(about) = file.metadata() else { return Ok(()) };
    let mode = about.permissions().mode() & 0o777;
    // A pipe is read by us alone, whatever its mode says.
    if about.is_file() && mode & 0o077 != 0 {
        return Err(format!(
            "may be read or written by others (mode {mode:03o}); `chmod 600` it, and if others had access, make a new one"
        ));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_mode(_: &File) -> Result<(), String> {
    Ok(())
}

/// The witness that the options of a scan name.
pub(super) fn settings(args: &ProveArgs) -> Result<Option<Arc<WitnessSettings>>, CliError> {
    let Some(key) = args.witness_key.as_deref().filter(|_| !args.witness.is_empty()) else { return Ok(None) };
    let addresses = args.witness.iter().map(IpAddr::to_canonical).collect();
    Ok(Some(Arc::new(WitnessSettings {
        addresses,
        key: load_key(key)?,
        log: args.witness_log.clone(),
        all_ports: args.witness_all_ports,
    })))
}

/// Notes it where an address of the witness was none of those that were scanned, for then nothing was proved; whether that is
/// so. With targets of several clients it is only told: what is noted at a target its client reads.
pub(super) fn note_unused(run: &mut Run, settings: Option<&WitnessSettings>) -> bool {
    let scanned = |address: &IpAddr| {
        let mut addresses = run.targets.iter().flat_map(|target| &target.addresses);
        addresses.any(|run| run.address.to_canonical() == *address)
    };
    let addresses = settings.map(|settings| settings.addresses.as_slice()).unwrap_or_default();
    let unused: Vec<IpAddr> = addresses.iter().filter(|address| !scanned(address)).copied().collect();
    let clients = crate::report::clients(run).len();
    for &address in &unused {
        let message =
            "no scanned target has this address, so no message was sent there; give --witness the address that \
                       is scanned, behind which the witness is"
                .to_owned();
        let trouble = Trouble::Witness { address, message };
        if clients == 1 {
            run.targets.iter_mut().for_each(|target| target.troubles.push(trouble.clone()));
        } else {
            complain(&format!("warning: {}", trouble.describe()));
        }
    }
    !unused.is_empty()
}

/// What is held, and what is not: for each reason the ports, with the address family where only one is meant.
fn standing(held: &Held) -> Vec<(Option<NotHeld>, String)> {
    let mut reasons: BTreeMap<Option<NotHeld>, [Vec<Ports>; 2]> = BTreeMap::new();
    for listed in held.listed() {
        let families = reasons.entry(listed.not_held).or_default();
        families[usize::from(listed.v6)].push(listed.ports);
    }
    let both = held.listed().iter().any(|listed| listed.v6) && held.listed().iter().any(|listed| !listed.v6);
    let named = |ports: &[Ports]| ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut lines = Vec::new();
    for (reason, [v4, v6]) in reasons {
        if v4 == v6 || !both {
            lines.push((reason, named(if v4.is_empty() { &v6 } else { &v4 })));
            continue;
        }
        for (ports, family) in [(v4, "IPv4"), (v6, "IPv6")] {
            if !ports.is_empty() {
                lines.push((reason, format!("{} ({family})", named(&ports))));
            }
        }
    }
    lines
}

/// Why a port is not held, and what can be done.
fn reason(held: &Held, not_held: NotHeld) -> String {
    match not_held {
        NotHeld::Occupied => {
            "another program listens there, on one address of this machine at least (--listen ADDRESS \
                              holds ports on one alone); a scan sees that program's own state"
                .to_owned()
        }
        NotHeld::NotPermitted => {
            "this user may not listen there: start the witness as root, or give it the right with `setcap \
             cap_net_bind_service=+ep` and the program's path"
                .to_owned()
        }
        NotHeld::Unavailable | NotHeld::NotListed => held.unavailable().unwrap_or("the system refused").to_owned(),
    }
}

fn nothing_held(held: &Held) -> CliError {
    let mut text = "none of the ports could be held:".to_owned();
    for (not_held, ports) in standing(held) {
        let why = not_held.map_or_else(String::new, |not_held| reason(held, not_held));
        let _ = write!(text, "\n  {ports}: {why}");
    }
    CliError::Machine(text)
}

fn greeting(held: &Held, key: &Key, lasts: Duration, width: usize) -> String {
    let mut text = format!("portreeve witness, key fingerprint {}\n", key.fingerprint());
    let mut line = |label: &str, said: &str| {
        let _ = writeln!(text, "{}", wrapped(said, width, &format!("  {label:<9} "), &" ".repeat(12)));
    };
    for (not_held, ports) in standing(held) {
        match not_held {
            None => line("Holding", &ports),
            Some(not_held) => line("Not held", &format!("{ports}: {}", reason(held, not_held))),
        }
    }
    let end = jiff::Timestamp::now().checked_add(lasts).map(|end| end.strftime("%Y-%m-%d %H:%M:%S UTC").to_string());
    let millis = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX);
    line("Ends", &format!("at {} (in {}), or with Ctrl-C", end.unwrap_or_default(), duration(millis)));
    text.push_str("ready\n");
    text
}

fn warning(notice: &Notice) -> String {
    match notice {
        Notice::OtherKey { source } => {
            format!("warning: {source} speaks as a scanner with another key; compare the fingerprints if that is yours")
        }
        Notice::Clock { source, ahead } => {
            let (minutes, which) = (ahead.unsigned_abs().div_ceil(60), if *ahead < 0 { "behind" } else { "ahead of" });
            format!(
                "warning: {source} has the key, and its clock is {minutes} minutes {which} this one's, or an old message was \
                 sent again; it is answered over TCP only"
            )
        }
        Notice::Full => {
            "warning: there was no room to note all that arrived; the scans that it came from are told so. There is room again \
             once others have been quiet for 15 minutes; the log says it for good"
                .to_owned()
        }
        Notice::Log { error } => {
            let fault = match error.blame() {
                Blame::Bug => Blame::Bug.to_string(),
                blame => format!("fault of {blame}"),
            };
            let error = error.to_string();
            format!(
                "warning: the log ends here and proves nothing that comes later: {} ({fault})",
                crate::report::text::clean(&error)
            )
        }
    }
}

fn farewell(summary: Summary) -> String {
    let Summary { sessions, arrivals, strangers } = summary;
    format!(
        "Ended. Sessions: {sessions}; messages that arrived: {arrivals}; connections and datagrams without one: {strangers}.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ports::Transport;
    use crate::witness::LogbookError;

    #[test]
    fn a_family_is_named_only_where_it_matters() {
        let here = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
        let taken = std::net::UdpSocket::bind((here, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let ports = [Ports::one(Transport::Udp, port).unwrap()];
        let held = hold(&ports, &[here], 1);
        assert_eq!(standing(&held), [(Some(NotHeld::Occupied), format!("udp/{port}"))]);
        let six: IpAddr = std::net::Ipv6Addr::LOCALHOST.into();
        let held = hold(&ports, &[here, six], 1);
        if held.unavailable().is_none() {
            let said: Vec<String> = standing(&held).into_iter().map(|(_, ports)| ports).collect();
            assert_eq!(said, [format!("udp/{port} (IPv6)"), format!("udp/{port} (IPv4)")]);
        }
    }

    #[test]
    fn warnings_say_which_way_a_clock_is_off() {
        let source = IpAddr::from([198, 51, 100, 2]);
        assert!(warning(&Notice::Clock { source, ahead: -7300 }).contains("122 minutes behind this one's"));
        assert!(warning(&Notice::Clock { source, ahead: 400 }).contains("7 minutes ahead of this one's"));
    }

    #[test]
    fn the_warning_of_a_log_that_ends_says_who_is_to_blame_and_what_to_do() {
        let warning = warning(&Notice::Log { error: LogbookError::NoRoom("disk\x1b full".to_owned()) });
        assert!(warning.contains("make room") && warning.ends_with("(fault of this machine)"), "{warning}");
        assert!(!warning.contains('\x1b'), "{warning}");
    }
}
