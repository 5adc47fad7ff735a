//! Ports that are known to answer, asked again to see whether silence elsewhere means anything.
//!
//! Which port is asked matters to its owner: a web server does not mind, `MySQL` blocks a client after a hundred connections
//! that it did not finish, and guards of SSH and RDP count them too. Such ports are witnesses only where there is no other,
//! and then few times.

use crate::model::fact::{PortFact, PortState};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// How many witnesses of a kind are kept and asked in turn.
const KEPT: usize = 3;

/// How many answers give a first estimate of loss, and how closely together they are asked for.
const FIRST: u64 = 32;
const FIRST_GAP: Duration = Duration::from_millis(4);

/// How closely together they are asked for from then on.
const GAP: Duration = Duration::from_millis(40);

/// Ports whose owners count connections: FTP, SSH, Telnet, SMTP, MSRPC, NetBIOS, SMB, SQL Server, `MySQL`, RDP, `PostgreSQL`,
/// VNC, and RPC over HTTP's end point mapper.
const SENSITIVE: [u16; 13] = [21, 22, 23, 25, 135, 139, 445, 593, 1433, 3306, 3389, 5432, 5900];

/// How often open ports must have opened again before refusals elsewhere are believed.
const VOUCHERS: usize = 8;
const VOUCHERS_SENSITIVE: usize = 2;

/// How many of them since the refusal.
const VOUCHERS_SINCE: usize = 4;
const VOUCHERS_SINCE_SENSITIVE: usize = 1;

/// How often in a row this machine may be unable to ask before it gives up.
const FAILED_MOST: u32 = 3;

/// How often sensitive ports are asked in all, and how many of those are kept for what is refused later, in a sweep.
const SENSITIVE_MOST: u32 = 24;
const SENSITIVE_KEPT: u32 = 10;

/// Whether owners of services on this port commonly count connections.
pub fn is_sensitive(port: u16) -> bool {
    SENSITIVE.contains(&port)
}

/// How long before the first SYN that was answered silence may count: ports are asked in one burst, of which only some answer.
const VOUCHED_BEFORE: Duration = Duration::from_millis(100);

/// The witnesses of one address.
#[derive(Clone, Debug, Default)]
pub(super) struct Witnesses {
    open: Vec<u16>,
    closed: Vec<u16>,
    sensitive: Vec<u16>,
    /// More ports whose owners count connections.
    also_sensitive: Vec<u16>,
    sensitive_asked: u32,
    turn: usize,
    /// The state of the generator that places witnesses among other SYNs; the same in every run.
    dice: u32,
    /// SYNs without an answer yet.
    flying: HashMap<u64, Duration>,
    last_asked: Option<Duration>,
    first_good: Option<Duration>,
    last_good: Option<Duration>,
    /// What was sent before this time counts for nothing: answers to it may have come and not been heard.
    void_before: Duration,
    /// Ports whose silence was believed while nothing at all had answered, or whose refusal before refusals were doubted.
    unvouched: Vec<u16>,
    bad_in_a_row: u32,
    /// How often in a row this machine could not ask one.
    failed_in_a_row: u32,
    /// Since when an open port is known.
    vouching_since: Option<Duration>,
    /// When SYNs were sent for which open ports opened again; the last of them.
    opened: VecDeque<Duration>,
    /// Ports whose refusals were believed, or whose silence because refused ports still answered.
    believed_refused: Vec<u16>,
    /// An open port was refused.
    doubts_refusals: bool,
}

impl Witnesses {
    /// None yet.
    pub(super) fn new(also_sensitive: Vec<u16>) -> Self {
        Self { also_sensitive, ..Self::default() }
    }

    /// Whether there is any.
    pub(super) fn known(&self) -> bool {
        !(self.open.is_empty() && self.closed.is_empty() && self.sensitive.is_empty())
    }

    /// A port answered; whether it is the first open one.
    pub(super) fn found(&mut self, port: u16, open: bool, now: Duration) -> bool {
        let list = match (open, is_sensitive(port) || self.also_sensitive.contains(&port)) {
            (true, false) => &mut self.open,
            (true, true) => &mut self.sensitive,
            (false, _) if self.doubts_refusals => return false,
            (false, _) => &mut self.closed,
        };
        if list.len() < KEPT && !list.contains(&port) {
            list.push(port);
        }
        let first = open && self.vouching_since.is_none();
        if first {
            self.vouching_since = Some(now);
        }
        first
    }

