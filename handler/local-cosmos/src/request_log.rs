//! A log of the answered requests, so that a test can assert how many a feature needs and how many items they return.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::incoming::Incoming;
use crate::limits::MAX_LOGGED_REQUESTS;
use crate::operation::{Action, Operation};
use crate::reply::{Reply, header};

/// An answered request.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoggedRequest {
    /// The name of the database that it addressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// The name of the container that it addressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The path of its URL, encoded.
    pub path: String,
    /// What it did.
    pub kind: LoggedKind,
    /// The number of items in the reply: those of a page, the results of a batch, or the item that was read or written.
    pub items: usize,
    /// The HTTP status of the reply.
    pub status: u16,
    /// The request units charged.
    pub request_charge: f64,
    /// The text of a query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// The priority level that it asked for. It has no effect here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority_level: Option<String>,
    /// The throughput bucket that it named. It has no effect here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throughput_bucket: Option<String>,
    /// The session token that it sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_token: Option<String>,
}

/// What a logged request did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LoggedKind {
    /// Read of one item.
    Read,
    /// Create of an item.
    Create,
    /// Replace of an item.
    Replace,
    /// Upsert of an item.
    Upsert,
    /// Patch of an item.
    Patch,
    /// Delete of an item.
    Delete,
    /// A page of a query or of a read of all items.
    Query,
    /// A query plan.
    QueryPlan,
    /// A transactional or bulk batch.
    Batch,
    /// A page of the change feed.
    ChangeFeed,
    /// Anything else: a request for the account, a database, a container or its partition key ranges.
    Metadata,
}

/// The newest requests.
#[derive(Debug, Default)]
pub(crate) struct RequestLog(Mutex<VecDeque<LoggedRequest>>);

impl RequestLog {
    pub(crate) fn add(&self, request: LoggedRequest) {
        let mut requests = self.lock();
        if requests.len() == MAX_LOGGED_REQUESTS {
            requests.pop_front();
        }
        requests.push_back(request);
    }

    pub(crate) fn list(&self) -> Vec<LoggedRequest> {
        self.lock().iter().cloned().collect()
    }

    pub(crate) fn take(&self) -> Vec<LoggedRequest> {
        std::mem::take(&mut *self.lock()).into()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<LoggedRequest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LoggedRequest {
    /// A request that is about to be executed.
    pub(crate) fn begin(operation: &Operation, incoming: &Incoming) -> Self {
        let kind = match operation.action {
            Action::Read => LoggedKind::Read,
            Action::Create => LoggedKind::Create,
            Action::Replace => LoggedKind::Replace,
            Action::Upsert => LoggedKind::Upsert,
            Action::Patch => LoggedKind::Patch,
            Action::Delete => LoggedKind::Delete,
            Action::Query => LoggedKind::Query,
            Action::QueryPlan => LoggedKind::QueryPlan,
            Action::Batch => LoggedKind::Batch,
            Action::ChangeFeed => LoggedKind::ChangeFeed,
            _ => LoggedKind::Metadata,
        };
        Self {
            database: operation.database.clone(),
            container: operation.container.as_ref().map(|name| name.container.clone()),
            path: incoming.path.clone(),
            kind,
            items: 0,
            status: 0,
            request_charge: 0.0,
            query: matches!(kind, LoggedKind::Query | LoggedKind::QueryPlan)
                .then(|| query_text(&incoming.body))
                .flatten(),
            priority_level: incoming.header("x-ms-cosmos-priority-level").map(str::to_owned),
            throughput_bucket: incoming.header("x-ms-cosmos-throughput-bucket").map(str::to_owned),
            session_token: incoming.header(header::SESSION_TOKEN).map(str::to_owned),
        }
    }

    pub(crate) fn end(mut self, reply: &Reply) -> Self {
        self.items = items(self.kind, reply);
        self.status = reply.status;
        self.request_charge = reply.request_charge();
        self
    }
}

/// The text of the query in a request's body.
pub(crate) fn query_text(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Body {
        query: String,
    }
    serde_json::from_slice::<Body>(body).ok().map(|body| body.query)
}

fn items(kind: LoggedKind, reply: &Reply) -> usize {
    if !reply.is_success() {
        return 0;
    }
    match kind {
        LoggedKind::Metadata | LoggedKind::QueryPlan => 0,
        LoggedKind::Query | LoggedKind::ChangeFeed | LoggedKind::Batch => {
            reply.header(header::ITEM_COUNT).and_then(|count| count.parse().ok()).unwrap_or_default()
        }
        _ => usize::from(!reply.body.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_requests_are_dropped_when_the_log_is_full() {
        let log = RequestLog::default();
        let request = |status| LoggedRequest {
            database: None,
            container: None,
            path: String::new(),
            kind: LoggedKind::Metadata,
            items: 0,
            status,
            request_charge: 0.0,
            query: None,
            priority_level: None,
            throughput_bucket: None,
            session_token: None,
        };
        for _ in 0..MAX_LOGGED_REQUESTS {
            log.add(request(200));
        }
        log.add(request(404));
        let requests = log.take();
        assert_eq!((requests.len(), requests.last().map(|request| request.status)), (MAX_LOGGED_REQUESTS, Some(404)));
        assert_eq!(log.list(), []);
    }
}
