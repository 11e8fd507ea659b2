//! Reductions over any axes of any layout, in one fixed order.
//!
//! The elements that make one output, in row-major order of the reduced axes, are a *row*. A row is cut into
//! leaves of `LEAF` elements. A leaf is folded in 16 lanes (element `i` in lane `i mod 16`), the lanes by
//! halving, and the leaves by a binary tree whose left side is the largest power of two that leaves something
//! for the right. That order depends on the length of the row only: any layout and any number of threads
//! give the same bits, and the rounding error of a sum of `n` grows as `16 + log₂ n` instead of `n`.
//!
//! Two ways to walk memory give this one order: along the row where it is the row that lies together, and
//! across neighbouring outputs where it is those (column sums, without a transposed copy). Their loops are compiled
//! for wide registers, which neither reorder nor contract anything.

use crate::op::{Input, Output};
use crate::tensor::{Element, Layout};
use hadal_kernels::simd::{Vectorized, vectorized};
use hadal_kernels::threads::for_chunks_mut;
use std::ops::Range;

use super::map::{CHUNK, Reader};

/// Elements per leaf.
const LEAF: usize = 256;
const LANES: usize = 16;
/// Outputs computed side by side when neighbouring outputs lie together, at least: whole cache lines of any type.
const WIDTH: usize = 64;
/// Bytes of the states of outputs computed side by side, at most: 16 lanes of these fill half of a 32 KiB cache.
const WIDTH_BYTES: usize = 1024;
/// Leaves of one row that are a task of their own, at most; a power of two, so that blocks are whole subtrees.
const BLOCK: usize = 16;
/// Leaves that are folded side by side, so that an addition need not wait for the one before.
const TOGETHER: usize = 4;
/// Tasks that long columns are cut into, if there are not enough columns for that.
const TASKS: usize = 8;

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
            along: &|leaves, states| vectorized(AlongLeaves { fold: self, leaves, states }),
            across: &|strip, lanes| vectorized(AcrossLeaf { fold: self, strip, lanes }),
            join: &self.join,
        };
        driver.run(self.empty, y.slice(), &self.store);
    }
}

/// Parts of rows that lie one after the other, each a leaf.
struct Leaves<'a, T> {
    values: &'a [T],
    /// Elements of a leaf; the last may have fewer.
    len: usize,
    /// The number in its row of the first element of the first leaf.
    start: usize,
    /// From the number of one leaf's first element to the next's: `len` in one row, 0 in rows of their own.
    step: usize,
}

/// The state of each leaf.
struct AlongLeaves<'a, T, A, L, J, S> {
    fold: &'a Fold<A, L, J, S>,
    leaves: Leaves<'a, T>,
    states: &'a mut [A],
}

