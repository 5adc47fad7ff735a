//! LTShare: the folder's access list, those of what is in it, and the share's own list.

use super::{not_collected, on};
use crate::host::acl::{Acl, Entry, Kind, MODIFY};
use crate::host::evidence::{Evidence, Share};
use crate::host::{Line, sids};
use crate::judge::part::Part;
use crate::model::verdict::Confidence;

/// The application pools that need the folder.
const POOLS: [&str; 3] = ["LabTech", "LabTech WebCC", "CwaRestApi"];

/// The share of LTShare and its own list, which is a second one: both must let somebody in.
fn share(evidence: &Evidence) -> Result<(&Share, &Acl), String> {
    let shares = evidence.shares.as_ref().map_err(|why| format!("the shares: {why}"))?;
    let share = Share::ltshare(shares).ok_or("the share: no folder is shared as LTShare")?;
    let acl = share.acl.as_ref().map_err(|why| format!("the share's access list ({}): {why}", share.line.quote()))?;
    Ok((share, acl))
}

/// What is said of what is in the folder, at any depth, is no more sure than what was looked at.
fn within(evidence: &Evidence, part: Part) -> Part {
    match &evidence.ltshare_below {
        Ok(below) if below.more || below.unread > 0 => {
            let more = if below.more { " and there is more" } else { "" };
            let unread = match below.unread {
                0 => String::new(),
                unread => format!("; {unread} could not be read"),
            };
            let seen = format!("of what is in the folder at any depth, {} were looked at{more}{unread}", below.looked);
            part.at_most(Confidence::Medium).seen(seen)
        }
        Ok(_) => part,
        Err(why) => part.at_most(Confidence::Medium).lacking().seen(format!(
            "of what is in the folder, only the first level was looked at; what is deeper was not collected: {why}"
        )),
    }
}

/// The lists of what is deeper in the folder, where any were collected.
fn deeper(evidence: &Evidence) -> &[(String, Acl, Line)] {
    evidence.ltshare_below.as_ref().map_or(&[], |below| &below.lists)
}

fn allows(acl: &Acl) -> impl Iterator<Item = &Entry> {
    acl.entries.iter().flatten().filter(|entry| entry.kind == Kind::Allow)
}

pub(super) fn everyone(evidence: &Evidence) -> Vec<Part> {
    let mut parts = Vec::new();
    match &evidence.ltshare {
        Err(why) => parts.push(not_collected(&format!("the folder's access list: {why}"))),
        Ok(lists) => parts.extend(lists.iter().map(|(name, acl, line)| open_to_all(name, acl, line))),
    }
    match &evidence.ltshare_beneath {
        Err(why) => parts.push(not_collected(&format!("what is beneath the folder: {why}"))),
        Ok(lists) => {
            let all = lists.iter().chain(deeper(evidence));
            parts.extend(all.map(|(name, acl, line)| within(evidence, open_to_all(name, acl, line))));
        }
    }
    match share(evidence) {
        Err(why) => parts.push(not_collected(&why)),
        // It is named, and the folder decides.
        Ok((share, acl)) if acl.entries.is_none() || allows(acl).any(|entry| entry.sid == sids::EVERYONE) => {
            let part = Part::pass("the folder has no entry for Everyone");
            parts.push(
                on(part, &share.line)
                    .seen("the share itself is open to Everyone; the folder's list is what still holds"),
            );
        }
        Ok(_) => {}
    }
    parts
}

fn open_to_all(name: &str, acl: &Acl, line: &Line) -> Part {
    let name = crate::model::peer_text::PeerText::new(name, 120);
    if acl.entries.is_none() {
        return on(
            Part::fail("the folder has no access list at all, which lets everyone do everything")
                .seen(name.to_string()),
            line,
        );
    }
    let wide: Vec<&Entry> = allows(acl).filter(|entry| entry.sid == sids::EVERYONE).collect();
    if !wide.is_empty() {
        return on(Part::fail("Everyone has permissions").seen(name.to_string()), line);
    }
    let near: Vec<String> = allows(acl)
        .filter(|entry| [sids::AUTHENTICATED, sids::USERS].contains(&entry.sid.as_str()))
        .map(|entry| format!("{name}: {}, which is nearly as wide as Everyone", entry.describe(&[])))
        .collect();
    let part = on(Part::pass("the folder has no entry for Everyone"), line);
    near.into_iter().fold(part, Part::seen)
}

