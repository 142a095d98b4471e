//! A request as it was received.

use actix_web::http::Method;

use crate::reply::header;

/// A request as it was received.
#[derive(Clone, Debug)]
pub(crate) struct Incoming {
    pub method: Method,
    /// The path of its URL, percent-encoded.
    pub path: String,
    /// The host and port that the client dialled, as it wrote them.
    pub host: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Incoming {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), host: String::new(), headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.header(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    pub(crate) fn is_query(&self) -> bool {
        self.flag("x-ms-documentdb-isquery")
            || self.flag("x-ms-documentdb-query")
            || self.header("content-type").is_some_and(|kind| kind.starts_with("application/query+json"))
    }

    pub(crate) fn is_query_plan(&self) -> bool {
        self.flag("x-ms-cosmos-is-query-plan-request")
    }

    /// Whether the body has a query.
    pub(crate) fn has_query(&self) -> bool {
        self.is_query() || self.is_query_plan()
    }

    /// The same request with a partition key, unless it has one.
    pub(crate) fn with_key(&self, key: String) -> Self {
        let mut request = self.clone();
        if request.header(header::PARTITION_KEY).is_none() {
            request.headers.push((header::PARTITION_KEY.to_owned(), key));
        }
        request
    }

    /// Whether the client requests the written item in the reply.
    pub(crate) fn wants_item(&self) -> bool {
        match self.header("x-ms-cosmos-populate-content-response-on-write") {
            Some(value) => value.eq_ignore_ascii_case("true"),
            None => !self.header("prefer").is_some_and(|prefer| prefer.contains("return=minimal")),
        }
    }
}
