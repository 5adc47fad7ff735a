//! Mail by SMTP.
//!
//! The connection, its protection and every wait are ours; what is said within it is lettre's. Recipients are told apart: who is
//! refused for good, who for now, and who has it.

mod secure;

use super::hidden::Hidden;
use super::outcome::{Receipt, Refused, Undelivered};
use super::{Limits, payload, trouble};
use crate::catalog::channels::{Mail, is_loopback};
use crate::model::alert::Message;
use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{self, Data, Rcpt};
use std::error::Error as _;
use std::fmt::Write as _;
use std::io;

/// How far a delivery came, for what is said where it ends.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Connecting,
    Greeting,
    Tls,
    SigningIn,
    Addressing,
    Sending,
}

impl Stage {
    const fn words(self) -> &'static str {
        match self {
            Self::Connecting => "while connecting",
            Self::Greeting => "before it greeted",
            Self::Tls => "while TLS was agreed upon",
            Self::SigningIn => "while signing in",
            Self::Addressing => "while it was told sender and recipients",
            Self::Sending => "while it was given the mail",
        }
    }
}

/// Sends the mail to all who do not have it yet.
pub(super) async fn mail(
    mail: &Mail,
    message: &Message,
    reached: &[String],
    limits: &Limits,
) -> Result<Receipt, Undelivered> {
    let to: Vec<&Address> =
        mail.to.iter().map(|to| &to.email).filter(|to| !reached.contains(&to.to_string())).collect();
    if to.is_empty() {
        return Ok(Receipt { said: "everybody has it already".to_owned(), refused: Vec::new() });
    }
    let bytes = payload::mail::payload(mail, message)
        .map_err(|error| trouble::here(&error.to_string(), "report this as a bug"))?;
    let whom = place(mail);
    let mut stage = Stage::Connecting;
    let talk = Talk { mail, whom: &whom, hidden: Hidden::default(), stage: &mut stage };
    let talked = tokio::time::timeout(limits.mail, talk.run(&to, &bytes, reached, limits)).await;
    let talked = talked.unwrap_or_else(|_| {
        let mut late = trouble::late(&whom, limits.mail, stage.words());
        if !matches!(stage, Stage::Sending) {
            "look whether it is overloaded, and whether that is its port. The mail was not sent"
                .clone_into(&mut late.advice);
        }
        Err(late)
    });
    // Who has it has it, wherever this try ended.
    talked.map_err(|wrong| {
        let mut all = reached.to_vec();
        all.extend(wrong.reached.into_iter().filter(|one| !reached.contains(one)));
        Undelivered { reached: all, ..wrong }
    })
}

fn place(mail: &Mail) -> String {
    let host = if mail.host.contains(':') { format!("[{}]", mail.host) } else { mail.host.clone() };
    format!("{host}:{}", mail.port)
}

struct Talk<'a> {
    mail: &'a Mail,
    whom: &'a str,
    hidden: Hidden,
    stage: &'a mut Stage,
}

