//! What a statement is to say: by options, and where somebody is there to answer, by questions for the rest.

use super::super::args::StateArgs;
use super::super::ask::Asker;
use super::super::exit::CliError;
use super::super::output::{called, wrapped};
use super::Place;
use crate::catalog::diagnostic::nearest;
use crate::catalog::guide::{Guide, How, Item};
use crate::catalog::inventory::{NO_CLIENT, parse_host};
use crate::catalog::rule::{Rule, Source};
use crate::catalog::statements::{Kind, day_called, is_future, length, parse_day, today};
use crate::model::statement::About;
use crate::model::target::Target;
use crate::model::verdict::Severity;
use crate::report::text::clean;
use jiff::ToSpan as _;
use jiff::civil::Date;

/// How long a statement holds where somebody who is asked only agrees.
const USUAL: &str = "180d";

const RISKS: [Severity; 4] = [Severity::Low, Severity::Medium, Severity::High, Severity::Critical];

/// Asks for what options do not say.
pub(super) struct Talk<'a> {
    pub(super) state: &'a StateArgs,
    place: &'a Place,
    pub(super) asker: Option<Asker<'a>>,
    /// Options that are missing where nobody can be asked.
    missing: Vec<&'static str>,
    width: usize,
}

impl<'a> Talk<'a> {
    pub(super) fn new(state: &'a StateArgs, place: &'a Place, asker: Option<Asker<'a>>, width: usize) -> Self {
        Self { state, place, asker, missing: Vec::new(), width }
    }

    /// An answer: of the option, or of whoever is asked; none, and that it is missing, where nobody is.
    fn answer<T>(
        &mut self,
        option: &'static str,
        question: &str,
        given: Option<&str>,
        usual: Option<&str>,
        mut read: impl FnMut(&str) -> Result<T, String>,
    ) -> Result<Option<T>, CliError> {
        if let Some(given) = given {
            return read(given).map(Some).map_err(|why| CliError::Usage(format!("{option}: {}", clean(&why))));
        }
        if let Some(asker) = &mut self.asker {
            return asker.ask(question, usual, read).map(Some);
        }
        self.missing.push(option);
        Ok(None)
    }

    /// An error that names all options that are missing.
    pub(super) fn complete(&self) -> Result<(), CliError> {
        if self.missing.is_empty() {
            return Ok(());
        }
        Err(CliError::Usage(format!("nobody can be asked, for there is no terminal; add {}", self.missing.join(", "))))
    }

    /// Whose server it is.
    pub(super) fn target(&mut self) -> Result<Option<Target>, CliError> {
        let (place, client) = (self.place, self.state.client.as_deref());
        if place.hosts {
            if client.is_some() {
                return Err(CliError::Usage(
                    "--client: without an inventory no client is known; add --targets".to_owned(),
                ));
            }
            let read = |text: &str| parse_host(text).map(|host| Target::new(NO_CLIENT, host));
            return self.answer(
                "--target",
                "Which server (its name or address)",
                self.state.target.as_deref(),
                None,
                read,
            );
        }
        let same = |one: &str, other: &str| one.to_lowercase() == other.to_lowercase();
        let targets: Vec<&Target> = place
            .inventory
            .targets
            .iter()
            .filter(|target| client.is_none_or(|client| same(&target.client, client)))
            .collect();
        if targets.is_empty() {
            let client = clean(client.unwrap_or_default()).into_owned();
            let clients = place.inventory.targets.iter().map(|target| target.client.as_str());
            let hint =
                nearest(&client, clients).map_or_else(String::new, |near| format!("; did you mean `{}`?", clean(near)));
            return Err(CliError::Usage(format!("--client: the inventory has no client `{client}`{hint}")));
        }
        let read = |text: &str| {
            let host = parse_host(text).ok();
            let named = |target: &&&Target| same(&target.name, text) || same(&target.label(), text);
            let mut found: Vec<&Target> = targets.iter().filter(named).copied().collect();
            if found.is_empty() {
                found = targets.iter().filter(|target| Some(&target.host) == host.as_ref()).copied().collect();
            }
            match found.as_slice() {
                [one] => Ok((*one).clone()),
                [] => {
                    let names = targets.iter().map(|target| target.name.as_str());
                    let hint =
                        nearest(text, names).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                    Err(format!("the inventory has no target `{text}`{hint}"))
                }
                several => {
                    let labels: Vec<String> = several.iter().map(|target| target.label()).collect();
                    Err(format!("`{text}` may be any of {}; write CLIENT/NAME", labels.join(", ")))
                }
            }
        };
        if let (None, Some(asker)) = (&self.state.target, &mut self.asker) {
            let labels: Vec<String> =
                targets.iter().map(|target| format!("  {} ({})", called(target), target.host)).collect();
            asker.show(&labels.join("\n"))?;
        }
        self.answer("--target", "Which server", self.state.target.as_deref(), None, read)
    }

