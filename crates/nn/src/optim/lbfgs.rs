//! L-BFGS (Liu and Nocedal, Mathematical Programming 1989): a quasi-Newton method for whole batches.

use super::rule::check;
use super::wolfe::{self, Point};
use hadal_core::{DType, Element, Module, Param, Result, Tensor, dispatch, enable_grad};
use std::collections::VecDeque;

/// Steps along the inverse Hessian's product with the gradient, which the last steps estimate.
///
/// One step evaluates the loss several times, so it takes the loss as a closure:
///
/// ```
/// use hadal_core::{Param, Tensor};
/// use hadal_nn::optim::Lbfgs;
/// let x = Param::new(Tensor::from([-1.0f64, 2.0]));
/// let mut optimizer = Lbfgs::new([x.clone()]).line_search();
/// // Rosenbrock's valley, whose lowest point is (1, 1).
/// let loss = || {
///     let (a, b) = (x.get().narrow(0, 0, 1), x.get().narrow(0, 1, 1));
///     ((b - a.square()).square() * 100.0 + (a * -1.0 + 1.0).square()).sum(..)
/// };
/// for _ in 0..5 {
///     optimizer.step(loss).unwrap();
/// }
/// assert!(x.get().to_vec::<f64>().iter().all(|v| (v - 1.0).abs() < 1e-6));
/// ```
///
/// Vectors are kept in `f64`; each pair of the history takes 16 bytes per parameter.
#[derive(Debug, Module)]
pub struct Lbfgs {
    #[module(config)]
    params: Vec<Param>,
    lr: f64,
    max_iterations: usize,
    max_evaluations: Option<usize>,
    gradient_tolerance: f64,
    change_tolerance: f64,
    history: usize,
    line_search: bool,
    /// What is known of the curvature, as tensors, so that a checkpoint holds it.
    state: State,
}

/// `counts` is [iterations, pairs], `numbers` [last step size, scale of the Hessian], the others are `[…, n]`.
#[derive(Debug, Module)]
struct State {
    counts: Param,
    numbers: Param,
    direction: Param,
    gradient: Param,
    steps: Param,
    changes: Param,
}

/// The state while a step runs.
struct Memory {
    iterations: i64,
    step: f64,
    scale: f64,
    direction: Vec<f64>,
    gradient: Vec<f64>,
    /// Steps with the changes of the gradient along them, oldest first.
    pairs: VecDeque<(Vec<f64>, Vec<f64>)>,
}

/// A pair whose curvature is below this is not learned from.
const LEAST_CURVATURE: f64 = 1e-10;

impl Lbfgs {
    /// Rate 1, at most 20 iterations and 25 evaluations per step, 100 pairs of history, no line search.
    pub fn new(params: impl IntoIterator<Item = Param>) -> Lbfgs {
        let empty = || Param::buffer(Tensor::zeros_with([0], DType::F64));
        let state = State {
            counts: Param::buffer(Tensor::from([0i64, 0])),
            numbers: Param::buffer(Tensor::from([0.0f64, 1.0])),
            direction: empty(),
            gradient: empty(),
            steps: empty(),
            changes: empty(),
        };
        Lbfgs {
            params: params.into_iter().filter(Param::is_trainable).collect(),
            lr: 1.0,
            max_iterations: 20,
            max_evaluations: None,
            gradient_tolerance: 1e-7,
            change_tolerance: 1e-9,
            history: 100,
            line_search: false,
            state,
        }
    }

    /// The length of a step along the direction; the first guess of a line search.
    #[track_caller]
    pub fn lr(mut self, lr: f64) -> Lbfgs {
        check("Lbfgs", "learning rate", lr, None);
        self.lr = lr;
        self
    }

    /// Iterations per step.
    pub fn max_iterations(self, iterations: usize) -> Lbfgs {
        Lbfgs { max_iterations: iterations, ..self }
    }

    /// Evaluations of the loss per step; 5/4 of the iterations if not set.
    pub fn max_evaluations(self, evaluations: usize) -> Lbfgs {
        Lbfgs { max_evaluations: Some(evaluations), ..self }
    }

    /// Pairs that are kept.
    pub fn history(self, pairs: usize) -> Lbfgs {
        Lbfgs { history: pairs, ..self }
    }

    /// Ends a step when no element of the gradient is above `gradient`, or when the loss and the parameters change by
    /// less than `change`.
    pub fn tolerances(self, gradient: f64, change: f64) -> Lbfgs {
        Lbfgs { gradient_tolerance: gradient, change_tolerance: change, ..self }
    }

