//! Regions of images: what detectors need.

use super::conv::groups;
use super::prelude::*;
use super::window::Windows;

pub(super) const OPERATORS: &[Operator] = &[
    op("DeformConv", 19, With(deform_conv)),
    op("MaxRoiPool", 1, With(max_roi_pool)),
    op("NonMaxSuppression", 10, With(non_max_suppression)),
    op("RoiAlign", 10, With(|node| roi_align(node, "output_half_pixel"))),
    op("RoiAlign", 16, With(|node| roi_align(node, "half_pixel"))),
];

/// A box by its lower and upper corner.
#[derive(Clone, Copy)]
struct Rectangle {
    low: [f64; 2],
    high: [f64; 2],
}

impl Rectangle {
    fn area(self) -> f64 {
        (self.high[0] - self.low[0]) * (self.high[1] - self.low[1])
    }

    /// The share of the two's area that both cover.
    fn overlap(self, other: Rectangle) -> f64 {
        let side = |i: usize| (self.high[i].min(other.high[i]) - self.low[i].max(other.low[i])).max(0.0);
        let both = side(0) * side(1);
        if both > 0.0 { both / (self.area() + other.area() - both) } else { 0.0 }
    }
}

/// The boxes of each class, best first, without those that overlap a better one: `[chosen, (batch, class, box)]`.
fn non_max_suppression(node: &Node) -> Result<Run> {
    let centred = node.flag("center_point_box")?;
    run(move |x| {
        let (boxes, scores) = (x.tensor(0)?, x.tensor(1)?);
        let most = if x.has(2) { x.int(2)?.max(0) as usize } else { 0 };
        let threshold = if x.has(3) { x.float(3)? } else { 0.0 };
        let least = if x.has(4) { x.float(4)? } else { f64::NEG_INFINITY };
        let ([batch, count, 4], [_, classes, _]) = (&boxes.shape()[..], &scores.shape()[..]) else {
            return invalid("boxes [batch, boxes, 4] and scores [batch, classes, boxes] are needed");
        };
        if scores.shape()[..] != [*batch, *classes, *count] {
            return invalid(format!("scores of shape {} do not fit boxes of shape {}", scores.shape(), boxes.shape()));
        }
        let rectangle = |b: &[f64]| match centred {
            true => {
                Rectangle { low: [b[0] - b[2] / 2.0, b[1] - b[3] / 2.0], high: [b[0] + b[2] / 2.0, b[1] + b[3] / 2.0] }
            }
            false => Rectangle { low: [b[0].min(b[2]), b[1].min(b[3])], high: [b[0].max(b[2]), b[1].max(b[3])] },
        };
        let rectangles: Vec<_> = boxes.to_f64_vec().chunks_exact(4).map(rectangle).collect();
        let scores = scores.to_f64_vec();
        let mut chosen: Vec<i64> = Vec::new();
        for (line, scores) in scores.chunks_exact((*count).max(1)).enumerate() {
            let (sample, class) = (line / classes, line % classes);
            let own = &rectangles[sample * count..][..*count];
            let mut order: Vec<usize> = (0..*count).filter(|&i| scores[i] > least).collect();
            order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
            let mut kept: Vec<usize> = Vec::new();
            for i in order {
                if kept.len() < most && kept.iter().all(|&k| own[k].overlap(own[i]) <= threshold) {
                    kept.push(i);
                }
            }
            chosen.extend(kept.iter().flat_map(|&i| [sample as i64, class as i64, i as i64]));
        }
        one(Tensor::try_from_vec(chosen.clone(), [chosen.len() / 3, 3])?)
    })
}

