//! `portreeve host`: the collector, and what it brought.

mod collect;

use super::args::{Format, HostCheckArgs, HostCommand, Shared};
use super::exit::{CliError, Exit};
use super::output::print;
use super::scan::{Files, both, show};
use super::session::{HostEvidences, empty_run};
use super::{guides, output};
use crate::catalog::diagnostic::Diagnostic;
use crate::catalog::guide::Guide;
use crate::catalog::inventory::NO_CLIENT;
use crate::host::bundle::Bundle;
use crate::host::evidence::Evidence;
use crate::host::{collector, text};
use crate::judge::{Case, judge};
use crate::model::peer_text::PeerText;
use crate::model::run::TargetRun;
use crate::model::statement::Statements;
use crate::model::target::{Host, Target};
use crate::model::vantage::Ways;
use crate::report;
use jiff::Timestamp;
use std::path::Path;

/// Runs `portreeve host`.
pub(super) fn run(command: &HostCommand, shared: &Shared) -> Result<Exit, CliError> {
    match command {
        HostCommand::Collector => {
            print(&collector::script())?;
            Ok(Exit::Clean)
        }
        HostCommand::Collect(args) => collect::collect(args.output.as_deref()),
        HostCommand::KeyTimes => collect::key_times(),
        HostCommand::Check(args) => check(args, shared),
    }
}

fn check(args: &HostCheckArgs, shared: &Shared) -> Result<Exit, CliError> {
    let catalogs = guides::catalogs(&args.guides)?;
    let evidence = match &args.bundle {
        Some(path) => open(path)?,
        None => by_hand(args)?,
    };
    let computer = evidence.computer.as_deref().unwrap_or("host");
    let name = PeerText::new(computer, 60).to_string();
    let target = Target { roles: args.roles.iter().copied().collect(), ..Target::new(NO_CLIENT, Host::Name(name)) };
    let judgement = judge(Case {
        target: &target,
        addresses: &[],
        observations: &[],
        guides: &catalogs.guides,
        exploited: &catalogs.exploited,
        ways: &Ways::default(),
        evidence: Some(&evidence),
        statements: &Statements::default(),
        evidence_alone: true,
    });
    if judgement.findings.is_empty() {
        return Err(CliError::Usage(
            "no item of the guides of these roles can be answered from inside; see `portreeve guides list`".to_owned(),
        ));
    }
    let mut run = empty_run();
    let used = |guide: &&Guide| judgement.findings.iter().any(|finding| finding.guide == guide.id);
    run.guides = catalogs.guides.iter().filter(used).map(Guide::used).collect();
    let files = Files::create(args.output.json.as_deref(), args.output.html.as_deref(), std::slice::from_ref(&target))?;
    run.targets = vec![TargetRun {
        target,
        addresses: Vec::new(),
        observations: Vec::new(),
        findings: judgement.findings,
        rules: Vec::new(),
        disagreements: Vec::new(),
        troubles: judgement.troubles,
        evidence: judgement.evidence,
    }];
    if let (Format::Jsonl, false, Some(target)) = (args.output.format, shared.quiet, run.targets.first()) {
        output::lines(target)?;
    }
    both(files.finish(&run), show(&run, &args.output, shared))?;
    Ok(Exit::of_run(&run, args.output.fail_on))
}

fn open(path: &Path) -> Result<Evidence, CliError> {
    let name = output::shown(path);
    let bundle = Bundle::open(path, name.as_str());
    // Which of several bundles it was, an error of one of its files does not say by itself.
    let told = |error: String| if error.contains(name.as_str()) { error } else { format!("{name}: {error}") };
    let bundle = bundle.map_err(|error| CliError::Usage(told(report::text::clean(&error.to_string()).into_owned())))?;
    Ok(Evidence::of_bundle(&bundle, Timestamp::now()))
}

/// Adds the text of a file to the evidence.
type Reader<'a> = dyn FnMut(&str, &str) -> Result<(), Box<Diagnostic>> + 'a;

