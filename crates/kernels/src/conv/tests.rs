//! Convolutions and their gradients against the definition, in f64.

use super::*;
use crate::threads::set_threads;

fn numbers(seed: usize, len: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 7919 + seed * 104_729 + 11) % 2003) as f32 / 1001.0 - 1.0).collect()
}

/// Calls `visit(x index, weight index, y index)` for every product in the convolution.
fn for_products(s: &ConvShape, mut visit: impl FnMut(usize, usize, usize)) {
    let (inputs, outputs) = (s.in_channels / s.groups, s.out_channels / s.groups);
    let count = |sizes: [usize; 3]| {
        (0..sizes.iter().product())
            .map(move |i: usize| [i / (sizes[1] * sizes[2]), i / sizes[2] % sizes[1], i % sizes[2]])
    };
    let flat = |at: [usize; 3], sizes: [usize; 3]| (at[0] * sizes[1] + at[1]) * sizes[2] + at[2];
    let volume = |sizes: [usize; 3]| sizes.iter().product::<usize>();
    for (n, out) in (0..s.batch).flat_map(|n| (0..s.out_channels).map(move |o| (n, o))) {
        for at in count(s.output) {
            for (c, k) in (0..inputs).flat_map(|c| count(s.kernel).map(move |k| (c, k))) {
                let place: [isize; 3] = std::array::from_fn(|d| {
                    (at[d] * s.stride[d] + k[d] * s.dilation[d]) as isize - s.pad_begin[d] as isize
                });
                if (0..3).all(|d| place[d] >= 0 && place[d] < s.input[d] as isize) {
                    let channel = out / outputs * inputs + c;
                    visit(
                        (n * s.in_channels + channel) * volume(s.input) + flat(place.map(|p| p as usize), s.input),
                        (out * inputs + c) * volume(s.kernel) + flat(k, s.kernel),
                        (n * s.out_channels + out) * volume(s.output) + flat(at, s.output),
                    );
                }
            }
        }
    }
}

fn close(name: &str, shape: &ConvShape, got: &[f32], exact: &[f64], magnitude: &[f64]) {
    for (at, ((&got, &exact), &magnitude)) in got.iter().zip(exact).zip(magnitude).enumerate() {
        let error = (f64::from(got) - exact).abs();
        assert!(error <= 1e-6 * magnitude.max(1e-3), "{name} of {shape:?} at {at}: {got}, not {exact}");
    }
}

/// With a packed weight and with bounds, the results are those of [`forward`], bounded.
fn same_otherwise(shape: &ConvShape, x: &[f32], w: &[f32], bias: &[f32], y: &[f32]) {
    let bounds = Some((0.0, 1.5));
    let expected: Vec<f32> = y.iter().map(|y| y.clamp(0.0, 1.5)).collect();
    let mut packed = vec![9.0; packing::<f32>(shape).map_or(0, |packing| packing.len)];
    let mut weights = vec![Weight::Plain(w)];
    if !packed.is_empty() {
        pack(shape, w, &mut packed);
        weights.push(Weight::Packed(&packed));
    }
    for weight in weights {
        let mut found = vec![9.0; y.len()];
        forward_with(shape, x, weight, Finish { bias: Some(bias), bounds: None }, &mut found);
        assert_eq!(found, y, "{shape:?}");
        forward_with(shape, x, weight, Finish { bias: Some(bias), bounds }, &mut found);
        assert_eq!(found, expected, "{shape:?}, bounded");
    }
}

