//! Date and time functions that do not need the current time.

use serde_json::Value;

use super::arguments::{self, Arguments};
use super::builtin::Builtin;
use super::date_time::{Date, DateTime, TICKS_PER_DAY, TICKS_PER_SECOND};

const TICKS_PER_MILLISECOND: i64 = TICKS_PER_SECOND / 1000;
const NANOSECONDS_PER_TICK: i64 = 100;
/// The first year in which bins may begin.
const FIRST_BIN_YEAR: i64 = 1601;

pub(super) const FUNCTIONS: &[Builtin] = &[
    Builtin::new("DATETIMEADD", 3, 3, add),
    Builtin::new("DATETIMEBIN", 2, 4, bin),
    Builtin::new("DATETIMEDIFF", 3, 3, difference),
    Builtin::new("DATETIMEFROMPARTS", 3, 7, from_parts),
    Builtin::new("DATETIMEPART", 2, 2, |arguments| part_value(part(arguments, 0)?, time(arguments, 1)?)),
    Builtin::new("DATETIMETOTICKS", 1, 1, |arguments| Some(Value::from(time(arguments, 0)?.ticks()))),
    Builtin::new("DATETIMETOTIMESTAMP", 1, 1, |arguments| {
        Some(Value::from(time(arguments, 0)?.ticks().div_euclid(TICKS_PER_MILLISECOND)))
    }),
    Builtin::new("DAY", 1, 1, |arguments| part_value(Part::Day, time(arguments, 0)?)),
    Builtin::new("MONTH", 1, 1, |arguments| part_value(Part::Month, time(arguments, 0)?)),
    Builtin::new("TICKSTODATETIME", 1, 1, |arguments| text(arguments::integer(arguments, 0)?)),
    Builtin::new("TIMESTAMPTODATETIME", 1, 1, |arguments| {
        text(arguments::integer(arguments, 0)?.checked_mul(TICKS_PER_MILLISECOND)?)
    }),
    Builtin::new("YEAR", 1, 1, |arguments| part_value(Part::Year, time(arguments, 0)?)),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
    Nanosecond,
}

impl Part {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "year" | "yyyy" | "yy" => Self::Year,
            "month" | "mm" | "m" => Self::Month,
            "day" | "dd" | "d" => Self::Day,
            "hour" | "hh" => Self::Hour,
            "minute" | "mi" | "n" => Self::Minute,
            "second" | "ss" | "s" => Self::Second,
            "millisecond" | "ms" => Self::Millisecond,
            "microsecond" | "mcs" => Self::Microsecond,
            "nanosecond" | "ns" => Self::Nanosecond,
            _ => return None,
        })
    }

    /// The length in nanoseconds; `None` of years and months, which have none.
    fn nanoseconds(self) -> Option<i64> {
        let ticks = match self {
            Self::Year | Self::Month => return None,
            Self::Day => TICKS_PER_DAY,
            Self::Hour => 3600 * TICKS_PER_SECOND,
            Self::Minute => 60 * TICKS_PER_SECOND,
            Self::Second => TICKS_PER_SECOND,
            Self::Millisecond => TICKS_PER_MILLISECOND,
            Self::Microsecond => TICKS_PER_MILLISECOND / 1000,
            Self::Nanosecond => return Some(1),
        };
        Some(ticks * NANOSECONDS_PER_TICK)
    }
}

fn part(arguments: &Arguments<'_>, index: usize) -> Option<Part> {
    Part::parse(arguments::text(arguments, index)?)
}

fn time(arguments: &Arguments<'_>, index: usize) -> Option<DateTime> {
    DateTime::parse(arguments::text(arguments, index)?)
}

fn text(ticks: i64) -> Option<Value> {
    Some(Value::from(DateTime::of_ticks(ticks)?.to_string()))
}

