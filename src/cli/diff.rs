//! `portreeve diff`: what reads otherwise between two runs, and why.

mod gather;

use super::args::Shared;
use super::args::diff::{DiffArgs, DiffFailOn, DiffFormat, DiffShowArgs};
use super::exit::{CliError, Exit};
use super::history::{runs_of, say_ahead};
use super::output::{complain, print};
use super::pending::PendingFile;
use super::scan::{both, file_name};
use crate::history::sqlite::Mode;
use crate::history::{RunName, RunNumber, State, Summary};
use crate::model::drift::Drift;
use crate::report;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::path::Path;

pub(super) use gather::attach;
use gather::{earlier, of_runs};

/// Runs `portreeve diff`.
pub(super) fn run(args: &DiffArgs, shared: &Shared) -> Result<Exit, CliError> {
    let store = args.place.open(Mode::Existing)?;
    let (wanted, runs) = (args.of.wanted(), runs_of(&store, &args.of)?);
    let now = Timestamp::now();
    let ended: Vec<&Summary> = runs.iter().filter(|run| run.state == State::Finished && !run.is_ahead(now)).collect();
    let none = |what: &str| CliError::Usage(format!("{what}; `portreeve history` lists the runs"));
    let new = match args.new.or(args.old.filter(|_| args.new.is_none()).map(|_| RunName::Last(0))) {
        Some(name) => name.find(&runs, now)?,
        None => *ended.last().ok_or_else(|| none("there is no run that came to its end"))?,
    };
    let old = match args.old {
        Some(name) => Some(name.find(&runs, now)?.number),
        None => earlier(&store, &runs, new.number, &wanted)?,
    };
    let old = old.ok_or_else(|| none("no earlier run that came to its end has the same servers; name two runs"))?;
    if old == new.number {
        return Err(none(&match args.new {
            Some(_) => format!("OLD and NEW are the same run, {old}"),
            None => format!("OLD and NEW are the same run, {old}: where only OLD is named, NEW is `last`"),
        }));
    }
    if !shared.quiet {
        say_left_out(args, &runs, (old, new.number), now, shared);
    }
    let drift = of_runs(&store, &runs, (old, new.number), &wanted)?;
    show(&drift, &args.show, shared)
}

/// Says which runs were left out, or compared, as dated in the future, and that a comparison goes backwards.
fn say_left_out(
    args: &DiffArgs,
    runs: &[Summary],
    (old, new): (RunNumber, RunNumber),
    now: Timestamp,
    shared: &Shared,
) {
    let is_compared = |run: &&Summary| run.number == old || run.number == new;
    let (compared, others): (Vec<Summary>, Vec<Summary>) = runs.iter().cloned().partition(|run| is_compared(&run));
    say_ahead(&compared, now, "it is compared because it was named", shared);
    if !matches!((args.old, args.new), (Some(RunName::Number(_)), Some(RunName::Number(_)))) {
        say_ahead(&others, now, "it is not compared, and is not `last`", shared);
    }
    let place = |number| runs.iter().position(|run| run.number == number);
    if place(old) > place(new) {
        complain(&format!(
            "run {old} began after run {new}, so this compares backwards: what is told as worse has become better since \
             (`portreeve diff {new} {old}` tells it the other way round)"
        ));
    }
}

/// Shows what reads otherwise, and says how the program ends.
pub(super) fn show(drift: &Drift, how: &DiffShowArgs, shared: &Shared) -> Result<Exit, CliError> {
    let pages = how.html.as_deref().map(|path| pages(path, drift)).transpose()?.unwrap_or_default();
    let mut written = Ok(());
    for (client, file) in pages {
        let own = client.map(|client| report::drift_for_client(drift, &client));
        let page = report::html::drift(own.as_ref().unwrap_or(drift));
        let page = page.map_err(|error| CliError::Bug(format!("the HTML report: {error}")));
        written = both(written, page.and_then(|page| file.finish(&page)));
    }
    let shown = if shared.quiet { Ok(()) } else { text(drift, how.format, shared).and_then(|text| print(&text)) };
    both(written, shown)?;
    Ok(Exit::of_drift(drift, how.fail_on))
}

