//! How much of the weights is zero at which step.

/// The share of zeros over the steps of a training run, which are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sparsity {
    /// Once, before the first step: what is pruned stays pruned.
    OneShot(f64),
    /// The same share all the time, chosen anew every `frequency` steps from step `begin` on.
    Constant {
        /// Share of zeros.
        share: f64,
        /// First step.
        begin: usize,
        /// Steps between two choices, at least 1.
        frequency: usize,
    },
    /// From `initial` at step `begin` to `last` at step `end` by a power of what is left of the way, and `last` from then on:
    /// `last + (initial − last) · (1 − (step − begin) / (end − begin))^power`, every `frequency` steps and at the end. Many
    /// go while there are many (Zhu and Gupta 2017, arXiv 1710.01878, where the power is 3).
    PolynomialDecay {
        /// Share of zeros at the beginning.
        initial: f64,
        /// Share of zeros at the end.
        last: f64,
        /// First step.
        begin: usize,
        /// Last step.
        end: usize,
        /// The exponent.
        power: f64,
        /// Steps between two choices, at least 1.
        frequency: usize,
    },
}

impl Sparsity {
    /// [`Sparsity::PolynomialDecay`] from 0 over steps `begin` to `end`, by the third power.
    pub fn polynomial_decay(last: f64, begin: usize, end: usize, frequency: usize) -> Sparsity {
        Sparsity::PolynomialDecay { initial: 0.0, last, begin, end, power: 3.0, frequency }
    }

    /// The share that is to be zero from this step on, if the choice is made at it; step 0 is before training.
    pub fn at(&self, step: usize) -> Option<f64> {
        match *self {
            Sparsity::OneShot(share) => (step == 0).then_some(share),
            Sparsity::Constant { share, begin, frequency } => due(step, begin, frequency).then_some(share),
            Sparsity::PolynomialDecay { initial, last, begin, end, power, frequency } => {
                let now = step <= end && (due(step, begin, frequency) || step == end);
                let way = (step.saturating_sub(begin)) as f64 / (end.saturating_sub(begin)).max(1) as f64;
                now.then(|| last + (initial - last) * (1.0 - way.min(1.0)).powf(power))
            }
        }
    }
}

fn due(step: usize, begin: usize, frequency: usize) -> bool {
    step >= begin && (step - begin).is_multiple_of(frequency.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_go_while_there_are_many() {
        let decay = Sparsity::polynomial_decay(0.8, 10, 30, 5);
        // 0.8 · (1 − (1 − p)³) at a quarter, a half and three quarters of the way.
        let expected = [(10, 0.0), (15, 0.4625), (20, 0.7), (25, 0.7875), (30, 0.8)];
        for step in 0..50 {
            match (decay.at(step), expected.iter().find(|(at, _)| *at == step)) {
                (Some(found), Some((_, expected))) => assert!((found - expected).abs() < 1e-12, "{step}: {found}"),
                (None, None) => (),
                other => panic!("{step}: {other:?}"),
            }
        }
        // The end counts though it is no multiple.
        assert_eq!(Sparsity::polynomial_decay(0.5, 0, 7, 5).at(7), Some(0.5));
    }

    #[test]
    fn once_or_again_and_again() {
        let steps = |schedule: Sparsity| (0..12).filter(|&step| schedule.at(step).is_some()).collect::<Vec<_>>();
        assert_eq!(steps(Sparsity::OneShot(0.5)), [0]);
        assert_eq!(steps(Sparsity::Constant { share: 0.5, begin: 3, frequency: 4 }), [3, 7, 11]);
    }
}
