//! The witness's account of a session, page by page: which ports it holds, what arrived where, and what else came.

use super::{Nonce, read_address, read_place, read_socket, write_address, write_socket, write_transport};
use crate::model::ports::{Ports, Transport};
use crate::model::witness::NotHeld;
use crate::wire::bytes::{Bytes, Stop, bad};
use std::net::{IpAddr, SocketAddr};

/// A part of an account. Each is a list; records are only ever added at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// The ports that it was told to hold.
    Ports,
    /// The session's messages that arrived.
    Arrivals,
    /// What else came to its ports during the session.
    Noise,
}

impl Section {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ports, Self::Arrivals, Self::Noise];

    pub(super) fn number(self) -> u8 {
        match self {
            Self::Ports => 1,
            Self::Arrivals => 2,
            Self::Noise => 3,
        }
    }

    pub(super) fn read(bytes: &mut Bytes<'_>) -> Result<Self, Stop> {
        let number = bytes.u8()?;
        Self::ALL.into_iter().find(|section| section.number() == number).ok_or_else(|| bad("an unknown section"))
    }
}

/// As many records of a section as fit into a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Something arrived that the witness had no room to note: what is not in the account may have arrived all the same.
    pub full: bool,
    /// How often the witness had no room for another connection since the session began.
    pub crowded: u32,
    /// How many records the section has.
    pub total: u32,
    /// The number of the first record of this page, from 0.
    pub from: u32,
    /// The records.
    pub records: Records,
}

/// Records of one section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Records {
    /// Of [`Section::Ports`].
    Ports(Vec<PortsRecord>),
    /// Of [`Section::Arrivals`].
    Arrivals(Vec<ArrivalRecord>),
    /// Of [`Section::Noise`].
    Noise(Vec<NoiseRecord>),
}

/// Ports that the witness holds, or why it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortsRecord {
    /// Whether that is about IPv6.
    pub v6: bool,
    /// The ports.
    pub ports: Ports,
    /// Why they are not held; nothing for those that are.
    pub not_held: Option<NotHeld>,
}

/// A hail of the session that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArrivalRecord {
    /// Its nonce.
    pub nonce: Nonce,
    /// Over which transport it arrived.
    pub transport: Transport,
    /// On which port of the witness.
    pub port: u16,
    /// Where it came from, as the witness saw it.
    pub source: SocketAddr,
    /// To which address of the witness's machine it came, where its system says so.
    pub here: Option<IpAddr>,
    /// When, by the witness's clock, in milliseconds since 1970.
    pub at_ms: u64,
}

/// What came to a port during the session and was no message of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoiseRecord {
    /// Over which transport.
    pub transport: Transport,
    /// To which port.
    pub port: u16,
    /// Messages that name the session and were altered on the way.
    pub altered: u32,
    /// Connections without a message, and datagrams that were none.
    pub strangers: u32,
}

/// What stands before the records of a page, in bytes: section, flags, crowded, total, from.
const PAGE_HEAD: usize = 1 + 1 + 4 + 4 + 4;

impl Page {
    /// How many records of `section` fit into a message.
    pub fn capacity(section: Section) -> usize {
        let record = match section {
            Section::Ports => 7,
            Section::Arrivals => 53,
            Section::Noise => 11,
        };
        (super::LIMIT - super::HEAD - super::TAG - PAGE_HEAD) / record
    }

    /// The section that the records are of.
    pub fn section(&self) -> Section {
        match self.records {
            Records::Ports(_) => Section::Ports,
            Records::Arrivals(_) => Section::Arrivals,
            Records::Noise(_) => Section::Noise,
        }
    }

    /// In bytes, as many whole records as `most` bytes hold.
    pub(super) fn write(&self, most: usize) -> Vec<u8> {
        let mut out = vec![self.section().number(), u8::from(self.full)];
        for number in [self.crowded, self.total, self.from] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        let mut add = |record: Vec<u8>| {
            if out.len() + record.len() <= most {
                out.extend(record);
            }
        };
        match &self.records {
            Records::Ports(records) => records.iter().copied().map(PortsRecord::write).for_each(&mut add),
            Records::Arrivals(records) => records.iter().copied().map(ArrivalRecord::write).for_each(&mut add),
            Records::Noise(records) => records.iter().copied().map(NoiseRecord::write).for_each(&mut add),
        }
        // Shorter bodies are filled up with zeros, which must not be taken for a record.
        out
    }