impl<T: Element, A: Copy, L: Fn(T, usize) -> A, J: Fn(A, A) -> A, S> Vectorized for AlongLeaves<'_, T, A, L, J, S> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Fold { load, join, .. } = self.fold;
        let Leaves { values, len, mut start, step } = self.leaves;
        // The same leaf by leaf, of several whole ones side by side.
        let several = if len == LEAF { values.len() / (TOGETHER * LEAF) * TOGETHER } else { 0 };
        let (together, values) = values.split_at(several * LEAF);
        let (together_states, states) = self.states.split_at_mut(several);
        for (several, states) in
            together.as_chunks::<{ TOGETHER * LEAF }>().0.iter().zip(together_states.as_chunks_mut::<TOGETHER>().0)
        {
            let blocks: [&[[T; LANES]]; TOGETHER] =
                std::array::from_fn(|leaf| several[leaf * LEAF..(leaf + 1) * LEAF].as_chunks().0);
            let at = |leaf: usize, block: usize, i: usize| {
                load(blocks[leaf][block][i], start + leaf * step + block * LANES + i)
            };
            let mut lanes: [[A; LANES]; TOGETHER] = std::array::from_fn(|leaf| std::array::from_fn(|i| at(leaf, 0, i)));
            for block in 1..LEAF / LANES {
                for (leaf, lanes) in lanes.iter_mut().enumerate() {
                    for (i, lane) in lanes.iter_mut().enumerate() {
                        *lane = join(*lane, at(leaf, block, i));
                    }
                }
            }
            for (state, lanes) in states.iter_mut().zip(lanes) {
                *state = join_lanes(lanes, join);
            }
            start += TOGETHER * step;
        }
        for (values, state) in values.chunks(len).zip(states) {
            let (blocks, rest) = values.as_chunks::<LANES>();
            if let Some((first, blocks)) = blocks.split_first() {
                let mut lanes: [A; LANES] = std::array::from_fn(|i| load(first[i], start + i));
                for (b, block) in blocks.iter().enumerate() {
                    for i in 0..LANES {
                        lanes[i] = join(lanes[i], load(block[i], start + (b + 1) * LANES + i));
                    }
                }
                for (i, &value) in rest.iter().enumerate() {
                    lanes[i] = join(lanes[i], load(value, start + (blocks.len() + 1) * LANES + i));
                }
                *state = join_lanes(lanes, join);
            } else {
                let mut lanes = [load(rest[0], start); LANES];
                for (i, &value) in rest.iter().enumerate() {
                    lanes[i] = load(value, start + i);
                }
                halve(rest.len(), |a, b| lanes[a] = join(lanes[a], lanes[b]));
                *state = lanes[0];
            }
            start += step;
        }
    }
}

/// The same leaf of neighbouring rows.
struct Strip<'a, T> {
    rows: &'a Rows<'a, T>,
    /// Where the first elements of the rows lie.
    columns: Range<usize>,
    /// The number in its row of the leaf's first element.
    start: usize,
}

/// The state of the leaf for each row of a strip, left in the first of `lanes [lane, row]`.
struct AcrossLeaf<'a, T, A, L, J, S> {
    fold: &'a Fold<A, L, J, S>,
    strip: Strip<'a, T>,
    lanes: &'a mut [A],
}

impl<T: Element, A: Copy, L: Fn(T, usize) -> A, J: Fn(A, A) -> A, S> Vectorized for AcrossLeaf<'_, T, A, L, J, S> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Fold { load, join, .. } = self.fold;
        let Strip { rows, columns, start } = self.strip;
        let (len, width) = (LEAF.min(rows.len - start), columns.len());
        if rows.row.strides[..] == [width as isize] {
            let values = &rows.all[columns.start + start * width..][..len * width];
            fold_lanes(values, width, start, self.lanes, load, join);
        } else {
            for (i, at) in rows.row.positions_from(start).take(len).enumerate() {
                let lane = &mut self.lanes[i % LANES * width..][..width];
                let values = &rows.all[columns.start.wrapping_add(at)..][..width];
                if i < LANES {
                    lane.iter_mut().zip(values).for_each(|(state, &value)| *state = load(value, start + i));
                } else {
                    lane.iter_mut()
                        .zip(values)
                        .for_each(|(state, &value)| *state = join(*state, load(value, start + i)));
                }
            }
        }
        halve(len, |a, b| {
            let (left, right) = self.lanes.split_at_mut(b * width);
            left[a * width..].iter_mut().zip(&right[..width]).for_each(|(a, &b)| *a = join(*a, b));
        });
    }
}

