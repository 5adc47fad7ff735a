//! Many servers in one document: what stands, what to do, what changed, and how the counts went.

use super::document::texts;
use super::drift::Target as Drift;
use super::findings::Severity;
use crate::model::expected::RuleVerdict;
use crate::model::run::GuideUsed;
use crate::model::statement::About;
use crate::model::verdict::Verdict;
use crate::report::overview::{self as model, words};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The name of the format, the value of `format`.
const FORMAT: &str = "portreeve-report";
/// The version of the format, the value of `version`.
const VERSION: u32 = 1;

/// A report over many servers, put together from several runs.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "portreeve report, version 1")]
pub struct Report {
    /// Always `portreeve-report`.
    #[schemars(extend("const" = FORMAT))]
    format: &'static str,
    /// The version of this format.
    #[schemars(extend("const" = VERSION))]
    version: u32,
    /// Whose servers; null where the report is over all clients.
    client: Option<String>,
    /// Which servers it is of, where somebody chose some; null where it is of all, or of all of this client.
    only: Option<Only>,
    /// The begin of the period that changes and trend are told of: RFC 3339, UTC.
    since: String,
    /// The time of the report: RFC 3339, UTC. Days are counted from it.
    until: String,
    /// All of it in a few sentences.
    headline: String,
    /// It is of all servers, every one was seen wholly by its last try, none is overdue, and none of the inventory was never
    /// scanned.
    whole: bool,
    /// Failures that are not waived, by severity; those that could not be told again included. Violated rules are high.
    open: Open,
    /// The servers, what to do first comes first.
    servers: Vec<Server>,
    /// The action plan, in order.
    steps: Vec<Step>,
    /// How the counts went.
    trend: Trend,
    /// What the inventory and the history do not both have; null where no inventory was given.
    inventory: Option<Inventory>,
}

/// Which servers a report is of, where it is not of all.
#[derive(Debug, Serialize, JsonSchema)]
struct Only {
    /// Their clients.
    clients: Vec<String>,
    /// The servers; null where they are all of these clients.
    servers: Option<Vec<Named>>,
}

impl From<&model::Only> for Only {
    fn from(only: &model::Only) -> Self {
        match only {
            model::Only::Clients(clients) => Self { clients: clients.clone(), servers: None },
            model::Only::Servers(servers) => {
                let clients: BTreeSet<&String> = servers.iter().map(|(client, _)| client).collect();
                Self { clients: clients.into_iter().cloned().collect(), servers: Some(named(servers)) }
            }
        }
    }
}

/// Failures by severity.
#[derive(Debug, Serialize, JsonSchema)]
struct Open {
    /// Known to be used to take over such servers.
    critical: usize,
    /// Opens a way in.
    high: usize,
    /// Helps an attacker who is already at work.
    medium: usize,
    /// Good practice.
    low: usize,
}

impl Open {
    fn of(count: impl Fn(crate::model::verdict::Severity) -> usize) -> Self {
        use crate::model::verdict::Severity::{Critical, High, Low, Medium};
        Self { critical: count(Critical), high: count(High), medium: count(Medium), low: count(Low) }
    }
}

/// A run, as a place in time.
#[derive(Debug, Serialize, JsonSchema)]
struct Mark {
    /// Its number in the history.
    run: i64,
    /// When it began: RFC 3339, UTC.
    started: String,
}

impl From<&model::Mark> for Mark {
    fn from(mark: &model::Mark) -> Self {
        Self { run: mark.run, started: mark.started.clone() }
    }
}

/// A server, as its last sight shows it.
#[derive(Debug, Serialize, JsonSchema)]
struct Server {
    /// Whose it is.
    client: String,
    /// What the technicians call it.
    name: String,
    /// The name or address in the inventory.
    host: String,
    /// How new its picture is.
    standing: Standing,
    /// The run that its picture is of; null where no run ever saw anything of it.
    seen: Option<Mark>,
    /// The last try, where it saw nothing.
    lost: Option<Lost>,
    /// Why no scan is as new as it should be; null where one is. A try that saw nothing is one.
    overdue: Option<String>,
    /// What kept the last sight from being whole.
    missing: Vec<String>,
    /// How many findings have each verdict, on the day of the report.
    summary: BTreeMap<&'static str, usize>,
    /// How many of those that fail are waived.
    waived: usize,
    /// How many of those that pass do so by a person's word.
    attested: usize,
    /// How many expected rules are violated.
    rules_violated: usize,
    /// Failures that are not waived, by severity.
    open: Open,
    /// Certificates that end within 30 days of the report, or have.
    certificates: Vec<Certificate>,
    /// Attestations and waivers; what needs somebody comes first.
    statements: Vec<Statement>,
    /// The guides that were used.
    guides: Vec<Guide>,
    /// The run that it is compared with; null where there is no earlier one.
    compared_with: Option<Mark>,
    /// What changed since then.
    drift: Option<Drift>,
}

/// How new a server's picture is.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Standing {
    /// It is as new as it should be, and whole.
    Current,
    /// It is as new as it should be, and not whole.
    InPart,
    /// No scan when one was due.
    Overdue,
    /// The last try saw nothing.
    NotSeen,
    /// No try ever saw anything.
    NeverSeen,
}

