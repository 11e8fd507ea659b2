//! Convolutions and their adjoints.

use super::pad::grow;
use super::prelude::*;
use super::window::{Geometry, Windows, spatial};
use hadal_core::{Convolution, Padding};

pub(super) const OPERATORS: &[Operator] =
    &[op("Col2Im", 18, With(col2im)), op("Conv", 1, With(conv)), op("ConvTranspose", 1, With(conv_transpose))];

fn conv(node: &Node) -> Result<Run> {
    let (windows, groups) = (Windows::new(node)?, groups(node)?);
    run(move |x| x.like(0, &convolve(x.tensor(0)?, x.tensor(1)?, x.optional(2)?, &windows, groups)?))
}

pub(super) fn groups(node: &Node) -> Result<usize> {
    let groups = node.int_or("group", 1)?;
    usize::try_from(groups).ok().filter(|&n| n > 0).ok_or_else(|| node.wrong("group", "is not positive"))
}

/// A convolution in one to three spatial axes.
pub(super) fn convolve(
    input: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    windows: &Windows,
    groups: usize,
) -> Result<Tensor> {
    let geometry = windows.over(spatial(input)?, Some(spatial(weight)?))?;
    let options = options(&geometry, groups);
    match geometry.padding() {
        Some(padding) => apply(input, weight, bias, &options.padding(padding)),
        None => apply(&grow(input, &geometry.amounts(), Scalar::Int(0))?, weight, bias, &options),
    }
}

pub(super) fn options(geometry: &Geometry, groups: usize) -> Convolution {
    Convolution::new().stride(&geometry.stride[..]).dilation(&geometry.dilation[..]).groups(groups)
}

fn apply(input: &Tensor, weight: &Tensor, bias: Option<&Tensor>, options: &Convolution) -> Result<Tensor> {
    match weight.rank() {
        3 => input.try_conv1d(weight, bias, options),
        4 => input.try_conv2d(weight, bias, options),
        5 => input.try_conv3d(weight, bias, options),
        rank => invalid(format!("convolutions have one to three spatial axes, not {}", rank - 2)),
    }
}

fn conv_transpose(node: &Node) -> Result<Run> {
    let (windows, groups) = (Windows::new(node)?, groups(node)?);
    let (extra, sizes) = (node.ints("output_padding")?, node.ints("output_shape")?);
    run(move |x| {
        let (input, weight, bias) = (x.tensor(0)?, x.tensor(1)?, x.optional(2)?);
        let old = spatial(input)?;
        let mut geometry = windows.over(old, Some(spatial(weight)?))?;
        let rank = old.len();
        let extra = extra.clone().unwrap_or_else(|| vec![0; rank]);
        // The spatial sizes may be given with or without batch and channels before them.
        let sizes = sizes.as_ref().map(|s| &s[s.len().saturating_sub(rank)..]);
        if extra.len() != rank || sizes.is_some_and(|s| s.len() != rank) {
            return invalid("output_padding or output_shape does not fit the spatial axes");
        }
        for axis in 0..rank {
            let stride = geometry.stride[axis] as i64;
            let whole = stride * (old[axis] as i64 - 1) + extra[axis] + geometry.reach(axis) as i64;
            let wanted = match sizes {
                Some(sizes) => sizes[axis],
                None if windows.is_same() => old[axis] as i64 * stride,
                None => continue,
            };
            geometry.pads[axis] = windows.split(whole - wanted);
        }
        let spread = |i: usize| (geometry.stride[i] as i64).saturating_mul(old[i] as i64) + geometry.reach(i) as i64;
        shape_of(&[&[input.size(0) as i64], &(0..rank).map(spread).collect::<Vec<_>>()[..]].concat())?;
        x.like(0, &transposed(input, weight, bias, &geometry, &extra, groups)?)
    })
}

