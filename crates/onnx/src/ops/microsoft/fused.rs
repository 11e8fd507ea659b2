//! Pairs of operators in one: a bias or an activation after something else.

use crate::ops::conv::{convolve, groups};
use crate::ops::linear::gemm_of;
use crate::ops::norm::last_axes;
use crate::ops::prelude::*;
use crate::ops::window::Windows;

pub(super) const OPERATORS: &[Operator] = &[
    op("BiasAdd", 1, With(|_| run(|x| x.like(0, &x.tensor(0)?.try_add(x.tensor(1)?)?.try_add(x.tensor(2)?)?)))),
    op("BiasGelu", 1, Map2(|x, bias| x.try_add(bias)?.try_gelu())),
    op("BiasSplitGelu", 1, Map2(bias_split_gelu)),
    op("FastGelu", 1, With(fast_gelu)),
    op("FusedConv", 1, With(fused_conv)),
    op("FusedGemm", 1, With(fused_gemm)),
    op("FusedMatMul", 1, With(fused_matmul)),
    op("Gelu", 1, Map(Tensor::try_gelu)),
    op("GroupNorm", 1, With(group_norm)),
    op("Inverse", 1, Map(Tensor::try_inverse)),
    op("QuickGelu", 1, With(quick_gelu)),
    op("SkipLayerNormalization", 1, With(|node| skip_norm(node, Centred))),
    op("SkipSimplifiedLayerNormalization", 1, With(|node| skip_norm(node, AboutZero))),
    op("TransposeMatMul", 1, With(fused_matmul)),
];

/// The first half of the last axis times the GELU of the second.
fn bias_split_gelu(x: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let halves = x.try_add(bias)?.try_chunk(2, -1)?;
    match &halves[..] {
        [kept, gate] => kept.try_mul(gate.try_gelu()?),
        _ => invalid("the last axis cannot be split in halves"),
    }
}

fn fast_gelu(_: &Node) -> Result<Run> {
    run(|x| {
        let tensor = x.tensor(0)?;
        let sum = x.optional(1)?.map(|bias| tensor.try_add(bias)).transpose()?;
        x.like(0, &sum.as_ref().unwrap_or(tensor).try_gelu_tanh()?)
    })
}

fn quick_gelu(node: &Node) -> Result<Run> {
    let alpha = node.float_or("alpha", 1.702)?;
    run(move |x| {
        let tensor = x.tensor(0)?;
        x.like(0, &tensor.try_mul(tensor.try_mul(alpha)?.try_sigmoid()?)?)
    })
}

/// A function of one tensor.
type Activation = Box<dyn Fn(&Tensor) -> Result<Tensor> + Send + Sync>;

/// The activation that attributes name, with its parameters.
fn activation(node: &Node, parameters: Vec<f64>) -> Result<Activation> {
    let name = node.string_or("activation", "")?;
    let parameter = move |i: usize, default: f64| parameters.get(i).copied().unwrap_or(default);
    Ok(match &name[..] {
        "" => Box::new(|x| Ok(x.clone())),
        "Relu" => Box::new(Tensor::try_relu),
        "Tanh" => Box::new(Tensor::try_tanh),
        "Sigmoid" => Box::new(Tensor::try_sigmoid),
        "LeakyRelu" => Box::new(move |x| x.try_leaky_relu(parameter(0, 0.01))),
        "Clip" => Box::new(move |x| x.try_clamp(parameter(0, f64::from(f32::MIN)), parameter(1, f64::from(f32::MAX)))),
        "HardSigmoid" => {
            Box::new(move |x| x.try_mul(parameter(0, 0.2))?.try_add(parameter(1, 0.5))?.try_clamp(0.0, 1.0))
        }
        _ => {
            return Err(node.wrong("activation", format!("is `{}`, which is unknown", crate::decode::printable(&name))));
        }
    })
}

