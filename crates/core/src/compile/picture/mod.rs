//! Pictures of graphs: blocks for what computes with the arguments, lines for the tensors between them.

mod dot;
mod layout;
mod svg;

use super::graph::{Equation, Graph, ValueId, What};
use crate::Role;
use crate::op::Kind;
use crate::tensor::Meta;
use std::collections::{BTreeMap, HashMap};

impl Graph {
    /// The graph as a picture in SVG.
    pub fn to_svg(&self) -> String {
        svg::write(&Picture::of(self))
    }

    /// The graph in the language of Graphviz, with a cluster for every layer that has several blocks.
    pub fn to_dot(&self) -> String {
        dot::write(&Picture::of(self))
    }
}

/// What a block stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Style {
    /// An argument or a result.
    End,
    /// A sum of products.
    Contraction,
    /// The same elements under another shape.
    View,
    /// Anything else.
    Other,
}

/// A box of the picture.
#[derive(Debug)]
struct Block {
    /// What is done, where in the model, and what comes out.
    lines: Vec<String>,
    style: Style,
    /// The layer's name.
    module: Option<String>,
}

/// Blocks, each behind those that it reads from, and the pairs that are connected.
struct Picture {
    blocks: Vec<Block>,
    edges: Vec<(usize, usize)>,
}

fn tensor(meta: &Meta) -> String {
    format!("{} {}", meta.dtype, meta.shape)
}

/// `12,345`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&[u8]> = digits.as_bytes().rchunks(3).rev().collect();
    groups.iter().map(|group| String::from_utf8_lossy(group)).collect::<Vec<_>>().join(",")
}

/// What a value is in the picture.
#[derive(Clone, Default)]
struct Drawn {
    /// The block that makes it; none for what does not depend on arguments.
    block: Option<usize>,
    /// Whether it has a single reader.
    read_once: bool,
    /// Sizes of the parameters that it was made of, if there is no block.
    parameters: BTreeMap<String, usize>,
}

impl Picture {
    fn of(graph: &Graph) -> Picture {
        let mut picture = Picture { blocks: Vec::new(), edges: Vec::new() };
        let mut drawn: HashMap<ValueId, Drawn> = HashMap::new();
        let mut readers: HashMap<ValueId, usize> = HashMap::new();
        let read = graph.equations.iter().flat_map(|equation| &equation.inputs).chain(&graph.outputs);
        read.for_each(|operand| *readers.entry(operand.value).or_default() += 1);
        for (i, &input) in graph.inputs.iter().enumerate() {
            let lines = vec![format!("in{i}"), tensor(&graph.values[input].meta)];
            let block = picture.add(Block { lines, style: Style::End, module: None }, &[]);
            drawn.insert(input, Drawn { block: Some(block), ..Drawn::default() });
        }
        for equation in &graph.equations {
            let made = picture.equation(graph, equation, &drawn);
            for &output in &equation.outputs {
                drawn.insert(output, Drawn { read_once: readers.get(&output) == Some(&1), ..made.clone() });
            }
        }
        for (i, output) in graph.outputs.iter().enumerate() {
            let lines = vec![format!("out{i}"), tensor(&output.meta())];
            let from = drawn.get(&output.value).and_then(|drawn| drawn.block);
            picture.add(Block { lines, style: Style::End, module: None }, from.as_slice());
        }
        picture
    }

