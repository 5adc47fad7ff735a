//! Tables for spreadsheets, RFC 4180, UTF-8: of drift a row for each change, each thing that flaps and each that could not be
//! compared; of the action plan a row for each failure of each server, in the order in which to do them.
//!
//! Spreadsheets run cells that begin with `=`, `+`, `-`, `@`, a tab or a carriage return as formulas. Such cells, and those that
//! would begin so without leading blanks, get an apostrophe in front, by which a spreadsheet knows text; whoever reads the file
//! by a program takes it away again. What a terminal would obey is written out as `\xNN` or `\u{NNNN}`, and line ends and
//! other blanks are spaces.

use super::drift::turn;
use super::overview::{Overview, words};
use super::text::clean;
use crate::model::drift::{Drift, TargetDrift};
use std::io;

/// The columns, in order. Later versions add columns at the end only.
pub const COLUMNS: [&str; 17] = [
    "client",
    "server",
    "host",
    "class",
    "severity",
    "kind",
    "subject",
    "title",
    "before",
    "after",
    "change",
    "sighting",
    "last_seen",
    "reason",
    "confidence",
    "why",
    "explains",
];

/// The columns of the action plan, in order. Later versions add columns at the end only.
pub const PLAN_COLUMNS: [&str; 14] = [
    "rank",
    "severity",
    "client",
    "target",
    "item",
    "title",
    "what_is_wrong",
    "what_to_do",
    "fails_since",
    "waived_until",
    "run",
    "how_to_verify",
    "servers",
    "remarks",
];

/// The drift as CSV.
pub fn drift(drift: &Drift) -> Result<String, csv::Error> {
    table(&COLUMNS, drift.targets.iter().flat_map(rows))
}

/// The action plan as CSV. The same on many servers has one rank. Servers whose picture is old, or of which there is none, come
/// last, so that a short table does not pass for a clean one; where it is of some servers only, the last row says so.
pub fn plan(overview: &Overview) -> Result<String, csv::Error> {
    let failures = overview.steps.iter().flat_map(|step| {
        step.failures.iter().map(|failure| {
            let since = &failure.since;
            let at_least = if since.at_least { " or earlier" } else { "" };
            let remarks = words::remarks(failure).into_iter().skip(1).collect::<Vec<_>>().join("; ");
            [
                step.rank.to_string(),
                failure.severity.to_string(),
                failure.client.clone(),
                failure.server.clone(),
                failure.about.to_string(),
                failure.title.clone(),
                failure.wrong.clone(),
                failure.todo.join(" | "),
                format!("{}{at_least}", words::day(&since.mark.started)),
                failure.waived.map(|until| until.to_string()).unwrap_or_default(),
                failure.seen.run.to_string(),
                failure.verify.clone(),
                step.failures.len().to_string(),
                remarks,
            ]
        })
    });
    let unseen = overview.servers.iter().filter(|server| !server.is_current()).map(|server| {
        let doubts: Vec<String> = words::doubts(server).into_iter().map(|(_, text)| text).collect();
        let run = server.seen.as_ref().map(|seen| seen.run.to_string()).unwrap_or_default();
        let wrong = doubts.join(" ");
        not_seen(&server.client, &server.name, (words::standing(server), wrong, run))
    });
    let never = overview.inventory.iter().flat_map(|inventory| &inventory.never).map(|(client, name)| {
        let wrong = "It is in the inventory, and in no run.".to_owned();
        not_seen(client, name, ("NEVER SCANNED", wrong, String::new()))
    });
    let only = words::only_some(overview).map(|only| {
        let client = overview.client.clone().unwrap_or_default();
        row([(2, client), (5, "ONLY SOME SERVERS".to_owned()), (6, only)])
    });
    table(&PLAN_COLUMNS, failures.chain(unseen).chain(never).chain(only))
}

/// A row of the action plan of a server whose picture is old, or of which there is none.
fn not_seen(client: &str, name: &str, (title, wrong, run): (&str, String, String)) -> [String; PLAN_COLUMNS.len()] {
    let todo = "Scan it, and see that it is reached.".to_owned();
    row([(2, client.to_owned()), (3, name.to_owned()), (5, title.to_owned()), (6, wrong), (7, todo), (10, run)])
}

