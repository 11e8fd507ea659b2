//! Images in other sizes, and read at arbitrary places.

use super::prelude::*;
use hadal_core::{Corners, GridSample, Interpolation, Outside};

pub(super) const OPERATORS: &[Operator] = &[
    op("AffineGrid", 20, With(affine_grid)),
    op("GridSample", 16, With(grid_sample)),
    op("Resize", 10, With(|node| resize(node, Resize::as_upsample(node)?, Inputs10))),
    op("Resize", 11, With(|node| resize(node, Resize::new(node)?, Inputs11))),
    op("Upsample", 7, With(upsample_by_attribute)),
    op("Upsample", 9, With(|node| resize(node, Resize::as_upsample(node)?, Inputs10))),
];

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Nearest,
    Linear,
    Cubic,
}

/// Which place of the input an element of the output belongs to.
#[derive(Clone, Copy, PartialEq)]
enum Coordinates {
    HalfPixel,
    HalfPixelSymmetric,
    PytorchHalfPixel,
    AlignCorners,
    Asymmetric,
    CropAndResize,
}

/// Which neighbour is the nearest.
#[derive(Clone, Copy)]
enum Nearest {
    PreferFloor,
    PreferCeil,
    Floor,
    Ceil,
}

/// What happens to given sizes that do not have the input's aspect ratio.
#[derive(Clone, Copy)]
enum Aspect {
    Stretch,
    NotLarger,
    NotSmaller,
}

struct Resize {
    mode: Mode,
    coordinates: Coordinates,
    nearest: Nearest,
    aspect: Aspect,
    axes: Option<Vec<i64>>,
    cubic: f64,
    exclude_outside: bool,
    antialias: bool,
    extrapolation: f64,
}

/// Where the scales stand among the inputs.
#[derive(Clone, Copy, PartialEq)]
enum Layout {
    Inputs10,
    Inputs11,
}
use Layout::{Inputs10, Inputs11};

/// One axis of the output: how large it is and how it is scaled.
struct Axis {
    size: usize,
    /// Elements of the output per element of the input.
    scale: f64,
    /// The part of the input that is read, from 0 to 1.
    region: [f64; 2],
}

impl Resize {
    fn new(node: &Node) -> Result<Resize> {
        let coordinates = [
            ("half_pixel", Coordinates::HalfPixel),
            ("half_pixel_symmetric", Coordinates::HalfPixelSymmetric),
            ("pytorch_half_pixel", Coordinates::PytorchHalfPixel),
            ("align_corners", Coordinates::AlignCorners),
            ("asymmetric", Coordinates::Asymmetric),
            ("tf_crop_and_resize", Coordinates::CropAndResize),
            // Until opset 12: half pixels for the nearest neighbour.
            ("tf_half_pixel_for_nn", Coordinates::HalfPixel),
        ];
        let words = coordinates.map(|c| c.0);
        let nearest = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"];
        let aspects = ["stretch", "not_larger", "not_smaller"];
        Ok(Resize {
            mode: mode(node)?,
            coordinates: coordinates[node.choice("coordinate_transformation_mode", &words, "half_pixel")?].1,
            nearest: [Nearest::PreferFloor, Nearest::PreferCeil, Nearest::Floor, Nearest::Ceil]
                [node.choice("nearest_mode", &nearest, "round_prefer_floor")?],
            aspect: [Aspect::Stretch, Aspect::NotLarger, Aspect::NotSmaller]
                [node.choice("keep_aspect_ratio_policy", &aspects, "stretch")?],
            axes: node.ints("axes")?,
            cubic: node.float_or("cubic_coeff_a", -0.75)?,
            exclude_outside: node.flag("exclude_outside")?,
            antialias: node.flag("antialias")?,
            extrapolation: node.float_or("extrapolation_value", 0.0)?,
        })
    }

