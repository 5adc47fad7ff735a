//! What was seen of a target, in all runs of the series: what differs, what flaps, what could not be compared.

use super::course::{Outcome, course};
use super::pair::{In, Moves, Pair};
use super::ranges::{Layer, Place, Ranges, declared, is_grave, is_wanted, parts};
use super::reason;
use super::seen::{Sights, sights};
use super::sight::{Sight, Value, Worth, class};
use crate::model::drift::{Because, CertificatePart, Class, HttpPart, NotCompared, Reason, Sighting, Subject};
use crate::model::ports::{Ports, Transport};
use crate::model::question::Question;
use crate::model::run::Trouble;
use crate::model::verdict::Severity;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The first port of those that systems give out by themselves (RFC 6335, section 6).
const DYNAMIC: u16 = 49_152;

/// What one run saw of the target.
pub(super) struct Seen<'a> {
    pub(super) place: In<'a>,
    sights: Sights,
    ranges: Ranges,
    /// The addresses of this run that are others now.
    moves: Moves,
}

impl<'a> Seen<'a> {
    pub(super) fn of(place: In<'a>, moves: Moves) -> Self {
        let sights = sights(place.target);
        let sights = if moves.is_empty() {
            sights
        } else {
            {
                let now = |address| moves.get(&address).copied().unwrap_or(address);
                sights.into_iter().map(|(subject, sight)| (subject.moved(now), sight)).collect()
            }
        };
        Self { sights, ranges: Ranges::of(place.run, place.target), place, moves }
    }

    /// The place as this run calls it, by the newer run's address.
    fn own(&self, (address, transport, layer): Place) -> Place {
        let own = self.moves.iter().find(|(_, new)| **new == address).map_or(address, |(old, _)| *old);
        (own, transport, layer)
    }

    fn places(&self) -> impl Iterator<Item = Place> {
        self.ranges
            .places()
            .map(|(address, transport, layer)| (self.moves.get(&address).copied().unwrap_or(address), transport, layer))
    }

    fn port(&self, place: Place, port: u16) -> Option<&Sight> {
        self.ranges.get(self.own(place), port)
    }

    /// Whether its name led to this address; `None` where that is not known of its family.
    fn leads_to(&self, address: IpAddr) -> Sight {
        let addresses = || self.place.target.addresses.iter().map(|one| one.address);
        let unresolved = self.place.target.troubles.iter().find_map(|trouble| match trouble {
            Trouble::Unresolved { message } => Some(message),
            _ => None,
        });
        if addresses().any(|known| known == address) {
            Sight::text("leads there")
        } else if let Some(message) = unresolved {
            Sight::lost(message.clone())
        } else if addresses().any(|known| known.is_ipv6() == address.is_ipv6()) {
            Sight::Seen(Value { absent: true, ..Value::new("does not lead there", Worth::Unknown) })
        } else {
            let family = if address.is_ipv6() { "IPv6" } else { "IPv4" };
            Sight::lost(format!("the run has no {family} address of it"))
        }
    }
}

/// Something that was seen and differs.
#[derive(Clone, Debug)]
pub(super) struct Difference {
    pub(super) subject: Subject,
    pub(super) class: Class,
    pub(super) severity: Severity,
    pub(super) sighting: Sighting,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
    /// The run in which `before` was seen.
    pub(super) from: Option<usize>,
    /// Nothing but the date made it so.
    pub(super) time: bool,
    /// Whether it is told by itself; what goes with a port is told with that port.
    pub(super) listed: bool,
    pub(super) why: Vec<Because>,
}

impl Difference {
    /// The difference in words.
    pub(super) fn told(&self) -> String {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => format!("{}: {before} → {after}", self.subject),
            (Some(before), None) => format!("{}: {before} → not known", self.subject),
            (None, Some(after)) => format!("{}: {after}", self.subject),
            (None, None) => self.subject.to_string(),
        }
    }
}