/// A try that saw nothing.
#[derive(Debug, Serialize, JsonSchema)]
struct Lost {
    /// The run.
    #[serde(flatten)]
    mark: Mark,
    /// Why.
    why: String,
}

/// A certificate that ends soon, or has.
#[derive(Debug, Serialize, JsonSchema)]
struct Certificate {
    /// The port, such as `tcp/443`.
    port: String,
    /// Whose it is.
    subject: String,
    /// The end of its validity: RFC 3339, UTC.
    not_after: String,
    /// Whole days from the report to its end; negative when it is over.
    days_left: i64,
    /// The run that saw it last.
    seen: Mark,
    /// The last try did not see it, so it may be another one by now.
    old: bool,
}

/// An attestation or a waiver.
#[derive(Debug, Serialize, JsonSchema)]
struct Statement {
    /// The item or rule.
    about: String,
    /// What it is, and what it is worth on the day of the report: `attested`, `waiver expired` and the like.
    standing: String,
    /// Its last day.
    until: String,
    /// It needs somebody: it expired, was contradicted, or ends within 30 days.
    pressing: bool,
    /// Who, when and until when.
    text: String,
}

/// Which text of a guide was used.
#[derive(Debug, Serialize, JsonSchema)]
struct Guide {
    /// Its id.
    id: String,
    /// Its revision.
    revision: String,
    /// SHA-256 of its text, hexadecimal.
    sha256: String,
}

impl From<&GuideUsed> for Guide {
    fn from(guide: &GuideUsed) -> Self {
        Self { id: guide.id.clone(), revision: guide.revision.clone(), sha256: guide.sha256.clone() }
    }
}

/// One thing to do, on one server or many.
#[derive(Debug, Serialize, JsonSchema)]
struct Step {
    /// Its place in the order, from 1 on.
    rank: usize,
    /// The guide; null for an expected rule.
    guide: Option<String>,
    /// The item, or the rule such as `deny tcp/3389`.
    item: String,
    /// The recommendation.
    title: String,
    /// How much it matters.
    severity: Severity,
    /// A version that is known to be attacked was seen.
    exploited: bool,
    /// It was seen from outside.
    outside: bool,
    /// It is waived on all of these servers.
    waived: bool,
    /// What to do: steps, in order.
    todo: Vec<String>,
    /// Where it fails.
    failures: Vec<Failure>,
}

/// Something that fails on a server.
#[derive(Debug, Serialize, JsonSchema)]
struct Failure {
    /// Whose server it is.
    client: String,
    /// The server.
    server: String,
    /// What is wrong; where it could not be told by the last run, as it was seen last, and why not.
    wrong: String,
    /// The first run of the series in which it was not seen to pass.
    since: Mark,
    /// No earlier run tells of it, so it may have failed before.
    at_least: bool,
    /// The last run in which it was seen to fail, where it could not be told since.
    unconfirmed: Option<Mark>,
    /// The last day of the waiver by which it is accepted.
    waived_until: Option<String>,
    /// The last day of a waiver that is over.
    waiver_ended: Option<String>,
    /// The run that shows it.
    seen: Mark,
    /// A command that shows whether it is mended, or what a new scan must say.
    verify: String,
}

/// How the counts went.
#[derive(Debug, Serialize, JsonSchema)]
struct Trend {
    /// In a sentence.
    text: String,
    /// The points, oldest first.
    points: Vec<Point>,
    /// What else may explain a jump.
    marks: Vec<TrendMark>,
}

/// The picture of all servers at one time: each as it was last seen.
#[derive(Debug, Serialize, JsonSchema)]
struct Point {
    /// When the last run that it is made of began: RFC 3339, UTC.
    started: String,
    /// How much it can be relied upon.
    sight: Sight,
    /// How many servers had been seen by then.
    servers: usize,
    /// How many of them count as they were seen earlier, because their last try saw nothing or was too long ago.
    unseen: usize,
    /// Failures by severity, waived or not, as far as they were last told.
    fail: Open,
    /// Expected rules that are violated.
    rules_violated: usize,
    /// Items that could not be told.
    inconclusive: usize,
    /// Items that pass.
    pass: usize,
    /// There was a much longer pause before it than is usual.
    gap_before: bool,
}

/// How much a point can be relied upon.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Sight {
    /// Every server was seen.
    Whole,
    /// Some servers count as they were last seen.
    Partly,
    /// No server was seen: a gap.
    Nothing,
}

/// Something else that changed.
#[derive(Debug, Serialize, JsonSchema)]
struct TrendMark {
    /// The point at which it came, from 0 on.
    point: usize,
    /// What.
    what: String,
}

/// What the inventory and the history do not both have.
#[derive(Debug, Serialize, JsonSchema)]
struct Inventory {
    /// In the inventory, and in no run.
    never_scanned: Vec<Named>,
    /// In the history, and no longer in the inventory. They count for nothing else in this report.
    no_longer_there: Vec<Named>,
}

