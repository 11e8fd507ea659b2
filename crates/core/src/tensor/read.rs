//! Reading values out of a tensor.

use super::{Element, Tensor};
use crate::{Error, Result, dispatch, fallible};

#[fallible]
impl Tensor {
    /// The elements in row-major order. `T` must be the tensor's own type; convert with `to_dtype` first.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        if T::DTYPE != self.dtype() {
            let message = format!(
                "of a {} tensor cannot give {}: use .to_dtype(DType::{:?}) or to_vec::<{}>()",
                self.dtype(),
                T::DTYPE,
                T::DTYPE,
                self.dtype()
            );
            return Err(Error::op("to_vec", message));
        }
        self.known("the elements")?;
        let values = self.0.data.buffer.slice::<T>();
        let layout = self.layout();
        if layout.is_contiguous() {
            return Ok(values[layout.offset.min(values.len())..][..self.elements()].to_vec());
        }
        Ok(layout.positions().map(|i| values[i]).collect())
    }

    /// The only element of a tensor that has exactly one, converted to `T`.
    pub fn item<T: Element>(&self) -> Result<T> {
        if self.elements() != 1 {
            return Err(Error::op("item", format!("needs a tensor with one element, got shape {}", self.shape())));
        }
        self.known("the element")?;
        let at = self.layout().offset;
        Ok(dispatch!(all self.dtype(), S => {
            let value = self.0.data.buffer.slice::<S>()[at];
            if S::DTYPE.is_float() { T::from_f64(value.to_f64()) } else { T::from_i64(value.to_i64()) }
        }))
    }
}

impl Tensor {
    /// An error if there are no elements yet.
    fn known(&self, what: &str) -> Result<()> {
        if self.is_traced() { Err(crate::compile::unknown(what)) } else { Ok(()) }
    }

    /// The elements without a copy, if they lie row-major without gaps and `T` is the tensor's own type.
    pub fn as_slice<T: Element>(&self) -> Option<&[T]> {
        let layout = self.layout();
        if T::DTYPE != self.dtype() || !layout.is_contiguous() {
            return None;
        }
        let values = self.0.data.buffer.slice::<T>();
        Some(&values[layout.offset.min(values.len())..][..self.elements()])
    }

    /// The elements in row-major order as `f64`, whatever the type (for tests, printing and metrics).
    pub fn to_f64_vec(&self) -> Vec<f64> {
        dispatch!(all self.dtype(), T => self.to_vec::<T>().into_iter().map(Element::to_f64).collect())
    }

    /// The elements' bytes in row-major order, little-endian as in safetensors and npy files.
    pub fn to_bytes(&self) -> Vec<u8> {
        let bytes = self.0.data.buffer.bytes();
        let (layout, size) = (self.layout(), self.dtype().size());
        if layout.is_contiguous() {
            return bytes[(layout.offset * size).min(bytes.len())..][..self.elements() * size].to_vec();
        }
        layout.positions().flat_map(|i| &bytes[i * size..][..size]).copied().collect()
    }
}
