//! Many servers as one page: for a client what stands and what changed, for the provider what to do first.

use super::drift::look;
use crate::model::drift::Class;
use crate::model::run::GuideUsed;
use crate::model::verdict::Severity;
use crate::report::drift::{Entry, entries, of_target};
use crate::report::overview::{self as model, Overview, Point, words};
use crate::report::plot::Plot;
use crate::report::reading::instant;
use crate::report::statements::Row as Statement;
use crate::report::text::{counted, number};
use askama::Template;

/// How many points have large dots.
const LARGE_DOTS: usize = 40;

/// The page.
#[derive(Template)]
#[template(path = "overview.html")]
pub(super) struct Page<'a> {
    overview: &'a Overview,
    subject: String,
    date: String,
    since: String,
    scope: String,
    headline: String,
    not_whole: Option<String>,
    figures: Vec<Figure>,
    /// Over all clients only.
    clients: Vec<words::ClientRow>,
    servers: Vec<Server>,
    doubts: Vec<(String, Vec<(&'static str, String)>)>,
    plot: Option<Plot>,
    radius: i64,
    trend: String,
    marks: Vec<(String, &'a str)>,
    steps: Vec<Step<'a>>,
    changed: String,
    changes: Vec<Changed<'a>>,
    certificates: Vec<(String, &'a model::Certificate)>,
    statements: Vec<(String, &'a Statement)>,
    guides: Vec<&'a GuideUsed>,
}

/// A count with what it is of.
struct Figure {
    class: &'static str,
    name: &'static str,
    count: String,
}

/// A cell of a table.
struct Cell {
    label: &'static str,
    class: &'static str,
    count: String,
}

struct Server {
    name: String,
    counts: String,
    standing: &'static str,
    current: bool,
    judged: bool,
    as_of: String,
    open: [usize; 4],
}

struct Step<'a> {
    of: &'a model::Step,
    places: Vec<Place<'a>>,
    /// What is wrong, where it is the same on all of them.
    wrong: Option<&'a str>,
    verify: Vec<&'a str>,
}

struct Place<'a> {
    name: String,
    remarks: String,
    old: bool,
    /// What is wrong there, where it is not the same everywhere.
    wrong: Option<&'a str>,
}

struct Changed<'a> {
    name: String,
    since: String,
    counts: String,
    rows: Vec<Change<'a>>,
}

struct Change<'a> {
    class: &'static str,
    look: &'static str,
    entry: Entry<'a>,
}

impl Step<'_> {
    fn grave(&self) -> bool {
        self.of.severity >= Severity::High
    }

    fn on(&self) -> String {
        let place = if self.of.outside { "seen from outside" } else { "seen at a private address" };
        format!("{}, {place}", counted(self.of.failures.len(), "server", "servers"))
    }

    fn unconfirmed(&self) -> String {
        match (self.of.unconfirmed(), self.of.failures.len()) {
            (_, 1) => "not confirmed".to_owned(),
            (count, _) => format!("{count} not confirmed"),
        }
    }
}

impl Page<'_> {
    /// The cells of open failures by severity.
    #[expect(clippy::unused_self, reason = "called by the template")]
    fn cells(&self, open: &[usize; 4]) -> Vec<Cell> {
        let labels = ["Critical", "High", "Medium", "Low"];
        let cell = |(count, label): (&usize, &'static str)| Cell {
            label,
            class: match (count, label) {
                (0, _) => " none",
                (_, "Critical" | "High") => " fail",
                _ => "",
            },
            count: number(*count),
        };
        open.iter().zip(labels).map(cell).collect()
    }

    #[expect(clippy::unused_self, reason = "called by the template")]
    fn point(&self, point: &Point) -> Vec<Cell> {
        let [low, medium, high, critical] = point.fails;
        let counts = [
            ("Critical", critical),
            ("High", high),
            ("Medium", medium),
            ("Low", low),
            ("Rules violated", point.violated),
            ("Servers", point.servers),
            ("Not seen", point.unseen),
        ];
        let cell = |(label, count): (&'static str, usize)| Cell {
            label,
            class: if count == 0 { " none" } else { "" },
            count: number(count),
        };
        counts.into_iter().map(cell).collect()
    }

    fn named(&self, list: &[(String, String)]) -> Vec<String> {
        list.iter().map(|(client, name)| words::called(self.overview, client, name)).collect()
    }
}

