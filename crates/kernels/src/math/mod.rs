//! Elementwise functions on slices of f32 and f64.
//!
//! The f32 functions are written once over [`Simd`](crate::simd) with 16 lanes; the error of each stands in its
//! documentation in units in the last place (ULP) of the result and is checked against f64 in a test over all orders
//! of magnitude. An element's result never depends on its neighbours, its position, the machine or the number of
//! threads. The f64 functions (`…_f64`) use the `libm` crate, which is the same Rust code everywhere.

mod error_function;
pub(crate) mod exponential;
pub(crate) mod logarithm;
pub(crate) mod trigonometric;

use std::marker::PhantomData;

use crate::simd::{Kernel, LANES, Simd, dispatch};
use crate::threads::{SharedMut, for_chunks};

/// Elements that one task computes; shorter slices are not worth a fork.
const TASK: usize = 1 << 14;

/// Elements between those that are computed and those that are asked for from memory: half a page.
const AHEAD: usize = 512;

/// A function of one f32, 16 lanes at a time.
trait Function: Send + Sync {
    fn apply<S: Simd>(s: S, x: S::F) -> S::F;
}

/// A function over a slice, on the calling thread.
struct Map<'a, F> {
    x: &'a [f32],
    y: &'a mut [f32],
    function: PhantomData<F>,
}

impl<F: Function> Kernel for Map<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let ((x, x_rest), (y, y_rest)) = (self.x.as_chunks::<LANES>(), self.y.as_chunks_mut::<LANES>());
        for (x, y) in x.iter().zip(y) {
            // Costly functions keep a processor from looking far enough ahead by itself.
            s.will_read(x.as_ptr().wrapping_add(AHEAD));
            s.will_write(y.as_ptr().wrapping_add(AHEAD));
            s.store(F::apply(s, s.load(x)), y);
        }
        if !x_rest.is_empty() {
            // 1 is in the domain of every function here.
            let (mut from, mut to) = ([1.0; LANES], [0.0; LANES]);
            from[..x_rest.len()].copy_from_slice(x_rest);
            s.store(F::apply(s, s.load(&from)), &mut to);
            y_rest.copy_from_slice(&to[..x_rest.len()]);
        }
    }
}

#[track_caller]
fn map<F: Function>(x: &[f32], y: &mut [f32]) {
    in_chunks(x.len(), y, |range, y| dispatch(Map { x: &x[range], y, function: PhantomData::<F> }));
}

#[track_caller]
fn map_f64(x: &[f64], y: &mut [f64], function: impl Fn(f64) -> f64 + Sync) {
    in_chunks(x.len(), y, |range, y| {
        for (&x, y) in x[range].iter().zip(y) {
            *y = function(x);
        }
    });
}

/// Runs `f` on the parts of `y` in parallel, with the range of each.
#[track_caller]
fn in_chunks<T: Send>(x_len: usize, y: &mut [T], f: impl Fn(std::ops::Range<usize>, &mut [T]) + Sync) {
    assert_eq!(x_len, y.len(), "input and output have the same length");
    let y = SharedMut::new(y);
    for_chunks(x_len, TASK, |range| {
        // SAFETY: the ranges of for_chunks do not overlap.
        f(range.clone(), unsafe { y.range(range) });
    });
}

/// A function of two f32, 16 lanes at a time.
trait Function2: Send + Sync {
    fn apply<S: Simd>(s: S, x: S::F, y: S::F) -> S::F;
}

/// A function over two slices, on the calling thread.
struct Map2<'a, F> {
    x: &'a [f32],
    y: &'a [f32],
    out: &'a mut [f32],
    function: PhantomData<F>,
}

