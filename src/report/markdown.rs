//! Many servers as Markdown (`CommonMark` with the tables of GitHub), for tickets and wikis.
//!
//! What an inventory, a guide or a server wrote is text and nothing else: it makes no heading, link, list, table or HTML. Every
//! character by which it could is escaped by a backslash (`CommonMark` 0.31, section 2.4); words that would become links or mentions by
//! themselves, which no backslash keeps from it, are code.

use super::drift::entries;
use super::overview::{Overview, Step, words};
use super::plot::sparkline;
use super::reading::instant;
use super::text::{clean, counted};
use crate::model::drift::Class;
use std::fmt::Write as _;

/// How many blocks a line of the trend has at most.
const LINE: usize = 60;

/// A report over many servers as Markdown.
pub fn overview(overview: &Overview) -> String {
    let mut page = Page::default();
    page.line(&format!(
        "# {}: hardening report of {}",
        text(&words::subject(overview)),
        text(&instant(&overview.until))
    ));
    page.line(&text(&words::headline(overview)));
    page.line(&format!("Changes and trend since {}.", text(&instant(&overview.since))));
    clients(&mut page, overview);
    servers(&mut page, overview);
    trend(&mut page, overview);
    page.line("## Action plan");
    if overview.steps.is_empty() {
        page.line("No failure is known.");
    }
    for step in &overview.steps {
        one(&mut page, overview, step);
    }
    changes(&mut page, overview);
    ends(&mut page, overview);
    page.line("---");
    page.line("Made with portreeve. Each server is told as the last scan saw it that saw anything of it.");
    page.0
}

/// Blocks with an empty line between them.
#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, block: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(block);
        self.0.push('\n');
    }

    /// A table; cells are Markdown already.
    fn table(&mut self, columns: &[&str], rows: impl Iterator<Item = Vec<String>>) {
        let rule = columns.iter().map(|_| "---").collect::<Vec<_>>().join(" | ");
        let mut table = format!("| {} |\n| {rule} |", columns.join(" | "));
        for row in rows {
            let _ = write!(table, "\n| {} |", row.join(" | "));
        }
        self.line(&table);
    }

    fn list(&mut self, items: impl Iterator<Item = String>) {
        let items: Vec<String> = items.map(|item| format!("- {item}")).collect();
        if !items.is_empty() {
            self.line(&items.join("\n"));
        }
    }
}

fn clients(page: &mut Page, overview: &Overview) {
    if overview.client.is_some() {
        return;
    }
    page.line("## Clients");
    page.table(
        &["Client", "Servers", "Critical", "High", "Medium", "Low", "Not current"],
        words::clients(overview).into_iter().map(|row| {
            let counts = row.open.into_iter().chain([row.not_current]).map(|count| count.to_string());
            [text(&row.name), row.servers.to_string()].into_iter().chain(counts).collect()
        }),
    );
}

fn servers(page: &mut Page, overview: &Overview) {
    page.line("## Servers");
    page.table(
        &["Server", "Picture", "As of", "Critical", "High", "Medium", "Low", "Verdicts"],
        overview.servers.iter().map(|server| {
            let judged = server.seen.is_some();
            let open = words::SEVERITIES
                .map(|severity| if judged { server.open(severity).to_string() } else { "\u{2013}".to_owned() });
            let first = [
                text(&words::called(overview, &server.client, &server.name)),
                words::standing(server).to_owned(),
                text(&words::as_of(server)),
            ];
            first.into_iter().chain(open).chain([text(&words::counts(server))]).collect()
        }),
    );
    let old: Vec<_> = overview.servers.iter().filter(|server| !server.is_current()).collect();
    if !old.is_empty() {
        page.line("## Not current");
        page.list(old.into_iter().flat_map(|server| {
            let name = text(&words::called(overview, &server.client, &server.name));
            let doubts = words::doubts(server).into_iter();
            doubts.map(move |(title, doubt)| format!("**{name}**: {title}. {}", text(&doubt)))
        }));
    }
    if let Some(inventory) = &overview.inventory {
        for (title, list) in
            [("## Never scanned", &inventory.never), ("## No longer in the inventory, and left out", &inventory.gone)]
        {
            if !list.is_empty() {
                page.line(title);
                page.list(list.iter().map(|(client, name)| text(&words::called(overview, client, name))));
            }
        }
    }
}

fn trend(page: &mut Page, overview: &Overview) {
    page.line("## Trend");
    if let Some(line) = sparkline(&overview.trend, LINE, true) {
        page.line(&format!("`{line}`"));
    }
    page.line(&text(&words::trend(overview)));
    page.list(overview.trend.marks.iter().map(|mark| {
        let at = overview.trend.points.get(mark.point).map(|point| words::day(&point.started)).unwrap_or_default();
        format!("{}: {}", text(&at), text(&mark.what))
    }));
}

