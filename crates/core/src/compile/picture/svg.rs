//! SVG.

use super::layout::{LINE, MARGIN, place};
use super::{Block, Picture, Style};
use std::fmt::Write;

pub(super) fn write(picture: &Picture) -> String {
    let placed = place(picture);
    let (width, height) = (placed.width, placed.height);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.1} {height:.1}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
         orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#666\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    for (&(from, to), bends) in picture.edges.iter().zip(&placed.bends) {
        let (from, to) = (placed.blocks[from], placed.blocks[to]);
        let mut path = format!("M{:.1} {:.1}", from.centre, from.bottom());
        let mut at = (from.centre, from.bottom());
        let mut curve = |path: &mut String, (x, y): (f64, f64)| {
            let middle = (at.1 + y) / 2.0;
            let _ = write!(path, "C{:.1} {middle:.1} {x:.1} {middle:.1} {x:.1} {y:.1}", at.0);
            at = (x, y);
        };
        for &(x, top, bottom) in bends {
            curve(&mut path, (x, top));
            curve(&mut path, (x, bottom));
        }
        curve(&mut path, (to.centre, to.top));
        let _ = writeln!(
            text,
            "<path class=\"edge\" d=\"{path}\" fill=\"none\" stroke=\"#666\" marker-end=\"url(#tip)\"/>"
        );
    }
    for (block, place) in picture.blocks.iter().zip(&placed.blocks) {
        let (fill, stroke) = colours(block);
        let _ = writeln!(
            text,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"4\" fill=\"{fill}\" \
             stroke=\"{stroke}\" stroke-width=\"1.5\"/>",
            place.left(),
            place.top,
            place.width,
            place.height
        );
        for (i, line) in block.lines.iter().enumerate() {
            let y = place.top + MARGIN / 2.0 + LINE * (i as f64 + 0.75);
            let look = if i == 0 { " font-weight=\"bold\"" } else { " fill=\"#444\"" };
            let _ = writeln!(
                text,
                "<text x=\"{:.1}\" y=\"{y:.1}\" text-anchor=\"middle\"{look}>{}</text>",
                place.centre,
                escaped(line)
            );
        }
    }
    text.push_str("</svg>\n");
    text
}

/// The filling by what is done, the border by the first part of the layer's name.
fn colours(block: &Block) -> (&'static str, String) {
    let fill = match block.style {
        Style::End => "#d9ead3",
        Style::Contraction => "#cfe2f3",
        Style::View => "#f3f3f3",
        Style::Other => "#ffffff",
    };
    let Some(module) = &block.module else { return (fill, "#999".into()) };
    // Names that differ in their last letter get colours that differ: steps of the golden angle.
    let part = module.split('.').next().unwrap_or(module);
    let sum = part.bytes().fold(0u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    (fill, format!("hsl({:.0}, 55%, 45%)", f64::from(sum % 997) * 137.508 % 360.0))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
