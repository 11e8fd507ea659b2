//! Streams of random numbers that are named, not stored: the numbers depend on the name only.

/// A sequence of random numbers that is a pure function of `(seed, name)`.
///
/// Whatever is random about a sample is drawn from a stream named after the sample, so it never depends on
/// which thread asked, or on what was drawn before.
///
/// ```
/// use hadal_data::random::Stream;
/// let (seed, epoch, index) = (7, 3, 41);
/// let draw = || Stream::new(seed, [epoch, index, 0, 0]).uniform(-1.0, 1.0);
/// assert_eq!(draw(), draw());
/// ```
#[derive(Clone, Debug)]
pub struct Stream {
    key: [u32; 2],
    block: u32,
    words: [u32; 4],
    used: usize,
}

impl Stream {
    /// The stream called `name` under `seed`.
    pub fn new(seed: u64, name: [u32; 4]) -> Stream {
        // One Philox call turns the name into the key of its own generator: names are never added or
        // concatenated, so no two of them can run into each other.
        let [a, b, ..] = philox4x32_10(name, [seed as u32, (seed >> 32) as u32]);
        Stream { key: [a, b], block: 0, words: [0; 4], used: 4 }
    }

    /// 32 random bits.
    pub fn word(&mut self) -> u32 {
        if self.used == 4 {
            self.words = philox4x32_10([self.block, 0, 0, 0], self.key);
            self.block = self.block.wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.words[self.used - 1]
    }

    /// A number in `[low, high)`, on a grid of 2^24 steps.
    pub fn uniform(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * ((self.word() >> 8) as f32 * (1.0 / 16_777_216.0))
    }

    /// `true` with the given probability.
    pub fn chance(&mut self, probability: f32) -> bool {
        self.uniform(0.0, 1.0) < probability
    }

    /// An integer below `bound`; the bias is under `bound` / 2^32 (Lemire's multiplication).
    pub fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.word()) * u64::from(bound)) >> 32) as u32
    }

    /// A bell-shaped number of mean 0 and variance 1, never beyond ±3.47: the sum of four uniform numbers.
    pub fn bell(&mut self) -> f32 {
        let sum: f32 = (0..4).map(|_| self.uniform(-0.5, 0.5)).sum();
        sum * 1.732_050_8
    }

    /// Puts `items` into random order (Fisher–Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u32 + 1) as usize);
        }
    }
}

fn philox4x32_10(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let ([mut a, mut b, mut c, mut d], [mut k, mut l]) = (counter, key);
    for _ in 0..10 {
        let p = u64::from(a) * 0xD251_1F53;
        let q = u64::from(c) * 0xCD9E_8D57;
        (a, b, c, d) = ((q >> 32) as u32 ^ b ^ k, q as u32, (p >> 32) as u32 ^ d ^ l, p as u32);
        k = k.wrapping_add(0x9E37_79B9);
        l = l.wrapping_add(0xBB67_AE85);
    }
    [a, b, c, d]
}
