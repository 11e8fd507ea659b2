//! The gamma function's derivatives and the inverse error function, in `f64`.

use std::f64::consts::{FRAC_2_SQRT_PI, PI};

/// B₂ₖ / (2k)! for k = 1, 2, …: the coefficients of the Euler–Maclaurin formula (Bernoulli numbers: DLMF 24.2).
const BERNOULLI: [f64; 10] = [
    1.0 / 12.0,
    -1.0 / 720.0,
    1.0 / 30_240.0,
    -1.0 / 1_209_600.0,
    1.0 / 47_900_160.0,
    -691.0 / 1_307_674_368_000.0,
    1.0 / 74_724_249_600.0,
    -3_617.0 / 10_670_622_842_880_000.0,
    43_867.0 / 5_109_094_217_170_944_000.0,
    -174_611.0 / 802_857_662_698_291_200_000.0,
];

/// Arguments are brought above this before an asymptotic series is summed.
const LARGE: f64 = 12.0;

/// The logarithmic derivative of the gamma function.
///
/// Reflection (DLMF 5.5.4) for negative arguments, recurrence (5.5.2) up to `LARGE`, then the asymptotic series
/// (5.11.2), whose first dropped term is below 1e-20 there. Relative error about 1e-15 away from the zeros.
pub fn digamma(x: f64) -> f64 {
    if x == 0.0 {
        return f64::INFINITY.copysign(-x);
    }
    if x < 0.0 {
        if x.floor() == x {
            return f64::NAN;
        }
        // tan has period π, so its argument is first reduced to less than one period.
        return digamma(1.0 - x) - PI / libm::tan(PI * (x - x.trunc()));
    }
    let (mut x, mut sum) = (x, 0.0);
    while x < LARGE {
        sum -= 1.0 / x;
        x += 1.0;
    }
    if x == f64::INFINITY {
        return x;
    }
    // Σ B₂ₖ / (2k · x²ᵏ), from the coefficients by (2k − 1)!.
    let (mut term, mut factor) = (1.0, 1.0);
    for (k, b) in BERNOULLI.iter().enumerate() {
        factor *= if k == 0 { 1.0 } else { ((2 * k) * (2 * k + 1)) as f64 };
        term /= x * x;
        sum -= b * factor * term;
    }
    sum + libm::log(x) - 0.5 / x
}

/// The `order`-th derivative of [`digamma`], `order` ≥ 1: `(−1)ⁿ⁺¹ n! ζ(n + 1, x)` (DLMF 25.11.12).
pub fn polygamma(order: usize, x: f64) -> f64 {
    let factorial: f64 = (1..=order).map(|i| i as f64).product();
    let sign = if order % 2 == 1 { 1.0 } else { -1.0 };
    sign * factorial * hurwitz_zeta(order as i32 + 1, x)
}

/// `Σ (x + k)⁻ˢ` over k = 0, 1, … for an integer s ≥ 2, by the Euler–Maclaurin formula (DLMF 25.11.28).
fn hurwitz_zeta(s: i32, x: f64) -> f64 {
    if x <= 0.0 && x.floor() == x {
        return if s % 2 == 0 || x.is_sign_positive() { f64::INFINITY } else { f64::NAN };
    }
    let (mut x, mut sum) = (x, 0.0);
    while x < LARGE {
        sum += libm::pow(x, -f64::from(s));
        x += 1.0;
    }
    let power = libm::pow(x, -f64::from(s));
    sum += power * x / f64::from(s - 1) + 0.5 * power;
    // Σ B₂ₖ/(2k)! · s(s + 1)…(s + 2k − 2) · x⁻ˢ⁻²ᵏ⁺¹
    let mut term = power / x * f64::from(s);
    for (k, b) in BERNOULLI.iter().enumerate() {
        sum += b * term;
        let k = 2 * k as i32;
        term *= f64::from(s + k + 1) * f64::from(s + k + 2) / (x * x);
    }
    sum
}

/// The inverse error function: Winitzki's approximation ("A handy approximation for the error function and its
/// inverse", 2008), good to 2e-3, then three steps of Halley's method, each of which triples the digits.
pub fn erfinv(y: f64) -> f64 {
    const A: f64 = 0.147;
    let away = y.abs();
    if away >= 1.0 || away.is_nan() {
        return if away == 1.0 { f64::INFINITY.copysign(y) } else { f64::NAN };
    }
    let log = libm::log1p(-away * away);
    let half = 2.0 / (PI * A) + 0.5 * log;
    let mut x = ((half * half - log / A).sqrt() - half).max(0.0).sqrt();
    for _ in 0..3 {
        // From ½ on 1 − |y| is exact and erfc keeps its digits; below, erf does.
        let error = if away < 0.5 { libm::erf(x) - away } else { (1.0 - away) - libm::erfc(x) };
        let step = error / (FRAC_2_SQRT_PI * libm::exp(-x * x));
        x -= step / (1.0 + x * step);
    }
    x.copysign(y)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, expected: f64) {
        assert!((got - expected).abs() <= 2e-14 * expected.abs().max(1e-3), "got {got}, expected {expected}");
    }

    /// Constants of DLMF 5.4.12 to 5.4.15 and 5.15.2.
    #[test]
    fn gamma_derivatives_at_known_points() {
        let euler = 0.577_215_664_901_532_9;
        let zeta3 = 1.202_056_903_159_594_3;
        close(digamma(1.0), -euler);
        close(digamma(0.5), -euler - 2.0 * std::f64::consts::LN_2);
        close(digamma(2.0), 1.0 - euler);
        close(digamma(-0.5), 2.0 - euler - 2.0 * std::f64::consts::LN_2);
        close(digamma(1e10), 1e10f64.ln() - 0.5e-10);
        close(polygamma(1, 1.0), PI * PI / 6.0);
        close(polygamma(1, 0.5), PI * PI / 2.0);
        close(polygamma(2, 1.0), -2.0 * zeta3);
        close(polygamma(3, 1.0), PI.powi(4) / 15.0);
        close(polygamma(1, -0.5), PI * PI / 2.0 + 4.0);
    }

    #[test]
    fn erfinv_inverts_erf() {
        for y in [1e-12, 0.001, 0.3, 0.5, 0.51, 0.9, 0.99, 0.9999, 0.999_999_9] {
            close(libm::erf(erfinv(y)), y);
            assert_eq!(erfinv(-y), -erfinv(y));
        }
        // erfinv(0.5): OEIS A069286.
        close(erfinv(0.5), 0.476_936_276_204_469_9);
        // Deep in the tail the complement decides.
        for x in [4.0, 5.0, 5.8] {
            let y = libm::erf(x);
            let complement = libm::erfc(erfinv(y));
            assert!((complement / (1.0 - y) - 1.0).abs() < 1e-12, "{x}: {complement}");
        }
    }
}
