//! Powers with whole exponents.

/// `base` to the power `exponent`, by the same multiplications on every platform (`f64::powi` does not promise that).
pub(crate) fn power(base: f64, mut exponent: u64) -> f64 {
    let (mut result, mut square) = (1.0, base);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result *= square;
        }
        square *= square;
        exponent >>= 1;
    }
    result
}