fn text(drift: &Drift, format: DiffFormat, shared: &Shared) -> Result<String, CliError> {
    match format {
        DiffFormat::Text => Ok(report::terminal::drift(drift, shared.columns(), shared.colour())),
        DiffFormat::Json => {
            report::json::drift(drift).map_err(|error| CliError::Bug(format!("the JSON report: {error}")))
        }
        DiffFormat::Csv => report::csv::drift(drift).map_err(|error| CliError::Bug(format!("the CSV report: {error}"))),
    }
}

/// The places of the HTML pages. A client sees its own servers only, so with several clients `path` must be a folder.
fn pages(path: &Path, drift: &Drift) -> Result<Vec<(Option<String>, PendingFile)>, CliError> {
    let clients: BTreeSet<&str> = drift.targets.iter().map(|target| target.client.as_str()).collect();
    if path.is_dir() {
        let page = |client: &str| {
            let file = PendingFile::create(&path.join(file_name(client)))?;
            Ok((Some(client.to_owned()), file))
        };
        return clients.into_iter().map(page).collect();
    }
    if clients.len() > 1 {
        return Err(CliError::Usage(format!(
            "the runs have targets of {} clients, and one HTML file would show each the others' servers; name an existing \
             folder with --html, and one file is written for each client",
            clients.len()
        )));
    }
    Ok(vec![(None, PendingFile::create(path)?)])
}

impl Exit {
    /// How a comparison ends: what could not be compared before what is worse.
    pub(super) fn of_drift(drift: &Drift, fail_on: DiffFailOn) -> Self {
        let tally = drift.tally();
        let counted = match fail_on {
            DiffFailOn::Worse => tally.worse > 0,
            DiffFailOn::Change => !drift.is_unchanged(),
            DiffFailOn::Never => false,
        };
        if !drift.is_whole() {
            Self::Partial
        } else if counted {
            Self::Findings
        } else {
            Self::Clean
        }
    }
}

#[cfg(test)]
mod tests {
    use super::gather::{Loaded, since};
    use super::*;
    use crate::cli::session::empty_run;
    use crate::drift::EARLIER;
    use crate::drift::tests::world::{ADDRESS, World};
    use crate::history::sqlite::Sqlite;
    use crate::history::{Archive as _, Beginning, RunNumber, Wanted};
    use crate::model::address::is_inside;
    use crate::model::drift::{Change, Class, Sighting};
    use crate::model::ports::{Ports, Transport};
    use crate::model::run::{Run, TargetRun, Trouble};
    use crate::model::target::{Host, Target};
    use crate::model::vantage::{Passage, Way};
    use crate::model::verdict::{Check, Confidence, Finding, Severity, Verdict};

    fn run(client: &str, verdict: Verdict, troubles: &[Trouble]) -> Run {
        let check = Check {
            rule: "r".to_owned(),
            verdict,
            confidence: Confidence::High,
            seen: Vec::new(),
            why: "w".to_owned(),
            settle: None,
            rests_on: Vec::new(),
            lacking: false,
        };
        let finding = Finding {
            guide: "g".to_owned(),
            item: "ITEM".to_owned(),
            section: String::new(),
            title: String::new(),
            severity: Severity::High,
            verdict,
            confidence: Confidence::High,
            checks: vec![check],
            rationale: String::new(),
            remedy: Vec::new(),
            references: Vec::new(),
            disagreements: Vec::new(),
            attestation: None,
            waiver: None,
        };
        let target = TargetRun {
            target: Target::new(client, Host::Name("h.invalid".to_owned())),
            addresses: Vec::new(),
            observations: Vec::new(),
            findings: vec![finding],
            rules: Vec::new(),
            disagreements: Vec::new(),
            troubles: troubles.to_vec(),
            evidence: None,
        };
        Run { targets: vec![target], ..empty_run() }
    }

