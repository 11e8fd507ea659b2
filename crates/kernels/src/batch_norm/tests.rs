//! Batch normalization against its definition, for any number of threads.

use super::*;
use crate::threads::set_threads;

pub(super) fn numbers(len: usize, seed: usize) -> Vec<f64> {
    (0..len).map(|i| f64::from(((i * 7919 + seed * 104_729 + 13) % 2003) as f32 / 1001.0 - 1.0)).collect()
}

/// Result, mean, variance, and the gradients of input, weight and bias.
type Found<T> = [Vec<T>; 6];

fn run<T: BatchNormElement>([samples, channels, length]: [usize; 3], affine: bool, of: impl Fn(f64) -> T) -> Found<T> {
    let all = samples * channels * length;
    let cast = |x: Vec<f64>| x.into_iter().map(&of).collect::<Vec<T>>();
    // The values lie far from zero, where a sum of squares would lose the variance.
    let x = cast(numbers(all, 1).into_iter().map(|x| x + 30.0).collect());
    let (g, weight, bias) = (cast(numbers(all, 2)), cast(numbers(channels, 3)), cast(numbers(channels, 4)));
    let (weight, bias) = (affine.then_some(&weight[..]), affine.then_some(&bias[..]));
    let norm = BatchNorm { samples, channels, length, eps: of(1e-5), weight, bias };
    let mut found = [all, channels, channels, all, channels, channels].map(|len| vec![of(9.0); len]);
    let [y, mean, variance, dx, dw, db] = &mut found;
    batch_norm(&norm, &x, y, mean, variance);
    let kept = BatchNormalized { x: &x, gradient: &g, mean, variance };
    batch_norm_backward(&norm, kept, BatchNormGradients { x: dx, weight: dw, bias: db });
    found
}

/// The definition, in f64, one channel after the other.
fn reference([samples, channels, length]: [usize; 3], affine: bool) -> Found<f64> {
    let all = samples * channels * length;
    let x: Vec<f64> = numbers(all, 1).into_iter().map(|x| x + 30.0).collect();
    let (g, weight, bias) = (numbers(all, 2), numbers(channels, 3), numbers(channels, 4));
    let mut found = [all, channels, channels, all, channels, channels].map(|len| vec![0.0; len]);
    let [y, means, variances, dx, dw, db] = &mut found;
    for c in 0..channels {
        let (weight, bias) = if affine { (weight[c], bias[c]) } else { (1.0, 0.0) };
        let places = || (0..samples * length).map(|i| (i / length * channels + c) * length + i % length);
        let average = |f: &dyn Fn(usize) -> f64| places().map(f).sum::<f64>() / (samples * length) as f64;
        let mean = average(&|i| x[i]);
        let variance = average(&|i| (x[i] - mean) * (x[i] - mean));
        let scale = 1.0 / (variance + 1e-5).sqrt();
        let normal = |i: usize| (x[i] - mean) * scale;
        let (middle, slope) = (average(&|i| g[i]), average(&|i| g[i] * normal(i)));
        for i in places() {
            y[i] = normal(i) * weight + bias;
            dx[i] = weight * scale * (g[i] - middle - normal(i) * slope);
            dw[c] += g[i] * normal(i);
            db[c] += g[i];
        }
        (means[c], variances[c]) = (mean, variance);
    }
    found
}

#[test]
fn results_and_gradients_equal_the_definition() {
    let shapes = [
        [2, 1, 1],
        [64, 70, 1],
        [33, 5, 4],
        [40, 300, 9],
        [30, 1100, 1],
        [17, 3, 63],
        [20, 5, 64],
        [37, 3, 255],
        [5, 3, 256],
        [2, 2, 3000],
    ];
    for (shape, affine) in shapes.into_iter().flat_map(|shape| [(shape, false), (shape, true)]) {
        if cfg!(miri) && shape.iter().product::<usize>() > 700 {
            continue;
        }
        let exact = reference(shape, affine);
        let wide = run(shape, affine, |x| x);
        set_threads(1);
        let single = run(shape, affine, |x| x as f32);
        for threads in [2, 3, 8] {
            set_threads(threads);
            assert!(run(shape, affine, |x| x as f32) == single, "{shape:?} {threads} threads");
        }
        set_threads(0);
        for (k, exact) in exact.iter().enumerate() {
            let size = exact.iter().fold(1.0f64, |m, x| m.max(x.abs()));
            for ((wide, single), exact) in wide[k].iter().zip(&single[k]).zip(exact) {
                let single = f64::from(*single);
                assert!((wide - exact).abs() <= 1e-11 * size, "{shape:?} {k}: {wide} {exact}");
                assert!((single - exact).abs() <= 1e-5 * size, "{shape:?} {k}: {single} {exact}");
            }
        }
    }
}

#[test]
fn channels_are_scaled_as_by_two_operations() {
    for [samples, channels, length] in [[3, 5, 1], [2, 7, 9], [17, 3, 300], [0, 3, 4]] {
        let x: Vec<f32> = numbers(samples * channels * length, 1).iter().map(|&x| x as f32).collect();
        let scale: Vec<f32> = numbers(channels, 2).iter().map(|&x| x as f32).collect();
        let offset: Vec<f32> = numbers(channels, 3).iter().map(|&x| x as f32).collect();
        let mut y = vec![9.0; x.len()];
        scale_channels([samples, channels, length], &x, &scale, &offset, &mut y);
        for (i, (y, x)) in y.iter().zip(&x).enumerate() {
            let channel = i / length % channels;
            assert_eq!(y.to_bits(), (x * scale[channel] + offset[channel]).to_bits(), "{samples} {channels} {length}");
        }
    }
}

/// No elements: nothing to write, and statistics that say so.
#[test]
fn nothing_has_no_statistics() {
    for shape in [[0, 3, 4], [5, 3, 0]] {
        let [y, mean, variance, dx, dw, db] = run(shape, true, |x| x as f32);
        assert!(y.is_empty() && dx.is_empty());
        assert!(mean.iter().chain(&variance).all(|x| x.is_nan()));
        assert_eq!([dw, db], [[0.0; 3], [0.0; 3]]);
    }
}
