//! Making tensors: from Rust values, constant, counting.

use super::{Buffer, Category, DType, Data, Element, Layout, Shape, Tensor};
use crate::{Error, Result, dispatch, fallible};
use std::sync::Arc;

/// A single number whose category takes part in type promotion, as a Python scalar does in PyTorch.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Scalar {
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
}

impl Scalar {
    fn category(self) -> Category {
        match self {
            Scalar::Bool(_) => Category::Bool,
            Scalar::Int(_) => Category::Integer,
            Scalar::Float(_) => Category::Float,
        }
    }

    /// The type of a result that joins a tensor of type `other` with this scalar: the tensor's,
    /// unless the scalar is of a higher category (then `i64` or `f32`).
    pub fn dtype_beside(self, other: DType) -> DType {
        match self.category() {
            category if category <= other.category() => other,
            Category::Float => DType::F32,
            _ => DType::I64,
        }
    }

    /// A rank-0 tensor of the given type.
    pub fn tensor(self, dtype: DType) -> Tensor {
        dispatch!(all dtype, T => Tensor::full((), self.element::<T>()))
    }

    /// The number as an element of a tensor.
    pub fn element<T: Element>(self) -> T {
        match self {
            Scalar::Bool(v) => T::from_i64(v as i64),
            Scalar::Int(v) => T::from_i64(v),
            Scalar::Float(v) => T::from_f64(v),
        }
    }
}

impl From<bool> for Scalar {
    fn from(value: bool) -> Scalar {
        Scalar::Bool(value)
    }
}

macro_rules! scalar_from {
    ($($t:ty => $variant:ident as $wide:ty),*) => { $(
        impl From<$t> for Scalar {
            fn from(value: $t) -> Scalar { Scalar::$variant(value as $wide) }
        }
    )* };
}
scalar_from!(f64 => Float as f64, f32 => Float as f64, i64 => Int as i64, i32 => Int as i64, u8 => Int as i64, usize => Int as i64);

#[fallible]
impl Tensor {
    /// The values in row-major order, under `shape`, whose product must be their number.
    pub fn from_vec<T: Element>(values: Vec<T>, shape: impl Into<Shape>) -> Result<Tensor> {
        let shape = shape.into();
        if shape.elements() != values.len() {
            let message = format!("needs {} values for the shape {shape}, got {}", shape.elements(), values.len());
            return Err(Error::op("from_vec", message));
        }
        Ok(Tensor::of_buffer(Buffer::from_slice(&values), Layout::contiguous(shape), T::DTYPE))
    }
}

impl Tensor {
    /// A copy of `values` as a vector.
    pub fn from_slice<T: Element>(values: &[T]) -> Tensor {
        Tensor::of_buffer(Buffer::from_slice(values), Layout::contiguous(values.len()), T::DTYPE)
    }

    /// Every element equal to `value`, whose Rust type decides the data type.
    pub fn full<T: Element>(shape: impl Into<Shape>, value: T) -> Tensor {
        let shape = shape.into();
        let mut buffer = Buffer::recycled(shape.elements() * size_of::<T>());
        buffer.slice_mut().fill(value);
        Tensor::of_buffer(buffer, Layout::contiguous(shape), T::DTYPE)
    }

    /// Zeros of type `f32`.
    pub fn zeros(shape: impl Into<Shape>) -> Tensor {
        Tensor::full(shape, 0f32)
    }

    /// Ones of type `f32`.
    pub fn ones(shape: impl Into<Shape>) -> Tensor {
        Tensor::full(shape, 1f32)
    }

    /// Every element equal to `value`, of the given type.
    pub fn full_with(shape: impl Into<Shape>, value: impl Into<Scalar>, dtype: DType) -> Tensor {
        let value = value.into();
        dispatch!(all dtype, T => Tensor::full(shape, value.element::<T>()))
    }

    /// Zeros of the given type.
    pub fn zeros_with(shape: impl Into<Shape>, dtype: DType) -> Tensor {
        let shape = shape.into();
        let buffer = Buffer::zeroed(shape.elements() * dtype.size());
        Tensor::of_buffer(buffer, Layout::contiguous(shape), dtype)
    }

    /// Zeros of this tensor's shape and type.
    pub fn zeros_like(&self) -> Tensor {
        Tensor::zeros_with(self.shape(), self.dtype())
    }

    /// Ones of this tensor's shape and type.
    pub fn ones_like(&self) -> Tensor {
        Tensor::full_with(self.shape(), 1, self.dtype())
    }

    /// `value` everywhere, in this tensor's shape and type.
    pub fn full_like(&self, value: impl Into<Scalar>) -> Tensor {
        Tensor::full_with(self.shape(), value, self.dtype())
    }

