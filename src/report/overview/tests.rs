use super::asked::{Asked, AskedOptions};
use super::{Estate, Narrowed, Overview, Sureness, words};
use crate::history::courses::Seen;
use crate::history::{Archive as _, Beginning, Wanted};
use crate::model::run::{Run, Tally};
use crate::model::statement::About;
use crate::model::target::Target;
use crate::model::verdict::{Severity, Verdict};
use crate::report::fixture::everything;
use crate::report::fixture::overview::{
    UNTIL, hostile_overview, kept, kept_as, month, night, overview, set, told, told_of,
};
use crate::report::{csv, html, json, markdown, terminal};
use std::collections::BTreeSet;

mod lost;

fn server<'a>(overview: &'a Overview, name: &str) -> &'a super::Server {
    overview.servers.iter().find(|server| server.name == name).unwrap()
}

fn failure<'a>(overview: &'a Overview, name: &str, item: &str) -> &'a super::Failure {
    let found = server(overview, name).failures.iter().find(|one| one.about.to_string() == item);
    found.unwrap_or_else(|| panic!("{item} of {name}"))
}

/// The report over these runs at [`UNTIL`].
fn of_runs(runs: impl IntoIterator<Item = Run>) -> Estate {
    let folder = tempfile::tempdir().unwrap();
    told(&kept(folder.path(), runs), UNTIL, 30)
}

#[test]
fn the_whole_report_in_every_form() {
    let overview = overview();
    for width in [40, 80, 160] {
        let page = terminal::overview(&overview, width, false, true);
        assert!(page.lines().all(|line| textwrap::core::display_width(line) <= width), "{page}");
        insta::assert_snapshot!(format!("terminal-{width}"), page);
    }
    insta::assert_snapshot!("html", html::overview(&overview).unwrap());
    insta::assert_snapshot!("json", json::overview(&overview).unwrap());
    insta::assert_snapshot!("markdown", markdown::overview(&overview));
    insta::assert_snapshot!("csv", csv::plan(&overview).unwrap().replace("\r\n", "\n"));
    let client = month().overview(Some("Harbour Dental Group"));
    insta::assert_snapshot!("html-client", html::overview(&client).unwrap());
    assert!(!terminal::overview(&overview, 80, false, false).contains(['\u{2581}', '\u{2588}']));
}

#[test]
fn the_picture_is_of_the_last_run_that_saw_anything() {
    let overview = overview();
    let dark = server(&overview, "iis-legacy");
    assert_eq!(dark.seen.as_ref().unwrap().started, "2026-03-01T02:30:00Z");
    assert!(dark.lost.as_ref().is_some_and(|lost| lost.mark.started == "2026-03-14T02:30:00Z"));
    assert!(!dark.is_fresh() && dark.tally.count(Verdict::Fail) > 0);
    assert_eq!(words::standing(dark), "NOT SEEN");
    assert_eq!(words::standing(server(&overview, "distribution")), "NEVER SEEN");
    assert_eq!(words::standing(server(&overview, "automate-01")), "current");
    let said = words::headline(&overview);
    assert!(said.contains("not the whole picture: 1 server was never seen and 1 server was not seen"), "{said}");
}

#[test]
fn a_failure_is_as_old_as_its_unbroken_series() {
    let overview = overview();
    let database = failure(&overview, "automate-01", "AUT-NET-12");
    // It passed until the eighth night; the nights in which nothing was seen, or none came, break nothing.
    assert_eq!((database.since.mark.started.as_str(), database.since.at_least), ("2026-02-24T02:30:00Z", false));
    let tls = failure(&overview, "automate-01", "AUT-TLS-01");
    assert_eq!((tls.since.mark.started.as_str(), tls.since.at_least), ("2026-02-15T02:30:00Z", true));
}

#[test]
fn what_can_no_longer_be_told_stands_as_it_was() {
    let overview = overview();
    let untold = failure(&overview, "automate-01", "AUT-IIS-03");
    assert_eq!(untold.unconfirmed.as_ref().unwrap().started, "2026-03-12T02:30:00Z");
    assert!(server(&overview, "automate-01").open(untold.severity) > 0);
    let last = overview.trend.points.last().unwrap();
    let standing: usize = overview.servers.iter().map(|server| server.failures.len()).sum();
    assert_eq!(last.failing(), standing, "the trend ends with what the report says");
}

