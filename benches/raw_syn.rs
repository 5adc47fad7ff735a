//! How many ports a second SYNs of our own can ask, everything included: one thread sends, hears and awaits, and the same
//! core does the kernel's work, that of the asked machine too. Connections are measured beside it.
//!
//!     cargo bench --bench raw_syn
//!
//! Makes two network namespaces; needs Linux and root, and says so.

#![cfg_attr(not(target_os = "linux"), allow(unused_crate_dependencies, reason = "nothing is measured there"))]
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::print_stderr, reason = "a benchmark")]

#[cfg(target_os = "linux")]
#[path = "../tests/support/namespaces.rs"]
#[allow(dead_code, reason = "a part of it is enough")]
mod namespaces;

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("SKIPPED: raw packets are supported on Linux only");
}

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(target_os = "linux")]
mod linux {
    use super::namespaces::{Namespace, usable};
    use futures::StreamExt as _;
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike as _;
    use portreeve::model::fact::PortState;
    use portreeve::net::raw::RawSyn;
    use portreeve::net::tcp;
    use std::net::{IpAddr, SocketAddr};
    use std::time::{Duration, Instant};

    const TARGETS: [&str; 2] = ["192.0.2.1", "2001:db8::1"];

    /// How many answers are awaited at once.
    const AT_ONCE: usize = 16_384;

    /// How long silence is listened to.
    const PATIENCE: Duration = Duration::from_millis(200);

    pub(super) fn main() {
        if !usable() {
            return;
        }
        let (here, there) = (Namespace::new().unwrap(), Namespace::new().unwrap());
        here.ip(&format!("link add far0 type veth peer name near0 netns {}", there.path()));
        for (namespace, link, number) in [(&here, "far0", 2), (&there, "near0", 1)] {
            namespace.set("ipv6/conf/default/accept_dad", "0");
            namespace.ip(&format!(
                "link set lo up\naddr add 192.0.2.{number}/24 dev {link}\naddr add 2001:db8::{number}/64 dev {link} nodad
                link set {link} up"
            ));
        }
        there.nft(
            "table inet bench { chain input { type filter hook input priority 0; tcp dport 30000-65535 drop; }; }",
        );
        println!(
            "{:<12} {:<13} {:<8} {:>9} {:>9} {:>11}",
            "how", "target", "answer", "ports/s", "per CPU s", "overflowed"
        );
        here.inside(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                for target in TARGETS {
                    raw(target, 1..30_000, PortState::Closed).await;
                    raw(target, 30_000..60_000, PortState::Filtered).await;
                }
                connect(TARGETS[0], 1..30_000).await;
            });
        });
    }

    async fn raw(target: &str, ports: std::ops::Range<u16>, state: PortState) {
        let raw = RawSyn::open().unwrap();
        let address: IpAddr = target.parse().unwrap();
        // The first packets wait for the hardware address.
        let _ = raw.knock(SocketAddr::new(address, 1), tokio::time::Instant::now() + PATIENCE).await;
        // Four times, since one time is too short to measure.
        let peers = (0..4).flat_map(|_| ports.clone()).map(|port| SocketAddr::new(address, port));
        let raw = &raw;
        let knock = |peer| async move {
            let knock = raw.knock(peer, tokio::time::Instant::now() + PATIENCE).await.unwrap();
            knock.fact.state == state
        };
        measure("SYN", target, state, 4 * ports.len(), futures::stream::iter(peers).map(knock)).await;
        println!(" {:>11}", raw.overflowed());
    }

    async fn connect(target: &str, ports: std::ops::Range<u16>) {
        let address: IpAddr = target.parse().unwrap();
        let peers = (0..4).flat_map(|_| ports.clone()).map(|port| SocketAddr::new(address, port));
        let connect = |peer| async move { tcp::knock(peer, PATIENCE).await.unwrap().fact.state == PortState::Closed };
        measure("connect", target, PortState::Closed, 4 * ports.len(), futures::stream::iter(peers).map(connect)).await;
        println!();
    }

    async fn measure<F: Future<Output = bool>>(
        how: &str,
        target: &str,
        state: PortState,
        count: usize,
        asking: impl futures::Stream<Item = F>,
    ) {
        let used = || {
            let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
            Duration::from_micros((usage.user_time() + usage.system_time()).num_microseconds().unsigned_abs())
        };
        let (start, before) = (Instant::now(), used());
        let right = asking.buffer_unordered(AT_ONCE).filter(|right| std::future::ready(*right)).count().await;
        let (wall, cpu) = (start.elapsed(), used().saturating_sub(before));
        assert_eq!(right, count, "{how} {target}: not all {state}");
        let rate = |time: Duration| f64::from(u32::try_from(count).unwrap()) / time.as_secs_f64();
        print!("{how:<12} {target:<13} {state:<8} {:>9.0} {:>9.0}", rate(wall), rate(cpu));
    }
}
