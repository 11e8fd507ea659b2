//! Functions of one number, element by element.

use super::prelude::*;

pub(super) const OPERATORS: &[Operator] = &[
    op("Abs", 6, Map(Tensor::try_abs)),
    op("Acos", 7, Map(Tensor::try_acos)),
    op("Acosh", 9, Map(Tensor::try_acosh)),
    op("Asin", 7, Map(Tensor::try_asin)),
    op("Asinh", 9, Map(Tensor::try_asinh)),
    op("Atan", 7, Map(Tensor::try_atan)),
    op("Atanh", 9, Map(Tensor::try_atanh)),
    op("Ceil", 6, Map(Tensor::try_ceil)),
    op("Celu", 12, With(celu)),
    op("Clip", 6, With(clip_by_attributes)),
    op("Clip", 11, With(clip)),
    op("Cos", 7, Map(Tensor::try_cos)),
    op("Cosh", 9, Map(Tensor::try_cosh)),
    op("Elu", 6, With(elu)),
    op("Erf", 9, Map(Tensor::try_erf)),
    op("Exp", 6, Map(Tensor::try_exp)),
    op("Floor", 6, Map(Tensor::try_floor)),
    op("Gelu", 20, With(gelu)),
    op("HardSigmoid", 6, With(hard_sigmoid)),
    op("HardSwish", 14, With(hard_swish)),
    op("IsInf", 10, With(is_inf)),
    op("IsNaN", 9, With(is_nan)),
    op("LeakyRelu", 6, With(leaky_relu)),
    op("Log", 6, Map(Tensor::try_log)),
    op("Mish", 18, Map(Tensor::try_mish)),
    op("Neg", 6, Map(Tensor::try_neg)),
    op("Reciprocal", 6, Map(Tensor::try_reciprocal)),
    op("Relu", 6, Map(Tensor::try_relu)),
    op("Round", 11, Map(Tensor::try_round)),
    op("Selu", 6, With(selu)),
    op("Shrink", 9, With(shrink)),
    op("Sigmoid", 6, Map(Tensor::try_sigmoid)),
    op("Sign", 9, With(sign)),
    op("Sin", 7, Map(Tensor::try_sin)),
    op("Sinh", 9, Map(Tensor::try_sinh)),
    op("Softplus", 1, Map(|x| x.try_maximum(0.0)?.try_add(x.try_abs()?.try_neg()?.try_exp()?.try_log1p()?))),
    op("Softsign", 1, Map(Tensor::try_softsign)),
    op("Sqrt", 6, Map(Tensor::try_sqrt)),
    op("Swish", 24, With(swish)),
    op("Tan", 7, Map(Tensor::try_tan)),
    op("Tanh", 6, Map(Tensor::try_tanh)),
    op("ThresholdedRelu", 10, With(thresholded_relu)),
];

/// `f` of the first input; the result has the type of its elements.
fn of_first(f: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static) -> Result<Run> {
    run(move |x| x.like(0, &f(x.tensor(0)?)?))
}

fn celu(node: &Node) -> Result<Run> {
    let alpha = node.float_or("alpha", 1.0)?;
    of_first(move |x| x.try_celu(alpha))
}

fn elu(node: &Node) -> Result<Run> {
    let alpha = node.float_or("alpha", 1.0)?;
    of_first(move |x| x.try_elu_with(alpha))
}

fn clip_by_attributes(node: &Node) -> Result<Run> {
    let (low, high) = (node.float_or("min", f64::from(f32::MIN))?, node.float_or("max", f64::from(f32::MAX))?);
    of_first(move |x| x.try_clamp(low, high))
}

/// The upper bound wins where the lower one is larger.
fn clip(node: &Node) -> Result<Run> {
    let numbers = (node.known_number(1), node.known_number(2));
    run(move |x| {
        let element = x.typed(0)?.1;
        // The usual case, with bounds that are known: one pass instead of two.
        if let (Some(low), Some(high)) = numbers
            && element != ElementType::U64
            && is_ordered(low, high)
        {
            return x.like(0, &x.tensor(0)?.try_clamp(low, high)?);
        }
        let mut y = ordered(x.tensor(0)?, element)?;
        if let Some(low) = x.optional(1)? {
            y = y.try_maximum(&ordered(low, element)?)?;
        }
        if let Some(high) = x.optional(2)? {
            y = y.try_minimum(&ordered(high, element)?)?;
        }
        x.like(0, &ordered(&y, element)?)
    })
}

