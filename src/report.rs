//! Reports: a [`Run`] in, text out.
//!
//! [`terminal`] is for the technician, [`html`] for the technician's client, [`json`] for programs. All three say the
//! same: what a run means in words is decided once, in `reading` and [`describe()`], and a verdict is never decided
//! here at all. Nothing here reads a clock, a file or the network, so the same run gives the same report.
//!
//! What an inventory or a guide wrote may hold anything. The terminal and the HTML pass every text through one
//! function, which [`text`] holds, at the point where it is written.

mod certificate;
mod describe;
mod host_evidence;
pub mod html;
pub mod json;
pub mod lines;
mod proof;
mod reading;
mod reference;
mod suites;
pub mod terminal;
pub mod text;

use crate::model::run::Run;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod kept;

pub use certificate::chain;
pub use describe::describe;
pub use reading::{
    Caution, Coverage, bottom_line, cautions, coverage, doubt_of_handshakes, doubts_of_vantage, duration, instant,
    products_seen, tallied,
};
pub use reference::Reference;

/// The clients of a run, in the inventory's order.
pub fn clients(run: &Run) -> Vec<&str> {
    reading::by_client(run).into_iter().map(|client| client.name).collect()
}

/// The run as far as it concerns `client`: what may be handed to that client without naming another.
pub fn for_client(run: &Run, client: &str) -> Run {
    let mut run = run.clone();
    run.targets.retain(|target| target.target.client == client);
    run
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_client_gets_names_no_other() {
        let run = fixture::everything();
        assert_eq!(clients(&run), ["Harbour Dental Group", "K\u{fc}stner & S\u{f6}hne <Logistik>"]);
        let run = for_client(&run, "Harbour Dental Group");
        for text in [
            html::render(&run).unwrap(),
            json::render(&run).unwrap(),
            terminal::render(&run, &terminal::Options::default()),
        ] {
            assert!(text.contains("Harbour Dental Group"));
            assert!(!text.contains("stner") && !text.contains("2001:db8:20::5"));
        }
    }
}
