//! Joining neighbours.

use super::pad::grow;
use super::prelude::*;
use super::window::{Geometry, Windows, spatial};
use hadal_core::{Convolution, Divisor, Pooling};

pub(super) const OPERATORS: &[Operator] = &[
    op("AveragePool", 7, With(average_pool)),
    op("GlobalAveragePool", 1, Map(|x| x.try_mean_keepdim(&spatial_axes(x)?[..]))),
    op("GlobalLpPool", 2, With(global_lp_pool)),
    op("GlobalMaxPool", 1, Map(|x| x.try_amax_keepdim(&spatial_axes(x)?[..]))),
    op("LpPool", 2, With(lp_pool)),
    op("MaxPool", 1, With(max_pool)),
    op("MaxUnpool", 9, With(max_unpool)),
];

fn spatial_axes(x: &Tensor) -> Result<Vec<usize>> {
    spatial(x)?;
    Ok((2..x.rank()).collect())
}

fn pooling(geometry: &Geometry, ceil: bool) -> Pooling {
    let pooling = Pooling::new(&geometry.kernel[..]).stride(&geometry.stride[..]).dilation(&geometry.dilation[..]);
    if ceil { pooling.partial_windows() } else { pooling }
}

/// Whether Hadal's poolings take these borders: at most half a window, and nothing cut off.
fn is_usual(geometry: &Geometry) -> bool {
    (0..geometry.kernel.len()).all(|i| {
        let half = (geometry.reach(i) / 2) as i64;
        let (before, after) = geometry.pads[i];
        (0..=half).contains(&before) && (0..=half).contains(&after)
    })
}

/// Also gives, if wanted, where the maxima stand, counted over the whole input.
fn max_pool(node: &Node) -> Result<Run> {
    let (windows, ceil) = (Windows::new(node)?, node.flag("ceil_mode")?);
    let (by_columns, places) = (node.flag("storage_order")?, node.wants(1));
    run(move |x| {
        let (tensor, element) = x.typed(0)?;
        let sizes = spatial(tensor)?;
        let geometry = windows.over(sizes, None)?;
        // Bytes are exact as floats: numbers in steps of 1, which graphs for inference take the maxima of as bytes.
        let bytes = matches!(element, ElementType::U8 | ElementType::I8);
        let (step, zero) = (Tensor::from(1.0f32), Tensor::zeros_with((), tensor.dtype()));
        let mut input = match bytes {
            _ if element.is_float() => tensor.clone(),
            true => tensor.try_dequantize_linear(&step, &zero)?,
            false => tensor.try_to_dtype(DType::F32)?,
        };
        let mut pooling = pooling(&geometry, ceil);
        let usual = is_usual(&geometry);
        match geometry.padding() {
            Some(padding) if usual => pooling = pooling.padding(padding),
            _ => input = grow(&input, &geometry.amounts(), Scalar::Float(f64::NEG_INFINITY))?,
        }
        if !places {
            let y = match sizes.len() {
                1 => input.try_max_pool1d(&pooling)?,
                2 => input.try_max_pool2d(&pooling)?,
                3 => input.try_max_pool3d(&pooling)?,
                rank => return invalid(format!("poolings have one to three spatial axes, not {rank}")),
            };
            return if bytes { one(y.try_quantize_linear(&step, &zero)?) } else { x.like(0, &y) };
        }
        let (y, index) = match sizes.len() {
            1 => input.try_max_pool1d_with_indices(&pooling)?,
            2 => input.try_max_pool2d_with_indices(&pooling)?,
            3 => input.try_max_pool3d_with_indices(&pooling)?,
            rank => return invalid(format!("poolings have one to three spatial axes, not {rank}")),
        };
        let planes = tensor.size(0) * tensor.size(1);
        let mut flat = index.try_reshape([planes, index.elements() / planes.max(1)])?.try_to_vec::<i64>()?;
        let padded = &input.shape()[2..];
        let each = flat.len() / planes.max(1);
        let elements: usize = sizes.iter().product();
        for (i, place) in flat.iter_mut().enumerate() {
            // The coordinates in the plane that was pooled, the last axis first.
            let (mut rest, mut coordinates) = (*place, vec![0; sizes.len()]);
            for axis in (0..sizes.len()).rev() {
                let cut = if usual { 0 } else { geometry.pads[axis].0 };
                coordinates[axis] = rest % padded[axis] as i64 - cut;
                rest /= padded[axis] as i64;
            }
            let join = |place: i64, axis: usize| place * sizes[axis] as i64 + coordinates[axis];
            let in_plane = match by_columns {
                true => (0..sizes.len()).rev().fold(0, join),
                false => (0..sizes.len()).fold(0, join),
            };
            *place = (i / each.max(1) * elements) as i64 + in_plane;
        }
        let index = Tensor::try_from_vec(flat, index.shape())?;
        Ok(vec![Value::typed(&y, element)?, index.into()])
    })
}

