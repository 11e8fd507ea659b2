//! The requests that run a model.

use crate::app::{App, Record, Reply, broken, work};
use crate::batcher::Answer;
use crate::body::Held;
use crate::data::{Data, Strings};
use crate::protocol::{self, ranked};
use crate::refusal::Refusal;
use crate::repository::Serving;
use crate::routes::Route;
use crate::servable::{Form, Port, Signature};
use hyper::StatusCode;
use hyper::header::{CONTENT_ENCODING, HeaderMap, HeaderName};
use hyper::http::request::Parts;
use serde_json::json;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::OwnedSemaphorePermit;

/// The header that says where JSON ends and binary data begins.
const HEADER_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");

/// Bytes that are read or written between two other requests; more go to a thread that may be busy with them.
pub const QUICK: usize = 32 << 10;

/// Classes listed for an image unless the client says otherwise.
const TOP: usize = 5;

impl App {
    /// `POST …/infer`.
    pub async fn infer(
        &self,
        route: Route<'_>,
        headers: &HeaderMap,
        held: Held,
        record: &mut Record,
    ) -> Result<Reply, Refusal> {
        let serving = self.serving(route, record)?;
        let about = |refusal: Refusal| refusal.about(format_args!("model {:?}", serving.name));
        check_encoding(headers)?;
        let header_length = match headers.get(HEADER_LENGTH) {
            None => None,
            Some(value) => Some(value.to_str().ok().and_then(|text| text.trim().parse().ok()).ok_or_else(|| {
                about(Refusal::bad(
                    "Inference-Header-Content-Length is no number: it is the length of the JSON before binary data",
                ))
            })?),
        };
        let deadline = Instant::now() + self.time_limit;
        let (bytes, memory) = (held.bytes, held.memory);
        let is_quick = bytes.len() <= QUICK;
        let model = serving.model.clone();
        let decode = move || protocol::decode(model.signature(), header_length, &bytes);
        let request = self.in_time(is_quick, deadline, decode).await.map_err(about)?;
        let answer = self.run(&serving, request.inputs, is_quick, deadline, record).await?;
        drop(memory);
        let (id, wanted) = (request.id, request.outputs);
        let is_quick = answer.outputs.iter().map(|output| output.meta().bytes()).sum::<usize>() <= QUICK;
        let encode = move || {
            let model = (serving.name.as_str(), serving.version);
            Ok(protocol::encode(serving.signature(), model, id.as_deref(), &wanted, &answer.outputs))
        };
        let encoded = work(is_quick, encode).await?;
        let body = self.bodies.sending(encoded.body)?;
        Ok(match encoded.header_length {
            None => Reply::of("application/json", body),
            Some(length) => {
                let header = Some((HEADER_LENGTH, length.to_string()));
                Reply { header, ..Reply::of("application/octet-stream", body) }
            }
        })
    }

