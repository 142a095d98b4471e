//! Routes every request to what answers it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::budget::too_many_requests;
use crate::clock::Clock;
use crate::container::Container;
use crate::faults::{Effect, Faults};
use crate::feed;
use crate::incoming::Incoming;
use crate::items::{execute_batch, execute_point};
use crate::keys::check_authorization;
use crate::operation::{Action, ContainerName, Operation};
use crate::options::Options;
use crate::partition_key::KeyRange;
use crate::query;
use crate::reply::{Reply, header};
use crate::request_log::{LoggedRequest, RequestLog};
use crate::requested_range::requested_range;
use crate::resources::{Directory, Refusal};
use crate::usage::UsageMeter;

/// Sub-status of a 400: the request is intended for another container of that name.
const COLLECTION_RID_MISMATCH: &str = "1024";

#[derive(Debug)]
pub(crate) struct Gateway {
    url: String,
    directory: Directory<Container>,
    clock: Clock,
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
    /// `url` is the endpoint's address.
    pub(crate) fn new(url: String, options: &Options) -> Result<Self, String> {
        let persistence = options.data.as_deref().map(Persistence::open).transpose().map_err(|error| error.to_string())?;
        Ok(Self {
            directory: directory(options, persistence.as_ref())?,
            persistence,
            url,
            clock: Clock::default(),
            requires_key: options.require_key,
            retention: options.change_feed_retention,
            refuses_unindexed_queries: AtomicBool::new(options.refuse_unindexed_queries),
            usage: UsageMeter::new(),
            faults: Faults::default(),
            requests: RequestLog::default(),
            under_way: AtomicU64::new(0),
        })
    }

    pub(crate) fn requests_under_way(&self) -> u64 {
        self.under_way.load(Ordering::SeqCst)
    }

    pub(crate) fn refuse_unindexed_queries(&self, enabled: bool) {
        self.refuses_unindexed_queries.store(enabled, Ordering::SeqCst);
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn retention_ms(&self) -> i64 {
        i64::try_from(self.retention.as_millis()).unwrap_or(i64::MAX)
    }

    pub(crate) fn containers(&self) -> Vec<Arc<Container>> {
        self.directory.containers().into_iter().map(|(_, container)| container).collect()
    }

    pub(crate) fn container_names(&self) -> Vec<ContainerName> {
        self.directory.containers().into_iter().map(|(name, _)| name).collect()
    }

    /// The container of this name; `None` if there is none.
    pub(crate) fn container(&self, name: &ContainerName) -> Option<Arc<Container>> {
        self.directory.find(&name.database, &name.container).ok().map(|(_, container)| container)
    }

    pub(crate) async fn answer(&self, incoming: Incoming) -> Reply {
        let _under_way = UnderWay::begin(&self.under_way);
        if let Err(message) = check_authorization(&incoming, self.requires_key) {
            return self.dated(Reply::error(401, "Unauthorized", message));
        }
        let mut operation = Operation::of(&incoming);
        let found = operation.container_path().map(|path| self.directory.find(&path.database, &path.container));
        if let Some(Ok((name, _))) = &found {
            operation = operation.with_names(name);
        }
        let container = found.map(|found| found.map(|(_, container)| container));
        let request = LoggedRequest::begin(&operation, &incoming);
        let (mut reply, effect) = self.execute_with_faults(&operation, container, incoming).await;
        self.requests.add(request.end(&reply));
        match effect {
            Some(Effect::LoseReply) => reply.is_lost = true,
            Some(Effect::Garble) => reply.garble(),
            Some(Effect::Status { .. } | Effect::Delay(_)) | None => {}
        }
        self.dated(reply)
    }

    fn dated(&self, reply: Reply) -> Reply {
        reply.with("date", self.clock.http_date())
    }

    /// Executes a request. Returns the reply, and the effect that it still needs.
    async fn execute_with_faults(
        &self,
        operation: &Operation,
        container: Option<Result<Arc<Container>, Refusal>>,
        incoming: Incoming,
    ) -> (Reply, Option<Effect>) {
        match self.faults.before(operation, &incoming) {
            Some(Effect::Status { status, substatus }) => (Effect::refusal(status, substatus), None),
            Some(Effect::Delay(delay)) => {
                tokio::time::sleep(delay).await;
                (self.execute(operation, container, &incoming).await, None)
            }
            Some(effect) => (self.execute(operation, container, &incoming).await, Some(effect)),
            None if self.faults.is_empty() => (self.execute(operation, container, &incoming).await, None),
            None => {
                let reply = self.execute(operation, container, &incoming).await;
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

    async fn execute(
        &self,
        operation: &Operation,
        container: Option<Result<Arc<Container>, Refusal>>,
        incoming: &Incoming,
    ) -> Reply {
        let container = match container.transpose() {
            Ok(container) => container,
            Err(refusal) if operation.is_for_items() || operation.action == Action::QueryPlan => {
                return refusal.into_reply();
            }
            Err(_) => None,
        };
        let budget = container.as_ref().filter(|_| operation.is_for_items());
        let reply = match budget.and_then(|container| container.wait()) {
            Some(wait) => too_many_requests(wait),
            None => self.dispatch(operation, container.as_deref(), incoming).await,
        };
        if let Some(container) = budget {
            container.spend(reply.request_charge());
        }
        self.usage.count(reply.request_charge());
        reply
    }

    async fn dispatch(&self, operation: &Operation, container: Option<&Container>, incoming: &Incoming) -> Reply {
        if let Some(refusal) = container.and_then(|container| wrong_container(container, incoming)) {
            return refusal;
        }
        let now = self.clock.milliseconds();
        let Some(container) = container.filter(|_| operation.is_for_items() || operation.action == Action::QueryPlan)
        else {
            return self.directory.answer(&operation.address, incoming, now, &query::select);
        };
        if operation.action != Action::QueryPlan && container.store().has_transitions() {
            settle(container, operation, incoming).await;
        }
        match operation.action {
            Action::Batch => execute_batch(container, incoming, now),
            Action::ChangeFeed => feed::read(container, incoming),
            Action::Query => query::execute(container, incoming, self.refuses_unindexed_queries.load(Ordering::SeqCst)),
            Action::QueryPlan => query::answer_plan(container, incoming),
            action => execute_point(container, action, operation.item_id(), incoming, now),
        }
    }
}

/// Waits while partitions that the request is for are being split or merged, as the service's gateway does.
async fn settle(container: &Container, operation: &Operation, incoming: &Incoming) {
    let range = {
        let contents = container.store().read();
        match requested_range(container, &contents, incoming) {
            Ok(range) => range,
            // The request will be refused, or has no key but that of its item.
            Err(_) if operation.is_write() => KeyRange::all(),
            Err(_) => return,
        }
    };
    container.store().settled(&range).await;
}

/// The refusal of a request that is intended for a container with another resource id. A client that has resolved a container
/// sends its resource id; after the refusal it reads the container again. Sources: `StaleResourceRetryPolicy` of the Java SDK, and
/// `COLLECTION_RID_MISMATCH` in the driver of the Rust SDK.
fn wrong_container(container: &Container, incoming: &Incoming) -> Option<Reply> {
    let rid = container.rid.to_string();
    let intended = incoming.header("x-ms-cosmos-intended-collection-rid").filter(|intended| *intended != rid)?;
    let message = format!(
        "The request is intended for the container with the resource id {intended}, but the container of this name has {rid}."
    );
    Some(container.error(400, "BadRequest", &message).with(header::SUBSTATUS, COLLECTION_RID_MISMATCH))
}
