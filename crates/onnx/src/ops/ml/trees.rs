//! Ensembles of decision trees.

use super::linear::samples;
use super::{Classes, POST_TRANSFORMS, PostTransform};
use crate::ops::prelude::*;
use std::collections::HashMap;

pub(super) const OPERATORS: &[Operator] = &[
    op("TreeEnsemble", 5, With(ensemble)),
    op("TreeEnsembleClassifier", 1, With(classifier)),
    op("TreeEnsembleRegressor", 1, With(regressor)),
];

/// What a node asks of its feature.
#[derive(Clone, Copy, PartialEq)]
enum Question {
    AtMost,
    Less,
    AtLeast,
    Greater,
    Equal,
    NotEqual,
    Member,
}

/// In the order of their numbers.
const QUESTIONS: [Question; 7] = [
    Question::AtMost,
    Question::Less,
    Question::AtLeast,
    Question::Greater,
    Question::Equal,
    Question::NotEqual,
    Question::Member,
];

#[derive(Clone, Copy)]
enum Next {
    Node(usize),
    Leaf(usize),
}

struct Split {
    question: Question,
    feature: usize,
    threshold: f32,
    members: Vec<f32>,
    /// Where NaN goes.
    missing_is_yes: bool,
    yes: Next,
    no: Next,
}

#[derive(Clone, Copy, PartialEq)]
enum Aggregate {
    Average,
    Sum,
    Min,
    Max,
}

const AGGREGATES: [Aggregate; 4] = [Aggregate::Average, Aggregate::Sum, Aggregate::Min, Aggregate::Max];

/// Trees whose leaves add to targets.
struct Forest {
    splits: Vec<Split>,
    roots: Vec<Next>,
    /// Target and weight of what each leaf contributes.
    leaves: Vec<Vec<(usize, f32)>>,
    targets: usize,
    base: Vec<f32>,
    aggregate: Aggregate,
}

impl Split {
    fn holds(&self, value: f32) -> bool {
        let t = self.threshold;
        if value.is_nan() && self.missing_is_yes {
            return true;
        }
        match self.question {
            Question::AtMost => value <= t,
            Question::Less => value < t,
            Question::AtLeast => value >= t,
            Question::Greater => value > t,
            Question::Equal => value == t,
            Question::NotEqual => value != t,
            Question::Member => self.members.contains(&value),
        }
    }
}

impl Forest {
    /// An error if a node leads nowhere.
    fn checked(self) -> Result<Forest> {
        let leads = |next: &Next| match *next {
            Next::Node(i) => i < self.splits.len(),
            Next::Leaf(i) => i < self.leaves.len(),
        };
        let splits = self.splits.iter().all(|s| leads(&s.yes) && leads(&s.no));
        let targets = self.leaves.iter().flatten().all(|leaf| leaf.0 < self.targets);
        let base = self.base.is_empty() || self.base.len() == self.targets;
        shape_of(&[self.targets as i64])?;
        if splits && targets && base && self.roots.iter().all(leads) {
            Ok(self)
        } else {
            invalid("the trees lead to nodes, leaves or targets that do not exist")
        }
    }

    /// Scores `[samples, targets]`.
    fn scores(&self, x: &Tensor) -> Result<Tensor> {
        let [samples, features] = x.shape()[..] else { return invalid("samples [n, features] are needed") };
        let mut scores = Vec::with_capacity(samples * self.targets);
        for row in x.try_to_vec::<f32>()?.chunks_exact(features.max(1)) {
            let mut sums: Vec<Option<f32>> = vec![None; self.targets];
            for root in &self.roots {
                for &(target, weight) in &self.leaves[self.leaf(*root, row)?] {
                    let sum = &mut sums[target];
                    *sum = Some(match (*sum, self.aggregate) {
                        (None, _) => weight,
                        (Some(s), Aggregate::Min) => s.min(weight),
                        (Some(s), Aggregate::Max) => s.max(weight),
                        (Some(s), _) => s + weight,
                    });
                }
            }
            let trees = if self.aggregate == Aggregate::Average { self.roots.len() as f32 } else { 1.0 };
            for (i, sum) in sums.into_iter().enumerate() {
                scores.push(sum.unwrap_or(0.0) / trees + self.base.get(i).copied().unwrap_or(0.0));
            }
        }
        Tensor::try_from_vec(scores, [samples, self.targets])
    }

    /// The leaf that a sample falls to.
    fn leaf(&self, mut at: Next, row: &[f32]) -> Result<usize> {
        // No path is longer than there are nodes, unless it goes in circles.
        for _ in 0..=self.splits.len() {
            match at {
                Next::Leaf(leaf) => return Ok(leaf),
                Next::Node(i) => {
                    let split = &self.splits[i];
                    let value = row.get(split.feature);
                    let value =
                        value.ok_or_else(|| Error::invalid(format!("there is no feature {}", split.feature)))?;
                    at = if split.holds(*value) { split.yes } else { split.no };
                }
            }
        }
        invalid("a tree has a path that never ends")
    }
}

