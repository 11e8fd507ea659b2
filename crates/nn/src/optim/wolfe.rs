//! A line search that satisfies the strong Wolfe conditions (Nocedal and Wright, "Numerical optimization", section 3.5),
//! with cubic interpolation; the safeguards are those of Schmidt's minFunc, as in PyTorch.

use hadal_core::Result;

/// What is known at one place along the direction.
#[derive(Clone)]
pub(super) struct Point {
    /// The step size.
    pub at: f64,
    /// The loss.
    pub value: f64,
    /// Its derivative along the direction.
    pub slope: f64,
    pub gradient: Vec<f64>,
}

pub(super) struct Limits {
    /// Trials.
    pub evaluations: usize,
    /// A bracket narrower than this ends the search.
    pub width: f64,
}

/// Part of the first slope by which the loss must fall.
const DECREASE: f64 = 1e-4;
/// Part of the first slope that may be left.
const CURVATURE: f64 = 0.9;

/// A point that satisfies the conditions, or the best one found, with the number of trials made. `start` is at 0.
pub(super) fn search(
    start: Point,
    first: f64,
    limits: Limits,
    mut trial: impl FnMut(f64) -> Result<Point>,
) -> Result<(Point, usize)> {
    let falls_short = |p: &Point| p.value > start.value + DECREASE * p.at * start.slope;
    let flat = |p: &Point| p.slope.abs() <= -CURVATURE * start.slope;
    let mut trials = 1;
    let (mut previous, mut point) = (start.clone(), trial(first)?);

    // Walk outwards until two points enclose a minimum.
    let mut steps = 0;
    let mut bracket = loop {
        if steps == limits.evaluations {
            break [start.clone(), point];
        }
        if falls_short(&point) || steps > 1 && point.value >= previous.value {
            break [previous, point];
        }
        if flat(&point) {
            return Ok((point, trials));
        }
        if point.slope >= 0.0 {
            break [previous, point];
        }
        let bounds = (point.at + 0.01 * (point.at - previous.at), point.at * 10.0);
        let next = trial(cubic_minimum(&previous, &point, bounds))?;
        (previous, point) = (point, next);
        trials += 1;
        steps += 1;
    };

    // Narrow the bracket; `low` is the better end.
    let mut stalled = false;
    let mut low = (bracket[0].value > bracket[1].value) as usize;
    while steps < limits.evaluations {
        let [a, b] = &bracket;
        let (left, right) = (a.at.min(b.at), a.at.max(b.at));
        if right - left < limits.width {
            break;
        }
        let mut at = cubic_minimum(a, b, (left, right));
        let margin = 0.1 * (right - left);
        let near = (right - at).min(at - left) < margin;
        if near && (stalled || at >= right || at <= left) {
            at = if (at - right).abs() < (at - left).abs() { right - margin } else { left + margin };
            stalled = false;
        } else {
            stalled = near;
        }
        let point = trial(at)?;
        trials += 1;
        steps += 1;
        let high = 1 - low;
        if falls_short(&point) || point.value >= bracket[low].value {
            bracket[high] = point;
            low = (bracket[0].value > bracket[1].value) as usize;
            continue;
        }
        let done = flat(&point);
        if !done && point.slope * (bracket[high].at - bracket[low].at) >= 0.0 {
            bracket[high] = bracket[low].clone();
        }
        bracket[low] = point;
        if done {
            break;
        }
    }
    let [a, b] = bracket;
    Ok((if low == 0 { a } else { b }, trials))
}

/// Where the cubic through two points with their slopes is lowest, within bounds; their middle if it has no minimum.
fn cubic_minimum(a: &Point, b: &Point, (low, high): (f64, f64)) -> f64 {
    let (a, b) = if a.at <= b.at { (a, b) } else { (b, a) };
    let mean = a.slope + b.slope - 3.0 * (a.value - b.value) / (a.at - b.at);
    let square = mean * mean - a.slope * b.slope;
    if square < 0.0 || square.is_nan() {
        return (low + high) / 2.0;
    }
    let root = square.sqrt();
    let lowest = b.at - (b.at - a.at) * ((b.slope + root - mean) / (b.slope - a.slope + 2.0 * root));
    lowest.max(low).min(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Along x⁴ − 2x² + x from x = −2 with the direction 1, whose lowest point is at −1.1069 (the root of 4x³ − 4x + 1).
    #[test]
    fn both_conditions_hold_at_the_point_found() {
        let point = |at: f64| {
            let x = at - 2.0;
            Point { at, value: x.powi(4) - 2.0 * x * x + x, slope: 4.0 * x.powi(3) - 4.0 * x + 1.0, gradient: vec![] }
        };
        let start = point(0.0);
        for first in [1e-3, 0.1, 1.0, 3.0, 50.0] {
            let limits = Limits { evaluations: 25, width: 1e-9 };
            let (found, trials) = search(start.clone(), first, limits, |at| Ok(point(at))).unwrap();
            assert!(found.value <= start.value + DECREASE * found.at * start.slope, "from {first}");
            assert!(found.slope.abs() <= -CURVATURE * start.slope, "from {first}");
            assert!(trials <= 12, "{trials} trials from {first}");
        }
    }
}
