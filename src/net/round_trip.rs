//! The round trip to an address and its variation, as TCP estimates them (RFC 6298, section 2).

use std::time::Duration;

/// A round trip time and its variation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoundTrip {
    /// The smoothed round trip time.
    pub smoothed: Duration,
    /// Its mean deviation.
    pub variation: Duration,
}

impl RoundTrip {
    /// What is known after an answer took so long, beside what was `known` before. Not to be told of what was asked twice
    /// (Karn's algorithm; RFC 6298, section 3).
    #[must_use]
    pub fn after(known: Option<Self>, sample: Duration) -> Self {
        match known {
            None => Self { smoothed: sample, variation: sample / 2 },
            Some(known) => Self {
                variation: known.variation * 3 / 4 + known.smoothed.abs_diff(sample) / 4,
                smoothed: known.smoothed * 7 / 8 + sample / 8,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_estimated_as_rfc_6298_says() {
        let millis = Duration::from_millis;
        let first = RoundTrip::after(None, millis(100));
        assert_eq!(first, RoundTrip { smoothed: millis(100), variation: millis(50) });
        let second = RoundTrip::after(Some(first), millis(20));
        assert_eq!(second, RoundTrip { smoothed: millis(90), variation: Duration::from_micros(57_500) });
    }
}
