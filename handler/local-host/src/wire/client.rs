//! Sends requests over connections that stay open.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::error::WireError;
use super::request::WireRequest;
use super::response::{WireResponse, read};

const MOST_REDIRECTS: u32 = 50;

/// Connections to one handler.
#[derive(Clone)]
pub(crate) struct WireClient {
    address: SocketAddr,
    idle: Arc<Mutex<Vec<TcpStream>>>,
}

impl WireClient {
    /// The handler listens on this port of 127.0.0.1.
    pub(crate) fn new(port: u16) -> Self {
        Self { address: (Ipv4Addr::LOCALHOST, port).into(), idle: Arc::default() }
    }

    /// Sends a request and follows redirects: as GET, and with status 307 and 308 as the same request.
    pub(crate) async fn send(&self, mut request: WireRequest<'_>) -> Result<WireResponse, WireError> {
        for _ in 0..MOST_REDIRECTS {
            let response = self.send_once(&request).await?;
            let Some(location) = response.header("Location").filter(|_| is_redirect(response.status)) else {
                return Ok(response);
            };
            request.target = self.target(location)?;
            if !matches!(response.status, 307 | 308) {
                (request.method, request.body) = ("GET", None);
            }
        }
        self.send_once(&request).await
    }

    async fn send_once(&self, request: &WireRequest<'_>) -> Result<WireResponse, WireError> {
        let mut stream = self.connection().await?;
        let bytes = request.to_bytes(&self.host());
        let (read_half, mut write_half) = stream.split();
        let mut reader = BufReader::new(read_half);
        let mut is_written = false;
        let response = {
            let mut write = std::pin::pin!(write_half.write_all(&bytes));
            let mut read = std::pin::pin!(read(&mut reader));
            loop {
                tokio::select! {
                    // A handler may respond and close the connection before it has read the request.
                    result = &mut write, if !is_written => match result {
                        Ok(()) => is_written = true,
                        Err(_) => break read.as_mut().await,
                    },
                    response = &mut read => break response,
                }
            }
        }?;
        let is_clean = reader.buffer().is_empty();
        if response.reusable && is_written && is_clean {
            self.release(stream);
        }
        Ok(response)
    }

    /// The value of the header `Host`.
    pub(super) fn host(&self) -> String {
        self.address.to_string()
    }

    /// A connection for one request.
    pub(super) async fn connection(&self) -> Result<TcpStream, WireError> {
        if let Some(stream) = self.idle_connection() {
            return Ok(stream);
        }
        let stream = TcpStream::connect(self.address).await.map_err(WireError::Connect)?;
        // Fails only for a connection that is broken, which shows when it is used.
        drop(stream.set_nodelay(true));
        Ok(stream)
    }

    /// Lets a connection serve the next request.
    pub(super) fn release(&self, stream: TcpStream) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
    }

    /// A connection that the handler has not closed meanwhile.
    fn idle_connection(&self) -> Option<TcpStream> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(stream) = idle.pop() {
            let unread = stream.try_read(&mut [0; 1]);
            if matches!(unread, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock) {
                return Some(stream);
            }
        }
        None
    }

    /// The target that a redirect is to.
    fn target(&self, location: &str) -> Result<String, WireError> {
        if location.starts_with('/') && !location.starts_with("//") {
            return Ok(location.to_owned());
        }
        let port = self.address.port();
        let rest = [format!("http://127.0.0.1:{port}"), format!("http://localhost:{port}")];
        let rest = rest.iter().find_map(|authority| location.strip_prefix(authority.as_str()));
        match rest {
            Some("") => Ok("/".to_owned()),
            Some(target) if target.starts_with('/') => Ok(target.to_owned()),
            _ => Err(WireError::Malformed("it redirects to another server, which the stand-in host does not follow")),
        }
    }
}

fn is_redirect(status: u16) -> bool {
    matches!(status, 300..=303 | 307 | 308)
}

#[cfg(test)]
mod tests {
    use super::WireClient;

    #[test]
    fn a_redirect_stays_at_the_handler() {
        let client = WireClient::new(9);
        for (location, target) in
            [("/Other?x=1", "/Other?x=1"), ("http://127.0.0.1:9", "/"), ("http://localhost:9/a", "/a")]
        {
            assert_eq!(client.target(location).expect("a target"), target);
        }
        for location in ["http://127.0.0.1:90/a", "https://example.com/", "//example.com/", "other"] {
            assert!(client.target(location).is_err(), "{location}");
        }
    }
}
