//! The protocol over gRPC, with the feature `grpc`: the same models, queues, limits, counters and orderly end as over HTTP.
//!
//! Connections are the server's own (`connection`), so that limits hold before a message is decoded (`weight`); tonic
//! frames messages and reports statuses for what `service` answers.

#[cfg(feature = "grpc")]
mod connection;
#[cfg(feature = "grpc")]
mod service;
#[cfg(feature = "grpc")]
pub mod weight;

/// Made by `proto/generate` from `proto/inference.proto`.
#[cfg(feature = "grpc")]
#[rustfmt::skip]
#[allow(missing_docs, clippy::all)]
pub mod inference;

#[cfg(feature = "grpc")]
pub use connection::requests;

#[cfg(not(feature = "grpc"))]
mod without {
    use crate::app::App;
    use crate::options::Limits;
    use std::net::SocketAddr;
    use std::sync::Arc;
    use tokio::sync::watch;

    /// Never called: without the feature there is no port for it.
    pub async fn requests<S>(_: Arc<App>, _: S, _: SocketAddr, _: Limits, _: watch::Receiver<bool>) {}
}

#[cfg(not(feature = "grpc"))]
pub use without::requests;
