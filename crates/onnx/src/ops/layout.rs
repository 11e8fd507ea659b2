//! Other arrangements of the same elements: shapes, slices, concatenations, borders.

use super::prelude::*;
use hadal_core::{Border, Index};
use std::sync::Arc;

pub(super) const OPERATORS: &[Operator] = &[
    op("CenterCropPad", 18, With(center_crop_pad)),
    op("Concat", 4, With(concat)),
    op("DepthToSpace", 1, With(depth_to_space)),
    op("Expand", 8, With(expand)),
    op("Flatten", 1, With(flatten)),
    op("Identity", 1, With(|_| run(|x| Ok(vec![x.value(0)?.clone()])))),
    op("Pad", 2, With(pad_by_attributes)),
    op("Pad", 11, With(pad)),
    op("Reshape", 5, With(reshape)),
    op("ReverseSequence", 10, With(reverse_sequence)),
    op("Slice", 1, With(slice_by_attributes)),
    op("Slice", 10, With(slice)),
    op("SpaceToDepth", 1, With(space_to_depth)),
    op("Split", 2, With(split_by_attribute)),
    op("Split", 13, With(split)),
    op("Squeeze", 1, With(squeeze)),
    op("Tile", 6, With(tile)),
    op("Transpose", 1, With(transpose)),
    op("Trilu", 14, With(trilu)),
    op("Unsqueeze", 1, With(unsqueeze)),
];

fn reshape(node: &Node) -> Result<Run> {
    let allow_zero = node.flag("allowzero")?;
    run(move |x| {
        let sizes = x.ints(1)?;
        x.moved(0, |tensor| tensor.try_reshape(resolve_shape(tensor.shape(), &sizes, allow_zero)?))
    })
}

/// The new shape: 0 stands for the old size of the same axis (unless `allow_zero`), −1 for what remains.
pub(super) fn resolve_shape(old: &Shape, sizes: &[i64], allow_zero: bool) -> Result<Shape> {
    let mut sizes = sizes.to_vec();
    for (i, size) in sizes.iter_mut().enumerate() {
        if *size == 0 && !allow_zero {
            let kept = old.get(i).ok_or_else(|| Error::invalid(format!("axis {i} has no old size in {old}")))?;
            *size = *kept as i64;
        }
    }
    if let Some(free) = sizes.iter().position(|&n| n == -1) {
        sizes[free] = 1;
        let rest = shape_of(&sizes)?.elements();
        sizes[free] = old.elements().checked_div(rest).unwrap_or(0) as i64;
    }
    shape_of(&sizes)
}

fn transpose(node: &Node) -> Result<Run> {
    let order = node.ints("perm")?;
    run(move |x| {
        x.moved(0, |tensor| {
            let order: Vec<isize> = match &order {
                Some(order) => order.iter().map(|&a| a as isize).collect(),
                None => (0..tensor.rank() as isize).rev().collect(),
            };
            tensor.try_permute(order)
        })
    })
}

/// Axes from an attribute (opset < 13) or from the second input.
fn axes_of_node(attribute: &Option<Vec<i64>>, x: &Inputs, i: usize) -> Result<Option<Vec<i64>>> {
    match attribute {
        Some(axes) => Ok(Some(axes.clone())),
        None => x.optional(i)?.map(integers).transpose(),
    }
}

fn squeeze(node: &Node) -> Result<Run> {
    let attribute = node.ints("axes")?;
    run(move |x| {
        let axes = axes_of_node(&attribute, x, 1)?;
        x.moved(0, |tensor| {
            let shape = tensor.shape();
            let axes = match &axes {
                Some(axes) => axes_of(axes, shape.rank())?,
                None => (0..shape.rank()).filter(|&a| shape[a] == 1).collect(),
            };
            match axes.iter().find(|&&a| shape[a] != 1) {
                Some(axis) => invalid(format!("axis {axis} of {shape} does not have size 1")),
                None => tensor.try_reshape(shape.reduce(&axes, false)),
            }
        })
    })
}

