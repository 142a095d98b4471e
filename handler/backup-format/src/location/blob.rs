//! Blobs below a prefix of a container. This is the only file that names types of the storage SDK.

use std::fmt;
use std::num::NonZero;
use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use azure_core::error::ErrorKind as SdkErrorKind;
use azure_core::http::{
    ClientOptions, ExponentialRetryOptions, HttpClientOptions, RetryOptions, Transport, Url, new_http_client,
};
use azure_storage_blob::models::{
    BlobClientDeleteOptions, BlobClientDownloadOptions, BlobClientUploadOptions, BlobContainerClientListBlobsOptions,
    BlockBlobClientCommitBlockListOptions, BlockLookupList,
};
use azure_storage_blob::{BlobClient, BlobContainerClient, BlobContainerClientOptions};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use percent_encoding::percent_decode_str;

use super::connection_string::{Credentials, StorageAccount};
use super::file::{Chunks, EntryKind, LocationEntry, Revision, add_entry, check_name};
use super::shared_key::SharedKey;
use crate::error::{Error, ErrorKind};

/// Bytes that one request reads.
const DOWNLOAD_BYTES: NonZero<usize> = NonZero::new(4 * 1024 * 1024).expect("not zero");
/// Larger than any file, so that each file is written by one request and is complete or does not exist.
const UPLOAD_BYTES: NonZero<u64> = NonZero::new(256 * 1024 * 1024).expect("not zero");
/// How the codes of errors start that say that a blob is immutable: by a retention policy or by a legal hold.
const IMMUTABLE: &str = "BlobImmutable";
/// The number of retries of a request; all of them together take a few seconds.
const RETRIES: u32 = 5;

/// The blobs whose names start with a prefix.
#[derive(Clone)]
pub(super) struct BlobPrefix {
    /// Its query contains the SAS, if one is used.
    container_url: Url,
    /// The folders of the prefix, without URL encoding.
    folders: Vec<String>,
    identity: Option<Arc<dyn TokenCredential>>,
    options: ClientOptions,
}

impl BlobPrefix {
    pub(super) fn from_url(url: &str, identity: Option<Arc<dyn TokenCredential>>) -> Result<Self, Error> {
        let url = parse(url)?;
        let is_local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if url.scheme() != "https" && !is_local {
            return Err(refused("the URL of a blob location must start with https"));
        }
        let has_signature = url.query_pairs().any(|(name, _)| name == "sig");
        let identity = if has_signature { None } else { identity };
        if !has_signature && identity.is_none() {
            return Err(refused("no credentials; use an identity, a SAS in the URL, or a connection string"));
        }
        // If the host is an IP address or localhost, the first part of the path is the account.
        let is_account_in_path = url.domain().is_none_or(|domain| domain == "localhost");
        Self::new(&url, usize::from(is_account_in_path), identity, ClientOptions::default())
    }

    pub(super) fn from_connection_string(connection_string: &str, location: &str) -> Result<Self, Error> {
        let account = StorageAccount::parse(connection_string).map_err(refused)?;
        let path = if location.contains("://") {
            let within = location.strip_prefix(&account.blob_endpoint).filter(|rest| rest.starts_with('/'));
            within.ok_or_else(|| {
                Error::new(
                    ErrorKind::PlaceNotAllowed,
                    "reading the location of a backup",
                    format!(
                        "the location is not within {}, the account of the connection string",
                        account.blob_endpoint
                    ),
                )
            })?
        } else {
            location
        };
        let endpoint = parse(&account.blob_endpoint)?;
        let mut url = parse(&format!("{}/{}", account.blob_endpoint, path.trim_start_matches('/')))?;
        let mut options = ClientOptions::default();
        match account.credentials {
            Credentials::Key { account, key } => {
                url.set_query(None);
                options.per_try_policies.push(Arc::new(SharedKey { account, key }));
            }
            Credentials::SharedAccessSignature(signature) => url.set_query(Some(&signature)),
        }
        let account_parts = endpoint.path_segments().map_or(0, |parts| parts.filter(|part| !part.is_empty()).count());
        Self::new(&url, account_parts, None, options)
    }

