//! Timer triggers.

use serde_json::json;

use crate::test_host::{App, TestHost, with_deadline};

fn app(more: serde_json::Value) -> App {
    let mut binding = json!({"type": "timerTrigger", "direction": "in", "name": "clock"});
    for (name, value) in more.as_object().expect("an object") {
        binding[name] = value.clone();
    }
    App::new(json!({})).with_function("Sweep", json!({"bindings": [binding]}))
}

#[tokio::test]
async fn a_function_is_called_at_every_due_time() {
    let host = TestHost::start(app(json!({"schedule": "* * * * * *"}))).await;
    for _ in 0..2 {
        let mut call = host.call().await;
        assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", "/Sweep"));
        assert!(call.header("x-azure-functions-invocationid").is_some());
        let body = call.json().await;
        let timer = &body["Data"]["clock"];
        assert_eq!((&timer["IsPastDue"], &body["Metadata"]["sys"]["MethodName"]), (&json!(false), &json!("Sweep")));
        assert!(timer["ScheduleStatus"].is_null(), "{body}");
        call.succeed().await;
    }
    with_deadline(host.running.stop()).await;
}

#[tokio::test]
async fn a_function_with_run_on_startup_is_called_before_it_is_due() {
    let host = TestHost::start(app(json!({"schedule": "0 0 0 29 2 *", "runOnStartup": true}))).await;
    host.call().await.succeed().await;
    with_deadline(host.running.stop()).await;
}
