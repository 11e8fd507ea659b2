//! Averages of the weights along a run: exponential (Polyak and Juditsky 1992) and plain (stochastic weight averaging,
//! Izmailov et al., UAI 2018, arXiv:1803.05407).

use super::pass::pass;
use hadal_core::{Module, Param, Tensor, Visitor, dispatch, visit_field};

/// A second set of weights that follows the first.
///
/// ```
/// use hadal_core::{ModuleExt, Tensor};
/// use hadal_nn::{layers::Linear, optim::Average};
/// let model = Linear::new(2, 1);
/// let mut average = Average::exponential(model.parameters(), 0.999);
/// average.update(); // after each step of the optimizer
/// average.during(|| model.weight.get()); // evaluates with the averaged weights
/// ```
///
/// Buffers are not averaged: running statistics of batch normalization should be measured again for a plain average.
#[derive(Debug)]
pub struct Average {
    /// Each parameter with its average.
    pairs: Vec<(Param, Param)>,
    decay: Option<f64>,
    updates: Param,
}

impl Average {
    /// `average ← decay · average + (1 − decay) · weight` at each update; the first one copies the weights.
    pub fn exponential(params: impl IntoIterator<Item = Param>, decay: f64) -> Average {
        Average::new(params, Some(decay))
    }

    /// The mean of the weights at all updates.
    pub fn mean(params: impl IntoIterator<Item = Param>) -> Average {
        Average::new(params, None)
    }

    fn new(params: impl IntoIterator<Item = Param>, decay: Option<f64>) -> Average {
        let pair = |param: Param| (param.clone(), Param::buffer(param.get()));
        Average { pairs: params.into_iter().map(pair).collect(), decay, updates: Param::buffer(Tensor::from(0i64)) }
    }

    /// Takes the present weights into the average.
    pub fn update(&mut self) {
        let mut updates = 0;
        self.updates.update(|count: &mut [i64]| {
            updates = count[0];
            count[0] += 1;
        });
        let fresh = match self.decay {
            _ if updates == 0 => 1.0,
            Some(decay) => 1.0 - decay,
            None => 1.0 / (updates + 1) as f64,
        };
        for (param, average) in &self.pairs {
            let value = param.get().detach();
            if fresh == 1.0 {
                average.replace(&value);
                continue;
            }
            dispatch!(reals value.dtype(), T => {
                let fresh = <T as hadal_core::Element>::from_f64(fresh);
                pass(&value, [average], |new: T, [average]| *average = *average + fresh * (new - *average));
            });
        }
    }

    /// The averages, in the order of the parameters.
    pub fn values(&self) -> impl Iterator<Item = Tensor> {
        self.pairs.iter().map(|(_, average)| average.get())
    }

    /// Exchanges weights and averages; a second call exchanges them back.
    pub fn swap(&mut self) {
        for (param, average) in &self.pairs {
            let value = param.get();
            param.replace(&average.get());
            average.replace(&value);
        }
    }

    /// Runs `f` while the model has the averaged weights.
    pub fn during<R>(&mut self, f: impl FnOnce() -> R) -> R {
        struct Back<'a>(&'a mut Average);
        impl Drop for Back<'_> {
            fn drop(&mut self) {
                self.0.swap();
            }
        }
        self.swap();
        let _back = Back(self);
        f()
    }
}

impl Module for Average {
    fn visit(&self, visitor: &mut dyn Visitor) {
        visit_field("updates", &self.updates, visitor);
        for (param, average) in &self.pairs {
            visit_field(param.name(), average, visitor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::trajectory::{Problem, row_of};
    use crate::optim::{Rule, Sgd};
    use hadal_core::testing::{Fixture, difference};

    #[test]
    fn follows_pytorch() {
        let file = Fixture::read("optim/averages");
        for (label, case) in file.cases.iter().filter(|(label, _)| !["data", "initial"].contains(&&***label)) {
            let problem = Problem::new(&file);
            let optimizer = Sgd::new(case.attributes.float("lr")).optimize(problem.parameters());
            let mut average = Average::new(problem.parameters(), case.attributes.float_opt("decay"));
            let recorded = case.attributes.integers("steps");
            for step in 1..=50 {
                optimizer.step(&problem.loss().backward()).unwrap();
                average.update();
                let Some(row) = recorded.iter().position(|&s| s == step) else { continue };
                for (param, value) in problem.parameters().iter().zip(average.values()) {
                    let error = difference(&value, &row_of(&case.tensors[param.name()], row));
                    assert!(error < 1e-12, "{label}: {} differs by {error:e} after {step} steps", param.name());
                }
            }
        }
    }

    #[test]
    fn the_weights_come_back() {
        let param = Param::new(Tensor::from([1.0f32]));
        let mut average = Average::exponential([param.clone()], 0.5);
        average.update();
        param.set(&Tensor::from([2.0f32])).unwrap();
        average.update();
        assert_eq!(average.during(|| param.get().item::<f32>()), 1.5);
        assert_eq!(param.get().item::<f32>(), 2.0);
    }
}