/// Four neighbours of a place in a plane, and their weights.
fn bilinear(y: f64, x: f64, height: usize, width: usize) -> [(i64, f64); 4] {
    if y < -1.0 || y > height as f64 || x < -1.0 || x > width as f64 {
        return [(0, 0.0); 4];
    }
    let neighbours = |place: f64, size: usize| {
        let place = place.max(0.0);
        let low = place.floor() as usize;
        if low + 1 >= size { (size - 1, size - 1, 0.0) } else { (low, low + 1, place - low as f64) }
    };
    let ((top, bottom, down), (left, right, across)) = (neighbours(y, height), neighbours(x, width));
    let at = |row: usize, column: usize| (row * width + column) as i64;
    [
        (at(top, left), (1.0 - down) * (1.0 - across)),
        (at(top, right), (1.0 - down) * across),
        (at(bottom, left), down * (1.0 - across)),
        (at(bottom, right), down * across),
    ]
}

/// Samples per cell, which regions without a fixed number have by their size; beyond this they are refused.
const MOST_SAMPLES: f64 = 4096.0;

/// Each region as a grid of cells, which are means or maxima of bilinear samples.
fn roi_align(node: &Node, default: &str) -> Result<Run> {
    let words = ["half_pixel", "output_half_pixel"];
    let half_pixel = node.choice("coordinate_transformation_mode", &words, default)? == 0;
    let maximum = node.choice("mode", &["avg", "max"], "avg")? == 1;
    let cells = sizes_of(&[node.int_or("output_height", 1)?, node.int_or("output_width", 1)?])?;
    let (scale, samples) = (node.float_or("spatial_scale", 1.0)?, node.int_or("sampling_ratio", 0)?);
    run(move |x| {
        let (tensor, regions) = (x.tensor(0)?, x.tensor(1)?);
        let images = x.ints(2)?;
        let ([_, channels, height, width], [count, 4]) = (&tensor.shape()[..], &regions.shape()[..]) else {
            return invalid("images [batch, channels, height, width] and regions [n, 4] are needed");
        };
        if images.len() != *count || *height == 0 || *width == 0 {
            return invalid("there must be one image number for each region, and images with elements");
        }
        let offset = if half_pixel { 0.5 } else { 0.0 };
        let mut results = Vec::with_capacity(*count);
        for (region, &image) in regions.to_f64_vec().chunks_exact(4).zip(&images) {
            let [left, top, right, bottom] = [0, 1, 2, 3].map(|i| region[i] * scale - offset);
            // Without half pixels a region has at least the size of one element.
            let least = if half_pixel { f64::NEG_INFINITY } else { 1.0 };
            let cell = [(bottom - top).max(least) / cells[0] as f64, (right - left).max(least) / cells[1] as f64];
            let each = cell.map(|size| if samples > 0 { samples as f64 } else { size.ceil().max(0.0) });
            if !each.iter().all(|&n| n <= MOST_SAMPLES) {
                return invalid("a region is too large");
            }
            let each = each.map(|n| n as usize);
            let mut taps: [(Vec<i64>, Vec<f64>); 4] = Default::default();
            for row in 0..cells[0] * cells[1] * each[0] * each[1] {
                let (row, sx) = (row / each[1].max(1), row % each[1].max(1));
                let (row, sy) = (row / each[0].max(1), row % each[0].max(1));
                let (cy, cx) = (row / cells[1], row % cells[1]);
                let y = top + (cy as f64 + (sy as f64 + 0.5) / each[0] as f64) * cell[0];
                let x = left + (cx as f64 + (sx as f64 + 0.5) / each[1] as f64) * cell[1];
                for (tap, (at, weight)) in taps.iter_mut().zip(bilinear(y, x, *height, *width)) {
                    tap.0.push(at);
                    tap.1.push(weight);
                }
            }
            let image = usize::try_from(image).map_err(|_| Error::invalid("an image number is negative"))?;
            let plane = tensor.try_select(0, image as isize)?.try_reshape([*channels, height * width])?;
            let mut parts = Vec::with_capacity(4);
            for (index, weights) in taps {
                let weights = vector(weights).try_to_dtype(tensor.dtype())?;
                parts.push(plane.try_index_select(1, &vector(index))?.try_mul(&weights)?);
            }
            let parts = Tensor::try_stack(&parts, 0)?;
            // As the specification has it, a maximum is that of the weighted neighbours, not of their sums.
            let sampled = if maximum { parts.try_amax(0)? } else { parts.try_sum(0)? };
            let grouped = sampled.try_reshape([*channels, cells[0], cells[1], each[0] * each[1]])?;
            results.push(match each[0] * each[1] {
                0 => grouped.try_sum(-1)?,
                _ if maximum => grouped.try_amax(-1)?,
                _ => grouped.try_mean(-1)?,
            });
        }
        if results.is_empty() {
            return x.like(0, &Tensor::zeros_with([0, *channels, cells[0], cells[1]], tensor.dtype()));
        }
        x.like(0, &Tensor::try_stack(&results, 0)?)
    })
}

