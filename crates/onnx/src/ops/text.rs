//! Strings.

use super::prelude::*;
use crate::regex::Regex;
use std::collections::HashMap;

pub(super) const OPERATORS: &[Operator] = &[
    op("RegexFullMatch", 20, With(regex_full_match)),
    op("StringConcat", 20, With(string_concat)),
    op("StringNormalizer", 10, With(string_normalizer)),
    op("StringSplit", 20, With(string_split)),
    op("TfIdfVectorizer", 9, With(tf_idf)),
];

fn string_concat(_: &Node) -> Result<Run> {
    run(|x| {
        let (a, b) = (x.strings(0)?, x.strings(1)?);
        let shape = a.shape().broadcast(b.shape(), "StringConcat")?;
        let list = |s: &Strings| {
            let places = s.places.try_expand(&shape)?;
            Ok::<_, Error>(Strings { list: s.list.clone(), places }.to_vec())
        };
        let joined = list(a)?.into_iter().zip(list(b)?).map(|(a, b)| a + &b).collect();
        Ok(vec![Strings::new(joined, shape)?.into()])
    })
}

fn regex_full_match(node: &Node) -> Result<Run> {
    let regex = Regex::new(&node.string_or("pattern", "")?)?;
    run(move |x| {
        let strings = x.strings(0)?;
        one(Tensor::try_from_vec(strings.iter().map(|s| regex.matches(s)).collect(), strings.shape())?)
    })
}

/// Other case, and without stop words. What has no words left is one empty string.
fn string_normalizer(node: &Node) -> Result<Run> {
    let action = node.choice("case_change_action", &["NONE", "LOWER", "UPPER"], "NONE")?;
    let sensitive = node.flag("is_case_sensitive")?;
    let comparable = move |s: &str| if sensitive { s.to_owned() } else { s.to_lowercase() };
    let stop: Vec<_> = node.strings("stopwords")?.unwrap_or_default().iter().map(|s| comparable(s)).collect();
    run(move |x| {
        let words = x.strings(0)?;
        let kept = words.iter().filter(|word| !stop.contains(&comparable(word)));
        let mut list: Vec<String> = match action {
            1 => kept.map(str::to_lowercase).collect(),
            2 => kept.map(str::to_uppercase).collect(),
            _ => kept.map(str::to_owned).collect(),
        };
        if list.is_empty() {
            list.push(String::new());
        }
        let shape = match words.shape()[..] {
            [_] => Shape::from(list.len()),
            [1, _] => Shape::from([1, list.len()]),
            _ => return invalid(format!("one row of words is needed, got shape {}", words.shape())),
        };
        Ok(vec![Strings::new(list, shape)?.into()])
    })
}

/// The parts of each string, filled up with empty ones to the most, and how many there are.
fn string_split(node: &Node) -> Result<Run> {
    let delimiter = node.string_or("delimiter", "")?;
    let most = node.int("maxsplit")?.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
    run(move |x| {
        let strings = x.strings(0)?;
        let parts: Vec<Vec<String>> = strings.iter().map(|s| split(s, &delimiter, most)).collect();
        let width = parts.iter().map(Vec::len).max().unwrap_or(0);
        let counts: Vec<i64> = parts.iter().map(|p| p.len() as i64).collect();
        let filled = parts.into_iter().flat_map(|mut p| {
            p.resize(width, String::new());
            p
        });
        let shape = [strings.shape(), &[width][..]].concat();
        let counts = Tensor::try_from_vec(counts, strings.shape())?;
        Ok(vec![Strings::new(filled.collect(), shape)?.into(), counts.into()])
    })
}