/// Everything that was seen, compared.
#[derive(Debug, Default)]
pub(super) struct Things {
    pub(super) differences: Vec<Difference>,
    /// The places of the differences by address, kind and first port, in order.
    index: BTreeMap<(IpAddr, &'static str), Vec<(u16, usize)>>,
    /// The subject, how much it matters, and the last sights.
    pub(super) flapping: Vec<(Subject, Severity, Vec<String>)>,
    pub(super) not_compared: Vec<NotCompared>,
}

impl Things {
    /// Compares what the runs of a series saw of a target; `runs` holds the newer run last and the older at `base`.
    pub(super) fn compare(runs: &[Option<Seen<'_>>], base: usize, pair: &Pair<'_>) -> Self {
        let mut things = Self::default();
        let (Some(Some(new)), Some(Some(old))) = (runs.last(), runs.get(base)) else { return things };
        let mut made = Making { runs, base, pair, new, old, untold: BTreeMap::new(), things: &mut things };
        made.addresses();
        let places: BTreeSet<Place> = new.places().chain(old.places()).collect();
        for place in places {
            made.place(place);
        }
        let subjects: BTreeSet<&Subject> = new.sights.keys().chain(old.sights.keys()).collect();
        for subject in subjects {
            made.thing(subject);
        }
        let untold = std::mem::take(&mut made.untold);
        things.not_compared = untold.into_iter().map(|(why, subjects)| NotCompared { subjects, why }).collect();
        things.forget_dynamic();
        for (place, difference) in things.differences.iter().enumerate() {
            if let Some(address) = difference.subject.address() {
                let first = first_port(&difference.subject);
                things.index.entry((address, difference.subject.kind())).or_default().push((first, place));
            }
        }
        things.index.values_mut().for_each(|places| places.sort_unstable());
        things
    }

    /// The places of the differences that a question at an address is about.
    pub(super) fn about(&self, at: IpAddr, question: Question) -> Vec<usize> {
        let (kind, last) = match question {
            Question::Port { ports } => ("port", ports.last()),
            Question::Service { ports } => ("service", ports.last()),
            Question::Witness { ports } => ("proof", ports.last()),
            Question::TlsVersion { port, .. } => ("tls-version", port),
            Question::Certificate { port, .. } => ("certificate", port),
            Question::Suites { port, .. } => ("suites", port),
            Question::Http { port, .. } => ("http", port),
            Question::Products { port } => ("product", port),
            Question::RdpNla { port } => ("rdp-nla", port),
            Question::Smb1 { port } => ("smb1", port),
        };
        let mut places = Vec::new();
        let of = |kind: &'static str| self.index.get(&(at, kind)).map(Vec::as_slice).unwrap_or_default();
        let told = of(kind);
        let end = told.partition_point(|(first, _)| *first <= last);
        // Ranges do not overlap: what begins before the question's first port and ends within it is the last of those.
        let begin = told.partition_point(|(first, _)| *first < question.port()).saturating_sub(1);
        let near = told.get(begin..end).unwrap_or_default().iter().chain(of("address"));
        places.extend(near.map(|(_, place)| *place).filter(|place| {
            self.differences.get(*place).is_some_and(|difference| reason::is_about((at, question), &difference.subject))
        }));
        places
    }

    /// Ports that the system gives out change with every start of a service. Where as many of them opened as closed, of
    /// services that are not told apart by what they say, that is no change.
    fn forget_dynamic(&mut self) {
        let dynamic = |difference: &Difference| {
            let Subject::Port { ports, .. } = &difference.subject else { return None };
            let open = |words: &Option<String>| words.as_deref().is_some_and(|words| words.starts_with("open"));
            let (was, is) = (open(&difference.before), open(&difference.after));
            let words = if is { &difference.after } else { &difference.before };
            let common = words.as_deref().is_some_and(|words| {
                matches!(
                    words.strip_prefix("open").unwrap_or_default().trim_start_matches(": "),
                    "" | "MSRPC endpoint mapper"
                        | "a protocol that is not known"
                        | "accepts connections and says nothing"
                )
            });
            let counts = ports.first() >= DYNAMIC && ports.count() == 1 && was != is && common;
            counts.then(|| (difference.subject.address(), ports.transport(), words.clone(), is))
        };
        let mut places: BTreeMap<_, [Vec<usize>; 2]> = BTreeMap::new();
        for (place, difference) in self.differences.iter().enumerate() {
            if let Some((address, transport, words, is)) = dynamic(difference)
                && let Some(list) = places.entry((address, transport, words)).or_default().get_mut(usize::from(is))
            {
                list.push(place);
            }
        }
        let forgotten: BTreeSet<usize> =
            places.into_values().filter(|[closed, opened]| closed.len() == opened.len()).flatten().flatten().collect();
        let mut place = 0;
        self.differences.retain(|_| {
            place += 1;
            !forgotten.contains(&(place - 1))
        });
    }
}

/// What is being made, with all that it is made of.
struct Making<'m, 'a> {
    runs: &'m [Option<Seen<'a>>],
    base: usize,
    pair: &'m Pair<'a>,
    new: &'m Seen<'a>,
    old: &'m Seen<'a>,
    untold: BTreeMap<String, Vec<String>>,
    things: &'m mut Things,
}

impl Making<'_, '_> {
    fn untold(&mut self, subject: &Subject, why: &str) {
        self.untold.entry(why.to_owned()).or_default().push(subject.to_string());
    }