    /// The item that is attested.
    pub(super) fn item(&mut self, target: Option<&Target>) -> Result<Option<About>, CliError> {
        let place = self.place;
        if let (None, Some(target), Some(asker)) = (&self.state.item, target, &mut self.asker) {
            let attested = |item: &Item| {
                let mine = |about: &About| matches!(about, About::Item { item: id, .. } if *id == item.id);
                place.read.attestations.iter().find(|one| one.is_about(target) && mine(&one.about))
            };
            for (_, item) in concerning(place, target).filter(|(_, item)| item.how.contains(&How::Attestation)) {
                let until = attested(item).map_or_else(String::new, |one| format!(" (until {})", one.content.until));
                let line = format!("{:<11} {}{until}", item.id, item.title);
                asker.show(&wrapped(&clean(&line), self.width, "  ", "              "))?;
            }
        }
        let read = |text: &str| find(place, text).map(|(guide, item)| (about(guide, item), item));
        let found = self.answer("--item", "Which item", self.state.item.as_deref(), None, read)?;
        self.explain(found)
    }

    /// The item or rule that is waived.
    pub(super) fn item_or_rule(
        &mut self,
        target: Option<&Target>,
        rule: Option<&str>,
    ) -> Result<Option<About>, CliError> {
        let rules: Vec<String> = target.iter().flat_map(|target| &target.rules).map(ToString::to_string).collect();
        if let Some(rule) = rule {
            return Ok(Some(About::Rule(rule.split_whitespace().collect::<Vec<_>>().join(" "))));
        }
        let place = self.place;
        if let (None, Some(asker)) = (&self.state.item, &mut self.asker)
            && !rules.is_empty()
        {
            asker.show(&format!("  its expected rules: {}", clean(&rules.join(", "))))?;
        }
        let read = |text: &str| {
            if text.starts_with("allow ") || text.starts_with("deny ") {
                let rule = text.split_whitespace().collect::<Vec<_>>().join(" ");
                let known = rules.contains(&rule) || place.hosts;
                return if known { Ok((About::Rule(rule), None)) } else { Err(format!("it has no rule `{rule}`")) };
            }
            find(place, text).map(|(guide, item)| (about(guide, item), Some(item)))
        };
        let question = "Which item, such as AUT-NET-11, or expected rule";
        match self.answer("--item or --rule", question, self.state.item.as_deref(), None, read)? {
            Some((about, Some(item))) => self.explain(Some((about, item))),
            Some((about, None)) => Ok(Some(about)),
            None => Ok(None),
        }
    }

    /// Shows what an item says, to whoever answers for it.
    fn explain(&mut self, found: Option<(About, &Item)>) -> Result<Option<About>, CliError> {
        let Some((about, item)) = found else { return Ok(None) };
        let wanted = match self.place.kind {
            Kind::Attestations => item.rules.iter().find_map(|rule| match &rule.rule {
                Rule::Needs { source: Source::Attestation, by, .. } => Some(by.as_str()),
                _ => None,
            }),
            Kind::Waivers => None,
        };
        if let Some(asker) = &mut self.asker {
            for (label, text) in [
                ("", Some(item.title.as_str())),
                ("Why it matters: ", Some(item.rationale.as_str())),
                ("How it is decided: ", Some(item.check.as_str())),
                ("What to state: ", wanted),
            ] {
                if let Some(text) = text.filter(|text| !text.is_empty()) {
                    asker.show(&wrapped(&clean(&format!("{label}{text}")), self.width, "  ", "  "))?;
                }
            }
        }
        Ok(Some(about))
    }

