//! The discrete Fourier transform of rows of any length, in f64.
//!
//! Lengths whose prime factors are small go through Stockham's algorithm, one pass per factor, which needs no
//! reordering (Van Loan, "Computational Frameworks for the Fast Fourier Transform", 1992, section 1.7). Others become
//! a convolution whose length is a power of two (Bluestein 1970). The error grows with log n: about 1e-16 · log₂ n of
//! the largest element.

use std::f64::consts::PI;
use std::ops::{Add, Mul, Sub};

/// A complex number.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Complex {
    /// The real part.
    pub re: f64,
    /// The imaginary part.
    pub im: f64,
}

impl Complex {
    /// `re + i·im`.
    pub fn new(re: f64, im: f64) -> Complex {
        Complex { re, im }
    }

    fn conjugate(self) -> Complex {
        Complex::new(self.re, -self.im)
    }
}

impl Add for Complex {
    type Output = Complex;
    fn add(self, other: Complex) -> Complex {
        Complex::new(self.re + other.re, self.im + other.im)
    }
}

impl Sub for Complex {
    type Output = Complex;
    fn sub(self, other: Complex) -> Complex {
        Complex::new(self.re - other.re, self.im - other.im)
    }
}

impl Mul for Complex {
    type Output = Complex;
    fn mul(self, other: Complex) -> Complex {
        Complex::new(self.re * other.re - self.im * other.im, self.re * other.im + self.im * other.re)
    }
}

/// `exp(−2πi·k/n)`, from angles of at most an eighth of a turn: exact where it is ±1 or ±i.
fn root(k: usize, n: usize) -> Complex {
    // The angle in units of 1/(8n) of a turn.
    let mut angle = 8 * (k as u128 % n as u128);
    let turn = 8 * n as u128;
    let below = angle > turn / 2;
    if below {
        angle = turn - angle;
    }
    let left = angle > turn / 4;
    if left {
        angle = turn / 2 - angle;
    }
    let steep = angle > turn / 8;
    if steep {
        angle = turn / 4 - angle;
    }
    let radians = PI * angle as f64 / (turn / 2) as f64;
    let (mut cos, mut sin) = (libm::cos(radians), libm::sin(radians));
    if steep {
        (cos, sin) = (sin, cos);
    }
    Complex::new(if left { -cos } else { cos }, if below { sin } else { -sin })
}

/// A prime factor above this makes Bluestein's way the shorter one.
const LARGEST: usize = 31;

/// What the transform of one length needs.
pub struct Fourier {
    n: usize,
    way: Way,
}

enum Way {
    Stockham {
        factors: Vec<usize>,
        /// `exp(−2πi·k/n)` for k below n.
        roots: Vec<Complex>,
    },
    Bluestein {
        /// `exp(−πi·k²/n)` for k below n.
        chirp: Vec<Complex>,
        /// The transform of the conjugate chirp, at both ends of a row of the inner length.
        filter: Vec<Complex>,
        inner: Box<Fourier>,
    },
}

impl Fourier {
    /// Prepares transforms of `n` elements.
    pub fn new(n: usize) -> Fourier {
        let (mut factors, mut rest) = (Vec::new(), n.max(1));
        for p in std::iter::once(4).chain(2..=LARGEST) {
            while rest % p == 0 {
                factors.push(p);
                rest /= p;
            }
        }
        if rest == 1 {
            return Fourier { n, way: Way::Stockham { factors, roots: (0..n).map(|k| root(k, n)).collect() } };
        }
        let square = |k: usize| (k as u128 * k as u128 % (2 * n) as u128) as usize;
        let chirp: Vec<Complex> = (0..n).map(|k| root(square(k), 2 * n)).collect();
        let inner = Fourier::new((2 * n - 1).next_power_of_two());
        let mut filter = vec![Complex::default(); inner.n];
        for (k, c) in chirp.iter().enumerate() {
            filter[k] = c.conjugate();
            filter[(inner.n - k) % inner.n] = c.conjugate();
        }
        inner.forward(&mut filter);
        Fourier { n, way: Way::Bluestein { chirp, filter, inner: Box::new(inner) } }
    }

    /// `y[k] = Σ x[j]·exp(−2πi·jk/n)`, in place.
    pub fn forward(&self, row: &mut [Complex]) {
        assert_eq!(row.len(), self.n, "a row of the prepared length");
        match &self.way {
            Way::Stockham { factors, roots } => stockham(row, factors, roots),
            Way::Bluestein { chirp, filter, inner } => {
                let mut padded = vec![Complex::default(); inner.n];
                padded.iter_mut().zip(row.iter().zip(chirp)).for_each(|(y, (&x, &c))| *y = x * c);
                inner.forward(&mut padded);
                padded.iter_mut().zip(filter).for_each(|(y, &f)| *y = *y * f);
                inner.backward(&mut padded);
                let scale = Complex::new(1.0 / inner.n as f64, 0.0);
                row.iter_mut().zip(padded.iter().zip(chirp)).for_each(|(y, (&x, &c))| *y = x * c * scale);
            }
        }
    }

