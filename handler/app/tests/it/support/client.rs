//! A Cosmos DB client that tests use directly.

use azure_core::credentials::Secret;
use azure_data_cosmos::{AccountReference, CosmosClient, CosmosRuntime, RoutingStrategy};
use changefeed_cosmos::{Client, Connection, ConnectionString};
use local_cosmos::EMULATOR_KEY;

/// A client with its own caches. The process-wide caches identify containers by name and address, and a new endpoint may get
/// the port of an earlier one.
pub async fn client(url: &str) -> Client {
    let account = AccountReference::with_authentication_key(url.parse().expect("url"), Secret::new(EMULATOR_KEY));
    let runtime = CosmosRuntime::builder().build().await.expect("runtime");
    let routing = RoutingStrategy::PreferredRegions(Vec::new());
    let sdk = CosmosClient::builder().with_runtime(runtime).build(account, routing).await.expect("client");
    let connection = ConnectionString::parse(&format!("AccountEndpoint={url};AccountKey={EMULATOR_KEY};"));
    Client::with_sdk(sdk, &Connection::Key(connection.expect("connection string")), false).expect("client")
}
