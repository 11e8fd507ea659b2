//! What bytes stand for, and weights of bytes.

use crate::{Error, Result, Shape, Tensor};
use hadal_kernels::conv::ConvShape;
use hadal_kernels::quantized::{pack, packed_len};

/// What an unsigned byte stands for: `scale · (byte − zero)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ByteScale {
    /// What a step stands for.
    pub scale: f32,
    /// The byte that stands for 0.
    pub zero: u8,
}

impl ByteScale {
    /// That of the smallest range which holds 0 and all of `low..=high`.
    pub fn of_range(low: f32, high: f32) -> ByteScale {
        let (low, high) = (low.min(0.0), high.max(0.0));
        let scale = (high - low) / 255.0;
        if scale == 0.0 || !scale.is_finite() {
            return ByteScale { scale: 1.0, zero: 0 };
        }
        ByteScale { scale, zero: (-low / scale).round_ties_even().clamp(0.0, 255.0) as u8 }
    }
}

/// A weight `[out, …]` as signed bytes from −127 to 127, with a scale for each output.
#[derive(Clone, Debug)]
pub struct SignedBytes {
    /// That of the weight.
    pub shape: Shape,
    /// In the order of the weight.
    pub values: Vec<i8>,
    /// What a step stands for, for each output: its largest magnitude is 127 steps.
    pub scales: Vec<f32>,
}

impl SignedBytes {
    /// The nearest bytes, ties to even.
    ///
    /// # Errors
    /// If the weight is not `f32`, or has no axis.
    pub fn of(weight: &Tensor) -> Result<SignedBytes> {
        let weight = weight.try_contiguous()?;
        let (Some(numbers), Some(&outputs)) = (weight.as_slice::<f32>(), weight.shape().first()) else {
            let message = format!("needs an f32 weight [out, …], got {} {}", weight.dtype(), weight.shape());
            return Err(Error::op("quantize", message));
        };
        let each = (numbers.len() / outputs.max(1)).max(1);
        let largest = |row: &[f32]| row.iter().fold(0.0f32, |most, w| most.max(w.abs()));
        let scales: Vec<f32> = numbers.chunks(each).map(|row| largest(row) / 127.0).collect();
        let scales: Vec<f32> = scales.into_iter().map(|s| if s > 0.0 && s.is_finite() { s } else { 1.0 }).collect();
        let byte = |(i, &w): (usize, &f32)| (w / scales[i / each]).round_ties_even().clamp(-127.0, 127.0) as i8;
        let values = numbers.iter().enumerate().map(byte).collect();
        Ok(SignedBytes { shape: weight.shape().clone(), values, scales })
    }

    /// What the bytes stand for.
    pub fn numbers(&self) -> Tensor {
        let each = (self.values.len() / self.scales.len().max(1)).max(1);
        let number = |(i, &byte): (usize, &i8)| f32::from(byte) * self.scales[i / each];
        Tensor::from_vec(self.values.iter().enumerate().map(number).collect(), &self.shape)
    }
}

/// A weight `f32 [out, …]` for products of bytes of this shape, as inputs of an op: packed bytes, their sums, a scale for
/// each output channel (its largest magnitude is 127), and the bias.
pub(crate) fn prepare(shape: &ConvShape, weight: &Tensor, bias: Option<&Tensor>) -> Result<Vec<Tensor>> {
    let SignedBytes { values, scales, .. } = SignedBytes::of(weight)?;
    let outputs = shape.out_channels;
    let (mut packed, mut sums) = (vec![0; packed_len(shape)], vec![0; outputs]);
    pack(shape, &values, &mut packed, &mut sums);
    let bias = match bias {
        Some(bias) => bias.try_contiguous()?,
        None => Tensor::zeros([outputs]),
    };
    Ok(vec![Tensor::from(packed), Tensor::from(sums), Tensor::from(scales), bias])
}
