//! Which versions of TLS does a port accept? All are asked at once, and what met no clear word is asked again.
//!
//! A version is **accepted** when any hello for it is. It is **refused** by a word that speaks of the version: a ServerHello of
//! another one, or the alert `protocol_version`. Another alert refuses it only where a small hello met one too, since servers
//! choke on long hellos, on many suites and on extensions. A closed connection refuses it only where no limit can have closed
//! it by chance (module `again`). Everything else is no answer, and says why.

mod again;
mod word;

use super::session::{Peer, Session};
use super::suites::Control;
use super::tls_version::{self, Hello};
use super::{Asker, Outcome, Stop};
use crate::model::fact::Fact;
use crate::model::observation::{Blame, Cause, Failure, Stage};
use crate::model::peer_text::PeerText;
use crate::model::question::Question;
use crate::model::tls::{TlsAnswer, TlsPreface, TlsVersion};
use crate::net::failure::millis;
use crate::wire::tls::Offer;
use futures::future::join_all;
use std::time::{Duration, Instant};
use tokio::time::timeout;
use word::Word;

/// What a port's hellos brought so far.
#[derive(Debug)]
pub struct TlsVersions<'a> {
    asker: &'a Asker,
    peer: &'a Peer,
    port: u16,
    preface: TlsPreface,
    hellos: Vec<Asked<'a>>,
    /// When the port has been asked for long enough.
    until: Instant,
    /// Whether a hello that is known to work was turned away.
    turns_away: bool,
    /// Whether nothing is left to be asked again.
    is_settled: bool,
}

/// A hello, one or more times, and its answer.
#[derive(Debug)]
struct Asked<'a> {
    offer: Offer<'a>,
    sni: bool,
    session: Session<'a>,
    answer: Result<TlsAnswer, Stop>,
    /// When it came.
    ended: Instant,
    /// How often it was sent.
    sent: u32,
    /// Whether its connection was closed for what it offers.
    is_meant: bool,
}

impl Asked<'_> {
    fn word(&self) -> Word {
        Word::of(self.offer.version, &self.answer)
    }
}

impl<'a> TlsVersions<'a> {
    /// Asks all versions at once, with SNI, without, or both ways.
    pub(super) async fn ask(
        asker: &'a Asker,
        peer: &'a Peer,
        port: u16,
        preface: TlsPreface,
        sni: &[bool],
        until: Instant,
    ) -> Self {
        let mut versions =
            Self { asker, peer, port, preface, hellos: Vec::new(), until, turns_away: false, is_settled: false };
        let mut hellos = Vec::new();
        for &sni in sni {
            for version in versions.versions() {
                hellos.push((Offer::usual(version, versions.name(sni)), sni));
                // RDP and MySQL count broken handshakes against the client.
                if preface == TlsPreface::Direct {
                    hellos.extend(Offer::odd(version, versions.name(sni)).into_iter().map(|offer| (offer, sni)));
                    // Versions that are often refused, by some servers with an alert that alone would not do: who is older
                    // than TLS 1.3 finds no suite that it knows.
                    if matches!(version, TlsVersion::Tls10 | TlsVersion::Tls11 | TlsVersion::Tls13) {
                        hellos.push((Offer::small(version, versions.name(sni)), sni));
                    }
                }
            }
        }
        versions.first(hellos).await;
        versions
    }

    /// When the port has been asked for long enough.
    pub fn until(&self) -> Instant {
        self.until
    }

    /// Whether any version was accepted so far.
    pub fn any_accepted(&self) -> bool {
        self.hellos.iter().any(|asked| asked.word() == Word::Accepted)
    }

    /// Whether anything answered that is TLS, or may be.
    pub fn may_be_tls(&self) -> bool {
        self.hellos.iter().any(|asked| !matches!(asked.word(), Word::NotTls | Word::Skipped))
    }

    /// Whether nothing at all was said, nor any connection ended.
    pub fn is_silent(&self) -> bool {
        self.hellos.iter().all(|asked| asked.word() == Word::Silent)
    }

    fn versions(&self) -> impl Iterator<Item = TlsVersion> + use<> {
        let first = usize::from(self.preface == TlsPreface::MySql);
        TlsVersion::ALL.into_iter().skip(first)
    }

