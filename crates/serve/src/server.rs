//! The server: a socket, its connections, and an orderly end.

use crate::access_log::AccessLog;
use crate::app::App;
use crate::batcher::Batching;
use crate::body::Bodies;
use crate::grpc;
use crate::metrics::Metrics;
use crate::options::{Limits, Options};
use crate::patient::Patient;
use crate::repository::Repository;
use crate::servable::Servable;
use crate::source::Source;
use crate::tls::Tls;
use crate::token::Token;
use hadal::{Error, Result};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use std::convert::Infallible;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Threads that read and write; models run on threads of their own.
const WORKERS: usize = 2;

/// Threads for what takes longer between two requests: images, large bodies, loading models.
const BLOCKING: usize = 4;

/// How long connections without a request are kept when the server stops: a request may be on its way on them. Its answer
/// says that it was the last.
const GRACE: Duration = Duration::from_millis(250);

/// What added to the present is still a time: a year.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Headers that a request may have.
const MOST_HEADERS: usize = 64;

/// Bytes that a request's head may have, and that are read at a time.
pub const HEAD: usize = 64 << 10;

/// A server that has its address, but answers nobody yet.
pub struct Server {
    http: Listener,
    grpc: Option<Listener>,
    app: Arc<App>,
    limits: Limits,
    watch: Option<Duration>,
    stopping: Arc<watch::Sender<bool>>,
}

/// A socket, and what is spoken on it.
struct Listener {
    socket: std::net::TcpListener,
    address: SocketAddr,
    protocol: Protocol,
    tls: Option<Tls>,
}

/// What clients speak.
#[derive(Clone, Copy, PartialEq)]
enum Protocol {
    Http,
    Grpc,
}

impl Listener {
    fn bind(options: &Options, port: u16, protocol: Protocol) -> Result<Listener> {
        let name = match protocol {
            Protocol::Http => "http/1.1",
            Protocol::Grpc => "h2",
        };
        let tls = options.tls.as_ref().map(|(chain, key)| Tls::read(chain, key, name)).transpose()?;
        let place = format!("{}:{port}", options.host);
        let wrong = |e: std::io::Error| {
            Error::invalid(format!("cannot listen on {place}: {e}; choose another --port or --host"))
        };
        let addresses = (options.host.as_str(), port).to_socket_addrs().map_err(wrong)?;
        let socket = std::net::TcpListener::bind(&addresses.collect::<Vec<_>>()[..]).map_err(wrong)?;
        socket.set_nonblocking(true).map_err(wrong)?;
        let address = socket.local_addr().map_err(wrong)?;
        Ok(Listener { socket, address, protocol, tls })
    }

    fn url(&self) -> String {
        let scheme = match (self.protocol, &self.tls) {
            (Protocol::Http, None) => "http",
            (Protocol::Http, Some(_)) => "https",
            (Protocol::Grpc, None) => "grpc",
            (Protocol::Grpc, Some(_)) => "grpcs",
        };
        format!("{scheme}://{}", self.address)
    }
}

/// Asks a server to stop; it can be given to other threads.
#[derive(Clone)]
pub struct Stopper(Arc<watch::Sender<bool>>);

impl Stopper {
    /// No new connections, and an end when the requests that run are answered.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Server {
    /// Takes the address and looks for the models; they are loaded by [`run`](Server::run).
    ///
    /// # Errors
    /// When the address is taken, a model is not there, or certificates cannot be read.
    pub fn bind(options: Options) -> Result<Server> {
        let sources = options.models.iter().map(|argument| Source::parse(argument)).collect::<Result<Vec<_>>>()?;
        let metrics = Arc::new(Metrics::default());
        let batching = Batching { delay: options.batching.delay.min(LONGEST), ..options.batching };
        let repository = Repository::new(sources, batching, options.rounding, metrics.clone())?;
        let http = Listener::bind(&options, options.port, Protocol::Http)?;
        if options.grpc_port.is_some() && !cfg!(feature = "grpc") {
            return Err(Error::invalid("this hadal was built without gRPC: build it with --features grpc"));
        }
        let grpc = options.grpc_port.map(|port| Listener::bind(&options, port, Protocol::Grpc)).transpose()?;
        let limits = options.limits;
        let app = App {
            repository: Arc::new(repository),
            bodies: Bodies::new(limits.body, limits.memory, limits.body_time),
            metrics,
            token: options.token.as_deref().map(Token::new),
            log: if options.access_log { AccessLog::to(std::io::stderr()) } else { AccessLog::off() },
            time_limit: limits.answer_time.min(LONGEST),
            max_batch: options.batching.max_batch,
            on_loopback: http.address.ip().is_loopback(),
            draining: AtomicBool::new(false),
            changing: Arc::default(),
        };
        let stopping = Arc::new(watch::Sender::new(false));
        Ok(Server { http, grpc, app: Arc::new(app), limits, watch: options.watch, stopping })
    }

