//! One error type: what failed, where, and the likely fix.

use std::fmt;
use std::path::{Path, PathBuf};

/// Hadal's result: the error is [`Error`] unless said otherwise.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, written for the person who has to fix it.
#[derive(Debug, Clone)]
pub struct Error(Box<Cause>);

#[derive(Debug, Clone)]
enum Cause {
    Op { op: String, module: Option<String>, message: String },
    File { path: PathBuf, message: String },
    Invalid(String),
}

impl Error {
    /// A misuse of an operation. The message continues the sentence that the op's name begins:
    /// `linear` + `expects 800 features, got 2048`. The module being run, if any, is named first.
    pub fn op(op: impl Into<String>, message: impl Into<String>) -> Error {
        let module = crate::scope::current();
        Error(Box::new(Cause::Op { op: op.into(), module, message: message.into() }))
    }

    /// A file that cannot be read, written or believed.
    pub fn file(path: impl AsRef<Path>, message: impl fmt::Display) -> Error {
        Error(Box::new(Cause::File { path: path.as_ref().to_owned(), message: message.to_string() }))
    }

    /// Any other invalid input; the message stands alone.
    pub fn invalid(message: impl Into<String>) -> Error {
        Error(Box::new(Cause::Invalid(message.into())))
    }

    /// Panics with this error's message at the line of the caller's caller; inside [`attempt`](crate::attempt), hands
    /// the error to it instead.
    #[track_caller]
    #[cold]
    pub fn raise(self) -> ! {
        crate::attempt::raise(self)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Cause::Op { op, module: Some(module), message } => write!(f, "{module}: {op} {message}"),
            Cause::Op { op, module: None, message } => write!(f, "{op} {message}"),
            Cause::File { path, message } => write!(f, "{}: {message}", path.display()),
            Cause::Invalid(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Error {}
