//! What is open, and messages that wait.

mod turn;

use super::{Done, Sqlite, Wrong, new_uid};
use crate::history::holder::Holder;
use crate::history::outbox::{
    APPEARANCES, Addressee, Appearances, Appeared, Came, Claimed, Failed, Look, Refusal, Standing, Waiting, is_due,
};
use crate::history::{HistoryError, RunNumber, State};
use crate::model::alert::Message;
use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, Transaction, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use turn::{Queue, Queued, Turn};

/// In the column `refused`: nobody is given it any more, and it is kept for whom it was refused. `reached` has that one, `error` what
/// was said.
const OVER: i64 = 2;

/// Who is at messages: in the names of locks beside those of runs.
const SENDER: &str = "sender-";

fn json(value: &impl Serialize) -> Done<String> {
    Ok(serde_json::to_string(value).map_err(|error| error.to_string())?)
}

fn read<T: DeserializeOwned>(text: &str) -> Done<T> {
    Ok(serde_json::from_str(text).map_err(|error| error.to_string())?)
}

/// In which runs each server was.
pub(super) fn appearances(store: &Sqlite) -> Done<Appearances> {
    let view = store.connection.unchecked_transaction()?;
    let mut names: BTreeMap<i64, (String, String)> = BTreeMap::new();
    let mut statement = view.prepare("SELECT id, client, name FROM target")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        names.insert(row.get(0)?, (row.get(1)?, row.get(2)?));
    }
    let mut statement = view.prepare("SELECT id FROM snapshot WHERE unfinished")?;
    let unfinished: HashSet<i64> = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let mut statement = view.prepare("SELECT id, uid, state, started FROM run ORDER BY started, id")?;
    let mut rows = statement.query([])?;
    let mut order: Vec<(String, RunNumber)> = Vec::new();
    while let Some(row) = rows.next()? {
        let number = RunNumber(row.get(0)?);
        if store.state(&row.get::<_, String>(1)?, &row.get::<_, String>(2)?) != State::Running {
            order.push((row.get(3)?, number));
        }
    }
    let places: HashMap<i64, usize> = order.iter().enumerate().map(|(place, (_, run))| (run.0, place)).collect();
    // A run has a small number of pages side by side, so all of the table is read faster than runs one by one.
    let mut found: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    let mut statement = view.prepare("SELECT run, target, snapshot FROM run_target")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let Some(place) = places.get(&row.get(0)?) else { continue };
        if !unfinished.contains(&row.get(2)?) {
            found.entry(row.get(1)?).or_default().push(*place);
        }
    }
    let mut servers = Vec::new();
    for (target, mut places) in found {
        places.sort_unstable();
        let Some((client, name)) = names.remove(&target) else { continue };
        let last: VecDeque<usize> = places.split_off(places.len().saturating_sub(APPEARANCES)).into();
        let runs = last.into_iter().filter_map(|place| order.get(place).cloned()).collect();
        servers.push(Appeared { client, name, runs });
    }
    Ok(Appearances { servers })
}

fn looks(store: &rusqlite::Connection) -> Done<i64> {
    Ok(store.query_row("SELECT times FROM looked", [], |row| row.get(0)).optional()?.unwrap_or_default())
}

/// What is open, and what is remembered of servers.
pub(super) fn standing(store: &Sqlite) -> Done<Standing> {
    let view = store.connection.unchecked_transaction()?;
    let mut standing = Standing { looks: looks(&view)?, ..Standing::default() };
    let mut statement = view.prepare("SELECT body FROM matter ORDER BY key")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        standing.matters.push(read(&row.get::<_, String>(0)?)?);
    }
    let mut statement = view.prepare("SELECT body FROM known_server ORDER BY client, name")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        standing.servers.push(read(&row.get::<_, String>(0)?)?);
    }
    Ok(standing)
}

