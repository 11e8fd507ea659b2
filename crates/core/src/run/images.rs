//! Images of bytes with the channels of a position side by side, as products of bytes read them: which shapes fit.

use crate::tensor::{Meta, Shape};
use crate::{DType, Error, Result};
use hadal_kernels::quantized::{Border, pitch};

/// Images `[batch, channels, …]` with up to three spatial axes; axes that are missing have size 1.
pub(crate) fn images(op: &'static str, shape: &Shape) -> Result<Border> {
    let fail = |message: String| Err(Error::op(op, message));
    let [batch, channels, sizes @ ..] = &shape[..] else {
        return fail(format!("needs images [batch, channels, …], got shape {shape}"));
    };
    let Some(missing) = 3usize.checked_sub(sizes.len()) else {
        return fail(format!("takes up to three spatial axes, got shape {shape}"));
    };
    let size = std::array::from_fn(|i| if i < missing { 1 } else { sizes[i - missing] });
    Ok(Border { batch: *batch, channels: *channels, size, added: [(0, 0); 3] })
}

/// What becomes of images `[batch, channels, sizes…]` of one of these types: `u8 [batch, depth, height, width, pitch]`.
pub(crate) fn packed(op: &'static str, border: &Border, x: &Meta, types: &[DType]) -> Result<Meta> {
    let Border { batch, channels, size, .. } = *border;
    if !types.contains(&x.dtype) || x.shape.elements() != batch * channels * size.iter().product::<usize>() {
        let types = types.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
        let message = format!("needs {types} images [{batch}, {channels}] of {size:?}, got {} {}", x.dtype, x.shape);
        return Err(Error::op(op, message));
    }
    let [d, h, w] = border.padded();
    Ok(Meta::new([batch, d, h, w, pitch(channels)], DType::U8))
}

/// The shape `[batch, channels, depth, height, width]` of what was packed as `[batch, depth, height, width, pitch]`.
pub(crate) fn unpacked(op: &'static str, shape: &Shape, channels: usize) -> Result<[usize; 5]> {
    let [batch, d, h, w, last] = shape[..] else {
        let message = format!("needs bytes [batch, depth, height, width, channels], got shape {shape}");
        return Err(Error::op(op, message));
    };
    if last != pitch(channels) {
        let message = format!("needs {} bytes at each position for {channels} channels, got {last}", pitch(channels));
        return Err(Error::op(op, message));
    }
    Ok([batch, channels, d, h, w])
}

/// Whether `x` holds packed images of these sizes: batch, channels, positions.
pub(crate) fn require_packed(op: &'static str, [batch, channels, positions]: [usize; 3], x: &Meta) -> Result<()> {
    if x.dtype != DType::U8 || x.shape.elements() != batch * positions * pitch(channels) {
        let (shape, dtype) = (&x.shape, x.dtype);
        let message = format!("needs u8 images of {batch} times {positions} positions, got {dtype} {shape}");
        return Err(Error::op(op, message));
    }
    Ok(())
}