/// DATETIMEADD(part, number, time).
fn add(arguments: &Arguments<'_>) -> Option<Value> {
    shift(part(arguments, 0)?, arguments::integer(arguments, 1)?, time(arguments, 2)?)
}

/// `YYYY-MM-DDThh:mm:ss.fffffffZ`, of ticks (100 ns) since 1970.
pub(crate) fn date_time_text(ticks: u64) -> Option<String> {
    Some(DateTime::of_ticks(ticks.try_into().ok()?)?.to_string())
}

/// The time that a number of parts is after another, in ticks (100 ns) since 1970; before it, if the sign is negative. A
/// number or part of another type makes it undefined.
pub(crate) fn shifted(ticks: u64, arguments: &[Option<&Value>], sign: i64) -> Option<Value> {
    let number = arguments::integer(arguments, 1)?.checked_mul(sign)?;
    shift(part(arguments, 0)?, number, DateTime::of_ticks(i64::try_from(ticks).ok()?)?)
}

fn shift(part: Part, number: i64, time: DateTime) -> Option<Value> {
    let Some(nanoseconds) = part.nanoseconds() else {
        let months = if part == Part::Year { number.checked_mul(12)? } else { number };
        let date = time.date().add_months(months)?;
        return text(DateTime::new(date, [0; 4])?.ticks() + time.ticks_of_day());
    };
    let ticks = i128::from(number) * i128::from(nanoseconds) / i128::from(NANOSECONDS_PER_TICK);
    text(time.ticks().checked_add(i64::try_from(ticks).ok()?)?)
}

/// DATETIMEBIN(time, part [, size [, start]]): rounded down to a multiple of the size since the start.
fn bin(arguments: &Arguments<'_>) -> Option<Value> {
    let time = time(arguments, 0)?;
    let nanoseconds = part(arguments, 1)?.nanoseconds()?;
    let size = arguments::optional(arguments, 2, 1, arguments::integer).filter(|size| *size > 0)?;
    let epoch = DateTime::of_ticks(0)?;
    let start = arguments::optional(arguments, 3, epoch, self::time)?;
    if start.date().year() < FIRST_BIN_YEAR {
        return None;
    }
    let per_tick = i128::from(NANOSECONDS_PER_TICK);
    let size = i128::from(size) * i128::from(nanoseconds);
    let elapsed = (i128::from(time.ticks()) - i128::from(start.ticks())) * per_tick;
    let bin = elapsed.div_euclid(size) * size + i128::from(start.ticks()) * per_tick;
    text(i64::try_from(bin.div_euclid(per_tick)).ok()?)
}

/// DATETIMEDIFF(part, start, end): how often the part changes from the start to the end, not how long that takes.
fn difference(arguments: &Arguments<'_>) -> Option<Value> {
    let part = part(arguments, 0)?;
    let (start, end) = (time(arguments, 1)?, time(arguments, 2)?);
    let Some(nanoseconds) = part.nanoseconds() else {
        let (start, end) = (start.date(), end.date());
        let years = end.year() - start.year();
        return Some(Value::from(if part == Part::Year { years } else { years * 12 + end.month() - start.month() }));
    };
    let count = |time: DateTime| {
        (i128::from(time.ticks()) * i128::from(NANOSECONDS_PER_TICK)).div_euclid(i128::from(nanoseconds))
    };
    Some(Value::from(i64::try_from(count(end) - count(start)).ok()?))
}

/// DATETIMEFROMPARTS(year, month, day [, hour [, minute [, second [, ticks]]]]).
fn from_parts(arguments: &Arguments<'_>) -> Option<Value> {
    let integer = |index| arguments::integer(arguments, index);
    let optional = |index| arguments::optional(arguments, index, 0, arguments::integer);
    let date = Date::new(integer(0)?, integer(1)?, integer(2)?)?;
    Some(Value::from(DateTime::new(date, [optional(3)?, optional(4)?, optional(5)?, optional(6)?])?.to_string()))
}