    /// Chooses the length of each step by the strong Wolfe conditions.
    pub fn line_search(self) -> Lbfgs {
        Lbfgs { line_search: true, ..self }
    }

    /// Several iterations; `loss` computes the loss from the present parameters. Returns the loss before the step.
    pub fn step(&mut self, mut loss: impl FnMut() -> Tensor) -> Result<f64> {
        let (first, mut gradient) = self.evaluate(&mut loss)?;
        let mut value = first;
        if largest(&gradient) <= self.gradient_tolerance {
            return Ok(first);
        }
        let most = self.max_evaluations.unwrap_or(self.max_iterations * 5 / 4);
        let mut evaluations = 1;
        let mut memory = self.state.load();
        for iteration in 1..=self.max_iterations {
            memory.turn(&gradient, self.history);
            let before = value;
            memory.step = if memory.iterations == 1 {
                (1.0 / gradient.iter().map(|g| g.abs()).sum::<f64>()).min(1.0) * self.lr
            } else {
                self.lr
            };
            let slope = dot(&gradient, &memory.direction);
            if slope > -self.change_tolerance {
                break;
            }
            let start = self.values();
            if self.line_search {
                let here = Point { at: 0.0, value, slope, gradient };
                let trial = |at: f64| {
                    self.move_to(&start, at, &memory.direction);
                    let (value, gradient) = self.evaluate(&mut loss)?;
                    Ok(Point { at, value, slope: dot(&gradient, &memory.direction), gradient })
                };
                let limits = wolfe::Limits {
                    evaluations: most.saturating_sub(evaluations),
                    width: self.change_tolerance / largest(&memory.direction),
                };
                let (found, used) = wolfe::search(here, memory.step, limits, trial)?;
                evaluations += used;
                self.move_to(&start, found.at, &memory.direction);
                (memory.step, value, gradient) = (found.at, found.value, found.gradient);
            } else {
                self.move_to(&start, memory.step, &memory.direction);
                if iteration == self.max_iterations {
                    break;
                }
                (value, gradient) = self.evaluate(&mut loss)?;
                evaluations += 1;
            }
            let moved = largest(&memory.direction) * memory.step.abs();
            if evaluations >= most
                || largest(&gradient) <= self.gradient_tolerance
                || moved <= self.change_tolerance
                || (value - before).abs() < self.change_tolerance
            {
                break;
            }
        }
        self.state.store(memory);
        Ok(first)
    }

    /// The loss and its gradient as one vector.
    fn evaluate(&self, loss: &mut impl FnMut() -> Tensor) -> Result<(f64, Vec<f64>)> {
        let loss = enable_grad(loss);
        let gradients = loss.try_backward()?;
        let mut flat = Vec::new();
        for param in &self.params {
            flat.extend(gradients.get(param)?.to_f64_vec());
        }
        Ok((loss.try_item::<f64>()?, flat))
    }

    fn values(&self) -> Vec<Tensor> {
        self.params.iter().map(Param::get).collect()
    }

    /// Sets the parameters to `start + length · direction`.
    fn move_to(&self, start: &[Tensor], length: f64, direction: &[f64]) {
        let mut rest = direction;
        for (param, start) in self.params.iter().zip(start) {
            let (part, others) = rest.split_at(start.elements());
            rest = others;
            dispatch!(reals start.dtype(), T => {
                let from = start.to_vec::<T>();
                let moved = from.iter().zip(part).map(|(x, d)| *x + T::from_f64(length * d)).collect();
                param.replace(&Tensor::from_vec(moved, start.shape()));
            });
        }
    }
}

impl Memory {
    /// Learns from the last step, and points the direction by the two-loop recursion (Nocedal and Wright, "Numerical
    /// optimization", algorithm 7.4).
    fn turn(&mut self, gradient: &[f64], history: usize) {
        self.iterations += 1;
        if self.iterations > 1 {
            let change: Vec<f64> = gradient.iter().zip(&self.gradient).map(|(new, old)| new - old).collect();
            let step: Vec<f64> = self.direction.iter().map(|d| d * self.step).collect();
            let curvature = dot(&change, &step);
            if curvature > LEAST_CURVATURE && history > 0 {
                if self.pairs.len() == history {
                    self.pairs.pop_front();
                }
                self.scale = curvature / dot(&change, &change);
                self.pairs.push_back((step, change));
            }
        }
        let mut direction: Vec<f64> = gradient.iter().map(|g| -g).collect();
        let mut shares = Vec::with_capacity(self.pairs.len());
        for (step, change) in self.pairs.iter().rev() {
            let share = dot(step, &direction) / dot(change, step);
            direction.iter_mut().zip(change).for_each(|(d, y)| *d -= share * y);
            shares.push(share);
        }
        direction.iter_mut().for_each(|d| *d *= self.scale);
        for ((step, change), share) in self.pairs.iter().zip(shares.into_iter().rev()) {
            let back = dot(change, &direction) / dot(change, step);
            direction.iter_mut().zip(step).for_each(|(d, s)| *d += (share - back) * s);
        }
        self.direction = direction;
        self.gradient = gradient.to_vec();
    }
}

