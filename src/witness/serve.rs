//! The sockets of a witness.

use super::book::{Book, Heard, Place};
use super::datagrams;
use super::{Held, Logbook, Notice, Summary};
use crate::model::ports::Transport;
use crate::net::failure::millis;
use crate::wire::Parse;
use crate::wire::witness::log::{Line, VERSION};
use crate::wire::witness::{Key, LIMIT, Read, length, read};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

/// How many connections are held at a time.
pub const CONNECTIONS: usize = 512;

/// How long a connection may be without a message of the key's.
const FIRST_MESSAGE: Duration = Duration::from_secs(3);

/// How long a connection that had one may wait for the next.
const NEXT_MESSAGE: Duration = Duration::from_secs(10);

/// How long a connection may last.
const WHOLE: Duration = Duration::from_mins(2);

/// How much is read of a stranger before the connection is closed.
const STRANGER_BYTES: usize = 4096;

/// How often the log says that everything stands in it.
const ALIVE: Duration = Duration::from_secs(5);

/// How long to wait after an error of a socket, so that one that stays does not keep us busy.
const AFTER_ERROR: Duration = Duration::from_millis(20);

/// What the sockets share.
#[derive(Debug)]
pub(super) struct Server {
    key: Key,
    book: Mutex<Book>,
    log: Mutex<Option<Logbook>>,
    clock: fn() -> u64,
    notices: mpsc::Sender<Notice>,
    room: Arc<Semaphore>,
}

impl Server {
    pub(super) fn new(
        book: Book,
        key: Key,
        log: Option<Logbook>,
        clock: fn() -> u64,
        notices: mpsc::Sender<Notice>,
    ) -> Self {
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        Self { key, book: Mutex::new(book), log: Mutex::new(log), clock, notices, room }
    }

    pub(super) async fn run(self, held: Held, lasts: Duration, mut stop: watch::Receiver<bool>) -> io::Result<Summary> {
        let server = Arc::new(self);
        let end = Instant::now() + lasts;
        let mut tasks = JoinSet::new();
        for listener in held.tcp {
            tasks.spawn(Arc::clone(&server).accept(TcpListener::from_std(listener)?));
        }
        for socket in held.udp {
            tasks.spawn(Arc::clone(&server).listen(UdpSocket::from_std(socket)?));
        }
        let at_ms = (server.clock)();
        let until_ms = at_ms.saturating_add(millis(lasts));
        server.note(|book| {
            let ports = book.listed().to_vec();
            ((), [Line::Opened { version: VERSION, at_ms, until_ms, ports }])
        });
        loop {
            tokio::select! {
                // Without anybody left who could stop us only the clock counts.
                Ok(_) = stop.wait_for(|stop| *stop) => break,
                () = sleep_until(end) => break,
                () = sleep(ALIVE) => server.note(|book| ((), book.lines((server.clock)()))),
                // A port that is no longer listened on must not pass for held.
                Some(_) = tasks.join_next() => server.book().spoil(),
            }
        }
        tasks.shutdown().await;
        server.note(|book| ((), [book.last_line((server.clock)())]));
        let summary = server.book().summary();
        Ok(summary)
    }

    /// Held only for as long as it takes to note something.
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the book and logs what comes of it before anybody else does: so the log's order is the book's.
    fn note<T, L: IntoIterator<Item = Line>>(&self, what: impl FnOnce(&mut Book) -> (T, L)) -> T {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let (result, lines) = what(&mut self.book());
        if let Some(log) = log.as_mut() {
            for line in lines {
                if let Err(error) = log.write(&line) {
                    self.tell(Notice::Log { error });
                }
            }
        }
        result
    }

    /// Nobody waits for somebody who reads notices; those that find no room are lost.
    fn tell(&self, notice: Notice) {
        let _ = self.notices.try_send(notice);
    }

    /// Notes a message; what is to be answered, and whether it was ours.
    fn hear(&self, read: Read, place: Place) -> (Option<Vec<u8>>, bool) {
        let Heard { answer, notice, ours, .. } = self.note(|book| {
            let mut heard = book.hear(read, place, (self.clock)());
            let line = heard.line.take();
            (heard, line)
        });
        if let Some(notice) = notice {
            self.tell(notice);
        }
        (answer, ours)
    }

