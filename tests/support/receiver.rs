//! A receiver of webhooks on loopback that fails, hangs, goes and comes back.

use super::PATIENCE;
use serde_json::Value;
use socket2::{Domain, Socket, Type};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Takes,
    Fails,
    Refuses,
    Hangs,
}

#[derive(Debug)]
struct Inner {
    mood: Mutex<Mood>,
    taken: Mutex<Vec<Value>>,
    asked: Mutex<usize>,
    /// Connections that get no answer.
    held: Mutex<Vec<TcpStream>>,
    stop: AtomicBool,
}

pub(crate) struct Receiver {
    inner: Arc<Inner>,
    address: SocketAddr,
    /// The port is bound, and nothing listens by this: nobody else gets it, and whoever connects while it is alone is refused.
    _held: Socket,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        Self::start_at(IpAddr::from([127, 0, 0, 1]))
    }

    pub(crate) fn start_at(address: IpAddr) -> Self {
        let held = bound((address, 0).into());
        let address = held.local_addr().unwrap().as_socket().unwrap();
        let inner = Arc::new(Inner {
            mood: Mutex::new(Mood::Takes),
            taken: Mutex::default(),
            asked: Mutex::default(),
            held: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let mut receiver = Self { inner, address, _held: held, thread: None };
        receiver.comes_back();
        receiver
    }

    /// It listens (again), always on the same port.
    pub(crate) fn comes_back(&mut self) {
        let listening = bound(self.address);
        listening.listen(128).unwrap();
        let listener = TcpListener::from(listening);
        let inner = Arc::clone(&self.inner);
        inner.stop.store(false, Ordering::SeqCst);
        self.thread = Some(std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if inner.stop.load(Ordering::SeqCst) {
                    return;
                }
                let inner = Arc::clone(&inner);
                std::thread::spawn(move || inner.answer(stream));
            }
        }));
    }

    /// Nothing listens any more.
    pub(crate) fn goes(&mut self) {
        self.inner.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        self.thread.take().unwrap().join().unwrap();
    }

    pub(crate) fn is(&self, mood: Mood) {
        *self.inner.mood.lock().unwrap() = mood;
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// The messages that it took, each as often as it did.
    pub(crate) fn taken(&self) -> Vec<Value> {
        self.inner.taken.lock().unwrap().clone()
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        *self.inner.asked.lock().unwrap()
    }

    /// Waits until it was so.
    pub(crate) fn wait(&self, wanted: impl Fn(&Self) -> bool) {
        let begin = Instant::now();
        while !wanted(self) {
            assert!(begin.elapsed() < PATIENCE, "asked {} times, took {:?}", self.asked(), self.taken());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// A socket that has the port, beside others of ours that have it.
fn bound(address: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    socket.set_reuse_port(true).unwrap();
    socket.bind(&address.into()).unwrap();
    socket
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.goes();
        }
    }
}

impl Inner {
    /// One request.
    fn answer(&self, stream: TcpStream) {
        let mut reader = BufReader::new(&stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or_default() == 0 {
                return;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or_default();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let mood = *self.mood.lock().unwrap();
        *self.asked.lock().unwrap() += 1;
        let status = match mood {
            Mood::Takes => "204 No Content",
            Mood::Fails => "500 Internal Server Error",
            Mood::Refuses => "400 Bad Request",
            Mood::Hangs => return self.held.lock().unwrap().push(stream),
        };
        if mood == Mood::Takes {
            // Taken is what is answered: whoever is killed before that must send it again.
            self.taken.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
        }
        let _ = (&stream)
            .write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").as_bytes());
    }
}
