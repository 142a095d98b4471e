//! Names of containers and databases that are the paths of other ones, and a container that has another name in the request.

use changefeed_cosmos::{Account, ErrorKind, LazyContainer};
use changefeed_history::ContainerNames;
use changefeed_operations::Changefeed;
use local_cosmos::LoggedKind;
use reqwest::StatusCode;
use serde_json::json;

use crate::support::jobs::{capture, restore_request};
use crate::support::{DEADLINE, World, until};

const PATHS: [&str; 13] = [
    "events/",
    "./events",
    "./jobs",
    "./leases",
    "../../dev/colls/events",
    "../../other/colls/x",
    "..",
    ".",
    "",
    "events ",
    "jobs\n",
    "ev\tents",
    "events?x",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_is_refused_into_a_text_that_is_not_a_name() {
    let world = World::new().await;
    let handler = world.handler();
    let changefeed = world.changefeed(|_| ());
    let stored = world.put("a", json!({"id": "1", "pk": "a", "v": 1})).await;
    capture(&changefeed, std::slice::from_ref(&stored)).await;
    let second = stored["_ts"].as_i64().expect("_ts");
    until("the next second", DEADLINE, async || chrono::Utc::now().timestamp() > second).await;
    let live = world.put("a", json!({"id": "1", "pk": "a", "v": 2})).await;
    world.endpoint.take_requests();
    for into in PATHS {
        for job in [false, true] {
            let request = json!({"all": true, "asOf": second, "into": into, "force": true, "job": job});
            let (status, answer) = handler.post("/api/restores", &request).await;
            let message = answer["error"]["message"].as_str().unwrap_or_default();
            let is_explained =
                message.contains(&format!("invalid name {into:?}")) && message.contains("1 to 255 characters");
            assert!(status == StatusCode::BAD_REQUEST && is_explained, "{into:?}: {status} {answer}");
        }
    }
    let writes = |kind: LoggedKind| {
        matches!(kind, LoggedKind::Create | LoggedKind::Replace | LoggedKind::Upsert | LoggedKind::Delete)
    };
    let written = world.endpoint.take_requests().into_iter().filter(|request| writes(request.kind)).count();
    assert_eq!((written, world.live("a", "1").await), (0, Some(live)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_is_refused_into_an_own_container_whatever_its_name_in_the_request_is() {
    let world = World::new().await;
    world.create("leases", &["/id"]).await;
    let name = str::to_owned;
    let database = world.client.sdk().database_client("dev").read(None).await.expect("database");
    let database = database.into_model().expect("database").system_properties.resource_id.expect("resource id");
    // The endpoint resolves resource ids of containers in a database that is addressed by its own.
    let names = ContainerNames {
        database,
        monitored: name("events"),
        changes: name("changes"),
        leases: name("leases"),
        jobs: name("jobs"),
        dead_letters: name("dead-letters"),
    };
    let mut options = None;
    world.changefeed(|own| options = Some(own.clone()));
    let account = Account::connected(world.client.clone());
    let changefeed = Changefeed::new(&account, names, options.expect("options"));
    for (container, role) in [("events", "Monitored"), ("changes", "Changes"), ("jobs", "Jobs"), ("leases", "Leases")] {
        let other = LazyContainer::new(account.clone(), "dev", container).open().await.expect("container");
        let into = other.definition().resource_id.clone();
        let request = restore_request(json!({"all": true, "asOf": 1, "into": into}));
        let error = changefeed.restores.run(&request).await.expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains(&format!("the {role} container")), "{container}: {error}");
    }
}

#[tokio::test]
async fn a_container_is_not_opened_by_a_text_that_is_not_a_name() {
    let world = World::new().await;
    let account = Account::connected(world.client.clone());
    world.endpoint.take_requests();
    for text in PATHS {
        for (database, container) in [("dev", text), (text, "events")] {
            let error = LazyContainer::new(account.clone(), database, container).open().await.expect_err("refused");
            assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("invalid name"), "{error}");
        }
    }
    assert_eq!(world.endpoint.take_requests(), []);
}