/// The numbers of a tensor in an attribute.
fn numbers(node: &Node, name: &str) -> Result<Option<Vec<f32>>> {
    let value = node.tensor(name)?;
    Ok(value.and_then(|v| v.tensor().map(|t| t.to_f64_vec().iter().map(|&v| v as f32).collect())))
}

fn ensemble(node: &Node) -> Result<Run> {
    let ints = |name: &str| node.required(name, node.ints(name)?);
    let tensor = |name: &str| node.required(name, numbers(node, name)?);
    let positions = |name: &str| sizes_of_large(&ints(name)?);
    let (features, thresholds, modes) =
        (positions("nodes_featureids")?, tensor("nodes_splits")?, tensor("nodes_modes")?);
    let (yes, no) = (positions("nodes_truenodeids")?, positions("nodes_falsenodeids")?);
    let (yes_leaf, no_leaf) = (ints("nodes_trueleafs")?, ints("nodes_falseleafs")?);
    let missing = node.ints("nodes_missing_value_tracks_true")?.unwrap_or_default();
    let count = features.len();
    if [thresholds.len(), modes.len(), yes.len(), no.len(), yes_leaf.len(), no_leaf.len()] != [count; 6] {
        return invalid("the lists of nodes differ in length");
    }
    let members = numbers(node, "membership_values")?.unwrap_or_default();
    let mut sets = members.split(|v| v.is_nan());
    let next = |to: usize, leaf: i64| if leaf != 0 { Next::Leaf(to) } else { Next::Node(to) };
    let mut splits = Vec::with_capacity(count);
    for i in 0..count {
        let question = QUESTIONS.get(modes[i] as usize).copied();
        let question = question.ok_or_else(|| node.wrong("nodes_modes", "has an unknown mode"))?;
        let members = if question == Question::Member { sets.next().unwrap_or_default().to_vec() } else { Vec::new() };
        splits.push(Split {
            question,
            feature: features[i],
            threshold: thresholds[i],
            members,
            missing_is_yes: missing.get(i).is_some_and(|&m| m != 0),
            yes: next(yes[i], yes_leaf[i]),
            no: next(no[i], no_leaf[i]),
        });
    }
    let (targets, weights) = (positions("leaf_targetids")?, tensor("leaf_weights")?);
    let leaves = targets.iter().zip(&weights).map(|(&t, &w)| vec![(t, w)]).collect();
    let code = |name: &str, default: i64, count: usize| {
        let code = node.int_or(name, default)?;
        usize::try_from(code).ok().filter(|c| *c < count).ok_or_else(|| node.wrong(name, "is unknown"))
    };
    let forest = Forest {
        splits,
        roots: positions("tree_roots")?.into_iter().map(Next::Node).collect(),
        leaves,
        targets: node.int_or("n_targets", 1)?.max(0) as usize,
        base: Vec::new(),
        aggregate: AGGREGATES[code("aggregate_function", 1, 4)?],
    }
    .checked()?;
    let post = POST_TRANSFORMS[code("post_transform", 0, 5)?];
    run(move |x| {
        let scores = post.apply(&forest.scores(&samples(x)?)?)?;
        x.like(0, &scores)
    })
}

/// Positions, which unlike sizes may be many without their product meaning anything.
fn sizes_of_large(values: &[i64]) -> Result<Vec<usize>> {
    let position = |&v: &i64| usize::try_from(v).map_err(|_| Error::invalid(format!("{v} is no position")));
    values.iter().map(position).collect()
}

