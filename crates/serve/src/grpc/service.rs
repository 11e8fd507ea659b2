//! The calls of the service, answered by what answers over HTTP.

use crate::app::{App, EXTENSIONS, NAME, Record, work};
use crate::grpc::inference::grpc_inference_service_server::GrpcInferenceService;
use crate::grpc::inference::model_metadata_response::TensorMetadata;
use crate::grpc::inference::repository_index_response::ModelIndex;
use crate::grpc::inference::*;
use crate::infer::QUICK;
use crate::protocol::grpc::{decode, encode};
use crate::refusal::Refusal;
use crate::repository::Repository;
use crate::servable::Port;
use hyper::StatusCode;
use prost::Message;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Mutex;
use tonic::{Code, Request, Response, Status};

/// One call.
pub struct Call {
    app: Arc<App>,
    record: Mutex<Record>,
}

impl Call {
    /// A call whose message has been read.
    pub fn new(app: Arc<App>, record: Record) -> Call {
        Call { app, record: Mutex::new(record) }
    }

    /// The bytes of the answer. A call that tonic has refused counts as wrong.
    pub async fn finish(&self) -> usize {
        let mut record = self.record.lock().await;
        record.status.get_or_insert(StatusCode::BAD_REQUEST);
        record.bytes_out
    }

    async fn reply<R: Message>(&self, outcome: Result<R, Refusal>) -> Result<Response<R>, Status> {
        let mut record = self.record.lock().await;
        match outcome {
            Ok(message) => {
                record.status = Some(StatusCode::OK);
                record.bytes_out = message.encoded_len();
                Ok(Response::new(message))
            }
            Err(refusal) => {
                record.status = Some(refusal.status);
                Err(status(refusal))
            }
        }
    }

    async fn infer(&self, message: ModelInferRequest) -> Result<ModelInferResponse, Refusal> {
        let (app, record) = (&self.app, &mut *self.record.lock().await);
        let serving = app.version(&message.model_name, named(&message.model_version), record)?;
        let about = |refusal: Refusal| refusal.about(format_args!("model {:?}", serving.name));
        let deadline = Instant::now() + app.time_limit;
        let is_quick = record.bytes_in <= QUICK;
        let model = serving.model.clone();
        let decode = move || decode(model.signature(), &message);
        let request = app.in_time(is_quick, deadline, decode).await.map_err(about)?;
        let answer = app.run(&serving, request.inputs, is_quick, deadline, record).await?;
        let is_quick = answer.outputs.iter().map(|output| output.meta().bytes()).sum::<usize>() <= QUICK;
        let encode = move || {
            let model = (serving.name.as_str(), serving.version);
            Ok(encode(serving.signature(), model, (request.id.as_deref(), &request.outputs), &answer.outputs))
        };
        work(is_quick, encode).await
    }

    async fn metadata(&self, name: &str, version: &str) -> Result<ModelMetadataResponse, Refusal> {
        let serving = self.app.version(name, named(version), &mut *self.record.lock().await)?;
        let tensor = |port: &Port| TensorMetadata {
            name: port.name.clone(),
            datatype: port.forms[0].datatype.name().to_owned(),
            shape: port.forms[0].dims(),
        };
        let signature = serving.signature();
        Ok(ModelMetadataResponse {
            name: serving.name.clone(),
            versions: self.app.repository.versions(&serving.name).iter().map(u64::to_string).collect(),
            platform: signature.platform.clone(),
            inputs: signature.inputs.iter().map(tensor).collect(),
            outputs: signature.outputs.iter().map(tensor).collect(),
        })
    }
}

/// A version that is named.
fn named(version: &str) -> Option<&str> {
    (!version.is_empty()).then_some(version)
}

/// A refusal as gRPC has it.
pub fn status(refusal: Refusal) -> Status {
    let code = match refusal.status {
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::TOO_MANY_REQUESTS => Code::ResourceExhausted,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => Code::DeadlineExceeded,
        status if status.is_server_error() => Code::Internal,
        _ => Code::InvalidArgument,
    };
    Status::new(code, refusal.message)
}

#[tonic::async_trait]
impl GrpcInferenceService for Call {
    async fn server_live(&self, _: Request<ServerLiveRequest>) -> Result<Response<ServerLiveResponse>, Status> {
        self.reply(Ok(ServerLiveResponse { live: true })).await
    }

    async fn server_ready(&self, _: Request<ServerReadyRequest>) -> Result<Response<ServerReadyResponse>, Status> {
        self.reply(Ok(ServerReadyResponse { ready: self.app.is_ready() })).await
    }

    async fn model_ready(&self, request: Request<ModelReadyRequest>) -> Result<Response<ModelReadyResponse>, Status> {
        let ModelReadyRequest { name, version } = request.into_inner();
        let ready = self.app.version(&name, named(&version), &mut *self.record.lock().await).is_ok();
        self.reply(Ok(ModelReadyResponse { ready })).await
    }

    async fn server_metadata(
        &self,
        _: Request<ServerMetadataRequest>,
    ) -> Result<Response<ServerMetadataResponse>, Status> {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let extensions = EXTENSIONS.map(str::to_owned).into();
        self.reply(Ok(ServerMetadataResponse { name: NAME.to_owned(), version, extensions })).await
    }

    async fn model_metadata(
        &self,
        request: Request<ModelMetadataRequest>,
    ) -> Result<Response<ModelMetadataResponse>, Status> {
        let ModelMetadataRequest { name, version } = request.into_inner();
        let outcome = self.metadata(&name, &version).await;
        self.reply(outcome).await
    }

    async fn model_infer(&self, request: Request<ModelInferRequest>) -> Result<Response<ModelInferResponse>, Status> {
        let outcome = self.infer(request.into_inner()).await;
        self.reply(outcome).await
    }

    async fn repository_index(
        &self,
        request: Request<RepositoryIndexRequest>,
    ) -> Result<Response<RepositoryIndexResponse>, Status> {
        let lines = self.app.index(request.into_inner().ready).await;
        let models = lines.map(|lines| {
            let model = |line: crate::repository::Line| {
                let (name, version, reason) = (line.name, line.version, line.reason);
                ModelIndex { name, version, state: line.state.to_owned(), reason }
            };
            RepositoryIndexResponse { models: lines.into_iter().map(model).collect() }
        });
        self.reply(models).await
    }

    async fn repository_model_load(
        &self,
        request: Request<RepositoryModelLoadRequest>,
    ) -> Result<Response<RepositoryModelLoadResponse>, Status> {
        let outcome = self.app.change(&request.into_inner().model_name, Repository::load).await;
        self.reply(outcome.map(|()| RepositoryModelLoadResponse {})).await
    }

    async fn repository_model_unload(
        &self,
        request: Request<RepositoryModelUnloadRequest>,
    ) -> Result<Response<RepositoryModelUnloadResponse>, Status> {
        let outcome = self.app.change(&request.into_inner().model_name, Repository::unload).await;
        self.reply(outcome.map(|()| RepositoryModelUnloadResponse {})).await
    }
}
