//! Which suites and groups does a port accept, and in whose order?
//!
//! For each version that is accepted the suites are spread over hellos side by side ([`search`]); then the order is asked for
//! ([`order`]), and the groups. A connection that is closed, or met by silence, refuses nothing by itself: what it offered is
//! offered again alone, and closed connections count only among hellos that are known to work and still do ([`alone`]). What
//! stays unclear makes the list incomplete, and says why.

mod alone;
mod hellos;
mod order;
mod search;

use super::Stop;
use super::session::Session;
use crate::catalog::suite_policy;
use crate::model::observation::Skip;
use crate::model::suites::{SuiteOrder, SuitesFact, Unsettled, VersionSuites};
use crate::model::tls::{TlsPreface, TlsVersion};
use crate::wire::tls::{Offer, Parts, Shape, all_suites, groups, usual_suites};
use alone::alone;
use futures::future::{join, join_all};
use futures::stream::{FuturesUnordered, StreamExt as _};
use hellos::{Hellos, Topic};
use order::Ranking;
use search::{Pick, Said, Search, Why};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// The most suites that a hello offers here; some old servers cannot take 128.
const MOST: usize = 100;

/// The same where only small hellos are understood: so few that with all else they stay below 256 bytes.
const MOST_OF_SMALL: usize = 24;

/// How many of the usual suites are offered together at first.
const FEW: usize = 8;

/// How many of the usual groups are.
const FEW_GROUPS: usize = 2;

/// How many groups servers often accept, in the order of [`groups`]: x25519, the curves of NIST, x448.
const LIKELY_GROUPS: usize = 5;

/// How long a server that may serve one at a time is left alone before it is asked once more in the usual way.
const BEFORE_ANOTHER_SHAPE: Duration = Duration::from_millis(50);

/// A hello that is known to be accepted.
#[derive(Clone, Debug)]
pub struct Control<'a> {
    pub(super) offer: Offer<'a>,
    /// The suite that was chosen.
    pub(super) suite: u32,
}

impl Control<'_> {
    /// The version for which it is.
    pub fn version(&self) -> TlsVersion {
        self.offer.version
    }
}

/// A search under way: what is offered, in which hello.
#[derive(Debug)]
struct Task<'c, 'a> {
    control: &'c Control<'a>,
    topic: Topic,
    search: Search,
}

/// Asks, until the time that the port is given is over.
pub(super) async fn ask<'a>(
    session: &mut Session<'a>,
    preface: TlsPreface,
    controls: &[Control<'a>],
    unsettled: Vec<Unsettled>,
    until: Instant,
) -> Result<SuitesFact, Stop> {
    if preface == TlsPreface::MySql {
        return Err(Stop::Skipped(Skip::WouldBeBlocked));
    }
    let hellos = Hellos::new(session.branch(), preface, until);
    let controls = as_usual(&hellos, controls).await;
    let mut tasks: Vec<Task<'_, '_>> = Vec::new();
    let (ssl2, later): (Vec<_>, Vec<_>) =
        controls.iter().partition(|control| control.offer.version == TlsVersion::Ssl2);
    for control in &later {
        tasks.push(Task { control, topic: Topic::Suites, search: suites_of(control) });
        if control.version() == TlsVersion::Tls13 {
            tasks.push(Task { control, topic: Topic::Groups, search: groups_of(control) });
        }
    }
    // What they lead to is asked beside them, as far as it can be: round trips are what takes time.
    let firsts = join_all(later.iter().map(|control| firsts(&hellos, control)));
    let searches = join_all(tasks.iter_mut().map(|task| exhaust(&hellos, task)));
    let kinds = join_all(ssl2.iter().map(|control| ssl2_kinds(&hellos, control)));
    let (kinds, firsts, _) = futures::join!(kinds, firsts, searches);
    alone(&hellos, &mut tasks).await;

    let mut curves: Vec<Task<'_, '_>> = Vec::new();
    for task in tasks.iter().filter(|task| matches!(task.topic, Topic::Suites)) {
        let suites = with(&in_our_order(task), Parts::is_ephemeral_curve);
        if task.control.version() != TlsVersion::Tls13 && !suites.is_empty() {
            curves.push(Task {
                control: task.control,
                topic: Topic::Curves { suites, beside: None },
                search: groups_of(task.control),
            });
        }
    }
    let accepted: Vec<&Task<'_, '_>> = tasks.iter().filter(|task| matches!(task.topic, Topic::Suites)).collect();
    let orders = join_all(accepted.iter().zip(firsts).map(|(task, firsts)| order_of(&hellos, task, firsts)));
    let primes = join_all(accepted.iter().map(|task| primes(&hellos, task)));
    let searches = join_all(curves.iter_mut().map(|task| exhaust(&hellos, task)));
    let ((orders, primes), _) = join(join(orders, primes), searches).await;
    alone(&hellos, &mut curves).await;
    let mut beside: Vec<Task<'_, '_>> = curves.iter().flat_map(beside_the_certificate).collect();
    join_all(beside.iter_mut().map(|task| exhaust(&hellos, task))).await;
    alone(&hellos, &mut beside).await;

    let mut versions: Vec<VersionSuites> = kinds;
    for ((task, (suites, order)), (dh_bits, dh_incomplete)) in accepted.iter().zip(orders).zip(primes) {
        let version = task.control.version();
        let about_groups =
            |other: &&Task<'_, '_>| other.control.version() == version && !matches!(other.topic, Topic::Suites);
        let searches: Vec<&Task<'_, '_>> = tasks.iter().chain(&curves).chain(&beside).filter(about_groups).collect();
        let mut suites: Vec<u32> = suites.into_iter().map(u32::from).collect();
        // Accepted with the version, however little was learned since.
        if !suites.contains(&task.control.suite) {
            suites.push(task.control.suite);
        }
        versions.push(VersionSuites {
            version,
            sni: task.control.offer.server_name.is_some(),
            suites,
            order,
            incomplete: incomplete(task),
            groups: groups_found(version, &searches),
            groups_incomplete: searches.iter().find_map(|task| task.search.incomplete()).map(Why::words),
            dh_bits,
            dh_incomplete,
        });
    }
    session.join(&hellos.into_session());
    Ok(SuitesFact { versions, unsettled })
}

