//! The f32 functions against f64 over all orders of magnitude, and on every instruction set.

use super::*;
use crate::simd::{available, dispatch_on};

/// Every 3001st float, of both signs, with the edges of the format.
fn samples() -> Vec<f32> {
    let step = if cfg!(miri) { 200_003_017 } else { 3001 };
    let mut samples: Vec<f32> = (0..=u32::MAX).step_by(step).map(f32::from_bits).collect();
    for x in [0.0, f32::MIN_POSITIVE, f32::from_bits(1), f32::from_bits(0x7F_FFFF), f32::MAX, f32::INFINITY, 1.0, 0.5] {
        samples.extend([x, -x, f32::from_bits(x.to_bits() + 1), f32::from_bits(x.to_bits().wrapping_sub(1))]);
    }
    // Dense where the functions change.
    let dense = if cfg!(miri) { 20 } else { 400_000 };
    samples.extend((0..=dense).map(|i| (f64::from(i) / f64::from(dense) * 240.0 - 120.0) as f32));
    samples.extend((0..=dense).map(|i| (f64::from(i) / f64::from(dense) * 8.0 - 4.0) as f32));
    samples
}

/// The distance of neighbouring floats at `x`.
fn ulp(x: f64) -> f64 {
    let exponent = (x.abs().max(f64::from(f32::MIN_POSITIVE)).to_bits() >> 52) as i32 - 1023;
    2f64.powi(exponent.min(127) - 23)
}

/// The largest error of `function` in the units that `unit(x, exact)` gives, and where.
fn largest_error(
    function: fn(&[f32], &mut [f32]),
    exact: fn(f64) -> f64,
    unit: fn(f64, f64) -> f64,
    domain: fn(f32) -> bool,
) -> (f64, f32) {
    let x: Vec<f32> = samples().into_iter().filter(|&x| domain(x)).collect();
    let mut y = vec![0.0; x.len()];
    function(&x, &mut y);
    let mut largest = (0.0, 0.0);
    for (&x, &y) in x.iter().zip(&y) {
        let exact = exact(x.into());
        let nearest = exact as f32;
        if nearest.is_nan() || nearest.is_infinite() || y.is_infinite() {
            let overflow = y.is_infinite() && exact.abs() > f64::from(f32::MAX) * (1.0 - 1e-7);
            assert!(
                overflow || nearest.is_nan() == y.is_nan() && (y.is_nan() || y == nearest),
                "f({x:e}) = {y:e}, not {exact:e}"
            );
            continue;
        }
        assert!(!y.is_nan(), "f({x:e}) = NaN, not {exact:e}");
        let error = (f64::from(y) - exact).abs() / unit(x.into(), exact);
        if error > largest.0 {
            largest = (error, x);
        }
    }
    largest
}

fn in_ulp(name: &str, function: fn(&[f32], &mut [f32]), exact: fn(f64) -> f64, bound: f64) {
    let (error, x) = largest_error(function, exact, |_, exact| ulp(exact), |_| true);
    println!("{name}: {error:.3} ULP at {x:e}");
    assert!(error <= bound, "{name}: {error:.3} ULP at {x:e}, stated {bound}");
}

#[test]
fn errors_are_as_stated() {
    in_ulp("exp", exp, libm::exp, 1.0);
    in_ulp("expm1", expm1, libm::expm1, 1.5);
    in_ulp("log", log, libm::log, 1.0);
    in_ulp("log1p", log1p, libm::log1p, 1.5);
    in_ulp("log2", log2, libm::log2, 1.5);
    in_ulp("log10", log10, libm::log10, 2.0);
    in_ulp("sqrt", sqrt, f64::sqrt, 0.5);
    in_ulp("rsqrt", rsqrt, |x| 1.0 / x.sqrt(), 1.5);
    in_ulp("tanh", tanh, libm::tanh, 2.5);
    in_ulp("sigmoid", sigmoid, double::sigmoid, 2.5);
    in_ulp("softplus", softplus, double::softplus, 2.0);
    in_ulp("log_sigmoid", log_sigmoid, |x| -double::softplus(-x), 2.0);
    in_ulp("erf", erf, libm::erf, 1.5);
}