    async fn accept(self: Arc<Self>, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, source)) => match Arc::clone(&self.room).try_acquire_owned() {
                        Ok(room) => {
                            let server = Arc::clone(&self);
                            connections.spawn(async move {
                                server.converse(stream, source).await;
                                drop(room);
                            });
                        }
                        Err(_) => self.book().crowded(),
                    },
                    Err(error) => {
                        tracing::debug!(%error, "a connection could not be accepted");
                        self.book().crowded();
                        sleep(AFTER_ERROR).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }

    /// One connection: messages of the key's are answered, anything else is met with silence until its time is over.
    async fn converse(&self, mut stream: TcpStream, source: SocketAddr) {
        let Ok(local) = stream.local_addr() else { return };
        let port = local.port();
        let place = Place {
            transport: Transport::Tcp,
            port,
            here: Some(local.ip().to_canonical()),
            source: SocketAddr::new(source.ip().to_canonical(), source.port()),
        };
        let end = Instant::now() + WHOLE;
        let mut deadline = Instant::now() + FIRST_MESSAGE;
        let mut bytes = Vec::new();
        let mut messages = 0_u32;
        loop {
            match read(&self.key, &bytes) {
                Parse::Done(message) => {
                    let taken = length(&bytes).unwrap_or(bytes.len()).min(bytes.len());
                    bytes.drain(..taken);
                    let (answer, ours) = self.hear(message, place);
                    if let Some(answer) = answer
                        && !matches!(timeout_at(deadline, stream.write_all(&answer)).await, Ok(Ok(())))
                    {
                        return;
                    }
                    if !ours {
                        return linger(&mut stream, deadline).await;
                    }
                    messages += 1;
                    deadline = (Instant::now() + NEXT_MESSAGE).min(end);
                }
                Parse::Incomplete => {
                    let mut chunk = [0; LIMIT];
                    match timeout_at(deadline, stream.read(&mut chunk)).await {
                        Ok(Ok(count)) if count > 0 => bytes.extend_from_slice(chunk.get(..count).unwrap_or_default()),
                        _ => {
                            if messages == 0 {
                                self.book().stranger(place.transport, port);
                            }
                            return;
                        }
                    }
                }
                Parse::Malformed(_) => {
                    self.book().stranger(place.transport, port);
                    return linger(&mut stream, deadline).await;
                }
            }
        }
    }

    async fn listen(self: Arc<Self>, socket: UdpSocket) {
        let Ok(port) = socket.local_addr().map(|local| local.port()) else { return };
        // One byte more than any message: what fills it is none.
        let mut buffer = [0; LIMIT + 1];
        loop {
            let heard = match datagrams::receive(&socket, &mut buffer).await {
                Ok(heard) => heard,
                Err(error) => {
                    tracing::debug!(%error, port, "a datagram could not be received");
                    sleep(AFTER_ERROR).await;
                    continue;
                }
            };
            let bytes = buffer.get(..heard.length).unwrap_or_default();
            let place = Place { transport: Transport::Udp, port, source: heard.source, here: heard.here };
            let Parse::Done(message) = read(&self.key, bytes) else {
                self.book().stranger(place.transport, port);
                continue;
            };
            if length(bytes) != Some(bytes.len()) {
                self.book().stranger(place.transport, port);
                continue;
            }
            let (answer, _) = self.hear(message, place);
            if let Some(answer) = answer.filter(|answer| answer.len() <= heard.length)
                && let Err(error) = datagrams::answer(&socket, &answer, heard).await
            {
                tracing::debug!(%error, port, "a confirmation could not be sent");
            }
        }
    }
}

/// Reads on without a word until the time is over, so that a stranger cannot tell by it what was wrong with the bytes.
async fn linger(stream: &mut TcpStream, deadline: Instant) {
    let mut chunk = [0; 512];
    let mut left = STRANGER_BYTES;
    while let Ok(Ok(count)) = timeout_at(deadline, stream.read(&mut chunk)).await {
        if count == 0 || count >= left {
            return;
        }
        left -= count;
    }
}
