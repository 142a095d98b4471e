//! A request as it was received.

use azure_core::http::Method;
use url::Url;

/// A request as it was received.
#[derive(Clone, Debug)]
pub(crate) struct Incoming {
    pub method: Method,
    /// Without a trailing slash.
    pub url: Url,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Incoming {
    pub(crate) fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.header(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    pub(crate) fn is_query(&self) -> bool {
        self.flag("x-ms-documentdb-isquery") || self.flag("x-ms-documentdb-query")
    }

    pub(crate) fn is_query_plan(&self) -> bool {
        self.flag("x-ms-cosmos-is-query-plan-request")
    }

    /// Whether the body has a query for the emulator to read.
    pub(crate) fn has_query(&self) -> bool {
        self.is_query() || self.is_query_plan()
    }

    pub(crate) fn set_header(&mut self, name: &str, value: impl Into<String>) {
        self.remove_header(name);
        self.headers.push((name.to_owned(), value.into()));
    }

    pub(crate) fn remove_header(&mut self, name: &str) {
        self.headers.retain(|(key, _)| key != name);
    }
}
