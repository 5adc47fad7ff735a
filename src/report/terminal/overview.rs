//! Many servers at a glance: what to do first, which servers are old news, how the counts went.

use super::page::{BOLD, CYAN, DIM, GREEN, PLAIN, Page, RED, YELLOW};
use crate::model::drift::Class;
use crate::model::verdict::Severity;
use crate::report::drift::{Entry, entries};
use crate::report::overview::words::Alike;
use crate::report::overview::{Overview, Point, Server, Step, Sureness, words};
use crate::report::plot::sparkline;
use crate::report::reading::instant;
use crate::report::text::{capitalised, counted, listed, number};
use anstyle::Style;

/// The width of the column of labels.
const LABELS: usize = 9;

/// How many steps, servers and the like are shown; the other forms of the report have all of them.
const SHOWN: usize = 15;

/// More servers than this whose scan is overdue are told together.
const TOGETHER: usize = 5;

/// How many servers a step names.
const NAMED: usize = 6;

/// A report over many servers. `unicode`: whether the terminal shows blocks.
pub fn overview(overview: &Overview, width: usize, colour: bool, unicode: bool) -> String {
    let mut page = Page::new(width, colour);
    let clients = words::clients(overview);
    let scope = if overview.client.is_some() {
        counted(overview.servers.len(), "server", "servers")
    } else {
        format!(
            "{} of {}",
            counted(overview.servers.len(), "server", "servers"),
            counted(clients.len(), "client", "clients")
        )
    };
    let title = words::subject(overview);
    page.block(0, &[(&title, BOLD), ("  ", PLAIN)], 2, PLAIN, &format!("{}, {scope}", instant(&overview.until)));
    page.paragraph(2, DIM, &format!("Changes and trend since {}", instant(&overview.since)));
    page.gap();
    let grave = words::open(overview, Severity::Critical) + words::open(overview, Severity::High) > 0;
    let style = if grave {
        RED
    } else if words::not_whole(overview).is_some() {
        YELLOW
    } else {
        BOLD
    };
    page.paragraph(0, style, &words::headline(overview));
    if let (Some(line), Some(first), Some(last)) = (
        sparkline(&overview.trend, page.width().saturating_sub(LABELS + 16), unicode),
        overview.trend.points.first(),
        overview.trend.points.last(),
    ) {
        page.gap();
        let end = |point: &Point| match point.sureness() {
            Sureness::Nothing => "?".to_owned(),
            _ => number(point.failing()),
        };
        let text = format!("{} {line} {} failing", end(first), end(last));
        page.labelled(2, "Trend", LABELS, &text);
        page.labelled(2, "", LABELS, &words::trend(overview));
        for mark in &overview.trend.marks {
            let at = overview.trend.points.get(mark.point).map(|point| words::day(&point.started)).unwrap_or_default();
            page.labelled(2, "", LABELS, &format!("{at}: {}", mark.what));
        }
    }
    old(&mut page, overview);
    if overview.client.is_none() && clients.len() > 1 {
        page.heading('=', BOLD, "CLIENTS");
        for row in clients.iter().take(SHOWN) {
            let mut text = vec![counted(row.servers, "server", "servers"), severities(row.open)];
            if row.attacked {
                text.push("a version that is known to be attacked".to_owned());
            }
            if row.not_current > 0 {
                text.push(format!("{} not current", number(row.not_current)));
            }
            page.block(2, &[(&row.name, BOLD), ("  ", PLAIN)], 4, PLAIN, &text.join(", "));
        }
        more(&mut page, clients.len());
    }
    servers(&mut page, overview);
    plan(&mut page, overview);
    changes(&mut page, overview);
    ends(&mut page, overview);
    page.finish()
}

fn more(page: &mut Page, all: usize) {
    if all > SHOWN {
        page.paragraph(2, DIM, &format!("and {} more; --html, --csv and --json have all of them", number(all - SHOWN)));
    }
}

/// `2 critical, 1 high`, or that there is none.
fn severities(open: [usize; 4]) -> String {
    let parts: Vec<String> = open
        .into_iter()
        .zip(words::SEVERITIES)
        .filter(|(count, _)| *count > 0)
        .map(|(count, severity)| format!("{} {severity}", number(count)))
        .collect();
    if parts.is_empty() { "no open failure".to_owned() } else { parts.join(", ") }
}

