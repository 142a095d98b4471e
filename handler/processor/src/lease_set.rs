//! The leases of one processor as a whole: lists, exports, imports, repairs and resets them.

use std::num::NonZeroU32;

use changefeed_cosmos::{Error, ErrorKind};
use chrono::DateTime;
use serde_json::Value;

use crate::bootstrap::{check_start, create, create_vanished};
use crate::container::Container;
use crate::coverage::{gap, overlap};
use crate::feed::Position;
use crate::lease::{DEFAULT_EXPIRATION, FeedRange, Lease};
use crate::lease_store::LeaseStore;
use crate::locate::{locate, partitions};
use crate::mode::ChangeFeedMode;
use crate::orphan;
use crate::start_from::StartFrom;
use crate::topology::successors;
use changefeed_cosmos::Clock;

/// The leases of one processor. No method needs or starts a running instance.
#[derive(Clone, Debug)]
pub struct LeaseSet {
    pub(crate) monitored: Container,
    pub(crate) leases: LeaseStore,
}

impl LeaseSet {
    /// Opens the leases of the processor with this name and these containers.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the processor name contains one of `/ \ ? #`, and when the lease container is not
    /// partitioned by `/id` or `/partitionKey`.
    pub fn open(processor_name: &str, monitored: Container, leases: Container) -> Result<Self, Error> {
        let leases = LeaseStore::new(processor_name, &monitored, leases, Clock::default())?;
        Ok(Self { monitored, leases })
    }

    /// The clock by which leases expire; the system clock by default.
    pub fn clock(self, clock: impl Into<Clock>) -> Self {
        Self { leases: self.leases.with_clock(clock.into()), ..self }
    }

    /// The leases on the containers that have these names now, with definitions that are up to a minute old.
    pub(crate) async fn current(&self) -> Result<Self, Error> {
        let monitored = self.monitored.current().await?;
        let leases = self.leases.reopened(&monitored, self.leases.container().current().await?)?;
        Ok(Self { monitored, leases })
    }

    /// All leases, ordered by lease token; empty if the processor never ran.
    ///
    /// # Errors
    /// When the leases cannot be read.
    pub async fn all(&self) -> Result<Vec<Lease>, Error> {
        let mut leases = self.leases.all().await?;
        leases.sort_by(|left, right| left.lease_token.cmp(&right.lease_token));
        Ok(leases)
    }

    /// The first part of the monitored container that no lease covers, so that no instance reads it. `None` also when
    /// there are no leases, or when a lease does not record its range.
    ///
    /// # Errors
    /// When the leases cannot be read.
    pub async fn gap(&self) -> Result<Option<FeedRange>, Error> {
        let leases = self.leases.all().await?;
        Ok(gap(&leases).filter(|_| !leases.is_empty()))
    }

    /// The first part of the monitored container that more than one lease covers, so that its changes are delivered
    /// more than once. Leases that do not record their ranges are ignored.
    ///
    /// # Errors
    /// When the leases cannot be read.
    pub async fn overlap(&self) -> Result<Option<FeedRange>, Error> {
        Ok(overlap(&self.leases.all().await?))
    }

    /// The lease documents as stored, but without an owner, for [`Self::import`] into another lease container.
    ///
    /// # Errors
    /// When the leases cannot be read.
    pub async fn export(&self) -> Result<Vec<Value>, Error> {
        let document = |mut lease: Lease| {
            (lease.owner, lease.etag, lease.ts) = (None, None, None);
            serde_json::to_value(lease).map_err(|error| Error::internal("exporting the leases", error))
        };
        self.all().await?.into_iter().map(document).collect()
    }