    pub(super) fn read(bytes: &mut Bytes<'_>) -> Result<Self, Stop> {
        let section = Section::read(bytes)?;
        let full = match bytes.u8()? {
            0 => false,
            1 => true,
            _ => return Err(bad("unknown flags of an account")),
        };
        let mut number = || bytes.array().map(u32::from_be_bytes);
        let (crowded, total, from) = (number()?, number()?, number()?);
        let records = match section {
            Section::Ports => Records::Ports(all(bytes, PortsRecord::read)?),
            Section::Arrivals => Records::Arrivals(all(bytes, ArrivalRecord::read)?),
            Section::Noise => Records::Noise(all(bytes, NoiseRecord::read)?),
        };
        Ok(Self { full, crowded, total, from, records })
    }
}

/// All records up to the end, or up to zeros, with which a short body is filled up and with which no record begins.
fn all<T>(bytes: &mut Bytes<'_>, read: impl Fn(&mut Bytes<'_>) -> Result<T, Stop>) -> Result<Vec<T>, Stop> {
    let mut records = Vec::new();
    while bytes.rest().first().is_some_and(|first| *first != 0) {
        records.push(read(bytes)?);
    }
    if bytes.rest().iter().any(|byte| *byte != 0) {
        return Err(bad("something stands after the records of an account"));
    }
    Ok(records)
}

impl PortsRecord {
    fn write(self) -> Vec<u8> {
        let mut out = vec![if self.v6 { 6 } else { 4 }];
        write_transport(&mut out, self.ports.transport());
        out.push(match self.not_held {
            None => 0,
            Some(NotHeld::NotListed) => 1,
            Some(NotHeld::Occupied) => 2,
            Some(NotHeld::NotPermitted) => 3,
            Some(NotHeld::Unavailable) => 4,
        });
        out.extend_from_slice(&self.ports.first().to_be_bytes());
        out.extend_from_slice(&self.ports.last().to_be_bytes());
        out
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<Self, Stop> {
        let v6 = match bytes.u8()? {
            4 => false,
            6 => true,
            _ => return Err(bad("an unknown address family")),
        };
        let transport = super::read_transport(bytes)?;
        let not_held = match bytes.u8()? {
            0 => None,
            1 => Some(NotHeld::NotListed),
            2 => Some(NotHeld::Occupied),
            3 => Some(NotHeld::NotPermitted),
            4 => Some(NotHeld::Unavailable),
            _ => return Err(bad("an unknown reason")),
        };
        let (first, last) = (bytes.u16()?, bytes.u16()?);
        let ports = Ports::new(transport, first, last).ok_or_else(|| bad("no range of ports"))?;
        Ok(Self { v6, ports, not_held })
    }
}

impl ArrivalRecord {
    fn write(self) -> Vec<u8> {
        let mut out = Vec::new();
        write_transport(&mut out, self.transport);
        out.extend_from_slice(&self.port.to_be_bytes());
        out.extend_from_slice(&self.nonce.0);
        write_socket(&mut out, self.source);
        write_address(&mut out, self.here);
        out.extend_from_slice(&self.at_ms.to_be_bytes());
        out
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<Self, Stop> {
        let (transport, port) = read_place(bytes)?;
        let nonce = Nonce(bytes.array()?);
        let (source, here) = (read_socket(bytes)?, read_address(bytes)?);
        Ok(Self { nonce, transport, port, source, here, at_ms: u64::from_be_bytes(bytes.array()?) })
    }
}

impl NoiseRecord {
    fn write(self) -> Vec<u8> {
        let mut out = Vec::new();
        write_transport(&mut out, self.transport);
        out.extend_from_slice(&self.port.to_be_bytes());
        out.extend_from_slice(&self.altered.to_be_bytes());
        out.extend_from_slice(&self.strangers.to_be_bytes());
        out
    }

    fn read(bytes: &mut Bytes<'_>) -> Result<Self, Stop> {
        let (transport, port) = read_place(bytes)?;
        let mut number = || bytes.array().map(u32::from_be_bytes);
        Ok(Self { transport, port, altered: number()?, strangers: number()? })
    }
}
