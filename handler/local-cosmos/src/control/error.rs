//! Why something cannot be done to a container.

/// Why something cannot be done to a container.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum ControlError {
    /// There is no such container.
    #[error("there is no container {name}; there are: {}", list(known))]
    NoContainer {
        /// What was named: `database/container`, or the container alone.
        name: String,
        /// The containers that there are, each as `database/container`.
        known: Vec<String>,
    },
    /// The container has no such physical partition, or none any more.
    #[error("the container has no partition {partition}; it has: {}", list(known))]
    NoPartition {
        /// The partition that was named.
        partition: String,
        /// The partitions that there are.
        known: Vec<String>,
    },
    /// The container has no such item, or none with a time to live.
    #[error("no item that has a time to live is {0}")]
    NoItem(String),
    /// Only partitions whose key ranges touch can be merged.
    #[error("the partitions {0} and {1} are not two that are next to each other; only those can be merged")]
    NotAdjacent(String, String),
    /// A partition of the container is being split or merged.
    #[error("a split or merge of this container is going on; wait until it is done")]
    Busy,
    /// A value is not allowed.
    #[error("{0}")]
    Invalid(String),
    /// The emulator did not do it.
    #[error("the emulator could not do it: {0}")]
    Failed(String),
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
