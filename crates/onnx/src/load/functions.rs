//! Functions, put in where they are called.

use super::scope::{Names, Scope};
use super::{Loader, versions};
use crate::graph::Run;
use crate::wire;
use hadal_core::Result;

impl Loader<'_> {
    /// The body of a function with the attributes of a call in their places.
    pub(super) fn call(&mut self, function: &wire::Function, node: &wire::Node, outer: &Scope) -> Result<Run> {
        let mut attributes = node.attributes.clone();
        for default in &function.defaults {
            if !attributes.iter().any(|a| a.name == default.name) {
                attributes.push(default.clone());
            }
        }
        let nodes: Vec<_> = function.nodes.iter().map(|n| substitute(n, &attributes)).collect();
        let mut all = (*outer.versions).clone();
        all.extend(versions(&function.opset_import));
        // A function sees nothing of its surroundings; empty graphs count how deep calls are nested.
        let mut scope = Scope::new(all);
        scope.stack.extend(outer.stack.iter().map(|_| Names::default()));
        self.enter(&mut scope)?;
        let inputs: Vec<usize> = function.inputs.iter().map(|input| scope.here().add(input)).collect();
        let mut constants = Vec::new();
        let steps = self.steps(&nodes, &mut scope, &mut constants)?;
        let (graph, _) = self.finish(&mut scope, steps, constants, inputs, function.outputs.iter())?;
        Ok(Box::new(move |x| graph.run(x.values.to_vec(), &[])))
    }
}

/// A node of a function's body, with references to attributes of the call replaced by their values.
fn substitute(node: &wire::Node, given: &[wire::Attribute]) -> wire::Node {
    let mut node = node.clone();
    node.attributes = node.attributes.iter().filter_map(|a| substitute_attribute(a, given)).collect();
    node
}

/// `None` if the attribute refers to one that the call does not have: then it has its default.
fn substitute_attribute(attribute: &wire::Attribute, given: &[wire::Attribute]) -> Option<wire::Attribute> {
    let mut attribute = match &attribute.reference[..] {
        "" => attribute.clone(),
        reference => {
            let mut value = given.iter().find(|a| a.name == reference)?.clone();
            value.name = attribute.name.clone();
            return Some(value);
        }
    };
    if let Some(graph) = &mut attribute.graph {
        graph.nodes = graph.nodes.iter().map(|n| substitute(n, given)).collect();
    }
    Some(attribute)
}
