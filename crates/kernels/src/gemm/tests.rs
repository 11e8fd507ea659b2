//! Products against the definition: the chain of fused multiply-adds, one output at a time.

use super::*;
use crate::simd::available;
use crate::threads::set_threads;

/// A full-period generator, so that inputs have many different bits.
fn numbers(seed: u64, len: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

trait Real: GemmElement + std::fmt::Debug {
    fn of(x: f64) -> Self;
    fn bits(self) -> u64;
}
impl Real for f32 {
    fn of(x: f64) -> f32 {
        x as f32
    }
    fn bits(self) -> u64 {
        self.to_bits().into()
    }
}
impl Real for f64 {
    fn of(x: f64) -> f64 {
        x
    }
    fn bits(self) -> u64 {
        self.to_bits()
    }
}

#[derive(Clone, Copy, Debug)]
enum Start {
    Zero,
    Accumulate,
    RowBias,
    ColBias,
}

/// Compares every instruction set and several thread counts with the definition, bit for bit.
fn check<T: Real>(m: usize, n: usize, k: usize, a_transposed: bool, b_transposed: bool, start: Start) {
    let real = |seed, len| numbers(seed, len).into_iter().map(T::of).collect::<Vec<T>>();
    let (a, b, c0, bias) = (real(1, m * k), real(2, k * n), real(3, m * n), real(4, m.max(n)));
    let a = if a_transposed { Mat::transposed(&a, m) } else { Mat::row_major(&a, k) };
    let b = if b_transposed { Mat::transposed(&b, k) } else { Mat::row_major(&b, n) };
    let init = match start {
        Start::Zero => Init::Zero,
        Start::Accumulate => Init::Accumulate,
        Start::RowBias => Init::RowBias(&bias[..n]),
        Start::ColBias => Init::ColBias(&bias[..m]),
    };
    let expected: Vec<T> = (0..m * n)
        .map(|at| {
            let (i, j) = (at / n, at % n);
            let first = if matches!(start, Start::Accumulate) { c0[at] } else { T::default() };
            let sum = (0..k).fold(first, |sum, s| {
                a.data[i * a.row_stride + s * a.col_stride].fma(b.data[s * b.row_stride + j * b.col_stride], sum)
            });
            match start {
                Start::RowBias => sum + bias[j],
                Start::ColBias => sum + bias[i],
                _ => sum,
            }
        })
        .collect();
    for isa in available() {
        for threads in [1, 3] {
            set_threads(threads);
            let mut c = c0.clone();
            T::multiply(isa, Problem { m, n, k, a, a_offsets: &[0], b, b_offsets: &[0], c: &mut c, init });
            for (at, (&x, &y)) in c.iter().zip(&expected).enumerate() {
                assert_eq!(
                    x.bits(),
                    y.bits(),
                    "{m}×{n}×{k} {a_transposed} {b_transposed} {start:?} {isa:?} at {:?}: {x:?}, expected {y:?}",
                    (at / n, at % n)
                );
            }
        }
    }
    if let (false, Start::Zero | Start::RowBias) = (a_transposed, start) {
        let mut packed = vec![T::default(); packed_right_len::<T>(n, k)];
        pack_right(n, k, b, &mut packed);
        for threads in [1, 3] {
            set_threads(threads);
            let mut c = c0.clone();
            gemm_packed([m, n, k], a.data, &packed, matches!(start, Start::RowBias).then_some(&bias[..n]), &mut c);
            assert!(c.iter().zip(&expected).all(|(x, y)| x.bits() == y.bits()), "{m}×{n}×{k} packed {start:?}");
        }
    }
}

fn check_all<T: Real>(m: usize, n: usize, k: usize) {
    for start in [Start::Zero, Start::Accumulate, Start::RowBias, Start::ColBias] {
        check::<T>(m, n, k, false, false, start);
    }
    for (a, b) in [(true, false), (false, true), (true, true)] {
        check::<T>(m, n, k, a, b, Start::RowBias);
    }
}

#[test]
fn small_shapes_equal_the_chain() {
    for m in [1, 2, 5, 6, 7, 13, 15] {
        for n in [1, 3, 8, 9, 16, 17, 33, 40] {
            for k in [0, 1, 2, 9] {
                check_all::<f32>(m, n, k);
                check_all::<f64>(m, n, k);
            }
        }
    }
}

#[test]
#[cfg(not(miri))] // too long for an interpreter
fn large_shapes_equal_the_chain() {
    let few_rows = [(1, 600, 900), (2, 333, 515), (700, 1, 900)];
    let many_rows = [(64, 100, 784), (130, 75, 600), (75, 130, 601), (300, 20, 200)];
    for (m, n, k) in few_rows.into_iter().chain(many_rows) {
        check_all::<f32>(m, n, k);
        check_all::<f64>(m, n, k);
    }
    check::<f32>(90, 520, 30, false, false, Start::Zero);
    check::<f32>(520, 90, 30, true, false, Start::Zero);
    // Too large for one cache, and k is cut: chains rest in C between the slabs.
    check::<f32>(130, 190, 1100, false, false, Start::Accumulate);
    check::<f32>(190, 130, 1100, false, true, Start::RowBias);
    // Rows of A in one set of the cache only: beside a packed B they are copied, and k is cut.
    check::<f32>(37, 75, 2048, false, true, Start::RowBias);
    check::<f64>(7, 40, 1536, false, false, Start::Zero);
    check::<f32>(40, 300, 2048, false, false, Start::Accumulate);
    // Fewer panels of rows than make low blocks, but work for two threads.
    check::<f32>(100, 100, 1000, false, false, Start::ColBias);
    // Rows of B in a few sets of the cache only: the first panel of rows packs them, and one alone reads them there.
    for m in [10, 40] {
        check::<f32>(m, 1024, 30, false, false, Start::ColBias);
        check::<f64>(m, 1024, 30, true, false, Start::RowBias);
    }
    // Few columns of a transpose: computed mirrored.
    for start in [Start::Zero, Start::Accumulate, Start::RowBias, Start::ColBias] {
        check::<f32>(300, 10, 90, true, false, start);
        check::<f64>(300, 7, 90, true, true, start);
        check::<f32>(300, 75, 600, true, false, start);
        check::<f64>(300, 75, 600, true, true, start);
    }
    // Rows too far apart to be packed by the tile that reads them.
    check::<f32>(200, 2100, 40, false, false, Start::RowBias);
    // Blocks of columns, and of rows.
    check::<f32>(600, 300, 70, false, true, Start::RowBias);
    check::<f32>(600, 700, 70, true, false, Start::Accumulate);
    // Copied a few steps at a time: the columns that all rows share, and those of each task.
    check::<f64>(130, 190, 600, false, false, Start::ColBias);
    check::<f64>(130, 300, 600, true, false, Start::RowBias);
}

/// Columns of wider matrices, mirrored ones, and rows that are repeated.
#[test]
fn few_rows_may_lie_anywhere() {
    let (k, n) = (150, 70);
    let data: Vec<f32> = numbers(5, 28_000).into_iter().map(|x| x as f32).collect();
    let rights = [Mat::new(&data, n, 1), Mat::new(&data, 1, k), Mat::new(&data, 1, 400), Mat::new(&data, 2, 310)];
    for m in 1..=3 {
        for (row, column) in [(k, 1), (1, m), (1, 3), (3 * k, 3), (0, 1), (0, 2)] {
            let a = Mat::new(&data[7..], row, column);
            for b in rights {
                let mut c = vec![9.0; m * n];
                gemm(m, n, k, a, b, &mut c, Init::Zero);
                for (at, &found) in c.iter().enumerate() {
                    let (i, j) = (at / n, at % n);
                    let x = |s: usize| a.data[i * row + s * column];
                    let chain =
                        (0..k).fold(0.0f32, |sum, s| x(s).mul_add(b.data[s * b.row_stride + j * b.col_stride], sum));
                    assert_eq!(
                        found.to_bits(),
                        chain.to_bits(),
                        "{m} rows, strides {row}, {column} · {}, {} at {at}",
                        b.row_stride,
                        b.col_stride
                    );
                }
            }
        }
    }
}

#[test]
fn a_broadcast_batch_uses_its_offsets() {
    let (batch, m, n, k) = (5, 3, 4, 6);
    let a: Vec<f32> = (0..batch * m * k).map(|i| i as f32).collect();
    let b: Vec<f32> = (0..k * n).map(|i| (i % 7) as f32).collect();
    let a_offsets: Vec<usize> = (0..batch).rev().map(|i| i * m * k).collect();
    let mut c = vec![0.0; batch * m * n];
    let (a, b) = (Mat::row_major(&a, k), Mat::row_major(&b, n));
    gemm_batched(batch, m, n, k, a, &a_offsets, b, &vec![0; batch], &mut c, Init::Zero);
    for (i, &offset) in a_offsets.iter().enumerate() {
        let mut one = vec![0.0; m * n];
        gemm(m, n, k, a.offset(offset), b, &mut one, Init::Zero);
        assert_eq!(one, c[i * m * n..(i + 1) * m * n]);
    }
    // Integers are exact: row 0 of the last matrix is A's first row, 0 … 5, against B's first column.
    let by_hand: f32 = (0..6).map(|s| s as f32 * ((s * 4) % 7) as f32).sum();
    assert_eq!(c[4 * m * n], by_hand);
}

#[test]
fn empty_outputs_and_strides_of_zero() {
    gemm::<f32>(0, 5, 3, Mat::row_major(&[], 3), Mat::row_major(&[0.0; 15], 5), &mut [], Init::Zero);
    let mut c = [0.0f64; 6];
    gemm(2, 3, 4, Mat::new(&[2.0], 0, 0), Mat::new(&[1.0, 2.0, 3.0], 0, 1), &mut c, Init::Zero);
    assert_eq!(c, [8.0, 16.0, 24.0, 8.0, 16.0, 24.0]);
}

#[test]
#[should_panic(expected = "B (4 × 3) needs 12 elements, got 11")]
fn a_short_matrix_is_named() {
    gemm(2, 3, 4, Mat::row_major(&[0.0f32; 8], 4), Mat::row_major(&[0.0; 11], 3), &mut [0.0; 6], Init::Zero);
}
