//! Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
//!
//! A number is a function of (seed, stream, element index) and nothing else, so a tensor may be filled in any order,
//! by any number of threads, in tiles, or one element at a time. Every `fill` has a twin ending in `_at` that begins
//! at element `start` of the stream.
//!
//! Element `i` of a 32-bit fill is word `i % 4` of block `i / 4`; of a 64-bit fill, words `2(i % 2)` (low half) and
//! `2(i % 2) + 1` of block `i / 2`. Block `b` is `philox(key = seed, counter = (b, stream))`, low words first.

use crate::math::logarithm::log;
use crate::math::trigonometric::{cos, sin};
use crate::simd::{Kernel, LANES, Simd, dispatch};
use crate::threads::for_chunks_mut;

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// The golden ratio and √3 − 1, as the paper's Weyl sequence has them.
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;
/// Elements that one task fills: a multiple of every block.
const TASK: usize = 1 << 14;

/// Ten rounds of Philox4x32.
#[inline]
pub fn philox(key: [u32; 2], counter: [u32; 4]) -> [u32; 4] {
    let ([mut k0, mut k1], [mut x0, mut x1, mut x2, mut x3]) = (key, counter);
    for _ in 0..ROUNDS {
        let even = u64::from(MULTIPLIERS[0]) * u64::from(x0);
        let odd = u64::from(MULTIPLIERS[1]) * u64::from(x2);
        (x0, x1, x2, x3) = ((odd >> 32) as u32 ^ x1 ^ k0, odd as u32, (even >> 32) as u32 ^ x3 ^ k1, even as u32);
        (k0, k1) = (k0.wrapping_add(WEYL[0]), k1.wrapping_add(WEYL[1]));
    }
    [x0, x1, x2, x3]
}

/// The random words of one (seed, stream).
#[derive(Clone, Copy)]
struct Stream {
    key: [u32; 2],
    stream: [u32; 2],
}

impl Stream {
    fn new(seed: u64, stream: u64) -> Self {
        Stream { key: [seed as u32, (seed >> 32) as u32], stream: [stream as u32, (stream >> 32) as u32] }
    }

    fn block(&self, index: u64) -> [u32; 4] {
        philox(self.key, [index as u32, (index >> 32) as u32, self.stream[0], self.stream[1]])
    }

    /// The two 64-bit words of a block.
    fn block_u64(&self, index: u64) -> [u64; 2] {
        let [a, b, c, d] = self.block(index).map(u64::from);
        [a | b << 32, c | d << 32]
    }
}

/// Fills `out`, whose first element is element `start` of the stream, from blocks of `N` elements.
fn fill<T: Send + Copy, const N: usize>(start: u64, out: &mut [T], block: impl Fn(u64) -> [T; N] + Sync) {
    let each = N as u64;
    for_chunks_mut(out, TASK, |chunk, out| {
        let start = start + (chunk * TASK) as u64;
        // Up to the first block boundary, whole blocks, and the rest.
        let (head, rest) = out.split_at_mut(((each - start % each) % each).min(out.len() as u64) as usize);
        if !head.is_empty() {
            let from = (start % each) as usize;
            head.copy_from_slice(&block(start / each)[from..from + head.len()]);
        }
        let first = start.div_ceil(each);
        let (blocks, tail) = rest.as_chunks_mut::<N>();
        for (i, to) in blocks.iter_mut().enumerate() {
            *to = block(first + i as u64);
        }
        if !tail.is_empty() {
            tail.copy_from_slice(&block(first + blocks.len() as u64)[..tail.len()]);
        }
    });
}

