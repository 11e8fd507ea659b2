//! The test problem of `fixtures/optim`: fifty steps on a small network, compared with PyTorch's parameters.

use super::{Optimizer, Rule};
use hadal_core::testing::{Attributes, Fixture, FixtureCase, difference};
use hadal_core::{Gradients, Param, Tensor};
use std::collections::BTreeMap;

const STEPS: usize = 50;

/// The problem: parameters by name, inputs, targets.
pub struct Problem {
    pub params: BTreeMap<String, Param>,
    x: Tensor,
    y: Tensor,
}

impl Problem {
    pub fn new(fixture: &Fixture) -> Problem {
        let part = |case: &str| &fixture.cases[case].tensors;
        let params = part("initial").iter().map(|(name, value)| {
            let param = Param::new(value.clone());
            param.set_name(name);
            (name.clone(), param)
        });
        Problem { params: params.collect(), x: part("data")["x"].clone(), y: part("data")["y"].clone() }
    }

    /// In PyTorch's order: fc1 before fc2, weight before bias.
    pub fn parameters(&self) -> Vec<Param> {
        ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"].map(|name| self.params[name].clone()).to_vec()
    }

    fn linear(&self, name: &str, x: &Tensor) -> Tensor {
        let param = |key: &str| self.params[&format!("{name}.{key}")].get();
        x.linear(&param("weight"), Some(&param("bias")))
    }

    /// The mean squared error of `fc2(tanh(fc1(x)))`.
    pub fn loss(&self) -> Tensor {
        let hidden = self.linear("fc1", &self.x).tanh();
        (self.linear("fc2", &hidden) - &self.y).square().mean(..)
    }
}

/// Adam's betas in a case, (0.9, 0.999) if not given.
pub fn betas(attributes: &Attributes) -> (f64, f64) {
    betas_or(attributes, (0.9, 0.999))
}

/// The betas in a case, or a default.
pub fn betas_or(attributes: &Attributes, default: (f64, f64)) -> (f64, f64) {
    attributes.get("betas").map_or(default, |betas| (betas[0].as_f64().unwrap(), betas[1].as_f64().unwrap()))
}

/// Follows every case of `fixtures/optim/{name}` with the rule that `rule` makes of its arguments.
#[track_caller]
pub fn compare<R: Rule + 'static>(name: &str, tolerance: f64, rule: impl Fn(&Attributes) -> R) {
    let plain = |case: &FixtureCase, loss: &Tensor| {
        let mut gradients = loss.backward();
        if case.attributes.flag("maximize") {
            gradients.scale(-1.0);
        }
        gradients
    };
    follow(name, tolerance, |_, a, params| rule(a).optimize(params), plain);
}

/// As [`compare`] with any optimizer, and any way from the loss to the gradients.
#[track_caller]
pub fn follow(
    name: &str,
    tolerance: f64,
    optimizer: impl Fn(&str, &Attributes, Vec<Param>) -> Optimizer,
    gradients: impl Fn(&FixtureCase, &Tensor) -> Gradients,
) {
    let mut worst = 0f64;
    let file = Fixture::read(&format!("optim/{name}"));
    for (label, case) in file.cases.iter().filter(|(label, _)| !["data", "initial"].contains(&&***label)) {
        let problem = Problem::new(&file);
        let optimizer = optimizer(label, &case.attributes, problem.parameters());
        let recorded = case.attributes.integers("steps");
        let mut losses = Vec::new();
        for step in 1..=STEPS {
            let loss = problem.loss();
            losses.push(loss.item::<f64>());
            optimizer.step(&gradients(case, &loss)).unwrap();
            let Some(row) = recorded.iter().position(|&s| s as usize == step) else { continue };
            for (key, param) in &problem.params {
                let error = difference(&param.get(), &row_of(&case.tensors[key], row));
                assert!(error <= tolerance, "{name}/{label}: {key} differs by {error:e} after {step} steps");
                worst = worst.max(error);
            }
        }
        let error = difference(&Tensor::from_slice(&losses), &case.tensors["loss"]);
        assert!(error <= tolerance, "{name}/{label}: the loss differs by {error:e}");
        worst = worst.max(error);
    }
    println!("{name}: worst relative difference {worst:.1e}");
}

/// Row `row` along the first axis.
pub fn row_of(stacked: &Tensor, row: usize) -> Tensor {
    let shape = &stacked.shape()[1..];
    let size: usize = shape.iter().product();
    Tensor::from_slice(&stacked.to_vec::<f64>()[row * size..][..size]).reshape(shape)
}
