//! Matrix products.
//!
//! Every output is one chain of fused multiply-adds in the order of k: `c = fma(a[k-1], b[k-1], … fma(a[0], b[0], c0))`.
//! Blocking, packing, threads, tile sizes and instruction sets change when a step of the chain is made, never the
//! chain, so they never change the result.

mod blocks;
mod dot;
mod half;
mod near;
mod pack;
mod prepacked;
mod small;
mod thin;
mod tile;
mod transpose;
mod vector;
mod ways;

pub use self::half::{HalfElement, gemm_half_batched};
use crate::conv::Convolution;
use crate::number::Number;
use crate::simd::{Isa, isa};
use crate::threads::{SharedMut, parallel_for};
pub(crate) use blocks::Product;
pub(crate) use dot::{DotKernels, Dots, LANES};
pub(crate) use near::multiply_near;
pub(crate) use pack::{Lanes, Source};
pub(crate) use prepacked::Prepacked;
pub use prepacked::{gemm_packed, pack_right, packed_right_len};
use small::Small;
pub(crate) use tile::{Kernels, Next, Step, TURN, Tile, Walk};
pub(crate) use transpose::{transpose, transpose_into};
pub(crate) use ways::{apart, fits_ways};

/// A matrix in a slice: element `(i, j)` is `data[i·row_stride + j·col_stride]`.
#[derive(Clone, Copy, Debug)]
pub struct Mat<'a, T> {
    data: &'a [T],
    row_stride: usize,
    col_stride: usize,
}

impl<'a, T> Mat<'a, T> {
    /// A matrix with any strides, in elements; zero repeats a row or column.
    pub fn new(data: &'a [T], row_stride: usize, col_stride: usize) -> Self {
        Mat { data, row_stride, col_stride }
    }

    /// A row-major matrix of `columns` columns.
    pub fn row_major(data: &'a [T], columns: usize) -> Self {
        Mat { data, row_stride: columns, col_stride: 1 }
    }

    /// The transpose of a row-major matrix of `columns` columns.
    pub fn transposed(data: &'a [T], columns: usize) -> Self {
        Mat { data, row_stride: 1, col_stride: columns }
    }

    /// The same matrix, mirrored at its diagonal.
    pub fn t(self) -> Self {
        Mat { data: self.data, row_stride: self.col_stride, col_stride: self.row_stride }
    }

    /// The matrix that begins `elements` further on.
    fn offset(self, elements: usize) -> Self {
        Mat { data: &self.data[elements..], ..self }
    }

    /// Elements that a `rows × columns` matrix of these strides reaches.
    fn reach(&self, rows: usize, columns: usize) -> usize {
        (rows - 1) * self.row_stride + (columns - 1) * self.col_stride + 1
    }
}

/// What the product is added to.
#[derive(Clone, Copy, Debug)]
pub enum Init<'a, T> {
    /// `C = A·B`.
    Zero,
    /// `C = C + A·B`: the chains start from the values of C.
    Accumulate,
    /// `C[i, j] = (A·B)[i, j] + bias[j]`: the chains start at zero, the bias is added last.
    RowBias(&'a [T]),
    /// `C[i, j] = (A·B)[i, j] + bias[i]`: the chains start at zero, the bias is added last.
    ColBias(&'a [T]),
}

/// An element type of matrix products and convolutions: `f32` or `f64`.
#[allow(private_bounds)]
pub trait GemmElement: Element + Convolution {}
impl GemmElement for f32 {}
impl GemmElement for f64 {}

/// A number that has tiles; nobody else can implement it.
pub(crate) trait Element: Number {
    /// The tiles of an instruction set that this machine has.
    fn kernels(isa: Isa) -> &'static Kernels<Self>;

    /// The dot tiles of an instruction set that this machine has.
    fn dots(isa: Isa) -> &'static DotKernels<Self>;

    /// [`multiply`], compiled in this crate and not again in every crate that calls it.
    fn multiply(isa: Isa, problem: Problem<Self>);

    /// See [`transpose::plain`].
    ///
    /// # Safety
    /// As there.
    unsafe fn transpose(
        from: *const Self,
        start: impl Fn(usize) -> usize,
        rows: usize,
        columns: usize,
        to: *mut Self,
        to_row: usize,
    );
}

macro_rules! element {
    ($type:ty, $kernels:path, $dots:path, $transpose:path) => {
        impl Element for $type {
            fn kernels(isa: Isa) -> &'static Kernels<$type> {
                $kernels(isa)
            }

            fn dots(isa: Isa) -> &'static DotKernels<$type> {
                $dots(isa)
            }

            fn multiply(isa: Isa, problem: Problem<$type>) {
                multiply($kernels(isa), problem);
            }

            unsafe fn transpose(
                from: *const $type,
                start: impl Fn(usize) -> usize,
                rows: usize,
                columns: usize,
                to: *mut $type,
                to_row: usize,
            ) {
                // SAFETY: the caller's promise.
                unsafe { $transpose(from, start, rows, columns, to, to_row) }
            }
        }
    };
}
element!(f32, tile::kernels_f32, dot::dots_f32, transpose::best);
element!(f64, tile::kernels_f64, dot::dots_f64, transpose::plain);

/// `C[m, n] = init + A[m, k]·B[k, n]`; C is row-major.
///
/// # Panics
/// If a slice is too short for its matrix, or a bias has the wrong length.
#[track_caller]
pub fn gemm<T: GemmElement>(m: usize, n: usize, k: usize, a: Mat<T>, b: Mat<T>, c: &mut [T], init: Init<T>) {
    gemm_batched(1, m, n, k, a, &[0], b, &[0], c, init);
}

