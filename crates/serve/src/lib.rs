//! Hadal's server: trained models behind the Open Inference Protocol v2, over HTTP and gRPC, with dynamic batching.
//!
//! A request's way: `server` accepts a connection within its limits; `app` finds the route and checks origin and token;
//! `infer` reads the body, has `protocol` decode it against the model's [`Signature`], and puts the tensors into the
//! model's queue; `batcher`, on a thread of the model's own, joins what waits, runs the model once and hands everyone
//! their part; `protocol` encodes it. Over gRPC, `grpc` takes the place of `app`, and joins the way at the queue.
//!
//! A new kind of model is a [`Servable`]; one that comes from files also needs its ending in `source::ENDINGS` and a line in
//! `repository::open`.
//!
//! ```no_run
//! use hadal_serve::{Options, Server};
//! let server = Server::bind(Options::new(["digits=runs/mnist/model.safetensors"]))?;
//! println!("listening on {}", server.url());
//! server.run_until_signal()?; // curl --data-binary @seven.png http://127.0.0.1:8000/v2/models/digits/classify
//! # Ok::<(), hadal::Error>(())
//! ```

mod about;
mod access_log;
mod app;
mod batcher;
mod body;
mod data;
mod datatype;
mod describe;
mod grpc;
mod infer;
mod metrics;
mod onnx;
mod options;
mod origin;
mod patient;
mod preparation;
pub mod protocol;
mod refusal;
mod repository;
mod routes;
mod servable;
mod server;
mod slices;
mod source;
mod tls;
mod token;
mod trained;

pub use batcher::Batching;
pub use data::{Data, Strings};
pub use datatype::Datatype;
#[cfg(feature = "grpc")]
pub use grpc::inference;
pub use options::{Limits, Options, Rounding};
pub use refusal::Refusal;
pub use servable::{Form, Port, Servable, Signature};
pub use server::{Server, Stopper};

/// The document's program, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/serving.md")]
mod serving {}
