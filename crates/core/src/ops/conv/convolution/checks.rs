//! From a caller's tensors and options to a geometry that fits: the checks, their messages, the batch axis, the types.

use super::geometry::Geometry;
use super::options::{Convolution, per_axis};
use crate::ops::prelude::*;

/// The axes of an input with `rank` spatial axes, for messages.
fn axes_of(rank: usize) -> &'static str {
    ["", "length", "height, width", "depth, height, width"][rank]
}

/// The input with a batch axis, and whether it came without.
fn batched(op: &'static str, x: &Tensor, rank: usize) -> Result<(Tensor, bool)> {
    match x.rank().checked_sub(rank) {
        Some(2) => Ok((x.clone(), false)),
        Some(1) => Ok((x.try_reshape(std::iter::once(1).chain(x.shape().iter().copied()).collect::<Shape>())?, true)),
        _ => {
            let (axes, shape) = (axes_of(rank), x.shape());
            let message =
                format!("needs an input [batch, channels, {axes}] (or without the batch axis), got shape {shape}");
            Err(Error::op(op, message))
        }
    }
}

/// Casts to what kernels compute in, applies `f`, and casts back.
fn computed(
    inputs: [&Tensor; 2],
    bias: Option<&Tensor>,
    f: impl Fn(&Tensor, &Tensor, Option<&Tensor>) -> Result<Tensor>,
) -> Result<Tensor> {
    let dtype = inputs[0].dtype();
    let wide = |t: &Tensor| if t.dtype() == dtype { t.try_to_dtype(dtype.compute()) } else { Ok(t.clone()) };
    let bias = bias.map(wide).transpose()?;
    f(&wide(inputs[0])?, &wide(inputs[1])?, bias.as_ref())?.try_to_dtype(dtype)
}

fn require_bias(op: &'static str, bias: Option<&Tensor>, channels: usize) -> Result<()> {
    match bias {
        Some(b) if *b.shape() != [channels] => {
            Err(Error::op(op, format!("needs a bias of shape [{channels}], got {}", b.shape())))
        }
        _ => Ok(()),
    }
}

fn without_batch(y: Tensor, unbatched: bool) -> Result<Tensor> {
    if unbatched { y.try_reshape(&y.shape()[1..]) } else { Ok(y) }
}

/// Convolution over `rank` axes: the checks, then the op.
pub(crate) fn convolution(
    op: &'static str,
    rank: usize,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    options: &Convolution,
) -> Result<Tensor> {
    let fail = |message: String| Err(Error::op(op, message));
    let (x, unbatched) = batched(op, x, rank)?;
    let (x_shape, w_shape, groups) = (x.shape(), weight.shape(), options.groups);
    if w_shape.rank() != rank + 2 {
        let axes = axes_of(rank);
        return fail(format!("needs a weight [out channels, in channels / groups, {axes}], got shape {w_shape}"));
    }
    let (out, channels) = (w_shape[0], w_shape[1] * groups);
    if groups == 0 || out % groups != 0 {
        return fail(format!("cannot split {out} output channels into {groups} groups (weight {w_shape})"));
    }
    if x_shape[1] != channels {
        let kernel = w_shape[2];
        let fix = if x_shape.last() == Some(&channels) {
            "; the channels seem to be last: permute them to axis 1".to_owned()
        } else if groups == 1 {
            format!("; use Conv{rank}d::new({}, {out}, {kernel})", x_shape[1])
        } else {
            String::new()
        };
        return fail(format!(
            "expects {channels} input channels (weight {w_shape}, groups {groups}), got {} (input {x_shape}){fix}",
            x_shape[1]
        ));
    }
    require_bias(op, bias, out)?;
    if options.output_padding.iter().any(|&n| n != 0) {
        return fail("takes no output padding: that belongs to transposed convolutions".into());
    }
    let axes = options.axes(op, &w_shape[2..])?;
    let mut output = Vec::with_capacity(rank);
    for (i, axis) in axes.iter().enumerate() {
        let padded = x_shape[2 + i] + axis.pad.0 + axis.pad.1;
        let Some(room) = padded.checked_sub(axis.reach() + 1) else {
            let spans = axis.reach() + 1;
            return fail(format!(
                "kernel {} spans {spans} elements, but axis {} of the input {x_shape} has {} and {} of padding",
                Shape::from(&w_shape[2..]),
                2 + i,
                x_shape[2 + i],
                axis.pad.0 + axis.pad.1
            ));
        };
        output.push(room / axis.stride + 1);
    }
    let geometry = Geometry::new(op, groups, &axes, &x_shape[2..], &output);
    let y = computed([&x, weight], bias, |x, w, b| geometry.convolve(x, w, b))?;
    without_batch(y, unbatched)
}