    /// Serves a model that a program has made, beside those from files.
    ///
    /// # Errors
    /// When the name has other than letters, digits, `.`, `_` and `-`, or is taken.
    pub fn add(&self, name: &str, model: impl Servable + 'static) -> Result<()> {
        self.app.repository.add(name, Arc::new(model))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.http.address
    }

    /// The address as a URL.
    pub fn url(&self) -> String {
        self.http.url()
    }

    /// Where it listens for gRPC, if it does, as a URL.
    pub fn grpc_url(&self) -> Option<String> {
        self.grpc.as_ref().map(Listener::url)
    }

    /// What stops it.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.stopping.clone())
    }

    /// Loads the models and serves them until a [`Stopper`] stops it.
    ///
    /// # Errors
    /// When a model cannot be loaded, or requests were cut off because they did not end in time.
    pub fn run(self) -> Result<()> {
        self.block_on(false)
    }

    /// As [`run`](Server::run), until SIGINT or SIGTERM (or a [`Stopper`]). A second signal ends the process at once.
    pub fn run_until_signal(self) -> Result<()> {
        self.block_on(true)
    }

    fn block_on(self, signals: bool) -> Result<()> {
        raise_file_limit();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .max_blocking_threads(BLOCKING)
            .thread_name("hadal-http")
            .enable_all()
            .build()
            .map_err(|e| Error::invalid(format!("no threads for the server: {e}")))?;
        let app = self.app.clone();
        let outcome = runtime.block_on(async {
            if signals {
                tokio::spawn(stop_on_signal(self.stopper())?);
            }
            self.serve().await
        });
        // Nothing is waited for here: what had to be finished is.
        runtime.shutdown_background();
        app.log.flush();
        outcome
    }

    async fn serve(self) -> Result<()> {
        let Server { http, grpc, app, limits, watch, stopping } = self;
        let open = |listener: Listener| match TcpListener::from_std(listener.socket) {
            Ok(socket) => Ok((socket, (listener.protocol, listener.tls))),
            Err(e) => Err(Error::invalid(format!("cannot listen: {e}"))),
        };
        let listeners = [Some(open(http)?), grpc.map(open).transpose()?];
        let (loading, watched) = (app.clone(), app.clone());
        let mut loading = tokio::task::spawn_blocking(move || {
            loading.repository.unloaded().iter().try_for_each(|name| loading.repository.load(name))
        });
        let mut loaded = false;
        let watching = watch.map(|every| tokio::spawn(reload_changed(watched, every)));
        let most = limits.connections.min(Semaphore::MAX_PERMITS).min(u32::MAX as usize);
        let open = Arc::new(Semaphore::new(most));
        let mut stopped = stopping.subscribe();
        let admit = |stream: TcpStream, peer, spoken: Spoken| match open.clone().try_acquire_owned() {
            Ok(permit) => {
                let stopped = stopping.subscribe();
                let connection = connection(app.clone(), stream, peer, limits.clone(), spoken, stopped);
                tokio::spawn(counted(app.clone(), permit, connection));
            }
            Err(_) if spoken.0 == Protocol::Http => turn_away(&stream),
            Err(_) => {}
        };
        let failure = loop {
            tokio::select! {
                () = stop_asked(&mut stopped) => break None,
                outcome = &mut loading, if !loaded => {
                    loaded = true;
                    match outcome {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => break Some(error),
                        Err(_) => break Some(Error::invalid("loading the models panicked")),
                    }
                }
                (accepted, spoken) = accept(&listeners) => match accepted {
                    Ok((stream, peer)) => admit(stream, peer, spoken.clone()),
                    // No files left, or a client that was gone already: others may do better in a moment.
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                },
            }
        };
        app.draining.store(true, Relaxed);
        stopping.send_replace(true);
        // Whom the system has let in already is not turned away.
        for (listener, spoken) in listeners.iter().flatten() {
            while let Poll::Ready(Ok((stream, peer))) = listener.poll_accept(&mut Context::from_waker(Waker::noop())) {
                admit(stream, peer, spoken.clone());
            }
        }
        drop(listeners);
        watching.inspect(|task| task.abort());
        // All permits are back when all connections are closed.
        let closed = tokio::time::timeout(limits.drain_time, open.acquire_many(most as u32)).await;
        match (failure, closed) {
            (Some(error), _) => Err(error),
            (None, Ok(_)) => Ok(()),
            (None, Err(_)) => {
                let (count, seconds) = (app.metrics.in_flight.load(Relaxed), limits.drain_time.as_secs_f64());
                Err(Error::invalid(format!("requests that were cut off, still running after {seconds} s: {count}")))
            }
        }
    }
}

/// The protocol of a connection, and whether it is encrypted.
type Spoken = (Protocol, Option<Tls>);

