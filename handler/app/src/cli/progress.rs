//! Progress bars on standard error. They are invisible when it is not a terminal.

use changefeed_jobs::JobProgress;
use indicatif::{ProgressBar, ProgressStyle};

use super::standard_error::note;

/// A bar for work of `total` items.
pub fn bar(action: &'static str, total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total).with_message(action);
    bar.set_style(style(TEMPLATE));
    bar
}

const TEMPLATE: &str = "{msg} [{bar:40}] {human_pos}/{human_len} {per_sec} {eta} left";

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .map_or_else(|_| ProgressStyle::default_bar(), |style| style.progress_chars("=> "))
}

/// A bar for a job.
pub struct JobBar(ProgressBar);

/// A bar for a job. It shows a total as soon as the job knows it.
pub fn job_bar(action: &'static str) -> JobBar {
    let bar = ProgressBar::no_length().with_message(action);
    bar.set_style(style("{msg} {human_pos} processed, {per_sec}"));
    JobBar(bar)
}

impl JobBar {
    pub fn show(&self, progress: &JobProgress) {
        if let Some(total) = progress.total.filter(|total| self.0.length() != Some(*total)) {
            self.0.set_length(total);
            self.0.set_style(style(TEMPLATE));
        }
        self.0.set_position(progress.done);
    }

    /// Prints a line above the bar.
    pub fn print(&self, line: &str) {
        self.0.suspend(|| note(line));
    }

    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}
