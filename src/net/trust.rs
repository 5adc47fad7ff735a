//! TLS that accepts every certificate and writes down what it was shown; trust is judged afterwards.

use crate::model::peer_text::PeerText;
use crate::model::tls::Trust;
use crate::wire::certificate::{Chain, is_issued_by};
use crate::wire::ocsp::LIMIT as STAPLE_LIMIT;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, ProtocolVersion, SignatureScheme};
use rustls_platform_verifier::Verifier;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;
use x509_parser::prelude::{FromDer, X509Certificate};

pub use ca_file::CaFileError;

mod ca_file;

/// How much of the verifier's reason is kept, in bytes.
const REASON: usize = 200;

/// Judges chains by the platform's trust store and by roots of the user's own.
#[derive(Debug)]
pub struct TrustStore {
    /// Read in the background: hundreds of files on some systems, and nobody needs them before a certificate came.
    verifiers: Arc<OnceLock<Verifiers>>,
    /// The user's roots.
    roots: Vec<CertificateDer<'static>>,
}

/// What chains are verified with.
#[derive(Debug)]
struct Verifiers {
    /// `Err`: why neither store nor roots could be had.
    verifier: Result<Verifier, String>,
    /// Why the platform's own store could not be read, where only the user's roots are at hand.
    incomplete: Option<String>,
}

impl Verifiers {
    fn read(roots: &[CertificateDer<'static>]) -> Self {
        let platform = Verifier::new(provider()).map_err(|error| error.to_string());
        if roots.is_empty() {
            return Self { verifier: platform, incomplete: None };
        }
        let verifier = Verifier::new_with_extra_roots(roots.to_vec(), provider()).map_err(|error| error.to_string());
        Self { verifier, incomplete: platform.err() }
    }
}

impl TrustStore {
    /// The platform's store, with the roots of `ca_file` added. A store that cannot be read makes verdicts
    /// [`Trust::Unknown`]; a `ca_file` that cannot be read is an error, since the user asked for it.
    ///
    /// A self-signed certificate of a server's own may stand in `ca_file` too. That server, and no other, is then
    /// [`Trust::Trusted`] for as long as the certificate is valid: the user knows it, and so do the clients that the user
    /// gave it to. Whether strangers would trust it is not asked then; [`CertificateFact::self_signed`] still says what it is.
    ///
    /// [`CertificateFact::self_signed`]: crate::model::tls::CertificateFact::self_signed
    pub fn load(ca_file: Option<&Path>) -> Result<Self, CaFileError> {
        let roots = ca_file.map(ca_file::read).transpose()?.unwrap_or_default();
        let store = Self { verifiers: Arc::default(), roots };
        let (verifiers, roots) = (Arc::clone(&store.verifiers), store.roots.clone());
        // Without a thread for it, whoever needs it first reads it.
        let _ = thread::Builder::new().spawn(move || _ = verifiers.get_or_init(|| Verifiers::read(&roots)));
        Ok(store)
    }

    /// What the store makes of `chain`, leaf first and as served. A name that does not match is no matter of trust and is
    /// told apart by the certificate's own names.
    pub fn judge(&self, chain: &[CertificateDer<'_>], name: &ServerName<'_>, at: UnixTime) -> Trust {
        self.verify(chain, name, at).0
    }

    /// The same, with what is to be known besides of a chain that has been read; `at` is the time it was read for.
    pub fn judge_chain<'a>(
        &self,
        served: &'a [CertificateDer<'a>],
        chain: &Chain<'a>,
        name: &ServerName<'_>,
        at: UnixTime,
    ) -> Verdict {
        let (trust, mut unknown_issuer) = self.verify(served, name, at);
        let mut needed = chain.path().len();
        match &trust {
            Trust::Trusted if chain.has_weak_authority() => {
                let pick = |count| chain.path().iter().take(count).filter_map(|place| served.get(*place).cloned());
                let trusted =
                    |count: &usize| self.verify(&pick(*count).collect::<Vec<_>>(), name, at).0 == Trust::Trusted;
                needed = (1..needed).find(trusted).unwrap_or(needed);
            }
            Trust::Trusted | Trust::Unknown { .. } => {}
            Trust::Untrusted { .. } => {
                // A certificate out of date hides what else is wrong.
                let then = chain.when_valid().and_then(|seconds| u64::try_from(seconds).ok());
                if let Some(seconds) = then {
                    unknown_issuer =
                        self.verify(served, name, UnixTime::since_unix_epoch(Duration::from_secs(seconds))).1;
                }
            }
        }
        Verdict { trust, unknown_issuer, needed }
    }

