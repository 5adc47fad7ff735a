//! Messages that wait, and their delivery: one channel does not wait for another, and messages of one channel go in their order.
//! A mail goes to each recipient in that order, and who cannot be given it for now holds up no other.

use super::list::behind_in_words;
use super::{ONE_TRY, new_id};
use crate::catalog::channels::{Alerts, Channel, Means};
use crate::cli::exit::CliError;
use crate::history::Archive as _;
use crate::history::outbox::{Addressee, Came, Claimed, Failed, Refusal, Waiting, behind};
use crate::history::sqlite::{Mode, Sqlite};
use crate::model::alert::Message;
use crate::notify::{self, Blame, Receipt, Undelivered};
use crate::report;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The first wait after a try that failed, and the longest.
const FIRST_WAIT: Duration = Duration::from_mins(1);
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// A receiver that wants to be left alone for longer is asked again all the same.
const LONGEST_ASKED: Duration = Duration::from_hours(24);

/// A message that has waited for longer is stuck: somebody must look.
pub(in crate::cli) const STUCK_DAYS: i64 = 1;

/// Access to the messages that wait.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Outbox(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    store: Sqlite,
    /// What came of tries and could not be kept yet: a full disk must not make us send twice.
    unsettled: Vec<Settled>,
}

#[derive(Clone, Debug)]
enum Settled {
    Delivered(String, Came),
    Failed(String, Failed),
}

/// What came of sending to a channel.
#[derive(Debug, Default)]
pub(in crate::cli) struct Sent {
    pub(in crate::cli) delivered: usize,
    /// How many some got, and others not yet.
    pub(in crate::cli) partly: usize,
    /// How many recipients were refused one for good that others got.
    pub(in crate::cli) refused: usize,
    /// What did not go, in words.
    pub(in crate::cli) troubles: Vec<String>,
}

impl Inner {
    fn settle(&mut self) -> Result<(), CliError> {
        while let Some(first) = self.unsettled.first() {
            match first {
                Settled::Delivered(id, came) => self.store.delivered(id, came)?,
                Settled::Failed(id, failed) => self.store.not_delivered(id, failed)?,
            }
            self.unsettled.remove(0);
        }
        Ok(())
    }
}

impl Outbox {
    pub(in crate::cli) fn open(place: &Path) -> Result<Self, CliError> {
        let store = Sqlite::open(place, Mode::Existing, report::describe)?;
        Ok(Self(Arc::new(Mutex::new(Inner { store, unsettled: Vec::new() }))))
    }

