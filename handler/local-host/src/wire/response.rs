//! Reads a response.

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt};

use super::error::WireError;

const MOST_HEAD_BYTES: u64 = 64 * 1024;
/// A longer body is an error, so that a handler cannot fill the memory of the host.
const MOST_BODY_BYTES: u64 = 100 * 1024 * 1024;
const INTERIM: std::ops::Range<u16> = 100..200;

/// A response with its whole body.
#[derive(Debug)]
pub(crate) struct WireResponse {
    pub status: u16,
    /// The text after the status code.
    pub reason: String,
    /// Names as the handler spells them.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Whether the connection can serve another request.
    pub reusable: bool,
}

impl WireResponse {
    /// The first value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

/// Status and headers.
pub(super) struct Head {
    pub status: u16,
    pub reason: String,
    pub headers: Vec<(String, String)>,
    is_http_1_1: bool,
}

impl Head {
    pub(super) fn is_chunked(&self) -> bool {
        self.has("Transfer-Encoding", "chunked")
    }

    /// Whether the connection can serve another request after the body.
    pub(super) fn stays_open(&self) -> bool {
        self.is_http_1_1 && !self.has("Connection", "close")
    }

    /// In bytes.
    pub(super) fn content_length(&self) -> Result<Option<u64>, WireError> {
        let length = header(&self.headers, "Content-Length").map(str::parse);
        length.transpose().map_err(|_| WireError::Malformed("its Content-Length is not a number"))
    }

