//! Offers: the throughput of a database or container as a resource.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::refusal::Refusal;
use super::resource_id::{ContainerRid, DatabaseRid, OfferRid};
use super::throughput::Throughput;

const TO_AUTOSCALE: &str = "x-ms-cosmos-migrate-offer-to-autopilot";
const TO_MANUAL: &str = "x-ms-cosmos-migrate-offer-to-manual-throughput";

/// What an offer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum OfferResource {
    Database(DatabaseRid),
    Container(ContainerRid),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Offer {
    pub rid: OfferRid,
    pub resource: OfferResource,
    pub throughput: Throughput,
    /// The most request units a second that the resource ever had.
    pub highest_ever: u32,
    pub etag: String,
    /// When it was created or replaced, in seconds since 1970.
    pub timestamp: i64,
}

impl Offer {
    pub(crate) fn to_json(&self) -> Value {
        let (link, resource) = match self.resource {
            OfferResource::Database(rid) => (rid.link(), rid.to_string()),
            OfferResource::Container(rid) => (rid.link(), rid.to_string()),
        };
        json!({
            "resource": link,
            "offerType": "Invalid",
            "offerResourceId": resource,
            "offerVersion": "V2",
            "content": self.content(),
            "id": self.rid.to_string(),
            "_rid": self.rid.to_string(),
            "_self": self.rid.link(),
            "_etag": self.etag,
            "_ts": self.timestamp,
        })
    }

    fn content(&self) -> Value {
        let parameters = json!({"maxThroughputEverProvisioned": self.highest_ever, "maxConsumedStorageEverInKB": 0});
        let mut content = json!({
            "offerThroughput": self.throughput.highest(),
            "offerIsRUPerMinuteThroughputEnabled": false,
            "offerMinimumThroughputParameters": parameters,
        });
        if let Throughput::Autoscale { maximum, increment_percent } = self.throughput {
            let mut settings = json!({"maxThroughput": maximum});
            if let Some(percent) = increment_percent {
                settings["autoUpgradePolicy"] = json!({"throughputPolicy": {"incrementPercent": percent}});
            }
            // An idle resource has a tenth of its maximum.
            content["offerThroughput"] = json!(maximum / 10);
            content["offerAutopilotSettings"] = settings;
        }
        content
    }

    /// The lowest throughput that a replace can set.
    pub(crate) fn minimum(&self) -> u32 {
        self.throughput.minimum(self.highest_ever)
    }

