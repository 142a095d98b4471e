//! The connection to Cosmos DB, read as the Functions trigger reads its `connection`: a connection string, or the settings
//! of an identity.

use std::fmt;
use std::sync::Arc;

use anyhow::{Result, bail};
use azure_core::credentials::{Secret, TokenCredential};
use azure_data_cosmos::{AccountEndpoint, AccountReference, CosmosClient, RoutingStrategy};
use azure_identity::{
    ClientSecretCredential, DeveloperToolsCredential, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId,
};
use changefeed_cosmos::{Connect, Error, ErrorKind};
use futures::FutureExt;

use super::source::Source;

const NAME: &str = "CosmosDB";

/// A connection.
#[derive(Clone)]
pub enum ConnectionSettings {
    /// `CosmosDB`: endpoint and key in one string.
    ConnectionString(String),
    /// `CosmosDB__accountEndpoint` and related settings.
    Identity {
        /// The account's URL.
        endpoint: String,
        /// The credential.
        credential: CredentialSettings,
    },
}

/// The credential of an identity.
#[derive(Clone)]
pub enum CredentialSettings {
    /// The managed identity of the app; with a client id, a user-assigned one.
    ManagedIdentity(Option<String>),
    /// An application with a secret.
    ClientSecret {
        /// Id of the tenant.
        tenant_id: String,
        /// Id of the application.
        client_id: String,
        /// Secret of the application.
        client_secret: String,
    },
    /// The account that is signed in to the developer tools.
    DeveloperTools,
}

impl ConnectionSettings {
    /// Reads the connection. `AzureWebJobsCosmosDB` takes precedence over `CosmosDB`, and a connection string over an
    /// endpoint.
    pub fn read(source: &Source) -> Result<Self> {
        let sections = [format!("AzureWebJobs{NAME}"), NAME.to_owned()];
        for section in &sections {
            if let Some(text) = source.get(section) {
                return Self::of_connection_string(section, text);
            }
            if let Some(endpoint) = source.get(&format!("{section}__accountEndpoint")) {
                return Self::of_identity(source, section, endpoint);
            }
        }
        bail!(
            "no connection to Cosmos DB: set {NAME} to a connection string, or {NAME}__accountEndpoint to the URL of the account"
        )
    }

    fn of_connection_string(section: &str, text: &str) -> Result<Self> {
        let has = |name: &str| text.split(';').any(|part| part.trim().to_lowercase().starts_with(&format!("{name}=")));
        for part in ["AccountEndpoint", "AccountKey"] {
            if !has(&part.to_lowercase()) {
                bail!("setting {section} has no {part}; use AccountEndpoint=https://…/;AccountKey=…;");
            }
        }
        Ok(Self::ConnectionString(text.to_owned()))
    }

    fn of_identity(source: &Source, section: &str, endpoint: &str) -> Result<Self> {
        if let Err(error) = endpoint.parse::<AccountEndpoint>() {
            bail!("setting {section}__accountEndpoint is {endpoint:?}; use the URL of the account: {error}");
        }
        let part = |name: &str| source.get(&format!("{section}__{name}")).map(str::to_owned);
        let credential = match (part("credential").as_deref(), part("tenantId"), part("clientId"), part("clientSecret"))
        {
            (Some("managedidentity"), _, client_id, _) => CredentialSettings::ManagedIdentity(client_id),
            (Some(other), ..) => bail!("setting {section}__credential is {other:?}; allowed is managedidentity"),
            (None, Some(tenant_id), Some(client_id), Some(client_secret)) => {
                CredentialSettings::ClientSecret { tenant_id, client_id, client_secret }
            }
            (None, None, client_id, None) if in_azure(source) => CredentialSettings::ManagedIdentity(client_id),
            (None, None, None, None) => CredentialSettings::DeveloperTools,
            (None, ..) => bail!(
                "settings {section}__tenantId, {section}__clientId and {section}__clientSecret must be set together; for a user-assigned identity set {section}__credential=managedidentity"
            ),
        };
        Ok(Self::Identity { endpoint: endpoint.to_owned(), credential })
    }
}

/// Whether the platform provides a managed identity.
fn in_azure(source: &Source) -> bool {
    ["IDENTITY_ENDPOINT", "MSI_ENDPOINT"].iter().any(|name| source.get(name).is_some())
}

impl fmt::Display for ConnectionSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnectionString(text) => {
                let endpoint =
                    text.split(';').map(str::trim).find(|part| part.to_lowercase().starts_with("accountendpoint="));
                write!(
                    formatter,
                    "key at {}",
                    endpoint.and_then(|part| part.split_once('=')).map_or("?", |(_, url)| url)
                )
            }
            Self::Identity { endpoint, credential } => {
                let credential = match credential {
                    CredentialSettings::ManagedIdentity(_) => "managed identity",
                    CredentialSettings::ClientSecret { .. } => "client secret",
                    CredentialSettings::DeveloperTools => "developer tools",
                };
                write!(formatter, "{credential} at {endpoint}")
            }
        }
    }
}

