//! Lets go of versions that were superseded longer ago than the history is to reach back.
//!
//! A version is needed to answer for any time from its own to its successor's. So it goes when its *successor* is older
//! than the window, never because of its own age: the newest version of a document has no successor and stays, and so does
//! what was current when the window began.
//!
//! Versions go by explicit deletes of a sweep, which moves through the history in the order of source time. `docs/decisions`
//! says why not by a time to live. Properties wanted, at any instant of a kill and with captures in any order:
//!
//! * The horizon is on record before anything before it goes. For times before it, reading trusts only the version that was
//!   current at the horizon, and says of what lies before that one that it is unknown.
//! * A version that can be seen has its parts, and parts do not outlive their version for long.
//! * What came late, after the sweep had passed its time, is found by the time of its capture.

mod count;
mod expiry;
mod pinned;
mod removal;
mod retention;
mod status;
mod sweep;

pub use pinned::{HeldVersions, PinnedVersions};
pub use retention::{Retention, RetentionOptions};
pub use status::RetentionStatus;
pub use sweep::{SweepReport, SweepRequest, SweepState};
