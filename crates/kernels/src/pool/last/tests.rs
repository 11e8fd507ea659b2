//! Channels last against channels first: the same bits.

use super::*;
use crate::pool::tests::strided;
use crate::pool::{max_pool, max_pool_backward, max_pool_channels_last, max_pool_channels_last_backward};
use crate::simd::{available, dispatch_on};
use crate::threads::set_threads;

/// `[image, channel, pixel] → [image, pixel, channel]`
fn to_last<T: Copy>(x: &[T], channels: usize, pixels: usize) -> Vec<T> {
    let images = x.chunks_exact((channels * pixels).max(1));
    let turned = images.flat_map(|x| (0..pixels).flat_map(move |p| (0..channels).map(move |c| x[c * pixels + p])));
    turned.collect()
}

fn shapes() -> Vec<PoolShape> {
    let odd = |input, output, kernel, stride, [pad_begin, pad_end]: [[usize; 3]; 2], dilation| {
        let windows = Windows::Strided { kernel, stride, pad_begin, pad_end, dilation };
        PoolShape { planes: 0, input, output, windows }
    };
    vec![
        strided([1, 8, 8], [1, 2, 2], 2, 0, 1),
        strided([1, 7, 9], [1, 2, 2], 2, 0, 1),
        strided([1, 6, 9], [1, 3, 3], 3, 0, 1),
        strided([1, 9, 7], [1, 3, 3], 2, 1, 1),
        strided([1, 6, 5], [1, 3, 3], 1, 1, 1),
        strided([1, 9, 10], [1, 3, 2], 3, 1, 2),
        strided([1, 11, 12], [1, 2, 3], 1, 0, 3),
        strided([1, 1, 13], [1, 1, 4], 3, 2, 1),
        strided([1, 6, 6], [1, 1, 1], 2, 0, 1),
        strided([3, 5, 4], [2, 3, 2], 1, 1, 1),
        strided([1, 1, 1], [1, 1, 1], 1, 0, 1),
        // Windows that reach beyond the end, some that lie in the padding alone, and input between windows.
        odd([1, 8, 7], [1, 4, 4], [1, 3, 3], [1, 2, 2], [[0; 3], [0, 1, 2]], [1; 3]),
        odd([2, 3, 4], [4, 5, 6], [1, 1, 2], [1, 1, 1], [[1, 1, 2], [1, 1, 1]], [1; 3]),
        odd([1, 9, 9], [1, 4, 4], [1, 2, 2], [1, 3, 3], [[0, 2, 2], [0, 1, 1]], [1, 2, 1]),
        PoolShape { planes: 0, input: [1, 7, 5], output: [1, 3, 4], windows: Windows::Adaptive },
    ]
}

/// Numbers many of which are equal, zeros of both signs, and some planes with NaN or of -∞ alone.
fn numbers(len: usize, area: usize) -> Vec<f32> {
    let value = |i: usize| match (i / area % 5, i * 7919 % 101) {
        (3, _) | (1, 0..30) => f32::NEG_INFINITY,
        (2, 0..15) => f32::from_bits(0x7fc0_0000 + i as u32 % 7),
        (2, 15..20) => f32::INFINITY,
        (_, 20..40) => -0.0,
        (4, _) => 0.0,
        (_, n) => (n % 5) as f32 - 2.0,
    };
    (0..len).map(value).collect()
}

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

