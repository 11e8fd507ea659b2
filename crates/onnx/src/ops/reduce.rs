//! Sums, products and extremes along axes.

use super::map::ordered;
use super::prelude::*;

pub(super) const OPERATORS: &[Operator] = &[
    op("CumProd", 26, With(|node| cumulative(node, Tensor::try_cumprod, 1))),
    op("CumSum", 11, With(|node| cumulative(node, Tensor::try_cumsum, 0))),
    op("ReduceL1", 1, With(|node| reduce(node, |x, axes| x.try_abs()?.try_sum_keepdim(axes)))),
    op("ReduceL2", 1, With(|node| reduce(node, |x, axes| root(x, &x.try_square()?.try_sum_keepdim(axes)?)))),
    op("ReduceLogSum", 1, With(|node| reduce(node, |x, axes| x.try_sum_keepdim(axes)?.try_log()))),
    op("ReduceLogSumExp", 1, With(|node| reduce(node, |x, axes| x.try_logsumexp_keepdim(axes)))),
    op("ReduceMax", 1, With(|node| reduce_extreme(node, Largest))),
    op("ReduceMean", 1, With(|node| reduce(node, |x, axes| x.try_mean_keepdim(axes)))),
    op("ReduceMin", 1, With(|node| reduce_extreme(node, Smallest))),
    op("ReduceProd", 1, With(|node| reduce(node, |x, axes| x.try_prod_keepdim(axes)))),
    op("ReduceSum", 1, With(|node| reduce(node, |x, axes| x.try_sum_keepdim(axes)))),
    op("ReduceSumSquare", 1, With(|node| reduce(node, |x, axes| x.try_square()?.try_sum_keepdim(axes)))),
];

#[derive(Clone, Copy)]
enum Extreme {
    Largest,
    Smallest,
}
use Extreme::{Largest, Smallest};

/// The square root of a sum, in the type of the summands: of integers it is cut off.
fn root(x: &Tensor, sum: &Tensor) -> Result<Tensor> {
    if x.dtype().is_float() { sum.try_sqrt() } else { sum.try_to_dtype(DType::F64)?.try_sqrt() }
}

/// The largest or smallest element; over no elements, the smallest or largest that there is.
fn extreme(x: &Tensor, axes: &[usize], which: Extreme) -> Result<Tensor> {
    let none = axes.iter().any(|&a| x.shape()[a] == 0);
    if none {
        let (least, greatest) = match x.dtype() {
            DType::Bool => (0.0, 1.0),
            _ => (f64::NEG_INFINITY, f64::INFINITY),
        };
        let neutral = if matches!(which, Largest) { least } else { greatest };
        return Ok(Tensor::full_with(x.shape().reduce(axes, true), neutral, x.dtype()));
    }
    match (which, x.dtype()) {
        (Largest, DType::Bool) => x.try_any_keepdim(axes),
        (Smallest, DType::Bool) => x.try_all_keepdim(axes),
        (Largest, _) => x.try_amax_keepdim(axes),
        (Smallest, _) => x.try_amin_keepdim(axes),
    }
}

fn reduce(node: &Node, f: fn(&Tensor, &[usize]) -> Result<Tensor>) -> Result<Run> {
    let reduction = Reduction::of(node)?;
    run(move |x| x.like(0, &reduction.apply(x, x.tensor(0)?, f)?))
}

fn reduce_extreme(node: &Node, which: Extreme) -> Result<Run> {
    let reduction = Reduction::of(node)?;
    run(move |x| {
        let (tensor, element) = x.typed(0)?;
        let y = reduction.apply(x, &ordered(tensor, element)?, |x, axes| extreme(x, axes, which))?;
        x.like(0, &ordered(&y, element)?)
    })
}

/// Over which axes to reduce: an attribute, or since opset 13 to 18 an input; without any all are meant, or none if the
/// node says so.
struct Reduction {
    axes: Option<Vec<i64>>,
    keep: bool,
    none_if_empty: bool,
}

impl Reduction {
    fn of(node: &Node) -> Result<Reduction> {
        let (axes, keep) = (node.ints("axes")?, node.int_or("keepdims", 1)? != 0);
        Ok(Reduction { axes, keep, none_if_empty: node.flag("noop_with_empty_axes")? })
    }

    /// `f` of `tensor`, for the axes that the inputs say; it keeps them as axes of size 1.
    fn apply(&self, x: &Inputs, tensor: &Tensor, f: impl Fn(&Tensor, &[usize]) -> Result<Tensor>) -> Result<Tensor> {
        let axes = match &self.axes {
            Some(axes) => axes.clone(),
            None => x.optional(1)?.map(integers).transpose()?.unwrap_or_default(),
        };
        let axes = match axes.is_empty() {
            true if self.none_if_empty => Vec::new(),
            true => (0..tensor.rank()).collect(),
            false => axes_of(&axes, tensor.rank())?,
        };
        // Over no axes it is still the function of each element: |x| for L1, x² for the sum of squares.
        let y = match axes.is_empty() {
            true => f(&tensor.try_unsqueeze(-1)?, &[tensor.rank()])?.try_squeeze(-1)?,
            false => f(tensor, &axes)?,
        };
        if self.keep { Ok(y) } else { y.try_reshape(tensor.shape().reduce(&axes, false)) }
    }
}

/// Sums or products of all elements before each one, with itself or (`exclusive`) without.
fn cumulative(node: &Node, f: fn(&Tensor, isize) -> Result<Tensor>, neutral: i64) -> Result<Run> {
    let (exclusive, reverse) = (node.flag("exclusive")?, node.flag("reverse")?);
    run(move |x| {
        let tensor = x.tensor(0)?;
        let axis = axis_of(x.int(1)?, tensor.rank())? as isize;
        let turn = |x: Tensor| if reverse { x.try_flip(axis) } else { Ok(x) };
        let mut y = f(&turn(tensor.clone())?, axis)?;
        if exclusive && y.size(axis) > 0 {
            let first = y.try_narrow(axis, 0, 1)?.full_like(neutral);
            y = Tensor::try_cat(&[first, y.try_narrow(axis, 0, y.size(axis) - 1)?], axis)?;
        }
        x.like(0, &turn(y)?)
    })
}