/// The lanes of `width` rows whose elements lie as the lanes do, `values [element, row]`: sixteen elements of all rows are
/// one long loop, where one for each would be too short for vectors to pay. The functions come as references to their own
/// types: taken as `impl Fn`, a reference is called through a function that is not always inlined.
#[inline(always)]
fn fold_lanes<T: Copy, A: Copy>(
    values: &[T],
    width: usize,
    start: usize,
    lanes: &mut [A],
    load: &impl Fn(T, usize) -> A,
    join: &impl Fn(A, A) -> A,
) {
    // Counted, not divided: it disappears where `load` does not ask for the element's number.
    let next = |(element, row): (usize, usize)| if row + 1 == width { (element + 1, 0) } else { (element, row + 1) };
    for (block, values) in values.chunks(LANES * width).enumerate() {
        let mut at = (start + block * LANES, 0);
        for (state, &value) in lanes.iter_mut().zip(values) {
            let one = load(value, at.0);
            *state = if block == 0 { one } else { join(*state, one) };
            at = next(at);
        }
    }
}

/// The walk over leaves, which is compiled once per type of element and state, not once per op.
struct Driver<'a, T, A> {
    rows: Rows<'a, T>,
    along: &'a Along<'a, T, A>,
    across: &'a Across<'a, T, A>,
    join: &'a (dyn Fn(A, A) -> A + Sync),
}

/// Room for leaves that lie apart.
type Tile<T> = [T; TOGETHER * LEAF];
/// Fills in the states of leaves.
type Along<'a, T, A> = dyn Fn(Leaves<T>, &mut [A]) + Sync + 'a;
/// Leaves the states of a strip in the first of its lanes.
type Across<'a, T, A> = dyn Fn(Strip<T>, &mut [A]) + Sync + 'a;

