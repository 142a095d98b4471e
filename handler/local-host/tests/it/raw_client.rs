//! A client that sends what it is given, byte by byte, and shows the answer as it arrives.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::test_host::with_deadline;

/// An answer as it arrived.
#[derive(Debug)]
pub struct Answer {
    pub status_line: String,
    /// Names in lower case, sorted, without the date.
    pub headers: Vec<String>,
    /// Without its chunks.
    pub body: Vec<u8>,
}

pub async fn send(address: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = BufReader::new(TcpStream::connect(address).await.expect("a host that listens"));
    stream.write_all(request).await.expect("a host that reads");
    with_deadline(read(&mut stream, request.starts_with(b"HEAD "))).await
}

async fn read(stream: &mut BufReader<TcpStream>, is_head: bool) -> Answer {
    let mut status_line = line(stream).await;
    while status_line.starts_with("HTTP/1.1 1") {
        while !line(stream).await.is_empty() {}
        status_line = line(stream).await;
    }
    let mut headers = Vec::new();
    loop {
        let header = line(stream).await;
        let Some((name, value)) = header.split_once(": ") else { break };
        if !name.eq_ignore_ascii_case("date") {
            headers.push(format!("{}: {value}", name.to_lowercase()));
        }
    }
    headers.sort();
    let length = headers.iter().find_map(|header| header.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.parse().expect("a length"));
    let mut body = Vec::new();
    if headers.iter().any(|header| header == "transfer-encoding: chunked") {
        loop {
            let size = usize::from_str_radix(&line(stream).await, 16).expect("a size");
            let start = body.len();
            body.resize(start + size, 0);
            stream.read_exact(&mut body[start..]).await.expect("a whole chunk");
            assert_eq!(line(stream).await, "");
            if size == 0 {
                break;
            }
        }
    } else if !is_head {
        body.resize(length, 0);
        stream.read_exact(&mut body).await.expect("the whole body");
    }
    // Nothing follows, such as a stray chunk.
    let rest = tokio::time::timeout(std::time::Duration::from_millis(20), stream.fill_buf()).await;
    assert!(!matches!(&rest, Ok(Ok(rest)) if !rest.is_empty()), "{rest:?}");
    Answer { status_line, headers, body }
}

async fn line(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).await.expect("a line");
    assert!(line.ends_with("\r\n"), "{line:?}");
    line.trim_end_matches(['\r', '\n']).to_owned()
}
