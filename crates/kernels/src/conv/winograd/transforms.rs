//! The transforms of F(2 × 2, 3 × 3), sixteen channels at a time.
//!
//! With `B`, `G` and `A` of Lavin and Gray (2016), `y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A` for a tile `d` of 4 × 4 inputs, a kernel
//! `g` and 2 × 2 results `y`. The product is linear in `g`, so its gradient is the same sum read backwards:
//! `dg = Gᵀ[(A dy Aᵀ) ⊙ (Bᵀ d B)]G`.

use crate::simd::{Kernel, LANES, Simd};

/// Points of a transformed tile.
pub(super) const POINTS: usize = 16;

/// A transform along one axis, from `FROM` values to `TO`; a matrix takes it along both.
pub(super) trait Transform<const FROM: usize, const TO: usize> {
    fn line<S: Simd>(simd: S, x: [S::F; FROM]) -> [S::F; TO];

    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // plain loops over constants are always unrolled
    fn square<S: Simd>(simd: S, x: [[S::F; FROM]; FROM]) -> [[S::F; TO]; TO] {
        let mut columns = [[x[0][0]; FROM]; TO];
        for j in 0..FROM {
            let mut column = [x[0][0]; FROM];
            for i in 0..FROM {
                column[i] = x[i][j];
            }
            let column = Self::line(simd, column);
            for i in 0..TO {
                columns[i][j] = column[i];
            }
        }
        let mut result = [[x[0][0]; TO]; TO];
        for i in 0..TO {
            result[i] = Self::line(simd, columns[i]);
        }
        result
    }
}

/// `Bᵀ d B`
pub(super) struct Input;
impl Transform<4, 4> for Input {
    #[inline(always)]
    fn line<S: Simd>(s: S, d: [S::F; 4]) -> [S::F; 4] {
        [s.sub(d[0], d[2]), s.add(d[1], d[2]), s.sub(d[2], d[1]), s.sub(d[1], d[3])]
    }
}

/// `G g Gᵀ`
pub(super) struct Weight;
impl Transform<3, 4> for Weight {
    #[inline(always)]
    fn line<S: Simd>(s: S, g: [S::F; 3]) -> [S::F; 4] {
        let (half, ends) = (s.splat(0.5), s.add(g[0], g[2]));
        [g[0], s.mul(s.add(ends, g[1]), half), s.mul(s.sub(ends, g[1]), half), g[2]]
    }
}

/// `Aᵀ m A`
pub(super) struct Output;
impl Transform<4, 2> for Output {
    #[inline(always)]
    fn line<S: Simd>(s: S, m: [S::F; 4]) -> [S::F; 2] {
        [s.add(s.add(m[0], m[1]), m[2]), s.sub(s.sub(m[1], m[2]), m[3])]
    }
}

/// `A dy Aᵀ`
pub(super) struct Gradient;
impl Transform<2, 4> for Gradient {
    #[inline(always)]
    fn line<S: Simd>(s: S, y: [S::F; 2]) -> [S::F; 4] {
        [y[0], s.add(y[0], y[1]), s.sub(y[0], y[1]), s.neg(y[1])]
    }
}

/// `Gᵀ m G`
pub(super) struct WeightGradient;
impl Transform<4, 3> for WeightGradient {
    #[inline(always)]
    fn line<S: Simd>(s: S, m: [S::F; 4]) -> [S::F; 3] {
        let half = s.splat(0.5);
        let (sum, difference) = (s.mul(s.add(m[1], m[2]), half), s.mul(s.sub(m[1], m[2]), half));
        [s.add(m[0], sum), difference, s.add(sum, m[3])]
    }
}

/// Where the transformed values of some tiles are: point `p` of tile `t` at `p·plane + t·row`, channels side by side.
#[derive(Clone, Copy)]
pub(super) struct Planes {
    pub data: *mut f32,
    pub plane: usize,
    pub row: usize,
}

/// The place of an input that is padding.
pub(super) const NOWHERE: usize = usize::MAX;

/// Transforms tiles of `N × N` registers, found at `places(tile)` of `from`, into [`Planes`]; [`NOWHERE`] are zeros.
pub(super) struct Spread<'a, const N: usize, P> {
    pub from: &'a [f32],
    pub places: P,
    pub tiles: usize,
    /// Registers of channels of every tile.
    pub registers: usize,
    pub to: Planes,
}