impl Talk<'_> {
    async fn run(
        mut self,
        to: &[&Address],
        bytes: &[u8],
        reached: &[String],
        limits: &Limits,
    ) -> Result<Receipt, Undelivered> {
        let mut connection = self.connect(limits).await?;
        let sent = self.send(&mut connection, to, bytes, reached).await;
        // Whatever came of it, the server is told; what it says to that changes nothing.
        let _ = tokio::time::timeout(limits.connect, connection.quit()).await;
        sent
    }

    async fn connect(&mut self, limits: &Limits) -> Result<AsyncSmtpConnection, Undelivered> {
        let password = match &self.mail.login {
            Some(login) => {
                let read = login.password.read();
                Some(read.map_err(|error| trouble::settings(&error.to_string(), &error.advice()))?)
            }
            None => None,
        };
        let (stream, hello, protected) = secure::connect(self.mail, self.whom, self.stage, limits).await?;
        *self.stage = Stage::Greeting;
        let connection = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello).await;
        let mut connection = connection.map_err(|error| self.explain(&error))?;
        if let (Some(login), Some(password)) = (&self.mail.login, password) {
            if !protected && !is_loopback(&self.mail.host) {
                return Err(trouble::settings(
                    "without TLS the password would be readable on the way",
                    "use `tls = \"starttls\"` or `\"implicit\"`",
                ));
            }
            *self.stage = Stage::SigningIn;
            self.hidden.add(password.expose());
            // As PLAIN writes it (RFC 4616, section 2).
            self.hidden.add(&format!("\0{}\0{}", login.user, password.expose()));
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            if connection.server_info().get_auth_mechanism(&mechanisms).is_none() {
                return Err(trouble::settings(
                    &format!("{} offers no way of signing in that is spoken here (PLAIN, LOGIN)", self.whom),
                    "leave `user` and the password out, or use the server's port for submission (587 or 465)",
                ));
            }
            let credentials = Credentials::new(login.user.clone(), password.expose().to_owned());
            connection.auth(&mechanisms, &credentials).await.map_err(|error| self.explain(&error))?;
        }
        Ok(connection)
    }

    async fn send(
        &mut self,
        connection: &mut AsyncSmtpConnection,
        to: &[&Address],
        bytes: &[u8],
        reached: &[String],
    ) -> Result<Receipt, Undelivered> {
        *self.stage = Stage::Addressing;
        let from = self.mail.from.email.clone();
        connection.command(commands::Mail::new(Some(from), Vec::new())).await.map_err(|error| self.explain(&error))?;
        let (mut accepted, mut deferred, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        for one in to {
            match connection.command(Rcpt::new((*one).clone(), Vec::new())).await {
                Ok(_) => accepted.push(one.to_string()),
                Err(error) if error.is_permanent() || error.is_transient() => {
                    let list = if error.is_permanent() { &mut refused } else { &mut deferred };
                    list.push(Refused { whom: one.to_string(), said: self.said(&error) });
                }
                Err(error) => return Err(self.explain(&error)),
            }
        }
        if accepted.is_empty() {
            return self.nobody(&deferred, refused, reached);
        }
        let given = match connection.command(Data).await {
            Ok(_) => {
                *self.stage = Stage::Sending;
                connection.message(bytes).await
            }
            Err(error) => Err(error),
        };
        let answer = given.map_err(|error| self.explain(&error))?;
        if deferred.is_empty() {
            let said = format!("{} {}", answer.code(), answer.message().collect::<Vec<_>>().join(" "));
            return Ok(Receipt { said: self.hidden.shown(&said), refused });
        }
        let what = format!("{} took the mail for some, but not yet for all: {}", self.whom, list(&deferred, &refused));
        let advice = "it is tried again for those who do not have it";
        Err(Undelivered { reached: accepted, refused, ..trouble::receiver(&what, advice) })
    }

    /// None of those who do not have it yet can be given it.
    fn nobody(&self, deferred: &[Refused], refused: Vec<Refused>, reached: &[String]) -> Result<Receipt, Undelivered> {
        if deferred.is_empty() && !reached.is_empty() {
            return Ok(Receipt { said: "the others have it already".to_owned(), refused });
        }
        let what = format!("{} takes no mail for {}", self.whom, list(deferred, &refused));
        Err(if deferred.is_empty() {
            let advice = "check `to`; where it says that relaying is denied, the server wants `user` and a password, or does \
                          not know this machine";
            trouble::settings(&what, advice)
        } else {
            // Where others have it the server knows this machine, and what it says of one is about that one.
            let refused = if reached.is_empty() { Vec::new() } else { refused };
            let advice = "it is tried again; servers that do not know a sender often want that";
            Undelivered { refused, ..trouble::receiver(&what, advice) }
        })
    }

    /// What the server said, with its code.
    fn said(&self, error: &Error) -> String {
        let code = error.status().map(|code| code.to_string()).unwrap_or_default();
        let said = error.source().map(ToString::to_string).unwrap_or_default();
        self.hidden.shown(&format!("{code} {said}"))
    }

    fn explain(&self, error: &Error) -> Undelivered {
        let stage = self.stage.words();
        let mut source = error.source();
        while let Some(inner) = source {
            if let Some(io) = inner.downcast_ref::<io::Error>() {
                return trouble::io(io, self.whom, stage);
            }
            source = inner.source();
        }
        if error.status().is_none() {
            let what = format!("{} answers with what is no SMTP {stage}", self.whom);
            return trouble::receiver(&what, "see whether that is the port of a mail server, and which `tls` it wants");
        }
        let what = format!("{} refused {stage}: {}", self.whom, self.said(error));
        match (*self.stage, error.is_permanent()) {
            (_, false) => trouble::receiver(&what, "it is tried again"),
            (Stage::SigningIn, true) => {
                trouble::settings(&what, "check `user` and the password, and whether the server allows this user SMTP")
            }
            (Stage::Addressing, true) => trouble::settings(
                &what,
                "check `from`: the server may want an address that the user owns, or a `user` at all",
            ),
            (Stage::Sending, true) => trouble::refused(&what, "see what the server says: size, a filter, a policy"),
            (_, true) => {
                trouble::refused(&what, "see what the server says of this machine: a block list, a wrong `hello`")
            }
        }
    }
}

fn list(deferred: &[Refused], refused: &[Refused]) -> String {
    let mut text = String::new();
    for (place, one) in deferred.iter().chain(refused).enumerate() {
        let comma = if place == 0 { "" } else { "; " };
        let _ = write!(text, "{comma}{} ({})", one.whom, one.said);
    }
    text
}
