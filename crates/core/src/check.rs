//! NaN and infinity detection: names the op and the module that made the first bad value.

use crate::op::Op;
use crate::tensor::{Data, Tensor};
use crate::{DType, Error, Result};
use std::cell::Cell;

thread_local! {
    static FINITE: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f` with every op's result checked: the first NaN or infinity, forward or backward, is an
/// error (or a panic, in the methods that panic) naming the op, the module and the position.
pub fn detect_anomaly<R>(f: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            FINITE.set(self.0);
        }
    }
    let _restore = Restore(FINITE.replace(true));
    f()
}

pub(crate) fn finite_values() -> bool {
    FINITE.get()
}

pub(crate) fn finite(op: &dyn Op, values: &[Data]) -> Result<()> {
    for data in values.iter().filter(|d| d.dtype.is_float() && d.dtype != DType::Bool) {
        let values = Tensor::make(data.clone(), None).to_f64_vec();
        if let Some(at) = values.iter().position(|v| !v.is_finite()) {
            let shape = &data.layout.shape;
            let index = unravel(at, shape);
            let message = format!("made {} at {index:?} of its result of shape {shape}", values[at]);
            return Err(Error::op(op.name(), message));
        }
    }
    Ok(())
}

fn unravel(mut flat: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (i, &size) in index.iter_mut().zip(shape).rev() {
        (*i, flat) = (flat % size, flat / size);
    }
    index
}
