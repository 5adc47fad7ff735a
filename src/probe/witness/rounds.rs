//! The rounds of messages: to whom, how often, and what is noted of each.

use super::hail::{self, Came, Datagrams, Hail, ToSend};
use super::proof::{Controls, Evidence};
use super::{AskedPort, ControlHail, Inquest, Port};
use crate::model::observation::Stage;
use crate::model::ports::Transport;
use crate::model::witness::NotHeld;
use crate::net::failure::from_io;
use crate::wire::witness::Nonce;
use crate::witness::{MOST_PORTS, random};
use std::time::Instant;

/// How often a port is sent a message before silence counts, and how often at most where messages to ports that let them pass
/// are lost too.
const ROUNDS: usize = 4;
const MOST_ROUNDS: usize = 12;

/// How many messages of a round go to ports of each transport that are known to let them pass.
const CONTROLS: usize = 16;

/// How often a TCP port is tried that refuses in words; refusals are not lost messages.
const REFUSALS: usize = 2;

/// How often a TCP port is tried that completes the handshake and says nothing: over a connection lost packets are sent again
/// by themselves.
const HANDSHAKES: usize = 2;

/// How often a port is sent a message that the witness does not hold: it may still arrive at another one.
const UNHELD_ROUNDS: usize = 2;

/// How many open TCP ports are tried at once while none is known that leads to the witness.
const DOORS_AT_ONCE: usize = 8;

/// How many connections are under way at once; the run's own limits bound them further.
pub(super) const AT_ONCE: usize = 64;

/// How many times a port that had let messages pass is asked again at the end.
const CANARY_TRIES: usize = 3;

