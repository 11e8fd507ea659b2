//! Prints the speed of the kernels on this machine: `cargo run --release -p hadal-kernels --example speed`.

use std::time::Instant;

use hadal_kernels::conv::{ConvShape, backward_data, backward_weight, forward};
use hadal_kernels::gemm::{Init, Mat, gemm};
use hadal_kernels::threads::set_threads;

/// One direction of a convolution, on `(y, dx, dw)`.
type Run<'a> = &'a mut dyn FnMut(&mut [f32], &mut [f32], &mut [f32]);

/// The best of several runs, in seconds.
fn best(mut run: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    let begin = Instant::now();
    while begin.elapsed().as_secs_f64() < 0.4 {
        let start = Instant::now();
        run();
        best = best.min(start.elapsed().as_secs_f64());
    }
    best
}

fn numbers(len: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 7919) % 1021) as f32 / 512.0 - 1.0).collect()
}

fn main() {
    println!("{:>32} {:>12} {:>12}", "GFLOP/s", "1 thread", "2 threads");
    for (m, n, k, transposed) in [
        (64, 64, 64, false),
        (128, 128, 128, false),
        (256, 256, 256, false),
        (512, 512, 512, false),
        (512, 512, 512, true),
        (1024, 1024, 1024, false),
        (64, 128, 784, true),
        (32, 128, 784, true),
        (1, 3072, 768, true),
        (1, 3072, 768, false),
    ] {
        let (a, b, mut c) = (numbers(m * k), numbers(k * n), vec![0.0; m * n]);
        let b = if transposed { Mat::transposed(&b, k) } else { Mat::row_major(&b, n) };
        let speed = [1, 2].map(|threads| {
            set_threads(threads);
            let seconds = best(|| gemm(m, n, k, Mat::row_major(&a, k), b, &mut c, Init::Zero));
            2e-9 * (m * n * k) as f64 / seconds
        });
        let name = format!("gemm {m}×{n}×{k}{}", if transposed { " (Bᵀ)" } else { "" });
        println!("{name:>32} {:>12.1} {:>12.1}", speed[0], speed[1]);
    }
    for (batch, [inputs, outputs], size, kernel, stride) in [
        (32, [64, 64], 56usize, 3, 1),
        (100, [3, 16], 32, 3, 1),
        (32, [256, 256], 14, 3, 1),
        // The layers of a ResNet-18 for images of 32 by 32.
        (64, [3, 64], 32, 7, 2),
        (64, [64, 64], 8, 3, 1),
        (64, [64, 128], 8, 3, 2),
        (64, [64, 128], 8, 1, 2),
        (64, [128, 128], 4, 3, 1),
        (64, [128, 256], 4, 3, 2),
        (64, [256, 256], 2, 3, 1),
        (64, [256, 512], 2, 3, 2),
        (64, [512, 512], 1, 3, 1),
    ] {
        let (pad, output) = (kernel / 2, size.div_ceil(stride));
        let shape = ConvShape {
            batch,
            groups: 1,
            in_channels: inputs,
            out_channels: outputs,
            input: [1, size, size],
            kernel: [1, kernel, kernel],
            output: [1, output, output],
            stride: [1, stride, stride],
            pad_begin: [0, pad, pad],
            dilation: [1; 3],
        };
        let (x, w) = (numbers(shape.x_len()), numbers(shape.weight_len()));
        let (mut y, mut dx, mut dw) = (vec![0.0; shape.y_len()], vec![0.0; x.len()], vec![0.0; w.len()]);
        let flops = 2e-9 * (shape.y_len() * w.len() / outputs) as f64;
        let name = format!("conv {batch}×{inputs}×{size}² → {outputs}, {kernel}²/{stride}");
        let mut show = |direction: &str, run: Run| {
            let speed = [1, 2].map(|threads| {
                set_threads(threads);
                flops / best(|| run(&mut y, &mut dx, &mut dw))
            });
            println!("{name:>32} {:>12.1} {:>12.1}  {direction}", speed[0], speed[1]);
        };
        show("forward", &mut |y, _, _| forward(&shape, &x, &w, None, y));
        show("data gradient", &mut |y, dx, _| backward_data(&shape, y, &w, dx));
        show("weight gradient", &mut |y, _, dw| backward_weight(&shape, &x, y, dw));
    }
}
