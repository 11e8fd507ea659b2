//! `interpolate`: sequences, images and volumes in other sizes, one axis after the other.

use crate::ops::prelude::*;
use crate::run::resample::Taps;
use crate::testing::Attributes;
use std::sync::Arc;

/// How the elements of a resized tensor come from those around their place.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Interpolation {
    /// The element at ⌊i·size/n⌋: PyTorch's `nearest`, half an element off.
    #[default]
    Nearest,
    /// The nearest element: PyTorch's `nearest-exact`, as Pillow and scikit-image.
    NearestExact,
    /// Between the two neighbours of each axis: `linear`, `bilinear`, `trilinear`.
    Linear,
    /// Cubic convolution of four neighbours per axis, a = −0.75 (Keys 1981): `bicubic`.
    Cubic,
    /// The mean of what an element covers: adaptive average pooling.
    Area,
}

/// The size to resize to, and how.
///
/// ```
/// # use hadal_core::{Interpolation, Resize, Tensor};
/// let x = Tensor::from([[[0.0f32, 1.0]]]);
/// assert_eq!(x.interpolate(&Resize::by(2.0)).to_vec::<f32>(), [0.0, 0.0, 1.0, 1.0]);
/// let smooth = Resize::to(4).mode(Interpolation::Linear);
/// assert_eq!(x.interpolate(&smooth).to_vec::<f32>(), [0.0, 0.25, 0.75, 1.0]);
/// ```
#[derive(Clone, Debug)]
pub struct Resize {
    target: Target,
    mode: Interpolation,
    align_corners: bool,
    antialias: bool,
}

#[derive(Clone, Debug)]
enum Target {
    Sizes(Shape),
    Factors(Vec<f64>),
}

impl Resize {
    /// To these spatial sizes: one for all axes, or one per axis.
    pub fn to(sizes: impl Into<Shape>) -> Resize {
        Resize::new(Target::Sizes(sizes.into()))
    }

    /// By this factor on every axis; sizes are rounded down.
    pub fn by(factor: f64) -> Resize {
        Resize::new(Target::Factors(vec![factor]))
    }

    /// By one factor per axis.
    pub fn by_each(factors: &[f64]) -> Resize {
        Resize::new(Target::Factors(factors.to_vec()))
    }

    fn new(target: Target) -> Resize {
        Resize { target, mode: Interpolation::Nearest, align_corners: false, antialias: false }
    }

    /// With this interpolation; the default is [`Interpolation::Nearest`].
    pub fn mode(mut self, mode: Interpolation) -> Resize {
        self.mode = mode;
        self
    }

    /// With the centres of the corner elements kept in place (linear and cubic), instead of their outer edges.
    pub fn align_corners(mut self) -> Resize {
        self.align_corners = true;
        self
    }

    /// With a wider filter where the size shrinks, as Pillow does (linear and cubic).
    pub fn antialias(mut self) -> Resize {
        self.antialias = true;
        self
    }

    fn recorded(a: &Attributes) -> Resize {
        let target = if a.get("size").is_some() {
            Target::Sizes(a.sizes("size").into())
        } else {
            Target::Factors(vec![a.float("scale_factor")])
        };
        let mode = match a.text("mode") {
            "nearest" => Interpolation::Nearest,
            "nearest-exact" => Interpolation::NearestExact,
            "linear" | "bilinear" | "trilinear" => Interpolation::Linear,
            "bicubic" => Interpolation::Cubic,
            "area" => Interpolation::Area,
            other => panic!("no interpolation is called {other}"),
        };
        Resize { target, mode, align_corners: a.flag("align_corners"), antialias: a.flag("antialias") }
    }

    /// New size, and old elements per new one, of each axis.
    fn axes(&self, sizes: &[usize]) -> Result<Vec<(usize, f64)>> {
        let of = |given: usize| (0..sizes.len()).map(move |i| if given == 1 { 0 } else { i });
        let fits = |given: usize| {
            if given == 1 || given == sizes.len() {
                return Ok(());
            }
            let message = format!("takes one size or factor, or {}, got {given}", sizes.len());
            Err(Error::op("interpolate", message))
        };
        match &self.target {
            Target::Sizes(given) => {
                fits(given.rank())?;
                Ok(of(given.rank()).zip(sizes).map(|(i, &n)| (given[i], n as f64 / given[i] as f64)).collect())
            }
            Target::Factors(given) => {
                fits(given.len())?;
                if given.iter().any(|&f| !(f > 0.0 && f < 1e9)) {
                    return Err(Error::op("interpolate", format!("needs positive factors, got {given:?}")));
                }
                let size = |(i, &n): (usize, &usize)| ((n as f64 * given[i]).floor() as usize, 1.0 / given[i]);
                Ok(of(given.len()).zip(sizes).map(size).collect())
            }
        }
    }

