//! Where the blocks of a picture stand: in rows by their distance from the arguments, so that lines are short and cross
//! seldom (Sugiyama, Tagawa & Toda 1981).

use super::Picture;

/// The height of a line of text, the mean width of a letter, and space around the text.
pub(super) const LINE: f64 = 15.0;
const LETTER: f64 = 6.6;
pub(super) const MARGIN: f64 = 8.0;

/// Space between rows and between neighbours.
const ROW_GAP: f64 = 26.0;
const GAP: f64 = 22.0;

/// How often the rows are ordered and moved.
const SWEEPS: usize = 8;

/// A block's place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rectangle {
    pub centre: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
}

impl Rectangle {
    pub fn left(&self) -> f64 {
        self.centre - self.width / 2.0
    }

    pub fn bottom(&self) -> f64 {
        self.top + self.height
    }
}

/// A picture with its places.
pub(super) struct Placed {
    pub blocks: Vec<Rectangle>,
    /// For each edge, the points where it passes rows: (x, top, bottom).
    pub bends: Vec<Vec<(f64, f64, f64)>>,
    pub width: f64,
    pub height: f64,
}

/// Blocks, and points where long edges pass a row, in rows.
struct Rows {
    /// The places in each row, in order.
    rows: Vec<Vec<usize>>,
    widths: Vec<f64>,
    above: Vec<Vec<usize>>,
    below: Vec<Vec<usize>>,
    x: Vec<f64>,
}

pub(super) fn place(picture: &Picture) -> Placed {
    let count = picture.blocks.len();
    let mut row_of = vec![0; count];
    // Edges go from lower numbers to higher ones.
    for &(from, to) in &picture.edges {
        row_of[to] = row_of[to].max(row_of[from] + 1);
    }
    let width = |i: usize| {
        let letters = picture.blocks[i].lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
        letters as f64 * LETTER + 2.0 * MARGIN
    };
    let widths = (0..count).map(width).collect();
    let last = row_of.iter().max().map_or(0, |row| row + 1);
    let empty = vec![Vec::new(); count];
    let mut rows =
        Rows { rows: vec![Vec::new(); last], widths, above: empty.clone(), below: empty, x: vec![0.0; count] };
    row_of.iter().enumerate().for_each(|(i, &row)| rows.rows[row].push(i));
    let passes: Vec<Vec<usize>> =
        picture.edges.iter().map(|&(from, to)| rows.connect(from, to, row_of[from], row_of[to])).collect();
    for sweep in 0..SWEEPS {
        rows.order(sweep % 2 == 0);
    }
    for sweep in 0..SWEEPS {
        rows.shift(sweep % 2 == 0);
    }
    rows.placed(picture, &row_of, &passes)
}

/// The mean of some positions.
fn mean(of: &[usize], position: &[f64]) -> Option<f64> {
    (!of.is_empty()).then(|| of.iter().map(|&i| position[i]).sum::<f64>() / of.len() as f64)
}

impl Rows {
    /// A chain of points from one block to another, one in each row between; the points.
    fn connect(&mut self, from: usize, to: usize, first: usize, last: usize) -> Vec<usize> {
        let mut points = Vec::new();
        let mut at = from;
        for row in first + 1..last {
            let point = self.x.len();
            self.rows[row].push(point);
            self.widths.push(0.0);
            self.x.push(0.0);
            self.above.push(vec![at]);
            self.below.push(Vec::new());
            self.below[at].push(point);
            points.push(point);
            at = point;
        }
        self.below[at].push(to);
        self.above[to].push(at);
        points
    }

    /// The neighbours that a pass from above (or from below) looks at.
    fn neighbours(&self, i: usize, from_above: bool) -> &[usize] {
        if from_above { &self.above[i] } else { &self.below[i] }
    }

    fn pass(&self, from_above: bool) -> Vec<usize> {
        let all = 0..self.rows.len();
        if from_above { all.collect() } else { all.rev().collect() }
    }

