//! The operations on a vector of 16 f32 that every instruction set provides.

/// Lanes of a vector.
pub(crate) const LANES: usize = 16;

/// Proof that an instruction set is available, and its operations.
pub(crate) trait Simd: Copy {
    /// 16 f32.
    type F: Copy;
    /// 16 i32.
    type I: Copy;
    /// 16 truth values.
    type M: Copy;

    fn splat(self, x: f32) -> Self::F;
    fn load(self, from: &[f32; LANES]) -> Self::F;
    fn store(self, x: Self::F, to: &mut [f32; LANES]);

    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a·b + c`, rounded once.
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    fn sqrt(self, a: Self::F) -> Self::F;
    /// The nearest integer, ties to even; exact for all finite values.
    fn round(self, a: Self::F) -> Self::F;
    /// `a < b ? a : b`, so the second where one is NaN.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a > b ? a : b`, so the second where one is NaN.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;

    fn lt(self, a: Self::F, b: Self::F) -> Self::M;
    fn eq(self, a: Self::F, b: Self::F) -> Self::M;
    fn eq_i(self, a: Self::I, b: Self::I) -> Self::M;
    /// `m ? a : b`
    fn select(self, m: Self::M, a: Self::F, b: Self::F) -> Self::F;
    fn any(self, m: Self::M) -> bool;
    /// Lanes 0, 2, … of `a`, then those of `b`.
    fn evens(self, a: Self::F, b: Self::F) -> Self::F;
    /// Lanes 1, 3, … of `a`, then those of `b`.
    fn odds(self, a: Self::F, b: Self::F) -> Self::F;

    fn splat_i(self, x: i32) -> Self::I;
    fn add_i(self, a: Self::I, b: Self::I) -> Self::I;
    fn sub_i(self, a: Self::I, b: Self::I) -> Self::I;
    fn and(self, a: Self::I, b: Self::I) -> Self::I;
    fn or(self, a: Self::I, b: Self::I) -> Self::I;
    fn xor(self, a: Self::I, b: Self::I) -> Self::I;
    fn shift_left<const BITS: i32>(self, a: Self::I) -> Self::I;
    /// Copies of the sign come in from the left.
    fn shift_right<const BITS: i32>(self, a: Self::I) -> Self::I;
    fn bits(self, a: Self::F) -> Self::I;
    fn with_bits(self, a: Self::I) -> Self::F;
    /// An integral value in the range of i32 as an integer; anything else gives anything.
    fn to_int(self, a: Self::F) -> Self::I;
    fn to_float(self, a: Self::I) -> Self::F;

    /// Hints that the element at `at`, which need not exist, will soon be read.
    #[inline(always)]
    fn will_read(self, _at: *const f32) {}

    /// Hints that the element at `at`, which need not exist, will soon be written.
    #[inline(always)]
    fn will_write(self, _at: *const f32) {}

    #[inline(always)]
    fn neg(self, a: Self::F) -> Self::F {
        self.with_bits(self.xor(self.bits(a), self.splat_i(i32::MIN)))
    }

    #[inline(always)]
    fn abs(self, a: Self::F) -> Self::F {
        self.with_bits(self.and(self.bits(a), self.splat_i(i32::MAX)))
    }

    #[inline(always)]
    fn load_i(self, from: &[u32; LANES]) -> Self::I {
        // SAFETY: f32 and u32 have one size and alignment, and all bits are a value of either.
        self.bits(self.load(unsafe { &*std::ptr::from_ref(from).cast() }))
    }

    #[inline(always)]
    fn store_i(self, x: Self::I, to: &mut [u32; LANES]) {
        // SAFETY: f32 and u32 have one size and alignment, and all bits are a value of either.
        self.store(self.with_bits(x), unsafe { &mut *std::ptr::from_mut(to).cast() });
    }

    /// The magnitude of `a` (which is not negative) with the sign of `sign`.
    #[inline(always)]
    fn with_sign_of(self, a: Self::F, sign: Self::F) -> Self::F {
        self.with_bits(self.or(self.bits(a), self.and(self.bits(sign), self.splat_i(i32::MIN))))
    }

    /// `2^n` for `n` in -126 … 127.
    #[inline(always)]
    fn power_of_two(self, n: Self::I) -> Self::F {
        self.with_bits(self.shift_left::<23>(self.add_i(n, self.splat_i(127))))
    }

    /// `x·2ⁿ`, rounded once, for an integral `n` in -252 … 254 and an `x` near 1.
    #[inline(always)]
    fn scale(self, x: Self::F, n: Self::F) -> Self::F {
        let n = self.to_int(n);
        let half = self.shift_right::<1>(n);
        self.mul(self.mul(x, self.power_of_two(half)), self.power_of_two(self.sub_i(n, half)))
    }

    /// The polynomial with these coefficients, the constant term first, by Horner's rule.
    #[inline(always)]
    fn polynomial<const N: usize>(self, x: Self::F, coefficients: [f32; N]) -> Self::F {
        let mut sum = self.splat(coefficients[N - 1]);
        for i in (0..N - 1).rev() {
            sum = self.mul_add(sum, x, self.splat(coefficients[i]));
        }
        sum
    }
}

/// Methods of [`Simd`] that do the same to every register of their vectors: a plain loop, because only what is
/// inlined is compiled for the instruction set, and a loop over a constant always is.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! registers {
    ($($name:ident($($vector:ident: $type:ty),* $(; $scalar:ident: $scalar_type:ty)?) -> $result:ty = $expression:expr;)+) => {$(
        #[inline(always)]
        fn $name(self, $($vector: $type,)* $($scalar: $scalar_type)?) -> $result {
            // SAFETY: `self` is the proof that the instructions exist; registers of zeros are values.
            unsafe {
                let mut result: $result = std::mem::zeroed();
                #[allow(clippy::needless_range_loop)]
                for i in 0..result.len() {
                    $(let $vector = $vector[i];)*
                    result[i] = $expression;
                }
                result
            }
        }
    )+};
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) use registers;
