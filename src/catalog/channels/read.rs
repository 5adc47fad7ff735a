//! `alerts.toml` as it is written, and what is wrong with it.

use super::address::{Address, WebAddress, is_loopback};
use super::secret::Source;
use super::{
    Alerts, Channel, Hook, Known, Login, Mail, MailTls, Means, Program, Service, Wants, Webhook, When, is_about,
};
use crate::catalog::diagnostic::{Diagnostic, Diagnostics, nearest};
use crate::catalog::guide::SEVERITIES;
use crate::catalog::inventory::{parse_host, parse_name};
use crate::catalog::toml_file::Reader;
use crate::model::alert::Kind;
use crate::model::target::Host;
use lettre::message::Mailbox;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// The longest name of a channel, in characters.
const NAME_LIMIT: usize = 60;

/// The longest text of any key, in characters.
const TEXT_LIMIT: usize = 2000;

/// The most channels, and the most entries of a list.
const LIST_LIMIT: usize = 100;

/// The most days before an end that something can be told.
const DAYS_LIMIT: i64 = 400;

/// The ports of submission (RFC 8314, section 7), and that of relays.
const SUBMISSION: u16 = 587;
const SUBMISSIONS: u16 = 465;
const RELAY: u16 = 25;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAlerts {
    when: Option<Spanned<RawWhen>>,
    #[serde(default)]
    channel: Vec<Spanned<RawChannel>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWhen {
    at_least: Option<Spanned<String>>,
    certificate_days: Option<Spanned<Vec<Spanned<i64>>>>,
    statement_days: Option<Spanned<Vec<Spanned<i64>>>>,
}

/// All keys of all kinds, so that one of another kind is told apart from one that is misspelt.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawChannel {
    name: Spanned<String>,
    kind: Spanned<String>,
    clients: Option<Spanned<Vec<Spanned<String>>>>,
    kinds: Option<Spanned<Vec<Spanned<String>>>>,
    at_least: Option<Spanned<String>>,
    url: Option<Spanned<String>>,
    url_env: Option<Spanned<String>>,
    url_file: Option<Spanned<String>>,
    secret_env: Option<Spanned<String>>,
    secret_file: Option<Spanned<String>>,
    server: Option<Spanned<String>>,
    tls: Option<Spanned<String>>,
    from: Option<Spanned<String>>,
    to: Option<Spanned<Vec<Spanned<String>>>>,
    user: Option<Spanned<String>>,
    password_env: Option<Spanned<String>>,
    password_file: Option<Spanned<String>>,
    hello: Option<Spanned<String>>,
    ca_file: Option<Spanned<String>>,
    program: Option<Spanned<Vec<Spanned<String>>>>,
    // Never read: they are known so that what to write instead can be said. Their values are not kept.
    secret: Option<Spanned<serde::de::IgnoredAny>>,
    password: Option<Spanned<serde::de::IgnoredAny>>,
}

#[derive(Clone, Copy)]
enum Way {
    Webhook,
    Slack,
    Teams,
    Mail,
    Command,
}

const WAYS: [(&str, Way); 5] = [
    ("webhook", Way::Webhook),
    ("slack", Way::Slack),
    ("teams", Way::Teams),
    ("mail", Way::Mail),
    ("command", Way::Command),
];

const TLS: [(&str, MailTls); 3] =
    [("starttls", MailTls::StartTls), ("implicit", MailTls::Implicit), ("none", MailTls::None)];