fn unsqueeze(node: &Node) -> Result<Run> {
    let attribute = node.ints("axes")?;
    run(move |x| {
        let axes = axes_of_node(&attribute, x, 1)?.ok_or_else(|| Error::invalid("no axes are given"))?;
        x.moved(0, |tensor| {
            let rank = tensor.rank() + axes.len();
            let axes = axes_of(&axes, rank)?;
            let mut old = tensor.shape().iter().copied();
            let shape: Shape = (0..rank).map(|a| if axes.contains(&a) { 1 } else { old.next().unwrap_or(1) }).collect();
            tensor.try_reshape(shape)
        })
    })
}

fn flatten(node: &Node) -> Result<Run> {
    let axis = node.int_or("axis", 1)?;
    run(move |x| {
        x.moved(0, |tensor| {
            let shape = tensor.shape();
            let at = if axis == shape.rank() as i64 { shape.rank() } else { axis_of(axis, shape.rank())? };
            let size = |axes: &[usize]| axes.iter().product::<usize>();
            tensor.try_reshape([size(&shape[..at]), size(&shape[at..])])
        })
    })
}

fn expand(_: &Node) -> Result<Run> {
    run(|x| {
        let wanted = shape_of(&x.ints(1)?)?;
        x.moved(0, |tensor| {
            let shape = tensor.shape().broadcast(&wanted, "expand")?;
            shape_of(&shape.iter().map(|&n| n as i64).collect::<Vec<_>>())?;
            tensor.try_expand(shape)
        })
    })
}

fn concat(node: &Node) -> Result<Run> {
    let axis = node.required("axis", node.int("axis")?)?;
    run(move |x| {
        let values = (0..x.len()).map(|i| x.value(i).cloned()).collect::<Result<Vec<_>>>()?;
        Ok(vec![concatenate(&values, axis)?])
    })
}

/// Tensors of numbers or strings, one after the other along an axis that they have.
pub(super) fn concatenate(values: &[Value], axis: i64) -> Result<Value> {
    join(values, |tensors| Tensor::try_cat(tensors, axis as isize))
}

/// `f` of tensors of numbers or of strings, whose elements it only moves.
pub(super) fn join(values: &[Value], f: impl FnOnce(&[Tensor]) -> Result<Tensor>) -> Result<Value> {
    let Some(first) = values.first() else { return invalid("there is nothing to join") };
    let mut tensors = Vec::with_capacity(values.len());
    match first {
        Value::Strings(_) => {
            let mut list = Vec::new();
            for value in values {
                let Value::Strings(strings) = value else { return invalid("strings and numbers cannot be joined") };
                tensors.push(strings.places.try_add(list.len())?);
                list.extend(strings.list.iter().cloned());
            }
            Ok(Strings { list: Arc::new(list), places: f(&tensors)? }.into())
        }
        Value::Tensor(_, element) => {
            for value in values {
                match value {
                    Value::Tensor(tensor, other) if other == element => tensors.push(tensor.clone()),
                    other => return invalid(format!("tensor({element}) cannot be joined with {}", other.describe())),
                }
            }
            Ok(Value::Tensor(f(&tensors)?, *element))
        }
        other => invalid(format!("tensors are needed, got {}", other.describe())),
    }
}

fn split_by_attribute(node: &Node) -> Result<Run> {
    let (axis, sizes, outputs) = (node.int_or("axis", 0)?, node.ints("split")?, node.outputs());
    run(move |x| split_value(x.value(0)?, axis, sizes.as_deref(), outputs))
}

fn split(node: &Node) -> Result<Run> {
    let (axis, outputs) = (node.int_or("axis", 0)?, node.outputs());
    let parts = node.int("num_outputs")?.unwrap_or(outputs as i64).max(1) as usize;
    run(move |x| {
        let sizes = x.optional(1)?.map(integers).transpose()?;
        split_value(x.value(0)?, axis, sizes.as_deref(), parts)
    })
}