/// Transposed convolution over `rank` axes: the adjoint of the convolution with the same options.
pub(crate) fn transposed_convolution(
    op: &'static str,
    rank: usize,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    options: &Convolution,
) -> Result<Tensor> {
    let fail = |message: String| Err(Error::op(op, message));
    let (x, unbatched) = batched(op, x, rank)?;
    let (x_shape, w_shape, groups) = (x.shape(), weight.shape(), options.groups);
    if w_shape.rank() != rank + 2 {
        let axes = axes_of(rank);
        return fail(format!("needs a weight [in channels, out channels / groups, {axes}], got shape {w_shape}"));
    }
    if x_shape[1] != w_shape[0] {
        return fail(format!(
            "expects {} input channels (weight {w_shape}), got {} (input {x_shape})",
            w_shape[0], x_shape[1]
        ));
    }
    if groups == 0 || w_shape[0] % groups != 0 {
        return fail(format!("cannot split {} input channels into {groups} groups (weight {w_shape})", w_shape[0]));
    }
    let channels = w_shape[1] * groups;
    require_bias(op, bias, channels)?;
    let axes = options.axes(op, &w_shape[2..])?;
    let extra = per_axis(op, "output padding", &options.output_padding, rank)?;
    let mut sizes = Vec::with_capacity(rank);
    for (i, (axis, &extra)) in axes.iter().zip(&extra).enumerate() {
        if extra > 0 && extra >= axis.stride.max(axis.dilation) {
            let limit = axis.stride.max(axis.dilation);
            return fail(format!("needs an output padding below stride or dilation ({limit}), got {extra}"));
        }
        let spread = x_shape[2 + i].saturating_sub(1) * axis.stride + axis.reach() + 1 + extra;
        let removed = axis.pad.0 + axis.pad.1;
        let Some(size) = spread.checked_sub(removed).filter(|&n| n > 0 && x_shape[2 + i] > 0) else {
            return fail(format!(
                "has nothing left on axis {}: {spread} elements less {removed} of padding (input {x_shape})",
                2 + i
            ));
        };
        sizes.push(size);
    }
    let geometry = Geometry::new(op, groups, &axes, &sizes, &x_shape[2..]);
    let y = computed([&x, weight], bias, |x, w, bias| {
        let y = geometry.spread(x, w)?;
        let Some(bias) = bias else { return Ok(y) };
        let mut shape = vec![1; rank + 1];
        shape[0] = channels;
        y.try_add(bias.try_reshape(shape)?)
    })?;
    without_batch(y, unbatched)
}

#[cfg(test)]
mod tests {
    use crate::{Convolution, Padding, Tensor};

    #[test]
    fn mistakes_are_explained() {
        let text = |x: &[usize], w: &[usize], options: &Convolution| {
            Tensor::zeros(x).try_conv2d(&Tensor::zeros(w), None, options).unwrap_err().to_string()
        };
        let plain = Convolution::new();
        assert_eq!(
            text(&[8, 1, 28, 28], &[16, 3, 5, 5], &plain),
            "conv2d expects 3 input channels (weight [16, 3, 5, 5], groups 1), got 1 (input [8, 1, 28, 28]); \
             use Conv2d::new(1, 16, 5)"
        );
        assert_eq!(
            text(&[8, 28, 28, 3], &[16, 3, 5, 5], &plain),
            "conv2d expects 3 input channels (weight [16, 3, 5, 5], groups 1), got 28 (input [8, 28, 28, 3]); \
             the channels seem to be last: permute them to axis 1"
        );
        assert_eq!(
            text(&[1, 1, 3, 3], &[1, 1, 5, 5], &plain),
            "conv2d kernel [5, 5] spans 5 elements, but axis 2 of the input [1, 1, 3, 3] has 3 and 0 of padding"
        );
        assert_eq!(
            text(&[28, 28], &[16, 1, 5, 5], &plain),
            "conv2d needs an input [batch, channels, height, width] (or without the batch axis), got shape [28, 28]"
        );
        assert_eq!(
            text(&[1, 1, 9, 9], &[1, 1, 3, 3], &Convolution::new().stride(2).padding(Padding::Same)),
            "conv2d with Padding::Same needs stride 1, got [2]; give the padding"
        );
        assert_eq!(
            text(&[1, 1, 9, 9], &[1, 1, 3, 3], &Convolution::new().stride([2, 2, 2])),
            "conv2d takes one stride or 2, got 3"
        );
    }
}
