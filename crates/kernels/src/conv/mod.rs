//! Convolutions in one to three dimensions, over `[batch, channels, depth, height, width]`.
//!
//! Forward, data gradient and weight gradient are matrix products that keep the product's contract: every output is one
//! chain of fused multiply-adds in a fixed order. The order is (channel, kernel position) forward, (batch, position) for
//! the weights; the split of a long batch into partial sums depends on the shape alone.
//!
//! In f32, 3 × 3 kernels over many channels are convolved in Winograd's way where that saves enough products
//! (`winograd/`): a rule of the shape without its batch. The chains are shorter then, over the channels alone.
//!
//! Small maps of many images are laid out with sixteen images in a register (`images.rs`). Otherwise the images are seen
//! as virtual im2col matrices (`window.rs`), without the kernel elements that only ever meet padding (`trim.rs`); wide
//! maps are read from them directly (`rows.rs`), others are packed.
//!
//! Some shapes can also be convolved with the channels of their images last, with the same bits (`last.rs`).

mod across;
mod backward;
mod chains;
mod channels;
mod depthwise;
mod depthwise_last;
mod few;
mod first;
mod forward;
mod images;
mod last;
mod lines;
mod padded;
mod pixels;
mod planes;
mod points;
mod rows;
mod taps;
mod trim;
mod window;
mod winograd;

use crate::gemm::GemmElement;
use crate::number::Number;
use crate::simd::{Vectorized, vectorized};
use crate::threads::SharedMut;
pub use last::{
    Order, backward_data_last, backward_weight_first, backward_weight_last, forward_first, forward_last, pack_last,
    packing_last, suits_backward_data, suits_backward_weight, suits_first, suits_first_weight, suits_forward,
};
use window::Window;

/// The sizes of a convolution. Convolutions in one and two dimensions have leading ones in the spatial sizes.
///
/// `x` is `[batch, in_channels, input…]`, the weight `[out_channels, in_channels / groups, kernel…]`, `y`
/// `[batch, out_channels, output…]`. Padding after the last input is implied by `output`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// Images.
    pub batch: usize,
    /// Groups of channels that are convolved by themselves.
    pub groups: usize,
    /// Channels of `x`, all groups together.
    pub in_channels: usize,
    /// Channels of `y`, all groups together.
    pub out_channels: usize,
    /// Depth, height and width of `x`.
    pub input: [usize; 3],
    /// Depth, height and width of the kernel.
    pub kernel: [usize; 3],
    /// Depth, height and width of `y`.
    pub output: [usize; 3],
    /// Steps of the kernel between outputs.
    pub stride: [usize; 3],
    /// Zeros before the first input.
    pub pad_begin: [usize; 3],
    /// Distance of neighbouring kernel elements.
    pub dilation: [usize; 3],
}

impl ConvShape {
    /// Elements of `x`.
    pub fn x_len(&self) -> usize {
        self.batch * self.in_channels * self.input.iter().product::<usize>()
    }

    /// Elements of the weight.
    pub fn weight_len(&self) -> usize {
        self.out_channels * (self.in_channels / self.groups) * self.kernel.iter().product::<usize>()
    }

    /// Elements of `y`.
    pub fn y_len(&self) -> usize {
        self.batch * self.out_channels * self.output.iter().product::<usize>()
    }

    /// The convolution of one group.
    fn window(&self) -> Window {
        Window {
            channels: self.in_channels / self.groups,
            input: self.input,
            kernel: self.kernel,
            output: self.output,
            stride: self.stride,
            pad: self.pad_begin.map(|pad| pad as isize),
            dilation: self.dilation,
        }
    }

    fn is_depthwise(&self) -> bool {
        self.groups == self.in_channels && self.groups == self.out_channels
    }

    #[track_caller]
    fn check(&self, x: usize, weight: usize, y: usize) {
        let ConvShape { groups, in_channels, out_channels, .. } = *self;
        assert!(
            groups > 0 && in_channels.is_multiple_of(groups) && out_channels.is_multiple_of(groups),
            "{groups} groups do not divide {in_channels} input and {out_channels} output channels"
        );
        assert!(
            [self.kernel, self.stride, self.dilation].iter().flatten().all(|&size| size > 0),
            "kernel, stride and dilation are at least 1: {self:?}"
        );
        assert_eq!(
            (x, weight, y),
            (self.x_len(), self.weight_len(), self.y_len()),
            "lengths of x, weight, y: {self:?}"
        );
    }
}

