//! What the day makes of what is known: certificates, attestations and waivers that end.
//!
//! Days are counted from now, not from the run that showed something: a server that cannot be reached has a certificate that ends
//! all the same.

use super::day::{OfStatement, as_of, today, until};
use super::{Book, Rules, day, key};
use crate::model::alert::Kind;
use crate::model::matter::{KnownServer, Matter, MatterState, SeenCertificate};
use crate::model::statement::{About, days_left};
use jiff::Timestamp;
use jiff::civil::Date;
use std::collections::BTreeMap;

/// What is over is told as this many days.
const OVER: i64 = -1;

/// The threshold that is reached with so many days left; none where there is time.
fn reached(left: i64, thresholds: &[u32]) -> Option<i64> {
    if left < 0 {
        return Some(OVER);
    }
    thresholds.iter().map(|days| i64::from(*days)).filter(|days| left <= *days).min()
}

// Certificates.

/// Looks at every certificate that was last seen on the servers that are asked about.
pub fn certificates(book: &mut Book, is_asked: impl Fn(&KnownServer) -> bool, now: Timestamp, rules: &Rules) {
    let servers: Vec<KnownServer> = book.servers().filter(|server| is_asked(server)).cloned().collect();
    for server in &servers {
        let mut shown: BTreeMap<&str, Vec<&SeenCertificate>> = BTreeMap::new();
        for certificate in &server.certificates {
            shown.entry(&certificate.sha256).or_default().push(certificate);
        }
        replaced(book, server);
        for seen in shown.values() {
            certificate(book, server, seen, now, rules);
        }
    }
}

fn places(seen: &[&SeenCertificate]) -> Vec<(std::net::IpAddr, u16, bool)> {
    seen.iter().map(|one| (one.address, one.port, one.sni)).collect()
}

fn certificate(book: &mut Book, server: &KnownServer, seen: &[&SeenCertificate], now: Timestamp, rules: &Rules) {
    let Some(first) = seen.first() else { return };
    let Ok(end) = first.not_after.parse::<Timestamp>() else { return };
    let left = until(end, now);
    let own = key(&server.client, Some(&server.name), Kind::Certificate, &first.sha256);
    let open = book.get(&own).cloned();
    let Some(told) = reached(left, &rules.certificate_days) else {
        return remember_places(book, open, seen);
    };
    let (title, severity) = day::certificate(&server.name, end, now);
    let matter = Matter {
        key: own,
        kind: Kind::Certificate,
        severity,
        client: server.client.clone(),
        target: Some(server.name.clone()),
        title,
        details: details_of(first, seen),
        action: Some(
            "Renew it, put the new one on each of these ports, and scan again: the new one is to be seen.".to_owned(),
        ),
        since: now.to_string(),
        run: seen.iter().filter_map(|one| one.run).max(),
        state: MatterState::Certificate {
            sha256: first.sha256.clone(),
            not_after: first.not_after.clone(),
            told,
            places: places(seen),
        },
        told_as: None,
    };
    match open.as_ref().map(|known| &known.state) {
        None => book.raise(matter),
        Some(MatterState::Certificate { told: known, .. }) if told < *known => book.escalate(matter),
        Some(_) => remember_places(book, open, seen),
    }
}

/// What it is, and where it was seen last.
fn details_of(first: &SeenCertificate, seen: &[&SeenCertificate]) -> Vec<String> {
    let mut where_seen: Vec<String> = seen.iter().map(|one| format!("tcp/{} at {}", one.port, one.address)).collect();
    where_seen.dedup();
    vec![
        format!("Its subject is {}; its end is {}.", first.subject, first.not_after),
        format!("It was last seen on {}.", where_seen.join(", ")),
    ]
}

fn remember_places(book: &mut Book, open: Option<Matter>, seen: &[&SeenCertificate]) {
    if let Some(mut matter) = open
        && let MatterState::Certificate { places: known, .. } = &mut matter.state
    {
        *known = places(seen);
        if let Some(first) = seen.first() {
            matter.details = details_of(first, seen);
        }
        book.update(matter);
    }
}