impl<T: Element, A: Copy + Send + Sync> Driver<'_, T, A> {
    fn run<Y: Send>(&self, empty: A, y: &mut [Y], store: &(dyn Fn(A) -> Y + Sync)) {
        let outputs = y.len();
        let block = self.block(outputs);
        let blocks = self.rows.leaves().div_ceil(block);
        match blocks {
            0 => y.iter_mut().for_each(|y| *y = store(empty)),
            1 if self.rows.run == 1 && self.rows.len <= LEAF => self.fill_short(empty, y, store),
            1 => self.fill(empty, block, y, store),
            _ => {
                let mut parts = vec![empty; blocks * outputs];
                self.fill(empty, block, &mut parts, &|state| state);
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

    /// Leaves of a block: fewer where there are too few columns for several tasks.
    fn block(&self, outputs: usize) -> usize {
        let (run, leaves) = (self.rows.run, self.rows.leaves());
        let mut block = BLOCK;
        if run > 1 && outputs * self.rows.len > CHUNK {
            let strips = outputs / run * run.div_ceil(width_across::<A>(run));
            while block > 1 && leaves.div_ceil(block) * strips < TASKS {
                block /= 2;
            }
        }
        block
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
                (self.along)(Leaves { values, len, start: 0, step: 0 }, &mut states[..y.len()]);
                y.iter_mut().zip(&states).for_each(|(y, &state)| *y = store(state));
            }
        });
    }

    /// `out[block, output]`: the state of each block of `size` leaves of each row, through `store`.
    fn fill<Z: Send>(&self, empty: A, size: usize, out: &mut [Z], store: &(dyn Fn(A) -> Z + Sync)) {
        let (rows, outputs) = (&self.rows, out.len() / self.rows.leaves().div_ceil(size));
        let wide = if rows.run > 1 { width_across::<A>(rows.run).min(rows.run) } else { 1 };
        let per_task = (CHUNK / (rows.len.min(size * LEAF) * wide)).max(1) * wide;
        for_chunks_mut(out, per_task, |task, mut part| {
            let mut number = task * per_task;
            let mut lanes = vec![empty; if rows.run > 1 { (LANES + LEVELS) * wide } else { 0 }];
            let mut tile = None;
            while !part.is_empty() {
                let (block, output) = (number / outputs, number % outputs);
                let first = block * size;
                let leaves = (rows.leaves() - first).min(size);
                let width = if rows.run > 1 { wide.min(rows.run - output % rows.run).min(part.len()) } else { 1 };
                let (now, later) = part.split_at_mut(width);
                if rows.run > 1 {
                    let at = rows.outputs.positions_from(output).next().expect("an output of this number");
                    let states = self.tree_across(at..at + width, first, leaves, &mut lanes);
                    now.iter_mut().zip(states).for_each(|(z, &mut state)| *z = store(state));
                } else {
                    let (start, mut states) = (first * LEAF, [empty; BLOCK]);
                    let len = (leaves * LEAF).min(rows.len - start);
                    self.leaves_along(output, start..start + len, &mut states[..leaves], &mut tile);
                    now[0] = store(tree(0, leaves, &|leaf| states[leaf], &self.join));
                }
                (part, number) = (later, number + width);
            }
        });
    }

    /// The states of the leaves that elements `range` of an output's row are. Leaves that lie together are folded where they
    /// are, the others in `room`, which is made when it is needed: filling it takes longer than a short row.
    fn leaves_along(&self, output: usize, range: Range<usize>, mut states: &mut [A], room: &mut Option<Tile<T>>) {
        let (reader, at) = (&self.rows.reader, output * self.rows.len);
        let mut start = range.start;
        while start < range.end {
            let rest = range.end - start;
            let run = reader.run(at + start, rest);
            // A leaf that lies alone is better copied together with others than folded by itself.
            let several = |len: usize| if len < TOGETHER * LEAF { 0 } else { len / LEAF * LEAF };
            let whole = if run.len() == rest { rest } else { several(run.len()) };
            let values = match whole {
                0 => reader.tile(at + start, rest.min(TOGETHER * LEAF), room.get_or_insert([T::default(); _])),
                _ => &run[..whole],
            };
            let (now, later) = std::mem::take(&mut states).split_at_mut(values.len().div_ceil(LEAF));
            (self.along)(Leaves { values, len: LEAF, start, step: LEAF }, now);
            (states, start) = (later, start + values.len());
        }
    }

    /// The states of leaves `first..first + count` of neighbouring rows, joined as [`tree`] joins them. `room` holds the
    /// lanes of a leaf and a strip for each level of the tree.
    fn tree_across<'r>(&self, columns: Range<usize>, first: usize, count: usize, room: &'r mut [A]) -> &'r mut [A] {
        let width = columns.len();
        if count == 1 {
            (self.across)(Strip { rows: &self.rows, columns, start: first * LEAF }, &mut *room);
            return &mut room[..width];
        }
        let half = count.next_power_of_two() / 2;
        let (kept, room) = room.split_at_mut(width);
        kept.copy_from_slice(self.tree_across(columns.clone(), first, half, room));
        let right = self.tree_across(columns, first + half, count - half, room);
        kept.iter_mut().zip(right).for_each(|(left, &mut right)| *left = (self.join)(*left, right));
        kept
    }
}

/// Levels of the tree over the leaves of a block.
const LEVELS: usize = BLOCK.ilog2() as usize;

/// How many of `run` neighbouring outputs are computed side by side: long pieces of each row, but enough of them for
/// several threads.
fn width_across<A>(run: usize) -> usize {
    (run / 8).next_multiple_of(WIDTH).clamp(WIDTH, (WIDTH_BYTES / size_of::<A>()).max(WIDTH))
}

/// The lanes of a leaf joined by halving.
#[inline(always)]
fn join_lanes<A: Copy>(mut lanes: [A; LANES], join: &impl Fn(A, A) -> A) -> A {
    halve(LANES, |a, b| lanes[a] = join(lanes[a], lanes[b]));
    lanes[0]
}

