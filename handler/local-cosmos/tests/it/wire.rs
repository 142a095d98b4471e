//! Signed requests over plain HTTP, as an SDK sends them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use local_cosmos::EMULATOR_KEY;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use sha2::Sha256;

const DATE: &str = "thu, 27 apr 2017 00:51:12 gmt";
/// An answer that takes longer is a failure.
const DEADLINE: Duration = Duration::from_secs(180);

/// Headers of a request.
pub type Headers = Vec<(String, String)>;

/// An answer. A connection that ended without one has the status 0.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: Headers,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The sub-status; 0 if there is none.
    pub fn substatus(&self) -> u32 {
        self.header("x-ms-substatus").and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body; null if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Status, sub-status and the start of the body, for messages.
    pub fn summary(&self) -> String {
        let text: String = self.text().chars().take(160).collect();
        format!("{}/{} {}", self.status, self.substatus(), text.replace(['\n', '\r'], " "))
    }
}

/// Headers from pairs.
pub fn headers(pairs: &[(&str, &str)]) -> Headers {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Sends requests to an address, each over a connection of its own.
#[derive(Clone, Debug)]
pub struct Wire {
    /// `127.0.0.1:<port>`.
    address: String,
    key: String,
}

impl Wire {
    pub fn new(url: &str) -> Self {
        Self::with_key(url, EMULATOR_KEY)
    }

    pub fn with_key(url: &str, key: &str) -> Self {
        let address = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        Self { address, key: key.to_owned() }
    }

    /// Sends a request. The path is sent as it is.
    pub async fn send(&self, method: &str, path: &str, headers: &Headers, body: &[u8]) -> Answer {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\nx-ms-date: {DATE}\r\nauthorization: {}\r\n",
            self.address,
            body.len(),
            self.signature(method, path),
        );
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        let mut bytes = request.into_bytes();
        bytes.extend(b"\r\n");
        bytes.extend(body);
        let address = self.address.clone();
        tokio::task::spawn_blocking(move || exchange(&address, &bytes)).await.expect("the exchange")
    }

    fn signature(&self, method: &str, path: &str) -> String {
        let (resource_type, link) = resource(path);
        let key = STANDARD.decode(&self.key).expect("a key");
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("a key");
        let text = format!("{}\n{resource_type}\n{link}\n{DATE}\n\n", method.to_lowercase());
        mac.update(text.as_bytes());
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        let signature = signature.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        format!("type%3Dmaster%26ver%3D1.0%26sig%3D{signature}")
    }
}

/// The type and the link that are signed. Resources that are addressed by resource ids are signed with the last id in lower case.
fn resource(path: &str) -> (String, String) {
    let decode = |segment: &str| percent_decode_str(segment).decode_utf8_lossy().into_owned();
    let path = path.split('?').next().unwrap_or_default();
    let segments: Vec<String> = path.split('/').filter(|segment| !segment.is_empty()).map(decode).collect();
    let resource_type = segments.iter().rev().nth(1 - segments.len() % 2).cloned().unwrap_or_default();
    let of_link = &segments[..segments.len() - segments.len() % 2];
    let by_resource_id = resource_type == "offers" || segments.get(1).is_some_and(|database| database.ends_with("=="));
    let link = match of_link.last() {
        Some(last) if by_resource_id => last.to_lowercase(),
        _ => of_link.join("/"),
    };
    (resource_type, link)
}

fn exchange(address: &str, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
    let mut bytes = Vec::new();
    // A lost answer ends with a broken connection, and a server may answer before it has read the whole request.
    let _ = stream.write_all(request);
    let _ = stream.read_to_end(&mut bytes);
    parse(&bytes).unwrap_or_default()
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Headers =
        lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name.into(), value.trim().into())).collect();
    let body = bytes[end + 4..].to_vec();
    let mut answer = Answer { status, headers, body };
    if answer.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        answer.body = without_chunks(&answer.body)?;
    }
    Some(answer)
}

fn without_chunks(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?.trim(), 16).ok()?;
        rest = &rest[end + 2..];
        if length == 0 {
            return Some(body);
        }
        body.extend(rest.get(..length)?);
        rest = rest.get(length + 2..)?;
    }
}