/// A hello of another shape may have been accepted only because the usual one met a server that was busy. It would hide suites:
/// without extensions nobody agrees on a curve. So the usual one is tried once more, alone.
async fn as_usual<'a>(hellos: &Hellos<'_>, controls: &[Control<'a>]) -> Vec<Control<'a>> {
    let mut usual = Vec::with_capacity(controls.len());
    for control in controls {
        let mut control = control.clone();
        if control.offer.shape != Shape::Usual {
            let offer = Offer::usual(control.version(), control.offer.server_name);
            let other = Control { offer, suite: control.suite };
            tokio::time::sleep(BEFORE_ANOTHER_SHAPE).await;
            if hellos.works(&other).await {
                control = other;
            }
        }
        usual.push(control);
    }
    usual
}

/// Why the suites may lack some; a suite that was accepted before and is not now is a contradiction.
fn incomplete(task: &Task<'_, '_>) -> Option<String> {
    let found = task.search.found().iter().any(|suite| u32::from(*suite) == task.control.suite);
    let lost = || format!("0x{:04x} was accepted before, and is not now", task.control.suite);
    task.search.incomplete().map(Why::words).or_else(|| (!found).then(lost))
}

/// How many suites a hello offers at most: no more than one that the server has accepted, or it may be the length that is
/// refused.
fn most(control: &Control<'_>) -> usize {
    let most = if control.offer.shape == Shape::Small { MOST_OF_SMALL } else { MOST };
    most.min(control.offer.suites.len()).max(1)
}

fn suites_of(control: &Control<'_>) -> Search {
    let version = control.offer.version;
    let all = all_suites(version);
    let usual: BTreeSet<u16> = usual_suites(version).into_iter().collect();
    let (likely, others): (Vec<u16>, Vec<u16>) = all.into_iter().partition(|suite| usual.contains(suite));
    // Of TLS 1.3 there are few, and servers accept two or three.
    let few = if version == TlsVersion::Tls13 { 4 } else { FEW };
    Search::new(&likely, few, &others, most(control))
}

fn groups_of(control: &Control<'_>) -> Search {
    let all = groups(control.offer.version);
    let (likely, others) = all.split_at_checked(LIKELY_GROUPS).unwrap_or((&all, &[]));
    let most = if control.version() == TlsVersion::Tls13 { FEW } else { FEW_GROUPS };
    Search::new(likely, FEW_GROUPS, others, most)
}

/// The suites that were found, in the order that most servers have which have one.
fn in_our_order(task: &Task<'_, '_>) -> Vec<u16> {
    let mut found = task.search.found().to_vec();
    found.sort_by_key(|suite| (rank(*suite), *suite));
    found
}

/// The groups that were found, in the order of our hellos.
fn groups_found(version: TlsVersion, searches: &[&Task<'_, '_>]) -> Vec<u16> {
    let all = groups(version);
    let found: BTreeSet<u16> = searches.iter().flat_map(|task| task.search.found()).copied().collect();
    let strange = found.iter().filter(|item| !all.contains(item));
    all.iter().filter(|item| found.contains(item)).chain(strange).copied().collect()
}

fn rank(suite: u16) -> [u8; 6] {
    suite_policy::name(u32::from(suite)).map_or([u8::MAX; 6], |name| Parts::of(name).rank())
}

fn is(suite: u16, what: impl FnOnce(&Parts<'static>) -> bool) -> bool {
    suite_policy::name(u32::from(suite)).is_some_and(|name| what(&Parts::of(name)))
}

fn with(suites: &[u16], what: impl Fn(&Parts<'static>) -> bool) -> Vec<u16> {
    suites.iter().copied().filter(|suite| is(*suite, &what)).collect()
}

/// Offers side by side until there is nothing left to offer.
async fn exhaust(hellos: &Hellos<'_>, task: &mut Task<'_, '_>) {
    let mut asked = FuturesUnordered::new();
    let (control, topic) = (task.control, &task.topic);
    loop {
        while let Some(offered) = task.search.next() {
            asked.push(async move {
                let said = hellos.offer(control, topic, to_send(topic, &offered)).await;
                (offered, said)
            });
        }
        match asked.next().await {
            Some((offered, said)) => task.search.tell(offered, said),
            None => return,
        }
    }
}

/// In TLS 1.2 and before, a server with a certificate for an elliptic curve wants that curve among the client's groups (RFC 8422,
/// section 5.1): what it refused alone is offered again before each curve that may be the certificate's.
fn beside_the_certificate<'c, 'a>(task: &Task<'c, 'a>) -> Vec<Task<'c, 'a>> {
    let Topic::Curves { suites, .. } = &task.topic else { return Vec::new() };
    let ecdsa = with(suites, |parts| parts.exchanges("ECDSA"));
    if ecdsa.is_empty() {
        return Vec::new();
    }
    let found = task.search.found();
    let refused: Vec<u16> = groups(task.control.version()).into_iter().filter(|group| !found.contains(group)).collect();
    let certified = [0x0017, 0x0018, 0x0019].into_iter().filter(|curve| found.contains(curve));
    certified
        .map(|curve| Task {
            control: task.control,
            topic: Topic::Curves { suites: ecdsa.clone(), beside: Some(curve) },
            search: Search::new(&refused, FEW_GROUPS, &[], FEW_GROUPS),
        })
        .collect()
}

fn to_send(topic: &Topic, items: &[u16]) -> Vec<u16> {
    if matches!(topic, Topic::Suites) { arranged(items) } else { items.to_vec() }
}

/// What a client puts first has a meaning of its own for some servers, which then prefer `ChaCha20` for a client without
/// hardware for AES (OpenSSL's `PrioritizeChaCha`, Go). So AES-GCM comes first and `ChaCha20` last, in their order otherwise.
fn arranged(items: &[u16]) -> Vec<u16> {
    let mut items = items.to_vec();
    items.sort_by_key(|suite| match () {
        () if is(*suite, Parts::is_aes_gcm) => 0,
        () if is(*suite, Parts::is_chacha) => 2,
        () => 1,
    });
    items
}

/// The accepted suites in the order that counts, as far as there is one.
async fn order_of(hellos: &Hellos<'_>, task: &Task<'_, '_>, firsts: Vec<Pick>) -> (Vec<u16>, SuiteOrder) {
    let items = in_our_order(task);
    if items.len() < 2 {
        let order = match incomplete(task) {
            Some(why) => SuiteOrder::Unknown { why },
            None => SuiteOrder::Single,
        };
        return (items, order);
    }
    let decided = match decide(firsts, &items) {
        Some(decided) => decided,
        None => whose(hellos, task.control, &items).await,
    };
    match decided {
        Ok(Some(picks)) => {
            let chacha = favours_chacha(hellos, task.control, &items, &picks);
            match join(total(hellos, task, &items, &picks), chacha).await {
                (Ok(order), chacha_first) => (order, SuiteOrder::Server { chacha_first }),
                (Err(why), _) => (items, SuiteOrder::Unknown { why }),
            }
        }
        Ok(None) => (items, SuiteOrder::Client),
        Err(why) => (items, SuiteOrder::Unknown { why }),
    }
}

/// Offers that tell whose order decides: ours, the same backwards, and with what is weakest at the front.
fn telling(items: &[u16]) -> [Vec<u16>; 3] {
    let backwards: Vec<u16> = items.iter().rev().copied().collect();
    let mut worst_first = backwards.clone();
    worst_first.sort_by_key(|suite| is(*suite, Parts::is_chacha));
    let forwards = arranged(items);
    let mut reversed = arranged(&backwards);
    for other in [&worst_first, &backwards] {
        if reversed.first() == forwards.first() {
            reversed.clone_from(other);
        }
    }
    [forwards, reversed, worst_first]
}

/// The same offers of all usual suites, before it is known which are accepted: most often that tells as much.
async fn firsts(hellos: &Hellos<'_>, control: &Control<'_>) -> Vec<Pick> {
    let version = control.offer.version;
    let all = all_suites(version);
    let mut usual: Vec<u16> = usual_suites(version).into_iter().filter(|suite| all.contains(suite)).collect();
    usual.truncate(most(control));
    let offers = telling(&usual);
    let asked = offers.iter().map(|offered| hellos.offer(control, &Topic::Suites, offered.clone()));
    let said = join_all(asked).await;
    let picks = offers.into_iter().zip(said).filter_map(|(offered, said)| match said {
        Said::Picked(winner) => Some(Pick { winner, offered }),
        _ => None,
    });
    picks.collect()
}

/// Whose order decides, where the choices tell: that of the server where it chooses the same whatever comes first, with its
/// choices; the client's where it always takes the first.
fn decide(mut picks: Vec<Pick>, accepted: &[u16]) -> Option<Result<Option<Vec<Pick>>, String>> {
    for pick in &mut picks {
        pick.offered.retain(|suite| accepted.contains(suite));
        if !pick.offered.contains(&pick.winner) {
            return None;
        }
    }
    let taken_first = |pick: &Pick| pick.offered.first() == Some(&pick.winner);
    match picks.as_slice() {
        [one, other, _] if one.offered.first() == other.offered.first() => None,
        [one, other, _] if one.winner == other.winner => Some(Ok(Some(picks.into_iter().take(2).collect()))),
        [_, _, _] if picks.iter().all(taken_first) => Some(Ok(None)),
        [_, _, _] => Some(Err("what the client puts first decides in part".to_owned())),
        _ => None,
    }
}

async fn whose(hellos: &Hellos<'_>, control: &Control<'_>, items: &[u16]) -> Result<Option<Vec<Pick>>, String> {
    let offers = telling(items);
    let asked = offers.iter().map(|offered| picked(hellos, control, offered));
    let mut picks = Vec::new();
    for (offered, winner) in offers.iter().zip(join_all(asked).await) {
        picks.push(Pick { winner: winner?, offered: offered.clone() });
    }
    decide(picks, items).unwrap_or_else(|| Err("the offers that were tried do not tell".to_owned()))
}

/// What the server chooses of an offer that it accepts. What meets no clear word is offered once more, alone.
async fn picked(hellos: &Hellos<'_>, control: &Control<'_>, offered: &[u16]) -> Result<u16, String> {
    let mut said = hellos.offer(control, &Topic::Suites, offered.to_vec()).await;
    if !matches!(said, Said::Picked(_)) {
        said = hellos.offer_alone(control, &Topic::Suites, offered.to_vec()).await;
    }
    match said {
        Said::Picked(winner) if offered.contains(&winner) => Ok(winner),
        Said::Picked(winner) => Err(format!("the server chose 0x{winner:04x}, which was not offered")),
        Said::Refused => Err("suites are accepted at one time and refused at another".to_owned()),
        Said::Unclear(why) => Err(why.words()),
    }
}

/// The server's whole order.
async fn total(hellos: &Hellos<'_>, task: &Task<'_, '_>, items: &[u16], picks: &[Pick]) -> Result<Vec<u16>, String> {
    let mut ranking = Ranking::new(items);
    task.search.picks().iter().chain(picks).for_each(|pick| ranking.note(pick));
    loop {
        let questions = ranking.questions();
        if let Some(order) = ranking.order() {
            return Ok(order);
        }
        if ranking.is_contradicted() || questions.is_empty() {
            return Err("the server does not choose by one order".to_owned());
        }
        let questions: Vec<Vec<u16>> =
            questions.into_iter().map(|offered| arranged(&offered.into_iter().rev().collect::<Vec<_>>())).collect();
        let asked = questions.iter().map(|offered| picked(hellos, task.control, offered));
        for (offered, winner) in questions.iter().zip(join_all(asked).await) {
            ranking.note(&Pick { winner: winner?, offered: offered.clone() });
        }
    }
}

/// Whether a server that prefers another suite takes `ChaCha20` from a client that puts it first.
async fn favours_chacha(hellos: &Hellos<'_>, control: &Control<'_>, items: &[u16], picks: &[Pick]) -> bool {
    let chacha = |suite: &u16| is(*suite, Parts::is_chacha);
    if picks.iter().any(|pick| chacha(&pick.winner)) || !items.iter().any(chacha) {
        return false;
    }
    let mut offered = items.to_vec();
    offered.sort_by_key(|suite| !chacha(suite));
    matches!(hellos.offer(control, &Topic::Suites, offered).await, Said::Picked(winner) if chacha(&winner))
}

/// The primes that the server chooses: for suites that prove who it is, and for anonymous and export ones, which often have
/// another. And why there may be more.
async fn primes(hellos: &Hellos<'_>, task: &Task<'_, '_>) -> (Vec<u32>, Option<String>) {
    if task.control.version() == TlsVersion::Tls13 {
        return (Vec::new(), None);
    }
    let suites = with(&in_our_order(task), Parts::is_ephemeral_prime);
    let export = |suite: &u16| is(*suite, |parts| parts.exchange.contains("EXPORT"));
    let anonymous = |suite: &u16| is(*suite, Parts::is_anonymous);
    let (exported, rest): (Vec<u16>, Vec<u16>) = suites.into_iter().partition(export);
    let (unproved, proved): (Vec<u16>, Vec<u16>) = rest.into_iter().partition(anonymous);
    let kinds = [exported, unproved, proved];
    let asked = kinds.iter().filter(|suites| !suites.is_empty()).map(|suites| hellos.prime(task.control, suites));
    let (mut lengths, mut incomplete) = (BTreeSet::new(), None);
    for length in join_all(asked).await {
        match length {
            Ok(bits) => drop(lengths.insert(bits)),
            Err(why) => incomplete = Some(why.words()),
        }
    }
    (lengths.into_iter().collect(), incomplete)
}

/// The kinds of cipher of SSL 2.0, all of which one answer names; the client chooses among them.
async fn ssl2_kinds(hellos: &Hellos<'_>, control: &Control<'_>) -> VersionSuites {
    let (suites, incomplete) = match hellos.kinds(control).await {
        Ok(kinds) => (kinds, None),
        Err(why) => (vec![control.suite], Some(why.words())),
    };
    let order = if suites.len() < 2 { SuiteOrder::Single } else { SuiteOrder::Client };
    VersionSuites {
        version: TlsVersion::Ssl2,
        sni: false,
        suites,
        order,
        incomplete,
        groups: Vec::new(),
        groups_incomplete: None,
        dh_bits: Vec::new(),
        dh_incomplete: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(choose: impl Fn(&[u16]) -> u16, items: &[u16]) -> Option<Result<Option<usize>, String>> {
        let picks = telling(items).map(|offered| Pick { winner: choose(&offered), offered });
        decide(picks.into(), items).map(|decided| decided.map(|picks| picks.map(|picks| picks.len())))
    }

    #[test]
    fn whose_order_decides_is_told_by_three_offers() {
        let items = [0xc030, 0xcca8, 0xc02f, 0xc014, 0x009d];
        for first in items {
            assert_eq!(server(|_| first, &items), Some(Ok(Some(2))), "{first:#06x}");
        }
        assert_eq!(server(|offered| offered[0], &items), Some(Ok(None)));
        // OpenSSL's PrioritizeChaCha: the head of an offer is never ChaCha20, so the order is the server's.
        let prioritised = |offered: &[u16]| if offered[0] == 0xcca8 { 0xcca8 } else { 0xc014 };
        assert_eq!(server(prioritised, &items), Some(Ok(Some(2))));
        // Equal preference in groups, as BoringSSL has it: neither.
        let grouped = |offered: &[u16]| *offered.iter().find(|suite| matches!(suite, 0xc030 | 0xc02f)).unwrap();
        assert!(matches!(server(grouped, &items), Some(Err(_))));
        assert_eq!(server(|offered| offered[0], &[0x1301, 0x1303]), Some(Ok(None)));
        assert_eq!(server(|_| 0x1303, &[0x1301, 0x1303]), Some(Ok(Some(2))));
        // What is not accepted tells nothing.
        assert_eq!(server(|_| 0x0005, &items), None);
    }

    #[test]
    fn chacha_is_never_first_where_there_is_anything_else() {
        assert_eq!(arranged(&[0xcca8, 0xc014, 0xc02f, 0xc030]), [0xc02f, 0xc030, 0xc014, 0xcca8]);
        assert_eq!(arranged(&[0xcca8, 0xc014]), [0xc014, 0xcca8]);
        assert_eq!(arranged(&[0x1303, 0x1301]), [0x1301, 0x1303]);
    }
}
