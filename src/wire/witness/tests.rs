use super::*;
use crate::model::ports::Ports;
use crate::model::witness::NotHeld;
use crate::wire::testing::only_whole;
use proptest::prelude::*;

fn key(seed: u8) -> Key {
    let random = std::array::from_fn(|place| u8::try_from(place).unwrap().wrapping_mul(37).wrapping_add(seed));
    Key::from_text(&new_key_text(random)).unwrap()
}

fn transport() -> impl Strategy<Value = Transport> {
    any::<bool>().prop_map(|udp| if udp { Transport::Udp } else { Transport::Tcp })
}

fn socket() -> impl Strategy<Value = SocketAddr> {
    let address = prop_oneof![
        any::<[u8; 4]>().prop_map(IpAddr::from),
        any::<[u8; 16]>().prop_map(|octets| Ipv6Addr::from(octets).to_canonical())
    ];
    (address, any::<u16>()).prop_map(|(address, port)| SocketAddr::new(address, port))
}

fn here() -> impl Strategy<Value = Option<IpAddr>> {
    prop::option::of(socket()).prop_map(|socket| socket.map(|socket| socket.ip()).filter(|here| !here.is_unspecified()))
}

fn not_held() -> impl Strategy<Value = Option<NotHeld>> {
    prop::option::of(prop::sample::select(vec![
        NotHeld::NotListed,
        NotHeld::Occupied,
        NotHeld::NotPermitted,
        NotHeld::Unavailable,
    ]))
}

fn records() -> impl Strategy<Value = Records> {
    let ports = (any::<bool>(), transport(), 1u16.., 1u16.., not_held()).prop_map(|(v6, transport, a, b, not_held)| {
        PortsRecord { v6, ports: Ports::new(transport, a.min(b), a.max(b)).unwrap(), not_held }
    });
    let arrival = (any::<[u8; 8]>(), transport(), any::<u16>(), socket(), here(), any::<u64>()).prop_map(
        |(nonce, transport, port, source, here, at_ms)| ArrivalRecord {
            nonce: Nonce(nonce),
            transport,
            port,
            source,
            here,
            at_ms,
        },
    );
    let noise = (transport(), any::<u16>(), any::<u32>(), any::<u32>())
        .prop_map(|(transport, port, altered, strangers)| NoiseRecord { transport, port, altered, strangers });
    prop_oneof![
        prop::collection::vec(ports, 0..=Page::capacity(Section::Ports)).prop_map(Records::Ports),
        prop::collection::vec(arrival, 0..=Page::capacity(Section::Arrivals)).prop_map(Records::Arrivals),
        prop::collection::vec(noise, 0..=Page::capacity(Section::Noise)).prop_map(Records::Noise),
    ]
}

fn body() -> impl Strategy<Value = Body> {
    let page = (any::<bool>(), any::<u32>(), any::<u32>(), any::<u32>(), records())
        .prop_map(|(full, crowded, total, from, records)| Page { full, crowded, total, from, records });
    prop_oneof![
        (transport(), any::<u16>()).prop_map(|(transport, port)| Body::Hail { transport, port }),
        (prop::sample::select(Section::ALL.to_vec()), any::<u32>())
            .prop_map(|(section, from)| Body::Ask { section, from }),
        (transport(), any::<u16>(), socket(), here()).prop_map(|(transport, port, source, here)| Body::Confirm {
            transport,
            port,
            source,
            here
        }),
        page.prop_map(Body::Account),
        Just(Body::Clock),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    (any::<[u8; 16]>(), any::<[u8; 8]>(), any::<u64>(), body()).prop_map(|(session, nonce, time_ms, body)| Message {
        session: SessionId(session),
        nonce: Nonce(nonce),
        time_ms,
        body,
    })
}

#[test]
fn no_answer_is_longer_than_its_question() {
    let sized = |body| {
        let message = Message { session: SessionId([1; 16]), nonce: Nonce([2; 8]), time_ms: 3, body };
        write(&key(1), &message).len()
    };
    let source: SocketAddr = "[2001:db8::1]:65535".parse().unwrap();
    let here = Some(source.ip());
    let hail = sized(Body::Hail { transport: Transport::Udp, port: 75 });
    assert!(sized(Body::Confirm { transport: Transport::Udp, port: 75, source, here }) <= hail);
    assert!(sized(Body::Clock) <= hail);
    for section in Section::ALL {
        assert_eq!(sized(Body::Ask { section, from: 0 }), LIMIT);
    }
    let arrival = ArrivalRecord { nonce: Nonce([2; 8]), transport: Transport::Tcp, port: 1, source, here, at_ms: 1 };
    let most = Page::capacity(Section::Arrivals);
    let page =
        |count| Page { full: true, crowded: 9, total: 9, from: 0, records: Records::Arrivals(vec![arrival; count]) };
    assert!(sized(Body::Account(page(most))) <= LIMIT && sized(Body::Account(page(most + 50))) <= LIMIT);
    assert!(most >= 20, "{most}");
}

#[test]
fn only_a_whole_message_counts() {
    let message = Message {
        session: SessionId([7; 16]),
        nonce: Nonce([8; 8]),
        time_ms: 1_700_000_000_000,
        body: Body::Hail { transport: Transport::Tcp, port: 443 },
    };
    let bytes = write(&key(1), &message);
    assert_eq!(only_whole(&bytes, |bytes| read(&key(1), bytes)), Read::Ours(message));
    assert!(matches!(read(&key(1), b"GET / HTTP/1.1\r\n"), Parse::Malformed(_)));
    assert!(matches!(read(&key(1), b"PRW1\x01\xff\xff"), Parse::Malformed(_)));
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(message in message()) {
        let bytes = write(&key(1), &message);
        prop_assert!(bytes.len() <= LIMIT);
        prop_assert_eq!(length(&bytes), Some(bytes.len()));
        prop_assert_eq!(read(&key(1), &bytes), Parse::Done(Read::Ours(message)));
    }

    #[test]
    fn another_key_or_an_altered_byte_is_never_ours(message in message(), place: prop::sample::Index, bit in 0u8..8) {
        let bytes = write(&key(1), &message);
        prop_assert_eq!(read(&key(2), &bytes), Parse::Done(Read::Foreign(message.session)));
        let mut altered = bytes;
        let place = place.index(altered.len());
        altered[place] ^= 1 << bit;
        prop_assert!(!matches!(read(&key(1), &altered), Parse::Done(Read::Ours(_))));
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes: Vec<u8>, magic: bool) {
        let bytes = if magic { [b"PRW1".as_slice(), &bytes].concat() } else { bytes };
        let _ = read(&key(1), &bytes);
        let _ = length(&bytes);
    }

    /// What the holder of the key wrote is believed, and must not make a reader panic either.
    #[test]
    fn any_body_under_the_right_key_is_read_without_panic(kind: u8, body in prop::collection::vec(any::<u8>(), SHORT..600)) {
        let key = key(1);
        let mut bytes = MAGIC.to_vec();
        bytes.push(kind);
        bytes.extend_from_slice(&u16::try_from(HEAD + body.len() + TAG).unwrap().to_be_bytes());
        bytes.extend_from_slice(&[0; 32]);
        bytes.extend_from_slice(&body);
        let tag = hmac::sign(key.of_messages(), &bytes);
        bytes.extend_from_slice(tag.as_ref());
        prop_assert!(!matches!(read(&key, &bytes), Parse::Incomplete | Parse::Done(Read::Foreign(_))));
    }
}