    /// Stores exported leases of this crate or of a .NET processor for the same monitored container. Their processor
    /// name may be different. Returns the number of leases stored.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when a document is not a lease or belongs to another monitored container, when the leases
    /// do not cover the container exactly once, or when their modes differ. [`ErrorKind::Conflict`] when there are
    /// leases already and `overwrite` is not set, when an instance owns one of them, or when a document that is not a
    /// valid lease has the id of one. Nothing is stored in these cases, except if there is such a document or if an
    /// instance starts during the import. Then some leases may have been stored: import again with `overwrite`.
    pub async fn import(&self, documents: Vec<Value>, overwrite: bool) -> Result<usize, Error> {
        const ACTION: &str = "importing leases";
        let mut imported = Vec::new();
        for document in documents {
            let mut lease = Lease::read(document)
                .map_err(|error| Error::invalid(ACTION, format!("a document is not a lease: {error}")))?;
            if !lease.id.contains(self.monitored.lease_scope()) {
                let message = format!("lease {} belongs to a container other than {}", lease.id, self.monitored.name());
                return Err(Error::invalid(ACTION, message));
            }
            lease.id = self.leases.lease_id(&lease.lease_token);
            (lease.owner, lease.etag, lease.ts, lease.partition_key) = (None, None, None, None);
            lease.timestamp = Some(self.leases.clock().now());
            imported.push(lease);
        }
        let present = self.leases.all().await?;
        if !present.is_empty() && !overwrite {
            let message = format!("there are {} leases already; allow overwriting to replace them", present.len());
            return Err(Error::new(ErrorKind::Conflict, ACTION, message));
        }
        self.check_none_owned(&present, ACTION)?;
        if let Some(flaw) = flaw(&imported) {
            let message = format!("the leases of {} {flaw}", self.monitored.name());
            return Err(Error::invalid(ACTION, message));
        }
        for lease in &imported {
            match present.iter().find(|existing| existing.id == lease.id) {
                Some(existing) => {
                    let replacement = Lease { partition_key: existing.partition_key.clone(), ..lease.clone() };
                    let replaced = self.leases.update(existing, |current| {
                        let next = Lease { etag: current.etag.clone(), ..replacement.clone() };
                        (current.owner == existing.owner).then_some(next)
                    });
                    replaced.await?.ok_or_else(|| acquired_meanwhile(lease, ACTION))?;
                }
                None if self.leases.create(lease).await? => {}
                // The document was not among the leases above.
                None => {
                    let message = format!(
                        "{} exists: an instance created it during the import, or it is not a valid lease; stop every \
                         instance, or delete the document",
                        lease.id
                    );
                    return Err(Error::new(ErrorKind::Conflict, ACTION, message));
                }
            }
        }
        for lease in present.iter().filter(|existing| imported.iter().all(|lease| lease.id != existing.id)) {
            self.leases.delete(lease).await?;
        }
        self.leases.mark_initialized().await?;
        Ok(imported.len())
    }

    /// The change feed mode of the leases; `None` when there are none.
    ///
    /// # Errors
    /// When the leases cannot be read.
    pub async fn mode(&self) -> Result<Option<ChangeFeedMode>, Error> {
        Ok(self.leases.all().await?.first().map(Lease::mode))
    }

    /// Creates leases for the parts of the container that no lease covers, for example after leases were deleted, and replaces
    /// leases of older processors whose partition no longer exists. The new leases are in `mode` and start from `start`; existing leases are not changed. This is safe while instances run:
    /// they acquire the new leases. Returns the number of leases created.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for [`ChangeFeedMode::AllVersionsAndDeletes`] and any `start` but now, and when existing
    /// leases are in the other mode.
    pub async fn repair(&self, start: StartFrom, mode: ChangeFeedMode) -> Result<usize, Error> {
        check_start("repairing the leases", start, mode)?;
        let present = self.leases.all().await?;
        orphan::replace_all(&self.monitored, &self.leases).await?;
        create_vanished(&self.monitored, &self.leases, start, mode).await?;
        let is_new = |lease: &&Lease| present.iter().all(|other| other.id != lease.id);
        Ok(self.leases.all().await?.iter().filter(is_new).count())
    }