    /// 0, 1, …, n − 1 as `i64`.
    pub fn arange(n: usize) -> Tensor {
        Tensor::from_slice(&(0..n as i64).collect::<Vec<_>>())
    }

    /// `start`, `start + step`, … below `end` (above it for a negative step), as `f32`.
    pub fn arange_with(start: f64, end: f64, step: f64) -> Tensor {
        let n = ((end - start) / step).ceil().max(0.0) as usize;
        Tensor::from_slice(&(0..n).map(|i| (start + i as f64 * step) as f32).collect::<Vec<_>>())
    }

    /// `n` evenly spaced numbers from `start` to `end`, both included, as `f32`.
    pub fn linspace(start: f64, end: f64, n: usize) -> Tensor {
        let step = (end - start) / n.saturating_sub(1).max(1) as f64;
        // As PyTorch, count from the nearer end so that the last value is exactly `end`.
        let at = |i: usize| if 2 * i < n { start + i as f64 * step } else { end - (n - 1 - i) as f64 * step };
        Tensor::from_slice(&(0..n).map(|i| at(i) as f32).collect::<Vec<_>>())
    }

    /// `n` numbers from `base^start` to `base^end`, both included, whose logarithms are evenly spaced, as `f32`.
    pub fn logspace(start: f64, end: f64, n: usize, base: f64) -> Tensor {
        let step = (end - start) / n.saturating_sub(1).max(1) as f64;
        let at = |i: usize| if 2 * i < n { start + i as f64 * step } else { end - (n - 1 - i) as f64 * step };
        (0..n).map(|i| libm::pow(base, at(i)) as f32).collect()
    }

    /// The n × n identity matrix, as `f32`.
    pub fn eye(n: usize) -> Tensor {
        let mut buffer = Buffer::zeroed(n * n * size_of::<f32>());
        buffer.slice_mut::<f32>().iter_mut().step_by(n + 1).for_each(|v| *v = 1.0);
        Tensor::of_buffer(buffer, Layout::contiguous([n, n]), DType::F32)
    }

    /// The same value without history: no gradient flows through it.
    pub fn detach(&self) -> Tensor {
        if self.0.origin.is_none() { self.clone() } else { Tensor::make(self.0.data.clone(), None) }
    }

    /// A tensor over bytes that already lie in a buffer, such as a mapped file: row-major, no copy.
    /// `None` if the buffer's size does not fit the shape and type.
    pub fn from_buffer(buffer: Buffer, shape: impl Into<Shape>, dtype: DType) -> Option<Tensor> {
        let layout = Layout::contiguous(shape);
        let data = || Data { layout, dtype, buffer: Arc::new(buffer) };
        let data = data();
        let fits = data.layout.shape.iter().try_fold(dtype.size(), |bytes, &n| bytes.checked_mul(n));
        (fits == Some(data.buffer.bytes().len())).then(|| Tensor::make(data, None))
    }
}

impl<T: Element> From<T> for Tensor {
    fn from(value: T) -> Tensor {
        Tensor::full((), value)
    }
}

impl<T: Element> From<Vec<T>> for Tensor {
    fn from(values: Vec<T>) -> Tensor {
        Tensor::from_slice(&values)
    }
}

impl<T: Element> FromIterator<T> for Tensor {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Tensor {
        values.into_iter().collect::<Vec<T>>().into()
    }
}

impl<T: Element, const N: usize> From<[T; N]> for Tensor {
    fn from(values: [T; N]) -> Tensor {
        Tensor::from_slice(&values)
    }
}

impl<T: Element, const M: usize, const N: usize> From<[[T; N]; M]> for Tensor {
    fn from(rows: [[T; N]; M]) -> Tensor {
        Tensor::from_vec(rows.concat(), [M, N])
    }
}

impl<T: Element, const L: usize, const M: usize, const N: usize> From<[[[T; N]; M]; L]> for Tensor {
    fn from(blocks: [[[T; N]; M]; L]) -> Tensor {
        Tensor::from_vec(blocks.as_flattened().concat(), [L, M, N])
    }
}

#[cfg(test)]
mod tests {
    use crate::Tensor;

    /// Ends and middle of PyTorch's `linspace` and `logspace`.
    #[test]
    fn spaced_numbers_include_both_ends() {
        assert_eq!(Tensor::linspace(-1.0, 0.5, 4).to_vec::<f32>(), [-1.0, -0.5, 0.0, 0.5]);
        assert_eq!(Tensor::logspace(-1.0, 2.0, 4, 10.0).to_vec::<f32>(), [0.1, 1.0, 10.0, 100.0]);
        assert_eq!(Tensor::logspace(0.0, 3.0, 1, 2.0).to_vec::<f32>(), [1.0]);
        assert_eq!(Tensor::logspace(0.0, 3.0, 0, 2.0).elements(), 0);
    }
}
