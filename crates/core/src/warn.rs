//! Warnings about mistakes that a program survives: each is printed once.

use std::collections::BTreeSet;
use std::sync::Mutex;

/// Prints `message` on standard error the first time `topic` is warned of; returns whether it did.
pub fn warn_once(topic: &'static str, message: &str) -> bool {
    static SEEN: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let first = SEEN.lock().unwrap_or_else(|e| e.into_inner()).insert(topic);
    if first {
        eprintln!("warning: {message}");
    }
    first
}
