//! Labels and categories: from one writing to another.

use super::Classes;
use crate::ops::prelude::*;
use crate::value::Map;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub(super) const OPERATORS: &[Operator] = &[
    op("CastMap", 1, With(cast_map)),
    op("CategoryMapper", 1, With(category_mapper)),
    op("DictVectorizer", 1, With(dict_vectorizer)),
    op("LabelEncoder", 1, With(label_encoder_by_classes)),
    op("LabelEncoder", 2, With(label_encoder)),
    op("OneHotEncoder", 1, With(one_hot_encoder)),
    op("ZipMap", 1, With(zip_map)),
];

/// A label as something that can be looked up: text, a whole number, or the bits of a float.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Text(String),
    Whole(i64),
    Float(u64),
}

fn float_key(value: f64) -> Key {
    // All NaNs are one label, and so are both zeros.
    Key::Float(if value.is_nan() { f64::NAN.to_bits() } else { (value + 0.0).to_bits() })
}

fn keys(value: &Value) -> Result<Vec<Key>> {
    match value {
        Value::Strings(strings) => Ok(strings.iter().map(|s| Key::Text(s.to_owned())).collect()),
        Value::Tensor(tensor, element) if element.is_float() => {
            Ok(tensor.to_f64_vec().into_iter().map(float_key).collect())
        }
        Value::Tensor(tensor, _) => Ok(integers(tensor)?.into_iter().map(Key::Whole).collect()),
        other => invalid(format!("labels must be a tensor, got {}", other.describe())),
    }
}

/// A list in one of the attributes `PREFIX_strings`, `PREFIX_int64s`, `PREFIX_floats` or `PREFIX_tensor`.
fn listed(node: &Node, prefix: &str) -> Result<Option<Value>> {
    if let Some(value) = node.tensor(&format!("{prefix}_tensor"))? {
        return Ok(Some(value));
    }
    if let Some(words) = node.strings(&format!("{prefix}_strings"))? {
        let n = words.len();
        return Ok(Some(Strings::new(words, n)?.into()));
    }
    if let Some(numbers) = node.ints(&format!("{prefix}_int64s"))? {
        return Ok(Some(vector(numbers).into()));
    }
    let floats = node.floats(&format!("{prefix}_floats"))?;
    Ok(floats.map(|v| vector(v.iter().map(|&v| v as f32).collect::<Vec<_>>()).into()))
}

/// `values[i]` for an input equal to `keys[i]`, else the default, which is put behind the values.
fn lookup(keys: Vec<Key>, values: Value, default: Value) -> Result<Run> {
    let count = keys.len();
    if values.shape().map(Shape::elements) != Some(count) {
        return invalid("keys and values are not equally many");
    }
    let flat = |v: &Value| moved(v, |t| t.try_ravel());
    let table = crate::ops::layout::concatenate(&[flat(&values)?, flat(&default)?], 0)?;
    // The first of equal keys counts.
    let mut places: HashMap<Key, i64> = HashMap::new();
    for (place, key) in (0..).zip(keys) {
        places.entry(key).or_insert(place);
    }
    run(move |x| {
        let input = x.value(0)?;
        let shape = input.shape().cloned().unwrap_or_default();
        let index = self::keys(input)?.into_iter().map(|key| places.get(&key).copied().unwrap_or(count as i64));
        let index = vector(index.collect::<Vec<i64>>());
        Ok(vec![moved(&table, |t| t.try_index_select(0, &index)?.try_reshape(shape))?])
    })
}

fn label_encoder(node: &Node) -> Result<Run> {
    let (from, to) = (listed(node, "keys")?, listed(node, "values")?);
    let (from, to) = (node.required("keys_*", from)?, node.required("values_*", to)?);
    let default = match (&to, node.tensor("default_tensor")?) {
        (_, Some(default)) => default,
        (Value::Strings(_), None) => Strings::new(vec![node.string_or("default_string", "_Unused")?], 1)?.into(),
        (Value::Tensor(_, element), None) if element.is_float() => {
            Value::typed(&vector(vec![node.float_or("default_float", -0.0)?]), *element)?
        }
        (Value::Tensor(_, element), None) => Value::typed(&vector(vec![node.int_or("default_int64", -1)?]), *element)?,
        (other, None) => return invalid(format!("values must be a tensor, got {}", other.describe())),
    };
    lookup(keys(&from)?, to, default)
}

