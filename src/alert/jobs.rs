//! Scans that fail as a whole, and scans that do not happen.

use super::{Book, EVERYBODY, as_of, counted, covers, key};
use crate::history::JobRecord;
use crate::model::alert::Kind;
use crate::model::matter::{KnownJob, KnownServer, Matter, MatterState};
use crate::model::verdict::Severity;
use crate::schedule::{Due, Schedule, scans};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// So long after it was due a scan has not happened: whoever is called by the clock every few minutes has been by then.
pub const GRACE: SignedDuration = SignedDuration::from_mins(30);

/// A scan that runs for so long does nothing any more, however seldom it is due; and for so long, where two more were due, it matters
/// as much as one that did not happen.
const HANGS: SignedDuration = SignedDuration::from_hours(48);
const LONG: SignedDuration = SignedDuration::from_hours(24);

/// A job, and what is known of it.
#[derive(Clone, Debug)]
pub struct JobStanding {
    /// What tells it from others.
    pub id: String,
    /// Whose servers it scans.
    pub client: String,
    /// When.
    pub schedule: Schedule,
    /// What is known of its runs; none where nobody ever watched.
    pub record: Option<JobRecord>,
    /// A living process is at it.
    pub running: bool,
    /// Why its last scan is partial, where it is.
    pub why: Option<Partly>,
    /// Since when any server has it, RFC 3339, UTC; none where that was so all the time. What is known from before is of a schedule
    /// that was taken out.
    pub since: Option<String>,
}

/// Why a scan is partial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partly {
    /// No run of it is kept, or not all of it.
    NotKept,
    /// Somebody, or the end of the watch, ended it.
    Stopped,
    /// Servers were not scanned wholly, which is told of each.
    OfServers,
    /// For another reason, of this machine or its network.
    Otherwise,
}

/// A server of an inventory, and by which job it is scanned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduledServer {
    /// Whose it is.
    pub client: String,
    /// What the technicians call it.
    pub name: String,
    /// The job; none where it has no schedule.
    pub job: Option<String>,
}

/// Looks at whether the inventory, and what people say beside it, can be read. Where it cannot, nothing is scanned.
///
/// `files` are those that options named. What could not be read with a file can be read again only where that file was read:
/// those that were not are given back.
pub fn inventory(
    book: &mut Book,
    inventory: &str,
    problem: Option<&str>,
    files: &BTreeSet<String>,
    now: Timestamp,
) -> BTreeSet<String> {
    let wrong = Wrong {
        key: key(EVERYBODY, None, Kind::Failure, inventory),
        title: "The inventory cannot be read",
        over: "The inventory can be read again",
        means: "A watch that runs goes on with what it read before; one that is started now scans nothing.",
        action: "Mend the file that is named; `portreeve watch --list` reads it without scanning.",
    };
    file(book, wrong, problem, files, now)
}

/// The same for the channels: a mistake in what one is for keeps nobody from being told, and does not mend itself.
pub fn channels(
    book: &mut Book,
    inventory: &str,
    problem: Option<&str>,
    files: &BTreeSet<String>,
    now: Timestamp,
) -> BTreeSet<String> {
    let wrong = Wrong {
        key: key(EVERYBODY, None, Kind::Failure, &format!("channels of {inventory}")),
        title: "A channel for alerts is for a client that no inventory has",
        over: "Every channel for alerts is for clients that there are",
        means: "Until it is mended, all else is told as before, and nothing to that channel of that client.",
        action: "Take the client out of the file that is named, or write it as the inventory does; `portreeve watch --list` \
                 reads it without scanning.",
    };
    file(book, wrong, problem, files, now)
}

/// What is said of a file that is wrong.
struct Wrong {
    key: String,
    title: &'static str,
    /// That it is right again.
    over: &'static str,
    /// What comes of it.
    means: &'static str,
    action: &'static str,
}

