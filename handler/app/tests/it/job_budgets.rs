//! Jobs without a budget of their own use a share of the provisioned throughput, and a plan says what its execution takes.

use std::collections::HashMap;

use azure_core::http::headers::HeaderName;
use azure_data_cosmos::models::ThroughputProperties;
use azure_data_cosmos::options::{CreateContainerOptions, CreateDatabaseOptions};
use changefeed_cosmos::{Account, ContainerSpec, IndexPolicy, KeyPath, LazyContainer, create_container};
use changefeed_jobs::{DefaultBudget, JobOptions, JobState};
use changefeed_operations::Changefeed;
use serde_json::{Value, json};

use crate::support::jobs::{capture, capture_as_one_state, finish, small_limits, start_restore};
use crate::support::{CommandLine, World, client, noise};

const THROUGHPUT: u64 = 100_000;
const DOCUMENTS: usize = 40;

/// A world whose monitored container and changes container have provisioned throughput: the first one more of it.
async fn provisioned() -> World {
    let mut world = World::new().await;
    let database = world.client.sdk().database_client("dev");
    for (name, throughput) in [("events", 2 * THROUGHPUT), ("changes", THROUGHPUT)] {
        let container = Box::pin(database.container_client(name, None)).await.expect("the container");
        let properties = container.read(None).await.expect("the container").into_model().expect("its definition");
        container.delete(None).await.expect("deleted");
        let options = CreateContainerOptions::default().with_throughput(ThroughputProperties::manual(throughput));
        Box::pin(database.create_container(properties, Some(options))).await.expect("created");
    }
    // The first one knows the containers of before.
    world.client = client(world.endpoint.url()).await;
    world
}

fn with_budget(world: &World, default_budget: DefaultBudget) -> Changefeed {
    world.changefeed(|options| options.jobs = JobOptions { default_budget, ..small_limits() })
}

/// Writes documents with so many bytes of noise each, and captures them.
async fn write(world: &World, changefeed: &Changefeed, state: &str, bytes: usize) -> i64 {
    let mut stored = Vec::new();
    for n in 0..DOCUMENTS {
        let document = json!({"id": format!("document-{n}"), "pk": "one", "state": state, "noise": noise(bytes)});
        stored.push(world.put("one", document).await);
    }
    match state {
        "good" => capture_as_one_state(changefeed, &stored).await,
        _ => {
            capture(changefeed, &stored).await;
            0
        }
    }
}

#[tokio::test]
async fn a_job_without_a_budget_has_a_share_of_the_provisioned_throughput() {
    let world = provisioned().await;
    let changefeed = with_budget(&world, DefaultBudget::Share(0.25));
    let all = |other: Value| {
        let mut request = json!({"asOf": "-0s", "all": true, "dryRun": true, "job": true});
        request.as_object_mut().expect("an object").extend(other.as_object().expect("an object").clone());
        request
    };
    let budget = async |changefeed: &Changefeed, request: Value| {
        let id = start_restore(changefeed, request).await;
        let progress = changefeed.restores.show(&id).await.expect("the job").progress.expect("progress");
        (progress.ru_per_second, progress.share_of)
    };
    assert_eq!(budget(&changefeed, all(json!({}))).await, (Some(25_000.0), Some(THROUGHPUT)));
    assert_eq!(budget(&changefeed, all(json!({"ruPerSecond": 300}))).await, (Some(300.0), None), "its own");
    let fixed = with_budget(&world, DefaultBudget::Fixed(70.0));
    assert_eq!(budget(&fixed, all(json!({}))).await, (Some(70.0), None));
    let unlimited = with_budget(&world, DefaultBudget::Unlimited);
    assert_eq!(budget(&unlimited, all(json!({}))).await, (None, None));

    // The service gives a container the least throughput, 400, if none is requested.
    let small = World::new().await;
    let changefeed = with_budget(&small, DefaultBudget::Share(0.01));
    assert_eq!(budget(&changefeed, all(json!({}))).await, (Some(10.0), Some(400)), "no less than is allowed");
}

#[tokio::test]
async fn the_throughput_of_the_database_counts_where_the_containers_have_none() {
    let world = World::new().await;
    let client = world.client.sdk();
    let mut options = CreateDatabaseOptions::default();
    let settings = (HeaderName::from("x-ms-cosmos-offer-autopilot-settings"), r#"{"maxThroughput":4000}"#.into());
    options.operation.custom_headers = Some(HashMap::from([settings]));
    client.create_database("shared", Some(options)).await.expect("a database");
    let account = Account::connected(world.client.clone());
    let (name, key_paths, index) = ("orders".to_owned(), vec![KeyPath::property("pk")], IndexPolicy::default());
    create_container(&account, "shared", &ContainerSpec { name, key_paths, index }).await.expect("a container");
    let orders = LazyContainer::new(account, "shared", "orders");
    assert_eq!(orders.throughput().await.expect("read"), Some(4000));
}

#[tokio::test]
async fn a_plan_says_about_what_its_execution_takes() {
    for bytes in [300, 4_000, 40_000] {
        let world = provisioned().await;
        let changefeed = with_budget(&world, DefaultBudget::Share(0.5));
        let good = write(&world, &changefeed, "good", bytes).await;
        write(&world, &changefeed, "bad", bytes).await;
        let id = start_restore(&changefeed, json!({"asOf": good, "all": true, "dryRun": true, "job": true})).await;
        let state = finish(&changefeed, &id).await;
        let plan = changefeed.restores.show(&id).await.expect("the plan");
        assert_eq!(state, JobState::Planned, "{:?}", plan.progress);
        let forecast = plan.forecast.expect("a forecast");
        assert_eq!(forecast.seconds, Some((forecast.request_units / 50_000.0).ceil()));
        let planning = plan.record.request_charge;
        changefeed.restores.execute_plan(&id).await.expect("started");
        assert_eq!(finish(&changefeed, &id).await, JobState::Done);
        let done = changefeed.restores.show(&id).await.expect("the restore");
        assert_eq!(done.forecast, None, "it has been executed");
        let took = done.record.request_charge - planning;
        println!("{bytes} bytes: took {took:.0} RU, forecast {:.0}", forecast.request_units);
        let ratio = forecast.request_units / took;
        assert!((0.75..1.33).contains(&ratio), "{bytes} bytes: {} for {took}", forecast.request_units);
    }
}

#[tokio::test]
async fn the_command_line_says_it_before_it_asks() {
    let world = provisioned().await;
    let changefeed = world.changefeed(|_| ());
    let good = write(&world, &changefeed, "good", 300).await;
    write(&world, &changefeed, "bad", 300).await;
    let second = good.to_string();
    let command = ["restore", "run", "--all", "--as-of", &second, "--dry-run", "--job"];
    let (code, printed) = CommandLine::new(&world).with("CHANGEFEED_JOB_BUDGET", "50%").text(&command).await;
    assert_eq!(code, 0, "{printed}");
    assert!(printed.contains("a budget of 50000 RU/s of the provisioned 100000 RU/s."), "{printed}");
    let limited = [&command[..], &["--ru-per-second", "20"]].concat();
    let (code, printed) = CommandLine::new(&world).text(&limited).await;
    assert!(code == 0 && printed.contains("with a budget of 20 RU/s."), "{printed}");
    let set = CommandLine::new(&world).with("CHANGEFEED_JOB_BUDGET", "unlimited");
    let (code, printed) = set.text(&command).await;
    assert!(code == 0 && printed.contains("no budget limits it"), "{printed}");
}
