//! `attempt`: the fallible twin of whole computations.

use crate::{Error, Result};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

thread_local! {
    /// How many calls of [`attempt`] are running.
    static ATTEMPTS: Cell<usize> = const { Cell::new(0) };
}

/// Runs `f`, and returns the mistake that an operation or layer in it finds instead of panicking: what a server or a
/// command line does with a model and an input that somebody sent. Other panics pass through.
///
/// The error is passed up by unwinding: with `panic = "abort"`, as in WebAssembly, it ends the program as any panic does,
/// with its message.
///
/// ```
/// use hadal_core::{Tensor, attempt};
/// let product = attempt(|| Tensor::ones([2, 3]).matmul(Tensor::ones([4, 5])));
/// assert_eq!(
///     product.unwrap_err().to_string(),
///     "matmul needs equal inner sizes, got 3 and 4 (shapes [2, 3] and [4, 5])"
/// );
/// ```
pub fn attempt<R>(f: impl FnOnce() -> R) -> Result<R> {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            ATTEMPTS.set(ATTEMPTS.get() - 1);
        }
    }
    ATTEMPTS.set(ATTEMPTS.get() + 1);
    let outcome = {
        let _leave = Leave;
        // What `f` leaves half done is dropped by the unwinding, as after any panic.
        catch_unwind(AssertUnwindSafe(f))
    };
    outcome.or_else(|panic| match panic.downcast::<Error>() {
        Ok(error) => Err(*error),
        Err(panic) => resume_unwind(panic),
    })
}

/// Ends the computation with this error: for the innermost [`attempt`] to return, if one is running, else as a panic
/// at the line of the caller's caller.
#[track_caller]
#[cold]
pub(crate) fn raise(error: Error) -> ! {
    // No message is printed and no hook called: nothing has gone wrong that nobody expects.
    if ATTEMPTS.get() > 0 && cfg!(panic = "unwind") { resume_unwind(Box::new(error)) } else { panic!("{error}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tensor;

    #[test]
    fn the_innermost_attempt_gets_the_error() {
        let outer = attempt(|| {
            let inner = attempt(|| Tensor::ones([2]).add(Tensor::ones([3])));
            assert!(inner.is_err());
            Tensor::ones([2]).select(0, 5);
        });
        assert_eq!(outer.unwrap_err().to_string(), "select got index 5 for axis 0 of size 2 (shape [2])");
    }

    #[test]
    fn other_panics_pass() {
        let passed = catch_unwind(|| attempt(|| resume_unwind(Box::new("something else"))));
        assert_eq!(*passed.unwrap_err().downcast::<&str>().unwrap(), "something else");
        // The count is right again: an error outside is a panic.
        assert_eq!(ATTEMPTS.get(), 0);
    }
}