impl State {
    fn load(&self) -> Memory {
        let (counts, numbers) = (self.counts.get().to_vec::<i64>(), self.numbers.get().to_vec::<f64>());
        let (direction, gradient) = (self.direction.get().to_vec::<f64>(), self.gradient.get().to_vec::<f64>());
        let rows = |param: &Param| -> Vec<Vec<f64>> {
            param.get().to_vec::<f64>().chunks(direction.len().max(1)).map(<[f64]>::to_vec).collect()
        };
        let pairs = rows(&self.steps).into_iter().zip(rows(&self.changes)).take(counts[1] as usize).collect();
        Memory { iterations: counts[0], step: numbers[0], scale: numbers[1], direction, gradient, pairs }
    }

    fn store(&self, memory: Memory) {
        self.counts.replace(&Tensor::from([memory.iterations, memory.pairs.len() as i64]));
        self.numbers.replace(&Tensor::from([memory.step, memory.scale]));
        let (n, pairs) = (memory.direction.len(), memory.pairs.len());
        self.direction.replace(&Tensor::from_slice(&memory.direction));
        self.gradient.replace(&Tensor::from_slice(&memory.gradient));
        let (steps, changes): (Vec<_>, Vec<_>) = memory.pairs.into_iter().unzip();
        // (Without a pair yet the shape stays one that loading accepts any size for.)
        let stacked = |rows: Vec<Vec<f64>>| match pairs {
            0 => Tensor::zeros_with([0], DType::F64),
            _ => Tensor::from_vec(rows.concat(), [pairs, n]),
        };
        self.steps.replace(&stacked(steps));
        self.changes.replace(&stacked(changes));
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, v| most.max(v.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::trajectory::{Problem, row_of};
    use crate::{Strictness, load_state_dict, state_dict};
    use hadal_core::testing::{Attributes, Fixture, difference};

    fn made(problem: &Problem, a: &Attributes) -> Lbfgs {
        let optimizer = Lbfgs::new(problem.parameters()).lr(a.float("lr"));
        let optimizer = optimizer.max_iterations(a.integer("max_iter") as usize);
        let optimizer = optimizer.history(a.integer_or("history_size", 100) as usize);
        if a.get("line_search_fn").is_some() { optimizer.line_search() } else { optimizer }
    }

    #[test]
    fn follows_pytorch() {
        let file = Fixture::read("optim/LBFGS");
        let mut worst = 0f64;
        for (label, case) in file.cases.iter().filter(|(label, _)| !["data", "initial"].contains(&&***label)) {
            let problem = Problem::new(&file);
            let mut optimizer = made(&problem, &case.attributes);
            let recorded = case.attributes.integers("steps");
            for step in 1..=50 {
                optimizer.step(|| problem.loss()).unwrap();
                let Some(row) = recorded.iter().position(|&s| s == step) else { continue };
                for param in problem.parameters() {
                    let error = difference(&param.get(), &row_of(&case.tensors[param.name()], row));
                    assert!(error < 1e-8, "{label}: {} differs by {error:e} after {step} steps", param.name());
                    worst = worst.max(error);
                }
            }
        }
        println!("LBFGS: worst relative difference {worst:.1e}");
    }

    #[test]
    fn resumes_exactly() {
        let file = Fixture::read("optim/LBFGS");
        let attributes = &file.cases["strong_wolfe"].attributes;
        let (through, half) = (Problem::new(&file), Problem::new(&file));
        let mut optimizer = made(&through, attributes);
        for _ in 0..6 {
            optimizer.step(|| through.loss()).unwrap();
        }
        let mut first = made(&half, attributes);
        for _ in 0..3 {
            first.step(|| half.loss()).unwrap();
        }
        let mut second = made(&half, attributes);
        load_state_dict(&second, &state_dict(&first), Strictness::Strict).unwrap();
        for _ in 0..3 {
            second.step(|| half.loss()).unwrap();
        }
        for (a, b) in through.parameters().iter().zip(half.parameters()) {
            assert_eq!(a.get().to_bytes(), b.get().to_bytes(), "{}", a.name());
        }
    }
}
