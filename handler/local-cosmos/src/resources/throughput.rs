//! The throughput of databases and containers, in request units a second.
//!
//! Sources: "Request units in Azure Cosmos DB", "Provision autoscale throughput" and the frequently asked questions about
//! autoscale in Microsoft's documentation, and refusals of the service.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::refusal::Refusal;

pub(crate) const MANUAL_HEADER: &str = "x-ms-offer-throughput";
pub(crate) const AUTOSCALE_HEADER: &str = "x-ms-cosmos-offer-autopilot-settings";

const MANUAL_MINIMUM: u32 = 400;
const MANUAL_STEP: u32 = 100;
const AUTOSCALE_MINIMUM: u32 = 1_000;
const AUTOSCALE_STEP: u32 = 1_000;
const MAXIMUM: u32 = 1_000_000;
/// The most that a physical partition serves.
const PER_PARTITION: u32 = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Throughput {
    Manual(u32),
    /// Between a tenth of the number and the number.
    #[serde(rename_all = "camelCase")]
    Autoscale {
        maximum: u32,
        /// By how many percent the service raises the maximum when the storage needs it.
        increment_percent: Option<u32>,
    },
}

impl Default for Throughput {
    /// That of a container that is created without one in a database without one.
    fn default() -> Self {
        Self::Manual(MANUAL_MINIMUM)
    }
}

impl Throughput {
    /// The throughput in the headers of a request that creates a database or container; `None` if it has none.
    pub(crate) fn of_request<'h>(header: impl Fn(&str) -> Option<&'h str>) -> Result<Option<Self>, Refusal> {
        let text = |name: &str| header(name).map(str::trim).filter(|text| !text.is_empty());
        match (text(MANUAL_HEADER), text(AUTOSCALE_HEADER)) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(Refusal::bad_request(format!(
                "The headers {MANUAL_HEADER} and {AUTOSCALE_HEADER} exclude each other; send one of them."
            ))),
            (Some(manual), None) => {
                let value = manual.parse::<u32>().map_err(|_| {
                    let found = format!("The header {MANUAL_HEADER} is \"{manual}\", which is not a whole number.");
                    Refusal::bad_request(format!("{found} {}", allowed(MANUAL_MINIMUM, MANUAL_STEP)))
                })?;
                Self::Manual(value).checked(None).map(Some)
            }
            (None, Some(settings)) => {
                let settings = serde_json::from_str(settings).map_err(|error| {
                    Refusal::bad_request(format!("The header {AUTOSCALE_HEADER} is invalid: {error}."))
                })?;
                Self::of_settings(&settings)?.checked(None).map(Some)
            }
        }
    }

    /// Reads autoscale settings, `{"maxThroughput": 4000}`. Not checked.
    pub(crate) fn of_settings(settings: &Value) -> Result<Self, Refusal> {
        let number = |value: &Value| value.as_u64().and_then(|number| u32::try_from(number).ok());
        let maximum = number(&settings["maxThroughput"]).ok_or_else(|| {
            let found = format!("The autoscale settings {settings} have no whole number maxThroughput.");
            Refusal::bad_request(format!("{found} {}", allowed(AUTOSCALE_MINIMUM, AUTOSCALE_STEP)))
        })?;
        let increment_percent = number(&settings["autoUpgradePolicy"]["throughputPolicy"]["incrementPercent"]);
        Ok(Self::Autoscale { maximum, increment_percent })
    }

    /// Checks that the throughput is allowed: not below `minimum` (of its kind, if `None`), and a multiple of the step.
    pub(crate) fn checked(self, minimum: Option<u32>) -> Result<Self, Refusal> {
        let (value, least, step) = match self {
            Self::Manual(value) => (value, minimum.unwrap_or(MANUAL_MINIMUM), MANUAL_STEP),
            Self::Autoscale { maximum, .. } => (maximum, minimum.unwrap_or(AUTOSCALE_MINIMUM), AUTOSCALE_STEP),
        };
        if !(least..=MAXIMUM).contains(&value) || !value.is_multiple_of(step) {
            return Err(Refusal::bad_request(format!("{} Requested: {value}.", allowed(least, step))));
        }
        Ok(self)
    }

    /// The most request units a second.
    pub(crate) fn highest(self) -> u32 {
        match self {
            Self::Manual(value) => value,
            Self::Autoscale { maximum, .. } => maximum,
        }
    }

    /// The lowest throughput of this kind for a resource that once had the most `highest_ever`.
    pub(crate) fn minimum(self, highest_ever: u32) -> u32 {
        match self {
            Self::Manual(_) => MANUAL_MINIMUM.max((highest_ever / 100).next_multiple_of(MANUAL_STEP)),
            Self::Autoscale { .. } => AUTOSCALE_MINIMUM.max((highest_ever / 10).next_multiple_of(AUTOSCALE_STEP)),
        }
    }

    /// What the service makes of this throughput when it is changed to autoscale.
    pub(crate) fn to_autoscale(self, highest_ever: u32) -> Self {
        let autoscale = Self::Autoscale { maximum: AUTOSCALE_MINIMUM, increment_percent: None };
        let maximum = autoscale.minimum(highest_ever).max(self.highest().next_multiple_of(AUTOSCALE_STEP)).min(MAXIMUM);
        match self {
            Self::Manual(_) => Self::Autoscale { maximum, increment_percent: None },
            Self::Autoscale { .. } => self,
        }
    }

    /// What the service makes of this throughput when it is changed to manual.
    pub(crate) fn to_manual(self) -> Self {
        Self::Manual(self.highest())
    }
}

