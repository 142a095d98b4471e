//! The headers of a proxied request and of its response.

use actix_web::HttpRequest;
use actix_web::HttpResponseBuilder;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::handler::HOST_VERSION;

/// Headers of one connection, which a proxy does not pass on.
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The client's headers, without those of its connection and with those that the host adds.
pub(super) fn to_handler(request: &HttpRequest, invocation_id: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let named_in_connection = connection_headers(request);
    for (name, value) in request.headers() {
        let name = name.as_str();
        if is_hop_by_hop(name)
            || named_in_connection.iter().any(|other| other == name)
            || matches!(name, "host" | "expect")
        {
            continue;
        }
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value.as_bytes())) {
            headers.append(name, value);
        }
    }
    let connection = request.connection_info();
    let client = request.peer_addr().map(|address| address.ip().to_string());
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("x-azure-functions-hostversion", HOST_VERSION);
    set("x-azure-functions-invocationid", invocation_id);
    set("x-forwarded-for", client.as_deref().unwrap_or_default());
    set("x-forwarded-host", connection.host());
    set("x-forwarded-proto", "http");
    if !headers.contains_key("x-ms-invocation-id")
        && let Ok(value) = HeaderValue::from_str(invocation_id)
    {
        headers.insert(HeaderName::from_static("x-ms-invocation-id"), value);
    }
    headers
}

/// Copies the handler's headers, without those of its connection. The body determines `content-length`.
pub(super) fn to_client(headers: &HeaderMap, response: &mut HttpResponseBuilder) {
    for (name, value) in headers {
        if !is_hop_by_hop(name.as_str()) && name.as_str() != "content-length" {
            response.append_header((name.as_str(), value.as_bytes()));
        }
    }
}

fn is_hop_by_hop(name: &str) -> bool {
    HOP_BY_HOP.contains(&name)
}

fn connection_headers(request: &HttpRequest) -> Vec<String> {
    let values = request.headers().get_all("connection").filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|name| name.trim().to_lowercase()).collect()
}
