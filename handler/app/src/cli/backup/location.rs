//! Locations of backups as they are given on the command line.

use anyhow::{Context, Result, anyhow};
use changefeed_backup_format::{BackupLocation, LocationAccess};

/// A location as it is stored: the absolute path of a folder, or a blob URL.
pub fn absolute(location: &str) -> Result<String> {
    let location = if location.len() > 1 { location.trim_end_matches('/') } else { location };
    if location.contains("://") {
        return Ok(location.to_owned());
    }
    let path = std::path::absolute(location)
        .with_context(|| format!("invalid location {location:?}; use a folder or a blob URL"))?;
    path.into_os_string().into_string().map_err(|_| anyhow!("the path of {location:?} is not UTF-8"))
}

/// Opens a location. It may contain a SAS, because it is not stored anywhere.
pub fn open_location(access: &LocationAccess, location: &str) -> Result<BackupLocation> {
    if location.contains("://") && location.contains("sig=") {
        return Ok(BackupLocation::blobs(location, None)?);
    }
    Ok(access.open(&absolute(location)?)?)
}