fn check(shape: &ConvShape) {
    let (x, w, dy) = (numbers(1, shape.x_len()), numbers(2, shape.weight_len()), numbers(3, shape.y_len()));
    let bias = numbers(4, shape.out_channels);
    let plane = shape.output.iter().product::<usize>().max(1);
    let mut y: Vec<f64> = (0..dy.len()).map(|i| bias[i / plane % shape.out_channels].into()).collect();
    let mut y_size: Vec<f64> = y.iter().map(|y| y.abs()).collect();
    let [mut dx, mut dx_size] = [vec![0.0; x.len()], vec![0.0; x.len()]];
    let [mut dw, mut dw_size] = [vec![0.0; w.len()], vec![0.0; w.len()]];
    for_products(shape, |i, j, k| {
        let (x, w, dy) = (f64::from(x[i]), f64::from(w[j]), f64::from(dy[k]));
        y[k] += x * w;
        y_size[k] += (x * w).abs();
        dx[i] += dy * w;
        dx_size[i] += (dy * w).abs();
        dw[j] += dy * x;
        dw_size[j] += (dy * x).abs();
    });
    let mut seen: Option<[Vec<f32>; 3]> = None;
    for threads in [1, 2, 3, 8, 24] {
        set_threads(threads);
        let mut results = [vec![9.0; dy.len()], vec![9.0; x.len()], vec![9.0; w.len()]];
        let [y32, dx32, dw32] = &mut results;
        forward(shape, &x, &w, Some(&bias), y32);
        backward_data(shape, &dy, &w, dx32);
        backward_weight(shape, &x, &dy, dw32);
        close("y", shape, y32, &y, &y_size);
        same_otherwise(shape, &x, &w, &bias, y32);
        close("dx", shape, dx32, &dx, &dx_size);
        close("dw", shape, dw32, &dw, &dw_size);
        assert_eq!(*seen.get_or_insert(results.clone()), results, "{shape:?}");
    }
    set_threads(2);
    let wide = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
    let (x, w, dy) = (wide(&x), wide(&w), wide(&dy));
    let mut results = [vec![9.0; dy.len()], vec![9.0; x.len()], vec![9.0; w.len()]];
    let [y64, dx64, dw64] = &mut results;
    forward(shape, &x, &w, Some(&wide(&bias)), y64);
    backward_data(shape, &dy, &w, dx64);
    backward_weight(shape, &x, &dy, dw64);
    for (got, exact) in [(y64, y), (dx64, dx), (dw64, dw)] {
        assert!(got.iter().zip(exact).all(|(a, b)| (*a - b).abs() < 1e-11 * b.abs().max(10.0)), "{shape:?} in f64");
    }
}

/// A two-dimensional shape with padding `pad` before and `pad_end` after.
#[allow(clippy::too_many_arguments)]
fn plane(
    batch: usize,
    groups: usize,
    channels: [usize; 2],
    input: [usize; 2],
    kernel: [usize; 2],
    stride: usize,
    pad: [usize; 2],
    dilation: usize,
) -> ConvShape {
    let output = [0, 1].map(|d| (input[d] + pad[0] + pad[1] - dilation * (kernel[d] - 1) - 1) / stride + 1);
    ConvShape {
        batch,
        groups,
        in_channels: channels[0],
        out_channels: channels[1],
        input: [1, input[0], input[1]],
        kernel: [1, kernel[0], kernel[1]],
        output: [1, output[0], output[1]],
        stride: [1, stride, stride],
        pad_begin: [0, pad[0], pad[0]],
        dilation: [1, dilation, dilation],
    }
}

#[test]
fn planes_equal_the_definition() {
    let shapes = [
        plane(1, 1, [1, 1], [3, 3], [3, 3], 1, [0, 0], 1),
        plane(2, 1, [3, 5], [8, 9], [3, 3], 1, [1, 1], 1),
        plane(2, 1, [4, 6], [9, 7], [3, 2], 2, [1, 0], 1),
        plane(1, 2, [4, 6], [11, 12], [2, 3], 1, [2, 1], 2),
        plane(2, 1, [5, 7], [6, 5], [1, 1], 1, [0, 0], 1),
        plane(2, 1, [5, 7], [7, 5], [1, 1], 2, [0, 0], 1),
        plane(2, 6, [6, 6], [9, 10], [3, 3], 1, [1, 1], 1),
        plane(2, 6, [6, 6], [9, 10], [5, 3], 2, [2, 2], 1),
        plane(1, 3, [3, 6], [10, 10], [3, 3], 3, [1, 1], 2),
        plane(1, 1, [2, 3], [5, 5], [3, 3], 1, [4, 4], 1),
        plane(3, 1, [2, 3], [4, 4], [4, 4], 1, [0, 0], 1),
        // Kernels larger than the image: what only meets padding is cut off.
        plane(3, 1, [6, 5], [1, 1], [3, 3], 1, [1, 1], 1),
        plane(3, 1, [6, 5], [2, 2], [5, 5], 1, [2, 2], 1),
        plane(3, 2, [6, 4], [2, 2], [3, 3], 2, [1, 0], 1),
        plane(2, 4, [4, 4], [1, 2], [3, 3], 1, [1, 1], 1),
        plane(2, 1, [2, 3], [2, 2], [3, 3], 1, [1, 2], 2),
        // More small images than one product takes.
        plane(300, 2, [4, 6], [2, 2], [3, 3], 1, [1, 1], 1),
    ];
    shapes.iter().for_each(check);
}

