//! LTShare: the folder's access list, what is directly beneath it, and the share's own list.

use super::{not_collected, on};
use crate::host::acl::{Acl, Entry, Kind, MODIFY};
use crate::host::evidence::{Evidence, Share};
use crate::host::{Line, sids};
use crate::judge::part::Part;
use crate::model::verdict::Confidence;

/// The application pools that need the folder.
const POOLS: [&str; 3] = ["LabTech", "LabTech WebCC", "CwaRestApi"];

fn share(evidence: &Evidence) -> Result<Option<&Share>, String> {
    let shares = evidence.shares.as_ref().map_err(|why| format!("the shares: {why}"))?;
    Ok(shares.iter().find(|share| share.name.eq_ignore_ascii_case("LTShare")))
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
            parts
                .extend(lists.iter().map(|(name, acl, line)| open_to_all(name, acl, line).at_most(Confidence::Medium)));
        }
    }
    match share(evidence) {
        Err(why) => parts.push(not_collected(&why)),
        Ok(None) => {}
        // The share's list is a second one: both must let somebody in. It is named, and the folder decides.
        Ok(Some(share)) => {
            let wide = share
                .acl
                .as_ref()
                .is_ok_and(|acl| acl.entries.is_none() || allows(acl).any(|entry| entry.sid == sids::EVERYONE));
            if wide {
                let part = Part::pass("the folder has no entry for Everyone");
                parts.push(
                    on(part, &share.line)
                        .seen("the share itself is open to Everyone; the folder's list is what still holds"),
                );
            }
        }
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

pub(super) fn pools(evidence: &Evidence) -> Vec<Part> {
    let lists = match &evidence.ltshare {
        Err(why) => return vec![not_collected(&format!("the folder's access list: {why}"))],
        Ok(lists) => lists,
    };
    let configured = match &evidence.iis {
        Err(why) => return vec![not_collected(&format!("the application pools: {why}"))],
        Ok(iis) => &iis.pools,
    };
    let mut parts = Vec::new();
    for (name, acl, line) in lists {
        let name = crate::model::peer_text::PeerText::new(name, 120);
        let Some(entries) = &acl.entries else {
            parts.push(on(
                Part::fail("the folder has no access list at all, which lets everyone do everything")
                    .seen(name.to_string()),
                line,
            ));
            continue;
        };
        for entry in entries {
            let said = format!("{name}: {}", entry.describe(configured));
            let is_pool = POOLS.iter().any(|pool| sids::of_pool(pool) == entry.sid);
            let part = match &entry.kind {
                Kind::Deny | Kind::Other(_) => {
                    Part::pass("only the three application pools and System have permissions")
                }
                Kind::Allow if entry.sid == sids::SYSTEM => {
                    Part::pass("only the three application pools and System have permissions")
                }
                Kind::Allow if is_pool && entry.rights & !MODIFY == 0 => {
                    Part::pass("only the three application pools and System have permissions")
                }
                Kind::Allow if is_pool => Part::fail("a pool has more than modify (0x1301bf)"),
                Kind::Allow if entry.sid == sids::ADMINISTRATORS => {
                    Part::inconclusive("administrators have permissions, which the guide does not list")
                        .settle("Remove them, or say why they are needed: administrators can take them at any time.")
                }
                Kind::Allow => Part::fail("somebody else has permissions"),
            };
            parts.push(on(part.seen(said), line));
        }
        let missing: Vec<&str> =
            POOLS.into_iter().filter(|pool| !entries.iter().any(|entry| entry.sid == sids::of_pool(pool))).collect();
        if !missing.is_empty() {
            let part =
                Part::pass("only the three application pools and System have permissions").at_most(Confidence::Medium);
            parts.push(on(
                part.seen(format!("{name}: no entry for {}: those pools may not work", missing.join(", "))),
                line,
            ));
        }
    }
    parts
}
