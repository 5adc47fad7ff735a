//! Security identifiers: the well-known ones, and those of IIS's application pools.

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use std::fmt::Write as _;

/// Everyone.
pub const EVERYONE: &str = "S-1-1-0";
/// Authenticated Users.
pub const AUTHENTICATED: &str = "S-1-5-11";
/// SERVICE.
pub const SERVICE: &str = "S-1-5-6";
/// LOCAL SYSTEM.
pub const SYSTEM: &str = "S-1-5-18";
/// LOCAL SERVICE.
pub const LOCAL_SERVICE: &str = "S-1-5-19";
/// NETWORK SERVICE.
pub const NETWORK_SERVICE: &str = "S-1-5-20";
/// BUILTIN\Administrators.
pub const ADMINISTRATORS: &str = "S-1-5-32-544";
/// BUILTIN\Users.
pub const USERS: &str = "S-1-5-32-545";
/// BUILTIN\Guests.
pub const GUESTS: &str = "S-1-5-32-546";
/// BUILTIN\Backup Operators.
pub const BACKUP_OPERATORS: &str = "S-1-5-32-551";
/// BUILTIN\Performance Log Users.
pub const PERFORMANCE_LOG_USERS: &str = "S-1-5-32-559";
/// `BUILTIN\IIS_IUSRS`.
pub const IIS_IUSRS: &str = "S-1-5-32-568";
/// ANONYMOUS LOGON.
pub const ANONYMOUS: &str = "S-1-5-7";
/// NETWORK: whoever signed in over it.
pub const NETWORK: &str = "S-1-5-2";
/// INTERACTIVE.
pub const INTERACTIVE: &str = "S-1-5-4";
/// NT SERVICE\ALL SERVICES.
pub const ALL_SERVICES: &str = "S-1-5-80-0";
/// What the SIDs of application pools begin with.
pub const POOL: &str = "S-1-5-82-";
/// What the SIDs of services begin with.
pub const SERVICE_SID: &str = "S-1-5-80-";

/// Well-known SIDs, their aliases in SDDL ([MS-DTYP] 2.5.1.1), and their English names.
const KNOWN: [(&str, &str, &str); 29] = [
    (EVERYONE, "WD", "Everyone"),
    ("S-1-3-0", "CO", "CREATOR OWNER"),
    ("S-1-3-1", "CG", "CREATOR GROUP"),
    ("S-1-3-4", "OW", "OWNER RIGHTS"),
    (NETWORK, "NU", "NETWORK"),
    (INTERACTIVE, "IU", "INTERACTIVE"),
    (SERVICE, "SU", "SERVICE"),
    (ANONYMOUS, "AN", "ANONYMOUS LOGON"),
    ("S-1-5-9", "ED", "ENTERPRISE DOMAIN CONTROLLERS"),
    (AUTHENTICATED, "AU", "Authenticated Users"),
    (SYSTEM, "SY", "SYSTEM"),
    (LOCAL_SERVICE, "LS", "LOCAL SERVICE"),
    (NETWORK_SERVICE, "NS", "NETWORK SERVICE"),
    (ADMINISTRATORS, "BA", "Administrators"),
    (USERS, "BU", "Users"),
    (GUESTS, "BG", "Guests"),
    ("S-1-5-32-547", "PU", "Power Users"),
    ("S-1-5-32-548", "AO", "Account Operators"),
    ("S-1-5-32-549", "SO", "Server Operators"),
    ("S-1-5-32-550", "PO", "Print Operators"),
    (BACKUP_OPERATORS, "BO", "Backup Operators"),
    ("S-1-5-32-552", "RE", "Replicator"),
    ("S-1-5-32-554", "RU", "Pre-Windows 2000 Compatible Access"),
    ("S-1-5-32-555", "RD", "Remote Desktop Users"),
    ("S-1-5-32-556", "NO", "Network Configuration Operators"),
    ("S-1-5-32-558", "MU", "Performance Monitor Users"),
    (PERFORMANCE_LOG_USERS, "LU", "Performance Log Users"),
    (IIS_IUSRS, "IS", "IIS_IUSRS"),
    (ALL_SERVICES, "", "NT SERVICE\\ALL SERVICES"),
];

