//! Verifies the history: compares the live documents with it, reports the differences, and repairs them on request.
//!
//! A verification is a job in three phases, each read in parts. The first phase reads every live document and looks for its
//! version in the history. The second reads every version: it checks that the version can be read back and, at the newest
//! version of a document, that the document exists. A difference that these two phases see is a suspicion, and is stored in a
//! page. The third phase reads the pages and then both containers again. Only a difference that is still there is a finding.
//!
//! Changes that are dead letters because their id or key is not known come before all that, in two phases of their own: a delete
//! that a repair can store then is no unreported one.
//!
//! A repair of the findings of another verification, which a person has seen, takes its suspicions from there and reads no documents
//! or versions to find more. It repairs a finding as it was found, or reports that it changed.
//!
//! With digests, a verification compares the versions with the digests that were written of them, and reads no documents.
//!
//! Properties wanted: nothing is reported that is not so, while other processes write, delete and capture; each document is
//! reported once, even if workers are killed; nothing is written without `repair`; a repair that two jobs or two workers do
//! has the same result as one.
//!
//! The races to mind:
//!
//! * *A document is written, and capture has not stored it yet.* A live version that is younger than the grace time and not in
//!   the history is pending, not missing.
//! * *A document changes while it is compared.* The live version is read, then the history, then the live version again. If it
//!   has changed, the comparison is repeated.
//! * *A document is deleted, and neither capture nor the restore that deleted it has recorded the delete.* The page with the
//!   suspicion is at least as old as the grace time when the third phase reads it. If the document still does not exist and its
//!   newest version is the same, the delete is unreported. If there is a newer version, the document is pending.
//! * *A document is created again.* The time of an inferred delete is the time at which the page with the suspicion was stored,
//!   by the service's clock: the document did not exist before that time, and did not exist after it. A later write has a later
//!   time by that clock, or in the same second a later sequence number.
//! * *A document expires.* The document's own time to live counts, and the container's: as it was when the version was captured,
//!   and as it is after the document was found to be missing. A document that may have expired within the grace time is pending.
//! * *The retention removes a version while it is read back.* Its record is removed first. A version that cannot be read back
//!   counts only if its record still exists afterwards.
//! * *Versions are captured behind the scan of the second phase.* A document that only they show is verified the next time. A
//!   document that was suspected at an older version may be suspected again at a newer one; it is then pending, or was repaired.
//!
//! * *A version is removed while it is compared with its digest.* Its removal is recorded first. The recorded removals are read after the
//!   version was found to be missing.
//!
//! Ages are measured by the clock of the service.

mod check;
mod confirm;
mod digest_check;
mod digest_job;
mod finding;
mod repair;
mod verifications;
mod verify_job;
mod verify_record;
mod verify_request;
mod verify_view;

pub use finding::{Finding, FindingKind, VerifyCounts};
pub use verifications::{VERIFY, Verifications};
pub use verify_record::{VerifyList, VerifyRecord};
pub use verify_request::VerifyRequest;
pub use verify_view::{Findings, VerifyView};
