//! The instruction sets, and which one this process uses.

use std::sync::OnceLock;

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

/// The best instruction set of this machine; all of them give the same bits.
pub fn isa() -> Isa {
    static ISA: OnceLock<Isa> = OnceLock::new();
    *ISA.get_or_init(|| available()[0])
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
