//! Whether the evidence was whole: what is missing of it, that an item needed, makes the run partial.

use crate::catalog::guide::{How, Item};
use crate::catalog::rule::{HostCheck, Rule};
use crate::host::evidence::Evidence;
use crate::model::run::Trouble;
use crate::model::verdict::{Check, Verdict};

/// How many items are named in one message.
const NAMED: usize = 8;

/// What to do about evidence that is not whole.
const AGAIN: &str = "Run the collector again from an elevated prompt, and give the folder or zip as it is";

/// Whether what `item` asks was to be answered by something that was not collected. What no command of Windows tells is nothing
/// that is missing, nor is a host without MySQL or IIS, where the network answered.
pub(in crate::judge) fn lacks(item: &Item, rule: &Rule, check: &Check, evidence: &Evidence) -> bool {
    let open = matches!(check.verdict, Verdict::NeedsEvidence | Verdict::Inconclusive);
    match rule {
        Rule::Needs { evidence: None | Some(HostCheck::Restarted), .. } => false,
        // What was not collected lowers a pass too.
        Rule::Needs { .. } => check.verdict != Verdict::Fail && check.lacking,
        _ if !item.how.contains(&How::Host) => false,
        Rule::Unreachable { .. } | Rule::Reachable { .. } => {
            open && (evidence.listeners.is_err() || check.verdict == Verdict::NeedsEvidence && check.lacking)
        }
        _ => open && check.lacking,
    }
}

/// What keeps the evidence from being whole; `lacking` are the items that lack some of it. Files that somebody exported by hand
/// are no more than that, and never were to be whole.
pub(in crate::judge) fn troubles(evidence: &Evidence, lacking: &[String]) -> Vec<Trouble> {
    if evidence.by_hand {
        return Vec::new();
    }
    let mut found = Vec::new();
    if let Some(first) = evidence.changed.first() {
        let more = match evidence.changed.len() - 1 {
            0 => String::new(),
            more => format!(", and {more} more files like it"),
        };
        found.push(format!(
            "the bundle is not as the collector wrote it, and no such file counts: {first}{more}. {AGAIN}"
        ));
    }
    match &evidence.elevated {
        Some((true, _)) => {}
        Some((false, _)) => {
            found.push(format!("the collector was not elevated, so part of it was not collected. {AGAIN}"));
        }
        None => found.push(format!("the bundle does not show that the collector was elevated. {AGAIN}")),
    }
    if !lacking.is_empty() {
        let named: Vec<&str> = lacking.iter().take(NAMED).map(String::as_str).collect();
        let more = match lacking.len() - named.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let named = named.join(", ");
        found.push(format!("what {named}{more} needed was not collected; each says why. {AGAIN}"));
    }
    found.into_iter().map(|message| Trouble::Evidence { message }).collect()
}
