//! Requests for items: one item, a batch, or a bulk request.

mod batch;
mod batch_body;
mod checks;
mod item_checks;
mod operation;
mod point;
mod reply;
mod request_key;

pub(crate) use batch::{execute as execute_batch, is_bulk};
pub(crate) use batch_body::ids_of_batch;
pub(crate) use checks::id_of_body;
pub(crate) use point::execute as execute_point;
pub(crate) use reply::{Position, charge};