/// What is not to be believed to be as it was: before all else.
fn old(page: &mut Page, overview: &Overview) {
    let old: Vec<&Server> = overview.servers.iter().filter(|server| !server.is_current()).collect();
    if let Some(inventory) = &overview.inventory {
        for (list, title, text) in [
            (&inventory.never, "NEVER SCANNED", "in the inventory, and in no run"),
            (&inventory.gone, "NOT IN THE INVENTORY", "in the history, and left out of this report"),
        ] {
            if !list.is_empty() {
                page.gap();
                page.block(0, &[(title, YELLOW), ("  ", PLAIN)], 2, DIM, text);
                for (client, name) in list.iter().take(SHOWN) {
                    page.paragraph(2, PLAIN, &words::called(overview, client, name));
                }
                more(page, list.len());
            }
        }
    }
    if old.is_empty() {
        return;
    }
    page.gap();
    page.block(
        0,
        &[("NOT CURRENT", RED), ("  ", PLAIN)],
        2,
        DIM,
        "their picture is old, or not whole; it says nothing of today",
    );
    let many = old.iter().filter(|server| is_only_late(server)).count() > TOGETHER;
    let (late, old): (Vec<&Server>, Vec<&Server>) = old.into_iter().partition(|server| many && is_only_late(server));
    if !late.is_empty() {
        together(page, overview, &late);
    }
    let mut alike: Vec<(Option<Alike>, Vec<&Server>)> = Vec::new();
    for server in old {
        let own = words::alike(server);
        match alike.iter_mut().find(|(known, _)| own.is_some() && *known == own) {
            Some((_, servers)) => servers.push(server),
            None => alike.push((own, vec![server])),
        }
    }
    for (why, servers) in alike.iter().take(SHOWN) {
        if let (Some(why), [_, _, ..]) = (why, servers.as_slice()) {
            same(page, overview, (why, servers));
        } else {
            for server in servers {
                alone(page, overview, server);
            }
        }
    }
    more(page, alike.len());
}

/// What is to be said of one server's picture.
fn alone(page: &mut Page, overview: &Overview, server: &Server) {
    let name = words::called(overview, &server.client, &server.name);
    for (place, (title, text)) in words::doubts(server).into_iter().enumerate() {
        let lead = if place == 0 { format!("{name}  ") } else { String::new() };
        page.block(2, &[(&lead, BOLD), (title, YELLOW), (": ", PLAIN)], 4, PLAIN, &text);
    }
}

/// Servers of which the same is to be said, in one paragraph: where a line is down, it is down for all behind it.
fn same(page: &mut Page, overview: &Overview, (alike, servers): (&Alike, &[&Server])) {
    let mut names: Vec<String> = servers
        .iter()
        .take(SHOWN)
        .map(|server| {
            let name = words::called(overview, &server.client, &server.name);
            let picture = server.seen.as_ref().filter(|_| server.lost.is_some());
            picture.map_or_else(|| name.clone(), |seen| format!("{name} (picture of {})", words::day(&seen.started)))
        })
        .collect();
    if servers.len() > SHOWN {
        names.push(format!("{} more", number(servers.len() - SHOWN)));
    }
    let count = format!("{} servers", number(servers.len()));
    let text = format!(": {}. {}.", listed(&names), capitalised(&alike.why));
    page.block(2, &[(&count, BOLD), (" ", PLAIN), (alike.what, YELLOW)], 4, PLAIN, &text);
}

/// Whether all that is to be said of a server's picture is that a scan is overdue.
fn is_only_late(server: &Server) -> bool {
    server.seen.is_some() && server.overdue.is_some() && server.lost.is_none() && server.missing.is_empty()
}

/// Many servers whose scan is overdue, in one paragraph: where the scans stood still, it is the same of all of them.
fn together(page: &mut Page, overview: &Overview, late: &[&Server]) {
    let mut names: Vec<(String, usize)> = Vec::new();
    for server in late {
        let name = match overview.client {
            Some(_) => server.name.clone(),
            None => server.client.clone(),
        };
        match names.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => names.push((name, 1)),
        }
    }
    let mut parts: Vec<String> = names
        .iter()
        .take(SHOWN)
        .map(|(name, count)| if *count == 1 { name.clone() } else { format!("{name} ({})", number(*count)) })
        .collect();
    if names.len() > SHOWN {
        let what = if overview.client.is_some() { "servers" } else { "clients" };
        parts.push(format!("{} more {what}", number(names.len() - SHOWN)));
    }
    let newest = late.iter().filter_map(|server| server.seen.as_ref()).max();
    let newest = newest
        .map_or_else(String::new, |mark| format!(". The newest picture of them is of {}", words::day(&mark.started)));
    let count = format!("{} servers", number(late.len()));
    let text = format!("were not scanned when they were due: {}{newest}.", listed(&parts));
    page.block(2, &[(&count, BOLD), (" ", PLAIN)], 4, PLAIN, &text);
}

fn servers(page: &mut Page, overview: &Overview) {
    if overview.servers.is_empty() {
        return;
    }
    page.heading('=', BOLD, "SERVERS");
    for server in overview.servers.iter().take(SHOWN) {
        let open = words::SEVERITIES.map(|severity| server.open(severity));
        let style = if open.first().is_some_and(|count| *count > 0) { RED } else { BOLD };
        let name = words::called(overview, &server.client, &server.name);
        let current = if server.is_current() { String::new() } else { format!("{}, ", words::standing(server)) };
        let text = match server.seen {
            Some(_) => {
                format!("{current}{}; as of {}; {}", severities(open), words::as_of(server), words::counts(server))
            }
            None => format!("{current}nothing is known of it"),
        };
        page.block(2, &[(&name, style), ("  ", PLAIN)], 4, PLAIN, &text);
    }
    more(page, overview.servers.len());
}