    /// Draws an equation, unless it only prepares parameters or is a view within a layer.
    fn equation(&mut self, graph: &Graph, equation: &Equation, drawn: &HashMap<ValueId, Drawn>) -> Drawn {
        let read: Vec<&Drawn> = equation.inputs.iter().filter_map(|operand| drawn.get(&operand.value)).collect();
        let mut parameters: BTreeMap<String, usize> =
            read.iter().flat_map(|drawn| drawn.parameters.iter().map(|(name, n)| (name.clone(), *n))).collect();
        if let What::Load(param) = &equation.what {
            if param.role() == Role::Parameter {
                parameters.insert(param.name().to_owned(), graph.values[equation.outputs[0]].meta.shape.elements());
            }
            return Drawn { parameters, ..Drawn::default() };
        }
        let mut from: Vec<usize> = read.iter().filter_map(|drawn| drawn.block).collect();
        from.dedup();
        let acts = matches!(equation.what, What::Store(_) | What::Effect(_));
        // From parameters and running statistics alone; an op without inputs would be a block.
        if from.is_empty() && !acts && !equation.inputs.is_empty() {
            return Drawn { parameters, ..Drawn::default() };
        }
        let style = match &equation.what {
            What::Op(op) if op.kind() == Kind::View => Style::View,
            What::Op(op) if op.kind() == Kind::Contraction => Style::Contraction,
            _ => Style::Other,
        };
        let shape = equation.outputs.first().map(|&output| tensor(&graph.values[output].meta));
        if let (Style::View, [source]) = (style, &from[..])
            && equation.module.is_some()
            && self.blocks[*source].module == equation.module
        {
            let block = &mut self.blocks[*source];
            if let (Some(last), Some(shape)) = (block.lines.last_mut(), shape) {
                *last = shape;
            }
            // A view before the layer's work is not what the layer is.
            return Drawn { block: Some(*source), ..Drawn::default() };
        }
        let mut lines = vec![equation.title()];
        lines.extend(equation.module.clone());
        match parameters.values().sum() {
            0 => (),
            sum => lines.push(format!("{} parameters", grouped(sum))),
        }
        lines.extend(shape);
        // A view that this layer began with gives its place to what follows.
        if let [source] = from[..]
            && read.iter().all(|drawn| drawn.block.is_none() || drawn.read_once)
            && self.blocks[source].style == Style::View
            && equation.module.is_some()
            && self.blocks[source].module == equation.module
            && source + 1 == self.blocks.len()
        {
            self.blocks[source] = Block { lines, style, module: equation.module.clone() };
            return Drawn { block: Some(source), ..Drawn::default() };
        }
        let block = self.add(Block { lines, style, module: equation.module.clone() }, &from);
        Drawn { block: Some(block), ..Drawn::default() }
    }

    fn add(&mut self, block: Block, from: &[usize]) -> usize {
        let number = self.blocks.len();
        self.blocks.push(block);
        self.edges.extend(from.iter().map(|&source| (source, number)));
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, Param, Tensor};

    /// Two ways from the input to a sum, one of them longer.
    fn graph() -> Graph {
        let weight = Param::new(Tensor::ones([3, 3]));
        weight.set_name("weight");
        let f = |x: &[Tensor]| {
            let product = crate::scope::within("dense", || x[0].reshape([2, 3]).linear(&weight.get(), None));
            Ok(vec![product.relu().add(x[0].neg().reshape([2, 3]))])
        };
        Graph::of(&[Meta::new(6, DType::F32)], &f).unwrap()
    }

    #[test]
    fn parameters_and_views_of_a_layer_belong_to_its_block() {
        let picture = Picture::of(&graph());
        let first: Vec<&str> = picture.blocks.iter().map(|block| block.lines[0].as_str()).collect();
        assert_eq!(first, ["in0", "linear", "relu", "neg", "reshape", "add", "out0"]);
        assert_eq!(picture.blocks[1].lines, ["linear", "dense", "9 parameters", "f32 [2, 3]"]);
        assert_eq!(grouped(1_234_567), "1,234,567");
    }

    #[test]
    fn graphviz_reads_names_and_edges() {
        let dot = graph().to_dot();
        assert!(dot.starts_with("digraph {\n"), "{dot}");
        assert!(dot.contains(r#"n1 [label="linear\ndense\n9 parameters\nf32 [2, 3]""#), "{dot}");
        assert!(dot.contains("n0 -> n1;") && dot.contains("n2 -> n5;"), "{dot}");
    }

    #[test]
    fn blocks_stand_below_what_they_read_and_apart() {
        let picture = Picture::of(&graph());
        let placed = layout::place(&picture);
        for &(from, to) in &picture.edges {
            assert!(placed.blocks[from].bottom() < placed.blocks[to].top, "{from} → {to}");
        }
        for (i, a) in placed.blocks.iter().enumerate() {
            for b in &placed.blocks[..i] {
                let beside = a.left() >= b.left() + b.width || b.left() >= a.left() + a.width;
                assert!(beside || a.top >= b.bottom() || b.top >= a.bottom(), "block {i} covers another");
            }
            assert!(a.left() >= 0.0 && a.left() + a.width <= placed.width && a.bottom() <= placed.height);
        }
        let svg = graph().to_svg();
        assert_eq!(svg.matches("<rect").count(), 1 + picture.blocks.len(), "{svg}");
        assert_eq!(svg.matches("<path class=\"edge\"").count(), picture.edges.len(), "{svg}");
    }
}