fn fused_conv(node: &Node) -> Result<Run> {
    let (windows, groups) = (Windows::new(node)?, groups(node)?);
    let activation = activation(node, node.floats("activation_params")?.unwrap_or_default())?;
    run(move |x| {
        let mut y = convolve(x.tensor(0)?, x.tensor(1)?, x.optional(2)?, &windows, groups)?;
        if let Some(added) = x.optional(3)? {
            y = y.try_add(added)?;
        }
        x.like(0, &activation(&y)?)
    })
}

fn fused_gemm(node: &Node) -> Result<Run> {
    let given = [node.float("activation_alpha")?, node.float("activation_beta")?];
    let activation = activation(node, given.into_iter().flatten().collect())?;
    let gemm = gemm_of(node)?;
    run(move |x| x.like(0, &activation(&gemm(x)?)?))
}

/// A product with transposed operands. With `transBatch`, the rows stand before the batch axes.
fn fused_matmul(node: &Node) -> Result<Run> {
    let alpha = node.float_or("alpha", 1.0)?;
    let turns = [("transA", "transBatchA"), ("transB", "transBatchB")];
    let turns = turns.map(|(last, batch)| Ok::<_, Error>((node.flag(last)?, node.flag(batch)?)));
    let [a, b] = turns;
    let (a, b) = (a?, b?);
    run(move |x| {
        let operand = |i: usize, (last, batch): (bool, bool)| {
            let mut tensor = x.tensor(i)?.clone();
            if batch && tensor.rank() > 2 {
                tensor = tensor.try_movedim(0, -2)?;
            }
            if last && tensor.rank() > 1 { tensor.try_transpose(-2, -1) } else { Ok(tensor) }
        };
        let y = operand(0, a)?.try_matmul(&operand(1, b)?)?;
        x.like(0, &if alpha == 1.0 { y } else { y.try_mul(alpha)? })
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Norm {
    /// Layer normalization.
    Centred,
    /// Root mean square normalization, which calls itself simplified.
    AboutZero,
}
use Norm::{AboutZero, Centred};

/// The normalized sum of two inputs and a bias; the sum is the fourth output.
fn skip_norm(node: &Node, norm: Norm) -> Result<Run> {
    let eps = node.float_or("epsilon", 1e-12)?;
    run(move |x| {
        let (tensor, element) = x.typed(0)?;
        let (shift, bias) = if norm == Centred { (x.optional(3)?, x.optional(4)?) } else { (None, x.optional(3)?) };
        let mut sum = tensor.try_add(x.tensor(1)?)?;
        if let Some(bias) = bias {
            sum = sum.try_add(bias)?;
        }
        let (last, weight) = (last_axes(&sum, -1)?, x.tensor(2)?);
        let y = match norm {
            Centred => sum.try_layer_norm(&last, Some(weight), shift, eps)?,
            AboutZero => sum.try_rms_norm(&last, Some(weight), Some(eps))?,
        };
        let wide = sum.try_to_dtype(sum.dtype().compute())?;
        let mean = wide.try_mean_keepdim(-1)?;
        let spread = match norm {
            Centred => wide.try_var_keepdim_with_correction(-1, 0.0)?,
            AboutZero => wide.try_square()?.try_mean_keepdim(-1)?,
        };
        let deviation = spread.try_add(eps)?.try_rsqrt()?;
        Ok(vec![Value::typed(&y, element)?, mean.into(), deviation.into(), Value::typed(&sum, element)?])
    })
}

/// Group normalization of images whose channels are last, and perhaps SiLU.
fn group_norm(node: &Node) -> Result<Run> {
    let groups = node.required("groups", node.int("groups")?)?.max(1) as usize;
    let (eps, silu) = (node.float_or("epsilon", 1e-5)?, node.flag("activation")?);
    let last = node.int_or("channels_last", 1)? != 0;
    run(move |x| {
        let tensor = x.tensor(0)?;
        let first = if last { tensor.try_movedim(-1, 1)? } else { tensor.clone() };
        let wide = |i: usize| x.tensor(i)?.try_to_dtype(tensor.dtype());
        let mut y = first.try_group_norm(groups, Some(&wide(1)?), Some(&wide(2)?), eps)?;
        if silu {
            y = y.try_silu()?;
        }
        x.like(0, &if last { y.try_movedim(1, -1)? } else { y })
    })
}
