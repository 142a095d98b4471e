//! A container of an account: the monitored container, or the one that stores the leases.

use changefeed_cosmos::{Account, Client, Connection, ConnectionString, Error, LazyContainer};
use tokio::time::Instant;

/// Connects with a connection string, `AccountEndpoint=https://…/;AccountKey=…;`. Other parts are ignored. Regions are
/// used in the account's own order.
///
/// # Errors
/// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) when a part is missing or malformed, and any kind when the account
/// cannot be read.
pub async fn connect(connection_string: &str) -> Result<Client, Error> {
    changefeed_cosmos::connect(&Connection::Key(ConnectionString::parse(connection_string)?), &[]).await
}

/// A container with its definition as it was when it was opened.
#[derive(Clone, Debug)]
pub struct Container {
    pub(crate) items: changefeed_cosmos::Container,
    pub(crate) resource_id: String,
    name: String,
    host: String,
    lease_scope: String,
    by_name: LazyContainer,
}

impl Container {
    /// Opens a container of a database and reads its definition.
    ///
    /// [`connect`] makes a client from a connection string. With Entra ID, make it from an identity:
    ///
    /// ```no_run
    /// use changefeed_cosmos::{Connection, Identity};
    ///
    /// # async fn example() -> Result<(), changefeed_processor::Error> {
    /// let connection = Connection::with_identity("https://….documents.azure.com/", Identity::Managed(None))?;
    /// let client = changefeed_cosmos::connect(&connection, &[]).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when the container does not exist, and any other kind as the
    /// service answers.
    pub async fn open(client: &Client, database: &str, container: &str) -> Result<Self, Error> {
        // Without the port, as in .NET.
        let host = client.sdk().endpoint().host_str().unwrap_or_default().to_owned();
        Self::with_name(LazyContainer::new(Account::connected(client.clone()), database, container), host).await
    }

    /// The container that has this name now: another one if it was deleted and created again. Where its definition cannot be
    /// read at the moment, the container as it is known.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when no container has this name, and any other kind that a later
    /// attempt would have too.
    pub(crate) async fn reopened(&self) -> Result<Self, Error> {
        self.by_name.definition_since(Instant::now()).await?;
        self.current().await
    }

    /// Like [`Self::reopened`], with a definition that is up to a minute old.
    pub(crate) async fn current(&self) -> Result<Self, Error> {
        Self::with_name(self.by_name.clone(), self.host.clone()).await
    }

    async fn with_name(by_name: LazyContainer, host: String) -> Result<Self, Error> {
        let items = by_name.open().await?;
        let name = format!("{}/{}", by_name.database(), by_name.name());
        let link = items.definition().self_link.as_str();
        let (database_id, resource_id) = resource_ids(link).ok_or_else(|| {
            Error::corrupt(format!("opening container {name}"), format!("the service sent the _self link {link:?}"))
        })?;
        Ok(Self {
            lease_scope: format!("{host}_{database_id}_{resource_id}"),
            resource_id: resource_id.to_owned(),
            name,
            host,
            items,
            by_name,
        })
    }

    /// `<database>/<container>`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `<account host>_<database rid>_<container rid>`: what the ids of the leases on this container have in common.
    pub(crate) fn lease_scope(&self) -> &str {
        &self.lease_scope
    }

    /// Whether both are one container, and not one that was deleted and another one with its name.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.lease_scope == other.lease_scope
    }
}

/// The resource ids in a self link, `dbs/<database rid>/colls/<container rid>/`.
fn resource_ids(link: &str) -> Option<(&str, &str)> {
    let mut parts = link.split('/').filter(|part| !part.is_empty());
    match (parts.next()?, parts.next()?, parts.next()?, parts.next()?) {
        ("dbs", database, "colls", container) => Some((database, container)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resource_ids_are_read_from_a_self_link() {
        assert_eq!(resource_ids("dbs/4PVyAA==/colls/4PVyAMLC7SM=/"), Some(("4PVyAA==", "4PVyAMLC7SM=")));
        for unusable in ["", "dbs/4PVyAA==/", "dbs/4PVyAA==/users/4PVyAMLC7SM=/"] {
            assert_eq!(resource_ids(unusable), None, "{unusable}");
        }
    }
}
