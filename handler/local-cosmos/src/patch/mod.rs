//! Partial document update: the operations of a patch, and how they change an item.
//!
//! Sources: Microsoft's pages "Partial document update in Azure Cosmos DB" (operations), "Get started with Azure Cosmos DB partial
//! document update" (errors) and the frequently asked questions on it (limits). Messages start as those of the service.

mod apply;
mod operation;
mod pointer;

pub(crate) use apply::PatchError;
pub(crate) use operation::Patch;