    /// The root of the user's own that issued `certificate`.
    pub fn own_issuer(&self, certificate: &[u8]) -> Option<&[u8]> {
        self.roots.iter().map(AsRef::as_ref).find(|root| is_issued_by(certificate, root))
    }

    /// The verdict, and whether it is that no trusted root issued the chain.
    fn verify(&self, chain: &[CertificateDer<'_>], name: &ServerName<'_>, at: UnixTime) -> (Trust, bool) {
        let Verifiers { verifier, incomplete } = self.verifiers.get_or_init(|| Verifiers::read(&self.roots));
        let verifier = match verifier {
            Ok(verifier) => verifier,
            Err(reason) => return (Trust::Unknown { reason: reason.clone() }, false),
        };
        let Some((leaf, intermediates)) = chain.split_first() else {
            return (Trust::Unknown { reason: "the server sent no certificate".to_owned() }, false);
        };
        let error = match verifier.verify_server_cert(leaf, intermediates, name, &[], at) {
            Ok(_)
            | Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => return (Trust::Trusted, false),
            Err(error) => error,
        };
        // A root that has the issuer's name and another key is not the issuer. Signatures between certificates that were
        // served are checked where the chain is read.
        let unknown_issuer = matches!(
            error,
            Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature)
        );
        let trust = match incomplete {
            Some(reason) if unknown_issuer => Trust::Unknown {
                reason: format!("no root of the given file, and the system's store could not be read: {reason}"),
            },
            _ if is_ca_as_leaf(&error) && self.roots.contains(leaf) => pinned(leaf, at),
            _ => Trust::Untrusted { reason: PeerText::new(&describe(&error), REASON) },
        };
        (trust, unknown_issuer)
    }
}

/// What the store makes of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The verdict on it as served.
    pub trust: Trust,
    /// With dates left aside, what remains against it is that no trusted root issued it.
    pub unknown_issuer: bool,
    /// How many certificates of the path a trusted chain needs.
    pub needed: usize,
}

/// webpki refuses a CA's certificate in a server's place. So is every self-signed one that openssl makes by default.
fn is_ca_as_leaf(error: &Error) -> bool {
    matches!(error, Error::InvalidCertificate(CertificateError::Other(other)) if other.to_string().contains("CaUsedAsEndEntity"))
}

/// A server's own certificate, given by the user as a root: only its time is left to check.
fn pinned(leaf: &[u8], at: UnixTime) -> Trust {
    let untrusted = |reason: &str| Trust::Untrusted { reason: PeerText::new(reason, REASON) };
    let Ok((_, certificate)) = X509Certificate::from_der(leaf) else { return untrusted("it cannot be decoded") };
    let (validity, now) = (certificate.validity(), i64::try_from(at.as_secs()).unwrap_or(i64::MAX));
    if now > validity.not_after.timestamp() {
        untrusted(EXPIRED)
    } else if now < validity.not_before.timestamp() {
        untrusted(NOT_YET)
    } else {
        Trust::Trusted
    }
}

const EXPIRED: &str = "a certificate of the chain has expired";
const NOT_YET: &str = "a certificate of the chain is not valid yet";

fn describe(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => "no trusted root issued it".to_owned(),
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            EXPIRED.to_owned()
        }
        Error::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            NOT_YET.to_owned()
        }
        Error::InvalidCertificate(CertificateError::BadSignature) => {
            "its signature is not by the key of the trusted root of that name".to_owned()
        }
        Error::InvalidCertificate(CertificateError::BadEncoding) => "it cannot be decoded".to_owned(),
        Error::InvalidCertificate(CertificateError::Revoked) => "it has been revoked".to_owned(),
        ca if is_ca_as_leaf(ca) => "it is a CA's own certificate and none that a CA issued for a server".to_owned(),
        other => other.to_string(),
    }
}

