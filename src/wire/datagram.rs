//! Datagrams for the UDP ports of the guides.

/// The payload of a datagram to `port`, harmless to whatever listens there.
///
/// The guides' UDP ports (75, 70 to 74, 8002, 40000 to 41000, 42000) belong to Automate, whose formats are not public,
/// and whose server answers a heartbeat only when it has something for that agent. So nothing that we could send is
/// sure to be answered, and a payload made up to resemble an agent would claim to be one. What a closed port answers,
/// ICMP port unreachable, does not depend on the payload.
///
/// A datagram is therefore the probe of the redirector over TCP, two line ends: it says nothing, and it is not empty
/// because some firewalls drop empty datagrams, and some servers take a read of zero bytes for the end of their input.
/// Where a public protocol has its home, its own question would prove more; no guide asks about such a port.
pub fn payload(port: u16) -> Vec<u8> {
    let _ = port; // every port of the guides gets the same
    super::redirector::PROBE.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_payload_is_empty_or_large() {
        for port in [75, 70, 74, 8002, 40_000, 41_000, 42_000] {
            assert!((1..=16).contains(&payload(port).len()));
        }
    }
}
