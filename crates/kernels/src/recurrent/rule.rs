//! The formulas of one step of one sequence: from sums to gates and the next state, and back.

use super::arithmetic::Arithmetic;

/// A sequence at one step, forward. Everything has `hidden` elements per block.
pub(super) struct Ahead<'a, T> {
    /// The inputs' part of each gate.
    pub x: &'a [T],
    /// The states' part, `W·h + b`.
    pub sums: &'a [T],
    /// The output of the step before; the new one when the step is over.
    pub hidden: &'a mut [T],
    /// The memory likewise, empty where there is none.
    pub memory: &'a mut [T],
    /// What the gradient needs, empty if nobody wants it.
    pub kept: &'a mut [T],
    pub y: &'a mut [T],
}

/// A sequence at one step, backward.
pub(super) struct Back<'a, T> {
    pub kept: &'a [T],
    pub y: &'a [T],
    /// The states of the step before.
    pub hidden: &'a [T],
    pub memory: &'a [T],
    /// The gradient of `y` from outside.
    pub dy: &'a [T],
    /// The gradient of `y` through the product of the step after.
    pub through: &'a [T],
    /// That which goes around the product; for the step before when this one is over.
    pub around: &'a mut [T],
    /// The gradient of the memory; that of the step before when this one is over.
    pub d_memory: &'a mut [T],
    /// The gradients of the inputs' and of the states' part of each gate.
    pub dx: &'a mut [T],
    pub d_sums: &'a mut [T],
}

/// What one step computes. The loops make whole registers, then what is left: in the first the compiler knows the number
/// of lanes, and no value has to be in memory around the copy of a part.
pub(super) trait Rule: Copy + Sync {
    /// Units `at` to `at + lanes`, forward.
    fn ahead<T, A: Arithmetic<T>>(self, a: A, s: &mut Ahead<T>, at: usize, lanes: usize);
    /// Likewise, backward.
    fn back<T, A: Arithmetic<T>>(self, a: A, s: &mut Back<T>, at: usize, lanes: usize);

    #[inline(always)]
    fn all_ahead<T, A: Arithmetic<T>>(self, a: A, mut s: Ahead<T>) {
        let (units, mut at) = (s.hidden.len(), 0);
        while at + A::LANES <= units {
            self.ahead(a, &mut s, at, A::LANES);
            at += A::LANES;
        }
        if at < units {
            self.ahead(a, &mut s, at, units - at);
        }
    }

    #[inline(always)]
    fn all_back<T, A: Arithmetic<T>>(self, a: A, mut s: Back<T>) {
        let (units, mut at) = (s.around.len(), 0);
        while at + A::LANES <= units {
            self.back(a, &mut s, at, A::LANES);
            at += A::LANES;
        }
        if at < units {
            self.back(a, &mut s, at, units - at);
        }
    }
}

/// The next lanes of block `block`.
#[inline(always)]
fn part<T>(x: &[T], hidden: usize, block: usize, at: usize, lanes: usize) -> &[T] {
    &x[block * hidden + at..][..lanes]
}

#[inline(always)]
fn part_mut<T>(x: &mut [T], hidden: usize, block: usize, at: usize, lanes: usize) -> &mut [T] {
    &mut x[block * hidden + at..][..lanes]
}

/// `g·y·(1 − y)`: through a sigmoid whose value is `y`.
#[inline(always)]
fn through_sigmoid<T, A: Arithmetic<T>>(a: A, g: A::V, y: A::V) -> A::V {
    a.mul(g, a.sub(y, a.mul(y, y)))
}

/// `g·(1 − y²)`: through a tanh whose value is `y`.
#[inline(always)]
fn through_tanh<T, A: Arithmetic<T>>(a: A, g: A::V, y: A::V) -> A::V {
    a.sub(g, a.mul(g, a.mul(y, y)))
}

/// The gradient of the output: from outside, through the product and around it.
#[inline(always)]
fn incoming<T, A: Arithmetic<T>>(a: A, s: &Back<T>, at: usize, lanes: usize) -> A::V {
    let inner = a.add(a.load(&s.through[at..at + lanes]), a.load(&s.around[at..at + lanes]));
    a.add(a.load(&s.dy[at..at + lanes]), inner)
}

#[derive(Clone, Copy)]
pub(super) struct Lstm;

impl Rule for Lstm {
    #[inline(always)]
    fn ahead<T, A: Arithmetic<T>>(self, a: A, s: &mut Ahead<T>, at: usize, n: usize) {
        let h = s.hidden.len();
        let mut gates = [a.zero(); 4];
        for (block, gate) in gates.iter_mut().enumerate() {
            *gate = a.add(a.load(part(s.x, h, block, at, n)), a.load(part(s.sums, h, block, at, n)));
        }
        let [i, f, g, o] = [a.sigmoid(gates[0]), a.sigmoid(gates[1]), a.tanh(gates[2]), a.sigmoid(gates[3])];
        let memory = a.add(a.mul(f, a.load(&s.memory[at..at + n])), a.mul(i, g));
        let y = a.mul(o, a.tanh(memory));
        a.store(memory, &mut s.memory[at..at + n]);
        a.store(y, &mut s.hidden[at..at + n]);
        a.store(y, &mut s.y[at..at + n]);
        if !s.kept.is_empty() {
            for (block, x) in [i, f, g, o, memory].into_iter().enumerate() {
                a.store(x, part_mut(s.kept, h, block, at, n));
            }
        }
    }

