//! Dynamic batching: a model's requests wait in a bounded queue; one thread takes as many as a batch may have, runs the
//! model once, and hands each its part.
//!
//! While a batch runs, the next one gathers, so a busy server batches even without a delay. A sample's result does not
//! depend on its neighbours (Hadal's contract), so neither batching nor slicing can be noticed.

use crate::metrics::Metrics;
use crate::refusal::Refusal;
use crate::servable::Servable;
use crate::slices;
use hadal::{Error, Result, Tensor, attempt};
use hyper::StatusCode;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How requests share the model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Batching {
    /// Samples in one run of the model. A request of more is run in slices.
    pub max_batch: usize,
    /// How long the first request of a batch may wait for others.
    pub delay: Duration,
    /// Requests that may wait; the next one is refused with 429.
    pub queue: usize,
}

/// 32 samples, no waiting, 128 requests.
impl Default for Batching {
    fn default() -> Batching {
        Batching { max_batch: 32, delay: Duration::ZERO, queue: 128 }
    }
}

/// A request's part of a batch.
#[derive(Debug)]
pub struct Answer {
    /// The outputs, in the signature's order.
    pub outputs: Vec<Tensor>,
    /// Samples in the batch.
    pub batch: usize,
    /// How long the request waited for it.
    pub waited: Duration,
}

struct Job {
    inputs: Vec<Tensor>,
    arrived: Instant,
    deadline: Instant,
    reply: oneshot::Sender<Result<Answer, Refusal>>,
}

impl Job {
    fn samples(&self) -> usize {
        self.inputs.first().and_then(|input| input.shape().first().copied()).unwrap_or(1)
    }

    /// Whether both can be joined along axis 0.
    fn matches(&self, other: &Job) -> bool {
        let rest = |tensor: &Tensor| (tensor.dtype(), tensor.shape().get(1..).map(<[usize]>::to_vec));
        self.inputs.iter().map(rest).eq(other.inputs.iter().map(rest))
    }
}

/// The queue of a model and the thread that works through it. Dropped, it finishes what is waiting.
pub struct Batcher {
    queue: SyncSender<Job>,
    waiting: Arc<AtomicUsize>,
    limit: usize,
}

impl Batcher {
    /// Starts the thread. `name` is the model's, for metrics.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(name: &str, model: Arc<dyn Servable>, batching: Batching, metrics: Arc<Metrics>) -> Result<Batcher> {
        let (queue, jobs) = sync_channel(batching.queue.max(1));
        let waiting = Arc::new(AtomicUsize::new(0));
        let worker = Worker {
            name: name.to_owned(),
            model,
            batching: Batching { max_batch: batching.max_batch.max(1), ..batching },
            metrics,
            waiting: waiting.clone(),
            jobs,
            next: None,
        };
        std::thread::Builder::new()
            .name(format!("hadal-{name}"))
            .spawn(move || worker.run())
            .map_err(|e| Error::invalid(format!("no thread for the model {name}: {e}")))?;
        Ok(Batcher { queue, waiting, limit: batching.queue.max(1) })
    }

    /// Requests in the queue.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    /// Puts prepared inputs into the queue. What comes back is the answer to be; dropping it withdraws the request.
    ///
    /// # Errors
    /// 429 when the queue is full.
    pub fn submit(
        &self,
        inputs: Vec<Tensor>,
        deadline: Instant,
    ) -> Result<oneshot::Receiver<Result<Answer, Refusal>>, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.waiting.fetch_add(1, Relaxed);
        self.queue.try_send(Job { inputs, arrived: Instant::now(), deadline, reply }).map_err(|error| {
            self.waiting.fetch_sub(1, Relaxed);
            match error {
                TrySendError::Full(_) => Refusal::later(
                    StatusCode::TOO_MANY_REQUESTS,
                    format!("{} requests are waiting, as many as the queue holds; try again later", self.limit),
                ),
                TrySendError::Disconnected(_) => {
                    Refusal::later(StatusCode::SERVICE_UNAVAILABLE, "its thread has ended; load the model again")
                }
            }
        })?;
        Ok(answer)
    }
}

struct Worker {
    name: String,
    model: Arc<dyn Servable>,
    batching: Batching,
    metrics: Arc<Metrics>,
    waiting: Arc<AtomicUsize>,
    jobs: Receiver<Job>,
    /// Taken from the queue, but not fitting into the batch before.
    next: Option<Job>,
}

impl Worker {
    /// Works until the queue is empty and nobody can fill it any more.
    fn run(mut self) {
        while let Some(first) = self.next.take().or_else(|| self.take(None)) {
            let batch = self.gather(first);
            self.answer(batch);
        }
    }

    /// The next job, waited for until then, or as long as it takes.
    fn take(&self, until: Option<Instant>) -> Option<Job> {
        let job = match until {
            None => self.jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(until) => self.jobs.recv_timeout(until.saturating_duration_since(Instant::now())),
        };
        job.ok().inspect(|_| {
            self.waiting.fetch_sub(1, Relaxed);
        })
    }