#[test]
fn a_lost_sight_never_makes_the_trend_fall_and_a_night_without_sight_is_a_gap() {
    let overview = overview();
    let points = &overview.trend.points;
    assert_eq!(points.len(), 27);
    let kinds: Vec<Sureness> = points.iter().map(super::Point::sureness).collect();
    assert_eq!(kinds[5], Sureness::Nothing);
    assert!(!points[12].gap_before, "one missing night is but twice the usual pause");
    assert_eq!(kinds[4], Sureness::Whole, "a server that was never seen is told elsewhere");
    assert_eq!(kinds[20], Sureness::Partly);
    for pair in points.windows(2) {
        assert!(pair[0].failing() <= pair[1].failing(), "{pair:?}");
    }
    let marks: Vec<&str> = overview.trend.marks.iter().map(|mark| mark.what.as_str()).collect();
    assert!(marks.iter().any(|mark| mark.contains("guide automate: revision")), "{marks:?}");
}

#[test]
fn what_a_scan_does_not_find_mended_is_not_mended() {
    // Mended: it passes. Not mended: the item is not told.
    let mended = of_runs((24..28).map(|number| {
        let mut run = night(number);
        if number == 27 {
            let findings = run.targets[0].findings.iter_mut().filter(|finding| finding.item == "AUT-TLS-01");
            findings.for_each(|finding| finding.verdict = Verdict::Pass);
        }
        run
    }));
    let overview = mended.overview(None);
    assert!(server(&overview, "automate-01").failures.iter().all(|one| one.about.to_string() != "AUT-TLS-01"));
}

/// A night as the watch scans it, or a person by hand with one guide.
fn asked(number: u32, options: &[&str]) -> (Beginning, Run) {
    let mut run = night(number);
    let guide = options.iter().skip_while(|one| **one != "--guide").nth(1);
    if let Some(guide) = guide {
        run.guides.retain(|known| known.id == *guide);
        for target in &mut run.targets {
            target.findings.retain(|finding| finding.guide == *guide);
            target.rules.clear();
        }
    }
    let arguments = std::iter::once(&"scan").chain(options).map(|one| (*one).to_owned()).collect();
    (Beginning { arguments, guides: run.guides.clone(), ..Beginning::default() }, run)
}

/// Items of other guides than this that fail on the server.
fn of_others(overview: &Overview, name: &str, guide: &str) -> Vec<super::Failure> {
    let other = |one: &&super::Failure| !matches!(&one.about, About::Item { guide: own, .. } if own == guide);
    server(overview, name).failures.iter().filter(other).cloned().collect()
}

#[test]
fn a_scan_that_was_asked_for_less_makes_no_failure_vanish() {
    let folder = tempfile::tempdir().unwrap();
    let watch = ["--job", "nightly"];
    let whole = [asked(24, &watch), asked(25, &watch)];
    let before = told(&kept_as(folder.path(), whole.clone()), UNTIL, 30).overview(None);
    let failed = of_others(&before, "automate-01", "iis");
    assert!(failed.len() > 2 && failed.iter().any(|one| one.severity == Severity::Critical), "{failed:?}");
    let folder = tempfile::tempdir().unwrap();
    let by_hand = asked(27, &["--guide", "iis"]);
    let overview = told(&kept_as(folder.path(), whole.into_iter().chain([by_hand])), UNTIL, 30).overview(None);
    let stands = of_others(&overview, "automate-01", "iis");
    let abouts = |failures: &[super::Failure]| -> BTreeSet<(About, Severity, bool)> {
        failures.iter().map(|one| (one.about.clone(), one.severity, one.exploited)).collect()
    };
    assert_eq!(abouts(&stands), abouts(&failed));
    for one in &stands {
        assert!(one.unasked && one.unconfirmed.as_ref().unwrap().started == "2026-03-12T02:30:00Z", "{one:?}");
        assert!(words::remarks(one).iter().any(|text| text.contains("not asked by the last scan")));
    }
    let automate = server(&overview, "automate-01");
    assert_eq!(words::standing(automate), "IN PART", "{:?}", automate.missing);
    assert!(automate.missing.iter().any(|text| text.contains("asked for less")));
    let standing: usize = overview.servers.iter().map(|server| server.failures.len()).sum();
    assert_eq!(overview.trend.points.last().unwrap().failing(), standing, "the trend ends with what the report says");
    assert!(!words::headline(&overview).contains("No failure"));
}

