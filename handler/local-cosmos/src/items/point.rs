//! Requests for one item: create, upsert, replace, patch, read and delete.

use super::checks::{parse_item, text_body};
use super::operation::{Conditions, ItemOperation, Refused, RequestKey, Rules, execute as execute_operation, read};
use super::reply::{Position, done, refused};
use super::request_key;
use crate::container::Container;
use crate::incoming::Incoming;
use crate::operation::Action;
use crate::patch::Patch;
use crate::reply::Reply;

/// Executes a request. `id` is that of the path; a create or upsert has none. `now` is in milliseconds since 1970.
pub(crate) fn execute(container: &Container, action: Action, id: Option<&str>, incoming: &Incoming, now: i64) -> Reply {
    let (operation, key) = match request(container, action, id, incoming) {
        Ok(request) => request,
        Err(error) => return refused(container, &error, None),
    };
    let conditions = Conditions {
        if_match: incoming.header("if-match").map(str::to_owned),
        if_none_match: incoming.header("if-none-match").map(str::to_owned),
    };
    let (result, position) = if let ItemOperation::Read(id) = operation {
        let contents = container.store().read();
        let partition = contents.partition_of(&key.epk);
        if let Some(refusal) = container.session_refusal(&contents, partition, incoming) {
            return refusal;
        }
        (read(partition.get(&key.epk, &id).cloned(), &conditions), Position::of(partition))
    } else {
        let index = container.index_policy();
        let rules = Rules { key: container.key(), index: &index };
        let mut contents = container.store().write();
        if let Some(refusal) = container.session_refusal(&contents, contents.partition_of(&key.epk), incoming) {
            return refusal;
        }
        let mut transaction = contents.begin(&key.epk, now);
        let result = execute_operation(&mut transaction, &rules, &key, operation, &conditions);
        let result = transaction.end(result);
        (result, Position::of(contents.partition_of(&key.epk)))
    };
    match result {
        Ok(result) => done(container, &position, &result, action == Action::Read || incoming.wants_item()),
        Err(error) => refused(container, &error, Some(&position)),
    }
}

fn request(
    container: &Container,
    action: Action,
    id: Option<&str>,
    incoming: &Incoming,
) -> Result<(ItemOperation, RequestKey), Refused> {
    let item = || parse_item(&incoming.body);
    let id = || id.unwrap_or_default().to_owned();
    let operation = match action {
        Action::Create => ItemOperation::Create(item()?),
        Action::Upsert => ItemOperation::Upsert(item()?),
        Action::Replace => ItemOperation::Replace(id(), item()?),
        Action::Patch => {
            let body = text_body(&incoming.body)?;
            ItemOperation::Patch(id(), Patch::parse(&body).map_err(Refused::bad_request)?)
        }
        Action::Delete => ItemOperation::Delete(id()),
        _ => ItemOperation::Read(id()),
    };
    let key = request_key::of(container, incoming, &operation)?;
    Ok((operation, key))
}
