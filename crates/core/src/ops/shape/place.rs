//! `place`: a tensor's elements put where a layout points; and `look`, which reads them there.
//! Each is the adjoint of the other, so every view has its gradient here.

use crate::ops::prelude::*;
use crate::run::copy;
use crate::run::map::Number;
use crate::tensor::{Bits, Scalar};
use hadal_kernels::threads::for_chunks_mut;

/// `y = fill`, then the input's elements added (or, with a `fill`, written) at the positions of `layout` over `y`.
#[derive(Debug)]
struct PlaceWithin {
    shape: Shape,
    layout: Layout,
    fill: Option<Scalar>,
}

impl Op for PlaceWithin {
    fn name(&self) -> &'static str {
        "place"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        debug_assert_eq!(x[0].shape, self.layout.shape);
        one(x[0].with_shape(&self.shape))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let dtype = y[0].dtype();
        let fill = self.fill.unwrap_or(Scalar::Int(0));
        dispatch!(all dtype, T => y[0].slice::<T>().fill(fill.element()));
        if self.layout.is_distinct() {
            dispatch!(moves dtype, T => {
                write::<T>(&x[0].contiguous_bits(), &self.layout, y[0].bits(), |to, from| *to = from)
            });
        } else {
            debug_assert!(self.fill.is_none(), "overlapping places can only be summed");
            dispatch!(numbers dtype, T => {
                write::<T>(&x[0].contiguous(), &self.layout, y[0].slice(), |to, from| *to = Number::plus(*to, from))
            });
        }
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![Some(g.of(0).look(&self.layout))]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        let fill = self.fill.unwrap_or(Scalar::Int(0)).tensor(x.meta(0).dtype);
        if let Some(pads) = border(&self.layout, &self.shape) {
            return Ok(vec![x.node("Pad", &[x.input(0), x.integers(&pads), x.constant(&fill)], &[])]);
        }
        // Axes before the first that moves stay; the others are one, in which places are named.
        let kept = unmoved(&self.layout, &self.shape);
        let (places, rest) = positions(&self.layout, kept);
        let outer = &self.shape[..kept];
        let size: usize = self.shape[kept..].iter().product();
        let with = |outer: &[usize], last: usize| outer.iter().copied().chain([last]).collect::<Vec<_>>();
        let field = x.node("Expand", &[x.constant(&fill), x.sizes(&with(outer, size))], &[]);
        let index = x.node("Expand", &[x.constant(&places), x.sizes(&with(outer, rest))], &[]);
        let updates = x.reshape(x.input(0), &with(outer, rest));
        let reduction = if self.fill.is_some() { "none" } else { "add" };
        let attributes = [("axis", kept.into()), ("reduction", reduction.into())];
        Ok(vec![x.reshape(x.node("ScatterElements", &[field, index, updates], &attributes), &self.shape)])
    }
}

/// `store(y[position], x)` for the positions of `layout` in row-major order; in parallel along the first
/// axis where its blocks of `y` are apart.
fn write<T: Element>(x: &[T], layout: &Layout, y: &mut [T], store: impl Fn(&mut T, T) + Sync) {
    if x.is_empty() {
        return;
    }
    let Some((&outer, inner)) = layout.strides.split_first() else {
        return store(&mut y[layout.offset], x[0]);
    };
    let extent: isize = inner.iter().zip(&layout.shape[1..]).map(|(s, &n)| s * (n as isize - 1)).sum();
    let apart = inner.iter().all(|&s| s >= 0) && outer > extent;
    let (blocks, stride) = if apart { (layout.shape[0], outer as usize) } else { (1, y.len()) };
    let one = x.len() / blocks;
    let mut block = layout.clone();
    block.shape.sizes_mut()[0] = layout.shape[0] / blocks;
    block.offset = if apart { 0 } else { layout.offset };
    let y = &mut y[layout.offset - block.offset..];
    let per_task = (map::CHUNK / one).max(1);
    let reach = y.len().min(blocks * stride);
    for_chunks_mut(&mut y[..reach], stride * per_task, |task, part| {
        let x = &x[task * per_task * one..];
        for (y, x) in part.chunks_mut(stride).zip(x.chunks_exact(one)) {
            write_block(x, &block, y, &store);
        }
    });
}

/// For ONNX: the elements before the first and behind the last along each axis, if `layout` is a part of `shape`.
fn border(layout: &Layout, shape: &Shape) -> Option<Vec<i64>> {
    let whole = Layout::contiguous(shape);
    let (mut before, mut after, mut offset) = (Vec::new(), Vec::new(), layout.offset);
    if layout.shape.rank() != shape.rank() || shape.elements() == 0 {
        return None;
    }
    for axis in 0..shape.rank() {
        let (len, stride) = (layout.shape[axis], whole.strides[axis] as usize);
        let first = offset / stride;
        if len > 1 && layout.strides[axis] != whole.strides[axis] || first + len > shape[axis] {
            return None;
        }
        before.push(first as i64);
        after.push((shape[axis] - first - len) as i64);
        offset -= first * stride;
    }
    Some([before, after].concat())
}

