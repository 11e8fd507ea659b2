//! Quantized operators beyond the standard ones. Those of real numbers are computed as such between a dequantization
//! and a quantization, as onnxruntime defines them; products of integers are exact.

use crate::ops::pool::average;
use crate::ops::prelude::*;
use crate::ops::quantize::{difference, packed_matrix, per_line, products};
use crate::ops::window::Windows;

pub(super) const OPERATORS: &[Operator] = &[
    op("DynamicQuantizeMatMul", 1, With(dynamic_quantize_matmul)),
    op("MatMulIntegerToFloat", 1, With(matmul_integer_to_float)),
    op("MatMulNBits", 1, With(matmul_bits)),
    op("QGemm", 1, With(gemm)),
    op("QLinearAdd", 1, With(|_| binary(|a, b| a.try_add(b)))),
    op("QLinearAveragePool", 1, With(average_pool)),
    op("QLinearConcat", 1, With(concat)),
    op("QLinearGlobalAveragePool", 1, With(global_average_pool)),
    op("QLinearLeakyRelu", 1, With(leaky_relu)),
    op("QLinearMul", 1, With(|_| binary(|a, b| a.try_mul(b)))),
    op("QLinearSigmoid", 1, With(|_| unary(Tensor::try_sigmoid))),
    op("QLinearSoftmax", 1, With(softmax)),
];

/// Inputs `i`, `i + 1` and `i + 2` as real numbers: `(x − zero point) · scale`.
fn real(x: &Inputs, i: usize) -> Result<Tensor> {
    let (bytes, scale) = (x.tensor(i)?, x.tensor(i + 1)?.try_reshape(())?);
    let zero = match x.optional(i + 2)? {
        Some(zero) => zero.try_reshape(())?,
        None => Tensor::zeros_with((), bytes.dtype()),
    };
    bytes.try_dequantize_linear(&scale, &zero)
}

/// Real numbers as the type of input `like`, with the scale and zero point of inputs `i` and `i + 1`.
fn quantized(x: &Inputs, y: &Tensor, i: usize, like: usize) -> Result<Vec<Value>> {
    let zero = match x.optional(i + 1)? {
        Some(zero) => zero.try_reshape(())?,
        None => Tensor::zeros_with((), x.tensor(like)?.dtype()),
    };
    one(y.try_quantize_linear(&x.tensor(i)?.try_reshape(())?, &zero)?)
}

fn unary(f: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static) -> Result<Run> {
    run(move |x| quantized(x, &f(&real(x, 0)?)?, 3, 0))
}

fn binary(f: fn(&Tensor, &Tensor) -> Result<Tensor>) -> Result<Run> {
    run(move |x| quantized(x, &f(&real(x, 0)?, &real(x, 3)?)?, 6, 0))
}

fn leaky_relu(node: &Node) -> Result<Run> {
    let alpha = node.float_or("alpha", 0.01)?;
    unary(move |x| x.try_leaky_relu(alpha))
}

fn softmax(node: &Node) -> Result<Run> {
    let axis = node.int_or("axis", -1)? as isize;
    unary(move |x| x.try_softmax(axis))
}

/// `f` of tensors with the channels first, wherever the input has them.
fn channels_first(node: &Node, f: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static) -> Result<Run> {
    match node.flag("channels_last")? {
        true => unary(move |x| f(&x.try_movedim(-1, 1)?)?.try_movedim(1, -1)),
        false => unary(f),
    }
}

fn average_pool(node: &Node) -> Result<Run> {
    let (windows, ceil) = (Windows::new(node)?, node.flag("ceil_mode")?);
    let include = node.flag("count_include_pad")?;
    channels_first(node, move |x| average(x, &windows, ceil, include))
}

fn global_average_pool(node: &Node) -> Result<Run> {
    channels_first(node, |x| x.try_mean_keepdim(&(2..x.rank()).collect::<Vec<_>>()[..]))
}

/// The result's scale and zero point come first, then three inputs for every part.
fn concat(node: &Node) -> Result<Run> {
    let axis = node.required("axis", node.int("axis")?)? as isize;
    run(move |x| {
        let parts = (2..x.len()).step_by(3).map(|i| real(x, i)).collect::<Result<Vec<_>>>()?;
        quantized(x, &Tensor::try_cat(&parts, axis)?, 0, 2)
    })
}

/// Inputs A, B, their scales, zero points, a bias.
fn matmul_integer_to_float(node: &Node) -> Result<Run> {
    let packed = packed_matrix(node, 1, 5, false);
    run(move |x| {
        let sums = match products(packed.as_ref(), x.tensor(0)?, x.optional(4)?)? {
            Some(sums) => sums,
            None => {
                let a = difference(x.tensor(0)?, x.optional(4)?, |zero| per_line(zero, true))?;
                a.try_matmul(&difference(x.tensor(1)?, x.optional(5)?, |zero| per_line(zero, false))?)?
            }
        };
        let scale = per_line(x.tensor(2)?, true)?.try_mul(per_line(x.tensor(3)?, false)?)?;
        one(biased(sums.try_to_dtype(DType::F32)?.try_mul(scale)?, x.optional(6)?)?)
    })
}