/// Keeps what a look came to.
pub(super) fn note_look(store: &Transaction<'_>, look: &Look) -> Done<bool> {
    if looks(store)? != look.looks {
        return Ok(false);
    }
    store.execute("INSERT OR REPLACE INTO looked VALUES (1, ?1)", [look.looks + 1])?;
    for key in &look.closed {
        store.execute("DELETE FROM matter WHERE key = ?1", [key])?;
    }
    for matter in &look.open {
        store.execute("INSERT OR REPLACE INTO matter VALUES (?1, ?2)", params![matter.key, json(matter)?])?;
    }
    for (client, name) in &look.forgotten {
        store.execute("DELETE FROM known_server WHERE client = ?1 AND name = ?2", [client, name])?;
    }
    for server in &look.servers {
        store.execute(
            "INSERT OR REPLACE INTO known_server VALUES (?1, ?2, ?3)",
            params![server.client, server.name, json(server)?],
        )?;
    }
    for (Addressee { place, channel }, message) in &look.messages {
        let notices = i64::try_from(message.notices.len()).unwrap_or(i64::MAX);
        let due = message.made.parse().map_or(0, Timestamp::as_millisecond);
        store.execute(
            "INSERT INTO outbox (id, place, channel, client, made, notices, body, due)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![message.id, place, channel, message.client, message.made, notices, json(message)?, due],
        )?;
    }
    Ok(true)
}

