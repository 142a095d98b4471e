//! The kinds of jobs, and what their pages and functions are called.

use changefeed_jobs::Kind;
use changefeed_operations::{BACKUP, ListedJob, RESTORE, VERIFY};

use super::address::Address;

/// A kind of jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// Restores, plans and undos.
    Restores,
    /// Backups.
    Backups,
    /// Verifications.
    Verifications,
}

/// All kinds.
pub const ALL: [JobKind; 3] = [JobKind::Restores, JobKind::Backups, JobKind::Verifications];
/// All kinds as they are stored.
pub const STORED: [Kind; 3] = [RESTORE, BACKUP, VERIFY];

impl JobKind {
    /// The kind of a job.
    pub fn of(job: &ListedJob) -> Self {
        ALL.into_iter().find(|kind| kind.kind().name == job.kind).unwrap_or(Self::Verifications)
    }

    /// The kind as it is stored.
    pub fn kind(self) -> Kind {
        match self {
            Self::Restores => RESTORE,
            Self::Backups => BACKUP,
            Self::Verifications => VERIFY,
        }
    }

    /// The page that lists them.
    pub fn name(self) -> &'static str {
        match self {
            Self::Restores => "restores",
            Self::Backups => "backups",
            Self::Verifications => "verifications",
        }
    }

    /// The title of that page.
    pub fn title(self) -> &'static str {
        match self {
            Self::Restores => "Restores",
            Self::Backups => "Backups",
            Self::Verifications => "Verifications",
        }
    }

    /// The path of the HTTP API.
    pub fn path(self) -> &'static str {
        match self {
            Self::Restores => "restores",
            Self::Backups => "backups",
            Self::Verifications => "verify",
        }
    }

    /// The command that starts one.
    pub fn command(self) -> &'static str {
        match self {
            Self::Restores => "changefeed restore",
            Self::Backups => "changefeed backup create",
            Self::Verifications => "changefeed verify",
        }
    }

    /// The page of one of them.
    pub fn address(self, id: &str) -> Address {
        let page = if self == Self::Restores { "restore" } else { self.name() };
        Address::of(page).with("id", id)
    }
}
