//! Access to the storage account of backups: by a connection string, or by the identity that is used for Cosmos DB.

use anyhow::{Result, anyhow};
use changefeed_backup_format::LocationAccess;

use super::connection::identity;
use super::source::Source;
use super::table::BACKUP_STORAGE;

/// Reads the access to locations of backups. It does not need the settings of Cosmos DB.
///
/// # Errors
/// When the connection string is incomplete.
pub fn locations(source: &Source) -> Result<LocationAccess> {
    let connection_string = source.get(BACKUP_STORAGE.name).map(str::to_owned);
    let identity = if connection_string.is_some() { None } else { identity(source) };
    let locations = LocationAccess { connection_string, identity, host: None };
    locations.account().map_err(|message| {
        anyhow!(
            "setting {}: {message}; use the connection string of a storage account: \
             DefaultEndpointsProtocol=https;AccountName=…;AccountKey=…, or BlobEndpoint=…;SharedAccessSignature=…",
            BACKUP_STORAGE.name
        )
    })?;
    Ok(locations)
}