/// `batch` products of one shape: `C[i] = init + A[i]·B[i]` with `A[i]` at `a.data[a_offsets[i]..]`, `B[i]` at
/// `b.data[b_offsets[i]..]` and `C[i]` the i-th `m × n` block of `c`. Equal offsets broadcast a matrix.
///
/// # Panics
/// If a slice is too short for its matrices, if the offsets are not `batch` many, or a bias has the wrong length.
#[allow(clippy::too_many_arguments)] // the field's own signature
#[track_caller]
pub fn gemm_batched<T: GemmElement>(
    batch: usize,
    m: usize,
    n: usize,
    k: usize,
    a: Mat<T>,
    a_offsets: &[usize],
    b: Mat<T>,
    b_offsets: &[usize],
    c: &mut [T],
    init: Init<T>,
) {
    let problem = Problem { m, n, k, a, a_offsets, b, b_offsets, c, init };
    problem.check(batch);
    if !problem.c.is_empty() {
        T::multiply(isa(), problem);
    }
}

/// The arguments of [`gemm_batched`].
pub(crate) struct Problem<'a, T> {
    m: usize,
    n: usize,
    k: usize,
    a: Mat<'a, T>,
    a_offsets: &'a [usize],
    b: Mat<'a, T>,
    b_offsets: &'a [usize],
    c: &'a mut [T],
    init: Init<'a, T>,
}

impl<'a, T> Problem<'a, T> {
    /// # Panics
    /// Where [`gemm_batched`] does.
    #[track_caller]
    fn check(&self, batch: usize) {
        let Problem { m, n, k, a, a_offsets, b, b_offsets, c, init } = self;
        assert_eq!((a_offsets.len(), b_offsets.len()), (batch, batch), "one offset of A and of B for each product");
        assert_eq!(c.len(), batch * m * n, "C holds {batch} matrices of {m} × {n}");
        match init {
            Init::RowBias(bias) => assert_eq!(bias.len(), *n, "a row bias has one value per column"),
            Init::ColBias(bias) => assert_eq!(bias.len(), *m, "a column bias has one value per row"),
            Init::Zero | Init::Accumulate => {}
        }
        if *k > 0 && !c.is_empty() {
            let a_end = a_offsets.iter().max().map_or(0, |&o| o + a.reach(*m, *k));
            assert!(a_end <= a.data.len(), "A ({m} × {k}) needs {a_end} elements, got {}", a.data.len());
            let b_end = b_offsets.iter().max().map_or(0, |&o| o + b.reach(*k, *n));
            assert!(b_end <= b.data.len(), "B ({k} × {n}) needs {b_end} elements, got {}", b.data.len());
        }
    }

    /// The same elements of C with a row in place of a column. A column of C is contiguous, so it is as well a row of
    /// Cᵀ = Bᵀ·Aᵀ; a product of two factors commutes.
    fn row_of_column(self) -> Self {
        if self.n > 1 || self.m == 1 {
            return self;
        }
        let init = match self.init {
            Init::RowBias(bias) => Init::ColBias(bias),
            Init::ColBias(bias) => Init::RowBias(bias),
            other => other,
        };
        let (a, b, a_offsets, b_offsets) = (self.b.t(), self.a.t(), self.b_offsets, self.a_offsets);
        Problem { m: 1, n: self.m, a, b, a_offsets, b_offsets, init, ..self }
    }
}

/// Products of fewer multiply-adds than this are spread over the batch instead of being split themselves.
const SMALL: usize = 1 << 22;

fn multiply<T: Element>(kernels: &'static Kernels<T>, problem: Problem<T>) {
    if problem.k == 0 {
        return fill(problem.m, problem.n, problem.c, problem.init);
    }
    let Problem { m, n, k, a, a_offsets, b, b_offsets, c, init } = problem.row_of_column();
    let batch = a_offsets.len();
    let c = &SharedMut::new(c);
    let product = |i: usize| {
        let (a, b) = (a.offset(a_offsets[i]), b.offset(b_offsets[i]));
        let a = Lanes { data: a.data, step: a.col_stride, lane: a.row_stride };
        let b = Lanes { data: b.data, step: b.row_stride, lane: b.col_stride };
        Product { kernels, m, n, k, a, b, c, c_start: i * m * n, c_row: n, init }
    };
    let size = m * n * k;
    if batch > 1 && size < SMALL {
        // A task of at least about ten microseconds, and at most 64 tasks.
        let each = ((1 << 19) / size).max(batch.div_ceil(64)).max(1);
        parallel_for(batch.div_ceil(each), |task| {
            (task * each..batch.min((task + 1) * each)).for_each(|i| product(i).run_alone());
        });
    } else {
        (0..batch).for_each(|i| {
            let product = product(i);
            if thin::suits(&product) {
                return thin::multiply(&product);
            }
            let Product { a, b, c_start, .. } = product;
            let small = Small { kernels, m, n, k, a, b, c, c_start, init, mirrored: false };
            match small.plan() {
                Some(small) => small.run(),
                None => product.run_either_way(),
            }
        });
    }
}

/// The product of matrices that share no dimension: every chain is empty.
fn fill<T: Element>(m: usize, n: usize, c: &mut [T], init: Init<T>) {
    match init {
        Init::Zero => c.fill(T::default()),
        Init::Accumulate => {}
        Init::RowBias(bias) => c.chunks_exact_mut(n).for_each(|row| row.copy_from_slice(bias)),
        Init::ColBias(bias) => c.chunks_exact_mut(n).enumerate().for_each(|(i, row)| row.fill(bias[i % m])),
    }
}

#[cfg(test)]
mod tests;