#[test]
fn what_a_scan_that_was_asked_for_as_much_does_not_list_is_no_longer_asked() {
    let folder = tempfile::tempdir().unwrap();
    let watch = ["--job", "nightly"];
    let (beginning, mut run) = asked(27, &watch);
    for target in &mut run.targets {
        target.findings.retain(|finding| finding.item != "AUT-TLS-01");
        target.rules.clear();
    }
    let runs = [asked(25, &watch), asked(26, &["--guide", "iis"]), (beginning, run)];
    let overview = told(&kept_as(folder.path(), runs), UNTIL, 30).overview(None);
    let automate = server(&overview, "automate-01");
    assert!(automate.failures.iter().all(|one| one.about.to_string() != "AUT-TLS-01" && !one.unasked));
    assert_eq!(words::standing(automate), "current", "{:?}", automate.missing);
    let standing: usize = overview.servers.iter().map(|server| server.failures.len()).sum();
    assert_eq!(overview.trend.points.last().unwrap().failing(), standing);
}

#[test]
fn one_wider_scan_makes_no_later_picture_a_part() {
    let folder = tempfile::tempdir().unwrap();
    let nightly = ["--job", "nightly", "--guide", "automate"];
    let mut wide = asked(24, &["--ciphers"]);
    // Nothing of other guides fails, so nothing is left open.
    for target in &mut wide.1.targets {
        target.findings.iter_mut().filter(|one| one.guide != "automate").for_each(|one| one.verdict = Verdict::Pass);
        target.rules.clear();
    }
    let runs = [wide, asked(25, &nightly), asked(26, &nightly), asked(27, &nightly)];
    let overview = told(&kept_as(folder.path(), runs), UNTIL, 30).overview(None);
    let automate = server(&overview, "automate-01");
    assert_eq!(words::standing(automate), "current", "{:?}", automate.missing);
}

#[test]
fn a_run_covers_only_what_it_was_asked_for() {
    let item = About::Item { guide: "iis".to_owned(), item: "IIS-01".to_owned() };
    let rule = About::Rule("deny rest".to_owned());
    let guides = everything().guides;
    let of = |words: &[&str], change: &dyn Fn(&mut Asked, &mut AskedOptions)| {
        let arguments = words.iter().map(|one| (*one).to_owned()).collect();
        let mut asked = Asked { arguments, guides: guides.clone(), options: None };
        let mut options =
            AskedOptions { inventories: BTreeSet::from(["/a/targets".into()]), ..AskedOptions::default() };
        change(&mut asked, &mut options);
        asked.options = Some(options);
        asked
    };
    let usual = of(&["usual"], &|_, _| {});
    let covers = |own: &Asked, earlier: &Asked| [&item, &rule].map(|about| own.covers(earlier, about));
    assert_eq!(covers(&of(&["other"], &|_, _| {}), &usual), [true, true]);
    assert_eq!(covers(&Asked { options: None, ..of(&["usual"], &|_, _| {}) }, &usual), [true, true]);
    assert_eq!(covers(&Asked::default(), &Asked::default()), [false, false], "nothing is known of either");
    let fewer = of(&["fewer"], &|asked, options| {
        options.only_some_guides = true;
        asked.guides.retain(|guide| guide.id != "iis");
    });
    assert_eq!(covers(&fewer, &usual), [false, true]);
    assert_eq!(covers(&of(&["x"], &|asked, _| asked.guides.clear()), &usual), [false, true], "the user's own guide");
    let suites = of(&["suites"], &|_, options| options.suites = true);
    assert_eq!((covers(&usual, &suites), covers(&suites, &usual)), ([false, true], [true, true]));
    let elsewhere = of(&["elsewhere"], &|_, options| options.inventories = BTreeSet::from(["/b/one.toml".into()]));
    assert_eq!(covers(&elsewhere, &usual), [false, false]);
    let watch = |path: &'static str| {
        of(&[path], &move |_, options| {
            (options.by_watch, options.inventories) = (true, BTreeSet::from([path.into()]));
        })
    };
    assert_eq!(covers(&watch("/a"), &watch("/b")), [true, true], "the watch has the user's word");
    let by_host = of(&["host"], &|_, options| options.inventories.clear());
    assert_eq!(covers(&by_host, &usual), [false, false]);
    assert_eq!(covers(&of(&["host", "-q"], &|_, options| options.inventories.clear()), &by_host), [true, false]);
}

