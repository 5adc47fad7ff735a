//! What was seen of a certificate: which it is, how near its end is, and whether a careful client takes it.

use super::{Sight, Value, Worth, lost};
use crate::model::certificate::{OcspStatus, Staple};
use crate::model::drift::CertificatePart;
use crate::model::fact::Fact;
use crate::model::observation::Attempt;
use crate::model::tls::{CertificateFact, Trust};

/// The bands of days left that are told apart, the last first; days within a band are no change. Authorities renew 30 days
/// before the end (Let's Encrypt's advice), so that less than that says that the renewal did not happen.
const BANDS: [(i64, &str); 3] = [(7, "7 days"), (14, "14 days"), (30, "30 days")];

pub(super) fn parts(fact: Option<&Fact>, attempt: &Attempt) -> Vec<(CertificatePart, Sight)> {
    let parts = [CertificatePart::Identity, CertificatePart::End, CertificatePart::Trust];
    let Some(Fact::Certificate(certificate)) = fact else {
        return parts.map(|part| (part, Sight::Lost(lost(attempt)))).into();
    };
    let [identity, end, trust] = [identity(certificate), end(certificate), trust(certificate)];
    vec![(parts[0], identity), (parts[1], end), (parts[2], trust)]
}

/// A day, of an RFC 3339 instant.
fn day(instant: &str) -> &str {
    instant.split('T').next().unwrap_or(instant)
}

fn identity(certificate: &CertificateFact) -> Sight {
    let digest: String = certificate.sha256.chars().take(16).collect();
    let words = format!(
        "{}, by {}, until {}, SHA-256 {digest}…",
        certificate.subject,
        certificate.issuer,
        day(&certificate.not_after)
    );
    Sight::Seen(Value { same: certificate.sha256.clone(), ..Value::new(words, Worth::Unknown) })
}

/// In which band a certificate is with so many days left: 0 where its end is far, more the nearer it is, and the most where it is
/// over.
pub(in crate::drift) fn band(days: i64) -> usize {
    let near = || BANDS.iter().position(|(limit, _)| days < *limit).map_or(0, |place| BANDS.len() - place);
    if days < 0 { BANDS.len() + 1 } else { near() }
}

fn end(certificate: &CertificateFact) -> Sight {
    let until = day(&certificate.not_after);
    let bad = band(certificate.days_left);
    let words = match BANDS.len().checked_sub(bad).and_then(|place| BANDS.get(place)) {
        Some((_, within)) => format!("ends within {within}, on {until}"),
        None if bad == 0 => format!("ends on {until}"),
        None => format!("over since {until}"),
    };
    Sight::Seen(Value { same: bad.to_string(), ..Value::new(words, Worth::Bad(bad)) })
}

fn trust(certificate: &CertificateFact) -> Sight {
    let revoked = matches!(&certificate.staple, Staple::Answer(answer)
        if answer.is_vouched_for() && matches!(answer.status, OcspStatus::Revoked { .. }));
    if revoked {
        return Sight::level("revoked", 2);
    }
    if certificate.not_yet_valid {
        return Sight::level("not valid yet", 1);
    }
    // Its end is told apart, and makes it untrusted too.
    if certificate.days_left < 0 {
        return Sight::lost("it is over");
    }
    match &certificate.trust {
        Trust::Unknown { reason } => {
            Sight::lost(format!("the store of trusted authorities could not be read, {reason}"))
        }
        Trust::Untrusted { reason } => Sight::level(format!("not trusted: {reason}"), 1),
        Trust::Trusted if !certificate.name_matches => {
            Sight::level(format!("not valid for {}", certificate.checked_name), 1)
        }
        Trust::Trusted => Sight::level("trusted", 0),
    }
}