/// Files that are being read, one after the other.
pub(super) struct Reading<'a> {
    pub(super) alerts: Alerts,
    known: Option<Known<'a>>,
    /// Where each channel is, by its name in lower case.
    names: BTreeMap<String, String>,
    /// Where `[when]` is.
    when: Option<String>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(known: Option<Known<'a>>) -> Self {
        Self { alerts: Alerts::default(), known, names: BTreeMap::new(), when: None }
    }

    /// Adds what a file says; nothing of it where anything is wrong.
    pub(super) fn add(&mut self, file: &str, text: &str, folder: &Path) -> Result<(), Diagnostics> {
        let mut reader = Reader::new(file, text);
        let raw: RawAlerts = reader.parse().map_err(without_values)?;
        let line = |span: &Range<usize>| text.get(..span.start).unwrap_or_default().matches('\n').count() + 1;
        let mut when = None;
        if let Some(raw) = raw.when {
            let span = raw.span();
            if let Some(place) = self.when.replace(format!("{file}:{}", line(&span))) {
                let help = "keep one of them: it is for all channels".to_owned();
                reader.wrong(span, &format!("there is a [when] already, at {place}"), Some(help));
            }
            when = Some(read_when(&mut reader, raw.into_inner()));
        }
        if raw.channel.len() > LIST_LIMIT {
            reader.wrong(0..0, &format!("more than {LIST_LIMIT} channels"), None);
        }
        let clients = self.known.map(Known::clients);
        let mut fresh = Vec::new();
        for raw in raw.channel {
            let (span, raw) = (raw.span(), raw.into_inner());
            let (name, name_span) = (raw.name.get_ref().clone(), raw.name.span());
            let place = format!("{file}:{}", line(&name_span));
            if let Some(earlier) = self.names.insert(name.to_lowercase(), place) {
                let message = format!("`{name}` is already a channel, at {earlier}");
                reader.wrong(name_span, &message, Some("give each channel its own name".to_owned()));
            }
            let read = Channels { reader: &mut reader, folder, clients: clients.as_ref() }.read(raw, &span);
            if let Some((wants, means)) = read {
                fresh.push(Channel {
                    name,
                    means,
                    wants,
                    file: file.to_owned(),
                    line: line(&span),
                    place: file.to_owned(),
                });
            }
        }
        let fresh = reader.finish(fresh)?;
        self.alerts.channels.extend(fresh);
        self.alerts.when = when.unwrap_or_else(|| self.alerts.when.clone());
        Ok(())
    }
}

/// What TOML itself finds wrong is told with the line. A line that may hold a secret written there against all advice is not shown.
fn without_values(diagnostics: Diagnostics) -> Diagnostics {
    Diagnostics(diagnostics.0.into_iter().map(Diagnostic::without_excerpt).collect())
}

fn read_when(reader: &mut Reader<'_>, raw: RawWhen) -> When {
    let usual = When::default();
    let at_least = raw.at_least.and_then(|value| reader.choose("a severity", &value, &SEVERITIES));
    When {
        at_least: at_least.unwrap_or(usual.at_least),
        certificate_days: raw.certificate_days.map_or(usual.certificate_days, |days| read_days(reader, days)),
        statement_days: raw.statement_days.map_or(usual.statement_days, |days| read_days(reader, days)),
    }
}

fn read_days(reader: &mut Reader<'_>, raw: Spanned<Vec<Spanned<i64>>>) -> Vec<u32> {
    let mut days = BTreeSet::new();
    check_count(reader, &raw);
    for day in raw.into_inner() {
        match u32::try_from(*day.get_ref()).ok().filter(|_| (1..=DAYS_LIMIT).contains(day.get_ref())) {
            Some(number) if !days.insert(number) => {
                reader.wrong(day.span(), &format!("{number} stands here twice"), None);
            }
            Some(_) => {}
            None => {
                let help = "that something has ended is always told".to_owned();
                reader.wrong(day.span(), &format!("days are whole numbers from 1 to {DAYS_LIMIT}"), Some(help));
            }
        }
    }
    days.into_iter().rev().collect()
}

fn check_count<T>(reader: &mut Reader<'_>, list: &Spanned<Vec<T>>) {
    if list.get_ref().len() > LIST_LIMIT {
        reader.wrong(list.span(), &format!("the list has more than {LIST_LIMIT} entries"), None);
    }
}

/// Reads channels.
struct Channels<'a, 'b> {
    reader: &'a mut Reader<'b>,
    folder: &'a Path,
    clients: Option<&'a BTreeSet<&'a str>>,
}

impl Channels<'_, '_> {
    fn read(mut self, mut raw: RawChannel, span: &Range<usize>) -> Option<(Wants, Means)> {
        self.check_text("name", &raw.name, NAME_LIMIT);
        for (key, found) in [("secret", raw.secret.take()), ("password", raw.password.take())] {
            if let Some(found) = found {
                let help =
                    format!("name where it is: `{key}_file = \"/etc/portreeve/{key}\"` or `{key}_env = \"NAME\"`");
                self.reader.found.push(
                    Diagnostic::at(
                        self.reader.file,
                        self.reader.text,
                        found.span(),
                        &format!("a {key} does not stand in this file"),
                        Some(help),
                    )
                    .without_excerpt(),
                );
            }
        }
        let wants = self.wants(&mut raw);
        let way = self.reader.choose("a kind of channel", &raw.kind, &WAYS)?;
        let kind = raw.kind.get_ref().clone();
        let means = match way {
            Way::Webhook => {
                let address = self.address(&mut raw, span, Service::Webhook);
                let secret = self.source("secret", raw.secret_env.take(), raw.secret_file.take());
                if secret.is_none() {
                    let help = "add `secret_file` or `secret_env`; make one: echo \"whsec_$(openssl rand -base64 32)\"";
                    self.reader.wrong(span.clone(), "the webhook has no secret to sign with", Some(help.to_owned()));
                }
                let ca_file = self.path("ca_file", raw.ca_file.take());
                address.zip(secret).map(|(address, secret)| Means::Webhook(Webhook { address, secret, ca_file }))
            }
            Way::Slack => self.hook(&mut raw, span, Service::Slack).map(Means::Slack),
            Way::Teams => self.hook(&mut raw, span, Service::Teams).map(Means::Teams),
            Way::Mail => self.mail(&mut raw, span).map(|mail| Means::Mail(Box::new(mail))),
            Way::Command => self.program(&mut raw, span).map(Means::Command),
        };
        self.refuse_rest(&raw, &kind);
        Some((wants, means?))
    }

