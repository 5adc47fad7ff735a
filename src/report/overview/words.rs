//! What a report over many servers says in words, decided once for all its forms.

use super::{Failure, Only, Overview, Server, Step, Sureness};
use crate::catalog::inventory::NO_CLIENT;
use crate::model::drift::{Class, DriftTally};
use crate::model::expected::RuleVerdict;
use crate::model::verdict::{Severity, Verdict};
use crate::report::reading::{instant, rules_tallied, tallied_all};
use crate::report::text::{capitalised, counted, listed, number};

/// The severities, the highest first.
pub(in crate::report) const SEVERITIES: [Severity; 4] =
    [Severity::Critical, Severity::High, Severity::Medium, Severity::Low];

/// All of it in a few sentences. It never sounds clean where something is old or was not seen.
pub(in crate::report) fn headline(overview: &Overview) -> String {
    let not_whole = not_whole(overview).map(|why| format!(" This is not the whole picture: {why}."));
    format!("{}{}", summary(overview), not_whole.unwrap_or_default())
}

/// The same without why it is not the whole picture, which must stand beside it.
pub(in crate::report) fn summary(overview: &Overview) -> String {
    let told = of_servers(overview);
    only_some(overview).map_or_else(|| told.clone(), |only| format!("{only} {told}"))
}

/// How many names are told where a report is of some servers only.
const SOME: usize = 6;

/// That a report is of some servers only, in a sentence; nothing where it is of all.
pub(in crate::report) fn only_some(overview: &Overview) -> Option<String> {
    let only = some(overview)?;
    Some(match (&overview.only, &overview.client) {
        (Some(Only::Clients(_)), _) => format!("These are only some of the clients: {only}."),
        (_, Some(client)) if client != NO_CLIENT => {
            format!("This is only a part of {client}: {only}; its other servers are not told of.")
        }
        _ => format!("These are only some of the servers: {only}."),
    })
}

/// The names of what a report is of, the first of them; nothing where it is of all.
fn some(overview: &Overview) -> Option<String> {
    let names: Vec<String> = match overview.only.as_ref()? {
        Only::Clients(clients) => clients.clone(),
        Only::Servers(servers) => servers.iter().map(|(client, name)| called(overview, client, name)).collect(),
    };
    let mut told: Vec<String> = names.iter().take(SOME).cloned().collect();
    if names.len() > SOME {
        told.push(format!("{} more", number(names.len() - SOME)));
    }
    Some(listed(&told))
}

fn of_servers(overview: &Overview) -> String {
    let servers = &overview.servers;
    let all = servers.len();
    if all == 0 {
        return "No server was scanned.".to_owned();
    }
    let failing = servers.iter().filter(|server| server.failures.iter().any(|one| one.waived.is_none())).count();
    let open: usize = SEVERITIES.into_iter().map(|severity| open(overview, severity)).sum();
    let waived = servers.iter().flat_map(|server| &server.failures).filter(|one| one.waived.is_some()).count();
    let worst: Vec<String> = [Severity::Critical, Severity::High]
        .into_iter()
        .map(|severity| (self::open(overview, severity), severity))
        .filter(|(count, _)| *count > 0)
        .map(|(count, severity)| format!("{} {severity}", number(count)))
        .collect();
    let fresh = servers.iter().filter(|server| server.is_current()).count();
    let of_servers = if all == 1 { "the one server".to_owned() } else { format!("{} servers", number(all)) };
    let mut sentences = Vec::new();
    if open > 0 {
        let worst = if worst.is_empty() { String::new() } else { format!(", {} of them", listed(&worst)) };
        let on = if all == 1 { of_servers.clone() } else { format!("{} of {of_servers}", number(failing)) };
        let verb = if open == 1 { "failure stands" } else { "failures stand" };
        sentences.push(format!("{} {verb} on {on}{worst}", number(open)));
    } else if fresh == all {
        sentences.push(format!("No failure stands on {of_servers}"));
    } else {
        sentences.push(format!("No failure is known on {of_servers}, of which not all were seen"));
    }
    if waived > 0 {
        sentences.push(format!("{} accepted for a time by a waiver", are(waived, "failure is", "failures are")));
    }
    let unconfirmed =
        servers.iter().flat_map(|server| &server.failures).filter(|one| one.unconfirmed.is_some()).count();
    if unconfirmed > 0 {
        sentences.push(format!("{} could not be told again since it was seen", number(unconfirmed)));
    }
    let untold: usize = servers.iter().map(|server| server.tally.count(Verdict::Inconclusive)).sum();
    if untold > 0 {
        sentences.push(format!("{} could not be told", are(untold, "item", "items")));
    }
    format!("{}.", sentences.into_iter().map(|one| capitalised(&one)).collect::<Vec<_>>().join(". "))
}

