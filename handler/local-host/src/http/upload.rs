//! A request's body on its way to the handler.
//!
//! It arrives on the thread that serves the client and leaves on the client's own connection tasks, so a channel of one
//! chunk lies between: nothing is buffered beyond that. The body can be offered again as long as none of it was taken.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use actix_web::HttpRequest;
use actix_web::web::{Bytes, Payload};
use futures::{Stream, StreamExt};
use tokio::sync::mpsc;

type Chunk = Result<Bytes, std::io::Error>;

pub(super) struct Upload(Arc<Shared>);

struct Shared {
    chunks: Mutex<mpsc::Receiver<Chunk>>,
    taken: AtomicBool,
    too_long: AtomicBool,
}

impl Upload {
    /// `None` when the request has no body. A body that is longer than `limit` breaks off.
    pub(super) fn of(request: &HttpRequest, payload: Payload, limit: u64) -> Option<Self> {
        let headers = request.headers();
        if !headers.contains_key("transfer-encoding") && content_length(request).is_none_or(|length| length == 0) {
            return None;
        }
        let (sender, chunks) = mpsc::channel(1);
        let shared = Arc::new(Shared {
            chunks: Mutex::new(chunks),
            taken: AtomicBool::default(),
            too_long: AtomicBool::default(),
        });
        actix_web::rt::spawn(pump(payload, sender, limit, Arc::clone(&shared)));
        Some(Self(shared))
    }

    pub(super) fn body(&self) -> reqwest::Body {
        reqwest::Body::wrap_stream(Chunks(Arc::clone(&self.0)))
    }

    /// Whether any of the body was sent, so that it cannot be sent again.
    pub(super) fn is_taken(&self) -> bool {
        self.0.taken.load(Ordering::Relaxed)
    }

    /// Whether the body broke off because it was longer than allowed.
    pub(super) fn is_too_long(&self) -> bool {
        self.0.too_long.load(Ordering::Relaxed)
    }
}

/// The length that the client announced, in bytes.
pub(super) fn content_length(request: &HttpRequest) -> Option<u64> {
    request.headers().get("content-length")?.to_str().ok()?.parse().ok()
}

async fn pump(mut payload: Payload, sender: mpsc::Sender<Chunk>, limit: u64, shared: Arc<Shared>) {
    let mut length = 0;
    while let Some(chunk) = payload.next().await {
        let mut chunk = chunk.map_err(std::io::Error::other);
        length += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        if length > limit {
            shared.too_long.store(true, Ordering::Relaxed);
            chunk = Err(std::io::Error::other(format!("the body is longer than {limit} bytes")));
        }
        let failed = chunk.is_err();
        if sender.send(chunk).await.is_err() || failed {
            return;
        }
    }
}

struct Chunks(Arc<Shared>);

impl Stream for Chunks {
    type Item = Chunk;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Chunk>> {
        let next = self.0.chunks.lock().unwrap_or_else(PoisonError::into_inner).poll_recv(context);
        if let Poll::Ready(Some(_)) = &next {
            self.0.taken.store(true, Ordering::Relaxed);
        }
        next
    }
}
