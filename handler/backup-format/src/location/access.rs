//! Credentials for backup locations. A job stores only the path or URL of its location; the credentials are settings of the
//! process that runs it. So no secret is stored with a job or a backup.

use std::fmt;
use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use azure_core::http::Url;

use super::backup_location::BackupLocation;
use super::connection_string::StorageAccount;
use crate::error::{Error, ErrorKind};

/// The domains of Azure Storage in the public cloud and in the national clouds. The host of an account is a name below one of them.
const STORAGE_DOMAINS: [&str; 5] = [
    "blob.core.windows.net",
    "blob.core.usgovcloudapi.net",
    "blob.core.chinacloudapi.cn",
    "blob.core.cloudapi.de",
    // Accounts with an endpoint in an Azure DNS zone.
    "blob.storage.azure.net",
];

/// What a process can access: its credentials and its machine.
#[derive(Clone, Default)]
pub struct LocationAccess {
    /// The connection string of the storage account. Without one, the identity is used.
    pub connection_string: Option<String>,
    /// The identity for storage accounts.
    pub identity: Option<Arc<dyn TokenCredential>>,
    /// Hosts that the token of the identity may be sent to besides those of Azure Storage, each `host` or `host:port`.
    pub token_hosts: Vec<String>,
    /// The name of this machine, if its folders can be locations.
    pub host: Option<String>,
}

impl LocationAccess {
    /// The location with this folder path or blob URL.
    ///
    /// # Errors
    /// [`PlaceNotAllowed`](ErrorKind::PlaceNotAllowed) when the token of the identity must not be sent there, or it is outside of the
    /// account of the connection string; also when this process cannot access the location, or the URL contains a secret.
    pub fn open(&self, location: &str) -> Result<BackupLocation, Error> {
        let refused = |message: &str| Error::invalid(format!("opening {}", printable(location)), message);
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
        if has_user(location) {
            return Err(refused(
                "the URL has a user name or a password, which must not be stored with a job; use the URL without it, and set CHANGEFEED_BACKUP_STORAGE",
            ));
        }
        if location.contains('?') {
            return Err(refused(
                "the URL has a query, and a SAS must not be stored with a job; use the URL without it, and set CHANGEFEED_BACKUP_STORAGE to BlobEndpoint=…;SharedAccessSignature=…",
            ));
        }
        match &self.connection_string {
            Some(connection_string) => BackupLocation::blobs_by_connection_string(connection_string, location),
            None if self.identity.is_some() && !self.may_send_token(location) => Err(Error::new(
                ErrorKind::PlaceNotAllowed,
                format!("opening {}", printable(location)),
                "the token of the identity is sent only to hosts of Azure Storage, such as account.blob.core.windows.net, over https; add \
                 another host to the setting CHANGEFEED_BACKUP_HOSTS",
            )),
            None => BackupLocation::blobs(location, self.identity.clone()),
        }
    }

    /// Whether the token of the identity may be sent to the host of a URL.
    fn may_send_token(&self, location: &str) -> bool {
        let Ok(url) = Url::parse(location) else { return false };
        let Some(host) = url.host_str().map(str::to_lowercase) else { return false };
        let with_port = url.port().map(|port| format!("{host}:{port}"));
        let is_listed = |listed: &String| *listed == host || with_port.as_ref() == Some(listed);
        let account = STORAGE_DOMAINS.iter().find_map(|domain| host.strip_suffix(domain)?.strip_suffix('.'));
        let is_storage = account.is_some_and(|account| !account.is_empty()) && url.scheme() == "https";
        is_storage || self.token_hosts.iter().any(is_listed)
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

/// A location without the parts of a URL that may contain a secret: the user, the query and the fragment.
fn printable(location: &str) -> String {
    let start = location.split(['?', '#']).next().unwrap_or_default();
    match start.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            format!("{scheme}://{host}{path}")
        }
        None => start.to_owned(),
    }
}

/// Whether a URL has a user name or a password before its host.
fn has_user(location: &str) -> bool {
    let authority =
        location.split_once("://").map(|(_, rest)| rest.split(['/', '?', '#', '\\']).next().unwrap_or_default());
    authority.is_some_and(|authority| authority.contains('@'))
}

