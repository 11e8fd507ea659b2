//! Which operators there are: from domain, name and version to what prepares one.

use crate::graph::Run;
use crate::node::Node;
use crate::ops;
use hadal_core::{Result, Tensor};

/// How an operator is made to run.
#[derive(Clone, Copy)]
pub(crate) enum Prepare {
    /// A function of one tensor; the result has the type of its elements.
    Map(fn(&Tensor) -> Result<Tensor>),
    /// A function of two tensors, which broadcast; the result has the type of the first one's elements.
    Map2(fn(&Tensor, &Tensor) -> Result<Tensor>),
    /// The derivative of the nodes before it, which the loader turns into a subgraph.
    Gradient,
    /// Anything else: reads the attributes, and returns what runs.
    Node(fn(&Node) -> Result<Run>),
}

/// One line of a table.
pub(crate) struct Operator {
    pub name: &'static str,
    /// The first version of the domain for which this line holds: until that of the next line with the same name.
    pub since: i64,
    pub prepare: Prepare,
}

/// The tables of a domain.
struct Domain {
    /// As models write it. The default domain has an empty name.
    name: &'static str,
    /// The oldest and the newest version that is understood. In the default domain, most operators have lines from
    /// version 6 or 7 on only.
    versions: (i64, i64),
    tables: &'static [&'static [Operator]],
}

const DOMAINS: &[Domain] = &[
    Domain { name: "", versions: (1, 28), tables: ops::STANDARD },
    Domain { name: "ai.onnx.ml", versions: (1, 5), tables: ops::MACHINE_LEARNING },
    Domain { name: "ai.onnx.preview.training", versions: (1, 1), tables: ops::TRAINING },
    Domain { name: "com.microsoft", versions: (1, 1), tables: ops::MICROSOFT },
    Domain { name: "ai.onnx.preview", versions: (1, 1), tables: ops::PREVIEW },
];

/// Operators of the standard that there may not be, and why.
const MISSING: &[(&str, &str, &str)] =
    &[("", "ImageDecoder", "the decoders would make a module of WebAssembly too large")];

/// The canonical name of a domain.
pub(crate) fn canonical(domain: &str) -> &str {
    if domain == "ai.onnx" { "" } else { domain }
}

/// A domain as it is shown: the default one has an empty name in files.
pub(crate) fn shown(domain: &str) -> &str {
    if domain.is_empty() { "ai.onnx" } else { domain }
}

/// The line for an operator, or why there is none.
pub(crate) fn find(domain: &str, name: &str, version: i64) -> Result<&'static Operator, String> {
    let Some(known) = DOMAINS.iter().find(|d| d.name == domain) else {
        return Err("the domain is unknown".into());
    };
    let (oldest, newest) = known.versions;
    if !(oldest..=newest).contains(&version) {
        return Err(format!("version {version} of {} is not among {oldest} to {newest}", shown(domain)));
    }
    let lines = known.tables.iter().flat_map(|table| table.iter()).filter(|line| line.name == name);
    lines.clone().filter(|line| line.since <= version).max_by_key(|line| line.since).ok_or_else(|| {
        match lines.map(|line| line.since).min() {
            Some(first) => format!("supported from version {first} of {} on, not {version}", shown(domain)),
            None => MISSING.iter().find(|m| (m.0, m.1) == (domain, name)).map_or("unknown operator", |m| m.2).into(),
        }
    })
}

/// An operator that models may use.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Supported {
    /// The domain; the default one is `ai.onnx`.
    pub domain: &'static str,
    /// The operator's name.
    pub name: &'static str,
    /// The version of the domain from which on it is supported.
    pub since: i64,
}

/// All supported operators, in alphabetical order within each domain.
pub fn operators() -> Vec<Supported> {
    let mut all = Vec::new();
    for domain in DOMAINS {
        let lines = domain.tables.iter().flat_map(|table| table.iter());
        let mut own: Vec<_> =
            lines.map(|line| Supported { domain: shown(domain.name), name: line.name, since: line.since }).collect();
        own.sort();
        own.dedup_by_key(|operator| operator.name);
        all.extend(own);
    }
    all
}

impl Operator {
    /// What runs the node.
    pub fn run(&self, node: &Node) -> Result<Run> {
        match self.prepare {
            Prepare::Map(f) => Ok(Box::new(move |x| x.like(0, &f(x.tensor(0)?)?))),
            Prepare::Map2(f) => Ok(Box::new(move |x| x.like(0, &f(x.tensor(0)?, x.tensor(1)?)?))),
            Prepare::Node(prepare) => prepare(node),
            Prepare::Gradient => unreachable!("the loader prepares it"),
        }
    }
}

/// A line of a table.
pub(crate) const fn op(name: &'static str, since: i64, prepare: Prepare) -> Operator {
    Operator { name, since, prepare }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_operator_has_two_lines_for_one_version() {
        for domain in DOMAINS {
            let mut seen = HashSet::new();
            for line in domain.tables.iter().flat_map(|table| table.iter()) {
                assert!(seen.insert((line.name, line.since)), "{} {}", line.name, line.since);
            }
        }
    }
}
