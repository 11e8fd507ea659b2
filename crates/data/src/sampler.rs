//! In which order an epoch goes through the samples.

use crate::partition::by_class;
use crate::random::Stream;

/// An order of samples for each epoch.
pub trait Sampler: Send + Sync {
    /// How many samples an epoch has.
    fn len(&self) -> usize;

    /// The indices of an epoch, [`len`](Sampler::len) of them, as a pure function of the epoch.
    fn order(&self, epoch: u64) -> Vec<usize>;

    /// Whether an epoch has no samples.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// First to last, the same in every epoch.
#[derive(Clone, Debug)]
pub struct Sequential {
    /// Number of samples.
    pub samples: usize,
}

impl Sampler for Sequential {
    fn len(&self) -> usize {
        self.samples
    }

    fn order(&self, _: u64) -> Vec<usize> {
        (0..self.samples).collect()
    }
}

/// Every sample once, in an order that depends on seed and epoch.
#[derive(Clone, Debug)]
pub struct Shuffled {
    /// Number of samples.
    pub samples: usize,
    /// Chooses the orders.
    pub seed: u64,
}

impl Sampler for Shuffled {
    fn len(&self) -> usize {
        self.samples
    }

    fn order(&self, epoch: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.samples).collect();
        stream(self.seed, epoch, Draw::Shuffle).shuffle(&mut order);
        order
    }
}

/// Draws with replacement: a sample of weight 2 comes twice as often as one of weight 1.
#[derive(Clone, Debug)]
pub struct Weighted {
    sums: Vec<f64>,
    draws: usize,
    seed: u64,
}

impl Weighted {
    /// An epoch of `draws` samples, with one weight per sample of the data set.
    ///
    /// # Panics
    /// When a weight is negative or not a number, or all are zero.
    #[track_caller]
    pub fn new(weights: &[f64], draws: usize, seed: u64) -> Weighted {
        if let Some(index) = weights.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0)) {
            panic!("weighted sampler: the weight {} of sample {index} is negative or no number", weights[index]);
        }
        let running = |sum: &mut f64, weight: &f64| {
            *sum += weight;
            Some(*sum)
        };
        let sums: Vec<f64> = weights.iter().scan(0.0, running).collect();
        assert!(sums.last().is_some_and(|&sum| sum > 0.0), "weighted sampler: all weights are zero");
        Weighted { sums, draws, seed }
    }

    /// Every class equally often, however many samples it has; an epoch is as long as the data set.
    ///
    /// # Panics
    /// When there is no label.
    #[track_caller]
    pub fn balanced<L: Ord>(labels: &[L], seed: u64) -> Weighted {
        let mut weights = vec![0.0; labels.len()];
        for members in by_class(labels).into_values() {
            members.iter().for_each(|&index| weights[index] = 1.0 / members.len() as f64);
        }
        Weighted::new(&weights, labels.len(), seed)
    }
}

impl Sampler for Weighted {
    fn len(&self) -> usize {
        self.draws
    }

    fn order(&self, epoch: u64) -> Vec<usize> {
        let mut stream = stream(self.seed, epoch, Draw::Weighted);
        let total = self.sums[self.sums.len() - 1];
        let mut draw = || {
            let share = (f64::from(stream.word()) + f64::from(stream.word()) / 4_294_967_296.0) / 4_294_967_296.0;
            // The first sample whose running sum is beyond: one of weight zero never is.
            self.sums.partition_point(|&sum| sum <= share * total)
        };
        (0..self.draws).map(|_| draw().min(self.sums.len() - 1)).collect()
    }
}

/// Every sample once, shuffled so that each stretch of the epoch has the classes in the proportions of the whole.
#[derive(Clone, Debug)]
pub struct Stratified {
    classes: Vec<Vec<usize>>,
    seed: u64,
}

impl Stratified {
    /// With one label per sample.
    pub fn new<L: Ord>(labels: &[L], seed: u64) -> Stratified {
        Stratified { classes: by_class(labels).into_values().collect(), seed }
    }
}

impl Sampler for Stratified {
    fn len(&self) -> usize {
        self.classes.iter().map(Vec::len).sum()
    }

    /// Each class is shuffled and spread evenly over the epoch: its member `k` of `n` falls somewhere in the `k`-th
    /// of `n` equal stretches.
    fn order(&self, epoch: u64) -> Vec<usize> {
        let mut stream = stream(self.seed, epoch, Draw::Stratified);
        let mut placed = Vec::with_capacity(self.len());
        for class in &self.classes {
            let mut members = class.clone();
            stream.shuffle(&mut members);
            for (rank, &index) in members.iter().enumerate() {
                placed.push(((rank as f64 + f64::from(stream.uniform(0.0, 1.0))) / members.len() as f64, index));
            }
        }
        placed.sort_by(|a, b| a.partial_cmp(b).expect("places are numbers"));
        placed.into_iter().map(|(_, index)| index).collect()
    }
}

/// Which sampler draws, so that two of them with the same seed are independent.
enum Draw {
    Shuffle,
    Weighted,
    Stratified,
}

/// Index and operation number of a name that no sample's augmentation has.
const NO_SAMPLE: u32 = u32::MAX;

fn stream(seed: u64, epoch: u64, draw: Draw) -> Stream {
    Stream::new(seed, [epoch as u32, NO_SAMPLE, NO_SAMPLE, draw as u32])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(mut order: Vec<usize>) -> Vec<usize> {
        order.sort_unstable();
        order
    }

    #[test]
    fn a_shuffle_depends_on_seed_and_epoch_only() {
        let order = |seed, epoch| Shuffled { samples: 100, seed }.order(epoch);
        assert_eq!(order(1, 2), order(1, 2));
        assert_ne!(order(1, 2), order(1, 3));
        assert_ne!(order(1, 2), order(2, 2));
        assert!(sorted(order(1, 2)).into_iter().eq(0..100));
    }

    #[test]
    fn weights_are_frequencies() {
        let sampler = Weighted::new(&[1.0, 0.0, 3.0, 0.0], 40_000, 0);
        let order = sampler.order(0);
        let count = |wanted| order.iter().filter(|&&index| index == wanted).count();
        // The standard deviation is 87.
        assert!(count(0).abs_diff(10_000) < 450 && count(2).abs_diff(30_000) < 450);
        assert_eq!((count(1), count(3)), (0, 0));
        assert_ne!(order, sampler.order(1));
    }

    #[test]
    fn balanced_classes_come_equally_often() {
        let labels: Vec<u8> = (0..10_000).map(|i| u8::from(i % 100 == 0)).collect();
        let rare = Weighted::balanced(&labels, 0).order(0).iter().filter(|&&index| labels[index] == 1).count();
        assert!(rare.abs_diff(5000) < 250, "{rare}");
    }

    #[test]
    fn every_stretch_of_a_stratified_epoch_has_the_proportions() {
        let labels: Vec<u8> = (0..1000).map(|i| u8::from(i >= 900)).collect();
        let sampler = Stratified::new(&labels, 3);
        let order = sampler.order(5);
        for batch in order.chunks(100) {
            let rare = batch.iter().filter(|&&index| labels[index] == 1).count();
            assert!((9..=11).contains(&rare), "{rare}");
        }
        assert_ne!(order, sampler.order(6));
        assert!(sorted(order).into_iter().eq(0..1000));
    }

    #[test]
    #[should_panic(expected = "the weight -1 of sample 1 is negative")]
    fn negative_weights() {
        Weighted::new(&[1.0, -1.0], 2, 0);
    }
}