/// As Python's `str.split`: without a delimiter, at any white space, of which none is left at the ends.
fn split(text: &str, delimiter: &str, most: usize) -> Vec<String> {
    if !delimiter.is_empty() {
        if text.is_empty() {
            return Vec::new();
        }
        return text.splitn(most.saturating_add(1), delimiter).map(str::to_owned).collect();
    }
    let (mut rest, mut parts) = (text.trim_start(), Vec::new());
    while !rest.is_empty() {
        let end = rest.find(char::is_whitespace).filter(|_| parts.len() < most).unwrap_or(rest.len());
        let part = if parts.len() < most { &rest[..end] } else { rest.trim_end() };
        parts.push(part.to_owned());
        rest = rest[end..].trim_start();
    }
    parts
}

/// How often each of a list of word sequences occurs, also with words between its own.
fn tf_idf(node: &Node) -> Result<Run> {
    let mode = node.required("mode", node.string("mode")?)?;
    let mode =
        ["TF", "IDF", "TFIDF"].iter().position(|m| *m == mode).ok_or_else(|| node.wrong("mode", "is unknown"))?;
    let number = |name: &str| {
        let value = node.required(name, node.int(name)?)?;
        usize::try_from(value).ok().filter(|n| *n <= 1 << 16).ok_or_else(|| node.wrong(name, "is out of range"))
    };
    let (longest, shortest) = (number("max_gram_length")?, number("min_gram_length")?);
    let skips = number("max_skip_count")?;
    let columns = sizes_of(&node.required("ngram_indexes", node.ints("ngram_indexes")?)?)?;
    let starts = sizes_of(&node.required("ngram_counts", node.ints("ngram_counts")?)?)?;
    let weights = node.floats("weights")?;
    // Words are compared as text, numbers too.
    let pool = match (node.strings("pool_strings")?, node.ints("pool_int64s")?) {
        (Some(words), _) => words,
        (None, Some(numbers)) => numbers.iter().map(i64::to_string).collect(),
        _ => return invalid("has neither pool_strings nor pool_int64s"),
    };
    let mut grams: HashMap<Vec<String>, usize> = HashMap::new();
    let mut count = 0;
    for (i, &start) in starts.iter().enumerate() {
        let end = starts.get(i + 1).copied().unwrap_or(pool.len());
        let words = pool.get(start..end).ok_or_else(|| node.wrong("ngram_counts", "does not fit the pool"))?;
        for gram in words.chunks_exact(i + 1) {
            grams.insert(gram.to_vec(), count);
            count += 1;
        }
    }
    if count != columns.len() || weights.as_ref().is_some_and(|w| w.len() != count) {
        return invalid("indexes and weights are not as many as word sequences");
    }
    let width = columns.iter().max().map_or(0, |n| n + 1);
    shape_of(&[width as i64])?;
    run(move |x| {
        let (words, shape) = match x.value(0)? {
            Value::Strings(strings) => (strings.to_vec(), strings.shape().clone()),
            _ => (x.ints(0)?.iter().map(i64::to_string).collect(), x.tensor(0)?.shape().clone()),
        };
        let length = shape.last().copied().unwrap_or(1);
        let rows = if shape.rank() > 1 { shape[0] } else { 1 };
        let mut y = vec![0f32; rows * width];
        for (row, y) in words.chunks(length.max(1)).zip(y.chunks_mut(width.max(1))) {
            for n in shortest..=longest {
                for step in 1..=if n == 1 { 1 } else { skips + 1 } {
                    let reach = n.saturating_sub(1).saturating_mul(step);
                    for start in 0..row.len().saturating_sub(reach) {
                        let gram: Vec<String> = (0..n).map(|i| row[start + i * step].clone()).collect();
                        if let Some(&found) = grams.get(&gram) {
                            y[columns[found]] += 1.0;
                        }
                    }
                }
            }
            for found in 0..if mode == 0 { 0 } else { count } {
                let weight = weights.as_ref().map_or(1.0, |w| w[found] as f32);
                let cell = &mut y[columns[found]];
                *cell = if mode == 1 { if *cell > 0.0 { weight } else { 0.0 } } else { *cell * weight };
            }
        }
        let shape = if shape.rank() > 1 { Shape::from([rows, width]) } else { Shape::from(width) };
        one(Tensor::try_from_vec(y, shape)?)
    })
}