    /// Resets every lease to `start`: removes its checkpoint, so that the next owner reads from `start`. (A .NET
    /// processor reads from its own configured start.) Returns the number of leases.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when an instance owns a lease: stop it first. [`ErrorKind::Invalid`] for leases in
    /// [`ChangeFeedMode::AllVersionsAndDeletes`] and any `start` but now.
    pub async fn reset(&self, start: StartFrom) -> Result<usize, Error> {
        const ACTION: &str = "resetting the leases";
        let leases = self.leases.all().await?;
        self.check_none_owned(&leases, ACTION)?;
        let all_versions = |lease: &&Lease| lease.mode() == ChangeFeedMode::AllVersionsAndDeletes;
        if start != StartFrom::Now
            && let Some(lease) = leases.iter().find(all_versions)
        {
            let message = format!("lease {} is in AllVersionsAndDeletes mode, which can only start from now", lease.id);
            return Err(Error::invalid(ACTION, message));
        }
        orphan::replace_all(&self.monitored, &self.leases).await?;
        let leases = self.leases.all().await?;
        let mut count = 0;
        for lease in &leases {
            let (time, mut parts) = match start {
                StartFrom::Beginning => (Some(DateTime::UNIX_EPOCH), Vec::new()),
                StartFrom::Time(time) => (Some(time), Vec::new()),
                StartFrom::Now => (None, self.latest(lease).await?),
            };
            if parts.len() > 1 {
                let mut parent = lease.clone();
                parent.reset(None);
                count += parts.len();
                for part in successors(&self.monitored, &self.leases, &parent, parts).await? {
                    create(&self.leases, part).await?;
                }
                match self.leases.delete(lease).await {
                    Err(error) if error.kind() == ErrorKind::PreconditionFailed => {
                        return Err(acquired_meanwhile(lease, ACTION));
                    }
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
            updated.await?.ok_or_else(|| acquired_meanwhile(lease, ACTION))?;
            count += 1;
        }
        Ok(count)
    }

    /// Deletes every lease. An instance that starts later creates new ones, and starts as if the processor had never run. Returns the
    /// number of leases.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when an instance owns a lease: stop it first.
    pub async fn remove_all(&self) -> Result<usize, Error> {
        const ACTION: &str = "removing the leases";
        let leases = self.leases.all().await?;
        self.check_none_owned(&leases, ACTION)?;
        // Without the marker, an instance that starts meanwhile creates the leases that are missing.
        self.leases.forget_initialized().await?;
        for lease in &leases {
            match self.leases.delete(lease).await {
                Err(error) if error.kind() == ErrorKind::PreconditionFailed => {
                    return Err(acquired_meanwhile(lease, ACTION));
                }
                deleted => deleted?,
            }
        }
        Ok(leases.len())
    }

    /// The continuation tokens of a lease without unprocessed changes: one for each partition that its range is in now.
    async fn latest(&self, lease: &Lease) -> Result<Vec<(FeedRange, Option<String>)>, Error> {
        let mut ranges = match lease.range() {
            Some(range) => vec![range],
            None => {
                let range = locate(lease, &partitions(&self.monitored, lease.mode()).await?);
                vec![range.ok_or_else(|| {
                    let message = "its partition was split or merged at the same time; repeat the command";
                    Error::new(ErrorKind::Gone, format!("finding the feed range of lease {}", lease.id), message)
                })?]
            }
        };
        let mut latest = Vec::new();
        while let Some(range) = ranges.pop() {
            let one = Some(NonZeroU32::MIN);
            let page = self.monitored.read_feed(&range, &Position::Now, lease.mode(), one).await?;
            match page.continuation {
                Some(continuation) => latest.push((range, Some(continuation))),
                None => ranges.extend(page.parts),
            }
        }
        Ok(latest)
    }

    fn check_none_owned(&self, leases: &[Lease], action: &str) -> Result<(), Error> {
        let now = self.leases.clock().now();
        let is_owned = |lease: &&Lease| !lease.is_expired(now, lease.expiration().unwrap_or(DEFAULT_EXPIRATION));
        let Some(owned) = leases.iter().find(is_owned) else { return Ok(()) };
        let owner = owned.owner.as_deref().unwrap_or_default();
        let message = format!("instance {owner} owns lease {}; stop every instance first", owned.id);
        Err(Error::new(ErrorKind::Conflict, action, message))
    }
}

fn acquired_meanwhile(lease: &Lease, action: &str) -> Error {
    let message = format!("an instance acquired lease {} in the meantime; stop every instance first", lease.id);
    Error::new(ErrorKind::Conflict, action, message)
}

/// Why these leases cannot be the leases of one processor; completes the sentence "the leases …".
fn flaw(leases: &[Lease]) -> Option<String> {
    if let Some(gap) = gap(leases) {
        return Some(format!("leave out the range {gap}"));
    }
    if let Some(overlap) = overlap(leases) {
        return Some(format!("cover the range {overlap} more than once"));
    }
    let is_repeated = |(index, lease): &(usize, &Lease)| leases[..*index].iter().any(|other| other.id == lease.id);
    if let Some((_, repeated)) = leases.iter().enumerate().find(is_repeated) {
        return Some(format!("contain lease {} more than once", repeated.lease_token));
    }
    let mixed = leases.iter().any(|lease| lease.mode() != leases[0].mode());
    mixed.then(|| "have different modes".to_owned())
}