/// Version 1: between names and their positions, whichever the input is not.
fn label_encoder_by_classes(node: &Node) -> Result<Run> {
    words_and_numbers(node, node.required("classes_strings", node.strings("classes_strings")?)?, None)
}

fn category_mapper(node: &Node) -> Result<Run> {
    let words = node.required("cats_strings", node.strings("cats_strings")?)?;
    let numbers = node.required("cats_int64s", node.ints("cats_int64s")?)?;
    words_and_numbers(node, words, Some(numbers))
}

fn words_and_numbers(node: &Node, words: Vec<String>, numbers: Option<Vec<i64>>) -> Result<Run> {
    let count = words.len();
    let numbers = numbers.unwrap_or_else(|| (0..count as i64).collect());
    let (texts, wholes): (Value, Value) = (Strings::new(words, count)?.into(), vector(numbers).into());
    let other_text = Strings::new(vec![node.string_or("default_string", "_Unused")?], 1)?;
    let other_number = vector(vec![node.int_or("default_int64", -1)?]);
    let to_numbers = lookup(keys(&texts)?, wholes.clone(), other_number.into())?;
    let to_texts = lookup(keys(&wholes)?, texts, other_text.into())?;
    run(move |x| if matches!(x.value(0)?, Value::Strings(_)) { to_numbers(x) } else { to_texts(x) })
}

fn one_hot_encoder(node: &Node) -> Result<Run> {
    let zeros = node.int_or("zeros", 1)? != 0;
    let classes = match Classes::of(node, "cats_int64s", "cats_strings")? {
        Classes::Numbers(numbers) => numbers.into_iter().map(Key::Whole).collect::<Vec<_>>(),
        Classes::Words(words) => words.into_iter().map(Key::Text).collect(),
    };
    run(move |x| {
        let input = x.value(0)?;
        let found: Vec<Option<usize>> = keys(input)?
            .into_iter()
            .map(|key| if let Key::Float(bits) = key { Key::Whole(f64::from_bits(bits) as i64) } else { key })
            .map(|key| classes.iter().position(|c| *c == key))
            .collect();
        if !zeros && found.contains(&None) {
            return invalid("a category is unknown");
        }
        let mut hot = vec![0f32; found.len() * classes.len()];
        for (row, place) in found.iter().enumerate() {
            if let Some(place) = place {
                hot[row * classes.len() + place] = 1.0;
            }
        }
        let shape = [&input.shape().cloned().unwrap_or_default()[..], &[classes.len()]].concat();
        one(Tensor::try_from_vec(hot, shape)?)
    })
}

/// Scores `[samples, classes]` as one map per sample.
fn zip_map(node: &Node) -> Result<Run> {
    let classes = Classes::of(node, "classlabels_int64s", "classlabels_strings")?;
    let keys = classes.at(&(0..classes.len() as i64).collect::<Vec<_>>())?;
    run(move |x| {
        let scores = x.tensor(0)?;
        let scores = if scores.rank() == 1 { scores.try_unsqueeze(0)? } else { scores.clone() };
        if scores.rank() != 2 || scores.size(1) != classes.len() {
            return invalid(format!("scores of shape {} do not fit {} classes", scores.shape(), classes.len()));
        }
        let map = |values: Tensor| Value::Map(Arc::new(Map { keys: keys.clone(), values }));
        Ok(vec![Value::sequence(scores.try_unbind(0)?.into_iter().map(map).collect())])
    })
}

