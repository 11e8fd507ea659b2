//! Softmax and its logarithm over the rows of a matrix.
//!
//! A row is read three times while it is in the cache: its maximum, the exponentials of the differences to it (none of
//! which can overflow) with their sum, and the result. Short rows are computed sixteen side by side. A row of -∞ alone,
//! and one with a NaN or ∞ in it, gives what the formulas give: NaN.

use crate::math::exponential::exp;
use crate::number::{Doubles, Number, Singles};
use crate::reduce::{Dot, Fold, Max, SHORT, Sum, fold_inline};
use crate::simd::{Kernel, LANES, Simd, dispatch};
use crate::threads::{SharedMut, for_chunks};

/// Elements worth a task.
const TASK: usize = 1 << 14;

/// An element type of softmax: `f32` or `f64`.
#[allow(private_bounds)]
pub trait SoftmaxElement: Exponential {}
impl SoftmaxElement for f32 {}
impl SoftmaxElement for f64 {}

/// What softmax needs of a number; nobody else can implement it.
pub(crate) trait Exponential: Number {
    /// `y = exp(x - shift)`
    fn exp_shifted<S: Simd>(s: S, x: &[Self], shift: Self, y: &mut [Self]);
    /// The exponentials of sixteen numbers.
    fn exp_lanes<S: Simd>(x: Self::Lanes<S>) -> Self::Lanes<S>;
    fn log(self) -> Self;

    // What follows is compiled in this crate and not again in every crate that calls it.

    /// [`rows`]
    fn rows(x: &[Self], columns: usize, out: &mut [Self], form: Form);
    /// [`rows_backward`]
    fn rows_backward(y: &[Self], g: &[Self], columns: usize, out: &mut [Self], form: Form);
}

macro_rules! compiled {
    ($type:ty) => {
        fn rows(x: &[$type], columns: usize, out: &mut [$type], form: Form) {
            rows(x, columns, out, form);
        }

        fn rows_backward(y: &[$type], g: &[$type], columns: usize, out: &mut [$type], form: Form) {
            rows_backward(y, g, columns, out, form);
        }
    };
}

impl Exponential for f32 {
    #[inline(always)]
    fn exp_shifted<S: Simd>(s: S, x: &[f32], shift: f32, y: &mut [f32]) {
        let shift = s.splat(shift);
        let ((x, x_rest), (y, y_rest)) = (x.as_chunks::<LANES>(), y.as_chunks_mut::<LANES>());
        for (x, y) in x.iter().zip(y) {
            s.store(exp(s, s.sub(s.load(x), shift)), y);
        }
        if !x_rest.is_empty() {
            let mut rest = [0.0; LANES];
            rest[..x_rest.len()].copy_from_slice(x_rest);
            let value = exp(s, s.sub(s.load(&rest), shift));
            s.store(value, &mut rest);
            y_rest.copy_from_slice(&rest[..x_rest.len()]);
        }
    }

    #[inline(always)]
    fn exp_lanes<S: Simd>(x: Singles<S>) -> Singles<S> {
        Singles(x.0, exp(x.0, x.1))
    }

    fn log(self) -> f32 {
        libm::logf(self)
    }

    compiled!(f32);
}

impl Exponential for f64 {
    #[inline(always)]
    fn exp_shifted<S: Simd>(_: S, x: &[f64], shift: f64, y: &mut [f64]) {
        for (&x, y) in x.iter().zip(y) {
            *y = libm::exp(x - shift);
        }
    }

    #[inline(always)]
    fn exp_lanes<S: Simd>(mut x: Doubles<S>) -> Doubles<S> {
        for x in &mut x.0 {
            *x = libm::exp(*x);
        }
        x
    }

    fn log(self) -> f64 {
        libm::log(self)
    }

    compiled!(f64);
}

/// What is made of a row.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    Softmax,
    LogSoftmax,
}

/// `y = exp(x - shift)`; `fetch` hears of every cache line on the way, to ask for what is needed next: exponentials keep
/// a processor from looking far enough ahead by itself.
#[inline(always)]
pub(crate) fn exp_and_fetch<S: Simd, T: Exponential>(s: S, x: &[T], shift: T, y: &mut [T], fetch: impl Fn(usize)) {
    /// Elements between two rounds of asking.
    const STRIP: usize = 64;
    for first in (0..x.len()).step_by(STRIP) {
        let strip = first..x.len().min(first + STRIP);
        strip.clone().step_by(64 / size_of::<T>()).for_each(&fetch);
        T::exp_shifted(s, &x[strip.clone()], shift, &mut y[strip]);
    }
}