fn biased(y: Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    match bias {
        Some(bias) => y.try_add(bias),
        None => Ok(y),
    }
}

/// The first operand is quantized to bytes on the way.
fn dynamic_quantize_matmul(node: &Node) -> Result<Run> {
    let packed = packed_matrix(node, 1, 3, false);
    run(move |x| {
        let (bytes, scale, zero) = crate::ops::quantize::to_bytes(x.tensor(0)?)?;
        let sums = match products(packed.as_ref(), &bytes, Some(&zero))? {
            Some(sums) => sums,
            None => {
                let a = difference(&bytes, Some(&zero), |zero| Ok(zero.clone()))?;
                a.try_matmul(&difference(x.tensor(1)?, x.optional(3)?, |zero| per_line(zero, false))?)?
            }
        };
        let scale = per_line(x.tensor(2)?, false)?.try_mul(&scale)?;
        one(biased(sums.try_to_dtype(DType::F32)?.try_mul(scale)?, x.optional(4)?)?)
    })
}

/// A product of quantized matrices with an integer bias; without a scale for the result it stays a float.
fn gemm(node: &Node) -> Result<Run> {
    let (alpha, turns) = (node.float_or("alpha", 1.0)?, [node.flag("transA")?, node.flag("transB")?]);
    let packed = packed_matrix(node, 3, 5, turns[1]);
    run(move |x| {
        let turn = |m: &Tensor, turned: bool| if turned { m.try_transpose(0, 1) } else { Ok(m.clone()) };
        let left = turn(x.tensor(0)?, turns[0])?;
        let sums = match products(packed.as_ref(), &left, x.optional(2)?)? {
            Some(sums) => sums,
            None => {
                let b = difference(&turn(x.tensor(3)?, turns[1])?, x.optional(5)?, |zero| per_line(zero, false))?;
                difference(&left, x.optional(2)?, |zero| zero.try_reshape(()))?.try_matmul(&b)?
            }
        };
        let sums = biased(sums, x.optional(6)?)?.try_to_dtype(DType::F32)?;
        let scale = x.tensor(1)?.try_reshape(())?.try_mul(per_line(x.tensor(4)?, false)?)?.try_mul(alpha)?;
        let y = sums.try_mul(scale)?;
        if x.has(7) { quantized(x, &y, 7, 0) } else { one(y) }
    })
}

/// A product with a matrix whose rows are blocks of numbers of 2, 4 or 8 bits, each block with a scale and a zero point.
fn matmul_bits(node: &Node) -> Result<Run> {
    let number = |name: &str| node.required(name, node.int(name)?);
    let sizes = sizes_of(&[number("N")?, number("K")?])?;
    let (rows, columns) = (sizes[0], sizes[1]);
    let (bits, block) = (node.int_or("bits", 4)? as usize, number("block_size")? as usize);
    if ![2, 4, 8].contains(&bits) || !(1..=1 << 16).contains(&block) {
        return Err(node.wrong("bits", "or the size of blocks is not supported"));
    }
    let blocks = columns.div_ceil(block);
    let unpack = move |bytes: &Tensor, per_row: usize, wanted: usize| -> Result<Vec<f32>> {
        let bytes = bytes.try_to_vec::<u8>()?;
        let (per_byte, mask) = (8 / bits, ((1u16 << bits) - 1) as u8);
        if bytes.len() != rows * per_row {
            return invalid(format!("{} bytes are given, {} are needed", bytes.len(), rows * per_row));
        }
        let row = |row: &[u8]| {
            let values = row.iter().flat_map(|&b| (0..per_byte).map(move |i| f32::from((b >> (i * bits)) & mask)));
            values.take(wanted).collect::<Vec<_>>()
        };
        Ok(bytes.chunks_exact(per_row.max(1)).flat_map(row).collect())
    };
    run(move |x| {
        if x.has(4) {
            return invalid("an order of groups (g_idx) is not supported");
        }
        let padded = blocks * block;
        let weight = unpack(x.tensor(1)?, blocks * (block * bits).div_ceil(8), padded)?;
        let weight = Tensor::try_from_vec(weight, [rows, blocks, block])?;
        let scales = x.tensor(2)?.try_to_dtype(DType::F32)?.try_reshape([rows, blocks, 1])?;
        let weight = match x.optional(3)? {
            Some(zero) if zero.dtype() == DType::U8 => {
                let zero = unpack(zero, (blocks * bits).div_ceil(8), blocks)?;
                weight.try_sub(Tensor::try_from_vec(zero, [rows, blocks, 1])?)?
            }
            Some(zero) => weight.try_sub(zero.try_to_dtype(DType::F32)?.try_reshape([rows, blocks, 1])?)?,
            None => weight.try_sub((1 << (bits - 1)) as f64)?,
        };
        let weight = weight.try_mul(scales)?.try_reshape([rows, padded])?.try_narrow(1, 0, columns)?;
        let a = x.tensor(0)?;
        x.like(0, &a.try_linear(&weight.try_to_dtype(a.dtype())?, x.optional(5)?)?)
    })
}
