//! Warnings about mistakes that a program survives: each is printed once.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{Write, stderr};
use std::sync::Mutex;

thread_local! {
    /// Where [`warnings`] gathers them.
    static GATHERED: RefCell<Vec<Vec<String>>> = const { RefCell::new(Vec::new()) };
}

/// Prints `message` on standard error the first time `topic` is warned of; returns whether it did.
///
/// Inside [`warnings`] the message is gathered instead, also if it is not the first.
pub fn warn_once(topic: &'static str, message: &str) -> bool {
    static SEEN: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let gathered = GATHERED.with_borrow_mut(|all| match all.last_mut() {
        Some(messages) => {
            messages.push(message.to_owned());
            true
        }
        None => false,
    });
    if gathered {
        return true;
    }
    let first = SEEN.lock().unwrap_or_else(|e| e.into_inner()).insert(topic);
    if first {
        let _ = writeln!(stderr(), "warning: {message}");
    }
    first
}

/// Runs `f` and returns the warnings that it gave on this thread, instead of printing them.
///
/// ```
/// use hadal_core::{warn_once, warnings};
/// let (four, messages) = warnings(|| {
///     warn_once("answers", "the answer may be another");
///     4
/// });
/// assert_eq!((four, &messages[..]), (4, &["the answer may be another".to_owned()][..]));
/// ```
pub fn warnings<R>(f: impl FnOnce() -> R) -> (R, Vec<String>) {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            GATHERED.with_borrow_mut(|all| all.pop());
        }
    }
    GATHERED.with_borrow_mut(|all| all.push(Vec::new()));
    let _leave = Leave;
    let result = f();
    let messages = GATHERED.with_borrow_mut(|all| std::mem::take(all.last_mut().expect("pushed above")));
    (result, messages)
}
