//! How the places of jobs are reached. A job names its place by a path or a URL and nothing more: what signs in is a setting
//! of whoever works on it, so that no secret is ever stored with a job or a backup.

use std::fmt;
use std::sync::Arc;

use azure_core::credentials::TokenCredential;

use super::place::{Place, StorageAccount};
use crate::cosmos::Error;

/// How places are reached.
#[derive(Clone, Default)]
pub struct PlaceAccess {
    /// The connection string of the storage account; the identity without.
    pub connection_string: Option<String>,
    /// Who to be towards storage accounts.
    pub identity: Option<Arc<dyn TokenCredential>>,
    /// The name of this machine, if its folders are places too.
    pub host: Option<String>,
}

impl PlaceAccess {
    /// The place of a folder's path, or of a URL of blobs.
    ///
    /// # Errors
    /// When it cannot be reached from here, or the URL carries a secret.
    pub fn open(&self, place: &str) -> Result<Place, Error> {
        let refused = |message: &str| Error::invalid(format!("finding the place {}", shown(place)), message);
        if place.is_empty() {
            return Err(refused("the name of a place is empty"));
        }
        if is_folder(place) {
            return match self.host {
                Some(_) => Ok(Place::folder(place)),
                None => Err(refused(
                    "it is a folder, which only the command line on its machine reaches; give a URL of blobs: https://account.blob.core.windows.net/container/prefix",
                )),
            };
        }
        if place.contains('?') {
            return Err(refused(
                "the URL has a query, and a job may not keep a SAS: give the URL without it, and put the SAS into the setting CHANGEFEED_BACKUP_STORAGE: BlobEndpoint=…;SharedAccessSignature=…",
            ));
        }
        match &self.connection_string {
            Some(connection_string) => Place::blobs_by_connection_string(connection_string, place),
            None => Place::blobs(place, self.identity.clone()),
        }
    }

    /// Where the storage account of the connection string is.
    ///
    /// # Errors
    /// When the connection string lacks something.
    pub fn account(&self) -> Result<Option<String>, String> {
        let account = self.connection_string.as_deref().map(StorageAccount::parse).transpose()?;
        Ok(account.map(|account| account.blob_endpoint))
    }

    /// The only machine that reaches all of these places, if there are folders among them.
    pub fn only_on<'a>(&self, mut places: impl Iterator<Item = &'a str>) -> Option<String> {
        places.any(is_folder).then(|| self.host.clone()).flatten()
    }
}

/// Whether a place is a folder of some machine.
fn is_folder(place: &str) -> bool {
    !place.contains("://")
}

/// A place without what may be secret in it.
fn shown(place: &str) -> &str {
    place.split_once('?').map_or(place, |(place, _)| place)
}

impl fmt::Debug for PlaceAccess {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PlaceAccess")
            .field("connection_string", &self.connection_string.as_ref().map(|_| "…"))
            .field("identity", &self.identity.is_some())
            .field("host", &self.host)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_with_a_secret_is_refused_and_the_secret_is_not_told() {
        let access = PlaceAccess { connection_string: Some("AccountKey=c2VjcmV0".into()), ..Default::default() };
        let error = access.open("https://a.blob.core.windows.net/c/p?sig=c2VjcmV0").expect_err("refused").to_string();
        assert!(error.contains("CHANGEFEED_BACKUP_STORAGE") && !error.contains("c2VjcmV0"), "{error}");
        assert!(!format!("{access:?}").contains("c2VjcmV0"));
    }

    #[test]
    fn folders_are_places_of_a_machine() {
        let nowhere = PlaceAccess::default();
        assert!(nowhere.open("/backups/b").expect_err("refused").to_string().contains("URL of blobs"));
        let here = PlaceAccess { host: Some("here".into()), ..Default::default() };
        assert!(here.open("/backups/b").is_ok());
        assert_eq!(here.only_on(["/backups/b"].into_iter()), Some("here".into()));
        assert_eq!(here.only_on(["https://a/b"].into_iter()), None);
    }
}