    /// The throughput that a request to replace this offer sets. `flag` says whether a header of the request is `true`.
    pub(crate) fn replacement(
        &self,
        body: &Map<String, Value>,
        flag: impl Fn(&str) -> bool,
    ) -> Result<Throughput, Refusal> {
        let content = match body.get("content") {
            Some(content) if content.is_object() => content,
            _ => return Err(Refusal::bad_request("The offer in the body has no object content.")),
        };
        let settings = Some(&content["offerAutopilotSettings"]).filter(|settings| !settings.is_null());
        match (self.throughput, settings, flag(TO_AUTOSCALE), flag(TO_MANUAL)) {
            (.., true, true) => {
                Err(Refusal::bad_request(format!("The headers {TO_AUTOSCALE} and {TO_MANUAL} exclude each other.")))
            }
            (Throughput::Manual(_), None, true, _) => Ok(self.throughput.to_autoscale(self.highest_ever)),
            (Throughput::Manual(_), Some(_), ..) => Err(Refusal::bad_request(format!(
                "{TO_AUTOSCALE} must be supplied and offercontent must not contain autopilotSettings for migration from manual \
                 throughput to autoscale."
            ))),
            (Throughput::Autoscale { .. }, _, _, true) => Ok(self.throughput.to_manual()),
            (Throughput::Autoscale { .. }, None, ..) => Err(Refusal::bad_request(format!(
                "The offer is autoscale, and the content in the body has no offerAutopilotSettings; {TO_MANUAL} must be supplied \
                 for migration from autoscale to manual throughput."
            ))),
            (Throughput::Autoscale { .. }, Some(settings), ..) => {
                Throughput::of_settings(settings)?.checked(Some(self.minimum()))
            }
            (Throughput::Manual(_), None, ..) => {
                let given = &content["offerThroughput"];
                let value = given.as_u64().and_then(|value| u32::try_from(value).ok()).ok_or_else(|| {
                    Refusal::bad_request(format!("offerThroughput is {given}; it must be a whole number."))
                })?;
                Throughput::Manual(value).checked(Some(self.minimum()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTOSCALE: Throughput = Throughput::Autoscale { maximum: 4_000, increment_percent: None };

    fn offer(throughput: Throughput, highest_ever: u32) -> Offer {
        let container = "lypXAMSZ-Cs=".parse().expect("a container");
        Offer {
            rid: "uT2L".parse().expect("an offer"),
            resource: OfferResource::Container(container),
            throughput,
            highest_ever,
            etag: "\"1\"".into(),
            timestamp: 7,
        }
    }

    fn replace(offer: &Offer, content: Value, header: &str) -> Result<Throughput, Refusal> {
        let body = json!({"content": content});
        offer.replacement(body.as_object().expect("an object"), |name| name == header)
    }

    #[test]
    fn an_offer_names_its_resource() {
        let expected = json!({
            "resource": "dbs/lypXAA==/colls/lypXAMSZ-Cs=/",
            "offerType": "Invalid",
            "offerResourceId": "lypXAMSZ-Cs=",
            "offerVersion": "V2",
            "content": {
                "offerThroughput": 500,
                "offerIsRUPerMinuteThroughputEnabled": false,
                "offerMinimumThroughputParameters":
                    {"maxThroughputEverProvisioned": 500, "maxConsumedStorageEverInKB": 0},
            },
            "id": "uT2L",
            "_rid": "uT2L",
            "_self": "offers/uT2L/",
            "_etag": "\"1\"",
            "_ts": 7,
        });
        assert_eq!(offer(Throughput::Manual(500), 500).to_json(), expected);
        let database = OfferResource::Database("lypXAA==".parse().expect("a database"));
        let json = Offer { resource: database, ..offer(AUTOSCALE, 4_000) }.to_json();
        assert_eq!((&json["resource"], &json["offerResourceId"]), (&json!("dbs/lypXAA==/"), &json!("lypXAA==")));
        assert_eq!(json["content"]["offerAutopilotSettings"], json!({"maxThroughput": 4_000}));
        assert_eq!(json["content"]["offerThroughput"], 400);
        let upgraded = Throughput::Autoscale { maximum: 4_000, increment_percent: Some(10) };
        let settings = &offer(upgraded, 4_000).to_json()["content"]["offerAutopilotSettings"];
        assert_eq!(Throughput::of_settings(settings), Ok(upgraded));
    }

    #[test]
    fn an_offer_is_replaced() {
        let manual = offer(Throughput::Manual(400), 400);
        assert_eq!(replace(&manual, json!({"offerThroughput": 1_200}), ""), Ok(Throughput::Manual(1_200)));
        let same = json!({"offerThroughput": 400, "offerAutopilotSettings": null});
        assert_eq!(replace(&manual, same, ""), Ok(Throughput::Manual(400)));
        let higher = json!({"offerThroughput": 400, "offerAutopilotSettings": {"maxThroughput": 9_000}});
        let expected = Throughput::Autoscale { maximum: 9_000, increment_percent: None };
        assert_eq!(replace(&offer(AUTOSCALE, 4_000), higher, ""), Ok(expected));
    }

    #[test]
    fn the_kind_of_an_offer_changes_with_a_header_only() {
        let manual = offer(Throughput::Manual(1_500), 1_500);
        let autoscale = offer(AUTOSCALE, 4_000);
        let settings = json!({"offerAutopilotSettings": {"maxThroughput": 5_000}});
        let expected = Throughput::Autoscale { maximum: 2_000, increment_percent: None };
        assert_eq!(replace(&manual, json!({"offerThroughput": 1_500}), TO_AUTOSCALE), Ok(expected));
        assert_eq!(replace(&autoscale, settings.clone(), TO_MANUAL), Ok(Throughput::Manual(4_000)));
        for (offer, content, header, message) in [
            (&manual, settings.clone(), "", "must be supplied and offercontent must not contain"),
            (&manual, settings, TO_AUTOSCALE, "offercontent must not contain"),
            (&autoscale, json!({"offerThroughput": 400}), "", TO_MANUAL),
        ] {
            let refusal = replace(offer, content, header).expect_err("refused");
            assert_eq!(refusal.status, 400);
            assert!(refusal.message.contains(message), "{}", refusal.message);
        }
    }

    #[test]
    fn a_throughput_below_the_minimum_is_refused() {
        for (offer, content, message) in [
            (offer(Throughput::Manual(400), 100_000), json!({"offerThroughput": 900}), "between 1000 and"),
            (offer(Throughput::Manual(400), 400), json!({"offerThroughput": 450}), "increments of 100"),
            (offer(Throughput::Manual(400), 400), json!({"offerThroughput": "500"}), "must be a whole number"),
            (offer(Throughput::Manual(400), 400), json!(1), "no object content"),
            (
                offer(AUTOSCALE, 60_000),
                json!({"offerAutopilotSettings": {"maxThroughput": 4_000}}),
                "between 6000 and 1000000 inclusive in increments of 1000. Requested: 4000.",
            ),
        ] {
            let refusal = replace(&offer, content, "").expect_err("refused");
            assert!(refusal.message.contains(message), "{}", refusal.message);
        }
    }

    #[test]
    fn offers_are_stored_as_json() {
        for throughput in [AUTOSCALE, Throughput::Manual(400)] {
            let offer = offer(throughput, 4_000);
            let json = json!(offer).to_string();
            assert_eq!(serde_json::from_str::<Offer>(&json).expect("an offer"), offer);
        }
    }
}