/// The numbers of a map in the order of a vocabulary, 0 for what the map does not have.
fn dict_vectorizer(node: &Node) -> Result<Run> {
    let vocabulary = match Classes::of(node, "int64_vocabulary", "string_vocabulary")? {
        Classes::Numbers(numbers) => numbers.into_iter().map(Key::Whole).collect::<Vec<_>>(),
        Classes::Words(words) => words.into_iter().map(Key::Text).collect(),
    };
    run(move |x| {
        let Value::Map(map) = x.value(0)? else { return invalid("a map is needed") };
        let places: HashMap<Key, i64> = keys(&map.keys)?.into_iter().zip(0..).collect();
        let count = map.values.elements();
        let zero = Tensor::zeros_with(1, map.values.dtype());
        let table = Tensor::try_cat(&[&map.values.try_ravel()?, &zero], 0)?;
        let index = vocabulary.iter().map(|key| places.get(key).copied().unwrap_or(count as i64));
        one(table.try_index_select(0, &vector(index.collect::<Vec<_>>()))?.try_unsqueeze(0)?)
    })
}

/// The numbers of a map from whole numbers, in the order of its keys; or, with `SPARSE`, each at the place that its key
/// says, and 0 at the others.
fn cast_map(node: &Node) -> Result<Run> {
    let types = [Some(DType::F32), None, Some(DType::I64)];
    let dtype = types[node.choice("cast_to", &["TO_FLOAT", "TO_STRING", "TO_INT64"], "TO_FLOAT")?];
    let sparse = node.choice("map_form", &["DENSE", "SPARSE"], "DENSE")? == 1;
    let size = sizes_of(&[node.int_or("max_map", 1)?])?[0];
    shape_of(&[size as i64])?;
    run(move |x| {
        let Value::Map(map) = x.value(0)? else { return invalid("a map is needed") };
        let Some(keys) = map.keys.tensor().filter(|keys| !keys.dtype().is_float()) else {
            return invalid("a map from whole numbers is needed");
        };
        let places: BTreeMap<i64, i64> = integers(keys)?.into_iter().zip(0..).collect();
        let zero = Tensor::zeros_with(1, map.values.dtype());
        let table = Tensor::try_cat(&[&map.values.try_ravel()?, &zero], 0)?;
        let nothing = map.values.elements() as i64;
        let index: Vec<i64> = match sparse {
            true => (0..size as i64).map(|key| places.get(&key).copied().unwrap_or(nothing)).collect(),
            false => places.into_values().collect(),
        };
        let values = table.try_index_select(0, &vector(index.clone()))?.try_unsqueeze(0)?;
        let Some(dtype) = dtype else {
            // As onnxruntime writes numbers, and what has no value.
            let numbers = values.to_f64_vec().into_iter().zip(index);
            let word = |(value, at)| if at == nothing { "0.f".to_owned() } else { format!("{value:.6}") };
            return Ok(vec![Strings::new(numbers.map(word).collect(), values.shape())?.into()]);
        };
        one(values.try_to_dtype(dtype)?)
    })
}

#[cfg(test)]
mod tests {
    use crate::testing::{int, run_in, word};
    use crate::{Map, Value};
    use hadal_core::Tensor;
    use std::sync::Arc;

    #[test]
    fn a_map_becomes_a_tensor_in_the_order_of_its_keys() {
        let keys = Tensor::from(vec![5i64, 1, 3]).into();
        let map = [Value::Map(Arc::new(Map { keys, values: Tensor::from([0.5f32, 2.75, -1.0]) }))];
        let cast = |attributes| run_in("ai.onnx.ml", 1, "CastMap", attributes, &map).unwrap();
        assert_eq!(cast(vec![]).tensor().unwrap().to_vec::<f32>(), [2.75, -1.0, 0.5]);
        let sparse = vec![word("map_form", "SPARSE"), int("max_map", 5), word("cast_to", "TO_INT64")];
        // The key 5 has no place among five.
        assert_eq!(cast(sparse).tensor().unwrap().to_vec::<i64>(), [0, 2, 0, -1, 0]);
        // onnxruntime gives these words.
        let words = vec![word("map_form", "SPARSE"), int("max_map", 4), word("cast_to", "TO_STRING")];
        let Value::Strings(words) = cast(words) else { panic!("words") };
        assert_eq!(words.to_vec(), ["0.f", "2.750000", "0.f", "-1.000000"]);
    }
}