/// The sum of each window of `x`, and the number of elements in it: those of the input, or with `include` those of its
/// borders too.
fn window_sums(x: &Tensor, geometry: &Geometry, ceil: bool, include: bool) -> Result<(Tensor, Tensor)> {
    let sizes = spatial(x)?;
    let rank = sizes.len();
    // A last window that begins in the input or before it may reach beyond the border.
    let mut amounts = geometry.amounts();
    let mut beyond = vec![(0, 0); rank];
    for i in 0..rank {
        let padded = sizes[i] as i64 + geometry.pads[i].0 + geometry.pads[i].1;
        let Some(room) = usize::try_from(padded).ok().and_then(|n| n.checked_sub(geometry.reach(i))) else {
            return invalid("a window does not fit the input");
        };
        let stride = geometry.stride[i];
        if ceil && room % stride != 0 {
            let start = room.div_ceil(stride) * stride;
            if (start as i64) < sizes[i] as i64 + geometry.pads[i].0 {
                beyond[i].1 = (start - room) as isize;
                amounts[i].1 += beyond[i].1;
            }
        }
    }
    let ones = Tensor::full_with([&[1, 1], sizes].concat(), 1, x.dtype());
    let counted = match include {
        true => grow(&grow(&ones, &geometry.amounts(), Scalar::Int(1))?, &beyond, Scalar::Int(0))?,
        false => grow(&ones, &amounts, Scalar::Int(0))?,
    };
    let kernel = Tensor::full_with([&[1, 1], &geometry.kernel[..]].concat(), 1, x.dtype());
    let options = Convolution::new().stride(&geometry.stride[..]).dilation(&geometry.dilation[..]);
    let sum = |x: &Tensor| match rank {
        1 => x.try_conv1d(&kernel, None, &options),
        2 => x.try_conv2d(&kernel, None, &options),
        3 => x.try_conv3d(&kernel, None, &options),
        rank => invalid(format!("poolings have one to three spatial axes, not {rank}")),
    };
    let planes = x.size(0) * x.size(1);
    let all = [&[planes, 1], &counted.shape()[2..]].concat();
    let sums = sum(&grow(x, &amounts, Scalar::Int(0))?.try_reshape(all)?)?;
    let shape = [&x.shape()[..2], &sums.shape()[2..]].concat();
    Ok((sums.try_reshape(shape)?, sum(&counted)?))
}

fn average_pool(node: &Node) -> Result<Run> {
    let (windows, ceil) = (Windows::new(node)?, node.flag("ceil_mode")?);
    let include = node.flag("count_include_pad")?;
    run(move |x| x.like(0, &average(x.tensor(0)?, &windows, ceil, include)?))
}

/// The mean of each window: over the elements of the input, or with `include` those of its borders too.
pub(super) fn average(x: &Tensor, windows: &Windows, ceil: bool, include: bool) -> Result<Tensor> {
    let geometry = windows.over(spatial(x)?, None)?;
    if let Some(padding) = geometry.padding()
        && is_usual(&geometry)
        && geometry.dilation.iter().all(|&d| d == 1)
    {
        let divisor = if include { Divisor::Padded } else { Divisor::Inside };
        let pooling = pooling(&geometry, ceil).padding(padding).divisor(divisor);
        return match geometry.kernel.len() {
            1 => x.try_avg_pool1d(&pooling),
            2 => x.try_avg_pool2d(&pooling),
            3 => x.try_avg_pool3d(&pooling),
            rank => invalid(format!("poolings have one to three spatial axes, not {rank}")),
        };
    }
    let (sums, counts) = window_sums(x, &geometry, ceil, include)?;
    sums.try_div(counts)
}

fn lp_pool(node: &Node) -> Result<Run> {
    let (windows, ceil, p) = (Windows::new(node)?, node.flag("ceil_mode")?, node.int_or("p", 2)? as f64);
    run(move |x| {
        let tensor = x.tensor(0)?;
        let geometry = windows.over(spatial(tensor)?, None)?;
        let (sums, _) = window_sums(&tensor.try_abs()?.try_pow(p)?, &geometry, ceil, false)?;
        x.like(0, &sums.try_pow(1.0 / p)?)
    })
}

fn global_lp_pool(node: &Node) -> Result<Run> {
    let p = node.int_or("p", 2)? as f64;
    run(move |x| {
        let tensor = x.tensor(0)?;
        let sums = tensor.try_abs()?.try_pow(p)?.try_sum_keepdim(&spatial_axes(tensor)?[..])?;
        x.like(0, &sums.try_pow(1.0 / p)?)
    })
}

/// The places count over the output that the pooling's attributes give; a larger one is filled up with zeros.
fn max_unpool(node: &Node) -> Result<Run> {
    let windows = Windows::new(node)?;
    run(move |x| {
        let tensor = x.tensor(0)?;
        let geometry = windows.over(spatial(tensor)?, None)?;
        let mut shape = tensor.shape().to_vec();
        for (i, size) in shape[2..].iter_mut().enumerate() {
            let (before, after) = geometry.pads[i];
            let whole = (size.saturating_sub(1) * geometry.stride[i] + geometry.reach(i)) as i64 - before - after;
            *size = usize::try_from(whole).map_err(|_| Error::invalid("the borders are larger than the output"))?;
        }
        let wanted = x.optional(2)?.map(|_| sizes_of(&x.ints(2)?)).transpose()?;
        let counted = shape_of(&shape.iter().map(|&n| n as i64).collect::<Vec<_>>())?;
        let zeros = Tensor::zeros_with(counted.elements(), tensor.dtype());
        let y = zeros.try_scatter(0, &x.tensor(1)?.try_ravel()?, &tensor.try_ravel()?)?.try_reshape(&counted)?;
        let Some(wanted) = wanted else { return x.like(0, &y) };
        if wanted.len() != counted.rank() {
            return invalid("output_shape has another number of axes than the input");
        }
        let missing = wanted.iter().zip(counted.iter()).map(|(&w, &n)| (0, w as isize - n as isize));
        x.like(0, &grow(&y, &missing.collect::<Vec<_>>(), Scalar::Int(0))?)
    })
}
