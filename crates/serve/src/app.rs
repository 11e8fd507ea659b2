//! From a request to its answer.

use crate::access_log::AccessLog;
use crate::body::{Bodies, Held};
use crate::describe;
use crate::metrics::Metrics;
use crate::origin;
use crate::refusal::Refusal;
use crate::repository::{Line, Repository, Serving};
use crate::routes::{self, Operation, Route};
use crate::token::Token;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// The server's name in its metadata.
pub const NAME: &str = "hadal";

/// What it knows beyond the protocol.
pub const EXTENSIONS: [&str; 4] = ["binary_tensor_data", "classification", "model_configuration", "model_repository"];

/// What all requests share.
pub struct App {
    /// The models.
    pub repository: Arc<Repository>,
    /// What bodies may take.
    pub bodies: Bodies,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What clients must know.
    pub token: Option<Token>,
    /// Where requests are reported.
    pub log: AccessLog,
    /// From the end of a request's body to its answer.
    pub time_limit: Duration,
    /// Samples in a batch, for the models' configuration.
    pub max_batch: usize,
    /// Whether only this machine can reach the server.
    pub on_loopback: bool,
    /// Set when the server is asked to stop.
    pub draining: AtomicBool,
    /// Held while the repository changes: one thread at a time, however many clients ask for it.
    pub changing: Arc<Mutex<()>>,
}

/// An answer before it becomes HTTP.
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// Another header.
    pub header: Option<(HeaderName, String)>,
    /// The body.
    pub body: Bytes,
}

impl Reply {
    /// JSON, with status 200.
    pub fn json(value: &Value) -> Reply {
        Reply::of("application/json", value.to_string())
    }

