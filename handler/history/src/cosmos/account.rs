//! The connection to the account, made when it is first needed.
//!
//! A handler must answer the Functions host before Cosmos DB is reached, and an account that cannot be reached now may be
//! in a minute: a failed connection is not kept, the next caller tries again.

use std::fmt;
use std::sync::Arc;

use azure_data_cosmos::CosmosClient;
use futures::future::BoxFuture;
use tokio::sync::OnceCell;

use super::error::Error;
use super::meter::Meter;

/// A client of the account.
pub type Client = CosmosClient;

/// Makes the connection; called again until it has succeeded once.
pub type Connect = Box<dyn Fn() -> BoxFuture<'static, Result<Client, Error>> + Send + Sync>;

#[derive(Clone)]
pub(crate) struct Account {
    connection: Arc<Connection>,
    meter: Meter,
}

struct Connection {
    connect: Connect,
    client: OnceCell<Client>,
}

impl Account {
    pub(crate) fn new(connect: Connect) -> Self {
        let connection = Connection { connect, client: OnceCell::new() };
        Self { connection: Arc::new(connection), meter: Meter::default() }
    }

    pub(crate) async fn client(&self) -> Result<&Client, Error> {
        self.connection.client.get_or_try_init(|| (self.connection.connect)()).await
    }

    /// Its host, and the port if that is none of the usual ones.
    pub(crate) async fn host(&self) -> Result<String, Error> {
        let endpoint = self.client().await?.endpoint();
        let host = endpoint.host_str().unwrap_or_default();
        Ok(endpoint.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
    }

    /// Counts what is done through this account.
    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// The same connection with a meter of its own.
    pub(crate) fn metered(&self) -> Self {
        Self { connection: Arc::clone(&self.connection), meter: Meter::default() }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Account")
            .field("connected", &self.connection.client.initialized())
            .finish_non_exhaustive()
    }
}
