//! The range of numbers that eight bits should tell apart, from what was seen of them.

/// How the range of a value is found from calibration data. It always holds 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Calibration {
    /// From the least to the largest number.
    MinMax,
    /// The same without this share of the numbers at each end, such as 0.0001.
    Percentile(f64),
    /// The part of that range, 0 in its place, whose steps keep most of the numbers' distribution: the least
    /// Kullback–Leibler divergence (Migacz 2017, "8-bit inference with TensorRT").
    Entropy,
}

/// Bins of a histogram.
pub(super) const BINS: usize = 2048;
/// The numbers that eight bits tell apart.
const LEVELS: usize = 256;

/// How often numbers fell into equal parts of a range that holds 0.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    pub low: f32,
    pub high: f32,
    pub counts: Vec<u64>,
    /// Of these, the numbers that are 0.
    zeros: u64,
}

impl Histogram {
    /// Nothing seen yet of numbers from `low` to `high`.
    pub fn new(low: f32, high: f32) -> Histogram {
        Histogram { low: low.min(0.0), high: high.max(0.0), counts: vec![0; BINS], zeros: 0 }
    }

    pub fn add(&mut self, values: &[f32]) {
        for &x in values.iter().filter(|x| x.is_finite()) {
            let bin = self.bin(x);
            self.counts[bin] += 1;
            self.zeros += (x == 0.0) as u64;
        }
    }

    fn bin(&self, x: f32) -> usize {
        let bin = (x - self.low) * (BINS as f32 / (self.high - self.low));
        (bin as usize).min(BINS - 1) // at least 0: casts saturate
    }

    /// Where bin `bin` begins.
    fn edge(&self, bin: usize) -> f32 {
        self.low + (self.high - self.low) * (bin as f32 / BINS as f32)
    }

    /// The range that a calibration chooses.
    pub fn range(&self, calibration: Calibration) -> (f32, f32) {
        match calibration {
            Calibration::MinMax => (self.low, self.high),
            Calibration::Percentile(share) => self.without(share),
            Calibration::Entropy => self.of_least_divergence(),
        }
    }

    fn without(&self, share: f64) -> (f32, f32) {
        let most = share * self.counts.iter().sum::<u64>() as f64;
        let cut = |counts: &mut dyn Iterator<Item = &u64>| {
            let mut seen = 0;
            let beyond = |count: &&u64| {
                seen += **count;
                seen as f64 <= most
            };
            counts.take_while(beyond).count()
        };
        let (first, behind) = (cut(&mut self.counts.iter()), cut(&mut self.counts.iter().rev()));
        (self.edge(first).min(0.0), self.edge(BINS - behind.min(BINS)).max(0.0))
    }

    fn of_least_divergence(&self) -> (f32, f32) {
        let zero = (-self.low / (self.high - self.low) * BINS as f32).round() as usize;
        // Zeros are exact with any steps: what ReLU leaves of them says nothing about the range.
        let mut spread = self.clone();
        let bin = self.bin(0.0);
        spread.counts[bin] -= self.zeros;
        let mut best = (f64::INFINITY, (self.low, self.high));
        // From an eighth of the range to all of it, in steps of 1/128.
        for part in 16..=128 {
            let (start, end) = (zero - zero * part / 128, zero + (BINS - zero) * part / 128);
            let divergence = spread.divergence(start, end);
            if divergence <= best.0 {
                best = (divergence, (self.edge(start).min(0.0), self.edge(end).max(0.0)));
            }
        }
        best.1
    }

    /// Of the numbers, those outside moved to the ends, from what is left of them in steps: every step's share is spread
    /// over its bins that are not empty.
    fn divergence(&self, start: usize, end: usize) -> f64 {
        let inside = &self.counts[start..end];
        let outside = |counts: &[u64]| counts.iter().sum::<u64>();
        let mut p: Vec<f64> = inside.iter().map(|&count| count as f64).collect();
        let (Some(first), true) = (p.first_mut(), end > start) else { return f64::INFINITY };
        *first += outside(&self.counts[..start]) as f64;
        p[end - start - 1] += outside(&self.counts[end..]) as f64;
        let total: f64 = p.iter().sum();
        let kept: f64 = outside(inside) as f64;
        if kept == 0.0 {
            return f64::INFINITY;
        }
        let mut divergence = 0.0;
        for level in 0..LEVELS {
            let bins = level * p.len() / LEVELS..(level + 1) * p.len() / LEVELS;
            let counts = &inside[bins.clone()];
            let filled = counts.iter().filter(|&&count| count > 0).count();
            let q = outside(counts) as f64 / filled.max(1) as f64 / kept;
            for p in p[bins].iter().map(|p| p / total).filter(|&p| p > 0.0) {
                // What has no place in the steps counts as if it had one in a million.
                divergence += p * (p / q.max(1e-6)).ln();
            }
        }
        divergence
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thousand numbers from 0 to 1, and one far away.
    fn with_an_outlier() -> Histogram {
        let mut histogram = Histogram::new(0.0, 8.0);
        let numbers: Vec<f32> = (0..100_000).map(|i| i as f32 / 1e5).collect();
        histogram.add(&numbers);
        histogram.add(&[8.0]);
        histogram
    }

    #[test]
    fn the_largest_number_is_kept_or_not() {
        let histogram = with_an_outlier();
        assert_eq!(histogram.range(Calibration::MinMax), (0.0, 8.0));
        let near_one = |(low, high): (f32, f32)| low == 0.0 && (high - 1.0).abs() < 0.1;
        assert!(near_one(histogram.range(Calibration::Percentile(1e-4))));
        assert!(near_one(histogram.range(Calibration::Entropy)), "{:?}", histogram.range(Calibration::Entropy));
        assert_eq!(histogram.range(Calibration::Percentile(0.0)), (0.0, 8.0));
    }

    #[test]
    fn percentiles_cut_both_ends_and_keep_zero() {
        let mut histogram = Histogram::new(-1.0, 1.0);
        histogram.add(&(0..=1000).map(|i| i as f32 / 500.0 - 1.0).collect::<Vec<_>>());
        let (low, high) = histogram.range(Calibration::Percentile(0.1));
        assert!((low + 0.8).abs() < 5e-3 && (high - 0.8).abs() < 5e-3, "{low} {high}");
        let mut above = Histogram::new(0.5, 1.0);
        above.add(&[0.5, 0.75, 1.0]);
        assert_eq!(above.range(Calibration::Percentile(0.0)), (0.0, 1.0));
    }
}
