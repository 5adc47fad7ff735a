//! What a witness notes and what it answers: pure, without sockets and without a clock of its own.

use super::{Notice, Summary};
use crate::model::ports::Transport;
use crate::wire::witness::log::{Arrived, Line, ListedPorts};
use crate::wire::witness::{
    ArrivalRecord, Body, Key, Message, NoiseRecord, Nonce, Page, PortsRecord, Read, Records, Section, SessionId,
    WINDOW_MS, write,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

/// The most sessions at a time.
const MOST_SESSIONS: usize = 64;

/// A session in which nothing came for so long, in milliseconds, may give way to a new one: by then its messages are so old
/// that none of them would be believed again.
const IDLE_MS: u64 = 3 * WINDOW_MS;

/// The most messages that are remembered, in all sessions: some 12 MiB.
const MOST_NOTED: usize = 131_072;

/// The most sessions that are remembered by name because not all of theirs was noted or kept: 2 MiB at most. A witness stays
/// for a day.
const MOST_LOST: usize = 32_768;

/// The most sources that are told of, and the most stale messages that go into the log: a listener on the way can send old
/// ones again as often as it likes.
const MOST_TOLD: usize = 64;

/// Where a message arrived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) transport: Transport,
    /// Our port.
    pub(super) port: u16,
    pub(super) source: SocketAddr,
    /// Our address, where the system says so.
    pub(super) here: Option<IpAddr>,
}

/// What is to be done about a message.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// What is to be answered.
    pub(super) answer: Option<Vec<u8>>,
    /// What belongs into the log.
    pub(super) line: Option<Line>,
    /// What whoever runs the witness should know.
    pub(super) notice: Option<Notice>,
    /// Whether it came from a holder of the key and was none that had come before.
    pub(super) ours: bool,
}

/// Everything that the witness knows.
#[derive(Debug)]
pub(super) struct Book {
    key: Key,
    listed: Vec<ListedPorts>,
    sessions: HashMap<SessionId, Session>,
    strangers: BTreeMap<(Transport, u16), u32>,
    /// The counts that the log has.
    strangers_logged: BTreeMap<(Transport, u16), u32>,
    crowded: u32,
    noted: usize,
    /// The witness itself failed: no account of it can be relied on any more.
    spoilt: bool,
    /// There was no room for something, of whichever session: what the log says, which is about all sessions.
    lacked_room: bool,
    /// The sessions of which something was not noted or is kept no longer, and when that was: should one of them come again,
    /// its account is not whole.
    lost: HashMap<SessionId, u64>,
    told: HashSet<Notice>,
    stale_logged: usize,
    /// When a message of a session last came.
    last_ms: u64,
    summary: Summary,
}

#[derive(Debug, Default)]
struct Session {
    seen: HashSet<Nonce>,
    arrivals: Vec<ArrivalRecord>,
    altered: BTreeMap<(Transport, u16), u32>,
    strangers_before: BTreeMap<(Transport, u16), u32>,
    crowded_before: u32,
    last_ms: u64,
    full: bool,
}

impl Book {
    pub(super) fn new(key: Key, listed: Vec<ListedPorts>) -> Self {
        Self {
            key,
            listed,
            sessions: HashMap::new(),
            strangers: BTreeMap::new(),
            strangers_logged: BTreeMap::new(),
            crowded: 0,
            noted: 0,
            spoilt: false,
            lacked_room: false,
            lost: HashMap::new(),
            told: HashSet::new(),
            stale_logged: 0,
            last_ms: 0,
            summary: Summary::default(),
        }
    }

    pub(super) fn listed(&self) -> &[ListedPorts] {
        &self.listed
    }

    pub(super) fn summary(&self) -> Summary {
        self.summary
    }

    /// Something that is no message, or none that counts, came to one of our ports.
    pub(super) fn stranger(&mut self, transport: Transport, port: u16) {
        let count = self.strangers.entry((transport, port)).or_default();
        *count = count.saturating_add(1);
        self.summary.strangers += 1;
    }

    /// There was no room for another connection.
    pub(super) fn crowded(&mut self) {
        self.crowded = self.crowded.saturating_add(1);
    }

    /// Something is wrong with the witness itself, so that nothing follows from what it has not noted.
    pub(super) fn spoil(&mut self) {
        self.spoilt = true;
    }

