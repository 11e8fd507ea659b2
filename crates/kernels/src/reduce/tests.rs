//! Reductions against f64 and against each other.

use super::*;
use crate::threads::set_threads;

fn numbers(len: usize) -> Vec<f32> {
    let mut state = 12345u32;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 0.9
        })
        .collect()
}

fn lengths() -> &'static [usize] {
    if cfg!(miri) {
        &[0, 1, 31, 33, 600]
    } else {
        &[0, 1, 7, 31, 32, 33, 64, 100, 511, 512, 513, 5000, 32768, 32769, 300_007]
    }
}

#[test]
fn sums_are_close_to_f64_and_equal_for_all_threads() {
    for &len in lengths() {
        let (x, y) = (numbers(len), numbers(len + 1)[1..].to_vec());
        let wide = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let magnitude: f64 = wide(&x).iter().map(|x| x.abs()).sum();
        let bound = magnitude * f64::from(f32::EPSILON) * 4.0;
        let exact: f64 = wide(&x).iter().sum();
        let exact_dot: f64 = wide(&x).iter().zip(wide(&y)).map(|(x, y)| x * y).sum();
        let mut seen: Option<[u32; 3]> = None;
        for threads in [1, 2, 3] {
            set_threads(threads);
            let (s, d, q) = (sum(&x), dot(&x, &y), sum_squares(&x));
            assert!((f64::from(s) - exact).abs() <= bound, "{len}: {s} {exact}");
            assert!((f64::from(d) - exact_dot).abs() <= bound, "{len}: {d} {exact_dot}");
            assert_eq!(q.to_bits(), dot(&x, &x).to_bits());
            let bits = [s, d, q].map(f32::to_bits);
            assert_eq!(*seen.get_or_insert(bits), bits);
            assert!((sum(&wide(&x)) - exact).abs() <= magnitude * 1e-14);
        }
    }
}

/// A sequential f32 sum of ten million tenths is wrong by percents.
#[test]
#[cfg(not(miri))] // too long for an interpreter
fn the_error_does_not_grow_with_the_length() {
    let x = vec![0.1f32; 10_000_000];
    assert!((f64::from(sum(&x)) - 1e7 * f64::from(0.1f32)).abs() < 1.0);
}

#[test]
fn extremes_propagate_nan_from_anywhere() {
    for len in [1, 5, 40, 700] {
        let x = numbers(len);
        let largest = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let smallest = x.iter().copied().fold(f32::INFINITY, f32::min);
        assert_eq!((max(&x), min(&x)), (largest, smallest));
        for at in [0, len / 2, len - 1] {
            let mut x = x.clone();
            x[at] = f32::NAN;
            assert!(max(&x).is_nan() && min(&x).is_nan(), "{len} {at}");
        }
    }
    assert_eq!((max::<f64>(&[]), min::<f64>(&[])), (f64::NEG_INFINITY, f64::INFINITY));
    assert_eq!(max(&[f32::NEG_INFINITY; 3]), f32::NEG_INFINITY);
}

#[test]
fn rows_equal_the_function_of_each_row() {
    for (rows, columns) in [(1, 5), (7, 1), (40, 33), (3, 70_000), (0, 4), (4, 0), (300, 600)] {
        if cfg!(miri) && rows * columns > 2000 {
            continue;
        }
        let x = numbers(rows * columns);
        let mut out = vec![9.0; rows];
        set_threads(2);
        sum_rows(&x, columns, &mut out);
        for (r, &value) in out.iter().enumerate() {
            assert_eq!(value.to_bits(), sum(&x[r * columns..(r + 1) * columns]).to_bits());
        }
        max_rows(&x, columns, &mut out);
        for (r, &value) in out.iter().enumerate() {
            assert_eq!(value, max(&x[r * columns..(r + 1) * columns]));
        }
    }
}

#[test]
fn columns_are_close_to_f64_and_equal_for_all_threads() {
    for shape in [
        [1, 5, 3],
        [2, 33, 4],
        [3, 1, 7],
        [1, 5000, 10],
        [2, 100, 2500],
        [1, 1500, 1100],
        [1, 70_001, 3],
        [4, 0, 2],
        [0, 3, 2],
        [2, 3, 0],
    ] {
        if cfg!(miri) && shape[0] * shape[1] * shape[2] > 500 {
            continue;
        }
        let [outer, reduce, inner] = shape;
        let x = numbers(outer * reduce * inner);
        let mut seen: Option<Vec<f32>> = None;
        for threads in [1, 3, 8] {
            set_threads(threads);
            let mut out = vec![9.0; outer * inner];
            sum_columns(&x, shape, &mut out);
            let mut largest = vec![9.0; outer * inner];
            max_columns(&x, shape, &mut largest);
            for (at, &value) in out.iter().enumerate() {
                let column = (0..reduce).map(|r| f64::from(x[(at / inner * reduce + r) * inner + at % inner]));
                let (exact, magnitude) = column.clone().fold((0.0, 0.0), |(s, m), x| (s + x, m + x.abs()));
                assert!((f64::from(value) - exact).abs() <= magnitude * 1e-6, "{shape:?} {at}: {value} {exact}");
                assert_eq!(f64::from(largest[at]), column.fold(f64::NEG_INFINITY, f64::max));
            }
            assert_eq!(*seen.get_or_insert(out.clone()), out);
        }
    }
}