/// Certificates that are told of and that no place of the server shows any more.
fn replaced(book: &mut Book, server: &KnownServer) {
    let open: Vec<Matter> = book.of_server(&server.client, &server.name).cloned().collect();
    for matter in open {
        let MatterState::Certificate { sha256, not_after, places, .. } = &matter.state else { continue };
        if server.certificates.iter().any(|one| one.sha256 == *sha256) {
            continue;
        }
        let there: Vec<&SeenCertificate> =
            server.certificates.iter().filter(|one| places.contains(&(one.address, one.port, one.sni))).collect();
        let end = |text: &str| text.parse::<Timestamp>().ok();
        let longer = there.iter().all(|one| end(&one.not_after) > end(not_after));
        match there.first() {
            Some(first) if longer => {
                let title = format!("{} has a new certificate, until {}", server.name, first.not_after);
                let details = vec![format!("Its subject is {}.", first.subject)];
                book.resolve(&matter.key, title, details, first.run);
            }
            Some(first) => {
                let title = format!("{} has another certificate, with no more time", server.name);
                let why = format!("What is shown now ends {}: that one is told by itself.", first.not_after);
                book.withdraw(&matter.key, title, why);
            }
            None => {
                let title = format!("The certificate of {} is not asked about any more", server.name);
                book.withdraw(&matter.key, title, "No port that is asked shows it.".to_owned());
            }
        }
    }
}

// Statements.

/// An attestation or a waiver, as far as its end is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Which of the two.
    pub kind: Kind,
    /// The target's client.
    pub client: String,
    /// The target's name.
    pub target: String,
    /// What it is about.
    pub about: About,
    /// The last day on which it holds.
    pub until: Date,
    /// Who stated or approved it.
    pub who: String,
    /// Where it stands.
    pub place: String,
    /// The file, by its own path.
    pub file: String,
}

/// What it is about, in a matter's key.
pub(super) fn subject(about: &About) -> String {
    match about {
        About::Item { guide, item } => format!("item {guide} {item}"),
        About::Rule(rule) => format!("rule {rule}"),
    }
}

impl Said {
    fn key(&self) -> String {
        key(&self.client, Some(&self.target), self.kind, &subject(&self.about))
    }

    fn whose(&self) -> String {
        format!("By {}, {}.", self.who, self.place)
    }

    const fn word(&self) -> &'static str {
        match self.kind {
            Kind::Attestation => "attestation",
            _ => "waiver",
        }
    }

    const fn command(&self) -> &'static str {
        match self.kind {
            Kind::Attestation => "attest",
            _ => "waive",
        }
    }
}

/// Looks at what people state of the servers for which `is_asked`. What is not among it any more was taken out of its file where
/// that `was_read`. Of other files nothing is known: what stood in them stays as it is. They are given back, with how many
/// statements each has; one whose file was not noted is of the file "".
pub fn statements(
    book: &mut Book,
    said: &[Said],
    is_asked: impl Fn(&str, &str) -> bool,
    was_read: impl Fn(&str) -> bool,
    now: Timestamp,
    rules: &Rules,
) -> BTreeMap<String, usize> {
    let mut left: BTreeMap<String, usize> = BTreeMap::new();
    let today = today(now);
    let all: BTreeMap<String, &Said> = said.iter().map(|one| (one.key(), one)).collect();
    let open: Vec<Matter> = book
        .open()
        .filter(|matter| matches!(matter.state, MatterState::Statement { .. }))
        .filter(|matter| is_asked(&matter.client, matter.target.as_deref().unwrap_or_default()))
        .cloned()
        .collect();
    for matter in open {
        let MatterState::Statement { file, .. } = &matter.state else { continue };
        if all.contains_key(&matter.key) {
            continue;
        }
        if !file.as_ref().is_some_and(|file| was_read(file)) {
            *left.entry(file.clone().unwrap_or_default()).or_default() += 1;
            continue;
        }
        let title = format!("What was stated of {} was taken back", matter.target.as_deref().unwrap_or_default());
        let why = format!("It is in no file any more: {}.", as_of(&matter, now).title);
        book.withdraw(&matter.key, title, why);
    }
    for (key, one) in all.iter().filter(|(_, one)| is_asked(&one.client, &one.target)) {
        statement(book, key, one, today, now, rules);
    }
    left
}