/// A row of the action plan with these cells, by their places, and no other.
fn row<const CELLS: usize>(cells: [(usize, String); CELLS]) -> [String; PLAN_COLUMNS.len()] {
    let mut row: [String; PLAN_COLUMNS.len()] = std::array::from_fn(|_| String::new());
    for (place, cell) in cells {
        if let Some(place) = row.get_mut(place) {
            *place = cell;
        }
    }
    row
}

fn table<const N: usize>(columns: &[&str; N], rows: impl Iterator<Item = [String; N]>) -> Result<String, csv::Error> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(columns)?;
    for row in rows {
        writer.write_record(row.iter().map(|cell| defused(cell)))?;
    }
    let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    String::from_utf8(bytes).map_err(|error| csv::Error::from(io::Error::other(error)))
}

/// A cell that no spreadsheet takes for a formula and no terminal obeys.
fn defused(cell: &str) -> String {
    let text = clean(cell).into_owned();
    if text.trim_start().starts_with(['=', '+', '-', '@']) || cell.starts_with(['\t', '\r']) {
        format!("'{text}")
    } else {
        text
    }
}

fn rows(target: &TargetDrift) -> Vec<[String; COLUMNS.len()]> {
    let own = |cells: [String; COLUMNS.len() - 3]| -> [String; COLUMNS.len()] {
        let mut cells = [target.client.clone(), target.name.clone(), target.host.clone()].into_iter().chain(cells);
        std::array::from_fn(|_| cells.next().unwrap_or_default())
    };
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let nothing = String::new;
    let changes = target.changes.iter().map(|change| {
        let because = change.because();
        own([
            change.class.as_str().to_owned(),
            change.severity.to_string(),
            change.subject.kind().to_owned(),
            change.subject.to_string(),
            text(&change.title),
            text(&change.before),
            text(&change.after),
            turn(change),
            change.sighting.as_str().to_owned(),
            text(&change.last_seen),
            because.map(|because| because.reason.as_str().to_owned()).unwrap_or_default(),
            because.map(|because| because.confidence.to_string()).unwrap_or_default(),
            change.reasons.iter().map(|because| because.reason.describe()).collect::<Vec<_>>().join(" | "),
            change.explains.join(", "),
        ])
    });
    let flapping = target.flapping.iter().map(|one| {
        own([
            "flapping".to_owned(),
            one.severity.to_string(),
            one.subject.kind().to_owned(),
            one.subject.to_string(),
            text(&one.title),
            nothing(),
            nothing(),
            one.sights.join(", "),
            nothing(),
            nothing(),
            nothing(),
            nothing(),
            nothing(),
            nothing(),
        ])
    });
    let not_compared = target.not_compared.iter().flat_map(|one| {
        one.subjects.iter().map(|subject| {
            let mut cells: [String; COLUMNS.len() - 3] = std::array::from_fn(|_| String::new());
            for (place, cell) in [(0, "not-compared"), (3, subject.as_str()), (12, one.why.as_str())] {
                if let Some(place) = cells.get_mut(place) {
                    cell.clone_into(place);
                }
            }
            own(cells)
        })
    });
    changes.chain(flapping).chain(not_compared).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn the_whole_table() {
        insta::assert_snapshot!(drift(&fixture::drift()).unwrap().replace("\r\n", "\n"));
    }

    #[test]
    fn every_row_has_every_column_and_none_is_a_formula() {
        for evil in [
            "=HYPERLINK(\"http://x\")",
            "+1",
            "-1",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            " =1",
            "a,b\"c\r\nd",
            "\u{1b}[31m\u{202e}",
        ] {
            let text = drift(&fixture::hostile_drift(evil)).unwrap();
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            assert_eq!(reader.headers().unwrap().len(), COLUMNS.len());
            let mut rows = 0;
            for row in reader.records() {
                let row = row.unwrap();
                rows += 1;
                for cell in &row {
                    assert!(!cell.trim_start().starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell:?}");
                    assert!(!cell.contains(crate::report::text::is_special), "{cell:?}");
                }
            }
            assert!(rows > 10);
        }
        assert_eq!(defused("=1+1"), "'=1+1");
        assert_eq!(defused("tcp/443"), "tcp/443");
    }
}
