//! Factorizations of small dense matrices in f64: the textbook algorithms (Golub & Van Loan, "Matrix Computations",
//! 4th edition), row-major, without blocking. Cost is O(n³) for one matrix.

/// `P·A = L·U` with row exchanges: L (unit diagonal) below the diagonal, U on and above it. (Algorithm 3.4.1)
pub struct Lu<'a> {
    values: &'a mut [f64],
    n: usize,
    /// Row `i` was exchanged with row `pivots[i]` in step `i`.
    pivots: Vec<usize>,
}

impl Lu<'_> {
    /// Factorizes `a [n, n]` in place.
    pub fn new(a: &mut [f64], n: usize) -> Lu<'_> {
        let mut pivots = Vec::with_capacity(n);
        for k in 0..n {
            let size = |i: usize| a[i * n + k].abs();
            let best = (k..n).fold(k, |best, i| if size(i) > size(best) { i } else { best });
            pivots.push(best);
            exchange(a, n, k, best);
            let pivot = a[k * n + k];
            if pivot == 0.0 {
                continue;
            }
            let (above, below) = a.split_at_mut((k + 1) * n);
            let row = &above[k * n + k + 1..];
            for lower in below.chunks_exact_mut(n) {
                lower[k] /= pivot;
                let factor = lower[k];
                lower[k + 1..].iter_mut().zip(row).for_each(|(x, &u)| *x -= factor * u);
            }
        }
        Lu { values: a, n, pivots }
    }

    /// The first step without a pivot, if the matrix is singular.
    pub fn singular(&self) -> Option<usize> {
        (0..self.n).find(|k| self.values[k * self.n + k] == 0.0)
    }

    /// The sign of the determinant's permutation, and the diagonal of U.
    pub fn determinant(&self) -> (f64, impl Iterator<Item = f64>) {
        let exchanges = self.pivots.iter().enumerate().filter(|(i, p)| i != *p).count();
        let sign = if exchanges % 2 == 0 { 1.0 } else { -1.0 };
        (sign, (0..self.n).map(|k| self.values[k * self.n + k]))
    }

    /// For each row of L·U, the row of A that it is.
    pub fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.n).collect();
        self.pivots.iter().enumerate().for_each(|(i, &p)| order.swap(i, p));
        order
    }

    /// Solves `A·X = B` in place of `b [n, m]`.
    pub fn solve(&self, b: &mut [f64], m: usize) {
        self.pivots.iter().enumerate().for_each(|(i, &p)| exchange(b, m, i, p));
        solve_triangular(self.values, self.n, b, m, Triangle::Lower, true);
        solve_triangular(self.values, self.n, b, m, Triangle::Upper, false);
    }
}

fn exchange(a: &mut [f64], n: usize, i: usize, j: usize) {
    if i != j {
        (0..n).for_each(|k| a.swap(i * n + k, j * n + k));
    }
}

/// Which half of a triangular matrix is not zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Triangle {
    /// On and above the diagonal.
    Upper,
    /// On and below the diagonal.
    Lower,
}

impl Triangle {
    /// The half that the transpose has.
    pub fn transposed(self) -> Triangle {
        match self {
            Triangle::Upper => Triangle::Lower,
            Triangle::Lower => Triangle::Upper,
        }
    }
}

/// Solves `A·X = B` in place of `b [n, m]` with one half of `a [n, n]`, whose diagonal counts as ones if `unit`.
pub fn solve_triangular(a: &[f64], n: usize, b: &mut [f64], m: usize, triangle: Triangle, unit: bool) {
    for step in 0..n {
        let i = if triangle == Triangle::Lower { step } else { n - 1 - step };
        let known = if triangle == Triangle::Lower { 0..i } else { i + 1..n };
        for j in known {
            let factor = a[i * n + j];
            let (first, second) = b.split_at_mut(i.max(j) * m);
            let (row, other) = match i < j {
                true => (&mut first[i * m..][..m], &second[..m]),
                false => (&mut second[..m], &first[j * m..][..m]),
            };
            row.iter_mut().zip(other).for_each(|(x, &y)| *x -= factor * y);
        }
        if !unit {
            b[i * m..][..m].iter_mut().for_each(|x| *x /= a[i * n + i]);
        }
    }
}

