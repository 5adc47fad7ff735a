//! References of a guide's item, made readable.

/// A reference: what to show, and where it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The text to show; empty where there is only an address.
    pub text: String,
    /// The address, `https` only: no other scheme becomes a link.
    pub link: Option<String>,
}

impl Reference {
    /// Reads a reference as a guide writes it: a STIG, CIS or CVE id, an address, or words followed by an address.
    pub fn read(reference: &str) -> Self {
        let reference = reference.trim();
        let (words, address) = match reference.rsplit_once(char::is_whitespace) {
            Some((words, address)) if is_link(address) => (words.trim_end(), Some(address)),
            None if is_link(reference) => ("", Some(reference)),
            _ => (reference, None),
        };
        Self { text: readable(words), link: address.map(str::to_owned) }
    }

    /// The reference as one line of text.
    pub fn plain(&self) -> String {
        match &self.link {
            Some(link) if self.text.is_empty() => link.clone(),
            Some(link) => format!("{} {link}", self.text),
            None => self.text.clone(),
        }
    }
}

/// Whether this is an address that a browser may be led to: `https`, a host, and nothing that ends or hides it.
fn is_link(address: &str) -> bool {
    address.strip_prefix("https://").is_some_and(|rest| {
        rest.starts_with(|character: char| character.is_ascii_alphanumeric())
            && rest.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'`'))
            && !rest.split(['/', '?', '#']).next().unwrap_or_default().contains('@')
    })
}

fn readable(words: &str) -> String {
    let upper = words.to_ascii_uppercase();
    if upper.starts_with("STIG ") || upper.starts_with("CIS ") {
        let (kind, id) = words.split_once(' ').unwrap_or((words, ""));
        let kind = if kind.eq_ignore_ascii_case("stig") { "DISA STIG, finding" } else { "CIS Benchmark," };
        format!("{kind} {}", id.trim())
    } else if upper.starts_with("CVE-") {
        format!("Known vulnerability {words}")
    } else {
        words.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reference: &str) -> (String, Option<String>) {
        let Reference { text, link } = Reference::read(reference);
        (text, link)
    }

    #[test]
    fn ids_become_readable() {
        assert_eq!(read("STIG V-205724"), ("DISA STIG, finding V-205724".to_owned(), None));
        assert_eq!(read("CIS 1.2.3"), ("CIS Benchmark, 1.2.3".to_owned(), None));
        assert_eq!(read("CVE-2024-1709"), ("Known vulnerability CVE-2024-1709".to_owned(), None));
        assert_eq!(read("Vendor guide, page 4"), ("Vendor guide, page 4".to_owned(), None));
    }

    #[test]
    fn only_https_becomes_a_link() {
        let link = "https://docs.example/a?b=c#d";
        assert_eq!(read(link), (String::new(), Some(link.to_owned())));
        assert_eq!(read(&format!("Vendor guide {link}")), ("Vendor guide".to_owned(), Some(link.to_owned())));
        for address in [
            "http://docs.example/",
            "javascript:alert(1)",
            "data:text/html,x",
            "//docs.example",
            "https://",
            "https://bank.example@evil.example/",
            "https://a.example/\u{202e}",
            "https://a.example/\"onclick=",
            "HTTPS:evil",
        ] {
            assert_eq!(read(address), (address.to_owned(), None));
        }
    }
}
