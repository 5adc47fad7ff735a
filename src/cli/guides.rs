//! `portreeve guides`: the catalogs themselves.

use super::args::{GuidesCommand, Shared};
use super::exit::{CliError, Exit};
use super::output::{print, shown, wrapped};
use crate::catalog::builtin::Catalogs;
use crate::catalog::diagnostic::{Diagnostic, Diagnostics, nearest};
use crate::catalog::guide::{self, Guide, Item};
use crate::catalog::inventory::read_text;
use crate::judge::examples;
use crate::model::target::Role;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The built-in catalogs, with the user's in place of theirs; only the wanted guides where any is named.
pub(super) fn catalogs(wanted: &[String]) -> Result<Catalogs, CliError> {
    let mut catalogs = Catalogs::built_in().map_err(|error| CliError::Bug(format!("a built-in catalog: {error}")))?;
    let mut ids = Vec::new();
    for wanted in wanted {
        if catalogs.guides.iter().any(|guide| guide.id == *wanted) {
            ids.push(wanted.clone());
        } else if Path::new(wanted).exists() || wanted.contains(['/', '\\', '.']) {
            let guide = read(Path::new(wanted))?;
            ids.push(guide.id.clone());
            catalogs.replace(guide)?;
        } else {
            let known: Vec<&str> = catalogs.guides.iter().map(|guide| guide.id.as_str()).collect();
            let hint = nearest(wanted, known.iter().copied())
                .map_or_else(|| format!("guides: {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
            let wanted = crate::model::peer_text::PeerText::new(wanted, 80);
            return Err(CliError::Usage(format!("there is no guide `{wanted}`, nor a file of that name; {hint}")));
        }
    }
    if !ids.is_empty() {
        catalogs.guides.retain(|guide| ids.contains(&guide.id));
    }
    Ok(catalogs)
}

/// Every guide that a statement may name: those that were chosen, and the built-in ones that were not.
pub(super) fn with_others(chosen: &[Guide]) -> Result<Vec<Guide>, CliError> {
    let built_in = Catalogs::built_in().map_err(|error| CliError::Bug(format!("a built-in catalog: {error}")))?;
    let others = built_in.guides.into_iter().filter(|guide| chosen.iter().all(|known| known.id != guide.id));
    Ok(chosen.iter().cloned().chain(others).collect())
}

fn read(path: &Path) -> Result<Guide, CliError> {
    let text = read_text(path).map_err(|diagnostic| Diagnostics(vec![*diagnostic]))?;
    Ok(guide::parse(shown(path).as_str(), &text, false)?)
}

/// Runs `portreeve guides`.
pub(super) fn run(command: &GuidesCommand, shared: &Shared) -> Result<Exit, CliError> {
    match command {
        GuidesCommand::List { guides, roles } => list(guides, roles, shared),
        GuidesCommand::Show { item, guides } => show(item, guides, shared),
        GuidesCommand::Check { files } => check(files),
    }
    .map_err(|error| match error {
        CliError::Files(diagnostics) => CliError::Catalogs(diagnostics),
        other => other,
    })
}

fn list(wanted: &[String], roles: &[Role], shared: &Shared) -> Result<Exit, CliError> {
    let roles: std::collections::BTreeSet<Role> =
        if roles.is_empty() { Role::ALL.into_iter().collect() } else { roles.iter().copied().collect() };
    let width = shared.columns();
    let mut text = String::new();
    for guide in &catalogs(wanted)?.guides {
        let items: Vec<&Item> = guide.items_for(&roles).collect();
        if items.is_empty() {
            continue;
        }
        let (title, revision) = (safe(&guide.title), safe(&guide.revision));
        let head = format!("{}: {title} (revision {revision}, {} items)", guide.id, items.len());
        let _ = writeln!(text, "{}", wrapped(&head, width, "", "  "));
        for item in items {
            let how: Vec<&str> = item.how.iter().map(|how| how.words()).collect();
            let line = format!(
                "  {:<11} {:<8} {} [{}]",
                item.id,
                item.severity.to_string(),
                safe(&item.title),
                how.join(", ")
            );
            let _ = writeln!(text, "{}", wrapped(&line, width, "", "                       "));
        }
        text.push('\n');
    }
    print(&text)?;
    Ok(Exit::Clean)
}

fn show(id: &str, wanted: &[String], shared: &Shared) -> Result<Exit, CliError> {
    let catalogs = catalogs(wanted)?;
    let id = id.to_ascii_uppercase();
    let found = catalogs.guides.iter().find_map(|guide| Some((guide, guide.items.iter().find(|item| item.id == id)?)));
    let Some((guide, item)) = found else {
        let ids = catalogs.guides.iter().flat_map(|guide| &guide.items).map(|item| item.id.as_str());
        let hint = nearest(&id, ids)
            .map_or_else(|| "`portreeve guides list` lists them".to_owned(), |near| format!("did you mean {near}?"));
        let id = crate::model::peer_text::PeerText::new(&id, 80);
        return Err(CliError::Usage(format!("there is no item {id}; {hint}")));
    };
    print(&describe(guide, item, shared.columns()))?;
    Ok(Exit::Clean)
}

fn describe(guide: &Guide, item: &Item, width: usize) -> String {
    let mut text = String::new();
    let how: Vec<&str> = item.how.iter().map(|how| how.words()).collect();
    let _ = writeln!(text, "{}", wrapped(&format!("{}  {}", item.id, safe(&item.title)), width, "", ""));
    let head = format!(
        "{}, section {}, revision {}; severity {}; answered {}",
        safe(&guide.title),
        safe(&item.section),
        safe(&guide.revision),
        item.severity,
        how.join(" and ")
    );
    let _ = writeln!(text, "{}", wrapped(&head, width, "", ""));
    let roles: Vec<String> = item.roles.as_ref().unwrap_or(&guide.roles).iter().map(ToString::to_string).collect();
    let _ = writeln!(text, "{}", wrapped(&format!("for the roles {}", roles.join(", ")), width, "", ""));
    let mut section = |title: &str, lines: &[String], numbered: bool| {
        if lines.is_empty() {
            return;
        }
        let _ = writeln!(text, "\n{title}");
        for (index, line) in lines.iter().enumerate() {
            let mark = if numbered { format!("  {}. ", index + 1) } else { "  ".to_owned() };
            let indent = " ".repeat(mark.len());
            for (row, part) in safe(line).split("\\n").enumerate() {
                let first = if row == 0 { mark.as_str() } else { indent.as_str() };
                let _ = writeln!(text, "{}", wrapped(part, width, first, &indent));
            }
        }
    };
    section("Why", std::slice::from_ref(&item.rationale), false);
    section("How portreeve decides", std::slice::from_ref(&item.check), false);
    let rules: Vec<String> = item.rules.iter().map(|rule| rule.rule.describe()).collect();
    section("What must hold", &rules, false);
    let by: Vec<String> = item
        .rules
        .iter()
        .filter_map(|rule| match &rule.rule {
            crate::catalog::rule::Rule::Needs { by, .. } => Some(by.clone()),
            _ => None,
        })
        .collect();
    section("What would answer it", &by, false);
    section("How to mend it", &item.remedy, true);
    section("Where sources disagree", item.disputed.as_slice(), false);
    section("References", &item.references.lines(), false);
    text
}

/// Texts of a user's own catalog may hold anything.
fn safe(text: &str) -> String {
    crate::model::peer_text::PeerText::new(text, 20_000).as_str().replace("\\\\", "\\")
}

fn check(files: &[PathBuf]) -> Result<Exit, CliError> {
    let built_in = catalogs(&[])?;
    let mut found = Vec::new();
    let mut text = String::new();
    for path in files {
        let file = shown(path).as_str().to_owned();
        let content = match read_text(path) {
            Ok(content) => content,
            Err(diagnostic) => {
                found.push(*diagnostic);
                continue;
            }
        };
        let guide = match guide::parse(&file, &content, false) {
            Ok(guide) => guide,
            Err(Diagnostics(more)) => {
                found.extend(more);
                continue;
            }
        };
        if let Err(Diagnostics(more)) = built_in.clone().replace(guide.clone()) {
            found.extend(more);
        }
        let (count, broken) = examples::run(&guide, &built_in);
        for broken in broken {
            let start = content.split_inclusive('\n').take(broken.line - 1).map(str::len).sum::<usize>();
            let end = start + content.get(start..).and_then(|rest| rest.lines().next()).map_or(0, str::len);
            let message = format!(
                "{}: the example says {}, and the rule says {}: {}",
                broken.item, broken.expected, broken.actual, broken.why
            );
            let help = Some("mend the rule or the example".to_owned());
            found.push(Diagnostic::at(&file, &content, start..end, &message, help));
        }
        let _ = writeln!(text, "{file}: guide `{}`, {} items, {count} examples run", guide.id, guide.items.len());
    }
    print(&text)?;
    if found.is_empty() { Ok(Exit::Clean) } else { Err(CliError::Files(Diagnostics(found))) }
}
