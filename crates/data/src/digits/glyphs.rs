//! The handwriting: several ways to write each digit, as strokes on a 100 × 100 sheet.
//!
//! A way is a path in the notation of SVG, with the commands `M` (put the pen down), `L` (line) and
//! `C` (cubic Bézier curve); y points down.

use std::sync::LazyLock;

/// A point on the sheet: `[x, y]`.
pub type Point = [f32; 2];

/// One movement of the pen without lifting it: cubic curves whose ends are shared, as `3 n + 1` points.
pub type Stroke = Vec<Point>;

/// Ways to write each digit.
const WAYS: [&[&str]; 10] = [
    &[
        "M50 10 C18 10 18 90 50 90 C82 90 82 10 50 10",
        "M57 10 C30 14 22 84 45 90 C72 90 80 14 57 10",
        "M62 18 C40 2 22 30 24 56 C26 84 46 94 60 84 C80 68 80 30 54 14",
        "M50 10 C18 10 18 90 50 90 C82 90 82 10 50 10 M70 24 L32 78",
        "M34 14 C46 8 62 8 68 16 C74 30 76 70 68 84 C62 92 40 92 32 84 C24 70 26 26 34 14",
        "M50 20 C10 20 10 84 50 84 C90 84 90 20 50 20",
    ],
    &[
        "M50 10 L50 90",
        "M34 26 L52 10 L52 90",
        "M34 26 L52 10 L52 90 M32 90 L72 90",
        "M60 10 L42 90",
        "M30 34 C42 30 50 20 54 10 L50 90",
        "M50 10 L50 90 M34 90 L66 90",
        "M30 46 L58 10 L56 90",
    ],
    &[
        "M26 28 C28 4 74 4 72 32 C70 56 36 72 24 90 L76 90",
        "M26 28 C30 4 72 6 70 32 C68 58 40 86 28 84 C16 82 24 66 36 72 C50 80 62 92 78 84",
        "M26 14 L72 14 L26 88 L76 88",
        "M28 24 C36 6 70 6 70 30 C68 54 44 70 26 86 C40 78 58 92 76 84",
        "M24 36 C22 10 60 2 68 22 C76 46 40 66 26 88 L74 86",
        "M32 22 C44 8 66 12 64 30 C62 48 44 62 28 88 C44 86 60 86 76 90",
    ],
    &[
        "M28 20 C40 4 72 8 68 32 C66 46 52 48 44 48 C60 48 76 56 72 74 C66 96 34 94 26 78",
        "M28 12 L70 12 L46 42 C72 42 78 64 70 78 C60 94 34 92 26 80",
        "M28 18 C46 2 74 16 64 36 C56 48 40 50 42 44 C46 38 76 50 72 72 C66 94 36 94 26 80",
        "M28 12 L68 14 L44 46 L70 64 C74 80 50 94 26 84",
        "M34 16 C46 6 64 12 60 26 C58 36 50 40 42 40 C62 38 80 50 76 70 C70 96 34 96 24 82",
        "M24 26 C30 6 74 2 72 28 C70 44 54 52 46 52 C58 50 70 58 68 72 C62 90 38 92 32 82",
    ],
    &[
        "M34 10 L26 56 L76 56 M64 34 L62 92",
        "M62 90 L62 10 L22 62 L80 62",
        "M34 10 C30 30 24 46 28 54 C40 58 60 54 74 52 M66 12 L60 90",
        "M52 10 L24 60 L78 60 M60 40 L58 92",
        "M28 12 L28 44 C30 58 66 58 70 44 M70 10 L70 90",
        "M66 92 L62 14 L56 10 L22 58 C40 64 60 60 80 56",
    ],
    &[
        "M70 12 L34 12 L30 46 C50 36 76 46 72 68 C68 92 36 94 26 80",
        "M34 14 L30 46 C48 38 74 44 72 66 C70 90 38 92 26 82 M34 14 L74 10",
        "M70 14 C50 8 34 18 32 34 C32 50 72 44 70 70 C66 94 34 92 26 82",
        "M72 12 L32 12 L32 46 L64 46 C74 52 76 72 70 80 C60 90 44 90 28 88",
        "M32 18 L30 44 C50 40 70 48 70 66 C68 86 42 94 24 86 M42 12 L76 8",
        "M74 10 L38 14 L32 50 C40 40 62 40 66 60 C68 82 44 92 28 88",
    ],
    &[
        "M64 10 C36 24 24 52 28 72 C32 96 70 94 72 70 C72 48 38 46 28 68",
        "M48 8 C36 30 28 54 28 70 C30 94 72 94 70 70 C68 50 36 50 28 70",
        "M70 20 C58 4 28 16 26 60 C26 92 70 96 72 68 C70 46 34 48 27 64",
        "M34 8 L30 70 C32 94 70 92 70 70 C70 50 40 48 30 66",
        "M66 8 L30 58 C22 82 40 92 52 90 C72 88 76 62 56 56 C44 54 34 62 30 70",
        "M56 8 C30 26 20 60 34 82 C44 94 64 90 64 76 C64 62 46 58 30 74",
    ],
    &[
        "M24 14 L74 14 L44 90",
        "M24 14 L74 14 L44 90 M36 52 L68 52",
        "M24 16 C40 12 60 16 74 12 C60 34 50 60 46 90",
        "M26 28 L26 14 L74 14 L42 90",
        "M24 20 C34 8 50 22 74 12 L46 90",
        "M24 24 L28 12 L74 12 C62 34 54 60 50 90 M40 50 L70 46",
    ],
    &[
        "M66 22 C56 4 28 8 32 28 C36 46 70 50 70 72 C68 96 30 94 30 72 C30 52 64 44 66 24",
        "M50 10 C28 10 28 46 50 46 C72 46 72 10 50 10 M50 46 C20 46 20 90 50 90 C80 90 80 46 50 46",
        "M70 16 C44 0 22 26 44 42 C70 56 80 88 50 90 C20 90 26 60 46 48 C66 38 74 28 66 12",
        "M32 14 L68 14 C64 36 36 62 32 86 L70 86 C64 62 38 38 32 14",
        "M58 14 C36 10 34 36 48 46 C66 58 64 90 46 90 C30 88 36 58 50 46 C66 32 66 16 58 14",
        "M50 22 C36 22 36 46 50 46 C64 46 64 22 50 22 M50 46 C16 46 16 88 50 88 C84 88 84 46 50 46",
    ],
    &[
        "M70 32 C66 6 28 8 28 34 C28 58 64 58 70 34 L66 90",
        "M70 30 C64 4 28 10 30 36 C32 56 66 54 70 32 C74 60 64 92 34 88",
        "M68 14 C40 4 24 24 32 42 C42 54 64 46 68 14 L68 90",
        "M66 30 C64 4 26 8 28 34 C30 56 62 52 66 30 C72 66 60 96 28 78",
        "M66 20 C46 2 26 20 32 40 C42 54 66 44 68 18 C72 40 70 70 56 92",
        "M72 24 C60 2 30 12 30 32 C32 48 62 46 72 24 L48 92",
    ],
];

