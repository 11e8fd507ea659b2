//! The C interface: what `include/hadal.h` declares, which also documents it.
//!
//! Every function checks what it is given, catches panics, and keeps a message for [`hadal_last_error`]. The types of the
//! header are in `types`; messages and panics in `guard`.

mod guard;
mod types;

use facade::elements;
use facade::{Error, Execution, Predictor, Result, Tensor};
use guard::{Failure, guarded, quiet};
use std::ffi::{CStr, c_char, c_void};
use std::ptr;
use std::slice;
use types::{CANNOT_LOAD, CANNOT_RUN, INVALID_ARGUMENT};
use types::{CPort, CTensor, Model, Outputs, Port, Status};

/// `hadal_version`
#[unsafe(no_mangle)]
pub extern "C" fn hadal_version() -> *const c_char {
    const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => panic!("a version has no NUL"),
    };
    VERSION.as_ptr()
}

/// `hadal_last_error`
#[unsafe(no_mangle)]
pub extern "C" fn hadal_last_error() -> *const c_char {
    guard::last_error()
}

/// `hadal_set_threads`
#[unsafe(no_mangle)]
pub extern "C" fn hadal_set_threads(threads: usize) {
    facade::set_threads(threads);
}

/// `hadal_threads`
#[unsafe(no_mangle)]
pub extern "C" fn hadal_threads() -> usize {
    quiet(facade::threads).unwrap_or(1)
}

/// `hadal_model_load`
///
/// # Safety
/// `path` is null or ends with a NUL; `model` is null or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hadal_model_load(path: *const c_char, execution: i32, model: *mut *mut Model) -> Status {
    // SAFETY: the caller's promise.
    let place = unsafe { Place::new(model) };
    guarded(|| {
        let place = place.ok_or_else(|| Failure::null("model"))?;
        if path.is_null() {
            return Err(Failure::null("path"));
        }
        // SAFETY: not null, and by the caller's promise a text.
        let path = unsafe { CStr::from_ptr(path) };
        let path = path.to_str().map_err(|_| Failure(INVALID_ARGUMENT, "the path is not UTF-8".to_owned()))?;
        place.put(load(Predictor::load(path, how(execution)?))?);
        Ok(())
    })
}

/// `hadal_model_load_bytes`
///
/// # Safety
/// `data` is null or `bytes` bytes can be read there; `model` is null or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hadal_model_load_bytes(
    data: *const c_void,
    bytes: usize,
    execution: i32,
    model: *mut *mut Model,
) -> Status {
    // SAFETY: the caller's promise.
    let place = unsafe { Place::new(model) };
    guarded(|| {
        let place = place.ok_or_else(|| Failure::null("model"))?;
        // SAFETY: the caller's promise.
        let data = unsafe { memory(data, bytes, "data")? };
        place.put(load(Predictor::from_bytes(data.to_vec(), how(execution)?))?);
        Ok(())
    })
}

/// `hadal_model_free`
///
/// # Safety
/// `model` is null or a model that is not freed yet and that no other call is using.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hadal_model_free(model: *mut Model) {
    if !model.is_null() {
        // SAFETY: it came from `Place::put`, and by the caller's promise nobody else has it.
        quiet(|| drop(unsafe { Box::from_raw(model) }));
    }
}

/// `hadal_model_input_count`
///
/// # Safety
/// `model` is null or a model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hadal_model_input_count(model: *const Model) -> usize {
    // SAFETY: the caller's promise.
    unsafe { model.as_ref() }.map_or(0, |model| model.inputs.len())
}

/// `hadal_model_input`
///
/// # Safety
/// `model` is null or a model; `port` is null or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hadal_model_input(model: *const Model, index: usize, port: *mut CPort) -> Status {
    // SAFETY: the caller's promise.
    guarded(|| unsafe { describe(model, |model| &model.inputs, "inputs", index, port) })
}

/// `hadal_model_output_count`
///
/// # Safety
/// `model` is null or a model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hadal_model_output_count(model: *const Model) -> usize {
    // SAFETY: the caller's promise.
    unsafe { model.as_ref() }.map_or(0, |model| model.outputs.len())
}

/// `hadal_model_output`
///
/// # Safety
/// `model` is null or a model; `port` is null or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hadal_model_output(model: *const Model, index: usize, port: *mut CPort) -> Status {
    // SAFETY: the caller's promise.
    guarded(|| unsafe { describe(model, |model| &model.outputs, "outputs", index, port) })
}

/// `hadal_model_takes_pixels`
///
/// # Safety
/// `model` is null or a model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hadal_model_takes_pixels(model: *const Model) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { model.as_ref() }.is_some_and(|model| model.predictor.takes_pixels()).into()
}

