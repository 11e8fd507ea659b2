//! Indices are data: they are checked before anything is computed with them.

use crate::tensor::Tensor;
use crate::{DType, Error, Result};

/// The index tensor as `i64`, every value of which lies in `0..size`; the error names the first that does not.
pub fn checked(op: &str, index: &Tensor, axis: usize, size: usize) -> Result<Tensor> {
    let index = integers(op, index)?;
    let values = index.to_vec::<i64>();
    match values.iter().position(|i| !(0..size as i64).contains(i)) {
        None => Ok(index),
        Some(at) => Err(outside(op, values[at], at, &index, axis, size, 0)),
    }
}

/// As [`checked`], with negative indices counted from the end.
pub fn wrapped(op: &str, index: &Tensor, axis: usize, size: usize) -> Result<Tensor> {
    let index = integers(op, index)?;
    let mut values = index.to_vec::<i64>();
    let n = size as i64;
    if let Some(at) = values.iter().position(|i| !(-n..n).contains(i)) {
        return Err(outside(op, values[at], at, &index, axis, size, -n));
    }
    if values.iter().all(|&i| i >= 0) {
        return Ok(index);
    }
    values.iter_mut().filter(|i| **i < 0).for_each(|i| *i += n);
    Tensor::try_from_vec(values, index.shape())
}

/// Any integer type, as `i64`.
pub fn integers(op: &str, index: &Tensor) -> Result<Tensor> {
    if index.dtype().is_float() || index.dtype() == DType::Bool {
        let message = format!("needs integer indices, got {}; convert with .to_dtype(DType::I64)", index.dtype());
        return Err(Error::op(op, message));
    }
    index.try_to_dtype(DType::I64)
}

fn outside(op: &str, value: i64, at: usize, index: &Tensor, axis: usize, size: usize, least: i64) -> Error {
    let mut position = vec![0; index.rank()];
    let mut rest = at;
    for (i, &n) in position.iter_mut().zip(index.shape().iter()).rev() {
        (*i, rest) = (rest % n, rest / n);
    }
    let allowed = match size {
        0 => "none (the axis is empty)".to_owned(),
        _ => format!("{least} to {}", size - 1),
    };
    Error::op(op, format!("got index {value} at position {position:?}; allowed for axis {axis} are {allowed}"))
}
