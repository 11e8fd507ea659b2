//! The vectorized functions of one number against f64, over all orders of magnitude.

use hadal::kernels::math;

/// A function, and the formula that a plain kernel has for it.
pub struct Function {
    pub name: &'static str,
    kernel: fn(&[f32], &mut [f32]),
    exact: fn(&[f64], &mut [f64]),
    /// In f32, of correctly rounded functions.
    plain: fn(f32) -> f32,
    /// What errors are measured in.
    pub unit: Unit,
    /// Errors stay below so many units.
    pub bound: f64,
}

#[derive(Clone, Copy)]
pub enum Unit {
    /// In the last place of the result.
    Ulp,
    /// The same, or 2⁻²⁶ where that is larger: near zeros that are no f32.
    UlpOrConstant,
    /// The same, or so much of the argument where that is larger: where the result is a difference.
    UlpOrOfArgument(i32),
    /// 2⁻²³: of derivatives, which are at most about 1.
    Constant,
}

impl Unit {
    fn size(self, x: f64, exact: f64) -> f64 {
        match self {
            Unit::Ulp => ulp(exact),
            Unit::UlpOrConstant => ulp(exact).max(2f64.powi(-26)),
            Unit::UlpOrOfArgument(power) => ulp(exact).max(x.abs() * 2f64.powi(power)),
            Unit::Constant => 2f64.powi(-23),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Unit::Ulp => "ULP",
            Unit::UlpOrConstant => "ULP or 2⁻²⁶",
            Unit::UlpOrOfArgument(-23) => "ULP or 2⁻²³·x",
            Unit::UlpOrOfArgument(_) => "ULP or 2⁻²²·x",
            Unit::Constant => "2⁻²³",
        }
    }
}

/// The distance of neighbouring f32 at `x`.
fn ulp(x: f64) -> f64 {
    let exponent = (x.abs().max(f64::from(f32::MIN_POSITIVE)).to_bits() >> 52) as i32 - 1023;
    2f64.powi(exponent.min(127) - 23)
}

/// A function rounded once, of a number in f32.
fn round(function: fn(&[f64], &mut [f64]), x: f32) -> f32 {
    let mut y = [0.0];
    function(&[x.into()], &mut y);
    y[0] as f32
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + round(math::exp_f64, -x))
}

fn softplus(x: f32) -> f32 {
    x.max(0.0) + round(math::log1p_f64, round(math::exp_f64, -x.abs()))
}

fn gelu_tanh(x: f32) -> f32 {
    0.5 * x * (1.0 + round(math::tanh_f64, 0.797_884_6 * (x + 0.044_715 * x * x * x)))
}

fn gelu_slope(x: f32) -> f32 {
    let distribution = 0.5 * (1.0 + round(math::erf_f64, x * std::f32::consts::FRAC_1_SQRT_2));
    distribution + x * 0.398_942_3 * round(math::exp_f64, -0.5 * x * x)
}

macro_rules! rounded {
    ($($name:literal $kernel:ident $exact:ident $unit:expr, $bound:expr;)*) => {
        [$(Function {
            name: $name,
            kernel: math::$kernel,
            exact: math::$exact,
            plain: |x| round(math::$exact, x),
            unit: $unit,
            bound: $bound,
        }),*]
    };
}

pub fn all() -> Vec<Function> {
    use Unit::*;
    let mut all: Vec<Function> = rounded! {
        "exp" exp exp_f64 Ulp, 1.0;
        "expm1" expm1 expm1_f64 Ulp, 1.5;
        "log" log log_f64 Ulp, 1.0;
        "log1p" log1p log1p_f64 Ulp, 1.5;
        "log2" log2 log2_f64 Ulp, 1.5;
        "log10" log10 log10_f64 Ulp, 2.0;
        "sqrt" sqrt sqrt_f64 Ulp, 0.5;
        "tanh" tanh tanh_f64 Ulp, 2.5;
        "erf" erf erf_f64 Ulp, 1.5;
        "sin" sin sin_f64 UlpOrConstant, 1.5;
        "cos" cos cos_f64 UlpOrConstant, 1.5;
    }
    .into();
    let mut composed = |name, kernel, exact, plain, unit, bound| {
        all.push(Function { name, kernel, exact, plain, unit, bound });
    };
    composed("rsqrt", math::rsqrt, math::rsqrt_f64, |x| 1.0 / x.sqrt(), Ulp, 1.5);
    composed("sigmoid", math::sigmoid, math::sigmoid_f64, sigmoid, Ulp, 2.5);
    composed("softplus", math::softplus, math::softplus_f64, softplus, Ulp, 2.0);
    composed("log_sigmoid", math::log_sigmoid, math::log_sigmoid_f64, |x| -softplus(-x), Ulp, 2.0);
    composed("silu", math::silu, math::silu_f64, |x| x * sigmoid(x), UlpOrOfArgument(-23), 3.5);
    let gelu = |x: f32| 0.5 * x * (1.0 + round(math::erf_f64, x * std::f32::consts::FRAC_1_SQRT_2));
    composed("gelu", math::gelu, math::gelu_f64, gelu, UlpOrOfArgument(-23), 1.0);
    composed("gelu_tanh", math::gelu_tanh, math::gelu_tanh_f64, gelu_tanh, UlpOrOfArgument(-22), 1.0);
    composed(
        "gelu, derivative",
        |x, y| math::gelu_grad(x, &vec![1.0; x.len()], y),
        |x, y| math::gelu_grad_f64(x, &vec![1.0; x.len()], y),
        gelu_slope,
        Constant,
        2.5,
    );
    all
}

impl Function {
    /// The largest errors of the kernel and of the plain formula, in units.
    pub fn errors(&self) -> [f64; 2] {
        let x = arguments();
        let (mut y, mut exact) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        (self.kernel)(&x, &mut y);
        (self.exact)(&x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>(), &mut exact);
        let mut largest = [0.0f64; 2];
        for ((&x, &y), &exact) in x.iter().zip(&y).zip(&exact) {
            for (largest, y) in largest.iter_mut().zip([y, (self.plain)(x)]) {
                // Where the result is no finite f32, or rounds to none, there is no distance.
                if y.is_finite() && exact.abs() < f64::from(f32::MAX) {
                    *largest = largest.max((f64::from(y) - exact).abs() / self.unit.size(x.into(), exact));
                }
            }
        }
        largest
    }
}

/// Floats of all orders of magnitude and both signs, and many between −110 and 110.
fn arguments() -> Vec<f32> {
    let all = (0..=u32::MAX).step_by(20_011).map(f32::from_bits).filter(|x| x.is_finite());
    let dense = (0..=200_000).map(|i| (f64::from(i) / 1e5 - 1.0) as f32);
    all.chain(dense.flat_map(|x| [110.0 * x, 4.0 * x])).collect()
}
