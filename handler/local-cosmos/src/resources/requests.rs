//! Answers requests for databases, containers, their partitions, and offers.
//!
//! Sources of status codes: the REST reference of Azure Cosmos DB, and what the .NET SDK sends and needs. Request charges
//! do not depend on the size of a resource.

use serde_json::{Value, json};

use super::address::{ContainerPath, NotOffered, Owner, Resource};
use super::catalog::Missing;
use super::container::Container;
use super::container_data::ContainerData;
use super::definition::{ContainerDefinition, object};
use super::directory::{Directory, Representation};
use super::name;
use super::offer::Offer;
use super::page::{Page, PageRequest};
use super::refusal::Refusal;
use super::resource_id::{ContainerRid, DatabaseRid, OfferRid};
use super::throughput::Throughput;
use crate::charges::{PARTITION_KEY_RANGES, READ_RESOURCE, WRITE_RESOURCE};
use crate::incoming::Incoming;
use crate::reply::{Reply, header};

/// No physical partition of a container has this id, so that clients do not send the token with requests for items.
const MASTER_PARTITION: u32 = u32::MAX;

/// A query of a list, as a client sent it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ListQuery {
    pub text: String,
    /// Names (`@id`) and values.
    pub parameters: Vec<(String, Value)>,
}

/// Executes a query over the resources of a list, and returns its results.
pub(crate) type QueryFunction<'q> = dyn Fn(&ListQuery, Vec<Value>) -> Result<Vec<Value>, Refusal> + 'q;

impl<D: ContainerData> Directory<D> {
    /// Answers a request. `method` is in upper case.
    pub(crate) fn answer(
        &self,
        method: &str,
        resource: &Resource,
        incoming: &Incoming,
        query: &QueryFunction<'_>,
    ) -> Reply {
        let request = Request { directory: self, incoming, query };
        let answered = match (method, resource) {
            ("GET", Resource::Databases) => request.list::<DatabaseRid>("", "Databases", self.list_databases()),
            ("POST", Resource::Databases) if incoming.is_query() => {
                request.query("", "Databases", self.list_databases())
            }
            ("POST", Resource::Databases) => request.create_database(),
            ("GET" | "HEAD", Resource::Database(name)) => request.read_database(name),
            ("DELETE", Resource::Database(name)) => {
                self.delete_database(name, request.if_match()).map(|()| request.deleted())
            }
            ("GET", Resource::Containers(database)) => request.list_containers(database),
            ("POST", Resource::Containers(database)) if incoming.is_query() => request.query_containers(database),
            ("POST", Resource::Containers(database)) => request.create_container(database),
            ("GET" | "HEAD", Resource::Container(path)) => request.read_container(path),
            ("PUT", Resource::Container(path)) => request.replace_container(path),
            ("DELETE", Resource::Container(path)) => {
                self.delete_container(path, request.if_match()).map(|()| request.deleted())
            }
            ("GET", Resource::Ranges(path)) => request.read_ranges(path),
            ("GET", Resource::Offers) => request.list::<OfferRid>("", "Offers", self.list_offers()),
            ("POST", Resource::Offers) if incoming.is_query() => request.query("", "Offers", self.list_offers()),
            ("GET" | "HEAD", Resource::Offer(rid)) => self.read_offer(rid).map(|offer| request.offer(&offer)),
            ("PUT", Resource::Offer(rid)) => request.replace_offer(rid),
            _ => Err(Refusal::method_not_allowed(format!("This resource has no method {method}."))),
        };
        answered.unwrap_or_else(Refusal::into_reply)
    }

    /// Answers a request for a kind of resources that the endpoint does not offer: their lists are empty.
    pub(crate) fn answer_not_offered(&self, method: &str, not_offered: &NotOffered, incoming: &Incoming) -> Reply {
        let owner = match &not_offered.owner {
            Owner::Account => Ok(String::new()),
            Owner::Database(name) => self.list_containers(name).map(|(rid, _)| rid),
            Owner::Container(path) => self.container(path).map(|container| container.rid.to_string()),
        };
        let owner = match owner {
            Ok(owner) => owner,
            Err(missing) => return missing.owner_refusal().into_reply(),
        };
        match (method, not_offered.kind.list().filter(|_| not_offered.is_list)) {
            ("GET", Some(list)) => feed(&owner, list, Page { items: Vec::new(), continuation: None }),
            ("POST", Some(list)) if incoming.is_query() => {
                feed(&owner, list, Page { items: Vec::new(), continuation: None })
            }
            _ => {
                Refusal::not_offered(format!("This endpoint does not offer {}.", not_offered.kind.name())).into_reply()
            }
        }
    }
}

