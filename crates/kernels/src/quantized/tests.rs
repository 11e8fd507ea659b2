//! Products of bytes against sums in `i64`, for many shapes, every way to compute them and any number of threads.

use super::conv::convolve_by;
use super::tile::Way;
use super::*;
use crate::random::uniform_f32;
use crate::simd::available;
use crate::threads::set_threads;

/// Numbers that look random, from 0 to below 2¹⁶.
fn noise(len: usize, seed: u64) -> Vec<u16> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = |_| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as u16
    };
    (0..len).map(next).collect()
}

fn shape(batch: usize, channels: [usize; 2], input: [usize; 3], kernel: [usize; 3]) -> ConvShape {
    let output = std::array::from_fn(|i| input[i] - kernel[i] + 1);
    ConvShape {
        batch,
        groups: 1,
        in_channels: channels[0],
        out_channels: channels[1],
        input,
        kernel,
        output,
        stride: [1; 3],
        pad_begin: [0; 3],
        dilation: [1; 3],
    }
}

fn shapes() -> Vec<ConvShape> {
    let padded = |shape: ConvShape, pad: usize, stride: usize, dilation: usize| {
        let output = std::array::from_fn(|i| match shape.input[i] {
            1 => 1,
            size => (size + 2 * pad - dilation * (shape.kernel[i] - 1) - 1) / stride + 1,
        });
        let outer = |i: usize, value: usize, one: usize| if shape.input[i] == 1 { one } else { value };
        ConvShape {
            output,
            stride: std::array::from_fn(|i| outer(i, stride, 1)),
            pad_begin: std::array::from_fn(|i| outer(i, pad, 0)),
            dilation: std::array::from_fn(|i| outer(i, dilation, 1)),
            ..shape
        }
    };
    let mut all = Vec::new();
    // Dense layers: rows and channels around the sizes of tiles, registers and panels.
    for rows in [1, 2, 5, 6, 7, 13, 100] {
        for channels in [[1, 1], [4, 16], [7, 17], [64, 64], [33, 100], [130, 65]] {
            all.push(shape(rows, channels, [1; 3], [1; 3]));
        }
    }
    let image = |batch, channels, size, kernel| shape(batch, channels, [1, size, size + 1], [1, kernel, kernel]);
    for channels in [[3, 8], [16, 70], [5, 33]] {
        all.push(image(2, channels, 9, 1));
        all.push(image(2, channels, 9, 3));
        all.push(padded(image(3, channels, 8, 3), 1, 1, 1));
        all.push(padded(image(2, channels, 11, 3), 1, 2, 1));
        all.push(padded(image(1, channels, 12, 3), 2, 1, 2));
        all.push(padded(image(2, channels, 15, 7), 3, 2, 1));
        all.push(padded(image(2, channels, 9, 1), 0, 2, 1));
    }
    all.push(padded(shape(2, [6, 20], [4, 5, 6], [2, 3, 3]), 1, 1, 1));
    for channels in [2, 16, 67, 130] {
        let depthwise = ConvShape { groups: channels, ..image(2, [channels; 2], 9, 3) };
        all.extend([depthwise, padded(depthwise, 1, 1, 1), padded(depthwise, 1, 2, 1)]);
    }
    all.push(shape(0, [4, 4], [1; 3], [1; 3]));
    all
}

/// The sums of `(x − zero)·w` and where their positions lie, padding being zero.
fn reference(shape: &ConvShape, x: &[u8], weight: &[i8], zero: impl Fn(usize) -> u8) -> Vec<i64> {
    let ConvShape { input, kernel, output, stride, pad_begin, dilation, .. } = *shape;
    let channels = shape.in_channels / shape.groups;
    let per_group = shape.out_channels / shape.groups;
    let mut y = Vec::new();
    for image in 0..shape.batch {
        for o in 0..shape.out_channels {
            for place in 0..output.iter().product::<usize>() {
                let at = [place / output[2] / output[1], place / output[2] % output[1], place % output[2]];
                let mut sum = 0;
                for c in 0..channels {
                    for k in 0..kernel.iter().product::<usize>() {
                        let k3 = [k / kernel[2] / kernel[1], k / kernel[2] % kernel[1], k % kernel[2]];
                        let from =
                            |i: usize| (at[i] * stride[i] + k3[i] * dilation[i]) as isize - pad_begin[i] as isize;
                        let from = [from(0), from(1), from(2)];
                        if (0..3).all(|i| from[i] >= 0 && from[i] < input[i] as isize) {
                            let from = from.map(|i| i as usize);
                            let position = ((image * input[0] + from[0]) * input[1] + from[1]) * input[2] + from[2];
                            let x = x[position * pitch(shape.in_channels) + o / per_group * channels + c];
                            let w = weight[(o * channels + c) * kernel.iter().product::<usize>() + k];
                            sum += (i64::from(x) - i64::from(zero(image))) * i64::from(w);
                        }
                    }
                }
                y.push(sum);
            }
        }
    }
    y
}

