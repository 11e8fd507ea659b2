//! Numbers of few bits, with a scale and a zero point.

use super::cast::{element_attribute, to_element};
use super::conv::{convolve, groups, options};
use super::prelude::*;
use super::window::{Windows, spatial};
use hadal_core::{ByteResult, ByteWeight, Convolution, compile};

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
        let tensor = tensor.try_to_dtype(DType::F32)?;
        if let ElementType::U8 | ElementType::I8 = target {
            let zero = match x.optional(2)? {
                Some(zero) => blocks.spread(zero, tensor.shape())?,
                None => Tensor::zeros_with((), target.storage().expect("a type of bytes")),
            };
            return Ok(vec![tensor.try_quantize_linear(&scale, &zero)?.into()]);
        }
        if target.is_float() {
            return Ok(vec![super::cast::rounded(&tensor.try_div(&scale)?.into(), target, saturate)?]);
        }
        let zero = match x.optional(2)? {
            Some(zero) => Some(blocks.spread(zero, tensor.shape())?),
            None => None,
        };
        Ok(vec![saturated(&tensor.try_div(&scale)?, zero.as_ref(), target)?])
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
        let ((tensor, bytes), (scale, element)) = (x.typed(0)?, x.typed(1)?);
        if let ElementType::U8 | ElementType::I8 = bytes
            && element == ElementType::F32
            && target.is_none_or(|target| target == element)
        {
            let scale = blocks.spread(scale, tensor.shape())?;
            let zero = match x.optional(2)? {
                Some(zero) => blocks.spread(zero, tensor.shape())?,
                None => Tensor::zeros_with((), tensor.dtype()),
            };
            // A graph for inference multiplies the bytes themselves.
            return one(compile::deferred(tensor).try_dequantize_linear(&scale, &zero)?);
        }
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

/// The value of an input that is a constant.
fn known<'a>(node: &'a Node, i: usize) -> Option<&'a Tensor> {
    node.known.get(i)?.as_ref()?.tensor()
}

/// Whether an input is given.
fn given(node: &Node, i: usize) -> bool {
    node.message.inputs.get(i).is_some_and(|name| !name.is_empty())
}

/// A constant weight of bytes `[out, in / groups, …]`, less its zero point, packed once, if there are such products.
fn packed(node: &Node, weight: usize, zero: usize, groups: usize) -> Option<ByteWeight> {
    let point = known(node, zero);
    if given(node, zero) && point.is_none() {
        return None;
    }
    ByteWeight::new(known(node, weight).filter(|w| is_bytes(w))?, point, groups)
}

/// The same for the right operand of a product of matrices, `[in, out]`, or `[out, in]` if it is `turned`.
pub(super) fn packed_matrix(node: &Node, weight: usize, zero: usize, turned: bool) -> Option<ByteWeight> {
    let point = known(node, zero);
    let matrix = known(node, weight).filter(|w| is_bytes(w) && w.rank() == 2)?;
    let matrix = if turned { matrix.clone() } else { matrix.t() };
    if given(node, zero) && point.is_none() || point.is_some_and(|p| ![1, matrix.size(0)].contains(&p.elements())) {
        return None;
    }
    ByteWeight::new(&matrix, point, 1)
}

fn is_bytes(x: &Tensor) -> bool {
    matches!(x.dtype(), DType::U8 | DType::I8)
}

/// The exact products of bytes `a − zero` with a matrix, in `i32`, if it is packed and rows have such zero points.
pub(super) fn products(weight: Option<&ByteWeight>, a: &Tensor, zero: Option<&Tensor>) -> Result<Option<Tensor>> {
    let fits = |zero: &Tensor| zero.elements() == 1 || a.rank() == 2 && zero.elements() == a.size(0);
    let Some(weight) = weight.filter(|_| is_bytes(a) && a.rank() > 1 && zero.is_none_or(fits)) else { return Ok(None) };
    let rows = a.try_reshape([a.shape()[..a.rank() - 1].iter().product(), a.size(-1)])?;
    let sums = weight.sums(&rows, zero, &Convolution::new())?;
    let shape: Shape = a.shape()[..a.rank() - 1].iter().copied().chain([sums.size(1)]).collect();
    Ok(Some(sums.try_reshape(shape)?))
}

