//! Running a model on parts of a batch, one after the other: a sample has the same result in any of them.

use hadal::{Result, Tensor, attempt};

/// The outputs for all samples, from runs of so many each. Axis 0 of inputs and outputs is that of the samples.
pub fn run(
    inputs: &[Tensor],
    sizes: &[usize],
    model: impl Fn(&[Tensor]) -> Result<Vec<Tensor>>,
) -> Result<Vec<Tensor>> {
    if sizes.len() == 1 {
        return model(inputs);
    }
    let mut start = 0;
    let mut slices = Vec::new();
    for &size in sizes {
        let slice = attempt(|| inputs.iter().map(|input| input.narrow(0, start, size)).collect::<Vec<_>>())?;
        slices.push(model(&slice)?);
        start += size;
    }
    let outputs = slices.first().map_or(0, Vec::len);
    attempt(|| {
        let joined = |i| Tensor::cat(&slices.iter().map(|outputs| &outputs[i]).collect::<Vec<_>>(), 0);
        (0..outputs).map(joined).collect()
    })
}

/// Sizes that sum up to `samples`, of few kinds: powers of two, and what is left below 8. A compiled model has a graph for
/// each size that it meets and keeps sixteen of them, so that all sizes up to 2048 find theirs again.
pub fn few(samples: usize) -> Vec<usize> {
    let mut sizes = Vec::new();
    let mut left = samples;
    while left >= 8 {
        let size = (1 << left.ilog2()).min(2048);
        sizes.push(size);
        left -= size;
    }
    if left > 0 || samples == 0 {
        sizes.push(left);
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_sizes_make_all() {
        assert_eq!(few(1), [1]);
        assert_eq!(few(8), [8]);
        assert_eq!(few(31), [16, 8, 7]);
        assert_eq!(few(5000), [2048, 2048, 512, 256, 128, 8]);
        let mut kinds: Vec<usize> = (0..5000)
            .flat_map(|samples| {
                let sizes = few(samples);
                assert_eq!(sizes.iter().sum::<usize>(), samples);
                sizes
            })
            .filter(|&size| size > 0)
            .collect();
        kinds.sort();
        kinds.dedup();
        assert_eq!(kinds.len(), 16);
    }

    #[test]
    fn parts_are_joined_in_order() {
        let x = Tensor::from_vec((0..10).map(|i| i as f32).collect(), [5, 2]);
        let sizes = std::sync::Mutex::new(Vec::new());
        let model = |inputs: &[Tensor]| {
            sizes.lock().unwrap().push(inputs[0].shape()[0]);
            Ok(vec![inputs[0].mul(2.0), inputs[0].sum(1)])
        };
        let outputs = run(std::slice::from_ref(&x), &[2, 2, 1], model).unwrap();
        assert_eq!(outputs[0].to_vec::<f32>(), x.mul(2.0).to_vec::<f32>());
        assert_eq!(outputs[1].to_vec::<f32>(), [1.0, 5.0, 9.0, 13.0, 17.0]);
        assert_eq!(*sizes.lock().unwrap(), [2, 2, 1]);
    }
}
