//! Least, median and greatest of some measurements.

/// What of several measurements is reported.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub least: f64,
    pub median: f64,
    pub greatest: f64,
}

impl Spread {
    /// # Panics
    /// If there is no value.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Spread {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let last = values.len() - 1;
        // Of an even number of values, the middle of the two in the middle.
        let median = (values[last / 2] + values[last.div_ceil(2)]) / 2.0;
        Spread { least: values[0], median, greatest: values[last] }
    }

    /// Whether the measurements disagree: half of them are more than a tenth above the least.
    pub fn is_noisy(&self) -> bool {
        self.median > 1.1 * self.least
    }
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn half_of_the_values_lie_on_either_side() {
        let spread = Spread::of([3.0, 1.0, 2.0, 9.0, 2.5]);
        assert_eq!((spread.least, spread.median, spread.greatest), (1.0, 2.5, 9.0));
        assert_eq!(Spread::of([3.0, 1.0, 9.0, 2.0]).median, 2.5);
        assert!(spread.is_noisy() && !Spread::of([1.0, 1.05, 7.0]).is_noisy());
    }
}
