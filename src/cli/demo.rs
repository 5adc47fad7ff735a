//! `portreeve demo`: mock servers on loopback, a scan of them, and its reports.

use super::args::{DemoArgs, Shared, TimingArgs};
use super::exit::{CliError, Exit};
use super::output::{print, shown};
use super::scan::{Files, both, terminal};
use super::session::{self, Brief, Families};
use super::vantage;
use crate::catalog::builtin::Catalogs;
use crate::catalog::guide::Guide;
use crate::engine::plan::Extra;
use crate::model::ports::{Ports, Transport};
use crate::model::target::{ControlServer, Host, Moved, Role, Target};
use clap::Parser as _;
use mock_servers::{Authority, Builtin, Description, Running};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

/// How many folders of earlier demos are stepped over before we give up.
const FOLDER_LIMIT: u32 = 1000;

/// The timing of the demo is the scan's own, shortened: nothing is far away on loopback.
#[derive(clap::Parser)]
struct DefaultTiming {
    #[command(flatten)]
    timing: TimingArgs,
}

/// Runs `portreeve demo`.
pub(super) async fn run(args: DemoArgs, shared: &Shared) -> Result<Exit, CliError> {
    let folder = folder(args.output.as_deref())?;
    let machine = |what: &str, error: &dyn std::fmt::Display| CliError::Machine(format!("{what}: {error}"));
    let authority = Authority::new().map_err(|error| machine("the demo's certificate authority", &error))?;
    let ca_file = folder.join("authority.pem");
    std::fs::write(&ca_file, authority.ca_pem()).map_err(|error| machine(shown(&ca_file).as_str(), &error))?;
    let mut servers = Vec::new();
    let mut targets = Vec::new();
    for (builtin, number) in Builtin::ALL.into_iter().zip(1..) {
        let description = Description::builtin(builtin);
        let running = mock_servers::start(&description, &authority, address(number)).await;
        let running = running.map_err(|error| machine("a mock server could not be started", &error))?;
        targets.push(target(builtin, &description, &running));
        servers.push(running);
    }
    let inventory = folder.join("targets.toml");
    std::fs::write(&inventory, inventory_of(&targets)).map_err(|error| machine(shown(&inventory).as_str(), &error))?;

    let mut catalogs = Catalogs::built_in().map_err(|error| CliError::Bug(format!("a built-in catalog: {error}")))?;
    catalogs.guides.iter_mut().for_each(Guide::leave_out_suites);
    let timing = DefaultTiming::parse_from(["demo", "--timeout", "0.4"]).timing;
    let families = Families { ipv4: true, ipv6: false };
    let engine = session::engine(&timing, families, Some(&ca_file), false, session::PATIENCE_OF_SCAN, shared)?;
    let (json, html) = (folder.join("report.json"), folder.join("report.html"));
    let interrupted = session::interrupts(shared);
    let files = Files::create(Some(&json), Some(&html), &targets)?;
    let vantage = vantage::before(&engine, None, interrupted.clone()).await;
    let brief = Brief {
        catalogs: &catalogs,
        extra: &Extra::default(),
        vantage: &vantage,
        hosts: &session::HostEvidences::new(),
        earlier: None,
        known: &session::Learned::new(),
        learner: None,
        statements: &session::TargetStatements::new(),
    };
    let run = session::run(&engine, targets, brief, shared, interrupted, |_, _| {}).await;
    for server in servers {
        server.stop().await;
    }
    let written = files.finish(&run);
    let printed = if shared.quiet {
        Ok(())
    } else {
        let mut text = terminal(&run, args.look, shared);
        let _ = write!(
            text,
            "\nThese were mock servers on loopback, two of them with planted faults. The reports are in {}:\n  \
             report.html  for the client; open it in a browser\n  report.json  for programs\n\
             Next: portreeve scan rmm.example.com --role automate\n",
            shown(&folder)
        );
        print(&text)
    };
    both(written, printed)?;
    // The demo is meant to find faults: finding them is its success.
    Ok(if run.is_partial() { Exit::Partial } else { Exit::Clean })
}