/// For ONNX: the number of first axes along which `layout` goes as a tensor of `shape` does.
fn unmoved(layout: &Layout, shape: &Shape) -> usize {
    let whole = Layout::contiguous(shape);
    let goes = |&axis: &usize| {
        let block: usize = shape[axis + 1..].iter().product();
        let inner = layout.strides[axis + 1..].iter().zip(&layout.shape[axis + 1..]);
        let reach: isize = inner.map(|(&stride, &n)| stride.max(0) * (n as isize - 1)).sum();
        layout.shape[axis] == shape[axis]
            && layout.strides[axis] == whole.strides[axis]
            && layout.offset as isize + reach < block as isize
            && layout.strides[axis + 1..].iter().all(|&stride| stride >= 0)
    };
    (0..layout.shape.rank().min(shape.rank())).take_while(goes).count()
}

/// For ONNX: where the elements are along all axes from `kept` on taken as one, and how many they are.
fn positions(layout: &Layout, kept: usize) -> (Tensor, usize) {
    let inner = Layout {
        shape: layout.shape[kept..].iter().copied().collect(),
        strides: layout.strides[kept..].iter().copied().collect(),
        offset: layout.offset,
    };
    let places: Vec<i64> = inner.positions().map(|at| at as i64).collect();
    let count = places.len();
    (Tensor::from_slice(&places), count)
}

/// Rows along the last axis, so that the odometer turns once per row.
fn write_block<T: Element>(x: &[T], layout: &Layout, y: &mut [T], store: &impl Fn(&mut T, T)) {
    let last = layout.shape.rank() - 1;
    let (columns, stride) = (layout.shape[last], layout.strides[last]);
    for (first, row) in layout.select(last, 0).positions().zip(x.chunks_exact(columns)) {
        if stride == 1 {
            y[first..first + columns].iter_mut().zip(row).for_each(|(y, &x)| store(y, x));
        } else {
            for (i, &x) in row.iter().enumerate() {
                store(&mut y[(first as isize + i as isize * stride) as usize], x);
            }
        }
    }
}

/// The elements at the positions of a layout over the row-major input.
#[derive(Debug)]
struct Look(Layout);

impl Look {
    fn within(&self, x: &Layout) -> Layout {
        Layout { offset: x.offset + self.0.offset, ..self.0.clone() }
    }
}

impl Op for Look {
    fn name(&self) -> &'static str {
        "look"
    }

    fn kind(&self) -> Kind {
        Kind::View
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(x[0].with_shape(&self.0.shape))
    }

    fn view(&self, x: &Layout) -> Option<Layout> {
        x.is_contiguous().then(|| self.within(x))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        fn run<T: Bits>(layout: &Layout, x: &Input, y: &mut [T]) {
            copy::gather(&x.contiguous_bits::<T>(), layout, y);
        }
        dispatch!(moves x[0].dtype(), T => run::<T>(&self.0, &x[0], y[0].bits()));
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![Some(g.of(0).place(&g.meta(0).shape, self.0.clone()))]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        let shape = &x.meta(0).shape;
        let kept = unmoved(&self.0, shape);
        let (places, _) = positions(&self.0, kept);
        let places = x.constant(&places.reshape(&self.0.shape[kept..]));
        let flat: Vec<usize> = shape[..kept].iter().copied().chain([shape[kept..].iter().product()]).collect();
        let rows = x.reshape(x.input(0), &flat);
        Ok(vec![x.node("Gather", &[rows, places], &[("axis", kept.into())])])
    }
}

impl Tensor {
    /// Zeros of `shape` with this tensor's elements added where `layout`, a view of a row-major tensor of
    /// that shape, finds them.
    pub(crate) fn place(&self, shape: &Shape, layout: Layout) -> Tensor {
        let op = PlaceWithin { shape: shape.clone(), layout, fill: None };
        apply(op, &[self]).unwrap_or_else(|e| e.raise())
    }

    /// As [`Tensor::place`], with `fill` in the other places; the layout must not visit a place twice.
    pub(crate) fn place_over(&self, shape: &Shape, layout: Layout, fill: Scalar) -> Tensor {
        let op = PlaceWithin { shape: shape.clone(), layout, fill: Some(fill) };
        apply(op, &[self]).unwrap_or_else(|e| e.raise())
    }

    /// The elements at the positions of `layout` over this tensor in row-major order.
    pub(crate) fn look(&self, layout: &Layout) -> Tensor {
        apply(Look(layout.clone()), &[self]).unwrap_or_else(|e| e.raise())
    }
}

pub(crate) fn cases() -> Cases {
    // Windows of two over four elements, by hand: inner elements are reached twice.
    let x = Tensor::from([[1.0f64, 2.0], [3.0, 4.0], [5.0, 6.0]]);
    Cases::new("place", |_, x| vec![x[0].place(&4.into(), Layout::contiguous(4).windows(0, 2, 1))]).with(
        "windows",
        "{}",
        &[x],
        &[Tensor::from([1.0f64, 5.0, 9.0, 6.0])],
    )
}
