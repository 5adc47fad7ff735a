#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::model::peer_text::PeerText;
use portreeve::model::tls::Trust;
use portreeve::wire::certificate::{Chain, Judged, Served, read_certificate};

// The whole is a certificate, and also a chain whose certificates stand after their lengths in two bytes.
fuzz_target!(|bytes: &[u8]| {
    let now = 1_800_000_000;
    let mut chain = Vec::new();
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let Some((one, after)) = after.split_at_checked(usize::from(u16::from_be_bytes(*length))) else { break };
        chain.push(one);
        rest = after;
    }
    let chain = Chain::read(chain, now);
    let judged = Judged { trust: &Trust::Untrusted { reason: PeerText::default() }, unknown_issuer: true, needed: 0 };
    let served = Served {
        chain_length: 1,
        checked_name: "rmm.example.com",
        now,
        trust: Trust::Trusted,
        negotiated: 0x0303,
        chain: chain.fact(&judged),
        staple: Default::default(),
    };
    let _ = read_certificate(bytes, served);
});
