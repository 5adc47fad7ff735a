//! Certificates for the daemons, made anew for every test.

use super::rig::Rig;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// The name under which the servers are known.
pub(crate) const NAME: &str = "rmm.example.com";

/// A certificate and its key, in files.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// An authority that nobody trusts who was not given its certificate.
pub(crate) struct Issuer<'a> {
    rig: &'a Rig,
    root: CertifiedIssuer<'static, KeyPair>,
    pub(crate) ca_file: PathBuf,
}

impl<'a> Issuer<'a> {
    pub(crate) fn new(rig: &'a Rig) -> Self {
        Self::called(rig, "portreeve test authority")
    }

    pub(crate) fn called(rig: &'a Rig, name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = date_time_ymd(1990, 1, 1);
        let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let ca_file = rig.write("ca.pem", &root.pem());
        Self { rig, root, ca_file }
    }

    /// A certificate with which nothing is wrong, for those who trust the authority.
    pub(crate) fn good(&self) -> Identity {
        self.write("good", &leaf(NAME))
    }

    /// The same for the address at which the rig's daemons are.
    pub(crate) fn for_address(&self) -> Identity {
        self.write("address", &leaf(&self.rig.address.to_string()))
    }

    pub(crate) fn for_another_name(&self) -> Identity {
        self.write("another-name", &leaf("somewhere-else.example"))
    }

    pub(crate) fn expired(&self) -> Identity {
        let mut params = leaf(NAME);
        (params.not_before, params.not_after) = (date_time_ymd(2019, 1, 1), date_time_ymd(2020, 1, 1));
        self.write("expired", &params)
    }

    fn write(&self, name: &str, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &*self.root).unwrap().pem();
        save(self.rig, name, &certificate, &key.serialize_pem())
    }

    /// A key that was already too short in 2014. Rust's libraries refuse to make one.
    pub(crate) fn short_key(&self) -> Identity {
        let rig = self.rig;
        let (key, request) = (rig.path("short.key"), rig.path("short.csr"));
        let extensions = rig.write("short.ext", &format!("subjectAltName=DNS:{NAME}\nextendedKeyUsage=serverAuth\n"));
        let ca_key = rig.write("ca.key", &self.root.key().serialize_pem());
        let certificate = rig.path("short.pem");
        let line = format!(
            "req -new -newkey rsa:1024 -nodes -subj /CN={NAME} -keyout {} -out {}",
            key.display(),
            request.display()
        );
        rig.run("openssl", &line.split(' ').collect::<Vec<_>>());
        let line = format!(
            "x509 -req -sha256 -days 30 -set_serial 7 -in {} -CA {} -CAkey {} -extfile {} -out {}",
            request.display(),
            self.ca_file.display(),
            ca_key.display(),
            extensions.display(),
            certificate.display()
        );
        rig.run("openssl", &line.split(' ').collect::<Vec<_>>());
        Identity { certificate, key }
    }
}

/// An authority beneath another one.
pub(crate) struct Intermediate<'a> {
    rig: &'a Rig,
    authority: CertifiedIssuer<'static, KeyPair>,
    /// Its certificate, in PEM.
    pub(crate) pem: String,
}

/// Numbers the files of leaves.
static ISSUED: AtomicU32 = AtomicU32::new(0);

/// What is special about a certificate of an [`Intermediate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Special {
    Nothing,
    /// It says where the issuer's certificate is.
    Fetchable,
    /// It demands an OCSP staple.
    MustStaple,
}

impl<'a> Issuer<'a> {
    /// The root's certificate, in PEM.
    pub(crate) fn pem(&self) -> String {
        self.root.pem()
    }

    /// An authority beneath this one, which begins in 2019.
    pub(crate) fn intermediate(&self, end: i32) -> Intermediate<'a> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "portreeve test intermediate");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        (params.not_before, params.not_after) = (date_time_ymd(2019, 1, 1), date_time_ymd(end, 1, 1));
        let authority = CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &*self.root).unwrap();
        let pem = authority.pem();
        Intermediate { rig: self.rig, authority, pem }
    }
}

