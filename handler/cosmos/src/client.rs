//! A client of an account: that of the SDK, and what sends the requests that the SDK cannot send.

use std::fmt;

use azure_data_cosmos::options::Region;
use azure_data_cosmos::{CosmosClient, CosmosRuntime, RoutingStrategy};

use crate::connection::Connection;
use crate::error::{Error, ErrorKind};
use crate::gateway::Gateway;

/// A client of the account.
#[derive(Clone)]
pub struct Client {
    sdk: CosmosClient,
    gateway: Gateway,
}

impl Client {
    /// A client of the SDK, whose own requests go to a simulated network. So do ours.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) when the identity is incomplete.
    #[cfg(feature = "simulation")]
    pub fn on_simulated_network(
        sdk: CosmosClient,
        connection: &Connection,
        network: std::sync::Arc<dyn azure_core::http::HttpClient>,
    ) -> Result<Self, Error> {
        Ok(Self { sdk, gateway: connection.gateway(false, Some(network))? })
    }

    /// The client of the SDK.
    pub fn sdk(&self) -> &CosmosClient {
        &self.sdk
    }

    /// Whether several regions of the account take writes. Versions of different regions have no common order.
    ///
    /// # Errors
    /// When the account cannot be read.
    pub async fn has_several_write_regions(&self) -> Result<bool, Error> {
        self.gateway.has_several_write_regions().await
    }

    pub(crate) fn gateway(&self) -> &Gateway {
        &self.gateway
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").field("endpoint", self.sdk.endpoint()).finish_non_exhaustive()
    }
}

/// Connects to the account and reads its properties. It is read from the first of these regions that it has, and otherwise from its other
/// regions in its own order; writes go to the region that takes them.
///
/// # Errors
/// When the account cannot be read.
pub async fn connect(connection: &Connection, preferred_regions: &[String]) -> Result<Client, Error> {
    let regions = preferred_regions.iter().map(|region| Region::new(region.clone())).collect();
    let routing = RoutingStrategy::PreferredRegions(regions);
    let account = connection.to_sdk()?;
    let client = Box::pin(async {
        // The runtime that the SDK shares keeps containers by their name and address for as long as the process runs. A client with it
        // could not open a container that replaced one of the same name.
        let runtime = CosmosRuntime::builder().build().await?;
        CosmosClient::builder().with_runtime(runtime).build(account, routing).await
    });
    let client = client.await.map_err(|error| {
        let error = Error::from_sdk("connecting to Cosmos DB", error);
        // A 404 is the answer of a server that is not an account; the caller must not take it for a missing item.
        if error.kind() == ErrorKind::NotFound { error.with_kind(ErrorKind::Unavailable) } else { error }
    })?;
    Ok(Client { sdk: client, gateway: connection.gateway(!preferred_regions.is_empty(), None)? })
}

#[cfg(test)]
mod tests {
    use local_cosmos::{Endpoint, LoggedKind, Options};
    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::{
        Account, ConnectionString, ContainerSpec, DocumentName, IndexPolicy, Key, KeyPath, LazyContainer,
        create_container, create_database,
    };

    /// An endpoint with an item, which is the same in every region.
    async fn region(further_regions: Vec<(String, String)>) -> (Endpoint, Connection) {
        let endpoint = Endpoint::start(Options { further_regions, ..Options::default() }).await.expect("endpoint");
        let connection = ConnectionString::parse(&endpoint.connection_string()).expect("connection string");
        let connection = Connection::Key(connection);
        let account = Account::connected(connect(&connection, &[]).await.expect("client"));
        create(&account, "db").await;
        let container = LazyContainer::new(account, "db", "c").open().await.expect("container");
        container.create(&Key::text("a"), "i", &json!({"id": "i", "pk": "a"})).await.expect("created");
        endpoint.take_requests();
        (endpoint, connection)
    }

    /// Creates a database with a container.
    async fn create(account: &Account, database: &str) {
        create_database(account, database).await.expect("database");
        let (name, key_paths, index) = ("c".to_owned(), vec![KeyPath::property("pk")], IndexPolicy::default());
        create_container(account, database, &ContainerSpec { name, key_paths, index }).await.expect("container");
    }

    fn items(endpoint: &Endpoint) -> Vec<LoggedKind> {
        endpoint
            .take_requests()
            .iter()
            .map(|request| request.kind)
            .filter(|kind| *kind != LoggedKind::Metadata)
            .collect()
    }

    #[tokio::test]
    async fn reads_go_to_the_preferred_region_and_writes_to_the_one_that_takes_them() {
        let (north, _) = region(Vec::new()).await;
        let (west, connection) = region(vec![("North Europe".to_owned(), north.url().to_owned())]).await;
        for (preferred, read_in_north) in [(vec!["North Europe".to_owned()], true), (Vec::new(), false)] {
            let account = Account::connected(connect(&connection, &preferred).await.expect("client"));
            let container = LazyContainer::new(account, "db", "c").open().await.expect("container");
            container.read(&Key::text("a"), "i").await.expect("read").expect("the item");
            let name = |id: &str| DocumentName { id: id.to_owned(), partition_key: Key::text("a") };
            let together = container.read_together(&["i", "j", "k", "l"].map(name)).await.expect("read together");
            assert_eq!(together.len(), 1, "{preferred:?}");
            let expected = if read_in_north { (2, 0) } else { (0, 2) };
            assert_eq!((items(&north).len(), items(&west).len()), expected, "{preferred:?}");
            container.upsert(&Key::text("a"), "i", &json!({"id": "i", "pk": "a"})).await.expect("written");
            assert_eq!((items(&north).len(), items(&west).len()), (0, 1), "{preferred:?}");
        }
    }

    /// The container is in another endpoint at the same address, where it has another resource id.
    #[tokio::test]
    async fn a_client_opens_a_container_that_replaced_the_one_that_an_earlier_client_knows() {
        let (earlier, connection) = region(Vec::new()).await;
        let open = async || {
            let account = Account::connected(connect(&connection, &[]).await.expect("client"));
            LazyContainer::new(account, "db", "c").open().await
        };
        open().await.expect("the earlier container");
        let port = earlier.url().trim_end_matches('/').rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        earlier.stop().await;
        let later =
            Endpoint::start(Options { port: port.expect("port"), ..Options::default() }).await.expect("endpoint");
        let account = Account::connected(connect(&connection, &[]).await.expect("client"));
        for database in ["another", "db"] {
            create(&account, database).await;
        }
        open().await.expect("the later container");
        later.stop().await;
    }

    #[tokio::test]
    async fn a_server_that_does_not_know_the_account_is_not_mistaken_for_a_missing_item() {
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("port");
        let address = server.local_addr().expect("address");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = server.accept().await {
                let mut request = [0; 4096];
                while stream.read(&mut request).await.is_ok_and(|bytes| bytes > 0) {
                    let answer = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
                    stream.write_all(answer).await.expect("answered");
                }
            }
        });
        let text = format!("AccountEndpoint=http://{address}/;AccountKey=c2VjcmV0;");
        let connection = Connection::Key(ConnectionString::parse(&text).expect("read"));
        let error = connect(&connection, &[]).await.map(drop).expect_err("not an account");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    }
}