impl fmt::Debug for ConnectionSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// A function that connects to the account.
pub fn connect(connection: ConnectionSettings) -> Connect {
    Box::new(move || client(connection.clone()).boxed())
}

async fn client(connection: ConnectionSettings) -> Result<CosmosClient, Error> {
    let refused = |error: String| Error::new(ErrorKind::Invalid, "connecting to Cosmos DB", error);
    match connection {
        ConnectionSettings::ConnectionString(text) => changefeed_processor::connect(&text).await.map_err(|error| {
            let kind = match error.kind() {
                changefeed_processor::ErrorKind::Forbidden => ErrorKind::Forbidden,
                changefeed_processor::ErrorKind::Invalid => ErrorKind::Invalid,
                _ => ErrorKind::Unavailable,
            };
            Error::new(kind, "connecting to Cosmos DB", error.to_string())
        }),
        ConnectionSettings::Identity { endpoint, credential } => {
            let credential = token_credential(credential).map_err(|error| refused(error.to_string()))?;
            let endpoint: AccountEndpoint = endpoint.parse().map_err(|error| refused(format!("{error}")))?;
            let account = AccountReference::with_credential(endpoint, credential);
            let client = CosmosClient::builder().build(account, RoutingStrategy::PreferredRegions(Vec::new())).await;
            client.map_err(|error| Error::new(ErrorKind::Unavailable, "connecting to Cosmos DB", error.to_string()))
        }
    }
}

/// The credential for other services: the one for Cosmos DB, if that is an identity.
pub fn identity(source: &Source) -> Option<Arc<dyn TokenCredential>> {
    let credential = match ConnectionSettings::read(source) {
        Ok(ConnectionSettings::Identity { credential, .. }) => credential,
        _ if in_azure(source) => CredentialSettings::ManagedIdentity(None),
        _ => CredentialSettings::DeveloperTools,
    };
    token_credential(credential).ok()
}

fn token_credential(settings: CredentialSettings) -> azure_core::Result<Arc<dyn TokenCredential>> {
    Ok(match settings {
        CredentialSettings::ManagedIdentity(client_id) => {
            let user_assigned_id = client_id.map(UserAssignedId::ClientId);
            ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
                user_assigned_id,
                ..Default::default()
            }))?
        }
        CredentialSettings::ClientSecret { tenant_id, client_id, client_secret } => {
            ClientSecretCredential::new(&tenant_id, client_id, Secret::new(client_secret), None)?
        }
        CredentialSettings::DeveloperTools => DeveloperToolsCredential::new(None)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<const N: usize>(values: [(&str, &str); N]) -> Result<String, String> {
        ConnectionSettings::read(&Source::from(values))
            .map(|connection| connection.to_string())
            .map_err(|error| format!("{error:#}"))
    }

    const ENDPOINT: (&str, &str) = ("CosmosDB__accountEndpoint", "https://a.documents.azure.com/");

    #[test]
    fn a_connection_is_read_as_the_trigger_reads_it() {
        let key = "AccountEndpoint=https://k/;AccountKey=x;";
        assert_eq!(read([("CosmosDB", key)]), Ok("key at https://k/".into()));
        assert_eq!(read([("AzureWebJobsCosmosDB", key), ENDPOINT]), Ok("key at https://k/".into()));
        assert_eq!(read([ENDPOINT]), Ok("developer tools at https://a.documents.azure.com/".into()));
        assert_eq!(
            read([ENDPOINT, ("IDENTITY_ENDPOINT", "http://x")]),
            Ok("managed identity at https://a.documents.azure.com/".into())
        );
        let managed = [ENDPOINT, ("CosmosDB__credential", "managedidentity"), ("CosmosDB__clientId", "c")];
        assert_eq!(read(managed), Ok("managed identity at https://a.documents.azure.com/".into()));
        let secret =
            [ENDPOINT, ("CosmosDB__tenantId", "t"), ("CosmosDB__clientId", "c"), ("CosmosDB__clientSecret", "s")];
        assert_eq!(read(secret), Ok("client secret at https://a.documents.azure.com/".into()));
    }

    #[test]
    fn what_is_wrong_with_a_connection_is_named() {
        assert!(read([]).expect_err("none").contains("CosmosDB__accountEndpoint"));
        assert!(read([("CosmosDB", "AccountEndpoint=https://k/;")]).expect_err("no key").contains("AccountKey"));
        assert!(read([("CosmosDB__accountEndpoint", "not a url")]).expect_err("url").contains("not a url"));
        assert!(
            read([ENDPOINT, ("CosmosDB__credential", "password")])
                .expect_err("credential")
                .contains("allowed is managedidentity")
        );
        assert!(read([ENDPOINT, ("CosmosDB__tenantId", "t")]).expect_err("partial").contains("set together"));
    }
}