impl<'a> Page<'a> {
    pub(super) fn of(overview: &'a Overview) -> Self {
        let called = |server: &model::Server| words::called(overview, &server.client, &server.name);
        let clients = words::clients(overview);
        let servers = counted(overview.servers.len(), "server", "servers");
        let scope = match overview.client {
            Some(_) => servers,
            None => format!("{servers} of {}", counted(clients.len(), "client", "clients")),
        };
        let mut guides: Vec<&GuideUsed> = Vec::new();
        for guide in overview.servers.iter().flat_map(|server| &server.guides) {
            if !guides.contains(&guide) {
                guides.push(guide);
            }
        }
        guides.sort_by_key(|guide| (&guide.id, &guide.revision));
        let all = overview.client.is_none();
        let own = |server: &'a model::Server| {
            server.statements.iter().filter(move |row| !all || row.pressing).map(move |row| (called(server), row))
        };
        let mut certificates: Vec<(String, &model::Certificate)> = overview
            .servers
            .iter()
            .flat_map(|server| server.certificates.iter().map(move |one| (called(server), one)))
            .collect();
        certificates.sort_by_key(|(_, one)| one.days_left);
        Self {
            subject: words::subject(overview),
            date: instant(&overview.until),
            since: instant(&overview.since),
            scope,
            headline: words::summary(overview),
            not_whole: words::not_whole(overview),
            figures: figures(overview),
            clients: if all { clients } else { Vec::new() },
            servers: overview
                .servers
                .iter()
                .map(|server| Server {
                    name: called(server),
                    counts: words::counts(server),
                    standing: words::standing(server),
                    current: server.is_current(),
                    judged: server.seen.is_some(),
                    as_of: words::as_of(server),
                    open: words::SEVERITIES.map(|severity| server.open(severity)),
                })
                .collect(),
            doubts: overview
                .servers
                .iter()
                .filter(|server| !server.is_current())
                .map(|server| (called(server), words::doubts(server)))
                .collect(),
            plot: Plot::of(&overview.trend),
            radius: if overview.trend.points.len() > LARGE_DOTS { 2 } else { 3 },
            trend: words::trend(overview),
            marks: overview
                .trend
                .marks
                .iter()
                .map(|mark| {
                    let point = overview.trend.points.get(mark.point);
                    (point.map(|point| words::day(&point.started)).unwrap_or_default(), mark.what.as_str())
                })
                .collect(),
            steps: overview.steps.iter().map(|step| step_of(overview, step)).collect(),
            changed: words::changed(overview),
            changes: overview.servers.iter().filter_map(|server| changed(overview, server)).collect(),
            certificates,
            statements: overview.servers.iter().flat_map(own).collect(),
            guides,
            overview,
        }
    }
}

fn figures(overview: &Overview) -> Vec<Figure> {
    let figure = |class, name, count| Figure {
        class: if count == 0 { "not-applicable" } else { class },
        name,
        count: number(count),
    };
    let open = |class, name, severity| figure(class, name, words::open(overview, severity));
    let old = overview.servers.iter().filter(|server| !server.is_current()).count();
    vec![
        open("fail", "Critical", Severity::Critical),
        open("fail", "High", Severity::High),
        open("inconclusive", "Medium", Severity::Medium),
        open("not-applicable", "Low", Severity::Low),
        figure("fail", "Servers not current", old),
    ]
}

fn step_of<'a>(overview: &'a Overview, step: &'a model::Step) -> Step<'a> {
    let first = step.failures.first();
    let same = first.filter(|first| step.failures.iter().all(|one| one.wrong == first.wrong));
    let same = same.map(|first| first.wrong.as_str());
    let is_old = |failure: &model::Failure| {
        let own = |server: &&model::Server| (&server.client, &server.name) == (&failure.client, &failure.server);
        overview.servers.iter().find(own).is_some_and(|server| !server.is_fresh())
    };
    let places = step.failures.iter().map(|failure| Place {
        name: words::called(overview, &failure.client, &failure.server),
        remarks: words::remarks(failure).join("; "),
        old: is_old(failure),
        wrong: same.is_none().then_some(failure.wrong.as_str()),
    });
    Step {
        places: places.collect(),
        wrong: same.filter(|wrong| !wrong.is_empty()),
        verify: words::verify(step),
        of: step,
    }
}

/// What changed on a server. Over all clients only what is worse or better.
fn changed<'a>(overview: &Overview, server: &'a model::Server) -> Option<Changed<'a>> {
    let drift = server.drift.as_ref()?;
    let told = |class: Class| overview.client.is_some() || matches!(class, Class::Worse | Class::Better);
    let mut rows = Vec::new();
    for (class, entries) in entries(drift).into_iter().filter(|(class, _)| told(*class)) {
        rows.extend(entries.into_iter().map(|entry| Change { class: class.words(), look: look(class), entry }));
    }
    let before = server.before.as_ref()?;
    (overview.client.is_some() || !rows.is_empty()).then(|| Changed {
        name: words::called(overview, &server.client, &server.name),
        since: format!("Since run {} of {}", before.run, instant(&before.started)),
        counts: of_target(drift),
        rows,
    })
}
