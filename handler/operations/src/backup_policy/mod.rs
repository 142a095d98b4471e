//! Backups as a policy: when a backup is taken, when it is a full one, and which backups are kept.
//!
//! A slot is a time at which a backup is due. It follows from the policy alone, and the id of its job follows from the slot: any number of
//! instances create one backup for each slot, and one job that writes digests. Each of them looks every few minutes. Of the slots that passed while no instance ran, only
//! the latest is made up for.
//!
//! The race to mind: two instances look at the same time, and one of them is killed at any instant. The record of the policy is replaced
//! only under its etag, and names the job before the job is created. An instance that finds the name without the job creates the job.

mod base;
mod deletes;
mod due;
mod interval;
mod keep;
mod lateness;
mod policies;
mod policy;
mod policy_record;
mod policy_view;
mod prune;
mod prune_order;
mod prune_plan;
mod prune_report;
mod prune_request;
mod schedule;
mod slot_digests;

pub use deletes::DeletesKnown;
pub use due::{PolicyEvent, PolicyLook};
pub use interval::{Interval, TimeOfDay};
pub use keep::Keep;
pub use lateness::BackupLateness;
pub use policies::BackupPolicies;
pub use policy::BackupPolicy;
pub use policy_view::{PolicyView, RunView};
pub use prune_order::PruneOrder;
pub use prune_plan::{PruneAction, PrunePlan, PrunedFolder};
pub use prune_report::{ProtectedFolder, PruneReport};
pub use prune_request::PruneRequest;
