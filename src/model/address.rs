//! Kinds of addresses.

use std::net::IpAddr;

/// Whether an address is of no use outside (RFC 6890): private, loopback, link-local, shared.
/// A scan of one is no view from outside. Addresses for documentation count as public.
pub fn is_inside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            // 100.64.0.0/10 is shared address space (RFC 6598).
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_inside(IpAddr::V4(v4)),
            None => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
        },
    }
}

/// Whether an address is for documentation only, so that nobody has it on the Internet: TEST-NET-1 to -3 (RFC 5737),
/// `2001:db8::/32` (RFC 3849) and `3fff::/20` (RFC 9637).
pub fn is_documentation(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => matches!(v4.octets(), [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _]),
        IpAddr::V6(v6) => match (v6.to_ipv4_mapped(), v6.segments()) {
            (Some(v4), _) => is_documentation(IpAddr::V4(v4)),
            (None, [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..]) => true,
            (None, _) => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_of_no_use_outside_are_known() {
        for inside in [
            "10.0.0.4",
            "192.168.1.1",
            "172.16.0.1",
            "127.0.0.1",
            "100.64.0.1",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(is_inside(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["203.0.113.5", "100.128.0.1", "2001:db8::1"] {
            assert!(!is_inside(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn addresses_for_documentation_are_known() {
        for known in ["192.0.2.1", "198.51.100.255", "203.0.113.5", "2001:db8::1", "3fff:fff::1", "::ffff:203.0.113.5"]
        {
            assert!(is_documentation(known.parse().unwrap()), "{known}");
        }
        for other in ["192.0.3.1", "198.51.101.1", "203.0.114.5", "2001:db9::1", "3fff:1000::1", "10.0.0.1"] {
            assert!(!is_documentation(other.parse().unwrap()), "{other}");
        }
    }
}
