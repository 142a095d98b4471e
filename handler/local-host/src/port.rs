//! Loopback ports: the one that the host serves on, and the one that the handler is told to listen on.

use std::net::TcpListener;

use crate::error::HostError;

/// Listens on the port, or on any free one for 0.
pub(crate) fn listen(port: u16) -> Result<TcpListener, HostError> {
    TcpListener::bind(("127.0.0.1", port)).map_err(|source| match source.kind() {
        std::io::ErrorKind::AddrInUse => HostError::PortInUse { port },
        _ => HostError::Listen { port, source },
    })
}

/// A port that is free now: the fixed one, or any.
pub(crate) fn free(fixed: Option<u16>) -> Result<u16, HostError> {
    let port = fixed.unwrap_or(0);
    let address = listen(port)?.local_addr().map_err(|source| HostError::Listen { port, source })?;
    Ok(address.port())
}
