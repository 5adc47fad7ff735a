//! User rights: who holds them, matched by SID and never by name, which is in the language of the host.

use super::{not_collected, on};
use crate::host::evidence::Evidence;
use crate::host::sids;
use crate::judge::part::Part;
use crate::judge::view::View;
use crate::model::target::Role;
use crate::model::verdict::Confidence;

/// Groups so wide that no such right belongs to them, beside Everyone.
const WIDE: [&str; 6] = [sids::EVERYONE, sids::AUTHENTICATED, sids::USERS, sids::GUESTS, "S-1-5-7", "S-1-5-4"];

/// What is thought of a holder.
enum Opinion {
    Fine,
    /// It must not hold the right.
    Wrong,
    /// Only somebody who knows the host can tell.
    Ask(&'static str),
    /// Something that tells was not collected.
    Unknown(String),
}

fn judged(evidence: &Evidence, right: &str, opinion: impl Fn(&str) -> Opinion) -> Vec<Part> {
    let holders = match evidence.policy().and_then(|policy| policy.right(right)) {
        Err(why) => return vec![not_collected(&why)],
        Ok((holders, line)) => (holders, line),
    };
    let (holders, line) = holders;
    let pools = pools(evidence).unwrap_or_default();
    let mut parts = Vec::new();
    if holders.is_empty() {
        parts.push(on(Part::pass("nobody holds this right"), &line));
    }
    for holder in &holders {
        let name = crate::model::peer_text::PeerText::new(&sids::name(holder, &pools), 160);
        let part = match opinion(holder) {
            Opinion::Fine => Part::pass("only those hold this right whom the guide, adjusted for IIS, lets have it"),
            Opinion::Wrong => Part::fail("an account holds this right that must not").seen(format!("held by {name}")),
            Opinion::Ask(what) => Part::inconclusive(
                "the right is held by accounts of which only somebody who knows the host can tell whether they need it",
            )
            .settle(&format!("{name}: {what}"))
            .seen(format!("held by {name}")),
            Opinion::Unknown(why) => not_collected(&format!("who {name} is: {why}")),
        };
        parts.push(on(part, &line));
    }
    let own = evidence.merged.is_err() && !evidence.by_hand;
    if own {
        let joined = evidence.part_of_domain().map(|(_, line)| line.quote()).unwrap_or_default();
        parts = parts.into_iter().map(|part| part.seen(format!("no domain has a say: {joined}"))).collect();
    } else if evidence.merged.is_err() {
        parts = parts
            .into_iter()
            .map(|part| {
                part.at_most(Confidence::Low).seen("a domain's policy, which would be stronger, is not in this file")
            })
            .collect();
    }
    parts
}

fn pools(evidence: &Evidence) -> Result<Vec<String>, String> {
    evidence.iis.as_ref().map(|iis| iis.pools.clone()).map_err(Clone::clone)
}

/// A pool's SID is fine where a pool of that name is configured.
fn pool(evidence: &Evidence, sid: &str) -> Opinion {
    match pools(evidence) {
        Err(why) => Opinion::Unknown(format!("the application pools: {why}")),
        Ok(pools) if pools.iter().any(|pool| sids::of_pool(pool) == sid) => Opinion::Fine,
        Ok(_) => Opinion::Ask("no pool of this SID is configured. Remove it, if the pool is gone."),
    }
}

const NAME: &str = "a name instead of a SID. Look up on the host whose it is (`wmic useraccount`, `Get-LocalGroup`).";

pub(super) fn act_as_system(evidence: &Evidence) -> Vec<Part> {
    judged(evidence, "SeTcbPrivilege", |_| Opinion::Wrong)
}

/// Accounts of the list, known pools where `pools` says so; all others are strangers.
fn among(evidence: &Evidence, right: &str, allowed: &[&str], with_pools: bool) -> Vec<Part> {
    judged(evidence, right, |holder| {
        if allowed.contains(&holder) {
            Opinion::Fine
        } else if with_pools && holder.starts_with(sids::POOL) {
            pool(evidence, holder)
        } else if sids::is_sid(holder) {
            Opinion::Wrong
        } else {
            Opinion::Ask(NAME)
        }
    })
}

pub(super) fn impersonate(evidence: &Evidence, view: &View<'_>) -> Vec<Part> {
    let allowed = [sids::ADMINISTRATORS, sids::LOCAL_SERVICE, sids::NETWORK_SERVICE, sids::SERVICE, sids::IIS_IUSRS];
    let mut parts = among(evidence, "SeImpersonatePrivilege", &allowed, false);
    let held = evidence.policy().and_then(|policy| policy.right("SeImpersonatePrivilege"));
    if let Ok((holders, line)) = held
        && view.target().roles.contains(&Role::Iis)
        && !holders.iter().any(|holder| holder == sids::IIS_IUSRS)
    {
        let part = Part::pass("only those hold this right whom the guide, adjusted for IIS, lets have it");
        parts.push(
            on(part, &line)
                .seen("IIS_IUSRS does not hold it: application pools may fail to start")
                .at_most(Confidence::Medium),
        );
    }
    parts
}

pub(super) fn primary_token(evidence: &Evidence) -> Vec<Part> {
    among(evidence, "SeAssignPrimaryTokenPrivilege", &[sids::LOCAL_SERVICE, sids::NETWORK_SERVICE], true)
}

pub(super) fn memory_quota(evidence: &Evidence) -> Vec<Part> {
    let allowed = [sids::ADMINISTRATORS, sids::LOCAL_SERVICE, sids::NETWORK_SERVICE];
    among(evidence, "SeIncreaseQuotaPrivilege", &allowed, true)
}

pub(super) fn network_logon(evidence: &Evidence) -> Vec<Part> {
    judged(evidence, "SeNetworkLogonRight", |holder| match holder {
        sids::ADMINISTRATORS | sids::AUTHENTICATED => Opinion::Fine,
        _ if WIDE.contains(&holder) => Opinion::Wrong,
        _ if sids::is_sid(holder) => Opinion::Ask("say what it needs the right for, or remove it."),
        _ => Opinion::Ask(NAME),
    })
}

pub(super) fn batch_logon(evidence: &Evidence) -> Vec<Part> {
    judged(evidence, "SeBatchLogonRight", |holder| match holder {
        sids::ADMINISTRATORS | sids::IIS_IUSRS => Opinion::Fine,
        _ if WIDE.contains(&holder) => Opinion::Wrong,
        sids::BACKUP_OPERATORS | sids::PERFORMANCE_LOG_USERS => Opinion::Ask(
            "Windows grants it by default. Remove it, unless backups or data collectors here run under it.",
        ),
        _ if sids::is_sid(holder) => Opinion::Ask("name the scheduled task that runs under it, or remove it."),
        _ => Opinion::Ask(NAME),
    })
}

/// An account of the host itself without what says so, `.\` or the host's name; others as they are: `svc` is not `DOMAIN\svc`.
/// All in lower case.
fn own_name<'a>(evidence: &Evidence, account: &'a str) -> &'a str {
    match account.split_once('\\') {
        Some((".", name)) => name,
        Some((place, name)) if evidence.computer.as_ref().is_some_and(|own| own.to_lowercase() == place) => name,
        _ => account,
    }
}

pub(super) fn service_logon(evidence: &Evidence) -> Vec<Part> {
    judged(evidence, "SeServiceLogonRight", |holder| {
        let services = || {
            evidence.accounts.as_ref().map(|accounts| {
                let wanted = holder.to_lowercase();
                accounts.iter().any(|account| own_name(evidence, account) == own_name(evidence, &wanted))
            })
        };
        if holder.starts_with(sids::SERVICE_SID) || holder == sids::ALL_SERVICES {
            Opinion::Fine
        } else if holder.starts_with(sids::POOL) {
            pool(evidence, holder)
        } else if WIDE.contains(&holder) || holder == sids::ADMINISTRATORS {
            Opinion::Wrong
        } else if sids::is_sid(holder) {
            Opinion::Ask("name the service that runs under it (`Get-CimInstance Win32_Service`), or remove it.")
        } else {
            match services() {
                Ok(true) => Opinion::Fine,
                Ok(false) => Opinion::Ask("no service runs under it. Remove it, if nothing else needs it."),
                Err(why) => Opinion::Unknown(format!("the accounts of services: {why}")),
            }
        }
    })
}
