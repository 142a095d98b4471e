//! A container of an account, with what leases are named after.

use azure_data_cosmos::clients::ContainerClient;
use azure_data_cosmos::{CosmosClient, ResourceIdentity};

use super::error::{Error, ErrorKind};

/// A container: the one that is monitored, or the one that keeps the leases.
#[derive(Clone)]
pub struct Container {
    pub(super) client: ContainerClient,
    pub(super) name: String,
    pub(super) rid: String,
    pub(super) partition_key_path: String,
    lease_prefix: String,
}

impl std::fmt::Debug for Container {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Container").field("name", &self.name).field("rid", &self.rid).finish_non_exhaustive()
    }
}

impl Container {
    /// Opens a container of a database and reads its definition.
    ///
    /// The client is the SDK's own: [`connect`](crate::connect) makes one of a connection string. With Entra ID, make it of
    /// a credential, with `azure_data_cosmos` in the version that this crate uses:
    ///
    /// ```ignore
    /// let credential = azure_identity::ManagedIdentityCredential::new(None)?;
    /// let account = AccountReference::with_credential("https://….documents.azure.com/".parse()?, credential);
    /// let regions = RoutingStrategy::PreferredRegions(Vec::new());
    /// let client = CosmosClient::builder().build(account, regions).await?;
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such container, and any other kind as the service answers.
    pub async fn open(client: &CosmosClient, database: &str, container: &str) -> Result<Self, Error> {
        let name = format!("{database}/{container}");
        let action = format!("opening container {name}");
        let failed = |error| Error::from_sdk(&action, error);
        let database = client.database_client(ResourceIdentity::Name(database.to_owned()));
        let container = database.container_client(container.to_owned(), None).await.map_err(failed)?;
        let response = container.read(None).await.map_err(failed)?;
        let properties = response.into_model().map_err(failed)?;
        let link = properties.system_properties.self_link.clone().unwrap_or_default();
        let (database_rid, rid) = rids(&link).ok_or_else(|| {
            Error::new(ErrorKind::Invalid, &action, format!("the service sent no usable _self link: {link:?}"))
        })?;
        let host = client.endpoint().host_str().unwrap_or_default();
        Ok(Self {
            client: container,
            lease_prefix: format!("{host}_{database_rid}_{rid}"),
            rid,
            partition_key_path: properties
                .partition_key
                .paths()
                .first()
                .map(|path| path.to_string())
                .unwrap_or_default(),
            name,
        })
    }

    /// `<processor name><account host>_<database rid>_<container rid>`: what the ids of the leases of a processor on
    /// this container start with.
    pub(crate) fn lease_prefix(&self, processor_name: &str) -> String {
        format!("{processor_name}{}", self.lease_prefix)
    }

    /// `<database>/<container>`.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// The resource ids in a self link, `dbs/<database rid>/colls/<container rid>/`.
fn rids(link: &str) -> Option<(String, String)> {
    let mut parts = link.split('/').filter(|part| !part.is_empty());
    match (parts.next()?, parts.next()?, parts.next()?, parts.next()?) {
        ("dbs", database, "colls", container) => Some((database.to_owned(), container.to_owned())),
        _ => None,
    }
}