struct Rows<'a, T> {
    x: &'a [T],
    columns: usize,
    out: &'a mut [T],
    form: Form,
}

impl<T: Exponential> Kernel for Rows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        if self.columns < SHORT { self.beside(s) } else { self.along(s) }
    }
}

/// Sixteen short rows, side by side: element `c` of all of them in one register.
type Beside<T> = [[T; LANES]; SHORT];

/// Puts at most sixteen rows side by side. Lanes without a row keep what they hold.
#[inline(always)]
fn put_beside<T: Copy>(rows: &[T], columns: usize, to: &mut Beside<T>) {
    for (lane, row) in rows.chunks_exact(columns).enumerate() {
        for (to, &x) in to.iter_mut().zip(row) {
            to[lane] = x;
        }
    }
}

/// Puts them one after the other again.
#[inline(always)]
fn put_along<T: Copy>(from: &Beside<T>, columns: usize, rows: &mut [T]) {
    for (lane, row) in rows.chunks_exact_mut(columns).enumerate() {
        for (x, from) in row.iter_mut().zip(from) {
            *x = from[lane];
        }
    }
}

impl<T: Exponential> Rows<'_, T> {
    /// Short rows are folded from left to right: so every lane can fold one, with the same bits.
    #[inline(always)]
    fn beside<S: Simd>(self, s: S) {
        let (columns, mut all) = (self.columns, [[T::ZERO; LANES]; SHORT]);
        for (x, out) in self.x.chunks(LANES * columns).zip(self.out.chunks_mut(LANES * columns)) {
            put_beside(x, columns, &mut all);
            let mut largest = T::splat(s, Max::empty());
            for x in &all[..columns] {
                largest = Max::step(largest, T::load(s, x), T::load(s, x));
            }
            let mut sum = T::splat(s, Sum::empty());
            for x in &mut all[..columns] {
                let power = T::exp_lanes(T::load(s, x) - largest);
                sum = Sum::step(sum, power, power);
                if let Form::Softmax = self.form {
                    T::store(power, x);
                }
            }
            let mut sums = [T::ZERO; LANES];
            T::store(sum, &mut sums);
            match self.form {
                Form::Softmax => {
                    let shares = T::load(s, &sums.map(|sum| T::ONE / sum));
                    for x in &mut all[..columns] {
                        T::store(T::load(s, x) * shares, x);
                    }
                }
                Form::LogSoftmax => {
                    let logs = T::load(s, &sums.map(T::log));
                    for x in &mut all[..columns] {
                        T::store(T::load(s, x) - largest - logs, x);
                    }
                }
            }
            put_along(&all, columns, out);
        }
    }

    #[inline(always)]
    fn along<S: Simd>(self, s: S) {
        for (x, y) in self.x.chunks_exact(self.columns).zip(self.out.chunks_exact_mut(self.columns)) {
            let largest = fold_inline::<S, T, Max>(s, x, x);
            let next = (x.as_ptr().wrapping_add(self.columns), y.as_ptr().wrapping_add(self.columns));
            exp_and_fetch(s, x, largest, y, |at| {
                s.will_read(next.0.wrapping_add(at).cast());
                s.will_write(next.1.wrapping_add(at).cast());
            });
            let sum = fold_inline::<S, T, Sum>(s, y, y);
            match self.form {
                Form::Softmax => {
                    let share = T::ONE / sum;
                    y.iter_mut().for_each(|y| *y = *y * share);
                }
                Form::LogSoftmax => {
                    let log = sum.log();
                    x.iter().zip(y).for_each(|(&x, y)| *y = x - largest - log);
                }
            }
        }
    }
}

fn rows<T: Exponential>(x: &[T], columns: usize, out: &mut [T], form: Form) {
    if columns == 0 {
        return;
    }
    let out = SharedMut::new(out);
    for_chunks(x.len() / columns, TASK.div_ceil(columns), |rows| {
        let all = rows.start * columns..rows.end * columns;
        // SAFETY: the ranges of for_chunks do not overlap.
        let out = unsafe { out.range(all.clone()) };
        dispatch(Rows { x: &x[all], columns, out, form });
    });
}

/// The gradients of [`Form::Softmax`] and [`Form::LogSoftmax`] from their results `y` and the incoming `g`.
struct RowsBackward<'a, T> {
    y: &'a [T],
    g: &'a [T],
    columns: usize,
    out: &'a mut [T],
    form: Form,
}

impl<T: Exponential> Kernel for RowsBackward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        if matches!(self.form, Form::LogSoftmax) && self.columns < SHORT { self.beside(s) } else { self.along(s) }
    }
}

