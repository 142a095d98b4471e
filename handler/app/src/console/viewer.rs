//! The time zone of the one who looks at a page, and times in it.

use actix_web::HttpRequest;
use changefeed_history::{TimeExpression, TimeZone};
use chrono::{DateTime, FixedOffset, SecondsFormat, Utc};
use maud::{Markup, html};

use crate::http::request_zone;

/// The header by which the script names the zone of the browser.
const ZONE: &str = "x-time-zone";

/// The one who looks at a page.
#[derive(Clone, Debug)]
pub struct Viewer {
    zone: TimeZone,
}

impl Viewer {
    /// The viewer in the zone of the browser, or in that of the settings.
    pub fn of(request: &HttpRequest) -> Self {
        let named = request.headers().get(ZONE).and_then(|zone| zone.to_str().ok()?.parse().ok());
        Self { zone: named.unwrap_or_else(|| request_zone(request)) }
    }

    /// The zone in which times are read and shown.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Reads a time that a person wrote.
    ///
    /// # Errors
    /// Names the allowed forms.
    pub fn read(&self, text: &str) -> Result<TimeExpression, String> {
        TimeExpression::parse_in(text, Utc::now(), &self.zone)
    }

    /// The zone as it is named on a page: its name, and its offset at a second.
    pub fn zone_at(&self, second: i64) -> String {
        match self.local(second).format("%:z").to_string().as_str() {
            "+00:00" => self.zone.to_string(),
            offset => format!("{} (UTC{offset})", self.zone),
        }
    }

    /// The day: `Thursday 26 November 2026`.
    pub fn day(&self, second: i64) -> String {
        self.local(second).format("%A %-d %B %Y").to_string()
    }

    /// The time of day, with seconds only if there are any: `10:31`.
    pub fn short_clock(&self, second: i64) -> String {
        let local = self.local(second);
        local.format(if second % 60 == 0 { "%H:%M" } else { "%H:%M:%S" }).to_string()
    }

    /// The day without its year: `26 Nov`.
    pub fn short_day(&self, second: i64) -> String {
        self.local(second).format("%-d %b").to_string()
    }

    /// Both ends of a window, with the day of the second one only if it is another day.
    pub fn range(&self, from: i64, to: i64) -> Markup {
        let is_same_day = self.day(from) == self.day(to);
        html! {
            time datetime=(utc(from)) title=(utc(from)) { (self.day(from)) ", " (clock(self.local(from))) }
            " – "
            time datetime=(utc(to)) title=(utc(to)) {
                @if !is_same_day { (self.day(to)) ", " }
                (clock(self.local(to)))
            }
        }
    }

    /// The time of day, with the time in UTC on hover.
    pub fn clock(&self, second: i64) -> Markup {
        html! { time datetime=(utc(second)) title=(utc(second)) { (clock(self.local(second))) } }
    }

    /// The time of day as a text, for attributes.
    pub fn clock_text(&self, second: i64) -> String {
        clock(self.local(second))
    }

    /// The time as it can be written into a field.
    pub fn written(&self, second: i64) -> String {
        self.local(second).format("%F %T").to_string()
    }

    /// The day and the time of day, with the time in UTC on hover.
    pub fn time(&self, second: i64) -> Markup {
        let local = self.local(second);
        html! { time datetime=(utc(second)) title=(utc(second)) { (local.format("%-d %b %Y")) " " (clock(local)) } }
    }

    /// [`Self::time`] of a time in RFC 3339.
    pub fn written_time(&self, text: &str) -> Markup {
        match DateTime::parse_from_rfc3339(text) {
            Ok(time) => self.time(time.timestamp()),
            Err(_) => html! { (text) },
        }
    }

    fn local(&self, second: i64) -> DateTime<FixedOffset> {
        self.zone.local(DateTime::from_timestamp(second, 0).unwrap_or_default())
    }
}

fn clock(local: DateTime<FixedOffset>) -> String {
    local.format("%H:%M:%S").to_string()
}

/// RFC 3339 in UTC, as in links.
pub fn utc(second: i64) -> String {
    DateTime::from_timestamp(second, 0)
        .map_or_else(|| second.to_string(), |time| time.to_rfc3339_opts(SecondsFormat::Secs, true))
}