    /// A message was read.
    pub(super) fn hear(&mut self, read: Read, place: Place, now_ms: u64) -> Heard {
        match read {
            Read::Foreign(session) => self.foreign(session, place, now_ms),
            Read::Ours(message) if message.time_ms.abs_diff(now_ms) > WINDOW_MS => self.stale(&message, place, now_ms),
            Read::Ours(message) => match message.body {
                Body::Hail { .. } | Body::Ask { .. } => self.ours(&message, place, now_ms),
                // An answer of ours that somebody sends back.
                Body::Confirm { .. } | Body::Account(_) | Body::Clock => Heard::default(),
            },
        }
    }

    fn foreign(&mut self, session: SessionId, place: Place, at_ms: u64) -> Heard {
        let Place { transport, port, source, .. } = place;
        self.stranger(transport, port);
        let Some(known) = self.sessions.get_mut(&session) else {
            let notice = self.tell(Notice::OtherKey { source: source.ip() });
            return Heard { notice, ..Heard::default() };
        };
        let count = known.altered.entry((transport, port)).or_default();
        *count = count.saturating_add(1);
        // Once for a port: whoever saw the session's name could send more of them.
        let line = (*count == 1).then_some(Line::Altered { session, transport, port, at_ms });
        Heard { line, ..Heard::default() }
    }

    fn stale(&mut self, message: &Message, place: Place, now_ms: u64) -> Heard {
        let ahead = i64::try_from(i128::from(message.time_ms) - i128::from(now_ms)).unwrap_or(i64::MAX) / 1000;
        let mut heard = Heard::default();
        if let Body::Hail { port, .. } = message.body {
            if self.stale_logged < MOST_TOLD {
                self.stale_logged += 1;
                heard.line = Some(Line::Stale(arrived(message, port, place, now_ms)));
            }
            // Over UDP the source may be forged, by somebody who kept an old message.
            if place.transport == Transport::Tcp {
                heard.answer = Some(self.answer(message, now_ms, Body::Clock));
            }
        }
        heard.notice = self.tell(Notice::Clock { source: place.source.ip(), ahead });
        heard
    }

    fn ours(&mut self, message: &Message, place: Place, now_ms: u64) -> Heard {
        self.last_ms = now_ms;
        if !self.open(message.session, now_ms) {
            return Heard { notice: self.tell_full(), ..Heard::default() };
        }
        while self.noted >= MOST_NOTED && self.forget_idle(message.session, now_ms) {}
        let room = self.noted < MOST_NOTED;
        let Some(session) = self.sessions.get_mut(&message.session) else { return Heard::default() };
        session.last_ms = now_ms;
        if session.seen.contains(&message.nonce) {
            return Heard::default();
        }
        if !room {
            // What cannot be remembered could be sent again, so it is not answered either.
            session.full = true;
            return Heard { notice: self.tell_full(), ..Heard::default() };
        }
        session.seen.insert(message.nonce);
        self.noted += 1;
        let (line, body) = match message.body {
            Body::Hail { port: sent_to, .. } => {
                let Place { transport, port, source, here } = place;
                let nonce = message.nonce;
                session.arrivals.push(ArrivalRecord { nonce, transport, port, source, here, at_ms: now_ms });
                self.summary.arrivals += 1;
                let line = Line::Arrived(arrived(message, sent_to, place, now_ms));
                (Some(line), Body::Confirm { transport, port, source, here })
            }
            Body::Ask { section, from } => (None, Body::Account(self.page(message.session, section, from))),
            Body::Confirm { .. } | Body::Account(_) | Body::Clock => return Heard::default(),
        };
        Heard { answer: Some(self.answer(message, now_ms, body)), line, notice: None, ours: true }
    }

    /// Makes room for a session that is not known yet; whether it is known now.
    fn open(&mut self, id: SessionId, now_ms: u64) -> bool {
        if self.sessions.contains_key(&id) {
            return true;
        }
        if self.sessions.len() >= MOST_SESSIONS && !self.forget_idle(id, now_ms) {
            self.lose(id, now_ms);
            return false;
        }
        self.summary.sessions += 1;
        let session = Session {
            strangers_before: self.strangers.clone(),
            crowded_before: self.crowded,
            last_ms: now_ms,
            full: self.lost.remove(&id).is_some(),
            ..Session::default()
        };
        self.sessions.insert(id, session);
        true
    }

    /// Gives up the session that has been idle for longest, if for long enough, and not the one for which room is made; whether
    /// there was one.
    fn forget_idle(&mut self, but: SessionId, now_ms: u64) -> bool {
        let idle = self.sessions.iter().filter(|(id, _)| **id != but).min_by_key(|(_, session)| session.last_ms);
        let idle = idle.filter(|(_, session)| now_ms.saturating_sub(session.last_ms) > IDLE_MS).map(|(id, _)| *id);
        let Some((id, gone)) = idle.and_then(|id| Some((id, self.sessions.remove(&id)?))) else { return false };
        self.noted = self.noted.saturating_sub(gone.seen.len());
        self.lose(id, now_ms);
        true
    }

