//! The program from outside, against daemons that others wrote: what they are configured for is what must be said of
//! them, and what `sslscan` and `curl` see must be what portreeve sees.
//!
//! Every test starts its own daemons, unprivileged or not, on free ports of a loopback address that no other test uses,
//! and stops them when it ends. Where a daemon is not installed the test says so and passes; with the environment
//! variable `PORTREEVE_REQUIRE_DAEMONS=1` it fails. Debian and Ubuntu have all of them:
//!
//! ```text
//! apt-get install --no-install-recommends apache2 curl gnutls-bin mariadb-server mono-fastcgi-server4 mono-mcs \
//!     nginx openssl samba sslscan stunnel4 xrdp
//! ```
//!
//! Linux only: elsewhere 127.0.0.0/8 is not loopback as a whole.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod certificates;
mod database;
mod issuer;
mod oracle;
mod report;
mod rig;
mod suites;
mod tls;
mod web;
mod webserver;
mod windows;