/// A request that is being answered.
struct Request<'r, D: ContainerData> {
    directory: &'r Directory<D>,
    incoming: &'r Incoming,
    query: &'r QueryFunction<'r>,
}

impl<D: ContainerData> Request<'_, D> {
    fn if_match(&self) -> Option<&str> {
        self.incoming.header("if-match")
    }

    fn throughput(&self) -> Result<Option<Throughput>, Refusal> {
        Throughput::of_request(|name| self.incoming.header(name))
    }

    fn create_database(&self) -> Result<Reply, Refusal> {
        let id = name::read(&object(&self.incoming.body)?)?;
        let created = self.directory.create_database(id, self.throughput()?)?;
        Ok(self.written(201, created))
    }

    fn read_database(&self, name: &str) -> Result<Reply, Refusal> {
        self.directory.read_database(name).map(|found| self.found(found)).map_err(Missing::refusal)
    }

    fn list_containers(&self, database: &str) -> Result<Reply, Refusal> {
        let (owner, list) = self.directory.list_containers(database).map_err(Missing::owner_refusal)?;
        self.list::<ContainerRid>(&owner, "DocumentCollections", list)
    }

    fn query_containers(&self, database: &str) -> Result<Reply, Refusal> {
        let (owner, list) = self.directory.list_containers(database).map_err(Missing::owner_refusal)?;
        self.query(&owner, "DocumentCollections", list)
    }

    fn create_container(&self, database: &str) -> Result<Reply, Refusal> {
        let definition = ContainerDefinition::parse(&self.incoming.body)?;
        let created = self.directory.create_container(database, definition, self.throughput()?)?;
        Ok(self.written(201, created))
    }

    fn read_container(&self, path: &ContainerPath) -> Result<Reply, Refusal> {
        let container = self.directory.container(path).map_err(Missing::refusal_of_container)?;
        let stored = container.stored();
        let reply = self.found(Representation { json: stored.to_json(container.rid), etag: stored.etag });
        Ok(if self.incoming.flag("x-ms-documentdb-populatequotainfo") { with_quota(reply, &container) } else { reply })
    }

    fn replace_container(&self, path: &ContainerPath) -> Result<Reply, Refusal> {
        let replaced = self.directory.replace_container(path, &self.incoming.body, self.if_match())?;
        Ok(self.written(200, replaced))
    }

    fn read_ranges(&self, path: &ContainerPath) -> Result<Reply, Refusal> {
        let container = self.directory.container(path).map_err(Missing::owner_refusal)?;
        let ranges = container.data.ranges();
        let etag = ranges.etag();
        let commits: Vec<(u32, u64)> =
            ranges.list().iter().map(|range| (range.id, container.data.last_commit(range.id))).collect();
        let last_commit = |id| commits.iter().find(|(range, _)| *range == id).map(|(_, commit)| *commit);
        let json = ranges.to_feed(container.rid, |id| last_commit(id).unwrap_or_default());
        let charge = PARTITION_KEY_RANGES.to_string();
        let reply = self.found(Representation { json, etag }).with(header::REQUEST_CHARGE, charge);
        Ok(match reply.status {
            200 => reply.with(header::ITEM_COUNT, ranges.list().len().to_string()),
            _ => reply,
        })
    }

    fn offer(&self, offer: &Offer) -> Reply {
        let reply = self.found(Representation { json: offer.to_json(), etag: offer.etag.clone() });
        with_limits(reply, offer)
    }

    fn replace_offer(&self, rid: &str) -> Result<Reply, Refusal> {
        let body = object(&self.incoming.body)?;
        let offer = self.directory.replace_offer(rid, &body, |name| self.incoming.flag(name), self.if_match())?;
        let replaced = Representation { json: offer.to_json(), etag: offer.etag.clone() };
        Ok(with_limits(self.written(200, replaced), &offer))
    }

    fn page(&self) -> Result<PageRequest, Refusal> {
        PageRequest::new(self.incoming.header("x-ms-max-item-count"), self.incoming.header(header::CONTINUATION))
    }

    fn list<R>(&self, owner: &str, member: &str, list: Vec<(String, Value)>) -> Result<Reply, Refusal>
    where
        R: std::str::FromStr + PartialOrd,
    {
        Ok(feed(owner, member, self.page()?.of_list::<R>(list)?))
    }

    fn query(&self, owner: &str, member: &str, list: Vec<(String, Value)>) -> Result<Reply, Refusal> {
        let page = self.page()?;
        let query = read_query(&self.incoming.body)?;
        let results = (self.query)(&query, list.into_iter().map(|(_, resource)| resource).collect())?;
        Ok(feed(owner, member, page.of_results(results)?))
    }

    /// The reply with a resource, or 304 if the client has it.
    fn found(&self, found: Representation) -> Reply {
        let is_known = |known: &str| crate::etag::matches(known, &found.etag);
        let is_known = self.incoming.header("if-none-match").is_some_and(is_known);
        let reply = Reply::new(if is_known { 304 } else { 200 });
        let reply = reply.with(header::ETAG, &found.etag).with(header::REQUEST_CHARGE, READ_RESOURCE.to_string());
        if is_known { reply } else { with_body(reply, &found.json) }
    }

    fn written(&self, status: u16, written: Representation) -> Reply {
        let reply = self.changed(status).with(header::ETAG, &written.etag);
        with_body(reply, &written.json)
    }

    fn deleted(&self) -> Reply {
        self.changed(204)
    }

    fn changed(&self, status: u16) -> Reply {
        let token = format!("{MASTER_PARTITION}:-1#{}", self.directory.changes());
        Reply::new(status).with(header::REQUEST_CHARGE, WRITE_RESOURCE.to_string()).with(header::SESSION_TOKEN, token)
    }
}

