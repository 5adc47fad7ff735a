//! The report for programs: a versioned format with types of its own, so that the model may change without it.
//!
//! Within a version fields are added, never removed or given another meaning; readers ignore what they do not know.
//! `schema/run-v1.schema.json`, `schema/diff-v1.schema.json` and `schema/report-v1.schema.json` are derived from these types. After a change of them, write them anew with
//! `PORTREEVE_UPDATE_SCHEMA=1 cargo test --lib report::json`; without the variable that test fails when the file is
//! not current.
//!
//! Texts stand as they were written. Those from an inventory or a guide may therefore hold characters that a terminal
//! would obey; all of them are written as `\uNNNN`, so that the file itself can be shown anywhere.

mod answers;
mod certificates;
mod document;
mod drift;
mod evidence;
mod findings;
mod observations;
mod overview;
mod rules;
mod statements;
mod suites;
mod vantage;

use crate::model::drift::Drift;
use crate::model::run::Run;
use crate::model::vantage::Vantage;
use crate::report::overview::Overview;
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};
use std::io;

pub(super) use answers::Witness as WitnessPart;
pub use document::Document;
pub use drift::{Diff, FORMAT as DIFF_FORMAT, VERSION as DIFF_VERSION};
pub use overview::Report;
pub(super) use rules::Rule;
pub(super) use statements::{Attestation as AttestationPart, Waiver as WaiverPart};
pub(super) use vantage::Vantage as VantagePart;

/// The name of the format, the value of `format`.
pub const FORMAT: &str = "portreeve-run";
/// The version of the format, the value of `version`.
pub const VERSION: u32 = 1;

/// The run as JSON, with a line end at its end.
pub fn render(run: &Run) -> Result<String, serde_json::Error> {
    let mut bytes = Vec::new();
    write(run, &mut bytes)?;
    String::from_utf8(bytes).map_err(|error| serde_json::Error::io(io::Error::other(error)))
}

/// Writes the run as JSON, with a line end at its end.
pub fn write(run: &Run, writer: impl io::Write) -> Result<(), serde_json::Error> {
    let mut serializer = Serializer::with_formatter(writer, Showable(PrettyFormatter::with_indent(b"  ")));
    Document::from(run).serialize(&mut serializer)?;
    serializer.into_inner().write_all(b"\n").map_err(serde_json::Error::io)
}

/// What reads otherwise in one run than in another, as JSON, with a line end at its end.
pub fn drift(drift: &Drift) -> Result<String, serde_json::Error> {
    let mut bytes = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut bytes, Showable(PrettyFormatter::with_indent(b"  ")));
    Diff::from(drift).serialize(&mut serializer)?;
    bytes.push(b'\n');
    String::from_utf8(bytes).map_err(|error| serde_json::Error::io(io::Error::other(error)))
}

/// A report over many servers as JSON, with a line end at its end.
pub fn overview(overview: &Overview) -> Result<String, serde_json::Error> {
    let mut bytes = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut bytes, Showable(PrettyFormatter::with_indent(b"  ")));
    Report::from(overview).serialize(&mut serializer)?;
    bytes.push(b'\n');
    String::from_utf8(bytes).map_err(|error| serde_json::Error::io(io::Error::other(error)))
}

/// What the doctor found, as JSON. `ways_out` and `checkups` are those of a run's `vantage`.
pub fn doctor(vantage: &Vantage, started: &str) -> Result<String, serde_json::Error> {
    let mut bytes = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut bytes, Showable(PrettyFormatter::with_indent(b"  ")));
    vantage::Doctor::of(vantage, started).serialize(&mut serializer)?;
    bytes.push(b'\n');
    String::from_utf8(bytes).map_err(|error| serde_json::Error::io(io::Error::other(error)))
}

/// A value as JSON on one line, without a line end.
pub(super) fn one_line(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut bytes, Showable(CompactFormatter)))?;
    String::from_utf8(bytes).map_err(|error| serde_json::Error::io(io::Error::other(error)))
}

/// The JSON Schema (draft 2020-12) of what [`render`] writes.
pub fn schema() -> schemars::Schema {
    schema_of::<Document>()
}

/// The JSON Schema of what [`drift()`] writes.
pub fn diff_schema() -> schemars::Schema {
    schema_of::<Diff>()
}

/// The JSON Schema of what [`overview()`] writes.
pub fn overview_schema() -> schemars::Schema {
    schema_of::<Report>()
}

fn schema_of<T: schemars::JsonSchema>() -> schemars::Schema {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    settings.into_generator().into_root_schema_for::<T>()
}

/// Without any character in strings that a terminal would obey.
struct Showable<F>(F);

macro_rules! as_inner {
    ($($method:ident($($argument:ident: $kind:ty),*);)*) => {$(
        fn $method<W: ?Sized + io::Write>(&mut self, writer: &mut W $(, $argument: $kind)*) -> io::Result<()> {
            self.0.$method(writer $(, $argument)*)
        }
    )*};
}

impl<F: Formatter> Formatter for Showable<F> {
    as_inner! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        begin_object_value();
        end_object_value();
    }

    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((place, character)) = rest.char_indices().find(|(_, c)| super::text::is_special(*c)) {
            let (before, after) = rest.split_at(place);
            writer.write_all(before.as_bytes())?;
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = after.strip_prefix(character).unwrap_or_default();
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests;
