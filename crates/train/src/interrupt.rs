//! Ctrl-C: the first one asks `fit` to save and stop after the current batch, the second one ends the process.

use hadal_core::{Error, Result};
use std::io::{Write, stderr};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Makes Ctrl-C (SIGINT) and SIGTERM a request to stop. Without this call they end the process as usual.
pub fn install() -> Result<()> {
    static INSTALLED: OnceLock<std::result::Result<(), String>> = OnceLock::new();
    let handler = || {
        if REQUESTED.swap(true, SeqCst) {
            std::process::exit(130);
        }
        let _ = writeln!(stderr(), "\nstopping after this batch; press Ctrl-C again to stop at once");
    };
    let outcome = INSTALLED.get_or_init(|| on_signal(handler));
    outcome.clone().map_err(|e| Error::invalid(format!("cannot handle Ctrl-C: {e}")))
}

#[cfg(not(target_family = "wasm"))]
fn on_signal(handler: fn()) -> std::result::Result<(), String> {
    ctrlc::set_handler(handler).map_err(|e| e.to_string())
}

/// WebAssembly has no signals.
#[cfg(target_family = "wasm")]
fn on_signal(_: fn()) -> std::result::Result<(), String> {
    Ok(())
}

/// Whether somebody asked to stop.
pub fn requested() -> bool {
    REQUESTED.load(SeqCst)
}

/// Asks to stop, as Ctrl-C does.
pub fn request() {
    REQUESTED.store(true, SeqCst);
}

/// Forgets the request, so that the next `fit` runs.
pub fn clear() {
    REQUESTED.store(false, SeqCst);
}
