//! A request as text.

use std::io::Write as _;

/// The size of the chunks of a chunked body.
const CHUNK_BYTES: usize = 1024;

/// A request to the handler with its whole body.
#[derive(Clone)]
pub(crate) struct WireRequest<'a> {
    pub method: &'static str,
    /// The path, with the query.
    pub target: String,
    /// In the order of the wire, after `Host`.
    pub headers: Vec<(&'static str, String)>,
    pub body: Option<WireBody<'a>>,
}

#[derive(Clone, Copy)]
pub(crate) struct WireBody<'a> {
    pub content_type: &'static str,
    pub bytes: &'a [u8],
    /// Framed by `Transfer-Encoding: chunked`, otherwise by `Content-Length`.
    pub chunked: bool,
}

impl<'a> WireRequest<'a> {
    pub(crate) fn get(target: &str) -> Self {
        Self { method: "GET", target: target.to_owned(), headers: Vec::new(), body: None }
    }

    pub(crate) fn post(target: String, headers: Vec<(&'static str, String)>, body: WireBody<'a>) -> Self {
        Self { method: "POST", target, headers, body: Some(body) }
    }

    /// The bytes of the request. .NET writes the headers of the content last, and those of the message before them.
    pub(super) fn to_bytes(&self, host: &str) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {host}\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        let Some(body) = self.body else { return (head + "\r\n").into_bytes() };
        if body.chunked {
            head.push_str("Transfer-Encoding: chunked\r\n");
        }
        head.extend(["Content-Type: ", body.content_type, "\r\n"]);
        if !body.chunked {
            head.push_str(&format!("Content-Length: {}\r\n", body.bytes.len()));
        }
        let mut bytes = (head + "\r\n").into_bytes();
        if body.chunked {
            write_chunks(body.bytes, &mut bytes);
        } else {
            bytes.extend_from_slice(body.bytes);
        }
        bytes
    }
}

fn write_chunks(body: &[u8], bytes: &mut Vec<u8>) {
    for chunk in body.chunks(CHUNK_BYTES) {
        // Writing to a vector cannot fail.
        drop(write!(bytes, "{:X}\r\n", chunk.len()));
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
}

#[cfg(test)]
mod tests {
    use super::{WireBody, WireRequest};

    #[test]
    fn the_headers_of_the_content_come_last() {
        let body = WireBody { content_type: "text/plain", bytes: b"body", chunked: false };
        let request = WireRequest::post("/F".to_owned(), vec![("X-One", "1".to_owned())], body);
        let expected =
            "POST /F HTTP/1.1\r\nHost: h:1\r\nX-One: 1\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nbody";
        assert_eq!(String::from_utf8_lossy(&request.to_bytes("h:1")), expected);

        let bytes = [b'x'; 1025];
        let body = WireBody { content_type: "text/plain", bytes: &bytes, chunked: true };
        let request = WireRequest::post("/F".to_owned(), vec![], body).to_bytes("h:1");
        let text = String::from_utf8_lossy(&request);
        let (head, chunks) = text.split_once("\r\n\r\n").expect("a head");
        assert_eq!(head, "POST /F HTTP/1.1\r\nHost: h:1\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain");
        assert!(chunks.starts_with("400\r\nx") && chunks.ends_with("x\r\n1\r\nx\r\n0\r\n\r\n"), "{chunks}");
    }

    #[test]
    fn a_request_without_a_body_has_only_its_host() {
        assert_eq!(WireRequest::get("/").to_bytes("127.0.0.1:9"), b"GET / HTTP/1.1\r\nHost: 127.0.0.1:9\r\n\r\n");
    }
}