    /// `first`, and what fits beside it and comes in time.
    fn gather(&mut self, first: Job) -> Vec<Job> {
        let until = first.arrived + self.batching.delay;
        let mut samples = first.samples();
        let mut batch = vec![first];
        while self.model.signature().batched && samples < self.batching.max_batch {
            let Some(job) = self.take(Some(until)) else { break };
            if samples + job.samples() > self.batching.max_batch || !job.matches(&batch[0]) {
                self.next = Some(job);
                break;
            }
            samples += job.samples();
            batch.push(job);
        }
        batch
    }

    /// Runs the model for those who are still there, and sends each its part.
    fn answer(&self, mut batch: Vec<Job>) {
        let begun = Instant::now();
        batch.retain(|job| !job.reply.is_closed());
        let (late, batch): (Vec<Job>, Vec<Job>) = batch.into_iter().partition(|job| job.deadline <= begun);
        for job in late {
            let waited = begun - job.arrived;
            let _ = job.reply.send(Err(Refusal::later(
                StatusCode::GATEWAY_TIMEOUT,
                format!("the request waited {:.1} s in the queue, longer than its time limit", waited.as_secs_f64()),
            )));
        }
        let Some(first) = batch.first() else { return };
        let sizes: Vec<usize> = batch.iter().map(Job::samples).collect();
        let samples = sizes.iter().sum();
        let outputs = match &batch[..] {
            [alone] => self.infer(&alone.inputs).map(|outputs| vec![outputs]),
            _ => {
                let together = |i| Tensor::cat(&batch.iter().map(|job| &job.inputs[i]).collect::<Vec<_>>(), 0);
                let inputs = || (0..first.inputs.len()).map(together).collect::<Vec<_>>();
                attempt(inputs).and_then(|inputs| self.infer(&inputs)).and_then(|outputs| apart(&outputs, &sizes))
            }
        };
        let waits = batch.iter().map(|job| begun - job.arrived).collect::<Vec<_>>();
        self.metrics.batch(&self.name, samples, waits.iter().copied(), begun.elapsed());
        match outputs {
            Ok(outputs) => {
                for ((job, outputs), waited) in batch.into_iter().zip(outputs).zip(waits) {
                    let _ = job.reply.send(Ok(Answer { outputs, batch: samples, waited }));
                }
            }
            Err(error) => {
                let refusal = Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the model failed: {error}"));
                for job in batch {
                    let _ = job.reply.send(Err(refusal.clone()));
                }
            }
        }
    }

    /// The outputs for any number of samples, at most `max_batch` of them at a time.
    fn infer(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let samples = inputs.first().and_then(|input| input.shape().first().copied()).unwrap_or(1);
        let most = self.batching.max_batch;
        if !self.model.signature().batched || samples <= most {
            return self.guarded(inputs);
        }
        let sizes: Vec<usize> = (0..samples).step_by(most).map(|start| most.min(samples - start)).collect();
        slices::run(inputs, &sizes, |slice| self.guarded(slice))
    }

    /// A panic in a model ends the request, not the server.
    fn guarded(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        catch_unwind(AssertUnwindSafe(|| hadal::no_grad(|| self.model.infer(inputs)))).unwrap_or_else(|panic| {
            let said = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            Err(Error::invalid(format!("it panicked: {}", said.unwrap_or("without a message"))))
        })
    }
}

