//! Plain HTTP, for what no SDK sends and to see what they hide.

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
        let line = self.headers.lines().filter_map(|line| line.split_once(": "));
        line.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

/// Sends a request to an address (`http://127.0.0.1:<port>/`) and waits for the answer.
pub async fn send(url: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let address = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    let exchange = move || {
        let mut stream = TcpStream::connect(address).expect("connection");
        stream.write_all(request.as_bytes()).expect("request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answer");
        answer
    };
    let answer = tokio::task::spawn_blocking(exchange).await.expect("exchange");
    let (head, text) = answer.split_once("\r\n\r\n").expect("head");
    let status = head[9..12].parse().expect("status");
    Answer { status, headers: head.to_owned(), text: text.to_owned() }
}
