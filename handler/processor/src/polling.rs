//! How long to wait before a feed range without new changes is read again.
//!
//! A range that has just had changes will probably have more, and a read of a feed without changes costs about 1 request unit. So the
//! pause is a tenth of the time since the last change, within bounds: a change that arrives a second after the one before is
//! read within a tenth of a second, and an idle range is read as seldom as the options allow.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::instance::Settings;

/// The shortest pause after changes. Twelve reads follow a change within the first second, and about 55 until the pause is
/// 5 seconds.
const SHORTEST: Duration = Duration::from_millis(80);
/// The part of the time since the last change that a pause takes.
const PART: u32 = 10;

/// When a range had changes.
#[derive(Debug, Default)]
pub(crate) struct Polling(Option<DateTime<Utc>>);

impl Polling {
    pub(crate) fn note_changes(&mut self, settings: &Settings) {
        self.0 = Some(settings.clock.now());
    }

    /// The pause before the next read.
    pub(crate) fn pause(&self, settings: &Settings) -> Duration {
        let since_change = self.0.map(|changed| (settings.clock.now() - changed).to_std().unwrap_or_default());
        match since_change {
            Some(since) if !settings.as_dotnet => pause(since, settings.poll_delay),
            _ => settings.poll_delay,
        }
    }
}

fn pause(since_change: Duration, longest: Duration) -> Duration {
    (since_change / PART).max(SHORTEST).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_with_the_time_since_the_last_change_up_to_the_configured_one() {
        let ms = Duration::from_millis;
        for (since, longest, expected) in [
            (0, 5000, 80),
            (790, 5000, 80),
            (1000, 5000, 100),
            (10_000, 5000, 1000),
            (50_000, 5000, 5000),
            (3_600_000, 5000, 5000),
            (0, 50, 50),
            (10_000, 50, 50),
        ] {
            assert_eq!(pause(ms(since), ms(longest)), ms(expected), "{since} ms after a change, at most {longest} ms");
        }
    }

    #[test]
    fn the_reads_after_a_change_are_bounded() {
        let reads_within = |limit: Duration| {
            let (mut time, mut reads) = (Duration::ZERO, 0);
            while time < limit {
                time += pause(time, Duration::from_secs(5));
                reads += 1;
            }
            reads
        };
        assert_eq!(reads_within(Duration::from_secs(1)), 13);
        assert!((50..60).contains(&reads_within(Duration::from_secs(55))));
    }
}
