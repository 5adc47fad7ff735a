//! Whether the evidence was whole: what is missing of it, that an item needed, makes the run partial.

use crate::catalog::guide::{How, Item};
use crate::catalog::rule::{HostCheck, Rule};
use crate::host::evidence::Evidence;
use crate::model::run::Trouble;
use crate::model::verdict::{Check, Verdict};

/// How many items are named in one message.
const NAMED: usize = 8;

/// What to do about evidence that is not whole.
const AGAIN: &str = "Run the collector again, as SYSTEM where LTShare's own list keeps administrators out, and give the folder or zip as it is";
/// The same where the collector was not elevated, or nobody knows that it was.
const ELEVATED: &str = "Run the collector again from an elevated prompt, or as SYSTEM where LTShare's own list keeps administrators out, and give the \
                         folder or zip as it is";

/// Whether what `item` asks was to be answered by something that was not collected. What no command of Windows tells is nothing
/// that is missing, nor is a host without MySQL or IIS, where the network answered.
pub(in crate::judge) fn lacks(item: &Item, rule: &Rule, check: &Check, evidence: &Evidence) -> bool {
    let open = matches!(check.verdict, Verdict::NeedsEvidence | Verdict::Inconclusive);
    match rule {
        Rule::Needs { evidence: None, .. } => false,
        // When settings were changed only the compiled collector tells: where it was to tell and could not, that is missing.
        Rule::Needs { evidence: Some(HostCheck::Restarted), .. } => {
            let failed = |id: &str| evidence.missing.iter().any(|(missing, _)| missing == id);
            open && check.lacking && (failed("key-times") || failed("schannel"))
        }
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
            found.push(format!("the collector was not elevated, so part of it was not collected. {ELEVATED}"));
        }
        None => found.push(format!("the bundle does not show that the collector was elevated. {ELEVATED}")),
    }
    let again = if matches!(evidence.elevated, Some((true, _))) { AGAIN } else { ELEVATED };
    // What the host says of itself, of which its age is told, is needed for everything.
    match &evidence.system {
        Err(why) => {
            found.push(format!("what the host says of its clock, build and domain was not collected: {why}. {again}"));
        }
        Ok(system) => {
            let lacking: Vec<&str> = ["utc", "boot"].into_iter().filter(|key| system.time(key).is_none()).collect();
            if !lacking.is_empty() {
                let lacking = lacking.join(" and ");
                found.push(format!(
                    "the host's word for its clock or its start ({lacking}) is missing or no time. {again}"
                ));
            }
        }
    }
    if !lacking.is_empty() {
        let named: Vec<&str> = lacking.iter().take(NAMED).map(String::as_str).collect();
        let more = match lacking.len() - named.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let named = named.join(", ");
        found.push(format!("what {named}{more} needed was not collected; each says why. {again}"));
    }
    found.into_iter().map(|message| Trouble::Evidence { message }).collect()
}
