//! Scans that fail as a whole, and scans that do not happen.

use super::{Book, EVERYBODY, counted, key};
use crate::history::JobRecord;
use crate::model::alert::Kind;
use crate::model::matter::{KnownServer, Matter, MatterState};
use crate::model::verdict::Severity;
use crate::schedule::Schedule;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

/// So long after it was due a scan has not happened: whoever is called by the clock every few minutes has been by then.
pub const GRACE: SignedDuration = SignedDuration::from_mins(30);

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
}

/// Looks at whether the inventory, and what people say beside it, can be read. Where it cannot, nothing is scanned.
pub fn inventory(book: &mut Book, inventory: &str, problem: Option<&str>, now: Timestamp) {
    let own = key(EVERYBODY, None, Kind::Failure, inventory);
    let Some(why) = problem else {
        return book.resolve(&own, "The inventory can be read again".to_owned(), Vec::new(), None);
    };
    book.raise(Matter {
        key: own,
        kind: Kind::Failure,
        severity: Severity::High,
        client: EVERYBODY.to_owned(),
        target: None,
        title: "The inventory cannot be read: nothing is scanned until it is mended".to_owned(),
        details: vec![why.to_owned()],
        action: Some("Mend the file that is named; `portreeve watch --list` reads it without scanning.".to_owned()),
        since: now.to_string(),
        run: None,
        state: MatterState::Inventory,
    });
}

/// Looks at every job of an inventory.
pub fn jobs(book: &mut Book, inventory: &str, jobs: &[JobStanding], now: Timestamp) {
    for job in jobs {
        failed(book, job, now);
        missed(book, job, now);
    }
    gone(book, inventory, jobs);
}

impl JobStanding {
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
        }
    }
}

fn failed(book: &mut Book, job: &JobStanding, now: Timestamp) {
    let Some(JobRecord { ended: Some(ended), exit, .. }) = &job.record else { return };
    let own = key(&job.client, None, Kind::Failure, &job.id);
    let (severity, title, action) = match exit {
        Some(0 | 1) => {
            let title = format!("The scan of {} is whole again", job.client);
            return book.resolve(&own, title, Vec::new(), None);
        }
        // What is not whole is told with its servers. Where no server is the reason, it is this machine or its network.
        Some(3) => {
            let of_servers =
                |matter: &Matter| matter.client == job.client && matches!(matter.state, MatterState::NotWhole { .. });
            if book.open().any(of_servers) {
                return;
            }
            (Severity::Medium, "is partial".to_owned(), "`portreeve show last` says what was not asked, and why.")
        }
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
    let state = MatterState::JobFailed { job: job.id.clone(), exit: *exit };
    let mut matter = job.matter(Kind::Failure, severity, now, state.clone());
    matter.title = format!("The scan of {} {title}", job.client);
    matter.details.push(format!("It ended {ended}."));
    matter.action = Some(action.to_owned());
    match book.get(&own).map(|known| known.state == state) {
        None => book.raise(matter),
        Some(true) => {}
        Some(false) => book.escalate(matter),
    }
}

fn missed(book: &mut Book, job: &JobStanding, now: Timestamp) {
    let Some(record) = &job.record else { return };
    let Ok(settled) = record.settled.parse::<Timestamp>() else { return };
    let own = key(&job.client, None, Kind::Missed, &job.id);
    let time = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<Timestamp>().ok());
    let late = job.schedule.next(settled.min(now), &job.id).filter(|due| {
        let last = due.at.saturating_add(GRACE).unwrap_or(due.at);
        // One that began in time and goes on is not missed.
        let in_time = time(&record.began).is_some_and(|began| began >= due.nominal && began <= last);
        last < now && !(job.running && in_time)
    });
    let state = MatterState::JobMissed { job: job.id.clone() };
    let mut matter = job.matter(Kind::Missed, Severity::High, now, state);
    if let Some(due) = late {
        let count = i64::try_from(job.schedule.count(settled.min(now), now)).unwrap_or(i64::MAX);
        matter.since = due.at.to_string();
        matter.title = format!("The scan of {} that was due {} did not happen", job.client, due.at);
        if count > 1 {
            matter.details.push(format!("Since then {} were due.", counted(count, "scan", "scans")));
        }
        let begun = time(&record.began).is_some_and(|began| began >= due.nominal) && record.ended.is_none();
        matter.details.push(if begun && job.running {
            "One that makes up for it goes on now.".to_owned()
        } else if begun {
            "One was begun and did not come to its end: its process is gone.".to_owned()
        } else {
            "None was begun: nobody watches, or the machine was off.".to_owned()
        });
        matter.action = Some(
            "See that `portreeve watch`, or the timer that calls it, runs; it makes up for what was missed.".to_owned(),
        );
        book.raise(matter);
    } else if record.skipped > 0 {
        matter.severity = Severity::Medium;
        matter.title = format!(
            "{} of {} did not happen, because the one before still ran",
            counted(i64::from(record.skipped), "scan", "scans"),
            job.client
        );
        matter.action = Some("Let them be due less often, or scan fewer servers in one job.".to_owned());
        book.raise(matter);
    } else if record.ended.is_some() && record.exit.is_some() {
        let title = format!("A scan of {} has come to its end again", job.client);
        book.resolve(&own, title, Vec::new(), None);
    }
}

/// What is open of jobs that are not in the inventory any more, of clients that are or were in it.
fn gone(book: &mut Book, inventory: &str, jobs: &[JobStanding]) {
    let clients: BTreeSet<String> =
        book.servers().filter(|server| server.inventory == inventory).map(|server| server.client.clone()).collect();
    let open: Vec<Matter> = book.open().filter(|matter| clients.contains(&matter.client)).cloned().collect();
    for matter in open {
        let (MatterState::JobFailed { job, .. } | MatterState::JobMissed { job }) = &matter.state else { continue };
        if !jobs.iter().any(|known| known.id == *job) {
            let title = format!("A schedule of {} is another one now", matter.client);
            book.withdraw(&matter.key, title, format!("No server has the schedule any more: {job}."));
        }
    }
}

/// Remembers the servers of an inventory, and withdraws what is open of those that it has no more.
pub fn servers<'a>(book: &mut Book, inventory: &str, targets: impl IntoIterator<Item = (&'a str, &'a str)>) {
    let wanted: BTreeSet<(&str, &str)> = targets.into_iter().collect();
    let known: Vec<KnownServer> = book.servers().cloned().collect();
    for server in known.iter().filter(|server| server.inventory == inventory) {
        let (client, name) = (server.client.as_str(), server.name.as_str());
        if wanted.contains(&(client, name)) {
            continue;
        }
        let open: Vec<String> = book.of_server(client, name).map(|matter| matter.key.clone()).collect();
        for key in open {
            let title = format!("{name} is not in the inventory any more");
            let why =
                book.get(&key).map(|matter| format!("It was open, and was not seen to be mended: {}.", matter.title));
            book.withdraw(&key, title, why.unwrap_or_default());
        }
        book.forget(client, name);
    }
    for (client, name) in wanted {
        let known = book.server(client, name).cloned();
        let server = known.unwrap_or_else(|| KnownServer {
            client: client.to_owned(),
            name: name.to_owned(),
            inventory: String::new(),
            seen: None,
            certificates: Vec::new(),
        });
        book.remember(KnownServer { inventory: inventory.to_owned(), ..server });
    }
}
