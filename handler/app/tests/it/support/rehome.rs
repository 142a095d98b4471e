//! Moves of histories between two worlds.

use std::time::Duration;

use changefeed_cosmos::{Account, Error};
use changefeed_history::Batch;
use changefeed_operations::{Changefeed, Connections, RehomeRequest, RehomeView};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use super::World;
use super::jobs::{finish, small_limits};

/// The library on one world, which knows the account of another as `OldCosmosDB`.
pub fn library(world: &World, old: &World) -> Changefeed {
    let account = Account::connected(old.client.clone());
    world.changefeed(|options| {
        options.jobs = small_limits();
        options.batch_timeout = Duration::from_secs(4);
        options.connections = Connections::new(move |name| match name {
            "OldCosmosDB" => Ok(account.clone()),
            other => Err(Error::invalid("connecting", format!("set {other}"))),
        });
    })
}

/// A request for a move.
pub fn request(request: Value) -> RehomeRequest {
    serde_json::from_value(request).expect("a request")
}

/// From all containers of the other account.
pub fn from_account() -> Value {
    json!({"from": {"connection": "OldCosmosDB", "changes": "changes", "deadLetters": "dead-letters", "jobs": "jobs"}})
}

/// Runs a move to its end.
pub async fn moved(changefeed: &Changefeed, of: Value) -> RehomeView {
    let job = changefeed.rehomes.create_job(&request(of)).await.expect("a job");
    finish(changefeed, &job.id).await;
    changefeed.rehomes.show(&job.id).await.expect("a move")
}

/// Delivers changes as the trigger does.
pub async fn deliver(changefeed: &Changefeed, payloads: &[Value]) {
    let batch = Batch { function: "test".into(), invocation_id: "test".into(), rewritten_by_host: true };
    let raw = payloads.iter().map(|payload| to_raw_value(payload).expect("raw")).collect();
    changefeed.capture.capture(&batch, raw).await.expect("captured");
}
