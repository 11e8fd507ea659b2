//! What bytes stand for, and weights of bytes.

use crate::op::apply_shared;
use crate::ops::conv::convolution::Convolution;
use crate::ops::quantized::{integer_convolution, pack_images, quantized_convolution, unpack_images};
use crate::tensor::{Meta, Shape};
use crate::{DType, Error, Result, Tensor};
use hadal_kernels::conv::ConvShape;
use hadal_kernels::quantized::{Border, pack, packed_len, suits};
use std::ops::Range;

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

    /// That of bytes with one scale and one zero point for all, and whether they are signed; seen as unsigned bytes, those
    /// are 128 steps higher.
    pub(crate) fn of_constants(scale: &Tensor, zero: &Tensor) -> Option<(ByteScale, bool)> {
        if scale.elements() != 1 || zero.elements() != 1 || scale.dtype() != DType::F32 {
            return None;
        }
        let scale = scale.item::<f32>();
        let signed = zero.dtype() == DType::I8;
        let zero = zero.item::<i64>() + if signed { 128 } else { 0 };
        (scale > 0.0 && scale.is_finite()).then_some((ByteScale { scale, zero: zero as u8 }, signed))
    }
}

/// The padding that a convolution of few channels gives its input when it is brought into the form for products of bytes,
/// so that the rows of a kernel are read as a whole.
pub(crate) fn border(shape: &ConvShape) -> Option<[(usize, usize); 3]> {
    let ConvShape { input, kernel, output, stride, pad_begin, dilation, .. } = *shape;
    let behind = |i: usize| {
        let reach = output[i].saturating_sub(1) * stride[i] + (kernel[i] - 1) * dilation[i] + 1;
        reach.saturating_sub(input[i] + pad_begin[i])
    };
    let added = std::array::from_fn(|i| (pad_begin[i], behind(i)));
    (shape.groups == 1 && shape.in_channels <= 4 && added != [(0, 0); 3]).then_some(added)
}

