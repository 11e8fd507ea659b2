//! Eigenvalues and eigenvectors of small dense matrices that need not be symmetric: complex QR iterations on the
//! Hessenberg form (Golub & Van Loan, "Matrix Computations", 4th edition, section 7.5). Cost is O(n³).

use hadal_kernels::fourier::Complex;

/// Steps for one eigenvalue before giving up; two or three are usual.
const STEPS: usize = 300;

fn conjugate(z: Complex) -> Complex {
    Complex::new(z.re, -z.im)
}

fn scaled(z: Complex, by: f64) -> Complex {
    Complex::new(z.re * by, z.im * by)
}

fn size(z: Complex) -> f64 {
    libm::hypot(z.re, z.im)
}

fn divided(a: Complex, b: Complex) -> Complex {
    let size = size(b);
    // Twice by the size, so that its square need not be representable.
    scaled(scaled(a, 1.0 / size) * conjugate(b), 1.0 / size)
}

fn root(z: Complex) -> Complex {
    let size = size(z);
    let re = ((size + z.re.abs()) / 2.0).sqrt();
    match (re == 0.0, z.re >= 0.0) {
        (true, _) => Complex::default(),
        (_, true) => Complex::new(re, z.im / (2.0 * re)),
        (_, false) => Complex::new(z.im.abs() / (2.0 * re), if z.im < 0.0 { -re } else { re }),
    }
}

/// The unitary `[[c, s], [−s̄, c]]` that takes (f, g) to (·, 0).
#[derive(Clone, Copy)]
struct Rotation {
    c: f64,
    s: Complex,
}

impl Rotation {
    fn new(f: Complex, g: Complex) -> Rotation {
        let (f_size, g_size) = (size(f), size(g));
        let r = libm::hypot(f_size, g_size);
        if g_size == 0.0 {
            return Rotation { c: 1.0, s: Complex::default() };
        }
        if f_size == 0.0 {
            return Rotation { c: 0.0, s: scaled(conjugate(g), 1.0 / g_size) };
        }
        Rotation { c: f_size / r, s: scaled(scaled(f, 1.0 / f_size) * conjugate(g), 1.0 / r) }
    }

    fn turn(self, x: Complex, y: Complex) -> (Complex, Complex) {
        (scaled(x, self.c) + self.s * y, scaled(y, self.c) - conjugate(self.s) * x)
    }

    fn back(self, x: Complex, y: Complex) -> (Complex, Complex) {
        (scaled(x, self.c) + conjugate(self.s) * y, scaled(y, self.c) - self.s * x)
    }
}

/// A square matrix of complex numbers, row-major.
struct Matrix {
    values: Vec<Complex>,
    n: usize,
}

impl Matrix {
    fn at(&self, i: usize, j: usize) -> Complex {
        self.values[i * self.n + j]
    }

    fn at_mut(&mut self, i: usize, j: usize) -> &mut Complex {
        &mut self.values[i * self.n + j]
    }

    /// From the left, on rows i and i + 1, in the columns from `first` on.
    fn rotate_rows(&mut self, i: usize, rotation: Rotation, first: usize) {
        for k in first..self.n {
            let (x, y) = rotation.turn(self.at(i, k), self.at(i + 1, k));
            (*self.at_mut(i, k), *self.at_mut(i + 1, k)) = (x, y);
        }
    }

    /// The adjoint from the right, on columns j and j + 1, in the first `rows` rows.
    fn rotate_columns(&mut self, j: usize, rotation: Rotation, rows: usize) {
        for k in 0..rows {
            let (x, y) = rotation.back(self.at(k, j), self.at(k, j + 1));
            (*self.at_mut(k, j), *self.at_mut(k, j + 1)) = (x, y);
        }
    }
}

/// The eigenvalue of the 2 × 2 block that ends at `last` which is nearer to its last element (Wilkinson's shift).
fn shift(t: &Matrix, last: usize) -> Complex {
    let (a, b, c, d) = (t.at(last - 1, last - 1), t.at(last - 1, last), t.at(last, last - 1), t.at(last, last));
    let half = scaled(a - d, 0.5);
    let spread = root(half * half + b * c);
    let far = if size(half + spread) > size(half - spread) { half + spread } else { half - spread };
    if size(far) == 0.0 { d } else { d - divided(b * c, far) }
}

/// The eigenvalues and, as columns of length 1, the eigenvectors of `a [n, n]`; false if the iterations do not converge.
/// The largest element of each vector is real.
pub fn eig(a: &[f64], n: usize, values: &mut [Complex], vectors: &mut [Complex]) -> bool {
    let mut t = Matrix { values: a.iter().map(|&v| Complex::new(v, 0.0)).collect(), n };
    let mut z = Matrix { values: vec![Complex::default(); n * n], n };
    (0..n).for_each(|i| *z.at_mut(i, i) = Complex::new(1.0, 0.0));
    // To Hessenberg form, column by column from below.
    for k in 0..n.saturating_sub(2) {
        for i in (k + 1..n - 1).rev() {
            let rotation = Rotation::new(t.at(i, k), t.at(i + 1, k));
            t.rotate_rows(i, rotation, k);
            *t.at_mut(i + 1, k) = Complex::default();
            t.rotate_columns(i, rotation, n);
            z.rotate_columns(i, rotation, n);
        }
    }
    if !triangular(&mut t, &mut z) {
        return false;
    }
    for k in 0..n {
        values[k] = t.at(k, k);
        let v = vector(&t, &z, k);
        v.iter().enumerate().for_each(|(i, &v)| vectors[i * n + k] = v);
    }
    true
}

