//! What a receiver said, without what it must not repeat.

use crate::model::peer_text::PeerText;
use crate::report::text::clean;
use data_encoding::{BASE64, BASE64_NOPAD};

/// The most of an answer that is shown, in bytes.
const SHOWN: usize = 300;

/// The shortest part of an address that may be a secret, in bytes.
const PART: usize = 6;

/// Secrets that a receiver was sent, and may repeat: error pages show addresses, and servers show commands.
#[derive(Default)]
pub(super) struct Hidden(Vec<String>);

impl Hidden {
    /// A text that may not be shown, nor its base64.
    pub(super) fn add(&mut self, secret: &str) {
        if !secret.is_empty() {
            self.0.push(BASE64.encode(secret.as_bytes()));
            self.0.push(BASE64_NOPAD.encode(secret.as_bytes()));
            self.0.push(secret.to_owned());
        }
    }

    /// The same for what an address has after its host.
    pub(super) fn add_address(&mut self, address: &reqwest::Url, path_too: bool) {
        let pairs: Vec<String> = address.query_pairs().map(|(_, value)| value.into_owned()).collect();
        let raw = address.query().unwrap_or_default().split(['&', '=']).map(str::to_owned);
        let path = path_too.then(|| address.path().split('/').map(str::to_owned)).into_iter().flatten();
        for part in pairs.into_iter().chain(raw).chain(path) {
            if part.len() >= PART {
                self.add(&part);
            }
        }
    }

    /// What was said, fit to be shown anywhere. One that repeats a secret is not shown at all.
    pub(super) fn shown(&self, said: &str) -> String {
        if self.0.iter().any(|secret| said.contains(secret.as_str())) {
            return "an answer that repeats a secret, and is not shown".to_owned();
        }
        let text = clean(said.trim()).split_whitespace().collect::<Vec<_>>().join(" ");
        PeerText::new(&text, SHOWN).as_str().replace("\\\\", "\\")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_answer_that_repeats_a_secret_is_not_shown() {
        let mut hidden = Hidden::default();
        hidden.add_address(&"https://h.example/services/T0001/abcdefgh?sig=s3cr3tsig&x=1".parse().unwrap(), true);
        hidden.add("hunter2");
        for said in [
            "no /services/T0001/abcdefgh here",
            "<a href=\"\\/services\\/abcdefgh\">",
            "sig: s3cr3tsig",
            "535 hunter2 is wrong",
            "aHVudGVyMg==",
            "aHVudGVyMg",
        ] {
            assert!(hidden.shown(said).contains("not shown"), "{said}");
        }
        assert_eq!(hidden.shown(" no_service\r\n at\x1b[2J all "), "no_service at\\x1b[2J all");
    }

    proptest! {
        #[test]
        fn no_secret_is_ever_shown(secret in "[!-~]{6,20}", before in "\\PC{0,400}", after in "\\PC{0,400}") {
            let mut hidden = Hidden::default();
            hidden.add(&secret);
            let said = format!("{before}{secret}{after}");
            prop_assert!(!hidden.shown(&said).contains(&secret));
        }
    }
}
