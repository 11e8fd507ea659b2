//! Streams of random numbers that are named, not stored: the numbers depend on the name only.

use hadal_kernels::random::philox;

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
        let [a, b, ..] = philox([seed as u32, (seed >> 32) as u32], name);
        Stream { key: [a, b], block: 0, words: [0; 4], used: 4 }
    }

    /// 32 random bits.
    pub fn word(&mut self) -> u32 {
        if self.used == 4 {
            self.words = philox(self.key, [self.block, 0, 0, 0]);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_name_counts() {
        let first = |seed, name| Stream::new(seed, name).word();
        let names = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0; 4]];
        let mut words: Vec<u32> = names.iter().flat_map(|&name| [first(0, name), first(1 << 40, name)]).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), 10);
    }

    #[test]
    fn moments() {
        let mut stream = Stream::new(5, [0; 4]);
        let mut moments = |draw: fn(&mut Stream) -> f32| {
            let values: Vec<f64> = (0..100_000).map(|_| f64::from(draw(&mut stream))).collect();
            let mean = values.iter().sum::<f64>() / 1e5;
            (mean, values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 1e5)
        };
        // Five standard errors of 100,000 draws.
        let (mean, variance) = moments(|stream| stream.uniform(-1.0, 3.0));
        assert!((mean - 1.0).abs() < 0.02 && (variance - 16.0 / 12.0).abs() < 0.02, "{mean} {variance}");
        let (mean, variance) = moments(Stream::bell);
        assert!(mean.abs() < 0.016 && (variance - 1.0).abs() < 0.021, "{mean} {variance}");
        let (mean, _) = moments(|stream| f32::from(u8::from(stream.chance(0.25))));
        assert!((mean - 0.25).abs() < 0.007, "{mean}");
    }

    #[test]
    fn a_shuffle_puts_each_item_anywhere() {
        let mut counts = [[0; 3]; 3];
        for name in 0..6000 {
            let mut items = [0, 1, 2];
            Stream::new(0, [name, 0, 0, 0]).shuffle(&mut items);
            items.iter().enumerate().for_each(|(place, &item)| counts[place][item] += 1);
        }
        // 2000 expected, standard deviation 36.5.
        assert!(counts.iter().flatten().all(|count| (1800..2200).contains(count)), "{counts:?}");
    }
}
