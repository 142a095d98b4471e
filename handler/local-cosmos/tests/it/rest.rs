//! Plain HTTP, for requests that no SDK sends and details that SDKs hide.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    headers: String,
    pub text: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

/// An answer whose body may not be text.
#[derive(Debug)]
pub struct RawAnswer {
    pub status: u16,
    headers: String,
    pub body: Vec<u8>,
}

impl RawAnswer {
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

fn header<'a>(headers: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = headers.lines().filter_map(|line| line.split_once(": "));
    pairs.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// Sends a request to an address (`http://127.0.0.1:<port>/`) and waits for the answer.
pub async fn send(url: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let answer = send_raw(url, method, path, headers, body).await;
    let text = String::from_utf8(answer.body).expect("text");
    Answer { status: answer.status, headers: answer.headers, text }
}

/// The same, with a body that may not be text. A reply that was lost has the status 0. The headers may have another `host`.
pub async fn send_raw(url: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> RawAnswer {
    let address = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let host = headers.iter().find(|(name, _)| *name == "host").map_or(address.as_str(), |(_, host)| *host);
    let others = headers.iter().filter(|(name, _)| *name != "host");
    let headers: String = others.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    let exchange = move || {
        let mut stream = TcpStream::connect(address).expect("connection");
        stream.write_all(request.as_bytes()).expect("request");
        let mut answer = Vec::new();
        // A lost reply ends with a broken connection.
        let _ = stream.read_to_end(&mut answer);
        answer
    };
    let answer = tokio::task::spawn_blocking(exchange).await.expect("exchange");
    let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return RawAnswer { status: 0, headers: String::new(), body: answer };
    };
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head[9..12].parse().expect("status");
    RawAnswer { status, headers: head, body: answer[end + 4..].to_vec() }
}
