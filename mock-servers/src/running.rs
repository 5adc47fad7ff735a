//! Starting a description, and the handle to what runs.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket as StdUdpSocket};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use socket2::Socket;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::authority::{Authority, AuthorityError};
use crate::binary::{self, mysql, rdp, smb, windows};
use crate::bind::{UdpChunks, port_of, tcp_block, udp_block};
use crate::description::{Description, Face, Kind};
use crate::http::{self, Connection};
use crate::ports::{Ports, Transport};
use crate::tls::TlsFace;
use crate::wire::{self, LIFETIME, Wire};

/// Connections served at the same time on one port; more are closed at once.
const MAX_CONNECTIONS: usize = 256;
/// Request lines remembered.
const MAX_REQUESTS: usize = 10_000;
const BACKLOG: i32 = 128;

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Faulty servers are for the own machine only.
    #[error("{0} is not a loopback address, and mock servers listen on no other")]
    NotLoopback(IpAddr),
    /// No ports for a face.
    #[error("cannot bind {ports}: {source}")]
    Bind {
        /// The logical ports.
        ports: Ports,
        /// Why.
        source: io::Error,
    },
    /// No certificate for a face.
    #[error("cannot make the certificate for {ports}: {source}")]
    Certificate {
        /// The logical ports.
        ports: Ports,
        /// Why.
        source: AuthorityError,
    },
    /// The TLS library refused.
    #[error("cannot set up TLS for {ports}: {source}")]
    Tls {
        /// The logical ports.
        ports: Ports,
        /// Why.
        source: rustls::Error,
    },
    /// This system accepts connections even when nobody takes them, so a filtered port cannot be played.
    #[error("cannot play {0} as filtered: this system goes on accepting connections")]
    CannotFilter(Ports),
}

/// Which actual ports stand for which logical ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// TCP or UDP.
    pub transport: Transport,
    /// The logical ports.
    pub logical: RangeInclusive<u16>,
    /// The actual port of the first logical one; the others follow in order.
    pub actual: u16,
}

/// A request that a web face received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRequest {
    /// The logical port.
    pub port: u16,
    /// The request line.
    pub line: String,
}

/// A server that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct Running {
    name: String,
    address: IpAddr,
    mappings: Vec<Mapping>,
    log: Arc<Log>,
    tasks: JoinSet<()>,
    /// Sockets that must stay open although nobody reads them.
    held: Vec<Socket>,
    full: Vec<TcpStream>,
}

/// What the server remembers of its clients.
#[derive(Debug, Default)]
struct Log {
    connections: BTreeMap<(Transport, u16), AtomicU64>,
    requests: Mutex<Vec<SeenRequest>>,
}

/// A face ready to serve.
#[derive(Debug)]
struct Prepared {
    kind: Kind,
    tls: Option<TlsFace>,
}

/// Starts a server on a loopback address. Must be called within a tokio runtime, which then runs it.
pub async fn start(description: &Description, authority: &Authority, listen: IpAddr) -> Result<Running, StartError> {
    if !listen.is_loopback() {
        return Err(StartError::NotLoopback(listen));
    }
    let ports = description.faces.iter().flat_map(|face| face.port.range().map(|port| (face.port.transport, port)));
    let log = Log { connections: ports.map(|port| (port, AtomicU64::new(0))).collect(), ..Log::default() };
    let mut chunks = UdpChunks::new(listen);
    let mut running = Running {
        name: description.name.clone(),
        address: listen,
        mappings: Vec::new(),
        log: Arc::new(log),
        tasks: JoinSet::new(),
        held: Vec::new(),
        full: Vec::new(),
    };
    for face in &description.faces {
        let bind_error = |source| StartError::Bind { ports: face.port, source };
        let face_tls = prepare_tls(face, description, authority, listen)?;
        let prepared = Arc::new(Prepared { kind: face.kind.clone(), tls: face_tls });
        let actual = match face.port.transport {
            Transport::Tcp => running.bind_tcp(face, &prepared).await?,
            Transport::Udp => running.bind_udp(face, &mut chunks).map_err(bind_error)?,
        };
        running.mappings.push(Mapping { transport: face.port.transport, logical: face.port.range(), actual });
    }
    running.held.extend(chunks.into_locks());
    Ok(running)
}