/// The lower L with `A = L·Lᵀ`, in place, from the lower half of `a [n, n]`; the column at which A turns out not to
/// be positive definite. (Algorithm 4.2.1)
pub fn cholesky(a: &mut [f64], n: usize) -> Result<(), usize> {
    for j in 0..n {
        let square: f64 = a[j * n..j * n + j].iter().map(|x| x * x).sum();
        let rest = a[j * n + j] - square;
        if rest.is_nan() || rest <= 0.0 {
            return Err(j);
        }
        let pivot = rest.sqrt();
        a[j * n + j] = pivot;
        for i in j + 1..n {
            let product: f64 = (0..j).map(|k| a[i * n + k] * a[j * n + k]).sum();
            a[i * n + j] = (a[i * n + j] - product) / pivot;
        }
        a[j * n + j + 1..(j + 1) * n].fill(0.0);
    }
    Ok(())
}

/// `A = Q·R` of `a [m, n]` by Householder reflections: `q [m, k]`, `r [k, n]` with k = min(m, n). (Algorithm 5.2.1)
pub fn qr(a: &[f64], m: usize, n: usize, q: &mut [f64], r: &mut [f64]) {
    let k = m.min(n);
    let mut work = a.to_vec();
    let mut reflections: Vec<Vec<f64>> = Vec::with_capacity(k);
    for j in 0..k {
        let mut v: Vec<f64> = (j..m).map(|i| work[i * n + j]).collect();
        let norm = length(&v);
        v[0] += if v[0] < 0.0 { -norm } else { norm };
        let scale = length(&v);
        if scale > 0.0 {
            v.iter_mut().for_each(|x| *x /= scale);
        }
        reflect(&mut work, n, j, &v);
        reflections.push(v);
    }
    for (i, row) in r.chunks_exact_mut(n.max(1)).enumerate() {
        row.iter_mut().enumerate().for_each(|(j, r)| *r = if j < i { 0.0 } else { work[i * n + j] });
    }
    q.fill(0.0);
    (0..k).for_each(|i| q[i * k + i] = 1.0);
    for (j, v) in reflections.iter().enumerate().rev() {
        reflect(q, k, j, v);
    }
}

/// `(I − 2·v·vᵀ)·A` on the rows from `first` on.
fn reflect(a: &mut [f64], n: usize, first: usize, v: &[f64]) {
    for j in 0..n {
        let product: f64 = v.iter().enumerate().map(|(i, v)| v * a[(first + i) * n + j]).sum();
        v.iter().enumerate().for_each(|(i, v)| a[(first + i) * n + j] -= 2.0 * product * v);
    }
}

fn length(v: &[f64]) -> f64 {
    let largest = v.iter().fold(0f64, |m, x| m.max(x.abs()));
    if largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    largest * v.iter().map(|x| (x / largest) * (x / largest)).sum::<f64>().sqrt()
}

/// Sweeps of Jacobi's methods converge quadratically; more than this means NaN in the input.
const SWEEPS: usize = 60;

/// Cosine and sine of the rotation that makes the product of two directions zero, given the cotangent of its double.
fn rotation(cotangent: f64) -> (f64, f64) {
    let t = cotangent.signum() / (cotangent.abs() + cotangent.hypot(1.0));
    let c = 1.0 / t.hypot(1.0);
    (c, t * c)
}

