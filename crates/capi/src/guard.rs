//! Errors and panics on their way to C: a status, and a message for the thread.

use super::types::{INTERNAL_ERROR, INVALID_ARGUMENT, OK, Status};
use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static LAST: RefCell<CString> = RefCell::default();
}

/// Why a function fails: what it returns and says.
pub struct Failure(pub Status, pub String);

impl Failure {
    /// An argument must not be null.
    pub fn null(what: &str) -> Failure {
        Failure(INVALID_ARGUMENT, format!("{what} is NULL"))
    }
}

/// The message of the last failure on this thread.
pub fn last_error() -> *const c_char {
    LAST.with_borrow(|text| text.as_ptr())
}

/// Runs a function's body; a failure or a panic becomes a status and the thread's message.
///
/// What a panic leaves half done is either dropped or locks that Hadal goes on using after a panic, so that later calls
/// work.
pub fn guarded(body: impl FnOnce() -> Result<(), Failure>) -> Status {
    let Failure(status, message) = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return OK,
        Ok(Err(failure)) => failure,
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            Failure(INTERNAL_ERROR, format!("a mistake in Hadal, please report it: {text}"))
        }
    };
    // A NUL would end the text.
    LAST.set(CString::new(message.replace('\0', "\u{fffd}")).unwrap_or_default());
    status
}

/// Runs a body that has no way to fail; nothing if it panics all the same.
pub fn quiet<R>(body: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(body)).ok()
}
