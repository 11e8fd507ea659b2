//! Support vector machines.

use super::linear::samples;
use super::{Classes, PostTransform};
use crate::ops::prelude::*;

pub(super) const OPERATORS: &[Operator] =
    &[op("SVMClassifier", 1, With(classifier)), op("SVMRegressor", 1, With(regressor))];

/// How alike two vectors are.
#[derive(Clone, Copy)]
enum Kernel {
    Linear,
    /// `(γ·⟨x, y⟩ + c)^d`
    Polynomial,
    /// `exp(−γ·|x − y|²)`
    Radial,
    /// `tanh(γ·⟨x, y⟩ + c)`
    Sigmoid,
}

const KERNELS: [Kernel; 4] = [Kernel::Linear, Kernel::Polynomial, Kernel::Radial, Kernel::Sigmoid];

/// A kernel with its γ, c and d.
struct Likeness {
    kernel: Kernel,
    parameters: [f64; 3],
}

impl Likeness {
    fn of(node: &Node) -> Result<Likeness> {
        let words = ["LINEAR", "POLY", "RBF", "SIGMOID"];
        let kernel = KERNELS[node.choice("kernel_type", &words, "LINEAR")?];
        let parameters = node.floats("kernel_params")?.unwrap_or_default();
        let parameters = match parameters[..] {
            [] => [0.0; 3],
            [gamma, c, degree] => [gamma, c, degree],
            _ => return Err(node.wrong("kernel_params", "are not three numbers")),
        };
        Ok(Likeness { kernel, parameters })
    }

    /// Of samples `[n, features]` with vectors `[m, features]`: `[n, m]`.
    fn between(&self, x: &Tensor, vectors: &Tensor) -> Result<Tensor> {
        let [gamma, c, degree] = self.parameters;
        let products = x.try_linear(vectors, None)?;
        match self.kernel {
            Kernel::Linear => Ok(products),
            Kernel::Polynomial => products.try_mul(gamma)?.try_add(c)?.try_pow(degree),
            Kernel::Sigmoid => products.try_mul(gamma)?.try_add(c)?.try_tanh(),
            Kernel::Radial => {
                x.try_unsqueeze(1)?.try_sub(vectors)?.try_square()?.try_sum(-1)?.try_mul(-gamma)?.try_exp()
            }
        }
    }
}

fn list(node: &Node, name: &str) -> Result<Vec<f32>> {
    Ok(node.floats(name)?.unwrap_or_default().into_iter().map(|v| v as f32).collect())
}

/// `count` rows of a flat list.
fn rows(node: &Node, name: &str, count: usize) -> Result<Tensor> {
    let values = list(node, name)?;
    if count == 0 || values.is_empty() || values.len() % count != 0 {
        return Err(node.wrong(name, format!("has {} numbers for {count} rows", values.len())));
    }
    let size = values.len() / count;
    Tensor::try_from_vec(values, [count, size])
}

/// Sums of likenesses with the support vectors; without any, a linear function.
fn regressor(node: &Node) -> Result<Run> {
    let count = usize::try_from(node.int_or("n_supports", 0)?).map_err(|_| node.wrong("n_supports", "is negative"))?;
    let (likeness, post) = (Likeness::of(node)?, PostTransform::of(node)?);
    let offset = list(node, "rho")?.first().copied().unwrap_or(0.0);
    let one_class = node.flag("one_class")?;
    let (vectors, weight) = match count {
        0 => (None, rows(node, "coefficients", 1)?),
        _ => (Some(rows(node, "support_vectors", count)?), rows(node, "coefficients", 1)?),
    };
    run(move |x| {
        let x = samples(x)?;
        let y = match &vectors {
            Some(vectors) => likeness.between(&x, vectors)?.try_linear(&weight, None)?,
            None => likeness.between(&x, &weight)?,
        };
        let y = y.try_add(f64::from(offset))?;
        // Inside or outside of what was learned.
        let y = if one_class { y.try_gt(0.0)?.try_where_(1.0, -1.0)?.try_to_dtype(DType::F32)? } else { y };
        one(post.apply(&y)?)
    })
}

/// A machine for every pair of classes, which vote; or a row of coefficients for every class.
struct Pairs {
    likeness: Likeness,
    vectors: Tensor,
    /// `[pairs, supports]`: the weights of a pair's machine, 0 for the vectors of other classes.
    weight: Tensor,
    /// `[pairs]`
    offset: Tensor,
    /// The two classes of each pair.
    pairs: Vec<(usize, usize)>,
    /// What turns a pair's score into a probability, if that was learned: `1 / (1 + exp(a·s + b))`.
    probability: Option<(Vec<f32>, Vec<f32>)>,
}

