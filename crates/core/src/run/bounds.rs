//! Indices are data: they are checked before anything is computed with them.

use crate::compile::effect;
use crate::tensor::Tensor;
use crate::{DType, Error, Result};

/// The index tensor as `i64`, every value of which lies in `0..size`; the error names the first that does not.
pub fn checked(op: &'static str, index: &Tensor, axis: usize, size: usize) -> Result<Tensor> {
    let index = integers(op, index)?;
    require(op, &index, axis, size, 0)?;
    Ok(index)
}

/// As [`checked`], with negative indices counted from the end.
pub fn wrapped(op: &'static str, index: &Tensor, axis: usize, size: usize) -> Result<Tensor> {
    let index = integers(op, index)?;
    let n = size as i64;
    require(op, &index, axis, size, -n)?;
    if !index.is_traced() && index.to_vec::<i64>().iter().all(|&i| i >= 0) {
        return Ok(index);
    }
    index.try_lt(0)?.try_where_(index.try_add(n)?, &index)
}

/// The error for an index that is not in `least..size`; in a compiled function, when it is run.
fn require(op: &'static str, index: &Tensor, axis: usize, size: usize, least: i64) -> Result<()> {
    effect("indices in range", &[index], Vec::new(), move |index| {
        let values = index[0].try_to_vec::<i64>()?;
        match values.iter().position(|i| !(least..size as i64).contains(i)) {
            None => Ok(()),
            Some(at) => Err(outside(op, values[at], at, &index[0], axis, size, least)),
        }
    })
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