    /// Sorts each row by the mean place of its neighbours in the row before.
    fn order(&mut self, from_above: bool) {
        for row in self.pass(from_above) {
            let mut members = std::mem::take(&mut self.rows[row]);
            let keys: Vec<f64> = members
                .iter()
                .enumerate()
                .map(|(at, &i)| mean(self.neighbours(i, from_above), &self.x).unwrap_or(at as f64))
                .collect();
            let mut order: Vec<usize> = (0..members.len()).collect();
            order.sort_by(|&a, &b| keys[a].total_cmp(&keys[b]));
            members = order.iter().map(|&at| members[at]).collect();
            members.iter().enumerate().for_each(|(at, &i)| self.x[i] = at as f64);
            self.rows[row] = members;
        }
    }

    /// Moves the members of each row to below (or above) their neighbours, as far as there is room: the least squares
    /// under a least distance, by pooling adjacent violators.
    fn shift(&mut self, from_above: bool) {
        for row in self.pass(from_above) {
            let members = &self.rows[row];
            // Distances from the first member when all stand as close as they may.
            let mut offsets = vec![0.0];
            for pair in members.windows(2) {
                let distance = (self.widths[pair[0]] + self.widths[pair[1]]) / 2.0 + GAP;
                offsets.push(offsets[offsets.len() - 1] + distance);
            }
            let wanted = members.iter().map(|&i| mean(self.neighbours(i, from_above), &self.x).unwrap_or(self.x[i]));
            // (sum, count) of neighbours that stand close together.
            let mut pools: Vec<(f64, usize)> = Vec::new();
            for (wanted, offset) in wanted.zip(&offsets) {
                let mut pool = (wanted - offset, 1);
                while let Some(&(sum, n)) = pools.last()
                    && sum / n as f64 >= pool.0 / pool.1 as f64
                {
                    pool = (pool.0 + sum, pool.1 + n);
                    pools.pop();
                }
                pools.push(pool);
            }
            let starts = pools.iter().flat_map(|&(sum, n)| std::iter::repeat_n(sum / n as f64, n));
            let places: Vec<f64> = starts.zip(&offsets).map(|(start, offset)| start + offset).collect();
            for (&i, place) in members.iter().zip(places) {
                self.x[i] = place;
            }
        }
    }

    fn placed(&self, picture: &Picture, row_of: &[usize], passes: &[Vec<usize>]) -> Placed {
        let height = |i: usize| picture.blocks[i].lines.len() as f64 * LINE + MARGIN;
        let blocks_in = |row: &Vec<usize>| row.iter().copied().filter(|&i| i < row_of.len()).collect::<Vec<_>>();
        let mut tops = vec![MARGIN];
        for row in &self.rows {
            let tallest = blocks_in(row).into_iter().map(height).fold(0.0, f64::max);
            tops.push(tops[tops.len() - 1] + tallest + ROW_GAP);
        }
        let left = (0..self.x.len()).map(|i| self.x[i] - self.widths[i] / 2.0).fold(f64::INFINITY, f64::min);
        let right = (0..self.x.len()).map(|i| self.x[i] + self.widths[i] / 2.0).fold(left, f64::max);
        let x = |i: usize| self.x[i] - left + MARGIN;
        let rectangle = |i: usize| {
            let (row, height) = (row_of[i], height(i));
            let room = tops[row + 1] - ROW_GAP - tops[row];
            Rectangle { centre: x(i), top: tops[row] + (room - height) / 2.0, width: self.widths[i], height }
        };
        let blocks: Vec<Rectangle> = (0..row_of.len()).map(rectangle).collect();
        let bend = |points: &Vec<usize>, first: usize| {
            let at = |(k, &point): (usize, &usize)| (x(point), tops[first + 1 + k], tops[first + 2 + k] - ROW_GAP);
            points.iter().enumerate().map(at).collect()
        };
        let bends = passes.iter().zip(&picture.edges).map(|(points, &(from, _))| bend(points, row_of[from])).collect();
        let bottom = tops[tops.len() - 1] - ROW_GAP + MARGIN;
        Placed { blocks, bends, width: right - left + 2.0 * MARGIN, height: bottom.max(2.0 * MARGIN) }
    }
}