    /// `y[k] = Σ x[j]·exp(2πi·jk/n)`, in place and without the factor 1/n.
    pub fn backward(&self, row: &mut [Complex]) {
        row.iter_mut().for_each(|v| *v = v.conjugate());
        self.forward(row);
        row.iter_mut().for_each(|v| *v = v.conjugate());
    }
}

/// One pass per factor p: blocks of length n become p blocks of n/p, each element `stride` apart.
fn stockham(row: &mut [Complex], factors: &[usize], roots: &[Complex]) {
    let total = row.len();
    let mut other = vec![Complex::default(); total];
    let (mut from, mut to): (&mut [Complex], &mut [Complex]) = (row, &mut other);
    let (mut n, mut stride) = (total, 1);
    for &p in factors {
        let m = n / p;
        for q in 0..m {
            // Twiddles of this block: exp(−2πi·qj/n).
            let twiddle = |j: usize| roots[q * j * stride];
            let (inputs, outputs) = (&from[q * stride..], &mut to[p * q * stride..][..p * stride]);
            for t in 0..stride {
                let x = |r: usize| inputs[m * r * stride + t];
                match p {
                    2 => {
                        outputs[t] = x(0) + x(1);
                        outputs[stride + t] = (x(0) - x(1)) * twiddle(1);
                    }
                    4 => {
                        let (even, odd) = (x(0) + x(2), x(1) + x(3));
                        let (difference, turned) = (x(0) - x(2), x(1) - x(3));
                        let turned = Complex::new(turned.im, -turned.re); // times −i
                        outputs[t] = even + odd;
                        outputs[stride + t] = (difference + turned) * twiddle(1);
                        outputs[2 * stride + t] = (even - odd) * twiddle(2);
                        outputs[3 * stride + t] = (difference - turned) * twiddle(3);
                    }
                    _ => {
                        for j in 0..p {
                            let sum = (1..p).fold(x(0), |sum, r| sum + x(r) * roots[j * r % p * (total / p)]);
                            outputs[j * stride + t] = sum * twiddle(j);
                        }
                    }
                }
            }
        }
        (from, to) = (to, from);
        (n, stride) = (m, stride * p);
    }
    if factors.len() % 2 == 1 {
        // The result lies in the second buffer, which `from` now is.
        to.copy_from_slice(from);
    }
}

#[cfg(test)]
mod tests {
    use super::{Complex, Fourier, root};

    fn values(n: usize) -> Vec<Complex> {
        let at = |i: usize| ((i * 7919 + 13) % 1009) as f64 / 1009.0 - 0.5;
        (0..n).map(|i| Complex::new(at(2 * i), at(2 * i + 1))).collect()
    }

    /// The definition, term by term.
    fn slow(x: &[Complex]) -> Vec<Complex> {
        let n = x.len();
        let term = |k: usize| (0..n).fold(Complex::default(), |sum, j| sum + x[j] * root(j * k, n));
        (0..n).map(term).collect()
    }

    fn distance(a: &[Complex], b: &[Complex]) -> f64 {
        a.iter().zip(b).map(|(a, b)| (a.re - b.re).abs().max((a.im - b.im).abs())).fold(0.0, f64::max)
    }

    #[test]
    fn roots_on_the_axes_are_exact() {
        assert_eq!(root(3, 12), Complex::new(0.0, -1.0));
        assert_eq!(root(6, 12).re, -1.0);
        assert_eq!(root(9, 12).im, 1.0);
        assert!((root(1, 8).re - std::f64::consts::FRAC_1_SQRT_2).abs() < 1e-16);
    }

    /// All small lengths: every mix of factors, and primes that take Bluestein's way (37, 41, 43, 47, 53, …).
    #[test]
    fn every_length_agrees_with_the_definition() {
        for n in (0..=130).chain([243, 256, 257, 400, 512, 1000, 1009]) {
            let x = values(n);
            let (plan, expected) = (Fourier::new(n), slow(&x));
            let mut y = x.clone();
            plan.forward(&mut y);
            let found = distance(&y, &expected);
            assert!(found < 2e-13, "{n}: {found:e}");
            plan.backward(&mut y);
            let scaled: Vec<Complex> = x.iter().map(|&v| v * Complex::new(n as f64, 0.0)).collect();
            assert!(distance(&y, &scaled) < 1e-12 * (n as f64).max(1.0), "{n}: there and back");
        }
    }
}
