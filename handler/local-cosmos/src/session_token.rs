//! Session tokens: which writes of each partition key range a client has seen.
//!
//! A token has parts for ranges, separated by commas: `0:1#100#1=98#2=97` has the range `0`, version 1, the global number (LSN) 100
//! and the numbers of two regions. Parts without regions are `0:-1#100` and, from old SDKs, `0:100`.
//!
//! Source: `VectorSessionToken`, `SimpleSessionToken` and `SessionTokenHelper` in the public .NET and Java SDKs.

use std::fmt;

/// What a client has seen of several ranges. A range can occur several times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SessionToken {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    range: String,
    /// The version of the region list; `None` in the oldest form.
    version: Option<i64>,
    lsn: i64,
    regions: Vec<(u32, i64)>,
}

impl SessionToken {
    /// The token of a client that has seen all writes up to this number. The endpoint has one region.
    pub(crate) fn of(range: &str, lsn: u64) -> Self {
        let lsn = i64::try_from(lsn).unwrap_or(i64::MAX);
        Self { parts: vec![Part { range: range.to_owned(), version: Some(0), lsn, regions: vec![(0, lsn)] }] }
    }

    /// Reads a token. Empty text is a token without ranges. The error is a message for the client of a 400.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let parts: Option<Vec<Part>> = parts.map(Part::parse).collect();
        let parts = parts.ok_or_else(|| {
            format!(
                "The session token provided '{text}' is invalid. It must have the form range:version#lsn#region=lsn."
            )
        })?;
        Ok(Self { parts })
    }

    /// The largest number that the client has seen of the range, or of ranges from which it was made by splits and merges; `None` if
    /// the token has none of them.
    pub(crate) fn lsn_of<T: AsRef<str>>(&self, range: &str, ancestors: &[T]) -> Option<u64> {
        let is_meant =
            |part: &&Part| part.range == range || ancestors.iter().any(|ancestor| ancestor.as_ref() == part.range);
        // A negative number stands for a range without writes.
        self.parts.iter().filter(is_meant).map(|part| u64::try_from(part.lsn).unwrap_or(0)).max()
    }

    /// Whether a range whose newest write has this number has all that the client has seen. If not, the service answers 404 with the
    /// sub-status 1002.
    pub(crate) fn is_reached<T: AsRef<str>>(&self, range: &str, ancestors: &[T], newest_lsn: u64) -> bool {
        self.lsn_of(range, ancestors).is_none_or(|seen| seen <= newest_lsn)
    }
}

impl Part {
    fn parse(text: &str) -> Option<Self> {
        let (range, token) = text.split_once(':').filter(|(range, _)| !range.is_empty())?;
        let range = range.to_owned();
        let mut fields = token.split('#');
        let first: i64 = fields.next()?.parse().ok()?;
        let Some(lsn) = fields.next() else {
            return Some(Self { range, version: None, lsn: first, regions: Vec::new() });
        };
        let regions = fields.map(|field| {
            let (region, lsn) = field.split_once('=')?;
            Some((region.parse().ok()?, lsn.parse().ok()?))
        });
        Some(Self { range, version: Some(first), lsn: lsn.parse().ok()?, regions: regions.collect::<Option<_>>()? })
    }
}

impl fmt::Display for SessionToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.parts.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(formatter, "{comma}{}:", part.range)?;
            if let Some(version) = part.version {
                write!(formatter, "{version}#")?;
            }
            write!(formatter, "{}", part.lsn)?;
            part.regions.iter().try_for_each(|(region, lsn)| write!(formatter, "#{region}={lsn}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [&str; 0] = [];

    fn parse(text: &str) -> SessionToken {
        SessionToken::parse(text).expect("a token")
    }

    #[test]
    fn each_form_is_read_and_written() {
        for text in ["0:1#100#1=98#2=97", "0:-1#100", "0:100", "0:0#7#0=7,1:-1#12", "12:2#5#3=-1", ""] {
            assert_eq!(parse(text).to_string(), text);
        }
        assert_eq!(parse(" 0:1#2, 1:1#3 ,").to_string(), "0:1#2,1:1#3");
        assert_eq!(SessionToken::of("3", 42).to_string(), "3:0#42#0=42");
    }

    #[test]
    fn what_is_no_token_is_refused_with_its_text() {
        for text in ["a", "0", "0:", ":1#2", "0:a", "0:1#", "0:1#2#3", "0:1#2#a=1", "0:1#2#-1=1", "0:1#2#1=", "0:1#2,x"]
        {
            let message = SessionToken::parse(text).expect_err(text);
            assert!(message.contains(&format!("'{text}' is invalid")), "{message}");
        }
    }

    #[test]
    fn a_range_has_the_largest_number_of_it_and_its_ancestors() {
        let token = parse("0:0#9#0=9,1:-1#4,1:-1#6,2:0#-1");
        assert_eq!(token.lsn_of("1", &NONE), Some(6));
        assert_eq!(token.lsn_of("1", &["0"]), Some(9));
        assert_eq!(token.lsn_of("2", &NONE), Some(0));
        assert_eq!(token.lsn_of("3", &NONE), None);
        assert!(token.is_reached("1", &NONE, 6) && !token.is_reached("1", &NONE, 5));
        assert!(!token.is_reached("1", &["0"], 8) && token.is_reached("3", &NONE, 0));
        assert!(parse("").is_reached("0", &NONE, 0));
    }
}
