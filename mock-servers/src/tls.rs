//! TLS faces: the `ClientHello` is read first, then decided like a real server would, then either rustls takes over
//! (TLS 1.2 and 1.3) or a hand-made flight answers (older versions, which rustls cannot speak).

mod flight;
mod hello;

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::authority::Identity;
use crate::settings::{Answer, PlainAnswer, Tls};
use crate::wire::{self, IDLE, Wire};
use hello::ClientHello;

pub(crate) const SSL3: u16 = 0x0300;
pub(crate) const TLS10: u16 = 0x0301;
pub(crate) const TLS11: u16 = 0x0302;
pub(crate) const TLS12: u16 = 0x0303;
pub(crate) const TLS13: u16 = 0x0304;
const HANDSHAKE_FAILURE: u8 = 40;
const DECODE_ERROR: u8 = 50;
const WARNING: u8 = 1;
const FATAL: u8 = 2;

/// A TLS face, ready to take connections.
#[derive(Debug)]
pub(crate) struct TlsFace {
    settings: Tls,
    certificate: Vec<u8>,
    rsa: bool,
    tls12: Arc<ServerConfig>,
    tls13: Arc<ServerConfig>,
}

/// What is done about a hello.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    /// rustls negotiates this version.
    Negotiate(u16),
    /// The hand-made flight of this version and suite.
    Flight(u16, u16),
    Refuse(Answer),
}

impl TlsFace {
    pub(crate) fn new(settings: &Tls, identity: &Identity) -> Result<Self, rustls::Error> {
        let config = |version| {
            let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_protocol_versions(&[version])?
                .with_no_client_auth()
                .with_single_cert(identity.chain.clone(), identity.key.clone_key())?;
            Ok::<_, rustls::Error>(Arc::new(config))
        };
        Ok(Self {
            settings: settings.clone(),
            certificate: identity.chain.first().map(|leaf| leaf.to_vec()).unwrap_or_default(),
            rsa: settings.key == crate::settings::KeyKind::Rsa,
            tls12: config(&rustls::version::TLS12)?,
            tls13: config(&rustls::version::TLS13)?,
        })
    }

    /// Takes a connection through the handshake. `None`: it was refused or failed, and is closed as the settings say.
    pub(crate) async fn accept(&self, mut wire: Wire) -> io::Result<Option<TlsStream<Wire>>> {
        wire.split = self.settings.split;
        let mut first = [0];
        if timeout(IDLE, wire.read(&mut first)).await?? == 0 {
            return Ok(None);
        }
        wire.unread(&first);
        if first[0].is_ascii_alphabetic() {
            self.refuse_plain(wire).await?;
            return Ok(None);
        }
        let Some((raw, rest)) = wire::read_message(&mut wire, hello::MAX, hello::complete).await? else {
            return Ok(None);
        };
        let Some(hello) = ClientHello::parse(&raw) else {
            refuse(wire, Answer::Alert(DECODE_ERROR), TLS10).await?;
            return Ok(None);
        };
        if self.settings.http_answer {
            bad_request(wire).await?;
            return Ok(None);
        }
        if self.settings.garbage_answer {
            wire.write_all(&[0xfe; 512]).await?;
            wire::finish(wire).await;
            return Ok(None);
        }
        let decision = self.decide(&hello);
        if let (Some(number), false) = (self.settings.early_warning, matches!(decision, Decision::Refuse(_))) {
            wire.write_all(&alert(TLS10, WARNING, number)).await?;
        }
        let config = match decision {
            Decision::Negotiate(TLS13) => &self.tls13,
            Decision::Negotiate(_) => &self.tls12,
            Decision::Flight(version, suite) => {
                wire.write_all(&flight::server_flight(version, suite, &self.certificate, self.rsa, &hello)).await?;
                // A client that goes on sends its key exchange. It cannot be answered.
                if timeout(IDLE, wire.read(&mut first)).await?? > 0 {
                    wire.write_all(&alert(version, FATAL, HANDSHAKE_FAILURE)).await?;
                }
                wire::finish(wire).await;
                return Ok(None);
            }
            Decision::Refuse(answer) => {
                refuse(wire, answer, hello.legacy_version.min(TLS12)).await?;
                return Ok(None);
            }
        };
        wire.unread(&rest);
        wire.unread(&raw);
        Ok(Some(timeout(IDLE, TlsAcceptor::from(config.clone()).accept(wire)).await??))
    }

    fn answer(&self, version: u16) -> Answer {
        match version {
            SSL3 => self.settings.ssl3,
            TLS10 => self.settings.tls10,
            TLS11 => self.settings.tls11,
            TLS12 => self.settings.tls12,
            _ => self.settings.tls13,
        }
    }

