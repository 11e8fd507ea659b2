//! Products of numbers with a weight that is bytes in memory.

use crate::gemm::{Init, Mat, gemm};
use crate::simd::{Vectorized, vectorized};
use crate::threads::{SharedMut, parallel_for};

/// Outputs of a task: their weights as numbers stay in the second-level cache for a thousand features.
const OUTPUTS: usize = 32;

/// `y[rows, out] = bias + x[rows, in] · wᵀ` for a weight `[out, in]` of bytes, each of which stands for `scale · byte` with
/// the scale of its output: the bits are those of [`gemm`] with these numbers.
///
/// A block of the weight becomes numbers, which multiply all rows while they are in the cache: few rows take the time of
/// reading bytes, not numbers.
///
/// # Panics
/// If the lengths do not fit each other.
#[track_caller]
pub fn multiply_bytes(features: usize, x: &[f32], weight: &[i8], scales: &[f32], bias: &[f32], y: &mut [f32]) {
    let (outputs, rows) = (scales.len(), x.len() / features.max(1));
    let expected = (rows * features, outputs * features, outputs, rows * outputs);
    assert_eq!((x.len(), weight.len(), bias.len(), y.len()), expected, "lengths of x, weight, bias and y");
    let y = SharedMut::new(y);
    parallel_for(outputs.div_ceil(OUTPUTS), |task| {
        let (start, end) = (task * OUTPUTS, outputs.min((task + 1) * OUTPUTS));
        let (mut numbers, mut sums) = (vec![0.0; (end - start) * features], vec![0.0; rows * (end - start)]);
        for (output, numbers) in (start..end).zip(numbers.chunks_mut(features.max(1))) {
            let bytes = &weight[output * features..][..features];
            vectorized(Numbers { bytes, scale: scales[output], numbers });
        }
        let init = Init::RowBias(&bias[start..end]);
        gemm(rows, end - start, features, Mat::new(x, features, 1), Mat::new(&numbers, 1, features), &mut sums, init);
        for (row, sums) in sums.chunks(end - start).enumerate() {
            // SAFETY: tasks are different columns.
            unsafe { y.range(row * outputs + start..row * outputs + end) }.copy_from_slice(sums);
        }
    });
}

struct Numbers<'a> {
    bytes: &'a [i8],
    scale: f32,
    numbers: &'a mut [f32],
}

impl Vectorized for Numbers<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.numbers.iter_mut().zip(self.bytes).for_each(|(y, &x)| *y = f32::from(x) * self.scale);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bits_are_those_of_the_numbers() {
        for (rows, features, outputs) in [(1, 70, 50), (3, 33, 100), (40, 64, 32), (2, 5, 1), (0, 4, 3)] {
            let number = |i: usize| ((i * 7919 % 1000) as f32 - 500.0) / 100.0;
            let x: Vec<f32> = (0..rows * features).map(number).collect();
            let weight: Vec<i8> = (0..outputs * features).map(|i| (i * 37 % 255) as u8 as i8).collect();
            let scales: Vec<f32> = (0..outputs).map(|i| 0.01 + i as f32 * 0.003).collect();
            let bias: Vec<f32> = (0..outputs).map(number).collect();
            let numbers: Vec<f32> =
                weight.iter().enumerate().map(|(i, &byte)| f32::from(byte) * scales[i / features]).collect();
            let (mut found, mut expected) = (vec![0.0; rows * outputs], vec![0.0; rows * outputs]);
            multiply_bytes(features, &x, &weight, &scales, &bias, &mut found);
            let (a, b) = (Mat::new(&x, features, 1), Mat::new(&numbers, 1, features));
            gemm(rows, outputs, features, a, b, &mut expected, Init::RowBias(&bias));
            assert_eq!(found, expected, "{rows} rows");
        }
    }
}
