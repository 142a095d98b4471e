//! What is asked for.

use std::ops::RangeInclusive;

use changefeed_cosmos::Key;
use changefeed_jobs::check_budget;
use serde::{Deserialize, Serialize};

/// The grace time without another, in seconds.
const GRACE_SECONDS: u32 = 60;
const ALLOWED_GRACE: RangeInclusive<u32> = 0..=86_400;

/// A request to verify.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct VerifyRequest {
    /// Whether to capture what is missing, and to record the deletes that nobody told of.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub repair: bool,
    /// Only the documents of this partition key value: the array of its components.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition_key: Option<Key>,
    /// How long capture may lag before something is missing, in seconds: 0 to 86,400; 60 without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace_seconds: Option<u32>,
    /// The most request units to use in a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ru_per_second: Option<f64>,
    /// Who, for the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
}

impl VerifyRequest {
    pub(super) fn check(&self) -> Result<(), String> {
        check_budget(self.ru_per_second)?;
        match self.grace_seconds {
            Some(grace) if !ALLOWED_GRACE.contains(&grace) => {
                let (first, last) = ALLOWED_GRACE.into_inner();
                Err(format!("graceSeconds is {grace}; allowed are {first} to {last}"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn grace(&self) -> i64 {
        i64::from(self.grace_seconds.unwrap_or(GRACE_SECONDS))
    }
}
