//! The physical partitions of a container, as the emulator has them.

use std::collections::{BTreeSet, HashMap};

use azure_core::http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::emulator::Emulator;
use crate::entry::KeyRange;
use crate::incoming::Incoming;
use crate::operation::ContainerName;
use crate::reply::{Reply, header};

/// A physical partition.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PartitionKeyRange {
    pub id: String,
    #[serde(rename = "minInclusive")]
    pub min: String,
    #[serde(rename = "maxExclusive")]
    pub max: String,
}

impl PartitionKeyRange {
    pub(crate) fn range(&self) -> KeyRange {
        KeyRange { min: self.min.clone(), max: self.max.clone() }
    }
}

/// The container's physical partitions.
pub(crate) async fn read_partition_key_ranges(emulator: &Emulator, name: &ContainerName) -> Vec<PartitionKeyRange> {
    #[derive(Deserialize)]
    struct Body {
        #[serde(rename = "PartitionKeyRanges")]
        ranges: Vec<PartitionKeyRange>,
    }
    let Some(request) = get(emulator, name, "/pkranges") else { return Vec::new() };
    let reply = emulator.execute(&request).await;
    serde_json::from_slice::<Body>(&reply.body).map(|body| body.ranges).unwrap_or_default()
}

/// The ancestors of a container's partitions.
///
/// The emulator lists the parents of a partition, the service all its ancestors. A client with an old list needs them all to
/// find out which of its partitions have been replaced.
#[derive(Debug, Default)]
pub(crate) struct Lineage(HashMap<String, BTreeSet<String>>);

impl Lineage {
    /// Records that `children` have replaced `parents`.
    pub(crate) fn replace(&mut self, parents: &[String], children: &[String]) {
        let mut ancestors: BTreeSet<String> =
            parents.iter().filter_map(|parent| self.0.remove(parent)).flatten().collect();
        ancestors.extend(parents.iter().cloned());
        self.0.extend(children.iter().map(|child| (child.clone(), ancestors.clone())));
    }

    /// Adds all ancestors to a reply that lists partitions.
    pub(crate) fn complete(&self, mut reply: Reply) -> Reply {
        if self.0.is_empty() || !reply.is_success() {
            return reply;
        }
        let Ok(mut body) = serde_json::from_slice::<Value>(&reply.body) else { return reply };
        for range in body["PartitionKeyRanges"].as_array_mut().into_iter().flatten() {
            if let Some(ancestors) = range["id"].as_str().and_then(|id| self.0.get(id)) {
                range["parents"] = json!(ancestors);
            }
        }
        reply.body = body.to_string().into_bytes();
        reply
    }
}

/// A reply with the current session token of a partition that has not been written since it was created.
pub(crate) async fn request_session_token(emulator: &Emulator, name: &ContainerName, partition: &str) -> Option<Reply> {
    let mut request = get(emulator, name, "/docs")?;
    request.set_header(header::PARTITION_KEY_RANGE_ID, partition);
    request.set_header("x-ms-max-item-count", "1");
    let reply = emulator.execute(&request).await;
    reply.is_success().then(|| reply.with(header::PARTITION_KEY_RANGE_ID, partition))
}

/// The answer to a request for a partition that was split or merged.
pub(crate) fn gone(partition: &str) -> Reply {
    let message = format!("The partition key range {partition} does not exist; it was split or merged.");
    Reply::error(410, "Gone", message).with(header::SUBSTATUS, "1002")
}

/// The answer to a request for a partition that is being split or merged.
pub(crate) fn in_transition() -> Reply {
    Reply::error(410, "Gone", "The partition is being split or merged.").with(header::SUBSTATUS, "1007")
}

/// A request for the container or, with a suffix, for a resource in it.
pub(crate) fn get(emulator: &Emulator, name: &ContainerName, suffix: &str) -> Option<Incoming> {
    let mut url = emulator.url().clone();
    url.path_segments_mut().ok()?.clear().extend(["dbs", &name.database, "colls", &name.container]);
    url.set_path(&format!("{}{suffix}", url.path()));
    Some(Incoming::new(Method::Get, url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_lists_all_its_ancestors() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut lineage = Lineage::default();
        lineage.replace(&names(&["0"]), &names(&["4", "5"]));
        lineage.replace(&names(&["5", "1"]), &names(&["6"]));
        lineage.replace(&names(&["6"]), &names(&["7", "8"]));
        let mut reply = Reply::new(200);
        let ranges = ["2", "4", "7", "8"].map(|id| json!({"id": id, "parents": []}));
        reply.body = json!({"PartitionKeyRanges": ranges}).to_string().into_bytes();
        let body: Value = serde_json::from_slice(&lineage.complete(reply).body).expect("JSON");
        let parents: Vec<&Value> = (0..4).map(|index| &body["PartitionKeyRanges"][index]["parents"]).collect();
        let descended = json!(["0", "1", "5", "6"]);
        assert_eq!(parents, [&json!([]), &json!(["0"]), &descended, &descended]);
    }
}