/// `hadal_model_label_count`
///
/// # Safety
/// `model` is null or a model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hadal_model_label_count(model: *const Model) -> usize {
    // SAFETY: the caller's promise.
    unsafe { model.as_ref() }.map_or(0, |model| model.labels.len())
}

/// `hadal_model_label`
///
/// # Safety
/// `model` is null or a model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hadal_model_label(model: *const Model, index: usize) -> *const c_char {
    // SAFETY: the caller's promise.
    let label = unsafe { model.as_ref() }.and_then(|model| model.labels.get(index));
    label.map_or(ptr::null(), |label| label.as_ptr())
}

/// `hadal_model_run`
///
/// # Safety
/// `model` is null or a model; `inputs` is null or `count` tensors whose pointers are null or can be read as the header
/// says; `outputs` is null or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hadal_model_run(
    model: *const Model,
    inputs: *const CTensor,
    count: usize,
    outputs: *mut *mut Outputs,
) -> Status {
    // SAFETY: the caller's promise.
    let place = unsafe { Place::new(outputs) };
    guarded(|| {
        let place = place.ok_or_else(|| Failure::null("outputs"))?;
        // SAFETY: the caller's promise.
        let model = unsafe { model.as_ref() }.ok_or_else(|| Failure::null("model"))?;
        if inputs.is_null() && count > 0 {
            return Err(Failure::null("inputs"));
        }
        // SAFETY: not null, and by the caller's promise `count` tensors.
        let inputs = if count == 0 { &[] } else { unsafe { slice::from_raw_parts(inputs, count) } };
        let invalid = |e: Error| Failure(INVALID_ARGUMENT, e.to_string());
        let name =
            |i: usize| model.inputs.get(i).map_or(format!("input {i}"), |port| format!("input `{}`", port.text()));
        let tensor = |(i, input)| {
            // SAFETY: the caller's promise.
            let tensor = unsafe { input_tensor(input) };
            tensor.map_err(|e| invalid(Error::invalid(format!("{}: {e}", name(i)))))
        };
        let tensors = inputs.iter().enumerate().map(tensor).collect::<Result<Vec<Tensor>, Failure>>()?;
        model.predictor.check(&tensors).map_err(invalid)?;
        let tensors = model.predictor.run(&tensors).map_err(|e| Failure(CANNOT_RUN, e.to_string()))?;
        place.put(Outputs::new(model.predictor.outputs(), &tensors));
        Ok(())
    })
}

/// `hadal_outputs_count`
///
/// # Safety
/// `outputs` is null or outputs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hadal_outputs_count(outputs: *const Outputs) -> usize {
    // SAFETY: the caller's promise.
    unsafe { outputs.as_ref() }.map_or(0, |outputs| outputs.tensors().len())
}

/// `hadal_outputs_get`
///
/// # Safety
/// `outputs` is null or outputs; `tensor` is null or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hadal_outputs_get(outputs: *const Outputs, index: usize, tensor: *mut CTensor) -> Status {
    guarded(|| {
        // SAFETY: the caller's promise.
        let found = unsafe { output(outputs, index)? };
        if tensor.is_null() {
            return Err(Failure::null("tensor"));
        }
        // SAFETY: not null, and by the caller's promise it can be written.
        unsafe { tensor.write(found) };
        Ok(())
    })
}

/// `hadal_outputs_copy`
///
/// # Safety
/// `outputs` is null or outputs; `buffer` is null or `bytes` bytes can be written there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hadal_outputs_copy(
    outputs: *const Outputs,
    index: usize,
    buffer: *mut c_void,
    bytes: usize,
) -> Status {
    guarded(|| {
        // SAFETY: the caller's promise.
        let found = unsafe { output(outputs, index)? };
        if bytes != found.bytes {
            let message = format!("output {index} has {} bytes, the buffer {bytes}", found.bytes);
            return Err(Failure(INVALID_ARGUMENT, message));
        }
        if buffer.is_null() && bytes > 0 {
            return Err(Failure::null("buffer"));
        }
        if bytes > 0 {
            // SAFETY: both are valid for `bytes` bytes; `found` lies in memory of the handle's, where nobody writes.
            unsafe { ptr::copy_nonoverlapping(found.data.cast::<u8>(), buffer.cast::<u8>(), bytes) };
        }
        Ok(())
    })
}

/// `hadal_outputs_free`
///
/// # Safety
/// `outputs` is null or outputs that are not freed yet and that no other call is using.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hadal_outputs_free(outputs: *mut Outputs) {
    if !outputs.is_null() {
        // SAFETY: it came from `Place::put`, and by the caller's promise nobody else has it.
        quiet(|| drop(unsafe { Box::from_raw(outputs) }));
    }
}