fn prepare_tls(
    face: &Face,
    description: &Description,
    authority: &Authority,
    listen: IpAddr,
) -> Result<Option<TlsFace>, StartError> {
    let Some(settings) = face.kind.tls() else { return Ok(None) };
    let mut names = if settings.names.is_empty() { vec![description.host.clone()] } else { settings.names.clone() };
    names.push(listen.to_string());
    let identity = authority
        .issue(settings.certificate, settings.key, &names)
        .map_err(|source| StartError::Certificate { ports: face.port, source })?;
    let tls = TlsFace::new(settings, &identity).map_err(|source| StartError::Tls { ports: face.port, source })?;
    Ok(Some(tls))
}

impl Running {
    /// The name from the description.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address it listens on.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Every face's ports, in the order of the description.
    pub fn ports(&self) -> &[Mapping] {
        &self.mappings
    }

    /// The actual port that stands for a logical one.
    pub fn actual(&self, transport: Transport, logical: u16) -> Option<u16> {
        let mapping = self.mappings.iter().find(|map| map.transport == transport && map.logical.contains(&logical))?;
        Some(mapping.actual + (logical - mapping.logical.start()))
    }

    /// The address and port that stand for a logical port.
    pub fn socket(&self, transport: Transport, logical: u16) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.address, self.actual(transport, logical)?))
    }

    /// Connections accepted, or datagrams received, on a logical port. Closed and filtered ports stay at zero.
    pub fn connections(&self, transport: Transport, logical: u16) -> u64 {
        self.log.connections.get(&(transport, logical)).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// The requests that web faces have read, oldest first, up to a bound.
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.log.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops everything and waits until it is gone.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }

    async fn bind_tcp(&mut self, face: &Face, prepared: &Arc<Prepared>) -> Result<u16, StartError> {
        let ports = face.port;
        let bind_error = |source| StartError::Bind { ports, source };
        let sockets = tcp_block(self.address, ports.count()).map_err(bind_error)?;
        let first = port_of(&sockets[0]).map_err(bind_error)?;
        for (logical, socket) in ports.range().zip(sockets) {
            match face.kind {
                Kind::Closed => self.held.push(socket),
                Kind::Filtered => {
                    let pending = fill_backlog(&socket, ports).await?;
                    self.full.extend(pending);
                    self.held.push(socket);
                }
                _ => {
                    let listener = listener(socket).map_err(bind_error)?;
                    self.tasks.spawn(serve_tcp(listener, logical, Arc::clone(prepared), Arc::clone(&self.log)));
                }
            }
        }
        Ok(first)
    }

    fn bind_udp(&mut self, face: &Face, chunks: &mut UdpChunks) -> io::Result<u16> {
        if matches!(face.kind, Kind::Closed) {
            return chunks.take(face.port.count());
        }
        let echo = matches!(face.kind, Kind::EchoUdp);
        let sockets = udp_block(self.address, face.port.count(), chunks)?;
        let first = port_of(&sockets[0])?;
        for (logical, socket) in face.port.range().zip(sockets) {
            socket.set_nonblocking(true)?;
            let socket = UdpSocket::from_std(StdUdpSocket::from(socket))?;
            self.tasks.spawn(serve_udp(socket, logical, echo, Arc::clone(&self.log)));
        }
        Ok(first)
    }
}