#[test]
fn periodic_functions_and_activations_have_their_errors() {
    let floor = |_: f64, exact: f64| ulp(exact).max(2f64.powi(-26));
    for (name, function, exact) in
        [("sin", sin as fn(&[f32], &mut [f32]), libm::sin as fn(f64) -> f64), ("cos", cos, libm::cos)]
    {
        let (error, x) = largest_error(function, exact, floor, |_| true);
        println!("{name}: {error:.3} at {x:e}");
        assert!(error <= 1.5, "{name}: {error} at {x}");
    }
    let (error, x) = largest_error(
        tan,
        libm::tan,
        |_, y| ulp(y),
        |x| libm::cos(x.into()).abs() > 1e-2 && libm::sin(x.into()).abs() > 1e-2 || x.abs() < 1.0,
    );
    println!("tan: {error:.3} at {x:e}");
    assert!(error <= 4.0, "tan: {error} at {x}");
    let exact_silu = |x: f64| x * double::sigmoid(x);
    let tail = |x: f64, y: f64| ulp(y).max(x.abs() * 2f64.powi(-149) / 3.5);
    let (error, x) = largest_error(silu, exact_silu, tail, |x| x != f32::NEG_INFINITY);
    println!("silu: {error:.3} at {x:e}");
    assert!(error <= 3.5, "silu: {error} at {x}");
    let exact_gelu = |x: f64| 0.5 * x * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2);
    let finite = |x: f32| x.is_finite();
    let (error, x) = largest_error(gelu, exact_gelu, |x, y| ulp(y).max(x.abs() * 2f64.powi(-23)), finite);
    println!("gelu: {error:.3} at {x:e}");
    assert!(error <= 1.0, "gelu: {error} at {x}");
    let (error, x) = largest_error(gelu, exact_gelu, |_, y| ulp(y), |x| x >= 0.0 && x.is_finite());
    println!("gelu of positive numbers: {error:.3} at {x:e}");
    assert!(error <= 3.0, "gelu: {error} at {x}");
    let (error, x) = largest_error(gelu_tanh, double::gelu_tanh, |x, y| ulp(y).max(x.abs() * 2f64.powi(-22)), finite);
    println!("gelu_tanh: {error:.3} at {x:e}");
    assert!(error <= 1.0, "gelu_tanh: {error} at {x}");
}

/// Against derivatives that are written without cancellation: `1 - tanh²` as `1/cosh²`, `1 + erf` as `erfc`.
#[test]
fn gradients_of_activations_have_their_errors() {
    let exact_gelu = |x: f64| {
        let density = libm::exp(-0.5 * x * x) / (2.0 * std::f64::consts::PI).sqrt();
        0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2) + x * density
    };
    let exact_gelu_tanh = |x: f64| {
        let (slope, cubic) = ((2.0 / std::f64::consts::PI).sqrt(), 0.044_715);
        let inner = slope * (x + cubic * x * x * x);
        let steep = slope * (1.0 + 3.0 * cubic * x * x) / libm::cosh(inner).powi(2);
        1.0 / (1.0 + libm::exp(-2.0 * inner)) + 0.5 * x * if steep.is_nan() { 0.0 } else { steep }
    };
    type Grad<T> = fn(&[T], &[T], &mut [T]);
    type Case<'a> = (&'a str, Grad<f32>, Grad<f64>, &'a dyn Fn(f64) -> f64, f64);
    let all: [Case; 2] = [
        ("gelu", gelu_grad, gelu_grad_f64, &exact_gelu, 3e-7),
        ("gelu_tanh", gelu_tanh_grad, gelu_tanh_grad_f64, &exact_gelu_tanh, 5e-7),
    ];
    let x: Vec<f32> = samples().into_iter().filter(|x| x.abs() < 1e15).collect();
    let wide: Vec<f64> = x.iter().map(|&x| x.into()).collect();
    for (name, single, double, exact, bound) in all {
        let (mut y, mut wide_y) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        single(&x, &vec![-2.0; x.len()], &mut y);
        double(&wide, &vec![-2.0; x.len()], &mut wide_y);
        let mut largest = 0.0f64;
        for ((&x, &y), &wide_y) in wide.iter().zip(&y).zip(&wide_y) {
            let exact = exact(x);
            assert!((wide_y / -2.0 - exact).abs() <= 2e-14, "{name}: f64 at {x:e}");
            largest = largest.max((f64::from(y) / -2.0 - exact).abs());
        }
        println!("gradient of {name}: {largest:.3e}");
        assert!(largest <= bound, "{name}: {largest:e}");
        let mut edges = [0.0; 3];
        single(&[f32::INFINITY, f32::NEG_INFINITY, f32::NAN], &[1.0; 3], &mut edges);
        assert!(edges[0] == 1.0 && edges[1] == 0.0 && edges[2].is_nan(), "{name}: {edges:?}");
        let mut part = [0.0; 5];
        single(&x[7..12], &[-2.0; 5], &mut part);
        assert_eq!(part[..], y[7..12]);
    }
}