/// Where a handle goes.
struct Place<T>(*mut *mut T);

impl<T> Place<T> {
    /// A place that is not null, emptied.
    ///
    /// # Safety
    /// It is null or can be written.
    unsafe fn new(place: *mut *mut T) -> Option<Place<T>> {
        if place.is_null() {
            return None;
        }
        // SAFETY: not null, and by the caller's promise it can be written.
        unsafe { place.write(ptr::null_mut()) };
        Some(Place(place))
    }

    fn put(self, value: T) {
        // SAFETY: `new` has written there already.
        unsafe { self.0.write(Box::into_raw(Box::new(value))) }
    }
}

fn how(execution: i32) -> Result<Execution, Failure> {
    match execution {
        types::INFERENCE => Ok(Execution::Inference),
        types::EXACT => Ok(Execution::Exact),
        other => {
            let message = format!("execution is HADAL_INFERENCE (0) or HADAL_EXACT (1), got {other}");
            Err(Failure(INVALID_ARGUMENT, message))
        }
    }
}

fn load(predictor: Result<Predictor>) -> Result<Model, Failure> {
    predictor.and_then(Model::new).map_err(|e| Failure(CANNOT_LOAD, e.to_string()))
}

/// # Safety
/// `data` is null or `bytes` bytes can be read there.
unsafe fn memory<'a>(data: *const c_void, bytes: usize, what: &str) -> Result<&'a [u8], Failure> {
    match bytes {
        0 => Ok(&[]),
        _ if data.is_null() => Err(Failure::null(what)),
        _ if isize::try_from(bytes).is_err() => {
            Err(Failure(INVALID_ARGUMENT, format!("{what} cannot have {bytes} bytes")))
        }
        // SAFETY: not null, no more than memory has, and by the caller's promise readable.
        _ => Ok(unsafe { slice::from_raw_parts(data.cast(), bytes) }),
    }
}

/// Writes a port of a model.
///
/// # Safety
/// `model` is null or a model; `to` is null or can be written.
unsafe fn describe(
    model: *const Model,
    ports: impl Fn(&Model) -> &[Port],
    what: &str,
    index: usize,
    to: *mut CPort,
) -> Result<(), Failure> {
    // SAFETY: the caller's promise.
    let ports = ports(unsafe { model.as_ref() }.ok_or_else(|| Failure::null("model"))?);
    if to.is_null() {
        return Err(Failure::null("port"));
    }
    let Some(port) = ports.get(index) else {
        let message = format!("there is no index {index}: the model has {} {what}, counted from 0", ports.len());
        return Err(Failure(INVALID_ARGUMENT, message));
    };
    // SAFETY: not null, and by the caller's promise it can be written.
    unsafe { to.write(port.c()) };
    Ok(())
}

/// An input as a tensor.
///
/// # Safety
/// Its pointers are null or can be read as far as its numbers say.
unsafe fn input_tensor(input: &CTensor) -> Result<Tensor> {
    let message = |failure: Failure| Error::invalid(failure.1);
    let element = types::element_of(input.dtype)
        .ok_or_else(|| Error::invalid(format!("there is no dtype {}; hadal.h lists them", input.dtype)))?;
    let rank = usize::try_from(input.rank)
        .ok()
        .filter(|&rank| rank <= types::MOST_AXES)
        .ok_or_else(|| Error::invalid(format!("rank is 0 to {}, got {}", types::MOST_AXES, input.rank)))?;
    if input.shape.is_null() && rank > 0 {
        return Err(message(Failure::null("shape")));
    }
    // SAFETY: not null, and by the caller's promise `rank` numbers.
    let sizes = if rank == 0 { &[] } else { unsafe { slice::from_raw_parts(input.shape, rank) } };
    let size =
        |&n: &i64| usize::try_from(n).map_err(|_| Error::invalid(format!("the shape {sizes:?} has a size below 0")));
    let shape = sizes.iter().map(size).collect::<Result<Vec<usize>>>()?;
    // SAFETY: the caller's promise.
    let bytes = unsafe { memory(input.data, input.bytes, "data") }.map_err(message)?;
    elements::from_bytes(element, bytes, &shape)
}

/// # Safety
/// `outputs` is null or outputs.
unsafe fn output(outputs: *const Outputs, index: usize) -> Result<CTensor, Failure> {
    // SAFETY: the caller's promise.
    let tensors = unsafe { outputs.as_ref() }.ok_or_else(|| Failure::null("outputs"))?.tensors();
    tensors.get(index).map(types::Output::c).ok_or_else(|| {
        let message = format!("there is no index {index}: the model gave {} outputs, counted from 0", tensors.len());
        Failure(INVALID_ARGUMENT, message)
    })
}