    #[inline(always)]
    fn back<T, A: Arithmetic<T>>(self, a: A, s: &mut Back<T>, at: usize, n: usize) {
        let h = s.around.len();
        let dy = incoming(a, s, at, n);
        let mut kept = [a.zero(); 5];
        for (block, x) in kept.iter_mut().enumerate() {
            *x = a.load(part(s.kept, h, block, at, n));
        }
        let [i, f, g, o, memory] = kept;
        let bent = a.tanh(memory);
        let d_memory = a.add(a.load(&s.d_memory[at..at + n]), through_tanh(a, a.mul(dy, o), bent));
        let before = a.load(&s.memory[at..at + n]);
        let gates = [
            through_sigmoid(a, a.mul(d_memory, g), i),
            through_sigmoid(a, a.mul(d_memory, before), f),
            through_tanh(a, a.mul(d_memory, i), g),
            through_sigmoid(a, a.mul(dy, bent), o),
        ];
        a.store(a.mul(d_memory, f), &mut s.d_memory[at..at + n]);
        a.store(a.zero(), &mut s.around[at..at + n]);
        for (block, x) in gates.into_iter().enumerate() {
            a.store(x, part_mut(s.dx, h, block, at, n));
            a.store(x, part_mut(s.d_sums, h, block, at, n));
        }
    }
}

#[derive(Clone, Copy)]
pub(super) struct Gru;

impl Rule for Gru {
    #[inline(always)]
    fn ahead<T, A: Arithmetic<T>>(self, a: A, s: &mut Ahead<T>, at: usize, n: usize) {
        let h = s.hidden.len();
        let before = a.load(&s.hidden[at..at + n]);
        let (mut x, mut sums) = ([a.zero(); 3], [a.zero(); 3]);
        for block in 0..3 {
            x[block] = a.load(part(s.x, h, block, at, n));
            sums[block] = a.load(part(s.sums, h, block, at, n));
        }
        let (r, z) = (a.sigmoid(a.add(x[0], sums[0])), a.sigmoid(a.add(x[1], sums[1])));
        let new = a.tanh(a.add(x[2], a.mul(r, sums[2])));
        let y = a.add(new, a.mul(z, a.sub(before, new)));
        a.store(y, &mut s.hidden[at..at + n]);
        a.store(y, &mut s.y[at..at + n]);
        if !s.kept.is_empty() {
            for (block, x) in [r, z, new, sums[2]].into_iter().enumerate() {
                a.store(x, part_mut(s.kept, h, block, at, n));
            }
        }
    }

    #[inline(always)]
    fn back<T, A: Arithmetic<T>>(self, a: A, s: &mut Back<T>, at: usize, n: usize) {
        let h = s.around.len();
        let dy = incoming(a, s, at, n);
        let mut kept = [a.zero(); 4];
        for (block, x) in kept.iter_mut().enumerate() {
            *x = a.load(part(s.kept, h, block, at, n));
        }
        let [r, z, new, sum] = kept;
        let before = a.load(&s.hidden[at..at + n]);
        let around = a.mul(dy, z);
        let d_new = through_tanh(a, a.sub(dy, around), new);
        let gates =
            [through_sigmoid(a, a.mul(d_new, sum), r), through_sigmoid(a, a.mul(dy, a.sub(before, new)), z), d_new];
        a.store(around, &mut s.around[at..at + n]);
        for (block, x) in gates.into_iter().enumerate() {
            a.store(x, part_mut(s.dx, h, block, at, n));
        }
        for (block, x) in [gates[0], gates[1], a.mul(d_new, r)].into_iter().enumerate() {
            a.store(x, part_mut(s.d_sums, h, block, at, n));
        }
    }
}

/// The plain network, with ReLU or tanh.
#[derive(Clone, Copy)]
pub(super) struct Plain<const RELU: bool>;

impl<const RELU: bool> Rule for Plain<RELU> {
    #[inline(always)]
    fn ahead<T, A: Arithmetic<T>>(self, a: A, s: &mut Ahead<T>, at: usize, n: usize) {
        let sum = a.add(a.load(&s.x[at..at + n]), a.load(&s.sums[at..at + n]));
        let y = if RELU { a.relu(sum) } else { a.tanh(sum) };
        a.store(y, &mut s.hidden[at..at + n]);
        a.store(y, &mut s.y[at..at + n]);
    }

    #[inline(always)]
    fn back<T, A: Arithmetic<T>>(self, a: A, s: &mut Back<T>, at: usize, n: usize) {
        let dy = incoming(a, s, at, n);
        let y = a.load(&s.y[at..at + n]);
        let dx = if RELU { a.where_positive(y, dy) } else { through_tanh(a, dy, y) };
        a.store(a.zero(), &mut s.around[at..at + n]);
        a.store(dx, &mut s.dx[at..at + n]);
        a.store(dx, &mut s.d_sums[at..at + n]);
    }
}