/// The weight of a forward pass.
#[derive(Clone, Copy, Debug)]
pub enum Weight<'a, T> {
    /// As the shape says.
    Plain(&'a [T]),
    /// What [`pack`] made of it for this shape.
    Packed(&'a [T]),
}

impl<T: GemmElement> Weight<'_, T> {
    /// The elements of the weight, which is as the shape says, or its packing.
    #[track_caller]
    fn checked_len(&self, shape: &ConvShape, packing: fn(&ConvShape) -> Option<Packing>) -> usize {
        match self {
            Weight::Plain(weight) => weight.len(),
            Weight::Packed(packed) => {
                let len = packing(shape).map(|packing| packing.len);
                assert_eq!(Some(packed.len()), len, "length of the packed weight: {shape:?}");
                shape.weight_len()
            }
        }
    }
}

/// What is done to the sums of a forward pass before they are written.
#[derive(Clone, Copy, Debug)]
pub struct Finish<'a, T> {
    /// One value per output channel is added last …
    pub bias: Option<&'a [T]>,
    /// … and what is then below the first is replaced by it, what is above the second by that: `(0, ∞)` is ReLU.
    pub bounds: Option<(T, T)>,
}

#[allow(private_bounds)]
impl<T: Number> Finish<'_, T> {
    #[track_caller]
    fn check(&self, shape: &ConvShape) {
        let fits = self.bias.is_none_or(|bias| bias.len() == shape.out_channels);
        assert!(fits, "a bias has one value per output channel");
    }

    /// Bounds what is otherwise finished, and still in the cache.
    fn bound(&self, y: &mut [T]) {
        if let Some((low, high)) = self.bounds {
            vectorized(Bounded { y, low, high });
        }
    }

    /// [`Finish::bound`] for `columns` elements of each of some rows.
    ///
    /// # Safety
    /// The rows lie within `y`, and nobody else uses them.
    unsafe fn bound_rows(&self, y: &SharedMut<T>, start: usize, rows: usize, row: usize, columns: usize) {
        let Some((low, high)) = self.bounds.filter(|_| rows > 0) else { return };
        assert!(start + (rows - 1) * row + columns <= y.len());
        vectorized(BoundedRows { y: y.pointer().wrapping_add(start), rows, row, columns, low, high });
    }
}

struct Bounded<'a, T> {
    y: &'a mut [T],
    low: T,
    high: T,
}

impl<T: Number> Vectorized for Bounded<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        // Comparisons that are false for NaN keep it.
        for y in self.y {
            let x = if *y < self.low { self.low } else { *y };
            *y = if x > self.high { self.high } else { x };
        }
    }
}

/// Rows of neighbours, which the maker may write.
struct BoundedRows<T> {
    y: *mut T,
    rows: usize,
    row: usize,
    columns: usize,
    low: T,
    high: T,
}

impl<T: Number> Vectorized for BoundedRows<T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for i in 0..self.rows {
            // SAFETY: who makes a `BoundedRows` promises it.
            let y = unsafe { std::slice::from_raw_parts_mut(self.y.add(i * self.row), self.columns) };
            Bounded { y, low: self.low, high: self.high }.run();
        }
    }
}

/// `y = conv(x, weight) + bias`
///
/// # Panics
/// If a slice does not have the shape's length, or the channels do not divide into the groups.
#[track_caller]
pub fn forward<T: GemmElement>(shape: &ConvShape, x: &[T], weight: &[T], bias: Option<&[T]>, y: &mut [T]) {
    forward_with(shape, x, Weight::Plain(weight), Finish { bias, bounds: None }, y);
}

/// [`forward`] with a weight that may be packed, and more to finish with. The bits are those of `forward`, bounded.
///
/// # Panics
/// As `forward`; or if a packed weight has not the length of its [`packing`].
#[track_caller]
pub fn forward_with<T: GemmElement>(shape: &ConvShape, x: &[T], weight: Weight<T>, finish: Finish<T>, y: &mut [T]) {
    shape.check(x.len(), weight.checked_len(shape, packing::<T>), y.len());
    finish.check(shape);
    if !y.is_empty() {
        T::forward(shape, x, weight, finish, y);
    }
}

/// How a weight is packed: on one machine, equally for all shapes that differ in the batch alone and give the same of this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    /// The elements that it takes.
    pub len: usize,
    /// Whether output channels are lanes.
    channels_are_lanes: bool,
}

