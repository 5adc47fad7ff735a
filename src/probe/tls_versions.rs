//! Which versions of TLS does a port accept? All are asked at once, and what met no clear word is asked again.
//!
//! A version is **accepted** when any hello for it is. It is **refused** when every hello for it was: the usual one, and those
//! that offer the suites which the usual one leaves out. A connection that is closed or reset refuses nothing by itself: a
//! server that serves only so many at once, or so often, does that too. Such hellos are sent again one by one, and count only
//! while a version that is known to work still does ([`TlsVersions::settle`]). A server that accepts nothing may choke on the
//! hello itself, and is sent smaller ones.

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
use crate::wire::tls::{Offer, Shape};
use futures::future::join_all;
use std::time::{Duration, Instant};

/// How long a port is asked about its versions, in all.
const ENDPOINT: Duration = Duration::from_secs(10);

/// How long a server that has just turned us away is left alone before it is asked for what is known to work.
const RECOVERS_AFTER: Duration = Duration::from_millis(500);

/// What a port's hellos brought so far.
#[derive(Debug)]
pub struct TlsVersions<'a> {
    port: u16,
    preface: TlsPreface,
    hellos: Vec<Asked<'a>>,
    until: Instant,
}

/// A hello and its answer.
#[derive(Debug)]
struct Asked<'a> {
    offer: Offer<'a>,
    sni: bool,
    session: Session<'a>,
    answer: Result<TlsAnswer, Stop>,
    /// When it came.
    ended: Instant,
    /// Whether a closed connection was met alone too, while another version was accepted.
    alone: bool,
}

impl Asked<'_> {
    fn is_accepted(&self) -> bool {
        matches!(self.answer, Ok(TlsAnswer::Accepted { .. }))
    }

    /// Whether the connection was closed or reset instead of a word.
    fn is_hang_up(&self) -> bool {
        matches!(self.answer, Ok(TlsAnswer::Closed | TlsAnswer::Reset))
    }

    /// Whether the connection was not made, or ended in the middle of an answer, or nothing came in time.
    fn is_failed(&self) -> bool {
        matches!(&self.answer, Err(Stop::Failed(failure))
            if matches!(failure.cause, Cause::Closed | Cause::Reset | Cause::Refused | Cause::TimedOut { .. }))
    }

    /// Whether something answered that is TLS, or may be.
    fn may_be_tls(&self) -> bool {
        !matches!(self.answer, Ok(TlsAnswer::NotTls { .. }) | Err(Stop::Skipped(_)))
    }
}

impl<'a> TlsVersions<'a> {
    /// Asks all versions at once, with SNI, without, or both ways.
    pub(super) async fn ask(asker: &'a Asker, peer: &'a Peer, port: u16, preface: TlsPreface, sni: &[bool]) -> Self {
        let until = Instant::now() + ENDPOINT;
        let mut versions = Self { port, preface, hellos: Vec::new(), until };
        let mut offers = Vec::new();
        for &sni in sni {
            let name = peer.server_name().filter(|_| sni);
            for version in versions.versions() {
                offers.push((Offer::usual(version, name), sni));
                // RDP and MySQL count broken handshakes against the client.
                if preface == TlsPreface::Direct {
                    offers.extend(Offer::odd(version, name).into_iter().map(|offer| (offer, sni)));
                }
            }
        }
        versions.hellos = versions.at_once(asker, peer, offers).await;
        versions
    }

    /// Whether any version was accepted so far.
    pub fn any_accepted(&self) -> bool {
        self.hellos.iter().any(Asked::is_accepted)
    }

    fn versions(&self) -> impl Iterator<Item = TlsVersion> + use<> {
        let first = usize::from(self.preface == TlsPreface::MySql);
        TlsVersion::ALL.into_iter().skip(first)
    }

