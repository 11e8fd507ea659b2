//! `a·b + c` of f32, rounded once, also where no instruction does that.

/// `a·b + c`, rounded once. WebAssembly has no such instruction, and the general function for it is slow.
#[inline(always)]
pub(crate) fn mul_add(a: f32, b: f32, c: f32) -> f32 {
    if cfg!(target_family = "wasm") { in_doubles(a, b, c) } else { a.mul_add(b, c) }
}

/// The same by arithmetic in f64 without branches, which the compiler makes into vector instructions.
///
/// The product is exact. The sum is rounded to the odd one of its neighbours (Boldo and Melquiond, "Emulation of a FMA
/// and correctly rounded sums: proved algorithms using rounding to odd", 2008), so that rounding it again, to f32, is
/// as if the first rounding had not been.
#[inline(always)]
fn in_doubles(a: f32, b: f32, c: f32) -> f32 {
    let (product, c) = (f64::from(a) * f64::from(b), f64::from(c));
    let sum = product + c;
    // What the sum lacks, exactly (Knuth's TwoSum); NaN beside an infinite or undefined sum, which then stays.
    let back = sum - product;
    let lacks = (product - (sum - back)) + (c - back);
    let inexact = i64::from(lacks.abs() > 0.0);
    let opposite = (lacks.to_bits() ^ sum.to_bits()).cast_signed() >> 63;
    // Towards zero if the sum was rounded away from it; then the last bit is set.
    let odd = (sum.to_bits().cast_signed() + (-inexact & opposite)) | inexact;
    f64::from_bits(odd.cast_unsigned()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_round_as_the_instruction_does() {
        let edges = [0.0, -0.0, 1.0, -1.0, 1e-45, -1e-40, f32::MIN_POSITIVE, f32::MAX, f32::INFINITY, f32::NAN];
        let mut state = 1u64;
        let mut next = |exponents: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let bits = state >> 32;
            if bits.is_multiple_of(31) {
                return edges[(state >> 20) as usize % edges.len()];
            }
            // Few exponents, so that sums meet each other's last bits; short numbers, so that ties are common.
            let short = if bits.is_multiple_of(3) { 0x7f_f000 } else { 0x7f_ffff };
            let exponent = 127 - exponents / 2 + (state >> 8) % exponents;
            f32::from_bits(((bits as u32) & 0x8000_0000) | (exponent as u32) << 23 | (bits as u32 & short))
        };
        for exponents in [2, 30, 252] {
            for _ in 0..if cfg!(miri) { 100 } else { 300_000 } {
                let [a, b, c] = [next(exponents), next(exponents), next(exponents)];
                let (found, expected) = (in_doubles(a, b, c), a.mul_add(b, c));
                assert!(
                    found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan(),
                    "{a:e} · {b:e} + {c:e}: {found:e}, not {expected:e}"
                );
            }
        }
    }

    /// Sums just off the middle between two f32, where rounding twice goes wrong; the second is subnormal.
    #[test]
    fn nothing_is_rounded_twice() {
        let exact = |a: f32, b: f32, c: f32| assert_eq!(in_doubles(a, b, c).to_bits(), a.mul_add(b, c).to_bits());
        let below = f32::from_bits(0x3f7f_ffff);
        for tail in [below * 2f32.powi(-12), 2f32.powi(-12) * 1.000_000_1, -below * 2f32.powi(-12)] {
            exact(tail, 2f32.powi(-12), 1.0);
            exact(tail, 2f32.powi(-12), -1.0);
        }
        exact(2f32.powi(-75) * 1.000_000_1, 2f32.powi(-75) * 1.000_000_1, 2f32.powi(-128));
        exact(2f32.powi(-75) * 1.000_000_1, -below * 2f32.powi(-75), 2f32.powi(-128));
    }
}