#[test]
#[cfg(not(miri))] // too long for an interpreter
fn large_planes_equal_the_definition() {
    let shapes = [
        plane(2, 1, [3, 16], [32, 32], [3, 3], 1, [1, 1], 1),
        plane(2, 1, [20, 30], [33, 40], [3, 3], 1, [1, 1], 1),
        plane(5, 1, [64, 20], [7, 7], [3, 3], 1, [1, 1], 1),
        plane(9, 2, [140, 24], [4, 4], [3, 3], 2, [1, 1], 1),
        plane(1, 1, [8, 8], [70, 90], [5, 5], 2, [2, 2], 1),
        plane(1, 1, [130, 12], [20, 20], [1, 1], 1, [0, 0], 1),
        plane(2, 8, [8, 8], [60, 61], [3, 3], 1, [1, 1], 1),
        plane(1, 1, [3, 8], [64, 64], [7, 7], 2, [3, 3], 1),
        // Many images with few channels: long sums for the weight, in sixteen parts.
        plane(40, 1, [3, 4], [32, 32], [3, 3], 1, [1, 1], 1),
        // More images than are laid out at a time.
        plane(140, 1, [1, 2], [180, 180], [1, 1], 1, [0, 0], 1),
    ];
    shapes.iter().for_each(check);
}

#[test]
fn depthwise_planes_equal_the_definition() {
    let depthwise = |channels: usize, input, kernel, stride, pad, dilation| {
        plane(2, channels, [channels; 2], input, kernel, stride, pad, dilation)
    };
    let shapes = [
        depthwise(3, [7, 7], [3, 3], 1, [1, 1], 1),
        depthwise(2, [14, 14], [3, 3], 2, [1, 1], 1),
        depthwise(2, [5, 33], [3, 3], 1, [1, 1], 1),
        depthwise(2, [6, 35], [3, 3], 2, [0, 1], 1),
        depthwise(2, [9, 17], [5, 4], 1, [2, 3], 2),
        depthwise(2, [11, 40], [7, 7], 2, [3, 3], 1),
        depthwise(2, [1, 50], [1, 9], 1, [4, 4], 1),
        depthwise(1, [3, 3], [3, 3], 1, [20, 20], 1),
        // More rows than a copy takes.
        depthwise(1, [100, 130], [3, 3], 1, [1, 1], 1),
        depthwise(1, [70, 260], [3, 3], 2, [1, 0], 1),
    ];
    shapes.iter().for_each(check);
}

#[test]
fn one_small_map_equals_the_definition() {
    let shapes = [
        plane(1, 1, [70, 40], [7, 7], [3, 3], 2, [1, 1], 1),
        plane(1, 1, [90, 37], [7, 7], [3, 3], 1, [1, 1], 1),
        plane(1, 2, [20, 70], [7, 9], [3, 2], 2, [1, 0], 1),
        plane(1, 1, [600, 33], [7, 7], [1, 1], 1, [0, 0], 1),
        plane(1, 3, [9, 120], [1, 5], [1, 1], 1, [0, 0], 1),
        plane(1, 1, [5, 36], [1, 1], [3, 3], 1, [1, 1], 1),
    ];
    shapes.iter().for_each(check);
}

