//! Extensions that the library does not read, or reads too strictly.

use super::super::bytes::{Bytes, Stop};
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::asn1_rs::{FromDer, OctetString, Sequence};
use x509_parser::der_parser::oid;
use x509_parser::der_parser::oid::Oid;

/// `SignedCertificateTimestampList` of a certificate (RFC 6962, section 3.3).
const TIMESTAMPS: Oid<'static> = oid!(1.3.6.1.4.1.11129.2.4.2);

/// `TransparencyInformationSyntax` of a certificate (RFC 9162, section 7.1.1).
const TRANSPARENCY: Oid<'static> = oid!(1.3.101.75);

/// `x509_sct_v2` and `precert_sct_v2` among the kinds of RFC 9162, section 4.5.
const TIMESTAMPS_V2: [u16; 2] = [3, 4];

/// `id-pe-tlsfeature` (RFC 7633, section 3).
const TLS_FEATURE: Oid<'static> = oid!(1.3.6.1.5.5.7.1.24);

/// The DER of the numbers 5 and 17, the extensions `status_request` and `status_request_v2` (RFC 6066, RFC 6961).
const STATUS_REQUESTS: [&[u8]; 2] = [&[2, 1, 5], &[2, 1, 17]];

/// How many signed certificate timestamps a certificate holds; `None` where a list cannot be read.
pub(super) fn embedded_timestamps(certificate: &X509Certificate<'_>) -> Option<usize> {
    let mut count: usize = 0;
    for extension in certificate.iter_extensions() {
        if extension.oid == TIMESTAMPS {
            count = count.saturating_add(count_timestamps(extension.value)?);
        } else if extension.oid == TRANSPARENCY {
            count = count.saturating_add(count_items(extension.value, is_timestamp_v2)?);
        }
    }
    Some(count)
}

/// How many timestamps stand in a `SignedCertificateTimestampList`, in DER (RFC 6962, section 3.3).
pub(in super::super) fn count_timestamps(value: &[u8]) -> Option<usize> {
    // The first byte of a timestamp is its version, and version 1 is written 0.
    count_items(value, |item| item.first() == Some(&0))
}

fn is_timestamp_v2(item: &[u8]) -> bool {
    item.first_chunk().is_some_and(|kind| TIMESTAMPS_V2.contains(&u16::from_be_bytes(*kind)))
}

/// Counts in an OCTET STRING that holds a list of items, each after its length, all after theirs.
fn count_items(value: &[u8], counts: impl Fn(&[u8]) -> bool) -> Option<usize> {
    let (rest, list) = OctetString::from_der(value).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let read = || -> Result<usize, Stop> {
        let mut bytes = Bytes::whole(list.as_ref());
        let length = bytes.u16()?;
        let mut items = Bytes::whole(bytes.take(usize::from(length))?);
        let mut count = 0;
        while !items.is_empty() {
            let length = items.u16()?;
            count += usize::from(counts(items.take(usize::from(length))?));
        }
        Ok(count)
    };
    read().ok()
}

/// Whether the certificate demands an OCSP staple.
pub(super) fn must_staple(certificate: &X509Certificate<'_>) -> bool {
    certificate.iter_extensions().filter(|extension| extension.oid == TLS_FEATURE).any(|extension| {
        // A sequence of small numbers, three bytes each.
        Sequence::from_der(extension.value)
            .is_ok_and(|(_, features)| features.content.chunks(3).any(|number| STATUS_REQUESTS.contains(&number)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(items: &[&[u8]]) -> Vec<u8> {
        let mut inner: Vec<u8> = Vec::new();
        for item in items {
            inner.extend(u16::try_from(item.len()).unwrap().to_be_bytes());
            inner.extend(*item);
        }
        let mut value = vec![4, u8::try_from(inner.len() + 2).unwrap()];
        value.extend(u16::try_from(inner.len()).unwrap().to_be_bytes());
        value.extend(inner);
        value
    }

    #[test]
    fn timestamps_are_counted_and_a_broken_list_is_no_number() {
        assert_eq!(count_timestamps(&list(&[])), Some(0));
        assert_eq!(count_timestamps(&list(&[&[0; 40], &[0; 47]])), Some(2));
        assert_eq!(count_timestamps(&list(&[&[0; 40], &[1; 40]])), Some(1), "another version");
        let mut cut = list(&[&[0; 40]]);
        cut[5] = 41;
        assert_eq!(count_timestamps(&cut), None);
        assert_eq!(count_timestamps(b""), None);
        assert_eq!(count_items(&list(&[&[0, 3, 9], &[0, 4, 9], &[0, 1, 9], &[0]]), is_timestamp_v2), Some(2));
    }

    proptest! {
        #[test]
        fn any_list_is_counted_without_panic(bytes: Vec<u8>, items: Vec<Vec<u8>>) {
            let _ = count_timestamps(&bytes);
            let short: Vec<&[u8]> = items.iter().map(|item| item.get(..9).unwrap_or(item)).take(9).collect();
            prop_assert!(count_timestamps(&list(&short)).is_some_and(|count| count <= short.len()));
        }
    }
}