    /// Whether a witness that is due goes now or after some other SYN, by chance: anywhere in a `burst`. Of a burst a limit
    /// lets the first through, and a witness that were always among them would say that nothing is lost.
    pub(super) fn turn_comes(&mut self, burst: usize) -> bool {
        self.dice(burst.max(4)) == 0
    }

    /// A number below `sides`.
    pub(super) fn dice(&mut self, sides: usize) -> usize {
        // Numerical Recipes' linear congruential generator: its high bits are random enough to be out of step.
        self.dice = self.dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        usize::try_from((self.dice >> 8) % u32::try_from(sides.max(1)).unwrap_or(u32::MAX)).unwrap_or(0)
    }

    /// The next to ask.
    pub(super) fn next(&mut self) -> Option<u16> {
        let spent = self.is_sparing() && !self.closed.is_empty();
        let list = if !self.open.is_empty() {
            &self.open
        } else if !self.closed.is_empty() && (self.sensitive.is_empty() || spent) {
            &self.closed
        } else if !self.sensitive.is_empty() && self.closed.is_empty() {
            self.sensitive_asked += 1;
            &self.sensitive
        } else {
            &self.closed
        };
        self.turn = self.turn.wrapping_add(1);
        list.get(self.turn % list.len().max(1)).copied()
    }

    /// Whether sensitive ports were asked so often that the rest is kept.
    fn is_sparing(&self) -> bool {
        self.sensitive_asked >= SENSITIVE_MOST - SENSITIVE_KEPT
    }

    /// The next to ask of those that are open, others first than those whose owners count connections.
    pub(super) fn next_voucher(&mut self) -> Option<u16> {
        let list = if self.open.is_empty() { &self.sensitive } else { &self.open };
        self.sensitive_asked += u32::from(self.open.is_empty());
        self.turn = self.turn.wrapping_add(1);
        list.get(self.turn % list.len().max(1)).copied()
    }

    /// When the next is to be asked at this rate of SYNs, `known` answers or losses being evidence already. Where only few
    /// SYNs get through, most of them are for the ports.
    pub(super) fn due(&self, known: u64, rate: f64) -> Duration {
        let sensitive = self.open.is_empty() && self.closed.is_empty();
        let gap = match (known < FIRST, sensitive) {
            (true, false) => FIRST_GAP,
            // In a fast sweep there is less time for evidence, and a witness is a smaller share of it.
            (false, false) => Duration::from_secs_f64(150.0 / rate.max(1.0)).clamp(GAP / 16, GAP),
            (true, true) if !self.is_sparing() => GAP,
            (_, true) => {
                if self.is_sparing() {
                    GAP * 32
                } else {
                    GAP * 6
                }
            }
        };
        let share = Duration::from_secs_f64(if known < FIRST { 4.0 } else { 10.0 } / rate.max(1.0));
        self.last_asked.map_or(Duration::ZERO, |last| last + gap.max(share))
    }

    pub(super) fn asked(&mut self, serial: u64, now: Duration) {
        self.flying.insert(serial, now);
        self.last_asked = Some(now);
    }

    /// Whether so few witnesses are known to have answered or not that more should, where their owners do not mind.
    pub(super) fn wants_more(&self, known: u64) -> bool {
        known < FIRST && !(self.open.is_empty() && self.closed.is_empty()) && !self.cannot_be_asked()
    }

    /// Takes a SYN off the list; whether it was on it.
    pub(super) fn forget(&mut self, serial: u64) -> bool {
        self.flying.remove(&serial).is_some()
    }

    pub(super) fn is_flying(&self, serial: u64) -> bool {
        self.flying.contains_key(&serial)
    }

    /// Something that was sent at `sent` to a port that answers was answered.
    pub(super) fn good(&mut self, sent: Duration) {
        self.first_good = Some(self.first_good.map_or(sent, |first| first.min(sent)));
        self.last_good = Some(self.last_good.map_or(sent, |last| last.max(sent)));
        self.bad_in_a_row = 0;
        self.failed_in_a_row = 0;
    }

