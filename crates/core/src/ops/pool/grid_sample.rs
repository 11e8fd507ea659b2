//! `grid_sample`: images read at arbitrary places (Jaderberg et al. 2015, "Spatial Transformer Networks").

use super::interpolate::Interpolation;
use crate::ops::prelude::*;

/// What −1 and 1 mean as places along an axis.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Corners {
    /// The outer edges of the first and last element (`align_corners=False`).
    #[default]
    Edges,
    /// The centres of the first and last element (`align_corners=True`).
    Centres,
}

/// What lies outside an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Outside {
    /// Zeros.
    #[default]
    Zeros,
    /// The nearest element of the border.
    Border,
    /// The image mirrored at the border, as often as needed.
    Reflection,
}

/// How [`Tensor::grid_sample`] reads.
#[derive(Clone, Copy, Debug)]
pub struct GridSample {
    /// `Nearest`, `Linear` or, for images, `Cubic`.
    pub mode: Interpolation,
    /// What places outside read.
    pub outside: Outside,
    /// What −1 and 1 mean.
    pub corners: Corners,
}

impl Default for GridSample {
    fn default() -> GridSample {
        GridSample { mode: Interpolation::Linear, outside: Outside::Zeros, corners: Corners::Edges }
    }
}

/// One element read along an axis: its position (whole, perhaps outside) and its weight, both `[batch, points]`.
struct Tap {
    position: Tensor,
    weight: Tensor,
}

impl GridSample {
    /// Places −1 to 1 as positions 0 to size − 1.
    fn positions(&self, place: &Tensor, size: usize) -> Result<Tensor> {
        let n = size as f64;
        match self.corners {
            Corners::Centres => place.try_add(1.0)?.try_mul((n - 1.0) / 2.0),
            Corners::Edges => place.try_add(1.0)?.try_mul(n / 2.0)?.try_sub(0.5),
        }
    }

    /// Positions brought into the image.
    fn inside(&self, position: &Tensor, size: usize) -> Result<Tensor> {
        let last = size as f64 - 1.0;
        let position = match (self.outside, self.corners) {
            (Outside::Zeros, _) => return Ok(position.clone()),
            (Outside::Border, _) => position.clone(),
            (Outside::Reflection, Corners::Centres) => reflected(position, 0.0, last)?,
            (Outside::Reflection, Corners::Edges) => reflected(position, -0.5, last + 0.5)?,
        };
        position.try_clamp(0.0, last)
    }

    fn taps(&self, position: &Tensor, size: usize) -> Result<Vec<Tap>> {
        match self.mode {
            Interpolation::Nearest => {
                let position = self.inside(position, size)?.try_round()?;
                Ok(vec![Tap { weight: position.ones_like(), position }])
            }
            Interpolation::Cubic => {
                let first = position.detach().try_floor()?;
                let t = position.try_sub(&first)?;
                let tap = |k: i32| {
                    let position = self.inside(&first.try_add(k)?, size)?;
                    Ok(Tap { position, weight: cubic(&t.try_sub(k)?, k)? })
                };
                (-1..=2).map(tap).collect()
            }
            _ => {
                let position = self.inside(position, size)?;
                let first = position.detach().try_floor()?;
                let t = position.try_sub(&first)?;
                let next = first.try_add(1)?;
                Ok(vec![Tap { position: first, weight: t.try_neg()?.try_add(1.0)? }, Tap { position: next, weight: t }])
            }
        }
    }
}

/// Positions mirrored at `low` and `high` until they lie between them.
fn reflected(position: &Tensor, low: f64, high: f64) -> Result<Tensor> {
    let span = high - low;
    if span <= 0.0 {
        return position.try_mul(0.0);
    }
    let distance = position.try_sub(low)?.try_abs()?;
    let turns = distance.detach().try_div(span)?.try_floor()?;
    let rest = distance.try_sub(turns.try_mul(span)?)?;
    let forth = rest.try_add(low)?;
    let back = rest.try_neg()?.try_add(high)?;
    turns.try_remainder(2)?.try_eq(0)?.try_where_(&forth, &back)
}

