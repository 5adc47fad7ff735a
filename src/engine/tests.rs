//! The order of targets, and runs that go on where an earlier one ended.

use super::memory::Keep;
use super::*;
use crate::engine::plan::Wanted;
use crate::model::fact::{Fact, PortState};
use crate::model::observation::Attempt;
use crate::model::ports::Ports;
use crate::model::question::Question;
use crate::model::target::Host;
use crate::net::dial::Dialer;
use crate::net::limits::Limits;
use crate::net::pace::Rates;
use crate::net::trust::TrustStore;
use crate::probe::Timing;
use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpSocket};

#[derive(Debug, Default)]
struct Kept(Mutex<Vec<Observation>>);

impl Keep for Kept {
    fn learned(&self, target: usize, observation: &Observation) {
        assert_eq!(target, 0);
        self.0.lock().unwrap().push(observation.clone());
    }
}

/// A server that greets like SSH, and counts who comes.
async fn greeter() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let (port, count) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n").await;
        }
    });
    (port, count)
}

async fn scan(ports: &[u16], known: &[Observation]) -> (TargetScan, Vec<Observation>) {
    let dialer = Dialer::new(Limits::new(64), Rates::default());
    let asker = Asker::new(dialer, Timing::default(), TrustStore::load(None).unwrap(), std::time::Instant::now());
    let settings = Settings { parallel: 1, host_time: Duration::from_mins(1), ipv4: true, ipv6: true, witness: None };
    let resolver = Arc::new(Resolver::of_system(Duration::from_secs(1)));
    let engine = Engine { asker: Arc::new(asker), resolver, settings };
    let wanted = || Wanted::from(["item".to_owned()]);
    let mut plan =
        Plan { ports: ports.iter().map(|port| (Ports::tcp(*port).unwrap(), wanted())).collect(), ..Plan::default() };
    plan.follow_up.service = wanted();
    let target = Target::new("c", Host::Address(Ipv4Addr::LOCALHOST.into()));
    let kept = Arc::new(Kept::default());
    let inquiry = Inquiry {
        known: known.into(),
        keep: Some(Arc::clone(&kept) as Arc<dyn Keep>),
        ..Inquiry::new(target, Arc::new(plan))
    };
    let (events, _listener) = mpsc::unbounded_channel();
    let (_sender, interrupted) = watch::channel(false);
    let mut scans = Vec::new();
    engine.run(&[inquiry], interrupted, events, |_, scan| scans.push(scan)).await;
    let kept = kept.0.lock().unwrap().clone();
    (scans.pop().unwrap(), kept)
}

fn said(observations: &[Observation]) -> Vec<(String, Attempt)> {
    let told = |one: &Observation| (one.question.to_string(), one.attempt.clone());
    let mut said: Vec<_> = observations.iter().map(told).collect();
    said.sort_by(|a, b| a.0.cmp(&b.0));
    said
}

#[tokio::test]
async fn a_run_that_goes_on_asks_only_what_is_missing() {
    let ((port, count), (more, more_count)) = (greeter().await, greeter().await);
    let (first, kept) = scan(&[port, more], &[]).await;
    assert_eq!(said(&first.observations), said(&kept), "everything that was learned was told");
    let (before, more_before) = (count.load(Ordering::Relaxed), more_count.load(Ordering::Relaxed));

    // All of it is known, but what speaks on the second port.
    let known: Vec<Observation> = kept.iter().filter(|one| one.question != Question::service(more)).cloned().collect();
    assert_eq!(known.len() + 1, kept.len());
    let (second, learned) = scan(&[port, more], &known).await;
    assert_eq!(said(&first.observations), said(&second.observations));
    assert!(learned.iter().any(|one| one.question == Question::service(more)));
    assert!(learned.iter().all(|one| one.question != Question::service(port)));
    let (asked, more_asked) =
        (count.load(Ordering::Relaxed) - before, more_count.load(Ordering::Relaxed) - more_before);
    assert!(asked < more_asked, "{asked} connections to what was known, {more_asked} to what was not");
}

#[tokio::test]
async fn what_an_earlier_run_saw_counts_only_while_the_target_answers_as_it_did() {
    let (port, _) = greeter().await;
    // Held by us without listening: whoever knocks is refused, and nobody else gets it.
    let held = TcpSocket::new_v4().unwrap();
    held.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let closed = held.local_addr().unwrap().port();
    let (first, kept) = scan(&[port, closed], &[]).await;
    let state = |observations: &[Observation], port: u16| {
        observations.iter().find_map(|one| match (one.question, one.attempt.fact()) {
            (Question::Port { ports }, Some(Fact::Port(fact))) if ports.first() == port => Some(fact.state),
            _ => None,
        })
    };
    assert_eq!(state(&first.observations, port), Some(PortState::Open));
    // The earlier run saw them the other way round.
    let turned: Vec<Observation> = kept
        .iter()
        .filter(|one| matches!(one.question, Question::Port { .. }))
        .map(|one| {
            let other = if one.question.port() == port { closed } else { port };
            Observation { question: Question::Port { ports: Ports::tcp(other).unwrap() }, ..one.clone() }
        })
        .collect();
    let (second, _) = scan(&[port, closed], &turned).await;
    assert_eq!(state(&second.observations, port), Some(PortState::Open));
    assert_eq!(state(&second.observations, closed), Some(PortState::Closed));
}

#[test]
fn clients_take_turns() {
    let target = |client: &str| Target::new(client, Host::Address(IpAddr::from([192, 0, 2, 1])));
    let of = |client: &str| Inquiry::new(target(client), Arc::default());
    let inquiries = [of("a"), of("a"), of("a"), of("b"), of("c"), of("c")];
    assert_eq!(in_turn(&inquiries), [0, 3, 4, 1, 5, 2]);
}

#[test]
fn only_what_kept_an_address_from_being_asked_explains_that_nothing_came_from_it() {
    let (here, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
    let message = || "m".to_owned();
    for (troubles, unexplained) in [
        (vec![], true),
        (vec![Trouble::NoRoute { address: other }], true),
        (vec![Trouble::Unresolved { message: message() }], true),
        (vec![Trouble::Witness { address: here, message: message() }], true),
        (vec![Trouble::NoRoute { address: here }], false),
        (vec![Trouble::Unresolved { message: message() }, Trouble::Interrupted], false),
        (vec![Trouble::OutOfTime], false),
        (vec![Trouble::Ourselves { message: message() }], false),
    ] {
        assert_eq!(is_unexplained(&troubles, here), unexplained, "{troubles:?}");
    }
}
