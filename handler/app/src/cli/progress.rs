//! Progress bars, on a terminal only.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar for work of `total` items, on stderr; nothing shows when that is no terminal.
pub fn bar(action: &'static str, total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total).with_message(action);
    let template = "{msg} [{bar:40}] {human_pos}/{human_len} {per_sec} {eta} left";
    bar.set_style(
        ProgressStyle::with_template(template)
            .map_or_else(|_| ProgressStyle::default_bar(), |style| style.progress_chars("=> ")),
    );
    bar
}