    /// Any body, with status 200.
    pub fn of(content_type: &'static str, body: impl Into<Bytes>) -> Reply {
        Reply { status: StatusCode::OK, content_type, header: None, body: body.into() }
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Reply {
        let body = json!({ "error": refusal.message });
        Reply { status: refusal.status, header: refusal.header, ..Reply::json(&body) }
    }
}

/// What is known of a request, reported when it is over: also when the client leaves before its answer and this is dropped
/// half-way.
pub struct Record {
    app: Arc<App>,
    begun: Instant,
    method: Method,
    path: String,
    peer: SocketAddr,
    /// The answer's, once there is one.
    pub status: Option<StatusCode>,
    /// The model's name, once it is known to exist.
    pub model: String,
    /// Bytes of the request's body.
    pub bytes_in: usize,
    /// Bytes of the answer's.
    pub bytes_out: usize,
    /// The batch it was in, and how long it waited for it.
    pub batch: Option<(usize, Duration)>,
}

/// The status under which a client counts that left before its answer (nginx's number).
const CLIENT_LEFT: u16 = 499;

impl Record {
    /// Of a request that has just arrived.
    pub fn of<B>(app: &Arc<App>, request: &Request<B>, peer: SocketAddr) -> Record {
        app.metrics.in_flight.fetch_add(1, Relaxed);
        Record {
            app: app.clone(),
            begun: Instant::now(),
            method: request.method().clone(),
            path: request.uri().path().chars().take(300).collect(),
            peer,
            status: None,
            model: String::new(),
            bytes_in: 0,
            bytes_out: 0,
            batch: None,
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let status = self.status.map_or(CLIENT_LEFT, |status| status.as_u16());
        let time = self.begun.elapsed();
        self.app.metrics.in_flight.fetch_sub(1, Relaxed);
        self.app.metrics.answered(&self.model, status);
        if self.batch.is_some() {
            self.app.metrics.inferred(&self.model, time);
        }
        if self.app.log.is_on() {
            let ms = |time: Duration| json!(time.as_micros() as f64 / 1000.0);
            let mut fields = vec![
                ("method", json!(self.method.as_str())),
                ("path", json!(self.path)),
                ("peer", json!(self.peer.to_string())),
                ("status", json!(status)),
                ("ms", ms(time)),
                ("bytes_in", json!(self.bytes_in)),
                ("bytes_out", json!(self.bytes_out)),
            ];
            if !self.model.is_empty() {
                fields.push(("model", json!(self.model)));
            }
            if let Some((samples, waited)) = self.batch {
                fields.extend([("batch", json!(samples)), ("queue_ms", ms(waited))]);
            }
            self.app.log.write(&fields);
        }
    }
}

impl App {
    /// Answers a request, whatever it is.
    pub async fn answer(self: Arc<App>, request: Request<Incoming>, peer: SocketAddr) -> Response<Full<Bytes>> {
        let mut record = Record::of(&self, &request, peer);
        let mut unread = !request.body().is_end_stream();
        let reply = self.reply(request, &mut record, &mut unread).await.unwrap_or_else(Reply::from);
        record.status = Some(reply.status);
        record.bytes_out = reply.body.len();
        let mut response = Response::new(Full::new(reply.body));
        *response.status_mut() = reply.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
        headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
        // Nothing can follow on the connection, or nothing should.
        if unread || self.draining.load(Relaxed) {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some((name, value)) = reply.header
            && let Ok(value) = HeaderValue::try_from(value)
        {
            headers.insert(name, value);
        }
        response
    }

    /// `unread` becomes false when all of the request has been read: otherwise nothing can follow it on its connection.
    async fn reply(
        &self,
        request: Request<Incoming>,
        record: &mut Record,
        unread: &mut bool,
    ) -> Result<Reply, Refusal> {
        let (head, body) = request.into_parts();
        let route = routes::find(&head.method, head.uri.path())?;
        self.admit(&head, route.operation.is_open())?;
        // Before anything else is looked at: who gets a refusal can go on with the next request.
        let mut held = Held::default();
        if head.method == Method::POST {
            held = self.bodies.read(body).await?;
            *unread = false;
        }
        record.bytes_in = held.bytes.len();
        match route.operation {
            Operation::Page => {
                // Nothing from elsewhere, and nothing to elsewhere.
                let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                              connect-src 'self'; img-src blob: data:";
                let header = Some((hyper::header::CONTENT_SECURITY_POLICY, policy.to_owned()));
                Ok(Reply { header, ..Reply::of("text/html; charset=utf-8", include_str!("page.html")) })
            }
            Operation::OpenApi => Ok(Reply::of("application/json", include_str!("openapi.json"))),
            Operation::Metrics => {
                let text = self.metrics.text(&self.repository.served());
                Ok(Reply::of("text/plain; version=0.0.4; charset=utf-8", text))
            }
            Operation::Live => Ok(Reply::json(&json!({ "live": true }))),
            Operation::Ready => {
                let ready = self.is_ready();
                let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
                Ok(Reply { status, ..Reply::json(&json!({ "live": true, "ready": ready })) })
            }
            Operation::Server => Ok(Reply::json(&json!({
                "name": NAME,
                "version": env!("CARGO_PKG_VERSION"),
                "extensions": EXTENSIONS,
            }))),
            Operation::Model => {
                let serving = self.serving(route, record)?;
                let versions = self.repository.versions(&serving.name);
                Ok(Reply::json(&describe::metadata(&serving.name, &versions, serving.signature())))
            }
            Operation::ModelReady => {
                Ok(Reply::json(&json!({ "name": self.serving(route, record)?.name, "ready": true })))
            }
            Operation::ModelConfig => {
                let serving = self.serving(route, record)?;
                Ok(Reply::json(&describe::config(&serving.name, self.max_batch, serving.signature())))
            }
            Operation::Infer => self.infer(route, &head.headers, held, record).await,
            Operation::Classify => self.classify(route, &head, held, record).await,
            Operation::Predict => self.predict(route, &head.headers, held, record).await,
            Operation::Index => {
                #[derive(serde::Deserialize, Default)]
                struct Filter {
                    #[serde(default)]
                    ready: bool,
                }
                let filter: Filter = match held.bytes.trim_ascii() {
                    [] => Filter::default(),
                    bytes => serde_json::from_slice(bytes)
                        .map_err(|e| Refusal::bad(format!("the body is not {{\"ready\": true}}: {e}")))?,
                };
                Ok(Reply::json(&json!(self.index(filter.ready).await?)))
            }
            Operation::Load | Operation::Unload => {
                let change = if route.operation == Operation::Load { Repository::load } else { Repository::unload };
                self.change(route.model.unwrap_or_default(), change).await.map(|()| Reply::json(&json!({})))
            }
        }
    }

    /// Refuses who must not be answered; with `is_open`, a token is not asked for.
    ///
    /// # Errors
    /// 401 and 403.
    pub fn admit(&self, head: &Parts, is_open: bool) -> Result<(), Refusal> {
        origin::check(head, self.on_loopback)?;
        match &self.token {
            Some(token) if !is_open && !token.admits(head.headers.get(AUTHORIZATION).map(HeaderValue::as_bytes)) => {
                let message = "this server asks for a token: send it as `Authorization: Bearer TOKEN`";
                Err(Refusal::new(StatusCode::UNAUTHORIZED, message).with(WWW_AUTHENTICATE, "Bearer"))
            }
            _ => Ok(()),
        }
    }

    /// Whether all models are loaded and the server goes on.
    pub fn is_ready(&self) -> bool {
        self.repository.is_ready() && !self.draining.load(Relaxed)
    }

    /// All models, or those that can be asked.
    pub async fn index(&self, only_ready: bool) -> Result<Vec<Line>, Refusal> {
        let repository = self.repository.clone();
        let mut lines = work(false, move || Ok(repository.index())).await?;
        lines.retain(|line| !only_ready || line.state == "READY");
        Ok(lines)
    }

    /// Loads a model or takes it away.
    ///
    /// # Errors
    /// 403 when anybody on the network could; otherwise what prevents it.
    pub async fn change(&self, name: &str, change: fn(&Repository, &str) -> hadal::Result<()>) -> Result<(), Refusal> {
        if !self.on_loopback && self.token.is_none() {
            let message = "models are loaded and unloaded from other machines only where the server asks for a token: start \
                           it with --token-file, or with HADAL_TOKEN";
            return Err(Refusal::new(StatusCode::FORBIDDEN, message));
        }
        let (repository, name) = (self.repository.clone(), name.to_owned());
        let alone = self.changing.clone().lock_owned().await;
        let change = move || {
            let _alone = alone;
            change(&repository, &name).map_err(|error| Refusal::bad(error.to_string()))
        };
        work(false, change).await
    }

    /// The version that a path names.
    pub fn serving(&self, route: Route, record: &mut Record) -> Result<Arc<Serving>, Refusal> {
        self.version(route.model.unwrap_or_default(), route.version, record)
    }

    /// A version of a model; the highest, if none is named.
    pub fn version(&self, model: &str, version: Option<&str>, record: &mut Record) -> Result<Arc<Serving>, Refusal> {
        let serving = self.repository.get(model, version)?;
        record.model.clone_from(&serving.name);
        Ok(serving)
    }
}

/// Runs `f`: here if it is quick, else where it keeps nobody waiting. A panic becomes a refusal.
pub async fn work<R: Send + 'static>(
    is_quick: bool,
    f: impl FnOnce() -> Result<R, Refusal> + Send + 'static,
) -> Result<R, Refusal> {
    let guarded = move || catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|_| Err(broken()));
    match is_quick {
        true => guarded(),
        false => tokio::task::spawn_blocking(guarded).await.unwrap_or_else(|_| Err(broken())),
    }
}

/// 500: a mistake of the server.
pub fn broken() -> Refusal {
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the server made a mistake with this request; its log says where")
}
