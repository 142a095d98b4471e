//! The current time, for the functions that return it.

use std::time::{SystemTime, UNIX_EPOCH};

const TICKS_A_SECOND: u64 = 10_000_000;

/// Units of 100 ns since 1970.
pub(crate) fn ticks() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs() * TICKS_A_SECOND + u64::from(since.subsec_nanos() / 100)
}

/// `YYYY-MM-DDThh:mm:ss.fffffffZ`, of units of 100 ns since 1970.
pub(crate) fn date_time(ticks: u64) -> String {
    let (seconds, fraction) = (ticks / TICKS_A_SECOND, ticks % TICKS_A_SECOND);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    // Years that start in March, so that the day of a leap year is the last; 400 of them have 146,097 days.
    let day = days + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year + era * 400, month + 3) } else { (year + era * 400 + 1, month - 9) };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:07}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_with_seven_digits_of_a_second() {
        assert_eq!(date_time(0), "1970-01-01T00:00:00.0000000Z");
        assert_eq!(date_time(951_827_696 * TICKS_A_SECOND + 1), "2000-02-29T12:34:56.0000001Z");
        assert_eq!(date_time(1_735_689_599 * TICKS_A_SECOND + 9_999_999), "2024-12-31T23:59:59.9999999Z");
    }
}
