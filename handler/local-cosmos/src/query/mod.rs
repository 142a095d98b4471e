//! Queries: their plans and their pages.

mod index_check;
mod pages;
mod plan;
mod request;

pub(crate) use pages::execute;
pub(crate) use plan::answer as answer_plan;