    /// What was not taken belongs to another kind.
    fn refuse_rest(&mut self, raw: &RawChannel, kind: &str) {
        let texts = [
            ("url", &raw.url),
            ("url_env", &raw.url_env),
            ("url_file", &raw.url_file),
            ("secret_env", &raw.secret_env),
            ("secret_file", &raw.secret_file),
            ("server", &raw.server),
            ("tls", &raw.tls),
            ("from", &raw.from),
            ("user", &raw.user),
            ("password_env", &raw.password_env),
            ("password_file", &raw.password_file),
            ("hello", &raw.hello),
            ("ca_file", &raw.ca_file),
        ];
        let texts = texts.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?.span())));
        let lists = [("to", &raw.to), ("program", &raw.program)];
        let lists = lists.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?.span())));
        for (key, span) in texts.chain(lists) {
            self.reader.wrong(span, &format!("a channel of kind `{kind}` has no `{key}`"), None);
        }
    }

    fn wants(&mut self, raw: &mut RawChannel) -> Wants {
        let at_least = raw.at_least.take();
        let at_least = at_least.and_then(|value| self.reader.choose("a severity", &value, &SEVERITIES));
        let mut kinds = BTreeSet::new();
        if let Some(list) = raw.kinds.take() {
            self.check_list("kinds", &list, "leave it out for all kinds");
            let candidates = Kind::ALL.map(|kind| (kind.as_str(), kind));
            kinds.extend(
                list.into_inner().iter().filter_map(|kind| self.reader.choose("a kind of notice", kind, &candidates)),
            );
        }
        let mut clients = Vec::new();
        if let Some(list) = raw.clients.take() {
            self.check_list("clients", &list, "leave it out for all clients");
            for pattern in list.into_inner() {
                self.check_text("clients", &pattern, TEXT_LIMIT);
                self.check_client(&pattern);
                clients.push(pattern.into_inner());
            }
        }
        Wants { clients, kinds, at_least }
    }

    /// A channel for a client that there is not would stay silent for ever.
    fn check_client(&mut self, pattern: &Spanned<String>) {
        let Some(known) = self.clients else { return };
        if known.iter().any(|client| is_about(pattern.get_ref(), client)) {
            return;
        }
        let help = nearest(pattern.get_ref(), known.iter().copied()).map_or_else(
            || "write it as the inventory does; `*` stands for any characters".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        let message = format!("no client of the inventory is called `{}`", pattern.get_ref());
        self.reader.wrong(pattern.span(), &message, Some(help));
    }

    fn address(&mut self, raw: &mut RawChannel, span: &Range<usize>, service: Service) -> Option<Address> {
        let kept = self.source("url", raw.url_env.take(), raw.url_file.take());
        match (raw.url.take(), kept) {
            (None, Some(kept)) => Some(Address::Kept(kept)),
            (None, None) => {
                let keys = if service == Service::Webhook {
                    "`url`, `url_env` or `url_file`"
                } else {
                    "`url_file` or `url_env`"
                };
                self.reader.wrong(span.clone(), "the channel has no address", Some(format!("add {keys}")));
                None
            }
            (Some(url), Some(_)) => {
                self.reader.wrong(
                    url.span(),
                    "the channel has two addresses",
                    Some("leave one of them out".to_owned()),
                );
                None
            }
            (Some(url), None) if service != Service::Webhook => {
                let message =
                    "whoever knows this address can post there: it is a secret, and does not stand in this file";
                let help = "write it into a file of its own, and name that: `url_file = \"/etc/portreeve/hook\"`, or `url_env`";
                self.secret_at(url.span(), message, help);
                None
            }
            (Some(url), None) => match WebAddress::parse(url.get_ref(), service) {
                Ok(address) => Some(Address::Written(address)),
                Err(problem) => {
                    self.secret_at(url.span(), &problem.to_string(), problem.advice());
                    None
                }
            },
        }
    }

    /// Notes something wrong with what may be a secret: its line is not shown.
    fn secret_at(&mut self, span: Range<usize>, message: &str, help: &str) {
        let reader = &mut *self.reader;
        let at = Diagnostic::at(reader.file, reader.text, span, message, Some(help.to_owned()));
        reader.found.push(at.without_excerpt());
    }

    fn hook(&mut self, raw: &mut RawChannel, span: &Range<usize>, service: Service) -> Option<Hook> {
        let address = self.address(raw, span, service);
        let ca_file = self.path("ca_file", raw.ca_file.take());
        Some(Hook { address: address?, ca_file })
    }

    /// Where a secret is kept.
    fn source(
        &mut self,
        key: &str,
        variable: Option<Spanned<String>>,
        file: Option<Spanned<String>>,
    ) -> Option<Source> {
        if let (Some(_), Some(file)) = (&variable, &file) {
            let message = format!("`{key}_env` and `{key}_file` both say where it is");
            self.reader.wrong(file.span(), &message, Some("leave one of them out".to_owned()));
        }
        let variable = variable.and_then(|name| {
            let text = name.get_ref();
            let letters = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if text.is_empty() || !letters || text.starts_with(|first: char| first.is_ascii_digit()) || text.len() > 200
            {
                let help = "write only the variable's name, such as `PORTREEVE_NOC_SECRET`";
                self.secret_at(name.span(), &format!("`{key}_env` is not the name of an environment variable"), help);
                return None;
            }
            Some(Source::Variable(name.into_inner()))
        });
        variable.or_else(|| self.path(&format!("{key}_file"), file).map(Source::File))
    }

    /// A path; a relative one begins where the file is.
    fn path(&mut self, key: &str, value: Option<Spanned<String>>) -> Option<PathBuf> {
        let value = value?;
        self.check_text(key, &value, TEXT_LIMIT);
        Some(self.folder.join(value.get_ref()))
    }

    fn mail(&mut self, raw: &mut RawChannel, span: &Range<usize>) -> Option<Mail> {
        let tls = raw.tls.take();
        let protected =
            tls.as_ref().map_or(Some(MailTls::StartTls), |tls| self.reader.choose("a kind of TLS", tls, &TLS));
        let server = raw.server.take();
        if server.is_none() {
            self.missing(span, "server", "smtp.example.com:587");
        }
        let place = server.and_then(|server| self.server(&server, protected.unwrap_or(MailTls::StartTls)));
        let from = raw.from.take();
        if from.is_none() {
            self.missing(span, "from", "portreeve@example.com");
        }
        let from = from.and_then(|from| self.mailbox(&from));
        let to = self.recipients(raw.to.take(), span);
        let password_span = raw.password_env.as_ref().or(raw.password_file.as_ref()).map(Spanned::span);
        let password = self.source("password", raw.password_env.take(), raw.password_file.take());
        let login = match (raw.user.take(), password) {
            (Some(user), Some(password)) => {
                self.check_text("user", &user, TEXT_LIMIT);
                Some(Login { user: user.into_inner(), password })
            }
            (Some(user), None) if password_span.is_none() => {
                let help = "add `password_file` or `password_env`, or leave `user` out".to_owned();
                self.reader.wrong(user.span(), "there is a `user` without a password", Some(help));
                None
            }
            (None, Some(_)) => {
                let help = "add `user`, or leave the password out".to_owned();
                self.reader.wrong(
                    password_span.clone().unwrap_or_default(),
                    "there is a password without a `user`",
                    Some(help),
                );
                None
            }
            _ => None,
        };
        if let (Some(MailTls::None), Some(tls), Some((host, _))) = (protected, &tls, &place)
            && (password_span.is_some() && !is_loopback(host))
        {
            let help = "use `tls = \"starttls\"` or `\"implicit\"`".to_owned();
            self.reader.wrong(tls.span(), "without TLS everybody on the way could read the password", Some(help));
        }
        let hello = raw.hello.take().and_then(|hello| self.reader.read(&hello, parse_name));
        let ca_file = self.path("ca_file", raw.ca_file.take());
        let (host, port) = place?;
        Some(Mail { host, port, tls: protected?, from: from?, to: to?, login, hello, ca_file })
    }

    fn missing(&mut self, span: &Range<usize>, key: &str, example: &str) {
        self.reader.wrong(
            span.clone(),
            &format!("the channel has no `{key}`"),
            Some(format!("add `{key} = \"{example}\"`")),
        );
    }

    /// `host`, `host:port`, `[address]:port`.
    fn server(&mut self, value: &Spanned<String>, tls: MailTls) -> Option<(String, u16)> {
        let text = value.get_ref().as_str();
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.starts_with('[') && host.ends_with(']') => {
                let Some(port) = port.parse().ok().filter(|port| *port > 0) else {
                    let help = "write it as `smtp.example.com:587`".to_owned();
                    self.reader.wrong(value.span(), "`server` has no port that can be", Some(help));
                    return None;
                };
                (host, port)
            }
            _ => (
                text,
                match tls {
                    MailTls::StartTls => SUBMISSION,
                    MailTls::Implicit => SUBMISSIONS,
                    MailTls::None => RELAY,
                },
            ),
        };
        match parse_host(host) {
            Ok(Host::Name(name)) => Some((name, port)),
            Ok(Host::Address(address)) => Some((address.to_string(), port)),
            Err(message) => {
                self.reader.wrong(value.span(), &message, Some("write it as `smtp.example.com:587`".to_owned()));
                None
            }
        }
    }

    fn mailbox(&mut self, value: &Spanned<String>) -> Option<Mailbox> {
        let before = self.reader.found.len();
        self.check_text("address", value, 320);
        if self.reader.found.len() > before {
            return None;
        }
        let read = value.get_ref().parse::<Mailbox>().ok().filter(|read| read.email.to_string().is_ascii());
        if read.is_none() {
            let help = "write it as `noc@example.com` or `NOC <noc@example.com>`, the address in ASCII".to_owned();
            self.reader.wrong(value.span(), "this is no mail address", Some(help));
        }
        read
    }

    fn recipients(
        &mut self,
        value: Option<Spanned<Vec<Spanned<String>>>>,
        span: &Range<usize>,
    ) -> Option<Vec<Mailbox>> {
        let Some(list) = value else {
            let help = "add `to = [\"noc@example.com\"]`".to_owned();
            self.reader.wrong(span.clone(), "the channel has no `to`", Some(help));
            return None;
        };
        self.check_list("to", &list, "name at least one address");
        let mut to: Vec<Mailbox> = Vec::new();
        for one in list.into_inner() {
            let Some(mailbox) = self.mailbox(&one) else { continue };
            if to.iter().any(|known| known.email == mailbox.email) {
                self.reader.wrong(one.span(), &format!("`{}` stands here twice", mailbox.email), None);
            }
            to.push(mailbox);
        }
        Some(to)
    }

    fn program(&mut self, raw: &mut RawChannel, span: &Range<usize>) -> Option<Program> {
        let Some(list) = raw.program.take() else {
            let help = "add `program = [\"/usr/local/bin/page\", \"--urgent\"]`".to_owned();
            self.reader.wrong(span.clone(), "the channel has no `program`", Some(help));
            return None;
        };
        self.check_list("program", &list, "name the program first, and then its arguments");
        let mut words = list.into_inner().into_iter();
        let first = words.next()?;
        self.check_text("program", &first, TEXT_LIMIT);
        if !first.get_ref().contains(['/', '\\']) {
            let help = "write its whole path, or `./name` for one beside this file: what a path variable names depends on \
                        who starts portreeve";
            self.reader.wrong(first.span(), "the program is named without a folder", Some(help.to_owned()));
        }
        let mut arguments = Vec::new();
        for word in words {
            if word.get_ref().contains('\0') || word.get_ref().chars().count() > TEXT_LIMIT {
                self.reader.wrong(word.span(), "this cannot be an argument", None);
            }
            arguments.push(word.into_inner());
        }
        Some(Program { path: self.folder.join(first.get_ref()), arguments, withheld: BTreeSet::new() })
    }

    fn check_list<T>(&mut self, key: &str, list: &Spanned<Vec<T>>, help: &str) {
        check_count(self.reader, list);
        if list.get_ref().is_empty() {
            self.reader.wrong(list.span(), &format!("`{key}` is empty"), Some(help.to_owned()));
        }
    }

    fn check_text(&mut self, key: &str, value: &Spanned<String>, limit: usize) {
        self.reader.require_text(key, value);
        if value.get_ref().chars().count() > limit {
            self.reader.wrong(value.span(), &format!("`{key}` is longer than {limit} characters"), None);
        }
        if value.get_ref().chars().any(char::is_control) || value.get_ref().trim() != value.get_ref() {
            let message = format!("`{key}` may not hold control characters, nor begin or end with a blank");
            self.reader.wrong(value.span(), &message, None);
        }
    }
}