    /// To which addresses the name leads.
    fn addresses(&mut self) {
        let of = |seen: &Seen<'_>| seen.place.target.addresses.iter().map(|one| one.address).collect::<Vec<_>>();
        let all: BTreeSet<IpAddr> = of(self.new).into_iter().chain(of(self.old)).collect();
        for address in all {
            let sights: Vec<Option<Sight>> =
                self.runs.iter().map(|run| run.as_ref().map(|run| run.leads_to(address))).collect();
            let sights: Vec<Option<&Sight>> = sights.iter().map(Option::as_ref).collect();
            let subject = Subject::Address { address };
            match course(&sights, self.base) {
                Outcome::Changed { from, to, .. } => {
                    let came = !to.absent;
                    let mut after = to.words.clone();
                    if came {
                        let open = self.open_at(address);
                        if !open.is_empty() {
                            after = format!("{after}; open: {}", open.join(", "));
                        }
                    }
                    self.things.differences.push(Difference {
                        subject,
                        class: if came { Class::New } else { Class::Neutral },
                        severity: if came { Severity::Medium } else { Severity::Low },
                        sighting: if came { Sighting::First } else { Sighting::Gone },
                        before: Some(from.1.words.clone()),
                        after: Some(after),
                        from: Some(from.0),
                        time: false,
                        listed: true,
                        why: reason::of_thing(self.pair, None),
                    });
                }
                other => self.outcome(&subject, &other, Severity::Low, true),
            }
        }
    }

    /// The open TCP ports of an address, the first of them.
    fn open_at(&self, address: IpAddr) -> Vec<String> {
        let place = (address, Transport::Tcp, Layer::Port);
        let parts = parts(&[Some(&self.new.ranges)], &[Some(place)], &BTreeSet::new());
        let open = |ports: &&Ports| {
            self.new.port(place, ports.first()).and_then(Sight::seen).is_some_and(|value| value.words == "open")
        };
        parts.iter().filter(open).take(12).map(ToString::to_string).collect()
    }

    /// The ports of one place, neighbours of which the same is to be said as one range.
    fn place(&mut self, place: Place) {
        let (address, transport, layer) = place;
        if !self.is_shared(address) {
            return;
        }
        let mut bounds = BTreeSet::new();
        let mut all: Vec<Option<&Ranges>> = Vec::new();
        let mut places: Vec<Option<Place>> = Vec::new();
        for run in self.runs.iter().flatten() {
            declared(&run.place.target.target, &mut bounds);
            all.push(Some(&run.ranges));
            places.push(Some(run.own(place)));
            // What speaks is told with a port that opens.
            if layer == Layer::Port {
                all.push(Some(&run.ranges));
                places.push(Some(run.own((address, transport, Layer::Service))));
            }
        }
        let mut told: Vec<(Ports, Told)> = Vec::new();
        for part in parts(&all, &places, &bounds) {
            let sights: Vec<Option<&Sight>> =
                self.runs.iter().map(|run| run.as_ref()?.port(place, part.first())).collect();
            let Some(this) = self.told(place, part, &course(&sights, self.base)) else { continue };
            match told.last_mut() {
                Some((ports, last)) if *last == this && ports.last().checked_add(1) == Some(part.first()) => {
                    *ports = ports.with_last(part.last()).unwrap_or(*ports);
                }
                _ => told.push((part, this)),
            }
        }
        for (ports, told) in told {
            self.tell(layer.subject(address, ports), told);
        }
    }

