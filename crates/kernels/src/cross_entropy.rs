//! Cross-entropy of logits and class labels, by rows: the losses, and the gradient in one pass over the logits.
//!
//! Forward, a row is read for its maximum and for the sum of its exponentials; both are kept, so that the gradient needs
//! only the exponentials again.

use std::ops::Range;

use crate::reduce::{Max, Sum, fold_inline};
use crate::scratch;
use crate::simd::{Kernel, Simd, dispatch};
use crate::softmax::{Exponential, exp_and_fetch};
use crate::threads::{SharedMut, for_chunks};

/// Elements worth a task.
const TASK: usize = 1 << 14;
/// Elements between those that are computed and those that are asked for from memory.
const AHEAD: usize = 512;
/// Elements of a row that are finished while they are in the first-level cache.
const STRIP: usize = 2048;

/// An element type of cross-entropy: `f32` or `f64`.
#[allow(private_bounds)]
pub trait CrossEntropyElement: Passes {}
impl CrossEntropyElement for f32 {}
impl CrossEntropyElement for f64 {}

/// Both passes, compiled in this crate and not again in every crate that calls them.
pub(crate) trait Passes: Exponential {
    fn losses(labels: Labels<Self>, logits: &[Self], to: Losses<Self>);
    fn slopes(labels: Labels<Self>, slopes: Slopes<Self>, first: usize, logits: &[Self], y: &mut [Self]);
}

macro_rules! passes {
    ($($type:ty)*) => { $(
        impl Passes for $type {
            fn losses(labels: Labels<$type>, logits: &[$type], to: Losses<$type>) {
                forward(labels, logits, to);
            }

            fn slopes(labels: Labels<$type>, slopes: Slopes<$type>, first: usize, logits: &[$type], y: &mut [$type]) {
                backward(labels, slopes, first, logits, y);
            }
        }
    )* };
}
passes!(f32 f64);

/// What rows of logits are compared with. A sample of class y loses `own[y]·(−log p_y) + Σ_c even[c]·(−log p_c)`.
#[derive(Clone, Copy, Debug)]
pub struct Labels<'a, T> {
    /// The class of each row, below the number of classes, or `ignored`.
    pub labels: &'a [i64],
    /// The label of rows that lose nothing.
    pub ignored: i64,
    /// `[classes]`: the weight of a class for rows of that class.
    pub own: &'a [T],
    /// `[classes]`: the weight of a class for every row, none if it is empty.
    pub even: &'a [T],
}

impl<T> Labels<'_, T> {
    fn classes(&self) -> usize {
        self.own.len()
    }

    fn class(&self, row: usize) -> Option<usize> {
        let label = self.labels[row];
        (label != self.ignored).then_some(label as usize)
    }

    #[track_caller]
    fn check(&self, logits: usize, rows: usize) {
        assert_eq!(logits, rows * self.classes(), "logits are [{rows}, {}]", self.classes());
        assert!(self.even.is_empty() || self.even.len() == self.classes(), "one even weight for each class");
    }
}

/// What the forward pass gives for each row.
#[derive(Debug)]
pub struct Losses<'a, T> {
    /// The loss.
    pub loss: &'a mut [T],
    /// The largest logit.
    pub largest: &'a mut [T],
    /// `1 / Σ exp(logit − largest)`
    pub share: &'a mut [T],
}

/// What the gradient of each row is made from.
#[derive(Clone, Copy, Debug)]
pub struct Slopes<'a, T> {
    /// As in [`Losses`].
    pub largest: &'a [T],
    /// As in [`Losses`].
    pub share: &'a [T],
    /// What the probabilities are multiplied by: the sum of the row's weights.
    pub pull: &'a [T],
    /// The gradient of the loss.
    pub scale: &'a [T],
}

/// The losses of rows of logits. Ignored rows get zeros.
///
/// # Panics
/// If a slice has the wrong length, or a label is no class.
#[track_caller]
pub fn cross_entropy_rows<T: CrossEntropyElement>(labels: Labels<T>, logits: &[T], to: Losses<T>) {
    labels.check(logits.len(), to.loss.len());
    assert_eq!([to.largest.len(), to.share.len()], [to.loss.len(); 2], "one number for each row");
    T::losses(labels, logits, to);
}

/// `y = scale·(pull·p − own[y]·[c = y] − even[c])` for the rows of logits from `first` on; zeros for ignored ones.
///
/// # Panics
/// If a slice has the wrong length, or a label is no class.
#[track_caller]
pub fn cross_entropy_rows_backward<T: CrossEntropyElement>(
    labels: Labels<T>,
    slopes: Slopes<T>,
    first: usize,
    logits: &[T],
    y: &mut [T],
) {
    assert_eq!(logits.len(), y.len(), "one gradient for each logit");
    labels.check(logits.len(), logits.len() / labels.classes().max(1));
    T::slopes(labels, slopes, first, logits, y);
}