    /// `POST …/classify`: an image file in, labels with probabilities out.
    pub async fn classify(
        &self,
        route: Route<'_>,
        head: &Parts,
        held: Held,
        record: &mut Record,
    ) -> Result<Reply, Refusal> {
        let serving = self.serving(route, record)?;
        let about = |refusal: Refusal| refusal.about(format_args!("model {:?}", serving.name));
        check_encoding(&head.headers)?;
        let signature = serving.signature();
        if !signature.takes_images {
            let names: Vec<&str> = signature.inputs.iter().map(|port| port.name.as_str()).collect();
            let message = format!("it takes no images but {}; use POST …/infer", names.join(", "));
            return Err(about(Refusal::bad(message)));
        }
        let top = match head.uri.query().unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("top=")) {
            None => TOP,
            Some(text) => text
                .parse()
                .ok()
                .filter(|&top| top > 0)
                .ok_or_else(|| about(Refusal::bad("`top` is no number of classes above 0")))?,
        };
        if held.bytes.is_empty() {
            return Err(about(Refusal::bad(
                "the body is empty; send a PNG or JPEG file, as with curl --data-binary @FILE",
            )));
        }
        let deadline = Instant::now() + self.time_limit;
        let file = Data::Bytes(Strings::from_iter([&held.bytes]), vec![1]);
        let answer = self.run(&serving, vec![file], false, deadline, record).await?;
        let output = &answer.outputs[signature.probabilities.unwrap_or(0)];
        let numbers = output.to_f64_vec();
        let mut reply = json!({ "model_name": serving.name, "model_version": serving.version.to_string() });
        if signature.labels.is_empty() {
            reply["values"] = json!(numbers);
        } else {
            let class = |(index, p): (usize, f64)| json!({ "label": signature.labels.get(index), "probability": p });
            let classes: Vec<_> = ranked(&numbers).into_iter().take(top).map(class).collect();
            reply["label"] = classes[0]["label"].clone();
            reply["probabilities"] = json!(classes);
        }
        Ok(Reply::json(&reply))
    }

    /// `POST /v1/models/M:predict`: rows in, rows out.
    pub async fn predict(
        &self,
        route: Route<'_>,
        headers: &HeaderMap,
        held: Held,
        record: &mut Record,
    ) -> Result<Reply, Refusal> {
        let serving = self.serving(route, record)?;
        let about = |refusal: Refusal| refusal.about(format_args!("model {:?}", serving.name));
        check_encoding(headers)?;
        let deadline = Instant::now() + self.time_limit;
        let (bytes, memory) = (held.bytes, held.memory);
        let is_quick = bytes.len() <= QUICK;
        let model = serving.model.clone();
        let decode = move || protocol::decode_instances(model.signature(), &bytes);
        let input = self.in_time(is_quick, deadline, decode).await.map_err(about)?;
        let mut answer = self.run(&serving, vec![input], is_quick, deadline, record).await?;
        drop(memory);
        let output = answer.outputs.swap_remove(serving.signature().probabilities.unwrap_or(0));
        let encode = move || Ok(protocol::encode_predictions(&output));
        Ok(Reply::of("application/json", self.bodies.sending(work(is_quick, encode).await?)?))
    }

    /// Prepares inputs, puts them into the model's queue, and waits for the answer.
    pub async fn run(
        &self,
        serving: &Arc<Serving>,
        inputs: Vec<Data>,
        is_quick: bool,
        deadline: Instant,
        record: &mut Record,
    ) -> Result<Answer, Refusal> {
        let about = |refusal: Refusal| refusal.about(format_args!("model {:?}", serving.name));
        // A few bytes of an image may announce millions of pixels.
        let is_quick = is_quick && inputs.iter().all(|data| matches!(data, Data::Numbers(_)));
        let _memory = self.room(serving.signature(), &inputs).map_err(about)?;
        let model = serving.model.clone();
        let prepare = move || model.prepare(inputs).map_err(|error| Refusal::bad(error.to_string()));
        let inputs = self.in_time(is_quick, deadline, prepare).await.map_err(about)?;
        let pending = serving.batcher.submit(inputs, deadline).map_err(about)?;
        let answer = match tokio::time::timeout_at(deadline.into(), pending).await {
            Ok(Ok(answer)) => answer.map_err(about)?,
            Ok(Err(_)) => return Err(broken()),
            Err(_) => return Err(about(self.late())),
        };
        record.batch = Some((answer.batch, answer.waited));
        Ok(answer)
    }

    /// As [`work`], but not for longer than until `deadline`; what has not begun by then is not begun.
    pub async fn in_time<R: Send + 'static>(
        &self,
        is_quick: bool,
        deadline: Instant,
        f: impl FnOnce() -> Result<R, Refusal> + Send + 'static,
    ) -> Result<R, Refusal> {
        let late = self.late();
        let begin = move || if Instant::now() < deadline { f() } else { Err(late) };
        tokio::time::timeout_at(deadline.into(), work(is_quick, begin)).await.unwrap_or_else(|_| Err(self.late()))
    }

    fn late(&self) -> Refusal {
        let message = format!("no answer within {} s; --timeout allows more", self.time_limit.as_secs_f64());
        Refusal::later(StatusCode::GATEWAY_TIMEOUT, message)
    }

    /// Memory for what inputs become that are sent in another form than the model takes: a small file can be a large
    /// image. None where that is nothing.
    ///
    /// # Errors
    /// 413 when it is more than a body may have, 503 when there is not as much.
    fn room(&self, signature: &Signature, inputs: &[Data]) -> Result<Option<OwnedSemaphorePermit>, Refusal> {
        let becomes = |(data, port): (&Data, &Port)| {
            let own = port.forms[0].datatype;
            let (false, Some(size)) = (data.sent_as(own) == own, own.size()) else { return 0 };
            let sample = |form: &Form| form.shape.iter().skip(1).copied().product::<Option<usize>>();
            let sample = port.forms.iter().filter_map(sample).max().unwrap_or(1);
            data.shape().first().map_or(0, |&n| n.saturating_mul(sample).saturating_mul(size))
        };
        let bytes = inputs.iter().zip(&signature.inputs).map(becomes).fold(0, usize::saturating_add);
        if bytes > self.bodies.most() {
            let most = self.bodies.most();
            let message = format!(
                "the inputs take {bytes} bytes as the model reads them, more than the limit of {most}; \
                                   send fewer samples, or --max-body allows more"
            );
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message));
        }
        (bytes > 0).then(|| self.bodies.take(bytes)).transpose()
    }
}

fn check_encoding(headers: &HeaderMap) -> Result<(), Refusal> {
    match headers.get(CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => {
            let message = "compressed bodies are not read; send it without Content-Encoding";
            Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
        }
        _ => Ok(()),
    }
}
