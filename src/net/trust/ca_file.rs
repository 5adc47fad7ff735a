//! Roots of the user's own: a PEM file, with errors that name the line.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// A file of roots is read up to this size, in bytes; the Mozilla store takes a quarter of a megabyte.
const LIMIT: u64 = 16 << 20;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Why a file of roots cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaFileError {
    /// It cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        error: io::Error,
    },
    /// It is a folder, a device or a pipe.
    #[error("{} is not a regular file: name a PEM file of CA certificates", path.display())]
    NotAFile {
        /// What was named.
        path: PathBuf,
    },
    /// It is far larger than any file of roots.
    #[error("{} is larger than {} MiB: not a file of CA certificates", path.display(), LIMIT >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It holds no certificate.
    #[error("{} holds no certificate: it must be PEM, with lines `{BEGIN}`; convert DER with `openssl x509 -inform der`", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A certificate begins and does not end.
    #[error("{}, line {line}: a certificate begins here and has no line `{END}`", path.display())]
    Unfinished {
        /// The file.
        path: PathBuf,
        /// Where it begins, counted from 1.
        line: usize,
    },
    /// A certificate cannot be read.
    #[error("{}, line {line}: the certificate that begins here cannot be used as a root: {reason}", path.display())]
    Bad {
        /// The file.
        path: PathBuf,
        /// Where it begins, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// Reads every certificate of `path`.
pub(super) fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, CaFileError> {
    let unreadable = |error| CaFileError::Unreadable { path: path.to_owned(), error };
    // Looked at before it is opened: opening a pipe waits for whoever writes into it.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(CaFileError::NotAFile { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(LIMIT + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    if bytes.len() as u64 > LIMIT {
        return Err(CaFileError::TooLarge { path: path.to_owned() });
    }
    parse(path, &String::from_utf8_lossy(&bytes))
}

fn parse(path: &Path, text: &str) -> Result<Vec<CertificateDer<'static>>, CaFileError> {
    let mut roots = Vec::new();
    let mut block: Option<(usize, String)> = None;
    for (index, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        match block.take() {
            None if trimmed == BEGIN => block = Some((index + 1, format!("{BEGIN}\n"))),
            None => {}
            Some((line, _)) if trimmed == BEGIN => return Err(CaFileError::Unfinished { path: path.to_owned(), line }),
            Some((line, mut pem)) => {
                pem.push_str(trimmed);
                pem.push('\n');
                if trimmed == END {
                    let bad = |reason| CaFileError::Bad { path: path.to_owned(), line, reason };
                    roots.push(root(&pem).map_err(bad)?);
                } else {
                    block = Some((line, pem));
                }
            }
        }
    }
    match block {
        Some((line, _)) => Err(CaFileError::Unfinished { path: path.to_owned(), line }),
        None if roots.is_empty() => Err(CaFileError::Empty { path: path.to_owned() }),
        None => Ok(roots),
    }
}

fn root(pem: &str) -> Result<CertificateDer<'static>, String> {
    let root = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| match error {
        rustls::pki_types::pem::Error::Base64Decode(_) => "not base64".to_owned(),
        other => format!("{other:?}"),
    })?;
    RootCertStore::empty().add(root.clone()).map_err(|error| error.to_string())?;
    Ok(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_file_is_refused_with_the_line() {
        let error = |text: &str| parse(Path::new("ca.pem"), text).unwrap_err().to_string();
        assert_eq!(
            error("hello\n"),
            "ca.pem holds no certificate: it must be PEM, with lines `-----BEGIN CERTIFICATE-----`; convert DER with \
             `openssl x509 -inform der`"
        );
        assert_eq!(
            error(&format!("comment\n{BEGIN}\nAAAA\n")),
            "ca.pem, line 2: a certificate begins here and has no line `-----END CERTIFICATE-----`"
        );
        assert_eq!(
            error(&format!("{BEGIN}\n!!\n{END}\n")),
            "ca.pem, line 1: the certificate that begins here cannot be used as a root: not base64"
        );
        assert!(error(&format!("\n{BEGIN}\nAAAA\n{END}\n")).starts_with("ca.pem, line 2: the certificate"));
        let missing = read(Path::new("/nonexistent/ca.pem")).unwrap_err().to_string();
        assert!(missing.starts_with("cannot read /nonexistent/ca.pem: "), "{missing}");
    }

    #[test]
    fn only_a_file_is_read_and_not_without_end() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(read(folder.path()), Err(CaFileError::NotAFile { .. })));
        let large = folder.path().join("large.pem");
        File::create(&large).unwrap().set_len(LIMIT + 1).unwrap();
        assert!(matches!(read(&large), Err(CaFileError::TooLarge { .. })));
        #[cfg(unix)]
        assert!(matches!(read(Path::new("/dev/zero")), Err(CaFileError::NotAFile { .. })));
    }
}