fn forward<T: Exponential>(labels: Labels<T>, logits: &[T], to: Losses<T>) {
    let classes = labels.classes();
    let rows = to.loss.len();
    let [loss, largest, share] = [to.loss, to.largest, to.share].map(SharedMut::new);
    for_chunks(rows, TASK.div_ceil(classes.max(1)), |rows| {
        // SAFETY: the ranges of for_chunks do not overlap.
        let (loss, largest, share) =
            unsafe { (loss.range(rows.clone()), largest.range(rows.clone()), share.range(rows.clone())) };
        let logits = &logits[rows.start * classes..rows.end * classes];
        let to = Losses { loss, largest, share };
        scratch::with(classes, |space| dispatch(Forward { labels, first: rows.start, logits, to, space }));
    });
}

struct Forward<'a, T> {
    labels: Labels<'a, T>,
    first: usize,
    logits: &'a [T],
    to: Losses<'a, T>,
    /// Room for a row.
    space: &'a mut [T],
}

impl<T: Exponential> Kernel for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Forward { labels, first, logits, to, space } = self;
        let classes = labels.classes();
        for (i, loss) in to.loss.iter_mut().enumerate() {
            let row = &logits[i * classes..][..classes];
            let Some(class) = labels.class(first + i) else {
                (*loss, to.largest[i], to.share[i]) = (T::ZERO, T::ZERO, T::ZERO);
                continue;
            };
            let largest = fold_inline::<S, T, Max>(s, row, row);
            let next = row.as_ptr().wrapping_add(classes);
            exp_and_fetch(s, row, largest, space, |at| s.will_read(next.wrapping_add(at).cast()));
            let sum = fold_inline::<S, T, Sum>(s, space, space);
            (to.largest[i], to.share[i]) = (largest, T::ONE / sum);
            let log = sum.log();
            *loss = labels.own[class] * (log - (row[class] - largest));
            if !labels.even.is_empty() {
                for (term, (&even, &x)) in space.iter_mut().zip(labels.even.iter().zip(row)) {
                    *term = even * (log - (x - largest));
                }
                *loss += fold_inline::<S, T, Sum>(s, space, space);
            }
        }
    }
}

fn backward<T: Exponential>(labels: Labels<T>, slopes: Slopes<T>, first: usize, logits: &[T], y: &mut [T]) {
    let classes = labels.classes();
    if classes == 0 {
        return;
    }
    let y = SharedMut::new(y);
    for_chunks(logits.len() / classes, TASK.div_ceil(classes), |rows| {
        let elements = rows.start * classes..rows.end * classes;
        // SAFETY: the ranges of for_chunks do not overlap.
        let y = unsafe { y.range(elements.clone()) };
        let rows: Range<usize> = first + rows.start..first + rows.end;
        dispatch(Backward { labels, slopes, rows, logits: &logits[elements], y });
    });
}

struct Backward<'a, T> {
    labels: Labels<'a, T>,
    slopes: Slopes<'a, T>,
    rows: Range<usize>,
    logits: &'a [T],
    y: &'a mut [T],
}

