//! Every instruction set against plain Rust, operation by operation.

use super::*;

/// Each operation applied to three vectors, as bits.
struct Everything([[f32; LANES]; 3]);

impl Kernel for Everything {
    type Output = Vec<[u32; LANES]>;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Self::Output {
        let [a, b, c] = self.0.map(|x| s.load(&x));
        let (p, q) = (s.bits(a), s.bits(b));
        let small = s.to_int(s.round(s.min(s.max(s.abs(a), s.splat(-100.0)), s.splat(100.0))));
        let mantissa = s.with_bits(s.or(s.and(q, s.splat_i(0x7F_FFFF)), s.bits(s.splat(1.0))));
        let float = |m| s.select(m, s.splat(1.0), s.splat(2.0));
        let results = [
            s.add(a, b),
            s.sub(a, b),
            s.mul(a, b),
            s.div(a, b),
            s.mul_add(a, b, c),
            s.sqrt(s.abs(a)),
            s.round(a),
            s.min(a, b),
            s.max(a, b),
            float(s.lt(a, b)),
            float(s.eq(a, b)),
            float(s.eq_i(p, q)),
            s.with_bits(s.add_i(p, q)),
            s.with_bits(s.sub_i(p, q)),
            s.with_bits(s.and(p, q)),
            s.with_bits(s.or(p, q)),
            s.with_bits(s.xor(p, q)),
            s.with_bits(s.shift_left::<3>(p)),
            s.with_bits(s.shift_right::<5>(p)),
            s.with_bits(small),
            s.to_float(p),
            s.neg(a),
            s.abs(a),
            s.with_sign_of(s.abs(a), b),
            s.power_of_two(small),
            s.scale(mantissa, s.sub(s.splat(-50.0), s.to_float(small))),
            s.polynomial(a, [1.0, 2.0, 3.0]),
            s.evens(a, b),
            s.odds(a, b),
        ];
        results
            .map(|x| {
                let mut to = [0.0; LANES];
                s.store(x, &mut to);
                to.map(|x| if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() })
            })
            .to_vec()
    }
}

#[test]
fn instruction_sets_agree_bit_for_bit() {
    let edges = [0.0, -0.0, 1.0, -1.5, 0.5, 2.5, 1e-40, -1e-45, 3e38, f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if state >> 28 == 0 { edges[(state >> 20) as usize % edges.len()] } else { f32::from_bits(state ^ state >> 13) }
    };
    for _ in 0..if cfg!(miri) { 3 } else { 2000 } {
        let inputs = std::array::from_fn(|_| std::array::from_fn(|_| next()));
        let expected = dispatch_on(Isa::Scalar, Everything(inputs));
        for isa in available() {
            for (operation, (got, expected)) in dispatch_on(isa, Everything(inputs)).iter().zip(&expected).enumerate() {
                assert_eq!(got, expected, "{isa:?}, operation {operation} of {inputs:?}");
            }
        }
    }
}

#[test]
fn any_sees_every_lane() {
    struct Any(usize);
    impl Kernel for Any {
        type Output = bool;
        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> bool {
            let x = std::array::from_fn(|i| if i == self.0 { -1.0 } else { 1.0 });
            s.any(s.lt(s.load(&x), s.splat(0.0)))
        }
    }
    for isa in available() {
        for lane in 0..=LANES {
            assert_eq!(dispatch_on(isa, Any(lane)), lane < LANES, "{isa:?}");
        }
    }
}

#[test]
fn instruction_sets_have_names() {
    assert_eq!(named("scalar"), Some(Isa::Scalar));
    assert_eq!(named("Scalar"), Some(Isa::Scalar));
    assert_eq!(named("mmx"), None);
}
