//! Routes every request to what answers it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::http::Method;

use crate::budget::too_many_requests;
use crate::clock::Clock;
use crate::container::{Container, ContainerContext};
use crate::faults::{Effect, Faults};
use crate::feed;
use crate::growth;
use crate::incoming::Incoming;
use crate::items::{execute_batch, execute_point};
use crate::keys::{check_authorization, has_token};
use crate::operation::{Action, ContainerName, Operation};
use crate::options::Options;
use crate::partition_key::KeyRange;
use crate::query;
use crate::reply::{Reply, header};
use crate::request_log::{LoggedRequest, RequestLog};
use crate::requested_range::requested_range;
use crate::resources::{
    self, Address, Container as DirectoryContainer, ContainerPath, Directory, DocumentRid, Missing, Resource,
};
use crate::store::Persistence;
use crate::usage::UsageMeter;

/// A container of the directory.
pub(crate) type Found = DirectoryContainer<Container>;

/// Sub-status of a 400: the request is intended for another container of that name.
const COLLECTION_RID_MISMATCH: &str = "1024";
/// Sub-status of a 403: a token does not authorize requests of this kind.
const NOT_WITH_A_TOKEN: &str = "5300";

#[derive(Debug)]
pub(crate) struct Gateway {
    url: String,
    directory: Directory<Container>,
    clock: Arc<Clock>,
    /// Whether every request must be signed. A signature is checked in any case.
    requires_key: bool,
    several_write_regions: bool,
    further_regions: Vec<(String, String)>,
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
    /// The error is a message for the person who starts the endpoint.
    pub(crate) fn new(url: String, options: &Options, clock: Clock) -> Result<Self, String> {
        let clock = Arc::new(clock);
        Ok(Self {
            url,
            directory: directory(options, &clock)?,
            clock,
            requires_key: options.require_key,
            several_write_regions: options.several_write_regions,
            further_regions: options.further_regions.clone(),
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

    pub(crate) fn containers(&self) -> Vec<Arc<Found>> {
        self.directory.containers().into_iter().map(|(_, container)| container).collect()
    }

    pub(crate) fn container_names(&self) -> Vec<ContainerName> {
        let containers = self.directory.containers().into_iter();
        containers.map(|(database, found)| ContainerName::new(database, found.definition().id.clone())).collect()
    }

    /// The container of this name; `None` if there is none.
    pub(crate) fn container(&self, name: &ContainerName) -> Option<Arc<Found>> {
        let path = ContainerPath { database: name.database.clone(), container: name.container.clone() };
        self.directory.container(&path).ok()
    }

    pub(crate) async fn answer(&self, incoming: Incoming) -> Reply {
        let _under_way = UnderWay::begin(&self.under_way);
        let activity = incoming.header("x-ms-activity-id").map_or_else(new_activity_id, str::to_owned);
        if let Err(message) = check_authorization(&incoming, self.requires_key) {
            return self.dated(Reply::error(401, "Unauthorized", message), activity);
        }
        let mut operation = Operation::of(&incoming);
        let container = operation.container_path().map(|path| self.directory.container(path));
        if let Some(Ok(found)) = &container
            && let Some(database) = self.directory.database_of(found.rid)
        {
            operation = operation.with_names(database, found.data.id().to_owned());
        }
        let request = LoggedRequest::begin(&operation, &incoming);
        let (mut reply, effect) = self.execute_with_faults(&operation, container, incoming).await;
        self.requests.add(request.end(&reply));
        match effect {
            Some(Effect::LoseReply) => reply.is_lost = true,
            Some(Effect::Garble) => reply.garble(),
            Some(Effect::Status { .. } | Effect::Delay(_)) | None => {}
        }
        self.dated(reply, activity)
    }

    /// Adds what every reply has: the time, and the id of the request.
    fn dated(&self, reply: Reply, activity: String) -> Reply {
        reply.with("date", self.clock.http_date()).with("x-ms-activity-id", activity)
    }

    /// Executes a request. Returns the reply, and the effect that it still needs.
    async fn execute_with_faults(
        &self,
        operation: &Operation,
        container: Option<Result<Arc<Found>, Missing>>,
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
        container: Option<Result<Arc<Found>, Missing>>,
        incoming: &Incoming,
    ) -> Reply {
        let reply = match &operation.address {
            Address::Account => self.account(incoming),
            Address::Unknown => Reply::error(404, "NotFound", format!("No resource has the path {}.", incoming.path)),
            Address::Resource(Resource::Offers | Resource::Offer(_)) if has_token(incoming) => {
                let message =
                    "An identity cannot read or set the throughput: a token does not authorize requests for offers.";
                Reply::error(403, "Forbidden", message).with(header::SUBSTATUS, NOT_WITH_A_TOKEN)
            }
            Address::Resource(resource) => {
                let reply = self.answer_resource(resource, incoming);
                if let (Resource::Offer(offer), &Method::PUT, 200) = (resource, &incoming.method, reply.status) {
                    self.add_partitions(offer).await;
                }
                reply
            }
            Address::NotOffered(not_offered) => {
                self.directory.answer_not_offered(incoming.method.as_str(), not_offered, incoming)
            }
            Address::Items(_) | Address::Item(..) => match container {
                Some(Ok(found)) => {
                    let reply = self.answer_items(operation, &found.data, incoming).await;
                    let name = operation.container.as_ref();
                    let link = name.map(|name| format!("dbs/{}/colls/{}", name.database, name.container));
                    match link {
                        Some(link) => reply.with("x-ms-alt-content-path", link),
                        None => reply,
                    }
                }
                Some(Err(missing)) => missing.owner_refusal().into_reply(),
                None => Reply::error(404, "NotFound", "The container does not exist."),
            },
        };
        self.usage.count(reply.request_charge());
        reply
    }

    /// The account, under the address that the client dialled.
    fn account(&self, incoming: &Incoming) -> Reply {
        if incoming.method != Method::GET {
            return Reply::error(
                405,
                "MethodNotAllowed",
                format!("{} is not supported for the account.", incoming.method),
            );
        }
        let mut reply = Reply::new(200).with(header::REQUEST_CHARGE, "0");
        reply.body = resources::account::to_json(&incoming.host, self.several_write_regions, &self.further_regions)
            .to_string()
            .into_bytes();
        reply
    }

    /// Splits physical partitions until a container has those that its new throughput needs. The service does so within hours.
    async fn add_partitions(&self, offer: &str) {
        if let Some((container, count)) = self.directory.needed_partitions(offer)
            && let Err(message) = growth::grow(&container.data, count, || self.clock.seconds()).await
        {
            log::error!("the physical partitions for a higher throughput could not be made: {message}");
        }
    }

    fn answer_resource(&self, resource: &Resource, incoming: &Incoming) -> Reply {
        if let Resource::Container(path) | Resource::Ranges(path) = resource
            && let Ok(found) = self.directory.container(path)
            && let Some(refusal) = wrong_container(&found.data, incoming)
        {
            return refusal;
        }
        self.directory.answer(incoming.method.as_str(), resource, incoming, &query::select)
    }

    async fn answer_items(&self, operation: &Operation, container: &Container, incoming: &Incoming) -> Reply {
        if let Some(refusal) = wrong_container(container, incoming) {
            return refusal;
        }
        if operation.action == Action::QueryPlan {
            return query::answer_plan(container, incoming);
        }
        if let Some(wait) = container.wait() {
            return too_many_requests(wait);
        }
        if container.store().has_transitions() {
            settle(container, operation, incoming).await;
        }
        let now = self.clock.milliseconds();
        let reply = match operation.action {
            Action::Batch => {
                execute_batch(container, incoming, now, &|id| self.faults.of_bulk_operation(operation, id))
            }
            Action::ChangeFeed => feed::read(container, incoming),
            Action::Query => query::execute(container, incoming, self.refuses_unindexed_queries.load(Ordering::SeqCst)),
            Action::Other => {
                let message = format!("{} is not supported for items.", incoming.method);
                container.error(405, "MethodNotAllowed", &message)
            }
            action => match self_link(container, operation) {
                Some((id, key)) => execute_point(container, action, Some(&id), &incoming.with_key(key), now),
                None => execute_point(container, action, operation.item_id(), incoming, now),
            },
        };
        container.spend(reply.request_charge());
        reply
    }
}

/// The id of a request whose client gave it none.
fn new_activity_id() -> String {
    static REQUESTS: AtomicU64 = AtomicU64::new(0);
    format!("00000000-0000-4000-8000-{:012x}", REQUESTS.fetch_add(1, Ordering::Relaxed))
}

/// The databases and containers: none, or those that are stored.
fn directory(options: &Options, clock: &Arc<Clock>) -> Result<Directory<Container>, String> {
    let persistence = options.data.as_deref().map(Persistence::open).transpose().map_err(|error| error.to_string())?;
    let failures: Arc<Mutex<Vec<String>>> = Arc::default();
    let context = ContainerContext {
        previous_images: options.previous_images,
        persistence: persistence.clone(),
        failures: Arc::clone(&failures),
    };
    let clock = Arc::clone(clock);
    let mut directory = Directory::new(context, move || clock.seconds());
    if let Some(partitions) = options.partitions {
        directory = directory.with_partitions(partitions);
    }
    if let Some(persistence) = persistence {
        let stored = persistence.account().map_err(|error| error.to_string())?;
        directory =
            directory.with_storage(move |account| persistence.save_account(account).map_err(|error| error.to_string()));
        if let Some(account) = stored {
            directory = directory.restored(account)?;
        }
    }
    let failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
    if failures.is_empty() { Ok(directory) } else { Err(failures.join("; ")) }
}

/// The id and the key of the item that a path names by resource ids only, as `_self` does.
fn self_link(container: &Container, operation: &Operation) -> Option<(String, String)> {
    operation.container_path().filter(|path| path.container == container.rid.to_string())?;
    let rid: DocumentRid = operation.item_id()?.parse().ok()?;
    let contents = container.store().read();
    let entry = contents.by_number(rid.number()).filter(|_| rid.container() == container.rid)?;
    Some((entry.id.to_string(), entry.key.to_string()))
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
