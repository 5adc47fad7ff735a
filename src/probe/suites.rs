//! Which suites and groups does a port accept, and in whose order?
//!
//! For each version that is accepted the suites are spread over hellos side by side ([`search`]); then the order is asked for
//! ([`order`]), and the groups. A connection that is closed, or met by silence, refuses nothing by itself: what it offered is
//! offered again alone, and a closed connection counts only while a hello that is known to work still does. What stays
//! unclear makes the list incomplete, and says why.

mod hellos;
mod order;
mod search;

use super::Stop;
use super::session::Session;
use crate::catalog::suite_policy;
use crate::model::observation::Skip;
use crate::model::suites::{SuiteOrder, SuitesFact, VersionSuites};
use crate::model::tls::{TlsPreface, TlsVersion};
use crate::wire::tls::{Offer, Parts, Shape, all_suites, groups, usual_suites};
use futures::future::{join, join_all};
use futures::stream::{FuturesUnordered, StreamExt as _};
use hellos::{Hellos, Topic};
use order::Ranking;
use search::{Pick, Said, Search, Why};
use std::collections::{BTreeSet, VecDeque};

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

/// A hello that is known to be accepted.
#[derive(Clone, Debug)]
pub struct Control<'a> {
    pub(super) offer: Offer<'a>,
    /// The suite that was chosen.
    pub(super) suite: u32,
}

/// A search under way: what is offered, in which hello.
#[derive(Debug)]
struct Task<'c, 'a> {
    control: &'c Control<'a>,
    topic: Topic,
    search: Search,
}