/// The next connection on any of the sockets.
async fn accept(listeners: &[Option<(TcpListener, Spoken)>; 2]) -> (std::io::Result<(TcpStream, SocketAddr)>, &Spoken) {
    std::future::poll_fn(|context| {
        for (listener, spoken) in listeners.iter().flatten() {
            if let Poll::Ready(accepted) = listener.poll_accept(context) {
                return Poll::Ready((accepted, spoken));
            }
        }
        Poll::Pending
    })
    .await
}

/// A connection that is counted, and holds its permit, while it lasts.
async fn counted(app: Arc<App>, permit: OwnedSemaphorePermit, connection: impl Future<Output = ()>) {
    struct Count(Arc<App>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.metrics.connections.fetch_sub(1, Relaxed);
        }
    }
    app.metrics.connections.fetch_add(1, Relaxed);
    let _count = (Count(app), permit);
    connection.await;
}

/// One client's requests, one after the other.
async fn connection(
    app: Arc<App>,
    stream: TcpStream,
    peer: SocketAddr,
    limits: Limits,
    (protocol, tls): Spoken,
    mut stopped: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    // A client that says nothing costs nothing but its socket: buffers come with its first byte.
    let mut first = [0];
    let spoken = tokio::select! {
        seen = tokio::time::timeout(limits.head_time, stream.peek(&mut first)) => matches!(seen, Ok(Ok(1))),
        () = grace_over(&mut stopped) => false,
    };
    if !spoken {
        return;
    }
    match tls {
        None => spoken_on(protocol, app, TokioIo::new(stream), peer, limits, stopped).await,
        Some(tls) => {
            let shaken = Box::pin(tokio::time::timeout(limits.head_time, tls.accept(stream))).await;
            if let Ok(Ok(stream)) = shaken {
                spoken_on(protocol, app, TokioIo::new(stream), peer, limits, stopped).await;
            }
        }
    }
}

/// A connection that has begun. In a box of its own: the state of requests is large, and idle clients have none.
fn spoken_on<S>(
    protocol: Protocol,
    app: Arc<App>,
    stream: S,
    peer: SocketAddr,
    limits: Limits,
    stopped: watch::Receiver<bool>,
) -> Pin<Box<dyn Future<Output = ()> + Send>>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    match protocol {
        Protocol::Http => Box::pin(requests(app, stream, peer, limits, stopped)),
        Protocol::Grpc => Box::pin(grpc::requests(app, stream, peer, limits, stopped)),
    }
}

async fn requests<S>(app: Arc<App>, stream: S, peer: SocketAddr, limits: Limits, mut stopped: watch::Receiver<bool>)
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    let service = service_fn(move |request| {
        let app = app.clone();
        async move { Ok::<_, Infallible>(app.answer(request, peer).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_headers(MOST_HEADERS)
        .max_buf_size(HEAD)
        .serve_connection(Patient::new(stream, limits.write_time), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        // What goes wrong on a connection is the client's affair.
        _ = connection.as_mut() => {}
        () = grace_over(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// Waits until the server is asked to stop. An error says that it is gone.
async fn stop_asked(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stop| *stop).await;
}

/// Waits until a connection without a request may be closed because the server stops.
pub async fn grace_over(stopped: &mut watch::Receiver<bool>) {
    stop_asked(stopped).await;
    tokio::time::sleep(GRACE).await;
}

/// Tells a client that there are too many connections, without waiting for it.
fn turn_away(stream: &TcpStream) {
    let body = json!({ "error": "the server has as many connections as it may; try again later" }).to_string();
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {}\r\nretry-after: 1\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.try_write(answer.as_bytes());
}

/// Loads models again whose files have changed, and says on the log what came of it.
async fn reload_changed(app: Arc<App>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let app = app.clone();
        let look = move || {
            for name in app.repository.changed() {
                let outcome = app.repository.load(&name);
                let error = outcome.err().map(|error| json!(error.to_string()));
                let event = if error.is_none() { "reloaded" } else { "reload failed" };
                app.log.write(&[("event", json!(event)), ("model", json!(name)), ("error", error.unwrap_or_default())]);
            }
        };
        if tokio::task::spawn_blocking(look).await.is_err() {
            return;
        }
    }
}

/// Waits for a signal to stop, and for a second one to end at once.
#[cfg(unix)]
fn stop_on_signal(stopper: Stopper) -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let wrong = |e: std::io::Error| Error::invalid(format!("cannot handle signals: {e}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(wrong)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(wrong)?;
    Ok(async move {
        for first in [true, false] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if first {
                stopper.stop();
            }
        }
        std::process::exit(130);
    })
}

/// Waits for Ctrl-C, and for a second one to end at once.
#[cfg(not(unix))]
fn stop_on_signal(stopper: Stopper) -> Result<impl Future<Output = ()>> {
    Ok(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stopper.stop();
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(130);
            }
        }
    })
}

/// Lets this process have as many open sockets as the system allows it: the default of 1024 is history.
fn raise_file_limit() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit.maximum;
        // If it is refused, fewer clients are served at once.
        let _ = setrlimit(Resource::Nofile, limit);
    }
}