fn transposed(
    input: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    geometry: &Geometry,
    extra: &[i64],
    groups: usize,
) -> Result<Tensor> {
    let apply = |bias: Option<&Tensor>, options: &Convolution| match weight.rank() {
        3 => input.try_conv_transpose1d(weight, bias, options),
        4 => input.try_conv_transpose2d(weight, bias, options),
        5 => input.try_conv_transpose3d(weight, bias, options),
        rank => invalid(format!("convolutions have one to three spatial axes, not {}", rank - 2)),
    };
    let options = options(geometry, groups);
    let fits = (0..extra.len()).all(|i| (0..geometry.stride[i].max(geometry.dilation[i]) as i64).contains(&extra[i]));
    if let Some(padding @ Padding::Explicit(_)) = geometry.padding()
        && fits
    {
        let extra: Shape = extra.iter().map(|&n| n as usize).collect();
        return apply(bias, &options.padding(padding).output_padding(extra));
    }
    // Everything that the input reaches, then cut or filled up with zeros, then the bias.
    let amounts = geometry.pads.iter().zip(extra).map(|(&(a, b), &e)| (-a as isize, (e - b) as isize));
    let y = grow(&apply(None, &options)?, &amounts.collect::<Vec<_>>(), Scalar::Int(0))?;
    let Some(bias) = bias else { return Ok(y) };
    let mut shape = vec![1; y.rank()];
    shape[1] = bias.elements();
    y.try_add(bias.try_reshape(shape)?)
}

/// Columns of blocks, added where the blocks lie in the image.
fn col2im(node: &Node) -> Result<Run> {
    let windows = Windows::new(node)?;
    run(move |x| {
        let columns = x.tensor(0)?;
        let (image, block) = (sizes_of(&x.ints(1)?)?, sizes_of(&x.ints(2)?)?);
        let geometry = windows.over(&image, Some(&block))?;
        let rank = image.len();
        let padded: Vec<usize> = (0..rank)
            .map(|i| usize::try_from(image[i] as i64 + geometry.pads[i].0 + geometry.pads[i].1).unwrap_or(0))
            .collect();
        // Where each element of each block lies, counted along the padded image.
        let mut places = vec![0i64];
        for (i, &size) in block.iter().enumerate() {
            let offsets = (0..size).map(|k| k * geometry.dilation[i]);
            places = extend(&places, padded[i], offsets);
        }
        let mut starts = vec![0i64];
        for (i, &size) in padded.iter().enumerate() {
            let Some(room) = size.checked_sub(geometry.reach(i)) else { return invalid("a block does not fit") };
            starts = extend(&starts, size, (0..=room / geometry.stride[i]).map(|w| w * geometry.stride[i]));
        }
        let index: Vec<i64> = places.iter().flat_map(|p| starts.iter().map(move |s| p + s)).collect();
        let [n, rows, blocks] = columns.shape()[..] else { return invalid("columns [batch, rows, blocks] are needed") };
        if blocks != starts.len() || rows % places.len() != 0 {
            return invalid(format!("columns of shape {} do not fit the image", columns.shape()));
        }
        let channels = rows / places.len();
        let all = [&[n, channels], &padded[..]].concat();
        shape_of(&all.iter().map(|&n| n as i64).collect::<Vec<_>>())?;
        let cells: usize = padded.iter().product();
        let empty = Tensor::zeros_with([n, channels, cells], columns.dtype());
        let source = columns.try_reshape([n, channels, index.len()])?;
        let y = empty.try_index_add(2, &vector(index), &source)?;
        let cut: Vec<(isize, isize)> = geometry.amounts().iter().map(|&(a, b)| (-a, -b)).collect();
        x.like(0, &grow(&y.try_reshape(all)?, &cut, Scalar::Int(0))?)
    })
}

/// Flat positions with one more axis of this size.
fn extend(positions: &[i64], size: usize, along: impl Iterator<Item = usize> + Clone) -> Vec<i64> {
    positions.iter().flat_map(|p| along.clone().map(move |k| p * size as i64 + k as i64)).collect()
}
