//! `Pruning`: weights that become zero while a model trains, and stay so.

use super::prune::{global_unstructured, l1_unstructured, ln_structured};
use super::sparsity::Sparsity;
use crate::callback::{Callback, State};
use hadal_core::{Module, ModuleExt, Param, Result, Tensor, no_grad};

/// Which weights go.
#[derive(Clone, Copy, Debug)]
enum Method {
    EachUnstructured,
    AllUnstructured,
    Structured { n: f64, axis: isize },
}

/// A callback that sets weights to zero by a schedule, and sets them to zero again after every step of the optimizer.
///
/// `sparsity` is logged after every epoch. The weights themselves are zero, so that whatever is done with the model
/// afterwards, there is nothing to remove; sizes and time stay what they were until a format or kernel makes use of zeros
/// (a file that is compressed, for one). The count of steps begins anew with every `fit`.
pub struct Pruning {
    params: Vec<Param>,
    method: Method,
    schedule: Sparsity,
    step: usize,
    masks: Vec<Tensor>,
}

/// The weights that are worth pruning: parameters called `weight` with at least two axes. Biases and normalizations are few.
pub fn prunable(model: &(impl Module + ?Sized)) -> Vec<Param> {
    let weights = model
        .named_parameters()
        .into_iter()
        .filter(|(name, param)| name.rsplit('.').next() == Some("weight") && param.get().rank() >= 2);
    weights.map(|(_, param)| param).collect()
}

impl Pruning {
    /// The least elements of each parameter.
    pub fn l1_unstructured(params: Vec<Param>, schedule: Sparsity) -> Pruning {
        Pruning { params, method: Method::EachUnstructured, schedule, step: 0, masks: Vec::new() }
    }

    /// The least elements of all parameters together.
    pub fn global_unstructured(params: Vec<Param>, schedule: Sparsity) -> Pruning {
        Pruning { method: Method::AllUnstructured, ..Pruning::l1_unstructured(params, schedule) }
    }

    /// The places of an axis of each parameter with the least norm of order `n`: filters with axis 0.
    pub fn ln_structured(params: Vec<Param>, schedule: Sparsity, n: f64, axis: isize) -> Pruning {
        Pruning { method: Method::Structured { n, axis }, ..Pruning::l1_unstructured(params, schedule) }
    }

    /// The share of zeros in the parameters.
    pub fn sparsity(&self) -> f64 {
        let count = |param: &Param| {
            let value = param.get();
            (value.eq(0).sum(..).to_f64_vec()[0], value.elements() as f64)
        };
        let (zeros, all) = self.params.iter().map(count).fold((0.0, 0.0), |sum, (a, b)| (sum.0 + a, sum.1 + b));
        if all > 0.0 { zeros / all } else { 0.0 }
    }

    /// Chooses anew if it is time, and sets to zero what was chosen.
    fn prune(&mut self) -> Result<()> {
        no_grad(|| {
            let weights: Vec<Tensor> = self.params.iter().map(Param::get).collect();
            if let Some(share) = self.schedule.at(self.step) {
                let each =
                    |prune: &dyn Fn(&Tensor) -> Result<Tensor>| weights.iter().map(prune).collect::<Result<Vec<_>>>();
                self.masks = match self.method {
                    Method::EachUnstructured => each(&|weight| l1_unstructured(weight, share))?,
                    Method::AllUnstructured => global_unstructured(&weights.iter().collect::<Vec<_>>(), share)?,
                    Method::Structured { n, axis } => each(&|weight| ln_structured(weight, share, n, axis))?,
                };
            }
            let mut masked = self.params.iter().zip(&weights).zip(&self.masks);
            masked.try_for_each(|((param, weight), mask)| param.set(&weight.try_mul(mask)?))
        })
    }
}

impl Callback for Pruning {
    fn on_train_begin(&mut self, _: &mut State) -> Result<()> {
        self.step = 0;
        self.masks.clear();
        self.prune()
    }

    fn on_train_batch_end(&mut self, _: &mut State) -> Result<()> {
        self.step += 1;
        self.prune()
    }

    fn on_epoch_end(&mut self, state: &mut State) -> Result<()> {
        state.logs.set("sparsity", self.sparsity());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Compile, Fit};
    use hadal_data::transforms::Pipeline;
    use hadal_data::{ImageSet, Loader, Split, digits};
    use hadal_nn::layers::{Conv2d, Flatten, Linear, Relu};
    use hadal_nn::losses::cross_entropy;
    use hadal_nn::optim::{Rule, Sgd};
    use hadal_nn::seq;

    fn digits_of(samples: usize) -> Loader {
        let mut set: ImageSet = digits::load(Split::Train, 0);
        set.images.truncate(samples * digits::PIXELS);
        set.labels.truncate(samples);
        Loader::new(set, 20).transform(Pipeline::new())
    }

    /// With momentum, an optimizer moves weights that have no gradient.
    #[test]
    fn zeros_stay_zero_in_training() {
        for compiled in [false, true] {
            let model = seq![Conv2d::new(1, 4, 5).stride(3), Relu, Flatten::new(), Linear::new(4 * 64, 10)];
            let weights = prunable(&model);
            assert_eq!(weights.len(), 2);
            let optimizer = Sgd::new(0.01).momentum(0.9).optimize(model.parameters());
            let trainer = model.compile(optimizer, cross_entropy);
            let mut trainer = if compiled { trainer.compiled() } else { trainer };
            let schedule = Sparsity::polynomial_decay(0.75, 2, 8, 2);
            let mut pruning = Pruning::l1_unstructured(weights.clone(), schedule);
            let history = trainer.fit(&digits_of(200), Fit::epochs(1).callback(&mut pruning)).unwrap();
            assert!((history.epochs[0].get("sparsity").unwrap() - 0.75).abs() < 1e-3);
            let zeros = |param: &Param| param.get().to_vec::<f32>().into_iter().map(|w| w == 0.0).collect::<Vec<_>>();
            let before: Vec<_> = weights.iter().map(zeros).collect();
            let mut again = Pruning::global_unstructured(weights.clone(), Sparsity::OneShot(0.75));
            trainer.fit(&digits_of(100), Fit::epochs(1).callback(&mut again)).unwrap();
            assert_eq!(weights.iter().map(zeros).collect::<Vec<_>>(), before);
        }
    }

    #[test]
    fn filters_go_as_a_whole() {
        let model = seq![Conv2d::new(1, 6, 5).stride(3), Relu, Flatten::new(), Linear::new(6 * 64, 10)];
        let filters = vec![prunable(&model).swap_remove(0)];
        let optimizer = Sgd::new(0.01).optimize(model.parameters());
        let mut trainer = model.compile(optimizer, cross_entropy);
        let mut pruning = Pruning::ln_structured(filters.clone(), Sparsity::OneShot(0.5), 2.0, 0);
        trainer.fit(&digits_of(100), Fit::epochs(1).callback(&mut pruning)).unwrap();
        let weight = filters[0].get().to_vec::<f32>();
        let zero: Vec<bool> = weight.chunks(25).map(|filter| filter.iter().all(|&w| w == 0.0)).collect();
        assert_eq!(zero.iter().filter(|&&zero| zero).count(), 3);
        assert!((pruning.sparsity() - 0.5).abs() < 1e-9);
    }
}
