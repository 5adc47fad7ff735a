//! A mail server on loopback that takes, defers or refuses each recipient as a test wants it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

#[derive(Debug, Default)]
struct Inner {
    /// What is said to a recipient; whoever is not named is taken.
    answers: Mutex<BTreeMap<String, &'static str>>,
    /// Who got which mail, by its subject, in the order in which they did.
    taken: Mutex<Vec<(String, String)>>,
}

/// It goes on until the test ends.
pub(crate) struct MailServer {
    inner: Arc<Inner>,
    pub(crate) address: SocketAddr,
}

impl MailServer {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner::default());
        let served = Arc::clone(&inner);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = Arc::clone(&served);
                std::thread::spawn(move || served.serve(&stream));
            }
        });
        Self { inner, address }
    }

    /// Says this to a recipient from now on.
    pub(crate) fn answers(&self, whom: &str, answer: &'static str) {
        self.inner.answers.lock().unwrap().insert(whom.to_owned(), answer);
    }

    /// The subjects of the mails that one got, each as often as it did.
    pub(crate) fn taken(&self, whom: &str) -> Vec<String> {
        let taken = self.inner.taken.lock().unwrap();
        taken.iter().filter(|(one, _)| one == whom).map(|(_, mail)| mail.clone()).collect()
    }
}

impl Inner {
    fn serve(&self, stream: &TcpStream) -> Option<()> {
        let mut lines = BufReader::new(stream).lines();
        let say = |text: &str| (&mut &*stream).write_all(format!("{text}\r\n").as_bytes()).ok();
        say("220 mx.example")?;
        let mut to = Vec::new();
        loop {
            let line = lines.next()?.ok()?;
            let (command, rest) = line.split_once(':').unwrap_or((&line, ""));
            match command {
                "RCPT TO" => {
                    let whom = rest.trim_matches(['<', '>', ' ']).to_owned();
                    let answer = self.answers.lock().unwrap().get(&whom).copied().unwrap_or("250 ok");
                    if answer.starts_with('2') {
                        to.push(whom);
                    }
                    say(answer)?;
                }
                "DATA" => {
                    say("354 go")?;
                    let mut subject = String::new();
                    loop {
                        let line = lines.next()?.ok()?;
                        if line == "." {
                            break;
                        }
                        if let Some(said) = line.strip_prefix("Subject: ").filter(|_| subject.is_empty()) {
                            said.clone_into(&mut subject);
                        }
                    }
                    self.taken.lock().unwrap().extend(to.drain(..).map(|whom| (whom, subject.clone())));
                    say("250 queued")?;
                }
                "QUIT" => return say("221 bye"),
                _ => say("250 mx.example")?,
            }
        }
    }
}
