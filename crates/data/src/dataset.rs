//! What a data set is: a number of samples, each to be had by its index.

mod images;
mod tensors;

use std::sync::Arc;

use hadal_core::Tensor;

use crate::Result;
pub use tensors::TensorDataset;

/// One example: what goes into the model and what should come out.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The input without a batch axis, such as an image `[channels, height, width]` of bytes.
    pub input: Tensor,
    /// The target without a batch axis: a label is an `i64` of rank 0.
    pub target: Tensor,
}

/// An image with a label, where it lies in memory.
#[derive(Clone, Copy, Debug)]
pub struct Pixels<'a> {
    /// `[channels, height, width]`, row-major.
    pub bytes: &'a [u8],
    /// `[channels, height, width]`
    pub shape: [usize; 3],
    /// The class.
    pub label: i64,
}

/// A set of samples that can be had in any order, from any thread.
///
/// ```
/// use hadal_core::{Result, Tensor};
/// use hadal_data::{Dataset, Sample};
///
/// /// x → x²
/// struct Squares;
///
/// impl Dataset for Squares {
///     fn len(&self) -> usize {
///         100
///     }
///     fn get(&self, index: usize) -> Result<Sample> {
///         let x = index as f32;
///         Ok(Sample { input: Tensor::from([x]), target: Tensor::from([x * x]) })
///     }
/// }
/// assert_eq!(Squares.get(3)?.target.to_vec::<f32>(), [9.0]);
/// # Ok::<(), hadal_core::Error>(())
/// ```
pub trait Dataset: Send + Sync {
    /// The number of samples.
    fn len(&self) -> usize;

    /// The sample at `index`, which is below [`len`](Dataset::len); the same one every time.
    ///
    /// # Errors
    /// When the sample cannot be had, as a file that cannot be read. The loader adds the index to the message.
    fn get(&self, index: usize) -> Result<Sample>;

    /// The sample at `index` without a copy, where [`get`](Dataset::get) gives bytes `[channels, height, width]` that are in
    /// memory and a label of rank 0: the loader then transforms them where the batch is.
    fn pixels(&self, index: usize) -> Option<Pixels<'_>> {
        let _ = index;
        None
    }

    /// Whether there is no sample.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<D: Dataset + ?Sized> Dataset for Arc<D> {
    fn len(&self) -> usize {
        (**self).len()
    }

    fn get(&self, index: usize) -> Result<Sample> {
        (**self).get(index)
    }

    fn pixels(&self, index: usize) -> Option<Pixels<'_>> {
        (**self).pixels(index)
    }
}

/// Some samples of another set, in an order of their own.
#[derive(Clone, Debug)]
pub struct Subset<D> {
    dataset: D,
    indices: Vec<usize>,
}

impl<D: Dataset> Subset<D> {
    /// The samples of `dataset` at `indices`; one may occur more than once.
    ///
    /// # Panics
    /// When an index is not below the number of samples.
    #[track_caller]
    pub fn new(dataset: D, indices: Vec<usize>) -> Subset<D> {
        if let Some(index) = indices.iter().find(|&&index| index >= dataset.len()) {
            panic!("subset: index {index} of a data set of {} samples", dataset.len());
        }
        Subset { dataset, indices }
    }
}

impl<D: Dataset> Dataset for Subset<D> {
    fn len(&self) -> usize {
        self.indices.len()
    }

    fn get(&self, index: usize) -> Result<Sample> {
        self.dataset.get(self.indices[index])
    }

    fn pixels(&self, index: usize) -> Option<Pixels<'_>> {
        self.dataset.pixels(self.indices[index])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subset_has_its_own_order() {
        let all = TensorDataset::new(&Tensor::from([[0.0f32], [1.0], [2.0]]), &Tensor::from([0i64, 10, 20]));
        let some = Subset::new(Arc::new(all), vec![2, 0, 2]);
        let targets: Vec<i64> = (0..some.len()).map(|i| some.get(i).unwrap().target.item()).collect();
        assert_eq!(targets, [20, 0, 20]);
    }

    #[test]
    #[should_panic(expected = "subset: index 3 of a data set of 3 samples")]
    fn a_subset_of_what_is_not_there() {
        let all = TensorDataset::new(&Tensor::from([0.0f32, 1.0, 2.0]), &Tensor::from([0i64, 10, 20]));
        let _ = Subset::new(all, vec![1, 3]);
    }
}
