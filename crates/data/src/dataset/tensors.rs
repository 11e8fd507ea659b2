//! A data set in two tensors.

use hadal_core::{Buffer, DType, Shape, Tensor};

use super::{Dataset, Sample};
use crate::Result;

/// Inputs and targets that are tensors already: sample `i` is row `i` of each.
#[derive(Clone, Debug)]
pub struct TensorDataset {
    inputs: Rows,
    targets: Rows,
}

impl TensorDataset {
    /// `inputs` are `[samples, …]`, `targets` `[samples]` or `[samples, …]`.
    ///
    /// # Panics
    /// When the first axes differ, or a tensor has none.
    #[track_caller]
    pub fn new(inputs: &Tensor, targets: &Tensor) -> TensorDataset {
        let (shape, other) = (inputs.shape(), targets.shape());
        if shape.rank() == 0 || other.rank() == 0 || shape[0] != other[0] {
            panic!("data set: inputs {shape} and targets {other} need first axes of equal size, one row per sample");
        }
        TensorDataset { inputs: Rows::new(inputs), targets: Rows::new(targets) }
    }
}

impl Dataset for TensorDataset {
    fn len(&self) -> usize {
        self.inputs.count
    }

    fn get(&self, index: usize) -> Result<Sample> {
        Ok(Sample { input: self.inputs.get(index), target: self.targets.get(index) })
    }
}

/// The rows of a tensor as bytes, so that one costs a copy and nothing else.
#[derive(Clone, Debug)]
struct Rows {
    count: usize,
    shape: Shape,
    dtype: DType,
    bytes: Vec<u8>,
}

impl Rows {
    fn new(tensor: &Tensor) -> Rows {
        let sizes: &[usize] = tensor.shape();
        Rows { count: sizes[0], shape: sizes[1..].into(), dtype: tensor.dtype(), bytes: tensor.to_bytes() }
    }

    fn get(&self, index: usize) -> Tensor {
        let size = self.shape.elements() * self.dtype.size();
        from_bytes(&self.bytes[index * size..][..size], self.shape.clone(), self.dtype)
    }
}

/// A tensor over a copy of `bytes`, which are as many as the shape needs.
pub fn from_bytes(bytes: &[u8], shape: Shape, dtype: DType) -> Tensor {
    let mut buffer = Buffer::recycled(bytes.len());
    buffer.bytes_mut().copy_from_slice(bytes);
    Tensor::from_buffer(buffer, shape, dtype).expect("the caller counted the bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_shape_and_type() {
        let inputs = Tensor::arange(12).reshape([3, 2, 2]);
        let set = TensorDataset::new(&inputs, &Tensor::from([1.5f64, 2.5, 3.5]));
        let Sample { input, target } = set.get(1).unwrap();
        assert_eq!((input.shape().to_vec(), input.to_f64_vec()), (vec![2, 2], vec![4.0, 5.0, 6.0, 7.0]));
        assert_eq!((target.rank(), target.dtype(), target.item::<f64>()), (0, DType::F64, 2.5));
        let columns = TensorDataset::new(&inputs.permute([2, 0, 1]), &Tensor::from([0i64, 1]));
        assert_eq!(columns.get(1).unwrap().input.to_f64_vec(), [1.0, 3.0, 5.0, 7.0, 9.0, 11.0]);
    }

    #[test]
    #[should_panic(expected = "inputs [3, 1] and targets [2] need first axes of equal size")]
    fn unequal_counts() {
        let _ = TensorDataset::new(&Tensor::zeros([3, 1]), &Tensor::zeros([2]));
    }
}
