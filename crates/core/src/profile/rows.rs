//! From spans to rows: every moment of the profiled thread belongs to one row.

use super::{Profile, Span, Track, What};
use std::collections::HashMap;

/// A line of a profile.
#[derive(Clone, Debug)]
pub struct Row {
    /// What the time was spent on: [`What::Op`] for ops of the forward pass, [`What::Gradient`] for gradient rules,
    /// [`What::Backward`] for the walk between them and the sums of gradients, [`What::Whole`] for what lies between.
    pub what: What,
    /// The name of the op, layer or optimizer.
    pub name: String,
    /// The kind of layer; what tells an op from others of its name.
    pub detail: String,
    /// How often.
    pub calls: usize,
    /// How long, all calls together.
    pub seconds: f64,
    /// The part of `seconds` that was spent on gradients.
    pub backward: f64,
    /// Floating-point operations of contractions.
    pub flops: u64,
    /// Bytes that ops read and wrote.
    pub bytes: u64,
    /// Bytes allocated for tensors.
    pub allocated: u64,
    /// The ops that ran inside, where there are several; their time is part of this row's.
    pub parts: Vec<Row>,
}

impl Row {
    fn new(what: What, name: &str, detail: &str) -> Row {
        let (name, detail) = (name.to_owned(), detail.to_owned());
        let (calls, seconds, backward, flops, bytes, allocated) = (0, 0.0, 0.0, 0, 0, 0);
        Row { what, name, detail, calls, seconds, backward, flops, bytes, allocated, parts: Vec::new() }
    }

    /// Adds what is a span's own.
    fn add(&mut self, span: &Span, own: f64, backward: bool) {
        self.seconds += own;
        self.backward += if backward { own } else { 0.0 };
        self.flops += span.flops;
        self.bytes += span.bytes;
        self.allocated += span.allocated;
    }

    /// Adds another row's sums to this one's.
    pub(super) fn join(&mut self, other: &Row) {
        self.calls += other.calls;
        self.seconds += other.seconds;
        self.backward += other.backward;
        self.flops += other.flops;
        self.bytes += other.bytes;
        self.allocated += other.allocated;
    }
}

/// Rows in the order in which they first occur, found by a key.
#[derive(Default)]
struct Rows {
    rows: Vec<Row>,
    places: HashMap<(What, String, String), usize>,
}

impl Rows {
    fn at(&mut self, what: What, name: &str, detail: &str) -> &mut Row {
        let place = self.places.entry((what, name.to_owned(), detail.to_owned())).or_insert_with(|| {
            self.rows.push(Row::new(what, name, detail));
            self.rows.len() - 1
        });
        &mut self.rows[*place]
    }

    fn by_time(mut self) -> Vec<Row> {
        self.rows.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        self.rows
    }
}

/// For every span, its own time: less that of the spans directly inside.
fn own_seconds(track: &Track) -> Vec<f64> {
    let mut own: Vec<f64> = track.spans.iter().map(|span| span.duration.as_secs_f64()).collect();
    for span in &track.spans {
        if let Some(parent) = span.parent {
            own[parent] -= span.duration.as_secs_f64();
        }
    }
    own
}

/// For every span, the span whose row has its time: the nearest one around it that stands for itself, or itself. `None`
/// for what lies between.
fn owners(track: &Track) -> Vec<Option<usize>> {
    let mut owners: Vec<Option<usize>> = Vec::with_capacity(track.spans.len());
    for (i, span) in track.spans.iter().enumerate() {
        let around = span.parent.and_then(|parent| owners[parent]);
        let around_is = around.map(|owner| track.spans[owner].what);
        owners.push(match (span.what, around_is) {
            // A rule stands for itself within the walk, and within the rule of a recomputed segment.
            (What::Gradient, _) => Some(i),
            (_, Some(_)) => around,
            (What::Whole | What::Region | What::Module, None) => None,
            _ => Some(i),
        });
    }
    owners
}

pub(super) fn by_op(profile: &Profile) -> Vec<Row> {
    let (mut rows, mut parts) = (Rows::default(), HashMap::<String, Rows>::new());
    for (number, track) in profile.tracks.iter().enumerate() {
        let (own, owners) = (own_seconds(track), owners(track));
        for (i, span) in track.spans.iter().enumerate() {
            let Some(owner) = owners[i] else {
                // Other threads lie idle between their spans.
                if number == 0 {
                    rows.at(What::Whole, "between ops", "").add(span, own[i], false);
                }
                continue;
            };
            let Span { what, name, .. } = &track.spans[owner];
            let backward = matches!(what, What::Backward | What::Gradient);
            let row = rows.at(*what, name, "");
            row.calls += (owner == i) as usize;
            row.add(span, own[i], backward);
            if owner != i && span.what == What::Op {
                let parts = parts.entry(format!("{what:?} {name}")).or_default();
                let part = parts.at(What::Op, &span.name, span.detail);
                part.calls += 1;
                part.add(span, own[i], backward);
            }
        }
    }
    let mut rows = rows.by_time();
    for row in &mut rows {
        let parts = parts.remove(&format!("{:?} {}", row.what, row.name)).map(Rows::by_time);
        row.parts = parts.filter(|parts| parts.len() > 1).unwrap_or_default();
    }
    // What other threads did comes after the rows that add up to the whole.
    rows.sort_by_key(|row| row.what == What::Loading);
    rows
}

pub(super) fn by_module(profile: &Profile) -> Vec<Row> {
    let Some(track) = profile.tracks.first() else { return Vec::new() };
    let (own, owners) = (own_seconds(track), owners(track));
    let mut kinds: HashMap<&str, &'static str> = HashMap::new();
    for span in track.spans.iter().filter(|span| span.what == What::Module) {
        kinds.insert(&span.name, span.detail);
    }
    let mut rows = Rows::default();
    for (i, span) in track.spans.iter().enumerate() {
        let owner = owners[i].map(|owner| &track.spans[owner]);
        let backward = owner.is_some_and(|owner| matches!(owner.what, What::Backward | What::Gradient));
        let row = match (owner, span.module.as_deref()) {
            (Some(owner), _) if matches!(owner.what, What::Optimizer | What::Data) => {
                rows.at(owner.what, &owner.name, "")
            }
            (_, Some(module)) => rows.at(What::Module, module, kinds.get(module).copied().unwrap_or_default()),
            (Some(owner), None) if owner.what == What::Backward => rows.at(What::Backward, &owner.name, ""),
            (Some(_), None) => rows.at(What::Op, "ops outside layers", ""),
            (None, None) => rows.at(What::Whole, "between ops", ""),
        };
        let itself = match row.what {
            What::Module => span.what == What::Module,
            What::Op => span.what == What::Op && owners[i] == Some(i),
            What::Whole => false,
            what => span.what == what,
        };
        row.calls += itself as usize;
        row.add(span, own[i], backward);
    }
    rows.by_time()
}
