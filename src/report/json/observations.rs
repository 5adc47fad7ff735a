//! Observations: the question, how it was asked, and what came of it.

use super::answers::Answer;
use crate::model::http;
use crate::model::observation::{self, Attempt, Cause};
use crate::model::question;
use crate::report::describe::describe;
use schemars::JsonSchema;
use serde::Serialize;

/// A question, asked of an address.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Observation {
    /// Its id, unique within the target, such as `o12`.
    id: String,
    /// The address that was asked.
    address: String,
    /// The question.
    question: Question,
    /// When the first try began, in milliseconds after the run began.
    started_ms: u64,
    /// How long all tries took, in milliseconds; the shortest where several ports were joined to one range.
    elapsed_ms: u64,
    /// The longest of those that were joined.
    elapsed_max_ms: u64,
    /// How many tries were made; 0 where it was skipped; the fewest where several UDP ports were joined to one range.
    tries: u32,
    /// Whether there is an `answer`, a `failure`, or the reason for which it was `skipped`.
    outcome: Outcome,
    /// What came of it, in one sentence.
    text: String,
    /// The answer, where there is one.
    answer: Option<Answer>,
    /// Why there is no answer, where it was asked.
    failure: Option<Failure>,
    /// Why it was not asked: `interrupted`, `out-of-time`, `no-name`, `no-route`, `stopped-answering`, `lossy` or
    /// `would-be-blocked`.
    skipped: Option<&'static str>,
}

/// What came of asking.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    /// An answer.
    Answered,
    /// No answer.
    Failed,
    /// Not asked.
    Skipped,
}

/// A question.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "ask", rename_all = "kebab-case")]
enum Question {
    /// In which state is this port, or each of this range?
    Port {
        /// Such as `tcp/443` or `udp/40000-41000`.
        ports: String,
    },
    /// What speaks there, or on each of this range?
    Service {
        /// The TCP port; the first, where neighbours that all say nothing, or the same, are one range.
        port: u16,
        /// Such as `tcp/443` or `tcp/1-442`.
        ports: String,
    },
    /// Is this version of TLS accepted?
    TlsVersion {
        /// The TCP port.
        port: u16,
        /// The only version offered, such as `TLS 1.0`.
        version: String,
        /// Whether the hello named the server.
        sni: bool,
    },
    /// Which certificate is served?
    Certificate {
        /// The TCP port.
        port: u16,
        /// Whether the hello named the server.
        sni: bool,
    },
    /// Which suites are accepted in each version of TLS, in whose order, and which groups?
    Suites {
        /// The TCP port.
        port: u16,
        /// Whether the hellos named the server.
        sni: bool,
    },
    /// What answers this request?
    Http {
        /// The TCP port.
        port: u16,
        /// The method.
        method: &'static str,
        /// The path.
        path: &'static str,
        /// The version of HTTP, `1.0` or `1.1`.
        http_version: &'static str,
        /// Whether the request had a Host field.
        host_field: bool,
    },
    /// Which products answer?
    Products {
        /// The TCP port.
        port: u16,
    },
    /// Does RDP insist on network level authentication?
    RdpNla {
        /// The TCP port.
        port: u16,
    },
    /// Is SMB 1 answered?
    Smb1 {
        /// The TCP port.
        port: u16,
    },
    /// Do messages from here reach the witness behind the firewall on this port, or on each of this range?
    Witness {
        /// Such as `tcp/443` or `udp/40000-41000`.
        ports: String,
    },
}

/// Why there is no answer.
#[derive(Debug, Serialize, JsonSchema)]
struct Failure {
    /// How far it came: `socket`, `connect`, `preface`, `handshake`, `request` or `response`.
    stage: &'static str,
    /// Who is to blame: `peer`, `path`, `ourselves` or `bug`.
    blame: &'static str,
    /// What went wrong: `timed-out`, `refused`, `reset`, `closed`, `unreachable`, `too-large`, `malformed`, `declined`,
    /// `exhausted`, `forbidden` or `other`.
    cause: &'static str,
    /// The cause in words.
    text: String,
}

