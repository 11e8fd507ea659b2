//! The same over gRPC: the bits of HTTP, its limits, and its orderly end.

use super::models::{Folder, gate, image, images, request, write_images};
use super::{Running, options, start};
use hadal_serve::inference::grpc_inference_service_client::GrpcInferenceServiceClient;
use hadal_serve::inference::infer_parameter::ParameterChoice;
use hadal_serve::inference::model_infer_request::{InferInputTensor, InferRequestedOutputTensor};
use hadal_serve::inference::*;
use hadal_serve::{Limits, Options, Server};
use http_body_util::Full;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tonic::codegen::Service;
use tonic::codegen::http::{Request, Response};
use tonic::{Code, Status};

/// One connection, as generated clients need it.
#[derive(Clone)]
struct Channel {
    sender: SendRequest<tonic::body::Body>,
    token: Option<&'static str>,
}

impl Service<Request<tonic::body::Body>> for Channel {
    type Response = Response<hyper::body::Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = hyper::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.sender.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<tonic::body::Body>) -> Self::Future {
        if let Some(token) = self.token {
            request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        Box::pin(self.sender.send_request(request))
    }
}

type Client = GrpcInferenceServiceClient<Channel>;

async fn channel(address: SocketAddr, token: Option<&'static str>) -> Channel {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    Channel { sender, token }
}

async fn connect(address: SocketAddr, token: Option<&'static str>) -> Client {
    Client::with_origin(channel(address, token).await, format!("http://{address}").parse().unwrap())
}

