//! The norms of rows against their definition, for any number of threads and on every instruction set.

use super::backward::Backward;
use super::forward::Forward;
use super::*;
use crate::simd::{available, dispatch_on};
use crate::threads::set_threads;

fn numbers(len: usize, seed: usize) -> Vec<f64> {
    (0..len).map(|i| f64::from(((i * 7919 + seed * 104_729 + 13) % 2003) as f32 / 1001.0 - 1.0)).collect()
}

type Found<T> = [Vec<T>; 6];

/// Result, mean, scale, and the gradients of input, weight and bias.
fn run<T: NormElement>(sizes: [usize; 4], kind: usize, of: impl Fn(f64) -> T) -> Found<T> {
    let [samples, groups, channels, length] = sizes;
    let all = samples * groups * channels * length;
    let cast = |x: Vec<f64>| x.into_iter().map(&of).collect::<Vec<T>>();
    // The values lie far from zero, where a sum of squares would lose the variance.
    let x = cast(numbers(all, 1).into_iter().map(|x| x + 30.0).collect());
    let (g, weight, bias) =
        (cast(numbers(all, 2)), cast(numbers(groups * channels, 3)), cast(numbers(groups * channels, 4)));
    let norm = Normalization {
        samples,
        groups,
        channels,
        length,
        eps: of(1e-5),
        centred: kind != 3,
        weight: (kind > 0).then_some(&weight[..]),
        bias: (kind == 2).then_some(&bias[..]),
    };
    let zeros = |len| vec![of(9.0); len];
    let (mut y, mut mean, mut scale) = (zeros(all), zeros(samples * groups), zeros(samples * groups));
    normalize_rows(&norm, &x, &mut y, &mut mean, &mut scale);
    let (mut dx, mut dw, mut db) = (zeros(all), zeros(weight.len()), zeros(weight.len()));
    let kept = Normalized { x: &x, gradient: &g, mean: &mean, scale: &scale };
    normalize_rows_backward(&norm, kept, NormGradients { x: &mut dx, weight: &mut dw, bias: &mut db });
    [y, mean, scale, dx, dw, db]
}

/// The definition, in f64, one row after the other.
fn reference([samples, groups, channels, length]: [usize; 4], kind: usize) -> Found<f64> {
    let row = channels * length;
    let all = samples * groups * row;
    let x: Vec<f64> = numbers(all, 1).into_iter().map(|x| x + 30.0).collect();
    let (g, weight, bias) = (numbers(all, 2), numbers(groups * channels, 3), numbers(groups * channels, 4));
    let zeros = |len| vec![0.0; len];
    let mut found = [all, samples * groups, samples * groups, all, weight.len(), weight.len()].map(zeros);
    let [y, means, scales, dx, dw, db] = &mut found;
    for r in 0..samples * groups {
        let at = r * row..(r + 1) * row;
        let channel = |i: usize| r % groups * channels + i / length;
        let n = row as f64;
        let mean = if kind == 3 { 0.0 } else { x[at.clone()].iter().sum::<f64>() / n };
        let variance = x[at.clone()].iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
        let scale = 1.0 / (variance + 1e-5).sqrt();
        (means[r], scales[r]) = (mean, scale);
        let normal: Vec<f64> = x[at.clone()].iter().map(|x| (x - mean) * scale).collect();
        let w = |i: usize| if kind > 0 { weight[channel(i)] } else { 1.0 };
        let h: Vec<f64> = (0..row).map(|i| g[at.start + i] * w(i)).collect();
        let middle = if kind == 3 { 0.0 } else { h.iter().sum::<f64>() / n };
        let slope = h.iter().zip(&normal).map(|(h, x)| h * x).sum::<f64>() / n;
        for i in 0..row {
            y[at.start + i] = normal[i] * w(i) + if kind == 2 { bias[channel(i)] } else { 0.0 };
            dx[at.start + i] = scale * (h[i] - middle - normal[i] * slope);
            dw[channel(i)] += g[at.start + i] * normal[i];
            db[channel(i)] += g[at.start + i];
        }
    }
    found
}

#[test]
fn results_and_gradients_equal_the_definition() {
    let sizes = [[1, 1, 1, 1], [5, 1, 7, 1], [300, 1, 256, 1], [3, 2, 4, 9], [70, 3, 2, 100], [2, 1, 1000, 1]];
    for (sizes, kind) in sizes.into_iter().flat_map(|sizes| (0..4).map(move |kind| (sizes, kind))) {
        if cfg!(miri) && sizes.iter().product::<usize>() > 300 {
            continue;
        }
        let exact = reference(sizes, kind);
        let wide = run(sizes, kind, |x| x);
        set_threads(1);
        let single = run(sizes, kind, |x| x as f32);
        for threads in [2, 3, 8] {
            set_threads(threads);
            assert!(run(sizes, kind, |x| x as f32) == single, "{sizes:?} {kind} {threads} threads");
        }
        set_threads(0);
        for (k, exact) in exact.iter().enumerate() {
            let size = exact.iter().fold(1.0f64, |m, x| m.max(x.abs()));
            for ((wide, single), exact) in wide[k].iter().zip(&single[k]).zip(exact) {
                let single = f64::from(*single);
                assert!((wide - exact).abs() <= 1e-12 * size, "{sizes:?} {kind} {k}: {wide} {exact}");
                assert!((single - exact).abs() <= 1e-5 * size, "{sizes:?} {kind} {k}: {single} {exact}");
            }
        }
    }
}

#[test]
fn instruction_sets_do_not_matter() {
    let (channels, samples) = (101, 3);
    let x = numbers(samples * channels, 1).iter().map(|&x| x as f32).collect::<Vec<_>>();
    let weight = &x[..channels];
    let norm = Normalization {
        samples,
        groups: 1,
        channels,
        length: 1,
        eps: 1e-5f32,
        centred: true,
        weight: Some(weight),
        bias: Some(weight),
    };
    let run = |isa| {
        let (mut y, mut mean, mut scale) = (vec![0.0; x.len()], vec![0.0; samples], vec![0.0; samples]);
        let forward = Forward { norm: &norm, first: 0, x: &x, y: &mut y, mean: &mut mean, scale: &mut scale };
        dispatch_on(isa, forward);
        let (mut dx, mut dw, mut db) = (vec![0.0; x.len()], vec![0.0; channels], vec![0.0; channels]);
        let kept = Normalized { x: &x, gradient: &y, mean: &mean, scale: &scale };
        let to = NormGradients { x: &mut dx, weight: &mut dw, bias: &mut db };
        dispatch_on(isa, Backward { norm: &norm, first: 0, kept, to });
        [y, mean, scale, dx, dw, db]
    };
    for isa in available() {
        assert!(run(isa) == run(available()[0]), "{isa:?}");
    }
}

#[test]
fn rows_without_elements_have_no_statistics() {
    let norm = Normalization {
        samples: 2,
        groups: 1,
        channels: 0,
        length: 1,
        eps: 0.0f32,
        centred: true,
        weight: None,
        bias: None,
    };
    let (mut mean, mut scale) = ([0.0; 2], [0.0; 2]);
    normalize_rows(&norm, &[], &mut [], &mut mean, &mut scale);
    assert!(mean.iter().chain(&scale).all(|x| x.is_nan()));
}