    /// Works on the store where nothing else waits for it.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Inner) -> Result<T, CliError> + Send + 'static,
    ) -> Result<T, CliError> {
        let inner = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || work(&mut inner.lock().unwrap_or_else(PoisonError::into_inner)));
        done.await.map_err(|error| CliError::Bug(format!("the outbox: {error}")))?
    }

    /// Sends what is due to a channel; with `hurry` also what was not tried since then.
    pub(in crate::cli) async fn send(&self, channel: &Channel, hurry: Option<Timestamp>) -> Result<Sent, CliError> {
        self.send_by(channel, hurry, |channel, message, left_out| notify::deliver(channel, message, left_out).boxed())
            .await
    }

    /// The same by another way of delivering.
    async fn send_by<D>(&self, channel: &Channel, hurry: Option<Timestamp>, deliver: D) -> Result<Sent, CliError>
    where
        D: for<'a> Fn(&'a Channel, &'a Message, &'a [String]) -> BoxFuture<'a, Result<Receipt, Undelivered>>,
    {
        let mut sent = Sent::default();
        let recipients = notify::recipients(channel);
        {
            let (to, recipients) = (addressee(channel), recipients.clone());
            self.with(move |inner| Ok(inner.store.forget_refusals(&to, &recipients)?)).await?;
        }
        let mut hurry = hurry;
        loop {
            let (to, all) = (addressee(channel), recipients.clone());
            let claimed = self.with(move |inner| {
                inner.settle()?;
                Ok(inner.store.claim(&to, &all, Timestamp::now(), hurry)?)
            });
            let Some(claimed) = claimed.await? else { return Ok(sent) };
            let left_out: Vec<String> = claimed.reached.iter().chain(&claimed.held).cloned().collect();
            // A mistake of ours with one message must not hold it claimed, and all behind it.
            let whole = async { deliver(channel, &claimed.message, &left_out).await };
            let tried = tokio::time::timeout(ONE_TRY, AssertUnwindSafe(whole).catch_unwind()).await;
            let tried = tried.map_or_else(|_| Err(too_slow()), |whole| whole.unwrap_or_else(|_| Err(mistake())));
            if tried.is_err() && hurry.is_some_and(|since| Timestamp::now() <= since) {
                // The clock was put back: what was tried now reads as tried before, and would be tried without end.
                hurry = None;
            }
            let settled = sent.settled(claimed, &recipients, tried, Timestamp::now());
            // What holds up the others is told by the next claim, which finds nothing due.
            self.with(move |inner| {
                inner.unsettled.push(settled);
                inner.settle()
            })
            .await?;
        }
    }

    /// The messages that wait.
    pub(in crate::cli) fn waiting(&self) -> Result<Vec<Waiting>, CliError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).store.waiting()?)
    }

    /// Which messages wait behind others of their channel: a line for each of those others.
    pub(in crate::cli) fn held(&self, alerts: &Alerts, now: Timestamp) -> Result<Vec<String>, CliError> {
        let waiting = self.waiting()?;
        let mut held: BTreeMap<usize, usize> = BTreeMap::new();
        for (message, behind) in waiting.iter().zip(behind(&waiting, now)) {
            if let Some(before) = behind.filter(|_| is_of(message, alerts)) {
                *held.entry(before).or_default() += 1;
            }
        }
        let line = |(before, count): (usize, usize)| {
            let before = waiting.get(before)?;
            let verb = behind_in_words(before, now);
            Some(format!(
                "{}: {count} {}",
                before.to.channel,
                if count == 1 { verb } else { verb.replacen("waits", "wait", 1) }
            ))
        };
        Ok(held.into_iter().filter_map(line).collect())
    }

    /// How it stands with messages.
    pub(in crate::cli) fn health(&self, alerts: &Alerts, now: Timestamp) -> Result<Health, CliError> {
        let refusals = self.0.lock().unwrap_or_else(PoisonError::into_inner).store.refusals()?;
        Ok(Health::of(&self.waiting()?, &refusals, Some(alerts), now))
    }
}

impl Sent {
    /// Counts what came of a try, and says what is to be kept of it.
    fn settled(
        &mut self,
        claimed: Claimed,
        recipients: &[String],
        tried: Result<Receipt, Undelivered>,
        now: Timestamp,
    ) -> Settled {
        let Claimed { message, attempts, reached, held } = claimed;
        let is_asked = |one: &&String| !reached.contains(one) && !held.contains(one);
        let refused = match &tried {
            Ok(receipt) => &receipt.refused,
            Err(error) => &error.refused,
        };
        let refused: Vec<(String, String)> = refused.iter().map(|one| (one.whom.clone(), one.said.clone())).collect();
        let is_refused = |whom: &String| refused.iter().any(|(one, _)| one == whom);
        let took: Vec<String> = match &tried {
            Ok(_) => recipients.iter().filter(is_asked).filter(|one| !is_refused(one)).cloned().collect(),
            Err(error) => error.reached.iter().filter(is_asked).cloned().collect(),
        };
        self.refused += refused.len();
        let mut done: Vec<String> =
            reached.iter().chain(&took).chain(refused.iter().map(|(whom, _)| whom)).cloned().collect();
        done.sort();
        done.dedup();
        let is_partly = !took.is_empty();
        let came = Came { at: now, took, refused };
        match tried {
            Ok(_) => {
                let refused = came.refused.iter();
                self.troubles.extend(refused.map(|(whom, said)| format!("{whom} did not take it: {said}")));
                if held.is_empty() {
                    self.delivered += 1;
                    return Settled::Delivered(message.id, came);
                }
                self.partly += 1;
                let error = format!("it is for {} too, who will get an earlier message first", held.join(", "));
                // As soon as nothing holds it up any more.
                Settled::Failed(message.id, Failed { tried: now, due: now, error, refused: false, reached: done, came })
            }
            Err(error) => {
                self.partly += usize::from(is_partly);
                self.troubles.push(format!("{error} ({}); {}", error.blame, error.advice));
                Settled::Failed(message.id, failed(&error, attempts, done, came, now))
            }
        }
    }
}

