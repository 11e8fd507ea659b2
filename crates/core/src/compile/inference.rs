//! The graph of an inference function as it is meant, for those who read it instead of running it.

use super::cache::Function;
use super::graph::{Graph, What};
use super::{simplify, trace};
use crate::tensor::Meta;
use crate::{Result, no_grad};

impl Graph {
    /// The graph of a function of arguments of these shapes and types: traced without a tape and simplified, but with
    /// views as equations and nothing joined; what is exported and drawn. Checks of values, which compute nothing, are
    /// left out.
    ///
    /// ```
    /// use hadal_core::{DType, Meta, compile::Graph};
    /// let graph = Graph::of(&[Meta::new([2, 3], DType::F32)], &|x| Ok(vec![x[0].relu().sum(1)]));
    /// let text = "(in0: f32 [2, 3]) {\n    v1: f32 [2, 3] = relu(in0)\n    v2: f32 [2] = sum(v1)\n    return v2\n}";
    /// assert_eq!(graph.unwrap().to_string(), text);
    /// ```
    pub fn of(arguments: &[Meta], f: Function) -> Result<Graph> {
        let (mut graph, _) = no_grad(|| trace::trace(arguments, false, f))?;
        graph.equations.retain(|equation| !matches!(&equation.what, What::Effect(effect) if effect.writes.is_empty()));
        simplify::simplify(&mut graph);
        Ok(graph)
    }
}
