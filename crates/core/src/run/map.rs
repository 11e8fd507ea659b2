//! Elementwise work in tiles that stay in the first-level cache.
//!
//! An input that is not contiguous (broadcast, transposed, sliced) is first gathered into a tile, so a
//! kernel is always a plain function over slices. Work is split into fixed chunks, so results do not
//! depend on the number of threads.

use crate::DType;
use crate::op::{Input, Output};
use crate::tensor::{Element, Layout, Shape};
use hadal_kernels::threads::for_chunks_mut;
use half::{bf16, f16};
use smallvec::SmallVec;

/// Elements per tile: three f32 tiles fill 12 KiB of a 32 KiB cache.
pub const TILE: usize = 1024;
/// Elements per task.
pub const CHUNK: usize = 32 * TILE;

/// Reads any layout in row-major order, piece by piece.
pub struct Reader<'a, T> {
    all: &'a [T],
    offset: isize,
    /// Sizes and strides, neighbours merged where they are gapless.
    axes: SmallVec<[(usize, isize); 6]>,
}

impl<'a, T: Element> Reader<'a, T> {
    /// Over the elements of `layout`.
    pub fn new(all: &'a [T], layout: &Layout) -> Reader<'a, T> {
        let Layout { shape, strides, offset } = layout.merged();
        Reader { all, offset: offset as isize, axes: shape.iter().copied().zip(strides).collect() }
    }

    fn broadcast(input: &Input<'a>, shape: &Shape) -> Reader<'a, T> {
        let layout = input.layout();
        if layout.shape == *shape && layout.is_contiguous() {
            let mut axes = SmallVec::new();
            axes.extend((shape.rank() > 0).then(|| (shape.elements(), 1)));
            return Reader { all: input.buffer(), offset: layout.offset as isize, axes };
        }
        Reader::new(input.buffer(), &layout.broadcast_to(shape))
    }

    /// Elements `start..start + len` if they lie together.
    #[inline]
    pub(super) fn together(&self, start: usize, len: usize) -> Option<&[T]> {
        if let [] | [(_, 1)] = self.axes[..]
            && (len == 1 || !self.axes.is_empty())
        {
            let first = self.offset as usize + start;
            return Some(&self.all[first..first + len]);
        }
        self.in_one_run(start, len)
    }

    /// Elements `start..start + len` if they lie in one run of the last of several axes.
    fn in_one_run(&self, start: usize, len: usize) -> Option<&[T]> {
        let (&(inner, stride), outer) = self.axes.split_last()?;
        if stride != 1 || inner == 0 || start % inner + len > inner {
            return None;
        }
        let (mut row, mut at) = (start / inner, self.offset + (start % inner) as isize);
        for &(size, stride) in outer.iter().rev() {
            at += (row % size) as isize * stride;
            row /= size;
        }
        Some(&self.all[at as usize..at as usize + len])
    }

    /// The elements from `start` on that lie together, at most `most`.
    pub(super) fn run(&self, start: usize, most: usize) -> &[T] {
        if let Some(elements) = self.together(start, most) {
            return elements;
        }
        match self.axes.last() {
            Some(&(inner, 1)) if inner > 0 => self.in_one_run(start, most.min(inner - start % inner)).unwrap_or(&[]),
            _ => &[],
        }
    }

    /// Elements `start..start + len`: borrowed when they lie together, else gathered into `tile`.
    pub(super) fn tile<'b>(&'b self, start: usize, len: usize, tile: &'b mut [T]) -> &'b [T] {
        match self.together(start, len) {
            Some(elements) => elements,
            None => {
                self.read(start, &mut tile[..len]);
                &tile[..len]
            }
        }
    }

    /// As [`Reader::tile`] with room that is made only if it is needed: filling it takes longer than a small op.
    /// One number for all elements is written there once.
    fn tile_in<'b>(&'b self, start: usize, len: usize, room: &'b mut Option<[T; TILE]>) -> &'b [T] {
        if let Some(elements) = self.together(start, len) {
            return elements;
        }
        if self.axes.iter().all(|&(_, stride)| stride == 0) {
            return &room.get_or_insert_with(|| [self.all[self.offset as usize]; TILE])[..len];
        }
        self.tile(start, len, room.get_or_insert_with(|| [T::default(); TILE]))
    }

    /// Copies elements `start..start + out.len()` into `out`.
    pub fn read(&self, start: usize, out: &mut [T]) {
        if out.is_empty() {
            return;
        }
        let Some((&(inner, stride), outer)) = self.axes.split_last() else {
            return out.fill(self.all[self.offset as usize]);
        };
        let mut index: SmallVec<[usize; 6]> = SmallVec::from_elem(0, outer.len());
        let (mut row, mut column) = (start / inner, start % inner);
        let mut at = self.offset;
        for (i, &(size, stride)) in index.iter_mut().zip(outer).rev() {
            *i = row % size;
            row /= size;
            at += *i as isize * stride;
        }
        let mut done = 0;
        loop {
            let len = (inner - column).min(out.len() - done);
            let first = at + column as isize * stride;
            let part = &mut out[done..done + len];
            match stride {
                1 => part.copy_from_slice(&self.all[first as usize..first as usize + len]),
                0 => part.fill(self.all[first as usize]),
                _ => {
                    for (i, value) in part.iter_mut().enumerate() {
                        *value = self.all[(first + i as isize * stride) as usize];
                    }
                }
            }
            done += len;
            if done == out.len() {
                return;
            }
            column = 0;
            for (i, &(size, stride)) in index.iter_mut().zip(outer).rev() {
                *i += 1;
                at += stride;
                if *i < size {
                    break;
                }
                at -= stride * size as isize;
                *i = 0;
            }
        }
    }
}

/// The tiles of one chunk: `(first element, tile of the output)`.
fn tiles<T>(chunk: usize, part: &mut [T]) -> impl Iterator<Item = (usize, &mut [T])> {
    part.chunks_mut(TILE).enumerate().map(move |(i, tile)| (chunk * CHUNK + i * TILE, tile))
}

// The drivers below take their kernel as `dyn`: one call per tile costs nothing, and a driver is then compiled once
// per element type instead of once per op.

/// A kernel of one input.
type Unary<'a, A, Y> = &'a (dyn Fn(&[A], &mut [Y]) + Sync);
/// A kernel of two inputs.
type Binary<'a, A, B, Y> = &'a (dyn Fn(&[A], &[B], &mut [Y]) + Sync);
/// A kernel of three inputs.
type Ternary<'a, A, B, C, Y> = &'a (dyn Fn(&[A], &[B], &[C], &mut [Y]) + Sync);

/// `y = f(x)`, tile by tile.
pub fn unary<A: Element, Y: Element>(x: &Input, y: &mut Output, f: impl Fn(&[A], &mut [Y]) + Sync) {
    unary_tiles(x, y, &f);
}

fn unary_tiles<A: Element, Y: Element>(x: &Input, y: &mut Output, f: Unary<A, Y>) {
    let a = Reader::<A>::broadcast(x, y.shape());
    for_chunks_mut(y.slice(), CHUNK, |chunk, part| {
        let mut scratch = None;
        for (at, tile) in tiles(chunk, part) {
            f(a.tile_in(at, tile.len(), &mut scratch), tile);
        }
    });
}

/// `y = f(a, b)`, tile by tile; the inputs broadcast to the output's shape.
pub fn binary<A: Element, B: Element, Y: Element>(
    x: &[Input],
    y: &mut Output,
    f: impl Fn(&[A], &[B], &mut [Y]) + Sync,
) {
    binary_tiles(x, y, &f);
}

fn binary_tiles<A: Element, B: Element, Y: Element>(x: &[Input], y: &mut Output, f: Binary<A, B, Y>) {
    let (a, b) = (Reader::<A>::broadcast(&x[0], y.shape()), Reader::<B>::broadcast(&x[1], y.shape()));
    for_chunks_mut(y.slice(), CHUNK, |chunk, part| {
        let (mut scratch_a, mut scratch_b) = (None, None);
        for (at, tile) in tiles(chunk, part) {
            let len = tile.len();
            f(a.tile_in(at, len, &mut scratch_a), b.tile_in(at, len, &mut scratch_b), tile);
        }
    });
}

/// `y = f(a, b, c)`, tile by tile; the inputs broadcast to the output's shape.
pub fn ternary<A: Element, B: Element, C: Element, Y: Element>(
    x: &[Input],
    y: &mut Output,
    f: impl Fn(&[A], &[B], &[C], &mut [Y]) + Sync,
) {
    ternary_tiles(x, y, &f);
}

fn ternary_tiles<A: Element, B: Element, C: Element, Y: Element>(x: &[Input], y: &mut Output, f: Ternary<A, B, C, Y>) {
    let (a, b) = (Reader::<A>::broadcast(&x[0], y.shape()), Reader::<B>::broadcast(&x[1], y.shape()));
    let c = Reader::<C>::broadcast(&x[2], y.shape());
    for_chunks_mut(y.slice(), CHUNK, |chunk, part| {
        let (mut scratch_a, mut scratch_b, mut scratch_c) = (None, None, None);
        for (at, tile) in tiles(chunk, part) {
            let len = tile.len();
            let a = a.tile_in(at, len, &mut scratch_a);
            f(a, b.tile_in(at, len, &mut scratch_b), c.tile_in(at, len, &mut scratch_c), tile);
        }
    });
}

/// A slice kernel from a function of one element.
pub fn each<A: Copy, Y>(f: impl Fn(A) -> Y + Sync) -> impl Fn(&[A], &mut [Y]) + Sync {
    move |a, y| y.iter_mut().zip(a).for_each(|(y, &a)| *y = f(a))
}

/// A slice kernel from a function of two elements.
pub fn each2<A: Copy, B: Copy, Y>(f: impl Fn(A, B) -> Y + Sync) -> impl Fn(&[A], &[B], &mut [Y]) + Sync {
    move |a, b, y| y.iter_mut().zip(a).zip(b).for_each(|((y, &a), &b)| *y = f(a, b))
}

/// A slice kernel from a function of three elements.
pub fn each3<A: Copy, B: Copy, C: Copy, Y>(
    f: impl Fn(A, B, C) -> Y + Sync,
) -> impl Fn(&[A], &[B], &[C], &mut [Y]) + Sync {
    move |a, b, c, y| y.iter_mut().zip(a).zip(b).zip(c).for_each(|(((y, &a), &b), &c)| *y = f(a, b, c))
}

/// A function of floats given as an f32 and an f64 kernel; half types are computed in f32.
pub fn float(
    x: &Input,
    y: &mut Output,
    single: impl Fn(&[f32], &mut [f32]) + Sync,
    double: impl Fn(&[f64], &mut [f64]) + Sync,
) {
    match x.dtype() {
        DType::F32 => unary(x, y, single),
        DType::F64 => unary(x, y, double),
        DType::F16 => unary(x, y, through_f32::<f16>(&single)),
        DType::BF16 => unary(x, y, through_f32::<bf16>(&single)),
        other => unreachable!("`infer` does not admit {other} here"),
    }
}

/// A function of two floats given as an f32 and an f64 kernel; half types are computed in f32.
pub fn float2(
    x: &[Input],
    y: &mut Output,
    single: impl Fn(&[f32], &[f32], &mut [f32]) + Sync,
    double: impl Fn(&[f64], &[f64], &mut [f64]) + Sync,
) {
    match y.dtype() {
        DType::F32 => binary(x, y, single),
        DType::F64 => binary(x, y, double),
        DType::F16 => binary(x, y, through_f32_2::<f16>(&single)),
        DType::BF16 => binary(x, y, through_f32_2::<bf16>(&single)),
        other => unreachable!("`infer` does not admit {other} here"),
    }
}

fn through_f32<T: Element>(f: Unary<f32, f32>) -> impl Fn(&[T], &mut [T]) + Sync {
    move |a, y| {
        let (mut wide, mut result) = ([0f32; TILE], [0f32; TILE]);
        let n = y.len();
        wide.iter_mut().zip(a).for_each(|(w, v)| *w = v.to_f64() as f32);
        f(&wide[..n], &mut result[..n]);
        y.iter_mut().zip(&result).for_each(|(y, &r)| *y = T::from_f64(r as f64));
    }
}

fn through_f32_2<T: Element>(f: Binary<f32, f32, f32>) -> impl Fn(&[T], &[T], &mut [T]) + Sync {
    move |a, b, y| {
        let (mut wide_a, mut wide_b, mut result) = ([0f32; TILE], [0f32; TILE], [0f32; TILE]);
        let n = y.len();
        wide_a.iter_mut().zip(a).for_each(|(w, v)| *w = v.to_f64() as f32);
        wide_b.iter_mut().zip(b).for_each(|(w, v)| *w = v.to_f64() as f32);
        f(&wide_a[..n], &wide_b[..n], &mut result[..n]);
        y.iter_mut().zip(&result).for_each(|(y, &r)| *y = T::from_f64(r as f64));
    }
}

/// Arithmetic of every number type; integers wrap.
pub trait Number: Element + PartialOrd {
    /// `self + other`.
    fn plus(self, other: Self) -> Self;
    /// `self - other`.
    fn minus(self, other: Self) -> Self;
    /// `self * other`.
    fn times(self, other: Self) -> Self;
    /// `-self`.
    fn negated(self) -> Self;
    /// The absolute value.
    fn magnitude(self) -> Self;
}

macro_rules! wrapping {
    ($($t:ty),*) => { $(
        impl Number for $t {
            #[inline]
            fn plus(self, other: Self) -> Self { self.wrapping_add(other) }
            #[inline]
            fn minus(self, other: Self) -> Self { self.wrapping_sub(other) }
            #[inline]
            fn times(self, other: Self) -> Self { self.wrapping_mul(other) }
            #[inline]
            fn negated(self) -> Self { self.wrapping_neg() }
            #[inline]
            #[allow(unused_comparisons)] // `u8` has no negative numbers
            fn magnitude(self) -> Self { if self < 0 { self.wrapping_neg() } else { self } }
        }
    )* };
}
wrapping!(u8, i8, i32, i64);

macro_rules! floating {
    ($($t:ty),*) => { $(
        impl Number for $t {
            #[inline]
            fn plus(self, other: Self) -> Self { self + other }
            #[inline]
            fn minus(self, other: Self) -> Self { self - other }
            #[inline]
            fn times(self, other: Self) -> Self { self * other }
            #[inline]
            fn negated(self) -> Self { -self }
            #[inline]
            fn magnitude(self) -> Self { if self.is_sign_negative() { -self } else { self } }
        }
    )* };
}
floating!(f16, bf16, f32, f64);
