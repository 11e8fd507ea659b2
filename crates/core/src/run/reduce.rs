//! Reductions over any axes of any layout, in one fixed order.
//!
//! The elements that make one output, in row-major order of the reduced axes, are a *row*. A row is cut into
//! leaves of [`LEAF`] elements. A leaf is folded in 16 lanes (element `i` in lane `i mod 16`), the lanes by
//! halving, and the leaves by a binary tree whose left side is the largest power of two that leaves something
//! for the right. That order depends on the length of the row only: any layout and any number of threads
//! give the same bits, and the rounding error of a sum of `n` grows as `16 + log₂ n` instead of `n`.
//!
//! Two ways to walk memory give this one order: along the row where it is the row that lies together, and
//! across [`WIDTH`] neighbouring outputs where it is those (column sums, without a transposed copy).

use crate::op::{Input, Output};
use crate::tensor::{Element, Layout};
use hadal_kernels::threads::for_chunks_mut;

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
        let rows = Rows::<T>::new(x, axes);
        let y = y.slice::<Y>();
        let (outputs, blocks) = (y.len(), rows.leaves().div_ceil(BLOCK));
        match blocks {
            0 => y.fill((self.store)(self.empty)),
            1 => self.fill(&rows, 1, y, &self.store),
            _ => {
                let mut parts = vec![self.empty; blocks * outputs];
                self.fill(&rows, blocks, &mut parts, &|state| state);
                for_chunks_mut(y, (CHUNK / blocks).max(1), |task, part| {
                    let first = task * (CHUNK / blocks).max(1);
                    for (o, y) in part.iter_mut().enumerate() {
                        let state = tree(0, blocks, &mut |b| parts[b * outputs + first + o], &self.join);
                        *y = (self.store)(state);
                    }
                });
            }
        }
    }

    /// `out[block, output]`: the state of each block of each row, through `store`.
    fn fill<T: Element, Z: Send>(&self, rows: &Rows<T>, blocks: usize, out: &mut [Z], store: &(impl Fn(A) -> Z + Sync))
    where
        L: Fn(T, usize) -> A,
    {
        let outputs = out.len() / blocks;
        let wide = if rows.run > 1 { WIDTH } else { 1 };
        let per_task = (CHUNK / (rows.len.min(BLOCK * LEAF) * wide)).max(1) * wide;
        for_chunks_mut(out, per_task, |task, part| {
            let mut done = 0;
            while done < part.len() {
                let (block, output) = ((task * per_task + done) / outputs, (task * per_task + done) % outputs);
                let leaves = block * BLOCK..rows.leaves().min((block + 1) * BLOCK);
                if rows.run == 1 {
                    let mut leaf = |leaf| self.along(rows, output, leaf);
                    part[done] = store(tree(leaves.start, leaves.len(), &mut leaf, &self.join));
                    done += 1;
                    continue;
                }
                let width = WIDTH.min(rows.run - output % rows.run).min(part.len() - done);
                let first = rows.outputs.positions_from(output).next().expect("an output of this number");
                let mut leaf = |leaf| self.across(rows, first, width, leaf);
                let states = tree(leaves.start, leaves.len(), &mut leaf, &|a: [A; WIDTH], b: [A; WIDTH]| {
                    std::array::from_fn(|i| (self.join)(a[i], b[i]))
                });
                part[done..done + width].iter_mut().zip(states).for_each(|(z, state)| *z = store(state));
                done += width;
            }
        });
    }

    /// One leaf of one row, whose elements are read as a slice.
    fn along<T: Element>(&self, rows: &Rows<T>, output: usize, leaf: usize) -> A
    where
        L: Fn(T, usize) -> A,
    {
        let (start, mut tile) = (leaf * LEAF, [T::default(); LEAF]);
        let len = LEAF.min(rows.len - start);
        let values = rows.reader.tile(output * rows.len + start, len, &mut tile);
        let mut lanes = [(self.load)(values[0], start); LANES];
        let (blocks, rest) = values.as_chunks::<LANES>();
        for (b, block) in blocks.iter().enumerate() {
            for i in 0..LANES {
                let state = (self.load)(block[i], start + b * LANES + i);
                lanes[i] = if b == 0 { state } else { (self.join)(lanes[i], state) };
            }
        }
        for (i, &value) in rest.iter().enumerate() {
            let state = (self.load)(value, start + blocks.len() * LANES + i);
            lanes[i] = if blocks.is_empty() { state } else { (self.join)(lanes[i], state) };
        }
        halve(&mut lanes, len, |a, b| *a = (self.join)(*a, b));
        lanes[0]
    }

    /// The same leaf of up to `WIDTH` rows whose first elements are neighbours.
    fn across<T: Element>(&self, rows: &Rows<T>, first: usize, width: usize, leaf: usize) -> [A; WIDTH]
    where
        L: Fn(T, usize) -> A,
    {
        let start = leaf * LEAF;
        let len = LEAF.min(rows.len - start);
        let mut lanes = [[self.empty; WIDTH]; LANES];
        for (i, at) in rows.row.positions_from(start).take(len).enumerate() {
            let lane = &mut lanes[i % LANES][..width];
            let values = &rows.all[first.wrapping_add(at)..][..width];
            for (state, &value) in lane.iter_mut().zip(values) {
                let new = (self.load)(value, start + i);
                *state = if i < LANES { new } else { (self.join)(*state, new) };
            }
        }
        halve(&mut lanes, len, |a, b| a.iter_mut().zip(b).take(width).for_each(|(a, b)| *a = (self.join)(*a, b)));
        lanes[0]
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
fn tree<A>(first: usize, count: usize, leaf: &mut impl FnMut(usize) -> A, join: &impl Fn(A, A) -> A) -> A {
    if count == 1 {
        return leaf(first);
    }
    let left = count.next_power_of_two() / 2;
    let a = tree(first, left, leaf, join);
    join(a, tree(first + left, count - left, leaf, join))
}
