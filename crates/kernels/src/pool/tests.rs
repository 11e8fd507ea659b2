//! Pooling against worked examples and against the definition.

use super::maxima::{Maxima, largest_of_windows};
use super::*;
use crate::threads::set_threads;

pub(super) fn strided(input: [usize; 3], kernel: [usize; 3], stride: usize, pad: usize, dilation: usize) -> PoolShape {
    let pads = input.map(|size| if size > 1 { pad } else { 0 });
    let output = std::array::from_fn(|d| (input[d] + 2 * pads[d] - dilation * (kernel[d] - 1) - 1) / stride + 1);
    let windows =
        Windows::Strided { kernel, stride: [stride; 3], pad_begin: pads, pad_end: pads, dilation: [dilation; 3] };
    PoolShape { planes: 3, input, output, windows }
}

/// Worked by hand; PyTorch's `max_pool2d(x, 2, 1, 1, return_indices=True)` and `avg_pool2d(x, 2, 1, 1)`.
#[test]
fn a_small_plane() {
    let shape = PoolShape { planes: 1, ..strided([1, 2, 2], [1, 2, 2], 1, 1, 1) };
    let x = [1.0f32, -2.0, 3.0, 4.0];
    let (mut y, mut indices) = ([0.0; 9], [0; 9]);
    max_pool(&shape, &x, &mut y, &mut indices);
    assert_eq!(y, [1.0, 1.0, -2.0, 3.0, 4.0, 4.0, 3.0, 4.0, 4.0]);
    assert_eq!(indices, [0, 0, 1, 2, 3, 3, 2, 3, 3]);
    avg_pool(&shape, Divisor::Padded, &x, &mut y);
    assert_eq!(y, [0.25, -0.25, -0.5, 1.0, 1.5, 0.5, 0.75, 1.75, 1.0]);
    avg_pool(&shape, Divisor::Inside, &x, &mut y);
    assert_eq!(y, [1.0, -0.5, -2.0, 2.0, 1.5, 1.0, 3.0, 3.5, 4.0]);
    let mut dx = [9.0; 4];
    max_pool_backward(&shape, &[1.0; 9], &indices, &mut dx);
    assert_eq!(dx, [2.0, 1.0, 2.0, 4.0]);
    avg_pool_backward(&shape, Divisor::Fixed(4), &[1.0; 9], &mut dx);
    assert_eq!(dx, [1.0; 4]);
}

#[test]
fn a_nan_is_the_largest_and_equals_keep_the_first() {
    let shape = PoolShape { planes: 1, ..strided([1, 1, 4], [1, 1, 2], 2, 0, 1) };
    let (mut y, mut indices) = ([0.0; 2], [0; 2]);
    max_pool(&shape, &[5.0f64, 5.0, f64::NAN, 7.0], &mut y, &mut indices);
    assert_eq!((y[0], indices), (5.0, [0, 2]));
    assert!(y[1].is_nan());
    max_pool(&shape, &[f64::NEG_INFINITY; 4], &mut y, &mut indices);
    assert_eq!(indices, [0, 2]);
}

/// The mean and the largest element of the definition's window, by a search over all inputs.
#[test]
fn shapes_equal_the_definition_for_all_threads() {
    for shape in [
        strided([1, 7, 9], [1, 3, 2], 2, 1, 1),
        strided([4, 5, 6], [2, 3, 3], 1, 1, 2),
        strided([1, 1, 40], [1, 1, 5], 3, 2, 2),
        strided([1, 7, 9], [1, 2, 2], 2, 0, 1),
    ] {
        let Windows::Strided { kernel, stride, pad_begin, dilation, .. } = shape.windows else { unreachable!() };
        let x: Vec<f64> = (0..shape.x_len()).map(|i| ((i * 7919) % 1009) as f64 / 500.0 - 1.0).collect();
        for threads in [1, 3] {
            set_threads(threads);
            let [mut mean, mut largest] = [vec![0.0; shape.y_len()], vec![0.0; shape.y_len()]];
            let mut indices = vec![0; shape.y_len()];
            avg_pool(&shape, Divisor::Inside, &x, &mut mean);
            max_pool(&shape, &x, &mut largest, &mut indices);
            for at in 0..shape.y_len() {
                let (plane, output) = (at / shape.positions(), at % shape.positions());
                let split =
                    |at: usize, size: [usize; 3]| [at / (size[1] * size[2]), at / size[2] % size[1], at % size[2]];
                let output = split(output, shape.output);
                let members: Vec<usize> = (0..shape.area())
                    .filter(|&i| {
                        let place = split(i, shape.input);
                        (0..3).all(|d| {
                            let from = (place[d] + pad_begin[d]).checked_sub(output[d] * stride[d]);
                            from.is_some_and(|f| f.is_multiple_of(dilation[d]) && f / dilation[d] < kernel[d])
                        })
                    })
                    .collect();
                let values = members.iter().map(|&i| x[plane * shape.area() + i]);
                let exact = values.clone().sum::<f64>() / members.len() as f64;
                assert!((mean[at] - exact).abs() < 1e-14, "{shape:?} {at}");
                assert_eq!(largest[at], values.fold(f64::NEG_INFINITY, f64::max));
                let first = members.iter().find(|&&i| x[plane * shape.area() + i] == largest[at]);
                assert_eq!(indices[at], *first.expect("no window is empty here") as i32, "{shape:?} {at}");
            }
        }
    }
}