fn allowed(minimum: u32, step: u32) -> String {
    // Programs read the limits out of this text.
    format!(
        "The offer should have valid throughput values between {minimum} and {MAXIMUM} inclusive in increments of {step}."
    )
}

/// How many physical partitions a container with this throughput has at least.
pub(crate) fn partitions_for(throughput: u32) -> u32 {
    throughput.div_ceil(PER_PARTITION).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(manual: Option<&'static str>, autoscale: Option<&'static str>) -> Result<Option<Throughput>, Refusal> {
        Throughput::of_request(|name| match name {
            MANUAL_HEADER => manual,
            AUTOSCALE_HEADER => autoscale,
            _ => None,
        })
    }

    #[test]
    fn headers_have_the_throughput() {
        let autoscale = |maximum, increment_percent| Some(Throughput::Autoscale { maximum, increment_percent });
        assert_eq!(request(None, None), Ok(None));
        assert_eq!(request(Some(""), None), Ok(None));
        assert_eq!(request(Some("400"), None), Ok(Some(Throughput::Manual(400))));
        assert_eq!(request(Some(" 1000000 "), None), Ok(Some(Throughput::Manual(1_000_000))));
        assert_eq!(request(None, Some(r#"{"maxThroughput":4000}"#)), Ok(autoscale(4_000, None)));
        let policy = r#"{"maxThroughput":1000,"autoUpgradePolicy":{"throughputPolicy":{"incrementPercent":10}}}"#;
        assert_eq!(request(None, Some(policy)), Ok(autoscale(1_000, Some(10))));
    }

    #[test]
    fn a_throughput_that_is_not_allowed_is_refused() {
        for (manual, autoscale, message) in [
            (Some("399"), None, "between 400 and 1000000 inclusive in increments of 100. Requested: 399."),
            (Some("450"), None, "in increments of 100"),
            (Some("1000100"), None, "between 400 and 1000000"),
            (Some("many"), None, "\"many\", which is not a whole number"),
            (Some("-1"), None, "\"-1\""),
            (None, Some("{\"maxThroughput\":900}"), "between 1000 and 1000000 inclusive in increments of 1000"),
            (None, Some("{\"maxThroughput\":1500}"), "in increments of 1000"),
            (None, Some("{}"), "no whole number maxThroughput"),
            (None, Some("4000"), "no whole number maxThroughput"),
            (None, Some("{"), "is invalid"),
            (Some("400"), Some("{\"maxThroughput\":4000}"), "exclude each other"),
        ] {
            let refusal = request(manual, autoscale).expect_err("refused");
            assert_eq!(refusal.status, 400);
            assert!(refusal.message.contains(message), "{}", refusal.message);
        }
    }

    #[test]
    fn ten_thousand_request_units_are_a_partition() {
        let counts = [400, 10_000, 10_001, 20_000, 100_000].map(partitions_for);
        assert_eq!(counts, [1, 1, 2, 2, 10]);
    }

    /// The refusals that name minima: 100,000 once provisioned allow 10,000 of autoscale, 60,000 allow 6,000.
    #[test]
    fn the_minimum_depends_on_the_highest_throughput_ever() {
        let manual = Throughput::Manual(400);
        let autoscale = Throughput::Autoscale { maximum: 1_000, increment_percent: None };
        assert_eq!([400, 40_000, 100_000].map(|ever| manual.minimum(ever)), [400, 400, 1_000]);
        assert_eq!([1_000, 60_000, 100_000].map(|ever| autoscale.minimum(ever)), [1_000, 6_000, 10_000]);
    }

    #[test]
    fn a_change_of_the_kind_preserves_the_highest_throughput() {
        let autoscale = |maximum| Throughput::Autoscale { maximum, increment_percent: None };
        assert_eq!(Throughput::Manual(400).to_autoscale(400), autoscale(1_000));
        assert_eq!(Throughput::Manual(4_100).to_autoscale(4_100), autoscale(5_000));
        assert_eq!(Throughput::Manual(400).to_autoscale(100_000), autoscale(10_000));
        assert_eq!(autoscale(4_000).to_autoscale(4_000), autoscale(4_000));
        assert_eq!(autoscale(4_000).to_manual(), Throughput::Manual(4_000));
    }
}
