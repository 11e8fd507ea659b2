//! Dividing a data set into parts: indices for [`Subset`](crate::Subset).

use std::collections::BTreeMap;

use crate::random::Stream;

/// Deals `samples` indices at random into parts of the given sizes.
///
/// The sizes are shares, which need not add up to one: `&[0.8, 0.2]` and `&[4.0, 1.0]` are the same. Each part is in
/// ascending order; every index is in exactly one part.
///
/// ```
/// let [train, validation] = &hadal_data::random_split(1000, &[0.9, 0.1], 0)[..] else { unreachable!() };
/// assert_eq!((train.len(), validation.len()), (900, 100));
/// ```
///
/// # Panics
/// When a share is negative or not a number, or all are zero.
#[track_caller]
pub fn random_split(samples: usize, shares: &[f64], seed: u64) -> Vec<Vec<usize>> {
    check(shares);
    let mut parts = deal((0..samples).collect(), shares, &mut Stream::new(seed, [0; 4]));
    parts.iter_mut().for_each(|part| part.sort_unstable());
    parts
}

/// As [`random_split`], but each class is dealt on its own, so every part has the proportions of the whole.
///
/// # Panics
/// When a share is negative or not a number, or all are zero.
#[track_caller]
pub fn stratified_split<L: Ord>(labels: &[L], shares: &[f64], seed: u64) -> Vec<Vec<usize>> {
    check(shares);
    let mut parts = vec![Vec::new(); shares.len()];
    for (number, members) in by_class(labels).into_values().enumerate() {
        let dealt = deal(members, shares, &mut Stream::new(seed, [1, number as u32, 0, 0]));
        parts.iter_mut().zip(dealt).for_each(|(part, dealt)| part.extend(dealt));
    }
    parts.iter_mut().for_each(|part: &mut Vec<usize>| part.sort_unstable());
    parts
}

/// The indices of each class.
pub(crate) fn by_class<L: Ord>(labels: &[L]) -> BTreeMap<&L, Vec<usize>> {
    let mut classes: BTreeMap<&L, Vec<usize>> = BTreeMap::new();
    for (index, label) in labels.iter().enumerate() {
        classes.entry(label).or_default().push(index);
    }
    classes
}

#[track_caller]
fn check(shares: &[f64]) {
    let valid = shares.iter().all(|share| share.is_finite() && *share >= 0.0) && shares.iter().sum::<f64>() > 0.0;
    assert!(valid, "split: the shares {shares:?} must not be negative, nor all zero");
}

/// Cuts the shuffled indices where the running sum of the shares falls, rounded.
fn deal(mut indices: Vec<usize>, shares: &[f64], stream: &mut Stream) -> Vec<Vec<usize>> {
    stream.shuffle(&mut indices);
    let total: f64 = shares.iter().sum();
    let (mut sum, mut start) = (0.0, 0);
    let part = |share: &f64| {
        sum += share;
        let end = (sum / total * indices.len() as f64).round() as usize;
        let part = indices[start..end].to_vec();
        start = end;
        part
    };
    shares.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_is_in_one_part() {
        let parts = random_split(103, &[0.5, 0.3, 0.2], 7);
        assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [52, 30, 21]);
        let mut all = parts.concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..103));
        assert_eq!(parts, random_split(103, &[5.0, 3.0, 2.0], 7));
        assert_ne!(parts, random_split(103, &[5.0, 3.0, 2.0], 8));
    }

    #[test]
    fn classes_keep_their_proportions() {
        let labels: Vec<char> = std::iter::repeat_n('a', 900).chain(std::iter::repeat_n('b', 100)).collect();
        for (part, size) in stratified_split(&labels, &[0.8, 0.2], 0).iter().zip([800, 200]) {
            assert_eq!(part.len(), size);
            assert_eq!(part.iter().filter(|&&index| labels[index] == 'b').count(), size / 10);
        }
    }

    #[test]
    #[should_panic(expected = "the shares [0.8, -0.2] must not be negative")]
    fn negative_shares() {
        random_split(10, &[0.8, -0.2], 0);
    }
}