    /// Remembers that not all of a session is noted; of too many the one that was lost first is forgotten.
    fn lose(&mut self, id: SessionId, now_ms: u64) {
        if self.lost.len() >= MOST_LOST && !self.lost.contains_key(&id) {
            let first = self.lost.iter().min_by_key(|(_, at_ms)| **at_ms).map(|(id, _)| *id);
            first.and_then(|first| self.lost.remove(&first));
        }
        self.lost.insert(id, now_ms);
    }

    fn page(&self, id: SessionId, section: Section, from: u32) -> Page {
        let nothing = Session::default();
        let session = self.sessions.get(&id).unwrap_or(&nothing);
        let first = usize::try_from(from).unwrap_or(usize::MAX);
        let most = Page::capacity(section);
        let (total, records) = match section {
            Section::Ports => {
                let record = |listed: &ListedPorts| PortsRecord {
                    v6: listed.v6,
                    ports: listed.ports,
                    not_held: listed.not_held,
                };
                let records = self.listed.iter().skip(first).take(most).map(record).collect();
                (self.listed.len(), Records::Ports(records))
            }
            Section::Arrivals => {
                let records = session.arrivals.iter().skip(first).take(most).copied().collect();
                (session.arrivals.len(), Records::Arrivals(records))
            }
            Section::Noise => {
                let noise = self.noise(session);
                (noise.len(), Records::Noise(noise.into_iter().skip(first).take(most).collect()))
            }
        };
        Page {
            full: session.full || self.spoilt,
            crowded: self.crowded - session.crowded_before,
            total: u32::try_from(total).unwrap_or(u32::MAX),
            from,
            records,
        }
    }

    fn noise(&self, session: &Session) -> Vec<NoiseRecord> {
        let ports = self.strangers.keys().chain(session.altered.keys());
        let ports: std::collections::BTreeSet<(Transport, u16)> = ports.copied().collect();
        let record = |(transport, port): (Transport, u16)| {
            let of = |counts: &BTreeMap<(Transport, u16), u32>| counts.get(&(transport, port)).copied().unwrap_or(0);
            let strangers = of(&self.strangers) - of(&session.strangers_before);
            NoiseRecord { transport, port, altered: of(&session.altered), strangers }
        };
        ports.into_iter().map(record).filter(|noise| noise.altered > 0 || noise.strangers > 0).collect()
    }

    fn answer(&self, question: &Message, now_ms: u64, body: Body) -> Vec<u8> {
        let Message { session, nonce, .. } = *question;
        write(&self.key, &Message { session, nonce, time_ms: now_ms, body })
    }

    fn tell(&mut self, notice: Notice) -> Option<Notice> {
        // A clock that goes wrong in steps would be told of at every one.
        let same = |told: &Notice| match (told, &notice) {
            (Notice::Clock { source: told, .. }, Notice::Clock { source, .. }) => told == source,
            (told, notice) => told == notice,
        };
        if self.told.len() >= MOST_TOLD || self.told.iter().any(same) {
            return None;
        }
        self.told.insert(notice.clone());
        Some(notice)
    }

    fn tell_full(&mut self) -> Option<Notice> {
        self.lacked_room = true;
        self.tell(Notice::Full)
    }

    /// The lines with which the log is brought up to date: strangers, while a session is going on, and that all else stands
    /// there.
    pub(super) fn lines(&mut self, at_ms: u64) -> Vec<Line> {
        let mut lines = Vec::new();
        if at_ms.saturating_sub(self.last_ms) <= IDLE_MS {
            for (&(transport, port), &count) in &self.strangers {
                if self.strangers_logged.insert((transport, port), count) != Some(count) {
                    lines.push(Line::Strangers { transport, port, count, at_ms });
                }
            }
        }
        lines.push(Line::Alive { at_ms, crowded: self.crowded, full: self.lacked_room || self.spoilt });
        lines
    }

    /// The log's last line.
    pub(super) fn last_line(&self, at_ms: u64) -> Line {
        Line::Ended { at_ms, crowded: self.crowded, full: self.lacked_room || self.spoilt }
    }
}

fn arrived(message: &Message, sent_to: u16, place: Place, at_ms: u64) -> Arrived {
    let Place { transport, port, source, here } = place;
    let Message { session, nonce, time_ms: sent_ms, .. } = *message;
    Arrived { session, nonce, transport, port, sent_to, source, here, sent_ms, at_ms }
}
