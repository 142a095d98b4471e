//! Connection strings of storage accounts.
//!
//! Source: "Configure Azure Storage connection strings" in Microsoft's documentation.

use std::fmt;

use azure_core::http::Url;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The public account of the emulator.
const DEVELOPMENT_ACCOUNT: &str = "devstoreaccount1";
const DEVELOPMENT_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const DEVELOPMENT_ENDPOINT: &str = "http://127.0.0.1:10000/devstoreaccount1";

/// The blob endpoint of a storage account, and the credentials.
#[derive(PartialEq)]
pub(super) struct StorageAccount {
    /// Without a trailing slash.
    pub blob_endpoint: String,
    pub credentials: Credentials,
}

/// The credentials in a connection string.
#[derive(PartialEq)]
pub(super) enum Credentials {
    Key { account: String, key: Vec<u8> },
    SharedAccessSignature(String),
}

impl StorageAccount {
    /// Reads a connection string.
    ///
    /// # Errors
    /// Says what is missing or invalid, without any of the values.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let parts = text.split(';').filter_map(|part| part.trim().split_once('='));
        let parts: Vec<(String, &str)> = parts.map(|(name, value)| (name.to_lowercase(), value)).collect();
        let part = |name: &str| {
            parts.iter().find(|(found, _)| found == name).map(|(_, value)| *value).filter(|value| !value.is_empty())
        };
        let development = part("usedevelopmentstorage").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let (account, key) = if development {
            (Some(DEVELOPMENT_ACCOUNT), Some(DEVELOPMENT_KEY))
        } else {
            (part("accountname"), part("accountkey"))
        };
        let blob_endpoint = match (part("blobendpoint"), account) {
            (Some(endpoint), _) => endpoint.to_owned(),
            (None, _) if development => DEVELOPMENT_ENDPOINT.to_owned(),
            (None, Some(account)) => {
                let protocol = part("defaultendpointsprotocol").unwrap_or("https");
                let suffix = part("endpointsuffix").unwrap_or("core.windows.net");
                format!("{protocol}://{account}.blob.{suffix}")
            }
            (None, None) => return Err("the connection string has neither AccountName nor BlobEndpoint".into()),
        };
        let credentials = match (key, part("sharedaccesssignature"), account) {
            (_, Some(signature), _) => Credentials::SharedAccessSignature(signature.trim_start_matches('?').to_owned()),
            (Some(key), None, Some(account)) => {
                let key = STANDARD.decode(key).map_err(|_| "AccountKey in the connection string is not base64")?;
                Credentials::Key { account: account.to_owned(), key }
            }
            _ => {
                return Err("the connection string needs AccountName and AccountKey, or SharedAccessSignature".into());
            }
        };
        if !is_printable(&blob_endpoint) {
            return Err(
                "the blob endpoint in the connection string is not a URL without a user name and a query; use \
                 BlobEndpoint=https://account.blob.core.windows.net"
                    .into(),
            );
        }
        Ok(Self { blob_endpoint: blob_endpoint.trim_end_matches('/').to_owned(), credentials })
    }
}

/// Whether an endpoint is a URL without the parts that could hold a secret, so that messages may have it.
fn is_printable(endpoint: &str) -> bool {
    let Ok(url) = Url::parse(endpoint) else { return false };
    let has_secret_parts =
        !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some();
    matches!(url.scheme(), "https" | "http") && !has_secret_parts
}

impl fmt::Debug for StorageAccount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("StorageAccount").field("blob_endpoint", &self.blob_endpoint).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (String, Option<String>) {
        let account = StorageAccount::parse(text).expect("connection string");
        let name = match account.credentials {
            Credentials::Key { account, key } => {
                assert!(!key.is_empty());
                Some(account)
            }
            Credentials::SharedAccessSignature(signature) => {
                assert_eq!(signature, "sv=1&sig=x%3D");
                None
            }
        };
        (account.blob_endpoint, name)
    }

    #[test]
    fn every_form_of_a_connection_string_is_read() {
        let azure =
            "DefaultEndpointsProtocol=https;AccountName=shop;AccountKey=a2V5==;EndpointSuffix=core.chinacloudapi.cn";
        let azure = azure.replace("a2V5==", "a2V5");
        assert_eq!(parse(&azure), ("https://shop.blob.core.chinacloudapi.cn".into(), Some("shop".into())));
        assert_eq!(
            parse("UseDevelopmentStorage=true"),
            ("http://127.0.0.1:10000/devstoreaccount1".into(), Some("devstoreaccount1".into()))
        );
        let local = "AccountName=devstoreaccount1;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:1/devstoreaccount1/;";
        assert_eq!(parse(local), ("http://127.0.0.1:1/devstoreaccount1".into(), Some("devstoreaccount1".into())));
        let signature = "BlobEndpoint=https://shop.blob.core.windows.net;SharedAccessSignature=?sv=1&sig=x%3D";
        assert_eq!(parse(signature), ("https://shop.blob.core.windows.net".into(), None));
    }

    #[test]
    fn an_incomplete_connection_string_is_rejected_without_its_secrets() {
        for text in [
            "",
            "AccountName=a",
            "AccountKey=c2VjcmV0",
            "AccountName=a;AccountKey=c2VjcmV0!",
            "BlobEndpoint=https://x",
            "BlobEndpoint=https://me:c2VjcmV0@x;SharedAccessSignature=sig=1",
            "BlobEndpoint=https://x?sig=c2VjcmV0;SharedAccessSignature=sig=1",
            "BlobEndpoint=c2VjcmV0;SharedAccessSignature=sig=1",
            "AccountName=me:c2VjcmV0@x/;AccountKey=a2V5",
        ] {
            let message = StorageAccount::parse(text).expect_err("refused");
            assert!(!message.contains("c2VjcmV0"), "{message}");
        }
        let account = StorageAccount::parse("AccountName=a;AccountKey=c2VjcmV0").expect("account");
        assert_eq!(
            format!("{account:?}"),
            r#"StorageAccount { blob_endpoint: "https://a.blob.core.windows.net", .. }"#
        );
    }
}
