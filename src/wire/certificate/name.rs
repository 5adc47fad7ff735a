//! Whether a certificate is for a name (RFC 9525).

use crate::model::peer_text::PeerText;
use std::net::IpAddr;
use x509_parser::extensions::GeneralName;

/// How much of a name is shown, in bytes: more than the longest DNS name.
const TEXT: usize = 300;

/// A name of the subject alternative name for people; `None` for kinds that servers are not known by.
pub(super) fn show(name: &GeneralName<'_>) -> Option<PeerText> {
    match name {
        GeneralName::DNSName(name) => Some(PeerText::new(name, TEXT)),
        GeneralName::IPAddress(octets) => Some(match address(octets) {
            Some(address) => PeerText::new(&address.to_string(), TEXT),
            None => PeerText::from_bytes(octets, TEXT),
        }),
        _ => None,
    }
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(octets).map(IpAddr::from).or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()
}

/// Whether one of `names` is for `wanted`: an address only by an IP address, a DNS name only by a DNS name. The common
/// name does not count (RFC 9525, section 2).
pub(super) fn matches<'a>(mut names: impl Iterator<Item = &'a GeneralName<'a>>, wanted: &str) -> bool {
    let bare = wanted.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(wanted);
    if let Ok(wanted) = bare.parse::<IpAddr>() {
        return names.any(|name| matches!(name, GeneralName::IPAddress(octets) if address(octets) == Some(wanted)));
    }
    names.any(|name| matches!(name, GeneralName::DNSName(pattern) if name_matches(pattern, wanted)))
}

/// Whether the DNS name `pattern` of a certificate is for `wanted` (RFC 9525, section 6.3). A wildcard counts only as
/// the whole left-most label, for exactly one label, and never for a whole top-level domain.
pub fn name_matches(pattern: &str, wanted: &str) -> bool {
    let wanted = wanted.strip_suffix('.').unwrap_or(wanted);
    if wanted.is_empty() || !wanted.is_ascii() || wanted.contains('*') || wanted.split('.').any(str::is_empty) {
        return false;
    }
    match pattern.strip_prefix("*.") {
        None => pattern.eq_ignore_ascii_case(wanted),
        Some(parent) => {
            parent.contains('.') && wanted.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_whole_left_most_label() {
        for (pattern, wanted, expected) in [
            ("rmm.example.com", "RMM.example.com.", true),
            ("*.example.com", "rmm.example.com", true),
            ("*.example.com", "a.rmm.example.com", false),
            ("*.example.com", "example.com", false),
            ("r*.example.com", "rmm.example.com", false),
            ("rmm.*.com", "rmm.example.com", false),
            ("*.*.com", "rmm.example.com", false),
            ("*.com", "example.com", false),
            ("*", "localhost", false),
            ("*.example.com", ".example.com", false),
            ("", "", false),
            ("*.example.com", "*.example.com", false),
            ("192.0.2.7", "192.0.2.70", false),
        ] {
            assert_eq!(name_matches(pattern, wanted), expected, "{pattern} for {wanted}");
        }
    }

    #[test]
    fn an_address_is_matched_by_octets_and_not_as_a_name() {
        let octets = [192, 0, 2, 7];
        let ip = [GeneralName::IPAddress(&octets)];
        let dns = [GeneralName::DNSName("192.0.2.7")];
        assert!(matches(ip.iter(), "192.0.2.7"));
        assert!(!matches(dns.iter(), "192.0.2.7"));
        assert!(!matches(ip.iter(), "192.0.2.8"));
        let octets = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
        assert!(matches([GeneralName::IPAddress(&octets)].iter(), "[2001:db8::7]"));
    }
}
