//! Timer triggers.

use serde_json::json;

use crate::stage::{App, Stage, within};

fn app(more: serde_json::Value) -> App {
    let mut binding = json!({"type": "timerTrigger", "direction": "in", "name": "clock"});
    for (name, value) in more.as_object().expect("an object") {
        binding[name] = value.clone();
    }
    App::new(json!({})).with_function("Sweep", json!({"bindings": [binding]}))
}

#[tokio::test]
async fn a_function_is_called_again_and_again_by_its_schedule() {
    let stage = Stage::set(app(json!({"schedule": "* * * * * *"}))).await;
    for _ in 0..2 {
        let mut call = stage.call().await;
        assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", "/Sweep"));
        assert!(call.header("x-azure-functions-invocationid").is_some());
        let body = call.json().await;
        let timer = &body["Data"]["clock"];
        assert_eq!((&timer["IsPastDue"], &body["Metadata"]["sys"]["MethodName"]), (&json!(false), &json!("Sweep")));
        assert!(timer["ScheduleStatus"]["Next"].is_string(), "{body}");
        call.succeed().await;
    }
    within(stage.host.stop()).await;
}

#[tokio::test]
async fn a_function_that_is_not_due_for_long_is_called_at_the_start_if_it_asks_for_that() {
    let stage = Stage::set(app(json!({"schedule": "0 0 0 29 2 *", "runOnStartup": true}))).await;
    stage.call().await.succeed().await;
    within(stage.host.stop()).await;
}
