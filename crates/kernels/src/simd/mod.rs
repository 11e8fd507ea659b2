//! One vector of 16 f32 on every instruction set, chosen once at run time.
//!
//! A kernel is written once over the trait `Simd` and compiled for each instruction set by `dispatch`. A vector
//! always has 16 lanes, whatever the width of the registers behind it, and every operation is rounded as IEEE 754
//! says, so that all instruction sets give the same bits (of a NaN, only that it is one).

mod lanes;
mod scalar;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "aarch64")]
mod neon;

use std::sync::OnceLock;

pub(crate) use lanes::{LANES, Simd};

/// An instruction set that the kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// AVX-512 F (x86-64).
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX2 and FMA (x86-64).
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// NEON (AArch64).
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// Plain Rust.
    Scalar,
}

/// The best instruction set of this machine, or the one that the environment variable `HADAL_ISA` names (`avx512`,
/// `avx2`, `neon` or `scalar`); all of them give the same bits.
///
/// # Panics
/// If `HADAL_ISA` names one that this machine does not have.
pub fn isa() -> Isa {
    static ISA: OnceLock<Isa> = OnceLock::new();
    *ISA.get_or_init(|| match std::env::var("HADAL_ISA") {
        Ok(name) => named(&name).unwrap_or_else(|| {
            panic!("HADAL_ISA is `{name}`, but this machine has {:?}", available());
        }),
        Err(_) => available()[0],
    })
}

/// The instruction set of this name, if the machine has it.
fn named(name: &str) -> Option<Isa> {
    available().into_iter().find(|isa| format!("{isa:?}").eq_ignore_ascii_case(name))
}

/// The instruction sets that this machine can run, best first.
pub fn available() -> Vec<Isa> {
    let mut sets = Vec::new();
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        if avx2 && is_x86_feature_detected!("avx512f") {
            sets.push(Isa::Avx512);
        }
        if avx2 {
            sets.push(Isa::Avx2);
        }
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    sets.push(Isa::Neon);
    sets.push(Isa::Scalar);
    sets
}

/// A computation written once for every instruction set. Its `run` must be `#[inline(always)]`, and so must all that
/// it calls with `simd`: only what is inlined is compiled for the instruction set.
pub(crate) trait Kernel {
    type Output;
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// Runs a kernel on the best instruction set.
pub(crate) fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    dispatch_on(isa(), kernel)
}

/// Runs a kernel on an instruction set that this machine has (one of [`available`]).
pub(crate) fn dispatch_on<K: Kernel>(isa: Isa, kernel: K) -> K::Output {
    match isa {
        // SAFETY: `isa` and `available` only name what the machine has.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { x86::run_avx512(kernel) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { x86::run_avx2(kernel) },
        // SAFETY: as above.
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => unsafe { neon::run(kernel) },
        Isa::Scalar => kernel.run(scalar::Scalar),
    }
}

/// Plain loops that other crates want compiled for this machine's registers. `run` must be `#[inline(always)]`.
pub trait Vectorized {
    /// What the loops return.
    type Output;
    /// Runs the loops.
    fn run(self) -> Self::Output;
}

/// Runs `loops` compiled for wide registers where the machine has them. The compiler neither reorders nor contracts
/// floating-point operations, so the result does not depend on it.
pub fn vectorized<V: Vectorized>(loops: V) -> V::Output {
    match isa() {
        // SAFETY: `isa` only names what the machine has, and AVX-512 here includes AVX2.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 | Isa::Avx2 => unsafe { x86::run_wide(loops) },
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => loops.run(), // part of the base instruction set
        Isa::Scalar => loops.run(),
    }
}

/// Asks for a slice that will be read soon to be brought into the second-level cache.
#[inline]
pub fn prefetch<T>(x: &[T]) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    for line in (0..size_of_val(x)).step_by(64) {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: the instruction is in the base set, and the address lies in the slice.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(x.as_ptr().cast::<i8>().add(line)) }
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = x;
}

#[cfg(test)]
mod tests;