/// The trees of the older operators; leaves are lists of entries named `PREFIX_treeids`, `…_nodeids`, `…_ids` and
/// `…_weights`.
fn forest(node: &Node, prefix: &str, targets: usize, aggregate: Aggregate) -> Result<Forest> {
    let ints = |name: &str| node.required(name, node.ints(name)?);
    let (trees, ids) = (ints("nodes_treeids")?, ints("nodes_nodeids")?);
    let (features, yes, no) = (ints("nodes_featureids")?, ints("nodes_truenodeids")?, ints("nodes_falsenodeids")?);
    let modes = node.required("nodes_modes", node.strings("nodes_modes")?)?;
    let values = |name: &str| match node.floats(name)? {
        Some(values) => Ok(Some(values.iter().map(|&v| v as f32).collect::<Vec<f32>>())),
        None => numbers(node, &format!("{name}_as_tensor")),
    };
    let thresholds = node.required("nodes_values", values("nodes_values")?)?;
    let missing = node.ints("nodes_missing_value_tracks_true")?.unwrap_or_default();
    let count = ids.len();
    if [trees.len(), features.len(), yes.len(), no.len(), modes.len(), thresholds.len()] != [count; 6] {
        return invalid("the lists of nodes differ in length");
    }
    // Where each node stands: among the splits or the leaves.
    let (mut places, mut split_count, mut leaf_count) = (HashMap::new(), 0, 0);
    for i in 0..count {
        let counter = if modes[i] == "LEAF" { &mut leaf_count } else { &mut split_count };
        let place = if modes[i] == "LEAF" { Next::Leaf(*counter) } else { Next::Node(*counter) };
        *counter += 1;
        places.insert((trees[i], ids[i]), place);
    }
    let find = |tree: i64, id: i64| {
        places.get(&(tree, id)).copied().ok_or_else(|| Error::invalid(format!("tree {tree} has no node {id}")))
    };
    let mut splits = Vec::with_capacity(split_count);
    let mut roots = Vec::new();
    for i in 0..count {
        if i == 0 || trees[i] != trees[i - 1] {
            roots.push(find(trees[i], ids[i])?);
        }
        let words = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"];
        let Some(question) = words.iter().position(|w| *w == modes[i]) else {
            if modes[i] == "LEAF" {
                continue;
            }
            return Err(
                node.wrong("nodes_modes", format!("has the unknown mode `{}`", crate::decode::printable(&modes[i])))
            );
        };
        splits.push(Split {
            question: QUESTIONS[question],
            feature: usize::try_from(features[i]).map_err(|_| node.wrong("nodes_featureids", "is negative"))?,
            threshold: thresholds[i],
            members: Vec::new(),
            missing_is_yes: missing.get(i).is_some_and(|&m| m != 0),
            yes: find(trees[i], yes[i])?,
            no: find(trees[i], no[i])?,
        });
    }
    let entry = |name: &str| ints(&format!("{prefix}_{name}"));
    let (leaf_trees, leaf_ids, leaf_targets) = (entry("treeids")?, entry("nodeids")?, entry("ids")?);
    let name = format!("{prefix}_weights");
    let weights = node.required(&name, values(&name)?)?;
    if [leaf_ids.len(), leaf_targets.len(), weights.len()] != [leaf_trees.len(); 3] {
        return invalid("the lists of leaves differ in length");
    }
    let mut leaves = vec![Vec::new(); leaf_count];
    for i in 0..leaf_trees.len() {
        let target = usize::try_from(leaf_targets[i]).map_err(|_| Error::invalid("a target is negative"))?;
        match find(leaf_trees[i], leaf_ids[i])? {
            Next::Leaf(leaf) => leaves[leaf].push((target, weights[i])),
            Next::Node(_) => return invalid("a node with branches has a weight"),
        }
    }
    let base = values("base_values")?.unwrap_or_default();
    Forest { splits, roots, leaves, targets, base, aggregate }.checked()
}

fn regressor(node: &Node) -> Result<Run> {
    let aggregate = AGGREGATES[node.choice("aggregate_function", &["AVERAGE", "SUM", "MIN", "MAX"], "SUM")?];
    let targets = node.int_or("n_targets", 1)?.max(0) as usize;
    let (forest, post) = (forest(node, "target", targets, aggregate)?, PostTransform::of(node)?);
    run(move |x| one(post.apply(&forest.scores(&samples(x)?)?)?))
}

/// The class with the largest score, and all scores. Trees of two classes may have one score for both, as class 0: the
/// larger it is, the more it speaks for the second.
fn classifier(node: &Node) -> Result<Run> {
    let classes = Classes::of(node, "classlabels_int64s", "classlabels_strings")?;
    let ids = node.ints("class_ids")?.unwrap_or_default();
    let binary = classes.len() == 2 && ids.iter().all(|&id| id == 0);
    let post = PostTransform::of(node)?;
    let mut forest = forest(node, "class", classes.len(), Aggregate::Sum).or_else(|e| {
        // One base value is that of the only score.
        if binary { self::forest(node, "class", 1, Aggregate::Sum) } else { Err(e) }
    })?;
    if binary {
        forest.targets = 1;
        forest.base = forest.base.iter().rev().take(1).copied().collect();
    }
    run(move |x| {
        let scores = forest.scores(&samples(x)?)?;
        if !binary {
            let best = scores.try_argmax(1)?;
            return Ok(vec![classes.at(&integers(&best)?)?, post.apply(&scores)?.into()]);
        }
        // Probabilities are split at a half, other scores at zero.
        let probability = post == PostTransform::None && forest.leaves.iter().flatten().all(|leaf| leaf.1 >= 0.0);
        let best = scores.try_gt(if probability { 0.5 } else { 0.0 })?.try_to_dtype(DType::I64)?.try_ravel()?;
        let other = if probability { scores.try_neg()?.try_add(1.0)? } else { scores.try_neg()? };
        let both = Tensor::try_cat(&[other, scores], 1)?;
        Ok(vec![classes.at(&integers(&best)?)?, post.apply(&both)?.into()])
    })
}