impl Pairs {
    fn of(node: &Node, counts: &[i64]) -> Result<Pairs> {
        let counts: Option<Vec<usize>> = counts.iter().map(|&n| usize::try_from(n).ok()).collect();
        let counts = counts.ok_or_else(|| node.wrong("vectors_per_class", "has negative numbers"))?;
        let (classes, total) = (counts.len(), counts.iter().fold(0usize, |sum, &n| sum.saturating_add(n)));
        let vectors = rows(node, "support_vectors", total)?;
        // Row r of the coefficients has, for a vector of class c, the weight in the machine for c and the r-th other class.
        let coefficients = rows(node, "coefficients", classes.saturating_sub(1))?;
        let offsets = list(node, "rho")?;
        let pairs: Vec<(usize, usize)> = (0..classes).flat_map(|i| (i + 1..classes).map(move |j| (i, j))).collect();
        if coefficients.size(1) != total || offsets.len() < pairs.len() {
            return invalid("the coefficients or offsets do not fit the number of support vectors");
        }
        let given = coefficients.to_vec::<f32>();
        let start = |class: usize| counts[..class].iter().sum::<usize>();
        let mut weight = vec![0.0f32; pairs.len() * total];
        for (row, &(i, j)) in weight.chunks_mut(total).zip(&pairs) {
            for (class, other) in [(i, j - 1), (j, i)] {
                let range = start(class)..start(class) + counts[class];
                row[range.clone()].copy_from_slice(&given[other * total..][range]);
            }
        }
        let (a, b) = (list(node, "prob_a")?, list(node, "prob_b")?);
        let probability = (!a.is_empty() && a.len() >= pairs.len() && b.len() >= pairs.len()).then_some((a, b));
        Ok(Pairs {
            likeness: Likeness::of(node)?,
            vectors,
            weight: Tensor::try_from_vec(weight, [pairs.len(), total])?,
            offset: vector(offsets[..pairs.len()].to_vec()),
            pairs,
            probability,
        })
    }

    /// `[samples, pairs]`
    fn scores(&self, x: &Tensor) -> Result<Tensor> {
        self.likeness.between(x, &self.vectors)?.try_linear(&self.weight, Some(&self.offset))
    }

    /// The class that wins most pairs, the first of several, for each sample.
    fn winners(&self, scores: &[f32], classes: usize) -> Vec<i64> {
        let winner = |row: &[f32]| {
            let mut votes = vec![0; classes];
            for (&(i, j), &score) in self.pairs.iter().zip(row) {
                votes[if score > 0.0 { i } else { j }] += 1;
            }
            (0..classes).rev().max_by_key(|&class| votes[class]).unwrap_or(0) as i64
        };
        scores.chunks(self.pairs.len().max(1)).map(winner).collect()
    }

    /// Probabilities of the classes from those of the pairs (Wu, Lin and Weng 2004, the second method).
    fn probabilities(&self, row: &[f32], classes: usize, (a, b): &(Vec<f32>, Vec<f32>)) -> Vec<f32> {
        let mut r = vec![vec![0.0f64; classes]; classes];
        for (at, &(i, j)) in self.pairs.iter().enumerate() {
            let likely = 1.0 / (1.0 + f64::from(a[at] * row[at] + b[at]).exp());
            let likely = likely.clamp(1e-7, 1.0 - 1e-7);
            (r[i][j], r[j][i]) = (likely, 1.0 - likely);
        }
        let mut q = vec![vec![0.0f64; classes]; classes];
        for i in 0..classes {
            for j in (0..classes).filter(|&j| j != i) {
                q[i][i] += r[j][i] * r[j][i];
                q[i][j] = -r[j][i] * r[i][j];
            }
        }
        let mut p = vec![1.0 / classes as f64; classes];
        for _ in 0..classes.max(100) {
            let mut products: Vec<f64> = q.iter().map(|row| row.iter().zip(&p).map(|(q, p)| q * p).sum()).collect();
            let mut whole: f64 = p.iter().zip(&products).map(|(p, product)| p * product).sum();
            if products.iter().all(|product| (product - whole).abs() < 0.005 / classes as f64) {
                break;
            }
            for i in 0..classes {
                let change = (whole - products[i]) / q[i][i];
                p[i] += change;
                whole = (whole + change * (change * q[i][i] + 2.0 * products[i])) / (1.0 + change) / (1.0 + change);
                for j in 0..classes {
                    products[j] = (products[j] + change * q[i][j]) / (1.0 + change);
                    p[j] /= 1.0 + change;
                }
            }
        }
        p.into_iter().map(|p| p as f32).collect()
    }
}

/// The class of each sample, and the scores of the classes, or of the pairs where classes have none.
fn classifier(node: &Node) -> Result<Run> {
    let classes = Classes::of(node, "classlabels_ints", "classlabels_strings")?;
    let counts = node.ints("vectors_per_class")?.unwrap_or_default();
    let post = PostTransform::of(node)?;
    if counts.is_empty() {
        let (weight, likeness) = (rows(node, "coefficients", classes.len())?, Likeness::of(node)?);
        let offset = list(node, "rho")?.first().copied().unwrap_or(0.0);
        return run(move |x| {
            let scores = likeness.between(&samples(x)?, &weight)?.try_add(f64::from(offset))?;
            let best = scores.try_argmax(1)?;
            Ok(vec![classes.at(&integers(&best)?)?, post.apply(&scores)?.into()])
        });
    }
    if counts.len() != classes.len() || counts.len() < 2 {
        return Err(node.wrong("vectors_per_class", format!("has {} numbers for the classes", counts.len())));
    }
    let pairs = Pairs::of(node, &counts)?;
    run(move |x| {
        let scores = pairs.scores(&samples(x)?)?;
        let (flat, count) = (scores.try_to_vec::<f32>()?, classes.len());
        // The pairs decide, also where probabilities are asked for.
        let winners = classes.at(&pairs.winners(&flat, count))?;
        let shown = match &pairs.probability {
            Some(learned) => {
                let each = flat.chunks(pairs.pairs.len()).map(|row| pairs.probabilities(row, count, learned));
                let all: Vec<f32> = each.flatten().collect();
                Tensor::try_from_vec(all, [scores.size(0), count])?
            }
            // Of two classes both have a score, as onnxruntime gives them: the winner's is the smaller.
            None if count == 2 => Tensor::try_cat(&[scores.try_neg()?, scores], 1)?,
            None => scores,
        };
        Ok(vec![winners, post.apply(&shown)?.into()])
    })
}
