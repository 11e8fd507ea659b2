//! Elements chosen or written by number.

use super::map::ordered;
use super::prelude::*;
use hadal_core::{Combine, Order};

pub(super) const OPERATORS: &[Operator] = &[
    op("ArgMax", 1, With(|node| arg(node, |x, axis| x.try_argmax_keepdim(axis)))),
    op("ArgMin", 1, With(|node| arg(node, |x, axis| x.try_argmin_keepdim(axis)))),
    op("Compress", 9, With(compress)),
    op("Gather", 1, With(gather)),
    op("GatherElements", 11, With(gather_elements)),
    op("GatherND", 11, With(gather_nd)),
    op("NonZero", 9, With(|_| run(|x| one(x.tensor(0)?.nonzero().try_transpose(0, 1)?.try_contiguous()?)))),
    op("Scatter", 9, With(scatter_elements)),
    op("ScatterElements", 11, With(scatter_elements)),
    op("ScatterND", 11, With(scatter_nd)),
    op("TensorScatter", 24, With(tensor_scatter)),
    op("TopK", 1, With(top_k)),
    op("Unique", 11, With(unique)),
];

/// The indices of an axis of `size` elements, with negative ones counted from the end.
pub(super) fn from_start(index: &Tensor, size: usize) -> Result<Tensor> {
    let index = index.try_to_dtype(DType::I64)?;
    index.try_lt(0)?.try_where_(&index.try_add(size)?, &index)
}

fn gather(node: &Node) -> Result<Run> {
    let axis = node.int_or("axis", 0)?;
    run(move |x| {
        let index = x.tensor(1)?;
        x.moved(0, |tensor| {
            let axis = axis_of(axis, tensor.rank())?;
            let (before, after) = (&tensor.shape()[..axis], &tensor.shape()[axis + 1..]);
            let shape = [before, index.shape(), after].concat();
            let index = from_start(&index.try_ravel()?, tensor.size(axis as isize))?;
            tensor.try_index_select(axis as isize, &index)?.try_reshape(shape)
        })
    })
}

fn gather_elements(node: &Node) -> Result<Run> {
    let axis = node.int_or("axis", 0)?;
    run(move |x| {
        let index = x.tensor(1)?;
        x.moved(0, |tensor| {
            let axis = axis_of(axis, tensor.rank())?;
            tensor.try_gather(axis as isize, &from_start(index, tensor.size(axis as isize))?)
        })
    })
}

/// The last axis of `index` names positions in the axes of `tensor` after the first `batch` ones, which both have.
/// Returns the tensor with all named axes flattened into one, and the positions in it.
fn flat_positions(tensor: &Tensor, index: &Tensor, batch: usize) -> Result<(Tensor, Tensor)> {
    let (shape, index_shape) = (tensor.shape(), index.shape());
    let Some((&depth, outer)) = index_shape.split_last() else { return invalid("the indices need an axis") };
    if batch > outer.len() || batch + depth > shape.rank() || shape[..batch] != outer[..batch] {
        return invalid(format!("indices of shape {index_shape} do not fit a tensor of shape {shape}"));
    }
    let batches: usize = shape[..batch].iter().product();
    let each: usize = outer[batch..].iter().product();
    let index = index.try_reshape([batches, each, depth])?;
    let mut positions = Tensor::arange(batches).try_unsqueeze(1)?.try_expand([batches, each])?;
    for (i, &size) in shape[batch..batch + depth].iter().enumerate() {
        let coordinate = from_start(&index.try_select(2, i as isize)?, size)?;
        if coordinate.to_vec::<i64>().iter().any(|&c| !(0..size as i64).contains(&c)) {
            return invalid(format!("an index lies outside of axis {} of {shape}", batch + i));
        }
        positions = positions.try_mul(size)?.try_add(coordinate)?;
    }
    let named: usize = shape[..batch + depth].iter().product();
    let rest: usize = shape[batch + depth..].iter().product();
    Ok((tensor.try_reshape([named, rest])?, positions.try_ravel()?))
}

fn gather_nd(node: &Node) -> Result<Run> {
    let batch = node.int_or("batch_dims", 0)?.max(0) as usize;
    run(move |x| {
        let index = x.tensor(1)?;
        x.moved(0, |tensor| {
            let (flat, positions) = flat_positions(tensor, index, batch)?;
            let depth = index.size(-1);
            let shape = [&index.shape()[..index.rank() - 1], &tensor.shape()[batch + depth..]].concat();
            flat.try_index_select(0, &positions)?.try_reshape(shape)
        })
    })
}

/// How what is written joins what is there.
fn reduction(node: &Node) -> Result<Option<Combine>> {
    let words = ["none", "add", "mul", "max", "min"];
    Ok([None, Some(Combine::Sum), Some(Combine::Prod), Some(Combine::Amax), Some(Combine::Amin)]
        [node.choice("reduction", &words, "none")?])
}

fn write(
    (tensor, element): (&Tensor, ElementType),
    axis: isize,
    index: &Tensor,
    source: &Tensor,
    how: Option<Combine>,
) -> Result<Tensor> {
    match how {
        Some(combine @ (Combine::Amax | Combine::Amin)) => {
            let (tensor, source) = (ordered(tensor, element)?, ordered(source, element)?);
            ordered(&tensor.try_scatter_reduce(axis, index, &source, combine)?, element)
        }
        None => tensor.try_scatter(axis, index, source),
        Some(Combine::Sum) => tensor.try_scatter_add(axis, index, source),
        Some(combine) => tensor.try_scatter_reduce(axis, index, source, combine),
    }
}

