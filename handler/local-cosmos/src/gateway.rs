//! Routes every request to the emulator, the change log, or both.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use azure_core::http::Method;

use crate::budget::too_many_requests;
use crate::bulk;
use crate::change_feed;
use crate::container::Container;
use crate::emulator::Emulator;
use crate::faults::{Effect, Faults};
use crate::incoming::Incoming;
use crate::keys::check_authorization;
use crate::operation::{Action, ContainerName, Operation};
use crate::options::Options;
use crate::query_depth::check_query;
use crate::query_literals::in_emulator_syntax;
use crate::query_pages;
use crate::registry::Registry;
use crate::reply::{PARTITION_KEY_MISMATCH, Reply, header};
use crate::request_log::{LoggedRequest, RequestLog, query_text};
use crate::resource_ids::{names_for_ids, wrong_container};
use crate::usage::UsageMeter;
use crate::writes;

/// Sub-status of a 404: the database or the container is missing, not the item.
const OWNER_NOT_FOUND: &str = "1003";

#[derive(Debug)]
pub(crate) struct Gateway {
    emulator: Emulator,
    registry: Registry,
    /// Whether every request must be signed. A signature is checked in any case.
    requires_key: bool,
    /// How long AllVersionsAndDeletes mode reaches back.
    retention: Duration,
    refuses_unindexed_queries: AtomicBool,
    pub usage: UsageMeter,
    pub faults: Faults,
    pub requests: RequestLog,
    under_way: AtomicU64,
}

/// A request that is being answered, or whose client disconnected before it was.
struct UnderWay<'a>(&'a AtomicU64);