struct Given {
    x: Vec<u8>,
    weight: Vec<i8>,
    packed: Vec<i8>,
    sums: Vec<i32>,
}

fn given(shape: &ConvShape) -> Given {
    let x: Vec<u8> = noise(x_len(shape), 1).into_iter().map(|n| n as u8).collect();
    let weight: Vec<i8> = noise(shape.weight_len(), 2).into_iter().map(|n| n as i8).collect();
    let (mut packed, mut sums) = (vec![0; packed_len(shape)], vec![0; shape.out_channels]);
    pack(shape, &weight, &mut packed, &mut sums);
    Given { x, weight, packed, sums }
}

/// Sums that are scaled and nothing else.
fn plain<'a>(x: InputScale<'a>, weight: &'a [f32], sums: &'a [i32]) -> Finish<'a> {
    Finish { x, weight, sums, whole_bias: None, bias: None, residual: None, bounds: None }
}

fn ways() -> Vec<Way> {
    let mut ways: Vec<Way> = available().into_iter().map(Way::of).collect();
    ways.dedup();
    ways
}

#[test]
fn sums_are_exact_in_every_way() {
    for shape in shapes() {
        let Given { x, weight, packed, sums } = given(&shape);
        let expected = reference(&shape, &x, &weight, |_| 131);
        let ones = vec![1.0; shape.out_channels];
        let x_scale = InputScale::One(1.0, 131);
        let finish = plain(x_scale, &ones, &sums);
        for way in ways() {
            let mut y = vec![f32::NAN; shape.y_len()];
            convolve_by(way, &shape, &x, &packed, finish, QuantizedOutput::Numbers(&mut y));
            let same = y.iter().zip(&expected).all(|(&y, &sum)| y == sum as f32);
            assert!(same && y.len() == expected.len(), "{way:?} {shape:?}");
            // Integers, with an integer for each channel added.
            let whole: Vec<i32> = (0..shape.out_channels).map(|o| 1000 - 7 * o as i32).collect();
            let mut y = vec![0; shape.y_len()];
            let finish = Finish { whole_bias: Some(&whole), ..finish };
            convolve_by(way, &shape, &x, &packed, finish, QuantizedOutput::Sums(&mut y));
            let channel = |i: usize| i / shape.output.iter().product::<usize>() % shape.out_channels;
            let same = |(i, (&y, &sum)): (usize, (&i32, &i64))| i64::from(y) == sum + i64::from(whole[channel(i)]);
            assert!(y.iter().zip(&expected).enumerate().all(same), "{way:?} {shape:?}");
        }
    }
}

/// A weight of −128 and inputs of 255 everywhere: what saturates where sums of two products have 16 bits.
#[test]
fn the_largest_products_do_not_saturate() {
    let shape = shape(7, [64, 20], [1; 3], [1; 3]);
    for byte in [-128i8, 127] {
        let (x, weight) = (vec![255; x_len(&shape)], vec![byte; shape.weight_len()]);
        let (mut packed, mut sums) = (vec![0; packed_len(&shape)], vec![0; shape.out_channels]);
        pack(&shape, &weight, &mut packed, &mut sums);
        let ones = vec![1.0; shape.out_channels];
        let x_scale = InputScale::One(1.0, 0);
        let finish = plain(x_scale, &ones, &sums);
        for way in ways() {
            let mut y = vec![0.0; shape.y_len()];
            convolve_by(way, &shape, &x, &packed, finish, QuantizedOutput::Numbers(&mut y));
            assert!(y.iter().all(|&y| y == 64.0 * 255.0 * f32::from(byte)), "{way:?} {byte}");
        }
    }
}