/// The cryptography of every handshake, named so that no other can be picked for us.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Why there is nothing to verify with.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The user's roots.
    #[error(transparent)]
    CaFile(#[from] CaFileError),
    /// The system's store.
    #[error("the system's trust store cannot be read: {0}")]
    Store(String),
}

/// A client configuration that verifies, by the platform's store and the roots of `ca_file`: for those to whom something is
/// told, where all else here is for those who are looked at. May wait for files.
pub fn verifying_client(ca_file: Option<&Path>) -> Result<ClientConfig, TrustError> {
    let roots = ca_file.map(ca_file::read).transpose()?.unwrap_or_default();
    let store = |error: Error| TrustError::Store(error.to_string());
    let verifier = if roots.is_empty() {
        Verifier::new(provider()).map_err(store)?
    } else {
        Verifier::new_with_extra_roots(roots, provider()).map_err(store)?
    };
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(store)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

/// Why a handshake of [`verifying_client`] failed, in words; whether it is the certificate.
pub fn why_refused(error: &Error) -> (String, bool) {
    let about_certificate = matches!(error, Error::InvalidCertificate(_) | Error::NoCertificatesPresented);
    let words = match error {
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "it is for another name".to_owned(),
        other => describe(other),
    };
    (PeerText::new(&words, REASON).as_str().to_owned(), about_certificate)
}

/// A client configuration for one handshake, which accepts every certificate, and the place where the chain is recorded.
///
/// It remembers no session: every handshake is a whole one, with certificate.
pub fn recording_client(sni: bool) -> Result<(Arc<ClientConfig>, Recorded), Error> {
    let recorded = Recorded::default();
    let verifier = Arc::new(Recorder { seen: recorded.clone() });
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.enable_sni = sni;
    config.resumption = Resumption::disabled();
    Ok((Arc::new(config), recorded))
}

/// The chain of a handshake, as served: there even when the handshake failed after it, as it does where the server wants a
/// certificate of ours.
#[derive(Clone, Debug, Default)]
pub struct Recorded(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    chain: Vec<CertificateDer<'static>>,
    staple: Vec<u8>,
    version: Option<ProtocolVersion>,
}

impl Recorded {
    /// The chain, leaf first; empty where the handshake did not come so far.
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.seen().chain.clone()
    }

    /// The OCSP response that came with it; empty where none did.
    pub fn staple(&self) -> Vec<u8> {
        self.seen().staple.clone()
    }

    /// The negotiated version's number, where the server signed the handshake.
    pub fn version(&self) -> Option<u16> {
        self.seen().version.map(u16::from)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Accepts everything. Signatures are not checked either: the keys that ring refuses, such as RSA with 1024 bits, are what
/// we are here to report.
#[derive(Debug)]
struct Recorder {
    seen: Recorded,
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(end_entity).chain(intermediates).map(|one| one.clone().into_owned()).collect();
        let mut seen = self.seen.seen();
        seen.chain = chain;
        // One byte more than is read shows that it is too long.
        seen.staple = ocsp_response.iter().take(STAPLE_LIMIT + 1).copied().collect();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.seen.seen().version = Some(ProtocolVersion::TLSv1_2);
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.seen.seen().version = Some(ProtocolVersion::TLSv1_3);
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ECDSA_NISTP384_SHA384,
            SignatureScheme::ECDSA_NISTP521_SHA512,
            SignatureScheme::ED25519,
            SignatureScheme::ED448,
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::RSA_PSS_SHA384,
            SignatureScheme::RSA_PSS_SHA512,
            SignatureScheme::RSA_PKCS1_SHA256,
            SignatureScheme::RSA_PKCS1_SHA384,
            SignatureScheme::RSA_PKCS1_SHA512,
            SignatureScheme::RSA_PKCS1_SHA1,
            SignatureScheme::ECDSA_SHA1_Legacy,
        ]
    }
}

#[cfg(test)]
mod tests;