impl fmt::Debug for LocationAccess {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LocationAccess")
            .field("connection_string", &self.connection_string.as_ref().map(|_| "…"))
            .field("identity", &self.identity.is_some())
            .field("token_hosts", &self.token_hosts)
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
        for (location, shown) in [
            ("https://me:c2VjcmV0@a.blob.core.windows.net/c/p", "opening https://a.blob.core.windows.net/c/p: "),
            ("https://c2VjcmV0@a.blob.core.windows.net", "opening https://a.blob.core.windows.net: "),
            ("https://a.blob.core.windows.net/c#?c2VjcmV0", "opening https://a.blob.core.windows.net/c: "),
        ] {
            let error = access.open(location).expect_err("refused").to_string();
            assert!(error.starts_with(shown) && !error.contains("c2VjcmV0"), "{error}");
        }
    }

    #[derive(Debug)]
    struct NoToken;

    #[async_trait::async_trait]
    impl TokenCredential for NoToken {
        async fn get_token(
            &self,
            _: &[&str],
            _: Option<azure_core::credentials::TokenRequestOptions<'_>>,
        ) -> azure_core::Result<azure_core::credentials::AccessToken> {
            unreachable!("nothing is sent")
        }
    }

    #[test]
    fn the_token_of_the_identity_goes_to_hosts_of_azure_storage_and_to_listed_hosts_only() {
        let access = LocationAccess {
            identity: Some(Arc::new(NoToken)),
            token_hosts: vec!["backups.example.com".into(), "127.0.0.1:10000".into()],
            ..Default::default()
        };
        for location in [
            "https://account.blob.core.windows.net/c/p",
            "https://ACCOUNT.Blob.Core.Windows.net/c/p",
            "https://account.z01.blob.storage.azure.net/c/p",
            "https://account.blob.core.usgovcloudapi.net/c/p",
            "https://backups.example.com/c/p",
            "http://127.0.0.1:10000/account/c/p",
        ] {
            assert!(access.open(location).is_ok(), "{location}");
        }
        for location in [
            "https://evil.example.com/c/p",
            "https://blob.core.windows.net/c/p",
            "https://accountblob.core.windows.net/c/p",
            "https://account.blob.core.windows.net.evil.example.com/c/p",
            "https://account.queue.core.windows.net/c/p",
            "http://account.blob.core.windows.net/c/p",
            "http://127.0.0.1:10001/account/c/p",
            "http://127.0.0.1/account/c/p",
            "https://sub.backups.example.com/c/p",
        ] {
            let error = access.open(location).map(drop).expect_err(location);
            assert_eq!(error.kind(), ErrorKind::PlaceNotAllowed, "{location}: {error}");
        }
    }

    #[test]
    fn an_account_of_a_national_cloud_is_below_a_domain_of_azure_storage() {
        let access = LocationAccess { identity: Some(Arc::new(NoToken)), ..Default::default() };
        for domain in [
            "blob.core.windows.net",
            "blob.core.usgovcloudapi.net",
            "blob.core.chinacloudapi.cn",
            "blob.core.cloudapi.de",
            "z01.blob.storage.azure.net",
        ] {
            let location = format!("https://account.{domain}/c/p");
            assert!(access.open(&location).is_ok(), "{location}");
            for other in [format!("http://account.{domain}/c/p"), format!("https://account.{domain}.example.com/c/p")] {
                let error = access.open(&other).map(drop).expect_err("another place");
                assert_eq!(error.kind(), ErrorKind::PlaceNotAllowed, "{other}: {error}");
            }
        }
        assert_eq!(STORAGE_DOMAINS.len(), 5, "each domain is in the list above");
    }

    #[test]
    fn a_url_with_a_user_is_rejected_whatever_the_credentials() {
        for access in
            [LocationAccess { identity: Some(Arc::new(NoToken)), ..Default::default() }, LocationAccess::default()]
        {
            let location = "https://account.blob.core.windows.net@evil.example.com/c/p";
            let error = access.open(location).map(drop).expect_err("refused");
            assert!(error.to_string().contains("user name"), "{error}");
        }
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