    /// The path has `account_parts` parts of the account, then the container, then the folders of the prefix.
    fn new(
        url: &Url,
        account_parts: usize,
        identity: Option<Arc<dyn TokenCredential>>,
        mut options: ClientOptions,
    ) -> Result<Self, Error> {
        let mut parts = Vec::new();
        for part in url.path_segments().into_iter().flatten().filter(|part| !part.is_empty()) {
            let part =
                percent_decode_str(part).decode_utf8().map_err(|_| refused("the path of the URL is not UTF-8"))?;
            check_name(&part)?;
            parts.push(part.into_owned());
        }
        if parts.len() <= account_parts {
            return Err(refused(
                "the location has no container; use https://account.blob.core.windows.net/container/prefix",
            ));
        }
        let folders = parts.split_off(account_parts + 1);
        let mut container_url = url.clone();
        container_url.set_fragment(None);
        container_url
            .path_segments_mut()
            .map_err(|()| refused("not the URL of a blob container"))?
            .clear()
            .extend(&parts);
        let transport = HttpClientOptions { automatic_decompression: false };
        options.transport.get_or_insert_with(|| Transport::new(new_http_client(Some(transport))));
        let retry = ExponentialRetryOptions { max_retries: RETRIES, ..Default::default() };
        options.retry = RetryOptions::exponential(retry);
        Ok(Self { container_url, folders, identity, options })
    }

    pub(super) fn child(&self, name: &str) -> Self {
        let mut child = self.clone();
        child.folders.push(name.to_owned());
        child
    }

    pub(super) async fn as_file(&self) -> Result<Option<(Self, String)>, Error> {
        let mut parent = self.clone();
        let Some(name) = parent.folders.pop() else { return Ok(None) };
        let exists = parent.exists(&name).await?;
        Ok(exists.then_some((parent, name)))
    }

    pub(super) fn split(&self) -> Option<(Self, String)> {
        let mut parent = self.clone();
        parent.folders.pop().map(|name| (parent, name))
    }

    pub(super) async fn exists(&self, name: &str) -> Result<bool, Error> {
        self.blob(name)?.exists().await.map_err(|error| failure(format!("reading {name} in {self}"), &error))
    }

    /// Uploads a block of a blob. Readers do not see it before [`Self::commit`].
    pub(super) async fn stage(&self, name: &str, block: &[u8], bytes: Bytes) -> Result<(), Error> {
        let blob = self.blob(name)?.block_blob_client();
        let staged = blob.stage_block(block, bytes.len() as u64, bytes.into(), None).await;
        staged.map(drop).map_err(|error| failure(format!("writing {name} in {self}"), &error))
    }