    async fn at_once(&self, asker: &'a Asker, peer: &'a Peer, offers: Vec<(Offer<'a>, bool)>) -> Vec<Asked<'a>> {
        let asking = offers.into_iter().map(|(offer, sni)| async move {
            let mut session = Session::new(asker, peer, self.port);
            let answer = match session.server_name(sni) {
                Ok(_) => self.once(&mut session, offer.clone()).await,
                Err(stop) => Err(stop),
            };
            Asked { offer, sni, session, answer, ended: Instant::now(), alone: false }
        });
        join_all(asking).await
    }

    /// One hello, within what is left of the port's time.
    async fn once(&self, session: &mut Session<'_>, offer: Offer<'_>) -> Result<TlsAnswer, Stop> {
        let within = session.asker.timing.exchange.min(self.left());
        tls_version::ask(session, Hello { preface: self.preface, offer, within }).await
    }

    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// Asks again what met no clear word. To be called when nothing else is asked of the port, for a server that serves one
    /// at a time turns away whoever comes second. May be dropped: what is known by then stays.
    pub async fn settle(&mut self) {
        for sni in [true, false] {
            if self.of(sni).any(Asked::is_accepted) {
                self.alone(sni).await;
            } else if self.of(sni).any(Asked::may_be_tls) && self.preface != TlsPreface::MySql {
                self.otherwise(sni).await;
                self.alone(sni).await;
            }
        }
    }

    fn of(&self, sni: bool) -> impl Iterator<Item = &Asked<'a>> {
        self.hellos.iter().filter(move |asked| asked.sni == sni)
    }

    /// Hellos that had no answer or met a closed connection, one by one; then one that is known to work.
    async fn alone(&mut self, sni: bool) {
        let Some(control) = self.of(sni).filter(|asked| asked.is_accepted()).last().map(|asked| asked.offer.clone())
        else {
            return;
        };
        let mut turned_away = Vec::new();
        for place in 0..self.hellos.len() {
            let Some(asked) = self.hellos.get(place) else { continue };
            let version = asked.offer.version;
            let accepted = self.of(sni).any(|other| other.offer.version == version && other.is_accepted());
            if asked.sni != sni || accepted || !(asked.is_hang_up() || asked.is_failed()) || self.left().is_zero() {
                continue;
            }
            let offer = asked.offer.clone();
            let mut session = asked.session.branch();
            let answer = self.once(&mut session, offer).await;
            let Some(asked) = self.hellos.get_mut(place) else { continue };
            asked.session.join(&session);
            asked.answer = answer;
            asked.ended = Instant::now();
            if asked.is_hang_up() {
                turned_away.push(place);
            }
        }
        if turned_away.is_empty() || !self.still_works(sni, &control).await {
            return;
        }
        for place in turned_away {
            if let Some(asked) = self.hellos.get_mut(place) {
                asked.alone = true;
            }
        }
    }

    /// Whether a hello that was accepted is accepted right after others were turned away.
    async fn still_works(&self, sni: bool, control: &Offer<'a>) -> bool {
        let Some(mut session) = self.of(sni).next().map(|asked| asked.session.branch()) else { return false };
        for pause in [Duration::ZERO, RECOVERS_AFTER] {
            if self.left() <= pause {
                return false;
            }
            tokio::time::sleep(pause).await;
            let worked = matches!(self.once(&mut session, control.clone()).await, Ok(TlsAnswer::Accepted { .. }));
            if worked || pause > Duration::ZERO {
                // One that works only after a pause was turning everybody away.
                return worked && pause.is_zero();
            }
        }
        false
    }

    /// Hellos of other shapes, until one is accepted. What that shape says of the other versions counts beside the rest.
    async fn otherwise(&mut self, sni: bool) {
        for shape in [Shape::Small, Shape::Bare] {
            let Some((asker, peer)) = self.of(sni).next().map(|asked| (asked.session.asker, asked.session.peer)) else {
                return;
            };
            if self.left().is_zero() {
                return;
            }
            let name = peer.server_name().filter(|_| sni);
            let offer = |version| match shape {
                Shape::Bare => Offer::bare(version),
                _ => Some(Offer::small(version, name)),
            };
            let later = self.versions().filter(|version| *version != TlsVersion::Ssl2);
            let offers = later.filter_map(offer).map(|offer| (offer, sni)).collect();
            let hellos = self.at_once(asker, peer, offers).await;
            if hellos.iter().any(Asked::is_accepted) {
                // What the first hellos met says nothing of the versions.
                let answered = |version| hellos.iter().any(|asked| asked.offer.version == version);
                self.hellos.retain(|asked| asked.sni != sni || !answered(asked.offer.version));
                self.hellos.extend(hellos);
                return;
            }
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
            let works = self.of(sni).any(Asked::is_accepted);
            for version in self.versions() {
                let mut hellos = self.of(sni).filter(|asked| asked.offer.version == version);
                let Some(first) = hellos.next() else { continue };
                let mut session = first.session.branch();
                let mut answer = answer_of(first, works);
                let mut ended = first.ended;
                session.join(&first.session);
                for asked in hellos {
                    session.join(&asked.session);
                    ended = ended.max(asked.ended);
                    answer = weightier(answer, answer_of(asked, works));
                }
                let question = Question::TlsVersion { port: self.port, version, sni };
                let mut outcome = asker.outcome(&session, question, answer.map(|answer| Fact::Tls { answer }));
                outcome.elapsed_ms = millis(ended.saturating_duration_since(session.started().unwrap_or(ended)));
                outcomes.push((question, outcome));
            }
        }
        outcomes
    }
}

/// The answer that counts: a closed connection does only where it was met alone, while another version `works`.
fn answer_of(asked: &Asked<'_>, works: bool) -> Result<TlsAnswer, Stop> {
    if works && asked.is_hang_up() && !asked.alone {
        let message = "connections are closed whatever is offered, so closing one refuses nothing";
        let cause = Cause::Other { message: PeerText::new(message, 200) };
        return Err(Failure { stage: Stage::Handshake, blame: Blame::Peer, cause }.into());
    }
    asked.answer.clone()
}

/// Of two answers to hellos for the same version, the one that says what is to be feared: acceptance, then what nobody could
/// tell, then the first.
fn weightier(first: Result<TlsAnswer, Stop>, second: Result<TlsAnswer, Stop>) -> Result<TlsAnswer, Stop> {
    let weight = |answer: &Result<TlsAnswer, Stop>| match answer {
        Ok(TlsAnswer::Accepted { .. }) => 4,
        Err(Stop::Failed(_)) => 3,
        Ok(TlsAnswer::NotTls { .. }) => 2,
        Err(Stop::Skipped(_)) => 1,
        Ok(_) => 0,
    };
    if weight(&second) > weight(&first) { second } else { first }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> Result<TlsAnswer, Stop> {
        Err(Stop::Failed(Failure { stage: Stage::Handshake, blame: Blame::Peer, cause: Cause::Closed }))
    }

    #[test]
    fn one_accepted_hello_accepts_and_one_without_an_answer_keeps_the_version_open() {
        let refused = || Ok(TlsAnswer::Alert { description: 70 });
        let accepted = || Ok(TlsAnswer::Accepted { suite: 1 });
        assert_eq!(weightier(refused(), accepted()), accepted());
        assert_eq!(weightier(failed(), accepted()), accepted());
        assert_eq!(weightier(accepted(), failed()), accepted());
        assert_eq!(weightier(refused(), failed()), failed());
        assert_eq!(weightier(refused(), Ok(TlsAnswer::Alert { description: 40 })), refused());
    }
}