/// Messages as they wait: each with the channel of the file, which is known by its name here, and in as many as the channel
/// needs to show every notice.
pub(super) fn posted(channels: &[Channel], messages: Vec<(String, Message)>) -> Vec<(Addressee, Message)> {
    let mut posted = Vec::new();
    for (name, message) in messages {
        let Some(channel) = channels.iter().find(|channel| channel.name == name) else { continue };
        posted.extend(fitting(channel, message).into_iter().map(|message| (addressee(channel), message)));
    }
    posted
}

/// A message in halves, and halves of these, until the channel has room for each.
fn fitting(channel: &Channel, mut message: Message) -> Vec<Message> {
    let count = message.notices.len();
    if count <= 1 || notify::has_room(channel, &message) {
        return vec![message];
    }
    let rest = Message { id: new_id(), notices: message.notices.split_off(count.div_ceil(2)), ..message.clone() };
    let mut all = fitting(channel, message);
    all.extend(fitting(channel, rest));
    all
}

/// The channel as messages name it.
pub(super) fn addressee(channel: &Channel) -> Addressee {
    Addressee { place: channel.place.clone(), channel: channel.name.clone() }
}

/// Whether the channel of a message is nowhere any more. A file that is none of these is somebody else's, as long as it is there.
pub(super) fn is_gone(message: &Waiting, alerts: &Alerts) -> bool {
    if is_of(message, alerts) {
        return alerts.channels.iter().all(|channel| addressee(channel) != message.to);
    }
    !Path::new(&message.to.place).exists()
}

/// Whether a message is for a channel of these files, or for one that these files had.
fn is_of(message: &Waiting, alerts: &Alerts) -> bool {
    alerts.places.contains(&message.to.place)
}

fn too_slow() -> Undelivered {
    Undelivered {
        blame: Blame::Receiver,
        what: format!("nothing came of it within {} s", ONE_TRY.as_secs()),
        advice: "look whether the receiver is well".to_owned(),
        lasting: false,
        retry_after: None,
        reached: Vec::new(),
        refused: Vec::new(),
    }
}

fn mistake() -> Undelivered {
    Undelivered {
        blame: Blame::Here,
        what: "sending it broke off by a mistake of portreeve's".to_owned(),
        advice: "report it with what the log says".to_owned(),
        ..too_slow()
    }
}

fn failed(error: &Undelivered, attempts: u32, reached: Vec<String>, came: Came, now: Timestamp) -> Failed {
    let wait = wait(error, attempts, fastrand::f64());
    Failed {
        tried: now,
        due: now.saturating_add(SignedDuration::try_from(wait).unwrap_or(SignedDuration::from_hours(1))).unwrap_or(now),
        error: format!("{} ({}); {}", error.what, error.blame, error.advice),
        refused: error.lasting && error.blame == Blame::Receiver,
        reached,
        came,
    }
}