impl<F: Function2> Kernel for Map2<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let ((x, x_rest), (y, y_rest)) = (self.x.as_chunks::<LANES>(), self.y.as_chunks::<LANES>());
        let (out, out_rest) = self.out.as_chunks_mut::<LANES>();
        for ((x, y), out) in x.iter().zip(y).zip(out) {
            s.will_read(x.as_ptr().wrapping_add(AHEAD));
            s.will_read(y.as_ptr().wrapping_add(AHEAD));
            s.will_write(out.as_ptr().wrapping_add(AHEAD));
            s.store(F::apply(s, s.load(x), s.load(y)), out);
        }
        if !x_rest.is_empty() {
            let mut rest = [[0.0; LANES]; 2];
            rest[0][..x_rest.len()].copy_from_slice(x_rest);
            rest[1][..y_rest.len()].copy_from_slice(y_rest);
            let value = F::apply(s, s.load(&rest[0]), s.load(&rest[1]));
            s.store(value, &mut rest[0]);
            out_rest.copy_from_slice(&rest[0][..x_rest.len()]);
        }
    }
}

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident = $f32:path; $name_f64:ident = $f64:expr;)+) => {$(
        $(#[$doc])*
        ///
        /// # Panics
        /// If the slices differ in length.
        #[track_caller]
        pub fn $name(x: &[f32], y: &mut [f32]) {
            struct This;
            impl Function for This {
                #[inline(always)]
                fn apply<S: Simd>(s: S, x: S::F) -> S::F {
                    $f32(s, x)
                }
            }
            map::<This>(x, y);
        }

        #[doc = concat!("[`", stringify!($name), "`] in double precision.")]
        ///
        /// # Panics
        /// If the slices differ in length.
        #[track_caller]
        pub fn $name_f64(x: &[f64], y: &mut [f64]) {
            map_f64(x, y, $f64);
        }
    )+};
}

functions! {
    /// `y = eˣ`. Error below 1 ULP, also where the result is subnormal.
    exp = exponential::exp; exp_f64 = libm::exp;
    /// `y = eˣ - 1`, accurate near zero. Error below 1.5 ULP.
    expm1 = exponential::expm1; expm1_f64 = libm::expm1;
    /// `y = ln x`. Error below 1 ULP.
    log = logarithm::log; log_f64 = libm::log;
    /// `y = ln(1 + x)`, accurate near zero. Error below 1.5 ULP.
    log1p = logarithm::log1p; log1p_f64 = libm::log1p;
    /// `y = log₂ x`, exact for powers of two. Error below 1.5 ULP.
    log2 = logarithm::log2; log2_f64 = libm::log2;
    /// `y = log₁₀ x`. Error below 2 ULP.
    log10 = logarithm::log10; log10_f64 = libm::log10;
    /// `y = √x`, correctly rounded.
    sqrt = algebra::sqrt; sqrt_f64 = f64::sqrt;
    /// `y = 1/√x`. Error below 1.5 ULP.
    rsqrt = algebra::rsqrt; rsqrt_f64 = |x: f64| 1.0 / x.sqrt();
    /// `y = tanh x`. Error below 2.5 ULP.
    tanh = exponential::tanh; tanh_f64 = libm::tanh;
    /// `y = 1/(1 + e⁻ˣ)`. Error below 2.5 ULP, also in the negative tail.
    sigmoid = exponential::sigmoid; sigmoid_f64 = double::sigmoid;
    /// `y = x · sigmoid(x)` (SiLU, swish). Error below 3.5 ULP, or |x|·2⁻¹⁴⁹ in the negative tail.
    silu = exponential::silu; silu_f64 = |x: f64| x * double::sigmoid(x);
    /// `y = ln(1 + eˣ)`, which never overflows. Error below 2 ULP.
    softplus = logarithm::softplus; softplus_f64 = double::softplus;
    /// `y = ln(sigmoid(x))`, which never overflows. Error below 2 ULP.
    log_sigmoid = logarithm::log_sigmoid; log_sigmoid_f64 = |x: f64| -double::softplus(-x);
    /// `y = erf x`. Error below 1.5 ULP.
    erf = error_function::erf; erf_f64 = libm::erf;
    /// `y = x/2 · (1 + erf(x/√2))`. Error below 2⁻²³·|x|; below 3 ULP for positive x.
    gelu = error_function::gelu; gelu_f64 = |x: f64| 0.5 * x * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2));
    /// `y = x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³)))`. Error below 2⁻²²·|x|.
    gelu_tanh = error_function::gelu_tanh; gelu_tanh_f64 = double::gelu_tanh;
    /// `y = sin x`. Error below 1.5 ULP or 2⁻²⁶, whichever is larger; arguments of any size.
    sin = trigonometric::sin; sin_f64 = libm::sin;
    /// `y = cos x`. Error below 1.5 ULP or 2⁻²⁶, whichever is larger; arguments of any size.
    cos = trigonometric::cos; cos_f64 = libm::cos;
    /// `y = tan x`. Error below 4 ULP away from its poles; arguments of any size.
    tan = trigonometric::tan; tan_f64 = libm::tan;
}