    fn loaded(number: u64, verdict: Verdict) -> Loaded {
        Loaded { number: Some(number), run: run("c", verdict, &[]) }
    }

    fn ended(old: Verdict, new: Verdict, troubles: &[Trouble], fail_on: DiffFailOn) -> Exit {
        let new = run("c", new, troubles);
        let drift = since(loaded(1, old), (Some(2), &new), std::iter::empty(), std::iter::empty()).unwrap();
        Exit::of_drift(&drift, fail_on)
    }

    #[test]
    fn the_exit_code_tells_what_is_worse_and_what_could_not_be_compared() {
        use Verdict::{Fail, Inconclusive, Pass};
        assert_eq!(ended(Pass, Pass, &[], DiffFailOn::Change), Exit::Clean);
        assert_eq!(ended(Pass, Fail, &[], DiffFailOn::Worse), Exit::Findings);
        assert_eq!(ended(Pass, Fail, &[], DiffFailOn::Never), Exit::Clean);
        assert_eq!(ended(Fail, Pass, &[], DiffFailOn::Worse), Exit::Clean);
        assert_eq!(ended(Fail, Pass, &[], DiffFailOn::Change), Exit::Findings);
        assert_eq!(ended(Fail, Inconclusive, &[], DiffFailOn::Never), Exit::Partial, "a lost sight is no mending");
        assert_eq!(ended(Pass, Fail, &[Trouble::OutOfTime], DiffFailOn::Worse), Exit::Partial, "3 goes before 1");
        assert_eq!(ended(Inconclusive, Inconclusive, &[], DiffFailOn::Worse), Exit::Clean, "neither could tell");
    }

    #[test]
    fn only_as_many_runs_are_loaded_as_are_of_use() {
        let mut asked = 0;
        let earlier = (0..100).rev().map(|number| {
            asked += 1;
            Ok(loaded(number, Verdict::Pass))
        });
        let between = (101..110).rev().map(|number| Ok(loaded(number, Verdict::Inconclusive)));
        let new = run("c", Verdict::Fail, &[]);
        let drift = since(loaded(100, Verdict::Pass), (Some(110), &new), between, earlier).unwrap();
        let others: Vec<u64> = drift.others.iter().filter_map(|mark| mark.number).collect();
        assert_eq!(others, [92, 93, 94, 95, 96, 97, 98, 99, 106, 107, 108, 109]);
        assert_eq!((drift.before.number, drift.after.number), (Some(100), Some(110)));
        assert_eq!(asked, EARLIER);
    }

    #[test]
    fn a_run_that_cannot_be_loaded_is_an_error() {
        let broken = || Err(CliError::Machine("the disk is gone".to_owned()));
        let new = run("c", Verdict::Pass, &[]);
        let error = since(loaded(1, Verdict::Pass), (None, &new), std::iter::empty(), std::iter::once_with(broken));
        assert!(matches!(error, Err(CliError::Machine(_))));
    }

    #[test]
    fn no_client_is_shown_the_servers_of_another() {
        let folder = tempfile::tempdir().unwrap();
        let mut new = run("a", Verdict::Fail, &[]);
        new.targets.extend(run("b", Verdict::Fail, &[]).targets);
        let mut old = loaded(1, Verdict::Pass);
        old.run = Run { targets: Vec::new(), ..old.run };
        let drift = since(old, (None, &new), std::iter::empty(), std::iter::empty()).unwrap();
        let error = pages(&folder.path().join("one.html"), &drift).map(|_| ());
        assert!(matches!(error, Err(CliError::Usage(message)) if message.contains("2 clients")));
        let names: Vec<Option<String>> =
            pages(folder.path(), &drift).unwrap().into_iter().map(|(client, _)| client).collect();
        assert_eq!(names, [Some("a".to_owned()), Some("b".to_owned())]);
        let own = report::drift_for_client(&drift, "a");
        assert!(own.targets.iter().all(|target| target.client == "a") && !own.targets.is_empty());
    }

