//! Half precision: kernels and functions on numbers that are f16 or bf16 exactly, beside a single rounding.

use super::cases::Case;
use super::{Tape, numbers, relative};
use hadal::elements;
use hadal::kernels::math;
use hadal::onnx::ElementType;
use hadal::prelude::*;

/// The types, and the part of a number that rounding to the nearest changes at most.
const TYPES: [(DType, f64); 2] = [(DType::F16, 1.0 / 2048.0), (DType::BF16, 1.0 / 256.0)];

/// The kernels that are measured.
const KERNELS: [&str; 18] = [
    "matrix product [24, 4096] · [4096, 24]",
    "matrix product [96, 100] · [100, 200]",
    "dense layer of 784 and 64 features, batch 32",
    "convolution 3×3, batch 18, images 10×10, 8 to 12 channels",
    "convolution by Winograd 3×3, batch 20, images 8×8, 32 to 32 channels",
    "depthwise convolution 3×3, batch 3, images 15×15, 20 to 20 channels",
    "transposed convolution 3×3 with stride 2, batch 6, images 7×7 to 13×13, 20 to 12 channels",
    "mean pooling 3×3 of images 24×24",
    "softmax of 64 rows of 1000",
    "log-softmax of 64 rows of 1000",
    "cross-entropy of 64 rows of 1000",
    "layer norm of 32 rows of 1024",
    "rms norm of 32 rows of 1024",
    "group norm, 8 groups of 4 channels 12×12",
    "batch norm of 40 images 24×24",
    "attention, 70 queries of 130 keys, width 32",
    "LSTM, 32 steps of 40 units, batch 8",
    "means of 8 rows of 65,536",
];

/// Results and gradients stay below so many roundings: one, and what sums in f32 are off.
const BOUND: f64 = 1.01;

/// A line of either table: the errors in f16 and in bf16, and what they stay below.
pub struct Row {
    pub what: String,
    pub errors: [f64; 2],
    pub bound: f64,
}

/// The largest errors of kernels and of their gradients, in roundings of the largest number.
pub fn kernels(cases: &[Case]) -> Vec<Row> {
    let of = |&name: &&str| {
        let case = cases.iter().find(|case| case.name == name).unwrap_or_else(|| panic!("no kernel is called {name}"));
        let errors = TYPES.map(|(dtype, rounding)| {
            let (found, exact) = (case.computed(dtype), case.defined(Tape::double(), dtype));
            let errors = found.iter().zip(&exact).map(|(found, exact)| relative(found, exact) / rounding);
            errors.collect::<Vec<_>>()
        });
        let row = |i: usize| Row { what: case.what(i), errors: [errors[0][i], errors[1][i]], bound: BOUND };
        (0..errors[0].len()).map(row).collect::<Vec<_>>()
    };
    KERNELS.iter().flat_map(of).collect()
}

/// A function of one number; its errors may be so much of the argument, where the result is a difference.
struct Function {
    name: &'static str,
    kernel: fn(&Tensor) -> Tensor,
    exact: fn(&[f64], &mut [f64]),
    of_argument: f64,
}

const FUNCTIONS: [Function; 11] = [
    Function { name: "from f32", kernel: Tensor::clone, exact: |x, y| y.copy_from_slice(x), of_argument: 0.0 },
    Function { name: "exp", kernel: Tensor::exp, exact: math::exp_f64, of_argument: 0.0 },
    Function { name: "log", kernel: Tensor::log, exact: math::log_f64, of_argument: 0.0 },
    Function { name: "sqrt", kernel: Tensor::sqrt, exact: math::sqrt_f64, of_argument: 0.0 },
    Function { name: "tanh", kernel: Tensor::tanh, exact: math::tanh_f64, of_argument: 0.0 },
    Function { name: "erf", kernel: Tensor::erf, exact: math::erf_f64, of_argument: 0.0 },
    Function { name: "sigmoid", kernel: Tensor::sigmoid, exact: math::sigmoid_f64, of_argument: 0.0 },
    Function { name: "silu", kernel: Tensor::silu, exact: math::silu_f64, of_argument: SMALL },
    Function { name: "gelu", kernel: Tensor::gelu, exact: math::gelu_f64, of_argument: SMALL },
    Function { name: "square", kernel: Tensor::square, exact: |x, y| apply(x, y, |x| x * x), of_argument: 0.0 },
    Function { name: "1 / x", kernel: Tensor::reciprocal, exact: |x, y| apply(x, y, f64::recip), of_argument: 0.0 },
];

/// 2⁻²³.
const SMALL: f64 = f32::EPSILON as f64;

fn apply(x: &[f64], y: &mut [f64], f: fn(f64) -> f64) {
    y.iter_mut().zip(x).for_each(|(y, &x)| *y = f(x));
}

/// The largest errors of functions over all finite numbers of a type, in units in the last place. The conversion from f32
/// is of floats of all orders of magnitude.
pub fn functions() -> Vec<Row> {
    let of = |function: &Function| {
        let errors = TYPES.map(|(dtype, rounding)| {
            let x = if function.name == "from f32" { floats() } else { every(dtype) };
            let arguments = numbers(&x);
            let mut exact = vec![0.0; arguments.len()];
            (function.exact)(&arguments, &mut exact);
            let found = numbers(&(function.kernel)(&x).to_dtype(dtype));
            let mut largest = 0.0f64;
            for ((&x, &found), &exact) in arguments.iter().zip(&found).zip(&exact) {
                // Where the result is no finite number of the type, or rounds to none, there is no distance.
                if found.is_finite() && exact.is_finite() {
                    let unit = ulp(exact, dtype, rounding).max(function.of_argument * x.abs());
                    largest = largest.max((found - exact).abs() / unit);
                }
            }
            largest
        });
        // Half a unit is the rounding; differences in f32 are off by some of their unit too.
        let bound = if function.of_argument > 0.0 { 0.6 } else { 0.51 };
        Row { what: function.name.into(), errors, bound }
    };
    FUNCTIONS.iter().map(of).collect()
}

/// The distance of neighbouring numbers at `x`.
fn ulp(x: f64, dtype: DType, rounding: f64) -> f64 {
    let least = if dtype == DType::F16 { 2f64.powi(-14) } else { f64::from(f32::MIN_POSITIVE) };
    let exponent = (x.abs().max(least).to_bits() >> 52) as i32 - 1023;
    2f64.powi(exponent) * 2.0 * rounding
}

/// All finite numbers of a type.
fn every(dtype: DType) -> Tensor {
    let bytes: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_ne_bytes).collect();
    let all = elements::from_bytes(ElementType::of(dtype), &bytes, &[1 << 16]).expect("two bytes for each");
    all.masked_select(&all.isfinite())
}

/// Floats of all orders of magnitude and both signs.
fn floats() -> Tensor {
    let all = (0..=u32::MAX).step_by(20_011).map(f32::from_bits).filter(|x| x.is_finite());
    Tensor::from_slice(&all.collect::<Vec<_>>())
}
