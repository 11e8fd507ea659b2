//! Masks: which elements of a weight stay, by the names of `torch.nn.utils.prune`.
//!
//! A mask is 1 where an element stays and 0 where it goes, of the weight's shape and type. Of equal magnitudes the first go.

use hadal_core::{Error, Result, Tensor};

/// How much is pruned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// A share from 0 to 1; the number is rounded to the nearest, ties to even.
    Share(f64),
    /// A number of elements, or of channels.
    Count(usize),
}

impl From<f64> for Amount {
    fn from(share: f64) -> Amount {
        Amount::Share(share)
    }
}

impl From<usize> for Amount {
    fn from(count: usize) -> Amount {
        Amount::Count(count)
    }
}

impl Amount {
    /// The number out of `all`.
    fn of(self, all: usize, who: &str) -> Result<usize> {
        match self {
            Amount::Share(share) if (0.0..=1.0).contains(&share) => Ok((share * all as f64).round_ties_even() as usize),
            Amount::Share(share) => Err(Error::op(who, format!("needs a share from 0 to 1, got {share}"))),
            Amount::Count(count) if count <= all => Ok(count),
            Amount::Count(count) => Err(Error::op(who, format!("cannot prune {count} of {all}"))),
        }
    }
}

/// Takes away the elements of the least magnitude.
///
/// # Errors
/// If the amount is no share, or more than there is.
pub fn l1_unstructured(weight: &Tensor, amount: impl Into<Amount>) -> Result<Tensor> {
    Ok(masks("l1_unstructured", &[weight], amount.into())?.swap_remove(0))
}

/// Takes away the elements of the least magnitude of all weights together.
///
/// # Errors
/// If the amount is no share, or more than there is.
pub fn global_unstructured(weights: &[&Tensor], amount: impl Into<Amount>) -> Result<Vec<Tensor>> {
    masks("global_unstructured", weights, amount.into())
}

/// Takes away whole places of an axis, those with the least norm of order `n` (1, 2, …, or infinity) over all other axes:
/// filters of a convolution with axis 0, input channels with axis 1.
///
/// # Errors
/// If there is no such axis, the order is not positive, or the amount is no share or more than there is.
pub fn ln_structured(weight: &Tensor, amount: impl Into<Amount>, n: f64, axis: isize) -> Result<Tensor> {
    let rank = weight.rank() as isize;
    if !(-rank..rank).contains(&axis) {
        return Err(Error::op("ln_structured", format!("has no axis {axis} in a weight of shape {}", weight.shape())));
    }
    if n.is_nan() || n <= 0.0 {
        return Err(Error::op("ln_structured", format!("needs a norm of positive order, got {n}")));
    }
    let axis = axis.rem_euclid(rank) as usize;
    let places = weight.shape()[axis];
    let inner: usize = weight.shape()[axis + 1..].iter().product();
    let mut norms = vec![0.0f64; places];
    for (i, x) in weight.to_f64_vec().into_iter().enumerate() {
        let norm = &mut norms[i / inner % places];
        // Of a finite order the sum of powers has the order of its roots.
        *norm = if n.is_infinite() { norm.max(x.abs()) } else { *norm + x.abs().powf(n) };
    }
    let gone =
        least(norms.into_iter().enumerate().map(|(i, norm)| (norm, i)), amount.into().of(places, "ln_structured")?);
    let mut shape = vec![1; weight.rank()];
    shape[axis] = places;
    let mut kept = vec![1.0f32; places];
    gone.into_iter().for_each(|place| kept[place] = 0.0);
    Tensor::from_vec(kept, shape).try_expand(weight.shape())?.try_to_dtype(weight.dtype())?.try_contiguous()
}

fn masks(who: &str, weights: &[&Tensor], amount: Amount) -> Result<Vec<Tensor>> {
    let sizes: Vec<usize> = weights.iter().map(|weight| weight.elements()).collect();
    let all: Vec<f64> = weights.iter().flat_map(|weight| weight.to_f64_vec()).collect();
    let count = amount.of(all.len(), who)?;
    let mut kept = vec![1.0f32; all.len()];
    let magnitudes = all.into_iter().enumerate().map(|(i, x)| (x.abs(), i));
    least(magnitudes, count).into_iter().for_each(|i| kept[i] = 0.0);
    let mut rest = &kept[..];
    let mask = |(weight, size): (&&Tensor, usize)| {
        let (own, others) = rest.split_at(size);
        rest = others;
        Tensor::from_vec(own.to_vec(), weight.shape()).try_to_dtype(weight.dtype())
    };
    weights.iter().zip(sizes).map(mask).collect()
}

/// The places of the least numbers.
fn least(numbers: impl Iterator<Item = (f64, usize)>, count: usize) -> Vec<usize> {
    let mut numbers: Vec<(f64, usize)> = numbers.collect();
    let order = |a: &(f64, usize), b: &(f64, usize)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
    if (1..numbers.len()).contains(&count) {
        numbers.select_nth_unstable_by(count - 1, order);
    }
    numbers.into_iter().take(count).map(|(_, place)| place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hadal_core::DType;
    use hadal_core::testing::{Attributes, Fixture, assert_close};

    fn amount(a: &Attributes) -> Amount {
        match a.get("amount").and_then(|amount| amount.as_u64()) {
            Some(count) => Amount::Count(count as usize),
            None => Amount::Share(a.float("amount")),
        }
    }

    fn compare(name: &str, prune: impl Fn(&Attributes, &[Tensor]) -> Vec<Tensor>) {
        for (label, case) in Fixture::read(&format!("compress/{name}")).cases {
            let found = prune(&case.attributes, &case.inputs(DType::F32));
            for (i, expected) in case.numbered("out") {
                assert_close(&found[i], expected, 0.0, &format!("{name}/{label}: {i}"));
            }
        }
    }

    #[test]
    fn masks_are_pytorchs() {
        compare("l1_unstructured", |a, x| vec![l1_unstructured(&x[0], amount(a)).unwrap()]);
        compare("ln_structured", |a, x| vec![ln_structured(&x[0], amount(a), a.float("n"), a.integer("dim")).unwrap()]);
        compare("global_unstructured", |a, x| global_unstructured(&x.iter().collect::<Vec<_>>(), amount(a)).unwrap());
    }

    #[test]
    fn mistakes_are_explained() {
        let weight = Tensor::zeros([2, 3]);
        let text = |result: Result<Tensor>| result.unwrap_err().to_string();
        assert_eq!(text(l1_unstructured(&weight, 1.5)), "l1_unstructured needs a share from 0 to 1, got 1.5");
        assert_eq!(text(l1_unstructured(&weight, 7)), "l1_unstructured cannot prune 7 of 6");
        let no_axis = "ln_structured has no axis 2 in a weight of shape [2, 3]";
        assert_eq!(text(ln_structured(&weight, 1, 2.0, 2)), no_axis);
    }
}
