//! What the directory needs from the data of a container.

use std::sync::Arc;

use super::definition::ContainerDefinition;
use super::ranges::Ranges;
use super::refusal::Refusal;
use super::resource_id::ContainerRid;

/// A container whose data is to be created, or that was stored before.
#[derive(Clone, Debug)]
pub(crate) struct NewContainer {
    pub rid: ContainerRid,
    pub definition: Arc<ContainerDefinition>,
    /// The physical partitions. From now on they are the data's, which splits and merges them.
    pub ranges: Ranges,
}

/// How much a container stores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ContainerUsage {
    pub documents: u64,
    pub bytes: u64,
}

/// The data of a container: its items and physical partitions.
///
/// The directory calls these methods while no other request changes the definition of the same container, and holds a lock of
/// its own only during `create`, `replace_definition` and `ranges`; none of these may call the directory.
pub(crate) trait ContainerData: Sized {
    /// What new data needs from its surroundings.
    type Context;

    /// Refuses a definition that the data cannot have, such as a computed property whose query cannot be executed. Called before
    /// a container is created and before its definition is replaced.
    fn check(definition: &ContainerDefinition) -> Result<(), Refusal>;

    fn create(context: &Self::Context, new: NewContainer) -> Self;

    /// The definition was replaced.
    fn replace_definition(&self, definition: Arc<ContainerDefinition>);

    /// The container was deleted. Requests that have found it before may still use the data.
    fn delete(&self);

    /// The physical partitions as they are now.
    fn ranges(&self) -> Ranges;

    /// The number of the last commit in a partition, for the list of partitions.
    fn last_commit(&self, range: u32) -> u64;

    fn usage(&self) -> ContainerUsage;
}
