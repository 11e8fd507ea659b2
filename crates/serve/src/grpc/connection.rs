//! A client's connection: HTTP/2, within the server's limits.

use crate::app::{App, Record};
use crate::grpc::inference::grpc_inference_service_server::GrpcInferenceServiceServer;
use crate::grpc::service::{Call, status};
use crate::grpc::weight;
use crate::options::Limits;
use crate::patient::Patient;
use crate::refusal::Refusal;
use crate::server::{HEAD, grace_over};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::http::request::Parts;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tonic::codegen::Service;

/// Calls that a connection may have at once.
const MOST_CALLS: u32 = 128;

/// Bytes of the message of a call that carries no tensors.
const SMALL: usize = 64 << 10;

/// Bytes before a message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// Serves one connection to its end. One without calls is closed after the time that HTTP's heads have.
pub async fn requests<S>(app: Arc<App>, stream: S, peer: SocketAddr, limits: Limits, mut stopped: watch::Receiver<bool>)
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    let running = Arc::new(watch::Sender::new(0));
    let mut running_seen = running.subscribe();
    let service = service_fn(move |request| {
        let (app, counted) = (app.clone(), Counted::one_more(&running));
        async move { Ok::<_, Infallible>(answer(app, request, peer, counted).await) }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(MOST_CALLS)
        .max_header_list_size(HEAD as u32)
        .keep_alive_interval(limits.head_time)
        .keep_alive_timeout(limits.head_time)
        .serve_connection(Patient::new(stream, limits.write_time), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        // What goes wrong on a connection is the client's affair.
        _ = connection.as_mut() => {}
        () = grace_over(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
        () = idle(&mut running_seen, limits.head_time) => {
            connection.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(limits.head_time, connection).await;
        }
    }
}

/// Waits until there has been no call for so long.
async fn idle(running: &mut watch::Receiver<usize>, time: Duration) {
    while running.wait_for(|&calls| calls == 0).await.is_ok() {
        if tokio::time::timeout(time, running.changed()).await.is_err() {
            return;
        }
    }
}

/// A call that is running until this is dropped.
struct Counted(Arc<watch::Sender<usize>>);

impl Counted {
    fn one_more(running: &Arc<watch::Sender<usize>>) -> Counted {
        running.send_modify(|calls| *calls += 1);
        Counted(running.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|calls| *calls -= 1);
    }
}

async fn answer(app: Arc<App>, request: Request<Incoming>, peer: SocketAddr, counted: Counted) -> Response<Answer> {
    let mut record = Record::of(&app, &request, peer);
    let (head, body) = request.into_parts();
    let refused = |refusal| status(refusal).into_http::<tonic::body::Body>();
    let (response, memory) = match read(&app, &head, body, &mut record).await {
        Err(refusal) => {
            record.status = Some(refusal.status);
            (refused(refusal), None)
        }
        Ok((bytes, _held)) => {
            let most = app.bodies.most();
            let call = Arc::new(Call::new(app.clone(), record));
            let mut server = GrpcInferenceServiceServer::from_arc(call.clone()).max_decoding_message_size(most);
            let Ok(response) = server.call(Request::from_parts(head, Full::new(bytes))).await;
            match app.bodies.take(call.finish().await) {
                Ok(memory) => (response, Some(memory)),
                Err(refusal) => (refused(refusal), None),
            }
        }
    };
    response.map(|body| Answer { body, _until_sent: (counted, memory) })
}

/// The message of a call, and the memory that it takes.
async fn read(
    app: &App,
    head: &Parts,
    body: Incoming,
    record: &mut Record,
) -> Result<(Bytes, [Option<OwnedSemaphorePermit>; 2]), Refusal> {
    let call = head.uri.path().rsplit('/').next().unwrap_or_default();
    app.admit(head, matches!(call, "ServerLive" | "ServerReady"))?;
    let has_tensors = call == "ModelInfer";
    let most = if has_tensors { app.bodies.most().saturating_add(PREFIX) } else { SMALL };
    let held = app.bodies.read_at_most(most, body).await?;
    record.bytes_in = held.bytes.len();
    let message = held
        .bytes
        .split_first_chunk::<PREFIX>()
        .filter(|([_, length @ ..], message)| u32::from_be_bytes(*length) as usize == message.len());
    let Some((_, message)) = message else {
        return Err(Refusal::bad("the body of a call is one message of gRPC, after its length"));
    };
    let decoded = match has_tensors {
        true => {
            let weight = weight::of(message).ok_or_else(|| Refusal::bad("the body is no request for inference"))?;
            Some(app.bodies.take(weight)?)
        }
        false => None,
    };
    Ok((held.bytes.into(), [held.memory, decoded]))
}

/// The body of an answer, and what lasts as long as it.
struct Answer {
    body: tonic::body::Body,
    _until_sent: (Counted, Option<OwnedSemaphorePermit>),
}

impl Body for Answer {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