impl<const N: usize, P: Fn(usize) -> [[usize; N]; N]> Spread<'_, N, P> {
    /// # Safety
    /// `to` has room for the tiles, and nobody else uses it.
    pub unsafe fn run<T: Transform<N, 4>>(self) {
        crate::simd::dispatch(SpreadWith::<T, N, P>(self, std::marker::PhantomData));
    }
}

struct SpreadWith<'a, T, const N: usize, P>(Spread<'a, N, P>, std::marker::PhantomData<T>);

impl<T: Transform<N, 4>, const N: usize, P: Fn(usize) -> [[usize; N]; N]> Kernel for SpreadWith<'_, T, N, P> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // as in `Transform::square`
    fn run<S: Simd>(self, simd: S) {
        let Spread { from, places, tiles, registers, to } = self.0;
        for tile in 0..tiles {
            let places = places(tile);
            let here = |&place: &usize| place == NOWHERE || place + registers * LANES <= from.len();
            assert!(places.as_flattened().iter().all(here));
            for register in 0..registers {
                let from = from.as_ptr().wrapping_add(register * LANES);
                let load = |place: usize| match place {
                    NOWHERE => simd.splat(0.0),
                    // SAFETY: just checked.
                    place => simd.load(unsafe { &*from.wrapping_add(place).cast() }),
                };
                let mut x = [[load(places[0][0]); N]; N];
                for i in 0..N {
                    for j in 0..N {
                        x[i][j] = load(places[i][j]);
                    }
                }
                let x = T::square(simd, x);
                let to = to.data.wrapping_add(tile * self.0.to.row + register * LANES);
                for i in 0..4 {
                    for j in 0..4 {
                        let to = to.wrapping_add((i * 4 + j) * self.0.to.plane);
                        // SAFETY: the promise of `Spread::run`.
                        simd.store(x[i][j], unsafe { &mut *to.cast() });
                    }
                }
            }
        }
    }
}

/// Transforms [`Planes`] into tiles of `N × N` registers at `places(tile)` of `to`; those without a place are dropped.
pub(super) struct Gather<'a, const N: usize, P> {
    pub from: Planes,
    pub tiles: usize,
    /// Registers of channels of every tile.
    pub registers: usize,
    /// One value for every channel, added to all results.
    pub bias: Option<&'a [f32]>,
    pub to: &'a mut [f32],
    pub places: P,
}

impl<const N: usize, P: Fn(usize) -> [[Option<usize>; N]; N]> Gather<'_, N, P> {
    /// # Safety
    /// `from` has the tiles, and nobody else writes it.
    pub unsafe fn run<T: Transform<4, N>>(self) {
        crate::simd::dispatch(GatherWith::<T, N, P>(self, std::marker::PhantomData));
    }
}

struct GatherWith<'a, T, const N: usize, P>(Gather<'a, N, P>, std::marker::PhantomData<T>);

impl<T: Transform<4, N>, const N: usize, P: Fn(usize) -> [[Option<usize>; N]; N]> Kernel for GatherWith<'_, T, N, P> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // as in `Transform::square`
    fn run<S: Simd>(self, simd: S) {
        let Gather { from, tiles, registers, bias, to, places } = self.0;
        assert!(bias.is_none_or(|bias| bias.len() >= registers * LANES));
        for tile in 0..tiles {
            let places = places(tile);
            let here = |place: &usize| place + registers * LANES <= to.len();
            assert!(places.as_flattened().iter().flatten().all(here));
            for register in 0..registers {
                let from_tile = from.data.wrapping_add(tile * from.row + register * LANES);
                // SAFETY: the promise of `Gather::run`.
                let load = |p: usize| simd.load(unsafe { &*from_tile.wrapping_add(p * from.plane).cast() });
                let mut m = [[load(0); 4]; 4];
                for i in 0..4 {
                    for j in 0..4 {
                        m[i][j] = load(i * 4 + j);
                    }
                }
                let y = T::square(simd, m);
                let bias = bias.map(|bias| {
                    // SAFETY: the length was checked.
                    simd.load(unsafe { &*bias.as_ptr().wrapping_add(register * LANES).cast() })
                });
                for i in 0..N {
                    for j in 0..N {
                        let Some(place) = places[i][j] else { continue };
                        let value = bias.map_or(y[i][j], |bias| simd.add(y[i][j], bias));
                        // SAFETY: just checked.
                        simd.store(value, unsafe {
                            &mut *to.as_mut_ptr().wrapping_add(place + register * LANES).cast()
                        });
                    }
                }
            }
        }
    }
}
