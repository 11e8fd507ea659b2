//! Tensors continued beyond their ends, or cut.

use super::prelude::*;
use hadal_core::Border;

pub(super) const OPERATORS: &[Operator] =
    &[op("CenterCropPad", 18, With(center_crop_pad)), op("Pad", 2, With(pad_by_attributes)), op("Pad", 11, With(pad))];

/// The ways to continue a tensor beyond its ends.
const MODES: &[&str] = &["constant", "reflect", "edge", "wrap"];

fn pad_by_attributes(node: &Node) -> Result<Run> {
    let mode = node.choice("mode", &MODES[..3], "constant")?;
    let pads = node.required("pads", node.ints("pads")?)?;
    let value = node.float_or("value", 0.0)?;
    run(move |x| x.moved(0, |tensor| pad_tensor(tensor, &pads, None, mode, Scalar::Float(value))))
}

pub(super) fn pad(node: &Node) -> Result<Run> {
    let mode = node.choice("mode", MODES, "constant")?;
    run(move |x| {
        let (pads, axes) = (x.ints(1)?, x.optional(3)?.map(integers).transpose()?);
        let value = match x.optional(2)? {
            Some(value) if value.dtype().is_float() => Scalar::Float(x.float(2)?),
            Some(_) => Scalar::Int(x.int(2)?),
            None => Scalar::Int(0),
        };
        x.moved(0, |tensor| pad_tensor(tensor, &pads, axes.as_deref(), mode, value))
    })
}

fn pad_tensor(tensor: &Tensor, pads: &[i64], axes: Option<&[i64]>, mode: usize, value: Scalar) -> Result<Tensor> {
    let rank = tensor.rank();
    let axes = match axes {
        Some(axes) => axes_of(axes, rank)?,
        None => (0..rank).collect(),
    };
    if pads.len() != 2 * axes.len() {
        return invalid(format!("{} amounts are given for {} axes", pads.len(), axes.len()));
    }
    let mut amounts = vec![(0isize, 0isize); rank];
    for (i, &axis) in axes.iter().enumerate() {
        amounts[axis] = (pads[i] as isize, pads[i + axes.len()] as isize);
    }
    let border = [Border::Constant(value), Border::Reflect, Border::Replicate, Border::Circular][mode];
    if mode == 0 {
        return grow(tensor, &amounts, value);
    }
    check_growth(tensor, &amounts)?;
    let mut y = tensor.clone();
    for (axis, &(before, after)) in amounts.iter().enumerate() {
        y = continue_axis(&y, axis, before, after, border)?;
    }
    Ok(y)
}

/// An error if the result would be larger than any real one.
fn check_growth(tensor: &Tensor, amounts: &[(isize, isize)]) -> Result<()> {
    let first = tensor.rank().saturating_sub(amounts.len());
    let mut sizes: Vec<i64> = tensor.shape().iter().map(|&n| n as i64).collect();
    for (size, &(before, after)) in sizes[first..].iter_mut().zip(amounts) {
        *size = size.saturating_add(before as i64).saturating_add(after as i64).max(0);
    }
    shape_of(&sizes).map(|_| ())
}

/// `pad` with a number, of the last axes, by amounts that a model or an input decides.
pub(super) fn grow(tensor: &Tensor, amounts: &[(isize, isize)], value: Scalar) -> Result<Tensor> {
    check_growth(tensor, amounts)?;
    tensor.try_pad(amounts, Border::Constant(value))
}

/// Continues one axis, however often it takes: a mirror image may itself be mirrored.
fn continue_axis(x: &Tensor, axis: usize, before: isize, after: isize, border: Border) -> Result<Tensor> {
    let size = x.size(axis as isize) as isize;
    if (before, after) == (0, 0) {
        return Ok(x.clone());
    }
    if size == 0 && before + after > 0 {
        return invalid("an axis of size 0 cannot be continued");
    }
    let source = |at: isize| match border {
        Border::Reflect if size == 1 => 0,
        Border::Reflect => {
            let at = at.rem_euclid(2 * (size - 1));
            if at < size { at } else { 2 * (size - 1) - at }
        }
        Border::Circular => at.rem_euclid(size),
        _ => at.clamp(0, size - 1),
    };
    let index: Vec<i64> = (-before..size + after).map(|at| source(at) as i64).collect();
    x.try_index_select(axis as isize, &vector(index))
}

fn center_crop_pad(node: &Node) -> Result<Run> {
    let axes = node.ints("axes")?;
    run(move |x| {
        let sizes = sizes_of(&x.ints(1)?)?;
        x.moved(0, |tensor| {
            let axes = match &axes {
                Some(axes) => axes_of(axes, tensor.rank())?,
                None => (0..tensor.rank()).collect(),
            };
            if axes.len() != sizes.len() {
                return invalid(format!("{} sizes are given for {} axes", sizes.len(), axes.len()));
            }
            let mut y = tensor.clone();
            for (&axis, &size) in axes.iter().zip(&sizes) {
                let old = y.size(axis as isize);
                if size <= old {
                    y = y.try_narrow(axis as isize, (old - size) / 2, size)?;
                } else {
                    let mut amounts = vec![(0, 0); y.rank()];
                    let missing = size - old;
                    amounts[axis] = ((missing / 2) as isize, (missing - missing / 2) as isize);
                    y = grow(&y, &amounts, Scalar::Int(0))?;
                }
            }
            Ok(y)
        })
    })
}
