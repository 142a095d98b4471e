//! The connection to Cosmos DB, read as the Functions trigger reads its `connection`: a connection string, or the settings
//! of an identity.

use std::fmt;
use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use changefeed_cosmos::{
    Account, Connect, Connection, ConnectionString, Error, Identity, TokenCredential, token_credential,
};
use changefeed_operations::Connections;
use futures::FutureExt;

use super::raw_settings::RawSettings;
use super::setting_value::invalid;

const NAME: &str = "CosmosDB";

/// The connection in the settings: `CosmosDB` with an endpoint and a key, or `CosmosDB__accountEndpoint` and related
/// settings.
#[derive(Clone)]
pub struct ConnectionSettings(Connection);

impl ConnectionSettings {
    /// Reads the connection. `AzureWebJobsCosmosDB` takes precedence over `CosmosDB`, and a connection string over an
    /// endpoint.
    pub fn read(source: &RawSettings) -> Result<Self> {
        Self::named(source, NAME)
    }

    /// Reads the connection of this name.
    fn named(source: &RawSettings, name: &str) -> Result<Self> {
        let sections = [format!("AzureWebJobs{name}"), name.to_owned()];
        for section in &sections {
            if let Some(text) = source.get(section) {
                let connection = ConnectionString::parse(text.expose());
                let connection = connection.map_err(|error| anyhow!("setting {section}: {}", error.message()))?;
                return Ok(Self(Connection::Key(connection)));
            }
            if let Some(endpoint) = source.get(&format!("{section}__accountEndpoint")) {
                let connection = Connection::with_identity(endpoint.expose(), identity_settings(source, section)?);
                let connection =
                    connection.map_err(|error| anyhow!("setting {section}__accountEndpoint: {}", error.message()))?;
                return Ok(Self(connection));
            }
        }
        bail!(
            "no connection to Cosmos DB: set {name} to a connection string, or {name}__accountEndpoint to the URL of the account"
        )
    }
}

fn identity_settings(source: &RawSettings, section: &str) -> Result<Identity> {
    let part = |name: &str| source.get(&format!("{section}__{name}")).map(|value| value.expose().to_owned());
    let (tenant_id, client_id) = (part("tenantId"), part("clientId"));
    // Both become part of URLs and of errors. A secret that was put there by mistake would be printed.
    if tenant_id.as_ref().is_some_and(|tenant| !is_guid(tenant) && !is_domain(tenant)) {
        return Err(invalid(
            &format!("{section}__tenantId"),
            "the GUID of a tenant and its domain, such as contoso.onmicrosoft.com",
        ));
    }
    if client_id.as_ref().is_some_and(|client| !is_guid(client)) {
        return Err(invalid(&format!("{section}__clientId"), "GUIDs, such as 00000000-0000-0000-0000-000000000000"));
    }
    Ok(match (part("credential").as_deref(), tenant_id, client_id, part("clientSecret")) {
        (Some("managedidentity"), _, client_id, _) => Identity::Managed(client_id),
        (Some("workloadidentity"), tenant_id, client_id, _) => Identity::Workload { tenant_id, client_id },
        (Some(_), ..) => {
            return Err(invalid(&format!("{section}__credential"), "managedidentity, workloadidentity, or nothing"));
        }
        (None, Some(tenant_id), Some(client_id), Some(client_secret)) => {
            Identity::ClientSecret { tenant_id, client_id, client_secret }
        }
        (None, None, client_id, None) if in_azure(source) => Identity::Managed(client_id),
        (None, None, None, None) => Identity::DeveloperTools,
        (None, ..) => bail!(
            "settings {section}__tenantId, {section}__clientId and {section}__clientSecret must be set together; for a user-assigned identity set {section}__credential=managedidentity"
        ),
    })
}

fn is_guid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && text.chars().all(|character| character.is_ascii_hexdigit() || character == '-')
}

fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.chars().all(|character| character.is_ascii_alphanumeric() || character == '-')
    };
    text.contains('.') && text.len() <= 253 && text.split('.').all(is_label)
}

