//! Errors that prevent a host from starting.

use local_host::{Host, HostError, HostOptions};
use serde_json::{Value, json};

use crate::test_host::{App, TestHostSetup};

async fn start_error(app: App, change: impl FnOnce(&mut HostOptions)) -> HostError {
    let mut setup = TestHostSetup::new(&app, &[]).await;
    change(&mut setup.options);
    match setup.start(app).await {
        Ok(_) => panic!("the host started"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn an_error_names_the_port_in_use() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let error = start_error(App::new(json!({})), |options| options.port = port).await;
    assert!(matches!(error, HostError::PortInUse { port: named } if named == port));
    let fixed = App::new(json!({"customHandler": {"port": port}}));
    assert!(matches!(start_error(fixed, |_| ()).await, HostError::PortInUse { port: named } if named == port));
}

#[tokio::test]
async fn an_error_names_the_missing_handler() {
    let error = start_error(App::new(json!({})), |options| options.executable = Some("no-such-handler".into())).await;
    assert!(matches!(&error, HostError::Spawn { .. }) && error.to_string().contains("no-such-handler"), "{error}");
    let nameless = App::new(json!({"customHandler": {"description": {"defaultExecutablePath": ""}}}));
    let error = start_error(nameless, |options| options.executable = None).await.to_string();
    assert!(error.contains("customHandler.description.defaultExecutablePath is missing"), "{error}");
}

#[tokio::test]
async fn a_folder_without_host_json_is_rejected() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = HostOptions { script_root: folder.path().to_owned(), port: 0, ..HostOptions::default() };
    let error = Host::start(options).await.expect_err("an error").to_string();
    assert!(error.contains("host.json"), "{error}");
}

#[tokio::test]
async fn an_identity_based_connection_is_rejected() {
    let app = App::new(json!({})).with_cosmos("OnChange", Value::Null);
    let error = start_error(app, |options| {
        options.settings.remove("CosmosDB");
        options.settings.insert("CosmosDB__accountEndpoint".to_owned(), "https://example.invalid/".to_owned());
    });
    let error = error.await.to_string();
    assert!(error.contains("function OnChange: connection CosmosDB") && error.contains("identity-based"), "{error}");
}

#[tokio::test]
async fn an_error_names_the_unsupported_route() {
    let app = App::new(json!({})).with_http("Query", json!({"route": "query/{id:max(3)}"}));
    let error = start_error(app, |_| ()).await.to_string();
    assert!(error.contains("Query/function.json: route is \"query/{id:max(3)}\"; allowed:"), "{error}");
}