#[test]
fn a_waiver_holds_while_its_failure_cannot_be_told() {
    let mut dim = night(27);
    for finding in dim.targets[0].findings.iter_mut().filter(|finding| finding.item == "AUT-IIS-01") {
        finding.waiver.as_mut().unwrap().effect = crate::model::statement::Effect::Unneeded;
    }
    set(&mut dim.targets[0], "AUT-IIS-01", Verdict::Inconclusive);
    let folder = tempfile::tempdir().unwrap();
    let store = kept(folder.path(), [night(26), dim]);
    let overview = told(&store, UNTIL, 30).overview(None);
    let failure = failure(&overview, "automate-01", "AUT-IIS-01");
    assert!(failure.unconfirmed.is_some() && failure.waived.is_some(), "{failure:?}");
    let later = told(&store, "2026-10-01T00:00:00Z", 300).overview(None);
    let failure = self::failure(&later, "automate-01", "AUT-IIS-01");
    assert!(failure.waived.is_none() && failure.waiver_ended.is_some(), "{failure:?}");
}

#[test]
fn a_scan_is_due_by_the_schedule_of_the_inventory() {
    let folder = tempfile::tempdir().unwrap();
    let mut runs: Vec<Run> = (22..24).map(night).collect();
    let weekly = |run: &mut Run, cron: &str| {
        run.targets[0].target.schedule.as_mut().unwrap().cron = cron.to_owned();
    };
    for run in &mut runs {
        weekly(run, "30 2 * * 1");
    }
    let store = kept(folder.path(), runs.clone());
    let overdue = |inventory: Option<&[Target]>| {
        let overview = told_of(&store, UNTIL, 30, inventory).overview(None);
        server(&overview, "automate-01").overdue.clone()
    };
    assert_eq!(overdue(None), None, "by the schedule of the run");
    let mut targets: Vec<Target> = runs[0].targets.iter().map(|target| target.target.clone()).collect();
    targets[0].schedule.as_mut().unwrap().cron = "30 2 * * *".to_owned();
    let why = overdue(Some(&targets)).unwrap();
    assert!(why.contains("a scan was due on 11 March 2026"), "{why}");
    for run in &mut runs {
        weekly(run, "30 2 * * *");
    }
    let folder = tempfile::tempdir().unwrap();
    let store = kept(folder.path(), runs);
    targets[0].schedule = None;
    let overview = told_of(&store, UNTIL, 30, Some(&targets)).overview(None);
    assert_eq!(server(&overview, "automate-01").overdue, None, "it is scheduled no more");
}

#[test]
fn jitter_is_drawn_as_the_watch_draws_it() {
    let scheduled = crate::model::target::Scheduled {
        cron: "30 2 * * *".to_owned(),
        zone: "Etc/UTC".to_owned(),
        jitter: Some("4h".to_owned()),
        quiet: Vec::new(),
    };
    let mut run = night(19);
    run.targets[0].target.schedule = Some(scheduled.clone());
    let client = run.targets[0].target.client.clone();
    let overview = of_runs([run]).overview(None);
    let schedule = crate::schedule::Schedule::of(&scheduled).unwrap();
    let job = format!("{client}: {schedule}");
    let seen = server(&overview, "automate-01").seen.clone().unwrap();
    let due = schedule.next(seen.started.parse().unwrap(), &job).unwrap().at;
    let why = server(&overview, "automate-01").overdue.clone().unwrap();
    assert!(why.contains(&due.strftime("%-d %B %Y, %H:%M UTC").to_string()), "{why}");
}

#[test]
fn many_servers_whose_scan_is_overdue_are_told_together() {
    let mut run = night(10);
    run.targets.truncate(1);
    run.targets = (0..40)
        .map(|number| {
            let mut target = run.targets[0].clone();
            target.target.name = format!("rmm-{number}");
            target.target.client = format!("Client {:02}", number / 2);
            target
        })
        .collect();
    let overview = of_runs([run]).overview(None);
    let page = terminal::overview(&overview, 160, false, true);
    let first = page.split("NOT CURRENT").nth(1).unwrap().split("CLIENTS").next().unwrap();
    let words: Vec<&str> = first.split_whitespace().collect();
    let text = words.join(" ");
    assert!(text.contains("40 servers were not scanned when they were due: Client 00 (2), Client 01 (2)"), "{first}");
    assert!(text.contains("and 5 more clients") && text.contains("of 2026-02-25."), "{first}");
    assert!(!text.contains("Overdue:"), "{first}");
}

