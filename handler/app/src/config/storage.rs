//! How the storage account with the backups is reached: by a connection string, or by the identity that Cosmos DB is reached
//! with.

use anyhow::{Result, anyhow};
use changefeed_backup_format::LocationAccess;

use super::connection::identity;
use super::settings::BACKUP_STORAGE;
use super::source::Source;

/// Reads how places of backups are reached. Nothing of Cosmos DB is needed for it.
///
/// # Errors
/// When the connection string lacks something.
pub fn places(source: &Source) -> Result<LocationAccess> {
    let connection_string = source.get(BACKUP_STORAGE.name).map(str::to_owned);
    let identity = if connection_string.is_some() { None } else { identity(source) };
    let places = LocationAccess { connection_string, identity, host: None };
    places.account().map_err(|message| {
        anyhow!(
            "setting {}: {message}; allowed is the connection string of a storage account: \
             DefaultEndpointsProtocol=https;AccountName=…;AccountKey=…, or BlobEndpoint=…;SharedAccessSignature=…",
            BACKUP_STORAGE.name
        )
    })?;
    Ok(places)
}
