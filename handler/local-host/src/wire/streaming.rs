//! Requests of clients that are passed on: their bodies and those of the responses are streamed.

use std::time::Duration;

use actix_web::web::Bytes;
use futures::{Stream, StreamExt};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinHandle;

use super::client::WireClient;
use super::error::WireError;
use super::response::{Head, read_chunk_size, read_final_head, read_line_end, read_trailers};

/// The longest silence on a connection.
const ACTIVITY_TIMEOUT: Duration = Duration::from_secs(240);

/// A request whose body is streamed.
#[derive(Clone, Debug)]
pub(crate) struct StreamedRequest {
    pub method: String,
    /// The path, with the query.
    pub target: String,
    /// In the order of the wire, after `Host`.
    pub headers: Vec<(String, String)>,
    /// Headers of the body, which come last. `None` if the request has none.
    pub content: Option<Content>,
}

#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub headers: Vec<(String, String)>,
    /// In bytes; `None` if the body is chunked.
    pub length: Option<u64>,
}

/// A response whose body has still to be read.
pub(crate) struct StreamedResponse {
    pub status: u16,
    pub reason: String,
    pub headers: Vec<(String, String)>,
    pub body: ResponseBody,
}

/// The body of a response. Dropping it before its end closes the connection.
pub(crate) struct ResponseBody {
    /// `None` after the end.
    reader: Option<BufReader<OwnedReadHalf>>,
    rest: Rest,
    /// Where the connection goes after the last byte, if it can serve another request.
    next: Option<(WireClient, OwnedWriteHalf)>,
    /// Still sends the body of the request.
    _writer: Option<Writer>,
}

enum Rest {
    Nothing,
    /// Bytes until the end.
    Length(u64),
    /// Bytes until the end of the chunk; 0 before a chunk.
    Chunked(u64),
    UntilClosed,
}

/// Ends with the response that it is for.
struct Writer(JoinHandle<Written>);