/// `f32` is compared in vectors, `f64` one by one: both find the same elements, of rows longer and shorter than a vector,
/// with many equal values, infinities and NaN.
#[test]
fn vectors_choose_what_the_definition_chooses() {
    for shape in [
        strided([1, 6, 80], [1, 2, 2], 2, 0, 1),
        strided([1, 6, 64], [1, 2, 2], 2, 0, 1),
        strided([1, 5, 33], [1, 2, 2], 2, 0, 1),
        strided([1, 5, 30], [1, 2, 2], 2, 0, 1),
        strided([1, 4, 13], [1, 2, 2], 2, 0, 1),
        strided([1, 9, 37], [1, 3, 3], 1, 1, 1),
        strided([3, 9, 64], [2, 3, 5], 3, 1, 1),
        strided([1, 8, 50], [1, 3, 4], 2, 1, 2),
    ] {
        // Planes of finite numbers take the shortest way, the others may not.
        for finite in [false, true] {
            let value = |i: usize| match i * 7919 % 101 {
                0 if !finite => f32::NAN,
                1..20 if !finite => f32::NEG_INFINITY,
                20 if !finite => f32::INFINITY,
                21 => -0.0,
                n => (n % 5) as f32,
            };
            let x: Vec<f32> = (0..shape.x_len()).map(value).collect();
            let wide: Vec<f64> = x.iter().map(|&x| x as f64).collect();
            let (mut y, mut indices) = (vec![7.0; shape.y_len()], vec![7; shape.y_len()]);
            let (mut wide_y, mut wide_indices) = (vec![7.0; shape.y_len()], vec![7; shape.y_len()]);
            max_pool(&shape, &x, &mut y, &mut indices);
            max_pool(&shape, &wide, &mut wide_y, &mut wide_indices);
            assert_eq!(indices, wide_indices, "{shape:?}");
            let same = |(&a, &b): (&f32, &f64)| (a as f64).to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
            assert!(y.iter().zip(&wide_y).all(same), "{shape:?}");
        }
    }
}