const ONLY_POOLS: &str = "only the three application pools and System have permissions";

pub(super) fn pools(evidence: &Evidence) -> Vec<Part> {
    let configured = match &evidence.iis {
        Err(why) => return vec![not_collected(&format!("the application pools: {why}"))],
        Ok(iis) => &iis.pools,
    };
    let mut parts = Vec::new();
    match &evidence.ltshare {
        Err(why) => parts.push(not_collected(&format!("the folder's access list: {why}"))),
        Ok(lists) => {
            for (name, acl, line) in lists {
                parts.extend(of_pools(name, acl, line, configured));
                parts.extend(missing_pools(name, acl, line));
            }
        }
    }
    match &evidence.ltshare_beneath {
        Err(why) => parts.push(not_collected(&format!("what is beneath the folder: {why}"))),
        Ok(lists) => parts.extend(lists.iter().chain(deeper(evidence)).flat_map(|(name, acl, line)| {
            of_pools(name, acl, line, configured).into_iter().map(|part| within(evidence, part))
        })),
    }
    match share(evidence) {
        Err(why) => parts.push(not_collected(&why)),
        Ok((share, acl)) => {
            let wide = acl.entries.is_none() || allows(acl).any(|entry| entry.sid == sids::EVERYONE);
            let said = if wide { "is open to Everyone" } else { "has a list of its own" };
            let part = on(Part::pass(ONLY_POOLS), &share.line);
            parts.push(part.seen(format!("the share itself {said}; the folder's list is what holds")));
        }
    }
    parts
}

/// What each entry of a list says.
fn of_pools(name: &str, acl: &Acl, line: &Line, configured: &[String]) -> Vec<Part> {
    let name = crate::model::peer_text::PeerText::new(name, 120);
    let Some(entries) = &acl.entries else {
        let part = Part::fail("the folder has no access list at all, which lets everyone do everything");
        return vec![on(part.seen(name.to_string()), line)];
    };
    let part = |entry: &Entry| {
        let said = format!("{name}: {}", entry.describe(configured));
        let is_pool = POOLS.iter().any(|pool| sids::of_pool(pool) == entry.sid);
        let part = match &entry.kind {
            Kind::Deny | Kind::Other(_) => Part::pass(ONLY_POOLS),
            Kind::Allow if entry.sid == sids::SYSTEM => Part::pass(ONLY_POOLS),
            Kind::Allow if is_pool && entry.rights & !MODIFY == 0 => Part::pass(ONLY_POOLS),
            Kind::Allow if is_pool => Part::fail("a pool has more than modify (0x1301bf)"),
            Kind::Allow if entry.sid == sids::ADMINISTRATORS => {
                Part::inconclusive("administrators have permissions, which the guide does not list")
                    .settle("Remove them, or say why they are needed: administrators can take them at any time.")
            }
            Kind::Allow => Part::fail("somebody else has permissions"),
        };
        on(part.seen(said), line)
    };
    entries.iter().map(part).collect()
}

/// The pools that the folder's own list does not name.
fn missing_pools(name: &str, acl: &Acl, line: &Line) -> Option<Part> {
    let entries = acl.entries.as_ref()?;
    let missing: Vec<&str> =
        POOLS.into_iter().filter(|pool| !entries.iter().any(|entry| entry.sid == sids::of_pool(pool))).collect();
    let name = crate::model::peer_text::PeerText::new(name, 120);
    (!missing.is_empty()).then(|| {
        let part = Part::pass(ONLY_POOLS).at_most(Confidence::Medium);
        on(part.seen(format!("{name}: no entry for {}: those pools may not work", missing.join(", "))), line)
    })
}
