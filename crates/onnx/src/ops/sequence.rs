//! Lists of values, and values that may be missing.

use super::layout::{concatenate, join, split_value};
use super::prelude::*;

pub(super) const OPERATORS: &[Operator] = &[
    op("ConcatFromSequence", 11, With(concat_from_sequence)),
    op("Optional", 15, With(optional)),
    op("OptionalGetElement", 15, With(optional_get_element)),
    op("OptionalHasElement", 15, With(optional_has_element)),
    op("SequenceAt", 11, With(sequence_at)),
    op("SequenceConstruct", 11, With(sequence_construct)),
    op("SequenceEmpty", 11, With(|_| run(|_| Ok(vec![Value::sequence(vec![])])))),
    op("SequenceErase", 11, With(sequence_erase)),
    op("SequenceInsert", 11, With(sequence_insert)),
    op("SequenceLength", 11, With(|_| run(|x| one(Tensor::from(x.sequence(0)?.len() as i64))))),
    op("SequenceMap", 17, With(sequence_map)),
    op("SplitToSequence", 11, With(split_to_sequence)),
];

fn sequence_construct(_: &Node) -> Result<Run> {
    run(|x| {
        let values = (0..x.len()).map(|i| x.value(i).cloned()).collect::<Result<_>>()?;
        Ok(vec![Value::sequence(values)])
    })
}

/// A position among `count`, from the end when negative.
fn position(x: &Inputs, i: usize, count: usize) -> Result<usize> {
    let at = x.int(i)?;
    let from_start = if at < 0 { at.saturating_add(count as i64) } else { at };
    match usize::try_from(from_start) {
        Ok(position) if position < count => Ok(position),
        _ => invalid(format!("there is no position {at} among {count}")),
    }
}

fn sequence_at(_: &Node) -> Result<Run> {
    run(|x| {
        let values = x.sequence(0)?;
        Ok(vec![values[position(x, 1, values.len())?].clone()])
    })
}

fn sequence_insert(_: &Node) -> Result<Run> {
    run(|x| {
        let mut values = x.sequence(0)?.to_vec();
        // One may also insert behind the last.
        let at = match x.has(2) {
            true if x.int(2)? == values.len() as i64 => values.len(),
            true => position(x, 2, values.len())?,
            false => values.len(),
        };
        values.insert(at, x.value(1)?.clone());
        Ok(vec![Value::sequence(values)])
    })
}

fn sequence_erase(_: &Node) -> Result<Run> {
    run(|x| {
        let mut values = x.sequence(0)?.to_vec();
        let at = if x.has(1) { position(x, 1, values.len())? } else { values.len().saturating_sub(1) };
        if !values.is_empty() {
            values.remove(at);
        }
        Ok(vec![Value::sequence(values)])
    })
}

fn split_to_sequence(node: &Node) -> Result<Run> {
    let (axis, keep) = (node.int_or("axis", 0)?, node.int_or("keepdims", 1)? != 0);
    run(move |x| {
        let value = x.value(0)?;
        let shape = value.shape().ok_or_else(|| Error::invalid("a tensor is needed"))?;
        let at = axis_of(axis, shape.rank())?;
        let size = shape[at];
        let sizes = match x.optional(1)? {
            Some(sizes) if sizes.rank() == 0 => {
                let each = x.int(1)?.max(1);
                let full = size as i64 / each;
                let rest = size as i64 % each;
                (0..full).map(|_| each).chain((rest > 0).then_some(rest)).collect()
            }
            Some(sizes) => integers(sizes)?,
            None => vec![1; size],
        };
        let mut parts = split_value(value, axis, Some(&sizes), 0)?;
        if !x.has(1) && !keep {
            for part in &mut parts {
                *part = moved(part, |t| t.try_select(at as isize, 0))?;
            }
        }
        Ok(vec![Value::sequence(parts)])
    })
}

fn concat_from_sequence(node: &Node) -> Result<Run> {
    let (axis, new_axis) = (node.required("axis", node.int("axis")?)?, node.flag("new_axis")?);
    run(move |x| {
        let values = x.sequence(0)?;
        Ok(vec![match new_axis {
            true => join(values, |tensors| Tensor::try_stack(tensors, axis as isize))?,
            false => concatenate(values, axis)?,
        }])
    })
}

/// The body is run on the elements of the first sequence, each with those of the other sequences at the same place.
fn sequence_map(node: &Node) -> Result<Run> {
    let body = node.body("body")?;
    run(move |x| {
        let count = x.sequence(0)?.len();
        let mut outputs = vec![Vec::with_capacity(count); body.outputs()];
        for at in 0..count {
            let element = |i| match x.value(i)? {
                Value::Sequence(values) => {
                    values.get(at).cloned().ok_or_else(|| Error::invalid("the sequences differ in length"))
                }
                other => Ok(other.clone()),
            };
            let inputs = (0..x.len()).map(element).collect::<Result<Vec<_>>>()?;
            outputs.iter_mut().zip(body.run(inputs, x)?).for_each(|(all, value)| all.push(value));
        }
        Ok(outputs.into_iter().map(Value::sequence).collect())
    })
}

fn optional(_: &Node) -> Result<Run> {
    run(|x| Ok(vec![Value::Optional(x.get(0).cloned().map(Box::new))]))
}

fn optional_has_element(_: &Node) -> Result<Run> {
    run(|x| one(Tensor::from(!matches!(x.get(0), None | Some(Value::Optional(None))))))
}

fn optional_get_element(_: &Node) -> Result<Run> {
    run(|x| match x.value(0)? {
        Value::Optional(Some(value)) => Ok(vec![(**value).clone()]),
        Value::Optional(None) => invalid("the optional value is empty"),
        value => Ok(vec![value.clone()]),
    })
}