/// The shape of a convolution whose input has its padding already.
pub(crate) fn bordered(shape: &ConvShape, added: [(usize, usize); 3]) -> ConvShape {
    let input = std::array::from_fn(|i| shape.input[i] + added[i].0 + added[i].1);
    ConvShape { input, pad_begin: [0; 3], ..*shape }
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
/// each output channel (its largest magnitude is 127), and the bias. The kernel of the shape may be a part of the weight's.
pub(crate) fn prepare(
    shape: &ConvShape,
    kept: Option<[Range<usize>; 3]>,
    weight: &Tensor,
    bias: Option<&Tensor>,
) -> Result<Vec<Tensor>> {
    let SignedBytes { mut values, scales, shape: whole } = SignedBytes::of(weight)?;
    if let Some(kept) = kept {
        let spatial = |i: usize| (i + whole.rank()).checked_sub(3);
        let size = |i: usize| spatial(i).filter(|&axis| axis >= 2).map_or(1, |axis| whole[axis]);
        let [depth, height, width] = [0, 1, 2].map(size);
        let is_kept = |at: usize| {
            let at = [at / (width * height) % depth, at / width % height, at % width];
            kept.iter().zip(at).all(|(kept, at)| kept.contains(&at))
        };
        values = values.into_iter().enumerate().filter(|&(at, _)| is_kept(at)).map(|(_, byte)| byte).collect();
    }
    Ok(inputs(shape, &values, scales, bias))
}

/// The same for a weight whose bytes times given scales, one for all or one for each output channel, it is exactly; nothing
/// if it is not.
pub(crate) fn prepare_exactly(
    shape: &ConvShape,
    weight: &Tensor,
    scales: &[f32],
    bias: Option<&Tensor>,
) -> Option<Vec<Tensor>> {
    let weight = weight.contiguous();
    let (values, outputs) = (weight.as_slice::<f32>()?, shape.out_channels);
    let each = (values.len() / outputs.max(1)).max(1);
    let scales = match scales {
        [scale] => vec![*scale; outputs],
        scales if scales.len() == outputs => scales.to_vec(),
        _ => return None,
    };
    let byte = |(i, &w): (usize, &f32)| {
        let byte = (w / scales[i / each]).round_ties_even().clamp(-128.0, 127.0) as i8;
        (f32::from(byte) * scales[i / each] == w).then_some(byte)
    };
    let bytes = values.iter().enumerate().map(byte).collect::<Option<Vec<i8>>>()?;
    Some(inputs(shape, &bytes, scales, bias))
}

fn inputs(shape: &ConvShape, bytes: &[i8], scales: Vec<f32>, bias: Option<&Tensor>) -> Vec<Tensor> {
    let (mut packed, mut sums) = (vec![0; packed_len(shape)], vec![0; shape.out_channels]);
    pack(shape, bytes, &mut packed, &mut sums);
    let bias = bias.map_or_else(|| Tensor::zeros([shape.out_channels]), Tensor::contiguous);
    vec![Tensor::from(packed), Tensor::from(sums), Tensor::from(scales), bias]
}

/// A weight of bytes, packed once: for convolutions and dense layers of bytes whose sums are exact.
///
/// Inputs are bytes `[batch, channels, …]` with up to three spatial axes (none for a dense layer), `u8` or `i8`.
#[derive(Clone, Debug)]
pub struct ByteWeight {
    /// `[out, in / groups, kernel…]`
    shape: Shape,
    groups: usize,
    packed: Tensor,
    sums: Tensor,
}

/// What sums of products of bytes become, as bytes: `round((sum + bias) · scale) + zero`.
#[derive(Clone, Debug)]
pub struct ByteResult {
    /// One number for each output channel, `f32`.
    pub scale: Tensor,
    /// One integer for each output channel, `i32`.
    pub bias: Option<Tensor>,
    /// The byte that stands for 0, in the result's type: `u8` or `i8`.
    pub zero: Tensor,
}

impl ByteWeight {
    /// The weight `weight − zero`, of bytes `[out, in / groups, kernel…]` with one zero point for all, or one for each
    /// output channel.
    ///
    /// None if products of bytes cannot be made with it: a difference does not fit a signed byte, sums may not fit an `i32`,
    /// or there are several groups of several channels.
    pub fn new(weight: &Tensor, zero: Option<&Tensor>, groups: usize) -> Option<ByteWeight> {
        let shape = weight.shape().clone();
        let [outputs, inputs, kernel @ ..] = &shape[..] else { return None };
        let missing = 3usize.checked_sub(kernel.len())?;
        let wide: Vec<i32> = weight.to_dtype(DType::I32).to_vec();
        let zeros: Vec<i32> = zero.map_or_else(|| vec![0], |zero| zero.to_dtype(DType::I32).to_vec());
        let each = (wide.len() / (*outputs).max(1)).max(1);
        if groups == 0 || zeros.len() != 1 && zeros.len() != *outputs {
            return None;
        }
        let less = |(i, w): (usize, &i32)| i8::try_from(w - zeros[if zeros.len() == 1 { 0 } else { i / each }]).ok();
        let bytes = wide.iter().enumerate().map(less).collect::<Option<Vec<i8>>>()?;
        let one = [1; 3];
        let kernel = std::array::from_fn(|i| if i < missing { 1 } else { kernel[i - missing] });
        let (batch, in_channels, out_channels) = (0, inputs * groups, *outputs);
        let (input, output, stride, pad_begin, dilation) = (kernel, one, one, [0; 3], one);
        let sizes =
            ConvShape { batch, groups, in_channels, out_channels, input, kernel, output, stride, pad_begin, dilation };
        if !suits(&sizes) || kernel.contains(&0) {
            return None;
        }
        let (mut packed, mut sums) = (vec![0; packed_len(&sizes)], vec![0; *outputs]);
        pack(&sizes, &bytes, &mut packed, &mut sums);
        Some(ByteWeight { shape, groups, packed: Tensor::from(packed), sums: Tensor::from(sums) })
    }

    /// The sizes for an input, and the shape of the result.
    fn sizes(&self, x: &Tensor, options: &Convolution) -> Result<(ConvShape, Shape)> {
        let fail = |message: String| Err(Error::op("integer_convolution", message));
        let (shape, rank) = (x.shape(), self.shape.rank() - 2);
        if shape.rank() != rank + 2 || shape[1] != self.shape[1] * self.groups {
            return fail(format!("the weight {} in {} groups does not fit the input {shape}", self.shape, self.groups));
        }
        if ![DType::U8, DType::I8].contains(&x.dtype()) {
            return fail(format!("needs bytes, got {}", x.dtype()));
        }
        let axes = options.axes("integer_convolution", &self.shape[2..])?;
        let mut result = Shape::from([shape[0], self.shape[0]]);
        for (axis, &size) in axes.iter().zip(&shape[2..]) {
            match (size + axis.pad.0 + axis.pad.1).checked_sub(axis.reach() + 1) {
                Some(room) => result.sizes_mut().push(room / axis.stride + 1),
                None => return fail(format!("a kernel {:?} is larger than the input {shape}", &self.shape[2..])),
            }
        }
        let of = |missing: usize, f: &dyn Fn(usize) -> usize| {
            std::array::from_fn(|i| if i < 3 - rank { missing } else { f(i + rank - 3) })
        };
        let sizes = ConvShape {
            batch: shape[0],
            groups: self.groups,
            in_channels: shape[1],
            out_channels: self.shape[0],
            input: of(1, &|i| shape[i + 2]),
            kernel: of(1, &|i| axes[i].kernel),
            output: of(1, &|i| result[i + 2]),
            stride: of(1, &|i| axes[i].stride),
            pad_begin: of(0, &|i| axes[i].pad.0),
            dilation: of(1, &|i| axes[i].dilation),
        };
        Ok((sizes, result))
    }

    /// The exact sums of `(x − zero) · weight`, in `i32`: `[batch, out, …]`. `zero` is one byte of the input's type, or one
    /// for each row of a dense layer; padding stands for 0. Groups are those of the weight.
    pub fn sums(&self, x: &Tensor, zero: Option<&Tensor>, options: &Convolution) -> Result<Tensor> {
        let (sizes, shape) = self.sizes(x, options)?;
        let zero = match zero {
            Some(zero) if zero.dtype() == DType::I8 => {
                zero.try_to_dtype(DType::I32)?.try_add(128)?.try_to_dtype(DType::U8)?
            }
            Some(zero) => zero.clone(),
            None => Tensor::from(if x.dtype() == DType::I8 { 128u8 } else { 0 }),
        };
        let border = Border { batch: sizes.batch, channels: sizes.in_channels, size: sizes.input, added: [(0, 0); 3] };
        let images = apply_shared(pack_images::op(border, 0), &[x])?;
        let op = integer_convolution::op(sizes, &shape);
        apply_shared(op, &[&images, &self.packed, &self.sums, &zero])
    }

    /// What [`ByteWeight::sums`] with the zero point `zero` gives, as bytes.
    pub fn bytes(&self, x: &Tensor, zero: &Tensor, result: &ByteResult, options: &Convolution) -> Result<Tensor> {
        let (sizes, shape) = self.sizes(x, options)?;
        let as_they_are = Tensor::from(1.0f32);
        let (Some((x_scale, _)), Some((y_scale, _))) =
            (ByteScale::of_constants(&as_they_are, zero), ByteScale::of_constants(&as_they_are, &result.zero))
        else {
            return Err(Error::op(
                "quantized_convolution",
                "needs one zero point for the input, and one for the result",
            ));
        };
        let added = border(&sizes).unwrap_or_default();
        let from = Border { batch: sizes.batch, channels: sizes.in_channels, size: sizes.input, added };
        let images = apply_shared(pack_images::op(from, x_scale.zero), &[x])?;
        let sizes = if added == [(0, 0); 3] { sizes } else { bordered(&sizes, added) };
        let bias = result.bias.clone().unwrap_or_else(|| Tensor::zeros_with(sizes.out_channels, DType::I32));
        let (residual, bounds, bytes) = (None, None, Some(y_scale));
        let ending = quantized_convolution::Ending { residual, bounds, bytes, shape: shape.clone() };
        let op = quantized_convolution::op(sizes, x_scale, ending);
        let scale = result.scale.try_expand([sizes.out_channels])?;
        let y = apply_shared(op, &[&images, &self.packed, &self.sums, &scale, &bias])?;
        let positions = sizes.output.iter().product();
        let meta = Meta::new(&shape, result.zero.dtype());
        apply_shared(unpack_images::op([sizes.batch, sizes.out_channels, positions], &meta), &[&y])
    }
}
