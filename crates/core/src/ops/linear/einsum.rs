//! `einsum`: sums of products in Einstein's notation, by diagonals, sums and batched matrix products.

use crate::ops::prelude::*;

/// The name of an axis: a letter, or the n-th axis from the end of what an ellipsis stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
enum Label {
    Ellipsis(usize),
    Letter(char),
}

/// An operand whose axes have names, no two the same.
struct Named {
    tensor: Tensor,
    labels: Vec<Label>,
}

fn fail<T>(message: String) -> Result<T> {
    Err(Error::op("einsum", message))
}

/// The labels of one term; `ellipsis` is the number of axes that `...` stands for.
fn labels(term: &str, ellipsis: usize, equation: &str) -> Result<Vec<Label>> {
    let mut labels = Vec::new();
    let mut rest = term;
    while let Some(letter) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("...") {
            labels.extend((0..ellipsis).rev().map(Label::Ellipsis));
            rest = after;
        } else if letter.is_ascii_alphabetic() {
            labels.push(Label::Letter(letter));
            rest = &rest[1..];
        } else {
            return fail(format!("takes letters and ... as axes, got `{letter}` in \"{equation}\""));
        }
    }
    Ok(labels)
}

/// The labels of the operands and of the result.
fn parse(equation: &str, shapes: &[&Shape]) -> Result<(Vec<Vec<Label>>, Vec<Label>)> {
    let plain: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (inputs, output) = match plain.split_once("->") {
        Some((inputs, output)) => (inputs, Some(output)),
        None => (&plain[..], None),
    };
    let terms: Vec<&str> = inputs.split(',').collect();
    if terms.len() != shapes.len() {
        return fail(format!("\"{equation}\" names {} operands, got {}", terms.len(), shapes.len()));
    }
    let mut operands = Vec::new();
    let mut widest = 0;
    for (i, (term, shape)) in terms.iter().zip(shapes).enumerate() {
        let letters = labels(term, 0, equation)?.len();
        let dots = term.contains("...");
        if letters > shape.rank() || (!dots && letters < shape.rank()) {
            return fail(format!("\"{equation}\" names {letters} axes of operand {i}, which has shape {shape}"));
        }
        widest = widest.max(if dots { shape.rank() - letters } else { 0 });
        operands.push(labels(term, shape.rank() - letters, equation)?);
    }
    let output = match output {
        Some(output) => labels(output, widest, equation)?,
        // Without an arrow: the axes of the ellipses, then the letters that occur once, in order.
        None => {
            let all: Vec<Label> = operands.iter().flatten().copied().collect();
            let once = |l: &&Label| matches!(l, Label::Letter(_)) && all.iter().filter(|m| m == l).count() == 1;
            let mut letters: Vec<Label> = all.iter().filter(once).copied().collect();
            letters.sort_unstable();
            (0..widest).rev().map(Label::Ellipsis).chain(letters).collect()
        }
    };
    for (i, label) in output.iter().enumerate() {
        if output[..i].contains(label) {
            return fail(format!("\"{equation}\" names an axis of the result twice"));
        }
        if !operands.iter().flatten().any(|l| l == label) {
            return fail(format!("\"{equation}\" asks for an axis that no operand has"));
        }
    }
    Ok((operands, output))
}

/// The size of every label, where 1 stretches.
fn sizes(operands: &[Vec<Label>], shapes: &[&Shape], equation: &str) -> Result<Vec<(Label, usize)>> {
    let mut sizes: Vec<(Label, usize)> = Vec::new();
    for (labels, shape) in operands.iter().zip(shapes) {
        for (&label, &n) in labels.iter().zip(shape.iter()) {
            match sizes.iter_mut().find(|known| known.0 == label) {
                None => sizes.push((label, n)),
                Some((_, known)) if *known == n || n == 1 => {}
                Some((_, known)) if *known == 1 => *known = n,
                Some((_, known)) => {
                    let name = match label {
                        Label::Letter(letter) => letter.to_string(),
                        Label::Ellipsis(_) => "...".into(),
                    };
                    let known = *known;
                    return fail(format!(
                        "got sizes {known} and {n} for `{name}` in \"{equation}\" (shapes {shapes:?})"
                    ));
                }
            }
        }
    }
    Ok(sizes)
}

impl Named {
    /// Axes with one name become their diagonal.
    fn new(tensor: &Tensor, labels: &[Label]) -> Result<Named> {
        let mut named = Named { tensor: tensor.clone(), labels: labels.to_vec() };
        while let Some((i, j)) = repeated(&named.labels) {
            let (m, n) = (named.tensor.shape()[i], named.tensor.shape()[j]);
            if m != n {
                return fail(format!(
                    "takes the diagonal of axes of equal size, got {m} and {n} (shape {})",
                    tensor.shape()
                ));
            }
            named.tensor = named.tensor.try_diagonal(0, i as isize, j as isize)?;
            let label = named.labels.remove(j);
            named.labels.remove(i);
            named.labels.push(label);
        }
        Ok(named)
    }

    /// Sums over the axes that nothing needs.
    fn keep(self, needed: impl Fn(Label) -> bool) -> Result<Named> {
        let axes: Vec<usize> = (0..self.labels.len()).filter(|&i| !needed(self.labels[i])).collect();
        if axes.is_empty() {
            return Ok(self);
        }
        let labels = self.labels.into_iter().filter(|&l| needed(l)).collect();
        Ok(Named { tensor: self.tensor.try_sum(&axes[..])?, labels })
    }

