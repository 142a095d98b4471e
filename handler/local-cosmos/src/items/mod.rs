//! Requests for items: one item, a batch, or a bulk request.

mod batch;
mod batch_body;
mod checks;
mod operation;
mod point;

pub(crate) use batch::execute as execute_batch;
pub(crate) use checks::{id_of_body, text_body};
pub(crate) use point::execute as execute_point;
