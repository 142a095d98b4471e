//! A request for a verification.

use std::ops::RangeInclusive;

use changefeed_cosmos::{IdempotencyKey, Key};
use changefeed_jobs::check_budget;
use serde::{Deserialize, Serialize};

use crate::named_key::named_key;

/// The default grace time, in seconds.
const GRACE_SECONDS: u32 = 60;
/// The grace times that are allowed, in seconds.
const ALLOWED_GRACE: RangeInclusive<u32> = 0..=86_400;

/// A request for a verification.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "RawVerifyRequest")]
pub struct VerifyRequest {
    /// Whether to capture missing versions, and to record unreported deletes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub repair: bool,
    /// With `repair`: the id of a verification whose findings are repaired, and nothing else. It has ended. What changed since it
    /// found them is reported instead. It also decides the partition key value, so that this request has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub findings_of: Option<String>,
    /// The location of digests: compares the versions with them, and nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digests: Option<String>,
    /// The partition key value to verify, as the array of its components; all documents without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition_key: Option<Key>,
    /// How long capture may lag before a version is missing, in seconds: 0 to 86,400; the default is 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace_seconds: Option<u32>,
    /// The budget: request units a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ru_per_second: Option<f64>,
    /// Who requests it, for the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
    /// Identifies the request, if its sender may repeat it.
    #[serde(skip)]
    pub key: Option<IdempotencyKey>,
}

/// The request as it is in JSON, where `pk` is a partition key of one text.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct RawVerifyRequest {
    repair: bool,
    findings_of: Option<String>,
    digests: Option<String>,
    pk: Option<String>,
    partition_key: Option<Key>,
    grace_seconds: Option<u32>,
    ru_per_second: Option<f64>,
    requested_by: Option<String>,
}

impl TryFrom<RawVerifyRequest> for VerifyRequest {
    type Error = String;

    fn try_from(raw: RawVerifyRequest) -> Result<Self, String> {
        Ok(Self {
            repair: raw.repair,
            findings_of: raw.findings_of,
            digests: raw.digests,
            partition_key: named_key(raw.pk, raw.partition_key)?,
            grace_seconds: raw.grace_seconds,
            ru_per_second: raw.ru_per_second,
            requested_by: raw.requested_by,
            key: None,
        })
    }
}

impl VerifyRequest {
    /// Checks the values.
    ///
    /// # Errors
    /// The name of the value that is not allowed, and the allowed range.
    pub(super) fn check(&self) -> Result<(), String> {
        check_budget(self.ru_per_second)?;
        if self.findings_of.is_some() && !self.repair {
            return Err("findingsOf is only allowed with repair: true".to_owned());
        }
        if self.findings_of.is_some() && self.partition_key.is_some() {
            return Err("findingsOf and partitionKey exclude each other".to_owned());
        }
        if self.digests.is_some() {
            let others = [
                ("repair", self.repair),
                ("partitionKey", self.partition_key.is_some()),
                ("graceSeconds", self.grace_seconds.is_some()),
            ];
            if let Some((name, _)) = others.into_iter().find(|(_, is_given)| *is_given) {
                return Err(format!("digests and {name} exclude each other: digests are compared with all versions"));
            }
        }
        match self.grace_seconds {
            Some(grace) if !ALLOWED_GRACE.contains(&grace) => {
                let (first, last) = ALLOWED_GRACE.into_inner();
                Err(format!("graceSeconds is {grace}; allowed are {first} to {last}"))
            }
            _ => Ok(()),
        }
    }

    /// The grace time in seconds.
    pub(super) fn grace(&self) -> i64 {
        i64::from(self.grace_seconds.unwrap_or(GRACE_SECONDS))
    }
}