    fn has(&self, name: &str, token: &str) -> bool {
        let value = header(&self.headers, name).unwrap_or_default();
        value.split(',').any(|part| part.trim().eq_ignore_ascii_case(token))
    }
}

/// Reads the response to a request that is not HEAD. Interim responses are skipped.
pub(super) async fn read(connection: &mut (impl AsyncBufRead + Unpin)) -> Result<WireResponse, WireError> {
    let head = read_final_head(connection).await?;
    read_body(head, connection).await
}

/// Skips interim responses.
pub(super) async fn read_final_head(connection: &mut (impl AsyncBufRead + Unpin)) -> Result<Head, WireError> {
    loop {
        let head = read_head(connection).await?;
        if !INTERIM.contains(&head.status) {
            return Ok(head);
        }
    }
}

async fn read_head(connection: &mut (impl AsyncBufRead + Unpin)) -> Result<Head, WireError> {
    let mut connection = connection.take(MOST_HEAD_BYTES);
    let status_line = read_line(&mut connection).await?;
    let mut parts = status_line.splitn(3, ' ');
    let version = parts.next().filter(|version| version.starts_with("HTTP/1."));
    let version = version.ok_or(WireError::Malformed("it does not start with HTTP/1.1 and a status"))?;
    let status = parts.next().and_then(|status| status.parse().ok()).filter(|status| (100..1000).contains(status));
    let status = status.ok_or(WireError::Malformed("its status is not a number of three digits"))?;
    let reason = parts.next().unwrap_or_default().to_owned();
    let mut headers = Vec::new();
    loop {
        let line = read_line(&mut connection).await?;
        if line.is_empty() {
            return Ok(Head { status, reason, headers, is_http_1_1: version == "HTTP/1.1" });
        }
        let (name, value) = line.split_once(':').ok_or(WireError::Malformed("a header has no colon"))?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

async fn read_body(head: Head, connection: &mut (impl AsyncBufRead + Unpin)) -> Result<WireResponse, WireError> {
    let mut reusable = head.stays_open();
    let mut body = Vec::new();
    if matches!(head.status, 204 | 304) {
        // Has no body, whatever its headers are.
    } else if head.is_chunked() {
        read_chunks(connection, &mut body).await?;
    } else if let Some(length) = head.content_length()? {
        read_exactly(connection, length, &mut body).await?;
    } else {
        reusable = false;
        connection.take(MOST_BODY_BYTES + 1).read_to_end(&mut body).await?;
        reject_long(body.len() as u64)?;
    }
    let Head { status, reason, headers, .. } = head;
    Ok(WireResponse { status, reason, headers, body, reusable })
}

async fn read_chunks(connection: &mut (impl AsyncBufRead + Unpin), body: &mut Vec<u8>) -> Result<(), WireError> {
    loop {
        let size = read_chunk_size(connection).await?;
        if size == 0 {
            return read_trailers(connection).await;
        }
        reject_long((body.len() as u64).saturating_add(size))?;
        read_exactly(connection, size, body).await?;
        read_line_end(connection).await?;
    }
}

/// 0 for the last chunk.
pub(super) async fn read_chunk_size(connection: &mut (impl AsyncBufRead + Unpin)) -> Result<u64, WireError> {
    let line = read_line(&mut connection.take(MOST_HEAD_BYTES)).await?;
    let size = line.split(';').next().unwrap_or_default().trim();
    u64::from_str_radix(size, 16).map_err(|_| WireError::Malformed("the size of a chunk is not a number"))
}

/// Reads what follows the last chunk.
pub(super) async fn read_trailers(connection: &mut (impl AsyncBufRead + Unpin)) -> Result<(), WireError> {
    let mut connection = connection.take(MOST_HEAD_BYTES);
    while !read_line(&mut connection).await?.is_empty() {}
    Ok(())
}

/// Reads the end of a chunk.
pub(super) async fn read_line_end(connection: &mut (impl AsyncBufRead + Unpin)) -> Result<(), WireError> {
    let end = read_line(&mut connection.take(2)).await?;
    if end.is_empty() { Ok(()) } else { Err(WireError::Malformed("a chunk is longer than its size")) }
}

async fn read_exactly(
    connection: &mut (impl AsyncRead + Unpin),
    length: u64,
    body: &mut Vec<u8>,
) -> Result<(), WireError> {
    reject_long(length)?;
    let read = connection.take(length).read_to_end(body).await?;
    if (read as u64) < length { Err(WireError::Ended) } else { Ok(()) }
}

fn reject_long(length: u64) -> Result<(), WireError> {
    match length {
        0..=MOST_BODY_BYTES => Ok(()),
        _ => Err(WireError::Malformed("its body has more than 100 MiB")),
    }
}

/// A line without its end.
async fn read_line(connection: &mut (impl AsyncBufRead + Unpin)) -> Result<String, WireError> {
    let mut line = Vec::new();
    connection.read_until(b'\n', &mut line).await?;
    if line.pop() != Some(b'\n') {
        return Err(WireError::Ended);
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::{WireError, WireResponse, read};

    async fn response(text: &str) -> Result<WireResponse, WireError> {
        read(&mut text.as_bytes()).await
    }

    async fn body(text: &str) -> String {
        String::from_utf8(response(text).await.expect("a response").body).expect("UTF-8")
    }

    #[tokio::test]
    async fn a_body_is_framed_by_length_chunks_or_the_end_of_the_connection() {
        let with_length = response("HTTP/1.1 299 Very Odd\r\nX-A: 1\r\ncontent-length: 2\r\n\r\n{}rest").await;
        let with_length = with_length.expect("a response");
        assert_eq!((with_length.status, with_length.reason.as_str()), (299, "Very Odd"));
        assert_eq!((with_length.header("x-a"), with_length.body.as_slice()), (Some("1"), &b"{}"[..]));
        assert!(with_length.reusable);
        let chunked =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\n{\r\n1\r\n}\r\n0\r\nTrailer: 1\r\n\r\n";
        assert_eq!(body(chunked).await, "{}");
        let until_the_end = response("HTTP/1.1 200 OK\r\n\r\n{}").await.expect("a response");
        assert!(until_the_end.body == b"{}" && !until_the_end.reusable);
    }

    #[tokio::test]
    async fn interim_responses_are_skipped_and_some_statuses_have_no_body() {
        assert_eq!(body("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx").await, "x");
        assert_eq!(body("HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n").await, "");
        let closing = response("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await.expect("a response");
        assert!(!closing.reusable);
    }

    #[tokio::test]
    async fn an_incomplete_or_invalid_response_is_an_error() {
        for text in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}"] {
            assert!(matches!(response(text).await, Err(WireError::Ended)), "{text}");
        }
        for text in [
            "SMTP 200 OK\r\n\r\n",
            "HTTP/1.1 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nnone\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 104857601\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFF\r\n",
        ] {
            assert!(matches!(response(text).await, Err(WireError::Malformed(_))), "{text}");
        }
    }
}
