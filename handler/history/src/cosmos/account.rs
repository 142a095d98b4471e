//! The connection to the account, made when it is first needed.
//!
//! A handler must answer the Functions host before Cosmos DB is reached, and an account that cannot be reached now may be
//! in a minute: a failed connection is not kept, the next caller tries again.

use std::fmt;

use azure_data_cosmos::CosmosClient;
use futures::future::BoxFuture;
use tokio::sync::OnceCell;

use super::error::Error;

/// A client of the account.
pub type Client = CosmosClient;

/// Makes the connection; called again until it has succeeded once.
pub type Connect = Box<dyn Fn() -> BoxFuture<'static, Result<Client, Error>> + Send + Sync>;

pub(crate) struct Account {
    connect: Connect,
    client: OnceCell<Client>,
}

impl Account {
    pub(crate) fn new(connect: Connect) -> Self {
        Self { connect, client: OnceCell::new() }
    }

    pub(crate) async fn client(&self) -> Result<&Client, Error> {
        self.client.get_or_try_init(|| (self.connect)()).await
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Account").field("connected", &self.client.initialized()).finish_non_exhaustive()
    }
}
