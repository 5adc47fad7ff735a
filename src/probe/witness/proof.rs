//! From what is known at both ends to what it proves: a pure function.

use super::AskedPort;
use super::account::Account;
use crate::model::observation::Blame;
use crate::model::ports::Transport;
use crate::model::witness::{NotHeld, Proof, ToldBy, WitnessFact};
use crate::wire::witness::{ArrivalRecord, Nonce};
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};

/// More strangers than this at one port during a session may have kept our messages out.
const FLOOD: u32 = 200;

const ELSEWHERE: &str = "nothing arrived, so the port is blocked, or forwarded to another machine than the witness's, and which is \
                         not known: let the witness hold a second port that may be reached, or say with \
                         --witness-all-ports that all ports of the address lead to its machine";

/// How likely "blocked" may be nothing but loss.
const BY_CHANCE: f64 = 1e-5;

/// How many messages must not have arrived before a port is called blocked.
const FEWEST: usize = 2;

/// Where a message arrived, as the witness saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Landing {
    /// The port of the witness.
    pub(super) port: u16,
    /// Where it came from.
    pub(super) source: SocketAddr,
    /// To which address of the witness's machine, where its system says so.
    pub(super) here: Option<IpAddr>,
}

/// What is known of a port at this end.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// The messages that were sent.
    pub(super) sent: Vec<Nonce>,
    /// In which round each was.
    pub(super) rounds: Vec<usize>,
    /// The confirmations, and where each of the messages had arrived.
    pub(super) confirmed: BTreeMap<Nonce, Landing>,
    /// How often something else answered: over TCP by a handshake, over UDP by a datagram.
    pub(super) answered_by_others: u32,
    /// TCP: how often a connection was refused in words.
    pub(super) refusals: usize,
}

/// What became of the messages of a round to ports that let messages pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Control {
    pub(super) sent: u32,
    pub(super) lost: u32,
}

impl Control {
    pub(super) fn count(&mut self, lost: bool) {
        self.sent += 1;
        self.lost += u32::from(lost);
    }

    /// How likely a message of the round was lost: by the rule of succession, which makes little of few messages.
    fn loss(self) -> f64 {
        f64::from(self.lost + 1) / f64::from(self.sent + 2)
    }
}

/// The controls of one transport, by round.
#[derive(Clone, Debug, Default)]
pub(super) struct Controls(pub(super) HashMap<usize, Control>);

impl Controls {
    /// How likely it is that all messages of these rounds were lost by chance. A limit drops much in one round and little in the
    /// next, so each counts by itself; one without a control says nothing.
    pub(super) fn by_chance(&self, rounds: &[usize]) -> f64 {
        rounds.iter().filter_map(|round| self.0.get(round)).map(|control| control.loss()).product()
    }

    /// Whether that is likely enough to be thought of.
    pub(super) fn may_be_chance(&self, rounds: &[usize]) -> bool {
        !self.0.is_empty() && self.by_chance(rounds) >= BY_CHANCE
    }

    fn sum(&self) -> Control {
        self.0
            .values()
            .fold(Control::default(), |sum, one| Control { sent: sum.sent + one.sent, lost: sum.lost + one.lost })
    }
}

/// What is known of a port in all.
#[derive(Debug)]
pub(super) struct Ended<'a> {
    pub(super) port: AskedPort,
    /// Why the witness does not hold it; nothing where it does, or where there is no account.
    pub(super) not_held: Option<NotHeld>,
    pub(super) account: Option<&'a Account>,
    /// Whether a port of this transport that had let messages pass still did at the end; nothing where none had.
    pub(super) canary: Option<bool>,
    /// Whether any message at all reached the witness.
    pub(super) reached: bool,
    /// Whether the ports of the address are known to lead to the witness's machine: the user says so, or messages arrived on
    /// several. Else each may be forwarded to another machine.
    pub(super) leads_here: bool,
    /// What became of messages over this transport to ports that let them pass; nothing where none does.
    pub(super) controls: &'a Controls,
}

/// Why nothing is proved: who is to blame, and what to do; nothing where that is because there is no account.
pub(super) type Unknown = Option<(Blame, String)>;

