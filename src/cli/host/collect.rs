//! `portreeve host collect`: the collector's own script, run here, and what its commands cannot show.

use crate::cli::exit::{CliError, Exit};
use std::path::Path;

#[cfg(not(windows))]
const ELSEWHERE: &str = "this runs on the Windows server itself. From here, print the script and run that there: \
                         `portreeve host collector > collector.cmd`";

#[cfg(not(windows))]
pub(super) fn collect(_: Option<&Path>) -> Result<Exit, CliError> {
    Err(CliError::Usage(ELSEWHERE.to_owned()))
}

#[cfg(not(windows))]
pub(super) fn key_times() -> Result<Exit, CliError> {
    Err(CliError::Usage(ELSEWHERE.to_owned()))
}

#[cfg(windows)]
pub(super) use windows::{collect, key_times};

#[cfg(windows)]
mod windows {
    use super::{CliError, Exit, Path};
    use crate::cli::output::print;
    use crate::host::collector;
    use crate::host::key_times::{self, LIMIT, Noted, ROOTS};
    use jiff::Timestamp;
    use std::io::{self, ErrorKind, Write as _};
    use std::process::Command;
    use winreg::RegKey;
    use winreg::enums::{HKEY_LOCAL_MACHINE, KEY_READ, KEY_WOW64_64KEY};

    /// Runs the script from a file of its own, which is gone afterwards. What differs comes in variables: no quoting can break.
    pub(in crate::cli::host) fn collect(output: Option<&Path>) -> Result<Exit, CliError> {
        let broken = |what: &str, error: &io::Error| CliError::Usage(format!("{what}: {error}"));
        let program = std::env::current_exe().map_err(|error| broken("where portreeve itself is", &error))?;
        let output = output.map(std::path::absolute).transpose().map_err(|error| broken("--output", &error))?;
        let folder = std::env::temp_dir();
        let name = format!("portreeve-collector-{}.cmd", std::process::id());
        let script = folder.join(&name);
        let file = std::fs::OpenOptions::new().write(true).create_new(true).open(&script);
        let written = file.and_then(|mut file| file.write_all(collector::compiled().as_bytes()));
        written.map_err(|error| broken(&script.display().to_string(), &error))?;
        let mut command = Command::new("cmd.exe");
        command.args(["/d", "/c", &name]).current_dir(&folder).env("PORTREEVE", program);
        match output {
            Some(output) => command.env("PORTREEVE_OUT", output),
            None => command.env_remove("PORTREEVE_OUT"),
        };
        let status = command.status();
        let _ = std::fs::remove_file(&script);
        match status.map_err(|error| broken("cmd.exe", &error))?.code() {
            Some(0) => Ok(Exit::Clean),
            code => Err(CliError::Usage(format!(
                "the collector ended with code {} and wrote no whole bundle; what it said stands above",
                code.map_or_else(|| "none".to_owned(), |code| code.to_string())
            ))),
        }
    }

    pub(in crate::cli::host) fn key_times() -> Result<Exit, CliError> {
        let mut noted = Vec::new();
        for (root, deep) in ROOTS {
            note(root, deep, &mut noted).map_err(|error| CliError::Usage(format!("{root}: {error}")))?;
        }
        print(&key_times::write(&noted))?;
        Ok(Exit::Clean)
    }

    /// Notes a key of the 64-bit registry, and those beneath it.
    fn note(root: &str, deep: bool, noted: &mut Vec<Noted>) -> io::Result<()> {
        let machine = RegKey::predef(HKEY_LOCAL_MACHINE);
        let mut left = vec![root.to_owned()];
        while let Some(path) = left.pop() {
            let inner = path.strip_prefix(r"HKLM\").unwrap_or(&path);
            let key = match machine.open_subkey_with_flags(inner, KEY_READ | KEY_WOW64_64KEY) {
                Ok(key) => key,
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    noted.push(Noted::Absent(path));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let written = key.query_info()?.last_write_time;
            let written = u64::from(written.dwHighDateTime) << 32 | u64::from(written.dwLowDateTime);
            let time = time(written).ok_or_else(|| io::Error::other("a time that is none"))?;
            if deep {
                for name in key.enum_keys() {
                    left.push(format!(r"{path}\{}", name?));
                }
            }
            noted.push(Noted::Written(path, time));
            if noted.len() + left.len() > LIMIT {
                return Err(io::Error::other("more keys than are noted"));
            }
        }
        Ok(())
    }

    /// A FILETIME: units of 100 ns since the year 1601 ([MS-DTYP] 2.3.3).
    fn time(units: u64) -> Option<Timestamp> {
        /// The seconds from 1601 to 1970.
        const TO_UNIX: i64 = 11_644_473_600;
        Timestamp::from_second(i64::try_from(units / 10_000_000).ok()? - TO_UNIX).ok()
    }
}
