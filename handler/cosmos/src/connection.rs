//! From a connection string or an identity to a client.

use std::fmt;
use std::sync::Arc;

use azure_core::credentials::Secret;
pub use azure_core::credentials::TokenCredential;
use azure_core::http::{HttpClient, Url};
use azure_data_cosmos::{AccountEndpoint, AccountReference};
use azure_identity::{
    ClientSecretCredential, DeveloperToolsCredential, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};

use crate::error::{Error, ErrorKind};
use crate::gateway::{Authorization, Gateway};

/// An endpoint and a key: `AccountEndpoint=https://…/;AccountKey=…;`, other parts are ignored. The key is never printed.
#[derive(Clone)]
pub struct ConnectionString {
    endpoint: EndpointUrl,
    key: Secret,
}

/// The URL of an account: `https://<account>.documents.azure.com:443/`. It has no part that could hold a secret, so it can be printed.
#[derive(Clone)]
pub struct EndpointUrl(Url);

impl EndpointUrl {
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) when the text is not the URL of an account. The error does not have the text.
    pub fn parse(text: &str) -> Result<Self, Error> {
        const FORM: &str = "https://<account>.documents.azure.com:443/";
        let url: Url =
            text.trim().parse().map_err(|error| invalid(format!("the endpoint is not a URL ({error}); use {FORM}")))?;
        let has_more = !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some()
            || url.path() != "/";
        if !matches!(url.scheme(), "https" | "http") || !url.has_host() || has_more {
            return Err(invalid(format!(
                "the endpoint is not https:// and a host alone, without a user name, a path or a query; use {FORM}"
            )));
        }
        Ok(Self(url))
    }
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
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
        let endpoint = EndpointUrl::parse(&part("AccountEndpoint")?)?;
        Ok(Self { endpoint, key: Secret::new(part("AccountKey")?) })
    }
}

/// The identity that the program has towards the account.
#[derive(Clone)]
pub enum Identity {
    /// The identity of the app in Azure; by its client id if it is user-assigned.
    Managed(Option<String>),
    /// The identity of a Kubernetes service account. What is not given is in the environment variables that the platform sets
    /// (`AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_FEDERATED_TOKEN_FILE`).
    Workload {
        /// The directory.
        tenant_id: Option<String>,
        /// The application or the user-assigned identity.
        client_id: Option<String>,
    },
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
        endpoint: EndpointUrl,
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
        Ok(Self::Identity { endpoint: EndpointUrl::parse(endpoint)?, identity })
    }

    pub(crate) fn to_sdk(&self) -> Result<AccountReference, Error> {
        Ok(match self {
            Self::Key(ConnectionString { endpoint, key }) => {
                AccountReference::with_authentication_key(AccountEndpoint::from(endpoint.0.clone()), key.clone())
            }
            Self::Identity { endpoint, identity } => {
                let credential = token_credential(identity.clone())?;
                AccountReference::with_credential(AccountEndpoint::from(endpoint.0.clone()), credential)
            }
        })
    }

    /// What sends the requests that the SDK cannot send.
    pub(crate) fn gateway(
        &self,
        has_preferred_regions: bool,
        http: Option<Arc<dyn HttpClient>>,
    ) -> Result<Gateway, Error> {
        let (endpoint, authorization) = match self {
            Self::Key(ConnectionString { endpoint, key }) => (endpoint, Authorization::Key(key.clone())),
            Self::Identity { endpoint, identity } => {
                (endpoint, Authorization::Token(token_credential(identity.clone())?))
            }
        };
        Ok(Gateway::new(endpoint.0.clone(), authorization, has_preferred_regions, http))
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(ConnectionString { endpoint, .. }) => write!(formatter, "key at {endpoint}"),
            Self::Identity { endpoint, identity } => {
                let identity = match identity {
                    Identity::Managed(_) => "managed identity",
                    Identity::Workload { .. } => "workload identity",
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
        Identity::Workload { tenant_id, client_id } => {
            let options = WorkloadIdentityCredentialOptions { tenant_id, client_id, ..Default::default() };
            WorkloadIdentityCredential::new(Some(options)).map(|credential| credential as _)
        }
        Identity::ClientSecret { tenant_id, client_id, client_secret } => {
            ClientSecretCredential::new(&tenant_id, client_id, Secret::new(client_secret), None)
                .map(|credential| credential as _)
        }
        Identity::DeveloperTools => DeveloperToolsCredential::new(None).map(|credential| credential as _),
    };
    credential.map_err(|error| invalid(error.to_string()))
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::Invalid, "reading the connection", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_string_is_read_whatever_the_order_of_its_parts_and_the_padding_of_the_key() {
        let text = "AccountKey=abc==; AccountEndpoint=https://a.documents.azure.com:443/;Other=1";
        let ConnectionString { endpoint, key } = ConnectionString::parse(text).expect("parts");
        assert_eq!((endpoint.0.port_or_known_default(), key.secret()), (Some(443), "abc=="));
        assert_eq!(endpoint.to_string(), "https://a.documents.azure.com/");
    }

    #[test]
    fn a_missing_part_is_named_and_the_key_is_not_printed() {
        let error = |text: &str| ConnectionString::parse(text).err().expect("refused").to_string();
        let message = error("AccountKey=secret;");
        assert!(message.contains("AccountEndpoint") && !message.contains("secret"), "{message}");
        let message = error("AccountEndpoint=https://a/;AccountKey=");
        assert!(message.contains("AccountKey"), "{message}");
        for endpoint in [
            "nowhere-secret",
            "https://me:secret@a.documents.azure.com/",
            "https://secret@a.documents.azure.com/",
            "https://a.documents.azure.com/?sig=secret",
            "https://a.documents.azure.com/#secret",
            "https://a.documents.azure.com/secret",
            "mailto:secret",
        ] {
            let message = error(&format!("AccountEndpoint={endpoint};AccountKey=secret"));
            assert!(message.contains("the endpoint is not") && !message.contains("secret"), "{message}");
        }
        let connection = ConnectionString::parse("AccountEndpoint=https://a/;AccountKey=secret").expect("read");
        assert!(!format!("{:?}", Connection::Key(connection)).contains("secret"));
    }
}
