//! Prints what a small training step is made of: `cargo run --release -p hadal-nn --example overhead`, followed by a
//! part of a line's name for that line alone.
//!
//! Small steps live or die by what surrounds the arithmetic, so beside the times of the parts stand the allocations
//! that each makes and the times of the products alone.

use hadal_core::{ModuleExt, Param, Tensor, no_grad};
use hadal_kernels::gemm::{Init, Mat, gemm};
use hadal_kernels::threads::set_threads;
use hadal_nn::layers::{Linear, Relu};
use hadal_nn::losses::cross_entropy;
use hadal_nn::optim::{Adam, Optimizer, Rule, Sgd};
use hadal_nn::{Layer, Sequential};
use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

/// The system's allocator, counting.
struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// A quiet call among many (the first decile) in nanoseconds, and the allocations of one.
fn time(mut f: impl FnMut()) -> (f64, usize) {
    (0..20).for_each(|_| f());
    let before = ALLOCATIONS.load(Relaxed);
    f();
    let allocations = ALLOCATIONS.load(Relaxed) - before;
    let mut blocks = Vec::new();
    let begin = Instant::now();
    while begin.elapsed().as_secs_f64() < 0.1 {
        let start = Instant::now();
        (0..20).for_each(|_| f());
        blocks.push(start.elapsed().as_nanos() as f64 / 20.0);
    }
    blocks.sort_by(f64::total_cmp);
    (blocks[blocks.len() / 10], allocations)
}

/// One line: the times with one thread and with two.
fn line(name: &str, mut f: impl FnMut()) {
    if std::env::args().nth(1).is_some_and(|wanted| !name.contains(&wanted)) {
        return;
    }
    let [(one, allocations), (two, _)] = [1, 2].map(|threads| {
        set_threads(threads);
        time(&mut f)
    });
    println!("{name:>44} {:>10.2} {:>10.2} {allocations:>6}", one / 1e3, two / 1e3);
}

fn main() {
    println!("{:>44} {:>10} {:>10} {:>6}", "µs", "1 thread", "2 threads", "allocations");
    operations();
    products();
    step("W1", 64, &[784, 128, 64, 10], false, |p| Sgd::new(0.01).momentum(0.9).optimize(p));
    step("W3", 32, &[784, 32, 10], true, |p| Adam::new(1e-3).optimize(p));
    step("W5", 32, &[784, 128, 10], true, |p| Adam::new(1e-3).optimize(p));
}

fn operations() {
    let (x, matrix) = (Tensor::from(1.5f32), Tensor::randn([8, 8]));
    let leaf = x.requires_grad();
    line("scalar add", || drop(black_box(x.add(&x))));
    line("scalar add, without recording", || no_grad(|| drop(black_box(leaf.add(&leaf)))));
    line("scalar add, on the tape", || drop(black_box(leaf.add(&leaf))));
    line("scalar add of a number, on the tape", || drop(black_box(leaf.add(1.0))));
    line("transpose", || drop(black_box(matrix.t())));
    line("8×8 matmul", || drop(black_box(matrix.matmul(&matrix))));
    line("scalar add and backward", || drop(black_box(leaf.add(&leaf).backward())));
    line("ten scalar adds and backward", || {
        let mut y = leaf.clone();
        (0..10).for_each(|_| y = y.add(&leaf));
        drop(black_box(y.backward()));
    });
}

fn products() {
    for (m, n, k) in [(32, 32, 784), (32, 128, 784), (64, 128, 784), (64, 64, 128), (64, 10, 64), (32, 10, 32)] {
        let numbers = |len: usize| (0..len).map(|i| ((i * 7919) % 1021) as f32 / 512.0 - 1.0).collect::<Vec<_>>();
        let (x, w, g, bias) = (numbers(m * k), numbers(k * n), numbers(m * n), numbers(n));
        let (mut y, mut dw, mut dx) = (vec![0.0; m * n], vec![0.0; n * k], vec![0.0; m * k]);
        line(&format!("x·Wᵀ + b, {m}×{n}×{k}"), || {
            gemm(m, n, k, Mat::row_major(&x, k), Mat::transposed(&w, k), &mut y, Init::RowBias(&bias));
        });
        line(&format!("Gᵀ·x, {n}×{k}×{m}"), || {
            gemm(n, k, m, Mat::transposed(&g, n), Mat::row_major(&x, k), &mut dw, Init::Zero);
        });
        line(&format!("G·W, {m}×{k}×{n}"), || {
            gemm(m, k, n, Mat::row_major(&g, n), Mat::row_major(&w, k), &mut dx, Init::Zero);
        });
    }
}

fn step(name: &str, batch: usize, sizes: &[usize], relu: bool, optimizer: impl Fn(Vec<Param>) -> Optimizer) {
    let mut model = Sequential::new();
    for (i, pair) in sizes.windows(2).enumerate() {
        model = if relu && i > 0 { model.add(Relu) } else { model };
        model = model.add(Linear::new(pair[0], pair[1]));
    }
    let optimizer = optimizer(model.parameters());
    let x = Tensor::randn([batch, sizes[0]]);
    let labels = Tensor::randint(0, 10, batch);
    let loss = || cross_entropy(&model.forward(&x), &labels);
    line(&format!("{name}: forward"), || drop(black_box(model.forward(&x))));
    line(&format!("{name}: forward and loss"), || drop(black_box(loss())));
    line(&format!("{name}: forward, loss and backward"), || drop(black_box(loss().backward())));
    let gradients = loss().backward();
    line(&format!("{name}: optimizer"), || optimizer.step(&gradients).expect("a gradient of each"));
    line(&format!("{name}: step"), || optimizer.step(&loss().backward()).expect("a gradient of each"));
}
