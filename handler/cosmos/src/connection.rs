//! From a connection string or an identity to a client.

use std::fmt;
use std::sync::Arc;

use azure_core::credentials::Secret;
pub use azure_core::credentials::TokenCredential;
use azure_data_cosmos::{AccountEndpoint, AccountReference, CosmosClient, RoutingStrategy};
use azure_identity::{
    ClientSecretCredential, DeveloperToolsCredential, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId,
};

use crate::account::Client;
use crate::error::{Error, ErrorKind};

/// An endpoint and a key: `AccountEndpoint=https://…/;AccountKey=…;`, other parts are ignored. The key is never printed.
#[derive(Clone)]
pub struct ConnectionString {
    endpoint: String,
    key: Secret,
}

impl ConnectionString {
    /// Reads a connection string.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) when a part is missing or malformed.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let part = |name: &str| {
            text.split(';')
                .filter_map(|part| part.trim().split_once('='))
                .find(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_empty())
                .map(|(_, value)| value.to_owned())
                .ok_or_else(|| {
                    let form = "AccountEndpoint=https://…/;AccountKey=…;";
                    invalid(format!("the connection string has no {name}; use {form}"))
                })
        };
        let endpoint = part("AccountEndpoint")?;
        parse_endpoint(&endpoint)?;
        Ok(Self { endpoint, key: Secret::new(part("AccountKey")?) })
    }
}

/// The identity that the program has towards the account.
#[derive(Clone)]
pub enum Identity {
    /// The identity of the app in Azure; by its client id if it is user-assigned.
    Managed(Option<String>),
    /// An application with a secret.
    ClientSecret {
        /// The directory.
        tenant_id: String,
        /// The application.
        client_id: String,
        /// Its secret.
        client_secret: String,
    },
    /// The account that is signed in to the developer's tools.
    DeveloperTools,
}

/// How an account is reached.
#[derive(Clone)]
pub enum Connection {
    /// By an account key.
    Key(ConnectionString),
    /// By an identity.
    Identity {
        /// The account's URL.
        endpoint: String,
        /// The identity.
        identity: Identity,
    },
}

impl Connection {
    /// By an identity at this URL.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) when it is not a URL.
    pub fn with_identity(endpoint: &str, identity: Identity) -> Result<Self, Error> {
        parse_endpoint(endpoint)?;
        Ok(Self::Identity { endpoint: endpoint.to_owned(), identity })
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(ConnectionString { endpoint, .. }) => write!(formatter, "key at {endpoint}"),
            Self::Identity { endpoint, identity } => {
                let identity = match identity {
                    Identity::Managed(_) => "managed identity",
                    Identity::ClientSecret { .. } => "client secret",
                    Identity::DeveloperTools => "developer tools",
                };
                write!(formatter, "{identity} at {endpoint}")
            }
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Connects to the account and reads its properties. Regions are used in the account's own order.
///
/// # Errors
/// When the account cannot be read.
pub async fn connect(connection: &Connection) -> Result<Client, Error> {
    let account = match connection {
        Connection::Key(ConnectionString { endpoint, key }) => {
            AccountReference::with_authentication_key(parse_endpoint(endpoint)?, key.clone())
        }
        Connection::Identity { endpoint, identity } => {
            AccountReference::with_credential(parse_endpoint(endpoint)?, token_credential(identity.clone())?)
        }
    };
    let client = CosmosClient::builder().build(account, RoutingStrategy::PreferredRegions(Vec::new())).await;
    client.map_err(|error| {
        let error = Error::from_sdk("connecting to Cosmos DB", error);
        // A 404 is the answer of a server that is not an account; the caller must not take it for a missing item.
        if error.kind() == ErrorKind::NotFound { error.with_kind(ErrorKind::Unavailable) } else { error }
    })
}

/// The credential of an identity, for Cosmos DB and for other services of Azure.
///
/// # Errors
/// [`Invalid`](ErrorKind::Invalid) when it is incomplete.
pub fn token_credential(identity: Identity) -> Result<Arc<dyn TokenCredential>, Error> {
    let credential: azure_core::Result<Arc<dyn TokenCredential>> = match identity {
        Identity::Managed(client_id) => {
            let user_assigned_id = client_id.map(UserAssignedId::ClientId);
            let options = ManagedIdentityCredentialOptions { user_assigned_id, ..Default::default() };
            ManagedIdentityCredential::new(Some(options)).map(|credential| credential as _)
        }
        Identity::ClientSecret { tenant_id, client_id, client_secret } => {
            ClientSecretCredential::new(&tenant_id, client_id, Secret::new(client_secret), None)
                .map(|credential| credential as _)
        }
        Identity::DeveloperTools => DeveloperToolsCredential::new(None).map(|credential| credential as _),
    };
    credential.map_err(|error| invalid(error.to_string()))
}

fn parse_endpoint(endpoint: &str) -> Result<AccountEndpoint, Error> {
    endpoint.parse().map_err(|error| invalid(format!("endpoint {endpoint:?} is not a URL: {error}")))
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::Invalid, "reading the connection", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[test]
    fn a_connection_string_is_read_whatever_the_order_of_its_parts_and_the_padding_of_the_key() {
        let text = "AccountKey=abc==; AccountEndpoint=https://a.documents.azure.com:443/;Other=1";
        let ConnectionString { endpoint, key } = ConnectionString::parse(text).expect("parts");
        assert_eq!((endpoint.as_str(), key.secret()), ("https://a.documents.azure.com:443/", "abc=="));
    }

    #[test]
    fn a_missing_part_is_named_and_the_key_is_not_printed() {
        let error = |text| ConnectionString::parse(text).err().expect("refused").to_string();
        let message = error("AccountKey=secret;");
        assert!(message.contains("AccountEndpoint") && !message.contains("secret"), "{message}");
        let message = error("AccountEndpoint=https://a/;AccountKey=");
        assert!(message.contains("AccountKey"), "{message}");
        let message = error("AccountEndpoint=nowhere;AccountKey=secret");
        assert!(message.contains("nowhere") && !message.contains("secret"), "{message}");
        let connection = ConnectionString::parse("AccountEndpoint=https://a/;AccountKey=secret").expect("read");
        assert!(!format!("{:?}", Connection::Key(connection)).contains("secret"));
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
        let error = connect(&connection).await.map(drop).expect_err("not an account");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    }
}