impl Inquest<'_> {
    /// Sends messages until one is confirmed: to open TCP ports on which nothing has shown what it is, some at a time; then to
    /// all UDP ports.
    pub(super) async fn find_door(&mut self) {
        let quiet: Vec<usize> = self.which(|port| port.asked.open && !port.asked.speaks);
        for some in quiet.chunks(DOORS_AT_ONCE) {
            let before = self.ahead_ms;
            self.hail(some).await;
            if self.ahead_ms != before {
                self.hail(some).await;
            }
            if self.has_door() {
                return;
            }
        }
        for _ in 0..UNHELD_ROUNDS {
            let datagrams = self.which(|port| port.asked.transport == Transport::Udp);
            self.hail(&datagrams).await;
            if self.has_door() {
                return;
            }
        }
    }

    pub(super) fn has_door(&self) -> bool {
        self.ports.iter().any(|port| !port.evidence.confirmed.is_empty())
    }

    pub(super) fn which(&self, wanted: impl Fn(&Port) -> bool) -> Vec<usize> {
        let places = self.ports.iter().enumerate().filter(|(_, port)| wanted(port));
        places.map(|(place, _)| place).collect()
    }

    /// Whether the witness says that it holds the port; without an account every port may be held.
    pub(super) fn standing(&self, port: &Port) -> Option<NotHeld> {
        let account = self.account.as_ref()?;
        account.not_held(port.asked.transport, port.asked.number, self.address.is_ipv6())
    }

    /// Sends to every port that has not confirmed, until each had its number of messages; between them to ports that are known
    /// to let messages pass, so that loss and limits are seen.
    pub(super) async fn rounds(&mut self) {
        for _ in 0..MOST_ROUNDS {
            let controls = [Transport::Tcp, Transport::Udp].map(|transport| (transport, self.controls_of(transport)));
            let mut wanted = self.which(|port| {
                let own = controls.iter().find(|(transport, _)| *transport == port.asked.transport);
                own.is_some_and(|(_, controls)| self.needs_more(port, controls))
            });
            // A limit lets the first through: those must not be the same in every round.
            fastrand::shuffle(&mut wanted);
            if wanted.is_empty() {
                return;
            }
            let held = |place: &usize| self.ports.get(*place).is_some_and(|port| self.standing(port).is_none());
            let held: Vec<usize> = wanted.iter().copied().filter(held).collect();
            let controls = self.controls_beside(&held);
            let came = self.send(&wanted, &controls).await;
            self.note(came);
        }
    }

    fn needs_more(&self, port: &Port, controls: &Controls) -> bool {
        let AskedPort { transport, open, speaks, .. } = port.asked;
        let Evidence { sent, confirmed, answered_by_others, refusals, rounds } = &port.evidence;
        let sent = sent.len();
        if !confirmed.is_empty() || port.failure.is_some() || port.no_route {
            return false;
        }
        let udp = transport == Transport::Udp;
        match self.standing(port) {
            // Whoever says nothing to strangers has not shown what it is; a real service is left alone without an account.
            None if self.account.is_none() && (speaks || !udp && !open && self.ports.len() > MOST_PORTS) => false,
            None if !udp && *answered_by_others > 0 => sent < HANDSHAKES,
            None if *refusals > 0 && *refusals == sent => sent < REFUSALS,
            // Only the log will tell what was lost, when it is too late to send more.
            None if udp && self.account.is_none() => sent < MOST_ROUNDS,
            None => sent < ROUNDS || sent < MOST_ROUNDS && controls.may_be_chance(rounds),
            Some(_) => (udp || open && !speaks) && sent < if udp { UNHELD_ROUNDS } else { 1 },
        }
    }

    /// What became, round by round, of messages to ports of this transport that let messages pass: of those that were sent to
    /// see that, and of the first ones, which may have been lost.
    pub(super) fn controls_of(&self, transport: Transport) -> Controls {
        let mut controls = Controls::default();
        // What arrived and was not confirmed was lost on the way back, which says nothing of the way there.
        let arrived = |nonce| self.account.as_ref().is_some_and(|account| account.arrivals.contains_key(nonce));
        for ControlHail { round, nonce, confirmed, .. } in
            self.controls.iter().filter(|hail| hail.transport == transport)
        {
            controls.0.entry(*round).or_default().count(!confirmed && !arrived(nonce));
        }
        for port in self.ports.iter().filter(|port| port.asked.transport == transport) {
            let Evidence { sent, confirmed, rounds, .. } = &port.evidence;
            // A log tells of ports that let messages pass and no answer back: they are controls as well.
            if confirmed.is_empty() && !sent.iter().any(arrived) {
                continue;
            }
            for (nonce, round) in sent.iter().zip(rounds) {
                controls.0.entry(*round).or_default().count(!confirmed.contains_key(nonce) && !arrived(nonce));
            }
        }
        controls
    }

    /// Ports that let messages pass, of the transports of `wanted`, each as often as it takes.
    fn controls_beside(&self, wanted: &[usize]) -> Vec<usize> {
        let mut controls = Vec::new();
        for transport in [Transport::Tcp, Transport::Udp] {
            let of = |place: &usize| self.ports.get(*place).is_some_and(|port| port.asked.transport == transport);
            let passing = self.which(|port| port.asked.transport == transport && !port.evidence.confirmed.is_empty());
            if wanted.iter().any(of) {
                controls.extend(passing.iter().cycle().take(if passing.is_empty() { 0 } else { CONTROLS }));
            }
        }
        controls
    }

    /// Sends a message to each of these ports, over both transports side by side, and notes what comes back.
    async fn hail(&mut self, places: &[usize]) {
        let came = self.send(places, &[]).await;
        self.note(came);
    }

    async fn send(&mut self, places: &[usize], controls: &[usize]) -> Vec<(usize, Hail)> {
        self.round += 1;
        let mut hails = Vec::new();
        // The controls stand evenly between the others, so that what befalls those befalls them.
        let every = places.len() / controls.len().max(1) + 1;
        let mut left = controls.iter();
        let mut all = Vec::new();
        for (number, place) in places.iter().enumerate() {
            if number % every == 0 {
                all.extend(left.next().map(|control| (*control, true)));
            }
            all.push((*place, false));
        }
        all.extend(left.map(|control| (*control, true)));
        for (place, control) in all {
            let Some(port) = self.ports.get_mut(place) else { continue };
            match random() {
                Ok(nonce) => {
                    let nonce = Nonce(nonce);
                    let again = !port.evidence.sent.is_empty();
                    hails.push(ToSend { at: place, port: port.asked, nonce, again, control });
                }
                Err(error) => port.failure = Some(from_io(Stage::Request, &error)),
            }
        }
        let (tcp, udp): (Vec<_>, Vec<_>) = hails.into_iter().partition(|hail| hail.port.transport == Transport::Tcp);
        if self.datagrams.is_none() && !udp.is_empty() {
            match Datagrams::open(self.asker, self.address).await {
                Ok(datagrams) => self.datagrams = Some(datagrams),
                Err(failure) => {
                    for hail in &udp {
                        if let Some(port) = self.ports.get_mut(hail.at) {
                            port.failure = Some(failure.clone());
                        }
                    }
                }
            }
        }
        let line = self.line();
        let over_udp = async {
            match &self.datagrams {
                Some(datagrams) => datagrams.round(&line, &udp).await,
                None => Vec::new(),
            }
        };
        let (mut came, over_udp) = futures::join!(hail::over_tcp(&line, &tcp), over_udp);
        came.extend(over_udp);
        came
    }

    pub(super) fn line(&self) -> hail::Line<'_> {
        let Self { asker, address, settings, session, ahead_ms, .. } = self;
        hail::Line { asker, address: *address, key: &settings.key, session: *session, ahead_ms: *ahead_ms }
    }

    fn note(&mut self, came: Vec<(usize, Hail)>) {
        for (place, hail) in came {
            self.last_sent_ms = self.last_sent_ms.max(hail.sent_ms);
            let Some(port) = self.ports.get_mut(place) else { continue };
            if hail.control {
                let confirmed = matches!(hail.came, Came::Confirmed(_));
                let (transport, round, nonce) = (port.asked.transport, self.round, hail.nonce);
                self.controls.push(ControlHail { transport, round, nonce, confirmed });
                continue;
            }
            if hail.late && !port.evidence.sent.contains(&hail.nonce) {
                continue;
            }
            port.started.get_or_insert(hail.started);
            port.ended = Instant::now();
            let evidence = &mut port.evidence;
            // What has its answer from an earlier round counts there.
            if !hail.late {
                evidence.sent.push(hail.nonce);
                evidence.rounds.push(self.round);
            }
            match hail.came {
                Came::Confirmed(landing) => {
                    evidence.confirmed.insert(hail.nonce, landing);
                }
                Came::Clock { ahead_ms } => {
                    // It has the key and refuses our clock: from now on its own is used. This message counts for nothing.
                    self.ahead_ms = ahead_ms;
                    evidence.sent.pop();
                    evidence.rounds.pop();
                }
                Came::Nothing => {}
                Came::Stranger => evidence.answered_by_others += 1,
                Came::Refused { by_port } => {
                    evidence.refusals += 1;
                    port.asked.refused |= by_port;
                }
                Came::Failed(failure) => port.failure = Some(failure),
                Came::NoRoute => port.no_route = true,
            }
        }
    }

    /// On how many ports messages arrived that were sent to them.
    pub(super) fn arrived_on(&self) -> usize {
        let account = self.account.as_ref();
        let arrived_on = |port: &&Port| {
            let Port { asked: AskedPort { number, .. }, evidence: Evidence { sent, confirmed, .. }, .. } = port;
            let noted = |nonce| account.and_then(|account| account.arrivals.get(nonce)).map(|arrival| arrival.port);
            confirmed.values().map(|landing| landing.port).chain(sent.iter().filter_map(noted)).any(|at| at == *number)
        };
        self.ports.iter().filter(arrived_on).count()
    }

    /// Takes the last messages to ports of which only the account or the log knows that they let messages pass for what tells
    /// whether they still did at the end, where none of that transport was asked for it.
    pub(super) fn note_late_arrivals(&mut self) {
        let Some(account) = &self.account else { return };
        for transport in [Transport::Tcp, Transport::Udp] {
            let of = self.ports.iter().filter(|port| port.asked.transport == transport);
            let arrived = |nonce: &Nonce| account.arrivals.contains_key(nonce);
            let passing: Vec<&Port> = of.filter(|port| port.evidence.sent.iter().any(arrived)).collect();
            if !passing.is_empty() && !self.canary.contains_key(&transport) {
                let alive = passing.iter().any(|port| port.evidence.sent.last().is_some_and(arrived));
                self.canary.insert(transport, alive);
            }
        }
    }

    /// Asks ports that had let messages pass once more, for each transport of which something is to be called blocked.
    pub(super) async fn ask_canaries(&mut self) {
        for transport in [Transport::Tcp, Transport::Udp] {
            let silent = self.which(|port| {
                port.asked.transport == transport && port.evidence.confirmed.is_empty() && self.standing(port).is_none()
            });
            let canaries = self.controls_beside(&silent);
            if canaries.is_empty() {
                continue;
            }
            let mut alive = false;
            for _ in 0..CANARY_TRIES {
                let came = self.send(&[], &canaries).await;
                alive = came.iter().any(|(_, hail)| matches!(hail.came, Came::Confirmed(_)));
                self.note(came);
                if alive {
                    break;
                }
            }
            self.canary.insert(transport, alive);
        }
    }
}
