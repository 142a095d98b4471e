//! Reads which documents are erased, and remembers it for a while.

use std::collections::HashSet;
use std::sync::Arc;

use changefeed_cosmos::{Container, DocumentName, Error, ErrorKind, KeyPath, LazyContainer, retry};
use hmac::{Hmac, Mac};
use serde_json::json;
use sha2::Sha256;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::ErasureOptions;
use super::delivered::{canonical, images};
use super::erased_record::{DIGITS, Head, ID, Shard, load, shard_id};

/// The source of the documents. There is one.
const SOURCE: &str = "default";
/// The bytes of an HMAC that are stored.
const HASH_BYTES: usize = 16;

/// The erased documents of a history. Clones share what was read.
#[derive(Clone, Debug)]
pub struct Erased(Arc<Source>);

/// Where the erased documents are recorded, and what was read of them.
#[derive(Debug)]
struct Source {
    jobs: LazyContainer,
    options: ErasureOptions,
    read: Mutex<Option<Read>>,
}

/// What was read.
#[derive(Debug)]
struct Read {
    /// Before the request was sent.
    at: Instant,
    revision: Option<u64>,
    set: Arc<ErasedSet>,
}

impl Erased {
    /// The erased documents that the jobs container records.
    pub(crate) fn new(jobs: LazyContainer, options: ErasureOptions) -> Self {
        Self(Arc::new(Source { jobs, options, read: Mutex::default() }))
    }

    /// The container of the records.
    pub(super) fn jobs(&self) -> &LazyContainer {
        &self.0.jobs
    }

    /// How long it takes until an erasure is known everywhere.
    pub fn options(&self) -> ErasureOptions {
        self.0.options
    }

    /// The erased documents, as they were at most [`ErasureOptions::refresh`] ago. Most calls send no request. One in that time reads
    /// one small record, and the HMACs if they have changed.
    ///
    /// # Errors
    /// When the jobs container cannot be read before the deadline: then no document may be written.
    pub async fn current(&self, deadline: Instant) -> Result<Arc<ErasedSet>, Error> {
        let mut read = self.0.read.lock().await;
        if let Some(read) = read.as_ref().filter(|read| read.at.elapsed() < self.0.options.refresh) {
            return Ok(Arc::clone(&read.set));
        }
        let at = Instant::now();
        let head = match self.0.jobs.open().await {
            Ok(jobs) => retry(deadline, || load::<Head>(&jobs, ID)).await?.map(|(head, _)| (jobs, head)),
            // Without a jobs container nothing was erased.
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let revision = head.as_ref().map(|(_, head)| head.revision);
        let set = match (head, read.as_ref()) {
            (_, Some(known)) if known.revision == revision => Arc::clone(&known.set),
            (None, _) => Arc::default(),
            (Some((jobs, head)), _) => Arc::new(retry(deadline, || ErasedSet::load(&jobs, &head)).await?),
        };
        *read = Some(Read { at, revision, set: Arc::clone(&set) });
        Ok(set)
    }

    /// The next call of [`Self::current`] reads again.
    pub(super) async fn forget(&self) {
        *self.0.read.lock().await = None;
    }
}

/// The erased documents, by their HMACs.
#[derive(Debug, Default)]
pub struct ErasedSet {
    hashes: HashSet<String>,
    key: Vec<u8>,
}

impl ErasedSet {
    async fn load(jobs: &Container, head: &Head) -> Result<Self, Error> {
        let mut hashes = HashSet::new();
        for digit in DIGITS.chars() {
            let shard = load::<Shard>(jobs, &shard_id(digit)).await?;
            hashes.extend(shard.map(|(shard, _)| shard.hashes).unwrap_or_default());
        }
        Ok(Self { hashes, key: key_of(head)? })
    }

    /// Whether no document is erased.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Whether a document is erased.
    pub fn contains(&self, document: &DocumentName) -> bool {
        !self.is_empty() && self.hashes.contains(&hash(&self.key, document))
    }

    /// Whether an erased document may have been delivered under this name, which the Functions host may have rewritten.
    pub(crate) fn contains_delivered(&self, delivered: &DocumentName) -> bool {
        if self.is_empty() {
            return false;
        }
        let rewritten = hash_as_delivered(&self.key, delivered);
        self.contains(delivered) || rewritten.is_some_and(|hash| self.hashes.contains(&hash))
    }

    /// Whether a change as it was delivered may hold an erased document.
    pub(crate) fn is_in(&self, payload: &str, key_paths: &[KeyPath]) -> bool {
        !self.is_empty()
            && images(payload, key_paths).iter().any(|image| {
                let key = image.partition_key.clone();
                let name = key.map(|partition_key| DocumentName { id: image.id.clone(), partition_key });
                name.is_some_and(|name| self.contains_delivered(&name))
            })
    }
}

/// The key of the HMACs.
pub(super) fn key_of(head: &Head) -> Result<Vec<u8>, Error> {
    hex::decode(&head.key).map_err(|error| Error::corrupt("reading the key of the erased documents", error))
}

/// The HMAC of a document's name.
pub(super) fn hash(key: &[u8], document: &DocumentName) -> String {
    hmac(key, &json!([SOURCE, document.partition_key, document.id]).to_string())
}

/// The HMAC of what the host may make of a document's name; `None` where it leaves the name as it is.
pub(super) fn hash_as_delivered(key: &[u8], document: &DocumentName) -> Option<String> {
    let canonical = canonical(document)?;
    Some(hmac(key, &json!([SOURCE, "delivered", canonical.partition_key, canonical.id]).to_string()))
}

fn hmac(key: &[u8], text: &str) -> String {
    // An HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(text.as_bytes());
    hex::encode(&mac.finalize().into_bytes()[..HASH_BYTES])
}

#[cfg(test)]
mod tests {
    use super::*;
    use changefeed_cosmos::Key;

    fn name(id: &str, key: &str) -> DocumentName {
        DocumentName { id: id.into(), partition_key: Key::text(key) }
    }

    #[test]
    fn the_hash_follows_from_the_key_the_id_and_the_partition_key() {
        let first = hash(b"k", &name("1", "a"));
        assert_eq!(first.len(), 2 * HASH_BYTES);
        assert_eq!(first, hash(b"k", &name("1", "a")));
        for other in [hash(b"l", &name("1", "a")), hash(b"k", &name("a", "1")), hash(b"k", &name("1", "b"))] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn a_name_that_the_host_rewrites_is_recognized_in_both_spellings() {
        let stored = name("2024-01-01T10:00:00+02:00", "a");
        let hashes = [hash(b"k", &stored), hash_as_delivered(b"k", &stored).expect("a second hash")].into();
        let set = ErasedSet { hashes, key: b"k".to_vec() };
        let paths = [KeyPath::property("pk")];
        for (id, is_erased) in [
            ("2024-01-01T10:00:00+02:00", true),
            ("2024-01-01T08:00:00Z", true),
            ("2024-01-01T08:00:00.000+00:00", true),
            ("2024-01-01T10:00:00Z", false),
            ("2024-01-01T10:00:00", false),
        ] {
            let payload = json!({"id": id, "pk": "a", "secret": 1}).to_string();
            assert_eq!(set.is_in(&payload, &paths), is_erased, "{id}");
            let envelope =
                json!({"current": {}, "previous": {"id": id, "pk": "a"}, "metadata": {"operationType": "delete"}});
            assert_eq!(set.is_in(&envelope.to_string(), &paths), is_erased, "{id} in an envelope");
        }
        assert_eq!(hash_as_delivered(b"k", &name("1", "a")), None);
    }
}
