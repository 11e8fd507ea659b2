//! What every description is freed of: reshapes of reshapes, transposes of transposes, those that change nothing, and
//! nodes that nobody reads.

use super::{Attribute, Node, Nodes, Origin, Value};
use std::collections::HashMap;

impl Nodes {
    pub(super) fn tidy(&mut self) {
        self.join();
        self.drop_unread();
    }

    /// A reshape or transpose reads what the one before it read.
    fn join(&mut self) {
        let mut before: HashMap<Value, Node> = HashMap::new();
        let mut same: HashMap<Value, Value> = HashMap::new();
        for node in &mut self.nodes {
            for input in &mut node.inputs {
                *input = *same.get(input).unwrap_or(input);
            }
            let output = node.outputs[0];
            let earlier = before.get(&node.inputs.first().copied().unwrap_or(Value::OMITTED));
            let earlier = earlier.filter(|earlier| earlier.operator == node.operator);
            let unchanged = match node.operator {
                "Reshape" => {
                    node.inputs[0] = earlier.map_or(node.inputs[0], |earlier| earlier.inputs[0]);
                    let shape = |value: Value| self.values[value.0].1.as_ref().map(|meta| &meta.shape);
                    shape(output).is_some() && shape(node.inputs[0]) == shape(output)
                }
                "Transpose" => {
                    if let Some(earlier) = earlier {
                        let first = order(earlier).to_vec();
                        let joined = order(node).iter().map(|&axis| first[axis as usize]).collect();
                        node.attributes = vec![("perm", Attribute::Ints(joined))];
                        node.inputs[0] = earlier.inputs[0];
                    }
                    order(node).is_sorted()
                }
                _ => continue,
            };
            before.insert(output, node.clone());
            if unchanged {
                let source = node.inputs[0];
                if self.values[source.0].1.is_none() {
                    self.values[source.0].1 = self.values[output.0].1.clone();
                }
                same.insert(output, source);
            }
        }
        for output in &mut self.outputs {
            *output = *same.get(output).unwrap_or(output);
        }
    }

    fn drop_unread(&mut self) {
        let mut read = vec![false; self.values.len()];
        self.outputs.iter().for_each(|value| read[value.0] = true);
        let mut keep: Vec<bool> = self
            .nodes
            .iter()
            .rev()
            .map(|node| {
                let kept = node.outputs.iter().any(|value| read[value.0]);
                if kept {
                    node.inputs.iter().filter(|&&value| value != Value::OMITTED).for_each(|value| read[value.0] = true);
                }
                kept
            })
            .collect();
        keep.reverse();
        let mut keep = keep.into_iter();
        self.nodes.retain(|_| keep.next().expect("one flag per node"));
        for node in &mut self.nodes {
            while node.outputs.len() > 1 && node.outputs.last().is_some_and(|value| !read[value.0]) {
                node.outputs.pop();
            }
        }
    }

    /// The parameters and constants that are read, in the order of their first reading.
    pub fn givens(&self) -> Vec<Value> {
        let mut seen = vec![false; self.values.len()];
        let read = self.nodes.iter().flat_map(|node| &node.inputs).chain(&self.outputs);
        let given = |value: &&Value| {
            **value != Value::OMITTED && matches!(self.values[value.0].0, Origin::Parameter(_) | Origin::Constant(_))
        };
        read.filter(given).copied().filter(|value| !std::mem::replace(&mut seen[value.0], true)).collect()
    }
}

/// The axes of a transpose.
fn order(node: &Node) -> &[i64] {
    match &node.attributes[..] {
        [("perm", Attribute::Ints(order))] => order,
        _ => unreachable!("a transpose has its order"),
    }
}