/// How long a message waits after so many tries before the one that failed: a minute, doubled each time up to an hour, a fifth
/// more or less by `luck` from 0 to 1, and not less than the receiver asked for.
fn wait(error: &Undelivered, attempts: u32, luck: f64) -> Duration {
    let doubled = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(attempts.min(16))).min(LONGEST_WAIT);
    // What the receiver will not take it will not take in a minute; what is wrong here somebody may be mending right now.
    let is_final = error.lasting && error.blame == Blame::Receiver;
    let usual = if is_final { LONGEST_WAIT } else { doubled };
    let usual = usual.mul_f64(0.8 + 0.4 * luck.clamp(0.0, 1.0)).min(LONGEST_WAIT);
    usual.max(error.retry_after.unwrap_or_default().min(LONGEST_ASKED))
}

/// How it stands with the messages that wait.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(in crate::cli) struct Health {
    /// How many wait; none of them for channels of others who share the store.
    pub(in crate::cli) waiting: usize,
    /// When the oldest of them was made, RFC 3339, UTC.
    pub(in crate::cli) oldest: Option<String>,
    /// How many have waited for longer than a day, whoever's they are.
    pub(in crate::cli) stuck: usize,
    /// Channels for which messages wait, and that are in no alerts.toml: `NAME of FILE`.
    pub(in crate::cli) gone: Vec<String>,
    /// What the oldest message of each channel met last.
    pub(in crate::cli) errors: Vec<String>,
    /// Recipients who were refused a message for good, and were given none since.
    pub(in crate::cli) refused: Vec<String>,
    /// Channels by which this process could not send now, for want of a secret or a program: `NAME: why; what to do`.
    pub(in crate::cli) unusable: Vec<String>,
}

impl Health {
    /// Without `alerts` all channels count, and none is gone.
    pub(in crate::cli) fn of(
        waiting: &[Waiting],
        refusals: &[Refusal],
        alerts: Option<&Alerts>,
        now: Timestamp,
    ) -> Self {
        let channels = alerts.iter().flat_map(|alerts| &alerts.channels);
        let mut health = Self { unusable: channels.filter_map(unusable).collect(), ..Self::default() };
        for Refusal { to, whom, said, at, client, made } in refusals {
            if alerts.is_none_or(|alerts| is_asked(to, whom, alerts)) {
                let at = at.strftime("%Y-%m-%dT%H:%M:%SZ");
                let channel = &to.channel;
                health.refused.push(format!(
                    "{channel}: {whom} did not take the message about {client} of {made}, at {at}: {said}"
                ));
            }
        }
        for message in waiting {
            health.stuck += usize::from(is_stuck(message, now));
            let gone = alerts.is_some_and(|alerts| is_gone(message, alerts));
            if !gone && alerts.is_some_and(|alerts| !is_of(message, alerts)) {
                continue;
            }
            health.waiting += 1;
            if health.oldest.as_ref().is_none_or(|oldest| message.made < *oldest) {
                health.oldest = Some(message.made.clone());
            }
            let Addressee { place, channel } = &message.to;
            let name = format!("{channel} of {place}");
            if gone && !health.gone.contains(&name) {
                health.gone.push(name);
            }
            if let Some(error) = &message.error {
                let error = format!("{channel}: {error}");
                if !health.errors.contains(&error) {
                    health.errors.push(error);
                }
            }
        }
        health
    }

    /// What somebody must look at; none where all is well.
    pub(in crate::cli) fn words(&self) -> Option<String> {
        let mut words = Vec::new();
        if self.stuck > 0 {
            words.push(format!("{} messages have waited for longer than a day", self.stuck));
        }
        if !self.gone.is_empty() {
            words.push(format!(
                "messages wait for channels that are in no alerts.toml: {}; put them back, or `portreeve alerts drop --channel \
                 NAME --alerts FILE`",
                self.gone.join(", ")
            ));
        }
        (!words.is_empty()).then(|| words.join("; "))
    }
}

/// Whether a channel of these files is for this recipient.
fn is_asked(to: &Addressee, whom: &str, alerts: &Alerts) -> bool {
    let channel = alerts.channels.iter().find(|channel| addressee(channel) == *to);
    channel.is_some_and(|channel| notify::recipients(channel).iter().any(|one| one == whom))
}