fn statement(book: &mut Book, key: &str, one: &Said, today: Date, now: Timestamp, rules: &Rules) {
    let left = i64::from(days_left(one.until, today));
    let open = book.get(key).cloned();
    let told = reached(left, &rules.statement_days);
    let renewed = match open.as_ref().map(|matter| &matter.state) {
        Some(MatterState::Statement { until, .. }) => *until < one.until,
        _ => false,
    };
    if let Some(open) = open.as_ref().filter(|_| !renewed) {
        stands(book, open, one);
    }
    let Some(told) = told else {
        if renewed {
            let (title, details) = holds(one);
            book.resolve(key, title, details, None);
        }
        return;
    };
    let next = match one.kind {
        Kind::Attestation => "Look again",
        _ => "Mend it, or let it be approved again",
    };
    let OfStatement { title, what, severity } = day::statement(one.kind, &one.about, &one.target, one.until, today);
    let matter = Matter {
        key: key.to_owned(),
        kind: one.kind,
        severity,
        client: one.client.clone(),
        target: Some(one.target.clone()),
        title,
        details: vec![one.whose(), what],
        action: Some(format!("{next}, and renew it with `portreeve {} --renew`.", one.command())),
        since: now.to_string(),
        run: None,
        state: MatterState::Statement {
            item: one.about.clone(),
            until: one.until,
            told,
            file: Some(one.file.clone()),
            renewed: false,
        },
        told_as: None,
    };
    match open.as_ref().map(|known| &known.state) {
        None => book.raise(matter),
        Some(MatterState::Statement { told: known, .. }) if !renewed && told < *known => book.escalate(matter),
        Some(_) if renewed => renewed_for_a_while(book, open, matter, one),
        Some(_) => {}
    }
}

/// Somebody renewed it, though not for long. Where its end was told as more urgent than it is now, that is over; else it is no news
/// but for the day it was told by.
fn renewed_for_a_while(book: &mut Book, open: Option<Matter>, mut matter: Matter, one: &Said) {
    let Some(open) = open else { return };
    let is_over = matter.severity < open.severity;
    if let MatterState::Statement { renewed, .. } = &mut matter.state {
        *renewed = is_over || open.is_renewed();
    }
    if is_over && !open.is_renewed() {
        let (title, details) = holds(one);
        book.settle(matter, title, details);
    } else {
        let severity = open.severity;
        book.update(Matter { since: open.since, severity, ..matter });
    }
}

/// That it was renewed.
fn holds(one: &Said) -> (String, Vec<String>) {
    let title = format!("The {} of {} on {} holds until {}", one.word(), one.about, one.target, one.until);
    (title, vec![format!("Renewed by {}, {}.", one.who, one.place)])
}

/// Where it stands now, and until when: somebody may have moved it, or let it end sooner.
fn stands(book: &mut Book, open: &Matter, one: &Said) {
    let mut matter = open.clone();
    if let MatterState::Statement { until, file, .. } = &mut matter.state {
        (*until, *file) = (one.until, Some(one.file.clone()));
    }
    if let Some(first) = matter.details.first_mut() {
        *first = one.whose();
    }
    book.update(matter);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_reached_on_its_day_and_stays_so_until_the_next() {
        let days = [30, 14, 7, 1];
        for (left, told) in [
            (31, None),
            (30, Some(30)),
            (15, Some(30)),
            (14, Some(14)),
            (2, Some(7)),
            (1, Some(1)),
            (0, Some(1)),
            (-1, Some(OVER)),
            (-400, Some(OVER)),
        ] {
            assert_eq!(reached(left, &days), told, "{left}");
        }
        assert_eq!((reached(0, &[]), reached(-1, &[])), (None, Some(OVER)), "that it is over is always told");
    }
}
