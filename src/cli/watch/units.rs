//! systemd: units on request, and what a service tells its manager.

use super::{WatchArgs, named};
use crate::cli::args::Shared;
use crate::cli::exit::{CliError, Exit};
use crate::cli::output::print;
use jiff::Timestamp;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The manager starts us anew when it has not heard from us for so long.
const WATCHDOG: &str = "5min";

/// Writes the units. None that is there is replaced.
pub(super) fn write(folder: &Path, args: &WatchArgs, shared: &Shared) -> Result<Exit, CliError> {
    let machine = |what: &Path, error: std::io::Error| CliError::Machine(format!("{}: {error}", named(what)));
    let program = std::env::current_exe().map_err(|error| machine(Path::new("portreeve"), error))?;
    let mut paths = Vec::new();
    for path in &args.targets {
        paths.push(std::fs::canonicalize(path).map_err(|error| machine(path, error))?);
    }
    let command = |more: &[&str]| -> Result<String, CliError> {
        let mut words = vec![quoted(&program)?, "watch".to_owned()];
        words.extend(more.iter().map(|word| (*word).to_owned()));
        words.push("--targets".to_owned());
        for path in &paths {
            words.push(quoted(path)?);
        }
        for path in &args.alerts {
            words.push("--alerts".to_owned());
            words.push(quoted(&std::fs::canonicalize(path).map_err(|error| machine(path, error))?)?);
        }
        words.push("--store".to_owned());
        words.push(match &args.place.store {
            Some(store) => quoted(&std::path::absolute(store).map_err(|error| machine(store, error))?)?,
            None => "%S/portreeve/history.db".to_owned(),
        });
        if !args.scan.is_empty() {
            words.push("--".to_owned());
            for option in &args.scan {
                words.push(quoted(Path::new(option))?);
            }
        }
        Ok(words.join(" "))
    };
    let service = command(&["--status", "%S/portreeve/status.json"])?;
    let once = command(&["--once"])?;
    let own_store = args.place.store.as_ref().and_then(|store| std::path::absolute(store).ok());
    let writable = own_store.as_deref().and_then(Path::parent).map(quoted).transpose()?;
    let confined = confined(writable.as_deref());
    // Started anew it would begin with an empty store.
    let gone = Exit::StoreGone as u8;
    let files = [
        (
            "portreeve.service",
            format!(
                "[Unit]\nDescription=portreeve: scheduled scans\nWants=network-online.target\nAfter=network-online.target\n\n\
             [Service]\nType=notify\nExecStart={service}\nExecReload=kill -HUP $MAINPID\nRestart=on-failure\nRestartSec=1min\n\
             RestartPreventExitStatus={gone}\nWatchdogSec={WATCHDOG}\nTimeoutStopSec=90\nKillMode=mixed\n{confined}\n[Install]\nWantedBy=multi-user.target\n"
            ),
        ),
        (
            "portreeve-once.service",
            format!(
                "[Unit]\nDescription=portreeve: scans that are due\nWants=network-online.target\nAfter=network-online.target\n\n\
             [Service]\nType=oneshot\nExecStart={once}\nSuccessExitStatus=1\nKillMode=mixed\n{confined}"
            ),
        ),
        (
            "portreeve-once.timer",
            "[Unit]\nDescription=portreeve: looks every five minutes what is due\n\n[Timer]\n\
             OnCalendar=*:0/5\nRandomizedDelaySec=20\nPersistent=true\nUnit=portreeve-once.service\n\n[Install]\n\
             WantedBy=timers.target\n"
                .to_owned(),
        ),
    ];
    let places: Vec<PathBuf> = files.iter().map(|(name, _)| folder.join(name)).collect();
    if let Some(there) = places.iter().find(|place| place.symlink_metadata().is_ok()) {
        return Err(CliError::Usage(format!(
            "{} is there already; take it away, or name another folder",
            named(there)
        )));
    }
    for ((_, text), place) in files.iter().zip(&places) {
        let mut file =
            OpenOptions::new().write(true).create_new(true).open(place).map_err(|error| machine(place, error))?;
        file.write_all(text.as_bytes()).map_err(|error| machine(place, error))?;
    }
    if !shared.quiet {
        let list: Vec<String> = places.iter().map(|place| named(place)).collect();
        print(&format!(
            "written: {}\nEither watch all the time:    systemctl enable --now portreeve.service\nor be called by the clock:    \
             systemctl enable --now portreeve-once.timer\n",
            list.join(", ")
        ))?;
    }
    Ok(Exit::Clean)
}

/// A user of its own that may write to the state folder alone.
fn confined(writable: Option<&str>) -> String {
    let writable = writable.map(|folder| format!("ReadWritePaths={folder}\n")).unwrap_or_default();
    format!(
        "DynamicUser=yes\nStateDirectory=portreeve\nUMask=0077\nNoNewPrivileges=yes\nProtectSystem=strict\nProtectHome=read-only\n\
         PrivateTmp=yes\nPrivateDevices=yes\nRestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK\n{writable}"
    )
}

/// A word of a command line in a unit (systemd.service(5), "Command lines"; systemd.unit(5), "Specifiers").
fn quoted(path: &Path) -> Result<String, CliError> {
    let text = path.to_str().filter(|text| !text.chars().any(char::is_control)).ok_or_else(|| {
        CliError::Usage(format!(
            "{} cannot be written in a unit: it is no UTF-8, or holds control characters",
            named(path)
        ))
    })?;
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    Ok(format!("\"{escaped}\""))
}

#[cfg(target_os = "linux")]
fn tell(states: &[sd_notify::NotifyState<'_>]) {
    // Without a manager that listens there is nobody to tell.
    let _ = sd_notify::notify(states);
}

/// Tells the manager that we watch.
#[cfg(target_os = "linux")]
pub(super) fn tell_ready() {
    tell(&[sd_notify::NotifyState::Ready]);
}

/// Tells the manager that we end.
#[cfg(target_os = "linux")]
pub(super) fn tell_stopping() {
    tell(&[sd_notify::NotifyState::Stopping]);
}

/// Tells the manager that we are well, and what goes on.
#[cfg(target_os = "linux")]
pub(super) fn tell_alive(running: usize, next: Option<Timestamp>) {
    let next = next.map_or_else(String::new, |next| format!(", the next is due {next}"));
    let status = format!("{}{next}", super::words::counted(running, "scan is running", "scans are running"));
    tell(&[sd_notify::NotifyState::Watchdog, sd_notify::NotifyState::Status(&status)]);
}

#[cfg(not(target_os = "linux"))]
pub(super) fn tell_ready() {}

#[cfg(not(target_os = "linux"))]
pub(super) fn tell_stopping() {}

#[cfg(not(target_os = "linux"))]
pub(super) fn tell_alive(_running: usize, _next: Option<Timestamp>) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_path_means_anything_to_systemd() {
        assert_eq!(quoted(Path::new(r#"/srv/a b/50% "x" $HOME\n"#)).unwrap(), r#""/srv/a b/50%% \"x\" $$HOME\\n""#);
        assert!(quoted(Path::new("/srv/a\nExecStart=/bin/x")).is_err());
    }
}
