//! One pass over the elements of several parameters at once: what an update consists of.

use super::Real;
use hadal_core::{Element, Param, Tensor};
use hadal_kernels::simd::{Vectorized, vectorized};
use hadal_kernels::threads;

/// The most elements that one task updates …
const CHUNK: usize = 16 * 1024;
/// … and the least: about a microsecond of work.
const LEAST: usize = 2 * 1024;

/// Elements of a task: eight equal shares of a small parameter, so that two or four threads have as much to do.
fn chunk(elements: usize) -> usize {
    elements.div_ceil(8).next_multiple_of(LANES).clamp(LEAST, CHUNK)
}

/// Calls `f(given element, [element of each place])` for every element, in parallel. All have one shape.
pub(super) fn pass<T: Real, const N: usize>(given: &Tensor, places: [&Param; N], f: impl Fn(T, [&mut T; N]) + Sync) {
    let copy;
    let given = match given.as_slice::<T>() {
        Some(slice) => slice,
        None => {
            copy = given.to_vec::<T>();
            &copy
        }
    };
    open::<T>(&places, Vec::with_capacity(N), |slices| {
        let slices: [&mut [T]; N] = slices.try_into().unwrap_or_else(|_| unreachable!("one slice per place"));
        threads::for_chunks_of_all(slices, chunk(given.len()), |range, places| {
            vectorized(Update { given: &given[range], places, f: &f });
        });
    });
}

/// Elements that are updated together, in local arrays that the compiler can keep in registers.
const LANES: usize = 16;

/// The update of one chunk.
struct Update<'a, T, F, const N: usize> {
    given: &'a [T],
    places: [&'a mut [T]; N],
    f: &'a F,
}

impl<T: Real, F: Fn(T, [&mut T; N]), const N: usize> Vectorized for Update<'_, T, F, N> {
    type Output = ();

    #[inline(always)]
    fn run(mut self) {
        let (blocks, rest) = self.given.as_chunks::<LANES>();
        for (i, given) in blocks.iter().enumerate() {
            let block = i * LANES..(i + 1) * LANES;
            let mut local = [[T::default(); LANES]; N];
            for (local, place) in local.iter_mut().zip(&self.places) {
                local.copy_from_slice(&place[block.clone()]);
            }
            for lane in 0..LANES {
                (self.f)(given[lane], local.each_mut().map(|place| &mut place[lane]));
            }
            for (local, place) in local.iter().zip(&mut self.places) {
                place[block.clone()].copy_from_slice(local);
            }
        }
        for (i, &given) in rest.iter().enumerate() {
            (self.f)(given, self.places.each_mut().map(|place| &mut place[blocks.len() * LANES + i]));
        }
    }
}

/// Calls `f` with the elements of all places, each opened for writing.
fn open<T: Element>(places: &[&Param], opened: Vec<&mut [T]>, f: impl FnOnce(Vec<&mut [T]>)) {
    match places {
        [] => f(opened),
        [first, rest @ ..] => first.update(|slice| {
            let mut opened: Vec<&mut [T]> = opened;
            opened.push(slice);
            open(rest, opened, f);
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks, the elements after the last block, and several tasks: each element is updated once, as if it were alone.
    #[test]
    fn every_element_is_updated_as_if_alone() {
        let step = |g: f32, [p, m]: [&mut f32; 2]| {
            *m = 0.9 * *m + g * g;
            *p -= g / (m.sqrt() + 1e-8);
        };
        for n in [0, 5, LANES, 37, 2 * CHUNK + 21] {
            let values =
                |seed: usize| (0..n).map(move |i| ((i * seed) % 1009) as f32 / 300.0 + 0.1).collect::<Vec<_>>();
            let [given, mut p, mut m] = [7919, 104729, 611953].map(values);
            let places = [&p, &m].map(|v| Param::new(Tensor::from_slice(v)));
            pass(&Tensor::from_slice(&given), [&places[0], &places[1]], step);
            given.iter().zip(&mut p).zip(&mut m).for_each(|((&g, p), m)| step(g, [p, m]));
            assert_eq!(places[0].get().to_vec::<f32>(), p);
            assert_eq!(places[1].get().to_vec::<f32>(), m);
        }
    }
}
