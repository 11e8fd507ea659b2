//! What a server is told.

use crate::batcher::Batching;
use std::path::PathBuf;
use std::time::Duration;

/// What to serve, where, and within which limits.
///
/// ```
/// use hadal_serve::Options;
/// let options = Options { port: 0, ..Options::new(["runs/mnist/model.safetensors"]) };
/// assert_eq!(options.host, "127.0.0.1");
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    /// Files and folders, `PATH` or `NAME=PATH`.
    pub models: Vec<String>,
    /// The address to listen on; 127.0.0.1, so that only this machine is served.
    pub host: String,
    /// The port; 8000. With 0 the system chooses one.
    pub port: u16,
    /// The port for gRPC; none. Needs the feature `grpc`.
    pub grpc_port: Option<u16>,
    /// How requests share a model.
    pub batching: Batching,
    /// Whether models are compiled for inference.
    pub rounding: Rounding,
    /// What clients may take.
    pub limits: Limits,
    /// What clients must send as `Authorization: Bearer`; none.
    pub token: Option<String>,
    /// Certificate chain and private key for HTTPS, both PEM files; none. Needs the feature `tls`.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// How often the files are looked at, and loaded again when they have changed; never.
    pub watch: Option<Duration>,
    /// Whether requests are reported on standard error; yes.
    pub access_log: bool,
}

impl Options {
    /// The defaults for these models.
    pub fn new<T: Into<String>>(models: impl IntoIterator<Item = T>) -> Options {
        Options {
            models: models.into_iter().map(Into::into).collect(),
            host: "127.0.0.1".into(),
            port: 8000,
            grpc_port: None,
            batching: Batching::default(),
            rounding: Rounding::default(),
            limits: Limits::default(),
            token: None,
            tls: None,
            watch: None,
            access_log: true,
        }
    }
}

/// How a model's graph rounds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Rounding {
    /// Compiled for inference: batch normalization is folded into the convolution before it, which rounds otherwise.
    #[default]
    Inference,
    /// The same bits as `hadal predict`, at the price of some speed.
    Exact,
}

/// What clients may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a request's body, and of what its images become; 64 MiB. More is refused with 413.
    pub body: usize,
    /// Bytes of all bodies, and of answers that are not sent yet, at once; 512 MiB. More is refused with 503.
    pub memory: usize,
    /// Open connections; 16,384. More are refused with 503.
    pub connections: usize,
    /// Time for a request's head to arrive, and for a connection to be idle; 30 s. Then it is closed.
    pub head_time: Duration,
    /// Time for a body to arrive; 60 s. More is answered with 408.
    pub body_time: Duration,
    /// Time from there to the answer; 30 s. More is answered with 504.
    pub answer_time: Duration,
    /// Time that a client may stop reading its answer; 30 s. Then the connection is closed.
    pub write_time: Duration,
    /// Time for running requests when the server is asked to stop; 30 s.
    pub drain_time: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        let seconds = Duration::from_secs;
        Limits {
            body: 64 << 20,
            memory: 512 << 20,
            connections: 16_384,
            head_time: seconds(30),
            body_time: seconds(60),
            answer_time: seconds(30),
            write_time: seconds(30),
            drain_time: seconds(30),
        }
    }
}
