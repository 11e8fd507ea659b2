//! From the messages of a file to a graph that is ready to run.
//!
//! Names become places, attributes are read once, functions are put in where they are called, and it is found out who
//! reads a value last. Everything that can be wrong with a model's structure is found here.

mod functions;
mod roles;
mod scope;

use crate::decode::{self, printable};
use crate::external::External;
use crate::graph::{Body, Constant, Graph, Read, Run, Step};
use crate::inputs::Inputs;
use crate::node::Node;
use crate::registry::{self, Prepare, canonical, shown};
use crate::value::Value;
use crate::{Type, wire};
use hadal_core::{Error, Param, Result};
use roles::{Role, is_weight, roles};
use scope::{Names, Scope, Versions};
use std::collections::HashMap;
use std::sync::Arc;

/// Nodes beyond this number are refused: functions that call functions can make a small file into any number.
const MOST_NODES: usize = 1 << 18;

/// Functions that call functions, and graphs within graphs, may be nested so deep.
const DEEPEST: usize = 64;

/// What is gathered while a model is prepared.
pub(crate) struct Loader<'m> {
    functions: HashMap<(&'m str, &'m str, &'m str), &'m wire::Function>,
    external: Option<&'m External>,
    /// Domain, operator, reason → the nodes that use it.
    unsupported: Vec<((String, String, String), Vec<String>)>,
    /// The initializers that can be trained, by name.
    pub parameters: Vec<(String, Param)>,
    nodes: usize,
}