    /// Whether both runs have this address, so that what is behind it can be compared.
    fn is_shared(&self, address: IpAddr) -> bool {
        let has = |seen: &Seen<'_>| {
            seen.place
                .target
                .addresses
                .iter()
                .any(|one| seen.moves.get(&one.address).copied().unwrap_or(one.address) == address)
        };
        has(self.new) && has(self.old)
    }

    /// What is to be told of ports by their outcome.
    fn told(&self, place: Place, part: Ports, outcome: &Outcome<'_>) -> Option<Told> {
        let (address, transport, layer) = place;
        let first = part.first();
        let speaks = |run: &Seen<'_>| -> Option<String> {
            let sight = run.port((address, transport, Layer::Service), first)?;
            sight.seen().map(|value| value.words.clone())
        };
        let worded = |run: Option<&Seen<'_>>, value: &Value| match run.and_then(speaks) {
            Some(service) if layer == Layer::Port && value.words == "open" => format!("open: {service}"),
            _ => value.words.clone(),
        };
        let run = |place: usize| self.runs.get(place).and_then(Option::as_ref);
        let severity = |words: &[&str]| match layer {
            Layer::Service => Severity::Medium,
            _ if words.iter().any(|words| words.strip_prefix("open: ").is_some_and(is_grave)) => Severity::High,
            _ => Severity::Medium,
        };
        Some(match outcome {
            Outcome::Changed { from, to, regained } => {
                let (before, after) = (worded(run(from.0), from.1), worded(Some(self.new), to));
                Told::Changed {
                    severity: severity(&[&before, &after]),
                    class: class(from.1, to),
                    from: from.0,
                    regained: regained.is_some(),
                    before,
                    after,
                }
            }
            Outcome::Flapping(words) => Told::Flapping(severity(&[]), words.clone()),
            Outcome::Lost { from, why } => {
                let before = worded(Some(self.old), from);
                // What never was open is lost without a loss; it is told among what could not be compared.
                if layer == Layer::Port && from.words != "open" {
                    return Some(Told::Untold((*why).to_owned()));
                }
                if layer == Layer::Service && !self.is_open((address, first)) {
                    return None;
                }
                Told::Lost { severity: severity(&[&before]), before, why: (*why).to_owned() }
            }
            Outcome::First { to, asked } if layer == Layer::Port && to.words == "open" => {
                let after = worded(Some(self.new), to);
                let wanted = is_wanted(&self.new.place.target.target, address, transport, first);
                let severity = if wanted { Severity::Low } else { severity(&[&after]) };
                Told::First { severity, after, asked: asked.map(str::to_owned) }
            }
            Outcome::Untold(why) if layer == Layer::Service && self.is_open((address, first)) => {
                Told::Untold((*why).to_owned())
            }
            Outcome::Untold(_) if layer == Layer::Service => return None,
            Outcome::Untold(why) => Told::Untold((*why).to_owned()),
            Outcome::Gone(_) if layer == Layer::Port => Told::Untold("not asked in the newer run".to_owned()),
            Outcome::Gone(_) if layer == Layer::Service && self.is_open((address, first)) => {
                Told::Untold("not asked in the newer run".to_owned())
            }
            Outcome::Same | Outcome::Returned { .. } | Outcome::First { .. } | Outcome::Gone(_) => return None,
        })
    }

    fn is_open(&self, (address, port): (IpAddr, u16)) -> bool {
        let state = self.new.port((address, Transport::Tcp, Layer::Port), port);
        state.and_then(Sight::seen).is_none_or(|value| value.words == "open") && !matches!(state, Some(Sight::Lost(_)))
    }

    fn tell(&mut self, subject: Subject, told: Told) {
        let difference = Difference {
            subject,
            class: Class::New,
            severity: Severity::Medium,
            sighting: Sighting::Both,
            before: None,
            after: None,
            from: None,
            time: false,
            listed: true,
            why: Vec::new(),
        };
        let difference = match told {
            Told::Untold(why) => return self.untold(&difference.subject, &why),
            Told::Flapping(severity, sights) => {
                self.things.flapping.push((difference.subject, severity, sights));
                return;
            }
            Told::Changed { class, severity, from, regained, before, after } => Difference {
                class,
                severity,
                sighting: if regained { Sighting::Regained } else { Sighting::Both },
                before: Some(before),
                after: Some(after),
                from: Some(from),
                why: reason::of_thing(self.pair, None),
                ..difference
            },
            Told::Lost { severity, before, why } => Difference {
                severity,
                sighting: Sighting::Lost,
                before: Some(before),
                why: self.lost(&why),
                ..difference
            },
            Told::First { severity, after, asked } => Difference {
                severity,
                sighting: Sighting::First,
                after: Some(after),
                why: match asked {
                    Some(why) => reason::sure(Reason::SightRegained { why: vec![why] }),
                    None => reason::sure(Reason::Options { what: "it was not asked before".to_owned() }),
                },
                ..difference
            },
        };
        self.things.differences.push(difference);
    }

    fn lost(&self, why: &str) -> Vec<Because> {
        let mut whys = reason::troubles(self.pair);
        whys.push(why.to_owned());
        reason::sure(Reason::SightLost { why: whys })
    }

    /// A thing that is no range.
    fn thing(&mut self, subject: &Subject) {
        if subject.address().is_none_or(|address| !self.is_shared(address)) {
            return;
        }
        let sights: Vec<Option<&Sight>> = self.runs.iter().map(|run| run.as_ref()?.sights.get(subject)).collect();
        let outcome = course(&sights, self.base);
        let there = match (subject.address(), port(subject)) {
            (Some(address), Some(port)) => self.is_open((address, port)),
            _ => true,
        };
        let severity = severity(subject, &outcome);
        self.outcome(subject, &outcome, severity, there);
    }

    /// What is to be told of a thing; where its port is not `there` any more, the port tells it.
    fn outcome(&mut self, subject: &Subject, outcome: &Outcome<'_>, severity: Severity, there: bool) {
        let part = |wanted| matches!(subject, Subject::Certificate { part, .. } if *part == wanted);
        let mut difference = Difference {
            subject: subject.clone(),
            class: Class::New,
            severity,
            sighting: Sighting::Both,
            before: None,
            after: None,
            from: None,
            time: false,
            listed: there,
            why: Vec::new(),
        };
        match outcome {
            Outcome::Changed { from, to, regained } => {
                let same_certificate = part(CertificatePart::End) && self.same_certificate(subject, from.0);
                difference.class = match class(from.1, to) {
                    Class::Neutral if from.1.absent && matches!(subject, Subject::Product { .. }) => Class::New,
                    class => class,
                };
                if regained.is_some() {
                    difference.sighting = Sighting::Regained;
                }
                (difference.before, difference.after) = (Some(from.1.words.clone()), Some(to.words.clone()));
                (difference.from, difference.time) = (Some(from.0), same_certificate);
                difference.why = reason::of_thing(self.pair, same_certificate.then_some(to.words.as_str()));
            }
            Outcome::Flapping(words) => {
                self.things.flapping.push((subject.clone(), severity, words.clone()));
                return;
            }
            Outcome::Lost { from, why } => {
                (difference.sighting, difference.before) = (Sighting::Lost, Some(from.words.clone()));
                // One answer holds many things; one of them says that it is lost.
                difference.listed = there && is_first(subject);
                difference.why = self.lost(why);
            }
            Outcome::First { to, asked: Some(why) } if matches!(subject, Subject::Product { .. }) && !to.absent => {
                (difference.sighting, difference.after) = (Sighting::First, Some(to.words.clone()));
                difference.why = reason::sure(Reason::SightRegained { why: vec![(*why).to_owned()] });
            }
            Outcome::Untold(why) if there && is_first(subject) => return self.untold(subject, why),
            Outcome::Gone(_) if there && is_first(subject) && self.speaks_as_before(subject) => {
                return self.untold(subject, "not asked in the newer run");
            }
            _ => return,
        }
        self.things.differences.push(difference);
    }

    /// Whether the certificate itself is the one that it was.
    fn same_certificate(&self, subject: &Subject, from: usize) -> bool {
        let Subject::Certificate { address, port, sni, .. } = subject.clone() else { return false };
        let identity = Subject::Certificate { address, port, sni, part: CertificatePart::Identity };
        let before = self.runs.get(from).and_then(Option::as_ref).and_then(|run| run.sights.get(&identity)?.seen());
        let now = self.new.sights.get(&identity).and_then(Sight::seen);
        before.zip(now).is_some_and(|(before, now)| before.same == now.same)
    }

    /// Whether the same service stands behind the thing's port; what speaks another protocol is asked other things.
    fn speaks_as_before(&self, subject: &Subject) -> bool {
        let (Some(address), Some(port)) = (subject.address(), port(subject)) else { return true };
        let place = (address, Transport::Tcp, Layer::Service);
        let speaks = |run: &Seen<'_>| run.port(place, port).and_then(Sight::seen).map(|value| value.same.clone());
        speaks(self.new) == speaks(self.old)
    }
}

