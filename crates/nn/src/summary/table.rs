//! The drawing of a summary, in the style of Keras 3.

use super::{Amount, Row, Summary};
use std::fmt;

pub(super) fn write(summary: &Summary, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let header = ["Layer (type)", "Output Shape", "Param #", "FLOPs"].map(str::to_owned);
    let rows: Vec<[String; 4]> = summary.rows.iter().map(cells).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| &row[column]).chain([&header[column]]);
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: [usize; 4] = std::array::from_fn(width);
    writeln!(f, "Model: \"{}\"", summary.model)?;
    rule(f, &widths, "┏━┳┓")?;
    line(f, &widths, &header, '┃')?;
    rule(f, &widths, "┡━╇┩")?;
    for (i, row) in rows.iter().enumerate() {
        if i > 0 {
            rule(f, &widths, "├─┼┤")?;
        }
        line(f, &widths, row, '│')?;
    }
    rule(f, &widths, "└─┴┘")?;
    let Summary { trainable, frozen, buffers, .. } = summary;
    let total = Amount { numbers: trainable.numbers + frozen.numbers, bytes: trainable.bytes + frozen.bytes };
    writeln!(f, " Total params: {}", amount(&total))?;
    writeln!(f, " Trainable params: {}", amount(trainable))?;
    writeln!(f, " Non-trainable params: {}", amount(frozen))?;
    if buffers.numbers > 0 {
        writeln!(f, " Buffers: {}", amount(buffers))?;
    }
    write!(f, " FLOPs per sample: {}", grouped(summary.rows.iter().map(|row| row.flops).sum()))
}

fn cells(row: &Row) -> [String; 4] {
    let name = if row.name.is_empty() { row.kind.clone() } else { format!("{} ({})", row.name, row.kind) };
    let sizes: Vec<String> = row.output.iter().skip(1).map(usize::to_string).collect();
    let shape = match row.output.rank() {
        0 => "-".to_owned(),
        1 => "(None)".to_owned(),
        _ => format!("(None, {})", sizes.join(", ")),
    };
    [name, shape, grouped(row.parameters), grouped(row.flops)]
}

/// A horizontal rule of four characters: left end, line, crossing, right end.
fn rule(f: &mut fmt::Formatter<'_>, widths: &[usize], characters: &str) -> fmt::Result {
    let mut characters = characters.chars();
    let mut next = || characters.next().unwrap_or(' ');
    let (left, along, crossing, right) = (next(), next(), next(), next());
    let parts: Vec<String> = widths.iter().map(|&n| along.to_string().repeat(n + 2)).collect();
    writeln!(f, "{left}{}{right}", parts.join(&crossing.to_string()))
}

/// Cells between bars, numbers to the right.
fn line(f: &mut fmt::Formatter<'_>, widths: &[usize; 4], cells: &[String; 4], bar: char) -> fmt::Result {
    let [name, shape, parameters, flops] = cells;
    let [a, b, c, d] = widths;
    writeln!(f, "{bar} {name:<a$} {bar} {shape:<b$} {bar} {parameters:>c$} {bar} {flops:>d$} {bar}")
}

fn amount(amount: &Amount) -> String {
    format!("{} ({})", grouped(amount.numbers), size(amount.bytes))
}

/// Thousands apart: `122,570`.
fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes in steps of 1024, two decimals: `478.79 KB`.
fn size(bytes: usize) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for larger in ["KB", "MB", "GB", "TB"] {
        if value < 1024.0 {
            break;
        }
        (value, unit) = (value / 1024.0, larger);
    }
    format!("{value:.2} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!([0, 999, 1000, 1234567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0, 1023, 490280, 5 << 20].map(size), ["0.00 B", "1023.00 B", "478.79 KB", "5.00 MB"]);
    }
}
