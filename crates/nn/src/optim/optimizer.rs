//! `Optimizer`: rules applied to groups of parameters.

use super::{Rule, Slot};
use crate::schedules::Schedule;
use hadal_core::profile::{self, What};
use hadal_core::{Error, Gradients, Module, Param, Result, Tensor, Visitor, compile};
use std::ops::Deref;
use std::sync::{Arc, RwLock};

/// Parameters that share one rule.
#[derive(Debug)]
pub struct Group {
    rule: Arc<RwLock<Box<dyn Rule>>>,
    base_lr: f64,
    slots: Vec<Arc<Slot>>,
}

impl Group {
    /// The rule, with the settings of the moment.
    pub fn rule(&self) -> impl Deref<Target = Box<dyn Rule>> {
        self.rule.read().unwrap_or_else(|e| e.into_inner())
    }

    /// Changes settings of the rule.
    pub fn change_rule(&self, change: impl FnOnce(&mut dyn Rule)) {
        change(&mut **self.rule.write().unwrap_or_else(|e| e.into_inner()));
    }

    /// The learning rate that the group was made with: what a schedule starts from.
    pub fn base_lr(&self) -> f64 {
        self.base_lr
    }

    /// The parameters with their moments.
    pub fn slots(&self) -> &[Arc<Slot>] {
        &self.slots
    }
}

/// Updates parameters by their gradients, each group of them by its own rule.
///
/// As a [`Module`] it shows its state (`fc1.weight.exp_avg`, `fc1.weight.step`), so that a checkpoint saves and
/// restores it as it does a model's. Settings are not state: a resumed program makes the optimizer as it did before.
///
/// In a function that is being [compiled](hadal_core::compile()) a step is recorded, and done in every run with the
/// settings of that moment.
#[derive(Debug)]
pub struct Optimizer {
    groups: Vec<Group>,
    allow_unused: bool,
}

impl Optimizer {
    /// One group; [`Rule::optimize`] reads better.
    #[track_caller]
    pub fn new(rule: impl Rule + 'static, params: impl IntoIterator<Item = Param>) -> Optimizer {
        Optimizer { groups: Vec::new(), allow_unused: false }.group(rule, params)
    }

    /// Adds parameters that follow a rule of their own (another rate, no weight decay …).
    ///
    /// # Panics
    /// If there is none, or one of them is already in a group, or is not what the rule is made for.
    #[track_caller]
    pub fn group(mut self, rule: impl Rule + 'static, params: impl IntoIterator<Item = Param>) -> Optimizer {
        let mut slots: Vec<Arc<Slot>> = Vec::new();
        for param in params {
            let mut known = self.groups.iter().flat_map(|g| &g.slots).chain(&slots);
            if known.any(|slot| slot.param.is_same(&param)) {
                let message = format!("got parameter `{}` twice; give each to one group", param.name());
                Error::op(rule.name(), message).raise();
            }
            if let Err(error) = rule.accepts(&param) {
                error.raise();
            }
            slots.push(Arc::new(Slot::new(&rule, param)));
        }
        if slots.is_empty() {
            let message = "got no parameters: give it model.parameters(), and each group at least one";
            Error::op(rule.name(), message).raise();
        }
        self.groups.push(Group { base_lr: rule.lr(), rule: Arc::new(RwLock::new(Box::new(rule))), slots });
        self
    }

    /// Passes over parameters that the loss does not depend on, instead of refusing the step.
    pub fn allow_unused(mut self) -> Optimizer {
        self.allow_unused = true;
        self
    }

    /// The groups, in the order in which they were added.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The learning rate of the first group.
    pub fn lr(&self) -> f64 {
        self.groups[0].rule().lr()
    }

    /// Gives every group this learning rate.
    ///
    /// # Panics
    /// If it is negative or not a number.
    #[track_caller]
    pub fn set_lr(&self, lr: f64) {
        super::rule::check("set_lr", "learning rate", lr, None);
        self.groups.iter().for_each(|group| group.change_rule(|rule| rule.set_lr(lr)));
    }