/// Asks.
pub(super) async fn ask<'a>(
    session: &mut Session<'a>,
    preface: TlsPreface,
    controls: &[Control<'a>],
) -> Result<SuitesFact, Stop> {
    if preface == TlsPreface::MySql {
        return Err(Stop::Skipped(Skip::WouldBeBlocked));
    }
    let hellos = Hellos::new(session.branch(), preface);
    let mut tasks: Vec<Task<'_, '_>> = Vec::new();
    let (ssl2, later): (Vec<_>, Vec<_>) =
        controls.iter().partition(|control| control.offer.version == TlsVersion::Ssl2);
    for control in &later {
        tasks.push(Task { control, topic: Topic::Suites, search: suites_of(control) });
        if control.offer.version == TlsVersion::Tls13 {
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
        if task.control.offer.version != TlsVersion::Tls13 && !suites.is_empty() {
            curves.push(Task {
                control: task.control,
                topic: Topic::Curves { suites },
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
    join_all(curves.iter_mut().map(|task| beside_the_certificate(&hellos, task))).await;

    let mut versions: Vec<VersionSuites> = kinds;
    for ((task, (suites, order)), dh_bits) in accepted.iter().zip(orders).zip(primes) {
        let version = task.control.offer.version;
        let groups = tasks
            .iter()
            .chain(&curves)
            .find(|other| other.control.offer.version == version && !matches!(other.topic, Topic::Suites));
        versions.push(VersionSuites {
            version,
            suites: suites.into_iter().map(u32::from).collect(),
            order,
            incomplete: incomplete(task),
            groups: groups.map(in_our_order).unwrap_or_default(),
            groups_incomplete: groups.and_then(|task| task.search.incomplete()).map(Why::words),
            dh_bits,
        });
    }
    session.join(&hellos.into_session());
    Ok(SuitesFact { versions })
}

/// Why the suites may lack some; a suite that was accepted before and is not now is a contradiction.
fn incomplete(task: &Task<'_, '_>) -> Option<String> {
    let found = task.search.found().iter().any(|suite| u32::from(*suite) == task.control.suite);
    let lost = || format!("0x{:04x} was accepted before, and is not now", task.control.suite);
    task.search.incomplete().map(Why::words).or_else(|| (!found).then(lost))
}

fn most(control: &Control<'_>) -> usize {
    if control.offer.shape == Shape::Small { MOST_OF_SMALL } else { MOST }
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
    let most = if control.offer.version == TlsVersion::Tls13 { FEW } else { FEW_GROUPS };
    Search::new(likely, FEW_GROUPS, others, most)
}

/// What was found: suites in the order that most servers have which have one, groups in that of our hellos.
fn in_our_order(task: &Task<'_, '_>) -> Vec<u16> {
    let version = task.control.offer.version;
    if matches!(task.topic, Topic::Suites) {
        let mut found = task.search.found().to_vec();
        found.sort_by_key(|suite| (rank(*suite), *suite));
        return found;
    }
    let all = groups(version);
    let found = task.search.found();
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

/// Offers one after the other what met no clear word; a closed connection refuses where a hello that is known to work is
/// accepted afterwards.
async fn alone(hellos: &Hellos<'_>, tasks: &mut [Task<'_, '_>]) {
    let mut doubtful = None;
    for task in tasks.iter_mut() {
        let mut open = VecDeque::from(task.search.take_unheard());
        while let Some(offered) = open.pop_front() {
            let said = hellos.offer(task.control, &task.topic, to_send(&task.topic, &offered)).await;
            task.search.tell(offered, said);
            open.extend(std::iter::from_fn(|| task.search.next()));
        }
        if task.search.may_be_refused() {
            doubtful = Some(task.control);
        }
    }
    if let Some(control) = doubtful
        && hellos.works(control).await
    {
        for task in tasks {
            task.search.refuse_unheard();
        }
    }
}

/// In TLS 1.2 and before, a server with a certificate for an elliptic curve wants that curve among the client's groups (RFC 8422,
/// section 5.1): what it refused alone is offered again before each curve that may be the certificate's.
async fn beside_the_certificate(hellos: &Hellos<'_>, task: &mut Task<'_, '_>) {
    let Topic::Curves { suites } = &task.topic else { return };
    let ecdsa = with(suites, |parts| parts.exchanges("ECDSA"));
    let found = task.search.found().to_vec();
    if ecdsa.is_empty() || hellos.is_over() {
        return;
    }
    let topic = Topic::Curves { suites: ecdsa };
    let certified = [0x0017, 0x0018, 0x0019].into_iter().filter(|curve| found.contains(curve));
    let refused: Vec<u16> =
        groups(task.control.offer.version).into_iter().filter(|group| !found.contains(group)).collect();
    let pairs: Vec<(u16, u16)> = certified.flat_map(|curve| refused.iter().map(move |group| (*group, curve))).collect();
    let control = task.control;
    let asked = pairs.iter().map(|(group, curve)| hellos.offer(control, &topic, vec![*group, *curve]));
    for ((group, _), said) in pairs.iter().zip(join_all(asked).await) {
        if said == Said::Picked(*group) && !task.search.found().contains(group) {
            task.search.tell(vec![*group], said);
        }
    }
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
        return (items, SuiteOrder::Single);
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
/// another.
async fn primes(hellos: &Hellos<'_>, task: &Task<'_, '_>) -> Vec<u32> {
    if task.control.offer.version == TlsVersion::Tls13 {
        return Vec::new();
    }
    let suites = with(&in_our_order(task), Parts::is_ephemeral_prime);
    let export = |suite: &u16| is(*suite, |parts| parts.exchange.contains("EXPORT"));
    let anonymous = |suite: &u16| is(*suite, Parts::is_anonymous);
    let (exported, rest): (Vec<u16>, Vec<u16>) = suites.into_iter().partition(export);
    let (unproved, proved): (Vec<u16>, Vec<u16>) = rest.into_iter().partition(anonymous);
    let kinds = [exported, unproved, proved];
    let asked = kinds.into_iter().filter(|suites| !suites.is_empty()).map(|suites| hellos.prime(task.control, suites));
    let lengths: BTreeSet<u32> = join_all(asked).await.into_iter().flatten().collect();
    lengths.into_iter().collect()
}

/// The kinds of cipher of SSL 2.0, all of which one answer names; the client chooses among them.
async fn ssl2_kinds(hellos: &Hellos<'_>, control: &Control<'_>) -> VersionSuites {
    let (suites, incomplete) = match hellos.kinds(control).await {
        Ok(kinds) => (kinds, None),
        Err(why) => (vec![control.suite], Some(why.words())),
    };
    let order = if suites.len() < 2 { SuiteOrder::Single } else { SuiteOrder::Client };
    let (groups, dh_bits) = (Vec::new(), Vec::new());
    VersionSuites { version: TlsVersion::Ssl2, suites, order, incomplete, groups, groups_incomplete: None, dh_bits }
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