impl<'a> UnderWay<'a> {
    fn begin(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Gateway {
    pub(crate) fn new(emulator: Emulator, options: &Options) -> Self {
        Self {
            emulator,
            registry: Registry::new(options.previous_images),
            requires_key: options.require_key,
            retention: options.change_feed_retention,
            refuses_unindexed_queries: AtomicBool::new(options.refuse_unindexed_queries),
            usage: UsageMeter::new(),
            faults: Faults::default(),
            requests: RequestLog::default(),
            under_way: AtomicU64::new(0),
        }
    }

    pub(crate) fn requests_under_way(&self) -> u64 {
        self.under_way.load(Ordering::SeqCst)
    }

    pub(crate) fn refuse_unindexed_queries(&self, enabled: bool) {
        self.refuses_unindexed_queries.store(enabled, Ordering::SeqCst);
    }

    pub(crate) fn emulator(&self) -> &Emulator {
        &self.emulator
    }

    pub(crate) fn retention_ms(&self) -> i64 {
        i64::try_from(self.retention.as_millis()).unwrap_or(i64::MAX)
    }

    pub(crate) fn containers(&self) -> Vec<(ContainerName, Arc<Container>)> {
        self.registry.list()
    }

    /// The container of this name; `None` if there is none.
    pub(crate) async fn container(&self, name: &ContainerName) -> Option<Arc<Container>> {
        self.registry.shared().await.container(&self.emulator, name).await
    }

    pub(crate) async fn answer(&self, mut incoming: Incoming) -> Reply {
        let _under_way = UnderWay::begin(&self.under_way);
        if let Err(message) = check_authorization(&incoming, self.requires_key) {
            return Reply::error(401, "Unauthorized", message);
        }
        // Every client reads text, and the change log stores text.
        incoming.remove_header("x-ms-cosmos-supported-serialization-formats");
        names_for_ids(&self.emulator, &mut incoming).await;
        let operation = Operation::of(&incoming);
        let request = LoggedRequest::begin(&operation, &incoming);
        let (mut reply, effect) = self.execute_with_faults(&operation, incoming).await;
        self.requests.add(request.end(&reply));
        match effect {
            Some(Effect::LoseReply) => reply.is_lost = true,
            Some(Effect::Garble) => reply.garble(),
            Some(Effect::Status { .. } | Effect::Delay(_)) | None => {}
        }
        reply
    }

    /// Executes a request. Returns the reply, and the effect that it still needs.
    async fn execute_with_faults(&self, operation: &Operation, incoming: Incoming) -> (Reply, Option<Effect>) {
        match self.faults.before(operation, &incoming) {
            Some(Effect::Status { status, substatus }) => (Effect::refusal(status, substatus), None),
            Some(Effect::Delay(delay)) => {
                tokio::time::sleep(delay).await;
                (self.execute(operation, incoming).await, None)
            }
            Some(effect) => (self.execute(operation, incoming).await, Some(effect)),
            None if self.faults.is_empty() => (self.execute(operation, incoming).await, None),
            None => {
                let reply = self.execute(operation, incoming.clone()).await;
                match self.faults.after(operation, &incoming, &reply) {
                    Some(Effect::Status { status, substatus }) => (Effect::refusal(status, substatus), None),
                    Some(Effect::Delay(delay)) => {
                        tokio::time::sleep(delay).await;
                        (reply, None)
                    }
                    effect => (reply, effect),
                }
            }
        }
    }

    async fn execute(&self, operation: &Operation, incoming: Incoming) -> Reply {
        if let Err(message) = check_query(&incoming) {
            return Reply::error(400, "BadRequest", message);
        }
        if operation.changes_registry() {
            let reply = self.change_registry(operation, &incoming).await;
            self.usage.count(reply.request_charge());
            return reply;
        }
        let shared = self.registry.shared().await;
        let container = match &operation.container {
            Some(name) => shared.container(&self.emulator, name).await,
            None => None,
        };
        let budget = container.as_ref().filter(|_| operation.items_of().is_some());
        let mut reply = match budget.and_then(|container| container.wait()) {
            Some(wait) => too_many_requests(wait),
            None => self.dispatch(operation, container.as_deref(), incoming).await,
        };
        if reply.status == 404 && reply.request_charge() == 0.0 {
            reply = reply.with(header::REQUEST_CHARGE, "1");
        }
        if let Some(container) = budget {
            container.spend(reply.request_charge());
        }
        self.usage.count(reply.request_charge());
        reply
    }

    /// Executes a request within its container. Called with shared access to the registry.
    async fn dispatch(&self, operation: &Operation, container: Option<&Container>, incoming: Incoming) -> Reply {
        let (Some(name), Some(container)) = (&operation.container, container) else {
            return self.execute_without_container(operation, &incoming).await;
        };
        if let Some(refusal) = wrong_container(&container.definition().rid, &incoming) {
            return refusal;
        }
        if let Some(refusal) = wrong_partition_key(operation, container, &incoming) {
            return refusal;
        }
        let emulator = &self.emulator;
        match operation.action {
            Action::Create | Action::Upsert | Action::Replace | Action::Patch => {
                writes::write(emulator, container, incoming).await
            }
            Action::Delete => writes::delete(emulator, container, incoming).await,
            Action::Batch if bulk::is_bulk(&incoming) => bulk::execute(emulator, name, container, incoming).await,
            Action::Batch => writes::batch(emulator, container, incoming).await,
            Action::Read => container.execute(emulator, &incoming).await,
            Action::ChangeFeed => change_feed::read(emulator, name, container, &incoming).await,
            Action::Query => match self.unindexed(name, container, &incoming) {
                Some(message) => Reply::error(400, "BadRequest", message),
                None => query_pages::execute(emulator, container, in_emulator_syntax(incoming)).await,
            },
            Action::QueryPlan => emulator.execute(&in_emulator_syntax(incoming)).await,
            Action::ReadContainer => {
                let reply = emulator.execute(&incoming).await;
                if !reply.is_success() || !incoming.flag("x-ms-documentdb-populatequotainfo") {
                    return reply;
                }
                reply.with("x-ms-resource-usage", format!("documentsCount={};", container.log().items()))
            }
            Action::ReadPartitions => {
                let _topology = container.topology.read().await;
                let reply = emulator.execute(&incoming).await;
                container.lineage().complete(reply)
            }
            Action::ReplaceContainer => {
                let reply = emulator.execute(&incoming).await;
                container.reload(emulator, name).await;
                reply
            }
            _ => emulator.execute(&incoming).await,
        }
    }

    /// Executes a request that addresses no container, or one that does not exist.
    async fn execute_without_container(&self, operation: &Operation, incoming: &Incoming) -> Reply {
        let reply = self.emulator.execute(incoming).await;
        let is_owner_missing = match operation.action {
            Action::ReadContainer => match &operation.database {
                Some(database) => !self.database_exists(database).await,
                None => false,
            },
            Action::CreateContainer => true,
            Action::ReadMetadata => incoming.method == Method::Post,
            _ => operation.items_of().is_some(),
        };
        if reply.status == 404 && is_owner_missing { reply.with(header::SUBSTATUS, OWNER_NOT_FOUND) } else { reply }
    }

    /// Creates a container, or deletes one or a database.
    async fn change_registry(&self, operation: &Operation, incoming: &Incoming) -> Reply {
        let exclusive = self.registry.exclusive().await;
        let reply = self.execute_without_container(operation, incoming).await;
        if reply.is_success() {
            match (operation.action, &operation.container, &operation.database) {
                (Action::DeleteContainer, Some(name), _) => exclusive.forget_container(name),
                (Action::DeleteDatabase, _, Some(database)) => exclusive.forget_database(database),
                _ => {}
            }
        }
        reply
    }

    /// Why a query is refused, if it filters or sorts by a path without an index and such queries are refused.
    fn unindexed(&self, name: &ContainerName, container: &Container, incoming: &Incoming) -> Option<String> {
        if !self.refuses_unindexed_queries.load(Ordering::SeqCst) {
            return None;
        }
        container.definition().index_policy.check(&query_text(&incoming.body)?, &name.to_string()).err()
    }

    async fn database_exists(&self, name: &str) -> bool {
        let mut url = self.emulator.url().clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().extend(["dbs", name]);
        }
        self.emulator.execute(&Incoming::new(Method::Get, url)).await.is_success()
    }
}

/// The refusal of a request for one item whose partition key does not have the form of the container's. A client sends such a
/// key if it knows an older container of that name.
fn wrong_partition_key(operation: &Operation, container: &Container, incoming: &Incoming) -> Option<Reply> {
    let header = incoming.header(header::PARTITION_KEY).filter(|_| operation.addresses_item())?;
    if container.definition().is_full_key(header) {
        return None;
    }
    let message = format!("The partition key {header} does not correspond to the partition key of the container.");
    Some(Reply::error(400, "BadRequest", message).with(header::SUBSTATUS, PARTITION_KEY_MISMATCH))
}
