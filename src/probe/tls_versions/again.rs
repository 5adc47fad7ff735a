//! Asking again what met no clear word.
//!
//! Servers close connections on what they refuse, and so do limits, on whoever comes second, or too often. Both look the same
//! on one connection. So hellos that were turned away are sent again in random order among others that are known to be
//! accepted, the controls. A limit takes no account of what is offered, and that it meets all hellos of a version and no
//! control by chance is unlikely enough ([`Chance`]). When a control is turned away there is a limit, and what was seen beside
//! it proves nothing. Then everything is sent one by one, with growing pauses.

use super::word::{Chance, Word};
use super::{Asked, TlsVersions};
use crate::model::tls::{TlsPreface, TlsVersion};
use crate::wire::tls::{Offer, Shape};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::sleep;

/// How long the server is left alone before each hello, when they are sent one by one: at first as long as it may take to
/// notice that the connection before has ended, at last so long that it may count by the second.
const PAUSES: [Duration; 3] = [Duration::from_millis(20), Duration::from_millis(150), Duration::from_millis(600)];

/// How long it is left alone after a control was turned away.
const RECOVERS_AFTER: Duration = Duration::from_secs(1);

/// How often a hello is sent at most that nobody answers.
const UNANSWERED: u32 = 2;

/// How much is sent again to tell a refusal from a limit.
#[derive(Clone, Copy, Debug)]
struct Rigour {
    /// How many hellos of a version must be turned away.
    away: u32,
    /// How many controls are sent beside them.
    controls: u32,
    /// One in how many times a limit may look like a refusal by chance.
    one_in: f64,
}

impl Rigour {
    /// RDP and MySQL count broken handshakes; MySQL blocks who breaks off a hundred in a row.
    fn of(preface: TlsPreface) -> Self {
        match preface {
            TlsPreface::Direct => Self { away: 4, controls: 10, one_in: 1000.0 },
            TlsPreface::Rdp => Self { away: 3, controls: 6, one_in: 80.0 },
            TlsPreface::MySql => Self { away: 2, controls: 3, one_in: 10.0 },
        }
    }
}

/// Whether nobody can choke on a hello: it is short, has few suites, and no more extensions than the version cannot do
/// without. Those of SSL 2.0 and 3.0 are so in any shape.
pub(super) fn is_small(offer: &Offer<'_>) -> bool {
    offer.shape == Shape::Small || offer.version <= TlsVersion::Ssl3
}

/// A hello that is sent again.
#[derive(Clone, Debug)]
struct Again<'a> {
    offer: Offer<'a>,
    sni: bool,
    is_control: bool,
}

/// What hellos met that were sent in random order.
#[derive(Debug, Default)]
struct Tally<'a> {
    /// How many were sent, of them controls, and how many nobody answered.
    all: u32,
    controls: u32,
    unanswered: u32,
    /// Which hellos for each version met a closed connection, as often as they did.
    away: BTreeMap<TlsVersion, Vec<(Offer<'a>, bool)>>,
    /// Whether a control was not accepted.
    control_away: bool,
}

impl<'a> Tally<'a> {
    fn count(&mut self, asked: &Asked<'a>, is_control: bool) {
        let word = asked.word();
        if word == Word::HangUp && !is_control {
            self.away.entry(asked.offer.version).or_default().push((asked.offer.clone(), asked.sni));
        }
        self.all += 1;
        self.controls += u32::from(is_control);
        self.unanswered += u32::from(!word.is_served());
        self.control_away |= is_control && word != Word::Accepted;
    }
}

