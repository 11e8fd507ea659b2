//! One pass over the elements of several parameters at once: what an update consists of.

use super::Real;
use hadal_core::{Element, Param, Tensor};
use hadal_kernels::threads;

/// Elements that one task updates.
const CHUNK: usize = 16 * 1024;

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
        threads::for_chunks_of_all(slices, CHUNK, |range, mut parts| {
            let given = &given[range];
            // Slices of one known length let the compiler drop the bounds checks.
            let n = given.len();
            for part in &mut parts {
                *part = &mut std::mem::take(part)[..n];
            }
            for (i, &g) in given.iter().enumerate() {
                f(g, parts.each_mut().map(|part| &mut part[i]));
            }
        });
    });
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