    /// Gives every group the rate (and momentum, if cycled) that the schedule has for step `step`, counted from 0.
    pub fn follow(&self, schedule: &dyn Schedule, step: usize) {
        for group in &self.groups {
            group.change_rule(|rule| {
                rule.set_lr(schedule.lr(group.base_lr, step));
                if let Some(momentum) = schedule.momentum(step) {
                    rule.set_momentum(momentum);
                }
            });
        }
    }

    /// Updates every parameter that is not frozen. A missing gradient is an error that names the parameter, and
    /// then nothing has been changed.
    pub fn step(&self, gradients: &Gradients) -> Result<()> {
        let name = self.groups[0].rule().name();
        let span = profile::open(What::Optimizer, name);
        let mut params = self.groups.iter().flat_map(|group| &group.slots).map(|slot| &slot.param);
        if !self.allow_unused
            && params.clone().any(Param::is_trainable)
            && params.all(|param| gradients.get(param).is_err())
        {
            let message = "got gradients of none of its parameters: it was made for another model, or the loss does not \
                           depend on this one";
            return Err(Error::op(name, message));
        }
        let (mut updates, mut given) = (Vec::new(), Vec::new());
        for group in &self.groups {
            for slot in group.slots.iter().filter(|slot| slot.param.is_trainable()) {
                match gradients.get(&slot.param) {
                    Ok(gradient) => {
                        given.push(usable(&**group.rule(), slot, gradient)?);
                        updates.push(Update { rule: group.rule.clone(), slot: slot.clone() });
                    }
                    Err(_) if self.allow_unused => (),
                    Err(error) => return Err(error),
                }
            }
        }
        let run = |updates: &[Update], given: &[Tensor]| updates.iter().zip(given).for_each(|(u, g)| u.run(g));
        if !compile::is_tracing() {
            run(&updates, &given);
            return Ok(());
        }
        drop(span);
        let changed = updates.iter().flat_map(|update| update.slot.places().cloned()).collect();
        compile::effect(name, &given.iter().collect::<Vec<_>>(), changed, move |given| {
            let _span = profile::open(What::Optimizer, name);
            run(&updates, given);
            Ok(())
        })
    }
}

/// What a step does to one parameter.
struct Update {
    rule: Arc<RwLock<Box<dyn Rule>>>,
    slot: Arc<Slot>,
}

impl Update {
    fn run(&self, gradient: &Tensor) {
        let (rule, slot) = (self.rule.read().unwrap_or_else(|e| e.into_inner()), &self.slot);
        slot.fit(&**rule);
        let mut step = 0;
        slot.steps.update(|count: &mut [i64]| {
            count[0] += 1;
            step = count[0] as u64;
        });
        rule.update(slot, gradient, step);
    }
}

/// The gradient in the parameter's own type.
fn usable(rule: &dyn Rule, slot: &Slot, gradient: &Tensor) -> Result<Tensor> {
    let (value, name) = (slot.param.get(), slot.param.name());
    if !matches!(value.dtype(), hadal_core::DType::F32 | hadal_core::DType::F64) {
        let message = format!("updates f32 and f64 parameters; `{name}` is {}", value.dtype());
        return Err(Error::op(rule.name(), message));
    }
    if value.shape() != gradient.shape() {
        let message = format!("got a gradient of shape {} for `{name}` of shape {}", gradient.shape(), value.shape());
        return Err(Error::op(rule.name(), message));
    }
    hadal_core::no_grad(|| gradient.try_to_dtype(value.dtype()))
}

