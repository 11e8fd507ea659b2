//! Linear models.

use super::{Classes, PostTransform};
use crate::ops::prelude::*;

pub(super) const OPERATORS: &[Operator] =
    &[op("LinearClassifier", 1, With(classifier)), op("LinearRegressor", 1, With(regressor))];

/// `[targets, features]` from a flat list.
fn weight(node: &Node, targets: usize) -> Result<Tensor> {
    let values = node.required("coefficients", node.floats("coefficients")?)?;
    if targets == 0 || values.len() % targets != 0 {
        return Err(node.wrong("coefficients", format!("has {} numbers for {targets} targets", values.len())));
    }
    let features = values.len() / targets;
    Tensor::try_from_vec(values.iter().map(|&v| v as f32).collect(), [targets, features])
}

fn intercepts(node: &Node) -> Result<Option<Tensor>> {
    Ok(node.floats("intercepts")?.map(|v| vector(v.iter().map(|&v| v as f32).collect())))
}

/// `[samples, features]` as floats; one sample may stand without the first axis.
pub(super) fn samples(x: &Inputs) -> Result<Tensor> {
    let tensor = x.tensor(0)?.try_to_dtype(DType::F32)?;
    if tensor.rank() == 1 { tensor.try_unsqueeze(0) } else { Ok(tensor) }
}

fn regressor(node: &Node) -> Result<Run> {
    let targets = node.int_or("targets", 1)?.max(0) as usize;
    let (weight, bias, post) = (weight(node, targets)?, intercepts(node)?, PostTransform::of(node)?);
    run(move |x| one(post.apply(&samples(x)?.try_linear(&weight, bias.as_ref())?)?))
}

/// The class with the largest score, and all scores. A single row of coefficients tells two classes apart.
fn classifier(node: &Node) -> Result<Run> {
    let classes = Classes::of(node, "classlabels_ints", "classlabels_strings")?;
    let bias = intercepts(node)?;
    let rows = bias.as_ref().map_or(classes.len(), Tensor::elements);
    let (weight, post) = (weight(node, rows)?, PostTransform::of(node)?);
    run(move |x| {
        let mut scores = samples(x)?.try_linear(&weight, bias.as_ref())?;
        let binary = rows == 1 && classes.len() == 2;
        let best = match binary {
            true => scores.try_gt(0.0)?.try_to_dtype(DType::I64)?.try_ravel()?,
            false => scores.try_argmax(1)?,
        };
        scores = post.apply(&scores)?;
        if binary {
            let complement = match post {
                PostTransform::Logistic => scores.try_neg()?.try_add(1.0)?,
                _ => scores.try_neg()?,
            };
            scores = Tensor::try_cat(&[complement, scores], 1)?;
        }
        Ok(vec![classes.at(&integers(&best)?)?, scores.into()])
    })
}
