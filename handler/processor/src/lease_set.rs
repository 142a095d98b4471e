//! The leases of one processor, to look at, to carry to another lease container, and to set back.

use std::num::NonZeroU32;

use chrono::DateTime;
use serde_json::Value;

use crate::bootstrap::{bootstrap, create};
use crate::clock::Clock;
use crate::cosmos::{Container, Error, ErrorKind, LeaseStore, Position};
use crate::coverage::{gap, overlap};
use crate::lease::{DEFAULT_EXPIRATION, FeedRange, Lease};
use crate::locate::locate;
use crate::mode::ChangeFeedMode;
use crate::start_from::StartFrom;
use crate::topology::successors;

/// The leases of one processor. Nothing here needs, or starts, a running instance.
#[derive(Clone, Debug)]
pub struct LeaseSet {
    pub(crate) monitored: Container,
    pub(crate) leases: LeaseStore,
}

impl LeaseSet {
    /// The leases of the processor of this name on these containers.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the lease container is not partitioned by `/id` or `/partitionKey`.
    pub fn open(processor_name: &str, monitored: Container, leases: Container) -> Result<Self, Error> {
        let leases = LeaseStore::new(leases, monitored.lease_prefix(processor_name), Clock::default())?;
        Ok(Self { monitored, leases })
    }

    /// The clock by which leases expire; by default the system's.
    pub fn clock(self, clock: impl Into<Clock>) -> Self {
        Self { leases: self.leases.with_clock(clock.into()), ..self }
    }