fn file(
    book: &mut Book,
    wrong: Wrong,
    problem: Option<&str>,
    files: &BTreeSet<String>,
    now: Timestamp,
) -> BTreeSet<String> {
    let Wrong { key: own, title, over, means, action } = wrong;
    let open = book.get(&own).cloned();
    let known = match open.as_ref().map(|matter| &matter.state) {
        Some(MatterState::Inventory { files }) => files.clone(),
        _ => BTreeSet::new(),
    };
    let Some(why) = problem else {
        let left: BTreeSet<String> = known.difference(files).cloned().collect();
        if left.is_empty() {
            book.resolve(&own, over.to_owned(), Vec::new(), None);
        }
        return left;
    };
    let matter = Matter {
        key: own,
        kind: Kind::Failure,
        severity: Severity::High,
        client: EVERYBODY.to_owned(),
        target: None,
        title: title.to_owned(),
        details: vec![why.to_owned(), means.to_owned()],
        action: Some(action.to_owned()),
        since: now.to_string(),
        run: None,
        state: MatterState::Inventory { files: known.union(files).cloned().collect() },
        told_as: None,
    };
    match open {
        None => book.raise(matter),
        // It may be another file by now: what is listed says which.
        Some(open) => book.update(Matter { since: open.since, ..matter }),
    }
    BTreeSet::new()
}

/// Notes by which jobs the servers of an inventory are scanned; since when those that are new, or came back, have any server.
pub fn scheduled(
    book: &mut Book,
    inventory: &str,
    servers: &[ScheduledServer],
    now: Timestamp,
) -> BTreeMap<String, String> {
    let is_known = book.servers().any(|server| covers(inventory, &server.inventory));
    // Before this look; the earliest of all servers, where none was there from the beginning.
    let mut before: BTreeMap<String, Option<String>> = BTreeMap::new();
    for known in book.servers().filter_map(|server| server.job.as_ref()) {
        let Some(id) = &known.id else { continue };
        let since = before.entry(id.clone()).or_insert_with(|| known.since.clone());
        *since = since.take().min(known.since.clone());
    }
    let mut since: BTreeMap<String, Option<String>> = BTreeMap::new();
    for server in servers {
        let known = book.server(&server.client, &server.name).cloned();
        // Of whoever was never noted it is not known that it is new.
        let is_news = known.as_ref().map_or(is_known, |known| known.job.is_some());
        let mut known = known.unwrap_or_else(|| KnownServer {
            inventory: inventory.to_owned(),
            ..KnownServer::new(&server.client, &server.name)
        });
        if known.job.as_ref().is_none_or(|job| job.id != server.job) {
            let of_others = server.job.as_ref().and_then(|id| before.get(id).cloned());
            let since = of_others.unwrap_or_else(|| is_news.then(|| now.to_string()));
            known.job = Some(KnownJob { id: server.job.clone(), since });
        }
        if let (Some(id), Some(job)) = (&server.job, &known.job) {
            let since = since.entry(id.clone()).or_insert_with(|| job.since.clone());
            *since = since.take().min(job.since.clone());
        }
        book.remember(known);
    }
    since.into_iter().filter_map(|(id, since)| Some((id, since?))).collect()
}

/// Looks at every job of an inventory.
pub fn jobs(book: &mut Book, inventory: &str, jobs: &[JobStanding], now: Timestamp) {
    for job in jobs {
        failed(book, inventory, job, now);
        missed(book, inventory, job, now);
    }
    gone(book, inventory, jobs);
}

impl JobStanding {
    /// Whether what is known of its last scan is older than the job: of the same schedule, before that was taken out.
    fn is_old(&self, ended: &str) -> bool {
        let since = self.since.as_ref().and_then(|since| since.parse::<Timestamp>().ok());
        since.is_some_and(|since| ended.parse::<Timestamp>().is_ok_and(|ended| ended < since))
    }