impl<T: Exponential> RowsBackward<'_, T> {
    /// As [`Rows::beside`]; softmax has no exponentials here, which are what is slow in short rows.
    #[inline(always)]
    fn beside<S: Simd>(self, s: S) {
        let (columns, mut all_y, mut all_g) = (self.columns, [[T::ZERO; LANES]; SHORT], [[T::ZERO; LANES]; SHORT]);
        let rows = self.y.chunks(LANES * columns).zip(self.g.chunks(LANES * columns));
        for ((y, g), out) in rows.zip(self.out.chunks_mut(LANES * columns)) {
            put_beside(y, columns, &mut all_y);
            put_beside(g, columns, &mut all_g);
            let mut sum = T::splat(s, Sum::empty());
            for g in &all_g[..columns] {
                sum = Sum::step(sum, T::load(s, g), T::load(s, g));
            }
            for (y, g) in all_y[..columns].iter_mut().zip(&all_g) {
                T::store(T::load(s, g) - T::exp_lanes(T::load(s, y)) * sum, y);
            }
            put_along(&all_y, columns, out);
        }
    }

    #[inline(always)]
    fn along<S: Simd>(self, s: S) {
        let rows = self.y.chunks_exact(self.columns).zip(self.g.chunks_exact(self.columns));
        for ((y, g), out) in rows.zip(self.out.chunks_exact_mut(self.columns)) {
            if let Form::Softmax = self.form {
                let mean = fold_inline::<S, T, Dot>(s, y, g);
                out.iter_mut().zip(y).zip(g).for_each(|((out, &p), &g)| *out = p * (g - mean));
            } else {
                let sum = fold_inline::<S, T, Sum>(s, g, g);
                T::exp_shifted(s, y, T::ZERO, out);
                out.iter_mut().zip(g).for_each(|(out, &g)| *out = g - *out * sum);
            }
        }
    }
}

fn rows_backward<T: Exponential>(y: &[T], g: &[T], columns: usize, out: &mut [T], form: Form) {
    if columns == 0 {
        return;
    }
    let out = SharedMut::new(out);
    for_chunks(y.len() / columns, TASK.div_ceil(columns), |rows| {
        let all = rows.start * columns..rows.end * columns;
        // SAFETY: the ranges of for_chunks do not overlap.
        let out = unsafe { out.range(all.clone()) };
        dispatch(RowsBackward { y: &y[all.clone()], g: &g[all], columns, out, form });
    });
}

/// The gradient of [`softmax_rows`] from its result: `out[r, c] = y[r, c]·(g[r, c] − Σ y[r, ·]·g[r, ·])`.
///
/// # Panics
/// If the slices differ in length or are not whole rows.
#[track_caller]
pub fn softmax_rows_backward<T: SoftmaxElement>(y: &[T], g: &[T], columns: usize, out: &mut [T]) {
    check(y.len(), columns, g.len());
    check(y.len(), columns, out.len());
    T::rows_backward(y, g, columns, out, Form::Softmax);
}

/// The gradient of [`log_softmax_rows`] from its result: `out[r, c] = g[r, c] − exp(y[r, c])·Σ g[r, ·]`.
///
/// # Panics
/// If the slices differ in length or are not whole rows.
#[track_caller]
pub fn log_softmax_rows_backward<T: SoftmaxElement>(y: &[T], g: &[T], columns: usize, out: &mut [T]) {
    check(y.len(), columns, g.len());
    check(y.len(), columns, out.len());
    T::rows_backward(y, g, columns, out, Form::LogSoftmax);
}

/// `y[r, c] = exp(x[r, c]) / Σ exp(x[r, ·])` for every row of `columns` elements.
///
/// # Panics
/// If the slices differ in length or are not whole rows.
#[track_caller]
pub fn softmax_rows<T: SoftmaxElement>(x: &[T], columns: usize, y: &mut [T]) {
    check(x.len(), columns, y.len());
    T::rows(x, columns, y, Form::Softmax);
}

/// `y[r, c] = x[r, c] - ln Σ exp(x[r, ·])` for every row of `columns` elements.
///
/// # Panics
/// If the slices differ in length or are not whole rows.
#[track_caller]
pub fn log_softmax_rows<T: SoftmaxElement>(x: &[T], columns: usize, y: &mut [T]) {
    check(x.len(), columns, y.len());
    T::rows(x, columns, y, Form::LogSoftmax);
}

