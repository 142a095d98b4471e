//! Hosts that do not start.

use local_host::{Host, HostError, HostOptions};
use serde_json::{Value, json};

use crate::stage::{App, Backstage};

async fn refusal(app: App, change: impl FnOnce(&mut HostOptions)) -> HostError {
    let mut backstage = Backstage::new(&app, &[]).await;
    change(&mut backstage.options);
    match backstage.start(app).await {
        Ok(_) => panic!("it started"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let error = refusal(App::new(json!({})), |options| options.port = port).await;
    assert!(matches!(error, HostError::PortInUse { port: named } if named == port));
    let fixed = App::new(json!({"customHandler": {"port": port}}));
    assert!(matches!(refusal(fixed, |_| ()).await, HostError::PortInUse { port: named } if named == port));
}

#[tokio::test]
async fn a_handler_that_is_not_there_is_named() {
    let error = refusal(App::new(json!({})), |options| options.executable = Some("no-such-handler".into())).await;
    assert!(matches!(&error, HostError::Spawn { .. }) && error.to_string().contains("no-such-handler"), "{error}");
    let nameless = App::new(json!({"customHandler": {"description": {"defaultExecutablePath": ""}}}));
    let error = refusal(nameless, |options| options.executable = None).await.to_string();
    assert!(error.contains("customHandler.description.defaultExecutablePath is missing"), "{error}");
}

#[tokio::test]
async fn a_folder_without_host_json_is_no_app() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = HostOptions { script_root: folder.path().to_owned(), port: 0, ..HostOptions::default() };
    let error = Host::start(options).await.expect_err("no app").to_string();
    assert!(error.contains("host.json"), "{error}");
}

#[tokio::test]
async fn an_identity_based_connection_is_refused() {
    let app = App::new(json!({})).with_cosmos("OnChange", Value::Null);
    let error = refusal(app, |options| {
        options.settings.remove("CosmosDB");
        options.settings.insert("CosmosDB__accountEndpoint".to_owned(), "https://example.invalid/".to_owned());
    });
    let error = error.await.to_string();
    assert!(error.contains("function OnChange: connection CosmosDB") && error.contains("identity-based"), "{error}");
}

#[tokio::test]
async fn a_route_that_cannot_be_matched_is_named() {
    let app = App::new(json!({})).with_http("Query", json!({"route": "query/{id:int}"}));
    let error = refusal(app, |_| ()).await.to_string();
    assert!(error.contains("Query/function.json: route is \"query/{id:int}\"; allowed:"), "{error}");
}