fn plan(page: &mut Page, overview: &Overview) {
    if overview.steps.is_empty() {
        return;
    }
    page.heading('=', BOLD, "WHAT TO DO FIRST");
    for step in overview.steps.iter().take(SHOWN) {
        one(page, overview, step);
    }
    more(page, overview.steps.len());
}

fn one(page: &mut Page, overview: &Overview, step: &Step) {
    page.gap();
    let rank = format!("{}. ", step.rank);
    let word = step.severity.to_string().to_uppercase();
    let style = if step.waived {
        DIM
    } else if step.severity >= Severity::High {
        RED
    } else {
        CYAN
    };
    let lead = [(rank.as_str(), DIM), (word.as_str(), style), ("  ", PLAIN)];
    page.block(2, &lead, 4, BOLD, &format!("{}  {}", step.about, step.title));
    for failure in step.failures.iter().take(NAMED) {
        let name = words::called(overview, &failure.client, &failure.server);
        page.block(4, &[(&name, PLAIN), ("  ", PLAIN)], 6, DIM, &words::remarks(failure).join("; "));
    }
    if step.failures.len() > NAMED {
        page.paragraph(4, DIM, &format!("and {} more servers", number(step.failures.len() - NAMED)));
    }
    if let Some(first) = step.failures.first() {
        let alike = step.failures.iter().all(|failure| failure.wrong == first.wrong);
        let whose =
            if alike { String::new() } else { format!("{}: ", words::called(overview, &first.client, &first.server)) };
        page.labelled(4, "Wrong", LABELS, &format!("{whose}{}", first.wrong));
        let commands = words::verify(step);
        for (place, command) in commands.iter().take(NAMED).enumerate() {
            page.labelled(4, if place == 0 { "Verify" } else { "" }, LABELS, command);
        }
        if commands.len() > NAMED {
            page.labelled(4, "", LABELS, &format!("and {} more", number(commands.len() - NAMED)));
        }
    }
    if let Some(first) = step.todo.first() {
        let rest = step.todo.len() - 1;
        let rest = if rest == 0 { String::new() } else { format!(" ({} more)", counted(rest, "step", "steps")) };
        page.labelled(4, "Do", LABELS, &format!("{first}{rest}"));
    }
}

fn changes(page: &mut Page, overview: &Overview) {
    page.heading('=', BOLD, "WHAT CHANGED");
    page.paragraph(0, PLAIN, &words::changed(overview));
    let mut shown = 0;
    for server in &overview.servers {
        let Some(drift) = &server.drift else { continue };
        let told: Vec<(Class, Vec<Entry<'_>>)> = entries(drift)
            .into_iter()
            .filter(|(class, _)| overview.client.is_some() || matches!(class, Class::Worse | Class::Better))
            .collect();
        if told.is_empty() {
            continue;
        }
        shown += 1;
        if shown > SHOWN {
            page.paragraph(2, DIM, "and more; --html and --json have all of them");
            break;
        }
        page.gap();
        let name = words::called(overview, &server.client, &server.name);
        let since =
            server.before.as_ref().map(|mark| format!("since run {} of {}", mark.run, words::day(&mark.started)));
        page.block(2, &[(&name, BOLD), ("  ", PLAIN)], 4, DIM, &since.unwrap_or_default());
        for (class, entries) in told {
            for entry in entries {
                let style = style(class);
                let word = class.words();
                page.block(
                    4,
                    &[(word, style), ("  ", PLAIN)],
                    6,
                    PLAIN,
                    &format!("{}: {}", entry.subjects(), entry.turn),
                );
            }
        }
    }
}

fn style(class: Class) -> Style {
    match class {
        Class::Worse => RED,
        Class::New => CYAN,
        Class::Better => GREEN,
        Class::Neutral => DIM,
    }
}

/// Certificates and statements that end soon, or have.
fn ends(page: &mut Page, overview: &Overview) {
    let mut lines: Vec<(i64, String, String)> = Vec::new();
    for server in &overview.servers {
        let name = words::called(overview, &server.client, &server.name);
        for one in &server.certificates {
            let left = one.left();
            let seen = one.seen_last().map(|seen| format!("; {seen}")).unwrap_or_default();
            let ends = words::day(&one.not_after);
            let text = format!("certificate on {} ends on {ends}, {left}: {}{seen}", one.port, one.subject);
            lines.push((one.days_left, name.clone(), text));
        }
        for row in server.statements.iter().filter(|row| row.pressing) {
            lines.push((0, name.clone(), format!("{} {}: {}", row.about, row.standing, row.text)));
        }
    }
    if lines.is_empty() {
        return;
    }
    lines.sort_by_key(|(days, ..)| *days);
    page.heading('=', BOLD, "WHAT ENDS SOON, OR HAS");
    for (_, name, text) in lines.iter().take(SHOWN) {
        page.block(2, &[(name, BOLD), ("  ", PLAIN)], 4, PLAIN, &capitalised(text));
    }
    more(page, lines.len());
}