/// The SID that an alias of SDDL stands for. Aliases of a domain's groups stay as they are: their SIDs are the domain's.
pub fn of_alias(alias: &str) -> String {
    let known = KNOWN.iter().find(|(_, known, _)| !known.is_empty() && known.eq_ignore_ascii_case(alias));
    known.map_or_else(|| alias.to_uppercase(), |(sid, _, _)| (*sid).to_owned())
}

/// The SID of an application pool: `S-1-5-82-` and the SHA-1 of its name, lower-case and in UTF-16LE, as five little-endian
/// numbers.
pub fn of_pool(name: &str) -> String {
    let bytes: Vec<u8> = name.to_lowercase().encode_utf16().flat_map(u16::to_le_bytes).collect();
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &bytes);
    let mut sid = POOL.trim_end_matches('-').to_owned();
    for part in hash.as_ref().chunks_exact(4) {
        let _ = write!(sid, "-{}", part.iter().rev().fold(0_u32, |number, byte| number << 8 | u32::from(*byte)));
    }
    sid
}

/// Who a SID is, in words; `pools` are the application pools of the host. A name that is no SID stays as it is.
pub fn name(sid: &str, pools: &[String]) -> String {
    if let Some((_, _, name)) = KNOWN.iter().find(|(known, _, _)| *known == sid) {
        return format!("{name} ({sid})");
    }
    if sid.starts_with(POOL) {
        return match pools.iter().find(|pool| of_pool(pool) == sid) {
            Some(pool) => format!("IIS APPPOOL\\{pool} ({sid})"),
            None => format!("an application pool that is not configured ({sid})"),
        };
    }
    if sid.starts_with(SERVICE_SID) {
        return format!("a service's own SID ({sid})");
    }
    if sid.starts_with("S-1-5-21-") {
        return match sid.rsplit('-').next() {
            Some("500") => format!("the built-in Administrator ({sid})"),
            Some("501") => format!("the built-in Guest ({sid})"),
            Some("512") => format!("Domain Admins ({sid})"),
            Some("513") => format!("Domain Users ({sid})"),
            Some("514") => format!("Domain Guests ({sid})"),
            _ => format!("an account ({sid})"),
        };
    }
    let alias = match sid {
        "DU" => "Domain Users",
        "DG" => "Domain Guests",
        "LG" => "the built-in Guest",
        _ => return sid.to_owned(),
    };
    format!("{alias} ({sid})")
}

/// Whether it is a group that is nearly as wide as Everyone: whoever has an account, or comes without one. SDDL has aliases for
/// those of a domain.
pub fn is_wide(sid: &str) -> bool {
    const WIDE: [&str; 9] = [AUTHENTICATED, USERS, GUESTS, ANONYMOUS, NETWORK, INTERACTIVE, "DU", "DG", "LG"];
    let of_domain = || sid.starts_with("S-1-5-21-") && ["-513", "-514", "-501"].iter().any(|end| sid.ends_with(end));
    WIDE.contains(&sid) || of_domain()
}

/// Whether it is a SID at all, and not a name.
pub fn is_sid(text: &str) -> bool {
    text.strip_prefix("S-1-").is_some_and(|rest| {
        !rest.is_empty()
            && rest.split('-').all(|part| {
                let plain = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
                plain && (part == "0" || !part.starts_with('0'))
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_pool_has_its_known_sid() {
        let sid = "S-1-5-82-3006700770-424185619-1745488364-794895919-4004696415";
        assert_eq!(of_pool("DefaultAppPool"), sid);
        assert_eq!(name(sid, &["DefaultAppPool".to_owned()]), format!("IIS APPPOOL\\DefaultAppPool ({sid})"));
        assert!(name(sid, &[]).contains("not configured"));
    }

    #[test]
    fn aliases_and_names_are_resolved() {
        assert_eq!(of_alias("wd"), EVERYONE);
        assert_eq!(of_alias("DA"), "DA");
        assert_eq!(name(ADMINISTRATORS, &[]), "Administrators (S-1-5-32-544)");
        assert!(!is_sid("S-1-01-00") && is_wide("S-1-5-21-1-2-3-513") && !is_wide("S-1-5-21-1-2-3-1513"));
        assert!(is_sid(EVERYONE) && !is_sid("S-1-") && !is_sid("Everyone") && !is_sid("S-1-x"));
    }
}