#[test]
fn many_images_equal_the_definition() {
    let shapes = [
        plane(8, 1, [3, 5], [6, 7], [3, 3], 1, [1, 1], 1),
        plane(17, 2, [20, 6], [5, 4], [3, 2], 2, [1, 0], 1),
        plane(33, 1, [9, 15], [4, 4], [3, 3], 1, [1, 1], 1),
        plane(16, 1, [8, 3], [7, 7], [3, 3], 2, [1, 1], 2),
        plane(9, 1, [40, 8], [2, 2], [3, 3], 1, [1, 1], 1),
        plane(20, 3, [3, 6], [5, 6], [1, 1], 2, [0, 0], 1),
        plane(12, 1, [10, 4], [1, 1], [3, 3], 1, [1, 1], 1),
        plane(40, 1, [3, 9], [33, 31], [7, 5], 2, [3, 2], 1),
        plane(10, 2, [6, 10], [13, 12], [3, 4], 3, [2, 4], 2),
        plane(9, 1, [2, 5], [6, 5], [3, 3], 1, [5, 5], 1),
        // Few channels: joined kernel rows, more rows than a block, groups, larger strides than kernels.
        plane(8, 1, [1, 32], [28, 28], [3, 3], 1, [1, 1], 1),
        plane(8, 2, [6, 64], [28, 28], [3, 3], 1, [1, 1], 1),
        plane(10, 1, [5, 16], [50, 40], [4, 5], 1, [1, 3], 1),
        plane(8, 1, [1, 20], [28, 28], [3, 3], 1, [1, 1], 1),
        plane(8, 1, [1, 6], [20, 70], [5, 5], 1, [2, 0], 1),
        plane(11, 1, [3, 16], [40, 60], [3, 3], 1, [1, 1], 1),
        plane(9, 4, [12, 8], [9, 11], [3, 3], 2, [1, 1], 1),
        plane(12, 1, [7, 48], [8, 9], [2, 2], 3, [0, 0], 1),
        plane(8, 1, [2, 3], [1, 9], [4, 3], 1, [3, 2], 1),
    ];
    shapes.iter().for_each(check);
}

/// Results of a sample do not depend on the samples beside it, however many are convolved together.
#[test]
fn one_image_has_the_bits_that_it_has_among_many() {
    for shape in [
        plane(19, 1, [5, 20], [9, 6], [3, 3], 1, [1, 1], 1),
        plane(8, 2, [6, 8], [7, 9], [3, 2], 2, [1, 1], 1),
        plane(40, 1, [18, 7], [2, 2], [3, 3], 1, [1, 1], 1),
        plane(11, 1, [3, 6], [20, 24], [5, 5], 1, [2, 2], 1),
        plane(70, 1, [16, 20], [9, 6], [3, 3], 1, [1, 1], 1),
        plane(9, 1, [20, 40], [7, 7], [3, 3], 2, [1, 1], 1),
        plane(3, 6, [6, 6], [9, 20], [3, 3], 2, [1, 1], 1),
    ] {
        let (x, w, dy) = (numbers(1, shape.x_len()), numbers(2, shape.weight_len()), numbers(3, shape.y_len()));
        let [mut y, mut dx] = [vec![9.0; dy.len()], vec![9.0; x.len()]];
        forward(&shape, &x, &w, None, &mut y);
        backward_data(&shape, &dy, &w, &mut dx);
        let one = ConvShape { batch: 1, ..shape };
        let [mut y1, mut dx1] = [vec![9.0; one.y_len()], vec![9.0; one.x_len()]];
        for image in 0..shape.batch {
            forward(&one, &x[image * one.x_len()..][..one.x_len()], &w, None, &mut y1);
            backward_data(&one, &dy[image * one.y_len()..][..one.y_len()], &w, &mut dx1);
            assert_eq!(y1, y[image * one.y_len()..][..one.y_len()], "image {image} of {shape:?}");
            assert_eq!(dx1, dx[image * one.x_len()..][..one.x_len()], "gradient {image} of {shape:?}");
        }
    }
}

/// Winograd's way: tiles cut off at the edges, channels that fill no register, few and many images, large weights.
#[test]
#[cfg(not(miri))] // too long for an interpreter
fn winograd_equals_the_definition() {
    let shapes = [
        plane(1, 1, [16, 16], [8, 8], [3, 3], 1, [1, 1], 1),
        plane(2, 1, [20, 30], [13, 15], [3, 3], 1, [0, 0], 1),
        plane(3, 1, [33, 47], [16, 11], [3, 3], 1, [1, 1], 1),
        plane(40, 1, [16, 32], [16, 16], [3, 3], 1, [1, 1], 1),
        plane(130, 1, [32, 16], [4, 4], [3, 3], 1, [1, 1], 1),
        plane(4, 1, [144, 128], [14, 14], [3, 3], 1, [1, 1], 1),
        plane(1, 1, [16, 24], [40, 57], [3, 3], 1, [2, 2], 1),
        plane(6, 1, [64, 64], [10, 9], [3, 3], 1, [2, 0], 1),
    ];
    for shape in &shapes {
        assert!(winograd::suits(shape), "{shape:?}");
        check(shape);
    }
    assert!(!winograd::suits(&plane(64, 1, [64, 64], [2, 2], [3, 3], 1, [1, 1], 1)));
}