#[test]
fn a_report_of_some_servers_says_so_in_every_form() {
    let client = "Harbour Dental Group";
    let estate = month().narrowed(Narrowed { clients: false, names: true });
    let overview = estate.overview(Some(client));
    for text in [
        html::overview(&overview).unwrap(),
        json::overview(&overview).unwrap(),
        markdown::overview(&overview),
        csv::plan(&overview).unwrap(),
        terminal::overview(&overview, 160, false, true),
    ] {
        assert!(text.contains("only a part of") && !text.contains("iis-legacy"), "{text}");
    }
    assert_eq!(words::subject(&overview), format!("{client}, only automate-01 and control-01"));
    let told: serde_json::Value = serde_json::from_str(&json::overview(&overview).unwrap()).unwrap();
    assert_eq!(told["only"]["servers"][0], serde_json::json!({ "client": client, "name": "automate-01" }));
    assert_eq!((&told["whole"], &told["only"]["clients"]), (&false.into(), &serde_json::json!([client])));
    assert!(words::subject(&estate.overview(None)).starts_with("Some servers of all clients, only "));
    let some = month().narrowed(Narrowed { clients: true, names: false });
    assert!(some.overview(Some(client)).only.is_none(), "it is all of the client");
    assert!(words::subject(&some.overview(None)).starts_with("Some clients, only Harbour Dental Group and "));
}

#[test]
fn statements_are_read_on_the_day_of_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let store = kept(folder.path(), [night(27)]);
    let on = |until: &str| told(&store, until, 30).overview(None);
    let before = on(UNTIL);
    assert!(failure(&before, "automate-01", "AUT-IIS-01").waived.is_some());
    let later = on("2026-10-01T00:00:00Z");
    let over = failure(&later, "automate-01", "AUT-IIS-01");
    assert!(over.waived.is_none() && over.waiver_ended.is_some());
    let tally = |overview: &Overview| {
        let tally = &server(overview, "automate-01").tally;
        (tally.attested(), tally.count(Verdict::Pass), tally.count(Verdict::NeedsAttestation))
    };
    let ((attested, pass, needs), (later_attested, later_pass, later_needs)) = (tally(&before), tally(&later));
    assert!(attested > 0 && later_attested == 0);
    assert_eq!((later_pass, later_needs), (pass - attested, needs + attested));
    assert!(!server(&later, "automate-01").is_fresh(), "months without a scan");
}

#[test]
fn an_overdue_scan_is_told() {
    let estate = of_runs((0..20).map(night));
    let overview = estate.overview(None);
    let automate = server(&overview, "automate-01");
    let why = automate.overdue.as_ref().unwrap();
    assert!(why.contains("a scan was due on 7 March 2026, 02:30 UTC"), "{why}");
    assert!(server(&overview, "control-01").overdue.as_ref().unwrap().contains("8 days old"));
    assert!(words::headline(&overview).contains("were not scanned when they were due"));
}

#[test]
fn the_history_tells_of_each_target_what_its_run_says() {
    let folder = tempfile::tempdir().unwrap();
    let run = everything();
    let store = kept(folder.path(), [run.clone()]);
    let courses = store.courses(&Wanted::default(), i64::MAX).unwrap();
    let seen: Vec<Seen> = courses.sights.iter().map(|sight| courses.snapshots[sight.snapshot].seen).collect();
    assert_eq!(seen, [Seen::Whole, Seen::Partly, Seen::Unfinished, Seen::Nothing, Seen::Nothing]);
    assert_eq!(courses.guides, std::slice::from_ref(&run.guides));
    let whole = store.load(courses.runs[0].number, &Wanted::default()).unwrap();
    for (sight, target) in courses.sights.iter().zip(&whole.targets) {
        let snapshot = &courses.snapshots[sight.snapshot];
        let name = &courses.targets[sight.target];
        assert_eq!((&name.client, &name.name), (&target.target.client, &target.target.name));
        assert_eq!(snapshot.findings.count(Verdict::Fail), Tally::of(&target.findings).count(Verdict::Fail));
        let told = store.told(&[snapshot.number]).unwrap().remove(&snapshot.number).unwrap();
        let said = target.findings.iter().map(|one| (one.item.clone(), one.verdict, one.severity));
        let ruled = target.rules.iter().map(|one| (one.rule.to_string(), one.verdict().weight(), Severity::High));
        let found = told.iter().map(|one| (one.about.to_string(), one.verdict, one.severity));
        assert_eq!(found.collect::<Vec<_>>(), said.chain(ruled).collect::<Vec<_>>());
        let alone = store.load_places(courses.runs[0].number, &BTreeSet::from([sight.place])).unwrap();
        assert_eq!(alone.targets, std::slice::from_ref(target));
    }
    let nobody = Wanted { clients: vec!["nobody".to_owned()], names: Vec::new() };
    assert!(store.courses(&nobody, i64::MAX).unwrap().sights.is_empty());
    assert!(store.courses(&Wanted::default(), 0).unwrap().sights.is_empty(), "nothing was kept in 1970");
}

