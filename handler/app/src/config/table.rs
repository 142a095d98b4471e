//! Names and defaults of all settings. Tests compare the table in docs/reference/settings.md and the sample settings file with this one.

/// A setting.
pub struct Setting {
    /// The name of the app setting.
    pub name: &'static str,
    /// Its default; `-` for none.
    pub default: &'static str,
}

pub const DATABASE: Setting = Setting { name: "CHANGEFEED_DATABASE", default: "dev" };
pub const MONITORED: Setting = Setting { name: "CHANGEFEED_MONITORED_CONTAINER", default: "events" };
pub const CHANGES: Setting = Setting { name: "CHANGEFEED_CHANGES_CONTAINER", default: "changes" };
pub const SOURCES: Setting = Setting { name: "CHANGEFEED_SOURCES", default: "-" };
pub const LEASES: Setting = Setting { name: "CHANGEFEED_LEASES_CONTAINER", default: "leases" };
pub const JOBS: Setting = Setting { name: "CHANGEFEED_JOBS_CONTAINER", default: "jobs" };
pub const DEAD_LETTERS: Setting = Setting { name: "CHANGEFEED_DEAD_LETTERS_CONTAINER", default: "dead-letters" };
pub const CONCURRENCY: Setting = Setting { name: "CHANGEFEED_CONCURRENCY", default: "64" };
pub const BATCH_TIMEOUT: Setting = Setting { name: "CHANGEFEED_BATCH_TIMEOUT_SECONDS", default: "240" };
pub const INDEXED_FIELDS: Setting = Setting { name: "CHANGEFEED_INDEXED_FIELDS", default: "-" };
pub const ACTOR_FIELDS: Setting = Setting { name: "CHANGEFEED_ACTOR_FIELDS", default: "-" };
pub const OMITTED_FIELDS: Setting = Setting { name: "CHANGEFEED_OMITTED_FIELDS", default: "-" };
pub const CAPTURE_FILTER: Setting = Setting { name: "CHANGEFEED_CAPTURE_FILTER", default: "-" };
pub const RESTORED_AT_FIELD: Setting = Setting { name: "CHANGEFEED_RESTORED_AT_FIELD", default: "restored_at" };
pub const RESTORE_ID_FIELD: Setting = Setting { name: "CHANGEFEED_RESTORE_ID_FIELD", default: "restore_id" };
pub const RETENTION_DAYS: Setting = Setting { name: "CHANGEFEED_RETENTION_DAYS", default: "-" };
pub const PORT: Setting = Setting { name: "FUNCTIONS_CUSTOMHANDLER_PORT", default: "8080" };
pub const TIME_ZONE: Setting = Setting { name: "CHANGEFEED_TIME_ZONE", default: "-" };
pub const MODE: Setting = Setting { name: "CHANGEFEED_MODE", default: "LatestVersion" };
pub const LEASE_PREFIX: Setting = Setting { name: "CHANGEFEED_LEASE_PREFIX", default: "-" };
pub const ALL_VERSIONS_LEASE_PREFIX: Setting =
    Setting { name: "CHANGEFEED_ALL_VERSIONS_LEASE_PREFIX", default: "all-versions-" };
pub const STALLED_AFTER: Setting = Setting { name: "CHANGEFEED_STALLED_AFTER_SECONDS", default: "600" };
pub const UNBLOCK_LEASES: Setting = Setting { name: "CHANGEFEED_UNBLOCK_LEASES", default: "on" };
pub const BACKUP_STORAGE: Setting = Setting { name: "CHANGEFEED_BACKUP_STORAGE", default: "-" };
pub const BACKUP_HOSTS: Setting = Setting { name: "CHANGEFEED_BACKUP_HOSTS", default: "-" };
pub const JOB_BUDGET: Setting = Setting { name: "CHANGEFEED_JOB_BUDGET", default: "50%" };
pub const THROUGHPUT_BUCKET: Setting = Setting { name: "CHANGEFEED_THROUGHPUT_BUCKET", default: "-" };
pub const PREFERRED_REGIONS: Setting = Setting { name: "CHANGEFEED_PREFERRED_REGIONS", default: "-" };
pub const TRYOUT_FUNCTIONS: Setting = Setting { name: "CHANGEFEED_TRYOUT_FUNCTIONS", default: "on" };
pub const LOG_FORMAT: Setting = Setting { name: "CHANGEFEED_LOG_FORMAT", default: "text" };
pub const RUST_LOG: Setting = Setting { name: "RUST_LOG", default: "info" };

/// The settings in the order of the table in docs/reference/settings.md, without those of the connection.
pub const SETTINGS: [Setting; 31] = [
    DATABASE,
    MONITORED,
    CHANGES,
    SOURCES,
    LEASES,
    JOBS,
    DEAD_LETTERS,
    CONCURRENCY,
    BATCH_TIMEOUT,
    INDEXED_FIELDS,
    ACTOR_FIELDS,
    OMITTED_FIELDS,
    CAPTURE_FILTER,
    RETENTION_DAYS,
    RESTORED_AT_FIELD,
    RESTORE_ID_FIELD,
    TIME_ZONE,
    MODE,
    LEASE_PREFIX,
    ALL_VERSIONS_LEASE_PREFIX,
    STALLED_AFTER,
    UNBLOCK_LEASES,
    BACKUP_STORAGE,
    BACKUP_HOSTS,
    JOB_BUDGET,
    THROUGHPUT_BUCKET,
    PREFERRED_REGIONS,
    TRYOUT_FUNCTIONS,
    PORT,
    LOG_FORMAT,
    RUST_LOG,
];
