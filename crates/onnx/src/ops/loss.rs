//! How far predictions are from targets.

use super::prelude::*;

pub(super) const OPERATORS: &[Operator] = &[
    op("NegativeLogLikelihoodLoss", 12, With(negative_log_likelihood)),
    op("SoftmaxCrossEntropyLoss", 12, With(softmax_cross_entropy)),
];

#[derive(Clone, Copy)]
enum Reduction {
    None,
    Mean,
    Sum,
}

/// What a loss joins, and which target does not count.
#[derive(Clone, Copy)]
struct Loss {
    reduction: Reduction,
    ignored: Option<i64>,
}

impl Loss {
    fn new(node: &Node) -> Result<Loss> {
        let reductions = [Reduction::None, Reduction::Mean, Reduction::Sum];
        let reduction = reductions[node.choice("reduction", &["none", "mean", "sum"], "mean")?];
        Ok(Loss { reduction, ignored: node.int("ignore_index")? })
    }

    /// Of `logarithms [batch, classes, …]` at `target [batch, …]`; a mean is weighted by the classes' weights.
    fn of(self, logarithms: &Tensor, target: &Tensor, weight: Option<&Tensor>) -> Result<Tensor> {
        let target = target.try_to_dtype(DType::I64)?;
        let (target, counts) = match self.ignored {
            Some(ignored) => {
                let skipped = target.try_eq(ignored)?;
                (skipped.try_where_(0i64, &target)?, Some(skipped.try_logical_not()?.try_to_dtype(logarithms.dtype())?))
            }
            None => (target, None),
        };
        let chosen = logarithms.try_gather(1, &target.try_unsqueeze(1)?)?.try_squeeze(1)?.try_neg()?;
        let mut weights = match weight {
            Some(weight) => Some(weight.try_index_select(0, &target.try_ravel()?)?.try_reshape(target.shape())?),
            None => None,
        };
        if let Some(counts) = counts {
            weights = Some(weights.map_or(Ok(counts.clone()), |w| w.try_mul(&counts))?);
        }
        let losses = match &weights {
            // What does not count must not be NaN or infinite either.
            Some(weights) => weights.try_eq(0)?.try_where_(0.0, chosen.try_mul(weights)?)?,
            None => chosen,
        };
        match (self.reduction, weights) {
            (Reduction::None, _) => Ok(losses),
            (Reduction::Sum, _) => losses.try_sum(..),
            (Reduction::Mean, None) => losses.try_mean(..),
            (Reduction::Mean, Some(weights)) => losses.try_sum(..)?.try_div(weights.try_sum(..)?),
        }
    }
}

fn negative_log_likelihood(node: &Node) -> Result<Run> {
    let loss = Loss::new(node)?;
    run(move |x| x.like(0, &loss.of(x.tensor(0)?, x.tensor(1)?, x.optional(2)?)?))
}

fn softmax_cross_entropy(node: &Node) -> Result<Run> {
    let loss = Loss::new(node)?;
    run(move |x| {
        let (scores, element) = x.typed(0)?;
        let logarithms = scores.try_log_softmax(1)?;
        let loss = loss.of(&logarithms, x.tensor(1)?, x.optional(2)?)?;
        Ok(vec![Value::typed(&loss, element)?, Value::Tensor(logarithms, element)])
    })
}
