//! Which module is running: names for error messages and for NaN detection.

use std::cell::RefCell;

thread_local! {
    static NAMES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Runs `f` as the module `name`: errors raised inside begin with that name. The innermost name wins.
pub fn within<R>(name: &str, f: impl FnOnce() -> R) -> R {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            NAMES.with_borrow_mut(|names| names.pop());
        }
    }
    NAMES.with_borrow_mut(|names| names.push(name.to_owned()));
    let _leave = Leave;
    f()
}

/// The name of the innermost running module.
pub fn current() -> Option<String> {
    NAMES.with_borrow(|names| names.last().cloned())
}