/// Pieces of the given sizes, or as many as said, of which the last may be smaller.
pub(super) fn split_value(value: &Value, axis: i64, sizes: Option<&[i64]>, parts: usize) -> Result<Vec<Value>> {
    let shape = value.shape().ok_or_else(|| Error::invalid("a tensor is needed"))?;
    let axis = axis_of(axis, shape.rank())?;
    let size = shape[axis];
    let sizes = match sizes {
        Some(sizes) => sizes_of(sizes)?,
        None => {
            let each = size.div_ceil(parts);
            (0..parts).map(|i| size.saturating_sub(i * each).min(each)).collect()
        }
    };
    if sizes.iter().sum::<usize>() != size {
        return invalid(format!("the sizes {sizes:?} do not add up to {size}"));
    }
    let mut start = 0;
    let part = |n: &usize| {
        start += n;
        moved(value, |tensor| tensor.try_narrow(axis as isize, start - n, *n))
    };
    sizes.iter().map(part).collect()
}

fn tile(_: &Node) -> Result<Run> {
    run(|x| {
        let times = sizes_of(&x.ints(1)?)?;
        x.moved(0, |tensor| {
            if times.len() != tensor.rank() {
                return invalid(format!("{} repetitions are given for {} axes", times.len(), tensor.rank()));
            }
            let sizes = tensor.shape().iter().zip(&times).map(|(&n, &t)| n.saturating_mul(t) as i64);
            shape_of(&sizes.collect::<Vec<_>>())?;
            tensor.try_tile(&times)
        })
    })
}

fn slice_by_attributes(node: &Node) -> Result<Run> {
    let starts = node.required("starts", node.ints("starts")?)?;
    let ends = node.required("ends", node.ints("ends")?)?;
    let axes = node.ints("axes")?;
    run(move |x| x.moved(0, |tensor| slice_tensor(tensor, &starts, &ends, axes.as_deref(), None)))
}

fn slice(_: &Node) -> Result<Run> {
    run(|x| {
        let (starts, ends) = (x.ints(1)?, x.ints(2)?);
        let axes = x.optional(3)?.map(integers).transpose()?;
        let steps = x.optional(4)?.map(integers).transpose()?;
        x.moved(0, |tensor| slice_tensor(tensor, &starts, &ends, axes.as_deref(), steps.as_deref()))
    })
}

fn slice_tensor(
    tensor: &Tensor,
    starts: &[i64],
    ends: &[i64],
    axes: Option<&[i64]>,
    steps: Option<&[i64]>,
) -> Result<Tensor> {
    let rank = tensor.rank();
    let all: Vec<i64> = (0..starts.len() as i64).collect();
    let axes = axes_of(axes.unwrap_or(&all), rank)?;
    if ends.len() != starts.len() || axes.len() != starts.len() || steps.is_some_and(|s| s.len() != starts.len()) {
        return invalid("starts, ends, axes and steps must be equally many");
    }
    let whole = || Index::Range { start: None, stop: None, step: 1 };
    let mut index: Vec<Index> = (0..rank).map(|_| whole()).collect();
    for (i, &axis) in axes.iter().enumerate() {
        let (size, step) = (tensor.size(axis as isize) as i64, steps.map_or(1, |s| s[i]));
        let from_start = |at: i64| if at < 0 { at.saturating_add(size) } else { at };
        let (start, stop) = (from_start(starts[i]), from_start(ends[i]));
        index[axis] = match step {
            0 => return invalid("a step of 0 never arrives"),
            1.. => {
                let start = start.clamp(0, size);
                Index::Range {
                    start: Some(start as isize),
                    stop: Some(stop.clamp(start, size) as isize),
                    step: step as isize,
                }
            }
            _ => {
                // From the last element at most, to before the first at least, which has no number of its own.
                let (start, stop) = (start.clamp(-1, size - 1), stop.clamp(-1, size - 1));
                if start <= stop {
                    Index::Range { start: Some(0), stop: Some(0), step: 1 }
                } else {
                    let stop = (stop >= 0).then_some(stop as isize);
                    Index::Range { start: Some(start as isize), stop, step: (step as isize).max(-(size as isize) - 1) }
                }
            }
        };
    }
    tensor.try_slice(index)
}

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