    /// As the older operator, which had none of the other attributes.
    fn as_upsample(node: &Node) -> Result<Resize> {
        Ok(Resize {
            mode: mode(node)?,
            coordinates: Coordinates::Asymmetric,
            nearest: Nearest::Floor,
            aspect: Aspect::Stretch,
            axes: None,
            cubic: -0.75,
            exclude_outside: false,
            antialias: false,
            extrapolation: 0.0,
        })
    }

    /// The axes of the output, from scales or sizes, of which one is given.
    fn plan(&self, shape: &Shape, scales: Option<Vec<f64>>, sizes: Option<Vec<i64>>, roi: &[f64]) -> Result<Vec<Axis>> {
        let rank = shape.rank();
        let axes = match &self.axes {
            Some(axes) => axes_of(axes, rank)?,
            None => (0..rank).collect(),
        };
        let given = scales.as_ref().map(Vec::len).or(sizes.as_ref().map(Vec::len)).unwrap_or(0);
        if given != axes.len() || (self.coordinates == Coordinates::CropAndResize && roi.len() != 2 * given) {
            return invalid(format!("{given} scales or sizes, or the region, do not fit {} axes", axes.len()));
        }
        let mut plan: Vec<Axis> = shape.iter().map(|&size| Axis { size, scale: 1.0, region: [0.0, 1.0] }).collect();
        let ratio = |i: usize, sizes: &[i64]| sizes[i] as f64 / shape[axes[i]] as f64;
        let common = |sizes: &[i64]| {
            let ratios = (0..sizes.len()).map(|i| ratio(i, sizes));
            match self.aspect {
                Aspect::Stretch => None,
                Aspect::NotLarger => ratios.reduce(f64::min),
                Aspect::NotSmaller => ratios.reduce(f64::max),
            }
        };
        for (i, &axis) in axes.iter().enumerate() {
            let size = shape[axis] as f64;
            let (new, scale) = match (&scales, &sizes) {
                (Some(scales), _) => ((size * scales[i]).floor(), scales[i]),
                (None, Some(sizes)) => match common(sizes) {
                    Some(scale) => ((scale * size + 0.5).floor(), scale),
                    None => (sizes[i] as f64, ratio(i, sizes)),
                },
                (None, None) => return invalid("neither scales nor sizes are given"),
            };
            if !(scale > 0.0 && new.is_finite()) && size > 0.0 {
                return invalid(format!("axis {axis} of {shape} cannot be scaled by {scale}"));
            }
            let region = if roi.len() == 2 * given { [roi[i], roi[i + given]] } else { [0.0, 1.0] };
            plan[axis] = Axis { size: shape_of(&[new as i64])?[0], scale, region };
        }
        shape_of(&plan.iter().map(|a| a.size as i64).collect::<Vec<_>>())?;
        Ok(plan)
    }

    /// The place in an axis of `size` elements that element `i` of the output is read from.
    fn place(&self, i: usize, size: usize, axis: &Axis) -> f64 {
        let (i, size) = (i as f64, size as f64);
        let whole = axis.scale * size;
        let half_pixel = (i + 0.5) / axis.scale - 0.5;
        match self.coordinates {
            Coordinates::HalfPixel => half_pixel,
            Coordinates::HalfPixelSymmetric => size / 2.0 * (1.0 - axis.size as f64 / whole) + half_pixel,
            Coordinates::PytorchHalfPixel if axis.size == 1 => -0.5,
            Coordinates::PytorchHalfPixel => half_pixel,
            Coordinates::AlignCorners if whole == 1.0 => 0.0,
            Coordinates::AlignCorners => i * (size - 1.0) / (whole - 1.0),
            Coordinates::Asymmetric => i / axis.scale,
            Coordinates::CropAndResize => {
                let [start, end] = axis.region;
                let within = if whole == 1.0 { 0.5 } else { i / (whole - 1.0) };
                (start + (end - start) * within) * (size - 1.0)
            }
        }
    }