    fn decide(&self, hello: &ClientHello) -> Decision {
        if let (Some(refusal), false) = (self.settings.sni_required, hello.has_server_name) {
            return Decision::Refuse(refusal);
        }
        let knows_extension = !self.settings.ignore_supported_versions;
        let offered = hello.offered();
        let highest_offered = offered.last().copied().unwrap_or(SSL3);
        let usable = if knows_extension { offered } else { (SSL3..=hello.legacy_version.min(TLS12)).collect() };
        let Some(version) = usable.into_iter().rev().find(|version| self.answer(*version) == Answer::Accept) else {
            let refusal = match self.answer(highest_offered) {
                Answer::Accept => Answer::Alert(70),
                refusal => refusal,
            };
            return Decision::Refuse(refusal);
        };
        if version == TLS12 && self.settings.renegotiation_required && !hello.secure_renegotiation {
            return Decision::Refuse(Answer::Rst);
        }
        // rustls reads `supported_versions` even where the server played here does not know it.
        let rustls_would_refuse = version == TLS12 && !hello.offered().contains(&TLS12);
        if version >= TLS12 && !rustls_would_refuse {
            return Decision::Negotiate(version);
        }
        let suite = self.settings.legacy_suites.iter().copied().find(|suite| {
            let ecdsa = matches!(suite, 0xc009 | 0xc00a);
            // SSL 3.0 has no elliptic curves.
            hello.suites.contains(suite) && ecdsa != self.rsa && (version > SSL3 || suite >> 8 == 0)
        });
        match suite {
            Some(suite) => Decision::Flight(version, suite),
            None => Decision::Refuse(Answer::Alert(HANDSHAKE_FAILURE)),
        }
    }

    async fn refuse_plain(&self, wire: Wire) -> io::Result<()> {
        match self.settings.plain_http {
            PlainAnswer::Rst => wire.reset(),
            PlainAnswer::Fin => wire::finish(wire).await,
            PlainAnswer::BadRequest => bad_request(wire).await?,
        }
        Ok(())
    }
}

async fn bad_request(mut wire: Wire) -> io::Result<()> {
    let body = "<html><head><title>400 Bad Request</title></head></html>\r\n";
    let head = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length";
    wire.write_all(format!("{head}: {}\r\n\r\n{body}", body.len()).as_bytes()).await?;
    wire::finish(wire).await;
    Ok(())
}

fn alert(version: u16, level: u8, number: u8) -> [u8; 7] {
    let [major, minor] = version.to_be_bytes();
    [21, major, minor, 0, 2, level, number]
}

async fn refuse(mut wire: Wire, answer: Answer, version: u16) -> io::Result<()> {
    match answer {
        Answer::Alert(number) => {
            wire.write_all(&alert(version.max(SSL3), FATAL, number)).await?;
            wire::finish(wire).await;
        }
        Answer::Rst => wire.reset(),
        Answer::Fin => wire::finish(wire).await,
        // Where a refusal is due, accepting makes no sense; staying silent is the least wrong reading of it.
        Answer::Silence | Answer::Accept => wire::hang(wire).await,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::Authority;
    use crate::settings::KeyKind;

    fn face(settings: &Tls) -> TlsFace {
        let identity = Authority::new().unwrap().issue(settings.certificate, settings.key, &[]).unwrap();
        TlsFace::new(settings, &identity).unwrap()
    }

    fn hello(legacy_version: u16, supported: &[u16], suites: &[u16]) -> ClientHello {
        ClientHello {
            legacy_version,
            supported_versions: (!supported.is_empty()).then(|| supported.to_vec()),
            suites: suites.to_vec(),
            has_server_name: false,
            secure_renegotiation: false,
        }
    }

    #[test]
    fn the_highest_common_version_wins() {
        let face = face(&Tls { tls10: Answer::Accept, ..Tls::default() });
        assert_eq!(face.decide(&hello(TLS12, &[TLS13, TLS12], &[])), Decision::Negotiate(TLS13));
        assert_eq!(face.decide(&hello(TLS12, &[], &[])), Decision::Negotiate(TLS12));
        assert_eq!(face.decide(&hello(TLS11, &[], &[0x2f])), Decision::Flight(TLS10, 0x2f));
        assert_eq!(face.decide(&hello(TLS10, &[], &[0xc014, 0x35])), Decision::Flight(TLS10, 0x35));
    }

    #[test]
    fn a_client_below_the_minimum_is_refused_as_its_version_says() {
        let face = face(&Tls { tls11: Answer::Alert(70), ssl3: Answer::Fin, ..Tls::default() });
        assert_eq!(face.decide(&hello(TLS11, &[], &[])), Decision::Refuse(Answer::Alert(70)));
        assert_eq!(face.decide(&hello(TLS10, &[], &[])), Decision::Refuse(Answer::Rst));
        assert_eq!(face.decide(&hello(SSL3, &[], &[])), Decision::Refuse(Answer::Fin));
    }

    #[test]
    fn a_server_that_ignores_supported_versions_answers_1_3_with_1_2() {
        let strict = Tls { tls13: Answer::Rst, ..Tls::default() };
        assert_eq!(face(&strict).decide(&hello(TLS12, &[TLS13], &[0x2f])), Decision::Refuse(Answer::Rst));
        let old = Tls { tls13: Answer::Rst, ignore_supported_versions: true, ..Tls::default() };
        assert_eq!(face(&old).decide(&hello(TLS12, &[TLS13], &[0x1301, 0x2f])), Decision::Flight(TLS12, 0x2f));
    }

    #[test]
    fn suites_follow_the_key() {
        let accept = Tls { tls10: Answer::Accept, ..Tls::default() };
        let ecdsa = face(&Tls { key: KeyKind::Ecdsa, ..accept.clone() });
        assert_eq!(ecdsa.decide(&hello(TLS10, &[], &[0x2f, 0xc00a])), Decision::Flight(TLS10, 0xc00a));
        let refused = Decision::Refuse(Answer::Alert(HANDSHAKE_FAILURE));
        assert_eq!(face(&accept).decide(&hello(TLS10, &[], &[0xc00a])), refused);
    }
}