#[test]
fn edges() {
    let at = |f: fn(&[f32], &mut [f32]), x: f32| {
        let mut y = [0.0];
        f(&[x], &mut y);
        y[0]
    };
    for f in [expm1, log1p, tanh, erf, sin, tan, sqrt, gelu, gelu_tanh, silu] {
        assert_eq!(at(f, -0.0).to_bits(), (-0.0f32).to_bits());
    }
    for f in [exp, expm1, log, log1p, log2, log10, tanh, sigmoid, silu, softplus, log_sigmoid, erf, gelu, sin, cos, tan]
    {
        assert!(at(f, f32::NAN).is_nan());
    }
    assert_eq!(at(exp, 0.0), 1.0);
    assert_eq!(at(log, 1.0).to_bits(), 0);
    assert_eq!(at(softplus, 1e4), 1e4);
    assert_eq!(at(log_sigmoid, -1e4), -1e4);
    assert_eq!(at(tanh, 30.0), 1.0);
    assert_eq!(at(sigmoid, -200.0), 0.0);
    for e in -126..128 {
        assert_eq!(at(log2, 2f32.powi(e)), e as f32);
    }
    let mut y = [0.0; 5];
    pow(&[2.0, 0.0, -2.0, -2.0, 9.0], &[10.0, 0.0, 3.0, 0.5, 0.5], &mut y);
    assert_eq!(y[..3], [1024.0, 1.0, -8.0]);
    assert!(y[3].is_nan() && y[4] == 3.0);
}

#[test]
fn neighbours_positions_and_instruction_sets_do_not_matter() {
    struct All;
    impl Function for All {
        #[inline(always)]
        fn apply<S: Simd>(s: S, x: S::F) -> S::F {
            let a = s.add(exponential::tanh(s, x), logarithm::log10(s, s.abs(x)));
            let b = s.add(trigonometric::tan(s, x), error_function::gelu(s, x));
            let gradients = s.add(error_function::gelu_grad(s, x, a), error_function::gelu_tanh_grad(s, x, a));
            let b = s.add(b, s.add(gradients, error_function::gelu_tanh(s, x)));
            s.add(s.add(a, b), s.add(logarithm::softplus(s, x), exponential::exp(s, x)))
        }
    }
    let x: Vec<f32> = samples().into_iter().step_by(7).collect();
    let run = |isa, x: &[f32]| {
        let mut y = vec![0.0; x.len()];
        dispatch_on(isa, Map { x, y: &mut y, function: PhantomData::<All> });
        y.into_iter().map(|y| if y.is_nan() { 1 } else { y.to_bits() }).collect::<Vec<_>>()
    };
    let whole = run(available()[0], &x);
    for isa in available() {
        assert!(run(isa, &x) == whole, "{isa:?}");
        for start in [1, 5, 20] {
            assert!(run(isa, &x[start..start + 3]) == whole[start..start + 3], "{isa:?}");
        }
    }
}
