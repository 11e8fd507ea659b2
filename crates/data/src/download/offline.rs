//! In place of the HTTP client where a program has no sockets: WebAssembly.

use super::Answer;

/// Refuses.
pub(super) fn get(_: &str, _: u64) -> Result<Answer, String> {
    Err("there are no downloads in WebAssembly: fetch the file in JavaScript and hand over its bytes".into())
}
