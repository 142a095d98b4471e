//! Errors of the control interface.

/// An error of an operation on a container.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum ControlError {
    /// The container does not exist.
    #[error("container {name} does not exist; existing containers: {}", list(known))]
    NoContainer {
        /// The requested container: `database/container`, or the container's name alone.
        name: String,
        /// The existing containers, each as `database/container`.
        known: Vec<String>,
    },
    /// The physical partition does not exist.
    #[error("partition {partition} does not exist; the container's partitions: {}", list(known))]
    NoPartition {
        /// The requested partition.
        partition: String,
        /// The existing partitions.
        known: Vec<String>,
    },
    /// No item with this id has a time to live.
    #[error("no item with the id {0} has a time to live")]
    NoItem(String),
    /// The partitions are not adjacent.
    #[error("partitions {0} and {1} are not adjacent; only adjacent partitions can be merged")]
    NotAdjacent(String, String),
    /// Another operation on the container's partitions is in progress.
    #[error("a split or merge of this container is in progress; retry when it is complete")]
    Busy,
    /// A value is not allowed.
    #[error("{0}")]
    Invalid(String),
    /// A split or merge failed.
    #[error("the operation failed: {0}")]
    Failed(String),
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