impl<'a> TlsVersions<'a> {
    /// The first hellos, in random order.
    pub(super) async fn first(&mut self, hellos: Vec<(Offer<'a>, bool)>) {
        let again = hellos.into_iter().map(|(offer, sni)| Again { offer, sni, is_control: false }).collect();
        let tally = self.beside_each_other(again, self.asker.timing.exchange).await;
        self.conclude(&tally);
    }

    /// Asks again what met no clear word. To be called when nothing else is asked of the port, for a server that serves one
    /// at a time turns away whoever comes second. May be dropped: what is known by then stays.
    pub async fn settle(&mut self) {
        if !self.is_settled && self.may_be_tls() {
            self.ask_again().await;
        }
        self.is_settled = true;
    }

    async fn ask_again(&mut self) {
        // Twice, for the first time may bring the first control.
        for is_first in [true, false] {
            let (control, open) = (self.control(), self.open(is_first));
            if self.turns_away || open.is_empty() || self.left().is_zero() {
                break;
            }
            let hellos = self.with_controls(open, control);
            let tally = self.beside_each_other(hellos, self.left() / 2).await;
            self.conclude(&tally);
        }
        if !self.any_accepted() {
            self.look_for_control().await;
        }
        for pause in PAUSES {
            let open = self.open(self.turns_away);
            let Some(control) = self.control().filter(|_| !open.is_empty() && self.left() > pause) else { return };
            let hellos = self.with_controls(open, Some(control));
            let tally = self.one_by_one(hellos, pause).await;
            self.conclude(&tally);
            if tally.control_away {
                sleep(RECOVERS_AFTER.min(self.left())).await;
            }
        }
    }

    /// A hello that was accepted, the usual one of the newest version if that was.
    fn control(&self) -> Option<(Offer<'a>, bool)> {
        let accepted = self.hellos.iter().filter(|asked| asked.word() == Word::Accepted);
        let best = accepted.max_by_key(|asked| (asked.offer.shape == Shape::Usual, asked.offer.version));
        best.map(|asked| (asked.offer.clone(), asked.sni))
    }

    /// What is still to be asked of each version that met no clear word, with SNI and without: hellos that were turned away,
    /// or `unanswered` as well, and those of other shapes.
    fn open(&self, unanswered: bool) -> Vec<(Offer<'a>, bool)> {
        let mut open = Vec::new();
        for sni in [true, false] {
            for version in self.versions().collect::<Vec<_>>().into_iter().rev() {
                open.extend(self.open_of(version, sni, unanswered).into_iter().map(|offer| (offer, sni)));
            }
        }
        open
    }

    fn open_of(&self, version: TlsVersion, sni: bool, unanswered: bool) -> Vec<Offer<'a>> {
        let known: Vec<&Asked<'a>> = self.of(sni).filter(|asked| asked.offer.version == version).collect();
        if known.iter().any(|asked| asked.word().is_clear()) {
            return Vec::new();
        }
        let is_open = |asked: &&&Asked<'a>| match asked.word() {
            Word::HangUp => !asked.is_meant,
            Word::Silent => unanswered && asked.sent < UNANSWERED,
            // Nobody heard what it offers.
            Word::Broken => true,
            _ => false,
        };
        let mut open: Vec<Offer<'a>> = known.iter().filter(is_open).map(|asked| asked.offer.clone()).collect();
        let unclear = |word| {
            matches!(word, Word::HangUp | Word::Alert) || (unanswered && matches!(word, Word::Silent | Word::Broken))
        };
        if known.iter().any(|asked| unclear(asked.word())) {
            let is_new = |offer: &Offer<'a>| known.iter().all(|asked| asked.offer != *offer);
            open.extend(self.other_shapes(version, sni).into_iter().filter(is_new));
        }
        open
    }

    /// The hellos of other shapes for a version.
    fn other_shapes(&self, version: TlsVersion, sni: bool) -> Vec<Offer<'a>> {
        let small = (!is_small(&Offer::usual(version, None))).then(|| Offer::small(version, self.name(sni)));
        let takes_extensions = self.hellos.iter().any(|asked| {
            asked.word() == Word::Accepted && asked.offer.shape != Shape::Bare && asked.offer.version > TlsVersion::Ssl3
        });
        let is_away = self.of(sni).any(|asked| asked.offer.version == version && asked.word() != Word::Alert);
        // One without extensions has no SNI, so with SNI it only stands for a server that takes no extensions at all.
        let is_bare =
            version > TlsVersion::Ssl3 && self.preface != TlsPreface::MySql && (!takes_extensions || (is_away && !sni));
        small.into_iter().chain(Offer::bare(version).filter(|_| is_bare)).collect()
    }

    /// Hellos, repeated until there are enough of each version that was turned away, among controls, in random order.
    fn with_controls(&self, open: Vec<(Offer<'a>, bool)>, control: Option<(Offer<'a>, bool)>) -> Vec<Again<'a>> {
        let rigour = Rigour::of(self.preface);
        let mut all: Vec<Again<'a>> = Vec::new();
        let mut by_version: BTreeMap<TlsVersion, Vec<(Offer<'a>, bool)>> = BTreeMap::new();
        for hello in open {
            by_version.entry(hello.0.version).or_default().push(hello);
        }
        let mut controls = 0;
        let shapes = self.shapes();
        for (version, mut hellos) in by_version {
            if control.is_some() && hellos.iter().any(|(offer, _)| is_heard(offer, &shapes)) {
                hellos.retain(|(offer, _)| is_heard(offer, &shapes));
            }
            let is_away =
                self.hellos.iter().any(|asked| asked.offer.version == version && asked.word() == Word::HangUp);
            let repeat = is_away && control.is_some();
            let count = if repeat { hellos.len().max(rigour.away as usize) } else { hellos.len() };
            controls = if repeat { rigour.controls } else { controls };
            all.extend(hellos.into_iter().cycle().take(count).map(|(offer, sni)| Again {
                offer,
                sni,
                is_control: false,
            }));
        }
        if let Some((offer, sni)) = control {
            all.extend((0..controls).map(|_| Again { offer: offer.clone(), sni, is_control: true }));
        }
        all
    }

    /// Sends hellos in random order, all at once.
    async fn beside_each_other(&mut self, mut hellos: Vec<Again<'a>>, within: Duration) -> Tally<'a> {
        fastrand::shuffle(&mut hellos);
        let (controls, hellos): (Vec<bool>, Vec<_>) =
            hellos.into_iter().map(|again| (again.is_control, (again.offer, again.sni))).unzip();
        let within = within.min(self.asker.timing.exchange);
        let answers = self.at_once(hellos, within).await;
        let mut tally = Tally::default();
        for (asked, is_control) in answers.into_iter().zip(controls) {
            tally.count(&asked, is_control);
            self.keep(asked);
        }
        tally
    }

    /// Sends hellos in random order one after the other, but for those of versions that have become clear, until a control is
    /// turned away or the time is over.
    async fn one_by_one(&mut self, mut hellos: Vec<Again<'a>>, pause: Duration) -> Tally<'a> {
        fastrand::shuffle(&mut hellos);
        let mut tally = Tally::default();
        for again in hellos {
            if !again.is_control && self.is_clear(&again) {
                continue;
            }
            if self.left() <= pause {
                break;
            }
            sleep(pause).await;
            let asked = self.once(again.offer, again.sni, self.left() / 4).await;
            tally.count(&asked, again.is_control);
            self.keep(asked);
            if tally.control_away {
                break;
            }
        }
        tally
    }

    /// Sends hellos that were turned away one after the other until one is accepted.
    async fn look_for_control(&mut self) {
        let hellos = self.open(false);
        if !hellos.is_empty() {
            sleep(RECOVERS_AFTER.min(self.left())).await;
        }
        for (offer, sni) in hellos {
            if self.left() <= PAUSES[0] || self.any_accepted() {
                return;
            }
            sleep(PAUSES[0]).await;
            let asked = self.once(offer, sni, self.left() / 4).await;
            self.keep(asked);
        }
    }

    fn is_clear(&self, again: &Again<'_>) -> bool {
        self.of(again.sni).any(|asked| asked.offer.version == again.offer.version && asked.word().is_clear())
    }

    /// What hellos in random order prove: closed connections are meant where no limit can have closed them by chance.
    fn conclude(&mut self, tally: &Tally<'a>) {
        self.turns_away |= tally.control_away;
        if tally.control_away {
            return;
        }
        let enough = Rigour::of(self.preface).one_in;
        let shapes = self.shapes();
        for (version, away) in &tally.away {
            let Tally { all, controls, unanswered, .. } = *tally;
            let heard: Vec<_> = away.iter().filter(|(offer, _)| is_heard(offer, &shapes)).collect();
            // Those that are not heard prove nothing of others; where nothing else was asked, they speak for themselves.
            let count = if heard.is_empty() { away.len() } else { heard.len() };
            let away_count = u32::try_from(count).unwrap_or(u32::MAX);
            if (Chance { away: away_count, controls, all, unanswered }).one_in() >= enough {
                let closed = self
                    .hellos
                    .iter_mut()
                    .filter(|asked| asked.word() == Word::HangUp && asked.offer.version == *version);
                for asked in closed {
                    let is_away = away.iter().any(|(offer, sni)| *sni == asked.sni && *offer == asked.offer);
                    // What would be turned away in any version is no doubt about this one.
                    let is_unheard = !is_heard(&asked.offer, &shapes) && heard.iter().any(|(_, sni)| *sni == asked.sni);
                    asked.is_meant |= is_away || is_unheard;
                }
            }
        }
    }

    /// The shapes of hellos with which some version was accepted; those of SSL 2.0 and 3.0 are alike in all.
    fn shapes(&self) -> Vec<Shape> {
        let accepted = self.hellos.iter().filter(|asked| asked.word() == Word::Accepted);
        accepted.filter(|asked| asked.offer.version > TlsVersion::Ssl3).map(|asked| asked.offer.shape).collect()
    }
}

/// Whether a server hears what a hello offers that accepted hellos of these `shapes`. One that chokes on long hellos closes
/// them whatever they offer, so that they say nothing of a version, nor of a limit.
fn is_heard(offer: &Offer<'_>, shapes: &[Shape]) -> bool {
    is_small(offer) || shapes.contains(&offer.shape)
}