impl<'m> Loader<'m> {
    pub fn new(model: &'m wire::Model, external: Option<&'m External>) -> Loader<'m> {
        let functions = model.functions.iter();
        Loader {
            functions: functions.map(|f| ((canonical(&f.domain), &f.name[..], &f.overload[..]), f)).collect(),
            external,
            unsupported: Vec::new(),
            parameters: Vec::new(),
            nodes: 0,
        }
    }

    /// The main graph. All operators that are not supported are listed in one error.
    pub fn model(&mut self, model: &wire::Model) -> Result<Graph> {
        let graph = model.graph.as_ref().ok_or_else(|| Error::invalid("the model has no graph"))?;
        let graph = self.graph(graph, &mut Scope::new(versions(&model.opset_import)));
        if self.unsupported.is_empty() { graph.map(|(graph, _)| graph) } else { Err(self.list()) }
    }

    fn list(&self) -> Error {
        let count = self.unsupported.len();
        let mut message = format!("the model uses {count} operator{} that {} not supported:", s(count), are(count));
        for ((domain, name, reason), nodes) in &self.unsupported {
            let shown_nodes = nodes.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
            let more = if nodes.len() > 8 { ", …" } else { "" };
            let n = nodes.len();
            message += &format!("\n  {domain}.{name} ({reason}): {n} node{}: {shown_nodes}{more}", s(n));
        }
        Error::invalid(message)
    }

    /// A graph, and the places around it from which it takes values.
    fn graph(&mut self, graph: &wire::Graph, scope: &mut Scope) -> Result<(Graph, Vec<usize>)> {
        self.enter(scope)?;
        let main = scope.stack.len() == 1;
        let inputs = graph.inputs.iter().map(|input| scope.here().add(&input.name)).collect();
        let mut constants = Vec::new();
        let roles = roles(graph);
        for message in &graph.initializers {
            let (name, value) = (&message.name, decode::tensor(message, self.external)?);
            let place = match scope.here().places.get(name) {
                Some(&place) => place,
                None => scope.here().add(name),
            };
            let role = roles.get(name.as_str());
            let constant = match value {
                Value::Tensor(tensor, element)
                    if main && is_weight(&tensor, element) && role != Some(&Role::Setting) =>
                {
                    let param = if role.is_none() { Param::new(tensor) } else { Param::buffer(tensor) };
                    self.parameters.push((name.clone(), param.clone()));
                    Constant::Param(param)
                }
                value => {
                    scope.here().constants.insert(place, value.clone());
                    Constant::Value(value)
                }
            };
            constants.push((place, constant));
        }
        for tensor in &graph.sparse_initializers {
            let name = tensor.values.as_ref().map_or("", |v| &v.name);
            let place = scope.here().add(name);
            constants.push((place, Constant::Value(decode::sparse(tensor, self.external)?)));
        }
        let steps = self.steps(&graph.nodes, scope, &mut constants)?;
        let outputs = graph.outputs.iter().map(|o| &o.name);
        let (mut prepared, outer) = self.finish(scope, steps, constants, inputs, outputs)?;
        let types = graph.outputs.iter().map(|o| o.r#type.as_ref().and_then(|t| Type::of(t).ok()));
        prepared.output_types = types.collect();
        Ok((prepared, outer))
    }

    fn enter(&self, scope: &mut Scope) -> Result<()> {
        if scope.stack.len() >= DEEPEST {
            return Err(Error::invalid(format!("graphs are nested more than {DEEPEST} deep")));
        }
        scope.stack.push(Names::default());
        Ok(())
    }

    fn finish<'a>(
        &self,
        scope: &mut Scope,
        mut steps: Vec<Step>,
        constants: Vec<(usize, Constant)>,
        inputs: Vec<usize>,
        outputs: impl Iterator<Item = &'a String>,
    ) -> Result<(Graph, Vec<usize>)> {
        let mut ends = Vec::new();
        for name in outputs {
            let place = scope.find(name);
            ends.push(place.ok_or_else(|| Error::invalid(format!("nothing computes output `{}`", printable(name))))?);
        }
        let names = scope.stack.pop().expect("a graph is being prepared");
        mark_last_reads(&mut steps, &ends, names.next);
        let (captures, outer) = names.captures.into_iter().unzip();
        let output_types = vec![None; ends.len()];
        Ok((Graph { places: names.next, constants, inputs, captures, steps, outputs: ends, output_types }, outer))
    }

    /// The nodes as steps; `Constant` nodes become constants instead.
    fn steps(
        &mut self,
        nodes: &[wire::Node],
        scope: &mut Scope,
        constants: &mut Vec<(usize, Constant)>,
    ) -> Result<Vec<Step>> {
        let mut steps = Vec::with_capacity(nodes.len());
        for (i, node) in nodes.iter().enumerate() {
            let label = label(node);
            self.nodes += 1;
            if self.nodes > MOST_NODES {
                return Err(Error::invalid(format!("the model has more than {MOST_NODES} nodes")));
            }
            let mut inputs = Vec::with_capacity(node.inputs.len());
            for name in &node.inputs {
                inputs.push(match &name[..] {
                    "" => None,
                    _ => Some(Read { place: scope.find(name).ok_or_else(|| unknown(name, &nodes[i..]))?, last: false }),
                });
            }
            let named = |e: Error| Error::invalid(format!("{label}: {e}"));
            let known = inputs.iter().map(|i| i.and_then(|read| scope.here().constants.get(&read.place).cloned()));
            let known = known.collect();
            let (run, captures) = self.node(node, known, &nodes[..i], scope).map_err(named)?;
            let captures = captures.into_iter().map(|place| Read { place, last: false }).collect();
            let mut outputs = Vec::with_capacity(node.outputs.len());
            for name in &node.outputs {
                if scope.here().places.contains_key(name) && !name.is_empty() && !scope.captured(name) {
                    return Err(named(Error::invalid(format!("computes `{}` a second time", printable(name)))));
                }
                outputs.push((!name.is_empty()).then(|| scope.here().add(name)));
            }
            if node.operator == "Constant" && inputs.is_empty() && self.unsupported.is_empty() {
                for (place, value) in outputs.into_iter().flatten().zip(run(&Inputs { values: &[], captures: &[] })?) {
                    scope.here().constants.insert(place, value.clone());
                    constants.push((place, Constant::Value(value)));
                }
                continue;
            }
            steps.push(Step { label, inputs, captures, outputs, run });
        }
        Ok(steps)
    }

    /// What runs a node, and the places from which its subgraphs take values. `known` are the values of those inputs that
    /// are constants, `before` the nodes that precede it.
    fn node(
        &mut self,
        node: &wire::Node,
        known: Vec<Option<Value>>,
        before: &[wire::Node],
        scope: &mut Scope,
    ) -> Result<(Run, Vec<usize>)> {
        let domain = canonical(&node.domain);
        if let Some(&function) = self.functions.get(&(domain, &node.operator[..], &node.overload[..])) {
            return Ok((self.call(function, node, scope)?, Vec::new()));
        }
        let version = scope.versions.get(domain).copied();
        let version = version.ok_or_else(|| format!("the model imports no version of {}", shown(domain)));
        let operator = match version.and_then(|v| registry::find(domain, &node.operator, v)) {
            Ok(operator) => operator,
            Err(reason) => {
                self.miss(domain, node, reason);
                // Loading goes on, to find the others.
                return Ok((Box::new(|_| Err(Error::invalid("not supported"))), Vec::new()));
            }
        };
        if let Prepare::Gradient = operator.prepare {
            return self.gradient(node, before, scope);
        }
        let (mut bodies, mut captures) = (Vec::new(), Vec::new());
        for attribute in &node.attributes {
            if let Some(graph) = &attribute.graph {
                let (graph, outer) = self.graph(graph, scope)?;
                bodies.push((attribute.name.clone(), Body { graph: Arc::new(graph), first_capture: captures.len() }));
                captures.extend(outer);
            }
        }
        let prepared = Node { message: node, known, bodies, external: self.external };
        Ok((operator.run(&prepared)?, captures))
    }

    /// The operator that differentiates: the nodes before it that lead from its inputs to `y` become its subgraph.
    fn gradient(&mut self, node: &wire::Node, before: &[wire::Node], scope: &mut Scope) -> Result<(Run, Vec<usize>)> {
        let prepared = Node { message: node, known: Vec::new(), bodies: Vec::new(), external: None };
        let sources = prepared.required("xs", prepared.strings("xs")?)?;
        let fixed = prepared.strings("zs")?.unwrap_or_default();
        let y = prepared.required("y", prepared.string("y")?)?;
        let inputs = [&sources[..], &fixed].concat();
        let (mut open, mut needed) = (vec![y.clone()], vec![false; before.len()]);
        while let Some(name) = open.pop() {
            let producer = before.iter().rposition(|node| node.outputs.contains(&name));
            if let Some(at) = producer.filter(|&at| !inputs.contains(&name) && !needed[at]) {
                needed[at] = true;
                open.extend(before[at].inputs.iter().filter(|name| !name.is_empty()).cloned());
            }
        }
        let port = |name: &String| wire::ValueInfo { name: name.clone(), r#type: None };
        let part = wire::Graph {
            nodes: before.iter().zip(&needed).filter(|n| *n.1).map(|n| n.0.clone()).collect(),
            inputs: inputs.iter().map(port).collect(),
            outputs: vec![port(&y)],
            ..Default::default()
        };
        let (graph, captures) = self.graph(&part, scope)?;
        let body = Body { graph: Arc::new(graph), first_capture: 0 };
        Ok((crate::ops::gradient(body, sources.len()), captures))
    }

    fn miss(&mut self, domain: &str, node: &wire::Node, reason: String) {
        let key = (printable(shown(domain)), printable(&node.operator), reason);
        let name = if node.name.is_empty() { node.outputs.first().map_or("", |o| o) } else { &node.name };
        let name = printable(name);
        match self.unsupported.iter_mut().find(|u| u.0 == key) {
            Some((_, nodes)) => nodes.push(name),
            None => self.unsupported.push((key, vec![name])),
        }
    }
}

