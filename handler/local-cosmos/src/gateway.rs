//! Every request goes through here: to the emulator, to the log, or to both.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use azure_core::http::Method;

use crate::change_feed;
use crate::container::Container;
use crate::emulator::{Emulator, Incoming};
use crate::endpoint::Options;
use crate::faults::{Effect, Faults};
use crate::keys::{EMULATOR_KEY, is_signed};
use crate::operation::{ContainerName, Operation};
use crate::paging;
use crate::reply::{Reply, header};
use crate::throttle::too_many_requests;
use crate::usage::UsageMeter;
use crate::writes;

/// Sub-status of a 404: the database or the container is missing, not the item.
const OWNER_NOT_FOUND: &str = "1003";

#[derive(Debug)]
pub(crate) struct Gateway {
    emulator: Emulator,
    containers: Mutex<BTreeMap<ContainerName, Arc<Container>>>,
    /// The key that requests must be signed with, if they must be.
    key: Option<String>,
    /// How long AllVersionsAndDeletes mode reaches back.
    retention: Duration,
    /// Whether containers keep previous images, until they are told otherwise.
    previous_images: bool,
    pub usage: UsageMeter,
    pub faults: Faults,
    under_way: AtomicU64,
}

/// A request that is being answered, or whose client went away while it was.
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
            containers: Mutex::default(),
            key: options.require_key.then(|| EMULATOR_KEY.to_owned()),
            retention: options.change_feed_retention,
            previous_images: options.previous_images,
            usage: UsageMeter::new(),
            faults: Faults::default(),
            under_way: AtomicU64::new(0),
        }
    }

    pub(crate) fn requests_under_way(&self) -> u64 {
        self.under_way.load(Ordering::SeqCst)
    }

    pub(crate) fn emulator(&self) -> &Emulator {
        &self.emulator
    }

    pub(crate) fn retention_ms(&self) -> i64 {
        i64::try_from(self.retention.as_millis()).unwrap_or(i64::MAX)
    }

    pub(crate) fn containers(&self) -> Vec<(ContainerName, Arc<Container>)> {
        self.registry().iter().map(|(name, container)| (name.clone(), Arc::clone(container))).collect()
    }

    pub(crate) async fn answer(&self, mut incoming: Incoming) -> Reply {
        let _under_way = UnderWay::begin(&self.under_way);
        if let Some(key) = &self.key
            && !self.is_authorized(key, &incoming)
        {
            return Reply::error(401, "Unauthorized", "The request is not signed with this account's key.");
        }
        // Text is what every client reads; the log keeps text too.
        incoming.remove_header("x-ms-cosmos-supported-serialization-formats");
        let operation = Operation::of(&incoming);
        let effect = self.faults.next(&operation);
        match effect {
            Some(Effect::Status { status, substatus }) => {
                let reply = Reply::error(status, "Fault", "This failure was asked for.");
                return reply.with(header::SUBSTATUS, substatus.to_string());
            }
            Some(Effect::Delay(delay)) => tokio::time::sleep(delay).await,
            Some(Effect::LoseReply) | None => {}
        }
        let container = match operation.items_of() {
            Some(name) => self.container(name).await,
            None => None,
        };
        let wait = container.as_ref().and_then(|container| container.wait());
        let mut reply = match wait {
            Some(wait) => too_many_requests(wait),
            None => self.execute(operation, incoming).await,
        };
        if reply.status == 404 && reply.request_charge() == 0.0 {
            reply = reply.with(header::REQUEST_CHARGE, "1");
        }
        if let Some(container) = container {
            container.spend(reply.request_charge());
        }
        self.usage.count(reply.request_charge());
        reply.is_lost = effect == Some(Effect::LoseReply);
        reply
    }

    async fn execute(&self, operation: Operation, incoming: Incoming) -> Reply {
        match operation {
            Operation::Write(name) => match self.container(&name).await {
                Some(container) => writes::write(&self.emulator, &container, incoming).await,
                None => self.without_owner(&incoming).await,
            },
            Operation::Delete(name) => match self.container(&name).await {
                Some(container) => writes::delete(&self.emulator, &container, incoming).await,
                None => self.without_owner(&incoming).await,
            },
            Operation::Batch(name) => match self.container(&name).await {
                Some(container) => writes::batch(&self.emulator, &name, &container, incoming).await,
                None => self.without_owner(&incoming).await,
            },
            Operation::Read(name) => match self.container(&name).await {
                Some(container) => container.execute(&self.emulator, &incoming).await,
                None => self.without_owner(&incoming).await,
            },
            Operation::ChangeFeed(name) => match self.container(&name).await {
                Some(container) => change_feed::read(&self.emulator, &name, &container, &incoming).await,
                None => self.without_owner(&incoming).await,
            },
            Operation::Page(name) => match self.container(&name).await {
                Some(container) => paging::execute(&self.emulator, &container, incoming).await,
                None => self.without_owner(&incoming).await,
            },
            Operation::ReadContainer(name) => self.read_container(&name, incoming).await,
            Operation::ReadPartitions(name) => match self.container(&name).await {
                Some(container) => {
                    let _topology = container.topology.read().await;
                    let reply = self.emulator.execute(&incoming).await;
                    container.lineage().complete(reply)
                }
                None => self.emulator.execute(&incoming).await,
            },
            Operation::AlterContainer(name) => {
                let reply = self.emulator.execute(&incoming).await;
                let known = self.registry().get(&name).cloned();
                if let Some(container) = known {
                    container.reload(&self.emulator, &name).await;
                }
                reply
            }
            Operation::DropContainer(name) => {
                let reply = self.emulator.execute(&incoming).await;
                if reply.is_success() {
                    self.registry().remove(&name);
                }
                reply
            }
            Operation::DropDatabase(database) => {
                let reply = self.emulator.execute(&incoming).await;
                if reply.is_success() {
                    self.registry().retain(|name, _| name.database != database);
                }
                reply
            }
            Operation::CreateContainer => self.without_owner(&incoming).await,
            Operation::Other => self.emulator.execute(&incoming).await,
        }
    }

    fn is_authorized(&self, key: &str, incoming: &Incoming) -> bool {
        let date = incoming.header("x-ms-date").or_else(|| incoming.header("date")).unwrap_or_default();
        let authorization = incoming.header("authorization").unwrap_or_default();
        is_signed(key, incoming.method.as_str(), incoming.url.path(), date, authorization)
    }

    /// Answers a request whose database or container may be missing: the service tells that by a sub-status.
    async fn without_owner(&self, incoming: &Incoming) -> Reply {
        let reply = self.emulator.execute(incoming).await;
        if reply.status == 404 { reply.with(header::SUBSTATUS, OWNER_NOT_FOUND) } else { reply }
    }

    async fn read_container(&self, name: &ContainerName, incoming: Incoming) -> Reply {
        let reply = self.emulator.execute(&incoming).await;
        if reply.status == 404 && !self.database_exists(&name.database).await {
            return reply.with(header::SUBSTATUS, OWNER_NOT_FOUND);
        }
        if !reply.is_success() || !incoming.flag("x-ms-documentdb-populatequotainfo") {
            return reply;
        }
        let items = match self.container(name).await {
            Some(container) => container.log().items(),
            None => 0,
        };
        reply.with("x-ms-resource-usage", format!("documentsCount={items};"))
    }

    async fn database_exists(&self, name: &str) -> bool {
        let mut url = self.emulator.url().clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().extend(["dbs", name]);
        }
        self.emulator.execute(&Incoming::new(Method::Get, url)).await.is_success()
    }

    pub(crate) async fn container(&self, name: &ContainerName) -> Option<Arc<Container>> {
        if let Some(container) = self.registry().get(name) {
            return Some(Arc::clone(container));
        }
        let loaded = Arc::new(Container::load(&self.emulator, name).await?);
        loaded.log().keep_previous_images(self.previous_images);
        Some(Arc::clone(self.registry().entry(name.clone()).or_insert(loaded)))
    }

    fn registry(&self) -> std::sync::MutexGuard<'_, BTreeMap<ContainerName, Arc<Container>>> {
        self.containers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
