//! Names: what they stand for in a graph, and in the graphs around it.

use crate::value::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// The versions of the domains.
pub(super) type Versions = HashMap<String, i64>;

/// The names that are visible in a graph.
#[derive(Default)]
pub(super) struct Names {
    pub(super) places: HashMap<String, usize>,
    /// Values that are known already, by place.
    pub(super) constants: HashMap<usize, Value>,
    /// Names that the graph takes from around it: place here, place there.
    pub(super) captures: Vec<(usize, usize)>,
    pub(super) next: usize,
}

/// The graphs around the present one, the innermost last.
pub(super) struct Scope {
    pub(super) stack: Vec<Names>,
    pub(super) versions: Arc<Versions>,
}

impl Names {
    pub(super) fn add(&mut self, name: &str) -> usize {
        let place = self.next;
        self.next += 1;
        self.places.insert(name.to_owned(), place);
        place
    }
}

impl Scope {
    pub(super) fn new(versions: Versions) -> Scope {
        Scope { stack: Vec::new(), versions: Arc::new(versions) }
    }

    pub(super) fn here(&mut self) -> &mut Names {
        self.stack.last_mut().expect("a graph is being prepared")
    }

    /// The place of a name in the innermost graph; a name from around is captured by every graph between.
    pub(super) fn find(&mut self, name: &str) -> Option<usize> {
        let level = self.stack.iter().rposition(|names| names.places.contains_key(name))?;
        let mut place = self.stack[level].places[name];
        let known = self.stack[level].constants.get(&place).cloned();
        for names in &mut self.stack[level + 1..] {
            let inner = names.add(name);
            names.captures.push((inner, place));
            names.constants.extend(known.clone().map(|value| (inner, value)));
            place = inner;
        }
        Some(place)
    }

    /// Whether the innermost graph has this name only because it took it from around: it may then define it anew.
    pub(super) fn captured(&self, name: &str) -> bool {
        let names = self.stack.last().expect("a graph is being prepared");
        names.captures.iter().any(|c| names.places.get(name) == Some(&c.0))
    }
}