/// Eigenvalues in ascending order and eigenvectors (columns of `v [n, n]`) of the symmetric matrix whose lower half is
/// given, by Jacobi's cyclic method. (Section 8.5)
pub fn eigh(a: &[f64], n: usize, values: &mut [f64], v: &mut [f64]) {
    let mut a: Vec<f64> = (0..n * n).map(|at| a[(at / n).max(at % n) * n + (at / n).min(at % n)]).collect();
    // Eigenvectors as rows, so that a rotation works on contiguous memory.
    let mut rows = vec![0.0; n * n];
    (0..n).for_each(|i| rows[i * n + i] = 1.0);
    for _ in 0..SWEEPS {
        let mut rotated = false;
        for p in 0..n {
            for q in p + 1..n {
                let off = a[p * n + q];
                let (app, aqq) = (a[p * n + p], a[q * n + q]);
                // Below half a unit in the last place of both diagonal elements it cannot change them.
                if off == 0.0 || app.abs() + off.abs() == app.abs() && aqq.abs() + off.abs() == aqq.abs() {
                    continue;
                }
                rotated = true;
                let (c, s) = rotation((aqq - app) / (2.0 * off));
                for k in 0..n {
                    let (x, y) = (a[k * n + p], a[k * n + q]);
                    (a[k * n + p], a[k * n + q]) = (c * x - s * y, s * x + c * y);
                }
                rotate(&mut a, n, p, q, c, s);
                rotate(&mut rows, n, p, q, c, s);
            }
        }
        if !rotated {
            break;
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[i * n + i].total_cmp(&a[j * n + j]));
    for (to, &from) in order.iter().enumerate() {
        values[to] = a[from * n + from];
        (0..n).for_each(|k| v[k * n + to] = rows[from * n + k]);
    }
}

/// Rows p and q become `c·p − s·q` and `s·p + c·q`.
fn rotate(a: &mut [f64], n: usize, p: usize, q: usize, c: f64, s: f64) {
    let (above, below) = a.split_at_mut(q * n);
    above[p * n..][..n].iter_mut().zip(&mut below[..n]).for_each(|(x, y)| {
        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    });
}

/// `A = U·diag(S)·Vᵀ` of `a [m, n]` with descending S, by one-sided Jacobi (Hestenes 1958), which finds small singular
/// values to high relative accuracy: `u [m, k]`, `s [k]`, `vh [k, n]` with k = min(m, n).
pub fn svd(a: &[f64], m: usize, n: usize, u: &mut [f64], s: &mut [f64], vh: &mut [f64]) {
    if m < n {
        // Aᵀ = V·diag(S)·Uᵀ
        let transposed = transpose(a, m, n);
        let (mut left, mut right) = (vec![0.0; n * m], vec![0.0; m * m]);
        svd(&transposed, n, m, &mut left, s, &mut right);
        u.copy_from_slice(&transpose(&right, m, m));
        return vh.copy_from_slice(&transpose(&left, n, m));
    }
    // Columns of A as rows, rotated until they are orthogonal; the same rotations make up V.
    let mut columns = transpose(a, m, n);
    let mut v = vec![0.0; n * n];
    (0..n).for_each(|i| v[i * n + i] = 1.0);
    for _ in 0..SWEEPS {
        let mut rotated = false;
        for p in 0..n {
            for q in p + 1..n {
                let dot = |i: usize, j: usize| -> f64 {
                    columns[i * m..][..m].iter().zip(&columns[j * m..][..m]).map(|(x, y)| x * y).sum()
                };
                let (alpha, beta, gamma) = (dot(p, p), dot(q, q), dot(p, q));
                if gamma.abs() <= f64::EPSILON * (alpha * beta).sqrt() || gamma.is_nan() {
                    continue;
                }
                rotated = true;
                let (c, s) = rotation((beta - alpha) / (2.0 * gamma));
                rotate(&mut columns, m, p, q, c, s);
                rotate(&mut v, n, p, q, c, s);
            }
        }
        if !rotated {
            break;
        }
    }
    let lengths: Vec<f64> = columns.chunks_exact(m.max(1)).map(length).collect();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| lengths[j].total_cmp(&lengths[i]));
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(n);
    for (to, &from) in order.iter().enumerate() {
        s[to] = lengths[from];
        vh[to * n..][..n].copy_from_slice(&v[from * n..][..n]);
        let column = columns[from * m..][..m].iter().map(|x| x / lengths[from]).collect();
        basis.push(if lengths[from] > 0.0 { column } else { orthogonal(&basis, m) });
        (0..m).for_each(|i| u[i * n + to] = basis[to][i]);
    }
}

/// A unit vector orthogonal to `basis`: the unit vector that loses least by projection.
fn orthogonal(basis: &[Vec<f64>], m: usize) -> Vec<f64> {
    let project = |axis: usize| {
        let mut v = vec![0.0; m];
        v[axis] = 1.0;
        for _ in 0..2 {
            for b in basis {
                let product: f64 = v.iter().zip(b).map(|(x, y)| x * y).sum();
                v.iter_mut().zip(b).for_each(|(x, y)| *x -= product * y);
            }
        }
        v
    };
    let best = (0..m).map(project).max_by(|a, b| length(a).total_cmp(&length(b))).unwrap_or_default();
    let scale = length(&best);
    best.iter().map(|x| x / scale).collect()
}