impl Ended<'_> {
    /// What is proved of the port.
    pub(super) fn prove(&self, evidence: &Evidence) -> Result<WitnessFact, Unknown> {
        let arrived = self.arrived(evidence);
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let by_account = self.account.map_or(ToldBy::Confirmation, |account| account.told_by);
        let fact = |proof, told_by| WitnessFact {
            proof,
            sent: count(evidence.sent.len()),
            arrived: count(arrived.len()),
            answered: count(evidence.confirmed.len()),
            source: arrived.values().next().map(|landing| landing.source.ip().to_canonical()),
            destination: arrived.values().find_map(|landing| landing.here),
            told_by,
        };
        if let Some(Landing { port: at, .. }) = arrived.values().find(|landing| landing.port != self.port.number) {
            let told_by = if evidence.confirmed.is_empty() { by_account } else { ToldBy::Confirmation };
            return Ok(fact(Proof::ArrivedElsewhere { at: *at }, told_by));
        }
        if !evidence.confirmed.is_empty() {
            return Ok(fact(Proof::Passed, ToldBy::Confirmation));
        }
        let Some(account) = self.account else { return Err(None) };
        if !arrived.is_empty() {
            return Ok(fact(Proof::AnswerLost, by_account));
        }
        let noise = account.noise.get(&(self.port.transport, self.port.number));
        if noise.is_some_and(|noise| noise.altered > 0) {
            return Ok(fact(Proof::Altered, by_account));
        }
        if let Some(because) = self.not_held {
            return Ok(fact(Proof::NotHeld { because }, by_account));
        }
        let strangers = noise.map_or(0, |noise| noise.strangers);
        self.is_absence_certain(account, strangers)?;
        let tcp = self.port.transport == Transport::Tcp;
        let proof = match evidence.answered_by_others {
            0 => Proof::Blocked,
            // A connection came there which carried no message: ours, perhaps, robbed of it.
            _ if tcp && strangers > 0 => Proof::Altered,
            _ => Proof::AnsweredByAnother,
        };
        // The witness would have taken the connection: whoever says that nothing listens there is another, to whom the port is
        // forwarded, or a firewall in its place.
        let proof = if self.port.refused && proof == Proof::Blocked { Proof::AnsweredByAnother } else { proof };
        if proof == Proof::Blocked {
            self.is_no_chance(evidence)?;
            if !self.leads_here {
                return Err(Some((Blame::Peer, ELSEWHERE.to_owned())));
            }
        }
        Ok(fact(proof, by_account))
    }

    /// Whether silence is more than packets that were lost. A refusal is no silence.
    fn is_no_chance(&self, evidence: &Evidence) -> Result<(), Unknown> {
        let sent = evidence.sent.len();
        if sent < FEWEST {
            let why = "too few messages were sent to say that none gets through; scan again";
            return Err(Some((Blame::Ourselves, why.to_owned())));
        }
        if evidence.refusals >= FEWEST || !self.controls.may_be_chance(&evidence.rounds) {
            return Ok(());
        }
        let Control { sent: controls, lost } = self.controls.sum();
        let why = format!(
            "{lost} of {controls} messages to ports that let them pass were lost meanwhile, too many to tell loss or a limit \
             from a firewall; scan again more slowly (--rate 20)"
        );
        Err(Some((Blame::Path, why)))
    }

    /// Our messages that are known to have arrived, and where.
    fn arrived(&self, evidence: &Evidence) -> BTreeMap<Nonce, Landing> {
        let mut arrived = evidence.confirmed.clone();
        let Some(account) = self.account else { return arrived };
        for nonce in &evidence.sent {
            if let Some(&ArrivalRecord { port, source, here, transport, .. }) = account.arrivals.get(nonce)
                && transport == self.port.transport
            {
                arrived.entry(*nonce).or_insert(Landing { port, source, here });
            }
        }
        arrived
    }

    /// Whether what the witness has not noted did not arrive.
    fn is_absence_certain(&self, account: &Account, strangers: u32) -> Result<(), Unknown> {
        let tcp = self.port.transport == Transport::Tcp;
        let why = if !self.reached {
            "no message at all reached the witness, so nothing proves that the address leads to it: let it hold one port \
             that may be reached"
        } else if account.full {
            "the witness had no room to note all that arrived, or failed; scan again, and if it stays so, start it anew"
        } else if tcp && account.crowded {
            "the witness had more connections than it takes at a time, and some were turned away; scan again when fewer \
             strangers come there"
        } else if strangers > FLOOD {
            "so many strangers came to this port meanwhile that messages may have been crowded out; scan again"
        } else if self.canary == Some(false) {
            "a port that had let messages pass did not at the end, so something began to drop us; scan again more slowly \
             (--rate 20)"
        } else {
            return Ok(());
        };
        let blame = if self.canary == Some(false) { Blame::Path } else { Blame::Peer };
        Err(Some((blame, why.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::witness::NoiseRecord;
    use std::net::Ipv4Addr;
    use std::sync::LazyLock;

    const TCP: AskedPort =
        AskedPort { transport: Transport::Tcp, number: 443, open: false, speaks: false, refused: false };
    const UDP: AskedPort =
        AskedPort { transport: Transport::Udp, number: 75, open: false, speaks: false, refused: false };

    const INSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 5));

    fn source() -> SocketAddr {
        "198.51.100.2:4000".parse().unwrap()
    }

    fn sent(count: u8) -> Evidence {
        Evidence { sent: (0..count).map(|number| Nonce([number; 8])).collect(), ..Evidence::default() }
    }

    fn confirmed(port: u16) -> Evidence {
        let mut evidence = sent(1);
        evidence.confirmed.insert(Nonce([0; 8]), Landing { port, source: source(), here: Some(INSIDE) });
        evidence
    }

    fn account(arrived: &[(u8, AskedPort)]) -> Account {
        let mut account = Account::new(ToldBy::Account);
        for &(number, AskedPort { transport, number: port, .. }) in arrived {
            let nonce = Nonce([number; 8]);
            account.arrivals.insert(
                nonce,
                ArrivalRecord { nonce, transport, port, source: source(), here: Some(INSIDE), at_ms: 1 },
            );
        }
        account
    }

    fn noise(port: AskedPort, altered: u32, strangers: u32) -> Account {
        let mut account = account(&[]);
        let AskedPort { transport, number: port, .. } = port;
        account.noise.insert((transport, port), NoiseRecord { transport, port, altered, strangers });
        account
    }

    static NO_CONTROLS: LazyLock<Controls> = LazyLock::new(Controls::default);

    fn ended(port: AskedPort, account: Option<&Account>) -> Ended<'_> {
        Ended {
            port,
            not_held: None,
            account,
            canary: Some(true),
            reached: true,
            leads_here: true,
            controls: &NO_CONTROLS,
        }
    }

    fn proof(port: AskedPort, account: &Account, evidence: &Evidence) -> Option<Proof> {
        ended(port, Some(account)).prove(evidence).ok().map(|fact| fact.proof)
    }

    #[test]
    fn a_confirmation_needs_no_account() {
        let fact = ended(UDP, None).prove(&confirmed(75)).unwrap();
        assert_eq!((&fact.proof, fact.sent, fact.arrived, fact.answered), (&Proof::Passed, 1, 1, 1));
        assert_eq!((fact.source, fact.told_by), (Some(source().ip()), ToldBy::Confirmation));
        assert_eq!((fact.translated([203, 0, 113, 5].into()), fact.translated(INSIDE)), (Some(INSIDE), None));
        let fact = ended(UDP, None).prove(&confirmed(76)).unwrap();
        assert_eq!(fact.proof, Proof::ArrivedElsewhere { at: 76 });
        assert_eq!(ended(UDP, None).prove(&sent(4)), Err(None));
    }

    #[test]
    fn what_did_not_arrive_is_blocked_only_where_the_account_can_be_relied_on() {
        let nothing = account(&[]);
        assert_eq!(proof(UDP, &nothing, &sent(4)), Some(Proof::Blocked));
        assert_eq!(proof(TCP, &nothing, &sent(4)), Some(Proof::Blocked));
        assert_eq!(proof(UDP, &nothing, &sent(1)), None, "too few");
        assert_eq!(proof(UDP, &Account { full: true, ..account(&[]) }, &sent(4)), None);
        assert_eq!(proof(TCP, &Account { crowded: true, ..account(&[]) }, &sent(4)), None);
        assert_eq!(proof(UDP, &noise(UDP, 0, FLOOD + 1), &sent(4)), None);
        assert_eq!(Ended { canary: Some(false), ..ended(UDP, Some(&nothing)) }.prove(&sent(4)).ok(), None);
        assert_eq!(Ended { reached: false, ..ended(UDP, Some(&nothing)) }.prove(&sent(4)).ok(), None);
    }

    #[test]
    fn silence_is_blocked_only_where_the_ports_are_known_to_lead_to_the_witness() {
        let nothing = account(&[]);
        let unknown = Ended { leads_here: false, ..ended(UDP, Some(&nothing)) }.prove(&sent(4)).unwrap_err().unwrap();
        assert!(unknown.1.contains("forwarded to another machine") && unknown.1.contains("--witness-all-ports"));
        assert_eq!(proof(UDP, &nothing, &sent(4)), Some(Proof::Blocked));
    }

    #[test]
    fn a_refusal_of_a_held_port_is_anothers_answer_and_never_blocked() {
        for port in [TCP, UDP] {
            let port = AskedPort { refused: true, ..port };
            assert_eq!(
                proof(port, &account(&[]), &Evidence { refusals: 2, ..sent(2) }),
                Some(Proof::AnsweredByAnother)
            );
            assert_eq!(proof(port, &account(&[(1, port)]), &sent(2)), Some(Proof::AnswerLost), "it arrived");
            assert_eq!(Ended { reached: false, ..ended(port, Some(&account(&[]))) }.prove(&sent(2)).ok(), None);
        }
    }

    #[test]
    fn loss_makes_blocked_need_more_messages_or_impossible() {
        let nothing = account(&[]);
        // What was lost of 16 controls in each round.
        let of = |lost: &[u32], evidence: &Evidence| {
            let rounds = lost.iter().map(|lost| Control { sent: 16, lost: *lost }).enumerate();
            let controls = Controls(rounds.collect());
            let rounds = (0..evidence.sent.len()).collect();
            let evidence = Evidence { sent: evidence.sent.clone(), rounds, refusals: evidence.refusals, ..sent(0) };
            Ended { controls: &controls, ..ended(TCP, Some(&nothing)) }.prove(&evidence).is_ok()
        };
        assert!(of(&[0, 0, 0, 0], &sent(4)));
        assert!(!of(&[3; 4], &sent(4)) && of(&[3; 8], &sent(8)));
        assert!(!of(&[15, 15, 15, 0], &sent(4)), "one good round does not mend three bad ones");
        assert!(!of(&[15; 12], &sent(12)));
        assert!(of(&[15, 15], &Evidence { refusals: 2, ..sent(2) }), "a refusal is no loss");
    }

    #[test]
    fn what_arrived_and_was_not_confirmed_is_told_apart() {
        let lost = account(&[(0, UDP), (1, UDP)]);
        assert_eq!(proof(UDP, &lost, &sent(4)), Some(Proof::AnswerLost));
        assert_eq!(ended(UDP, Some(&lost)).prove(&sent(4)).unwrap().destination, Some(INSIDE));
        let elsewhere = AskedPort { number: 80, ..TCP };
        assert_eq!(proof(TCP, &account(&[(2, elsewhere)]), &sent(4)), Some(Proof::ArrivedElsewhere { at: 80 }));
        assert_eq!(proof(UDP, &account(&[(9, UDP)]), &sent(4)), Some(Proof::Blocked), "another port's message");
        assert_eq!(proof(UDP, &noise(UDP, 1, 1), &sent(4)), Some(Proof::Altered));
    }

    #[test]
    fn a_handshake_of_which_the_witness_knows_nothing_is_anothers() {
        let answered = Evidence { answered_by_others: 2, ..sent(2) };
        assert_eq!(proof(TCP, &account(&[]), &answered), Some(Proof::AnsweredByAnother));
        assert_eq!(proof(TCP, &noise(TCP, 0, 2), &answered), Some(Proof::Altered), "it came there without its message");
        assert_eq!(proof(UDP, &account(&[]), &answered), Some(Proof::AnsweredByAnother));
        let because = NotHeld::Occupied;
        let fact = Ended { not_held: Some(because), ..ended(TCP, Some(&account(&[]))) }.prove(&answered).unwrap();
        assert_eq!(fact.proof, Proof::NotHeld { because });
    }
}