    /// The elements that a place is read from, and their weights; all places have equally many.
    fn taps(&self, places: &[f64], size: usize, scale: f64) -> Vec<Vec<(i64, f64)>> {
        let last = size as i64 - 1;
        if self.mode == Mode::Nearest {
            let nearest = |x: f64| match self.nearest {
                Nearest::PreferFloor => (x - 0.5).ceil(),
                Nearest::PreferCeil => (x + 0.5).floor(),
                Nearest::Floor => x.floor(),
                Nearest::Ceil => x.ceil(),
            };
            return places.iter().map(|&x| vec![((nearest(x) as i64).clamp(0, last), 1.0)]).collect();
        }
        let reach = if self.mode == Mode::Cubic { 2.0 } else { 1.0 };
        // Where elements come closer together, an antialiasing filter is as much wider.
        let narrow = if self.antialias { scale.min(1.0) } else { 1.0 };
        let first = (-reach / narrow).floor() as i64 + 1;
        let weigh = |&x: &f64| {
            let floor = x.floor();
            let mut taps: Vec<(i64, f64)> = (first..=1 - first)
                .map(|i| (floor as i64 + i, self.kernel((floor + i as f64 - x) * narrow)))
                .map(|(at, w)| if self.exclude_outside && !(0..=last).contains(&at) { (at, 0.0) } else { (at, w) })
                .collect();
            let sum: f64 = taps.iter().map(|t| t.1).sum();
            for (at, weight) in &mut taps {
                *at = (*at).clamp(0, last);
                if self.antialias || self.exclude_outside {
                    *weight /= sum;
                }
            }
            taps
        };
        places.iter().map(weigh).collect()
    }

    /// The weight of an element at this distance: a triangle, or the cubic convolution of Keys (1981).
    fn kernel(&self, distance: f64) -> f64 {
        let (x, a) = (distance.abs(), self.cubic);
        match self.mode {
            Mode::Cubic if x <= 1.0 => ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0,
            Mode::Cubic if x < 2.0 => ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a,
            Mode::Cubic => 0.0,
            _ => (1.0 - x).max(0.0),
        }
    }

    fn apply(&self, x: &Tensor, plan: &[Axis]) -> Result<Tensor> {
        let mut y = x.clone();
        let mut outside: Option<Tensor> = None;
        for (axis, planned) in plan.iter().enumerate() {
            let size = x.shape()[axis];
            let crop = self.coordinates == Coordinates::CropAndResize;
            if size == planned.size && planned.scale == 1.0 && !(crop && planned.region != [0.0, 1.0]) {
                continue;
            }
            if size == 0 {
                return invalid("an axis without elements cannot be resized");
            }
            let places: Vec<f64> = (0..planned.size).map(|i| self.place(i, size, planned)).collect();
            if crop {
                let beyond = places.iter().map(|&p| p < 0.0 || p > size as f64 - 1.0).collect::<Vec<bool>>();
                let mut shape = vec![1; plan.len()];
                shape[axis] = planned.size;
                let beyond = vector(beyond).try_reshape(shape)?;
                outside = Some(outside.map_or(Ok(beyond.clone()), |o| o.try_logical_or(&beyond))?);
            }
            y = combine(&y, axis, &self.taps(&places, size, planned.scale))?;
        }
        match outside {
            Some(outside) => outside.try_where_(self.extrapolation, &y),
            None => Ok(y),
        }
    }
}

fn mode(node: &Node) -> Result<Mode> {
    // The second word is that of opset 7.
    let mode = node.choice("mode", &["nearest", "linear", "bilinear", "cubic"], "nearest")?;
    Ok([Mode::Nearest, Mode::Linear, Mode::Linear, Mode::Cubic][mode])
}

