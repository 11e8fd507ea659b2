//! Features: chosen, scaled, filled in.

use crate::ops::prelude::*;

pub(super) const OPERATORS: &[Operator] = &[
    op("ArrayFeatureExtractor", 1, With(array_feature_extractor)),
    op("Binarizer", 1, With(binarizer)),
    op("FeatureVectorizer", 1, With(feature_vectorizer)),
    op("Imputer", 1, With(imputer)),
    op("Normalizer", 1, With(normalizer)),
    op("Scaler", 1, With(scaler)),
];

fn array_feature_extractor(_: &Node) -> Result<Run> {
    run(|x| {
        let index = vector(x.ints(1)?);
        x.moved(0, |tensor| {
            let tensor = if tensor.rank() == 1 { tensor.try_unsqueeze(0)? } else { tensor.clone() };
            tensor.try_index_select(-1, &index)
        })
    })
}

fn binarizer(node: &Node) -> Result<Run> {
    let threshold = node.float_or("threshold", 0.0)?;
    run(move |x| x.like(0, &x.tensor(0)?.try_gt(threshold)?))
}

/// Features as floats side by side.
fn feature_vectorizer(_: &Node) -> Result<Run> {
    run(|x| {
        let float = |i| {
            let tensor = x.tensor(i)?.try_to_dtype(DType::F32)?;
            if tensor.rank() == 1 { tensor.try_unsqueeze(0) } else { Ok(tensor) }
        };
        one(Tensor::try_cat(&(0..x.len()).map(float).collect::<Result<Vec<_>>>()?, 1)?)
    })
}

/// Missing values replaced, all by one or each feature's by its own.
fn imputer(node: &Node) -> Result<Run> {
    let (floats, ints) = (node.floats("imputed_value_floats")?, node.ints("imputed_value_int64s")?);
    let replaced = node.float_or("replaced_value_float", 0.0)?;
    let replaced_int = node.int_or("replaced_value_int64", 0)?;
    run(move |x| {
        let tensor = x.tensor(0)?;
        let (missing, values) = match (tensor.dtype().is_float(), &floats, &ints) {
            (true, Some(values), _) if replaced.is_nan() => (tensor.try_isnan()?, vector(values.clone())),
            (true, Some(values), _) => (tensor.try_eq(replaced)?, vector(values.clone())),
            (false, _, Some(values)) => (tensor.try_eq(replaced_int)?, vector(values.clone())),
            _ => return invalid("no values of the input's type are given"),
        };
        let values = if values.elements() == 1 { values.try_reshape(())? } else { values };
        x.like(0, &missing.try_where_(values.try_to_dtype(tensor.dtype())?, tensor)?)
    })
}

fn normalizer(node: &Node) -> Result<Run> {
    let norm = node.choice("norm", &["MAX", "L1", "L2"], "MAX")?;
    run(move |x| {
        let tensor = x.tensor(0)?.try_to_dtype(DType::F32)?;
        let length = match norm {
            0 => tensor.try_amax_keepdim(-1)?,
            1 => tensor.try_abs()?.try_sum_keepdim(-1)?,
            _ => tensor.try_square()?.try_sum_keepdim(-1)?.try_sqrt()?,
        };
        one(tensor.try_div(length.try_eq(0)?.try_where_(1.0, &length)?)?)
    })
}

fn scaler(node: &Node) -> Result<Run> {
    let values = |name: &str, default: f64| {
        let given = node.floats(name)?.filter(|v| !v.is_empty()).unwrap_or_else(|| vec![default]);
        let one = given.len() == 1;
        let tensor = vector(given.iter().map(|&v| v as f32).collect());
        if one { tensor.try_reshape(()) } else { Ok(tensor) }
    };
    let (offset, scale) = (values("offset", 0.0)?, values("scale", 1.0)?);
    run(move |x| one(x.tensor(0)?.try_to_dtype(DType::F32)?.try_sub(&offset)?.try_mul(&scale)?))
}
