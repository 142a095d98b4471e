//! The headers of a client's request, in the order and the spelling in which ASP.NET lists them, and what a proxy does with them.
//!
//! The HTTP server here spells names in lower case and does not keep their order. Those that ASP.NET knows get their spelling and
//! their place; the others are listed by name.

use actix_web::HttpRequest;

use crate::wire::Content;

/// Known headers that come first.
const FIRST: [&str; 4] = ["Accept", "Connection", "Host", "User-Agent"];
const KNOWN: [&str; 48] = [
    "Accept-Charset",
    "Accept-Encoding",
    "Accept-Language",
    "Access-Control-Request-Headers",
    "Access-Control-Request-Method",
    "Allow",
    "Alt-Used",
    "Authorization",
    "baggage",
    "Cache-Control",
    "Content-Encoding",
    "Content-Language",
    "Content-Location",
    "Content-MD5",
    "Content-Range",
    "Content-Type",
    "Cookie",
    "Correlation-Context",
    "Date",
    "Expect",
    "Expires",
    "From",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    "Keep-Alive",
    "Last-Modified",
    "Max-Forwards",
    "Origin",
    "Pragma",
    "Proxy-Authorization",
    "Proxy-Connection",
    "Range",
    "Referer",
    "Request-Id",
    "TE",
    "traceparent",
    "tracestate",
    "Trailer",
    "Transfer-Encoding",
    "Translate",
    "Upgrade",
    "Upgrade-Insecure-Requests",
    "Via",
    "Warning",
    "X-Requested-With",
];
/// Comes after the other known ones.
const LAST: &str = "Content-Length";

/// Headers that a proxy sets itself. Like those of the connection, it does not pass them on to the handler.
const SET_BY_PROXY: [&str; 7] = [
    "host",
    "content-length",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-prefix",
];
/// Headers that belong to the connection.
const OF_CONNECTION: [&str; 10] = [
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
const OF_CONTENT: [&str; 3] = ["allow", "expires", "last-modified"];
const HOST_VERSION: &str = "X-Azure-Functions-HostVersion";
const INVOCATION_ID: &str = "X-Azure-Functions-InvocationId";
const MS_INVOCATION_ID: &str = "x-ms-invocation-id";

/// A header of a client, with all of its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClientHeader {
    pub name: String,
    pub values: Vec<String>,
}

pub(super) fn of_client(request: &HttpRequest) -> Vec<ClientHeader> {
    let mut headers: Vec<ClientHeader> = Vec::new();
    for name in request.headers().keys() {
        let values =
            request.headers().get_all(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        headers.push(ClientHeader { name: spelled(name.as_str()), values: values.collect() });
    }
    headers.sort_by_cached_key(|header| place(&header.name));
    headers
}

fn spelled(name: &str) -> String {
    let mut known = FIRST.iter().chain(&KNOWN).chain([&LAST, &HOST_VERSION, &INVOCATION_ID]);
    known.find(|known| known.eq_ignore_ascii_case(name)).map_or_else(|| name.to_owned(), |known| (*known).to_owned())
}

/// Sorts the known headers before the others.
fn place(name: &str) -> (usize, String) {
    let known = FIRST.iter().chain(&KNOWN).chain([&LAST]).position(|known| *known == name);
    (known.unwrap_or(usize::MAX), name.to_lowercase())
}

/// The headers for the handler: repeated ones are joined, and the host adds its own.
pub(super) fn to_handler(
    request: &HttpRequest,
    length: Option<Option<u64>>,
    host_version: &str,
    invocation_id: &str,
) -> (Vec<(String, String)>, Option<Content>) {
    let (mut headers, mut of_content) = (Vec::new(), Vec::new());
    for ClientHeader { name, values } in of_client(request) {
        let lower = name.to_lowercase();
        if OF_CONNECTION.contains(&lower.as_str()) || SET_BY_PROXY.contains(&lower.as_str()) {
            continue;
        }
        let separator = if name == "Cookie" { "; " } else { ", " };
        let value = match name.as_str() {
            HOST_VERSION => host_version.to_owned(),
            INVOCATION_ID => invocation_id.to_owned(),
            _ => values.join(separator),
        };
        let is_of_content = lower.starts_with("content-") || OF_CONTENT.contains(&lower.as_str());
        if is_of_content && length.is_some() { &mut of_content } else { &mut headers }.push((name, value));
    }
    for (name, value) in
        [(HOST_VERSION, host_version), (INVOCATION_ID, invocation_id), (MS_INVOCATION_ID, invocation_id)]
    {
        if !headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
            headers.push((name.to_owned(), value.to_owned()));
        }
    }
    let client = request.peer_addr().map(|address| address.ip().to_string()).unwrap_or_default();
    let forwarded =
        [("X-Forwarded-For", client), ("X-Forwarded-Host", host(request)), ("X-Forwarded-Proto", "http".to_owned())];
    headers.extend(forwarded.map(|(name, value)| (name.to_owned(), value)));
    (headers, length.map(|length| Content { headers: of_content, length }))
}

/// The host and port that the client called.
pub(super) fn host(request: &HttpRequest) -> String {
    let host = request.headers().get("host").map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned());
    host.or_else(|| Some(request.uri().authority()?.to_string())).unwrap_or_default()
}

/// Whether a proxy passes this header of a response on to the client. The body determines `Content-Length`.
pub(super) fn is_for_client(name: &str) -> bool {
    !OF_CONNECTION.iter().chain(&["content-length"]).any(|other| other.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::{Content, of_client, to_handler};

    fn line((name, value): &(String, String)) -> String {
        format!("{name}: {value}")
    }

    #[test]
    fn known_headers_come_first_and_are_spelled_as_aspnet_spells_them() {
        let mut request = TestRequest::default();
        for (name, value) in [
            ("X-B", "1"),
            ("cookie", "a=b"),
            ("CONTENT-LENGTH", "1"),
            ("content-type", "t/p"),
            ("user-agent", "u"),
            ("x-a", "2"),
        ] {
            request = request.append_header((name, value));
        }
        let names: Vec<String> = of_client(&request.to_http_request()).into_iter().map(|header| header.name).collect();
        assert_eq!(names, ["User-Agent", "Content-Type", "Cookie", "Content-Length", "x-a", "x-b"]);
    }

    #[test]
    fn repeated_headers_are_joined_and_those_of_the_body_come_last() {
        let mut request = TestRequest::default();
        for (name, value) in [
            ("x-twice", "1"),
            ("x-twice", "2"),
            ("cookie", "a=b"),
            ("cookie", "c=d"),
            ("content-type", "t/p"),
            ("te", "trailers"),
            ("forwarded", "for=1"),
        ] {
            request = request.append_header((name, value));
        }
        let (headers, content) = to_handler(&request.to_http_request(), Some(Some(7)), "4.0", "id");
        let lines: Vec<String> = headers.iter().map(line).take(5).collect();
        assert_eq!(
            lines,
            [
                "Cookie: a=b; c=d",
                "x-twice: 1, 2",
                "X-Azure-Functions-HostVersion: 4.0",
                "X-Azure-Functions-InvocationId: id",
                "x-ms-invocation-id: id"
            ]
        );
        let Some(Content { headers, length: Some(7) }) = content else { panic!("{content:?}") };
        assert_eq!(headers.iter().map(line).collect::<Vec<_>>(), ["Content-Type: t/p"]);
    }
}
