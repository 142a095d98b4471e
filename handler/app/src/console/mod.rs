//! The web console. Its shell, at `/api/console`, is anonymous and holds no data. What a page shows is at `/api/views`: as a fragment for the
//! script of the shell, and as a whole page for a browser without scripts. The views call the operations that the JSON functions call.
//!
//! HTML is made with maud, which escapes every text. A file is a page, or an element that several pages have.

mod address;
mod array_alignment;
mod asset;
mod backup;
mod blame_view;
mod chart;
mod chosen_version;
mod comparison;
mod comparison_lines;
mod day;
mod dead_letter;
mod dead_letter_choice;
mod dead_letter_list;
mod document;
mod document_link;
mod document_parameters;
mod document_part;
mod documents;
mod elements;
mod find;
mod find_parameters;
mod frame;
mod health;
mod job_actions;
mod job_kind;
mod job_list;
mod job_row;
mod json_lines;
mod last_jobs;
mod overview;
mod page;
mod problem;
mod restore;
mod restore_form;
mod restore_heading;
mod restore_items;
mod restore_parameters;
mod restore_plan;
mod shell;
mod source_links;
mod undo_preview;
mod verification;
mod version_list;
mod version_note;
mod view;
mod viewer;
mod whole_view;

pub use asset::get as asset;
pub use shell::{get as shell, start};
pub use view::get as view;
