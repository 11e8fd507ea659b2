//! Reductions over any axes of any layout, in one fixed order.
//!
//! The elements that make one output, in row-major order of the reduced axes, are a *row*. A row is cut into
//! leaves of `LEAF` elements. A leaf is folded in 16 lanes (element `i` in lane `i mod 16`), the lanes by
//! halving, and the leaves by a binary tree whose left side is the largest power of two that leaves something
//! for the right. That order depends on the length of the row only: any layout and any number of threads
//! give the same bits, and the rounding error of a sum of `n` grows as `16 + log₂ n` instead of `n`.
//!
//! Two ways to walk memory give this one order: along the row where it is the row that lies together, and
//! across `WIDTH` neighbouring outputs where it is those (column sums, without a transposed copy).

use crate::op::{Input, Output};
use crate::tensor::{Element, Layout};
use hadal_kernels::threads::for_chunks_mut;
use std::ops::Range;

use super::map::{CHUNK, Reader};

/// Elements per leaf.
const LEAF: usize = 256;
const LANES: usize = 16;
/// Outputs computed side by side when neighbouring outputs lie together: 16 lanes of these fill 4 KiB of f32.
const WIDTH: usize = 64;
/// Leaves of one row that are a task of their own; a power of two, so that blocks are whole subtrees.
const BLOCK: usize = 16;

/// What is done with a row: an element becomes a state, states are joined, the last state becomes the output.
pub struct Fold<A, L, J, S> {
    /// The state of a row without elements.
    pub empty: A,
    /// The state of one element, given with its position in the row.
    pub load: L,
    /// The state of two neighbouring parts of a row.
    pub join: J,
    /// The output for a state.
    pub store: S,
}

/// Where the elements are: those of one output from each other, and the outputs from each other.
struct Rows<'a, T> {
    all: &'a [T],
    /// All elements, `[outputs, row]`.
    reader: Reader<'a, T>,
    /// The first element of each output.
    outputs: Layout,
    /// The elements of a row, relative to the first.
    row: Layout,
    /// The number of elements in a row.
    len: usize,
    /// Neighbouring outputs whose elements lie together (1: walk along rows).
    run: usize,
}

impl<'a, T: Element> Rows<'a, T> {
    fn new(x: &Input<'a>, axes: &[usize]) -> Rows<'a, T> {
        let layout = x.layout();
        let kept: Vec<usize> = (0..layout.shape.rank()).filter(|a| !axes.contains(a)).collect();
        let outputs = layout.permute(&kept).merged();
        let row = Layout { offset: 0, ..layout.permute(axes).merged() };
        let order: Vec<usize> = kept.iter().chain(axes).copied().collect();
        let across = outputs.strides.last() == Some(&1) && row.strides.last() != Some(&1);
        Rows {
            all: x.buffer(),
            reader: Reader::new(x.buffer(), &layout.permute(&order)),
            len: row.shape.elements(),
            run: if across { outputs.shape[outputs.shape.rank() - 1] } else { 1 },
            outputs,
            row,
        }
    }

    fn leaves(&self) -> usize {
        self.len.div_ceil(LEAF)
    }
}

impl<A: Copy + Send + Sync, L: Sync, J: Fn(A, A) -> A + Sync, S: Sync> Fold<A, L, J, S> {
    /// Reduces the given axes (sorted) of `x` to `y`.
    pub fn run<T: Element, Y: Element>(&self, x: &Input, axes: &[usize], y: &mut Output)
    where
        L: Fn(T, usize) -> A,
        S: Fn(A) -> Y,
    {
        let driver = Driver {
            rows: Rows::<T>::new(x, axes),
            along: &|values, len, start, states| {
                let leaves = values.chunks_exact(len);
                states.iter_mut().zip(leaves).for_each(|(state, leaf)| *state = self.along(leaf, start));
            },
            across: &|rows, columns, start| self.across(rows, columns, start),
            join: &self.join,
        };
        driver.run(self.empty, y.slice(), &self.store);
    }