    /// All leases, in the order of their tokens; none when the processor never ran.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn all(&self) -> Result<Vec<Lease>, Error> {
        let mut leases = self.leases.all().await?;
        leases.sort_by(|left, right| left.lease_token.cmp(&right.lease_token));
        Ok(leases)
    }

    /// The first part of the monitored container that no lease covers: nobody reads it. `None` also where there are no
    /// leases, or one does not tell its range.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn gap(&self) -> Result<Option<FeedRange>, Error> {
        let leases = self.leases.all().await?;
        Ok(gap(&leases).filter(|_| !leases.is_empty()))
    }

    /// The first part of the monitored container that more than one lease covers: what changes there is delivered by each
    /// of them. `None` also where leases do not tell their ranges.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn overlap(&self) -> Result<Option<FeedRange>, Error> {
        Ok(overlap(&self.leases.all().await?))
    }

    /// The lease documents, as they are stored, without an owner: for [`Self::import`] into another lease container.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn export(&self) -> Result<Vec<Value>, Error> {
        let document = |mut lease: Lease| {
            (lease.owner, lease.etag, lease.ts) = (None, None, None);
            serde_json::to_value(lease)
                .map_err(|error| Error::new(ErrorKind::Invalid, "exporting the leases", error.to_string()))
        };
        self.all().await?.into_iter().map(document).collect()
    }

    /// Stores leases that were exported, ours or a .NET processor's, of the same monitored container. The processor's
    /// name may be another one than theirs. Tells how many were stored.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when a document is no lease or of another monitored container, when they do not cover it, each
    /// part of it once, or when they are of different modes; [`ErrorKind::Conflict`] when there are leases already and
    /// `overwrite` is not set, or when an instance holds one of them. Nothing is stored in these cases, unless an instance
    /// starts meanwhile.
    pub async fn import(&self, documents: Vec<Value>, overwrite: bool) -> Result<usize, Error> {
        const ACTION: &str = "importing leases";
        let mut imported = Vec::new();
        for document in documents {
            let mut lease = Lease::read(document)
                .map_err(|error| Error::new(ErrorKind::Invalid, ACTION, format!("a document is no lease: {error}")))?;
            if !lease.id.contains(&self.monitored.lease_prefix("")) {
                let message = format!("{} is not a lease of {}", lease.id, self.monitored.name());
                return Err(Error::new(ErrorKind::Invalid, ACTION, message));
            }
            lease.id = self.leases.lease_id(&lease.lease_token);
            (lease.owner, lease.etag, lease.ts, lease.partition_key) = (None, None, None, None);
            lease.timestamp = Some(self.leases.clock().now());
            imported.push(lease);
        }
        let present = self.leases.all().await?;
        if !present.is_empty() && !overwrite {
            let message = format!("there are {} leases already, and they are not to be overwritten", present.len());
            return Err(Error::new(ErrorKind::Conflict, ACTION, message));
        }
        self.nobody_holds(&present, ACTION)?;
        if let Some(flaw) = flaw(&imported) {
            let message = format!("the documents {flaw}; they are of {}", self.monitored.name());
            return Err(Error::new(ErrorKind::Invalid, ACTION, message));
        }
        let taken = |lease: &Lease| {
            let message = format!("lease {} was taken meanwhile; stop every instance first", lease.id);
            Error::new(ErrorKind::Conflict, ACTION, message)
        };
        for lease in &imported {
            match present.iter().find(|there| there.id == lease.id) {
                Some(there) => {
                    let kept = Lease { partition_key: there.partition_key.clone(), ..lease.clone() };
                    let replaced = self.leases.update(there, |current| {
                        let next = Lease { etag: current.etag.clone(), ..kept.clone() };
                        (current.owner == there.owner).then_some(next)
                    });
                    replaced.await?.ok_or_else(|| taken(lease))?;
                }
                None => drop(self.leases.create(lease).await?),
            }
        }
        for lease in present.iter().filter(|there| imported.iter().all(|lease| lease.id != there.id)) {
            self.leases.delete(lease).await?;
        }
        self.leases.mark_initialized().await?;
        Ok(imported.len())
    }

    /// Makes leases for what none covers: somebody deleted some. They start from `start`; the others keep their bookmarks.
    /// Instances may run meanwhile, and take them. Tells how many were made.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for leases of [`ChangeFeedMode::AllVersionsAndDeletes`] and any `start` but now.
    pub async fn repair(&self, start: StartFrom) -> Result<usize, Error> {
        let present = self.leases.all().await?;
        let mode = present.first().map_or(ChangeFeedMode::LatestVersion, Lease::mode);
        self.leases.forget_initialized().await?;
        bootstrap(&self.monitored, &self.leases, start, mode).await?;
        Ok(self.leases.all().await?.len().saturating_sub(present.len()))
    }

    /// Sets every lease back, or forward, to `start`: their bookmarks are forgotten, and whichever instance of this
    /// crate comes next reads from there. (A .NET processor reads from its own configured start.) Tells how many leases
    /// there are.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when an instance holds a lease: stop it first. [`ErrorKind::Invalid`] for leases of
    /// [`ChangeFeedMode::AllVersionsAndDeletes`] and any `start` but now.
    pub async fn reset(&self, start: StartFrom) -> Result<usize, Error> {
        const ACTION: &str = "setting the leases back";
        let leases = self.leases.all().await?;
        self.nobody_holds(&leases, ACTION)?;
        let all_versions = |lease: &&Lease| lease.mode() == ChangeFeedMode::AllVersionsAndDeletes;
        if start != StartFrom::Now
            && let Some(lease) = leases.iter().find(all_versions)
        {
            let message = format!("lease {} is of AllVersionsAndDeletes mode, which can only start from now", lease.id);
            return Err(Error::new(ErrorKind::Invalid, ACTION, message));
        }
        let taken = |lease: &Lease| {
            let message = format!("lease {} was taken meanwhile; stop every instance first", lease.id);
            Error::new(ErrorKind::Conflict, ACTION, message)
        };
        let mut count = 0;
        for lease in &leases {
            let (time, mut parts) = match start {
                StartFrom::Beginning => (Some(DateTime::UNIX_EPOCH), Vec::new()),
                StartFrom::Time(time) => (Some(time), Vec::new()),
                StartFrom::Now => (None, self.newest(lease).await?),
            };
            if parts.len() > 1 {
                let mut parent = lease.clone();
                parent.reset(None);
                count += parts.len();
                for part in successors(&self.monitored, &self.leases, &parent, parts).await? {
                    create(&self.leases, part).await?;
                }
                match self.leases.delete(lease).await {
                    Err(error) if error.kind() == ErrorKind::PreconditionFailed => return Err(taken(lease)),
                    deleted => deleted?,
                }
                continue;
            }
            let continuation = parts.pop().and_then(|(_, continuation)| continuation);
            let updated = self.leases.update(lease, |current| {
                let mut next = current.clone();
                next.reset(time);
                next.owner = None;
                next.continuation_token.clone_from(&continuation);
                (current.owner == lease.owner).then_some(next)
            });
            updated.await?.ok_or_else(|| taken(lease))?;
            count += 1;
        }
        Ok(count)
    }

    /// The bookmarks of a lease that has handled everything: one for each part that its range is in by now.
    async fn newest(&self, lease: &Lease) -> Result<Vec<(FeedRange, Option<String>)>, Error> {
        let mut ranges = match lease.range() {
            Some(range) => vec![range],
            None => vec![locate(&self.monitored, lease, lease.mode()).await?],
        };
        let mut newest = Vec::new();
        while let Some(range) = ranges.pop() {
            let one = Some(NonZeroU32::MIN);
            let page = self.monitored.read_feed(&range, &Position::Now, lease.mode(), one).await?;
            match page.continuation {
                Some(continuation) => newest.push((range, Some(continuation))),
                None => ranges.extend(page.parts),
            }
        }
        Ok(newest)
    }

    fn nobody_holds(&self, leases: &[Lease], action: &str) -> Result<(), Error> {
        let now = self.leases.clock().now();
        let is_held = |lease: &&Lease| !lease.is_expired(now, lease.expiration().unwrap_or(DEFAULT_EXPIRATION));
        let Some(held) = leases.iter().find(is_held) else { return Ok(()) };
        let owner = held.owner.as_deref().unwrap_or_default();
        let message = format!("instance {owner} holds lease {}; stop every instance first", held.id);
        Err(Error::new(ErrorKind::Conflict, action, message))
    }
}

/// Why leases could not be those of one processor.
fn flaw(leases: &[Lease]) -> Option<String> {
    if let Some(gap) = gap(leases) {
        return Some(format!("leave out the range {gap}"));
    }
    if let Some(overlap) = overlap(leases) {
        return Some(format!("cover the range {overlap} more than once"));
    }
    let is_there_before = |(index, lease): &(usize, &Lease)| leases[..*index].iter().any(|other| other.id == lease.id);
    if let Some((_, twice)) = leases.iter().enumerate().find(is_there_before) {
        return Some(format!("have the lease {} more than once", twice.lease_token));
    }
    let mixed = leases.iter().any(|lease| lease.mode() != leases[0].mode());
    mixed.then(|| "are leases of different modes".to_owned())
}
