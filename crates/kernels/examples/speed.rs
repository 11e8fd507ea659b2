//! Prints the speed of the kernels on this machine: `cargo run --release -p hadal-kernels --example speed`.

use std::time::Instant;

use hadal_kernels::gemm::{Init, Mat, gemm};
use hadal_kernels::threads::set_threads;

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
    println!("{:>24} {:>12} {:>12}", "GFLOP/s", "1 thread", "2 threads");
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
        println!("{name:>24} {:>12.1} {:>12.1}", speed[0], speed[1]);
    }
}
