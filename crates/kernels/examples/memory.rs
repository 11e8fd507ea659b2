//! Prints the speed of the kernels that memory limits: `cargo run --release -p hadal-kernels --example memory`.

use std::time::Instant;

use hadal_kernels::batch_norm::{BatchNorm, BatchNormGradients, BatchNormalized, batch_norm, batch_norm_backward};
use hadal_kernels::norm::{NormGradients, Normalization, Normalized, normalize_rows, normalize_rows_backward};
use hadal_kernels::pool::{Divisor, PoolShape, Windows, avg_pool, avg_pool_backward, max_pool, max_pool_backward};
use hadal_kernels::softmax::{log_softmax_rows, softmax_rows, softmax_rows_backward};
use hadal_kernels::threads::set_threads;

/// The best of several runs, in seconds.
fn best(mut run: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    let begin = Instant::now();
    while begin.elapsed().as_secs_f64() < 0.2 {
        let start = Instant::now();
        run();
        best = best.min(start.elapsed().as_secs_f64());
    }
    best
}

/// The speed on one thread and on two.
fn show(name: &str, bytes: usize, mut run: impl FnMut()) {
    let speed = [1, 2].map(|threads| {
        set_threads(threads);
        1e-9 * bytes as f64 / best(&mut run)
    });
    println!("{name:>44} {:>10.1} {:>10.1}", speed[0], speed[1]);
}

fn numbers(len: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 7919) % 1021) as f32 / 512.0 - 1.0).collect()
}

fn main() {
    println!("{:>44} {:>10} {:>10}", "GB/s", "1 thread", "2 threads");
    pooling();
    softmax();
    layer_norm();
    batch_normalization();
}

fn softmax() {
    for (rows, columns) in [(4096, 4096), (512, 512), (32768, 128)] {
        let x = numbers(rows * columns);
        let (mut y, mut dx) = (x.clone(), x.clone());
        let bytes = 8 * x.len();
        show(&format!("softmax of {rows}×{columns}"), bytes, || softmax_rows(&x, columns, &mut y));
        show("its logarithm", bytes, || log_softmax_rows(&x, columns, &mut y));
        show("its gradient", bytes * 3 / 2, || softmax_rows_backward(&y, &x, columns, &mut dx));
    }
}

fn layer_norm() {
    // The activations of a small GPT, and some beyond the caches.
    for (samples, channels) in [(2048, 256), (4096, 1024), (16384, 1024)] {
        let (x, weight) = (numbers(samples * channels), numbers(channels));
        let (mut y, mut mean, mut scale) = (x.clone(), vec![0.0; samples], vec![0.0; samples]);
        let (mut dx, mut dw, mut db) = (x.clone(), weight.clone(), weight.clone());
        let (weight, bias) = (Some(&weight[..]), Some(&weight[..]));
        let norm = Normalization { samples, groups: 1, channels, length: 1, eps: 1e-5, centred: true, weight, bias };
        let bytes = 8 * x.len();
        show(&format!("layer norm of {samples}×{channels}"), bytes, || {
            normalize_rows(&norm, &x, &mut y, &mut mean, &mut scale);
        });
        show("its gradient", bytes * 3 / 2, || {
            let kept = Normalized { x: &x, gradient: &x, mean: &mean, scale: &scale };
            normalize_rows_backward(&norm, kept, NormGradients { x: &mut dx, weight: &mut dw, bias: &mut db });
        });
    }
}

fn batch_normalization() {
    // The maps of a ResNet-18 for images of 32 by 32, and one beyond the caches.
    for (samples, channels, length) in
        [(64, 64, 256), (64, 64, 64), (64, 128, 16), (64, 256, 4), (64, 512, 1), (64, 64, 3136)]
    {
        let (x, weight) = (numbers(samples * channels * length), numbers(channels));
        let (mut y, mut mean, mut variance) = (x.clone(), weight.clone(), weight.clone());
        let (mut dx, mut dw, mut db) = (x.clone(), weight.clone(), weight.clone());
        let (weight, bias) = (Some(&weight[..]), Some(&weight[..]));
        let norm = BatchNorm { samples, channels, length, eps: 1e-5, weight, bias };
        let bytes = 8 * x.len();
        show(&format!("batch norm of {samples}×{channels}×{length}"), bytes, || {
            batch_norm(&norm, &x, &mut y, &mut mean, &mut variance);
        });
        show("its gradient", bytes * 3 / 2, || {
            let kept = BatchNormalized { x: &x, gradient: &x, mean: &mean, variance: &variance };
            batch_norm_backward(&norm, kept, BatchNormGradients { x: &mut dx, weight: &mut dw, bias: &mut db });
        });
    }
}

fn pooling() {
    // The maps of a ResNet-18 for images of 32 by 32, and those of small convolutional nets.
    for (planes, size, kernel, stride, pad) in [
        (4096, 16, 3, 2, 1),
        (1600, 32, 2, 2, 0),
        (1024, 30, 2, 2, 0),
        (2048, 13, 2, 2, 0),
        (256, 112, 3, 2, 1),
        (1024, 28, 3, 1, 1),
    ] {
        let output = (size + 2 * pad - kernel) / stride + 1;
        let shape = PoolShape {
            planes,
            input: [1, size, size],
            output: [1, output, output],
            windows: Windows::Strided {
                kernel: [1, kernel, kernel],
                stride: [1, stride, stride],
                pad_begin: [0, pad, pad],
                pad_end: [0, pad, pad],
                dilation: [1; 3],
            },
        };
        let x = numbers(shape.x_len());
        let (mut y, mut dx, mut indices) = (vec![0.0; shape.y_len()], x.clone(), vec![0; shape.y_len()]);
        let name = |what: &str| format!("{what} of {planes}×{size}², {kernel}²/{stride}");
        let bytes = 4 * (x.len() + y.len());
        show(&name("maxima"), bytes + 4 * y.len(), || max_pool(&shape, &x, &mut y, &mut indices));
        show(&name("their gradient"), bytes + 4 * y.len(), || max_pool_backward(&shape, &y, &indices, &mut dx));
        show(&name("means"), bytes, || avg_pool(&shape, Divisor::Padded, &x, &mut y));
        show(&name("their gradient"), bytes, || avg_pool_backward(&shape, Divisor::Padded, &y, &mut dx));
    }
}
