//! The server: a socket, its connections, and an orderly end.

use crate::access_log::AccessLog;
use crate::app::App;
use crate::batcher::Batching;
use crate::body::Bodies;
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
const HEAD: usize = 64 << 10;

/// A server that has its address, but answers nobody yet.
pub struct Server {
    listener: std::net::TcpListener,
    address: SocketAddr,
    app: Arc<App>,
    limits: Limits,
    tls: Option<Tls>,
    watch: Option<Duration>,
    stopping: Arc<watch::Sender<bool>>,
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
        let tls = options.tls.as_ref().map(|(chain, key)| Tls::read(chain, key)).transpose()?;
        let place = format!("{}:{}", options.host, options.port);
        let wrong = |e: std::io::Error| {
            Error::invalid(format!("cannot listen on {place}: {e}; choose another --port or --host"))
        };
        let addresses = (options.host.as_str(), options.port).to_socket_addrs().map_err(wrong)?;
        let listener = std::net::TcpListener::bind(&addresses.collect::<Vec<_>>()[..]).map_err(wrong)?;
        listener.set_nonblocking(true).map_err(wrong)?;
        let address = listener.local_addr().map_err(wrong)?;
        let limits = options.limits;
        let app = App {
            repository: Arc::new(repository),
            bodies: Bodies::new(limits.body, limits.memory, limits.body_time),
            metrics,
            token: options.token.as_deref().map(Token::new),
            log: if options.access_log { AccessLog::to(std::io::stderr()) } else { AccessLog::off() },
            time_limit: limits.answer_time.min(LONGEST),
            max_batch: options.batching.max_batch,
            on_loopback: address.ip().is_loopback(),
            draining: AtomicBool::new(false),
            changing: Arc::default(),
        };
        let stopping = Arc::new(watch::Sender::new(false));
        Ok(Server { listener, address, app: Arc::new(app), limits, tls, watch: options.watch, stopping })
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
        self.address
    }

    /// The address as a URL.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls.is_some() { "https" } else { "http" }, self.address)
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
        let Server { listener, app, limits, tls, watch, stopping, .. } = self;
        let listener = TcpListener::from_std(listener).map_err(|e| Error::invalid(format!("cannot listen: {e}")))?;
        let (loading, watched) = (app.clone(), app.clone());
        let mut loading = tokio::task::spawn_blocking(move || {
            loading.repository.unloaded().iter().try_for_each(|name| loading.repository.load(name))
        });
        let mut loaded = false;
        let watching = watch.map(|every| tokio::spawn(reload_changed(watched, every)));
        let most = limits.connections.min(Semaphore::MAX_PERMITS).min(u32::MAX as usize);
        let open = Arc::new(Semaphore::new(most));
        let mut stopped = stopping.subscribe();
        let admit = |stream: TcpStream, peer| match open.clone().try_acquire_owned() {
            Ok(permit) => {
                let stopped = stopping.subscribe();
                let connection = connection(app.clone(), stream, peer, limits.clone(), tls.clone(), stopped);
                tokio::spawn(counted(app.clone(), permit, connection));
            }
            Err(_) => turn_away(&stream),
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
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => admit(stream, peer),
                    // No files left, or a client that was gone already: others may do better in a moment.
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                },
            }
        };
        app.draining.store(true, Relaxed);
        stopping.send_replace(true);
        // Whom the system has let in already is not turned away.
        while let Poll::Ready(Ok((stream, peer))) = listener.poll_accept(&mut Context::from_waker(Waker::noop())) {
            admit(stream, peer);
        }
        drop(listener);
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
    tls: Option<Tls>,
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
        // In a box of their own: the state of requests is large, and idle clients have none.
        None => Box::pin(requests(app, TokioIo::new(stream), peer, limits, stopped)).await,
        Some(tls) => {
            let shaken = Box::pin(tokio::time::timeout(limits.head_time, tls.accept(stream))).await;
            if let Ok(Ok(stream)) = shaken {
                Box::pin(requests(app, TokioIo::new(stream), peer, limits, stopped)).await;
            }
        }
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
async fn grace_over(stopped: &mut watch::Receiver<bool>) {
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
