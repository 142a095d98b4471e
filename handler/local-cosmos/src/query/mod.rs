//! Queries: their plans and their pages.

mod candidates;
mod index_check;
mod index_metrics;
mod pages;
mod plan;
mod query_metrics;
mod request;
mod select;

pub(crate) use pages::execute;
pub(crate) use plan::answer as answer_plan;
pub(crate) use select::select;
