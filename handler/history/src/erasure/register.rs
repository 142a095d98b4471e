//! Records that documents are erased, and lifts that.
//!
//! Every write is under an etag and can be repeated. The revision is incremented each time, because an interrupted call may have written
//! HMACs and not the revision.

use std::collections::{BTreeMap, BTreeSet};

use changefeed_cosmos::{Container, DocumentName, Error, ErrorKind, Key, Written, retry, to_item};
use tokio::time::Instant;

use super::erased::{Erased, hash, hash_as_delivered, key_of};
use super::erased_record::{DIGITS, Head, ID, Shard, load, shard_id};

/// What becomes of HMACs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Add,
    Remove,
}

impl Erased {
    /// Records that documents are erased. Returns the HMACs of their names, in their order.
    ///
    /// # Errors
    /// When the jobs container cannot be written before the deadline.
    pub async fn register(&self, documents: &[DocumentName], deadline: Instant) -> Result<Vec<String>, Error> {
        let jobs = self.jobs().open().await?;
        let key = key_of(&self.head(&jobs, deadline).await?)?;
        self.change(&jobs, &key, documents, Change::Add, deadline).await?;
        Ok(documents.iter().map(|document| hash(&key, document)).collect())
    }

    /// Lifts the erasure of documents: they are captured again from now on. Returns the number of those that were erased.
    ///
    /// # Errors
    /// When the jobs container cannot be written before the deadline.
    pub async fn lift(&self, documents: &[DocumentName], deadline: Instant) -> Result<usize, Error> {
        let jobs = self.jobs().open().await?;
        let key = key_of(&self.head(&jobs, deadline).await?)?;
        self.change(&jobs, &key, documents, Change::Remove, deadline).await
    }

    /// The HMACs of the names of documents, in their order; without a record of erased documents none.
    ///
    /// # Errors
    /// When the jobs container cannot be read.
    pub async fn hashes(&self, documents: &[DocumentName]) -> Result<Vec<String>, Error> {
        let Some((head, _)) = load::<Head>(&self.jobs().open().await?, ID).await? else { return Ok(Vec::new()) };
        let key = key_of(&head)?;
        Ok(documents.iter().map(|document| hash(&key, document)).collect())
    }

    /// Records the erased documents of another history here. Returns the number of their HMACs.
    ///
    /// The key of the HMACs is copied too, because the names of the documents are not stored. So it is possible only while nothing was
    /// erased here, and again after it was done.
    ///
    /// # Errors
    /// [`Conflict`](ErrorKind::Conflict) when documents were erased here under another key, and when the containers cannot be read, or
    /// not be written before the deadline.
    pub async fn copy_from(&self, other: &Self, deadline: Instant) -> Result<u64, Error> {
        let (jobs, from) = (self.jobs().open().await?, other.jobs().open().await?);
        let own_id = jobs.own_id(ID);
        let partition = Key::text(&own_id);
        let Some((theirs, _)) = retry(deadline, || load::<Head>(&from, ID)).await? else { return Ok(0) };
        loop {
            match retry(deadline, || load::<Head>(&jobs, ID)).await? {
                Some((own, _)) if own.key == theirs.key => break,
                Some(_) => {
                    let message = "documents were erased in both histories; their names are not stored, so the two lists cannot become one";
                    return Err(Error::new(ErrorKind::Conflict, "copying the erased documents", message));
                }
                None => {
                    let head = to_item(&Head { revision: 0, ..theirs.clone() })?;
                    is_overtaken(retry(deadline, || jobs.create(&partition, &own_id, &head)).await)?;
                }
            }
        }
        let mut copied = 0;
        for digit in DIGITS.chars() {
            let id = shard_id(digit);
            let Some((shard, _)) = retry(deadline, || load::<Shard>(&from, &id)).await? else { continue };
            let hashes: BTreeSet<String> = shard.hashes.into_iter().collect();
            copied += hashes.len() as u64;
            change_shard(&jobs, digit, &hashes, Change::Add, deadline).await?;
        }
        increment_revision(&jobs, deadline).await?;
        self.forget().await;
        Ok(copied)
    }

    /// Whether [`Self::copy_from`] can copy the list of another history.
    ///
    /// # Errors
    /// When the jobs containers cannot be read.
    pub async fn can_copy_from(&self, other: &Self) -> Result<bool, Error> {
        let own = load::<Head>(&self.jobs().open().await?, ID).await?;
        let theirs = load::<Head>(&other.jobs().open().await?, ID).await?;
        Ok(own.zip(theirs).is_none_or(|((own, _), (theirs, _))| own.key == theirs.key))
    }