impl Intermediate<'_> {
    /// A certificate with which nothing is wrong, and after it in the same file `chain`.
    pub(crate) fn identity(&self, special: Special, chain: &[&str]) -> Identity {
        let mut params = leaf(NAME);
        match special {
            Special::Nothing => {}
            // SEQUENCE { INTEGER 5 } (RFC 7633)
            Special::MustStaple => params
                .custom_extensions
                .push(CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 24], vec![0x30, 3, 2, 1, 5])),
            // SEQUENCE { SEQUENCE { caIssuers, [6] "http://ca.example/i" } } (RFC 5280, section 4.2.2.1)
            Special::Fetchable => {
                let mut content = vec![0x30, 33, 0x30, 31, 6, 8, 0x2b, 6, 1, 5, 5, 7, 0x30, 2, 0x86, 19];
                content.extend(b"http://ca.example/i");
                let access = CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], content);
                params.custom_extensions.push(access);
            }
        }
        let key = KeyPair::generate().unwrap();
        let mut certificate = params.signed_by(&key, &*self.authority).unwrap().pem();
        certificate.extend(chain.iter().copied());
        let number = ISSUED.fetch_add(1, Ordering::Relaxed);
        save(self.rig, &format!("leaf-{number}"), &certificate, &key.serialize_pem())
    }

    /// An OCSP response for `identity`, signed by the authority. `state`: `V` for good, `R` for revoked, nothing for unknown.
    pub(crate) fn staple(&self, identity: &Identity, state: &str) -> PathBuf {
        let rig = self.rig;
        let certificate = identity.certificate.to_str().unwrap();
        let serial = rig.run("openssl", &["x509", "-in", certificate, "-noout", "-serial"]);
        let serial = serial.trim().strip_prefix("serial=").unwrap();
        let line = match state {
            "V" => format!("V\t491231000000Z\t\t{serial}\tunknown\t/CN=x\n"),
            "R" => format!("R\t491231000000Z\t250607000000Z,keyCompromise\t{serial}\tunknown\t/CN=x\n"),
            _ => String::new(),
        };
        let index = rig.write("index.txt", &line);
        let authority = rig.write("intermediate.pem", &self.pem);
        let key = rig.write("intermediate.key", &self.authority.key().serialize_pem());
        let response = rig.path(&format!("staple-{state}.der"));
        let line = format!(
            "ocsp -index {} -CA {2} -rsigner {2} -rkey {} -ndays 7 -issuer {2} -cert {certificate} -no_nonce -respout {3}",
            index.display(),
            key.display(),
            authority.display(),
            response.display()
        );
        rig.run("openssl", &line.split(' ').collect::<Vec<_>>());
        response
    }
}

/// A certificate that vouches for itself.
pub(crate) fn self_signed(rig: &Rig) -> Identity {
    let key = KeyPair::generate().unwrap();
    let certificate = leaf(NAME).self_signed(&key).unwrap().pem();
    save(rig, "self-signed", &certificate, &key.serialize_pem())
}

/// The same with an RSA key, without which versions and suites of old have nothing to use. Rust's libraries make none.
pub(crate) fn self_signed_rsa(rig: &Rig) -> Identity {
    let identity = Identity { certificate: rig.path("rsa.pem"), key: rig.path("rsa.key") };
    let line = format!(
        "req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN={NAME} -addext subjectAltName=DNS:{NAME} -keyout {} -out {}",
        identity.key.display(),
        identity.certificate.display()
    );
    rig.run("openssl", &line.split(' ').collect::<Vec<_>>());
    identity
}

fn leaf(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.not_before = date_time_ymd(2024, 1, 1);
    params
}

fn save(rig: &Rig, name: &str, certificate: &str, key: &str) -> Identity {
    Identity {
        certificate: rig.write(&format!("{name}.pem"), certificate),
        key: rig.write(&format!("{name}.key"), key),
    }
}