/// `[batch, channels, position] → [batch, position, channels]`
fn channels_last(x: &[f32], batch: usize, channels: usize) -> Vec<f32> {
    let area = x.len() / (batch * channels);
    (0..x.len())
        .map(|i| x[i / (channels * area) * channels * area + i % channels * area + i / channels % area])
        .collect()
}

/// With channels last, all results have the bits that they have with channels first.
#[test]
#[cfg(not(miri))] // too long for an interpreter
fn the_order_of_images_does_not_matter() {
    for shape in [
        plane(1, 1, [16, 16], [8, 8], [3, 3], 1, [1, 1], 1),
        plane(2, 1, [32, 16], [13, 15], [3, 3], 1, [0, 0], 1),
        plane(40, 1, [16, 32], [16, 16], [3, 3], 1, [1, 1], 1),
        plane(4, 1, [144, 128], [14, 14], [3, 3], 1, [1, 1], 1),
        plane(3, 1, [16, 48], [40, 57], [3, 3], 1, [2, 2], 1),
        plane(6, 1, [64, 64], [10, 9], [3, 3], 1, [2, 0], 1),
        plane(1, 1, [16, 32], [5, 7], [1, 1], 1, [0, 0], 1),
        plane(3, 1, [40, 24], [29, 30], [1, 1], 1, [0, 0], 1),
        plane(2, 1, [64, 600], [14, 13], [1, 1], 2, [0, 0], 1),
        plane(5, 1, [17, 130], [11, 20], [1, 1], 3, [0, 0], 1),
        plane(3, 1, [1024, 260], [3, 5], [1, 1], 1, [0, 0], 1),
        plane(2, 1, [130, 257], [9, 7], [1, 1], 2, [0, 0], 1),
        plane(1, 1, [16, 32], [13, 14], [3, 3], 2, [1, 1], 1),
        plane(2, 1, [70, 45], [28, 21], [3, 3], 2, [1, 1], 1),
        plane(1, 1, [48, 80], [7, 7], [3, 3], 1, [1, 1], 1),
        plane(3, 1, [20, 16], [30, 33], [5, 3], 3, [2, 0], 2),
        plane(1, 1, [17, 33], [5, 6], [7, 2], 1, [6, 1], 1),
        plane(7, 1, [33, 70], [14, 13], [3, 3], 2, [1, 1], 1),
        plane(5, 1, [96, 64], [60, 70], [3, 3], 2, [1, 1], 1),
        plane(3, 1, [96, 40], [32, 22], [3, 3], 2, [1, 1], 1),
        plane(1, 32, [32, 32], [14, 15], [3, 3], 1, [1, 1], 1),
        plane(2, 48, [48, 48], [15, 14], [3, 3], 2, [1, 1], 1),
        plane(1, 20, [20, 20], [7, 7], [3, 3], 2, [1, 1], 1),
        plane(17, 37, [37, 37], [9, 12], [5, 5], 1, [2, 2], 1),
        plane(2, 16, [16, 16], [11, 23], [3, 5], 3, [2, 1], 2),
        plane(3, 16, [16, 16], [3, 4], [7, 7], 1, [3, 3], 1),
        plane(1, 33, [33, 33], [2, 3], [1, 4], 2, [1, 3], 1),
    ] {
        let (x, w, dy) = (numbers(1, shape.x_len()), numbers(2, shape.weight_len()), numbers(3, shape.y_len()));
        let bias = numbers(4, shape.out_channels);
        let x_last = channels_last(&x, shape.batch, shape.in_channels);
        let dy_last = channels_last(&dy, shape.batch, shape.out_channels);
        let finish = Finish { bias: Some(&bias), bounds: Some((0.0, 1.5)) };
        let [mut y, mut y_last] = [vec![9.0; dy.len()], vec![8.0; dy.len()]];
        assert!(suits_forward(&shape), "{shape:?}");
        forward_with(&shape, &x, Weight::Plain(&w), finish, &mut y);
        forward_last(&shape, &x_last, Weight::Plain(&w), finish, &mut y_last);
        assert_eq!(channels_last(&y, shape.batch, shape.out_channels), y_last, "y of {shape:?}");
        let mut packed = vec![9.0; packing_last(&shape).unwrap().len];
        pack_last(&shape, &w, &mut packed);
        y_last.fill(8.0);
        forward_last(&shape, &x_last, Weight::Packed(&packed), finish, &mut y_last);
        assert_eq!(channels_last(&y, shape.batch, shape.out_channels), y_last, "packed, y of {shape:?}");
        if suits_backward_data(&shape) {
            let [mut dx, mut dx_last] = [vec![9.0; x.len()], vec![8.0; x.len()]];
            backward_data(&shape, &dy, &w, &mut dx);
            backward_data_last(&shape, &dy_last, &w, &mut dx_last);
            assert_eq!(channels_last(&dx, shape.batch, shape.in_channels), dx_last, "dx of {shape:?}");
        }
        if suits_backward_weight(&shape) {
            let [mut dw, mut dw_last] = [vec![9.0; w.len()], vec![8.0; w.len()]];
            backward_weight(&shape, &x, &dy, &mut dw);
            backward_weight_last(&shape, &x_last, &dy_last, &mut dw_last);
            assert_eq!(dw, dw_last, "dw of {shape:?}");
        }
    }
}