/// Sums of elements along an axis: for each position of the result, which and with what weights.
fn combine(x: &Tensor, axis: usize, taps: &[Vec<(i64, f64)>]) -> Result<Tensor> {
    let (along, count) = (axis as isize, taps.first().map_or(1, Vec::len));
    let index = |k: usize| vector(taps.iter().map(|t| t[k].0).collect::<Vec<i64>>());
    if count == 1 {
        return x.try_index_select(along, &if taps.is_empty() { vector(Vec::<i64>::new()) } else { index(0) });
    }
    if count > 4 {
        // Many taps: one product with a matrix [old, new].
        let (old, new) = (x.size(along), taps.len());
        let mut matrix = vec![0.0; old * new];
        for (column, taps) in taps.iter().enumerate() {
            taps.iter().for_each(|&(row, weight)| matrix[row as usize * new + column] += weight);
        }
        let matrix = Tensor::try_from_vec(matrix, [old, new])?.try_to_dtype(x.dtype())?;
        return x.try_movedim(along, -1)?.try_matmul(&matrix)?.try_movedim(-1, along);
    }
    let mut shape = vec![1; x.rank()];
    shape[axis] = taps.len();
    let mut sum: Option<Tensor> = None;
    for k in 0..count {
        let weights = vector(taps.iter().map(|t| t[k].1).collect::<Vec<f64>>()).try_to_dtype(x.dtype())?;
        let part = x.try_index_select(along, &index(k))?.try_mul(weights.try_reshape(&shape[..])?)?;
        sum = Some(sum.map_or(Ok(part.clone()), |s| s.try_add(&part))?);
    }
    Ok(sum.expect("more than one tap"))
}

fn resize(_: &Node, resize: Resize, layout: Layout) -> Result<Run> {
    run(move |x| {
        let (tensor, element) = x.typed(0)?;
        // Until opset 12 an input that is left out may be an empty tensor.
        let given = |i: usize| Ok::<_, Error>(x.optional(i)?.filter(|t| t.elements() > 0));
        let numbers = |i: usize| Ok::<_, Error>(given(i)?.map(Tensor::to_f64_vec));
        let (roi, scales, sizes) = match layout {
            Inputs10 => (None, numbers(1)?, None),
            Inputs11 => (numbers(1)?, numbers(2)?, given(3)?.map(integers).transpose()?),
        };
        let plan = resize.plan(tensor.shape(), scales, sizes, &roi.unwrap_or_default())?;
        let float = tensor.dtype().is_float() || resize.mode == Mode::Nearest;
        let input = if float { tensor.clone() } else { tensor.try_to_dtype(DType::F32)? };
        Ok(vec![Value::typed(&resize.apply(&input, &plan)?, element)?])
    })
}

fn upsample_by_attribute(node: &Node) -> Result<Run> {
    let (resize, scales) = (Resize::as_upsample(node)?, node.required("scales", node.floats("scales")?)?);
    run(move |x| {
        let tensor = x.tensor(0)?;
        let plan = resize.plan(tensor.shape(), Some(scales.clone()), None, &[])?;
        x.like(0, &resize.apply(tensor, &plan)?)
    })
}

fn corners(node: &Node) -> Result<Corners> {
    Ok(if node.flag("align_corners")? { Corners::Centres } else { Corners::Edges })
}

pub(super) fn grid_sample(node: &Node) -> Result<Run> {
    let words = ["linear", "bilinear", "nearest", "cubic", "bicubic"];
    let modes = [
        Interpolation::Linear,
        Interpolation::Linear,
        Interpolation::Nearest,
        Interpolation::Cubic,
        Interpolation::Cubic,
    ];
    let outside = [Outside::Zeros, Outside::Border, Outside::Reflection];
    let options = GridSample {
        mode: modes[node.choice("mode", &words, "linear")?],
        outside: outside[node.choice("padding_mode", &["zeros", "border", "reflection"], "zeros")?],
        corners: corners(node)?,
    };
    run(move |x| x.like(0, &x.tensor(0)?.try_grid_sample(x.tensor(1)?, &options)?))
}

fn affine_grid(node: &Node) -> Result<Run> {
    let corners = corners(node)?;
    run(move |x| {
        let sizes = sizes_of(&x.ints(1)?)?;
        let Some(sizes) = sizes.get(2..) else { return invalid("sizes [batch, channels, …] are needed") };
        x.like(0, &x.tensor(0)?.try_affine_grid(sizes, corners)?)
    })
}