/// The folder for the reports: the one that was named, or a new one in the current folder.
fn folder(named: Option<&Path>) -> Result<PathBuf, CliError> {
    let wrong =
        |path: &Path, error: std::io::Error| CliError::Usage(format!("{} cannot be made: {error}", shown(path)));
    if let Some(path) = named {
        std::fs::create_dir_all(path).map_err(|error| wrong(path, error))?;
        return Ok(path.to_owned());
    }
    for number in 1..FOLDER_LIMIT {
        let path = PathBuf::from(format!("portreeve-demo-{number}"));
        match std::fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(wrong(&path, error)),
        }
    }
    Err(CliError::Usage("this folder is full of portreeve-demo-N folders; name another with --output".to_owned()))
}

/// A loopback address of its own for each server, where the system has more than one: a decoy port of one server must
/// not be a real one of another.
fn address(number: u8) -> IpAddr {
    let own = Ipv4Addr::new(127, 0, 0, number);
    let usable = std::net::TcpListener::bind((own, 0)).is_ok();
    IpAddr::V4(if usable { own } else { Ipv4Addr::LOCALHOST })
}

fn target(builtin: Builtin, description: &Description, running: &Running) -> Target {
    let automate = matches!(builtin, Builtin::AutomateHardened | Builtin::AutomateCareless);
    let roles = match builtin {
        Builtin::AutomateHardened | Builtin::AutomateCareless => BTreeSet::from([Role::Automate, Role::Iis]),
        Builtin::ScreenConnect => BTreeSet::from([Role::ScreenConnect]),
        Builtin::EndpointCentral => BTreeSet::from([Role::EndpointCentral]),
    };
    let moved = running.ports().iter().filter_map(|mapping| {
        let transport = match mapping.transport {
            mock_servers::Transport::Tcp => Transport::Tcp,
            mock_servers::Transport::Udp => Transport::Udp,
        };
        let (first, last) = (*mapping.logical.start(), *mapping.logical.end());
        let to = Ports::new(transport, mapping.actual, mapping.actual.checked_add(last - first)?)?;
        Some(Moved { from: Ports::new(transport, first, last)?, to })
    });
    Target {
        client: "Demo".to_owned(),
        name: description.name.clone(),
        host: Host::Address(running.address()),
        roles,
        tags: BTreeSet::from(["demo".to_owned()]),
        active_directory: Some(false),
        technicians: automate.then_some(5),
        redirectors: automate.then_some(false),
        split_database: None,
        control: automate.then_some(ControlServer::None),
        sni: Some(description.host.clone()),
        moved: moved.collect(),
        // What the guides' own ports lead to on this machine is none of the demo's business.
        shared_address: true,
        expected: Vec::new(),
        rules: Vec::new(),
        notes: Some("a mock server on loopback".to_owned()),
        evidence: None,
        schedule: None,
    }
}

/// The demo's targets as an inventory, to see what one looks like.
fn inventory_of(targets: &[Target]) -> String {
    let mut text = String::from(
        "# The demo's targets. Their ports were free ones of that moment, and are closed now.\nclient = \"Demo\"\n",
    );
    for target in targets {
        let roles: Vec<&str> = target.roles.iter().map(|role| role.as_str()).collect();
        let _ = write!(
            text,
            "\n[[target]]\nname = \"{}\"\nhost = \"{}\"\nroles = {roles:?}\ntags = [\"demo\"]\nactive_directory = false\n",
            target.name, target.host
        );
        if let Some(technicians) = target.technicians {
            let _ = writeln!(text, "technicians = {technicians}\nredirectors = false\ncontrol = \"none\"");
        }
        if let Some(sni) = &target.sni {
            let _ = writeln!(text, "sni = \"{sni}\"");
        }
        let _ = writeln!(text, "shared_address = true\n[target.moved]");
        for moved in &target.moved {
            let to = moved.to.to_string();
            let _ = writeln!(text, "\"{}\" = \"{}\"", moved.from, to.split('/').next_back().unwrap_or_default());
        }
    }
    text
}
