//! Sums of products.

use super::prelude::*;

pub(super) const OPERATORS: &[Operator] = &[
    op("Det", 11, Map(Tensor::try_det)),
    op("Einsum", 12, With(einsum)),
    op("Gemm", 7, With(gemm)),
    op("MatMul", 1, Map2(|a, b| a.try_matmul(b))),
];

fn einsum(node: &Node) -> Result<Run> {
    let equation = node.required("equation", node.string("equation")?)?;
    run(move |x| {
        let operands = (0..x.len()).map(|i| x.tensor(i)).collect::<Result<Vec<_>>>()?;
        x.like(0, &Tensor::try_einsum(&equation, &operands)?)
    })
}

fn gemm(node: &Node) -> Result<Run> {
    let gemm = gemm_of(node)?;
    run(move |x| x.like(0, &gemm(x)?))
}

/// `alpha · A · B + beta · C`, with transposed matrices if wanted.
pub(super) fn gemm_of(node: &Node) -> Result<impl Fn(&Inputs) -> Result<Tensor> + Send + Sync + 'static + use<>> {
    let (alpha, beta) = (node.float_or("alpha", 1.0)?, node.float_or("beta", 1.0)?);
    let (transpose_a, transpose_b) = (node.flag("transA")?, node.flag("transB")?);
    Ok(move |x: &Inputs| {
        let (a, b, c) = (x.tensor(0)?, x.tensor(1)?, x.optional(2)?);
        let plain = !transpose_a && transpose_b && (alpha, beta) == (1.0, 1.0) && a.dtype().is_float();
        // A linear layer as exporters write it: one kernel with the bias in it.
        if plain && c.is_none_or(|c| c.rank() == 1 && c.size(0) == b.size(0)) {
            return a.try_linear(b, c);
        }
        let turn = |m: &Tensor, transposed: bool| if transposed { m.try_transpose(0, 1) } else { Ok(m.clone()) };
        let mut y = turn(a, transpose_a)?.try_matmul(&turn(b, transpose_b)?)?;
        if alpha != 1.0 {
            y = scaled(&y, alpha)?;
        }
        if let Some(c) = c
            && beta != 0.0
        {
            y = y.try_add(&if beta == 1.0 { c.clone() } else { scaled(c, beta)? })?;
        }
        Ok(y)
    })
}

/// Integers stay integers.
fn scaled(x: &Tensor, factor: f64) -> Result<Tensor> {
    x.try_mul(factor)?.try_to_dtype(x.dtype())
}
