//! Small plots: points and the line through them, as SVG.

use std::fmt::Write;

/// One plot.
pub struct Plot {
    pub title: String,
    pub x: String,
    pub y: String,
    /// What was measured.
    pub points: Vec<(f64, f64)>,
    /// What is expected at the same places.
    pub line: Vec<(f64, f64)>,
}

const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 230.0;
/// Left, top, right and bottom of the frame.
const FRAME: (f64, f64, f64, f64) = (58.0, 30.0, 308.0, 186.0);

/// Plots in rows of so many, all from zero on.
pub fn grid(plots: &[Plot], columns: usize) -> String {
    let (width, height) = (WIDTH * columns as f64, HEIGHT * plots.len().div_ceil(columns) as f64);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    for (i, plot) in plots.iter().enumerate() {
        let (x, y) = ((i % columns) as f64 * WIDTH, (i / columns) as f64 * HEIGHT);
        let _ = writeln!(text, "<g transform=\"translate({x} {y})\">\n{}</g>", one(plot));
    }
    text + "</svg>\n"
}

fn one(plot: &Plot) -> String {
    let (left, top, right, bottom) = FRAME;
    let all = || plot.points.iter().chain(&plot.line);
    let (x_ticks, y_ticks) = (ticks(all().map(|p| p.0)), ticks(all().map(|p| p.1)));
    let place = |value: f64, ticks: &[f64], from: f64, to: f64| from + (to - from) * value / ticks[ticks.len() - 1];
    let (at_x, at_y) = (|x: f64| place(x, &x_ticks, left, right), |y: f64| place(y, &y_ticks, bottom, top));
    let mut text = String::new();
    let mut write = |x: f64, y: f64, anchor: &str, more: &str, words: &str| {
        let _ =
            writeln!(text, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\"{more}>{}</text>", escaped(words));
    };
    write((left + right) / 2.0, top - 12.0, "middle", " font-weight=\"bold\"", &plot.title);
    write((left + right) / 2.0, bottom + 34.0, "middle", "", &plot.x);
    let (middle, edge) = ((top + bottom) / 2.0, 13.0);
    write(edge, middle, "middle", &format!(" transform=\"rotate(-90 {edge} {middle})\""), &plot.y);
    x_ticks.iter().for_each(|&tick| write(at_x(tick), bottom + 16.0, "middle", "", &number(tick)));
    y_ticks.iter().for_each(|&tick| write(left - 6.0, at_y(tick) + 4.0, "end", "", &number(tick)));
    for &tick in &x_ticks {
        let x = at_x(tick);
        let _ = writeln!(text, "<path d=\"M{x:.1} {top}V{bottom}\" stroke=\"#e4e4e4\"/>");
    }
    for &tick in &y_ticks {
        let y = at_y(tick);
        let _ = writeln!(text, "<path d=\"M{left} {y:.1}H{right}\" stroke=\"#e4e4e4\"/>");
    }
    let path: Vec<String> = plot.line.iter().map(|&(x, y)| format!("{:.1} {:.1}", at_x(x), at_y(y))).collect();
    let _ = writeln!(text, "<path d=\"M{}\" fill=\"none\" stroke=\"#d1495b\" stroke-width=\"1.5\"/>", path.join("L"));
    for &(x, y) in &plot.points {
        let _ = writeln!(text, "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.2\" fill=\"#00798c\"/>", at_x(x), at_y(y));
    }
    text
}

/// Round numbers from zero to beyond the greatest value, four to seven of them.
fn ticks(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let most = values.fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let power = 10f64.powf((most / 5.0).log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| most / step <= 6.0);
    let step = step.unwrap_or(10.0 * power);
    (0..=(most / step).ceil() as usize).map(|i| i as f64 * step).collect()
}

fn number(value: f64) -> String {
    let digits = if value.fract() == 0.0 { 0 } else { 2 };
    let text = format!("{value:.digits$}");
    if digits > 0 { text.trim_end_matches('0').to_owned() } else { text }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_cover_the_values() {
        assert_eq!(ticks([3.0, 17.0].into_iter()), [0.0, 5.0, 10.0, 15.0, 20.0]);
        assert_eq!(ticks([512.0].into_iter()), [0.0, 100.0, 200.0, 300.0, 400.0, 500.0, 600.0]);
        assert_eq!(ticks([0.9].into_iter()).last(), Some(&1.0));
    }

    #[test]
    fn points_are_in_the_frame() {
        let (points, line) = (vec![(1.0, 2.0), (5.0, 10.0)], vec![(0.0, 0.0), (5.0, 10.0)]);
        let plot = Plot { title: "a < b".into(), x: "x".into(), y: "y".into(), points, line };
        let text = grid(&[plot], 1);
        assert!(text.contains("a &lt; b") && text.matches("<circle").count() == 2);
        // 5 of 5 and 10 of 10: the upper right corner.
        assert!(text.contains("<circle cx=\"308.0\" cy=\"30.0\""), "{text}");
    }
}