impl Module for Optimizer {
    fn visit(&self, visitor: &mut dyn Visitor) {
        for slot in self.groups.iter().flat_map(|group| &group.slots) {
            visitor.enter(slot.param.name());
            hadal_core::visit_field("step", &slot.steps, visitor);
            for (name, moment) in &slot.moments {
                hadal_core::visit_field(name, moment, visitor);
            }
            visitor.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::trajectory::{Problem, follow};
    use crate::optim::{AdamW, Sgd};
    use crate::schedules::StepLr;
    use hadal_core::testing::Fixture;

    #[test]
    fn groups_follow_rules_of_their_own() {
        follow(
            "groups",
            1e-12,
            |_, _, params| {
                let (fc1, fc2): (Vec<_>, Vec<_>) = params.into_iter().partition(|p| p.name().starts_with("fc1"));
                AdamW::new(0.01).weight_decay(0.1).optimize(fc1).group(AdamW::new(0.05).weight_decay(0.0), fc2)
            },
            |_, loss| loss.backward(),
        );
    }

    #[test]
    fn a_missing_gradient_is_named_and_nothing_moves() {
        let problem = Problem::new(&Fixture::read("optim/SGD"));
        let unused = Param::new(Tensor::from([1.0f64]));
        unused.set_name("head.bias");
        let params = || problem.parameters().into_iter().chain([unused.clone()]);
        let gradients = problem.loss().backward();
        let before = problem.params["fc1.weight"].get().to_bytes();
        let error = Sgd::new(0.1).optimize(params()).step(&gradients).unwrap_err().to_string();
        assert_eq!(
            error,
            "gradient of parameter `head.bias`: the loss does not depend on it; use it in the forward pass, \
             freeze it (param.freeze()), or leave it out of the optimizer"
        );
        assert_eq!(problem.params["fc1.weight"].get().to_bytes(), before);
        Sgd::new(0.1).optimize(params()).allow_unused().step(&gradients).unwrap();
        assert_ne!(problem.params["fc1.weight"].get().to_bytes(), before);
    }

    #[test]
    fn frozen_parameters_stay() {
        let problem = Problem::new(&Fixture::read("optim/SGD"));
        let optimizer = Sgd::new(0.1).momentum(0.9).optimize(problem.parameters());
        problem.params["fc1.weight"].freeze();
        let before = problem.params["fc1.weight"].get().to_bytes();
        optimizer.step(&problem.loss().backward()).unwrap();
        assert_eq!(problem.params["fc1.weight"].get().to_bytes(), before);
        problem.params["fc1.weight"].unfreeze();
        optimizer.step(&problem.loss().backward()).unwrap();
        assert_ne!(problem.params["fc1.weight"].get().to_bytes(), before);
    }

    #[test]
    fn a_schedule_scales_every_group() {
        let param = || Param::new(Tensor::from([1.0f32]));
        let optimizer = Sgd::new(0.1).optimize([param()]).group(Sgd::new(0.01), [param()]);
        optimizer.follow(&StepLr::new(5), 7);
        let rates: Vec<f64> = optimizer.groups().iter().map(|group| group.rule().lr()).collect();
        assert_eq!(rates, [0.1 * 0.1, 0.01 * 0.1]);
        optimizer.follow(&StepLr::new(5), 0);
        assert_eq!(optimizer.lr(), 0.1);
    }

    #[test]
    #[should_panic(expected = "Sgd got parameter `fc1.weight` twice; give each to one group")]
    fn a_parameter_belongs_to_one_group() {
        let problem = Problem::new(&Fixture::read("optim/SGD"));
        let _ = Sgd::new(0.1).optimize(problem.parameters()).group(Sgd::new(0.2), problem.parameters());
    }

    #[test]
    #[should_panic(expected = "Adam needs a finite first beta that is in 0.0..1.0, got 1.0")]
    fn settings_are_checked() {
        let _ = crate::optim::Adam::new(1e-3).betas(1.0, 0.999);
    }

    /// The moments of a parameter that a lazy layer fills later are made when its size is known.
    #[test]
    fn lazy_layers_may_be_optimized_before_their_first_input() {
        use crate::Layer;
        use crate::layers::Linear;
        use hadal_core::ModuleExt;
        let layer = Linear::lazy(2);
        let optimizer = AdamW::new(0.1).optimize(layer.parameters());
        let y = layer.forward(&Tensor::ones([3, 4]));
        let before = layer.weight.get().to_bytes();
        optimizer.step(&y.sum(..).backward()).unwrap();
        assert_ne!(layer.weight.get().to_bytes(), before);
    }
}