impl<T: Exponential> Kernel for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Backward { labels, slopes, rows, logits, y } = self;
        let classes = labels.classes();
        let lines = logits.chunks_exact(classes).zip(y.chunks_exact_mut(classes));
        for (row, (x, y)) in rows.zip(lines) {
            let Some(class) = labels.class(row) else {
                y.fill(T::ZERO);
                continue;
            };
            let scale = slopes.scale[row];
            let factor = scale * slopes.pull[row] * slopes.share[row];
            for (x, y) in x.chunks(STRIP).zip(y.chunks_mut(STRIP)) {
                let ahead = (x.as_ptr().wrapping_add(AHEAD), y.as_ptr().wrapping_add(AHEAD));
                exp_and_fetch(s, x, slopes.largest[row], y, |at| {
                    s.will_read(ahead.0.wrapping_add(at).cast());
                    s.will_write(ahead.1.wrapping_add(at).cast());
                });
                y.iter_mut().for_each(|y| *y = *y * factor);
            }
            if !labels.even.is_empty() {
                y.iter_mut().zip(labels.even).for_each(|(y, &even)| *y = *y - scale * even);
            }
            y[class] = y[class] - scale * labels.own[class];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{available, dispatch_on};
    use crate::threads::set_threads;

    fn numbers(len: usize, scale: f32) -> Vec<f32> {
        (0..len).map(|i| ((i * 7919 + 13) % 2003) as f32 / 1001.0 * scale - scale).collect()
    }

    /// Loss and gradient of each row; the gradients' scales are 1, 2, 3, …
    fn run<T: CrossEntropyElement + Default + Copy>(
        labels: Labels<T>,
        logits: &[T],
        of: impl Fn(f64) -> T,
        pull: f64,
    ) -> (Vec<T>, Vec<T>) {
        let rows = labels.labels.len();
        let mut found = [(); 3].map(|()| vec![of(9.0); rows]);
        let [loss, largest, share] = &mut found;
        cross_entropy_rows(labels, logits, Losses { loss, largest, share });
        let (pull, scale) = (vec![of(pull); rows], (0..rows).map(|r| of(r as f64 + 1.0)).collect::<Vec<_>>());
        let slopes = Slopes { largest: &found[1], share: &found[2], pull: &pull, scale: &scale };
        let mut y = vec![of(9.0); logits.len()];
        cross_entropy_rows_backward(labels, slopes, 0, logits, &mut y);
        (found[0].clone(), y)
    }

    #[test]
    fn losses_and_gradients_equal_the_formulas_in_f64() {
        for (rows, classes, scale) in [(1, 1, 1.0), (5, 10, 5.0), (40, 33, 100.0), (9, 5000, 1.0), (300, 100, 20.0)] {
            if cfg!(miri) && rows * classes > 500 {
                continue;
            }
            let logits = numbers(rows * classes, scale);
            let wide: Vec<f64> = logits.iter().map(|&x| x.into()).collect();
            let labels: Vec<i64> = (0..rows).map(|r| if r % 4 == 3 { -7 } else { (r * 31 % classes) as i64 }).collect();
            for smoothing in [0.0, 0.25] {
                let own: Vec<f64> = (0..classes).map(|c| (1.0 - smoothing) * (1.0 + (c % 3) as f64)).collect();
                let even: Vec<f64> = match smoothing {
                    0.0 => vec![],
                    s => (0..classes).map(|c| s / classes as f64 * (1.0 + (c % 3) as f64)).collect(),
                };
                let single = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<_>>();
                let (own_f32, even_f32) = (single(&own), single(&even));
                let of_f32 = Labels { labels: &labels, ignored: -7, own: &own_f32, even: &even_f32 };
                set_threads(1);
                let found = run(of_f32, &logits, |x| x as f32, 1.5);
                for threads in [2, 3, 8] {
                    set_threads(threads);
                    assert!(run(of_f32, &logits, |x| x as f32, 1.5) == found, "{threads} threads");
                }
                set_threads(0);
                let of_f64 = Labels { labels: &labels, ignored: -7, own: &own, even: &even };
                let found_f64 = run(of_f64, &wide, |x| x, 1.5);
                for r in 0..rows {
                    let x = &wide[r * classes..(r + 1) * classes];
                    let largest = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let log = largest + x.iter().map(|x| (x - largest).exp()).sum::<f64>().ln();
                    let seen = labels[r] != -7;
                    let y = labels[r].max(0) as usize;
                    let weight = |c: usize| if even.is_empty() { 0.0 } else { even[c] };
                    let evenly: f64 = (0..classes).map(|c| weight(c) * (log - x[c])).sum();
                    let exact = if seen { own[y] * (log - x[y]) + evenly } else { 0.0 };
                    let bound = 1e-6 * exact.abs().max(1.0);
                    assert!((f64::from(found.0[r]) - exact).abs() <= bound, "{} {exact}", found.0[r]);
                    assert!((found_f64.0[r] - exact).abs() <= 1e-13 * exact.abs().max(1.0));
                    let scale = r as f64 + 1.0;
                    for (c, x) in x.iter().enumerate() {
                        let p = (x - log).exp();
                        let target = weight(c) + if c == y { own[y] } else { 0.0 };
                        let exact = if seen { scale * (1.5 * p - target) } else { 0.0 };
                        // The exponent's rounding costs half an ULP of the difference to the maximum.
                        let bound = scale * (1.5 * p * (8e-7 + (x - largest).abs() * 6e-8) + target * 2e-7) + 1e-42;
                        let at = r * classes + c;
                        assert!((f64::from(found.1[at]) - exact).abs() <= bound, "{} {exact}", found.1[at]);
                        assert!((found_f64.1[at] - exact).abs() <= scale * 1e-13);
                    }
                }
            }
        }
    }

    #[test]
    fn instruction_sets_do_not_matter() {
        let (rows, classes) = (3, 101);
        let logits = numbers(rows * classes, 9.0);
        let weights = &logits[..classes];
        let labels = Labels { labels: &[7, -1, 100], ignored: -1, own: weights, even: weights };
        let run = |isa| {
            let mut found = [(); 3].map(|()| vec![0.0; rows]);
            let [loss, largest, share] = &mut found;
            let (to, mut space) = (Losses { loss, largest, share }, vec![0.0; classes]);
            dispatch_on(isa, Forward { labels, first: 0, logits: &logits, to, space: &mut space });
            let ones = vec![1.0; rows];
            let slopes = Slopes { largest: &found[1], share: &found[2], pull: &ones, scale: &ones };
            let mut y = vec![0.0; logits.len()];
            dispatch_on(isa, Backward { labels, slopes, rows: 0..rows, logits: &logits, y: &mut y });
            (found.clone(), y)
        };
        for isa in available() {
            assert!(run(isa) == run(available()[0]), "{isa:?}");
        }
    }
}
