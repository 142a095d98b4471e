//! A reply to a client.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use serde_json::json;

/// Status, headers and body of a reply.
#[derive(Debug)]
pub(crate) struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Whether the connection breaks before the reply has arrived.
    pub is_lost: bool,
}

/// Sub-status of a 400: the partition key does not match the item or the container.
pub(crate) const PARTITION_KEY_MISMATCH: &str = "1001";

pub(crate) mod header {
    pub const CONTINUATION: &str = "x-ms-continuation";
    pub const ETAG: &str = "etag";
    pub const ITEM_COUNT: &str = "x-ms-item-count";
    pub const LSN: &str = "lsn";
    pub const PARTITION_KEY: &str = "x-ms-documentdb-partitionkey";
    pub const PARTITION_KEY_RANGE_ID: &str = "x-ms-documentdb-partitionkeyrangeid";
    pub const REQUEST_CHARGE: &str = "x-ms-request-charge";
    pub const SESSION_TOKEN: &str = "x-ms-session-token";
    pub const SUBSTATUS: &str = "x-ms-substatus";
}

impl Reply {
    pub(crate) fn new(status: u16) -> Self {
        Self {
            status,
            headers: vec![("content-type".into(), "application/json".into())],
            body: Vec::new(),
            is_lost: false,
        }
    }

    /// An error in the service's form.
    pub(crate) fn error(status: u16, code: &str, message: impl AsRef<str>) -> Self {
        let body = json!({"code": code, "message": message.as_ref()}).to_string().into_bytes();
        Self { body, ..Self::new(status).with(header::REQUEST_CHARGE, "0") }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.retain(|(key, _)| key != name);
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(crate) fn request_charge(&self) -> f64 {
        self.header(header::REQUEST_CHARGE).and_then(|charge| charge.parse().ok()).unwrap_or_default()
    }

    /// Cuts the body so that it is not valid JSON.
    pub(crate) fn garble(&mut self) {
        self.body.truncate(self.body.len() / 2);
        // Not valid UTF-8 either, so that no prefix of a number or text passes.
        self.body.push(0xFF);
    }

    pub(crate) fn into_http(self) -> HttpResponse {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = HttpResponse::build(status);
        for (name, value) in self.headers {
            // The server frames the body itself.
            if name != "content-length" && name != "transfer-encoding" {
                response.insert_header((name, value));
            }
        }
        if self.is_lost {
            // A status that has no body, such as that of a delete, would arrive whole.
            response.status(StatusCode::OK);
            let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
            return response.streaming(futures::stream::iter([Err::<Bytes, _>(broken)]));
        }
        response.body(self.body)
    }
}