/// Each region `(image, left, top, right, bottom)` as a grid of maxima of whole elements; 0 where a cell has none.
fn max_roi_pool(node: &Node) -> Result<Run> {
    let cells = sizes_of(&node.required("pooled_shape", node.ints("pooled_shape")?)?)?;
    let scale = node.float_or("spatial_scale", 1.0)?;
    if cells.len() != 2 {
        return Err(node.wrong("pooled_shape", "does not have two numbers"));
    }
    run(move |x| {
        let (tensor, regions) = (x.tensor(0)?, x.tensor(1)?);
        let ([images, channels, height, width], [_, 5]) = (&tensor.shape()[..], &regions.shape()[..]) else {
            return invalid("images [batch, channels, height, width] and regions [n, 5] are needed");
        };
        let zeros = Tensor::zeros_with(*channels, tensor.dtype());
        let mut results = Vec::new();
        for region in regions.to_f64_vec().chunks_exact(5) {
            let image = region[0] as usize;
            if !(region[0] >= 0.0 && image < *images) {
                return invalid(format!("there is no image {}", region[0]));
            }
            let plane = tensor.try_select(0, image as isize)?;
            // The elements of cell i along an axis: the cells share the region, and may share elements.
            let range = |low: f64, high: f64, cells: usize, i: usize, size: usize| {
                let (low, high) = ((low * scale).round(), (high * scale).round());
                let cell = (high - low + 1.0).max(1.0) / cells as f64;
                let bound = |at: f64| (low + at).clamp(0.0, size as f64) as usize;
                bound((i as f64 * cell).floor())..bound(((i + 1) as f64 * cell).ceil())
            };
            for cell in 0..cells[0] * cells[1] {
                let rows = range(region[2], region[4], cells[0], cell / cells[1], *height);
                let columns = range(region[1], region[3], cells[1], cell % cells[1], *width);
                results.push(match rows.is_empty() || columns.is_empty() {
                    true => zeros.clone(),
                    false => {
                        let rows = plane.try_narrow(1, rows.start, rows.len())?;
                        rows.try_narrow(2, columns.start, columns.len())?.try_amax([1, 2])?
                    }
                });
            }
        }
        let shape = [regions.size(0), cells[0], cells[1], *channels];
        let y = match results.is_empty() {
            true => Tensor::zeros_with(shape, tensor.dtype()),
            false => Tensor::try_stack(&results, 0)?.try_reshape(shape)?,
        };
        x.like(0, &y.try_movedim(-1, 1)?)
    })
}

