//! Floats of 8, 6 and 4 bits: from and to `f32`.

use crate::ElementType;

/// A format of sign, exponent and mantissa.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SmallFloat {
    signed: bool,
    exponent_bits: u32,
    mantissa_bits: u32,
    bias: i32,
    special: Special,
}

/// Which bit patterns are not numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Special {
    /// None: the largest exponent is an ordinary one.
    Finite,
    /// All ones is NaN, and there is no infinity.
    OnesAreNan,
    /// The pattern of −0 is NaN; there are no infinities and no −0.
    MinusZeroIsNan,
    /// As in IEEE 754: the largest exponent is for infinities and NaN.
    Ieee,
}

impl SmallFloat {
    /// The format of an element type, if it is that narrow.
    pub fn of(element: ElementType) -> Option<SmallFloat> {
        use ElementType::*;
        let (signed, exponent_bits, mantissa_bits, bias, special) = match element {
            F8E4M3FN => (true, 4, 3, 7, Special::OnesAreNan),
            F8E4M3FNUZ => (true, 4, 3, 8, Special::MinusZeroIsNan),
            F8E5M2 => (true, 5, 2, 15, Special::Ieee),
            F8E5M2FNUZ => (true, 5, 2, 16, Special::MinusZeroIsNan),
            F8E8M0 => (false, 8, 0, 127, Special::OnesAreNan),
            F6E2M3 => (true, 2, 3, 1, Special::Finite),
            F6E3M2 => (true, 3, 2, 3, Special::Finite),
            F4E2M1 => (true, 2, 1, 1, Special::Finite),
            _ => return None,
        };
        Some(SmallFloat { signed, exponent_bits, mantissa_bits, bias, special })
    }

    fn sign_bit(self) -> u32 {
        if self.signed { 1 << (self.exponent_bits + self.mantissa_bits) } else { 0 }
    }

    /// The pattern of the largest finite magnitude.
    fn largest(self) -> u32 {
        let ones = (1u32 << (self.exponent_bits + self.mantissa_bits)) - 1;
        match self.special {
            Special::Finite | Special::MinusZeroIsNan => ones,
            Special::OnesAreNan => ones - 1,
            Special::Ieee => ones - (1 << self.mantissa_bits),
        }
    }

    /// NaN, if the format has one.
    fn nan(self) -> Option<u32> {
        let ones = (1u32 << (self.exponent_bits + self.mantissa_bits)) - 1;
        match self.special {
            Special::Finite => None,
            Special::OnesAreNan | Special::Ieee => Some(ones),
            Special::MinusZeroIsNan => Some(self.sign_bit()),
        }
    }

    /// The number that a pattern stands for.
    pub fn decode(self, bits: u8) -> f32 {
        let bits = u32::from(bits) & ((self.sign_bit() << 1).max(1 << (self.exponent_bits + self.mantissa_bits)) - 1);
        let sign = if bits & self.sign_bit() != 0 { -1.0 } else { 1.0 };
        let magnitude = bits & !self.sign_bit();
        match self.special {
            Special::MinusZeroIsNan if bits == self.sign_bit() => return f32::NAN,
            Special::OnesAreNan if magnitude > self.largest() => return f32::NAN.copysign(sign),
            Special::Ieee if magnitude == self.largest() + 1 => return sign * f32::INFINITY,
            Special::Ieee if magnitude > self.largest() => return f32::NAN.copysign(sign),
            _ => {}
        }
        let (exponent, mantissa) = (magnitude >> self.mantissa_bits, magnitude & ((1 << self.mantissa_bits) - 1));
        let one = 1u32 << self.mantissa_bits;
        // Without mantissa bits (E8M0) the least pattern is a power of two as any other, not a subnormal number.
        let (significand, exponent) = match exponent {
            0 if self.mantissa_bits > 0 => (mantissa, 1 - self.bias),
            e => (mantissa + one, e as i32 - self.bias),
        };
        (f64::from(sign) * f64::from(significand) * 2f64.powi(exponent - self.mantissa_bits as i32)) as f32
    }