fn by_hand(args: &HostCheckArgs) -> Result<Evidence, CliError> {
    let mut evidence = Evidence { name: "files exported by hand".to_owned(), ..Evidence::default() };
    let read = |path: &Path, add: &mut Reader<'_>| {
        let name = output::shown(path);
        let about = std::fs::metadata(path).map_err(|error| CliError::Usage(format!("{name}: {error}")))?;
        // A pipe or a device may never end.
        if !about.is_file() {
            return Err(CliError::Usage(format!("{name}: this is no regular file. Give the file that was exported")));
        }
        if about.len() > text::LIMIT as u64 {
            return Err(CliError::Usage(format!(
                "{name}: the file is larger than 32 MiB; export only the keys that are needed"
            )));
        }
        let bytes = std::fs::read(path).map_err(|error| CliError::Usage(format!("{name}: {error}")))?;
        let decoded = text::decode(name.as_str(), &bytes).and_then(|text| add(name.as_str(), &text));
        decoded.map_err(|diagnostic| CliError::Usage(diagnostic.render(false).trim_start_matches("error: ").to_owned()))
    };
    for path in &args.reg {
        read(path, &mut |name, text| evidence.add_reg(name, text))?;
    }
    if let Some(path) = &args.inf {
        read(path, &mut |name, text| evidence.add_inf(name, text))?;
    }
    if let Some(path) = &args.iis {
        read(path, &mut |name, text| evidence.add_iis(name, text))?;
    }
    Ok(evidence)
}

/// The evidence of the targets of a scan: of the options, or of the inventory.
pub(super) fn of_targets(targets: &[Target], options: &[String]) -> Result<HostEvidences, CliError> {
    let mut found = HostEvidences::new();
    for target in targets {
        if let Some(path) = &target.evidence {
            let evidence = open(Path::new(path)).map_err(|error| match error {
                CliError::Usage(message) => {
                    CliError::Usage(format!("the evidence of {}: {message}", output::called(target)))
                }
                other => other,
            })?;
            found.insert(target.label(), evidence);
        }
    }
    for option in options {
        let named = match option.split_once('=') {
            Some((name, path)) => named(targets, name)?.map(|target| (target, path)),
            None => None,
        };
        let (target, path) = match (named, targets) {
            (Some(named), _) => named,
            (None, [only]) if !option.contains('=') || Path::new(option).exists() => (only, option.as_str()),
            _ => {
                let option = PeerText::new(option, 200);
                return Err(CliError::Usage(format!(
                    "--host-evidence {option}: say whose it is, as NAME=BUNDLE with a server of this scan (in an inventory CLIENT/NAME)"
                )));
            }
        };
        if found.insert(target.label(), open(Path::new(path))?).is_some() {
            return Err(CliError::Usage(format!(
                "{} has two bundles, of --host-evidence or the inventory's `evidence`: give the one that counts",
                output::called(target)
            )));
        }
    }
    tell_of_shared(targets, &mut found);
    Ok(found)
}

/// One bundle, or a copy of it, that was given for two servers is of one of them at most.
fn tell_of_shared(targets: &[Target], found: &mut HostEvidences) {
    let digests: Vec<(String, Option<String>)> =
        found.iter().map(|(label, evidence)| (label.clone(), evidence.digest.clone())).collect();
    for (label, evidence) in found.iter_mut() {
        let others = digests.iter().filter(|(other, digest)| other != label && *digest == evidence.digest);
        let others: Vec<String> = others
            .filter_map(|(other, _)| targets.iter().find(|target| target.label() == *other))
            .map(output::called)
            .collect();
        if !others.is_empty() {
            evidence.shared = Some(format!(
                "the same bundle was given for {} too, and it is of one server at most",
                others.join(", ")
            ));
        }
    }
}

/// The target that an option names, as CLIENT/NAME or by a name that only one has: names are unique for each client only.
fn named<'a>(targets: &'a [Target], name: &str) -> Result<Option<&'a Target>, CliError> {
    let mut fitting = targets.iter().filter(|target| target.label() == name || target.name == name);
    match (fitting.next(), fitting.next()) {
        (Some(_), Some(_)) => Err(CliError::Usage(format!(
            "--host-evidence: `{}` is the name of more than one server of this scan; say whose the bundle is, as CLIENT/NAME=BUNDLE",
            PeerText::new(name, 200)
        ))),
        (only, _) => Ok(only),
    }
}