macro_rules! fills {
    ($($(#[$doc:meta])* $name:ident, $name_at:ident: $element:ty $(, $argument:ident: $type:ty)* $(where $check:expr, $message:literal)?;
       |$stream:ident, $block:ident| $expression:expr;)*) => {$(
        $(#[$doc])*
        pub fn $name(seed: u64, stream: u64, $($argument: $type,)* out: &mut [$element]) {
            $name_at(seed, stream, 0, $($argument,)* out);
        }

        #[doc = concat!("[`", stringify!($name), "`] from element `start` of the stream on.")]
        pub fn $name_at(seed: u64, stream: u64, start: u64, $($argument: $type,)* out: &mut [$element]) {
            $(assert!($check, $message);)?
            let $stream = Stream::new(seed, stream);
            fill(start, out, |$block| $expression);
        }
    )*};
}

fills! {
    /// Uniform 32-bit words.
    fill_u32, fill_u32_at: u32; |stream, b| stream.block(b);

    /// Uniform in [0, 1), in steps of 2⁻²⁴.
    uniform_f32, uniform_f32_at: f32; |stream, b| stream.block(b).map(unit_f32);

    /// Uniform in [0, 1), in steps of 2⁻⁵³.
    uniform_f64, uniform_f64_at: f64; |stream, b| stream.block_u64(b).map(unit_f64);

    /// Standard normal (Box–Muller): elements `2j` and `2j + 1` are the two numbers of one pair of words.
    normal_f32, normal_f32_at: f32; |stream, b| {
        let mut words = [0; 2 * LANES];
        for (i, to) in words.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            *to = stream.block(b * (2 * LANES / 4) as u64 + i as u64);
        }
        dispatch(BoxMuller(words))
    };

    /// Standard normal (Box–Muller): elements `2j` and `2j + 1` are the two numbers of one block.
    normal_f64, normal_f64_at: f64; |stream, b| {
        let [a, b] = stream.block_u64(b);
        box_muller_f64(a, b)
    };

    /// `true` with probability `p`: the element's 32-bit word is below [`bernoulli_threshold`]`(p)`.
    bernoulli, bernoulli_at: bool, p: f64; |stream, b| {
        let threshold = bernoulli_threshold(p);
        stream.block(b).map(|word| u64::from(word) < threshold)
    };

    /// Integers in `low..high`: the high half of the 64-bit word times the length of the range, which no length
    /// biases by more than one part in 2⁶⁴ / length.
    randint, randint_at: i64, low: i64, high: i64 where low < high, "randint needs low < high"; |stream, b| {
        let length = high.wrapping_sub(low) as u64;
        stream.block_u64(b).map(|word| low.wrapping_add(((u128::from(word) * u128::from(length)) >> 64) as i64))
    };
}

/// A 32-bit word below this comes with probability `p`, to 2⁻³²; exact for 0 and 1.
///
/// # Panics
/// If `p` is not in [0, 1].
#[track_caller]
pub fn bernoulli_threshold(p: f64) -> u64 {
    assert!((0.0..=1.0).contains(&p), "a probability lies between 0 and 1, got {p}");
    (p * 4_294_967_296.0) as u64
}

/// The upper 24 bits of a word as a number in [0, 1).
#[inline]
fn unit_f32(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / (1 << 24) as f32)
}

