//! The state of the containers and the number of their items.

use changefeed_cosmos::{Error, ErrorKind};
use serde::Serialize;

use crate::containers::{Containers, Role};

/// The state of one container.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerStatus {
    /// Its role.
    pub role: Role,
    /// Its name.
    pub name: String,
    /// Whether it can be used.
    #[serde(flatten)]
    pub state: ContainerState,
}

/// Whether a container can be used.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "state")]
pub enum ContainerState {
    /// It exists and can be read.
    Ready {
        /// The paths of its partition key.
        partition_key_paths: Vec<String>,
        /// The number of items, if the service reports it.
        items: Option<u64>,
        /// The bytes of its items and their index, if the service reports them.
        bytes: Option<u64>,
    },
    /// There is no container with this name.
    Missing,
    /// It cannot be read.
    Failed {
        /// The reason.
        message: String,
    },
}

impl Containers {
    /// The state of every container.
    pub async fn status(&self) -> Vec<ContainerStatus> {
        let status = |role| async move {
            let state = match self.read_state(role).await {
                Ok(state) => state,
                Err(error) if error.kind() == ErrorKind::NotFound => ContainerState::Missing,
                Err(error) => ContainerState::Failed { message: error.to_string() },
            };
            ContainerStatus { role, name: self.names().of(role).to_owned(), state }
        };
        futures::future::join_all(Role::ALL.map(status)).await
    }

    async fn read_state(&self, role: Role) -> Result<ContainerState, Error> {
        let container = self.of(role).open().await?;
        let usage = container.usage().await?;
        Ok(ContainerState::Ready {
            partition_key_paths: container.key_paths().iter().map(ToString::to_string).collect(),
            items: usage.map(|usage| usage.items),
            bytes: usage.map(|usage| usage.bytes),
        })
    }
}