/// A convolution whose kernel's elements are moved by offsets, and weighted by a mask (Zhu et al. 2019, "Deformable
/// ConvNets v2").
fn deform_conv(node: &Node) -> Result<Run> {
    let (windows, groups) = (Windows::new(node)?, groups(node)?);
    let offset_groups = node.int_or("offset_group", 1)?.max(1) as usize;
    run(move |x| {
        let ((tensor, element), weight, offset) = (x.typed(0)?, x.tensor(1)?, x.tensor(2)?);
        let ([n, c, height, width], [out, _, kh, kw]) = (&tensor.shape()[..], &weight.shape()[..]) else {
            return invalid("images and a weight of four axes are needed");
        };
        let (n, c, height, width, out, kh, kw) = (*n, *c, *height, *width, *out, *kh, *kw);
        let geometry = windows.over(&[height, width], Some(&[kh, kw]))?;
        let [.., oh, ow] = offset.shape()[..] else { return invalid("offsets of four axes are needed") };
        let points = kh * kw * oh * ow;
        if c % offset_groups != 0
            || c % groups != 0
            || out % groups != 0
            || offset.elements() != n * offset_groups * 2 * points
        {
            return invalid(format!("offsets of shape {} do not fit the input {}", offset.shape(), tensor.shape()));
        }
        // Where each element of the kernel reads: [batch, offset groups, kernel elements, out height, out width].
        let apart = offset.try_reshape([n, offset_groups, kh * kw, 2, oh, ow])?.try_to_dtype(DType::F32)?;
        let base = |axis: usize| {
            let (size, line) = (geometry.kernel[axis], [oh, ow][axis]);
            let mut values = Vec::with_capacity(size * line);
            for k in 0..size {
                let start = (k * geometry.dilation[axis]) as i64 - geometry.pads[axis].0;
                values.extend((0..line).map(|o| (start + (o * geometry.stride[axis]) as i64) as f32));
            }
            let (kernel, lines) = if axis == 0 { ([size, 1], [line, 1]) } else { ([1, size], [1, line]) };
            let shape = [kernel, lines].concat();
            let spread = Tensor::try_from_vec(values, shape)?.try_expand([kh, kw, oh, ow])?;
            spread.try_reshape([kh * kw, oh, ow])
        };
        let (row, column) = (apart.try_select(3, 0)?.try_add(base(0)?)?, apart.try_select(3, 1)?.try_add(base(1)?)?);
        // Four neighbours, those outside counting as zeros.
        let planes = tensor.try_reshape([n, offset_groups, c / offset_groups, height * width])?;
        let wide = [n, offset_groups, c / offset_groups, points];
        let (top, left) = (row.try_floor()?, column.try_floor()?);
        let (down, across) = (row.try_sub(&top)?, column.try_sub(&left)?);
        let mut sampled: Option<Tensor> = None;
        for (dy, dx) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let (y, x) = (top.detach().try_add(dy)?, left.detach().try_add(dx)?);
            let share = |fraction: &Tensor, next: i32| {
                if next == 1 { Ok(fraction.clone()) } else { fraction.try_neg()?.try_add(1.0) }
            };
            let inside = |at: &Tensor, size: usize| at.try_ge(0)?.try_logical_and(at.try_lt(size)?);
            let seen = inside(&y, height)?.try_logical_and(inside(&x, width)?)?;
            let weight = seen.try_where_(share(&down, dy)?.try_mul(share(&across, dx)?)?, 0.0)?;
            let last = |size: usize| size.saturating_sub(1) as f64;
            let flat = y.try_clamp(0.0, last(height))?.try_mul(width)?.try_add(x.try_clamp(0.0, last(width))?)?;
            let spread = |t: &Tensor| t.try_reshape([n, offset_groups, 1, points])?.try_expand(wide);
            let index = spread(&flat.try_to_dtype(DType::I64)?)?;
            let part = planes.try_gather(3, &index)?.try_mul(spread(&weight)?.try_to_dtype(tensor.dtype())?)?;
            sampled = Some(sampled.map_or(Ok(part.clone()), |s| s.try_add(&part))?);
        }
        let mut columns = sampled.expect("four neighbours");
        if let Some(mask) = x.optional(4)? {
            columns = columns.try_mul(mask.try_reshape([n, offset_groups, 1, points])?)?;
        }
        // [batch, groups, channels · kernel, places], times the weight of each group.
        let columns = columns.try_reshape([n, groups, c / groups * kh * kw, oh * ow])?;
        let weight = weight.try_reshape([groups, out / groups, c / groups * kh * kw])?;
        let mut y = weight.try_matmul(&columns)?.try_reshape([n, out, oh, ow])?;
        if let Some(bias) = x.optional(3)? {
            y = y.try_add(bias.try_reshape([out, 1, 1])?)?;
        }
        Ok(vec![Value::typed(&y, element)?])
    })
}