enum Written {
    Whole(OwnedWriteHalf),
    /// The handler does not read the rest, but may have responded.
    Refused,
    /// The client did not send the rest.
    Incomplete(std::io::Error),
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl StreamedRequest {
    fn head(&self, host: &str) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {host}\r\n", self.method, self.target);
        let mut line = |name: &str, value: &str| head.extend([name, ": ", value, "\r\n"]);
        self.headers.iter().for_each(|(name, value)| line(name, value));
        if let Some(content) = &self.content {
            if content.length.is_none() {
                line("Transfer-Encoding", "chunked");
            }
            content.headers.iter().for_each(|(name, value)| line(name, value));
            if let Some(length) = content.length {
                line("Content-Length", &length.to_string());
            }
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

impl WireClient {
    /// Sends a request while `body` arrives, and returns when the head of the response has arrived. Redirects are not followed.
    pub(crate) async fn open(
        &self,
        request: &StreamedRequest,
        body: Option<impl Stream<Item = std::io::Result<Bytes>> + Send + Unpin + 'static>,
    ) -> Result<StreamedResponse, WireError> {
        let (read_half, write_half) = self.connection().await?.into_split();
        let mut reader = BufReader::new(read_half);
        let chunked = request.content.as_ref().is_some_and(|content| content.length.is_none());
        let mut writer = Writer(tokio::spawn(write(write_half, request.head(&self.host()), body, chunked)));
        let mut write_half = None;
        let mut is_writing = true;
        let head = {
            let mut head = std::pin::pin!(in_time(read_final_head(&mut reader)));
            loop {
                tokio::select! {
                    written = &mut writer.0, if is_writing => {
                        is_writing = false;
                        match written {
                            Ok(Written::Whole(half)) => write_half = Some(half),
                            Ok(Written::Incomplete(error)) => return Err(WireError::Broken(error)),
                            Ok(Written::Refused) | Err(_) => {}
                        }
                    }
                    head = &mut head => break head?,
                }
            }
        };
        let rest = Rest::of(&head, request.method == "HEAD")?;
        let can_continue = head.stays_open() && !matches!(rest, Rest::UntilClosed);
        let next = write_half.filter(|_| can_continue).map(|half| (self.clone(), half));
        let Head { status, reason, headers, .. } = head;
        let body = ResponseBody { reader: Some(reader), rest, next, _writer: is_writing.then_some(writer) };
        Ok(StreamedResponse { status, reason, headers, body })
    }
}

async fn write(
    mut half: OwnedWriteHalf,
    head: Vec<u8>,
    body: Option<impl Stream<Item = std::io::Result<Bytes>> + Unpin>,
    chunked: bool,
) -> Written {
    if half.write_all(&head).await.is_err() {
        return Written::Refused;
    }
    let Some(mut body) = body else { return Written::Whole(half) };
    while let Some(chunk) = body.next().await {
        let chunk = match chunk {
            Ok(chunk) if chunk.is_empty() => continue,
            Ok(chunk) => chunk,
            Err(error) => return Written::Incomplete(error),
        };
        let framed = if chunked {
            [format!("{:X}\r\n", chunk.len()).as_bytes(), &chunk, b"\r\n"].concat().into()
        } else {
            chunk
        };
        if half.write_all(&framed).await.is_err() {
            return Written::Refused;
        }
    }
    if chunked && half.write_all(b"0\r\n\r\n").await.is_err() {
        return Written::Refused;
    }
    Written::Whole(half)
}

impl Rest {
    fn of(head: &Head, is_head: bool) -> Result<Self, WireError> {
        if is_head || matches!(head.status, 204 | 304) {
            return Ok(Self::Nothing);
        }
        if head.is_chunked() {
            return Ok(Self::Chunked(0));
        }
        Ok(match head.content_length()? {
            Some(0) => Self::Nothing,
            Some(length) => Self::Length(length),
            None => Self::UntilClosed,
        })
    }
}

impl ResponseBody {
    /// The next bytes; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, WireError>> {
        let reader = self.reader.as_mut()?;
        let piece = in_time(Self::read(reader, &mut self.rest)).await.transpose();
        match &piece {
            Some(Ok(_)) => {}
            Some(Err(_)) => self.reader = None,
            None => self.release(),
        }
        piece
    }

    async fn read(reader: &mut BufReader<OwnedReadHalf>, rest: &mut Rest) -> Result<Option<Bytes>, WireError> {
        if let Rest::Chunked(0) = rest {
            match read_chunk_size(reader).await? {
                0 => {
                    read_trailers(reader).await?;
                    *rest = Rest::Nothing;
                }
                size => *rest = Rest::Chunked(size),
            }
        }
        let most = match rest {
            Rest::Nothing => return Ok(None),
            Rest::Length(length) | Rest::Chunked(length) => *length,
            Rest::UntilClosed => u64::MAX,
        };
        let available = reader.fill_buf().await?;
        if available.is_empty() {
            let is_end = matches!(rest, Rest::UntilClosed);
            *rest = Rest::Nothing;
            return if is_end { Ok(None) } else { Err(WireError::Ended) };
        }
        let count = available.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        let piece = Bytes::copy_from_slice(&available[..count]);
        reader.consume(count);
        let left = most - count as u64;
        match rest {
            Rest::Length(_) => *rest = if left == 0 { Rest::Nothing } else { Rest::Length(left) },
            Rest::Chunked(_) => {
                if left == 0 {
                    read_line_end(reader).await?;
                }
                *rest = Rest::Chunked(left);
            }
            Rest::Nothing | Rest::UntilClosed => {}
        }
        Ok(Some(piece))
    }

    /// Lets the connection serve the next request.
    fn release(&mut self) {
        if let Some(reader) = self.reader.take().filter(|reader| reader.buffer().is_empty())
            && let Some((client, write_half)) = self.next.take()
            && let Ok(stream) = reader.into_inner().reunite(write_half)
        {
            client.release(stream);
        }
    }
}

async fn in_time<T>(wait: impl Future<Output = Result<T, WireError>>) -> Result<T, WireError> {
    match tokio::time::timeout(ACTIVITY_TIMEOUT, wait).await {
        Ok(result) => result,
        Err(_) => Err(WireError::Silent(ACTIVITY_TIMEOUT)),
    }
}