/// Bands, rows of any length, padding on every side and elements that are all -∞, one plane with a NaN: the same bits as one
/// window after the other, on every instruction set.
#[test]
fn copies_equal_the_plain_windows() {
    let odd = |input, output, kernel, stride, [pad_begin, pad_end]: [[usize; 3]; 2]| {
        let windows = Windows::Strided { kernel, stride, pad_begin, pad_end, dilation: [1; 3] };
        PoolShape { planes: 3, input, output, windows }
    };
    for shape in [
        strided([1, 16, 16], [1, 3, 3], 2, 1, 1),
        strided([1, 13, 13], [1, 2, 2], 2, 0, 1),
        strided([1, 6, 32], [1, 2, 2], 2, 0, 1),
        strided([1, 120, 150], [1, 3, 3], 2, 1, 1),
        strided([1, 150, 33], [1, 5, 4], 1, 2, 1),
        strided([5, 9, 20], [3, 2, 3], 2, 1, 1),
        strided([1, 40, 41], [1, 3, 2], 3, 1, 2),
        strided([1, 11, 300], [1, 1, 7], 4, 3, 1),
        strided([1, 1, 5], [1, 1, 1], 1, 0, 1),
        strided([1, 20, 20], [1, 1, 1], 2, 0, 1),
        strided([1, 30, 30], [1, 20, 20], 5, 9, 1),
        // Windows that reach beyond the end, and some that lie in the padding alone.
        odd([1, 8, 7], [1, 4, 4], [1, 3, 3], [1, 2, 2], [[0; 3], [0, 1, 2]]),
        odd([2, 3, 4], [4, 5, 6], [1, 1, 2], [1, 1, 1], [[1, 1, 2], [1, 1, 1]]),
    ] {
        if cfg!(miri) && shape.x_len() > 5000 {
            continue;
        }
        let (area, positions, spans) = (shape.area(), shape.positions(), shape.spans());
        let mut x: Vec<f32> = (0..shape.x_len())
            .map(|i| if i * 7919 % 103 < 40 { f32::NEG_INFINITY } else { (i * 7919 % 61) as f32 - 30.0 })
            .collect();
        x[area + area / 2] = f32::NAN;
        let (mut y, mut indices) = (vec![7.0; shape.y_len()], vec![7; shape.y_len()]);
        for plane in 0..3 {
            let range = plane * positions..(plane + 1) * positions;
            let (y, indices) = (&mut y[range.clone()], &mut indices[range]);
            largest_of_windows(&shape, &spans, &x[plane * area..][..area], y, indices);
        }
        let split = shape.split().expect("strided windows");
        for isa in crate::simd::available() {
            let (mut found, mut places) = (vec![9.0; y.len()], vec![9; y.len()]);
            let mut room = vec![f32::NAN; split.copy_size() + split.band_size()];
            let mut redone = vec![];
            let kernel = Maxima {
                shape: &shape,
                split: &split,
                spans: &spans,
                planes: 3,
                x: &x,
                y: &mut found,
                indices: &mut places,
                room: &mut room,
                places: &mut vec![0; split.band_size()],
                plain: |plane: usize, _: &mut [f32], _: &mut [i32]| redone.push(plane),
            };
            crate::simd::dispatch_on(isa, kernel);
            assert!(redone.contains(&1), "{isa:?} {shape:?}");
            for plane in (0..3).filter(|plane| !redone.contains(plane)) {
                let range = plane * positions..(plane + 1) * positions;
                assert_eq!(found[range.clone()], y[range.clone()], "{isa:?} {shape:?}");
                assert_eq!(places[range.clone()], indices[range], "{isa:?} {shape:?}");
            }
            assert!(!redone.contains(&0) || area < 64, "{isa:?} {shape:?}");
        }
        let bits = |y: &[f32]| y.iter().map(|y| if y.is_nan() { 1 } else { y.to_bits() }).collect::<Vec<_>>();
        for threads in [1, 2, 3, 8] {
            set_threads(threads);
            let (mut found, mut places) = (vec![9.0; y.len()], vec![9; y.len()]);
            max_pool(&shape, &x, &mut found, &mut places);
            assert_eq!((bits(&found), places), (bits(&y), indices.clone()), "{shape:?}");
        }
        let finite: Vec<f32> = x.iter().map(|&x| if x.is_finite() { x / 7.0 } else { -0.0 }).collect();
        let mut means = vec![9.0; y.len()];
        avg_pool(&shape, Divisor::Fixed(3), &finite, &mut means);
        shape.for_windows(&spans, |output, window| {
            let mut sum = 0.0;
            window.for_each(|at| sum += finite[2 * area + at]);
            assert_eq!(means[2 * positions + output].to_bits(), (sum / 3.0f32).to_bits(), "{shape:?} {output}");
        });
    }
    set_threads(0);
}

#[test]
fn adaptive_windows_follow_pytorch() {
    // 7 inputs in 3 outputs: [0, 3), [2, 5), [4, 7).
    let shape = PoolShape { planes: 1, input: [1, 1, 7], output: [1, 1, 3], windows: Windows::Adaptive };
    let mut y = [0.0; 3];
    avg_pool(&shape, Divisor::Inside, &[0.0f32, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &mut y);
    assert_eq!(y, [1.0, 3.0, 5.0]);
    let mut dx = [0.0; 7];
    avg_pool_backward(&shape, Divisor::Inside, &[3.0f32, 6.0, 9.0], &mut dx);
    assert_eq!(dx, [1.0, 1.0, 3.0, 2.0, 5.0, 3.0, 3.0]);
}
