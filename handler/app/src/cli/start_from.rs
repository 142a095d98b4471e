//! Where reading a change feed starts, as an argument.

use changefeed_history::TimeExpression;
use changefeed_processor::ChangeFeedMode;

use super::time;
use crate::process::default_start;

/// A start of the change feed.
#[derive(Clone, Copy, Debug)]
pub enum StartFrom {
    Now,
    Beginning,
    Time(TimeExpression),
}

impl StartFrom {
    pub fn for_processor(self) -> changefeed_processor::StartFrom {
        match self {
            Self::Now => changefeed_processor::StartFrom::Now,
            Self::Beginning => changefeed_processor::StartFrom::Beginning,
            Self::Time(moment) => changefeed_processor::StartFrom::Time(moment.time()),
        }
    }

    /// The given start, or else the one that misses the fewest changes: the beginning, or now where no other is possible.
    pub fn or_default(given: Option<Self>, mode: ChangeFeedMode) -> changefeed_processor::StartFrom {
        given.map_or_else(|| default_start(mode), Self::for_processor)
    }

    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "now" => Ok(Self::Now),
            "beginning" => Ok(Self::Beginning),
            time => match time::parse(time) {
                Ok(moment) if moment.time() > chrono::Utc::now() => Err(format!("{time} is in the future")),
                Ok(moment) => Ok(Self::Time(moment)),
                Err(error) => Err(format!("{error}; or now, or beginning")),
            },
        }
    }
}
