//! The graph's type checker: what every pass must leave true.

use super::graph::{Graph, Operand, What};
use crate::tensor::Meta;

/// What is wrong with a graph, if anything: a value read before it is made, an operand outside of its value's bytes, an op
/// whose shape rule gives something else than the graph says.
pub(crate) fn check(graph: &Graph) -> Result<(), String> {
    let mut made: Vec<bool> = graph.values.iter().map(|value| value.constant.is_some()).collect();
    graph.inputs.iter().for_each(|&value| made[value] = true);
    let fits = |operand: &Operand, made: &[bool]| {
        let (name, layout) = (graph.name(operand.value), &operand.layout);
        if !made[operand.value] {
            return Err(format!("{name} is read before it is made"));
        }
        let (low, high) = layout.span();
        let bytes = graph.values[operand.value].bytes;
        if layout.shape.elements() > 0 && (low < 0 || (high as usize + 1) * operand.dtype.size() > bytes) {
            return Err(format!("{layout:?} of {} does not fit {name}, which has {bytes} bytes", operand.dtype));
        }
        Ok(())
    };
    for equation in &graph.equations {
        let wrong = |what: String| format!("{}: {what}", equation.title());
        equation.inputs.iter().try_for_each(|operand| fits(operand, &made)).map_err(wrong)?;
        let expected: Vec<Meta> = match &equation.what {
            What::Op(op) => {
                let metas: Vec<Meta> = equation.inputs.iter().map(Operand::meta).collect();
                op.infer(&metas).map_err(|error| wrong(error.to_string()))?.into_vec()
            }
            What::Group(members) => {
                members.iter().filter(|member| member.output.is_some()).map(|member| member.meta.clone()).collect()
            }
            What::Load(_) => equation.outputs.iter().map(|&value| graph.values[value].meta.clone()).collect(),
            What::Store(_) | What::Effect(_) => Vec::new(),
        };
        let found: Vec<Meta> = equation.outputs.iter().map(|&value| graph.values[value].meta.clone()).collect();
        if found != expected {
            return Err(wrong(format!("makes {found:?}, and its rule says {expected:?}")));
        }
        for &value in &equation.outputs {
            if std::mem::replace(&mut made[value], true) {
                return Err(wrong(format!("makes {} a second time", graph.name(value))));
            }
        }
    }
    graph.outputs.iter().try_for_each(|operand| fits(operand, &made))
}
