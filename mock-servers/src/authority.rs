//! A throw-away certificate authority: made anew for every run, known to nobody but the test that made it.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_RSA_SHA256, SanType, SerialNumber, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::settings::{CertificateKind, KeyKind};

/// The one RSA key all mock servers share. ring cannot make RSA keys, and nothing secret hangs on it: only the
/// authority's key makes a certificate trusted, and that one is new each time.
const RSA_KEY: &[u8] = include_bytes!("../keys/leaf-rsa-2048.pk8.der");

/// Why a certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The certificate library refused.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The system has no random numbers.
    #[error("the system gives no random numbers")]
    Random,
}

/// A certificate authority that several mock servers share.
#[derive(Debug)]
pub struct Authority {
    root: CertifiedIssuer<'static, KeyPair>,
    stranger: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key.
#[derive(Debug)]
pub struct Identity {
    /// The certificate chain, leaf first, without the root.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key.
    pub key: PrivateKeyDer<'static>,
}

impl Authority {
    /// Makes a new authority.
    pub fn new() -> Result<Self, AuthorityError> {
        Ok(Self { root: root("mock-servers test authority")?, stranger: root("mock-servers unknown authority")? })
    }

    /// The root certificate, for clients that are to trust the servers.
    pub fn ca_pem(&self) -> String {
        self.root.pem()
    }

    /// The root certificate in DER.
    pub fn ca_der(&self) -> CertificateDer<'static> {
        self.root.der().clone()
    }

    /// Issues a certificate for names and addresses.
    pub fn issue(&self, kind: CertificateKind, key: KeyKind, names: &[String]) -> Result<Identity, AuthorityError> {
        let key = match key {
            KeyKind::Rsa => {
                KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(RSA_KEY), &PKCS_RSA_SHA256)?
            }
            KeyKind::Ecdsa => KeyPair::generate()?,
        };
        let wrong = ["somewhere-else.example".to_owned()];
        let names = if kind == CertificateKind::WrongName { &wrong } else { names };
        let params = leaf(kind, names)?;
        let certificate = match kind {
            CertificateKind::SelfSigned => params.self_signed(&key)?,
            CertificateKind::UnknownAuthority => params.signed_by(&key, &*self.stranger)?,
            _ => params.signed_by(&key, &*self.root)?,
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok(Identity { chain: vec![certificate.der().clone()], key })
    }
}

fn root(name: &str) -> Result<CertifiedIssuer<'static, KeyPair>, AuthorityError> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let epoch = date_time_ymd(1970, 1, 1);
    // Older than the expired and younger than the future leaf, so that only the leaf is at fault.
    params.not_before = epoch;
    params.not_after = date_time_ymd(2120, 1, 1);
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

fn leaf(kind: CertificateKind, names: &[String]) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::default();
    for name in names {
        params.subject_alt_names.push(match name.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(name.as_str().try_into()?),
        });
    }
    params.distinguished_name.push(DnType::CommonName, names.first().map_or("mock", String::as_str));
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = kind != CertificateKind::SelfSigned;
    // The shared RSA key would otherwise give every certificate the same serial number.
    let mut serial = [0; 16];
    crate::random(&mut serial).ok_or(AuthorityError::Random)?;
    serial[0] = serial[0] & 0x7f | 1;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    (params.not_before, params.not_after) = match kind {
        CertificateKind::Expired => (date_time_ymd(2019, 1, 1), date_time_ymd(2020, 1, 1)),
        CertificateKind::NotYetValid => (date_time_ymd(2110, 1, 1), date_time_ymd(2111, 1, 1)),
        _ => {
            let day = Duration::from_hours(24);
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let now = date_time_ymd(1970, 1, 1) + Duration::from_secs(now.as_secs());
            (now - day, now + day * 90)
        }
    };
    Ok(params)
}
