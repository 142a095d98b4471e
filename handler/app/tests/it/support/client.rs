//! A client that sees an endpoint from outside.

use azure_core::credentials::Secret;
use azure_data_cosmos::{AccountReference, CosmosClient, CosmosRuntime, RoutingStrategy};
use local_cosmos::EMULATOR_KEY;

/// A client with caches of its own. Those of the process remember containers by their names and the endpoint's address, and
/// an endpoint may get the port of one that is gone.
pub async fn client(url: &str) -> CosmosClient {
    let account = AccountReference::with_authentication_key(url.parse().expect("url"), Secret::new(EMULATOR_KEY));
    let runtime = CosmosRuntime::builder().build().await.expect("runtime");
    let routing = RoutingStrategy::PreferredRegions(Vec::new());
    CosmosClient::builder().with_runtime(runtime).build(account, routing).await.expect("client")
}
