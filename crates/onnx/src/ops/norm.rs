//! Bringing numbers to one scale.

use super::prelude::*;

pub(super) const OPERATORS: &[Operator] = &[
    op("BatchNormalization", 7, With(batch_norm)),
    op("GroupNormalization", 18, With(|node| group_norm(node, PerGroup))),
    op("GroupNormalization", 21, With(|node| group_norm(node, PerChannel))),
    op("Hardmax", 1, With(|node| over_flat_rows(node, hardmax))),
    op("Hardmax", 13, With(|node| over_axis(node, hardmax))),
    op("InstanceNormalization", 6, With(instance_norm)),
    op("LRN", 1, With(local_response_norm)),
    // Before version 17 an extension of onnxruntime in the same domain, as the simplified one still is.
    op("LayerNormalization", 1, With(layer_norm)),
    op("LogSoftmax", 1, With(|node| over_flat_rows(node, Tensor::try_log_softmax))),
    op("LogSoftmax", 13, With(|node| over_axis(node, Tensor::try_log_softmax))),
    op("LpNormalization", 1, With(lp_norm)),
    op("MeanVarianceNormalization", 9, With(mean_variance_norm)),
    op("RMSNormalization", 23, With(rms_norm)),
    op("SimplifiedLayerNormalization", 1, With(rms_norm)),
    op("Softmax", 1, With(|node| over_flat_rows(node, Tensor::try_softmax))),
    op("Softmax", 13, With(|node| over_axis(node, Tensor::try_softmax))),
];

/// Until opset 12: over all axes from `axis` on, taken as one.
fn over_flat_rows(node: &Node, f: fn(&Tensor, isize) -> Result<Tensor>) -> Result<Run> {
    let axis = node.int_or("axis", 1)?;
    run(move |x| {
        let tensor = x.tensor(0)?;
        let rank = tensor.rank();
        let at = if axis == rank as i64 { rank } else { axis_of(axis, rank)? };
        let rows: usize = tensor.shape()[..at].iter().product();
        let columns: usize = tensor.shape()[at..].iter().product();
        x.like(0, &f(&tensor.try_reshape([rows, columns])?, 1)?.try_reshape(tensor.shape())?)
    })
}

fn over_axis(node: &Node, f: fn(&Tensor, isize) -> Result<Tensor>) -> Result<Run> {
    let axis = node.int_or("axis", -1)? as isize;
    run(move |x| x.like(0, &f(x.tensor(0)?, axis)?))
}

/// 1 where the first largest element stands, 0 elsewhere.
fn hardmax(x: &Tensor, axis: isize) -> Result<Tensor> {
    x.zeros_like().try_scatter(axis, &x.try_argmax_keepdim(axis)?, x.try_amax_keepdim(axis)?.ones_like())
}

/// With statistics of the batch only if the node says so: then it also returns the updated running statistics.
fn batch_norm(node: &Node) -> Result<Run> {
    let (eps, momentum) = (node.float_or("epsilon", 1e-5)?, node.float_or("momentum", 0.9)?);
    let training = node.flag("training_mode")?;
    // Until opset 8.
    if node.int_or("spatial", 1)? == 0 {
        return Err(node.wrong("spatial", "is 0: statistics of single elements are not supported"));
    }
    run(move |x| {
        let (tensor, element) = x.typed(0)?;
        let (weight, bias, mean, variance) = (x.tensor(1)?, x.tensor(2)?, x.tensor(3)?, x.tensor(4)?);
        if !training {
            return x.like(0, &tensor.try_batch_norm_eval(mean, variance, Some(weight), Some(bias), eps)?);
        }
        let axes: Vec<usize> = (0..tensor.rank()).filter(|&a| a != 1).collect();
        let wide = tensor.try_to_dtype(tensor.dtype().compute())?;
        let batch_mean = wide.try_mean(&axes[..])?;
        let batch_variance = wide.try_var_with_correction(&axes[..], 0.0)?;
        let y = tensor.try_batch_norm_eval(&batch_mean, &batch_variance, Some(weight), Some(bias), eps)?;
        let blend = |running: &Tensor, batch: &Tensor| {
            let batch = batch.try_to_dtype(running.dtype())?.try_mul(1.0 - momentum)?;
            Ok::<_, Error>(Value::from(running.try_mul(momentum)?.try_add(batch)?))
        };
        Ok(vec![Value::typed(&y, element)?, blend(mean, &batch_mean)?, blend(variance, &batch_variance)?])
    })
}

fn instance_norm(node: &Node) -> Result<Run> {
    let eps = node.float_or("epsilon", 1e-5)?;
    run(move |x| x.like(0, &x.tensor(0)?.try_instance_norm(Some(x.tensor(1)?), Some(x.tensor(2)?), eps)?))
}

#[derive(Clone, Copy)]
enum Scales {
    PerGroup,
    PerChannel,
}
use Scales::{PerChannel, PerGroup};

