//! What met no clear word beside other hellos, offered one after the other.
//!
//! A closed connection may refuse what was offered, and may be of a server that serves only so many at once or so often. So
//! hellos that are known to work are sent among those that are closed, in an order in which no count and no rate could close
//! just the others: twice in a row, none, once. Only while every one of them is accepted, closed connections refuse. Where one is
//! not, all is offered again after longer pauses.

use super::hellos::Hellos;
use super::search::{Said, Why};
use super::{Control, Task, to_send};
use std::collections::VecDeque;
use std::time::Duration;

/// How many hellos that are known to work go before a closed one, in turn.
const BEFORE: [usize; 3] = [2, 0, 1];

/// How many go after the last one.
const AFTER: usize = 2;

/// How many closed connections there must be at least, so that chance does not decide.
const CLOSED: usize = 3;

/// The pauses before hellos: for a server that still ends the connection before, and for one that serves so many a second.
const PAUSES: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_millis(30),
    Duration::from_millis(120),
    Duration::from_millis(400),
    Duration::from_millis(1100),
];

/// An offer that met a closed connection.
#[derive(Clone, Debug)]
struct Closed {
    /// Of the task.
    place: usize,
    offered: Vec<u16>,
    why: Why,
}

/// Offers it. What is not clear even then, each task's search keeps.
pub(super) async fn alone(hellos: &Hellos<'_>, tasks: &mut [Task<'_, '_>]) {
    let mut open: VecDeque<(usize, Vec<u16>)> = VecDeque::new();
    for (place, task) in tasks.iter_mut().enumerate() {
        open.extend(task.search.take_unheard().into_iter().map(|offered| (place, offered)));
    }
    let mut left: Vec<Closed> = Vec::new();
    for pause in PAUSES {
        // Where not even that works, waiting is all that may help.
        let Some(control) = open.front().and_then(|(place, _)| tasks.get(*place)).map(|task| task.control) else {
            break;
        };
        if !work(hellos, control, 1, pause).await {
            continue;
        }
        // What found no connection, for it came before the last one had ended, is offered again at the next pace.
        let mut unmade = Vec::new();
        // As long as something is refused or accepted at this pace, there may be more to offer.
        while !open.is_empty() && !hellos.is_over() {
            left = one_by_one(hellos, tasks, &mut open, &mut unmade, pause).await;
            if !among_working(hellos, tasks, &mut left, &mut open, pause).await {
                break;
            }
            left.clear();
        }
        open.extend(left.iter().map(|closed| (closed.place, closed.offered.clone())));
        left.extend(unmade.iter().cloned());
        open.extend(unmade.into_iter().map(|unmade| (unmade.place, unmade.offered)));
        if open.is_empty() || hellos.is_over() {
            break;
        }
    }
    // What is open was closed last, or never offered: the time was over, or hellos that are known to work no longer did.
    let otherwise = if hellos.is_over() { Why::OutOfTime } else { Why::Stopped };
    for (place, offered) in open {
        let Some(task) = tasks.get_mut(place) else { continue };
        let met = left.iter().find(|closed| closed.place == place && closed.offered == offered);
        task.search.tell(offered, Said::Unclear(met.map_or_else(|| otherwise.clone(), |closed| closed.why.clone())));
    }
}

/// Offers all that is open, and all that it leads to; gives back what met a closed connection, and keeps what found none.
async fn one_by_one(
    hellos: &Hellos<'_>,
    tasks: &mut [Task<'_, '_>],
    open: &mut VecDeque<(usize, Vec<u16>)>,
    unmade: &mut Vec<Closed>,
    pause: Duration,
) -> Vec<Closed> {
    let mut closed = Vec::new();
    while let Some((place, offered)) = open.pop_front() {
        if hellos.is_over() {
            open.push_front((place, offered));
            break;
        }
        tokio::time::sleep(pause).await;
        match offer(hellos, tasks, open, place, offered).await {
            Some(one) if one.why == Why::NoConnection => unmade.push(one),
            one => closed.extend(one),
        }
    }
    closed
}

/// Offers once, and notes the answer, unless the connection is closed or could not be made.
async fn offer(
    hellos: &Hellos<'_>,
    tasks: &mut [Task<'_, '_>],
    open: &mut VecDeque<(usize, Vec<u16>)>,
    place: usize,
    offered: Vec<u16>,
) -> Option<Closed> {
    let task = tasks.get_mut(place)?;
    let said = hellos.offer(task.control, &task.topic, to_send(&task.topic, &offered)).await;
    if let Said::Unclear(why) = &said
        && (why.may_refuse() || *why == Why::NoConnection)
    {
        return Some(Closed { place, offered, why: why.clone() });
    }
    task.search.tell(offered, said);
    open.extend(std::iter::from_fn(|| task.search.next()).map(|offered| (place, offered)));
    None
}

/// Offers again what met closed connections, among hellos that are known to work. Says whether all of those were accepted: then
/// the others are refused.
async fn among_working(
    hellos: &Hellos<'_>,
    tasks: &mut [Task<'_, '_>],
    closed: &mut Vec<Closed>,
    open: &mut VecDeque<(usize, Vec<u16>)>,
    pause: Duration,
) -> bool {
    let mut again: VecDeque<Closed> = closed.iter().cloned().collect();
    let Some(control) = again.front().and_then(|first| tasks.get(first.place)).map(|task| task.control) else {
        return true;
    };
    let (mut met, mut last) = (0, control);
    while let Some(next) = again.pop_front() {
        let Some(task) = tasks.get(next.place) else { continue };
        last = task.control;
        let before = BEFORE.get(met % BEFORE.len()).copied().unwrap_or(1);
        if !work(hellos, last, before, pause).await {
            return false;
        }
        tokio::time::sleep(pause).await;
        let (place, offered) = (next.place, next.offered.clone());
        match offer(hellos, tasks, open, place, offered).await {
            // Before a word was said: that is no answer to what is offered.
            Some(one) if one.why == Why::NoConnection => return false,
            Some(_) => {}
            None => {
                // Closed at one time and answered at another: then closing it said nothing, and what else was closed is
                // doubtful.
                closed.retain(|other| other.place != next.place || other.offered != next.offered);
                return false;
            }
        }
        met += 1;
        if again.is_empty() && met < CLOSED {
            again.extend(closed.iter().cloned());
        }
    }
    work(hellos, last, AFTER, pause).await
}

/// Whether a hello that was accepted is accepted so many times.
async fn work(hellos: &Hellos<'_>, control: &Control<'_>, times: usize, pause: Duration) -> bool {
    for _ in 0..times {
        tokio::time::sleep(pause).await;
        if !hellos.works(control).await {
            return false;
        }
    }
    true
}