/// The value of a part. Parts smaller than a second count all of the second.
fn part_value(part: Part, time: DateTime) -> Option<Value> {
    let ticks = time.ticks_of_day();
    let nanoseconds_of_second = ticks % TICKS_PER_SECOND * NANOSECONDS_PER_TICK;
    Some(Value::from(match part {
        Part::Year => time.date().year(),
        Part::Month => time.date().month(),
        Part::Day => time.date().day(),
        Part::Hour => ticks / (3600 * TICKS_PER_SECOND),
        Part::Minute => ticks / (60 * TICKS_PER_SECOND) % 60,
        Part::Second => ticks / TICKS_PER_SECOND % 60,
        Part::Millisecond | Part::Microsecond | Part::Nanosecond => nanoseconds_of_second / part.nanoseconds()?,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::examples::{examples, undefined};
    use super::*;

    #[test]
    fn documented_examples_of_times_before_now() {
        let now = DateTime::parse("2024-10-14T14:20:30.6668888Z").expect("a time");
        let now = u64::try_from(now.ticks()).expect("after 1970");
        for (part, number, expected) in [
            ("yyyy", 1, "2023-10-14T14:20:30.6668888Z"),
            ("yyyy", -1, "2025-10-14T14:20:30.6668888Z"),
            ("ss", 30, "2024-10-14T14:20:00.6668888Z"),
            ("ms", 4, "2024-10-14T14:20:30.6628888Z"),
        ] {
            let [part, number] = [json!(part), json!(number)];
            assert_eq!(shifted(now, &[Some(&part), Some(&number)], -1), Some(json!(expected)));
        }
        assert_eq!(shifted(now, &[Some(&json!("yyyy")), Some(&json!(1.5))], 1), None);
        assert_eq!(shifted(now, &[Some(&json!("yyyy")), None], 1), None);
        assert_eq!(shifted(now, &[Some(&json!("ns")), Some(&json!(i64::MIN))], -1), None);
    }

    #[test]
    fn documented_examples_of_sums_and_differences() {
        examples! {
            DATETIMEADD("yyyy", 1, "2020-07-03T00:00:00.0000000") => "2021-07-03T00:00:00.0000000Z";
            DATETIMEADD("mm", 1, "2020-07-03T00:00:00.0000000") => "2020-08-03T00:00:00.0000000Z";
            DATETIMEADD("dd", 1, "2020-07-03T00:00:00.0000000") => "2020-07-04T00:00:00.0000000Z";
            DATETIMEADD("hh", 1, "2020-07-03T00:00:00.0000000") => "2020-07-03T01:00:00.0000000Z";
            DATETIMEADD("yyyy", (-1), "2020-07-03T00:00:00.0000000") => "2019-07-03T00:00:00.0000000Z";
            DATETIMEADD("mm", (-1), "2020-07-03T00:00:00.0000000") => "2020-06-03T00:00:00.0000000Z";
            DATETIMEADD("dd", (-1), "2020-07-03T00:00:00.0000000") => "2020-07-02T00:00:00.0000000Z";
            DATETIMEADD("hh", (-1), "2020-07-03T00:00:00.0000000") => "2020-07-02T23:00:00.0000000Z";
            DATETIMEADD("ss", (-25), "2020-07-03T00:00:00.0000000") => "2020-07-02T23:59:35.0000000Z";
            DATETIMEDIFF("yyyy", "2019-02-04T16:00:00.0000000", "2018-03-05T05:00:00.0000000") => (-1);
            DATETIMEDIFF("mm", "2019-02-04T16:00:00.0000000", "2018-03-05T05:00:00.0000000") => (-11);
            DATETIMEDIFF("dd", "2019-02-04T16:00:00.0000000", "2018-03-05T05:00:00.0000000") => (-336);
            DATETIMEDIFF("hh", "2019-02-04T16:00:00.0000000", "2018-03-05T05:00:00.0000000") => (-8075);
            DATETIMEDIFF("ss", "2019-02-04T16:00:00.0000000", "2018-03-05T05:00:00.0000000") => (-29_070_000);
            DATETIMEDIFF("yyyy", "2018-03-05T05:00:00.0000000", "2019-02-04T16:00:00.0000000") => 1;
            DATETIMEDIFF("mm", "2018-03-05T05:00:00.0000000", "2019-02-04T16:00:00.0000000") => 11;
            DATETIMEDIFF("ss", "2018-03-05T05:00:00.0000000", "2019-02-04T16:00:00.0000000") => 29_070_000;
        }
    }

    #[test]
    fn documented_examples_of_bins_and_parts() {
        examples! {
            DATETIMEBIN("2021-01-08T18:35:00.0000000", "dd") => "2021-01-08T00:00:00.0000000Z";
            DATETIMEBIN("2021-01-08T18:35:00.0000000", "hh") => "2021-01-08T18:00:00.0000000Z";
            DATETIMEBIN("2021-01-08T18:35:00.0000000", "ss") => "2021-01-08T18:35:00.0000000Z";
            DATETIMEBIN("2021-01-08T18:35:00.0000000", "hh", 5) => "2021-01-08T15:00:00.0000000Z";
            DATETIMEBIN("2021-01-08T18:35:00.0000000", "dd", 7) => "2021-01-07T00:00:00.0000000Z";
            DATETIMEBIN("2021-01-08T18:35:00.0000000", "dd", 7, "1601-01-01T00:00:00.0000000")
                => "2021-01-04T00:00:00.0000000Z";
            DATETIMEFROMPARTS(2017, 4, 20) => "2017-04-20T00:00:00.0000000Z";
            DATETIMEFROMPARTS(2017, 4, 20, 0, 0, 0, 0) => "2017-04-20T00:00:00.0000000Z";
            DATETIMEFROMPARTS(2017, 4, 20, 13, 15, 20, 3_456_789) => "2017-04-20T13:15:20.3456789Z";
            DATETIMEFROMPARTS(2017, 4, 20, 13, 15) => "2017-04-20T13:15:00.0000000Z";
            DATETIMEFROMPARTS((-2000), (-1), (-1)) => undefined;
            DATETIMEPART("yyyy", "2016-05-29T08:30:00.1301617") => 2016;
            DATETIMEPART("mm", "2016-05-29T08:30:00.1301617") => 5;
            DATETIMEPART("dd", "2016-05-29T08:30:00.1301617") => 29;
            DATETIMEPART("hh", "2016-05-29T08:30:00.1301617") => 8;
            DATETIMEPART("mi", "2016-05-29T08:30:00.1301617") => 30;
            DATETIMEPART("ss", "2016-05-29T08:30:00.1301617") => 0;
            DATETIMEPART("ms", "2016-05-29T08:30:00.1301617") => 130;
            DATETIMEPART("mcs", "2016-05-29T08:30:00.1301617") => 130_161;
            DATETIMEPART("ns", "2016-05-29T08:30:00.1301617") => 130_161_700;
            DATETIMETOTICKS("2015-05-19T12:00:00.0000000") => (14_320_368_000_000_000_i64);
            DATETIMETOTIMESTAMP("2015-05-19T12:00:00.0000000") => (1_432_036_800_000_i64);
            TICKSTODATETIME(15_973_607_943_002_652_i64) => "2020-08-13T23:19:54.3002652Z";
            TICKSTODATETIME(0) => "1970-01-01T00:00:00.0000000Z";
            TICKSTODATETIME((-116_444_736_000_000_000_i64)) => "1601-01-01T00:00:00.0000000Z";
            TIMESTAMPTODATETIME(1_597_360_794_300_i64) => "2020-08-13T23:19:54.3000000Z";
            TIMESTAMPTODATETIME(0) => "1970-01-01T00:00:00.0000000Z";
            TIMESTAMPTODATETIME((-11_644_473_600_000_i64)) => "1601-01-01T00:00:00.0000000Z";
        }
    }

    #[test]
    fn months_have_different_lengths() {
        examples! {
            DATETIMEADD("month", 1, "2020-01-31T10:00:00Z") => "2020-02-29T10:00:00.0000000Z";
            DATETIMEADD("year", 1, "2020-02-29") => "2021-02-28T00:00:00.0000000Z";
            DATETIMEADD("m", (-13), "2020-01-15") => "2018-12-15T00:00:00.0000000Z";
            DATETIMEADD("n", 90, "2020-01-31T23:00:00") => "2020-02-01T00:30:00.0000000Z";
            DATETIMEADD("ns", 250, "2020-01-31") => "2020-01-31T00:00:00.0000002Z";
            DATETIMEADD("ms", 1, "1969-12-31T23:59:59.9995Z") => "1970-01-01T00:00:00.0005000Z";
            YEAR("2024-02-29") => 2024;
            MONTH("2024-02-29") => 2;
            DAY("2024-02-29") => 29;
        }
    }

    #[test]
    fn differences_count_changes_of_the_part() {
        examples! {
            DATETIMEDIFF("year", "2019-12-31T23:59:59.9999999", "2020-01-01") => 1;
            DATETIMEDIFF("day", "2020-01-01T00:00:00", "2020-01-01T23:59:59") => 0;
            DATETIMEDIFF("hour", "1969-12-31T23:30:00", "1970-01-01T00:10:00") => 1;
            DATETIMEDIFF("ns", "2020-01-01", "2020-01-01T00:00:00.0000001") => 100;
            DATETIMEDIFF("ns", "0001-01-01", "9999-12-31") => undefined;
            DATETIMEBIN("1969-12-31T23:30:00", "hh") => "1969-12-31T23:00:00.0000000Z";
        }
    }

    #[test]
    fn invalid_arguments_are_undefined() {
        examples! {
            DATETIMEADD("weekday", 1, "2020-01-01") => undefined;
            DATETIMEADD("yyyy", 1.5, "2020-01-01") => undefined;
            DATETIMEADD("yyyy", 1, "2020-13-01") => undefined;
            DATETIMEADD("yyyy", 8000, "2020-01-01") => undefined;
            DATETIMEADD("dd", (i64::MAX), "2020-01-01") => undefined;
            DATETIMEADD("yyyy", (i64::MAX), "2020-01-01") => undefined;
            DATETIMEADD(undefined, 1, "2020-01-01") => undefined;
            DATETIMEBIN("2021-01-08", "mm") => undefined;
            DATETIMEBIN("2021-01-08", "dd", 0) => undefined;
            DATETIMEBIN("2021-01-08", "dd", (-1)) => undefined;
            DATETIMEBIN("2021-01-08", "dd", 1.5) => undefined;
            DATETIMEBIN("2021-01-08", "dd", 1, "1600-12-31") => undefined;
            DATETIMEBIN("2021-01-08", "dd", undefined) => undefined;
            DATETIMEFROMPARTS(2019, 2, 29) => undefined;
            DATETIMEFROMPARTS(2019, 2, 28, 24) => undefined;
            DATETIMEFROMPARTS(2019, 2, 28, (i64::MAX)) => undefined;
            DATETIMEFROMPARTS(2019, 2, 28, 0, 0, 0, 10_000_000) => undefined;
            DATETIMEFROMPARTS(2019, 2, "28") => undefined;
            DATETIMEPART("dd", 20200101) => undefined;
            DATETIMETOTICKS("yesterday") => undefined;
            TICKSTODATETIME(1.5) => undefined;
            TICKSTODATETIME((i64::MAX)) => undefined;
            TIMESTAMPTODATETIME((i64::MAX)) => undefined;
            TIMESTAMPTODATETIME("0") => undefined;
        }
    }
}