/// Calls `join(i, i + 8)`, then `join(i, i + 4)`, … for the lanes that `len` elements reach.
#[inline(always)]
fn halve(len: usize, mut join: impl FnMut(usize, usize)) {
    for width in [8, 4, 2, 1] {
        for i in 0..width.min(len.saturating_sub(width)) {
            join(i, i + width);
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
    use super::{BLOCK, LANES, LEAF};
    use crate::Tensor;

    /// The order of the module's first lines, spelled out.
    fn plain(row: &[f32]) -> f32 {
        if row.len() > LEAF {
            let (left, right) = row.split_at(row.len().div_ceil(LEAF).next_power_of_two() / 2 * LEAF);
            return plain(left) + plain(right);
        }
        let lane = |lane: usize| row.iter().skip(lane).step_by(LANES).copied().reduce(|a, b| a + b);
        let mut lanes: Vec<f32> = (0..LANES).map_while(lane).collect();
        for width in [8, 4, 2, 1] {
            for i in (width..lanes.len()).take(width) {
                lanes[i - width] += lanes[i];
            }
            lanes.truncate(width);
        }
        lanes[0]
    }

    #[test]
    fn sums_of_any_length_and_layout_have_the_order_that_is_promised() {
        let value = |i: usize| ((i * 7919) % 10007) as f32 / 10007.0 - 0.25;
        for len in [1, 2, 5, 15, 16, 17, 40, 255, 256, 257, 1000, BLOCK * LEAF, BLOCK * LEAF * 5 + 300] {
            let rows = if len < 1000 { 150 } else { 3 };
            let x = Tensor::from_vec((0..rows * len).map(value).collect::<Vec<f32>>(), [rows, len]);
            let expected: Vec<f32> = x.to_vec::<f32>().chunks(len).map(plain).collect();
            assert_eq!(x.sum(1).to_vec::<f32>(), expected, "rows of {len}");
            assert_eq!(x.t().contiguous().sum(0).to_vec::<f32>(), expected, "columns of {len}");
            let halves = Tensor::stack(&[&x, &x], 1);
            let expected: Vec<f32> = halves.to_vec::<f32>().chunks(2 * len).map(plain).collect();
            let pieces = halves.permute([1, 0, 2]).contiguous();
            assert_eq!(pieces.sum([0, 2]).to_vec::<f32>(), expected, "two pieces of {len}");
        }
    }

    /// The gradient of a bias from `[batch, channel, position]`, when the channels lie last in memory.
    #[test]
    fn channels_that_lie_last_reduce_to_the_same_bits() {
        let value = |i: usize| ((i * 7919) % 10007) as f32 / 10007.0 - 0.25;
        let positions = [1, 2, 15, 16, 17, 31, 64, 100, 255, 256, 257, 300, 1024, 1100];
        for channels in (1..=70).step_by(3).chain([16, 32, 64, 128, 300]) {
            for (i, &n) in [1, 2, 3, 9].iter().enumerate() {
                for p in positions.iter().skip(i % 2 + channels % 2).step_by(3) {
                    let x = (0..n * channels * p).map(value).collect::<Vec<f32>>();
                    let first = Tensor::from_vec(x, [n, channels, *p]);
                    let last = first.permute([0, 2, 1]).contiguous().permute([0, 2, 1]);
                    let same = |a: Tensor, b: Tensor| {
                        assert_eq!(a.to_bytes(), b.to_bytes(), "[{n}, {channels}, {p}]");
                    };
                    same(first.sum([0, 2]), last.sum([0, 2]));
                    same(first.sum(2), last.sum(2));
                    same(first.sum(1), last.sum(1));
                    same(first.sum([0, 1]), last.sum([0, 1]));
                    same(first.amax([0, 2]), last.amax([0, 2]));
                    same(first.argmin(2), last.argmin(2));
                    same(first.mean([0, 2]), last.mean([0, 2]));
                    let wide = |x: &Tensor| x.to_dtype(crate::DType::F64).add(0.1).sum([0, 2]);
                    same(wide(&first), wide(&last));
                }
            }
        }
    }

    /// Rows of several blocks, with a remainder in every unit: long enough for all levels of the tree.
    #[test]
    fn long_rows_sum_to_the_same_bits_along_and_across() {
        let n = BLOCK * LEAF * 3 + 5 * LEAF + 37;
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