#[test]
fn results_are_finished_as_documented_with_any_number_of_threads() {
    for shape in shapes() {
        let Given { x, weight, packed, sums } = given(&shape);
        let (outputs, pitch) = (shape.out_channels, pitch(shape.out_channels));
        let scales: Vec<f32> = (0..outputs).map(|o| 1e-5 * (1.0 + o as f32)).collect();
        let bias: Vec<f32> = (0..outputs).map(|o| (o as f32 * 0.7).sin()).collect();
        let values: Vec<u8> = noise(y_len(&shape), 3).into_iter().map(|n| n as u8).collect();
        let residual = Residual { values: &values, scale: 0.01, zero: 90 };
        let sums_of = reference(&shape, &x, &weight, |_| 17);
        let positions: usize = shape.output.iter().product();
        for residual in [None, Some(residual)] {
            let x_scale = InputScale::One(0.3, 17);
            let bounds = Some((-0.5, 6.0));
            let finish = Finish { bias: Some(&bias), residual, bounds, ..plain(x_scale, &scales, &sums) };
            let numbers: Vec<f32> = sums_of
                .iter()
                .enumerate()
                .map(|(i, &sum)| {
                    let (image, o, place) = (i / positions / outputs, i / positions % outputs, i % positions);
                    let mut y = sum as f32 * (0.3 * scales[o]) + bias[o];
                    if let Some(r) = residual {
                        y += (f32::from(r.values[(image * positions + place) * pitch + o]) - 90.0) * 0.01;
                    }
                    y.clamp(-0.5, 6.0)
                })
                .collect();
            for (way, threads) in ways().into_iter().flat_map(|way| [1, 2, 3, 8].map(|threads| (way, threads))) {
                set_threads(threads);
                let mut y = vec![f32::NAN; shape.y_len()];
                convolve_by(way, &shape, &x, &packed, finish, QuantizedOutput::Numbers(&mut y));
                assert!(y.iter().zip(&numbers).all(|(a, b)| a.to_bits() == b.to_bits()), "{way:?} {shape:?}");
                let mut bytes = vec![99; y_len(&shape)];
                convolve_by(way, &shape, &x, &packed, finish, QuantizedOutput::Bytes(&mut bytes, 0.02, 25));
                for (i, &y) in numbers.iter().enumerate() {
                    let (image, o, place) = (i / positions / outputs, i / positions % outputs, i % positions);
                    let expected = ((y * (1.0f32 / 0.02)).round_ties_even() + 25.0).clamp(0.0, 255.0) as u8;
                    assert_eq!(bytes[(image * positions + place) * pitch + o], expected, "{way:?} {shape:?}");
                }
            }
            set_threads(0);
        }
    }
}

#[test]
fn rows_may_have_scales_of_their_own() {
    let shape = shape(11, [37, 70], [1; 3], [1; 3]);
    let Given { x, weight, packed, sums } = given(&shape);
    let zeros: Vec<u8> = (0..11).map(|row| row * 20).collect();
    let scales: Vec<f32> = (1..12).map(|row| row as f32).collect();
    let ones = vec![1.0; 70];
    let x_scale = InputScale::Each(&scales, &zeros);
    let finish = plain(x_scale, &ones, &sums);
    let mut y = vec![0.0; shape.y_len()];
    convolve(&shape, &x, &packed, finish, QuantizedOutput::Numbers(&mut y));
    let expected = reference(&shape, &x, &weight, |row| zeros[row]);
    assert!(y.iter().zip(&expected).enumerate().all(|(i, (&y, &sum))| y == sum as f32 * scales[i / 70]));
}