#[track_caller]
fn check(x: usize, columns: usize, y: usize) {
    assert_eq!(x, y, "input and output have the same length");
    assert!(x.is_multiple_of(columns.max(1)), "{x} elements are not whole rows of {columns}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads::set_threads;

    fn numbers(len: usize, scale: f32) -> Vec<f32> {
        (0..len).map(|i| ((i * 7919 + 13) % 2003) as f32 / 1001.0 * scale - scale).collect()
    }

    #[test]
    fn rows_equal_the_formulas_in_f64() {
        for (rows, columns, scale) in [(1, 1, 1.0), (3, 10, 5.0), (40, 33, 100.0), (2, 1000, 1.0), (300, 100, 20.0)] {
            if cfg!(miri) && rows * columns > 500 {
                continue;
            }
            let x = numbers(rows * columns, scale);
            let mut seen: Option<Vec<f32>> = None;
            for threads in [1, 3] {
                set_threads(threads);
                let [mut y, mut log_y] = [vec![0.0; x.len()], vec![0.0; x.len()]];
                softmax_rows(&x, columns, &mut y);
                log_softmax_rows(&x, columns, &mut log_y);
                for r in 0..rows {
                    let row: Vec<f64> = x[r * columns..(r + 1) * columns].iter().map(|&x| x.into()).collect();
                    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let log = largest + row.iter().map(|x| (x - largest).exp()).sum::<f64>().ln();
                    for (c, x) in row.iter().enumerate() {
                        let exact = (x - log).exp();
                        let (y, log_y) = (f64::from(y[r * columns + c]), f64::from(log_y[r * columns + c]));
                        // Rounding the difference to the maximum costs half an ULP of it.
                        let relative = 5e-7 + (x - largest).abs() * 6e-8;
                        assert!((y - exact).abs() <= relative * exact + 1e-44, "{y} {exact}");
                        assert!((log_y - (x - log)).abs() <= 2e-7 * (x - log).abs().max(1.0), "{log_y} {}", x - log);
                    }
                }
                assert_eq!(*seen.get_or_insert(y.clone()), y);
            }
            let wide: Vec<f64> = x.iter().map(|&x| x.into()).collect();
            let mut y = vec![0.0f64; x.len()];
            softmax_rows(&wide, columns, &mut y);
            for row in y.chunks(columns) {
                assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-14);
            }
        }
    }

    /// The rows of any length one after the other.
    struct Along<'a, T>(Rows<'a, T>);
    struct AlongBackward<'a, T>(RowsBackward<'a, T>);

    impl<T: Exponential> Kernel for Along<'_, T> {
        type Output = ();

        fn run<S: Simd>(self, s: S) {
            self.0.along(s);
        }
    }

    impl<T: Exponential> Kernel for AlongBackward<'_, T> {
        type Output = ();

        fn run<S: Simd>(self, s: S) {
            self.0.along(s);
        }
    }

    fn beside_equals_along<T: Exponential + std::fmt::Debug>(x: &[T], g: &[T], columns: usize) {
        // A NaN equals nothing, its text does.
        let same = |a: &[T], b: &[T]| assert_eq!(format!("{a:?}"), format!("{b:?}"), "{columns} columns");
        for form in [Form::Softmax, Form::LogSoftmax] {
            let [mut expected, mut got] = [vec![T::ZERO; x.len()], vec![T::ZERO; x.len()]];
            dispatch(Along(Rows { x, columns, out: &mut expected, form }));
            T::rows(x, columns, &mut got, form);
            same(&got, &expected);
            let y = got.clone();
            dispatch(AlongBackward(RowsBackward { y: &y, g, columns, out: &mut expected, form }));
            T::rows_backward(&y, g, columns, &mut got, form);
            same(&got, &expected);
        }
    }

    #[test]
    fn rows_side_by_side_have_the_bits_of_rows_alone() {
        for (rows, columns) in [(1, 1), (16, 4), (37, 10), (50, 31)] {
            let mut x = numbers(rows * columns, 30.0);
            (x[rows * columns / 2], x[0]) = (-0.0, f32::NEG_INFINITY);
            let g = numbers(rows * columns, 2.0);
            let wide = |x: &[f32]| x.iter().map(|&x| x.into()).collect::<Vec<f64>>();
            beside_equals_along(&x, &g, columns);
            beside_equals_along(&wide(&x), &wide(&g), columns);
        }
    }

    #[test]
    fn infinities_give_what_pytorch_gives() {
        const INF: f32 = f32::INFINITY;
        let mut y = [0.0; 3];
        softmax_rows(&[-INF, 0.0, 0.0], 3, &mut y);
        assert_eq!(y, [0.0, 0.5, 0.5]);
        softmax_rows(&[-INF; 3], 3, &mut y);
        assert!(y.iter().all(|y| y.is_nan()));
        log_softmax_rows(&[-INF, 0.0, 0.0], 3, &mut y);
        assert_eq!(y[0], -INF);
    }
}
