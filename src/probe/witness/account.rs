//! The witness's account of a session.

use super::hail::{Datagrams, Line, one_message};
use crate::model::observation::Stage;
use crate::model::ports::Transport;
use crate::model::witness::{NotHeld, ToldBy};
use crate::net::dial::Connection;
use crate::net::failure::from_io;
use crate::wire::witness::{ArrivalRecord, Body, NoiseRecord, Nonce, Page, PortsRecord, Records, Section};
use crate::witness::random;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, timeout, timeout_at};

/// Through how many ports of each transport the account is tried to be had.
pub(super) const DOORS: usize = 3;

/// How often a page is asked for over UDP.
const TRIES: usize = 5;

/// The most records of a section: more than a witness notes.
const MOST: u32 = 1 << 18;

/// How long reading an account may take through one port.
const WITHIN: Duration = Duration::from_mins(1);

/// What the witness knows of a session.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) ports: Vec<PortsRecord>,
    pub(super) arrivals: HashMap<Nonce, ArrivalRecord>,
    pub(super) noise: HashMap<(Transport, u16), NoiseRecord>,
    /// It had no room for some connections.
    pub(super) crowded: bool,
    /// It had no room to note all.
    pub(super) full: bool,
    pub(super) told_by: ToldBy,
}

impl Account {
    pub(super) fn new(told_by: ToldBy) -> Self {
        Self {
            ports: Vec::new(),
            arrivals: HashMap::new(),
            noise: HashMap::new(),
            crowded: false,
            full: false,
            told_by,
        }
    }

    /// Why the witness does not hold a port; nothing where it does.
    pub(super) fn not_held(&self, transport: Transport, port: u16, v6: bool) -> Option<NotHeld> {
        let listed = self.ports.iter().find(|listed| listed.v6 == v6 && listed.ports.contains(transport, port));
        listed.map_or(Some(NotHeld::NotListed), |listed| listed.not_held)
    }

    pub(super) fn has_arrivals(&self) -> bool {
        !self.arrivals.is_empty()
    }

    fn add(&mut self, page: Page) -> usize {
        self.full |= page.full;
        self.crowded |= page.crowded > 0;
        match page.records {
            Records::Ports(records) => {
                let count = records.len();
                self.ports.extend(records);
                count
            }
            Records::Arrivals(records) => {
                let count = records.len();
                self.arrivals.extend(records.into_iter().map(|arrival| (arrival.nonce, arrival)));
                count
            }
            Records::Noise(records) => {
                let count = records.len();
                self.noise.extend(records.into_iter().map(|noise| ((noise.transport, noise.port), noise)));
                count
            }
        }
    }
}

/// A way to the witness.
enum Door<'a> {
    Tcp(Connection),
    Udp(&'a Datagrams, u16),
}

/// Reads the account over a connection.
pub(super) async fn over_tcp(line: &Line<'_>, port: u16) -> Result<Account, String> {
    let timing = &line.asker.timing;
    let (_, connected) = line.asker.dialer.dial(SocketAddr::new(line.address, port), timing.connect_again).await;
    let connection = connected.map_err(|error| error.to_string())?;
    whole(line, Door::Tcp(connection)).await
}

/// Reads the account by datagrams.
pub(super) async fn over_udp(line: &Line<'_>, datagrams: &Datagrams, port: u16) -> Result<Account, String> {
    whole(line, Door::Udp(datagrams, port)).await
}

async fn whole(line: &Line<'_>, mut door: Door<'_>) -> Result<Account, String> {
    let read = async {
        let mut account = Account::new(ToldBy::Account);
        for section in Section::ALL {
            let mut from = 0;
            loop {
                let page = door.page(line, section, from).await?;
                if page.section() != section || page.from != from || page.total > MOST {
                    return Err("another page came than was asked for".to_owned());
                }
                let total = page.total;
                let count = u32::try_from(account.add(page)).unwrap_or(MOST);
                from = from.saturating_add(count);
                if from >= total {
                    break;
                }
                if count == 0 {
                    return Err("an empty page came".to_owned());
                }
            }
        }
        Ok(account)
    };
    timeout(WITHIN, read).await.unwrap_or_else(|_| Err(format!("it took longer than {} seconds", WITHIN.as_secs())))
}

impl Door<'_> {
    async fn page(&mut self, line: &Line<'_>, section: Section, from: u32) -> Result<Page, String> {
        match self {
            Self::Tcp(connection) => {
                let (nonce, bytes) = question(line, section, from)?;
                let exchange = async {
                    connection.write_all(&bytes).await.map_err(|error| error.to_string())?;
                    let answer = one_message(connection).await.ok_or("the connection ended")?;
                    page(line, nonce, &answer).ok_or_else(|| "something else was answered".to_owned())
                };
                let within = line.asker.timing.exchange;
                timeout(within, exchange).await.unwrap_or_else(|_| Err("no answer came".to_owned()))
            }
            Self::Udp(datagrams, port) => {
                for _ in 0..TRIES {
                    let (nonce, bytes) = question(line, section, from)?;
                    line.asker.dialer.pace().datagram(line.address).await;
                    datagrams.send(&bytes, *port).await;
                    let end = Instant::now() + line.asker.timing.udp_wait;
                    while let Ok(received) = timeout_at(end, datagrams.receive()).await {
                        if let Some(page) = received.and_then(|(bytes, _)| page(line, nonce, &bytes)) {
                            return Ok(page);
                        }
                    }
                }
                Err(format!("no answer came to {TRIES} datagrams"))
            }
        }
    }
}

fn question(line: &Line<'_>, section: Section, from: u32) -> Result<(Nonce, Vec<u8>), String> {
    let nonce = Nonce(random().map_err(|error| from_io(Stage::Request, &error).to_string())?);
    let (_, bytes) = line.message(nonce, Body::Ask { section, from });
    Ok((nonce, bytes))
}

fn page(line: &Line<'_>, nonce: Nonce, bytes: &[u8]) -> Option<Page> {
    match line.answer(bytes)? {
        answer if answer.nonce != nonce => None,
        answer => match answer.body {
            Body::Account(page) => Some(page),
            _ => None,
        },
    }
}
