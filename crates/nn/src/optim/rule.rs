//! `Rule`: one update formula and its settings; `Slot`: what it keeps beside one parameter.

use super::Optimizer;
use super::pass::pass;
use hadal_core::{Element, Error, Param, Result, Shape, Tensor};
use std::fmt::Debug;
use std::ops::{Add, Div, Mul, Neg, Sub};
use std::sync::RwLock;

/// An update formula with its settings (learning rate, betas, weight decay …).
///
/// To write one, say which numbers it keeps beside a parameter and how one step changes them.
pub trait Rule: Debug + Send + Sync {
    /// The optimizer's name, as users write it.
    fn name(&self) -> &'static str;

    /// The learning rate.
    fn lr(&self) -> f64;

    /// Changes the learning rate.
    fn set_lr(&mut self, lr: f64);

    /// Changes the momentum (or Adam's first beta), for schedules that cycle it; without effect where there is none.
    fn set_momentum(&mut self, _momentum: f64) {}

    /// What is kept beside a parameter of this value, with its initial value.
    fn moments(&self, _value: &Tensor) -> Vec<Moment> {
        Vec::new()
    }

    /// Refuses a parameter that the formula is not made for.
    fn accepts(&self, _param: &Param) -> Result<()> {
        Ok(())
    }

    /// Changes the parameter and its moments by one step; `step` counts from 1.
    fn update(&self, slot: &Slot, gradient: &Tensor, step: u64);

    /// An optimizer that applies this rule to `params`.
    #[track_caller]
    fn optimize(self, params: impl IntoIterator<Item = Param>) -> Optimizer
    where
        Self: Sized + 'static,
    {
        Optimizer::new(self, params)
    }
}

/// The name and initial value of a number (or tensor of numbers) kept beside a parameter.
pub type Moment = (&'static str, Tensor);

/// A parameter with what its optimizer keeps beside it.
#[derive(Debug)]
pub struct Slot {
    pub(super) param: Param,
    /// Steps done, `i64` of rank 0.
    pub(super) steps: Param,
    pub(super) moments: Vec<(&'static str, Param)>,
    /// The parameter's shape when the moments were made.
    shape: RwLock<Shape>,
}

impl Slot {
    pub(super) fn new(rule: &dyn Rule, param: Param) -> Slot {
        let steps = Param::buffer(Tensor::from(0i64));
        let value = param.get();
        let moments = rule.moments(&value).into_iter().map(|(name, value)| (name, Param::buffer(value)));
        Slot { steps, moments: moments.collect(), shape: RwLock::new(value.shape().clone()), param }
    }

    /// Makes the moments anew if a lazy layer has given the parameter its size since they were made. (Moments loaded from
    /// a checkpoint in the meantime have the right size already.)
    pub(super) fn fit(&self, rule: &dyn Rule) {
        let value = self.param.get();
        if *value.shape() == *self.shape.read().unwrap_or_else(|e| e.into_inner()) {
            return;
        }
        let fresh = rule.moments(&value);
        let fits = |(made, fresh): (&(&str, Param), &Moment)| made.1.get().shape() == fresh.1.shape();
        if !self.moments.iter().zip(&fresh).all(fits) {
            self.moments.iter().zip(&fresh).for_each(|(made, fresh)| made.1.replace(&fresh.1));
        }
        *self.shape.write().unwrap_or_else(|e| e.into_inner()) = value.shape().clone();
    }

    /// Everything that an update changes.
    pub(super) fn places(&self) -> impl Iterator<Item = &Param> {
        [&self.param, &self.steps].into_iter().chain(self.moments.iter().map(|(_, moment)| moment))
    }

    /// The parameter.
    pub fn param(&self) -> &Param {
        &self.param
    }

    /// What is kept under this name.
    ///
    /// # Panics
    /// If the rule has no such moment.
    pub fn moment(&self, name: &str) -> &Param {
        let found = self.moments.iter().find(|(n, _)| *n == name);
        &found.unwrap_or_else(|| panic!("no moment is called `{name}`")).1
    }

    /// One pass over the elements: `f(gradient, [parameter, moment 0, moment 1, …])` for each, in parallel.
    ///
    /// `N` is the number of moments that have the parameter's shape, which come first in [`Rule::moments`], plus one.
    pub fn each<T: Real, const N: usize>(&self, gradient: &Tensor, f: impl Fn(T, [&mut T; N]) + Sync) {
        let moment = |i: usize| self.moments.get(i).map(|(_, moment)| moment);
        let places = std::array::from_fn(|i| match i.checked_sub(1) {
            None => &self.param,
            Some(i) => {
                moment(i).unwrap_or_else(|| panic!("the rule has {} moments, not {i} or more", self.moments.len()))
            }
        });
        pass(gradient, places, f);
    }
}

/// The types that optimizers compute in: `f32` and `f64`.
pub trait Real:
    Element
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// The correctly rounded square root.
    fn sqrt(self) -> Self;
    /// The magnitude.
    fn abs(self) -> Self;

    /// The larger; a NaN on either side is the result.
    fn larger(self, other: Self) -> Self {
        if other > self || other.partial_cmp(&other).is_none() { other } else { self }
    }

    /// −1, 0 or 1.
    fn sign(self) -> Self {
        let zero = Self::default();
        Self::from_i64((self > zero) as i64 - (self < zero) as i64)
    }
}

impl Real for f32 {
    fn sqrt(self) -> f32 {
        self.sqrt()
    }
    fn abs(self) -> f32 {
        self.abs()
    }
}

impl Real for f64 {
    fn sqrt(self) -> f64 {
        self.sqrt()
    }
    fn abs(self) -> f64 {
        self.abs()
    }
}

/// Panics unless `low <= value`, or `low <= value < high` where a high limit is given.
#[track_caller]
pub(super) fn check(rule: &str, setting: &str, value: f64, high: Option<f64>) {
    let fits = value >= 0.0 && value < high.unwrap_or(f64::INFINITY);
    if !fits {
        let range = high.map_or("0 or more".to_owned(), |high| format!("in 0.0..{high:?}"));
        Error::op(rule, format!("needs a finite {setting} that is {range}, got {value:?}")).raise();
    }
}