    /// Whether documents are erased, or were.
    ///
    /// # Errors
    /// When the jobs container cannot be read.
    pub async fn has_any(&self) -> Result<bool, Error> {
        Ok(load::<Head>(&self.jobs().open().await?, ID).await?.is_some())
    }

    /// The record with the key; it is created if it does not exist.
    async fn head(&self, jobs: &Container, deadline: Instant) -> Result<Head, Error> {
        let own_id = jobs.own_id(ID);
        let partition = Key::text(&own_id);
        loop {
            if let Some((head, _)) = retry(deadline, || load(jobs, ID)).await? {
                return Ok(head);
            }
            let head = Head::new();
            let item = to_item(&head)?;
            let created = retry(deadline, || jobs.create(&partition, &own_id, &item)).await;
            if !is_overtaken(created)? {
                return Ok(head);
            }
        }
    }

    /// Changes the HMACs of documents, then the revision. Returns the number of documents whose HMACs were there.
    async fn change(
        &self,
        jobs: &Container,
        key: &[u8],
        documents: &[DocumentName],
        change: Change,
        deadline: Instant,
    ) -> Result<usize, Error> {
        let mut by_digit: BTreeMap<char, BTreeSet<String>> = BTreeMap::new();
        let own: BTreeSet<String> = documents.iter().map(|document| hash(key, document)).collect();
        let delivered = documents.iter().filter_map(|document| hash_as_delivered(key, document));
        for hash in own.iter().cloned().chain(delivered) {
            by_digit.entry(hash.chars().next().unwrap_or_default()).or_default().insert(hash);
        }
        let mut found = 0;
        for (digit, hashes) in by_digit {
            let known = change_shard(jobs, digit, &hashes, change, deadline).await?;
            found += known.intersection(&own).count();
        }
        increment_revision(jobs, deadline).await?;
        self.forget().await;
        Ok(found)
    }
}

/// Changes the HMACs of one record. Returns those of `hashes` that it had.
async fn change_shard(
    jobs: &Container,
    digit: char,
    hashes: &BTreeSet<String>,
    change: Change,
    deadline: Instant,
) -> Result<BTreeSet<String>, Error> {
    let id = shard_id(digit);
    let own_id = jobs.own_id(&id);
    let partition = Key::text(&own_id);
    loop {
        let stored = retry(deadline, || load::<Shard>(jobs, &id)).await?;
        let (shard, etag) = stored.map_or_else(|| (Shard::new(digit), None), |(shard, etag)| (shard, Some(etag)));
        let before: BTreeSet<String> = shard.hashes.iter().cloned().collect();
        let after: BTreeSet<String> = match change {
            Change::Add => before.union(hashes).cloned().collect(),
            Change::Remove => before.difference(hashes).cloned().collect(),
        };
        let known = before.intersection(hashes).cloned().collect();
        if after == before {
            return Ok(known);
        }
        let shard = to_item(&Shard { hashes: after.into_iter().collect(), ..shard })?;
        let written = match &etag {
            Some(etag) => retry(deadline, || jobs.replace(&partition, &own_id, &shard, etag)).await,
            None => retry(deadline, || jobs.create(&partition, &own_id, &shard)).await,
        };
        if !is_overtaken(written)? {
            return Ok(known);
        }
    }
}

async fn increment_revision(jobs: &Container, deadline: Instant) -> Result<(), Error> {
    let own_id = jobs.own_id(ID);
    let partition = Key::text(&own_id);
    loop {
        let Some((head, etag)) = retry(deadline, || load::<Head>(jobs, ID)).await? else {
            return Err(Error::corrupt("recording erased documents", "the record with the key was deleted"));
        };
        let head = to_item(&Head { revision: head.revision + 1, ..head })?;
        if !is_overtaken(retry(deadline, || jobs.replace(&partition, &own_id, &head, &etag)).await)? {
            return Ok(());
        }
    }
}

/// Whether another writer was faster, or the reply to this write was lost.
fn is_overtaken(written: Result<Written, Error>) -> Result<bool, Error> {
    match written {
        Ok(_) => Ok(false),
        Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::PreconditionFailed) => Ok(true),
        Err(error) => Err(error),
    }
}
