//! Holds the live documents against the history, says what differs, and repairs it.
//!
//! A verification is a job in three phases, each gone through in parts. The first meets every live document and looks for its
//! live version in the history. The second meets every version: it looks for what cannot be read back, and, at the newest
//! version of a document, for whether the document that it promises is there. What these two come upon is only suspected, and
//! stored in pages. The third takes the pages up again, reads both sides afresh, and only what is still so is a finding.
//!
//! Properties wanted: nothing is reported that is not so, whoever writes, deletes and captures meanwhile; every document is
//! told of once, whoever is killed; nothing is written without `repair`, and a repair that is done twice, by two jobs or by
//! two runners of one, comes to the same.
//!
//! The races to mind:
//!
//! * *A document is written, and capture has not come to it.* A live version that is younger than the grace time and not in the
//!   history is pending, not missing.
//! * *A document changes while it is looked at.* The live version is read, then the history, then the live version again:
//!   what is reported was live before and after it was not found. When it has changed, all of it is read anew.
//! * *A document is deleted, and capture (or the restore that deleted it) has not recorded that.* The page of the suspicion is
//!   as old as the grace time when it is taken up. If the document is still not there and its newest version is the same,
//!   nobody will tell of a delete any more. A newer version makes it pending.
//! * *A document comes to life again.* The time of an inferred delete is when the page of the suspicion was stored, by the
//!   service's own clock: the document was read before and was not there, and was read after and was not there. Whatever is
//!   written to it later is later by that clock, and of the same second by its sequence number.
//! * *A document expires.* Its own time to live counts and the container's, both as it was when the version was captured and as
//!   it is after the document was seen to be gone; what may have expired within the grace time is pending.
//! * *The retention removes a version while it is read back.* Its record goes first: a version that cannot be read back counts
//!   only if its record is still there afterwards.
//! * *Versions are captured behind the scan of the second phase.* A document that only they tell of is met the next time. One
//!   that was suspected by an older version may be met again by them, and is pending then or was repaired.
//!
//! Clocks: ages are told by this machine's clock. Where that is wrong by more than the grace time, documents may be pending for
//! longer, or told of as missing while capture lags.

mod check;
mod confirm;
mod finding;
mod record;
mod repair;
mod request;
mod show;
mod verifications;
mod work;

pub use finding::{Finding, FindingKind, VerifyCounts};
pub use record::{VerifyList, VerifyRecord};
pub use request::VerifyRequest;
pub use show::{Findings, VerifyView};
pub use verifications::{VERIFY, Verifications};