    /// One leaf of one row: `values` begins with element `start` of the row.
    #[inline]
    fn along<T: Element>(&self, values: &[T], start: usize) -> A
    where
        L: Fn(T, usize) -> A,
    {
        let mut lanes = [(self.load)(values[0], start); LANES];
        for (lane, (i, &value)) in lanes.iter_mut().zip(values.iter().enumerate()) {
            *lane = (self.load)(value, start + i);
        }
        let (blocks, rest) = values[LANES.min(values.len())..].as_chunks::<LANES>();
        for (b, block) in blocks.iter().enumerate() {
            for i in 0..LANES {
                lanes[i] = (self.join)(lanes[i], (self.load)(block[i], start + (b + 1) * LANES + i));
            }
        }
        for (i, &value) in rest.iter().enumerate() {
            lanes[i] = (self.join)(lanes[i], (self.load)(value, start + (blocks.len() + 1) * LANES + i));
        }
        halve(&mut lanes, values.len(), |a, b| *a = (self.join)(*a, b));
        lanes[0]
    }

    /// The same leaf of neighbouring rows, whose first elements lie at `columns`.
    fn across<T: Element>(&self, rows: &Rows<T>, columns: Range<usize>, start: usize) -> [A; WIDTH]
    where
        L: Fn(T, usize) -> A,
    {
        let len = LEAF.min(rows.len - start);
        let mut lanes = [[self.empty; WIDTH]; LANES];
        for (i, at) in rows.row.positions_from(start).take(len).enumerate() {
            let lane = &mut lanes[i % LANES][..columns.len()];
            let values = &rows.all[columns.start.wrapping_add(at)..][..columns.len()];
            for (state, &value) in lane.iter_mut().zip(values) {
                let new = (self.load)(value, start + i);
                *state = if i < LANES { new } else { (self.join)(*state, new) };
            }
        }
        halve(&mut lanes, len, |a, b| {
            a.iter_mut().zip(b).take(columns.len()).for_each(|(a, b)| *a = (self.join)(*a, b));
        });
        lanes[0]
    }
}

/// The walk over leaves, which is compiled once per type of element and state, not once per op.
struct Driver<'a, T, A> {
    rows: Rows<'a, T>,
    along: &'a Along<'a, T, A>,
    across: &'a Across<'a, T, A>,
    join: &'a (dyn Fn(A, A) -> A + Sync),
}

/// The states of leaves of the given length that lie one after the other, each beginning with element `start` of its row.
type Along<'a, T, A> = dyn Fn(&[T], usize, usize, &mut [A]) + Sync + 'a;
type Across<'a, T, A> = dyn Fn(&Rows<T>, Range<usize>, usize) -> [A; WIDTH] + Sync + 'a;

