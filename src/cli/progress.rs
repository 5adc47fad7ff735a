//! Progress on stderr: one line that says how far the run is. Silent where stderr is no terminal.

use super::output::{called, complain, shown};
use crate::engine::Inquiry;
use crate::engine::event::Event;
use crate::report;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

/// Listens to a run until it ends.
pub(super) async fn listen(mut events: UnboundedReceiver<Event>, inquiries: &[Inquiry], quiet: bool) {
    let visible = !quiet && std::io::stderr().is_terminal();
    let draw_target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(0), draw_target);
    let style = ProgressStyle::with_template("{spinner} {elapsed_precise} [{bar:24}] {pos}/{len} questions; {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
    if visible {
        bar.enable_steady_tick(Duration::from_millis(120));
    }
    let mut finished = 0;
    let say = |finished: usize| format!("{finished} of {} targets done", inquiries.len());
    bar.set_message(say(0));
    while let Some(event) = events.recv().await {
        match event {
            Event::Planned { questions, .. } => bar.inc_length(count(questions)),
            Event::Asked { questions, .. } => bar.inc(count(questions)),
            Event::Finished { .. } => {
                finished += 1;
                bar.set_message(say(finished));
            }
            Event::Troubled { target, trouble } => {
                let label = inquiries.get(target).map(|inquiry| called(&inquiry.target)).unwrap_or_default();
                tracing::warn!(target = %label, "{}", report::text::clean(&trouble.describe()));
            }
            Event::LogAwaited { path, .. } => {
                if !quiet {
                    bar.suspend(|| complain(&log_awaited(&path)));
                }
            }
            Event::Resolved { target, addresses } => {
                let label = inquiries.get(target).map(|inquiry| called(&inquiry.target)).unwrap_or_default();
                tracing::info!(target = %label, ?addresses, "resolved");
            }
        }
    }
    bar.finish_and_clear();
}

/// What whoever scans is to do when the witness's account cannot be read.
fn log_awaited(path: &Path) -> String {
    format!(
        "the witness's account cannot be read over the network: copy its log (portreeve witness --log FILE) to {} now. This \
         waits for it until the target's time is over (--host-time); Ctrl-C goes on without it",
        shown(path)
    )
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