fn listener(socket: Socket) -> io::Result<TcpListener> {
    socket.set_nonblocking(true)?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Listens with the shortest queue there is and fills it, after which Linux drops every further SYN.
async fn fill_backlog(socket: &Socket, ports: Ports) -> Result<Vec<TcpStream>, StartError> {
    let bind_error = |source| StartError::Bind { ports, source };
    socket.listen(0).map_err(bind_error)?;
    let address = socket.local_addr().map_err(bind_error)?.as_socket();
    let address = address.ok_or_else(|| bind_error(io::Error::other("a socket without an address")))?;
    let mut pending = Vec::new();
    for _ in 0..8 {
        match timeout(Duration::from_millis(250), TcpStream::connect(address)).await {
            Ok(stream) => pending.push(stream.map_err(bind_error)?),
            Err(_) => return Ok(pending),
        }
    }
    Err(StartError::CannotFilter(ports))
}

impl Log {
    fn count(&self, transport: Transport, logical: u16) {
        if let Some(count) = self.connections.get(&(transport, logical)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn request(&self, port: u16, line: &str) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        if requests.len() < MAX_REQUESTS {
            requests.push(SeenRequest { port, line: line.to_owned() });
        }
    }
}

async fn serve_tcp(listener: TcpListener, logical: u16, face: Arc<Prepared>, log: Arc<Log>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else {
                    // Out of descriptors, most likely: trying again at once would only burn time.
                    sleep(Duration::from_millis(50)).await;
                    continue;
                };
                log.count(Transport::Tcp, logical);
                if connections.len() < MAX_CONNECTIONS {
                    let (face, log) = (Arc::clone(&face), Arc::clone(&log));
                    connections.spawn(async move {
                        // How a connection ends is the client's affair: scanners hang up as they please.
                        let _ = timeout(LIFETIME, face.serve(Wire::new(stream), logical, &log)).await;
                    });
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve_udp(socket: UdpSocket, logical: u16, echo: bool, log: Arc<Log>) {
    let mut buffer = vec![0; 65_535];
    loop {
        // An error here is the echo of an earlier answer to a port that has closed since.
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else {
            sleep(Duration::from_millis(1)).await;
            continue;
        };
        log.count(Transport::Udp, logical);
        if echo {
            let _ = socket.send_to(&buffer[..length], from).await;
        }
    }
}

impl Prepared {
    async fn serve(&self, wire: Wire, logical: u16, log: &Log) -> io::Result<()> {
        let tls = self.tls.as_ref();
        match &self.kind {
            Kind::Close => wire::finish(wire).await,
            Kind::Reset => wire.reset(),
            Kind::Flood => binary::flood(wire).await?,
            Kind::Drip => binary::drip(wire).await?,
            Kind::Banner(bytes) => binary::banner(wire, &bytes.to_vec()).await?,
            Kind::Tls(_) => {
                if let Some(tls) = tls
                    && let Some(stream) = tls.accept(wire).await?
                {
                    wire::hang(stream).await;
                }
            }
            Kind::Http(settings) => {
                let connection = Connection { local: wire.local_ip()?, tls: tls.is_some() };
                let seen = |line: &str| log.request(logical, line);
                match tls {
                    None => http::serve(wire, settings, connection, seen).await?,
                    Some(tls) => {
                        if let Some(stream) = tls.accept(wire).await? {
                            http::serve(stream, settings, connection, seen).await?;
                        }
                    }
                }
            }
            Kind::Mysql(settings) => mysql::serve(wire, settings, tls).await?,
            Kind::Mysqlx => mysql::serve_x(wire).await?,
            Kind::Rdp(settings) => rdp::serve(wire, settings, tls).await?,
            Kind::Smb(settings) => smb::serve(wire, settings).await?,
            Kind::Netbios(settings) => windows::netbios(wire, settings).await?,
            Kind::Msrpc(settings) => windows::msrpc(wire, settings).await?,
            Kind::Redirector => binary::redirector(wire).await?,
            Kind::ScreenconnectRelay(relay) => match &relay.speaks_first {
                Some(bytes) => binary::banner(wire, &bytes.to_vec()).await?,
                None => wire::hang(wire).await,
            },
            Kind::Hang | Kind::Closed | Kind::Filtered | Kind::SilentUdp | Kind::EchoUdp => wire::hang(wire).await,
        }
        Ok(())
    }
}