fn group_norm(node: &Node, scales: Scales) -> Result<Run> {
    let groups = node.required("num_groups", node.int("num_groups")?)?.max(1) as usize;
    let eps = node.float_or("epsilon", 1e-5)?;
    run(move |x| {
        let tensor = x.tensor(0)?;
        let channels = tensor.shape().get(1).copied().unwrap_or(0);
        let each = |i: usize| match scales {
            PerChannel => Ok(x.tensor(i)?.clone()),
            PerGroup => x.tensor(i)?.try_repeat_interleave(channels / groups, 0),
        };
        x.like(0, &tensor.try_group_norm(groups, Some(&each(1)?), Some(&each(2)?), eps)?)
    })
}

/// The sizes of the axes from `axis` on.
pub(super) fn last_axes(tensor: &Tensor, axis: i64) -> Result<Shape> {
    Ok(tensor.shape()[axis_of(axis, tensor.rank())?..].into())
}

fn layer_norm(node: &Node) -> Result<Run> {
    let (axis, eps) = (node.int_or("axis", -1)?, node.float_or("epsilon", 1e-5)?);
    let statistics = node.wants(1) || node.wants(2);
    run(move |x| {
        let (tensor, element) = x.typed(0)?;
        let last = last_axes(tensor, axis)?;
        let weight = x.tensor(1)?.try_expand(&last)?;
        let bias = x.optional(2)?.map(|b| b.try_expand(&last)).transpose()?;
        let y = tensor.try_layer_norm(&last, Some(&weight), bias.as_ref(), eps)?;
        let mut outputs = vec![Value::typed(&y, element)?];
        if statistics {
            let axes: Vec<usize> = (tensor.rank() - last.rank()..tensor.rank()).collect();
            let wide = tensor.try_to_dtype(tensor.dtype().compute())?;
            outputs.push(wide.try_mean_keepdim(&axes[..])?.into());
            let variance = wide.try_var_keepdim_with_correction(&axes[..], 0.0)?;
            outputs.push(variance.try_add(eps)?.try_rsqrt()?.into());
        }
        Ok(outputs)
    })
}

fn rms_norm(node: &Node) -> Result<Run> {
    let (axis, eps) = (node.int_or("axis", -1)?, node.float_or("epsilon", 1e-5)?);
    run(move |x| {
        let tensor = x.tensor(0)?;
        let last = last_axes(tensor, axis)?;
        x.like(0, &tensor.try_rms_norm(&last, Some(&x.tensor(1)?.try_expand(&last)?), Some(eps))?)
    })
}

/// `x / (bias + alpha / size · Σ x²)^beta`, the sum over `size` neighbouring channels.
fn local_response_norm(node: &Node) -> Result<Run> {
    let size = node.required("size", node.int("size")?)?;
    let (alpha, beta) = (node.float_or("alpha", 1e-4)?, node.float_or("beta", 0.75)?);
    let bias = node.float_or("bias", 1.0)?;
    if size < 1 {
        return Err(node.wrong("size", "is not positive"));
    }
    run(move |x| {
        let tensor = x.tensor(0)?;
        if tensor.rank() < 2 {
            return invalid("an axis of channels is needed");
        }
        let channels = tensor.size(1);
        let size = size.min(2 * channels as i64 + 1) as isize;
        let mut amounts = vec![(0, 0); tensor.rank()];
        amounts[1] = ((size - 1) / 2, size / 2);
        let squares = tensor.try_square()?.try_pad(&amounts, hadal_core::Border::ZEROS)?;
        let mut sum = squares.try_narrow(1, 0, channels)?;
        for i in 1..size as usize {
            sum = sum.try_add(squares.try_narrow(1, i, channels)?)?;
        }
        x.like(0, &tensor.try_div(sum.try_mul(alpha / size as f64)?.try_add(bias)?.try_pow(beta)?)?)
    })
}

/// What has no length stays zero.
fn lp_norm(node: &Node) -> Result<Run> {
    let (axis, p) = (node.int_or("axis", -1)? as isize, node.int_or("p", 2)?);
    if p != 1 && p != 2 {
        return Err(node.wrong("p", format!("is {p}, neither 1 nor 2")));
    }
    run(move |x| {
        let tensor = x.tensor(0)?;
        let length = match p {
            1 => tensor.try_abs()?.try_sum_keepdim(axis)?,
            _ => tensor.try_square()?.try_sum_keepdim(axis)?.try_sqrt()?,
        };
        x.like(0, &tensor.try_div(length.try_eq(0)?.try_where_(1.0, &length)?)?)
    })
}

fn mean_variance_norm(node: &Node) -> Result<Run> {
    let axes: Vec<i64> = node.ints("axes")?.unwrap_or_else(|| vec![0, 2, 3]);
    run(move |x| {
        let tensor = x.tensor(0)?;
        let axes = axes_of(&axes, tensor.rank())?;
        let centred = tensor.try_sub(tensor.try_mean_keepdim(&axes[..])?)?;
        let deviation = centred.try_square()?.try_mean_keepdim(&axes[..])?.try_sqrt()?;
        x.like(0, &centred.try_div(deviation.try_add(1e-9)?)?)
    })
}