/// A target.
#[derive(Debug, Serialize, JsonSchema)]
struct Named {
    /// Whose it is.
    client: String,
    /// What the technicians call it.
    name: String,
}

fn named(list: &[(String, String)]) -> Vec<Named> {
    list.iter().map(|(client, name)| Named { client: client.clone(), name: name.clone() }).collect()
}

impl From<&model::Overview> for Report {
    fn from(overview: &model::Overview) -> Self {
        Self {
            format: FORMAT,
            version: VERSION,
            client: overview.client.clone(),
            only: overview.only.as_ref().map(Only::from),
            since: overview.since.clone(),
            until: overview.until.clone(),
            headline: words::headline(overview),
            whole: overview.only.is_none() && words::not_whole(overview).is_none(),
            open: Open::of(|severity| words::open(overview, severity)),
            servers: overview.servers.iter().map(Server::from).collect(),
            steps: overview.steps.iter().map(Step::from).collect(),
            trend: Trend {
                text: words::trend(overview),
                points: overview.trend.points.iter().map(Point::from).collect(),
                marks: overview
                    .trend
                    .marks
                    .iter()
                    .map(|mark| TrendMark { point: mark.point, what: mark.what.clone() })
                    .collect(),
            },
            inventory: overview.inventory.as_ref().map(|inventory| Inventory {
                never_scanned: named(&inventory.never),
                no_longer_there: named(&inventory.gone),
            }),
        }
    }
}

impl From<&model::Server> for Server {
    fn from(server: &model::Server) -> Self {
        let standing = match server {
            _ if server.seen.is_none() => Standing::NeverSeen,
            _ if server.lost.is_some() => Standing::NotSeen,
            _ if server.overdue.is_some() => Standing::Overdue,
            _ if !server.missing.is_empty() => Standing::InPart,
            _ => Standing::Current,
        };
        Self {
            client: server.client.clone(),
            name: server.name.clone(),
            host: server.host.clone(),
            standing,
            seen: server.seen.as_ref().map(Mark::from),
            lost: server.lost.as_ref().map(|lost| Lost { mark: (&lost.mark).into(), why: lost.why.clone() }),
            overdue: server.overdue.clone(),
            missing: texts(&server.missing),
            summary: Verdict::ALL.into_iter().map(|verdict| (verdict.as_str(), server.tally.count(verdict))).collect(),
            waived: server.tally.waived(),
            attested: server.tally.attested(),
            rules_violated: server.rules.count(RuleVerdict::Violated),
            open: Open::of(|severity| server.open(severity)),
            certificates: server
                .certificates
                .iter()
                .map(|one| Certificate {
                    port: one.port.clone(),
                    subject: one.subject.clone(),
                    not_after: one.not_after.clone(),
                    days_left: one.days_left,
                    seen: (&one.seen).into(),
                    old: one.old,
                })
                .collect(),
            statements: server
                .statements
                .iter()
                .map(|row| Statement {
                    about: row.about.clone(),
                    standing: row.standing.to_owned(),
                    until: row.until.to_string(),
                    pressing: row.pressing,
                    text: row.text.clone(),
                })
                .collect(),
            guides: server.guides.iter().map(Guide::from).collect(),
            compared_with: server.before.as_ref().map(Mark::from),
            drift: server.drift.as_ref().map(Drift::from),
        }
    }
}

impl From<&model::Step> for Step {
    fn from(step: &model::Step) -> Self {
        Self {
            rank: step.rank,
            guide: match &step.about {
                About::Item { guide, .. } => Some(guide.clone()),
                About::Rule(_) => None,
            },
            item: step.about.to_string(),
            title: step.title.clone(),
            severity: step.severity.into(),
            exploited: step.exploited,
            outside: step.outside,
            waived: step.waived,
            todo: texts(&step.todo),
            failures: step.failures.iter().map(Failure::from).collect(),
        }
    }
}

impl From<&model::Failure> for Failure {
    fn from(failure: &model::Failure) -> Self {
        Self {
            client: failure.client.clone(),
            server: failure.server.clone(),
            wrong: failure.wrong.clone(),
            since: (&failure.since.mark).into(),
            at_least: failure.since.at_least,
            unconfirmed: failure.unconfirmed.as_ref().map(Mark::from),
            waived_until: failure.waived.map(|day| day.to_string()),
            waiver_ended: failure.waiver_ended.map(|day| day.to_string()),
            seen: (&failure.seen).into(),
            verify: failure.verify.clone(),
        }
    }
}

impl From<&model::Point> for Point {
    fn from(point: &model::Point) -> Self {
        let [low, medium, high, critical] = point.fails;
        Self {
            started: point.started.clone(),
            sight: match point.sureness() {
                model::Sureness::Whole => Sight::Whole,
                model::Sureness::Partly => Sight::Partly,
                model::Sureness::Nothing => Sight::Nothing,
            },
            servers: point.servers,
            unseen: point.unseen,
            fail: Open { critical, high, medium, low },
            rules_violated: point.violated,
            inconclusive: point.inconclusive,
            pass: point.pass,
            gap_before: point.gap_before,
        }
    }
}