fn are(count: usize, one: &str, many: &str) -> String {
    counted(count, one, many)
}

/// How many failures of this severity are not waived.
pub(in crate::report) fn open(overview: &Overview, severity: Severity) -> usize {
    overview.servers.iter().map(|server| server.open(severity)).sum()
}

/// Why the report is not the whole picture, in words; nothing where it is.
pub(in crate::report) fn not_whole(overview: &Overview) -> Option<String> {
    let servers = &overview.servers;
    let count = |is: fn(&Server) -> bool| servers.iter().filter(|server| is(server)).count();
    let never = overview.inventory.as_ref().map_or(0, |inventory| inventory.never.len());
    let parts: Vec<String> = [
        (count(|server| server.seen.is_none()), "server was never seen", "servers were never seen"),
        (
            count(|server| server.seen.is_some() && server.lost.is_some()),
            "server was not seen by its last scan",
            "servers were not seen by their last scan",
        ),
        (
            count(|server| server.overdue.is_some() && server.lost.is_none()),
            "server was not scanned when it was due",
            "servers were not scanned when they were due",
        ),
        (
            count(|server| server.is_fresh() && !server.missing.is_empty()),
            "server was seen only in part",
            "servers were seen only in part",
        ),
        (never, "server of the inventory was never scanned", "servers of the inventory were never scanned"),
    ]
    .into_iter()
    .filter(|(count, ..)| *count > 0)
    .map(|(count, one, many)| counted(count, one, many))
    .collect();
    (!parts.is_empty()).then(|| listed(&parts))
}

/// How new the picture of a server is, in a few words for a column; loud where it is old.
pub(in crate::report) fn standing(server: &Server) -> &'static str {
    match server {
        _ if server.seen.is_none() => "NEVER SEEN",
        _ if server.lost.is_some() => "NOT SEEN",
        _ if server.overdue.is_some() => "OVERDUE",
        _ if !server.missing.is_empty() => "IN PART",
        _ => "current",
    }
}

/// What is to be known of how new the picture of a server is, a sentence each; none where all is as it should be.
pub(in crate::report) fn doubts(server: &Server) -> Vec<(&'static str, String)> {
    let mut doubts = Vec::new();
    let picture = || match &server.seen {
        Some(seen) => format!(
            "What follows is its picture of {} (run {}), {} before this report",
            instant(&seen.started),
            seen.run,
            days(server.age_days)
        ),
        None => "Nothing is known of it".to_owned(),
    };
    if let Some(lost) = &server.lost {
        let title = if server.seen.is_none() { "Never seen" } else { "Not seen by the last scan" };
        let when = format!("Run {} of {}", lost.mark.run, instant(&lost.mark.started));
        let why = lost.why.trim_end_matches('.');
        doubts.push((title, format!("{when}: {why}. {}. That is no good news and no bad news.", picture())));
    }
    match (&server.overdue, &server.lost) {
        (Some(overdue), None) => doubts.push(("Overdue", format!("{}. {}.", capitalised(overdue), picture()))),
        (Some(overdue), Some(_)) => doubts.push(("Overdue", format!("{}.", capitalised(overdue)))),
        (None, _) => {}
    }
    doubts.extend(
        server.missing.iter().map(|what| ("Seen in part", format!("{}.", capitalised(what.trim_end_matches('.'))))),
    );
    doubts
}

/// What is to be known of a server's picture, where it may be the same of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::report) struct Alike {
    /// What became of it, of many servers.
    pub(in crate::report) what: &'static str,
    /// Why.
    pub(in crate::report) why: String,
}

/// The one thing that is to be known of a server's picture; nothing where it is more than one.
pub(in crate::report) fn alike(server: &Server) -> Option<Alike> {
    let (what, why) = match (&server.seen, &server.lost) {
        (None, Some(lost)) => ("were never seen", lost.why.clone()),
        (Some(_), Some(lost)) if server.missing.is_empty() => ("were not seen by their last scan", lost.why.clone()),
        (Some(_), None) if !server.missing.is_empty() => ("were seen only in part", server.missing.join("; ")),
        _ => return None,
    };
    let why = why.trim_end_matches('.').to_owned();
    server.overdue.is_none().then_some(Alike { what, why })
}