/// How a weight is packed for the forward pass of this shape; `None` if that pass reads it as it is.
pub fn packing<T: GemmElement>(shape: &ConvShape) -> Option<Packing> {
    if shape.y_len() == 0 { None } else { T::packing(shape) }
}

/// Packs a weight for [`forward_with`].
///
/// # Panics
/// If a slice does not have the shape's length, or the pass reads the weight as it is.
#[track_caller]
pub fn pack<T: GemmElement>(shape: &ConvShape, weight: &[T], to: &mut [T]) {
    let len = packing::<T>(shape).map(|packing| packing.len);
    assert_eq!((weight.len(), Some(to.len())), (shape.weight_len(), len), "lengths: {shape:?}");
    T::pack(shape, weight, to);
}

/// `dx`, the gradient of `x` for the gradient `dy` of `y`; also the forward pass of a transposed convolution whose
/// weight is `[in_channels of dy, out_channels of dx / groups, kernel…]`.
///
/// # Panics
/// If a slice does not have the shape's length, or the channels do not divide into the groups.
#[track_caller]
pub fn backward_data<T: GemmElement>(shape: &ConvShape, dy: &[T], weight: &[T], dx: &mut [T]) {
    shape.check(dx.len(), weight.len(), dy.len());
    if dy.is_empty() {
        dx.fill(T::ZERO);
    } else if !dx.is_empty() {
        T::backward_data(shape, dy, weight, dx);
    }
}

/// `dw`, the gradient of the weight for the gradient `dy` of `y`.
///
/// # Panics
/// If a slice does not have the shape's length, or the channels do not divide into the groups.
#[track_caller]
pub fn backward_weight<T: GemmElement>(shape: &ConvShape, x: &[T], dy: &[T], dw: &mut [T]) {
    shape.check(x.len(), dw.len(), dy.len());
    if dy.is_empty() {
        dw.fill(T::ZERO);
    } else if !dw.is_empty() {
        T::backward_weight(shape, x, dy, dw);
    }
}

/// The products, compiled in this crate and not again in every crate that calls them.
pub(crate) trait Convolution: Number {
    fn forward(shape: &ConvShape, x: &[Self], weight: Weight<Self>, finish: Finish<Self>, y: &mut [Self]);
    fn packing(shape: &ConvShape) -> Option<Packing>;
    fn pack(shape: &ConvShape, weight: &[Self], to: &mut [Self]);
    fn backward_data(shape: &ConvShape, dy: &[Self], weight: &[Self], dx: &mut [Self]);
    fn backward_weight(shape: &ConvShape, x: &[Self], dy: &[Self], dw: &mut [Self]);
}

macro_rules! convolution {
    ($type:ty $(, $winograd:ident)?) => {
        impl Convolution for $type {
            fn forward(shape: &ConvShape, x: &[Self], weight: Weight<Self>, finish: Finish<Self>, y: &mut [Self]) {
                $(if $winograd::suits(shape) {
                    return $winograd::forward(shape, Order::ChannelsFirst, x, weight, finish, y);
                })?
                forward::forward(shape, x, weight, finish, y);
            }

            fn packing(shape: &ConvShape) -> Option<Packing> {
                $(if $winograd::suits(shape) {
                    return Some(Packing { len: $winograd::packed_len(shape), channels_are_lanes: false });
                })?
                forward::packing::<$type>(shape)
            }

            fn pack(shape: &ConvShape, weight: &[Self], to: &mut [Self]) {
                $(if $winograd::suits(shape) {
                    return $winograd::pack(shape, weight, to);
                })?
                forward::pack(shape, weight, to);
            }

            fn backward_data(shape: &ConvShape, dy: &[Self], weight: &[Self], dx: &mut [Self]) {
                $(if $winograd::suits_data(shape) {
                    return $winograd::backward_data(shape, Order::ChannelsFirst, dy, weight, dx);
                })?
                backward::backward_data(shape, dy, weight, dx);
            }

            fn backward_weight(shape: &ConvShape, x: &[Self], dy: &[Self], dw: &mut [Self]) {
                $(if $winograd::suits_weight(shape) {
                    return $winograd::backward_weight(shape, Order::ChannelsFirst, x, dy, dw);
                })?
                backward::backward_weight(shape, x, dy, dw);
            }
        }
    };
}
convolution!(f32, winograd);
convolution!(f64);

#[cfg(test)]
mod tests;