/// A bound leaves NaN where it is, with channels first and last.
#[test]
fn bounds_keep_nan() {
    for shape in [
        plane(1, 1, [16, 32], [3, 17], [1, 1], 1, [0, 0], 1),
        plane(1, 1, [16, 32], [6, 26], [3, 3], 2, [1, 1], 1),
        plane(1, 1, [16, 32], [7, 7], [3, 3], 2, [1, 1], 1),
        plane(1, 20, [20, 20], [5, 9], [3, 3], 1, [1, 1], 1),
        plane(1, 1, [16, 48], [4, 40], [3, 3], 1, [1, 1], 1),
    ] {
        let (mut x, w) = (numbers(1, shape.x_len()), numbers(2, shape.weight_len()));
        x[5] = f32::NAN;
        let x_last = channels_last(&x, 1, shape.in_channels);
        let finish = Finish { bias: None, bounds: Some((0.0, 1.5)) };
        let [mut y, mut y_last] = [vec![9.0; shape.y_len()], vec![8.0; shape.y_len()]];
        forward_with(&shape, &x, Weight::Plain(&w), finish, &mut y);
        forward_last(&shape, &x_last, Weight::Plain(&w), finish, &mut y_last);
        let y = channels_last(&y, 1, shape.out_channels);
        assert!(y.iter().any(|y| y.is_nan()) && y.contains(&0.0) && y.contains(&1.5), "{shape:?}");
        assert!(y.iter().zip(&y_last).all(|(a, b)| a == b || (a.is_nan() && b.is_nan())), "{shape:?}");
    }
}