    /// Makes a blob of blocks; `replace`: also if there is one with this name.
    pub(super) async fn commit(&self, name: &str, blocks: Vec<Vec<u8>>, replace: bool) -> Result<(), Error> {
        let action = || format!("creating {name} in {self}");
        let if_none_match = (!replace).then(|| "*".into());
        let options = BlockBlobClientCommitBlockListOptions { if_none_match, ..Default::default() };
        let blocks = BlockLookupList { latest: Some(blocks), ..Default::default() };
        let blocks = blocks.try_into().map_err(|error| failure(action(), &error))?;
        let committed = self.blob(name)?.block_blob_client().commit_block_list(blocks, Some(options)).await;
        committed.map(drop).map_err(|error| match failure(action(), &error) {
            error if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::PreconditionFailed) => {
                Error::new(ErrorKind::Conflict, action(), "the file already exists")
            }
            error => error,
        })
    }

    pub(super) async fn list(&self) -> Result<Vec<LocationEntry>, Error> {
        let action = || format!("listing {self}");
        let prefix: String = self.folders.iter().map(|folder| format!("{folder}/")).collect();
        let options = BlobContainerClientListBlobsOptions { prefix: Some(prefix.clone()), ..Default::default() };
        let mut blobs =
            self.client(&self.container_url)?.list_blobs(Some(options)).map_err(|error| failure(action(), &error))?;
        let mut entries: Vec<LocationEntry> = Vec::new();
        while let Some(blob) = blobs.try_next().await.map_err(|error| failure(action(), &error))? {
            let name = blob.name.unwrap_or_default();
            let Some(name) = name.strip_prefix(&prefix) else { continue };
            let properties = blob.properties.unwrap_or_default();
            let size = properties.content_length.unwrap_or_default();
            let entry = match name.split_once('/') {
                None => {
                    let etag = properties.etag.map(|etag| etag.to_string());
                    LocationEntry { name: name.to_owned(), size, kind: EntryKind::File, revision: etag.map(quoted) }
                }
                Some((folder, _)) => {
                    LocationEntry { name: folder.to_owned(), size: 0, kind: EntryKind::Folder, revision: None }
                }
            };
            // Blobs are listed by name, so those of one folder follow each other.
            if entries.last() != Some(&entry) {
                add_entry(&mut entries, entry, || self.to_string())?;
            }
        }
        Ok(entries)
    }

    pub(super) async fn open(&self, name: &str, offset: u64) -> Result<(Chunks, Revision), Error> {
        let action = format!("reading {name} in {self}");
        let options = BlobClientDownloadOptions {
            parallel: Some(NonZero::<usize>::MIN),
            partition_size: Some(DOWNLOAD_BYTES),
            range: (offset > 0).then(|| (offset..).into()),
            ..Default::default()
        };
        let result = self.blob(name)?.download(Some(options)).await;
        let result = result.map_err(|error| failure(action.clone(), &error))?;
        let revision = revision(result.properties.etag.map(|etag| etag.to_string()));
        let chunks = result.body.map_err(move |error| failure(action.clone(), &error)).boxed();
        Ok((chunks, revision))
    }

    pub(super) async fn create(&self, name: &str, bytes: Bytes) -> Result<Revision, Error> {
        let options = BlobClientUploadOptions { if_none_match: Some("*".into()), ..Default::default() };
        let created = self.upload("creating", name, bytes, options).await;
        created.map_err(|error| match error.kind() {
            ErrorKind::PreconditionFailed => {
                Error::new(ErrorKind::Conflict, format!("creating {name} in {self}"), "the file already exists")
            }
            _ => error,
        })
    }

    pub(super) async fn replace(&self, name: &str, bytes: Bytes, revision: &Revision) -> Result<Revision, Error> {
        let options = BlobClientUploadOptions { if_match: Some(revision.0.as_str().into()), ..Default::default() };
        let replaced = self.upload("replacing", name, bytes, options).await;
        replaced.map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::new(
                ErrorKind::PreconditionFailed,
                format!("replacing {name} in {self}"),
                "the file no longer exists",
            ),
            _ => error,
        })
    }

    async fn upload(
        &self,
        what: &str,
        name: &str,
        bytes: Bytes,
        options: BlobClientUploadOptions<'_>,
    ) -> Result<Revision, Error> {
        let options = BlobClientUploadOptions { partition_size: Some(UPLOAD_BYTES), ..options };
        let result = self.blob(name)?.upload(bytes.into(), Some(options)).await;
        let result = result.map_err(|error| failure(format!("{what} {name} in {self}"), &error))?;
        Ok(revision(result.etag.map(|etag| etag.to_string())))
    }

    pub(super) async fn delete(&self, name: &str, expected: Option<&Revision>) -> Result<(), Error> {
        let if_match = expected.map(|revision| revision.0.as_str().into());
        let options = BlobClientDeleteOptions { if_match, ..Default::default() };
        let action = || format!("deleting {name} in {self}");
        let blob = self.blob(name)?;
        let Err(error) = blob.delete(Some(options)).await.map_err(|error| failure(action(), &error)) else {
            return Ok(());
        };
        // The condition also fails if the blob does not exist, for example because the reply to the delete was lost.
        let is_gone = error.kind() == ErrorKind::NotFound
            || error.kind() == ErrorKind::PreconditionFailed
                && !blob.exists().await.map_err(|error| failure(action(), &error))?;
        if is_gone { Ok(()) } else { Err(error) }
    }

    fn blob(&self, name: &str) -> Result<BlobClient, Error> {
        let mut folder_url = self.container_url.clone();
        folder_url.path_segments_mut().map_err(|()| refused("not the URL of a blob container"))?.extend(&self.folders);
        Ok(self.client(&folder_url)?.blob_client(name))
    }

    fn client(&self, url: &Url) -> Result<BlobContainerClient, Error> {
        let options = BlobContainerClientOptions { client_options: self.options.clone(), ..Default::default() };
        BlobContainerClient::new(url.clone(), self.identity.clone(), Some(options))
            .map_err(|error| failure(format!("reaching {self}"), &error))
    }
}

impl fmt::Display for BlobPrefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut url = self.container_url.clone();
        url.set_query(None);
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.extend(&self.folders);
        }
        url.fmt(formatter)
    }
}

impl fmt::Debug for BlobPrefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "BlobPrefix({self})")
    }
}

fn parse(url: &str) -> Result<Url, Error> {
    let mut url = Url::parse(url).map_err(|error| refused(format!("not a URL: {error}")))?;
    // A password in a URL is a mistake, and would be printed.
    if url.set_username("").and_then(|()| url.set_password(None)).is_err() || url.cannot_be_a_base() {
        return Err(refused("not the URL of a blob container"));
    }
    Ok(url)
}

fn refused(message: impl Into<String>) -> Error {
    Error::invalid("reading the location of a backup", message)
}

fn revision(etag: Option<String>) -> Revision {
    quoted(etag.unwrap_or_default())
}

/// Headers have quotes around an etag, listings do not.
fn quoted(etag: String) -> Revision {
    Revision(if etag.starts_with('"') { etag } else { format!("\"{etag}\"") })
}

