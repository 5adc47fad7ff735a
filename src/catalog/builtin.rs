//! The catalogs that are built in.

use super::diagnostic::{Diagnostic, Diagnostics};
use super::exploited::{self, ExploitedVersions};
use super::guide::{self, Guide};
use std::collections::BTreeMap;

/// The guides' files, in the order of reports.
const GUIDES: [(&str, &str); 6] = [
    ("guides/automate.toml", include_str!("../../guides/automate.toml")),
    ("guides/control.toml", include_str!("../../guides/control.toml")),
    ("guides/screenconnect.toml", include_str!("../../guides/screenconnect.toml")),
    ("guides/endpoint-central.toml", include_str!("../../guides/endpoint-central.toml")),
    ("guides/iis.toml", include_str!("../../guides/iis.toml")),
    ("guides/beyond.toml", include_str!("../../guides/beyond.toml")),
];

const EXPLOITED: (&str, &str) = ("guides/exploited.toml", include_str!("../../guides/exploited.toml"));

/// The catalogs of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogs {
    /// The guides.
    pub guides: Vec<Guide>,
    /// The versions known to be attacked.
    pub exploited: ExploitedVersions,
}

impl Catalogs {
    /// Those that are built in. An error here is a defect of the build, which the test suite finds.
    pub fn built_in() -> Result<Self, Diagnostics> {
        let guides = GUIDES.iter().map(|(file, text)| guide::parse(file, text, true)).collect::<Result<_, _>>()?;
        let catalogs = Self { guides, exploited: exploited::parse(EXPLOITED.0, EXPLOITED.1)? };
        catalogs.check_ids()?;
        Ok(catalogs)
    }

    /// Puts the user's own `guide` in place of the one with its id, or after the others.
    pub fn replace(&mut self, guide: Guide) -> Result<(), Diagnostics> {
        match self.guides.iter_mut().find(|known| known.id == guide.id) {
            Some(known) => *known = guide,
            None => self.guides.push(guide),
        }
        self.check_ids()
    }

    /// An item's id belongs to one guide only.
    fn check_ids(&self) -> Result<(), Diagnostics> {
        let mut owners = BTreeMap::new();
        let mut found = Vec::new();
        for guide in &self.guides {
            for item in &guide.items {
                if let Some(owner) = owners.insert(item.id.as_str(), guide.id.as_str())
                    && owner != guide.id
                {
                    let message = format!("the item `{}` is in the guides `{owner}` and `{}`", item.id, guide.id);
                    found.push(Diagnostic::whole(&format!("guide {}", guide.id), &message, None));
                }
            }
        }
        if found.is_empty() { Ok(()) } else { Err(Diagnostics(found)) }
    }
}
