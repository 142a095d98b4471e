//! Credentials for backup locations. A job stores only the path or URL of its location; the credentials are settings of the
//! process that runs it. So no secret is stored with a job or a backup.

use std::fmt;
use std::sync::Arc;

use azure_core::credentials::TokenCredential;

use super::backup_location::BackupLocation;
use super::connection_string::StorageAccount;
use crate::error::Error;

/// What a process can access: its credentials and its machine.
#[derive(Clone, Default)]
pub struct LocationAccess {
    /// The connection string of the storage account. Without one, the identity is used.
    pub connection_string: Option<String>,
    /// The identity for storage accounts.
    pub identity: Option<Arc<dyn TokenCredential>>,
    /// The name of this machine, if its folders can be locations.
    pub host: Option<String>,
}

impl LocationAccess {
    /// The location with this folder path or blob URL.
    ///
    /// # Errors
    /// When this process cannot access it, or the URL contains a secret.
    pub fn open(&self, location: &str) -> Result<BackupLocation, Error> {
        let refused = |message: &str| Error::invalid(format!("opening {}", without_query(location)), message);
        if location.is_empty() {
            return Err(Error::invalid("opening a backup location", "the path or URL is empty"));
        }
        if is_folder(location) {
            return match self.host {
                Some(_) => Ok(BackupLocation::folder(location)),
                None => Err(refused(
                    "folders are available only to the command line on their machine; use the URL of blobs: https://account.blob.core.windows.net/container/prefix",
                )),
            };
        }
        if location.contains('?') {
            return Err(refused(
                "the URL has a query, and a SAS must not be stored with a job; use the URL without it, and set CHANGEFEED_BACKUP_STORAGE to BlobEndpoint=…;SharedAccessSignature=…",
            ));
        }
        match &self.connection_string {
            Some(connection_string) => BackupLocation::blobs_by_connection_string(connection_string, location),
            None => BackupLocation::blobs(location, self.identity.clone()),
        }
    }

    /// The blob endpoint in the connection string; none without a connection string.
    ///
    /// # Errors
    /// When the connection string is incomplete.
    pub fn account(&self) -> Result<Option<String>, String> {
        let account = self.connection_string.as_deref().map(StorageAccount::parse).transpose()?;
        Ok(account.map(|account| account.blob_endpoint))
    }

    /// The only machine that can access all of these locations; none if there are no folders among them.
    pub fn required_host<'a>(&self, mut locations: impl Iterator<Item = &'a str>) -> Option<String> {
        locations.any(is_folder).then(|| self.host.clone()).flatten()
    }
}

/// Whether a location is a folder, on any machine.
fn is_folder(location: &str) -> bool {
    !location.contains("://")
}

/// A location without the query of a URL, which may contain a secret.
fn without_query(location: &str) -> &str {
    location.split_once('?').map_or(location, |(start, _)| start)
}

impl fmt::Debug for LocationAccess {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LocationAccess")
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
    fn a_url_with_a_secret_is_rejected_without_printing_it() {
        let access = LocationAccess { connection_string: Some("AccountKey=c2VjcmV0".into()), ..Default::default() };
        let error = access.open("https://a.blob.core.windows.net/c/p?sig=c2VjcmV0").expect_err("refused").to_string();
        assert!(error.contains("CHANGEFEED_BACKUP_STORAGE") && !error.contains("c2VjcmV0"), "{error}");
        assert!(!format!("{access:?}").contains("c2VjcmV0"));
    }

    #[test]
    fn a_folder_belongs_to_one_machine() {
        let nowhere = LocationAccess::default();
        assert!(nowhere.open("/backups/b").expect_err("refused").to_string().contains("URL of blobs"));
        let here = LocationAccess { host: Some("here".into()), ..Default::default() };
        assert!(here.open("/backups/b").is_ok());
        assert_eq!(here.required_host(["/backups/b"].into_iter()), Some("here".into()));
        assert_eq!(here.required_host(["https://a/b"].into_iter()), None);
    }
}