fn failure(action: String, error: &azure_core::Error) -> Error {
    let kind = match (error.http_status().map(u16::from), error.kind()) {
        (_, SdkErrorKind::HttpResponse { error_code: Some(code), .. }) if code.starts_with(IMMUTABLE) => {
            ErrorKind::Protected
        }
        (Some(404), _) => ErrorKind::NotFound,
        (Some(409), _) => ErrorKind::Conflict,
        (Some(412), _) => ErrorKind::PreconditionFailed,
        (Some(413), _) => ErrorKind::TooLarge,
        (Some(429), _) => ErrorKind::Throttled,
        (Some(401 | 403), _) | (None, SdkErrorKind::Credential) => ErrorKind::Forbidden,
        (Some(408 | 500..), _) | (None, SdkErrorKind::Connection | SdkErrorKind::Io) => ErrorKind::Unavailable,
        _ => ErrorKind::Invalid,
    };
    // The SDK's error is not stored as the source, because it may contain the URL with a SAS.
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let message = causes.fold(error.to_string(), |message, cause| {
        let cause = cause.to_string();
        if message.contains(&cause) { message } else { format!("{message}: {cause}") }
    });
    Error::new(kind, action, scrub(&message))
}

/// Removes the signatures of SAS tokens from a text.
fn scrub(text: &str) -> String {
    let mut parts = text.split("sig=");
    let mut scrubbed = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let ends = |character: char| character == '&' || character.is_whitespace() || "\"')>,".contains(character);
        scrubbed.push_str("sig=…");
        scrubbed.push_str(part.find(ends).map_or("", |at| &part[at..]));
    }
    scrubbed
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAS: &str = "sv=2025-01-05&se=2030-01-01&sig=c2VjcmV0%3D&sp=rw";

    fn shown(blobs: Result<BlobPrefix, Error>) -> Result<String, String> {
        blobs.map(|blobs| format!("{blobs} {blobs:?}")).map_err(|error| format!("{error} {error:?}"))
    }

    #[test]
    fn a_location_is_printed_without_its_secrets() {
        let shop = "https://shop.blob.core.windows.net/backups/a%20b/c";
        let expected = Ok(format!("{shop} BlobPrefix({shop})"));
        assert_eq!(shown(BlobPrefix::from_url(&format!("{shop}?{SAS}"), None)), expected);
        assert_eq!(shown(BlobPrefix::from_url(&format!("https://me:c2VjcmV0@{}?{SAS}", &shop[8..]), None)), expected);
        let key = "AccountName=shop;AccountKey=c2VjcmV0";
        assert_eq!(shown(BlobPrefix::from_connection_string(key, "backups/a b/c/")), expected);
        assert_eq!(shown(BlobPrefix::from_connection_string(key, shop)), expected);
        let signature = format!("BlobEndpoint=https://shop.blob.core.windows.net/;SharedAccessSignature={SAS}");
        assert_eq!(shown(BlobPrefix::from_connection_string(&signature, "backups/a b/c")), expected);
    }

    #[test]
    fn an_invalid_location_is_rejected_without_its_secrets() {
        for url in [
            "not a url c2VjcmV0",
            "https://shop.blob.core.windows.net/backups",
            "https://shop.blob.core.windows.net/?sig=c2VjcmV0",
            "http://shop.blob.core.windows.net/backups?sig=c2VjcmV0",
            "http://127.0.0.1:10000/devstoreaccount1?sig=c2VjcmV0",
            "mailto:a@b",
        ] {
            let message = shown(BlobPrefix::from_url(url, None)).expect_err(url);
            assert!(!message.contains("c2VjcmV0"), "{message}");
        }
        for elsewhere in ["https://b.blob.core.windows.net/c", "https://a.blob.core.windows.net.evil.example.com/c"] {
            let error = BlobPrefix::from_connection_string("AccountName=a;AccountKey=c2VjcmV0", elsewhere);
            let error = error.expect_err("another account");
            assert_eq!(error.kind(), ErrorKind::PlaceNotAllowed, "{error}");
            assert!(error.to_string().contains("not within https://a.blob"), "{error}");
        }
    }

    #[test]
    fn the_account_is_in_the_path_if_the_host_is_an_address() {
        let local = BlobPrefix::from_url(&format!("http://127.0.0.1:10000/devstoreaccount1/c/p?{SAS}"), None)
            .expect("location");
        assert_eq!((local.container_url.path(), local.folders), ("/devstoreaccount1/c", vec!["p".to_owned()]));
    }

    #[test]
    fn a_signature_is_removed_from_any_text() {
        assert_eq!(
            scrub("url (https://x/y?se=1&sig=abc%3D&sp=r) failed sig=z"),
            "url (https://x/y?se=1&sig=…&sp=r) failed sig=…"
        );
    }

    #[test]
    fn a_failure_has_its_causes_without_secrets() {
        let cause = std::io::Error::other("no route to https://x/y?sig=c2VjcmV0");
        let error = azure_core::Error::with_error(SdkErrorKind::Io, cause, "not sent");
        let error = failure("reading x".into(), &error);
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(error.to_string(), "reading x: not sent: no route to https://x/y?sig=…");
        assert!(!format!("{error:?}").contains("c2VjcmV0"));
    }
}