/// Outputs of a batch as those of its requests, which have `sizes` samples.
fn apart(outputs: &[Tensor], sizes: &[usize]) -> Result<Vec<Vec<Tensor>>> {
    attempt(|| {
        let parts: Vec<Vec<Tensor>> = outputs.iter().map(|output| output.split_sizes(sizes, 0)).collect();
        (0..sizes.len()).map(|job| parts.iter().map(|part| part[job].clone()).collect()).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datatype::Datatype;
    use crate::servable::{Form, Port, Signature};
    use std::sync::Mutex;
    use std::sync::mpsc::{Sender, channel};

    /// Doubles its input; says that it has a batch, runs it only when told to, and remembers its size.
    struct Doubling {
        signature: Signature,
        has_batch: Mutex<Sender<()>>,
        go: Mutex<Receiver<()>>,
        batches: Mutex<Vec<usize>>,
    }

    impl Servable for Doubling {
        fn signature(&self) -> &Signature {
            &self.signature
        }

        fn infer(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
            self.has_batch.lock().unwrap().send(()).ok();
            self.go.lock().unwrap().recv().ok();
            self.batches.lock().unwrap().push(inputs[0].shape()[0]);
            if inputs[0].to_vec::<f32>().contains(&13.0) {
                panic!("thirteen");
            }
            Ok(vec![inputs[0].mul(2.0)])
        }
    }

    /// A batcher, its model, what tells that the model has a batch, and what makes it run one.
    fn start(batching: Batching) -> (Batcher, Arc<Doubling>, Receiver<()>, Sender<()>) {
        let port = |name: &str| Port {
            name: name.into(),
            forms: vec![Form { datatype: Datatype::Fp32, shape: vec![None, Some(1)] }],
        };
        let signature = Signature {
            platform: "test".into(),
            inputs: vec![port("x")],
            outputs: vec![port("y")],
            batched: true,
            takes_images: false,
            labels: Vec::new(),
            probabilities: None,
        };
        let ((has_batch, batch), (go, told)) = (channel(), channel());
        let (has_batch, told) = (Mutex::new(has_batch), Mutex::new(told));
        let model = Arc::new(Doubling { signature, has_batch, go: told, batches: Mutex::default() });
        let batcher = Batcher::start("m", model.clone(), batching, Arc::default()).unwrap();
        (batcher, model, batch, go)
    }

    fn x(values: &[f32]) -> Vec<Tensor> {
        vec![Tensor::from_vec(values.to_vec(), [values.len(), 1])]
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    fn values(answer: oneshot::Receiver<Result<Answer, Refusal>>) -> Result<Vec<f32>, Refusal> {
        answer.blocking_recv().unwrap().map(|answer| answer.outputs[0].to_vec())
    }

    #[test]
    fn requests_share_batches_that_are_full_or_in_time() {
        let (batcher, model, batch, go) = start(Batching { max_batch: 4, delay: Duration::ZERO, queue: 16 });
        let first = batcher.submit(x(&[1.0]), soon()).unwrap();
        batch.recv().unwrap();
        // These wait while the first runs: 1 + 2 fit into a batch of 4, and 3 do not.
        let others: Vec<_> =
            [&[2.0][..], &[3.0, 4.0], &[5.0, 6.0, 7.0]].map(|v| batcher.submit(x(v), soon()).unwrap()).into();
        (0..3).for_each(|_| go.send(()).unwrap());
        assert_eq!(values(first).unwrap(), [2.0]);
        let answers: Vec<_> = others.into_iter().map(|answer| values(answer).unwrap()).collect();
        assert_eq!(answers, [vec![4.0], vec![6.0, 8.0], vec![10.0, 12.0, 14.0]]);
        assert_eq!(*model.batches.lock().unwrap(), [1, 3, 3]);
    }

    #[test]
    fn a_delay_gathers_a_batch() {
        let (batcher, model, _batch, go) = start(Batching { max_batch: 3, delay: Duration::from_secs(60), queue: 16 });
        go.send(()).unwrap();
        let answers: Vec<_> = [1.0, 2.0, 3.0].map(|v| batcher.submit(x(&[v]), soon()).unwrap()).into();
        let answers: Vec<_> = answers.into_iter().map(|answer| values(answer).unwrap()).collect();
        assert_eq!(answers, [[2.0], [4.0], [6.0]]);
        assert_eq!(*model.batches.lock().unwrap(), [3]);
    }

    #[test]
    fn a_large_request_is_run_in_slices() {
        let (batcher, model, _batch, go) = start(Batching { max_batch: 2, ..Batching::default() });
        (0..3).for_each(|_| go.send(()).unwrap());
        let answer = batcher.submit(x(&[1.0, 2.0, 3.0, 4.0, 5.0]), soon()).unwrap();
        assert_eq!(values(answer).unwrap(), [2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(*model.batches.lock().unwrap(), [2, 2, 1]);
    }

    #[test]
    fn full_late_gone_and_panicking() {
        let (batcher, model, batch, go) = start(Batching { max_batch: 1, delay: Duration::ZERO, queue: 3 });
        let running = batcher.submit(x(&[1.0]), soon()).unwrap();
        batch.recv().unwrap();
        let late = batcher.submit(x(&[2.0]), Instant::now()).unwrap();
        drop(batcher.submit(x(&[3.0]), soon()).unwrap());
        let panicking = batcher.submit(x(&[13.0]), soon()).unwrap();
        let full = batcher.submit(x(&[4.0]), soon()).unwrap_err();
        assert_eq!(full.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(full.header, Some((hyper::header::RETRY_AFTER, "1".to_owned())));
        assert!(full.message.starts_with("3 requests are waiting"), "{}", full.message);
        (0..3).for_each(|_| go.send(()).unwrap());
        assert_eq!(values(running).unwrap(), [2.0]);
        assert_eq!(values(late).unwrap_err().status, StatusCode::GATEWAY_TIMEOUT);
        let panicked = values(panicking).unwrap_err();
        assert_eq!(panicked.message, "the model failed: it panicked: thirteen");
        // The thread goes on, and finishes what is waiting when nobody can ask any more.
        let last = batcher.submit(x(&[5.0]), soon()).unwrap();
        drop(batcher);
        assert_eq!(values(last).unwrap(), [10.0]);
        // The late and the withdrawn request never reached the model.
        assert_eq!(*model.batches.lock().unwrap(), [1, 1, 1]);
    }
}