    /// The pattern of the nearest number, the even one of two. What is too large becomes the largest finite number if
    /// `saturate`, and infinity or NaN otherwise, as far as the format has them.
    pub fn encode(self, value: f32, saturate: bool) -> u8 {
        let sign = if value.is_sign_negative() { self.sign_bit() } else { 0 };
        if value.is_nan() {
            // Without a NaN it becomes −0, as in NumPy's `ml_dtypes`.
            let nan = self.nan().unwrap_or(self.sign_bit());
            return if self.special == Special::MinusZeroIsNan { nan as u8 } else { (nan | sign) as u8 };
        }
        let overflow = match (self.special, saturate) {
            (Special::Finite, _) | (_, true) => self.largest() | sign,
            (Special::Ieee, false) => (self.largest() + 1) | sign,
            (Special::OnesAreNan, false) => (self.largest() + 1) | sign,
            (Special::MinusZeroIsNan, false) => self.sign_bit(),
        };
        if value.is_infinite() {
            return overflow as u8;
        }
        let magnitude = f64::from(value.abs());
        // The exponent decides how far apart neighbours are; below the least normal number all are equally far.
        let least = if self.mantissa_bits > 0 { 1 - self.bias } else { -self.bias };
        let exponent = if magnitude == 0.0 { least } else { (magnitude.log2().floor() as i32).max(least) };
        let exponent = if magnitude < 2f64.powi(exponent) && exponent > least { exponent - 1 } else { exponent };
        let steps = (magnitude / 2f64.powi(exponent - self.mantissa_bits as i32)).round_ties_even() as u32;
        // Counting patterns upwards from the subnormal numbers also carries into the exponent.
        let base = ((exponent - least) as u32) << self.mantissa_bits;
        let pattern = if self.mantissa_bits > 0 { base + steps } else { (base + steps).saturating_sub(1) };
        if pattern > self.largest() {
            return overflow as u8;
        }
        let minus_zero = pattern == 0 && self.special == Special::MinusZeroIsNan;
        (if minus_zero { 0 } else { pattern | sign }) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [ElementType; 8] = [
        ElementType::F8E4M3FN,
        ElementType::F8E4M3FNUZ,
        ElementType::F8E5M2,
        ElementType::F8E5M2FNUZ,
        ElementType::F8E8M0,
        ElementType::F6E2M3,
        ElementType::F6E3M2,
        ElementType::F4E2M1,
    ];

    /// The largest numbers that the Open Compute Project's specification and the FNUZ paper give.
    #[test]
    fn largest_numbers() {
        let largest: Vec<f32> = ALL
            .iter()
            .map(|&e| {
                let format = SmallFloat::of(e).unwrap();
                format.decode(format.largest() as u8)
            })
            .collect();
        assert_eq!(largest, [448.0, 240.0, 57344.0, 57344.0, 2f32.powi(127), 7.5, 28.0, 6.0]);
    }

    #[test]
    fn every_pattern_survives() {
        for element in ALL {
            let format = SmallFloat::of(element).unwrap();
            let patterns = if format.signed { format.sign_bit() << 1 } else { 256 };
            for bits in 0..patterns {
                let value = format.decode(bits as u8);
                if !value.is_nan() {
                    assert_eq!(format.encode(value, false), bits as u8, "{element} {value}");
                }
            }
        }
    }

    #[test]
    fn ties_go_to_even_and_overflow_is_chosen() {
        let e4m3 = SmallFloat::of(ElementType::F8E4M3FN).unwrap();
        assert_eq!(e4m3.decode(e4m3.encode(17.0, true)), 16.0);
        assert_eq!(e4m3.decode(e4m3.encode(19.0, true)), 20.0);
        assert_eq!(e4m3.decode(e4m3.encode(1e6, true)), 448.0);
        assert!(e4m3.decode(e4m3.encode(1e6, false)).is_nan());
        let e5m2 = SmallFloat::of(ElementType::F8E5M2).unwrap();
        assert_eq!(e5m2.decode(e5m2.encode(-1e6, false)), f32::NEG_INFINITY);
    }
}
