//! Colors by meaning. A color is never the only sign: what it says is in the text too.

use anstyle::{AnsiColor, Color, Style};

/// What a text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The name of a column.
    Header,
    Create,
    /// A write over an earlier version.
    Replace,
    Delete,
    /// The service removed a document at the end of its time to live.
    Expiry,
    /// Done, or as it should be.
    Good,
    /// Nothing to do.
    Quiet,
    /// Something to look at: a conflict, an unknown state, an advice.
    Warning,
    /// Failed, or a problem.
    Problem,
}

impl Meaning {
    fn style(self) -> Style {
        let colored = |color: AnsiColor| Style::new().fg_color(Some(Color::Ansi(color)));
        match self {
            Self::Header => Style::new().bold(),
            Self::Create | Self::Good => colored(AnsiColor::Green),
            Self::Replace => colored(AnsiColor::Cyan),
            Self::Delete => colored(AnsiColor::Red),
            Self::Expiry => colored(AnsiColor::Magenta),
            Self::Quiet => Style::new().dimmed(),
            Self::Warning => colored(AnsiColor::Yellow).bold(),
            Self::Problem => colored(AnsiColor::Red).bold(),
        }
    }

    /// The text in the color of the meaning.
    pub fn paint(self, text: &str) -> String {
        let style = self.style();
        format!("{style}{text}{style:#}")
    }

    /// The meaning of an operation, an action or a state by its word, which may be followed by more; `None` if it has none.
    pub fn of(text: &str) -> Option<Self> {
        let word = text.split([' ', ':', ';']).next().unwrap_or_default();
        Some(match word.to_ascii_lowercase().as_str() {
            "create" => Self::Create,
            "write" | "replace" | "merge" => Self::Replace,
            "delete" => Self::Delete,
            "expire" => Self::Expiry,
            "ok" | "done" | "finished" | "created" | "stored" => Self::Good,
            "unchanged" | "kept" | "exists" | "free" | "not" | "planned" => Self::Quiet,
            "conflict" | "conflicts" | "unknown" | "unknowns" | "findings" | "advice" | "possibly" | "cancelled" => {
                Self::Warning
            }
            "failed" | "problem" | "missing" | "stalled" | "reads" | "handler" | "owner" | "unreadable" | "damaged" => {
                Self::Problem
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_has_a_meaning_also_when_more_follows() {
        for (text, meaning) in [
            ("create", Some(Meaning::Create)),
            ("write (first known)", Some(Meaning::Replace)),
            ("delete by restore 17-ab of me@laptop", Some(Meaning::Delete)),
            ("expire", Some(Meaning::Expiry)),
            ("STALLED since 10:31: no progress", Some(Meaning::Problem)),
            ("POSSIBLY STALLED: no progress", Some(Meaning::Warning)),
            ("PROBLEM", Some(Meaning::Problem)),
            ("unknown", Some(Meaning::Warning)),
            ("deleted-by-me", None),
            ("", None),
        ] {
            assert_eq!(Meaning::of(text), meaning, "{text}");
        }
        assert_eq!(Meaning::Delete.paint("delete"), "\u{1b}[31mdelete\u{1b}[0m");
    }
}
