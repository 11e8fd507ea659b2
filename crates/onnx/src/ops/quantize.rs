//! Numbers of few bits, with a scale and a zero point.

use super::cast::{element_attribute, to_element};
use super::conv::{convolve, groups};
use super::prelude::*;
use super::window::Windows;

pub(super) const OPERATORS: &[Operator] = &[
    op("ConvInteger", 10, With(conv_integer)),
    op("DequantizeLinear", 10, With(dequantize)),
    op("DynamicQuantizeLinear", 11, With(dynamic_quantize)),
    op("MatMulInteger", 10, With(matmul_integer)),
    op("QLinearConv", 10, With(quantized_conv)),
    op("QLinearMatMul", 10, With(quantized_matmul)),
    op("QuantizeLinear", 10, With(quantize)),
];

/// Along which axis scales and zero points differ, and for how many elements one holds.
#[derive(Clone, Copy)]
struct Blocks {
    axis: i64,
    size: usize,
}

impl Blocks {
    fn new(node: &Node) -> Result<Blocks> {
        let size = node.int_or("block_size", 0)?.max(0) as usize;
        Ok(Blocks { axis: node.int_or("axis", 1)?, size })
    }

    /// Scales or zero points in a shape that broadcasts to `shape`: one for all, one per position of the axis, or one
    /// per block.
    fn spread(self, values: &Tensor, shape: &Shape) -> Result<Tensor> {
        if values.elements() == 1 {
            return values.try_reshape(());
        }
        let axis = axis_of(self.axis, shape.rank())?;
        if self.size == 0 || values.rank() == 1 {
            let mut broadcast = vec![1; shape.rank()];
            broadcast[axis] = values.elements();
            return values.try_reshape(broadcast);
        }
        let size = self.size.min(shape[axis].max(1));
        if values.rank() != shape.rank() || values.size(axis as isize) != shape[axis].div_ceil(size) {
            return invalid(format!(
                "scales of shape {} do not fit blocks of {} in {shape}",
                values.shape(),
                self.size
            ));
        }
        values.try_repeat_interleave(size, axis as isize)?.try_narrow(axis as isize, 0, shape[axis])
    }
}

/// `x / scale + zero point`, rounded to the nearest value of the type; what is too large becomes the largest.
pub(super) fn quantize(node: &Node) -> Result<Run> {
    let (blocks, target) = (Blocks::new(node)?, element_attribute(node, "output_dtype")?);
    let saturate = node.int_or("saturate", 1)? != 0;
    if !saturate && node.int("precision")?.is_some() {
        return Err(node.wrong("saturate", "cannot be off with a precision"));
    }
    run(move |x| {
        let (tensor, scale) = (x.tensor(0)?, x.tensor(1)?);
        let target = match x.get(2).and_then(Value::element_type) {
            Some(element) => element,
            None => target.unwrap_or(ElementType::U8),
        };
        let scale = blocks.spread(&scale.try_to_dtype(DType::F32)?, tensor.shape())?;
        let scaled = tensor.try_to_dtype(DType::F32)?.try_div(&scale)?;
        if target.is_float() {
            return Ok(vec![super::cast::rounded(&scaled.into(), target, saturate)?]);
        }
        let zero = match x.optional(2)? {
            Some(zero) => Some(blocks.spread(zero, tensor.shape())?),
            None => None,
        };
        Ok(vec![saturated(&scaled, zero.as_ref(), target)?])
    })
}

/// Rounded to whole numbers (the even one of two), moved by the zero point, and brought into the range of the type.
pub(super) fn saturated(x: &Tensor, zero: Option<&Tensor>, target: ElementType) -> Result<Value> {
    let Some((bits, signed)) = target.integer().filter(|(bits, _)| *bits <= 32) else {
        return invalid(format!("{target} cannot hold quantized numbers"));
    };
    let least = if signed { -(1i64 << (bits - 1)) } else { 0 };
    let greatest = least + (1i64 << bits) - 1;
    let mut y = x.try_round()?.try_to_dtype(DType::F64)?;
    if let Some(zero) = zero {
        y = y.try_add(zero.try_to_dtype(DType::F64)?)?;
    }
    let y = y.try_clamp(least as f64, greatest as f64)?.try_to_dtype(DType::I64)?;
    Value::typed(&y, target)
}

/// `(x − zero point) · scale`, in the type of the scale.
pub(super) fn dequantize(node: &Node) -> Result<Run> {
    let (blocks, target) = (Blocks::new(node)?, element_attribute(node, "output_dtype")?);
    run(move |x| {
        let (tensor, (scale, element)) = (x.tensor(0)?, x.typed(1)?);
        let mut y = difference(tensor, x.optional(2)?, |zero| blocks.spread(zero, tensor.shape()))?;
        y = y.try_to_dtype(DType::F32)?;
        let scale = blocks.spread(&scale.try_to_dtype(DType::F32)?, tensor.shape())?;
        let y: Value = y.try_mul(scale)?.into();
        Ok(vec![to_element(&y, target.unwrap_or(element))?])
    })
}

/// `x` less its zero point, exact: as `i32`, or as the float that a narrow float is.
pub(super) fn difference(
    x: &Tensor,
    zero: Option<&Tensor>,
    spread: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let wide = |x: &Tensor| if x.dtype().is_float() { Ok(x.clone()) } else { x.try_to_dtype(DType::I32) };
    match zero {
        Some(zero) => wide(x)?.try_sub(spread(&wide(zero)?)?),
        None => wide(x),
    }
}