fn moment(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The messages that wait.
pub(super) fn waiting(store: &Sqlite) -> Done<Vec<Waiting>> {
    let mut statement = store.connection.prepare_cached(
        "SELECT id, channel, client, made, notices, attempts, tried, due, error, refused, claimed, place,
         CASE WHEN EXISTS (SELECT 1 FROM outbox WHERE refused = 1) THEN body END, reached FROM outbox
         WHERE refused <> ?1 ORDER BY number",
    )?;
    let mut rows = statement.query([OVER])?;
    let mut waiting = Vec::new();
    while let Some(row) = rows.next()? {
        let claimed: Option<String> = row.get(10)?;
        let keys = match row.get::<_, Option<String>>(12)? {
            Some(body) => read::<Message>(&body)?.notices.into_iter().map(|notice| notice.key).collect(),
            None => Vec::new(),
        };
        waiting.push(Waiting {
            id: row.get(0)?,
            to: Addressee { place: row.get(11)?, channel: row.get(1)? },
            client: row.get(2)?,
            made: row.get(3)?,
            notices: row.get(4)?,
            attempts: row.get(5)?,
            tried: row.get::<_, Option<i64>>(6)?.map(moment),
            due: moment(row.get(7)?),
            error: row.get(8)?,
            refused: row.get(9)?,
            claimed: claimed.is_some_and(|who| is_alive(store, &who)),
            keys,
            partly: row.get::<_, String>(13)? != "[]",
        });
    }
    Ok(waiting)
}

fn is_alive(store: &Sqlite, who: &str) -> bool {
    store.sender.as_ref().is_some_and(|(own, _)| own == who) || Holder::is_held(&store.path, &format!("{SENDER}{who}"))
}

/// Takes the message that a channel is to be sent next.
pub(super) fn claim(
    store: &mut Sqlite,
    to: &Addressee,
    recipients: &[String],
    now: Timestamp,
    hurry: Option<Timestamp>,
) -> Result<Option<Claimed>, HistoryError> {
    let any = "SELECT 1 FROM outbox WHERE place = ?1 AND channel = ?2 AND refused <> ?3 LIMIT 1";
    let any = store.connection.prepare_cached(any);
    let any = any.and_then(|mut any| any.exists(params![to.place, to.channel, OVER])).map_err(Wrong::from);
    if !store.blamed(any)? {
        return Ok(None);
    }
    let who = own_name(store)?;
    let path = store.path.clone();
    let mut gone = Vec::new();
    let claimed = store.whole(|transaction, _| {
        let mut at_it = transaction.prepare_cached(
            "SELECT DISTINCT claimed FROM outbox WHERE place = ?1 AND channel = ?2 AND claimed IS NOT NULL",
        )?;
        let mut rows = at_it.query([&to.place, &to.channel])?;
        while let Some(row) = rows.next()? {
            let other: String = row.get(0)?;
            if other == who || Holder::is_held(&path, &format!("{SENDER}{other}")) {
                // Messages of a channel go one after the other.
                return Ok(None);
            }
            gone.push(other);
        }
        let now = now.as_millisecond();
        let mut statement = transaction.prepare_cached(
            "SELECT number, due, refused, tried, reached, body FROM outbox
             WHERE place = ?1 AND channel = ?2 AND refused <> ?3 ORDER BY number",
        )?;
        let mut rows = statement.query(params![to.place, to.channel, OVER])?;
        let mut queue = Queue::new(recipients);
        let (number, held) = loop {
            let Some(row) = rows.next()? else { return Ok(None) };
            let due: i64 = row.get(1)?;
            let tried: Option<i64> = row.get(3)?;
            let hurried = hurry.is_some_and(|since| tried.is_none_or(|tried| tried < since.as_millisecond()));
            let reached: Vec<String> = read(&row.get::<_, String>(4)?)?;
            let message = Queued { is_due: hurried || is_due(due, now), refused: row.get(2)?, reached: &reached };
            let keys = || -> Done<BTreeSet<String>> {
                let message: Message = read(&row.get::<_, String>(5)?)?;
                Ok(message.notices.into_iter().map(|notice| notice.key).collect())
            };
            match queue.next(&message, keys)? {
                Turn::Now(held) => break (row.get::<_, i64>(0)?, held),
                Turn::Later => {}
                Turn::Last => return Ok(None),
            }
        };
        transaction.execute("UPDATE outbox SET claimed = ?2 WHERE number = ?1", params![number, who])?;
        let (body, attempts, reached) =
            transaction.query_row("SELECT body, attempts, reached FROM outbox WHERE number = ?1", [number], |row| {
                Ok((row.get::<_, String>(0)?, row.get(1)?, row.get::<_, String>(2)?))
            })?;
        Ok(Some(Claimed { message: read(&body)?, attempts, reached: read(&reached)?, held }))
    })?;
    for other in gone {
        Holder::clear(&path, &format!("{SENDER}{other}"));
    }
    Ok(claimed)
}

/// The name under which this process takes messages; the system lets go of it however the process ends.
fn own_name(store: &mut Sqlite) -> Result<String, HistoryError> {
    if let Some((name, _)) = &store.sender {
        return Ok(name.clone());
    }
    Holder::sweep(&store.path, SENDER);
    let name = new_uid();
    let held = Holder::take(&store.path, &format!("{SENDER}{name}"))?
        .ok_or_else(|| HistoryError::Bug { message: "a name that nobody has is taken".to_owned() })?;
    store.sender = Some((name.clone(), held));
    Ok(name)
}

pub(super) fn delivered(store: &Transaction<'_>, id: &str, came: &Came) -> Done<()> {
    note_refusals(store, id, came)?;
    store.execute("DELETE FROM outbox WHERE id = ?1", [id])?;
    Ok(())
}

pub(super) fn not_delivered(store: &Transaction<'_>, id: &str, failed: &Failed) -> Done<()> {
    note_refusals(store, id, &failed.came)?;
    store.execute(
        "UPDATE outbox SET claimed = NULL, attempts = attempts + 1, tried = ?2, due = ?3, error = ?4, refused = ?5,
         reached = ?6 WHERE id = ?1",
        params![
            id,
            failed.tried.as_millisecond(),
            failed.due.as_millisecond(),
            failed.error,
            failed.refused,
            json(&failed.reached)?
        ],
    )?;
    Ok(())
}

/// Keeps who was refused a message for good, in a copy of it for each: the last one, until that recipient is given another.
fn note_refusals(store: &Transaction<'_>, id: &str, came: &Came) -> Done<()> {
    let forget = |whom: &str| -> Done<()> {
        store.execute(
            "DELETE FROM outbox WHERE refused = ?2 AND reached = ?3
             AND (place, channel) = (SELECT place, channel FROM outbox WHERE id = ?1)",
            params![id, OVER, json(&[whom])?],
        )?;
        Ok(())
    };
    for whom in &came.took {
        forget(whom)?;
    }
    for (whom, said) in &came.refused {
        forget(whom)?;
        store.execute(
            "INSERT INTO outbox (id, place, channel, client, made, notices, body, due, tried, error, reached, refused)
             SELECT ?2, place, channel, client, made, notices, body, due, ?3, ?4, ?5, ?6 FROM outbox WHERE id = ?1",
            params![id, new_uid(), came.at.as_millisecond(), said, json(&[whom])?, OVER],
        )?;
    }
    Ok(())
}

/// Who was refused what for good.
pub(super) fn refusals(store: &Sqlite) -> Done<Vec<Refusal>> {
    let mut statement = store.connection.prepare_cached(
        "SELECT place, channel, client, made, tried, error, reached FROM outbox WHERE refused = ?1 ORDER BY number",
    )?;
    let mut rows = statement.query([OVER])?;
    let mut refusals = Vec::new();
    while let Some(row) = rows.next()? {
        let whom: Vec<String> = read(&row.get::<_, String>(6)?)?;
        refusals.push(Refusal {
            to: Addressee { place: row.get(0)?, channel: row.get(1)? },
            whom: whom.into_iter().next().unwrap_or_default(),
            said: row.get(5)?,
            at: moment(row.get(4)?),
            client: row.get(2)?,
            made: row.get(3)?,
        });
    }
    Ok(refusals)
}

/// Forgets who was refused and is no recipient of the channel any more.
pub(super) fn forget_others(store: &mut Sqlite, to: &Addressee, recipients: &[String]) -> Result<(), HistoryError> {
    let known = store.blamed(refusals(store))?;
    let others: Vec<Refusal> =
        known.into_iter().filter(|one| one.to == *to && !recipients.contains(&one.whom)).collect();
    if others.is_empty() {
        return Ok(());
    }
    store.whole(|store, _| {
        for Refusal { to, whom, .. } in &others {
            store.execute(
                "DELETE FROM outbox WHERE refused = ?1 AND place = ?2 AND channel = ?3 AND reached = ?4",
                params![OVER, to.place, to.channel, json(&[whom])?],
            )?;
        }
        Ok(())
    })
}

pub(super) fn drop_messages(store: &Transaction<'_>, ids: &[String]) -> Done<usize> {
    let mut dropped = 0;
    for id in ids {
        dropped += store.execute("DELETE FROM outbox WHERE id = ?1", [id])?;
    }
    Ok(dropped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Archive as _;
    use crate::history::outbox::behind;
    use crate::history::sqlite::Mode;
    use crate::model::alert::{Kind, Notice, Phase};
    use crate::model::matter::{Matter, MatterState};
    use crate::model::verdict::Severity;
    use std::path::Path;

    fn open(folder: &Path) -> Sqlite {
        Sqlite::open(&folder.join("history.db"), Mode::Create, |_| String::new()).unwrap()
    }

    fn message(id: &str) -> Message {
        let made = "2026-11-21T02:00:00Z".to_owned();
        Message { id: id.to_owned(), made, test: false, client: "c".to_owned(), notices: Vec::new() }
    }

    /// The channel `noc` of a file.
    fn noc(place: &str) -> Addressee {
        Addressee { place: place.to_owned(), channel: "noc".to_owned() }
    }

    fn look(looks: i64, ids: &[&str]) -> Look {
        let messages = ids.iter().map(|id| (noc("a"), message(id))).collect();
        Look { looks, messages, ..Look::default() }
    }

    fn matter(key: &str) -> Matter {
        Matter {
            key: key.to_owned(),
            kind: Kind::Failure,
            severity: Severity::High,
            client: "c".to_owned(),
            target: None,
            title: "t".to_owned(),
            details: Vec::new(),
            action: None,
            since: "2026-11-21T02:00:00Z".to_owned(),
            run: None,
            state: MatterState::Inventory { files: BTreeSet::new() },
            told_as: None,
        }
    }

    fn now() -> Timestamp {
        "2026-11-21T03:00:00Z".parse().unwrap()
    }

    fn failed(due: &str, refused: bool) -> Failed {
        let due = due.parse().unwrap();
        Failed {
            tried: now(),
            due,
            error: "no".to_owned(),
            refused,
            reached: vec!["a@example.com".to_owned()],
            came: Came::default(),
        }
    }

    fn claimed(store: &mut Sqlite, hurry: Option<Timestamp>) -> Option<String> {
        store.claim(&noc("a"), &[], now(), hurry).unwrap().map(|claimed| claimed.message.id)
    }

    #[test]
    fn a_look_is_kept_whole_or_not_at_all_where_somebody_else_looked() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path());
        let first = Look { open: vec![matter("a"), matter("b")], ..look(0, &["1"]) };
        assert!(store.note_look(&first).unwrap());
        assert!(!store.note_look(&Look { closed: vec!["a".to_owned()], ..look(0, &["2"]) }).unwrap());
        assert_eq!((store.standing().unwrap().matters.len(), store.waiting().unwrap().len()), (2, 1));
        // The same message twice is a mistake, and then nothing is kept.
        assert!(store.note_look(&Look { closed: vec!["a".to_owned()], ..look(1, &["1"]) }).is_err());
        assert_eq!(open(folder.path()).standing().unwrap(), store.standing().unwrap());
        assert!(store.note_look(&Look { closed: vec!["a".to_owned()], ..look(1, &[]) }).unwrap());
        assert_eq!(store.standing().unwrap().matters, [matter("b")]);
        assert_eq!(store.standing().unwrap().looks, 2);
    }

    #[test]
    fn messages_of_a_channel_go_in_their_order_and_to_one_process_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let (mut one, mut other) = (open(folder.path()), open(folder.path()));
        assert!(one.note_look(&look(0, &["1", "2", "3"])).unwrap());
        assert_eq!(claimed(&mut one, None).as_deref(), Some("1"));
        assert_eq!((claimed(&mut one, None), claimed(&mut other, Some(now()))), (None, None));
        assert!(one.waiting().unwrap()[0].claimed && other.waiting().unwrap()[0].claimed);
        one.not_delivered("1", &failed("2026-11-21T04:00:00Z", false)).unwrap();
        // What comes after it waits with it, and it is tried once in a round.
        assert_eq!((claimed(&mut other, None), claimed(&mut other, Some(now()))), (None, None));
        let later = "2026-11-21T03:00:01Z".parse().unwrap();
        let again = other.claim(&noc("a"), &[], later, Some(later)).unwrap().unwrap();
        assert_eq!((again.message.id.as_str(), again.attempts), ("1", 1));
        assert_eq!(again.reached, ["a@example.com"], "whom it reached is not asked again");
        other.delivered("1", &Came::default()).unwrap();
        assert_eq!(claimed(&mut one, None).as_deref(), Some("2"));
        // A process that is gone holds nothing.
        drop(one);
        assert_eq!(claimed(&mut other, None).as_deref(), Some("2"));
    }

    #[test]
    fn what_is_refused_for_good_lets_others_pass() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path());
        assert!(store.note_look(&look(0, &["1", "2"])).unwrap());
        assert_eq!(claimed(&mut store, None).as_deref(), Some("1"));
        store.not_delivered("1", &failed("2026-11-21T04:00:00Z", true)).unwrap();
        assert_eq!(claimed(&mut store, None).as_deref(), Some("2"));
        store.delivered("2", &Came::default()).unwrap();
        assert_eq!(claimed(&mut store, None), None);
        let due: Timestamp = "2026-11-21T04:00:00Z".parse().unwrap();
        assert!(store.claim(&noc("a"), &[], due, None).unwrap().is_some());
    }

    #[test]
    fn a_message_is_for_the_channel_of_its_own_file_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path());
        let messages = vec![(noc("a"), message("of a")), (noc("b"), message("of b"))];
        assert!(store.note_look(&Look { messages, ..Look::default() }).unwrap());
        let mut of = |place| store.claim(&noc(place), &[], now(), None).unwrap().map(|claimed| claimed.message.id);
        assert_eq!((of("c"), of("b")), (None, Some("of b".to_owned())));
        // Who sends to one does not hold up the other.
        assert_eq!((of("b"), of("a")), (None, Some("of a".to_owned())));
        let places: Vec<String> = store.waiting().unwrap().into_iter().map(|message| message.to.place).collect();
        assert_eq!(places, ["a", "b"]);
    }

    #[test]
    fn an_end_never_passes_the_beginning_that_was_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path());
        let of = |id: &str, keys: &[&str], phase| {
            let notices: Vec<Notice> = keys.iter().map(|key| matter(key).notice(phase)).collect();
            (noc("a"), Message { notices, ..message(id) })
        };
        let messages = vec![
            of("1", &["x", "y"], Phase::Raised),
            of("2", &["z"], Phase::Raised),
            of("3", &["y", "v"], Phase::Resolved),
            of("4", &["v"], Phase::Raised),
            of("5", &["w"], Phase::Raised),
        ];
        assert!(store.note_look(&Look { messages, ..Look::default() }).unwrap());
        assert_eq!(claimed(&mut store, None).as_deref(), Some("1"));
        store.not_delivered("1", &failed("2026-11-21T04:00:00Z", true)).unwrap();
        for id in ["2", "5"] {
            assert_eq!(claimed(&mut store, None).as_deref(), Some(id));
            store.delivered(id, &Came::default()).unwrap();
        }
        assert_eq!(claimed(&mut store, None), None, "what waits for what was refused waits with it");
        store.delivered("1", &Came::default()).unwrap();
        for id in ["3", "4"] {
            assert_eq!(claimed(&mut store, None).as_deref(), Some(id));
            store.delivered(id, &Came::default()).unwrap();
        }
    }

    #[test]
    fn which_message_another_waits_behind_is_told_as_they_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path());
        let of = |id: &str, keys: &[&str]| {
            let notices: Vec<Notice> = keys.iter().map(|key| matter(key).notice(Phase::Raised)).collect();
            (noc("a"), Message { notices, ..message(id) })
        };
        let messages =
            vec![of("1", &["x"]), of("2", &["x", "y"]), of("3", &["y"]), of("4", &["z"]), (noc("b"), message("5"))];
        assert!(store.note_look(&Look { messages, ..Look::default() }).unwrap());
        let told = |store: &Sqlite| behind(&store.waiting().unwrap(), now());
        let failed = |due: &str, refused| Failed { reached: Vec::new(), ..failed(due, refused) };
        assert_eq!(told(&store), [None; 5], "all are due");
        assert_eq!(claimed(&mut store, None).as_deref(), Some("1"));
        assert_eq!(told(&store), [None, Some(0), Some(0), Some(0), None], "it is being sent");
        store.not_delivered("1", &failed("2026-11-21T04:00:00Z", true)).unwrap();
        // The third waits for what the second tells, and both for the first.
        assert_eq!(told(&store), [None, Some(0), Some(0), None, None]);
        assert_eq!(claimed(&mut store, None).as_deref(), Some("4"));
        store.not_delivered("4", &failed("2026-11-21T03:10:00Z", false)).unwrap();
        assert_eq!(claimed(&mut store, None), None);
        store.delivered("1", &Came::default()).unwrap();
        assert_eq!(told(&store), [None; 4]);
        assert_eq!(claimed(&mut store, None).as_deref(), Some("2"));
        let to_nobody = Failed { reached: Vec::new(), ..failed("2026-11-21T04:00:00Z", false) };
        store.not_delivered("2", &to_nobody).unwrap();
        assert_eq!(told(&store), [None, Some(0), Some(0), None], "what is tried again later holds up all");
        assert_eq!(claimed(&mut store, None), None);
        let partly = Failed { reached: vec!["a@example.com".to_owned()], ..failed("2026-11-21T04:00:00Z", false) };
        store.not_delivered("2", &partly).unwrap();
        assert_eq!(told(&store), [None; 4], "what reached some holds up the others alone");
    }

    #[test]
    fn a_clock_that_was_ahead_keeps_nothing_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path());
        assert!(store.note_look(&look(0, &["1"])).unwrap());
        assert_eq!(claimed(&mut store, None).as_deref(), Some("1"));
        store.not_delivered("1", &failed("2031-01-01T00:00:00Z", false)).unwrap();
        assert_eq!(claimed(&mut store, None).as_deref(), Some("1"));
    }

    #[test]
    fn messages_are_given_up_by_name_only() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path());
        assert!(store.note_look(&look(0, &["1", "2"])).unwrap());
        assert_eq!(store.drop_messages(&["1".to_owned(), "x".to_owned()]).unwrap(), 1);
        assert_eq!(store.waiting().unwrap().len(), 1);
    }

    #[test]
    fn a_job_is_held_by_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let (mut one, mut other) = (open(folder.path()), open(folder.path()));
        assert!(one.hold_job("N: 0 2 * * * UTC").unwrap() && other.is_job_held("N: 0 2 * * * UTC"));
        assert!(!other.hold_job("N: 0 2 * * * UTC").unwrap());
        assert!(other.hold_job("N: 0 3 * * * UTC").unwrap());
        drop(one);
        assert!(!other.is_job_held("N: 0 2 * * * UTC") && other.hold_job("N: 0 2 * * * UTC").unwrap());
    }
}
