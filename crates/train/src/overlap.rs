//! Telling data that is used twice, by a look at a few samples.

use hadal_data::{Dataset, Loader};

/// Whether the samples of `other` seem to be those with which `data` begins, or all of them: the first, the middle and
/// the last of `other` are compared. Sets whose samples are all alike tell nothing, nor does a sample that cannot be had.
pub fn begins_alike(data: &Loader, other: &Loader) -> bool {
    let (data, other) = (data.dataset(), other.dataset());
    let Some(last) = other.len().checked_sub(1).filter(|last| *last < data.len()) else { return false };
    let looked_at = [0, last / 2, last].map(|index| (bytes(data, index), bytes(other, index)));
    let alike = looked_at.iter().all(|(a, b)| a.is_some() && a == b);
    alike && (last == 0 || looked_at[0].0 != looked_at[2].0)
}

/// Input and target of a sample as bytes.
fn bytes(dataset: &dyn Dataset, index: usize) -> Option<[Vec<u8>; 2]> {
    dataset.get(index).ok().map(|sample| [sample.input.to_bytes(), sample.target.to_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use hadal_core::Tensor;
    use hadal_data::{Subset, TensorDataset};
    use std::sync::Arc;

    #[test]
    fn sets_are_compared_by_their_samples() {
        let set = |first: usize, samples: usize| {
            let numbers: Vec<f32> = (first..first + samples).map(|i| i as f32).collect();
            let numbers = Tensor::from_slice(&numbers);
            Loader::new(TensorDataset::new(&numbers, &numbers), 2)
        };
        assert!(begins_alike(&set(0, 10), &set(0, 10)));
        assert!(begins_alike(&set(0, 10), &set(0, 4)));
        assert!(!begins_alike(&set(0, 4), &set(0, 10)));
        assert!(!begins_alike(&set(0, 10), &set(10, 10)));
        assert!(!begins_alike(&set(0, 10), &set(0, 0)));
        let zeros = TensorDataset::new(&Tensor::zeros([6, 2]), &Tensor::zeros([6]));
        assert!(!begins_alike(&Loader::new(zeros.clone(), 2), &Loader::new(zeros, 3)));
    }

    #[test]
    fn parts_of_one_set_are_not_alike() {
        let numbers = Tensor::arange(10);
        let whole = Arc::new(TensorDataset::new(&numbers, &numbers));
        let part = |indices: &[usize]| Loader::new(Subset::new(whole.clone(), indices.to_vec()), 2);
        assert!(!begins_alike(&part(&[0, 2, 4, 6, 8]), &part(&[1, 3])));
        assert!(begins_alike(&part(&[0, 2, 4, 6, 8]), &part(&[0, 2])));
    }
}