/// `less than a day`, `1 day`, `12 days`.
pub(in crate::report) fn days(days: i64) -> String {
    match days {
        ..=0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

/// `9 days left`, `over for 3 days`: whole days are counted from the moment of the report, so that what ended an hour ago is not over
/// for a day.
pub(in crate::report) fn left(days_left: i64) -> String {
    match days_left {
        ..0 => format!("over for {}", days(-days_left - 1)),
        0 => "within a day".to_owned(),
        left => format!("{} left", days(left)),
    }
}

/// `2026-03-14`, of an RFC 3339 time; as it stands where it is none.
pub(in crate::report) fn day(rfc3339: &str) -> String {
    let at = rfc3339.parse::<jiff::Timestamp>();
    at.map_or_else(|_| rfc3339.to_owned(), |at| at.strftime("%Y-%m-%d").to_string())
}

/// From when a server's picture is: the day and the run.
pub(in crate::report) fn as_of(server: &Server) -> String {
    server.seen.as_ref().map_or_else(|| "-".to_owned(), |seen| format!("{} (run {})", day(&seen.started), seen.run))
}

/// Since when something fails.
pub(in crate::report) fn since(failure: &Failure) -> String {
    let at_least = if failure.since.at_least { "at least since" } else { "since" };
    format!("{at_least} {} (run {})", day(&failure.since.mark.started), failure.since.mark.run)
}

/// What is to be known of a failure beside what is wrong.
pub(in crate::report) fn remarks(failure: &Failure) -> Vec<String> {
    let mut remarks = vec![since(failure)];
    if failure.exploited {
        remarks.push("a version that is known to be attacked".to_owned());
    }
    if let Some(last) = &failure.unconfirmed {
        let why = if failure.unasked { "not asked by the last scan" } else { "could not be told since" };
        remarks.push(format!("not confirmed: seen last on {} (run {}), {why}", day(&last.started), last.run));
    }
    if let Some(until) = failure.waived {
        remarks.push(format!("waived until {until}"));
    }
    if let Some(until) = failure.waiver_ended {
        remarks.push(format!("the waiver ended with {until}"));
    }
    if !failure.outside {
        remarks.push("seen at a private address, not from the Internet".to_owned());
    }
    remarks
}

/// What to call a server: without a client where none was named, or where the report is of one client.
pub(in crate::report) fn called(overview: &Overview, client: &str, name: &str) -> String {
    if overview.client.is_some() || client == NO_CLIENT { name.to_owned() } else { format!("{client}/{name}") }
}

/// What the report is about: `Northwind Dental`, or `3 clients`.
pub(in crate::report) fn subject(overview: &Overview) -> String {
    let whose = match (&overview.client, &overview.only) {
        (Some(client), None) if client == NO_CLIENT => "All servers".to_owned(),
        (Some(client), Some(_)) if client == NO_CLIENT => "Some servers".to_owned(),
        (Some(client), _) => client.clone(),
        (None, None) => "All clients".to_owned(),
        (None, Some(Only::Clients(_))) => "Some clients".to_owned(),
        (None, Some(Only::Servers(_))) => "Some servers of all clients".to_owned(),
    };
    match some(overview) {
        Some(only) => format!("{whose}, only {only}"),
        None => whose,
    }
}

/// The counts of a server in words, those that occur.
pub(in crate::report) fn counts(server: &Server) -> String {
    let mut parts: Vec<String> = Verdict::ALL
        .into_iter()
        .filter(|verdict| server.tally.count(*verdict) > 0)
        .map(|verdict| tallied_all(&server.tally, verdict))
        .collect();
    if server.rules.count(RuleVerdict::Violated) > 0 {
        parts.push(format!("expected rules: {}", rules_tallied(&server.rules)));
    }
    if parts.is_empty() { "not judged".to_owned() } else { parts.join(", ") }
}

/// What changed in the period over all servers, in a sentence.
pub(in crate::report) fn changed(overview: &Overview) -> String {
    let compared: Vec<_> = overview.servers.iter().filter_map(|server| server.drift.as_ref()).collect();
    let tally = DriftTally::of(compared.iter().copied());
    let counts: Vec<String> = Class::ALL
        .into_iter()
        .filter(|class| tally.count(*class) > 0)
        .map(|class| format!("{} {class}", number(tally.count(class))))
        .collect();
    let mut clauses = vec![if compared.is_empty() {
        "No server has an earlier run to compare with".to_owned()
    } else if counts.is_empty() {
        format!("Nothing that could be compared changed on {}", counted(compared.len(), "server", "servers"))
    } else {
        format!("On {}: {}", counted(compared.len(), "server", "servers"), listed(&counts))
    }];
    if tally.lost > 0 {
        clauses.push(format!("{} can no longer be told", number(tally.lost)));
    }
    let single = overview.servers.len() - compared.len();
    if single > 0 && !compared.is_empty() {
        clauses.push(format!("{} without an earlier run", counted(single, "server is", "servers are")));
    }
    let old = overview.servers.iter().filter(|server| server.drift.is_some() && !server.is_fresh()).count();
    if old > 0 {
        clauses.push(format!("of {} this ends with an old picture", counted(old, "server", "servers")));
    }
    format!("{}.", clauses.join("; "))
}

/// How the failures went, in a sentence; what the plot shows, for whoever does not see it.
pub(in crate::report) fn trend(overview: &Overview) -> String {
    let points = &overview.trend.points;
    let told: Vec<_> = points.iter().filter(|point| point.sureness() != Sureness::Nothing).collect();
    let (Some(first), Some(last)) = (told.first(), told.last()) else {
        return "No run of the period saw any server.".to_owned();
    };
    if points.len() == 1 {
        return format!("One run in the period: {} failing.", number(last.failing()));
    }
    let turn = match last.failing().cmp(&first.failing()) {
        std::cmp::Ordering::Less => "down",
        std::cmp::Ordering::Greater => "up",
        std::cmp::Ordering::Equal => "no more and no less",
    };
    let gaps = points.iter().filter(|point| point.sureness() == Sureness::Nothing).count();
    let partly = points.iter().filter(|point| point.sureness() == Sureness::Partly).count();
    let mut text = format!(
        "From {} on {} to {} on {}: {turn}",
        number(first.failing()),
        day(&first.started),
        number(last.failing()),
        day(&last.started)
    );
    if partly > 0 {
        text = format!(
            "{text}; at {} not every server was seen, and those count as they were seen last",
            counted(partly, "point", "points")
        );
    }
    if gaps > 0 {
        text = format!("{text}; at {} none was seen", counted(gaps, "point", "points"));
    }
    format!("{text}.")
}

/// The clients with their servers, what to do first comes first: name, servers, failures by severity, not current.
pub(in crate::report) fn clients(overview: &Overview) -> Vec<ClientRow> {
    let mut rows: Vec<ClientRow> = Vec::new();
    for server in &overview.servers {
        let place = rows.iter().position(|row| row.name == server.client).unwrap_or_else(|| {
            rows.push(ClientRow { name: server.client.clone(), ..ClientRow::default() });
            rows.len() - 1
        });
        if let Some(row) = rows.get_mut(place) {
            row.servers += 1;
            row.not_current += usize::from(!server.is_current());
            row.attacked |= server.failures.iter().any(|one| one.exploited && one.waived.is_none());
            for (sum, severity) in row.open.iter_mut().zip(SEVERITIES) {
                *sum += server.open(severity);
            }
        }
    }
    rows.sort_by(|one, other| {
        let key = |row: &ClientRow| (row.attacked, row.open, row.not_current);
        key(other).cmp(&key(one)).then_with(|| one.name.cmp(&other.name))
    });
    rows
}

/// A client in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::report) struct ClientRow {
    pub(in crate::report) name: String,
    pub(in crate::report) servers: usize,
    /// Failures that are not waived, by severity, the highest first.
    pub(in crate::report) open: [usize; 4],
    /// Servers whose picture is old or not whole.
    pub(in crate::report) not_current: usize,
    /// A version that is known to be attacked is there.
    pub(in crate::report) attacked: bool,
}

/// How to verify that a step is done: each command once, in the order of its servers.
pub(in crate::report) fn verify(step: &Step) -> Vec<&str> {
    let mut commands: Vec<&str> = Vec::new();
    for failure in &step.failures {
        if !commands.contains(&failure.verify.as_str()) {
            commands.push(&failure.verify);
        }
    }
    commands
}