/// The upper 53 bits of a word as a number in [0, 1).
#[inline]
fn unit_f64(word: u64) -> f64 {
    (word >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// Sixteen pairs of words to sixteen pairs of independent standard normal numbers (Box and Muller, 1958): `√(-2 ln u)`
/// times the cosine and sine of `2πv`, `u` in (0, 1].
struct BoxMuller([u32; 2 * LANES]);

impl Kernel for BoxMuller {
    type Output = [f32; 2 * LANES];

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Self::Output {
        let (mut u, mut v) = ([0.0; LANES], [0.0; LANES]);
        for (i, [first, second]) in self.0.as_chunks::<2>().0.iter().enumerate() {
            (u[i], v[i]) = (1.0 - unit_f32(*first), unit_f32(*second));
        }
        let radius = s.sqrt(s.mul(s.splat(-2.0), log(s, s.load(&u))));
        let angle = s.mul(s.splat(std::f32::consts::TAU), s.load(&v));
        s.store(s.mul(radius, cos(s, angle)), &mut u);
        s.store(s.mul(radius, sin(s, angle)), &mut v);
        std::array::from_fn(|i| if i % 2 == 0 { u[i / 2] } else { v[i / 2] })
    }
}

/// As [`BoxMuller`], in double precision.
fn box_muller_f64(u: u64, v: u64) -> [f64; 2] {
    let radius = (-2.0 * libm::log(1.0 - unit_f64(u))).sqrt();
    let (sine, cosine) = libm::sincos(std::f64::consts::TAU * unit_f64(v));
    [radius * cosine, radius * sine]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads::set_threads;

    /// The known answers of Random123 1.14 (`tests/kat_vectors`, philox4x32 10).
    #[test]
    fn known_answers() {
        let zero = philox([0; 2], [0; 4]);
        assert_eq!(zero, [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        let ones = philox([u32::MAX; 2], [u32::MAX; 4]);
        assert_eq!(ones, [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let pi = philox([0xa409_3822, 0x299f_31d0], [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344]);
        assert_eq!(pi, [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn any_part_equals_the_whole() {
        let len = if cfg!(miri) { 50 } else { 2 * TASK + 77 };
        let mut whole = vec![0.0f32; len];
        set_threads(3);
        normal_f32(7, 9, &mut whole);
        set_threads(1);
        for (start, taken) in [(0, 1), (1, 2), (3, 5), (2, 40), (len - 9, 9)] {
            let mut part = vec![0.0f32; taken];
            normal_f32_at(7, 9, start as u64, &mut part);
            assert_eq!(part, whole[start..start + taken]);
            let (mut ints, mut all) = (vec![0i64; taken], vec![0i64; len]);
            randint(7, 9, -3, 1000, &mut all);
            randint_at(7, 9, start as u64, -3, 1000, &mut ints);
            assert_eq!(ints, all[start..start + taken]);
        }
    }

    #[test]
    fn the_words_of_a_stream_are_its_blocks() {
        let mut words = [0u32; 6];
        fill_u32(0x1_0000_0002, 0x3_0000_0004, &mut words);
        assert_eq!(words[..4], philox([2, 1], [0, 0, 4, 3]));
        assert_eq!(words[4..], philox([2, 1], [1, 0, 4, 3])[..2]);
        fill_u32_at(5, 6, 1 << 34, &mut words);
        assert_eq!(words[..4], philox([5, 0], [0, 1, 6, 0]));
    }

    /// Mean and variance lie within five standard errors.
    fn check_moments(values: &[f64], mean: f64, variance: f64, fourth: f64) {
        let n = values.len() as f64;
        let m = values.iter().sum::<f64>() / n;
        let v = values.iter().map(|x| (x - m).powi(2)).sum::<f64>() / n;
        assert!((m - mean).abs() < 5.0 * (variance / n).sqrt(), "mean {m}, expected {mean}");
        assert!((v - variance).abs() < 5.0 * ((fourth - variance * variance) / n).sqrt(), "variance {v}");
    }

    #[test]
    #[cfg(not(miri))] // too long for an interpreter
    fn distributions_have_their_moments() {
        const N: usize = 200_000;
        let (mut f, mut d) = (vec![0f32; N], vec![0f64; N]);
        let wide = |f: &[f32]| f.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        uniform_f32(1, 0, &mut f);
        assert!(f.iter().all(|x| (0.0..1.0).contains(x)));
        check_moments(&wide(&f), 0.5, 1.0 / 12.0, 1.0 / 80.0);
        uniform_f64(1, 1, &mut d);
        assert!(d.iter().all(|x| (0.0..1.0).contains(x)));
        check_moments(&d, 0.5, 1.0 / 12.0, 1.0 / 80.0);
        normal_f32(1, 2, &mut f);
        check_moments(&wide(&f), 0.0, 1.0, 3.0);
        normal_f64(1, 3, &mut d);
        check_moments(&d, 0.0, 1.0, 3.0);
        // The two numbers of a pair are not correlated.
        let pairs = d.as_chunks::<2>().0.iter().map(|[a, b]| a * b).sum::<f64>() / (N / 2) as f64;
        assert!(pairs.abs() < 5.0 / ((N / 2) as f64).sqrt());
    }

    #[test]
    fn a_pair_of_words_gives_the_pair_of_its_formula() {
        let (mut words, mut normal) = ([0u32; 70], [0f32; 70]);
        fill_u32(11, 12, &mut words);
        normal_f32(11, 12, &mut normal);
        for (words, normal) in words.as_chunks::<2>().0.iter().zip(normal.as_chunks::<2>().0) {
            let [u, v] = words.map(|word| f64::from(word >> 8) / f64::from(1 << 24));
            let (sine, cosine) = libm::sincos(std::f64::consts::TAU * v);
            let radius = (-2.0 * libm::log(1.0 - u)).sqrt();
            assert!((f64::from(normal[0]) - radius * cosine).abs() < 2e-6, "{u} {v}");
            assert!((f64::from(normal[1]) - radius * sine).abs() < 2e-6, "{u} {v}");
        }
    }

    #[test]
    #[cfg(not(miri))] // too long for an interpreter
    fn choices_come_with_their_probabilities() {
        let mut choices = vec![false; 100_000];
        bernoulli(3, 4, 0.3, &mut choices);
        let share = choices.iter().filter(|&&c| c).count() as f64 / choices.len() as f64;
        assert!((share - 0.3).abs() < 5.0 * (0.21f64 / 1e5).sqrt(), "{share}");
        bernoulli(3, 4, 0.0, &mut choices);
        assert!(choices.iter().all(|&c| !c));
        bernoulli(3, 4, 1.0, &mut choices);
        assert!(choices.iter().all(|&c| c));
        let mut faces = vec![0i64; 60_000];
        randint(3, 4, 1, 7, &mut faces);
        for face in 1..7 {
            let count = faces.iter().filter(|&&f| f == face).count() as f64;
            assert!((count - 10_000.0).abs() < 5.0 * (10_000.0f64 * 5.0 / 6.0).sqrt(), "{face}: {count}");
        }
        let mut extremes = [0i64; 4];
        randint(3, 4, i64::MIN, i64::MAX, &mut extremes);
        assert!(extremes.iter().any(|&x| x < 0) && extremes.iter().any(|&x| x > 0));
    }
}