fn scatter_elements(node: &Node) -> Result<Run> {
    let (axis, how) = (node.int_or("axis", 0)?, reduction(node)?);
    run(move |x| {
        let (tensor, element) = x.typed(0)?;
        let axis = axis_of(axis, tensor.rank())?;
        let index = from_start(x.tensor(1)?, tensor.size(axis as isize))?;
        x.like(0, &write((tensor, element), axis as isize, &index, x.tensor(2)?, how)?)
    })
}

fn scatter_nd(node: &Node) -> Result<Run> {
    let how = reduction(node)?;
    run(move |x| {
        let (tensor, element) = x.typed(0)?;
        let (flat, positions) = flat_positions(tensor, x.tensor(1)?, 0)?;
        let shape = [positions.elements(), flat.size(1)];
        let source = x.tensor(2)?.try_reshape(shape)?;
        let index = positions.try_unsqueeze(1)?.try_expand(shape)?;
        x.like(0, &write((&flat, element), 0, &index, &source, how)?.try_reshape(tensor.shape())?)
    })
}

/// Writes new keys or values into a cache, for each sequence of the batch from its own position on.
fn tensor_scatter(node: &Node) -> Result<Run> {
    let axis = node.int_or("axis", -2)?;
    let circular = node.choice("mode", &["linear", "circular"], "linear")? == 1;
    run(move |x| {
        let (tensor, update) = (x.tensor(0)?, x.tensor(1)?);
        let axis = axis_of(axis, tensor.rank())?;
        let (size, steps) = (tensor.size(axis as isize), update.size(axis as isize));
        let mut index = Tensor::arange(steps);
        let mut shape = vec![1; tensor.rank()];
        shape[axis] = steps;
        if let Some(starts) = x.optional(2)? {
            index = starts.try_to_dtype(DType::I64)?.try_unsqueeze(1)?.try_add(&index)?;
            shape[0] = starts.elements();
        }
        if circular {
            index = index.try_remainder(size)?;
        }
        let index = index.try_reshape(shape)?.try_expand(update.shape())?;
        x.like(0, &tensor.try_scatter(axis as isize, &index, update)?)
    })
}

fn arg(node: &Node, find: fn(&Tensor, isize) -> Result<Tensor>) -> Result<Run> {
    let (axis, keep) = (node.int_or("axis", 0)?, node.int_or("keepdims", 1)? != 0);
    let last = node.flag("select_last_index")?;
    run(move |x| {
        let (tensor, element) = x.typed(0)?;
        let axis = axis_of(axis, tensor.rank())? as isize;
        let tensor = ordered(tensor, element)?;
        let mut places = match last {
            true => find(&tensor.try_flip(axis)?, axis)?.try_neg()?.try_add(tensor.size(axis) as i64 - 1)?,
            false => find(&tensor, axis)?,
        };
        if !keep {
            places = places.try_squeeze(axis)?;
        }
        one(places)
    })
}

fn top_k(node: &Node) -> Result<Run> {
    let (axis, largest) = (node.int_or("axis", -1)?, node.int_or("largest", 1)? != 0);
    let fixed = node.int("k")?;
    let order = if largest { Order::Descending } else { Order::Ascending };
    run(move |x| {
        let k = match fixed {
            Some(k) => k,
            None => x.int(1)?,
        };
        let (tensor, element) = x.typed(0)?;
        let k = usize::try_from(k).map_err(|_| Error::invalid(format!("cannot take the first {k} elements")))?;
        let (values, places) = ordered(tensor, element)?.try_topk(k, axis as isize, order)?;
        Ok(vec![Value::Tensor(ordered(&values, element)?, element), places.into()])
    })
}

/// The elements, or slices, where the condition holds; it may be shorter than the axis.
fn compress(node: &Node) -> Result<Run> {
    let axis = node.int("axis")?;
    run(move |x| {
        let condition = x.tensor(1)?.try_to_vec::<bool>()?;
        let chosen: Vec<i64> = (0..).zip(condition).filter(|c| c.1).map(|c| c.0).collect();
        x.moved(0, |tensor| match axis {
            Some(axis) => tensor.try_index_select(axis_of(axis, tensor.rank())? as isize, &vector(chosen)),
            None => tensor.try_ravel()?.try_index_select(0, &vector(chosen)),
        })
    })
}

fn unique(node: &Node) -> Result<Run> {
    let (axis, sorted) = (node.int("axis")?, node.int_or("sorted", 1)? != 0);
    run(move |x| {
        let (tensor, element) = x.typed(0)?;
        let tensor = ordered(tensor, element)?;
        let (found, along) = match axis {
            Some(axis) => {
                let axis = axis_of(axis, tensor.rank())? as isize;
                (tensor.try_unique_along(axis)?, axis)
            }
            None => (tensor.unique(), 0),
        };
        let inverse = found.inverse.try_ravel()?.try_to_vec::<i64>()?;
        let mut first = vec![i64::MAX; found.counts.elements()];
        for (at, &number) in (0..).zip(&inverse) {
            first[number as usize] = first[number as usize].min(at);
        }
        let mut order: Vec<usize> = (0..first.len()).collect();
        if !sorted {
            order.sort_by_key(|&i| first[i]);
        }
        let mut rank = vec![0i64; order.len()];
        for (at, &number) in (0..).zip(&order) {
            rank[number] = at;
        }
        let index = vector(order.iter().map(|&i| i as i64).collect());
        let values = ordered(&found.values.try_index_select(along, &index)?, element)?;
        Ok(vec![
            Value::Tensor(values, element),
            vector(order.iter().map(|&i| first[i]).collect()).into(),
            vector(inverse.iter().map(|&i| rank[i as usize]).collect()).into(),
            found.counts.try_index_select(0, &index)?.into(),
        ])
    })
}
