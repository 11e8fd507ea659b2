//! Reading the body of a request: within a size, within a time, and within the memory that all bodies share.

use crate::refusal::Refusal;
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::{Body, Incoming};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Memory is given out in pieces of so many bytes.
const PIECE: usize = 1024;

/// What bodies may take.
pub struct Bodies {
    /// Bytes of one.
    most: usize,
    /// Time for one to arrive.
    time: Duration,
    /// Pieces left for all.
    memory: Arc<Semaphore>,
}

/// A body and the memory it holds until it is dropped.
#[derive(Default)]
pub struct Held {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Gives the memory back when dropped: keep it until the request is answered.
    pub memory: Option<OwnedSemaphorePermit>,
}

impl Bodies {
    /// Bodies of at most `most` bytes that arrive within `time`, and of at most `all` bytes at once.
    pub fn new(most: usize, all: usize, time: Duration) -> Bodies {
        Bodies { most, time, memory: Arc::new(Semaphore::new(all.max(most).div_ceil(PIECE))) }
    }

    /// Reads a whole body.
    ///
    /// # Errors
    /// 413 when it is too large, 408 when it comes too slowly, 503 when all bodies together are too much, 400 when the client
    /// leaves before its end.
    pub async fn read(&self, body: Incoming) -> Result<Held, Refusal> {
        // Told in advance, it is refused before anything is sent.
        if body.size_hint().lower() > self.most as u64 {
            return Err(self.too_large());
        }
        match tokio::time::timeout(self.time, self.collect(body)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let seconds = self.time.as_secs_f64();
                let message = format!("the body did not arrive within {seconds} s; --body-timeout allows more");
                Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, message))
            }
        }
    }

    async fn collect(&self, mut body: Incoming) -> Result<Held, Refusal> {
        let mut held = Held { bytes: Vec::new(), memory: None };
        let mut pieces = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|e| Refusal::bad(format!("the body breaks off: {e}")))?;
            let Ok(data) = frame.into_data() else { continue };
            let length = held.bytes.len() + data.len();
            if length > self.most {
                return Err(self.too_large());
            }
            // Memory is taken for what has come, not for what is announced.
            let more = length.div_ceil(PIECE) - pieces;
            let permit = self.memory.clone().try_acquire_many_owned(more as u32).map_err(|_| {
                Refusal::later(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the requests being read take all the memory there is for them; try again later",
                )
            })?;
            pieces += more;
            match &mut held.memory {
                Some(all) => all.merge(permit),
                none => *none = Some(permit),
            }
            held.bytes.extend_from_slice(&data);
        }
        Ok(held)
    }

    fn too_large(&self) -> Refusal {
        let message = format!("the body is larger than the limit of {} bytes; --max-body allows more", self.most);
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }
}