impl<T: Element, A: Copy + Send + Sync> Driver<'_, T, A> {
    fn run<Y: Send>(&self, empty: A, y: &mut [Y], store: &(dyn Fn(A) -> Y + Sync)) {
        let (outputs, blocks) = (y.len(), self.rows.leaves().div_ceil(BLOCK));
        match blocks {
            0 => y.iter_mut().for_each(|y| *y = store(empty)),
            1 if self.rows.run == 1 && self.rows.len <= LEAF => self.fill_short(empty, y, store),
            1 => self.fill(empty, 1, y, store),
            _ => {
                let mut parts = vec![empty; blocks * outputs];
                self.fill(empty, blocks, &mut parts, &|state| state);
                let per_task = (CHUNK / blocks).max(1);
                for_chunks_mut(y, per_task, |task, part| {
                    for (o, y) in part.iter_mut().enumerate() {
                        let part = |b: usize| parts[b * outputs + task * per_task + o];
                        *y = store(tree(0, blocks, &part, &self.join));
                    }
                });
            }
        }
    }

    /// Rows that are one leaf each, as many at a time as a tile holds.
    fn fill_short<Y: Send>(&self, empty: A, y: &mut [Y], store: &(dyn Fn(A) -> Y + Sync)) {
        let len = self.rows.len;
        let (per_task, per_tile) = ((CHUNK / len).max(1), LEAF / len);
        for_chunks_mut(y, per_task, |task, part| {
            let (mut tile, mut states) = ([T::default(); LEAF], [empty; LEAF]);
            for (i, y) in part.chunks_mut(per_tile).enumerate() {
                let first = task * per_task + i * per_tile;
                let values = self.rows.reader.tile(first * len, y.len() * len, &mut tile);
                (self.along)(values, len, 0, &mut states[..y.len()]);
                y.iter_mut().zip(&states).for_each(|(y, &state)| *y = store(state));
            }
        });
    }

    /// `out[block, output]`: the state of each block of each row, through `store`.
    fn fill<Z: Send>(&self, empty: A, blocks: usize, out: &mut [Z], store: &(dyn Fn(A) -> Z + Sync)) {
        let (rows, outputs) = (&self.rows, out.len() / blocks);
        let wide = if rows.run > 1 { WIDTH } else { 1 };
        let per_task = (CHUNK / (rows.len.min(BLOCK * LEAF) * wide)).max(1) * wide;
        let join_all = |a: [A; WIDTH], b: [A; WIDTH]| std::array::from_fn(|i| (self.join)(a[i], b[i]));
        for_chunks_mut(out, per_task, |task, mut part| {
            let mut number = task * per_task;
            while !part.is_empty() {
                let (block, output) = (number / outputs, number % outputs);
                let first = block * BLOCK;
                let leaves = (rows.leaves() - first).min(BLOCK);
                let width = if rows.run > 1 { WIDTH.min(rows.run - output % rows.run).min(part.len()) } else { 1 };
                let (now, later) = part.split_at_mut(width);
                if rows.run > 1 {
                    let at = rows.outputs.positions_from(output).next().expect("an output of this number");
                    let leaf = |leaf: usize| (self.across)(rows, at..at + width, leaf * LEAF);
                    let states = tree(first, leaves, &leaf, &join_all);
                    now.iter_mut().zip(states).for_each(|(z, state)| *z = store(state));
                } else {
                    now[0] = store(tree(first, leaves, &|leaf| self.leaf(empty, output, leaf * LEAF), &self.join));
                }
                (part, number) = (later, number + width);
            }
        });
    }

    /// The leaf of a row that begins with its element `start`.
    fn leaf(&self, empty: A, output: usize, start: usize) -> A {
        let (len, mut tile, mut state) = (LEAF.min(self.rows.len - start), [T::default(); LEAF], [empty]);
        let values = self.rows.reader.tile(output * self.rows.len + start, len, &mut tile);
        (self.along)(values, len, start, &mut state);
        state[0]
    }
}

/// Joins lane `i + 8` to `i`, then `i + 4`, … for the lanes that `len` elements reach.
fn halve<A: Copy>(lanes: &mut [A; LANES], len: usize, mut join: impl FnMut(&mut A, A)) {
    for width in [8, 4, 2, 1] {
        for i in 0..width {
            if i + width < len {
                let right = lanes[i + width];
                join(&mut lanes[i], right);
            }
        }
    }
}

/// Leaves `first..first + count` joined by a binary tree, the left side being a power of two.
fn tree<A>(first: usize, count: usize, leaf: &impl Fn(usize) -> A, join: &impl Fn(A, A) -> A) -> A {
    if count == 1 {
        return leaf(first);
    }
    let left = count.next_power_of_two() / 2;
    join(tree(first, left, leaf, join), tree(first + left, count - left, leaf, join))
}

#[cfg(test)]
mod tests {
    use crate::Tensor;

    /// Rows of several blocks, with a remainder in every unit: long enough for all levels of the tree.
    #[test]
    fn long_rows_sum_to_the_same_bits_along_and_across() {
        let n = super::BLOCK * super::LEAF * 3 + 5 * super::LEAF + 37;
        let values: Vec<f32> = (0..2 * n).map(|i| ((i * 7919) % 10007) as f32 / 10007.0 - 0.25).collect();
        let x = Tensor::from_vec(values.clone(), [2, n]);
        let exact = |r: usize| values[r * n..(r + 1) * n].iter().map(|&v| v as f64).sum::<f64>();
        let along = x.sum(1).to_vec::<f32>();
        for (r, sum) in along.iter().enumerate() {
            assert!((*sum as f64 - exact(r)).abs() < 1e-6 * exact(r), "{sum} is not {}", exact(r));
        }
        let columns = x.t().contiguous();
        assert_eq!(columns.sum(0).to_vec::<f32>(), along);
        assert_eq!(x.t().sum(0).to_vec::<f32>(), along);
        assert_eq!(columns.argmax(0).to_vec::<i64>(), x.argmax(1).to_vec::<i64>());
    }
}
