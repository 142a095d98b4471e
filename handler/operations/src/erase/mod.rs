//! Erases documents: removes every item of our containers that holds one, and keeps them from coming back until that is lifted.
//!
//! An erasure first records the HMACs of the documents' names, so that capture, replay, repair and restore refuse them; then it is a job.
//! The job goes through two rounds. Each removes the live documents and their versions, then the dead letters that hold
//! them, and then what the records of jobs say about them. Between the rounds it waits until everything has ended that was
//! under way when the HMACs were recorded. After the second round it removes parts of records that were never completed.
//!
//! Properties wanted: a job that is killed at any instant is resumed and ends complete; a step can be repeated; no other document
//! is changed; records of other jobs stay usable for other documents; neither the record of the erasure nor anything that is stored later
//! names the document.
//!
//! The races to mind:
//!
//! * *A batch or a page was read before the HMACs were recorded.* Its write ends before the second round begins, see
//!   [`ErasureOptions`](changefeed_history::ErasureOptions).
//! * *A worker stores a page that this job has changed.* It writes under the etag that it has read, fails, and reads the page again.
//! * *Parts of a record were written, and the record was not.* Parts that no record refers to are removed in the second round, if they are so
//!   old that their record would have been written.

mod documents;
mod erase_counts;
mod erase_job;
mod erasure_record;
mod erasure_request;
mod erasure_view;
mod erasures;
mod leftovers;
mod letters;
mod lift;
mod records;
mod redaction;

pub use erase_counts::EraseCounts;
pub use erasure_record::ErasureRecord;
pub use erasure_request::ErasureRequest;
pub use erasure_view::{ErasureList, ErasureView, HoldingBackup, ServiceCopies};
pub use erasures::{ERASE, Erasures};
pub use lift::{LiftReport, LiftRequest};