    /// The weights of one axis: `size` old elements, `results` new ones, `scale` old elements per new one.
    fn taps(&self, size: usize, results: usize, scale: f64) -> Taps {
        let corners = self.align_corners && matches!(self.mode, Interpolation::Linear | Interpolation::Cubic);
        let scale = match corners {
            true if results > 1 => (size - 1) as f64 / (results - 1) as f64,
            true => 0.0,
            false => scale,
        };
        let last = size as isize - 1;
        let at = |i: isize| i.clamp(0, last) as usize;
        let source = |i: usize| if corners { i as f64 * scale } else { (i as f64 + 0.5) * scale - 0.5 };
        let row = |i: usize| match self.mode {
            Interpolation::Nearest => vec![(at((i as f64 * scale).floor() as isize), 1.0)],
            Interpolation::NearestExact => vec![(at(((i as f64 + 0.5) * scale).floor() as isize), 1.0)],
            Interpolation::Area => {
                let first = i * size / results;
                let end = ((i + 1) * size).div_ceil(results);
                (first..end).map(|k| (k, 1.0 / (end - first) as f64)).collect()
            }
            mode if self.antialias => filtered(mode, scale, i, size),
            Interpolation::Linear => {
                let place = source(i).max(0.0);
                let (first, t) = (place.floor() as isize, place.fract());
                vec![(at(first), 1.0 - t), (at(first + 1), t)]
            }
            Interpolation::Cubic => {
                let place = source(i);
                let (first, t) = (place.floor() as isize, place - place.floor());
                (-1..=2).map(|k| (at(first + k), cubic(k as f64 - t, -0.75))).collect()
            }
        };
        Taps::new(size, (0..results).map(row))
    }
}

/// Keys' cubic convolution kernel.
fn cubic(x: f64, a: f64) -> f64 {
    let x = x.abs();
    match x {
        _ if x <= 1.0 => ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0,
        _ if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * a,
        _ => 0.0,
    }
}

/// The weights of a filter stretched by the scale where it shrinks; a = −0.5 for the cubic one, as in Pillow.
fn filtered(mode: Interpolation, scale: f64, i: usize, size: usize) -> Vec<(usize, f64)> {
    let stretch = scale.max(1.0);
    let (radius, filter): (f64, fn(f64) -> f64) = match mode {
        Interpolation::Linear => (1.0, |x| (1.0 - x.abs()).max(0.0)),
        _ => (2.0, |x| cubic(x, -0.5)),
    };
    let (centre, support) = (scale * (i as f64 + 0.5), radius * stretch);
    let first = ((centre - support + 0.5).max(0.0)) as usize;
    let end = ((centre + support + 0.5) as usize).min(size);
    let weight = |k: usize| filter((k as f64 - centre + 0.5) / stretch);
    let total: f64 = (first..end).map(weight).sum();
    (first..end).map(|k| (k, weight(k) / total)).collect()
}

/// The sparse matrix along one axis.
#[derive(Debug)]
struct Resample {
    axis: usize,
    taps: Arc<Taps>,
    /// The matrix as ONNX has it, if it has.
    smooth: Option<Smooth>,
}

/// A resizing as ONNX says it.
#[derive(Clone, Copy, Debug)]
struct Smooth {
    mode: &'static str,
    corners: bool,
}

impl Smooth {
    /// That of an axis with so many old elements per new one; where that is not the quotient of the sizes, ONNX would place
    /// elements otherwise.
    fn of(resize: &Resize, size: usize, results: usize, scale: f64) -> Option<Smooth> {
        let mode = match resize.mode {
            Interpolation::Linear => "linear",
            Interpolation::Cubic => "cubic",
            _ => return None,
        };
        let whole = resize.align_corners || scale == size as f64 / results as f64;
        (whole && !resize.antialias).then_some(Smooth { mode, corners: resize.align_corners })
    }