/// A server that also speaks gRPC, and where.
fn serve(options: Options) -> (Server, SocketAddr) {
    let server = Server::bind(Options { grpc_port: Some(0), ..options }).unwrap();
    let address = server.grpc_url().unwrap().strip_prefix("grpc://").unwrap().parse().unwrap();
    (server, address)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn tensor(name: &str, datatype: &str, shape: &[i64]) -> InferInputTensor {
    let (name, datatype, shape) = (name.into(), datatype.into(), shape.to_vec());
    InferInputTensor { name, datatype, shape, ..Default::default() }
}

fn ask(model: &str, input: InferInputTensor) -> ModelInferRequest {
    ModelInferRequest { model_name: model.into(), inputs: vec![input], ..Default::default() }
}

/// The bytes of the answer's outputs to images over HTTP.
fn over_http(server: &Running) -> Vec<Vec<u8>> {
    let answer = server.client().post("/v2/models/net/infer", request(&images(3), json!([]))).json();
    let floats = |output: &serde_json::Value| {
        let values: Vec<f64> = serde_json::from_value(output["data"].clone()).unwrap();
        values.iter().flat_map(|&x| (x as f32).to_le_bytes()).collect()
    };
    answer["outputs"].as_array().unwrap().iter().map(floats).collect()
}

#[test]
fn calls_have_the_answers_of_http() {
    let folder = Folder::new();
    write_images(&folder.path("all/net/model.safetensors"), 1);
    let (server, address) = serve(options(&[&folder.argument("all")]));
    let server = start(server);
    let expected = over_http(&server);
    block_on(async {
        let mut client = connect(address, None).await;
        assert!(client.server_live(ServerLiveRequest {}).await.unwrap().into_inner().live);
        assert!(client.server_ready(ServerReadyRequest {}).await.unwrap().into_inner().ready);
        let ready = |name: &str| ModelReadyRequest { name: name.into(), version: String::new() };
        assert!(client.model_ready(ready("net")).await.unwrap().into_inner().ready);
        assert!(!client.model_ready(ready("other")).await.unwrap().into_inner().ready);
        let about = client.server_metadata(ServerMetadataRequest {}).await.unwrap().into_inner();
        assert_eq!((about.name.as_str(), about.extensions.len()), ("hadal", 4));
        let name = ModelMetadataRequest { name: "net".into(), version: "1".into() };
        let about = client.model_metadata(name).await.unwrap().into_inner();
        assert_eq!((&about.versions[..], &about.inputs[0].shape[..]), (&["1".to_owned()][..], &[-1, 1, 8, 8][..]));
        assert_eq!(about.outputs[1].name, "logits");

        // Lists are answered with lists, bytes with bytes.
        let x = images(3);
        let mut input = tensor("input", "FP32", &[3, 1, 8, 8]);
        let mut raw = ask("net", input.clone());
        raw.raw_input_contents = vec![x.to_bytes().into()];
        let answer = client.model_infer(raw).await.unwrap().into_inner();
        assert_eq!(answer.raw_output_contents, expected);
        assert_eq!((answer.model_name.as_str(), answer.model_version.as_str()), ("net", "1"));
        input.contents = Some(InferTensorContents { fp32_contents: x.to_vec(), ..Default::default() });
        let answer = client.model_infer(ModelInferRequest { id: "7".into(), ..ask("net", input) }).await.unwrap();
        let answer = answer.into_inner();
        let floats = |output: &model_infer_response::InferOutputTensor| {
            let contents = output.contents.as_ref().unwrap();
            contents.fp32_contents.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()
        };
        assert_eq!(answer.outputs.iter().map(floats).collect::<Vec<_>>(), expected);
        assert_eq!((answer.id.as_str(), answer.raw_output_contents.len()), ("7", 0));

        // A picture, and its class by name.
        let mut input = tensor("input", "BYTES", &[1]);
        input.contents = Some(InferTensorContents { bytes_contents: vec![image(20, 9)], ..Default::default() });
        let one = InferParameter { parameter_choice: Some(ParameterChoice::Int64Param(1)) };
        let parameters = [("classification".to_owned(), one)].into();
        let outputs = vec![InferRequestedOutputTensor { name: "probabilities".into(), parameters }];
        let answer = client.model_infer(ModelInferRequest { outputs, ..ask("net", input) }).await.unwrap().into_inner();
        let text = &answer.outputs[0].contents.as_ref().unwrap().bytes_contents[0];
        let best = server.client().post("/v2/models/net/classify", image(20, 9)).json();
        assert!(String::from_utf8_lossy(text).ends_with(best["label"].as_str().unwrap()));

        // The repository.
        let unload = RepositoryModelUnloadRequest { model_name: "net".into(), ..Default::default() };
        client.repository_model_unload(unload).await.unwrap();
        let index = client.repository_index(RepositoryIndexRequest::default()).await.unwrap().into_inner();
        assert_eq!((index.models[0].name.as_str(), index.models[0].state.as_str()), ("net", "UNAVAILABLE"));
        let load = |name: &str| RepositoryModelLoadRequest { model_name: name.into(), ..Default::default() };
        client.repository_model_load(load("net")).await.unwrap();
        let only_ready = RepositoryIndexRequest { ready: true, ..Default::default() };
        assert_eq!(client.repository_index(only_ready).await.unwrap().into_inner().models.len(), 1);

        // Mistakes.
        let error = |outcome: Result<tonic::Response<ModelInferResponse>, Status>| outcome.err().unwrap();
        let missing = error(client.model_infer(ask("nets", tensor("input", "FP32", &[1]))).await);
        assert_eq!(missing.code(), Code::NotFound);
        assert!(missing.message().contains("did you mean \"net\""), "{missing}");
        let wrong = error(client.model_infer(ask("net", tensor("input", "FP32", &[1, 64]))).await);
        assert_eq!(wrong.code(), Code::InvalidArgument);
        assert!(wrong.message().contains("got FP32 of shape [1, 64]"), "{wrong}");
        let outside = client.repository_model_load(load("../all/net")).await.unwrap_err();
        assert_eq!(outside.code(), Code::InvalidArgument);
    });
    let metrics = String::from_utf8(server.client().get("/metrics").body).unwrap();
    assert!(metrics.contains("hadal_requests_total{model=\"net\",code=\"200\"}"), "{metrics}");
}

#[test]
fn limits_and_tokens_hold() {
    let folder = Folder::new();
    write_images(&folder.path("net.safetensors"), 1);
    let limits =
        Limits { body: 100_000, memory: 1_000_000, head_time: Duration::from_millis(300), ..Limits::default() };
    let options = Options { token: Some("secret".into()), limits, ..options(&[&folder.argument("net.safetensors")]) };
    let (server, address) = serve(options);
    let _server = start(server);
    block_on(async {
        let mut client = connect(address, None).await;
        assert!(client.server_live(ServerLiveRequest {}).await.is_ok());
        let unknown = client.server_metadata(ServerMetadataRequest {}).await.unwrap_err();
        assert_eq!(unknown.code(), Code::Unauthenticated);
        let mut client = connect(address, Some("secret")).await;
        assert!(client.server_metadata(ServerMetadataRequest {}).await.is_ok());
        let large = ModelInferRequest { raw_input_contents: vec![vec![0; 200_000].into()], ..Default::default() };
        assert_eq!(client.model_infer(large).await.unwrap_err().code(), Code::ResourceExhausted);
        let long = RepositoryModelLoadRequest { model_name: "x".repeat(90_000), ..Default::default() };
        assert_eq!(client.repository_model_load(long).await.unwrap_err().code(), Code::ResourceExhausted);
        // Small on the wire, and large in memory.
        let many = ModelInferRequest { inputs: vec![InferInputTensor::default(); 40_000], ..Default::default() };
        assert_eq!(client.model_infer(many).await.unwrap_err().code(), Code::Unavailable);
        // What is no message.
        let Channel { mut sender, .. } = channel(address, None).await;
        let request = Request::post(format!("http://{address}/inference.GRPCInferenceService/ModelInfer"))
            .header("authorization", "Bearer secret")
            .body(tonic::body::Body::new(Full::from(&b"\0\0\0\xff\xffgarbage"[..])))
            .unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.headers()["grpc-status"], "3");
    });
}

