//! An account for tests, whose containers have no items and record what the directory tells them.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::address::Address;
use super::container_data::{ContainerData, ContainerUsage, NewContainer};
use super::definition::ContainerDefinition;
use super::directory::Directory;
use super::ranges::Ranges;
use super::refusal::Refusal;
use super::requests::ListQuery;
use crate::incoming::Incoming;
use crate::reply::Reply;

/// The data of a container that records what the directory tells it.
pub(super) struct Data {
    pub(super) ranges: Mutex<Ranges>,
    log: Log,
    name: String,
}

pub(super) type Log = Arc<Mutex<Vec<String>>>;

impl Data {
    fn record(&self, event: &str) {
        self.log.lock().expect("a lock").push(format!("{}: {event}", self.name));
    }
}

impl ContainerData for Data {
    type Context = Log;

    fn check(definition: &ContainerDefinition) -> Result<(), Refusal> {
        let refused = definition.computed_properties.iter().find(|property| property.query.ends_with("FROM nothing"));
        refused.map_or(Ok(()), |property| Err(Refusal::bad_request(format!("{} cannot be computed", property.name))))
    }

    fn create(log: &Log, new: NewContainer) -> Self {
        let data = Self { ranges: Mutex::new(new.ranges), log: Arc::clone(log), name: new.definition.id.clone() };
        data.record("created");
        data
    }

    fn replace_definition(&self, definition: Arc<ContainerDefinition>) {
        self.record(&format!("ttl {:?}", definition.default_ttl));
    }

    fn delete(&self) {
        self.record("deleted");
    }

    fn ranges(&self) -> Ranges {
        self.ranges.lock().expect("a lock").clone()
    }

    fn last_commit(&self, range: u32) -> u64 {
        u64::from(range) + 1
    }

    fn usage(&self) -> ContainerUsage {
        ContainerUsage { documents: 3, bytes: 2_049 }
    }
}

pub(super) struct Account {
    pub(super) directory: Directory<Data>,
    pub(super) log: Log,
}

pub(super) const CONTAINER: &str = r#"{"id":"c1","partitionKey":{"paths":["/pk"],"kind":"Hash"}}"#;

pub(super) fn account() -> Account {
    let log = Log::default();
    let time = AtomicI64::new(1_700_000_000);
    let directory = Directory::new(Arc::clone(&log), move || time.fetch_add(1, Ordering::SeqCst));
    Account { directory, log }
}

/// Finds resources by the value of one parameter, as the queries of SDKs do.
pub(super) fn by_parameter(query: &ListQuery, resources: Vec<Value>) -> Result<Vec<Value>, Refusal> {
    let member = if query.text.contains("offerResourceId") { "offerResourceId" } else { "id" };
    let Some((_, wanted)) = query.parameters.first() else { return Ok(resources) };
    Ok(resources.into_iter().filter(|resource| resource[member] == *wanted).collect())
}

impl Account {
    pub(super) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let url = url::Url::parse(&format!("http://127.0.0.1:1{path}")).expect("a URL");
        let address = Address::parse(url.path());
        let mut incoming = Incoming::new(method.parse().expect("a method"), url);
        incoming.headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        incoming.body = body.as_bytes().to_vec();
        match address {
            Address::Resource(resource) => self.directory.answer(method, &resource, &incoming, &by_parameter),
            Address::NotOffered(not_offered) => self.directory.answer_not_offered(method, &not_offered, &incoming),
            other => panic!("{path}: {other:?}"),
        }
    }

    pub(super) fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], "")
    }

    #[track_caller]
    pub(super) fn created(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Value {
        let reply = self.send("POST", path, headers, body);
        assert_eq!(reply.status, 201, "{}", String::from_utf8_lossy(&reply.body));
        json(&reply)
    }

    pub(super) fn query(&self, path: &str, text: &str, parameters: Value) -> Vec<Value> {
        let body = json!({"query": text, "parameters": parameters}).to_string();
        let reply = self.send("POST", path, &[("x-ms-documentdb-isquery", "True")], &body);
        let body = json(&reply);
        let list = body.as_object().and_then(|members| members.values().find_map(Value::as_array));
        list.expect("a list").clone()
    }

    pub(super) fn offer_of(&self, resource: &Value) -> Option<Value> {
        let parameters = json!([{"name": "@targetRID", "value": resource["_rid"]}]);
        let text = "select * from root r where r.offerResourceId= @targetRID";
        self.query("/offers", text, parameters).first().cloned()
    }

    pub(super) fn events(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().expect("a lock"))
    }
}

pub(super) fn json(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).expect("JSON")
}

pub(super) fn ids(reply: &Reply, member: &str) -> Vec<String> {
    let body = json(reply);
    let list = body[member].as_array().expect("a list");
    list.iter().map(|resource| resource["id"].as_str().expect("an id").to_owned()).collect()
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
