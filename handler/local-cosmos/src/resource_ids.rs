//! Resource ids, which distinguish a container from an earlier one of the same name.
//!
//! A client that has resolved a container sends its resource id as `x-ms-cosmos-intended-collection-rid`. If the container of
//! that name has another one, the service refuses the request with 400 and sub-status 1024, and the client reads the
//! container again. Sources: `StaleResourceRetryPolicy` of the Java SDK, and `COLLECTION_RID_MISMATCH` in the
//! driver of the Rust SDK. Clients may also address databases and containers by their resource ids in the path; an unknown id
//! has the same reply as an unknown name.

use azure_core::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::emulator::Emulator;
use crate::incoming::Incoming;
use crate::operation::segments;
use crate::reply::{Reply, header};

const COLLECTION_RID_MISMATCH: &str = "1024";

/// The refusal of a request that is intended for a container with another resource id than this one.
pub(crate) fn wrong_container(rid: &str, incoming: &Incoming) -> Option<Reply> {
    let intended = incoming.header("x-ms-cosmos-intended-collection-rid").filter(|intended| *intended != rid)?;
    let message = format!(
        "The request is intended for the container with the resource id {intended}, but the container of this name has {rid}."
    );
    Some(Reply::error(400, "BadRequest", message).with(header::SUBSTATUS, COLLECTION_RID_MISMATCH))
}

/// Replaces the resource ids of a database and a container in the path by their names.
pub(crate) async fn names_for_ids(emulator: &Emulator, incoming: &mut Incoming) {
    let mut segments = segments(incoming);
    if segments.first().is_none_or(|first| first != "dbs")
        || segments.get(1).is_none_or(|database| !is_resource_id(database))
    {
        return;
    }
    let Some(database) = name_of(emulator, &["dbs"], "Databases", &segments[1]).await else { return };
    if segments.len() > 3
        && segments[2] == "colls"
        && let Some(name) = name_of(emulator, &["dbs", &database, "colls"], "DocumentCollections", &segments[3]).await
    {
        segments[3] = name;
    }
    segments[1] = database;
    if let Ok(mut path) = incoming.url.path_segments_mut() {
        path.clear().extend(segments);
    }
}

/// Whether a text can be the resource id of a database.
pub(crate) fn is_resource_id(text: &str) -> bool {
    STANDARD.decode(text.replace('-', "/")).is_ok_and(|decoded| decoded.len() == 4)
}

/// The name of the resource with this resource id; `None` if a resource has that text as its name.
async fn name_of(emulator: &Emulator, feed: &[&str], member: &str, rid: &str) -> Option<String> {
    let mut url = emulator.url().clone();
    url.path_segments_mut().ok()?.clear().extend(feed);
    let reply = emulator.execute(&Incoming::new(Method::Get, url)).await;
    let body: Value = serde_json::from_slice(&reply.body).ok()?;
    let resources = body[member].as_array()?;
    if resources.iter().any(|resource| resource["id"] == *rid) {
        return None;
    }
    resources.iter().find(|resource| resource["_rid"] == *rid)?["id"].as_str().map(str::to_owned)
}