    /// Keeps a run that came to its end.
    fn keep(store: &mut Sqlite, minute: usize, run: &Run) -> RunNumber {
        let started = format!("2026-11-01T{:02}:{:02}:00Z", minute / 60, minute % 60);
        let run = Run { started: started.clone(), ..run.clone() };
        let targets: Vec<Target> = run.targets.iter().map(|target| target.target.clone()).collect();
        let number = store.begin(&started, &Beginning::default(), &targets).unwrap();
        let all: Vec<(usize, &TargetRun)> = run.targets.iter().enumerate().collect();
        store.finish(number, &run, &all).unwrap();
        number
    }

    fn store(folder: &Path) -> Sqlite {
        Sqlite::open(&folder.join("history.db"), Mode::Create, report::describe).unwrap()
    }

    #[test]
    fn runs_of_other_clients_do_not_hide_the_last_run_of_the_same_servers() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = store(folder.path());
        let first = keep(&mut store, 0, &run("a", Verdict::Pass, &[]));
        for minute in 1..150 {
            keep(&mut store, minute, &run(&format!("other {minute}"), Verdict::Pass, &[]));
        }
        let mut new = run("a", Verdict::Fail, &[]);
        let number = keep(&mut store, 150, &new);
        attach(&store, number, &mut new, &Wanted::default()).unwrap();
        let drift = new.drift.unwrap();
        assert_eq!(drift.before.number, u64::try_from(first.0).ok());
        assert_eq!(drift.tally().worse, 1);
    }

    #[test]
    fn what_flaps_is_seen_among_the_runs_of_other_clients() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = store(folder.path());
        let mut last = None;
        for night in 0..6 {
            let said = if night % 2 == 0 { Verdict::Pass } else { Verdict::Fail };
            let mut new = run("a", said, &[]);
            let number = keep(&mut store, night * 20, &new);
            for other in 1..20 {
                keep(&mut store, night * 20 + other, &run(&format!("other {other}"), Verdict::Pass, &[]));
            }
            attach(&store, number, &mut new, &Wanted::default()).unwrap();
            last = new.drift;
        }
        let drift = last.unwrap();
        assert_eq!((drift.tally().worse, drift.tally().flapping), (0, 1), "{drift:#?}");
    }

    #[test]
    fn servers_that_are_quiet_and_others_stand_in_the_order_of_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = store(folder.path());
        let estate = |changed: Verdict| -> Run {
            let mut all = run("a", Verdict::Pass, &[]);
            for (client, name, said) in
                [("b", "1", Verdict::Pass), ("a", "2", changed), ("b", "3", changed), ("a", "4", Verdict::Inconclusive)]
            {
                let mut one = run(client, said, &[]).targets.remove(0);
                name.clone_into(&mut one.target.name);
                all.targets.push(one);
            }
            all
        };
        keep(&mut store, 0, &estate(Verdict::Pass));
        let mut new = estate(Verdict::Fail);
        let as_it_was = new.targets.clone();
        let number = keep(&mut store, 1, &new);
        attach(&store, number, &mut new, &Wanted::default()).unwrap();
        assert_eq!(new.targets, as_it_was, "the run itself is left as it is");
        let drift = new.drift.unwrap();
        let told: Vec<(String, usize, usize)> =
            drift.targets.iter().map(|one| (one.label(), one.changes.len(), one.not_compared.len())).collect();
        let expected = [("a/h.invalid", 0, 0), ("a/2", 1, 0), ("a/4", 0, 1), ("b/1", 0, 0), ("b/3", 1, 0)];
        assert_eq!(told, expected.map(|(name, changes, untold)| (name.to_owned(), changes, untold)));
    }

    #[test]
    fn what_flaps_is_seen_beside_a_neighbour_that_is_scanned_every_hour() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = store(folder.path());
        let mut hourly = run("a", Verdict::Pass, &[]);
        "hourly".clone_into(&mut hourly.targets[0].target.name);
        let mut last = None;
        for night in 0..6 {
            let said = if night % 2 == 0 { Verdict::Pass } else { Verdict::Fail };
            let mut new = run("a", said, &[]);
            let number = keep(&mut store, night * 20, &new);
            for hour in 1..20 {
                hourly.targets[0].findings[0].verdict = if hour % 2 == 0 { Verdict::Pass } else { Verdict::Fail };
                keep(&mut store, night * 20 + hour, &hourly);
            }
            attach(&store, number, &mut new, &Wanted::default()).unwrap();
            last = new.drift;
        }
        let drift = last.unwrap();
        assert_eq!((drift.tally().worse, drift.tally().flapping), (0, 1), "{drift:#?}");
    }

    #[test]
    fn what_flaps_is_seen_beside_a_neighbour_that_is_scanned_a_hundred_times_between() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = store(folder.path());
        let mut often = run("a", Verdict::Pass, &[]);
        "often".clone_into(&mut often.targets[0].target.name);
        let mut last = None;
        for month in 0..6 {
            let said = if month % 2 == 0 { Verdict::Pass } else { Verdict::Fail };
            let mut new = run("a", said, &[]);
            let number = keep(&mut store, month * 100, &new);
            for hour in 1..100 {
                keep(&mut store, month * 100 + hour, &often);
            }
            attach(&store, number, &mut new, &Wanted::default()).unwrap();
            last = new.drift;
        }
        let drift = last.unwrap();
        assert_eq!((drift.tally().worse, drift.tally().flapping), (0, 1), "{drift:#?}");
    }

    #[test]
    fn a_server_that_the_older_run_left_out_is_compared_with_the_last_run_that_had_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = store(folder.path());
        let mut both = run("a", Verdict::Pass, &[]);
        let mut second = run("a", Verdict::Pass, &[]).targets.remove(0);
        "second".clone_into(&mut second.target.name);
        both.targets.push(second);
        keep(&mut store, 0, &both);
        let left_out = run("a", Verdict::Pass, &[]);
        let old = keep(&mut store, 1, &left_out);
        both.targets[1].findings[0].verdict = Verdict::Fail;
        let new = keep(&mut store, 2, &both);
        let runs = store.runs(&Wanted::default()).unwrap();
        let drift = of_runs(&store, &runs, (old, new), &Wanted::default()).unwrap();
        let told: Vec<(&str, usize)> = drift.targets.iter().map(|one| (one.name.as_str(), one.changes.len())).collect();
        assert_eq!((told, drift.tally().worse), (vec![("h.invalid", 0), ("second", 1)], 1), "{drift:#?}");
    }

    /// What the same servers are said to be, night after night: `p` passes, `f` fails, `?` cannot be told, and `!` is not finished.
    fn nights(servers: &[String], night: usize) -> Run {
        let targets = servers.iter().enumerate().map(|(place, courses)| {
            let (verdict, troubles) = match courses.as_bytes()[night] {
                b'p' => (Verdict::Pass, &[][..]),
                b'f' => (Verdict::Fail, &[][..]),
                b'?' => (Verdict::Inconclusive, &[][..]),
                _ => (Verdict::Pass, &[Trouble::Interrupted][..]),
            };
            let mut target = run(["a", "b"][place % 2], verdict, troubles).targets.remove(0);
            target.target.name = format!("server {place}");
            target
        });
        Run { targets: targets.collect(), ..empty_run() }
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config { cases: 48, ..Default::default() })]

        /// Leaving out what is known already tells what comparing everything tells, whether it is kept what servers come to or not.
        #[test]
        fn what_is_not_looked_at_would_say_nothing_more(
            servers in proptest::collection::vec("[pf?!]p{2}[pf?!]{4}p{3}[pf?]{4}|p{5}[pf?!]{2}p{7}|[pf]{14}", 4),
            old in 0usize..14, new in 0usize..14,
        ) {
            proptest::prop_assume!(old != new);
            let folder = tempfile::tempdir().unwrap();
            let mut store = store(folder.path());
            let numbers: Vec<RunNumber> =
                (0..14).map(|night| keep(&mut store, night, &nights(&servers, night))).collect();
            let everything = Wanted::default();
            let runs = store.runs(&everything).unwrap();
            let of = |store: &Sqlite| of_runs(store, &runs, (numbers[old], numbers[new]), &everything).unwrap();
            let told = of(&store);
            let load = |night: &usize| {
                Ok(Loaded { number: None, run: store.load(numbers[*night], &everything).unwrap() })
            };
            let (first, last) = (old.min(new), old.max(new));
            let between: Vec<usize> = (first + 1..last).rev().collect();
            let before: Vec<usize> = (0..first).rev().collect();
            let newer = load(&new).unwrap();
            let all = since(load(&old).unwrap(), (None, &newer.run), between.iter().map(load), before.iter().map(load)).unwrap();
            // By clients, as reports have it.
            let mut expected = all.targets;
            expected.sort_by(|one, other| one.client.cmp(&other.client));
            proptest::prop_assert_eq!(&told.targets, &expected);
            rusqlite::Connection::open(folder.path().join("history.db")).unwrap().execute("DELETE FROM still", []).unwrap();
            proptest::prop_assert_eq!(of(&store), told);
        }
    }

    /// The same words through a network that drops what is asked are another sight.
    #[test]
    fn what_was_seen_through_another_network_is_looked_at_though_the_words_are_the_same() {
        let seen = |state: &str, is_blocked: bool| {
            let mut run = World::sound().with(&[&format!("tcp/5900 {state}")]).run();
            if is_blocked {
                let ports = Ports::one(Transport::Tcp, 5900).unwrap();
                let inside = is_inside(ADDRESS.parse().unwrap());
                run.vantage.ways.add(Way { ports, v6: false, inside, passage: Passage::Blocked, sender: None });
            }
            run
        };
        let nights = [seen("filtered", false), seen("filtered", true), seen("open", false)];
        let folder = tempfile::tempdir().unwrap();
        let mut store = store(folder.path());
        let numbers: Vec<RunNumber> = (0..3).map(|night| keep(&mut store, night, &nights[night])).collect();
        let runs = store.runs(&Wanted::default()).unwrap();
        let drift = of_runs(&store, &runs, (numbers[1], numbers[2]), &Wanted::default()).unwrap();
        let is_port = |change: &&Change| change.subject.to_string().contains("tcp/5900");
        let change = drift.targets[0].changes.iter().find(is_port).unwrap();
        assert_eq!((change.class, change.sighting), (Class::Worse, Sighting::Regained), "{change:#?}");
    }

    #[test]
    fn a_page_is_named_by_its_client_alone() {
        assert_eq!(file_name("northwind-dental"), "northwind-dental.html");
        let clients = [
            "Northwind Dental",
            "northwind dental",
            "M\u{fc}ller",
            "M\u{f6}ller",
            "con",
            "CON",
            "../../x",
            "--",
            "",
            "a--b",
        ];
        let names: BTreeSet<String> = clients.iter().map(|client| file_name(client)).collect();
        assert_eq!(names.len(), clients.len(), "{names:?}");
        assert!(names.iter().all(|name| name != "con.html" && !name.contains('/')), "{names:?}");
        assert!(names.iter().any(|name| name.starts_with("northwind-dental-")), "{names:?}");
        assert!(file_name(&"x".repeat(9000)).len() < 255);
    }
}