fn with_body(reply: Reply, json: &Value) -> Reply {
    Reply { body: json.to_string().into_bytes(), ..reply }
}

fn with_limits(reply: Reply, offer: &Offer) -> Reply {
    reply.with("x-ms-offer-replace-pending", "false").with("x-ms-cosmos-min-throughput", offer.minimum().to_string())
}

fn with_quota<D: ContainerData>(reply: Reply, container: &Container<D>) -> Reply {
    let usage = container.data.usage();
    let kilobytes = usage.bytes.div_ceil(1024);
    let other = "functions=0;storedProcedures=0;triggers=0;documentSize=0;";
    let documents = usage.documents;
    reply
        .with("x-ms-resource-quota", "functions=50;storedProcedures=200;triggers=50;documentSize=10240;documentsSize=-1;documentsCount=-1;collectionSize=-1;")
        .with(
            "x-ms-resource-usage",
            format!("{other}documentsSize={kilobytes};documentsCount={documents};collectionSize={kilobytes};"),
        )
        .with("x-ms-documentdb-collection-index-transformation-progress", "100")
}

/// The reply with a page of a list.
fn feed(owner: &str, member: &str, page: Page) -> Reply {
    let count = page.items.len();
    let mut json = json!({"_rid": owner});
    json[member] = Value::Array(page.items);
    json["_count"] = json!(count);
    let reply = Reply::new(200)
        .with(header::REQUEST_CHARGE, READ_RESOURCE.to_string())
        .with(header::ITEM_COUNT, count.to_string());
    let reply = match page.continuation {
        Some(continuation) => reply.with(header::CONTINUATION, continuation),
        None => reply,
    };
    with_body(reply, &json)
}

fn read_query(body: &[u8]) -> Result<ListQuery, Refusal> {
    let body = object(body)?;
    let Some(text) = body.get("query").and_then(Value::as_str) else {
        return Err(Refusal::bad_request("The body has no string query."));
    };
    let no_parameters = Vec::new();
    let given = body.get("parameters").and_then(Value::as_array).unwrap_or(&no_parameters);
    let parameter = |parameter: &Value| match parameter["name"].as_str() {
        Some(name) => Ok((name.to_owned(), parameter["value"].clone())),
        None => Err(Refusal::bad_request(format!("The parameter {parameter} has no string name."))),
    };
    let parameters = given.iter().map(parameter).collect::<Result<_, _>>()?;
    Ok(ListQuery { text: text.to_owned(), parameters })
}

#[cfg(test)]
mod tests;