    fn name(&self, sni: bool) -> Option<&'a str> {
        self.peer.server_name().filter(|_| sni)
    }

    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    fn of(&self, sni: bool) -> impl Iterator<Item = &Asked<'a>> {
        self.hellos.iter().filter(move |asked| asked.sni == sni)
    }

    /// Hellos at once, begun in this order.
    async fn at_once(&self, hellos: Vec<(Offer<'a>, bool)>, within: Duration) -> Vec<Asked<'a>> {
        join_all(hellos.into_iter().map(|(offer, sni)| self.once(offer, sni, within))).await
    }

    /// One hello, within this time and what is left of the port's.
    async fn once(&self, offer: Offer<'a>, sni: bool, within: Duration) -> Asked<'a> {
        let mut session = Session::new(self.asker, self.peer, self.port);
        let left = self.left();
        let hello = Hello { preface: self.preface, offer: offer.clone(), within: within.min(left) };
        let answer = match session.server_name(sni) {
            Err(stop) => Err(stop),
            Ok(_) => match timeout(left, tls_version::ask(&mut session, hello)).await {
                Ok(answer) => answer,
                Err(_) => Err(self.asker.endpoint_over().into()),
            },
        };
        Asked { offer, sni, session, answer, ended: Instant::now(), sent: 1, is_meant: false }
    }

    /// Keeps an answer. Of several to the same hello a clear one stays, else the last counts.
    fn keep(&mut self, new: Asked<'a>) {
        let same = self.hellos.iter_mut().find(|known| known.sni == new.sni && known.offer == new.offer);
        let Some(known) = same else {
            self.hellos.push(new);
            return;
        };
        known.session.join(&new.session);
        known.sent += new.sent;
        known.ended = known.ended.max(new.ended);
        if new.word().replaces(known.word()) {
            known.answer = new.answer;
            known.is_meant = false;
        }
    }

    /// Every version that is accepted with SNI, or without, with a hello for it that was.
    pub fn accepted(&self, sni: bool) -> Vec<Control<'a>> {
        let versions = TlsVersion::ALL.into_iter();
        let of = |version| self.of(sni).filter(move |asked: &&Asked<'_>| asked.offer.version == version);
        versions
            .filter_map(|version| {
                of(version).find_map(|asked| match asked.answer {
                    Ok(TlsAnswer::Accepted { suite }) => Some(Control { offer: asked.offer.clone(), suite }),
                    _ => None,
                })
            })
            .collect()
    }

    /// What came of it, version by version.
    pub(super) fn into_outcomes(self, asker: &Asker) -> Vec<(Question, Outcome)> {
        let mut outcomes = Vec::new();
        for sni in [true, false] {
            for version in self.versions() {
                let mut hellos = self.of(sni).filter(|asked| asked.offer.version == version);
                let Some(first) = hellos.next() else { continue };
                let mut session = first.session.branch();
                let mut ended = first.ended;
                session.join(&first.session);
                for asked in hellos {
                    session.join(&asked.session);
                    ended = ended.max(asked.ended);
                }
                let question = Question::TlsVersion { port: self.port, version, sni };
                let answer = self.answer(version, sni).map(|answer| Fact::Tls { answer });
                let mut outcome = asker.outcome(&session, question, answer);
                outcome.elapsed_ms = millis(ended.saturating_duration_since(session.started().unwrap_or(ended)));
                outcomes.push((question, outcome));
            }
        }
        outcomes
    }

    /// The answer that counts of those to all hellos of a version: acceptance, a word about the version, what nobody could
    /// tell, and only then what turned all of them away.
    fn answer(&self, version: TlsVersion, sni: bool) -> Result<TlsAnswer, Stop> {
        let of = || self.of(sni).filter(move |asked| asked.offer.version == version);
        let first = |word: Word| of().find(|asked| asked.word() == word).map(|asked| asked.answer.clone());
        for clear in
            [Word::Accepted, Word::Refused, Word::Broken, Word::Silent, Word::Lost, Word::NotTls, Word::Skipped]
        {
            if let Some(answer) = first(clear) {
                return answer;
            }
        }
        if of().any(|asked| asked.word() == Word::HangUp && !asked.is_meant) {
            return Err(self.unclear(match (self.turns_away, self.any_accepted()) {
                (true, _) => "connections are closed at times whatever is offered, so closing one refuses nothing",
                (false, false) => "connections are closed whatever is offered, so closing one refuses nothing",
                (false, true) => "the connection was closed, and not often enough to tell a refusal from a limit",
            }));
        }
        let is_small_asked = of().any(|asked| again::is_small(&asked.offer));
        match of().next() {
            Some(asked) if is_small_asked => asked.answer.clone(),
            _ => Err(self.unclear("an alert met the usual hello, and no small one was sent")),
        }
    }

    /// Why it cannot be told. The end of the port's time explains everything.
    fn unclear(&self, message: &str) -> Stop {
        if self.left().is_zero() {
            return self.asker.endpoint_over().into();
        }
        let cause = Cause::Other { message: PeerText::new(message, 200) };
        Failure { stage: Stage::Handshake, blame: Blame::Peer, cause }.into()
    }
}