    /// This machine could not ask.
    pub(super) fn failed(&mut self) {
        self.failed_in_a_row = self.failed_in_a_row.saturating_add(1);
    }

    /// Whether this machine has not been able to ask for long.
    pub(super) fn cannot_be_asked(&self) -> bool {
        self.failed_in_a_row >= FAILED_MOST
    }

    pub(super) fn bad(&mut self) {
        self.bad_in_a_row = self.bad_in_a_row.saturating_add(1);
    }

    pub(super) fn bad_in_a_row(&self) -> u32 {
        self.bad_in_a_row
    }

    /// When the latest SYN was sent that was answered.
    pub(super) fn last_good(&self) -> Option<Duration> {
        self.last_good
    }

    /// From when on silence may count: about when the first SYN was sent that was answered. Before, the target or the way
    /// there may have been down.
    pub(super) fn vouch_from(&self) -> Duration {
        self.first_good.map_or(Duration::ZERO, |first| first.saturating_sub(VOUCHED_BEFORE)).max(self.void_before)
    }

    /// What was sent until now counts for nothing.
    pub(super) fn void(&mut self, now: Duration) {
        self.void_before = now;
        self.flying.clear();
    }

    /// Whether there is an open port that can show that refusals are the target's own.
    pub(super) fn can_vouch(&self) -> bool {
        let sensitive = !self.sensitive.is_empty() && self.sensitive_asked < SENSITIVE_MOST;
        !self.doubts_refusals && !self.cannot_be_asked() && (!self.open.is_empty() || sensitive)
    }

    /// Since when there is one.
    pub(super) fn vouching_since(&self) -> Option<Duration> {
        self.vouching_since
    }

    /// Whether the owners of all open ports count connections.
    pub(super) fn is_sensitive_alone(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether this is one of the open ports.
    pub(super) fn is_open(&self, port: u16) -> bool {
        self.open.contains(&port) || self.sensitive.contains(&port)
    }

    /// An open port, asked at `sent`, opened again.
    pub(super) fn opened(&mut self, sent: Duration) {
        self.opened.push_back(sent);
        if self.opened.len() > VOUCHERS {
            self.opened.pop_front();
        }
    }

    /// Whether open ports have opened often enough, and since a SYN that was refused.
    pub(super) fn vouched(&self, refused_at: Duration) -> bool {
        let (enough, since) = if self.is_sensitive_alone() {
            (VOUCHERS_SENSITIVE, VOUCHERS_SINCE_SENSITIVE)
        } else {
            (VOUCHERS, VOUCHERS_SINCE)
        };
        self.opened.len() >= enough && self.opened.iter().rev().nth(since - 1).is_some_and(|sent| *sent >= refused_at)
    }

    /// Whether only ports that refuse show what silence is worth.
    pub(super) fn are_refusals(&self) -> bool {
        self.open.is_empty() && !self.closed.is_empty()
    }

    /// A refusal of this port was believed, or its silence because others were refused.
    pub(super) fn believed_refused(&mut self, port: u16) {
        self.believed_refused.push(port);
    }

    /// An open port was refused: from now on refusals prove nothing by themselves, and closed ports are no witnesses. Those
    /// that were believed are to be asked again.
    pub(super) fn doubt_refusals(&mut self, now: Duration) {
        self.doubts_refusals = true;
        self.closed.clear();
        self.unvouched.append(&mut self.believed_refused);
        self.void(now);
    }

    /// Whether refusals prove nothing by themselves.
    pub(super) fn doubts_refusals(&self) -> bool {
        self.doubts_refusals
    }

    /// The silence of this port was believed while nothing at all had answered.
    pub(super) fn cannot_vouch(&mut self, port: u16) {
        self.unvouched.push(port);
    }

    /// The ports whose silence nobody vouched for, each once; they are forgotten.
    pub(super) fn take_unvouched(&mut self) -> Vec<u16> {
        let mut ports = std::mem::take(&mut self.unvouched);
        ports.sort_unstable();
        ports.dedup();
        ports
    }

    /// Whether the port answered as it did before.
    pub(super) fn as_before(&self, port: u16, fact: &PortFact) -> bool {
        match fact.state {
            PortState::Open => self.is_open(port),
            PortState::Closed => self.closed.contains(&port),
            _ => false,
        }
    }
}