    /// A text that must be said.
    pub(super) fn text(
        &mut self,
        option: &'static str,
        question: &str,
        given: Option<&str>,
    ) -> Result<Option<String>, CliError> {
        self.answer(option, question, given, None, |text| {
            let text = text.trim();
            if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(text.to_owned()) }
        })
    }

    /// How much is at stake.
    pub(super) fn risk(&mut self, given: Option<&str>) -> Result<Option<Severity>, CliError> {
        self.answer("--risk", "Risk meanwhile (low, medium, high or critical)", given, None, |text| {
            let known = RISKS.into_iter().find(|risk| risk.to_string() == text.to_lowercase());
            known.ok_or_else(|| "low, medium, high or critical".to_owned())
        })
    }

    /// A ticket, where there is one.
    pub(super) fn reference(&mut self) -> Result<Option<String>, CliError> {
        if self.state.reference.is_none() && self.asker.is_none() {
            return Ok(None);
        }
        let given = self.state.reference.as_deref();
        let text = self.answer("--reference", "Ticket or document (may be empty)", given, Some(""), |text| {
            Ok(text.trim().to_owned())
        })?;
        Ok(text.filter(|text| !text.is_empty()))
    }

    /// The day on which it is stated, and the last one on which it holds.
    pub(super) fn days(&mut self) -> Result<Option<(Date, Date)>, CliError> {
        let now = self.place.now;
        let today = today(now);
        let usual = today.to_string();
        let given = |text: &str| day_called(text, now).map_or_else(|| parse_day(text), |date| Ok((date, None)));
        let read = |text: &str| match given(text)? {
            (date, instant) if is_future(date, instant, now) => {
                Err(format!("{text} is yet to come: today is {today} (UTC)"))
            }
            (date, _) => Ok(date),
        };
        let on = match (&self.state.on, &self.asker) {
            (None, None) => today,
            _ => self.answer("--on", "On which day", self.state.on.as_deref(), Some(&usual), read)?.unwrap_or(today),
        };
        let after =
            |text: &str| length(text).and_then(|days| on.checked_add(days.days()).map_err(|error| error.to_string()));
        if let Some(length) = &self.state.valid_for {
            let until = after(length).map_err(|why| CliError::Usage(format!("--valid-for: {}", clean(&why))))?;
            return Ok(Some((on, until)));
        }
        let read = |text: &str| match given(text) {
            Ok((date, None)) => Ok(date),
            Ok((_, Some(_))) => Err("a day, without a time".to_owned()),
            Err(why) => after(text).map_err(|_| why),
        };
        let question = "Until which day, or for how long";
        let until = self.answer("--until", question, self.state.until.as_deref(), Some(USUAL), read)?;
        Ok(until.map(|until| (on, until)))
    }
}

fn about(guide: &Guide, item: &Item) -> About {
    About::Item { guide: guide.id.clone(), item: item.id.clone() }
}

/// Every item that concerns a target; all of them where its roles are not known.
fn concerning<'a>(place: &'a Place, target: &'a Target) -> impl Iterator<Item = (&'a Guide, &'a Item)> {
    let of = |guide: &'a Guide| {
        let all = guide.items.iter().filter(|_| place.hosts);
        all.chain(guide.items_for(&target.roles).filter(|_| !place.hosts)).map(move |item| (guide, item))
    };
    place.guides.iter().flat_map(of)
}

fn find<'a>(place: &'a Place, id: &str) -> Result<(&'a Guide, &'a Item), String> {
    let id = id.trim().to_ascii_uppercase();
    let items = || place.guides.iter().flat_map(|guide| guide.items.iter().map(move |item| (guide, item)));
    items().find(|(_, item)| item.id == id).ok_or_else(|| {
        let near = nearest(&id, items().map(|(_, item)| item.id.as_str()));
        let hint = near
            .map_or_else(|| "`portreeve guides list` lists them".to_owned(), |near| format!("did you mean `{near}`?"));
        format!("there is no item `{id}`; {hint}")
    })
}