    fn matter(&self, kind: Kind, severity: Severity, now: Timestamp, state: MatterState) -> Matter {
        Matter {
            key: key(&self.client, None, kind, &self.id),
            kind,
            severity,
            client: self.client.clone(),
            target: None,
            title: String::new(),
            details: vec![format!("The job: {}.", self.id)],
            action: None,
            since: now.to_string(),
            run: None,
            state,
            told_as: None,
        }
    }
}

fn failed(book: &mut Book, inventory: &str, job: &JobStanding, now: Timestamp) {
    let Some(record @ JobRecord { ended: Some(ended), exit, .. }) = &job.record else { return };
    if job.is_old(ended) {
        return;
    }
    let own = key(&job.client, None, Kind::Failure, &job.id);
    let (severity, title, action) = match exit {
        Some(0 | 1) => {
            let title = format!("The scan of {} is whole again", job.client);
            return book.resolve(&own, title, Vec::new(), None);
        }
        Some(3) => match job.why {
            Some(Partly::OfServers) => {
                let title =
                    format!("The scan of {} happens again; what is not whole is told of its servers", job.client);
                return book.resolve(&own, title, Vec::new(), None);
            }
            // What was told before is not mended by it, and graver.
            Some(Partly::Stopped) if book.get(&own).is_some() => return,
            Some(Partly::Stopped) => (
                Severity::Low,
                "was stopped before it was whole".to_owned(),
                if record.stopped().is_some() {
                    "Nothing: it is run again once, when the watch starts again."
                } else {
                    "Nothing, unless it is so each time: then let it be due when the watch is not stopped."
                },
            ),
            Some(Partly::NotKept) => (
                Severity::High,
                "was not kept".to_owned(),
                "Look at the log of the watch: the store is full or cannot be written, or another process scanned the same servers.",
            ),
            Some(Partly::Otherwise) | None => {
                (Severity::Medium, "is partial".to_owned(), "`portreeve show last` says what was not asked, and why.")
            }
        },
        Some(2) => (
            Severity::High,
            "was refused: nothing was scanned".to_owned(),
            "A file or an option is wrong; `portreeve scan` with the same options says which.",
        ),
        Some(code) => (
            Severity::High,
            format!("ended with code {code}"),
            "Look at the log of the watch; a defect of portreeve should be reported.",
        ),
        None => (
            Severity::High,
            "was killed".to_owned(),
            "Look at the system's log: memory may have been short. It is made up for when the watch starts again.",
        ),
    };
    let state = MatterState::JobFailed { job: job.id.clone(), exit: *exit, inventory: inventory.to_owned() };
    let mut matter = job.matter(Kind::Failure, severity, now, state);
    matter.title = format!("The scan of {} {title}", job.client);
    matter.details.push(format!("It ended {ended}."));
    matter.action = Some(action.to_owned());
    let is_told = |known: &Matter| {
        known.severity >= severity && matches!(&known.state, MatterState::JobFailed { exit: told, .. } if told == exit)
    };
    match book.get(&own).map(is_told) {
        None => book.raise(matter),
        Some(true) => {}
        Some(false) => book.escalate(matter),
    }
}

