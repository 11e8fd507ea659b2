//! Comparisons, logic and choices.

use super::map::ordered;
use super::prelude::*;

pub(super) const OPERATORS: &[Operator] = &[
    op("And", 7, Map2(|a, b| a.try_logical_and(b))),
    op("Equal", 7, With(equal)),
    op("Greater", 7, With(|_| compare(|a, b| a.try_gt(b)))),
    op("GreaterOrEqual", 12, With(|_| compare(|a, b| a.try_ge(b)))),
    op("Less", 7, With(|_| compare(|a, b| a.try_lt(b)))),
    op("LessOrEqual", 12, With(|_| compare(|a, b| a.try_le(b)))),
    op("Not", 1, Map(Tensor::try_logical_not)),
    op("Or", 7, Map2(|a, b| a.try_logical_or(b))),
    op("Where", 9, With(choose)),
    op("Xor", 7, Map2(|a, b| a.try_logical_xor(b))),
];

fn compare(f: fn(&Tensor, &Tensor) -> Result<Tensor>) -> Result<Run> {
    run(move |x| {
        let ((a, element), b) = (x.typed(0)?, x.tensor(1)?);
        one(f(&ordered(a, element)?, &ordered(b, element)?)?)
    })
}

fn equal(_: &Node) -> Result<Run> {
    run(|x| match (x.value(0)?, x.value(1)?) {
        (Value::Strings(a), Value::Strings(b)) => {
            let (a, b) = shared_list(a, b);
            one(a.places.try_eq(&b.places)?)
        }
        _ => one(x.tensor(0)?.try_eq(x.tensor(1)?)?),
    })
}

/// The same strings with one list in which no string occurs twice.
pub(super) fn shared_list(a: &Strings, b: &Strings) -> (Strings, Strings) {
    let mut numbers = std::collections::HashMap::new();
    let mut list = Vec::new();
    let mut number = |s: &str| {
        *numbers.entry(s.to_owned()).or_insert_with(|| {
            list.push(s.to_owned());
            list.len() as i64 - 1
        })
    };
    let [a, b] = [a, b].map(|strings| {
        let places: Vec<i64> = strings.iter().map(&mut number).collect();
        Tensor::from(places).reshape(strings.shape())
    });
    let list = std::sync::Arc::new(list);
    (Strings { list: list.clone(), places: a }, Strings { list, places: b })
}

fn choose(_: &Node) -> Result<Run> {
    run(|x| {
        let condition = x.tensor(0)?;
        match (x.value(1)?, x.value(2)?) {
            (Value::Strings(a), Value::Strings(b)) => {
                let (a, b) = shared_list(a, b);
                let places = condition.try_where_(&a.places, &b.places)?;
                Ok(vec![Strings { list: a.list, places }.into()])
            }
            _ => x.like(1, &condition.try_where_(x.tensor(1)?, x.tensor(2)?)?),
        }
    })
}
