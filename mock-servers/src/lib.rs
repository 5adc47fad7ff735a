//! Loopback servers with chosen faults.
//!
//! A [`Description`] lists faces on *logical* ports (`tcp/443`, `udp/40000-41000`). [`start`] binds each of them on a
//! free port of a loopback address, and [`Running`] tells which actual port stands for which logical one. Nothing is
//! bound on a fixed port and nothing but loopback is ever listened on, so any number of servers run side by side.
//!
//! Everything is bounded: connections, bytes read from each, idle time and lifetime.
//!
//! What it leaves out: nothing here is a full server. Protocols are spoken as far as a scanner that never logs in can
//! see; TLS before 1.2 is answered up to `ServerHelloDone`.

mod authority;
mod binary;
mod bind;
mod description;
mod http;
mod ports;
mod running;
pub mod settings;
mod settings_http;
mod tls;
mod wire;

pub use authority::{Authority, AuthorityError, Identity};
pub use description::{Builtin, Description, DescriptionError, Face, Kind};
pub use ports::{Ports, PortsError, Transport};
pub use running::{Mapping, Running, SeenRequest, StartError, start};

/// Fills with random bytes.
pub(crate) fn random(bytes: &mut [u8]) -> Option<()> {
    rustls::crypto::ring::default_provider().secure_random.fill(bytes).ok()
}
