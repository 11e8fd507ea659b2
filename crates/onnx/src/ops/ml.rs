//! The operators of `ai.onnx.ml`: what classical machine learning needs around its models.

mod features;
mod labels;
mod linear;
mod trees;
mod vectors;

use crate::registry::Operator;

/// The tables of the domain.
pub(crate) const TABLES: &[&[Operator]] =
    &[features::OPERATORS, labels::OPERATORS, linear::OPERATORS, trees::OPERATORS, vectors::OPERATORS];

use super::prelude::*;

/// What is done with scores in the end.
#[derive(Clone, Copy, PartialEq)]
enum PostTransform {
    None,
    Softmax,
    Logistic,
    SoftmaxZero,
    Probit,
}

/// In the order of their numbers.
const POST_TRANSFORMS: [PostTransform; 5] = [
    PostTransform::None,
    PostTransform::Softmax,
    PostTransform::Logistic,
    PostTransform::SoftmaxZero,
    PostTransform::Probit,
];

impl PostTransform {
    fn of(node: &Node) -> Result<PostTransform> {
        let words = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"];
        Ok(POST_TRANSFORMS[node.choice("post_transform", &words, "NONE")?])
    }

    /// Of scores `[samples, classes]`.
    fn apply(self, scores: &Tensor) -> Result<Tensor> {
        match self {
            PostTransform::None => Ok(scores.clone()),
            PostTransform::Softmax => scores.try_softmax(-1),
            PostTransform::Logistic => scores.try_sigmoid(),
            // Scores of exactly zero stay zero.
            PostTransform::SoftmaxZero => {
                let absent = scores.try_eq(0)?;
                let hidden = absent.try_where_(f64::NEG_INFINITY, scores)?.try_softmax(-1)?;
                absent.try_where_(0.0, &hidden)
            }
            // √2 · erf⁻¹(2p − 1)
            PostTransform::Probit => scores.try_mul(2.0)?.try_sub(1.0)?.try_erfinv()?.try_mul(std::f64::consts::SQRT_2),
        }
    }
}

/// The names of classes, numbers or words.
#[derive(Clone)]
enum Classes {
    Numbers(Vec<i64>),
    Words(Vec<String>),
}

impl Classes {
    fn of(node: &Node, numbers: &str, words: &str) -> Result<Classes> {
        match (node.strings(words)?.filter(|w| !w.is_empty()), node.ints(numbers)?) {
            (Some(words), _) => Ok(Classes::Words(words)),
            (None, Some(numbers)) => Ok(Classes::Numbers(numbers)),
            (None, None) => invalid("no names of classes are given"),
        }
    }

    fn len(&self) -> usize {
        match self {
            Classes::Numbers(numbers) => numbers.len(),
            Classes::Words(words) => words.len(),
        }
    }

    /// The names at these positions.
    fn at(&self, positions: &[i64]) -> Result<Value> {
        let name = |p: &i64| usize::try_from(*p).ok().filter(|p| *p < self.len());
        let positions: Option<Vec<usize>> = positions.iter().map(name).collect();
        let positions = positions.ok_or_else(|| Error::invalid("there are more scores than classes"))?;
        match self {
            Classes::Numbers(numbers) => Ok(vector(positions.iter().map(|&p| numbers[p]).collect()).into()),
            Classes::Words(words) => {
                let list: Vec<String> = positions.iter().map(|&p| words[p].clone()).collect();
                let n = list.len();
                Ok(Strings::new(list, n)?.into())
            }
        }
    }
}
