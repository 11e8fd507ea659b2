//! Prints the speed of products of bytes beside those of `f32`, and the most that the machine can do of each:
//! `cargo run --release -p hadal-kernels --example quantized`.

use hadal_kernels::ceiling::ceiling;
use hadal_kernels::conv::{self, ConvShape};
use hadal_kernels::quantized::{Finish, InputScale, QuantizedOutput, convolve, pack, packed_len, x_len, y_len};
use hadal_kernels::threads::{parallel_for, set_threads};
use std::time::Instant;

/// The best of several runs, in seconds.
fn best(mut run: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    let begin = Instant::now();
    while begin.elapsed().as_secs_f64() < 0.3 {
        let start = Instant::now();
        run();
        best = best.min(start.elapsed().as_secs_f64());
    }
    best
}

/// Chains of `vpdpbusd` in registers.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vnni")]
fn chains(steps: usize) -> i32 {
    use std::arch::x86_64::*;
    let (x, w) = (_mm512_set1_epi8(std::hint::black_box(1)), _mm512_set1_epi8(std::hint::black_box(1)));
    let mut sums = [_mm512_setzero_si512(); 16];
    for _ in 0..steps {
        for sum in &mut sums {
            *sum = _mm512_dpbusd_epi32(*sum, x, w);
        }
    }
    sums.into_iter().fold(0, |total, sum| total.wrapping_add(_mm512_reduce_add_epi32(sum)))
}

/// 10⁹ additions and multiplications of bytes a second that the machine can do, if it has VNNI.
fn most(threads: usize) -> Option<f64> {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni") {
        let steps = 1 << 18;
        let seconds = best(|| {
            parallel_for(threads, |_| {
                // SAFETY: the machine has the instructions.
                std::hint::black_box(unsafe { chains(steps) });
            })
        });
        return Some(2e-9 * (threads * steps * 16 * 64) as f64 / seconds);
    }
    let _ = threads;
    None
}

fn main() {
    println!("{:>34} {:>14} {:>14}", "10⁹ operations a second", "1 thread", "2 threads");
    let row = |name: &str, of: &dyn Fn(usize) -> f64| {
        let speed = [1, 2].map(|threads| {
            set_threads(threads);
            of(threads)
        });
        println!("{name:>34} {:>14.0} {:>14.0}", speed[0], speed[1]);
    };
    row("ceiling of f32", &|_| ceiling().gflops);
    row("ceiling of bytes", &|threads| most(threads).unwrap_or(f64::NAN));
    // Dense layers as products of matrices, and the convolutions of a ResNet-18.
    let dense = |n: usize| (n, [n, n], 1, 1, 1);
    for (batch, [inputs, outputs], size, kernel, stride) in [
        dense(64),
        dense(256),
        dense(512),
        dense(1024),
        (1, [2048, 1000], 1, 1, 1),
        (1, [3, 64], 224, 7, 2),
        (1, [64, 64], 56, 3, 1),
        (1, [128, 128], 28, 3, 1),
        (1, [256, 256], 14, 3, 1),
        (1, [512, 512], 7, 3, 1),
        (1, [64, 128], 56, 1, 2),
        (16, [64, 64], 56, 3, 1),
        (16, [512, 512], 7, 3, 1),
    ] {
        let (pad, output) = (kernel / 2, usize::div_ceil(size, stride));
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
        let operations = 2e-9 * (shape.y_len() * shape.weight_len() / outputs) as f64;
        let name = format!("{batch}×{inputs}×{size}² → {outputs}, {kernel}²/{stride}");
        let numbers = |len: usize| (0..len).map(|i| ((i * 7919) % 1021) as f32 / 512.0 - 1.0).collect::<Vec<_>>();
        let (x, w, y) = (numbers(shape.x_len()), numbers(shape.weight_len()), vec![0.0; shape.y_len()]);
        row(&format!("f32   {name}"), &|_| {
            let mut y = y.clone();
            operations / best(|| conv::forward(&shape, &x, &w, None, &mut y))
        });
        let x: Vec<u8> = (0..x_len(&shape)).map(|i| (i * 31) as u8).collect();
        let w: Vec<i8> = (0..shape.weight_len()).map(|i| (i * 37) as i8).collect();
        let (mut packed, mut sums) = (vec![0; packed_len(&shape)], vec![0; outputs]);
        pack(&shape, &w, &mut packed, &mut sums);
        let (scales, bias) = (vec![1e-3; outputs], vec![0.5; outputs]);
        let finish = Finish {
            x: InputScale::One(0.1, 128),
            weight: &scales,
            sums: &sums,
            whole_bias: None,
            bias: Some(&bias),
            residual: None,
            bounds: Some((0.0, f32::INFINITY)),
        };
        row(&format!("bytes {name}"), &|_| {
            let mut y = vec![0; y_len(&shape)];
            operations / best(|| convolve(&shape, &x, &packed, finish, QuantizedOutput::Bytes(&mut y, 0.1, 128)))
        });
    }
}