#[test]
fn numbers_become_bytes_and_come_back() {
    for (channels, size, added) in [
        (3, [1, 5, 7], [(0, 0); 3]),
        (3, [1, 5, 7], [(0, 0), (2, 1), (3, 4)]),
        (5, [2, 3, 70], [(1, 0), (0, 1), (0, 0)]),
        (70, [1, 1, 1], [(0, 0); 3]),
        (18, [1, 9, 9], [(0, 0); 3]),
    ] {
        let border = Border { batch: 2, channels, size, added };
        let positions = size.iter().product::<usize>();
        let mut x = vec![0.0; 2 * channels * positions];
        uniform_f32(1, 2, &mut x);
        x.iter_mut().for_each(|x| *x = 4.0 * *x - 2.0);
        let padded = border.padded();
        let mut y = vec![99; 2 * padded.iter().product::<usize>() * pitch(channels)];
        quantize_images(&border, &x, 0.013, 100, &mut y);
        let mut flat = vec![0; x.len()];
        quantize_slice(&x, 0.013, 100, &mut flat);
        let mut seen = 0;
        for (i, &byte) in y.iter().enumerate() {
            let (at, c) = (i / pitch(channels), i % pitch(channels));
            let image = at / padded.iter().product::<usize>();
            let at = [at / padded[2] / padded[1] % padded[0], at / padded[2] % padded[1], at % padded[2]];
            let from: [usize; 3] = std::array::from_fn(|i| at[i].wrapping_sub(added[i].0));
            if c < channels && (0..3).all(|i| from[i] < size[i]) {
                let from = (from[0] * size[1] + from[1]) * size[2] + from[2];
                let from = (image * channels + c) * positions + from;
                let expected = ((x[from] / 0.013f32).round_ties_even() + 100.0).clamp(0.0, 255.0);
                assert_eq!((byte, flat[from]), (expected as u8, expected as u8));
                seen += 1;
            } else {
                assert_eq!(byte, 100, "zero points around the images and behind the channels");
            }
        }
        assert_eq!(seen, x.len());
        let mut packed = vec![99; y.len()];
        let turned: Vec<u8> = flat.iter().map(|byte| byte ^ 0x80).collect();
        pack_images(&border, &turned, 0x80, 100, &mut packed);
        assert_eq!(packed, y, "the same bytes, only moved");
        if added == [(0, 0); 3] {
            let mut back = vec![0.0; x.len()];
            dequantize_images([2, channels, positions], &y, 0.013, 100, &mut back);
            assert!(back.iter().zip(&flat).all(|(&x, &byte)| x == (f32::from(byte) - 100.0) * 0.013));
            let mut back = vec![0; x.len()];
            unpack_images([2, channels, positions], &y, 0x80, &mut back);
            assert_eq!(back, turned);
        }
    }
    let mut bytes = [7; 4];
    quantize_slice(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.5], 1.0, 0, &mut bytes);
    assert_eq!(bytes, [0, 255, 0, 0], "NaN is 0, and a tie goes to the even byte");
}

#[test]
fn the_largest_byte_of_each_window() {
    for shape in shapes().into_iter().filter(|shape| shape.kernel != [1; 3]) {
        let shape = ConvShape { groups: 1, out_channels: shape.in_channels, ..shape };
        let x: Vec<u8> = noise(x_len(&shape), 4).into_iter().map(|n| n as u8).collect();
        let mut y = vec![0; y_len(&shape)];
        max_pool(&shape, &x, &mut y);
        let ConvShape { input, kernel, output, stride, pad_begin, dilation, .. } = shape;
        let pitch = pitch(shape.in_channels);
        for (i, &found) in y.iter().enumerate().filter(|(i, _)| i % pitch < shape.in_channels) {
            let (at, c) = (i / pitch, i % pitch);
            let image = at / output.iter().product::<usize>();
            let at = [at / output[2] / output[1] % output[0], at / output[2] % output[1], at % output[2]];
            let mut expected = 0;
            for k in 0..kernel.iter().product::<usize>() {
                let k = [k / kernel[2] / kernel[1], k / kernel[2] % kernel[1], k % kernel[2]];
                let from: [isize; 3] =
                    std::array::from_fn(|i| (at[i] * stride[i] + k[i] * dilation[i]) as isize - pad_begin[i] as isize);
                if (0..3).all(|i| from[i] >= 0 && from[i] < input[i] as isize) {
                    let from = from.map(|i| i as usize);
                    let position = ((image * input[0] + from[0]) * input[1] + from[1]) * input[2] + from[2];
                    expected = expected.max(x[position * pitch + c]);
                }
            }
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn elements_may_have_scales_of_their_own() {
    let x = [0.0f32, 0.25, 0.75, -1000.0, 1000.0, 3.0e9, f32::NAN];
    let scale = [0.5f32, 0.5, 0.5, 1.0, 1.0, 1.0, 1.0];
    let (mut signed, mut unsigned) = ([9i8; 7], [9u8; 7]);
    quantize_each(&x, &scale, &[-3, -3, -3, 0, 0, 5, 5], &mut signed);
    assert_eq!(signed, [-3, -3, -1, -128, 127, 127, -128], "ties go to the even number of steps");
    quantize_each(&x, &scale, &[3, 3, 3, 0, 0, 5, 5], &mut unsigned);
    assert_eq!(unsigned, [3, 3, 5, 0, 255, 255, 0]);
    let mut y = [0.0; 7];
    dequantize_each(&signed, &scale, &[-3; 7], &mut y);
    assert_eq!(y, [0.0, 0.0, 1.0, -125.0, 130.0, 130.0, -125.0]);
}