/// What is to be told of ports.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Changed { class: Class, severity: Severity, from: usize, regained: bool, before: String, after: String },
    Lost { severity: Severity, before: String, why: String },
    First { severity: Severity, after: String, asked: Option<String> },
    Flapping(Severity, Vec<String>),
    Untold(String),
}

/// The port of a thing that is no range.
fn port(subject: &Subject) -> Option<u16> {
    match subject {
        Subject::TlsVersion { port, .. }
        | Subject::Suites { port, .. }
        | Subject::Certificate { port, .. }
        | Subject::Http { port, .. }
        | Subject::Product { port, .. }
        | Subject::RdpNla { port, .. }
        | Subject::Smb1 { port, .. } => Some(*port),
        _ => None,
    }
}

/// The first port of a thing; 0 for an address.
fn first_port(subject: &Subject) -> u16 {
    match subject {
        Subject::Port { ports, .. } | Subject::Service { ports, .. } | Subject::Proof { ports, .. } => ports.first(),
        other => port(other).unwrap_or_default(),
    }
}

/// Whether a thing is the one that stands for the whole answer that it is read from.
fn is_first(subject: &Subject) -> bool {
    match subject {
        Subject::Certificate { part, .. } => *part == CertificatePart::Identity,
        Subject::Http { part, .. } => *part == HttpPart::Status,
        Subject::Product { product, .. } => *product == crate::model::service::Product::Automate,
        Subject::Suites { version, .. } => *version == crate::model::tls::TlsVersion::Tls12,
        _ => true,
    }
}

/// How much a change of a thing matters.
fn severity(subject: &Subject, outcome: &Outcome<'_>) -> Severity {
    let worst = match outcome {
        Outcome::Changed { from, to, .. } => [from.1, to]
            .into_iter()
            .map(|value| if let Worth::Bad(bad) = value.worth { bad } else { 0 })
            .max()
            .unwrap_or_default(),
        _ => 0,
    };
    match subject {
        Subject::Certificate { part: CertificatePart::Identity, .. } => Severity::Low,
        // Within 7 days, or over.
        Subject::Certificate { part: CertificatePart::End, .. } if worst >= 3 => Severity::High,
        Subject::Certificate { part: CertificatePart::Trust, .. } | Subject::RdpNla { .. } | Subject::Smb1 { .. } => {
            Severity::High
        }
        Subject::Certificate { .. } | Subject::TlsVersion { .. } | Subject::Suites { .. } | Subject::Product { .. } => {
            Severity::Medium
        }
        _ => Severity::Low,
    }
}