fn is_ordered(low: Scalar, high: Scalar) -> bool {
    match (low, high) {
        (Scalar::Float(low), Scalar::Float(high)) => low <= high,
        (Scalar::Int(low), Scalar::Int(high)) => low <= high,
        _ => false,
    }
}

/// Numbers whose order as signed ones is that of the elements: `uint64` with the upper bit changed, everything else
/// as it is. Twice applied it gives the elements back.
pub(super) fn ordered(x: &Tensor, element: ElementType) -> Result<Tensor> {
    if element == ElementType::U64 { x.try_bitwise_xor(i64::MIN) } else { Ok(x.clone()) }
}

fn gelu(node: &Node) -> Result<Run> {
    match node.choice("approximate", &["none", "tanh"], "none")? {
        0 => of_first(Tensor::try_gelu),
        _ => of_first(Tensor::try_gelu_tanh),
    }
}

fn hard_sigmoid(node: &Node) -> Result<Run> {
    let (alpha, beta) = (node.float_or("alpha", 0.2)?, node.float_or("beta", 0.5)?);
    of_first(move |x| x.try_mul(alpha)?.try_add(beta)?.try_clamp(0.0, 1.0))
}

fn hard_swish(_: &Node) -> Result<Run> {
    of_first(|x| x.try_mul(x.try_mul(1.0 / 6.0)?.try_add(0.5)?.try_clamp(0.0, 1.0)?))
}

fn is_inf(node: &Node) -> Result<Run> {
    let (positive, negative) = (node.int_or("detect_positive", 1)? != 0, node.int_or("detect_negative", 1)? != 0);
    run(move |x| {
        let x = x.tensor(0)?;
        one(match (positive, negative) {
            (true, true) => x.try_isinf()?,
            (true, false) => x.try_isposinf()?,
            (false, true) => x.try_isneginf()?,
            (false, false) => Tensor::zeros_with(x.shape(), DType::Bool),
        })
    })
}

fn is_nan(_: &Node) -> Result<Run> {
    run(|x| one(x.tensor(0)?.try_isnan()?))
}

fn leaky_relu(node: &Node) -> Result<Run> {
    let alpha = node.float_or("alpha", 0.01)?;
    of_first(move |x| x.try_leaky_relu(alpha))
}

fn selu(node: &Node) -> Result<Run> {
    let alpha = node.float_or("alpha", 1.673_263_192_176_818_8)?;
    let gamma = node.float_or("gamma", 1.050_701_022_148_132_3)?;
    of_first(move |x| x.try_elu_with(alpha)?.try_mul(gamma))
}

fn shrink(node: &Node) -> Result<Run> {
    let (bias, lambda) = (node.float_or("bias", 0.0)?, node.float_or("lambd", 0.5)?);
    of_first(move |x| {
        let zero = x.zeros_like();
        let above = x.try_gt(lambda)?.try_where_(&x.try_sub(bias)?, &zero)?;
        x.try_lt(-lambda)?.try_where_(&x.try_add(bias)?, &above)
    })
}

fn sign(_: &Node) -> Result<Run> {
    run(|x| match x.typed(0)? {
        // No unsigned number is negative, whatever its bits look like as a signed one.
        (tensor, ElementType::U64) => x.like(0, &tensor.try_ne(0)?.try_to_dtype(DType::I64)?),
        (tensor, _) => x.like(0, &tensor.try_sign()?),
    })
}

fn swish(node: &Node) -> Result<Run> {
    let alpha = node.float_or("alpha", 1.0)?;
    of_first(move |x| if alpha == 1.0 { x.try_silu() } else { x.try_mul(x.try_mul(alpha)?.try_sigmoid()?) })
}

fn thresholded_relu(node: &Node) -> Result<Run> {
    let alpha = node.float_or("alpha", 1.0)?;
    of_first(move |x| x.try_threshold(alpha, 0.0))
}