/// The ways to write `digit`.
pub fn ways(digit: u8) -> &'static [Vec<Stroke>] {
    static PARSED: LazyLock<[Vec<Vec<Stroke>>; 10]> =
        LazyLock::new(|| WAYS.map(|ways| ways.iter().map(|way| strokes(way)).collect()));
    &PARSED[usize::from(digit)]
}

/// Reads a path; a line becomes the cubic with its control points at the thirds, so that it can bend.
fn strokes(path: &str) -> Vec<Stroke> {
    let mut strokes: Vec<Stroke> = Vec::new();
    let mut numbers = path
        .split([' ', 'M', 'L', 'C'])
        .filter(|word| !word.is_empty())
        .map(|word| word.parse::<f32>().expect("the paths above hold numbers"));
    let mut point = || [numbers.next().expect("x"), numbers.next().expect("y")];
    for command in path.chars().filter(char::is_ascii_alphabetic) {
        if command == 'M' {
            strokes.push(vec![point()]);
            continue;
        }
        let stroke = strokes.last_mut().expect("a path begins with M");
        let from = stroke[stroke.len() - 1];
        if command == 'L' {
            let to = point();
            let third = |share: f32| [0, 1].map(|axis| from[axis] + (to[axis] - from[axis]) * share);
            stroke.extend([third(1.0 / 3.0), third(2.0 / 3.0), to]);
        } else {
            stroke.extend([point(), point(), point()]);
        }
    }
    strokes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digit_has_at_least_six_ways_that_fill_the_sheet() {
        for digit in 0..10 {
            assert!(ways(digit).len() >= 6, "{digit}");
            for way in ways(digit) {
                let points: Vec<Point> = way.iter().flatten().copied().collect();
                assert!(way.iter().all(|stroke| stroke.len() % 3 == 1 && stroke.len() >= 4), "{way:?}");
                assert!(points.iter().flatten().all(|c| (0.0..=100.0).contains(c)), "{way:?}");
                let (top, bottom) = points.iter().fold((100.0f32, 0.0f32), |(t, b), p| (t.min(p[1]), b.max(p[1])));
                assert!(bottom - top >= 64.0, "{digit} is {} high", bottom - top);
            }
        }
    }

    #[test]
    fn a_line_is_a_cubic_with_its_control_points_at_the_thirds() {
        let [stroke] = &strokes("M10 20 L40 50")[..] else { panic!() };
        assert_eq!(stroke.iter().map(|p| p[0].round()).collect::<Vec<_>>(), [10.0, 20.0, 30.0, 40.0]);
        assert_eq!(stroke.iter().map(|p| p[1].round()).collect::<Vec<_>>(), [20.0, 30.0, 40.0, 50.0]);
    }
}