/// The bits of the kernels for channels first, on every instruction set and for any number of threads.
#[test]
fn channels_last_equal_channels_first() {
    for channels in if cfg!(miri) { vec![1, 17] } else { vec![1, 2, 3, 7, 15, 16, 17, 31, 32, 33, 40] } {
        for shape in shapes() {
            let images = 3;
            let shape = PoolShape { planes: images * channels, ..shape };
            let (area, positions) = (shape.area(), shape.positions());
            let x = numbers(shape.x_len(), area);
            let (mut y, mut indices) = (vec![7.0; shape.y_len()], vec![7; shape.y_len()]);
            max_pool(&shape, &x, &mut y, &mut indices);
            let dy: Vec<f32> = (0..y.len()).map(|i| if i % 3 == 0 { -0.0 } else { 0.1 * (i % 17) as f32 }).collect();
            let mut dx = vec![7.0; x.len()];
            max_pool_backward(&shape, &dy, &indices, &mut dx);

            let (x, dx) = (to_last(&x, channels, area), to_last(&dx, channels, area));
            let [y, dy] = [y, dy].map(|y| to_last(&y, channels, positions));
            let indices = to_last(&indices, channels, positions);
            let spans = shape.spans();
            let reached = [0, 1].map(|d| spans.reached(d, shape.input[d]));
            for isa in available() {
                let (mut found, mut places) = (vec![9.0; y.len()], vec![9; y.len()]);
                let rows = 0..images * shape.output[0] * shape.output[1];
                let (y_found, indices_found) = (&mut found[..], &mut places[..]);
                let (shape, spans) = (&shape, &spans);
                let forward = Maxima { shape, spans, channels, rows, x: &x, y: y_found, indices: indices_found };
                dispatch_on(isa, forward);
                assert_eq!(bits(&found), bits(&y), "{isa:?} {channels} {shape:?}");
                assert_eq!(places, indices, "{isa:?} {channels} {shape:?}");
                let mut found = vec![9.0; x.len()];
                let rows = 0..images * shape.input[0] * shape.input[1];
                let (dy, indices, reached) = (&dy, &indices, &reached);
                if let Some(size) = shape.tiles() {
                    let rows = 0..rows.end / size[0];
                    dispatch_on(isa, Tiles { shape, size, channels, rows, dy, indices, dx: &mut found });
                    assert_eq!(bits(&found), bits(&dx), "{isa:?} {channels} {shape:?}");
                    found.fill(9.0);
                }
                dispatch_on(isa, Backward { shape, spans, reached, channels, rows, dy, indices, dx: &mut found });
                assert_eq!(bits(&found), bits(&dx), "{isa:?} {channels} {shape:?}");
            }
            for threads in [1, 3] {
                set_threads(threads);
                let (mut found, mut places) = (vec![9.0; y.len()], vec![9; y.len()]);
                max_pool_channels_last(&shape, channels, &x, &mut found, &mut places);
                assert_eq!((bits(&found), &places), (bits(&y), &indices), "{channels} {shape:?}");
                let mut found = vec![9.0; x.len()];
                max_pool_channels_last_backward(&shape, channels, &dy, &indices, &mut found);
                assert_eq!(bits(&found), bits(&dx), "{channels} {shape:?}");

                let [wide_x, wide_dy] = [&x, &dy].map(|x| x.iter().map(|&x| x as f64).collect::<Vec<f64>>());
                let mut wide = vec![9.0; y.len()];
                max_pool_channels_last(&shape, channels, &wide_x, &mut wide, &mut places);
                assert!(wide.iter().zip(&y).all(|(&a, &b)| a.total_cmp(&(b as f64)).is_eq() || b.is_nan()));
                assert_eq!(places, indices, "{channels} {shape:?}");
                let mut wide = vec![9.0; x.len()];
                max_pool_channels_last_backward(&shape, channels, &wide_dy, &indices, &mut wide);
                assert!(wide.iter().zip(&dx).all(|(&a, &b)| (a - b as f64).abs() <= 1e-6 * a), "{shape:?}");
            }
            set_threads(0);
        }
    }
}

/// Rows enough for several tasks.
#[test]
#[cfg(not(miri))] // too long for an interpreter
fn many_rows_are_several_tasks() {
    let shape = PoolShape { planes: 4 * 24, ..strided([1, 40, 50], [1, 3, 3], 2, 1, 1) };
    let (area, positions, channels) = (shape.area(), shape.positions(), 24);
    let x = numbers(shape.x_len(), area);
    let (mut y, mut indices) = (vec![7.0; shape.y_len()], vec![7; shape.y_len()]);
    max_pool(&shape, &x, &mut y, &mut indices);
    let mut dx = vec![7.0; x.len()];
    let dy: Vec<f32> = (0..y.len()).map(|i| (i % 1013) as f32 * 0.1 - 50.0).collect();
    max_pool_backward(&shape, &dy, &indices, &mut dx);
    let (x, dx) = (to_last(&x, channels, area), to_last(&dx, channels, area));
    let [y, dy] = [y, dy].map(|y| to_last(&y, channels, positions));
    let indices = to_last(&indices, channels, positions);
    for threads in [1, 2, 8] {
        set_threads(threads);
        let (mut found, mut places) = (vec![9.0; y.len()], vec![9; y.len()]);
        max_pool_channels_last(&shape, channels, &x, &mut found, &mut places);
        assert_eq!((bits(&found), &places), (bits(&y), &indices));
        let mut found = vec![9.0; x.len()];
        max_pool_channels_last_backward(&shape, channels, &dy, &indices, &mut found);
        assert_eq!(bits(&found), bits(&dx));
    }
    set_threads(0);
}