fn dynamic_quantize(_: &Node) -> Result<Run> {
    run(|x| {
        let (y, scale, zero) = to_bytes(x.tensor(0)?)?;
        Ok(vec![y.into(), scale.into(), zero.into()])
    })
}

/// Bytes, with the scale and zero point that fit the smallest and the largest element and 0.
pub(super) fn to_bytes(x: &Tensor) -> Result<(Tensor, Tensor, Tensor)> {
    let zero = Tensor::zeros_with((), x.dtype());
    let (low, high) = (x.try_amin(..)?.try_minimum(&zero)?, x.try_amax(..)?.try_maximum(&zero)?);
    let scale = high.try_sub(&low)?.try_div(255.0)?;
    // Nothing but zeros: any scale will do.
    let divisor = scale.try_eq(0)?.try_where_(1.0, &scale)?;
    let bytes = |x: &Tensor, zero: Option<&Tensor>| {
        x.try_round()?.try_add(zero.unwrap_or(&Tensor::zeros_with((), x.dtype())))?.try_clamp(0.0, 255.0)
    };
    let zero_point = bytes(&low.try_neg()?.try_div(&divisor)?, None)?;
    let y = bytes(&x.try_div(&divisor)?, Some(&zero_point))?;
    Ok((y.try_to_dtype(DType::U8)?, scale, zero_point.try_to_dtype(DType::U8)?))
}

/// Zero points or scales of the left operand, one per row, or of the right one, one per column.
pub(super) fn per_line(values: &Tensor, left: bool) -> Result<Tensor> {
    match values.rank() {
        _ if values.elements() == 1 => values.try_reshape(()),
        1 if left => values.try_unsqueeze(1),
        _ => Ok(values.clone()),
    }
}

fn matmul_integer(_: &Node) -> Result<Run> {
    run(|x| {
        let a = difference(x.tensor(0)?, x.optional(2)?, |zero| per_line(zero, true))?;
        let b = difference(x.tensor(1)?, x.optional(3)?, |zero| per_line(zero, false))?;
        one(a.try_matmul(&b)?)
    })
}

fn quantized_matmul(_: &Node) -> Result<Run> {
    run(|x| {
        let a = difference(x.tensor(0)?, x.optional(2)?, |zero| per_line(zero, true))?;
        let b = difference(x.tensor(3)?, x.optional(5)?, |zero| per_line(zero, false))?;
        let wide = |i: usize, left| per_line(&x.tensor(i)?.try_to_dtype(DType::F32)?, left);
        let scale = wide(1, true)?.try_mul(wide(4, false)?)?.try_div(wide(6, false)?)?;
        let sums = a.try_matmul(&b)?.try_to_dtype(DType::F32)?;
        let (zero, element) = x.typed(7)?;
        Ok(vec![saturated(&sums.try_mul(scale)?, Some(zero), element)?])
    })
}

/// Sums of whole numbers are exact in `f64`: its 53 bits hold more than 10^11 products of bytes.
fn whole_convolution(x: &Tensor, weight: &Tensor, windows: &Windows, groups: usize) -> Result<Tensor> {
    convolve(&x.try_to_dtype(DType::F64)?, &weight.try_to_dtype(DType::F64)?, None, windows, groups)
}

/// One value per output channel, or one for all, beside a weight `[out, in, …]`.
fn per_channel(values: &Tensor, rank: usize) -> Result<Tensor> {
    if values.elements() == 1 {
        return values.try_reshape(());
    }
    let shape: Shape = (0..rank).map(|axis| if axis == 0 { values.elements() } else { 1 }).collect();
    values.try_reshape(shape)
}

fn conv_integer(node: &Node) -> Result<Run> {
    let (windows, groups) = (Windows::new(node)?, groups(node)?);
    run(move |x| {
        let weight = x.tensor(1)?;
        let input = difference(x.tensor(0)?, x.optional(2)?, |zero| zero.try_reshape(()))?;
        let weight = difference(weight, x.optional(3)?, |zero| per_channel(zero, weight.rank()))?;
        one(whole_convolution(&input, &weight, &windows, groups)?.try_to_dtype(DType::I32)?)
    })
}

pub(super) fn quantized_conv(node: &Node) -> Result<Run> {
    let (windows, groups) = (Windows::new(node)?, groups(node)?);
    run(move |x| {
        let weight = x.tensor(3)?;
        let input = difference(x.tensor(0)?, x.optional(2)?, |zero| zero.try_reshape(()))?;
        let rank = weight.rank();
        let weight = difference(weight, x.optional(5)?, |zero| per_channel(zero, rank))?;
        let mut sums = whole_convolution(&input, &weight, &windows, groups)?;
        let channels = |values: &Tensor| per_channel(values, rank - 1);
        if let Some(bias) = x.optional(8)? {
            sums = sums.try_add(channels(&bias.try_to_dtype(DType::F64)?)?)?;
        }
        let wide = |i: usize| x.tensor(i)?.try_to_dtype(DType::F32);
        let scale = wide(1)?.try_reshape(())?.try_mul(channels(&wide(4)?)?)?.try_div(wide(6)?.try_reshape(())?)?;
        let (zero, element) = x.typed(7)?;
        Ok(vec![saturated(&sums.try_to_dtype(DType::F32)?.try_mul(scale)?, Some(zero), element)?])
    })
}
