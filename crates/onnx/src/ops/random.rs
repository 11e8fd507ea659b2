//! Numbers drawn at random. A node with a seed draws the same numbers in every program; one without follows
//! [`manual_seed`](hadal_core::random::manual_seed).

use super::cast::element_attribute;
use super::prelude::*;
use hadal_core::random::{Generator, default_generator};

pub(super) const OPERATORS: &[Operator] = &[
    op("Bernoulli", 15, With(bernoulli)),
    op("Dropout", 7, With(|_| run(|x| Ok(vec![x.value(0)?.clone(), all_true(x)?])))),
    op("Dropout", 12, With(dropout)),
    op("Multinomial", 7, With(multinomial)),
    op("RandomNormal", 1, With(|node| random(node, normal(node)?, false))),
    op("RandomNormalLike", 1, With(|node| random(node, normal(node)?, true))),
    op("RandomUniform", 1, With(|node| random(node, uniform(node)?, false))),
    op("RandomUniformLike", 1, With(|node| random(node, uniform(node)?, true))),
];

/// The node's own generator, if it has a seed.
fn generator(node: &Node) -> Result<Option<Generator>> {
    Ok(node.float("seed")?.map(|seed| Generator::new(seed.to_bits())))
}

fn or_default(generator: &Option<Generator>) -> &Generator {
    generator.as_ref().unwrap_or(default_generator())
}

type Draw = Box<dyn Fn(&Shape, &Generator) -> Result<Tensor> + Send + Sync>;

fn uniform(node: &Node) -> Result<Draw> {
    let (low, high) = (node.float_or("low", 0.0)?, node.float_or("high", 1.0)?);
    Ok(Box::new(move |shape, generator| Tensor::try_uniform_from(generator, shape, low, high)))
}

fn normal(node: &Node) -> Result<Draw> {
    let (mean, scale) = (node.float_or("mean", 0.0)?, node.float_or("scale", 1.0)?);
    Ok(Box::new(move |shape, generator| Tensor::try_normal_from(generator, shape, mean, scale)))
}

/// In the shape of an attribute, or that of the input.
fn random(node: &Node, draw: Draw, like: bool) -> Result<Run> {
    let (generator, element) = (generator(node)?, element_attribute(node, "dtype")?);
    let shape = match like {
        true => None,
        false => Some(shape_of(&node.required("shape", node.ints("shape")?)?)?),
    };
    run(move |x| {
        let (shape, own) = match &shape {
            Some(shape) => (shape.clone(), ElementType::F32),
            None => (x.tensor(0)?.shape().clone(), x.typed(0)?.1),
        };
        Ok(vec![Value::typed(&draw(&shape, or_default(&generator))?, element.unwrap_or(own))?])
    })
}

fn bernoulli(node: &Node) -> Result<Run> {
    let (generator, element) = (generator(node)?, element_attribute(node, "dtype")?);
    run(move |x| {
        let (probability, own) = x.typed(0)?;
        let drawn = probability.try_bernoulli_from(or_default(&generator))?;
        Ok(vec![Value::typed(&drawn, element.unwrap_or(own))?])
    })
}

/// From logarithms of probabilities, which need not add up to 1.
fn multinomial(node: &Node) -> Result<Run> {
    let (generator, element) = (generator(node)?, element_attribute(node, "dtype")?.unwrap_or(ElementType::I32));
    let draws = sizes_of(&[node.int_or("sample_size", 1)?])?[0];
    run(move |x| {
        let probabilities = x.tensor(0)?.try_softmax(-1)?;
        let replacement = hadal_core::ops::random::multinomial::Replacement::With;
        let drawn = probabilities.try_multinomial_from(or_default(&generator), draws, replacement)?;
        Ok(vec![Value::typed(&drawn, element)?])
    })
}

fn all_true(x: &Inputs) -> Result<Value> {
    Ok(Tensor::full(x.tensor(0)?.shape(), true).into())
}

/// Drops only if the third input says that the model is being trained.
fn dropout(node: &Node) -> Result<Run> {
    let generator = node.int("seed")?.map(|seed| Generator::new(seed as u64));
    run(move |x| {
        let training = x.has(2) && x.tensor(2)?.try_item::<bool>()?;
        let ratio = if x.has(1) { x.float(1)? } else { 0.5 };
        if !training || ratio == 0.0 {
            return Ok(vec![x.value(0)?.clone(), all_true(x)?]);
        }
        if !(0.0..1.0).contains(&ratio) {
            return invalid(format!("{ratio} of the elements cannot be dropped"));
        }
        let (tensor, element) = x.typed(0)?;
        let kept = Tensor::try_uniform_from(or_default(&generator), tensor.shape(), 0.0, 1.0)?.try_ge(ratio)?;
        let y = kept.try_where_(&tensor.try_div(1.0 - ratio)?, 0.0)?;
        Ok(vec![Value::typed(&y, element)?, kept.into()])
    })
}