macro_rules! gradients {
    ($($(#[$doc:meta])* $name:ident = $f32:path; $name_f64:ident = $f64:expr;)+) => {$(
        $(#[$doc])*
        ///
        /// # Panics
        /// If the slices differ in length.
        #[track_caller]
        pub fn $name(x: &[f32], g: &[f32], y: &mut [f32]) {
            struct This;
            impl Function2 for This {
                #[inline(always)]
                fn apply<S: Simd>(s: S, x: S::F, g: S::F) -> S::F {
                    $f32(s, x, g)
                }
            }
            assert_eq!(x.len(), g.len(), "a gradient for every element");
            in_chunks(x.len(), y, |range, out| {
                dispatch(Map2 { x: &x[range.clone()], y: &g[range], out, function: PhantomData::<This> });
            });
        }

        #[doc = concat!("[`", stringify!($name), "`] in double precision.")]
        ///
        /// # Panics
        /// If the slices differ in length.
        #[track_caller]
        pub fn $name_f64(x: &[f64], g: &[f64], y: &mut [f64]) {
            assert_eq!(x.len(), g.len(), "a gradient for every element");
            let slope: fn(f64) -> f64 = $f64;
            in_chunks(x.len(), y, |range, y| {
                for ((&x, &g), y) in x[range.clone()].iter().zip(&g[range]).zip(y) {
                    *y = g * slope(x);
                }
            });
        }
    )+};
}

gradients! {
    /// `y = g · gelu'(x)`. The derivative's error is below 3·10⁻⁷.
    gelu_grad = error_function::gelu_grad; gelu_grad_f64 = double::gelu_slope;
    /// `y = g · gelu_tanh'(x)`. The derivative's error is below 5·10⁻⁷.
    gelu_tanh_grad = error_function::gelu_tanh_grad; gelu_tanh_grad_f64 = double::gelu_tanh_slope;
}

/// `out = xʸ` element by element, with C's rules for special values (`0⁰ = 1`, a negative base to an integral power).
/// Error below 1 ULP (`libm`).
///
/// # Panics
/// If the slices differ in length.
#[track_caller]
pub fn pow(x: &[f32], y: &[f32], out: &mut [f32]) {
    assert_eq!(x.len(), y.len(), "bases and exponents have the same length");
    in_chunks(x.len(), out, |range, out| {
        for ((&x, &y), out) in x[range.clone()].iter().zip(&y[range]).zip(out) {
            *out = libm::powf(x, y);
        }
    });
}

/// [`pow`] in double precision.
///
/// # Panics
/// If the slices differ in length.
#[track_caller]
pub fn pow_f64(x: &[f64], y: &[f64], out: &mut [f64]) {
    assert_eq!(x.len(), y.len(), "bases and exponents have the same length");
    in_chunks(x.len(), out, |range, out| {
        for ((&x, &y), out) in x[range.clone()].iter().zip(&y[range]).zip(out) {
            *out = libm::pow(x, y);
        }
    });
}

/// Roots: one correctly rounded operation each.
mod algebra {
    use crate::simd::Simd;

    #[inline(always)]
    pub fn sqrt<S: Simd>(s: S, x: S::F) -> S::F {
        s.sqrt(x)
    }

    #[inline(always)]
    pub fn rsqrt<S: Simd>(s: S, x: S::F) -> S::F {
        s.div(s.splat(1.0), s.sqrt(x))
    }
}

/// The f64 functions that `libm` does not have, by the formulas of their f32 twins.
pub(crate) mod double {
    use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI, FRAC_2_SQRT_PI};

    pub fn sigmoid(x: f64) -> f64 {
        let e = libm::exp(-x.abs());
        (if x < 0.0 { e } else { 1.0 }) / (1.0 + e)
    }

    pub fn softplus(x: f64) -> f64 {
        let tail = libm::log1p(libm::exp(-x.abs()));
        if x > 0.0 { x + tail } else { tail }
    }

    pub fn gelu_tanh(x: f64) -> f64 {
        0.5 * x * (1.0 + libm::tanh(FRAC_2_PI.sqrt() * (x + 0.044_715 * x * x * x)))
    }

    pub fn gelu_slope(x: f64) -> f64 {
        let density = 0.5 * FRAC_1_SQRT_2 * FRAC_2_SQRT_PI;
        let distribution = 0.5 * (1.0 + libm::erf(x * FRAC_1_SQRT_2));
        let x = x.clamp(-100.0, 100.0);
        distribution + x * density * libm::exp(-0.5 * x * x)
    }

    pub fn gelu_tanh_slope(x: f64) -> f64 {
        let x = x.clamp(-100.0, 100.0);
        let slope = FRAC_2_PI.sqrt();
        let t = libm::tanh(slope * (x + 0.044_715 * x * x * x));
        0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * slope * (1.0 + 3.0 * 0.044_715 * x * x)
    }
}

#[cfg(test)]
mod tests;
