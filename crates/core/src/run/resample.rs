//! A sparse matrix along one axis: every result is a weighted sum of a few elements. Resizing is made of these.

use super::map::CHUNK;
use super::real::Real;
use hadal_kernels::threads::for_chunks_mut;

/// The rows of the matrix: result `i` is `Σ weight[k]·x[index[k]]` over `k` in `start[i]..start[i + 1]`.
#[derive(Debug)]
pub struct Taps {
    start: Vec<usize>,
    index: Vec<usize>,
    weight: Vec<f64>,
    /// The number of columns.
    size: usize,
}

impl Taps {
    /// For an axis of `size` elements, from the pairs (index, weight) of each result.
    pub fn new(size: usize, rows: impl IntoIterator<Item = Vec<(usize, f64)>>) -> Taps {
        let mut taps = Taps { start: vec![0], index: Vec::new(), weight: Vec::new(), size };
        for row in rows {
            debug_assert!(row.iter().all(|tap| tap.0 < size), "{row:?} of {size}");
            taps.index.extend(row.iter().map(|tap| tap.0));
            taps.weight.extend(row.iter().map(|tap| tap.1));
            taps.start.push(taps.index.len());
        }
        taps
    }

    /// The number of results.
    pub fn results(&self) -> usize {
        self.start.len() - 1
    }

    /// The number of elements that results are made of.
    pub fn elements(&self) -> usize {
        self.size
    }

    /// The elements that result `i` is made of, with their weights.
    pub fn row(&self, i: usize) -> impl Iterator<Item = (usize, f64)> {
        (self.start[i]..self.start[i + 1]).map(|k| (self.index[k], self.weight[k]))
    }

    /// The adjoint.
    pub fn transposed(&self) -> Taps {
        let mut rows = vec![Vec::new(); self.size];
        for i in 0..self.results() {
            (self.start[i]..self.start[i + 1]).for_each(|k| rows[self.index[k]].push((i, self.weight[k])));
        }
        Taps::new(self.results(), rows)
    }

    /// `[outer, elements, inner] → [outer, results, inner]`, each sum in the order of the taps.
    pub fn apply<T: Real>(&self, x: &[T], inner: usize, y: &mut [T]) {
        let (results, weight) = (self.results(), self.weight.iter().map(|&w| T::of(w)).collect::<Vec<_>>());
        let rows_per_task = (CHUNK / inner.max(1)).max(1);
        for_chunks_mut(y, rows_per_task * inner.max(1), |task, part| {
            for (i, y) in part.chunks_mut(inner.max(1)).enumerate() {
                let row = task * rows_per_task + i;
                let (plane, result) = (row / results * self.size, row % results);
                y.fill(T::default());
                for k in self.start[result]..self.start[result + 1] {
                    let x = &x[(plane + self.index[k]) * inner..][..inner];
                    y.iter_mut().zip(x).for_each(|(y, &x)| *y += weight[k] * x);
                }
            }
        });
    }
}
