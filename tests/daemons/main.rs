//! The program from outside, against daemons that others wrote: what they are configured for is what must be said of
//! them, and what `sslscan` and `curl` see must be what portreeve sees.
//!
//! Every test starts its own daemons, unprivileged or not, on free ports of a loopback address that no other test uses,
//! and stops them when it ends. Where a daemon is not installed the test says so and passes; with the environment
//! variable `PORTREEVE_REQUIRE_DAEMONS=1` it fails. Debian and Ubuntu have nearly all of them:
//!
//! ```text
//! apt-get install --no-install-recommends apache2 curl default-jdk-headless exim4-daemon-light gnutls-bin golang-go \
//!     haproxy libnss3-tools lighttpd lighttpd-mod-mbedtls lighttpd-mod-openssl lighttpd-mod-wolfssl mariadb-server \
//!     mono-fastcgi-server4 mono-mcs nginx nodejs openssl python3 samba sslscan stunnel4 xrdp
//! ```
//!
//! `tlslite-ng` is on `PyPI`: `python3 -m venv FOLDER && FOLDER/bin/pip install tlslite-ng`, with `FOLDER/bin` in the `PATH`.
//!
//! Linux only: elsewhere 127.0.0.0/8 is not loopback as a whole.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod alerts;
mod bounds;
mod certificates;
mod chains;
mod database;
mod fronts;
mod issuer;
#[path = "../support/message.rs"]
mod message;
mod oracle;
mod quirks;
mod report;
mod rig;
mod stacks;
mod suites;
mod tls;
mod web;
mod webserver;
mod windows;