impl From<&observation::Observation> for Observation {
    fn from(observation: &observation::Observation) -> Self {
        let (outcome, answer, failure, skipped) = match &observation.attempt {
            Attempt::Answered { fact } => (Outcome::Answered, Some(Answer::from(fact)), None, None),
            Attempt::Failed { failure } => (Outcome::Failed, None, Some(Failure::from(failure)), None),
            Attempt::Skipped { skip } => (Outcome::Skipped, None, None, Some(skip_name(skip))),
        };
        Self {
            id: observation.id.to_string(),
            address: observation.address.to_string(),
            question: (&observation.question).into(),
            started_ms: observation.started_ms,
            elapsed_ms: observation.elapsed_ms,
            elapsed_max_ms: observation.elapsed_max_ms,
            tries: observation.tries,
            outcome,
            text: describe(observation),
            answer,
            failure,
            skipped,
        }
    }
}

fn skip_name(skip: &observation::Skip) -> &'static str {
    match skip {
        observation::Skip::Interrupted => "interrupted",
        observation::Skip::OutOfTime => "out-of-time",
        observation::Skip::NoName => "no-name",
        observation::Skip::NoRoute => "no-route",
        observation::Skip::StoppedAnswering => "stopped-answering",
        observation::Skip::Lossy => "lossy",
        observation::Skip::WouldBeBlocked => "would-be-blocked",
    }
}

impl From<&question::Question> for Question {
    fn from(question: &question::Question) -> Self {
        match *question {
            question::Question::Port { ports } => Self::Port { ports: ports.to_string() },
            question::Question::Service { ports } => Self::Service { port: ports.first(), ports: ports.to_string() },
            question::Question::TlsVersion { port, version, sni } => {
                Self::TlsVersion { port, version: version.to_string(), sni }
            }
            question::Question::Certificate { port, sni } => Self::Certificate { port, sni },
            question::Question::Suites { port, sni } => Self::Suites { port, sni },
            question::Question::Http { port, request } => {
                let (method, http_version, host_field) = match request {
                    http::Request::Get(_) => ("GET", "1.1", true),
                    http::Request::Options(_) => ("OPTIONS", "1.1", true),
                    http::Request::Trace(_) => ("TRACE", "1.1", true),
                    http::Request::HostlessHead(_) => ("HEAD", "1.0", false),
                    http::Request::MissingHost => ("GET", "1.1", false),
                };
                Self::Http { port, method, path: request.path().as_str(), http_version, host_field }
            }
            question::Question::Products { port } => Self::Products { port },
            question::Question::RdpNla { port } => Self::RdpNla { port },
            question::Question::Smb1 { port } => Self::Smb1 { port },
            question::Question::Witness { ports } => Self::Witness { ports: ports.to_string() },
        }
    }
}

impl From<&observation::Failure> for Failure {
    fn from(failure: &observation::Failure) -> Self {
        use observation::{Blame, Stage};
        Self {
            stage: match failure.stage {
                Stage::Socket => "socket",
                Stage::Connect => "connect",
                Stage::Preface => "preface",
                Stage::Handshake => "handshake",
                Stage::Request => "request",
                Stage::Response => "response",
            },
            blame: match failure.blame {
                Blame::Peer => "peer",
                Blame::Path => "path",
                Blame::Ourselves => "ourselves",
                Blame::Bug => "bug",
            },
            cause: match failure.cause {
                Cause::TimedOut { .. } => "timed-out",
                Cause::Refused => "refused",
                Cause::Reset => "reset",
                Cause::Closed => "closed",
                Cause::Unreachable => "unreachable",
                Cause::TooLarge { .. } => "too-large",
                Cause::Malformed { .. } => "malformed",
                Cause::Declined { .. } => "declined",
                Cause::Exhausted { .. } => "exhausted",
                Cause::Forbidden { .. } => "forbidden",
                Cause::Other { .. } => "other",
            },
            text: failure.cause.to_string(),
        }
    }
}
