//! Access to the storage account of backups: by a connection string, or by the identity that is used for Cosmos DB.

use anyhow::{Result, anyhow};
use changefeed_backup_format::LocationAccess;

use super::connection::identity;
use super::raw_settings::RawSettings;
use super::setting_value::invalid;
use super::table::{BACKUP_HOSTS, BACKUP_STORAGE};

/// Reads the access to locations of backups. It does not need the settings of Cosmos DB.
///
/// # Errors
/// When the connection string is incomplete, or a host is not one.
pub fn locations(source: &RawSettings) -> Result<LocationAccess> {
    let connection_string = source.get(BACKUP_STORAGE.name).map(|value| value.expose().to_owned());
    let identity = if connection_string.is_some() { None } else { identity(source) };
    let token_hosts = match source.get(BACKUP_HOSTS.name) {
        Some(hosts) => token_hosts(hosts.printable(BACKUP_HOSTS.name)?)?,
        None => Vec::new(),
    };
    let locations = LocationAccess { connection_string, identity, token_hosts, host: None };
    locations.account().map_err(|message| {
        anyhow!(
            "setting {}: {message}; use the connection string of a storage account: \
             DefaultEndpointsProtocol=https;AccountName=…;AccountKey=…, or BlobEndpoint=…;SharedAccessSignature=…",
            BACKUP_STORAGE.name
        )
    })?;
    Ok(locations)
}

fn token_hosts(text: &str) -> Result<Vec<String>> {
    let hosts = text.split(',').map(str::trim).filter(|host| !host.is_empty());
    let host = |host: &str| {
        let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
        let is_name = !name.is_empty()
            && name.chars().all(|character| character.is_ascii_alphanumeric() || ".-".contains(character));
        if !is_name || port.is_some_and(|port| port.parse::<u16>().is_err()) {
            return Err(invalid(
                BACKUP_HOSTS.name,
                "host names separated by commas, each with a port if it is not the usual one: backups.example.com,10.0.0.4:10000",
            ));
        }
        Ok(host.to_ascii_lowercase())
    };
    hosts.map(host).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_separated_by_commas_and_compared_in_lower_case() {
        let hosts = token_hosts(" Backups.Example.com, 10.0.0.4:10000,,").expect("hosts");
        assert_eq!(hosts, ["backups.example.com", "10.0.0.4:10000"]);
        for wrong in
            ["https://backups.example.com", "backups.example.com/container", "a b", "a:65536", "a:b", ":1", "*"]
        {
            let error = token_hosts(wrong).expect_err(wrong).to_string();
            assert!(
                error.contains("CHANGEFEED_BACKUP_HOSTS") && error.contains("backups.example.com,10.0.0.4"),
                "{error}"
            );
        }
    }
}
