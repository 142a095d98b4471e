//! The SDK's in-memory emulator, as a function from request to reply.

use std::sync::Arc;

use azure_core::http::headers::{HeaderName, HeaderValue};
use azure_core::http::{Method, Request};
use azure_data_cosmos_driver::in_memory_emulator::{
    InMemoryEmulatorHttpClient, ManualControlPlaneOperation, VirtualAccountConfig, VirtualRegion,
};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use url::Url;

use crate::incoming::Incoming;
use crate::limits::QUERY_STACK_BYTES;
use crate::operation::ContainerName;
use crate::reply::Reply;

#[derive(Debug)]
pub(crate) struct Emulator {
    client: Arc<InMemoryEmulatorHttpClient>,
    queries: QueryThreads,
    url: Url,
}

/// Threads with a stack that is large enough for any query.
#[derive(Debug)]
struct QueryThreads(Option<Runtime>);

impl QueryThreads {
    fn start() -> std::io::Result<Self> {
        let runtime =
            Builder::new_multi_thread().worker_threads(2).thread_stack_size(QUERY_STACK_BYTES).enable_all().build()?;
        Ok(Self(Some(runtime)))
    }
}

impl Drop for QueryThreads {
    fn drop(&mut self) {
        // Waiting for the threads is not possible where asynchronous code runs.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Emulator {
    /// `url` is the endpoint's address, which the emulator reports to clients.
    pub(crate) fn new(url: Url) -> Result<Self, String> {
        let region = VirtualRegion::new("Local", url.clone());
        let config = VirtualAccountConfig::new(vec![region]).map_err(|error| error.to_string())?;
        let client = InMemoryEmulatorHttpClient::try_new(config).map_err(|error| error.to_string())?;
        let queries = QueryThreads::start().map_err(|error| error.to_string())?;
        Ok(Self { client: Arc::new(client), queries, url })
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// Starts to split a partition in the middle of its key range. The partition is locked until the operation completes.
    pub(crate) fn begin_split(
        &self,
        name: &ContainerName,
        partition: &str,
    ) -> Result<ManualControlPlaneOperation, String> {
        let (store, partition) = (self.client.store(), number(partition)?);
        let middle = store.midpoint_split_epk(&name.database, &name.container, partition).map_err(text)?;
        store.validate_split_epk(&name.database, &name.container, partition, &middle).map_err(text)?;
        store.begin_manual_split_partition(&name.database, &name.container, partition, middle).map_err(text)
    }

    /// Starts to merge two partitions. They are locked until the operation completes.
    pub(crate) fn begin_merge(
        &self,
        name: &ContainerName,
        one: &str,
        other: &str,
    ) -> Result<ManualControlPlaneOperation, String> {
        let (one, other) = (number(one)?, number(other)?);
        self.client.store().begin_manual_merge_partitions(&name.database, &name.container, one, other).map_err(text)
    }

    /// The containers of all databases.
    pub(crate) async fn container_names(&self) -> Vec<ContainerName> {
        let mut names = Vec::new();
        for database in self.ids(&["dbs"], "Databases").await {
            for container in self.ids(&["dbs", &database, "colls"], "DocumentCollections").await {
                names.push(ContainerName { database: database.clone(), container });
            }
        }
        names
    }

    async fn ids(&self, path: &[&str], member: &str) -> Vec<String> {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear().extend(path);
        }
        let reply = self.execute(&Incoming::new(Method::Get, url)).await;
        let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let resources = body[member].as_array().into_iter().flatten();
        resources.filter_map(|resource| resource["id"].as_str().map(str::to_owned)).collect()
    }

    pub(crate) async fn execute(&self, incoming: &Incoming) -> Reply {
        match &self.queries.0 {
            Some(runtime) if incoming.has_query() => {
                let (client, incoming) = (Arc::clone(&self.client), incoming.clone());
                let answer = runtime.spawn(async move { execute(&client, &incoming).await }).await;
                answer.unwrap_or_else(|error| unavailable(error.to_string()))
            }
            _ => execute(&self.client, incoming).await,
        }
    }
}

async fn execute(client: &InMemoryEmulatorHttpClient, incoming: &Incoming) -> Reply {
    let mut request = Request::new(incoming.url.clone(), incoming.method);
    for (name, value) in &incoming.headers {
        request.headers_mut().insert(HeaderName::from(name.clone()), HeaderValue::from(value.clone()));
    }
    request.set_body(incoming.body.clone());
    let response = match client.execute_request(&request).await {
        Ok(response) => response,
        Err(error) => return unavailable(error.to_string()),
    };
    match response.try_into_raw_response().await {
        Ok(raw) => Reply {
            status: u16::from(raw.status()),
            headers: raw
                .headers()
                .iter()
                .map(|(name, value)| (name.as_str().to_owned(), value.as_str().to_owned()))
                .collect(),
            body: raw.body().as_ref().to_vec(),
            is_lost: false,
        },
        Err(error) => unavailable(error.to_string()),
    }
}

fn unavailable(error: String) -> Reply {
    Reply::error(503, "ServiceUnavailable", error)
}

fn number(partition: &str) -> Result<u32, String> {
    partition.parse().map_err(|_| format!("invalid partition id \"{partition}\""))
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
