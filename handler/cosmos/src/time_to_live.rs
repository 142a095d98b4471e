//! When a document expires: by the `ttl` of its own, or by the default of its container.

use serde_json::Value;

/// The longest time to live, in seconds.
const MAX_SECONDS: i64 = 2_147_483_647;
const NEVER: i64 = -1;

/// The time to live that a document has of its own, in seconds, -1 for never; `None` if it has none. Any spelling of a whole
/// number counts: `60`, `60.0`, `6e1`.
pub fn own_ttl(document: &Value) -> Option<i64> {
    let ttl = document.get("ttl")?;
    let whole = || ttl.as_f64().filter(|number| number.fract() == 0.0).map(|number| number as i64);
    ttl.as_i64().or_else(whole).filter(|seconds| *seconds == NEVER || (1..=MAX_SECONDS).contains(seconds))
}

/// The second at which a document expires that was written at second `ts`; `None` if it does not. `default_ttl` is the container's:
/// `None` where time to live is off, -1 where only documents with one of their own expire.
pub fn expires_at(ts: i64, own_ttl: Option<i64>, default_ttl: Option<i64>) -> Option<i64> {
    let seconds = own_ttl.unwrap_or(default_ttl?);
    (default_ttl.is_some() && seconds > 0).then(|| ts.saturating_add(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(ttl: &str) -> Option<i64> {
        own_ttl(&serde_json::from_str(&format!(r#"{{"ttl": {ttl}}}"#)).expect("JSON"))
    }

    #[test]
    fn every_spelling_of_a_whole_number_is_a_time_to_live() {
        for spelling in ["60", "60.0", "6e1", "600e-1"] {
            assert_eq!(own(spelling), Some(60), "{spelling}");
        }
        assert_eq!((own("-1"), own("-1.0"), own("2147483647.0")), (Some(-1), Some(-1), Some(MAX_SECONDS)));
        for none in ["null", "0", "-2", "1.5", "2147483648", "1e300", "\"60\"", "true", "[60]", "{}"] {
            assert_eq!(own(none), None, "{none}");
        }
        assert_eq!(own_ttl(&serde_json::json!({"id": "1"})), None);
    }

    #[test]
    fn a_document_expires_by_its_own_time_to_live_or_the_default_unless_it_is_off() {
        assert_eq!(expires_at(100, Some(3), Some(-1)), Some(103));
        assert_eq!(expires_at(100, None, Some(10)), Some(110));
        assert_eq!(expires_at(100, Some(-1), Some(10)), None);
        assert_eq!(expires_at(100, None, Some(-1)), None);
        assert_eq!(expires_at(100, Some(3), None), None);
        assert_eq!(expires_at(i64::MAX, Some(3), Some(-1)), Some(i64::MAX));
    }
}
