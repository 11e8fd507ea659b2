//! The memory of requests and answers: bodies are read within a size, within a time, and within what all of them share.

use crate::refusal::Refusal;
use bytes::Bytes;
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

    /// Bytes that one may have.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Memory for something that a request becomes, until it is dropped.
    ///
    /// # Errors
    /// 503 when there is not as much.
    pub fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Refusal> {
        let pieces = u32::try_from(bytes.div_ceil(PIECE)).ok();
        pieces.and_then(|pieces| self.memory.clone().try_acquire_many_owned(pieces).ok()).ok_or_else(|| {
            Refusal::later(
                StatusCode::SERVICE_UNAVAILABLE,
                "the requests being read or answered take all the memory there is for them; try again later",
            )
        })
    }

    /// An answer that takes memory until it is sent.
    ///
    /// # Errors
    /// 503 when there is not as much.
    pub fn sending(&self, bytes: Vec<u8>) -> Result<Bytes, Refusal> {
        let _memory = self.take(bytes.len())?;
        Ok(Bytes::from_owner(Sending { bytes, _memory }))
    }

    /// Reads a whole body.
    ///
    /// # Errors
    /// 413 when it is too large, 408 when it comes too slowly, 503 when all bodies together are too much, 400 when the client
    /// leaves before its end.
    pub async fn read(&self, body: Incoming) -> Result<Held, Refusal> {
        self.read_at_most(self.most, body).await
    }

    /// As [`read`](Bodies::read), with a limit of its own.
    pub async fn read_at_most(&self, most: usize, body: Incoming) -> Result<Held, Refusal> {
        // Told in advance, it is refused before anything is sent.
        if body.size_hint().lower() > most as u64 {
            return Err(too_large(most));
        }
        match tokio::time::timeout(self.time, self.collect(most, body)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let seconds = self.time.as_secs_f64();
                let message = format!("the body did not arrive within {seconds} s; --body-timeout allows more");
                Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, message))
            }
        }
    }

    async fn collect(&self, most: usize, mut body: Incoming) -> Result<Held, Refusal> {
        let mut held = Held { bytes: Vec::new(), memory: None };
        let mut pieces = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|e| Refusal::bad(format!("the body breaks off: {e}")))?;
            let Ok(data) = frame.into_data() else { continue };
            let length = held.bytes.len() + data.len();
            if length > most {
                return Err(too_large(most));
            }
            // Memory is taken for what has come, not for what is announced.
            let more = length.div_ceil(PIECE) - pieces;
            let permit = self.take(more * PIECE)?;
            pieces += more;
            match &mut held.memory {
                Some(all) => all.merge(permit),
                none => *none = Some(permit),
            }
            held.bytes.extend_from_slice(&data);
        }
        Ok(held)
    }
}

fn too_large(most: usize) -> Refusal {
    let message = format!("the body is larger than the limit of {most} bytes; --max-body allows more");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message)
}

/// Bytes that give their memory back when the last of them is sent.
struct Sending {
    bytes: Vec<u8>,
    _memory: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Sending {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
