//! The body of a request on its way to the handler.
//!
//! It arrives on the thread that serves the client and leaves on the task that writes to the handler. A channel of one
//! chunk connects the two, so nothing more is buffered. A retry can send the body again as long as none of it was consumed.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use actix_web::HttpRequest;
use actix_web::web::{Bytes, Payload};
use futures::{Stream, StreamExt};
use tokio::sync::mpsc;

type Chunk = Result<Bytes, std::io::Error>;

pub(super) struct Upload {
    receiver: Arc<Receiver>,
    exceeds_limit: Arc<AtomicBool>,
}

/// Shared by the bodies of all attempts. The sender must not hold it: the channel closes when the last body is dropped,
/// which is how the sender learns that the request is over.
struct Receiver {
    chunks: Mutex<mpsc::Receiver<Chunk>>,
    consumed: AtomicBool,
}

impl Upload {
    /// `None` when the request has no body. A body over the limit ends with an error.
    pub(super) fn from_request(request: &HttpRequest, payload: Payload, limit_bytes: u64) -> Option<Self> {
        let headers = request.headers();
        if !headers.contains_key("transfer-encoding") && content_length(request).is_none_or(|length| length == 0) {
            return None;
        }
        let (sender, chunks) = mpsc::channel(1);
        let receiver = Arc::new(Receiver { chunks: Mutex::new(chunks), consumed: AtomicBool::default() });
        let exceeds_limit = Arc::new(AtomicBool::default());
        actix_web::rt::spawn(send_chunks(payload, sender, limit_bytes, Arc::clone(&exceeds_limit)));
        Some(Self { receiver, exceeds_limit })
    }

    pub(super) fn chunks(&self) -> Chunks {
        Chunks(Arc::clone(&self.receiver))
    }

    /// Whether any of the body was sent, so that it cannot be sent again.
    pub(super) fn is_consumed(&self) -> bool {
        self.receiver.consumed.load(Ordering::Relaxed)
    }

    pub(super) fn exceeds_limit(&self) -> bool {
        self.exceeds_limit.load(Ordering::Relaxed)
    }
}

/// The length that the client announced, in bytes.
pub(super) fn content_length(request: &HttpRequest) -> Option<u64> {
    request.headers().get("content-length")?.to_str().ok()?.parse().ok()
}

/// Ends early when the request is over, so that an unread body does not keep the client's connection.
async fn send_chunks(
    mut payload: Payload,
    sender: mpsc::Sender<Chunk>,
    limit_bytes: u64,
    exceeds_limit: Arc<AtomicBool>,
) {
    let mut length = 0;
    loop {
        let chunk = tokio::select! {
            () = sender.closed() => return,
            chunk = payload.next() => chunk,
        };
        let Some(chunk) = chunk else { return };
        let mut chunk = chunk.map_err(std::io::Error::other);
        length += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        if length > limit_bytes {
            exceeds_limit.store(true, Ordering::Relaxed);
            chunk = Err(std::io::Error::other(format!("the request body exceeds {limit_bytes} bytes")));
        }
        let failed = chunk.is_err();
        if sender.send(chunk).await.is_err() || failed {
            return;
        }
    }
}

/// The body for one attempt.
pub(super) struct Chunks(Arc<Receiver>);

impl Stream for Chunks {
    type Item = Chunk;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Chunk>> {
        let next = self.0.chunks.lock().unwrap_or_else(PoisonError::into_inner).poll_recv(context);
        if let Poll::Ready(Some(_)) = &next {
            self.0.consumed.store(true, Ordering::Relaxed);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actix_web::error::PayloadError;
    use actix_web::test::TestRequest;
    use actix_web::web::{Bytes, Payload};
    use actix_web::{FromRequest, dev};
    use futures::SinkExt;
    use futures::channel::mpsc;

    use super::Upload;

    #[actix_web::test]
    async fn the_payload_is_released_when_the_request_is_over() {
        for chunks in 0..3 {
            let (mut client, stream) = mpsc::channel::<Result<Bytes, PayloadError>>(8);
            let request = TestRequest::default().insert_header(("transfer-encoding", "chunked")).to_http_request();
            let mut payload: dev::Payload = dev::Payload::Stream { payload: Box::pin(stream) };
            let payload = Payload::from_request(&request, &mut payload).await.expect("a payload");
            for _ in 0..chunks {
                client.send(Ok(Bytes::from_static(b"unread"))).await.expect("a reader");
            }
            let upload = Upload::from_request(&request, payload, 100).expect("a body");
            let body = upload.chunks();
            // Lets the sender fill the channel.
            for _ in 0..100 {
                actix_web::rt::task::yield_now().await;
            }
            assert!(!client.is_closed(), "{chunks} chunks");
            drop((upload, body));
            let released = async {
                while !client.is_closed() {
                    actix_web::rt::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(10), released).await.expect("released");
        }
    }
}