/// Whether the platform provides a managed identity.
fn in_azure(source: &RawSettings) -> bool {
    ["IDENTITY_ENDPOINT", "MSI_ENDPOINT"].iter().any(|name| source.get(name).is_some())
}

impl fmt::Display for ConnectionSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

impl fmt::Debug for ConnectionSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

/// A function that connects to the account.
pub fn connect(ConnectionSettings(connection): ConnectionSettings, preferred_regions: Vec<String>) -> Connect {
    Box::new(move || {
        let (connection, regions) = (connection.clone(), preferred_regions.clone());
        async move { changefeed_cosmos::connect(&connection, &regions).await }.boxed()
    })
}

/// Finds the accounts of other connections in the settings.
pub fn connections(source: &RawSettings, preferred_regions: &[String]) -> Connections {
    let (source, regions) = (source.clone(), preferred_regions.to_vec());
    Connections::new(move |name| {
        let invalid = |message: String| Error::invalid("connecting to another account", message);
        // The name becomes that of settings, which a message may have.
        if name.is_empty() || !name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_') {
            return Err(invalid(
                "the name of a connection has ASCII letters, digits and _, such as OldCosmosDB".to_owned(),
            ));
        }
        let connection = ConnectionSettings::named(&source, name).map_err(|error| invalid(error.to_string()))?;
        Ok(Account::new(connect(connection, regions.clone())))
    })
}

/// The credential for other services: the one for Cosmos DB, if that is an identity.
pub fn identity(source: &RawSettings) -> Option<Arc<dyn TokenCredential>> {
    let identity = match ConnectionSettings::read(source) {
        Ok(ConnectionSettings(Connection::Identity { identity, .. })) => identity,
        _ if in_azure(source) => Identity::Managed(None),
        _ => Identity::DeveloperTools,
    };
    token_credential(identity).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<const N: usize>(values: [(&str, &str); N]) -> Result<String, String> {
        ConnectionSettings::read(&RawSettings::from(values))
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
        let client = ("CosmosDB__clientId", "00000000-0000-0000-0000-00000000000c");
        let managed = [ENDPOINT, ("CosmosDB__credential", "managedidentity"), client];
        assert_eq!(read(managed), Ok("managed identity at https://a.documents.azure.com/".into()));
        let workload = [ENDPOINT, ("CosmosDB__credential", "workloadidentity")];
        assert_eq!(read(workload), Ok("workload identity at https://a.documents.azure.com/".into()));
        let secret =
            [ENDPOINT, ("CosmosDB__tenantId", "contoso.onmicrosoft.com"), client, ("CosmosDB__clientSecret", "s")];
        assert_eq!(read(secret), Ok("client secret at https://a.documents.azure.com/".into()));
    }

    #[test]
    fn what_is_wrong_with_a_connection_is_named() {
        assert!(read([]).expect_err("none").contains("CosmosDB__accountEndpoint"));
        assert!(read([("CosmosDB", "AccountEndpoint=https://k/;")]).expect_err("no key").contains("AccountKey"));
        let message = read([("CosmosDB__accountEndpoint", "hunter2 is no url")]).expect_err("url");
        assert!(message.contains("CosmosDB__accountEndpoint: the endpoint is not a URL"), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
        let message = read([ENDPOINT, ("CosmosDB__credential", "hunter2")]).expect_err("credential");
        assert!(message.contains("allowed are managedidentity") && !message.contains("hunter2"), "{message}");
        let tenant = ("CosmosDB__tenantId", "00000000-0000-0000-0000-00000000000a");
        assert!(read([ENDPOINT, tenant]).expect_err("partial").contains("set together"));
        for name in ["CosmosDB__tenantId", "CosmosDB__clientId"] {
            let message = read([ENDPOINT, (name, "hunter2")]).expect_err("no GUID");
            assert!(message.contains(name) && !message.contains("hunter2"), "{message}");
        }
    }
}
