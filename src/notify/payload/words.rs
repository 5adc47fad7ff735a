//! The words that all receivers are given.

use crate::model::alert::{Message, Notice, Phase};
use crate::report::text::clean;

/// The most of a title, in characters.
const TITLE: usize = 200;
/// The most of a detail or of what to do, in characters.
const SENTENCE: usize = 500;
/// The most of a name, in characters.
const NAME: usize = 80;
/// The most details of a notice.
const DETAILS: usize = 6;

/// What a message that only tries a channel says first.
pub(super) const TEST: &str = "This is a test of the channel: nothing happened.";

/// What is said of a matter that nobody asks about any more.
const WITHDRAWN: &str = "Nobody asks any more. It was not seen to be mended.";

/// The first `limit` characters of a text that is fit to be shown; a cut is shown by a final `…`.
pub(super) fn cut(text: &str, limit: usize) -> String {
    let text = clean(text);
    let text = text.trim();
    if text.chars().nth(limit).is_none() {
        return text.to_owned();
    }
    let kept: String = text.chars().take(limit.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// The same for a text that keeps its lines; empty ones are left out.
fn cut_lines(text: &str, limit: usize) -> String {
    let lines = text.lines().map(clean).filter(|line| !line.trim().is_empty());
    let text = lines.map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n");
    if text.chars().nth(limit).is_none() {
        return text;
    }
    let kept: String = text.chars().take(limit.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// The message in one line: `Northwind Dental: tcp/3389 opened on rmm, 2 more`.
pub(super) fn headline(message: &Message) -> String {
    let client = cut(&message.client, NAME);
    let Some(first) = message.notices.first() else { return client };
    let word = match first.phase {
        Phase::Raised => "",
        Phase::Escalated => "more urgent: ",
        Phase::Resolved => "resolved: ",
        Phase::Withdrawn => "withdrawn: ",
    };
    let title = cut(&first.title, TITLE / 2);
    let more = match message.notices.len() - 1 {
        0 => String::new(),
        more => format!(", {more} more"),
    };
    let test = if message.test { "test: " } else { "" };
    format!("{test}{client}: {word}{title}{more}")
}

/// What and how much: `CRITICAL`, `HIGH, MORE URGENT`, `RESOLVED`.
pub(super) fn label(notice: &Notice) -> String {
    let severity = notice.severity.to_string().to_uppercase();
    match notice.phase {
        Phase::Raised => severity,
        Phase::Escalated => format!("{severity}, MORE URGENT"),
        Phase::Resolved => "RESOLVED".to_owned(),
        Phase::Withdrawn => "WITHDRAWN".to_owned(),
    }
}

/// One notice, ready to be shown; not escaped for anything.
pub(super) struct Shown {
    /// What and how much.
    pub(super) label: String,
    /// What happened.
    pub(super) title: String,
    /// Why, and what is known besides.
    pub(super) details: Vec<String>,
    /// What to do.
    pub(super) action: Option<String>,
    /// Where, since when, what kind.
    pub(super) place: String,
}

impl Shown {
    pub(super) fn of(notice: &Notice) -> Self {
        Self::with(notice, cut)
    }

    /// With the lines that details have: what is wrong with a file is shown by several.
    pub(super) fn in_lines(notice: &Notice) -> Self {
        Self::with(notice, cut_lines)
    }

    fn with(notice: &Notice, cut_detail: fn(&str, usize) -> String) -> Self {
        let mut details: Vec<String> =
            notice.details.iter().take(DETAILS).map(|detail| cut_detail(detail, SENTENCE)).collect();
        if notice.details.len() > DETAILS {
            details.push(format!("… and {} more", notice.details.len() - DETAILS));
        }
        if notice.phase == Phase::Withdrawn {
            details.push(WITHDRAWN.to_owned());
        }
        let server = notice.target.as_ref().map(|target| format!("{}, ", cut(target, NAME))).unwrap_or_default();
        let run = notice.run.map(|run| format!(", run {run}")).unwrap_or_default();
        Self {
            label: label(notice),
            title: cut(&notice.title, TITLE),
            details,
            action: notice.action.as_ref().map(|action| cut(action, SENTENCE)),
            place: format!("{server}{}, since {}{run}", notice.kind, cut(&notice.since, NAME)),
        }
    }
}

/// What is said in place of notices for which there was no room.
pub(super) fn left_out(count: usize) -> String {
    let noun = if count == 1 { "notice" } else { "notices" };
    format!("{count} more {noun} found no room here. See all: portreeve alerts list")
}