/// The first layer with its results' channels last has the bits that it has with them first.
#[test]
#[cfg(not(miri))] // too long for an interpreter
fn first_layers_have_the_same_bits_with_channels_last() {
    let (kernels, sizes) = ([[1, 1], [3, 3], [3, 5], [5, 5], [7, 7]], [[5, 7], [13, 9], [21, 32], [40, 35]]);
    let (mut case, mut seen) = (0, 0);
    for kernel in kernels {
        for stride in 1..=3 {
            for input in sizes {
                case += 1;
                let (channels, outputs) = ([3, 1, 2, 4, 3][case / 2 % 5], [16, 32, 48, 64, 80][case % 5]);
                let pad =
                    [case % 2 * (kernel[0] / 2), kernel[0] / 2].map(|pad| pad.max(usize::from(kernel[0] > input[0])));
                let shape = plane([8, 13, 1, 40][case / 3 % 4], 1, [channels, outputs], input, kernel, stride, pad, 1);
                if !suits_first(&shape) {
                    continue;
                }
                seen += 1;
                let (x, w, dy) = (numbers(1, shape.x_len()), numbers(2, shape.weight_len()), numbers(3, shape.y_len()));
                let bias = numbers(4, outputs);
                let finish =
                    Finish { bias: (case % 3 > 0).then_some(&bias[..]), bounds: (case % 4 > 1).then_some((0.0, 1.5)) };
                let [mut first, mut last] = [vec![9.0; dy.len()], vec![9.0; dy.len()]];
                let [mut dw, mut dw_last] = [vec![9.0; w.len()], vec![9.0; w.len()]];
                forward_with(&shape, &x, Weight::Plain(&w), finish, &mut first);
                backward_weight(&shape, &x, &dy, &mut dw);
                for threads in [1, 3] {
                    set_threads(threads);
                    forward_first(&shape, &x, &w, finish, &mut last);
                    assert_eq!(last, channels_last(&first, shape.batch, outputs), "{shape:?}");
                    if suits_first_weight(&shape) {
                        backward_weight_first(&shape, &x, &channels_last(&dy, shape.batch, outputs), &mut dw_last);
                        assert_eq!(dw_last, dw, "{shape:?}");
                    }
                }
                set_threads(2);
            }
        }
    }
    assert!(seen > 30, "{seen} shapes");
}

#[test]
#[should_panic(expected = "no first layer")]
fn first_layers_have_few_channels() {
    let shape = plane(8, 1, [8, 16], [4, 4], [3, 3], 1, [1, 1], 1);
    let (x, w, mut y) = (vec![0.0; shape.x_len()], vec![0.0; shape.weight_len()], vec![0.0; shape.y_len()]);
    forward_first(&shape, &x, &w, Finish { bias: None, bounds: None }, &mut y);
}

#[test]
fn lines_and_volumes_equal_the_definition() {
    let line = ConvShape {
        batch: 2,
        groups: 1,
        in_channels: 3,
        out_channels: 4,
        input: [1, 1, 50],
        kernel: [1, 1, 5],
        output: [1, 1, 24],
        stride: [1, 1, 2],
        pad_begin: [0, 0, 1],
        dilation: [1, 1, 1],
    };
    check(&line);
    // A plane's kernel over several planes.
    let planes = ConvShape {
        batch: 2,
        groups: 1,
        in_channels: 16,
        out_channels: 16,
        input: [3, 8, 8],
        kernel: [1, 3, 3],
        output: [3, 8, 8],
        stride: [1; 3],
        pad_begin: [0, 1, 1],
        dilation: [1; 3],
    };
    check(&planes);
    check(&ConvShape { batch: 9, in_channels: 3, ..planes });
    assert!(!suits_forward(&planes) && !suits_first(&ConvShape { batch: 9, in_channels: 3, ..planes }));
    let volume = ConvShape {
        batch: 2,
        groups: 1,
        in_channels: 2,
        out_channels: 3,
        input: [5, 6, 7],
        kernel: [2, 3, 3],
        output: [6, 6, 7],
        stride: [1, 1, 1],
        pad_begin: [1, 1, 1],
        dilation: [1, 1, 1],
    };
    check(&volume);
    check(&ConvShape { output: [3, 3, 4], stride: [2, 2, 2], ..volume });
    check(&ConvShape { output: [4, 4, 3], pad_begin: [1, 2, 0], dilation: [2, 2, 2], ..volume });
    check(&ConvShape { batch: 18, output: [3, 3, 4], stride: [2, 2, 2], in_channels: 9, ..volume });
}

#[test]
fn empty_convolutions() {
    let shape = plane(0, 1, [2, 3], [4, 4], [3, 3], 1, [1, 1], 1);
    check(&shape);
    let mut y = [9.0f32; 18];
    let none = ConvShape { batch: 2, in_channels: 0, output: [1, 3, 3], out_channels: 1, ..shape };
    forward(&none, &[], &[], Some(&[2.0]), &mut y);
    assert_eq!(y, [2.0; 18]);
}

#[test]
#[should_panic(expected = "3 groups do not divide 4 input and 6 output channels")]
fn groups_must_divide_the_channels() {
    forward(&plane(1, 3, [4, 6], [4, 4], [3, 3], 1, [1, 1], 1), &[0.0f32], &[], None, &mut []);
}