/// Keys' kernel with a = −0.75 at distance `x` from tap `k` of −1 to 2.
fn cubic(x: &Tensor, k: i32) -> Result<Tensor> {
    const A: f64 = -0.75;
    let x = if k > 0 { x.try_neg()? } else { x.clone() };
    if k == 0 || k == 1 {
        // ((a + 2)·x − (a + 3))·x² + 1
        return x.try_mul(A + 2.0)?.try_sub(A + 3.0)?.try_mul(x.try_square()?)?.try_add(1.0);
    }
    // ((x − 5)·x + 8)·x − 4, times a
    x.try_sub(5.0)?.try_mul(&x)?.try_add(8.0)?.try_mul(&x)?.try_sub(4.0)?.try_mul(A)
}

#[fallible]
impl Tensor {
    /// `[batch, channels, height, width]` read at the places `grid [batch, rows, columns, 2]`, whose last axis holds
    /// (x, y) from −1 to 1: `[batch, channels, rows, columns]`. For volumes the grid has one axis more and holds
    /// (x, y, z). Differentiable by the image and by the places.
    pub fn grid_sample(&self, grid: &Tensor, options: &GridSample) -> Result<Tensor> {
        let fail = |message: String| Err(Error::op("grid_sample", message));
        let rank = self.rank().saturating_sub(2);
        if !(2..=3).contains(&rank) {
            let shape = self.shape();
            return fail(format!("needs images or volumes [batch, channels, (depth,) height, width], got {shape}"));
        }
        if grid.rank() != rank + 2 || grid.size(0) != self.size(0) || grid.size(-1) != rank {
            let found = grid.shape();
            return fail(format!("needs a grid [{}, …, {rank}] of {} axes, got shape {found}", self.size(0), rank + 2));
        }
        if !matches!(options.mode, Interpolation::Nearest | Interpolation::Linear | Interpolation::Cubic)
            || options.mode == Interpolation::Cubic && rank == 3
        {
            return fail(format!("does not read {rank}-dimensional inputs by {:?}", options.mode));
        }
        let (n, c, sizes) = (self.size(0), self.size(1), Shape::from(&self.shape()[2..]));
        let out = Shape::from(&grid.shape()[1..=rank]);
        let places = grid.try_reshape([n, out.elements(), rank])?;
        // Joined taps of all axes: flat positions and weights.
        let mut taps: Vec<(Tensor, Tensor)> = Vec::new();
        for (axis, &size) in sizes.iter().enumerate() {
            let place = places.try_select(-1, (rank - 1 - axis) as isize)?;
            let mut joined = Vec::new();
            for tap in options.taps(&options.positions(&place, size)?, size)? {
                let last = size as f64 - 1.0;
                let seen = tap.position.try_ge(0)?.try_logical_and(tap.position.try_le(last)?)?;
                let index = tap.position.detach().try_clamp(0.0, last.max(0.0))?.try_to_dtype(DType::I64)?;
                let weight = seen.try_where_(&tap.weight, 0.0)?;
                match taps.is_empty() {
                    true => joined.push((index, weight)),
                    false => {
                        for (flat, product) in &taps {
                            joined.push((flat.try_mul(size)?.try_add(&index)?, product.try_mul(&weight)?));
                        }
                    }
                }
            }
            taps = joined;
        }
        let flat = self.try_reshape([n, c, sizes.elements()])?;
        let mut sum: Option<Tensor> = None;
        for (index, weight) in taps {
            let index = index.try_unsqueeze(1)?.try_expand([n, c, out.elements()])?;
            let term = flat.try_gather(-1, &index)?.try_mul(weight.try_unsqueeze(1)?)?;
            sum = Some(sum.map_or(Ok(term.clone()), |sum| sum.try_add(&term))?);
        }
        let shape: Shape = [n, c].into_iter().chain(out.iter().copied()).collect();
        sum.expect("at least one tap").try_reshape(shape)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("grid_sample", |a, x| {
        let options = GridSample {
            mode: match a.text("mode") {
                "nearest" => Interpolation::Nearest,
                "bicubic" => Interpolation::Cubic,
                _ => Interpolation::Linear,
            },
            outside: match a.text("padding_mode") {
                "border" => Outside::Border,
                "reflection" => Outside::Reflection,
                _ => Outside::Zeros,
            },
            corners: if a.flag("align_corners") { Corners::Centres } else { Corners::Edges },
        };
        vec![x[0].grid_sample(&x[1], &options)]
    })
}