fn missed(book: &mut Book, inventory: &str, job: &JobStanding, now: Timestamp) {
    let Some(record) = &job.record else { return };
    let time = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<Timestamp>().ok());
    let Ok(settled) = record.settled.parse::<Timestamp>() else { return };
    let (settled, began) = (time(&job.since).map_or(settled, |since| since.max(settled)), time(&record.began));
    let own = key(&job.client, None, Kind::Missed, &job.id);
    // One that was killed or stopped is told as such; what was due after it began is missed all the same.
    let is_stopped = record.stopped().is_some();
    let is_cut_short =
        record.ended.is_some() && record.exit.is_none() || is_stopped || record.is_again() && job.running;
    let is_told = is_cut_short && book.get(&key(&job.client, None, Kind::Failure, &job.id)).is_some();
    let settled = began.filter(|_| is_told).map_or(settled, |began| began.max(settled)).min(now);
    let in_time = |due: &Due| {
        let last = due.at.saturating_add(GRACE).unwrap_or(due.at);
        began.is_some_and(|began| began >= due.nominal && began <= last)
    };
    let late = job.schedule.next(settled, &job.id).filter(|due| {
        let last = due.at.saturating_add(GRACE).unwrap_or(due.at);
        // One that began in time and goes on is not missed.
        last < now && !(job.running && in_time(due))
    });
    let state = MatterState::JobMissed { job: job.id.clone(), inventory: inventory.to_owned() };
    let mut matter = job.matter(Kind::Missed, Severity::High, now, state);
    if let Some(due) = late {
        let count = job.schedule.count(settled, now);
        let what = if in_time(&due) { "did not come to its end" } else { "did not happen" };
        matter.since = due.at.to_string();
        matter.title = format!("The scan of {} that was due {} {what}", job.client, due.at);
        if count > 1 {
            matter.details.push(format!("Since then {} were due.", scans(count, "")));
        }
        let begun = began.is_some_and(|began| began >= due.nominal);
        matter.details.push(if begun && job.running {
            "One that makes up for it goes on now.".to_owned()
        } else if let Some(began) = began.filter(|_| job.running) {
            format!("The one that began {began} still runs.")
        } else if begun {
            "One was begun and did not come to its end: its process is gone.".to_owned()
        } else {
            "None was begun: nobody watches, or the machine was off.".to_owned()
        });
        matter.action = Some(
            "See that `portreeve watch`, or the timer that calls it, runs; it makes up for what was missed.".to_owned(),
        );
        match book.get(&matter.key).cloned() {
            // How many were due since, and whether one goes on, is as of the last look.
            Some(known) if known.title == matter.title => {
                book.update(Matter { details: matter.details, ..known });
            }
            Some(known) if known.severity < matter.severity || is_of_one_that_hung(&known) => book.escalate(matter),
            _ => book.raise(matter),
        }
        return;
    }
    if let Some(began) = began.filter(|_| job.running && record.ended.is_none())
        && let Some(severity) = hangs(job, began, now)
    {
        hung(book, Matter { severity, ..matter }, job, began, now);
    } else if record.ended.is_some() && record.exit.is_some() && !is_stopped {
        let title = format!("A scan of {} has come to its end again", job.client);
        book.resolve(&own, title, Vec::new(), None);
    }
    skipped(book, inventory, job, record, now);
}

/// How much it matters that a scan still runs; none while it may take so long: until two more were due, or for this long.
fn hangs(job: &JobStanding, began: Timestamp, now: Timestamp) -> Option<Severity> {
    let ran = now.duration_since(began);
    let due = job.schedule.count(began, now.saturating_sub(GRACE).unwrap_or(now));
    match (due >= 2, ran >= HANGS, ran >= LONG) {
        (_, true, _) | (true, _, true) => Some(Severity::High),
        (true, false, false) => Some(Severity::Medium),
        (false, false, _) => None,
    }
}

/// How its title goes on.
const HUNG: &str = "has not come to its end";

fn is_of_one_that_hung(known: &Matter) -> bool {
    known.title.ends_with(HUNG)
}

/// A scan that goes on and on: nothing else of its job is scanned meanwhile.
fn hung(book: &mut Book, mut matter: Matter, job: &JobStanding, began: Timestamp, now: Timestamp) {
    matter.title = format!("The scan of {} that began {began} {HUNG}", job.client);
    let hours = counted(now.duration_since(began).as_hours(), "hour", "hours");
    let due = scans(job.schedule.count(began, now), "");
    matter.details.push(format!("It has run for {hours}; since it began {due} were due."));
    matter.action = Some(
        "See whether its process still does anything, and end it if not: the watch goes on with the next. One that takes so \
         long by itself should scan fewer servers, or be due less often."
            .to_owned(),
    );
    match book.get(&matter.key).cloned() {
        None => book.raise(matter),
        Some(known) if known.severity < matter.severity => book.escalate(matter),
        Some(known) if known.title == matter.title => book.update(Matter { details: matter.details, ..known }),
        // What was missed before it is told, and graver; it ends with the same.
        Some(_) => {}
    }
}