fn versions(imports: &[wire::OperatorSet]) -> Versions {
    imports.iter().map(|o| (canonical(&o.domain).to_owned(), o.version)).collect()
}

fn s(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn are(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

/// Operator and name of a node, for messages.
fn label(node: &wire::Node) -> String {
    match (&node.name[..], node.outputs.first()) {
        ("", Some(output)) => format!("{} (which computes `{}`)", printable(&node.operator), printable(output)),
        (name, _) => format!("{} `{}`", printable(&node.operator), printable(name)),
    }
}

/// The error for a name that no node has computed yet.
fn unknown(name: &str, rest: &[wire::Node]) -> Error {
    let reader = label(&rest[0]);
    let producer = rest.iter().find(|node| node.outputs.iter().any(|output| output == name));
    let name = printable(name);
    match producer {
        Some(node) => Error::invalid(format!(
            "the nodes are not in an order in which they can be run: {reader} uses `{name}`, which {} computes later",
            label(node)
        )),
        None => Error::invalid(format!("{reader} uses `{name}`, which nothing computes")),
    }
}

/// Marks, for every place, the read after which it is not needed any more.
fn mark_last_reads(steps: &mut [Step], outputs: &[usize], places: usize) {
    let mut needed = vec![false; places];
    outputs.iter().for_each(|&place| needed[place] = true);
    for step in steps.iter_mut().rev() {
        // In the order in which the step reads, the last one counts.
        let reads = step.inputs.iter_mut().flatten().chain(&mut step.captures);
        let mut reads: Vec<_> = reads.collect();
        for read in reads.iter_mut().rev() {
            read.last = !std::mem::replace(&mut needed[read.place], true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;

    fn node(operator: &str, domain: &str, inputs: &[&str], outputs: &[&str]) -> wire::Node {
        let names = |names: &[&str]| names.iter().map(|n| n.to_string()).collect();
        let (operator, domain) = (operator.to_owned(), domain.to_owned());
        wire::Node { operator, domain, inputs: names(inputs), outputs: names(outputs), ..Default::default() }
    }

    fn port(name: &str) -> wire::ValueInfo {
        wire::ValueInfo { name: name.to_owned(), r#type: None }
    }

    fn error(nodes: Vec<wire::Node>, functions: Vec<wire::Function>) -> String {
        let graph = wire::Graph { nodes, inputs: vec![port("x")], outputs: vec![port("y")], ..Default::default() };
        let imports = [("", 18), ("local", 1)];
        let opset_import = imports.map(|(d, version)| wire::OperatorSet { domain: d.into(), version }).to_vec();
        let graph = Some(Box::new(graph));
        let model = wire::Model { ir_version: 8, graph, opset_import, functions, ..Default::default() };
        crate::Model::from_bytes(model.encode_to_vec()).err().map(|e| e.to_string()).unwrap_or_default()
    }

    #[test]
    fn the_order_of_nodes_is_checked() {
        let swapped = vec![node("Relu", "", &["a"], &["y"]), node("Abs", "", &["x"], &["a"])];
        assert_eq!(
            error(swapped, vec![]),
            "ONNX model: the nodes are not in an order in which they can be run: Relu (which computes `y`) uses `a`, \
             which Abs (which computes `a`) computes later"
        );
        let unknown = vec![node("Relu", "", &["a"], &["y"])];
        assert_eq!(error(unknown, vec![]), "ONNX model: Relu (which computes `y`) uses `a`, which nothing computes");
        let twice = vec![node("Relu", "", &["x"], &["y"]), node("Abs", "", &["x"], &["y"])];
        assert_eq!(error(twice, vec![]), "ONNX model: Abs (which computes `y`): computes `y` a second time");
        assert_eq!(error(vec![], vec![]), "ONNX model: nothing computes output `y`");
    }

    fn function(name: &str, nodes: Vec<wire::Node>) -> wire::Function {
        let (inputs, outputs) = (vec!["x".into()], vec!["y".into()]);
        wire::Function { name: name.into(), domain: "local".into(), inputs, outputs, nodes, ..Default::default() }
    }

    #[test]
    fn a_function_that_calls_itself_is_an_error() {
        let endless = function("f", vec![node("f", "local", &["x"], &["y"])]);
        let message = error(vec![node("f", "local", &["x"], &["y"])], vec![endless]);
        assert!(message.ends_with("graphs are nested more than 64 deep"), "{message}");
    }

    /// f0 calls f1 twice, which calls f2 twice, and so on: 2^40 nodes from forty functions.
    #[test]
    fn functions_cannot_multiply_without_limit() {
        let calls = |i: usize| {
            let next = format!("f{}", i + 1);
            vec![node(&next, "local", &["x"], &["a"]), node(&next, "local", &["a"], &["y"])]
        };
        let mut functions: Vec<_> = (0..40).map(|i| function(&format!("f{i}"), calls(i))).collect();
        functions.push(function("f40", vec![node("Relu", "", &["x"], &["y"])]));
        let message = error(vec![node("f0", "local", &["x"], &["y"])], functions);
        assert!(message.ends_with("the model has more than 262144 nodes"), "{message}");
    }

    #[test]
    fn values_are_given_up_after_their_last_use() {
        let graph = wire::Graph {
            nodes: vec![node("Mul", "", &["x", "x"], &["a"]), node("Add", "", &["a", "x"], &["y"])],
            inputs: vec![port("x")],
            outputs: vec![port("y")],
            ..Default::default()
        };
        let model = wire::Model::default();
        let opset = wire::OperatorSet { domain: String::new(), version: 18 };
        let model = wire::Model { graph: Some(Box::new(graph)), opset_import: vec![opset], ..model };
        let graph = Loader::new(&model, None).model(&model).unwrap();
        let lasts = graph.steps.iter().map(|s| s.inputs.iter().flatten().map(|r| r.last).collect::<Vec<_>>());
        assert_eq!(lasts.collect::<Vec<_>>(), [[false, false], [true, true]]);
    }
}
