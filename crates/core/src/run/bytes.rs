//! What bytes stand for, and weights of bytes.

use crate::{Error, Result, Tensor};
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

/// A weight `f32 [out, …]` for products of bytes of this shape, as inputs of an op: packed bytes, their sums, a scale for
/// each output channel (its largest magnitude is 127), and the bias.
pub(crate) fn prepare(shape: &ConvShape, weight: &Tensor, bias: Option<&Tensor>) -> Result<Vec<Tensor>> {
    let weight = weight.try_contiguous()?;
    let Some(values) = weight.as_slice::<f32>() else {
        return Err(Error::op("quantize", format!("needs an f32 weight, got {}", weight.dtype())));
    };
    let outputs = shape.out_channels;
    let each = (values.len() / outputs.max(1)).max(1);
    let largest = |row: &[f32]| row.iter().fold(0.0f32, |most, w| most.max(w.abs()));
    let scales: Vec<f32> = values.chunks(each).map(|row| largest(row) / 127.0).collect();
    let scales: Vec<f32> = scales.into_iter().map(|s| if s > 0.0 && s.is_finite() { s } else { 1.0 }).collect();
    let byte = |(i, &w): (usize, &f32)| (w / scales[i / each]).round_ties_even().clamp(-127.0, 127.0) as i8;
    let bytes: Vec<i8> = values.iter().enumerate().map(byte).collect();
    let (mut packed, mut sums) = (vec![0; packed_len(shape)], vec![0; outputs]);
    pack(shape, &bytes, &mut packed, &mut sums);
    let bias = match bias {
        Some(bias) => bias.try_contiguous()?,
        None => Tensor::zeros([outputs]),
    };
    Ok(vec![Tensor::from(packed), Tensor::from(sums), Tensor::from(scales), bias])
}
