//! Values that come from attributes, shapes and counting.

use super::cast::{element_attribute, to_element};
use super::prelude::*;

pub(super) const OPERATORS: &[Operator] = &[
    op("Constant", 1, With(constant)),
    op("ConstantOfShape", 9, With(constant_of_shape)),
    op("EyeLike", 9, With(eye_like)),
    op("OneHot", 9, With(one_hot)),
    op("Range", 11, With(range)),
    op("Shape", 1, With(shape)),
    op("Size", 1, With(size)),
];

fn constant(node: &Node) -> Result<Run> {
    let strings = |list: Vec<String>, shape: Shape| Ok::<Value, Error>(Strings::new(list, shape)?.into());
    let narrow = |v: Vec<f64>| v.into_iter().map(|v| v as f32).collect::<Vec<_>>();
    let value = if let Some(value) = node.tensor("value")? {
        value
    } else if let Some(value) = node.sparse_tensor("sparse_value")? {
        value
    } else if let Some(value) = node.float("value_float")? {
        Tensor::from(value as f32).into()
    } else if let Some(values) = node.floats("value_floats")? {
        vector(narrow(values)).into()
    } else if let Some(value) = node.int("value_int")? {
        Tensor::from(value).into()
    } else if let Some(values) = node.ints("value_ints")? {
        vector(values).into()
    } else if let Some(value) = node.string("value_string")? {
        strings(vec![value], ().into())?
    } else if let Some(values) = node.strings("value_strings")? {
        let n = values.len();
        strings(values, n.into())?
    } else {
        return invalid("has no value");
    };
    run(move |_| Ok(vec![value.clone()]))
}

fn constant_of_shape(node: &Node) -> Result<Run> {
    let value = node.tensor("value")?.unwrap_or_else(|| Tensor::from(0f32).into());
    run(move |x| {
        let shape = shape_of(&x.ints(0)?)?;
        Ok(vec![moved(&value, |v| v.try_reshape(())?.try_expand(shape)?.try_contiguous())?])
    })
}

fn eye_like(node: &Node) -> Result<Run> {
    let (k, element) = (node.int_or("k", 0)?, element_attribute(node, "dtype")?);
    run(move |x| {
        let (like, own) = x.typed(0)?;
        let [rows, columns] = like.shape()[..] else { return invalid("a matrix is needed") };
        let (rows, columns) = (Tensor::arange(rows).try_unsqueeze(1)?, Tensor::arange(columns));
        let eye = rows.try_add(k)?.try_eq(&columns)?;
        Ok(vec![Value::typed(&eye, element.unwrap_or(own))?])
    })
}

pub(super) fn range(_: &Node) -> Result<Run> {
    run(|x| {
        let element = x.typed(0)?.1;
        let count = |n: f64| shape_of(&[n.ceil().max(0.0) as i64]).map(|shape| shape[0]);
        if element.is_float() {
            let (start, limit, delta) = (x.float(0)?, x.float(1)?, x.float(2)?);
            let n = count((limit - start) / delta)?;
            let values = (0..n).map(|i| start + i as f64 * delta).collect::<Vec<_>>();
            return Ok(vec![Value::typed(&vector(values), element)?]);
        }
        let (start, limit, delta) = (x.int(0)?, x.int(1)?, x.int(2)?);
        if delta == 0 {
            return invalid("a step of 0 never arrives");
        }
        let n = count((i128::from(limit) - i128::from(start)) as f64 / delta as f64)?;
        let values = (0..n as i64).map(|i| start.wrapping_add(i.wrapping_mul(delta))).collect::<Vec<_>>();
        Ok(vec![Value::typed(&vector(values), element)?])
    })
}

/// `start` and `end` count axes, from the end when negative, and are brought into range.
fn shape(node: &Node) -> Result<Run> {
    let (start, end) = (node.int_or("start", 0)?, node.int_or("end", i64::MAX)?);
    run(move |x| {
        let sizes = shape_of_value(x.value(0)?)?;
        let rank = sizes.len() as i64;
        let bound = |at: i64| (if at < 0 { at.saturating_add(rank) } else { at }).clamp(0, rank) as usize;
        let (start, end) = (bound(start), bound(end));
        one(vector(sizes.iter().take(end).skip(start).map(|&n| n as i64).collect::<Vec<_>>()))
    })
}

fn shape_of_value(value: &Value) -> Result<Shape> {
    value.shape().cloned().ok_or_else(|| Error::invalid(format!("a tensor is needed, got {}", value.describe())))
}

fn size(_: &Node) -> Result<Run> {
    run(|x| one(Tensor::from(shape_of_value(x.value(0)?)?.elements() as i64)))
}

/// Indices outside −depth..depth give rows without the on-value.
fn one_hot(node: &Node) -> Result<Run> {
    let axis = node.int_or("axis", -1)?;
    run(move |x| {
        let (indices, depth) = (x.tensor(0)?, x.float(1)? as i64);
        let depth_shape = shape_of(&[depth])?;
        let at = axis_of(axis, indices.rank() + 1)?;
        let indices = to_element(&indices.clone().into(), ElementType::I64)?;
        let Value::Tensor(indices, _) = indices else { return invalid("indices must be numbers") };
        let indices = indices.try_lt(0)?.try_where_(&indices.try_add(depth)?, &indices)?;
        shape_of(&[indices.elements() as i64, depth])?;
        let mut classes = vec![1; indices.rank() + 1];
        classes[at] = depth_shape[0];
        let hot = indices.try_unsqueeze(at as isize)?.try_eq(&Tensor::arange(depth_shape[0]).try_reshape(classes)?)?;
        let (values, element) = x.typed(2)?;
        let (off, on) = (values.try_select(0, 0)?, values.try_select(0, 1)?);
        Ok(vec![Value::Tensor(hot.try_where_(&on, &off)?, element)])
    })
}
