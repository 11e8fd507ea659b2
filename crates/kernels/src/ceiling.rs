//! What this machine can do at most, measured: arithmetic in registers, and bytes to and from main memory.
//!
//! The speed of a kernel means little without it: a kernel that is at the ceiling is finished. The measurement takes
//! about half a second per number of threads and is made once per program.

use crate::simd::{Isa, Kernel, LANES, Simd, Vectorized, dispatch_on, isa, vectorized};
use crate::threads::{SharedMut, for_chunks, for_chunks_mut, parallel_for, threads};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

/// The most that a number of threads can do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ceiling {
    /// The threads that took part.
    pub threads: usize,
    /// 10⁹ additions and multiplications of `f32` a second, by fused multiply-adds on registers only.
    pub gflops: f64,
    /// 10⁹ bytes read and written a second, when a large array is copied: half of them read.
    pub copy: f64,
    /// 10⁹ bytes read and written a second in `a = b + s·c` over large arrays: two thirds of them read.
    pub triad: f64,
}

impl Ceiling {
    /// 10⁹ bytes a second to and from main memory: the better of copy and triad.
    pub fn gbytes(&self) -> f64 {
        self.copy.max(self.triad)
    }

    /// The least seconds in which so many floating-point operations can be done and so many bytes moved.
    ///
    /// Work whose bytes are in the caches can be faster.
    pub fn seconds(&self, flops: f64, bytes: f64) -> f64 {
        (flops / self.gflops).max(bytes / self.gbytes()) * 1e-9
    }
}

/// The ceiling for the present number of [`threads`]; measured on the first call for each number, while nothing else
/// should be running.
pub fn ceiling() -> Ceiling {
    static KNOWN: Mutex<BTreeMap<usize, Ceiling>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(|e| e.into_inner());
    *known.entry(threads()).or_insert_with(measure)
}

/// Of so many tries, the best counts: a machine is never faster than it is.
const TRIES: usize = 8;
/// Elements of an array: 64 MiB, more than most caches hold.
const LARGE: usize = 1 << 24;

fn measure() -> Ceiling {
    let threads = threads();
    let gflops = fastest(|| arithmetic(isa(), threads));
    let (mut a, b, c) = (vec![0.0f32; LARGE], vec![1.0f32; LARGE], vec![2.0f32; LARGE]);
    let each = LARGE.div_ceil(threads);
    let copy = fastest(|| {
        for_chunks_mut(&mut a, each, |i, a| a.copy_from_slice(&b[i * each..][..a.len()]));
        (2 * LARGE * size_of::<f32>()) as f64
    });
    let triad = fastest(|| {
        let a = SharedMut::new(&mut a);
        for_chunks(LARGE, each, |range| {
            // SAFETY: for_chunks hands out each range once, and its ranges do not overlap.
            let a = unsafe { a.range(range.clone()) };
            vectorized(Triad { a, b: &b[range.clone()], c: &c[range] });
        });
        (3 * LARGE * size_of::<f32>()) as f64
    });
    Ceiling { threads, gflops, copy, triad }
}

/// The greatest amount per nanosecond of several tries, after one that warms up.
fn fastest(mut work: impl FnMut() -> f64) -> f64 {
    work();
    let once = |_| {
        let start = Instant::now();
        let amount = work();
        amount / start.elapsed().as_nanos().max(1) as f64
    };
    (0..TRIES).map(once).fold(0.0, f64::max)
}

/// Steps of every chain: some milliseconds on a machine of our days.
const STEPS: usize = 1 << 20;

/// Chains of multiply-adds on every thread at once; returns the number of floating-point operations.
fn arithmetic(isa: Isa, threads: usize) -> f64 {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => chains::<12>(isa, threads, STEPS),
        // Without vector instructions a multiply-add may be a call into a library.
        Isa::Scalar => chains::<1>(isa, threads, STEPS / 64),
        // A vector is several registers here: five of them leave room for the factors.
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        _ => chains::<5>(isa, threads, STEPS),
    }
}

fn chains<const N: usize>(isa: Isa, threads: usize, steps: usize) -> f64 {
    parallel_for(threads, |_| {
        std::hint::black_box(dispatch_on(isa, Chains::<N> { steps }));
    });
    (2 * threads * N * LANES * steps) as f64
}

/// `N` independent chains of multiply-adds: enough to hide the latency of one, few enough to stay in registers.
struct Chains<const N: usize> {
    steps: usize,
}

impl<const N: usize> Kernel for Chains<N> {
    type Output = [f32; LANES];

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> [f32; LANES] {
        // The factor and the summand take every chain from 0 to 1, far from overflow and from denormal numbers.
        let (factor, summand) = (s.splat(std::hint::black_box(0.5)), s.splat(std::hint::black_box(0.5)));
        let mut chains = [s.splat(0.0); N];
        for _ in 0..self.steps {
            #[allow(clippy::needless_range_loop)] // a plain loop over a constant is always unrolled
            for i in 0..N {
                chains[i] = s.mul_add(chains[i], factor, summand);
            }
        }
        let mut sum = chains[0];
        for chain in &chains[1..] {
            sum = s.add(sum, *chain);
        }
        let mut result = [0.0; LANES];
        s.store(sum, &mut result);
        result
    }
}

/// `a = b + 3·c`
struct Triad<'a> {
    a: &'a mut [f32],
    b: &'a [f32],
    c: &'a [f32],
}

impl Vectorized for Triad<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.a.iter_mut().zip(self.b).zip(self.c).for_each(|((a, b), c)| *a = b + 3.0 * c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::available;

    /// From 0, thirty steps of `x/2 + 1/2` come to 1 as `f32`s go; fewer than 24 do not.
    #[test]
    fn chains_compute_what_they_say_on_every_instruction_set() {
        for isa in available() {
            assert_eq!(dispatch_on(isa, Chains::<1> { steps: 30 }), [1.0; LANES]);
            assert_eq!(dispatch_on(isa, Chains::<5> { steps: 30 }), [5.0; LANES]);
            assert_eq!(dispatch_on(isa, Chains::<12> { steps: 30 }), [12.0; LANES]);
        }
        let (b, c) = ([1.0, 2.0, 3.0], [1.0, 0.0, -1.0]);
        let mut a = [0.0; 3];
        vectorized(Triad { a: &mut a, b: &b, c: &c });
        assert_eq!(a, [4.0, 2.0, 0.0]);
    }

    #[test]
    fn the_slower_of_arithmetic_and_memory_counts() {
        let ceiling = Ceiling { threads: 1, gflops: 100.0, copy: 10.0, triad: 8.0 };
        assert_eq!(ceiling.seconds(100e9, 1e9), 1.0);
        assert_eq!(ceiling.seconds(1e9, 20e9), 2.0);
    }
}
