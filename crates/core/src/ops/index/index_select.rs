//! `index_select`: chosen positions along an axis.

use crate::ops::prelude::*;
use crate::run::{bounds, rowwise};
use crate::tensor::Bits;

/// Inputs: the tensor, and indices `[n]` that have been checked.
#[derive(Debug)]
struct IndexSelect(usize);

impl Op for IndexSelect {
    fn name(&self) -> &'static str {
        "index_select"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        let mut shape = x[0].shape.clone();
        shape.sizes_mut()[self.0] = x[1].shape[0];
        one(x[0].with_shape(shape))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        fn run<T: Bits>(axis: usize, x: &[Input], y: &mut Output) {
            let shape = x[0].shape();
            let inner = shape[axis + 1..].iter().product();
            rowwise::select(&x[0].contiguous_bits::<T>(), shape[axis], inner, &x[1].contiguous(), y.bits());
        }
        dispatch!(moves x[0].dtype(), T => run::<T>(self.0, x, &mut y[0]));
    }

    fn reads(&self) -> Reads {
        Reads::input(1)
    }

    fn grad(&self, g: &Grad) -> Grads {
        let sum = || {
            let zeros = Tensor::zeros_with((), g.meta(0).dtype).expand(&g.meta(0).shape);
            zeros.index_add(self.0 as isize, &g.input(1), &g.of(0))
        };
        vec![g.when(0, sum), None]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("Gather", &[("axis", self.0.into())])
    }
}

#[fallible]
impl Tensor {
    /// The positions `index` (a vector of integers, repetition allowed) along `axis`.
    ///
    /// ```
    /// # use hadal_core::Tensor;
    /// let x = Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.index_select(0, &Tensor::from([1i64, 1])).to_vec::<f32>(), [3.0, 4.0, 3.0, 4.0]);
    /// ```
    pub fn index_select(&self, axis: isize, index: &Tensor) -> Result<Tensor> {
        if self.rank() == 0 {
            return self.try_unsqueeze(0)?.try_index_select(axis, index)?.try_reshape(());
        }
        let axis = self.shape().axis(axis, "index_select")?;
        if index.rank() != 1 {
            let message = format!("needs a vector of indices, got shape {}; see embedding and gather", index.shape());
            return Err(Error::op("index_select", message));
        }
        let index = bounds::checked("index_select", index, axis, self.shape()[axis])?;
        apply(IndexSelect(axis), &[self, &index])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("index_select", |a, x| vec![x[0].index_select(a.integer("dim"), &x[1])])
}

#[cfg(test)]
mod tests {
    use crate::Tensor;

    #[test]
    fn an_index_out_of_range_is_named_with_its_position() {
        let x = Tensor::zeros([2, 3]);
        let error = x.try_index_select(1, &Tensor::from([0i64, 3])).unwrap_err().to_string();
        assert_eq!(error, "index_select got index 3 at position [1]; allowed for axis 1 are 0 to 2");
        let error = x.try_index_select(0, &Tensor::from([0.5f32])).unwrap_err().to_string();
        assert_eq!(error, "index_select needs integer indices, got f32; convert with .to_dtype(DType::I64)");
    }
}