/// Scans that did not happen because the one before still ran: another matter than scans that nobody began.
fn skipped(book: &mut Book, inventory: &str, job: &JobStanding, record: &JobRecord, now: Timestamp) {
    let own = key(&job.client, None, Kind::Missed, &format!("skipped {}", job.id));
    if record.skipped > 0 && !record.ended.as_ref().is_some_and(|ended| job.is_old(ended)) {
        let state = MatterState::JobMissed { job: job.id.clone(), inventory: inventory.to_owned() };
        let matter = job.matter(Kind::Missed, Severity::Medium, now, state);
        book.raise(Matter {
            key: own,
            title: format!(
                "{} of {} did not happen, because the one before still ran",
                scans(usize::try_from(record.skipped).unwrap_or(usize::MAX), ""),
                job.client
            ),
            action: Some("Let them be due less often, or scan fewer servers in one job.".to_owned()),
            ..matter
        });
    } else if record.ended.is_some() && record.exit.is_some() && record.stopped().is_none() {
        let title = format!("No scan of {} was due any more while another ran", job.client);
        book.resolve(&own, title, Vec::new(), None);
    }
}

/// What is open of jobs that this inventory had and has no more. What was told of an inventory that no server is in any more, as when
/// it is named by other paths now, goes by the clients that are or were in this one.
fn gone(book: &mut Book, inventory: &str, jobs: &[JobStanding]) {
    let known: BTreeSet<String> = book.servers().map(|server| server.inventory.clone()).collect();
    let clients: BTreeSet<String> =
        book.servers().filter(|server| server.inventory == inventory).map(|server| server.client.clone()).collect();
    let open: Vec<Matter> = book.open().cloned().collect();
    for matter in open {
        let (MatterState::JobFailed { job, inventory: of, .. } | MatterState::JobMissed { job, inventory: of }) =
            &matter.state
        else {
            continue;
        };
        let is_ours = covers(inventory, of) || !known.contains(of) && clients.contains(&matter.client);
        if is_ours && !jobs.iter().any(|known| known.id == *job) {
            let title = format!("A schedule of {} is another one now", matter.client);
            book.withdraw(&matter.key, title, format!("No server has the schedule any more: {job}."));
        }
    }
}

/// Remembers the servers of an inventory, and withdraws what is open of those that it has no more.
pub fn servers<'a>(
    book: &mut Book,
    inventory: &str,
    targets: impl IntoIterator<Item = (&'a str, &'a str)>,
    now: Timestamp,
) {
    let wanted: BTreeSet<(&str, &str)> = targets.into_iter().collect();
    let known: Vec<KnownServer> = book.servers().cloned().collect();
    for server in known.iter().filter(|server| covers(inventory, &server.inventory)) {
        let (client, name) = (server.client.as_str(), server.name.as_str());
        if wanted.contains(&(client, name)) {
            continue;
        }
        let open: Vec<String> = book.of_server(client, name).map(|matter| matter.key.clone()).collect();
        for key in open {
            let title = format!("{name} is not in the inventory under that name any more");
            let why = book.get(&key).map(|matter| {
                format!(
                    "It was open, and was not seen to be mended: {}. If the server goes on under another name, that could not \
                     be told, and nothing of this is told of it: look there.",
                    as_of(matter, now).title
                )
            });
            book.withdraw(&key, title, why.unwrap_or_default());
        }
        book.forget(client, name);
    }
    for (client, name) in wanted {
        let known = book.server(client, name).cloned();
        let server = known.unwrap_or_else(|| KnownServer::new(client, name));
        book.remember(KnownServer { inventory: inventory.to_owned(), ..server });
    }
}