/// QR steps until all below the diagonal is zero.
fn triangular(t: &mut Matrix, z: &mut Matrix) -> bool {
    let n = t.n;
    let (mut last, mut steps) = (n.saturating_sub(1), 0);
    while last > 0 {
        let small = |k: &usize| size(t.at(*k, k - 1)) <= f64::EPSILON * (size(t.at(k - 1, k - 1)) + size(t.at(*k, *k)));
        let first = (1..=last).rev().find(small).unwrap_or(0);
        if first > 0 {
            *t.at_mut(first, first - 1) = Complex::default();
        }
        if first == last {
            (last, steps) = (last - 1, 0);
            continue;
        }
        steps += 1;
        if steps > STEPS {
            return false;
        }
        // Now and then another shift, should Wilkinson's go in circles.
        let shift = if steps % 10 == 0 { Complex::new(size(t.at(last, last - 1)), 0.0) } else { shift(t, last) };
        (first..=last).for_each(|k| *t.at_mut(k, k) = t.at(k, k) - shift);
        let mut rotations = Vec::with_capacity(last - first);
        for k in first..last {
            let rotation = Rotation::new(t.at(k, k), t.at(k + 1, k));
            t.rotate_rows(k, rotation, k);
            rotations.push(rotation);
        }
        for (k, rotation) in (first..last).zip(rotations) {
            t.rotate_columns(k, rotation, k + 2);
            z.rotate_columns(k, rotation, n);
        }
        (first..=last).for_each(|k| *t.at_mut(k, k) = t.at(k, k) + shift);
    }
    true
}

/// The eigenvector of the k-th eigenvalue: back substitution in the triangle, then the way back through `z`.
fn vector(t: &Matrix, z: &Matrix, k: usize) -> Vec<Complex> {
    let (n, value) = (t.n, t.at(k, k));
    let mut y = vec![Complex::default(); k + 1];
    y[k] = Complex::new(1.0, 0.0);
    // Equal eigenvalues would divide by zero; the vectors of a defective matrix are then nearly parallel.
    let least = f64::EPSILON * t.values.iter().map(|&v| size(v)).fold(f64::MIN_POSITIVE, f64::max);
    for i in (0..k).rev() {
        let sum = (i + 1..=k).fold(Complex::default(), |sum, j| sum + t.at(i, j) * y[j]);
        let gap = value - t.at(i, i);
        y[i] = divided(sum, if size(gap) < least { Complex::new(least, 0.0) } else { gap });
    }
    let v: Vec<Complex> = (0..n).map(|i| (0..=k).fold(Complex::default(), |sum, j| sum + z.at(i, j) * y[j])).collect();
    let largest = v.iter().copied().fold(Complex::default(), |a, b| if size(b) > size(a) { b } else { a });
    let length = v.iter().fold(0.0, |sum, &x| libm::hypot(sum, size(x)));
    let turn = scaled(conjugate(largest), 1.0 / (size(largest) * length));
    v.into_iter().map(|x| x * turn).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Companion matrices have the roots of their polynomial as eigenvalues.
    #[test]
    fn roots_of_polynomials() {
        // (x − 1)(x − 2)(x² + 1) = x⁴ − 3x³ + 3x² − 3x + 2
        let a = [3.0, -3.0, 3.0, -2.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0];
        let (mut values, mut vectors) = (vec![Complex::default(); 4], vec![Complex::default(); 16]);
        assert!(eig(&a, 4, &mut values, &mut vectors));
        for (re, im) in [(1.0, 0.0), (2.0, 0.0), (0.0, 1.0), (0.0, -1.0)] {
            let near = |v: &&Complex| size(**v - Complex::new(re, im)) < 1e-13;
            assert_eq!(values.iter().filter(near).count(), 1, "{re} + {im}i among {values:?}");
        }
    }

    /// A·v = λ·v for matrices of many sizes, among them rotations, whose shifts can stall.
    #[test]
    fn vectors_belong_to_their_values() {
        for n in 0..24usize {
            let noise = |i: usize| ((i * 7919 + 31 * n) % 1009) as f64 / 1009.0 - 0.5;
            let cycle = |i: usize| if (i / n + 1) % n == i % n { 1.0 } else { 0.0 };
            for a in [(0..n * n).map(noise).collect::<Vec<f64>>(), (0..n * n).map(cycle).collect()] {
                let (mut values, mut v) = (vec![Complex::default(); n], vec![Complex::default(); n * n]);
                assert!(eig(&a, n, &mut values, &mut v), "{n}");
                for k in 0..n {
                    for i in 0..n {
                        let product = (0..n).fold(Complex::default(), |s, j| s + scaled(v[j * n + k], a[i * n + j]));
                        assert!(size(product - values[k] * v[i * n + k]) < 1e-13 * n as f64, "{n}, vector {k}");
                    }
                }
            }
        }
    }

    #[test]
    fn numbers_that_are_none_end_the_iterations() {
        let (mut values, mut vectors) = (vec![Complex::default(); 2], vec![Complex::default(); 4]);
        assert!(!eig(&[f64::NAN, 1.0, 1.0, 0.0], 2, &mut values, &mut vectors));
    }
}