fn depth_to_space(node: &Node) -> Result<Run> {
    let block = node.required("blocksize", node.int("blocksize")?)?.max(1) as usize;
    let mode = node.choice("mode", &["DCR", "CRD"], "DCR")?;
    run(move |x| {
        x.moved(0, |tensor| {
            let [n, c, h, w] = tensor.shape()[..] else { return invalid("four axes are needed") };
            let depth = c / (block * block);
            let (split, order) = match mode {
                0 => ([n, block, block, depth, h, w], [0, 3, 4, 1, 5, 2]),
                _ => ([n, depth, block, block, h, w], [0, 1, 4, 2, 5, 3]),
            };
            tensor.try_reshape(split)?.try_permute(order)?.try_reshape([n, depth, h * block, w * block])
        })
    })
}

fn space_to_depth(node: &Node) -> Result<Run> {
    let block = node.required("blocksize", node.int("blocksize")?)?.max(1) as usize;
    let mode = node.choice("mode", &["DCR", "CRD"], "DCR")?;
    run(move |x| {
        x.moved(0, |tensor| {
            let [n, c, h, w] = tensor.shape()[..] else { return invalid("four axes are needed") };
            let order = if mode == 0 { [0, 3, 5, 1, 2, 4] } else { [0, 1, 3, 5, 2, 4] };
            let split = tensor.try_reshape([n, c, h / block, block, w / block, block])?;
            split.try_permute(order)?.try_reshape([n, c * block * block, h / block, w / block])
        })
    })
}

pub(super) fn trilu(node: &Node) -> Result<Run> {
    let upper = node.int_or("upper", 1)? != 0;
    run(move |x| {
        let k = if x.has(1) { x.int(1)? } else { 0 };
        let (tensor, element) = x.typed(0)?;
        let limit = tensor.elements() as i64 + 1;
        let k = k.clamp(-limit, limit) as isize;
        let y = if upper { tensor.try_triu(k)? } else { tensor.try_tril(k)? };
        Ok(vec![Value::Tensor(y, element)])
    })
}

/// The first `lengths[b]` elements of each sequence in the opposite order.
fn reverse_sequence(node: &Node) -> Result<Run> {
    let (time, batch) = (node.int_or("time_axis", 0)?, node.int_or("batch_axis", 1)?);
    run(move |x| {
        let lengths = x.ints(1)?;
        x.moved(0, |tensor| {
            let (time, batch) = (axis_of(time, tensor.rank())?, axis_of(batch, tensor.rank())?);
            let (steps, size) = (tensor.size(time as isize) as i64, tensor.size(batch as isize));
            if time == batch || lengths.len() != size || lengths.iter().any(|&n| !(0..=steps).contains(&n)) {
                return invalid(format!("the lengths {lengths:?} do not fit the shape {}", tensor.shape()));
            }
            let source = |n: i64| (0..steps).map(move |t| if t < n { n - 1 - t } else { t });
            let index: Vec<i64> = lengths.iter().flat_map(|&n| source(n)).collect();
            let mut shape = vec![1; tensor.rank()];
            let index = Tensor::try_from_vec(index, [size, steps as usize])?;
            let index = if time < batch { index.try_transpose(0, 1)? } else { index };
            (shape[time], shape[batch]) = (steps as usize, size);
            tensor.try_gather(time as isize, &index.try_reshape(shape)?.try_expand(tensor.shape())?)
        })
    })
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
