//! The few vector operations that a matrix product needs, at each instruction set's own width.

use crate::number::Arithmetic;

/// Lanes of the widest register.
const WIDEST: usize = 16;

/// A register of numbers. Every lane is rounded as the scalar operation is, so all widths give the same bits.
///
/// # Safety
/// The methods may only run where the instruction set of the type is available, and pointers must be valid for
/// `LANES` elements.
pub(super) unsafe trait Vector: Copy {
    type Element: Copy + Default;
    const LANES: usize;
    unsafe fn splat(x: Self::Element) -> Self;
    unsafe fn load(from: *const Self::Element) -> Self;
    unsafe fn store(self, to: *mut Self::Element);
    /// The first `lanes` elements, zeros behind them, which are not read.
    #[inline(always)]
    unsafe fn load_part(from: *const Self::Element, lanes: usize) -> Self {
        let mut whole = [Self::Element::default(); WIDEST];
        // SAFETY: the trait's contract for the first `lanes` elements; no register is wider than the array.
        unsafe {
            whole.as_mut_ptr().copy_from_nonoverlapping(from, lanes);
            Self::load(whole.as_ptr())
        }
    }
    /// Stores the first `lanes` elements only.
    #[inline(always)]
    unsafe fn store_part(self, to: *mut Self::Element, lanes: usize) {
        let mut whole = [Self::Element::default(); WIDEST];
        // SAFETY: the trait's contract for the first `lanes` elements; no register is wider than the array.
        unsafe {
            self.store(whole.as_mut_ptr());
            to.copy_from_nonoverlapping(whole.as_ptr(), lanes);
        }
    }
    /// `self · factor + addend`, rounded once.
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    /// `low` where it is larger, `high` where it is smaller; NaN stays.
    unsafe fn bounded(self, low: Self, high: Self) -> Self;
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! vector {
    ($name:ident($register:ty): [$element:ty; $lanes:literal], $splat:ident, $load:ident, $store:ident, $add:ident,
     |$x:ident, $y:ident, $z:ident| $fma:expr, |$value:ident, $low:ident, $high:ident| $bounded:expr
     $(, $mask:ident, $load_part:ident, $store_part:ident)?) => {
        #[derive(Clone, Copy)]
        pub(in crate::gemm) struct $name($register);
        // SAFETY: each method is one instruction of the set, with the trait's contract.
        unsafe impl Vector for $name {
            type Element = $element;
            const LANES: usize = $lanes;
            #[inline(always)]
            unsafe fn splat(x: $element) -> Self {
                // SAFETY: the trait's contract.
                unsafe { $name($splat(x)) }
            }
            #[inline(always)]
            unsafe fn load(from: *const $element) -> Self {
                // SAFETY: the trait's contract.
                unsafe { $name($load(from)) }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $element) {
                // SAFETY: the trait's contract.
                unsafe { $store(to, self.0) }
            }
            #[inline(always)]
            unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
                let ($x, $y, $z) = (self.0, factor.0, addend.0);
                // SAFETY: the trait's contract.
                unsafe { $name($fma) }
            }
            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                // SAFETY: the trait's contract.
                unsafe { $name($add(self.0, other.0)) }
            }
            #[inline(always)]
            unsafe fn bounded(self, low: Self, high: Self) -> Self {
                let ($value, $low, $high) = (self.0, low.0, high.0);
                // SAFETY: the trait's contract.
                unsafe { $name($bounded) }
            }
            $(
                #[inline(always)]
                unsafe fn load_part(from: *const $element, lanes: usize) -> Self {
                    // SAFETY: the trait's contract; lanes that are masked out are not read.
                    unsafe { $name($load_part(((1u32 << lanes) - 1) as $mask, from)) }
                }
                #[inline(always)]
                unsafe fn store_part(self, to: *mut $element, lanes: usize) {
                    // SAFETY: the trait's contract; lanes that are masked out are not written.
                    unsafe { $store_part(to, ((1u32 << lanes) - 1) as $mask, self.0) }
                }
            )?
        }
    };
}

#[cfg(target_arch = "x86_64")]
pub(super) mod x86 {
    use super::Vector;
    use std::arch::x86_64::*;

    vector!(F32x8(__m256): [f32; 8], _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_add_ps,
        |x, y, z| _mm256_fmadd_ps(x, y, z), |x, low, high| _mm256_min_ps(high, _mm256_max_ps(low, x)));
    vector!(F64x4(__m256d): [f64; 4], _mm256_set1_pd, _mm256_loadu_pd, _mm256_storeu_pd, _mm256_add_pd,
        |x, y, z| _mm256_fmadd_pd(x, y, z), |x, low, high| _mm256_min_pd(high, _mm256_max_pd(low, x)));
    vector!(F32x16(__m512): [f32; 16], _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_add_ps,
        |x, y, z| _mm512_fmadd_ps(x, y, z), |x, low, high| _mm512_min_ps(high, _mm512_max_ps(low, x)), __mmask16, _mm512_maskz_loadu_ps, _mm512_mask_storeu_ps);
    vector!(F64x8(__m512d): [f64; 8], _mm512_set1_pd, _mm512_loadu_pd, _mm512_storeu_pd, _mm512_add_pd,
        |x, y, z| _mm512_fmadd_pd(x, y, z), |x, low, high| _mm512_min_pd(high, _mm512_max_pd(low, x)), __mmask8, _mm512_maskz_loadu_pd, _mm512_mask_storeu_pd);
}

#[cfg(target_arch = "aarch64")]
pub(super) mod arm {
    use super::Vector;
    use std::arch::aarch64::*;

    vector!(F32x4(float32x4_t): [f32; 4], vdupq_n_f32, vld1q_f32, vst1q_f32, vaddq_f32,
    |x, y, z| vfmaq_f32(z, x, y), |x, low, high| {
        let x = vbslq_f32(vcltq_f32(x, low), low, x);
        vbslq_f32(vcgtq_f32(x, high), high, x)
    });
    vector!(F64x2(float64x2_t): [f64; 2], vdupq_n_f64, vld1q_f64, vst1q_f64, vaddq_f64,
    |x, y, z| vfmaq_f64(z, x, y), |x, low, high| {
        let x = vbslq_f64(vcltq_f64(x, low), low, x);
        vbslq_f64(vcgtq_f64(x, high), high, x)
    });
}

/// Four lanes of plain Rust.
#[derive(Clone, Copy)]
pub(super) struct Plain<T>([T; 4]);

macro_rules! plain {
    ($element:ty) => {
        // SAFETY: it needs no instruction set.
        unsafe impl Vector for Plain<$element> {
            type Element = $element;
            const LANES: usize = 4;
            #[inline(always)]
            unsafe fn splat(x: $element) -> Self {
                Plain([x; 4])
            }
            #[inline(always)]
            unsafe fn load(from: *const $element) -> Self {
                // SAFETY: the caller gives four elements.
                Plain(unsafe { from.cast::<[$element; 4]>().read_unaligned() })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $element) {
                // SAFETY: the caller gives four elements.
                unsafe { to.cast::<[$element; 4]>().write_unaligned(self.0) }
            }
            #[inline(always)]
            unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
                Plain(std::array::from_fn(|i| self.0[i].fma(factor.0[i], addend.0[i])))
            }
            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                Plain(std::array::from_fn(|i| self.0[i] + other.0[i]))
            }
            #[inline(always)]
            unsafe fn bounded(self, low: Self, high: Self) -> Self {
                Plain(std::array::from_fn(|i| self.0[i].larger(low.0[i]).smaller(high.0[i])))
            }
        }
    };
}
plain!(f32);
plain!(f64);
