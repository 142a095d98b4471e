//! The connection to the account, made when a request first needs it.
//!
//! A handler must answer the Functions host before it reaches Cosmos DB, and an account that cannot be reached now may be
//! reachable in a minute: a failed connection is not kept, and the next caller tries again.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::OnceCell;

use crate::client::Client;
use crate::error::Error;

/// Connects; called again until it has succeeded once.
pub type Connect = Box<dyn Fn() -> BoxFuture<'static, Result<Client, Error>> + Send + Sync>;

/// An account. Clones share the connection.
#[derive(Clone)]
pub struct Account(Arc<State>);

struct State {
    connect: Connect,
    client: OnceCell<Client>,
}

impl Account {
    /// An account that `connect` connects to.
    pub fn new(connect: Connect) -> Self {
        Self(Arc::new(State { connect, client: OnceCell::new() }))
    }

    /// An account with a client that is connected already.
    pub fn connected(client: Client) -> Self {
        Self::new(Box::new(move || {
            let client = client.clone();
            Box::pin(async move { Ok(client) })
        }))
    }

    /// The client. Callers that wait for the first connection share it.
    ///
    /// # Errors
    /// When the account cannot be reached.
    pub async fn client(&self) -> Result<&Client, Error> {
        self.0.client.get_or_try_init(|| (self.0.connect)()).await
    }

    /// The account's host, with the port if that is not the usual one.
    ///
    /// # Errors
    /// When the account cannot be reached.
    pub async fn host(&self) -> Result<String, Error> {
        let endpoint = self.client().await?.sdk().endpoint();
        let host = endpoint.host_str().unwrap_or_default();
        Ok(endpoint.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Account").field("connected", &self.0.client.initialized()).finish_non_exhaustive()
    }
}