fn matmul_integer(node: &Node) -> Result<Run> {
    let packed = packed_matrix(node, 1, 3, false);
    run(move |x| {
        if let Some(sums) = products(packed.as_ref(), x.tensor(0)?, x.optional(2)?)? {
            return one(sums);
        }
        let a = difference(x.tensor(0)?, x.optional(2)?, |zero| per_line(zero, true))?;
        let b = difference(x.tensor(1)?, x.optional(3)?, |zero| per_line(zero, false))?;
        one(a.try_matmul(&b)?)
    })
}

/// What products of bytes need besides the input, all of it constant: the input's zero point, a weight, and what becomes of
/// the sums.
struct Requantized {
    zero: Tensor,
    weight: ByteWeight,
    result: ByteResult,
}

impl Requantized {
    /// From a node whose inputs are x, its scale and zero point, the weight with its own, those of the result, and a bias.
    fn new(node: &Node, weight: ByteWeight) -> Option<Requantized> {
        let number = |i: usize| known(node, i).filter(|t| t.elements() == 1)?.try_to_dtype(DType::F32).ok();
        let (x_scale, y_scale, scales) = (number(1)?, number(6)?, known(node, 4)?.try_to_dtype(DType::F32).ok()?);
        let scale = x_scale.try_reshape(()).ok()?.try_mul(scales.try_ravel().ok()?).ok()?;
        let scale = scale.try_div(y_scale.try_reshape(()).ok()?).ok()?;
        let zeros = [2, 7].map(|i| known(node, i).filter(|t| t.elements() == 1 && is_bytes(t)).cloned());
        let [Some(x_zero), Some(zero)] = zeros else { return None };
        // Only types of bytes, not the narrower ones that bytes hold.
        let element = node.known[7].as_ref()?.element_type()?;
        let bias = known(node, 8).cloned();
        if given(node, 8) && bias.is_none() || !matches!(element, ElementType::U8 | ElementType::I8) {
            return None;
        }
        Some(Requantized { zero: x_zero, weight, result: ByteResult { scale, bias, zero } })
    }

    fn run(&self, x: &Tensor, options: &Convolution) -> Result<Vec<Value>> {
        one(self.weight.bytes(x, &self.zero, &self.result, options)?)
    }
}

fn quantized_matmul(node: &Node) -> Result<Run> {
    let packed = packed_matrix(node, 3, 5, false).and_then(|weight| Requantized::new(node, weight));
    run(move |x| {
        let left = x.tensor(0)?;
        if let Some(packed) = packed.as_ref().filter(|_| left.rank() > 1) {
            let outer = &left.shape()[..left.rank() - 1];
            let rows = left.try_reshape([outer.iter().product(), left.size(-1)])?;
            let y = packed.weight.bytes(&rows, &packed.zero, &packed.result, &Convolution::new())?;
            let shape: Shape = outer.iter().copied().chain([y.size(1)]).collect();
            return one(y.try_reshape(shape)?);
        }
        let a = difference(left, x.optional(2)?, |zero| per_line(zero, true))?;
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

/// How windows move over an input of bytes, if nothing of it is cut off.
fn padded(x: &Tensor, weight: &Tensor, windows: &Windows, groups: usize) -> Result<Option<Convolution>> {
    let geometry = windows.over(spatial(x)?, Some(spatial(weight)?))?;
    let padding = geometry.padding().filter(|_| is_bytes(x));
    Ok(padding.map(|padding| options(&geometry, groups).padding(padding)))
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
    let packed = packed(node, 1, 3, groups);
    run(move |x| {
        let weight = x.tensor(1)?;
        if let Some(packed) = &packed
            && let Some(options) = padded(x.tensor(0)?, weight, &windows, groups)?
        {
            return one(packed.sums(x.tensor(0)?, x.optional(2)?, &options)?);
        }
        let input = difference(x.tensor(0)?, x.optional(2)?, |zero| zero.try_reshape(()))?;
        let weight = difference(weight, x.optional(3)?, |zero| per_channel(zero, weight.rank()))?;
        one(whole_convolution(&input, &weight, &windows, groups)?.try_to_dtype(DType::I32)?)
    })
}

pub(super) fn quantized_conv(node: &Node) -> Result<Run> {
    let (windows, groups) = (Windows::new(node)?, groups(node)?);
    let packed = packed(node, 3, 5, groups).and_then(|weight| Requantized::new(node, weight));
    run(move |x| {
        let weight = x.tensor(3)?;
        if let Some(packed) = &packed
            && let Some(options) = padded(x.tensor(0)?, weight, &windows, groups)?
        {
            return packed.run(x.tensor(0)?, &options);
        }
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