#[test]
fn clients_that_say_half_a_word() {
    let limits = Limits { head_time: Duration::from_millis(300), ..Limits::default() };
    let (server, address) = serve(Options { limits, ..options(&[]) });
    let _server = start(server);
    // Nothing, a part of the greeting, another protocol, the greeting alone, and the beginning of a call's head.
    let greeting = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let head = [&greeting[..], b"\0\0\x0a\x01\0\0\0\0\x01\x83"].concat();
    for said in [&b""[..], b"P", b"GET /v2 HTTP/1.1\r\n\r\n", greeting, &head] {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(said).unwrap();
        // The server closes: an end or a reset, but no wait for the test's own patience.
        let closed = stream.read_to_end(&mut Vec::new());
        let waited = closed.err().map(|e| e.kind());
        assert!(!matches!(waited, Some(ErrorKind::WouldBlock | ErrorKind::TimedOut)), "{said:?}");
    }
}

#[test]
fn stopping_finishes_calls() {
    let (server, address) = serve(options(&[]));
    let (model, open, _) = gate();
    server.add("gate", model).unwrap();
    let server = start(server);
    let stopper = server.stopper.clone();
    block_on(async {
        let mut client = connect(address, None).await;
        let mut input = tensor("x", "FP32", &[1]);
        input.contents = Some(InferTensorContents { fp32_contents: vec![3.0], ..Default::default() });
        let mut other = client.clone();
        let waiting = tokio::spawn(async move { client.model_infer(ask("gate", input)).await });
        let is_running = || {
            let metrics = server.client().get("/metrics").body;
            String::from_utf8(metrics).unwrap().contains("hadal_requests_in_flight 2\n")
        };
        while !is_running() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        stopper.stop();
        while tokio::net::TcpStream::connect(address).await.is_ok() {}
        // Nothing new after the server has said that it goes away.
        while other.server_live(ServerLiveRequest {}).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        drop(open);
        let answer = waiting.await.unwrap().unwrap().into_inner();
        assert_eq!(answer.outputs[0].contents.as_ref().unwrap().fp32_contents, [6.0]);
    });
    server.stop().unwrap();
}
