//! The language of Graphviz.

use super::{Picture, Style};
use std::collections::BTreeMap;
use std::fmt::Write;

pub(super) fn write(picture: &Picture) -> String {
    let mut text = String::from("digraph {\n    node [shape=box, style=filled, fontname=\"sans-serif\"];\n");
    let mut layers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, block) in picture.blocks.iter().enumerate() {
        layers.entry(block.module.as_deref().and_then(parent).unwrap_or_default()).or_default().push(i);
    }
    for (number, (layer, blocks)) in layers.iter().enumerate() {
        let inside = !layer.is_empty() && blocks.len() > 1;
        let indent = if inside { "        " } else { "    " };
        if inside {
            let _ = writeln!(text, "    subgraph cluster{number} {{\n        label={};", quoted(layer));
        }
        for &i in blocks {
            let block = &picture.blocks[i];
            let colour = match block.style {
                Style::End => "#d9ead3",
                Style::Contraction => "#cfe2f3",
                Style::View => "#f3f3f3",
                Style::Other => "#ffffff",
            };
            let label = quoted(&block.lines.join("\n"));
            let _ = writeln!(text, "{indent}n{i} [label={label}, fillcolor=\"{colour}\"];");
        }
        if inside {
            text.push_str("    }\n");
        }
    }
    for (from, to) in &picture.edges {
        let _ = writeln!(text, "    n{from} -> n{to};");
    }
    text.push_str("}\n");
    text
}

/// The layer that holds a layer: `layer1.0` for `layer1.0.conv1`.
fn parent(module: &str) -> Option<&str> {
    module.rsplit_once('.').map(|(parent, _)| parent)
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