/// `a [m, n]` mirrored at its diagonal.
fn transpose(a: &[f64], m: usize, n: usize) -> Vec<f64> {
    (0..n * m).map(|at| a[at % m * n + at / m]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(m: usize, n: usize) -> Vec<f64> {
        (0..m * n).map(|i| ((i * i * 7919 + 31 * i + 5) % 1009) as f64 / 504.0 - 1.0).collect()
    }

    fn product(a: &[f64], b: &[f64], m: usize, k: usize, n: usize) -> Vec<f64> {
        (0..m * n).map(|at| (0..k).map(|p| a[at / n * k + p] * b[p * n + at % n]).sum()).collect()
    }

    #[track_caller]
    fn close(a: &[f64], b: &[f64], limit: f64) {
        assert_eq!(a.len(), b.len());
        assert!(a.iter().zip(b).all(|(x, y)| (x - y).abs() <= limit), "{a:?}\n{b:?}");
    }

    fn identity(n: usize) -> Vec<f64> {
        (0..n * n).map(|i| (i / n == i % n) as u8 as f64).collect()
    }

    #[test]
    fn factors_give_the_matrix_back() {
        for (m, n) in [(1, 1), (5, 5), (9, 4), (4, 9), (30, 17)] {
            let (a, k) = (matrix(m, n), m.min(n));
            let (mut q, mut r) = (vec![0.0; m * k], vec![0.0; k * n]);
            qr(&a, m, n, &mut q, &mut r);
            close(&product(&q, &r, m, k, n), &a, 1e-13);
            close(&product(&transpose(&q, m, k), &q, k, m, k), &identity(k), 1e-13);
            let (mut u, mut s, mut vh) = (vec![0.0; m * k], vec![0.0; k], vec![0.0; k * n]);
            svd(&a, m, n, &mut u, &mut s, &mut vh);
            let scaled: Vec<f64> = u.iter().enumerate().map(|(i, u)| u * s[i % k]).collect();
            close(&product(&scaled, &vh, m, k, n), &a, 1e-13);
            close(&product(&transpose(&u, m, k), &u, k, m, k), &identity(k), 1e-13);
            assert!(s.is_sorted_by(|a, b| a >= b));
        }
    }

    #[test]
    fn eigenvectors_are_turned_into_their_multiples() {
        for n in [1, 2, 6, 25] {
            let square = matrix(n, n);
            let a: Vec<f64> = square.iter().zip(transpose(&square, n, n)).map(|(x, y)| x + y).collect();
            let (mut values, mut v) = (vec![0.0; n], vec![0.0; n * n]);
            eigh(&a, n, &mut values, &mut v);
            let scaled: Vec<f64> = v.iter().enumerate().map(|(i, v)| v * values[i % n]).collect();
            close(&product(&a, &v, n, n, n), &scaled, 1e-12);
            assert!(values.is_sorted());
        }
    }

    #[test]
    fn a_matrix_of_low_rank_has_an_orthonormal_basis_still() {
        let a = [1.0, 2.0, 2.0, 4.0, 3.0, 6.0];
        let (mut u, mut s, mut vh) = ([0.0; 6], [0.0; 2], [0.0; 4]);
        svd(&a, 3, 2, &mut u, &mut s, &mut vh);
        close(&s, &[70f64.sqrt(), 0.0], 1e-14);
        close(&product(&transpose(&u, 3, 2), &u, 2, 3, 2), &identity(2), 1e-14);
    }

    #[test]
    fn solutions_solve_and_singular_matrices_are_found() {
        let n = 12;
        let (a, x) = (matrix(n, n), matrix(n, 3));
        let mut b = product(&a, &x, n, n, 3);
        let mut factors = a.clone();
        let lu = Lu::new(&mut factors, n);
        assert_eq!(lu.singular(), None);
        lu.solve(&mut b, 3);
        close(&b, &x, 1e-11);
        assert_eq!(Lu::new(&mut [1.0, 2.0, 2.0, 4.0], 2).singular(), Some(1));
        assert_eq!(cholesky(&mut [1.0, 2.0, 2.0, 1.0], 2), Err(1));
    }
}
