//! The state of the containers, and how many items they have.

use serde::Serialize;

use crate::containers::{Containers, Role};
use changefeed_cosmos::{Error, ErrorKind};

/// One of the containers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerStatus {
    /// What it is for.
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
    /// It can.
    Ready {
        /// The paths of its partition key.
        partition_key_paths: Vec<String>,
        /// Items in it, where the service tells.
        items: Option<u64>,
    },
    /// There is none of this name.
    Missing,
    /// It cannot be read.
    Failed {
        /// Why.
        message: String,
    },
}

impl Containers {
    /// The state of every container.
    pub async fn status(&self) -> Vec<ContainerStatus> {
        let status = |role| async move {
            let state = match self.ready(role).await {
                Ok(ready) => ready,
                Err(error) if error.kind() == ErrorKind::NotFound => ContainerState::Missing,
                Err(error) => ContainerState::Failed { message: error.to_string() },
            };
            ContainerStatus { role, name: self.names().of(role).to_owned(), state }
        };
        futures::future::join_all(Role::ALL.map(status)).await
    }

    async fn ready(&self, role: Role) -> Result<ContainerState, Error> {
        let container = self.of(role).open().await?;
        Ok(ContainerState::Ready {
            partition_key_paths: container.key_paths().to_vec(),
            items: container.count().await?,
        })
    }
}
