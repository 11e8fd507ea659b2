//! An answer that says no, and why.

use hyper::StatusCode;
use hyper::header::{HeaderName, RETRY_AFTER};

/// A status of 400 or more with its message, written for the person who made the request.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// What was expected, what came, and what to do.
    pub message: String,
    /// What the status asks for besides: `Retry-After`, `Allow`, `WWW-Authenticate`.
    pub header: Option<(HeaderName, String)>,
}

impl Refusal {
    /// A refusal without a header.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Refusal {
        Refusal { status, message: message.into(), header: None }
    }

    /// 400: the request is wrong.
    pub fn bad(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, message)
    }

    /// 404: there is no such thing.
    pub fn missing(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, message)
    }

    /// 429, 503 or 504: the same request may work in a second.
    pub fn later(status: StatusCode, message: impl Into<String>) -> Refusal {
        Refusal::new(status, message).with(RETRY_AFTER, "1")
    }

    /// The same with a header.
    pub fn with(self, name: HeaderName, value: impl Into<String>) -> Refusal {
        Refusal { header: Some((name, value.into())), ..self }
    }

    /// The same with `context` before the message.
    pub fn about(self, context: impl std::fmt::Display) -> Refusal {
        Refusal { message: format!("{context}: {}", self.message), ..self }
    }
}