    /// A node for this axis; several axes one after the other become one node.
    fn node(self, x: &Writer, axis: usize, results: usize) -> Value {
        let place = if self.corners { "align_corners" } else { "half_pixel" };
        let mut settings: Vec<(&'static str, Attribute)> =
            vec![("mode", self.mode.into()), ("coordinate_transformation_mode", place.into())];
        if self.mode == "cubic" {
            settings.push(("cubic_coeff_a", (-0.75).into()));
        }
        let (mut input, mut axes, mut sizes) = (x.input(0), vec![axis as i64], vec![results as i64]);
        if let Some(before) = x.maker(input).filter(|node| node.operator == "Resize")
            && let Some(Attribute::Ints(others)) = before.attributes.last().map(|(_, axes)| axes)
            && before.attributes[..before.attributes.len() - 1] == settings
            && let Some(known) = x.constant_of(before.inputs[3])
        {
            input = before.inputs[0];
            axes = [&others[..], &axes].concat();
            sizes = [known.to_vec::<i64>(), sizes].concat();
        }
        settings.push(("axes", axes.into()));
        x.node("Resize", &[input, Value::OMITTED, Value::OMITTED, x.integers(&sizes)], &settings)
    }
}

impl Op for Resample {
    fn name(&self) -> &'static str {
        "interpolate"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_float(self, &x[0])?;
        let mut shape = x[0].shape.clone();
        shape.sizes_mut()[self.axis] = self.taps.results();
        one(x[0].with_shape(shape))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let inner = x[0].shape()[self.axis + 1..].iter().product();
        dispatch!(reals x[0].dtype(), T => self.taps.apply::<T>(&x[0].contiguous(), inner, y[0].slice()));
    }

    fn grad(&self, g: &Grad) -> Grads {
        let adjoint = Resample { axis: self.axis, taps: Arc::new(self.taps.transposed()), smooth: None };
        vec![Some(apply(adjoint, &[&g.of(0)]).unwrap_or_else(|e| e.raise()))]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        let rows: Vec<Vec<(usize, f64)>> = (0..self.taps.results()).map(|i| self.taps.row(i).collect()).collect();
        if rows.iter().all(|row| matches!(row[..], [(_, 1.0)])) {
            let chosen: Vec<i64> = rows.iter().map(|row| row[0].0 as i64).collect();
            return Ok(vec![x.node("Gather", &[x.input(0), x.integers(&chosen)], &[("axis", self.axis.into())])]);
        }
        // Runtimes resize images in f32, and other numbers of axes not in every mode.
        if let Some(smooth) = self.smooth.filter(|_| x.meta(0).dtype == DType::F32 && x.meta(0).shape.rank() == 4) {
            return Ok(vec![smooth.node(x, self.axis, self.taps.results())]);
        }
        let size = self.taps.elements();
        let mut matrix = vec![0.0; rows.len() * size];
        for (i, row) in rows.iter().enumerate() {
            row.iter().for_each(|&(k, weight)| matrix[i * size + k] += weight);
        }
        let matrix = Tensor::from_vec(matrix, [rows.len(), size]).to_dtype(x.meta(0).dtype);
        Ok(vec![x.along(x.input(0), x.meta(0).shape.rank(), self.axis, &matrix)])
    }
}

#[fallible]
impl Tensor {
    /// `[batch, channels, …]` with its one to three spatial axes resized, as PyTorch's `F.interpolate`.
    pub fn interpolate(&self, resize: &Resize) -> Result<Tensor> {
        let fail = |message: String| Err(Error::op("interpolate", message));
        let [_, _, ref sizes @ ..] = self.shape()[..] else {
            return fail(format!("needs an input [batch, channels, …], got shape {}", self.shape()));
        };
        if sizes.is_empty() || sizes.contains(&0) {
            return fail(format!("needs spatial axes with elements, got shape {}", self.shape()));
        }
        let filtered = matches!(resize.mode, Interpolation::Linear | Interpolation::Cubic);
        if (resize.align_corners || resize.antialias) && !filtered {
            return fail(format!("has align_corners and antialias for linear and cubic only, not {:?}", resize.mode));
        }
        let mut y = self.try_to_dtype(self.dtype().compute())?;
        let axes = resize.axes(sizes)?;
        for (i, (&size, &(results, scale))) in sizes.iter().zip(&axes).enumerate() {
            if results == 0 {
                return fail(format!("gives axis {} no elements (input {})", i + 2, self.shape()));
            }
            let (taps, smooth) = (resize.taps(size, results, scale), Smooth::of(resize, size, results, scale));
            y = apply(Resample { axis: i + 2, taps: Arc::new(taps), smooth }, &[&y])?;
        }
        y.try_to_dtype(self.dtype())
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("interpolate", |a, x| vec![x[0].interpolate(&Resize::recorded(a))])
}