fn one(page: &mut Page, overview: &Overview, step: &Step) {
    page.line(&format!(
        "### {}\\. {}: {} ({}{})",
        step.rank,
        text(&step.about.to_string()),
        text(&step.title),
        step.severity,
        if step.waived { ", waived" } else { "" }
    ));
    page.list(step.failures.iter().map(|failure| {
        let name = text(&words::called(overview, &failure.client, &failure.server));
        let wrong = if failure.wrong.is_empty() { String::new() } else { format!(". {}", text(&failure.wrong)) };
        format!("**{name}**: {}{wrong}", text(&words::remarks(failure).join("; ")))
    }));
    let steps: Vec<String> = (1..).zip(&step.todo).map(|(place, todo)| format!("{place}. {}", text(todo))).collect();
    if !steps.is_empty() {
        page.line("What to do:");
        page.line(&steps.join("\n"));
    }
    let commands: Vec<String> = words::verify(step).into_iter().map(code).collect();
    if !commands.is_empty() {
        page.line(&format!("To verify: {}", commands.join(", ")));
    }
}

fn changes(page: &mut Page, overview: &Overview) {
    page.line("## What changed");
    page.line(&text(&words::changed(overview)));
    for server in &overview.servers {
        let Some(drift) = &server.drift else { continue };
        let told = |class: &Class| overview.client.is_some() || matches!(class, Class::Worse | Class::Better);
        let lines: Vec<String> = entries(drift)
            .into_iter()
            .filter(|(class, _)| told(class))
            .flat_map(|(class, entries)| {
                entries.into_iter().map(move |entry| {
                    let why = entry.why.first().map(|why| format!(". {}", text(why))).unwrap_or_default();
                    format!("{class}: {}: {}{why}", text(&entry.subjects()), text(&entry.turn))
                })
            })
            .collect();
        if !lines.is_empty() {
            let name = text(&words::called(overview, &server.client, &server.name));
            let since = server
                .before
                .as_ref()
                .map(|mark| format!(", since run {} of {}", mark.run, text(&instant(&mark.started))));
            page.line(&format!("### {name}{}", since.unwrap_or_default()));
            page.list(lines.into_iter());
        }
    }
}

fn ends(page: &mut Page, overview: &Overview) {
    let called = |server: &super::overview::Server| text(&words::called(overview, &server.client, &server.name));
    let certificates: Vec<Vec<String>> = overview
        .servers
        .iter()
        .flat_map(|server| {
            server.certificates.iter().map(move |one| {
                let left = one.left();
                let left = one.seen_last().map_or_else(|| left.clone(), |seen| format!("{left}; {seen}"));
                vec![called(server), text(&one.port), text(&one.subject), text(&words::day(&one.not_after)), left]
            })
        })
        .collect();
    if !certificates.is_empty() {
        page.line(&format!("## {}", counted(certificates.len(), "certificate ends", "certificates end soon, or have")));
        page.table(&["Server", "Port", "Certificate", "Ends", "Left"], certificates.into_iter());
    }
    let statements: Vec<Vec<String>> = overview
        .servers
        .iter()
        .flat_map(|server| {
            let rows = server.statements.iter().filter(|row| overview.client.is_some() || row.pressing);
            rows.map(move |row| vec![called(server), text(&row.about), row.standing.to_owned(), text(&row.text)])
        })
        .collect();
    if !statements.is_empty() {
        page.line("## Attestations and waivers");
        page.table(&["Server", "Item or rule", "Standing", "Who, and until when"], statements.into_iter());
    }
}

/// Text of anybody as Markdown that shows it, and does nothing else.
fn text(foreign: &str) -> String {
    let words: Vec<String> = clean(foreign)
        .split(' ')
        .filter(|word| !word.is_empty())
        .map(|word| if links_itself(word) { code(word) } else { escaped(word) })
        .collect();
    let text = words.join(" ");
    // `12.` and `12)` at the begin of a line are a list; what else begins one is escaped by itself.
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    match text.split_at_checked(digits) {
        Some((number, rest)) if digits > 0 && rest.starts_with(['.', ')']) => format!("{number}\\{rest}"),
        _ if text.is_empty() => "\u{2013}".to_owned(),
        _ => text,
    }
}

/// Whether renderers make a link, a mention or a reference of a word, whatever is escaped in it.
fn links_itself(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    lower.contains("://")
        || lower.contains("www.")
        || lower.contains('@')
        || lower.contains("mailto:")
        || lower.contains("xmpp:")
}

/// A word with everything escaped that Markdown may obey.
fn escaped(word: &str) -> String {
    let mut text = String::with_capacity(word.len() + 4);
    for (place, character) in word.char_indices() {
        let begins = place == 0 && matches!(character, '-' | '+' | '=' | ':');
        if begins
            || matches!(
                character,
                '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' | '&' | '#' | '$' | '!' | '^' | '{' | '}'
            )
        {
            text.push('\\');
        }
        text.push(character);
    }
    text
}

/// Text as code. What could end it, or a cell of a table, is written out.
fn code(foreign: &str) -> String {
    let text = clean(foreign).replace('`', "\\x60").replace('|', "\\x7c");
    let text = text.trim();
    if text.is_empty() { "\u{2013}".to_owned() } else { format!("`{text}`") }
}

#[cfg(test)]
mod tests;
