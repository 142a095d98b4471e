//! Restores documents from the history or from a backup.
//!
//! A restore goes one way: request, select, plan, execute, write. The plan is a value that can be shown. It has the action for
//! each document, and the etag of the live document. The execution writes only where that etag still holds, first saves the
//! version that it overwrites to the history, and records what it did, so that the restore can be undone. A restore that is too
//! large for one request is a job, which does the same page by page.

mod backup_files;
mod blame;
mod capture_lag;
mod composed_body;
mod composition;
mod create_job;
mod erased_items;
mod exchange;
mod exchange_order;
mod exchange_pages;
mod execute;
mod execute_plan;
mod forecast;
mod joint_restore;
mod latest_entries;
mod own_write;
mod plan;
mod plan_backup;
mod plan_document;
mod plan_missing;
mod plan_scan;
mod plan_window;
mod planned_item;
mod read_together;
mod removal;
mod restore_job;
mod restore_marks;
mod restore_page;
mod restore_phase;
mod restore_record;
mod restore_request;
mod restore_view;
mod restore_worker;
mod restores;
mod run;
mod select;
mod stamp;
mod suggest;
mod target_document;
mod undo;
mod undo_claim;
mod unique_keys;
mod window_selection;
mod window_undo;
mod window_versions;
mod write;
mod write_together;
mod written_request;

pub use capture_lag::CaptureLag;
pub use execute_plan::ExecuteRequest;
pub use forecast::Forecast;
pub use joint_restore::{JointMember, JointRestore, JointRestoreList, JointRestores};
pub use plan::Plan;
pub use planned_item::{Action, BackupLine, Counts, PlannedItem};
pub(crate) use restore_marks::RestoreMarks;
pub use restore_record::{RestoreRecord, RestoreReport};
pub use restore_request::{FilterOn, RestoreRequest, Selection, Target};
pub use restore_view::{RestoreItems, RestoreItemsRequest, RestoreList, RestoreView};
pub use restores::{RESTORE, RestoreOptions, Restores};
pub use run::Restored;
pub use undo::UndoRequest;
pub use window_selection::WindowSelection;
