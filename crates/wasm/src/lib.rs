//! Predictions in WebAssembly: the functions that `web/hadal.js` calls.
//!
//! Numbers cross the border as addresses in the module's memory. A call leaves a text, which is JSON or an error message,
//! and bytes; JavaScript copies both before it calls again. There is one thread, and nothing else to be careful about.
//!
//! The logic is in [`session`] and runs natively too, where it is tested; `examples/native.rs` prints what a browser must.

pub mod session;

use session::Session;
use std::cell::RefCell;

/// What the last call left.
#[derive(Default)]
struct Left {
    text: String,
    bytes: Vec<u8>,
}

thread_local! {
    static LEFT: RefCell<Left> = RefCell::default();
}

/// Keeps what a call leaves; says whether it succeeded.
fn leave(outcome: hadal::Result<(String, Vec<u8>)>) -> bool {
    let (left, fine) = match outcome {
        Ok((text, bytes)) => (Left { text, bytes }, true),
        Err(error) => (Left { text: error.to_string(), bytes: Vec::new() }, false),
    };
    LEFT.set(left);
    fine
}

/// Memory for `bytes` bytes, to be given back with [`hadal_free`].
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn hadal_allocate(bytes: usize) -> *mut u8 {
    Box::into_raw(vec![0u8; bytes].into_boxed_slice()).cast()
}

/// Gives memory back.
///
/// # Safety
/// It came from [`hadal_allocate`] for as many bytes.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub unsafe extern "C" fn hadal_free(memory: *mut u8, bytes: usize) {
    // SAFETY: the caller's promise.
    drop(unsafe { taken(memory, bytes) });
}

/// Loads the model whose file the memory holds, which is given back; the text describes it. Null on an error.
///
/// # Safety
/// The memory came from [`hadal_allocate`] for as many bytes.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub unsafe extern "C" fn hadal_load(memory: *mut u8, bytes: usize, exact: bool) -> *mut Session {
    tell_of_panics();
    // SAFETY: the caller's promise.
    let file = unsafe { taken(memory, bytes) };
    match Session::load(file, exact) {
        Ok(session) => {
            leave(Ok((session.description(), Vec::new())));
            Box::into_raw(Box::new(session))
        }
        Err(error) => {
            leave(Err(error));
            std::ptr::null_mut()
        }
    }
}

/// Runs a model: the memory, which is given back, holds a text of `header` bytes that describes the inputs, and their
/// elements one after the other. The text and the bytes that are left are the same of the outputs.
///
/// # Safety
/// `session` came from [`hadal_load`], the memory from [`hadal_allocate`] for as many bytes.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub unsafe extern "C" fn hadal_run(session: *const Session, memory: *mut u8, bytes: usize, header: usize) -> bool {
    // SAFETY: the caller's promise.
    let (session, request) = unsafe { (&*session, taken(memory, bytes)) };
    let (header, elements) = request.split_at(header.min(bytes));
    leave(session.run(header, elements))
}

/// Forgets a model.
///
/// # Safety
/// It came from [`hadal_load`] and is not forgotten yet.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub unsafe extern "C" fn hadal_unload(session: *mut Session) {
    // SAFETY: the caller's promise.
    drop(unsafe { Box::from_raw(session) });
}

/// Where the text that was left begins.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn hadal_text() -> *const u8 {
    LEFT.with_borrow(|left| left.text.as_ptr())
}

/// Its length in bytes.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn hadal_text_length() -> usize {
    LEFT.with_borrow(|left| left.text.len())
}

/// Where the bytes that were left begin.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn hadal_bytes() -> *const u8 {
    LEFT.with_borrow(|left| left.bytes.as_ptr())
}

/// How many they are.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn hadal_bytes_length() -> usize {
    LEFT.with_borrow(|left| left.bytes.len())
}

/// # Safety
/// The memory came from [`hadal_allocate`] for as many bytes.
unsafe fn taken(memory: *mut u8, bytes: usize) -> Vec<u8> {
    // SAFETY: the caller's promise.
    unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(memory, bytes)) }.into_vec()
}

/// Hands a panic's message to JavaScript, which throws it: WebAssembly ends at a panic without a word.
#[cfg(target_family = "wasm")]
fn tell_of_panics() {
    #[link(wasm_import_module = "hadal")]
    unsafe extern "C" {
        fn panicked(text: *const u8, bytes: usize);
    }
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.payload_as_str().unwrap_or("a panic");
        // SAFETY: JavaScript reads the text before it throws.
        unsafe { panicked(text.as_ptr(), text.len()) }
    }));
}

/// Natively, a panic prints its message as always.
#[cfg(not(target_family = "wasm"))]
fn tell_of_panics() {}