#[test]
fn a_picture_without_a_readable_day_is_not_current() {
    let overview = of_runs([Run { started: "no day".to_owned(), ..night(27) }]).overview(None);
    let automate = server(&overview, "automate-01");
    assert_eq!(words::standing(automate), "OVERDUE", "{:?}", automate.overdue);
    assert!(overview.trend.points.is_empty());
}

#[test]
fn the_plan_begins_with_what_is_worst_and_tells_the_same_once() {
    let overview = overview();
    let ranks: Vec<usize> = overview.steps.iter().map(|step| step.rank).collect();
    assert_eq!(ranks, (1..=overview.steps.len()).collect::<Vec<_>>());
    let keys: Vec<_> = overview.steps.iter().map(|step| (step.waived, std::cmp::Reverse(step.severity))).collect();
    assert!(keys.is_sorted(), "{keys:?}");
    let abouts: Vec<(&About, bool)> = overview.steps.iter().map(|step| (&step.about, step.waived)).collect();
    assert!(abouts.iter().enumerate().all(|(place, about)| !abouts[..place].contains(about)));
    assert_eq!(overview.steps.iter().map(|step| step.severity).max(), Some(Severity::Critical));
}

#[test]
fn what_one_client_gets_names_no_other() {
    let estate = month();
    assert_eq!(estate.clients(), ["Harbour Dental Group", "K\u{fc}stner & S\u{f6}hne <Logistik>"]);
    for (client, foreign) in [
        (0, &["stner", "iis-legacy", "kuestner", "198.51.100.77"][..]),
        (1, &["Harbour", "automate-01", "harbourdental", "203.0.113.10"][..]),
    ] {
        let overview = estate.overview(Some(&estate.clients()[client]));
        for text in [
            html::overview(&overview).unwrap(),
            json::overview(&overview).unwrap(),
            markdown::overview(&overview),
            csv::plan(&overview).unwrap(),
            terminal::overview(&overview, 100, false, true),
        ] {
            for name in foreign {
                assert!(!text.contains(name), "{name}: {text}");
            }
        }
    }
}

/// What is copied into a shell does nothing but ask.
#[test]
fn no_command_is_made_of_a_hostile_name() {
    for evil in ["x; rm -rf /", "$(x)", "`x`", "-x", "a b", "x\ny"] {
        for failure in hostile_overview(evil).steps.iter().flat_map(|step| &step.failures) {
            assert!(failure.verify.starts_with("scan again: ") || !failure.verify.contains(evil), "{}", failure.verify);
        }
    }
}

#[test]
fn hostile_text_is_shown_and_not_obeyed() {
    for text in ["<script>alert(1)</script>", "\" onmouseover=\"alert(1)", "\u{1b}[31m\u{202e}\0", "=1+1", "&lt;b&gt;"]
    {
        let overview = hostile_overview(text);
        let page = html::overview(&overview).unwrap();
        assert!(!page.contains("<script") && !page.contains("\" onmouseover=\""));
        let table = csv::plan(&overview).unwrap();
        for cell in ::csv::Reader::from_reader(table.as_bytes())
            .records()
            .flat_map(|row| row.unwrap().iter().map(str::to_owned).collect::<Vec<_>>())
        {
            assert!(!cell.trim_start().starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell:?}");
        }
        for shown in [page, markdown::overview(&overview), terminal::overview(&overview, 80, false, true), table] {
            assert!(!shown.chars().any(|one| !matches!(one, '\n' | '\r') && crate::report::text::is_special(one)));
        }
    }
}

#[test]
fn the_page_runs_and_loads_nothing() {
    let page = html::overview(&overview()).unwrap();
    for never in ["<script", "<img", "<link", "<iframe", "src=", "@import", "url(", "javascript:", " style=", "href="] {
        assert!(!page.contains(never), "{never}");
    }
    assert!(
        page.contains("default-src 'none'") && page.contains("<title id=\"plot-title\">") && page.contains("<desc id=")
    );
}