/// Why this process could not send by a channel now: it would be told late, when there is something to tell.
fn unusable(channel: &Channel) -> Option<String> {
    let name = &channel.name;
    if let Err(error) = channel.check() {
        return Some(format!("{name}: {error}; {}", error.advice()));
    }
    match &channel.means {
        Means::Command(_) => notify::check(channel).err().map(|error| format!("{name}: {error}; {}", error.advice)),
        _ => None,
    }
}

/// Whether a message has waited for too long.
pub(in crate::cli) fn is_stuck(message: &Waiting, now: Timestamp) -> bool {
    let made: Option<Timestamp> = message.made.parse().ok();
    made.is_some_and(|made| now.duration_since(made) > SignedDuration::from_hours(24 * STUCK_DAYS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::channels;
    use crate::history::outbox::Look;
    use crate::model::alert::{Kind, Notice, Phase};
    use crate::model::verdict::Severity;

    fn channel(kind: &str) -> Channel {
        let text = format!("[[channel]]\nname = 'x'\nkind = '{kind}'\nurl_env = 'X'\n");
        channels::parse("alerts.toml", &text, Path::new("/nowhere"), None).unwrap().channels.remove(0)
    }

    fn notices(count: usize, details: &str) -> Vec<Notice> {
        let notice = |number| Notice {
            key: format!("{number:016x}"),
            kind: Kind::Drift,
            phase: Phase::Resolved,
            severity: Severity::High,
            client: "c".to_owned(),
            target: None,
            title: format!("tcp/{number} is closed again"),
            details: vec![details.to_owned(); 6],
            action: None,
            since: "2026-11-21T02:00:00Z".to_owned(),
            run: None,
        };
        (0..count).map(notice).collect()
    }

    #[test]
    fn every_notice_is_shown_in_some_message_of_a_channel_in_its_order() {
        let message = Message {
            id: "1".to_owned(),
            made: "2026-11-21T02:00:00Z".to_owned(),
            test: false,
            client: "c".to_owned(),
            notices: notices(45, &"long ".repeat(100)),
        };
        for kind in ["slack", "teams"] {
            let channel = channel(kind);
            let all = posted(std::slice::from_ref(&channel), vec![("x".to_owned(), message.clone())]);
            assert!(all.len() > 1 && all.iter().all(|(to, one)| notify::has_room(&channel, one) && to.channel == "x"));
            let ids: std::collections::BTreeSet<&str> = all.iter().map(|(_, one)| one.id.as_str()).collect();
            assert_eq!(ids.len(), all.len());
            let told: Vec<Notice> = all.iter().flat_map(|(_, one)| one.notices.clone()).collect();
            assert_eq!(told, message.notices);
        }
    }

    fn waiting(place: &str, channel: &str) -> Waiting {
        Waiting {
            id: "1".to_owned(),
            to: Addressee { place: place.to_owned(), channel: channel.to_owned() },
            client: "c".to_owned(),
            made: "1970-01-01T00:00:00Z".to_owned(),
            notices: 1,
            attempts: 1,
            tried: None,
            due: Timestamp::UNIX_EPOCH,
            error: Some("no".to_owned()),
            refused: false,
            claimed: false,
            partly: false,
            keys: Vec::new(),
        }
    }

    #[test]
    fn messages_of_another_inventory_are_its_own_business() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(folder.path().join("theirs"), "").unwrap();
        let own = Channel { name: "mail".to_owned(), place: file("ours"), ..channel("slack") };
        let alerts = Alerts { channels: vec![own], places: vec![file("ours"), file("empty")], ..Alerts::default() };
        let of = |place: &str, channel: &str| {
            Health::of(&[waiting(&file(place), channel)], &[], Some(&alerts), Timestamp::UNIX_EPOCH)
        };
        assert_eq!((of("theirs", "mail").waiting, of("theirs", "mail").words()), (0, None));
        assert_eq!((of("ours", "mail").waiting, of("ours", "mail").words()), (1, None));
        // A channel that was taken out of our files, and a file that is there no more.
        for (place, channel) in [("ours", "noc"), ("empty", "noc"), ("nowhere", "mail")] {
            assert_eq!(of(place, channel).gone, [format!("{channel} of {}", file(place))]);
        }
    }

    fn refused(lasting: bool, retry_after: Option<Duration>) -> Undelivered {
        Undelivered { lasting, retry_after, ..too_slow() }
    }

    #[test]
    fn waits_double_up_to_an_hour() {
        let minutes = |attempts| wait(&refused(false, None), attempts, 0.5).as_secs() / 60;
        let waits: Vec<u64> = (0..9).map(minutes).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(wait(&refused(false, None), u32::MAX, 1.0), LONGEST_WAIT);
        assert_eq!(wait(&refused(false, None), 0, 0.0), Duration::from_secs(48));
        assert_eq!(wait(&refused(false, None), 0, 1.0), Duration::from_secs(72));
        assert_eq!(
            wait(&refused(true, None), 0, 0.5),
            LONGEST_WAIT,
            "what will not mend itself is not asked each minute"
        );
        let settings = Undelivered { blame: Blame::Settings, ..refused(true, None) };
        assert_eq!(wait(&settings, 0, 0.5), FIRST_WAIT, "somebody may be mending it");
    }

    #[test]
    fn who_wants_to_be_left_alone_is_for_a_day_at_most() {
        let asked = |seconds| wait(&refused(false, Some(Duration::from_secs(seconds))), 0, 0.5);
        assert_eq!(asked(5), FIRST_WAIT);
        assert_eq!(asked(7200), Duration::from_hours(2));
        assert_eq!(asked(u64::MAX), LONGEST_ASKED);
    }

    #[test]
    fn only_what_the_receiver_will_never_take_lets_others_pass() {
        let lets_pass = |error| failed(&error, 0, Vec::new(), Came::default(), Timestamp::UNIX_EPOCH).refused;
        assert!(lets_pass(refused(true, None)));
        assert!(!lets_pass(refused(false, None)));
        assert!(!lets_pass(Undelivered { blame: Blame::Settings, ..refused(true, None) }));
    }

    fn breaks() -> BoxFuture<'static, Result<Receipt, Undelivered>> {
        futures::future::lazy(|_| panic!("as a mistake would")).boxed()
    }

    fn takes() -> BoxFuture<'static, Result<Receipt, Undelivered>> {
        futures::future::ready(Ok(Receipt { said: "ok".to_owned(), refused: Vec::new() })).boxed()
    }

    #[tokio::test]
    async fn a_delivery_that_panics_is_a_try_that_failed_and_holds_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("history.db");
        let channel = channel("slack");
        let message = |id: &str| Message {
            id: id.to_owned(),
            made: "2026-01-01T02:00:00Z".to_owned(),
            test: false,
            client: "c".to_owned(),
            notices: notices(1, ""),
        };
        let messages = ["1", "2"].map(|id| (addressee(&channel), message(id)));
        let look = Look { messages: messages.into(), ..Default::default() };
        assert!(Sqlite::open(&place, Mode::Create, |_| String::new()).unwrap().note_look(&look).unwrap());
        let outbox = Outbox::open(&place).unwrap();
        let sent = outbox.send_by(&channel, None, |_, _, _| breaks()).await.unwrap();
        assert_eq!((sent.delivered, sent.troubles.len()), (0, 1));
        assert!(sent.troubles[0].contains("by a mistake of portreeve's"), "{sent:?}");
        let waiting = outbox.waiting().unwrap();
        assert_eq!((waiting[0].attempts, waiting[0].claimed, waiting[1].attempts), (1, false, 0));
        let later = Timestamp::now();
        let sent = outbox.send_by(&channel, Some(later), |_, _, _| takes()).await.unwrap();
        assert_eq!((sent.delivered, outbox.waiting().unwrap()), (2, Vec::new()));
    }
}