    /// The axes in the order of `groups`, each group joined into one axis and stretched to its sizes.
    fn grouped(&self, groups: [&[Label]; 3], size: impl Fn(Label) -> usize) -> Result<Tensor> {
        let order: Vec<Label> = groups.concat();
        let at = |l: &Label| self.labels.iter().position(|m| m == l).expect("a label of this operand") as isize;
        let tensor = self.tensor.try_permute(order.iter().map(at).collect::<Vec<_>>())?;
        let full: Shape = order.iter().map(|&l| size(l)).collect();
        let joined = groups.map(|group| group.iter().map(|&l| size(l)).product::<usize>());
        tensor.try_expand(full)?.try_reshape(joined)
    }

    /// Both operands as one, with only the axes that `needed` says are used later.
    fn times(self, other: Named, needed: impl Fn(Label) -> bool, size: impl Fn(Label) -> usize) -> Result<Named> {
        let a = self.keep(|l| needed(l) || other.labels.contains(&l))?;
        let b = other.keep(|l| needed(l) || a.labels.contains(&l))?;
        let shared: Vec<Label> = a.labels.iter().copied().filter(|l| b.labels.contains(l)).collect();
        let (batch, inner): (Vec<Label>, Vec<Label>) = shared.iter().copied().partition(|&l| needed(l));
        let own = |labels: &[Label]| labels.iter().copied().filter(|l| !shared.contains(l)).collect::<Vec<_>>();
        let (rows, columns) = (own(&a.labels), own(&b.labels));
        let left = a.grouped([&batch, &rows, &inner], &size)?;
        let right = b.grouped([&batch, &inner, &columns], &size)?;
        let labels = [batch, rows, columns].concat();
        let shape: Shape = labels.iter().map(|&l| size(l)).collect();
        // Nothing to sum over: a product by broadcasting, which needs no packing.
        let product = if inner.is_empty() { left.try_mul(right)? } else { left.try_matmul(right)? };
        Ok(Named { tensor: product.try_reshape(shape)?, labels })
    }
}

fn repeated(labels: &[Label]) -> Option<(usize, usize)> {
    (0..labels.len()).find_map(|j| labels[..j].iter().position(|l| *l == labels[j]).map(|i| (i, j)))
}

#[fallible]
impl Tensor {
    /// Sums of products in Einstein's notation, as `torch.einsum`: `"ij,jk->ik"` is a matrix product.
    ///
    /// A letter names an axis; axes with one name are multiplied together, and summed over unless the result has
    /// them. A name twice in one operand takes the diagonal, `...` stands for any further axes, and without `->`
    /// the result has the letters that occur once, in alphabetical order. Operands are joined from left to right.
    ///
    /// ```
    /// # use hadal_core::Tensor;
    /// let x = Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]);
    /// assert_eq!(Tensor::einsum("ii->", &[&x]).item::<f32>(), 5.0);
    /// assert_eq!(Tensor::einsum("ij,j->i", &[&x, &Tensor::from([1.0f32, 1.0])]).to_vec::<f32>(), [3.0, 7.0]);
    /// ```
    pub fn einsum(equation: &str, operands: &[&Tensor]) -> Result<Tensor> {
        let shapes: Vec<&Shape> = operands.iter().map(|t| t.shape()).collect();
        let (labels, output) = parse(equation, &shapes)?;
        let sizes = sizes(&labels, &shapes, equation)?;
        let size = |label: Label| sizes.iter().find(|known| known.0 == label).map_or(1, |known| known.1);
        let mut named = operands.iter().zip(&labels).map(|(t, l)| Named::new(t, l));
        let mut result = named.next().expect("at least one operand")?;
        for (i, operand) in named.enumerate() {
            let later = &labels[i + 2..];
            let needed = |l: Label| output.contains(&l) || later.iter().flatten().any(|m| *m == l);
            result = result.times(operand?, needed, size)?;
        }
        let result = result.keep(|l| output.contains(&l))?;
        let order = output.iter().map(|l| result.labels.iter().position(|m| m == l).expect("kept") as isize);
        result.tensor.try_permute(order.collect::<Vec<_>>())
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("einsum", |a, x| vec![Tensor::einsum(a.text("equation"), &x.iter().collect::<Vec<_>>())])
}

#[cfg(test)]
mod tests {
    use crate::Tensor;

    #[test]
    fn mistakes_are_explained() {
        let (a, b) = (Tensor::zeros([2, 3]), Tensor::zeros([4, 5]));
        let text = |equation: &str| Tensor::try_einsum(equation, &[&a, &b]).unwrap_err().to_string();
        assert_eq!(text("ij,jk"), "einsum got sizes 3 and 4 for `j` in \"ij,jk\" (shapes [[2, 3], [4, 5]])");
        let row = Tensor::try_einsum("ii", &[&Tensor::zeros([1, 3])]).unwrap_err().to_string();
        assert_eq!(row, "einsum takes the diagonal of axes of equal size, got 1 and 3 (shape [1, 3])");
        assert_eq!(text("ij"), "einsum \"ij\" names 1 operands, got 2");
        assert_eq!(text("ij,jkl"), "einsum \"ij,jkl\" names 3 axes of operand 1, which has shape [4, 5]");
        assert_eq!(text("ij,kl->im"), "einsum \"ij,kl->im\" asks for an axis that no operand has");
        assert_eq!(text("ij,kl->ii"), "einsum \"ij,kl->ii\" names an axis of the result twice");
        assert_eq!(text("i1,kl"), "einsum takes letters and ... as axes, got `1` in \"i1,kl\"");
    }
}
