//! `Conv1d`, `Conv2d`, `Conv3d`: convolutions over one to three axes.

use super::lazy::Lazy;
use super::weighted::Weighted;
use crate::Layer;
use crate::compat::{self, Defaults};
use crate::init::Initialiser;
use hadal_core::{Border, Convolution, Error, Module, Padding, Param, Result, Shape, Tag, Tensor};

/// A convolution over `D` axes: `[batch, in, …]` to `[batch, out, …]`. The batch axis may be missing.
///
/// `weight` is `[out, in / groups, …kernel]` and `bias` `[out]`, both drawn uniformly from ±1/√(in / groups · kernel).
/// Kernel size, stride, padding and dilation are one number, or one per axis.
///
/// ```
/// use hadal_core::Tensor;
/// use hadal_nn::{Layer, layers::Conv2d};
/// let conv = Conv2d::new(3, 16, 3).padding(1).stride(2);
/// assert_eq!(*conv.forward(&Tensor::zeros([8, 3, 32, 32])).shape(), [8, 16, 16, 16]);
/// ```
#[derive(Debug, Module)]
pub struct Conv<const D: usize> {
    /// `[out, in / groups, …kernel]`
    pub weight: Param,
    /// `[out]`
    pub bias: Option<Param>,
    #[module(config)]
    kernel: Shape,
    #[module(config)]
    options: Convolution,
    #[module(config)]
    border: Option<Border>,
    #[module(config)]
    lazy: Option<Lazy>,
    tag: Tag,
}

/// `[batch, in, length]`
pub type Conv1d = Conv<1>;
/// `[batch, in, height, width]`
pub type Conv2d = Conv<2>;
/// `[batch, in, depth, height, width]`
pub type Conv3d = Conv<3>;

/// Kernel sizes per axis, of one number for all or one each.
#[track_caller]
pub(super) fn kernel_of<const D: usize>(kernel: Shape) -> Shape {
    match kernel.rank() {
        1 => Shape::from([kernel[0]; D]),
        n if n == D => kernel,
        _ => Error::op("Conv", format!("over {D} axes needs one kernel size or {D}, got {kernel}")).raise(),
    }
}

impl<const D: usize> Conv<D> {
    const KIND: &'static str = ["Conv1d", "Conv2d", "Conv3d"][D - 1];

    /// From `inputs` channels to `outputs`, with kernels of this size; stride 1, no padding.
    #[track_caller]
    pub fn new(inputs: usize, outputs: usize, kernel: impl Into<Shape>) -> Conv<D> {
        let conv = Conv::lazy(outputs, kernel);
        if inputs == 0 || outputs == 0 || conv.kernel.contains(&0) {
            let message = format!(
                "needs at least 1 channel each way and a kernel of at least 1, got {inputs}, {outputs} and {}",
                conv.kernel
            );
            Error::op(Self::KIND, message).raise();
        }
        conv.draw(compat::current(), inputs, outputs);
        Conv { lazy: None, ..conv }
    }

    /// To `outputs` channels, from as many as the first input has.
    #[track_caller]
    pub fn lazy(outputs: usize, kernel: impl Into<Shape>) -> Conv<D> {
        Conv {
            weight: Lazy::param(),
            bias: Some(Param::new(Tensor::zeros(outputs))),
            kernel: kernel_of::<D>(kernel.into()),
            options: Convolution::new(),
            border: None,
            lazy: Some(Lazy::new(outputs)),
            tag: Tag::new(Self::KIND),
        }
    }

    /// One filter per channel: `groups` is the number of channels.
    #[track_caller]
    pub fn depthwise(channels: usize, kernel: impl Into<Shape>) -> Conv<D> {
        Conv::new(channels, channels, kernel).groups(channels)
    }

    fn draw(&self, defaults: Defaults, inputs: usize, outputs: usize) {
        let channels = [outputs, inputs / self.options.groups.max(1)];
        let shape: Shape = channels.into_iter().chain(self.kernel.iter().copied()).collect();
        self.weight.replace(&defaults.weights().draw(&shape));
        self.bias.iter().for_each(|bias| bias.replace(&defaults.bias(outputs, &shape)));
    }

    /// Steps between windows.
    pub fn stride(mut self, stride: impl Into<Shape>) -> Conv<D> {
        self.options = self.options.stride(stride);
        self
    }

    /// What is added around the input: a number, one per axis, or [`Padding::Same`].
    pub fn padding(mut self, padding: impl Into<Padding>) -> Conv<D> {
        self.options = self.options.padding(padding);
        self
    }

    /// What the padding consists of, instead of zeros.
    pub fn border(mut self, border: Border) -> Conv<D> {
        self.border = Some(border);
        self
    }

    /// Steps between the kernel's elements.
    pub fn dilation(mut self, dilation: impl Into<Shape>) -> Conv<D> {
        self.options = self.options.dilation(dilation);
        self
    }

    /// Independent groups of channels, which must divide inputs and outputs. The parameters are drawn anew.
    #[track_caller]
    pub fn groups(mut self, groups: usize) -> Conv<D> {
        let before = self.options.groups;
        self.options = self.options.groups(groups);
        if self.lazy.is_none() {
            let (outputs, inputs) = (self.weight.get().shape()[0], self.weight.get().shape()[1] * before);
            if groups == 0 || outputs % groups != 0 || inputs % groups != 0 {
                let message = format!("cannot split {inputs} inputs and {outputs} outputs into {groups} groups");
                Error::op(Self::KIND, message).raise();
            }
            self.draw(compat::current(), inputs, outputs);
        }
        self
    }

    /// Without a bias.
    pub fn without_bias(self) -> Conv<D> {
        Conv { bias: None, ..self }
    }

    /// Draws the weight anew.
    pub fn weight_init(self, init: impl Initialiser) -> Conv<D> {
        init.fill(&self.weight);
        self
    }

    /// Draws the bias anew.
    pub fn bias_init(self, init: impl Initialiser) -> Conv<D> {
        self.bias.iter().for_each(|bias| init.fill(bias));
        self
    }

    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        if let Some(lazy) = &self.lazy {
            let channels = x.rank().checked_sub(D + 1).map_or(1, |axis| x.shape()[axis]);
            lazy.fill(&self.weight, |defaults, outputs| self.draw(defaults, channels, outputs));
        }
        let (x, weight) = self.tag.parametrized(x, self.weight.get())?;
        self.with_weight(&weight, &x)
    }

    /// The padding of each axis.
    fn amounts(&self) -> Vec<(isize, isize)> {
        let dilation = |axis: usize| *self.options.dilation.get(axis).unwrap_or(&self.options.dilation[0]);
        let pairs = (0..D).map(|axis| match &self.options.padding {
            Padding::Valid => (0, 0),
            Padding::Same => {
                let total = dilation(axis) * (self.kernel[axis] - 1);
                (total / 2, total - total / 2)
            }
            Padding::Explicit(pairs) => *pairs.get(axis).unwrap_or(&pairs[0]),
        });
        pairs.map(|(before, after)| (before as isize, after as isize)).collect()
    }
}

impl<const D: usize> Weighted for Conv<D> {
    fn weight(&self) -> &Param {
        &self.weight
    }

    fn output_axis(&self) -> usize {
        0
    }

    fn tag(&self) -> &Tag {
        &self.tag
    }

    fn with_weight(&self, weight: &Tensor, x: &Tensor) -> Result<Tensor> {
        let bias = self.bias.as_ref().map(Param::get);
        let Some(border) = self.border else { return convolve::<D>(x, weight, bias.as_ref(), &self.options) };
        let padded = x.try_pad(self.amounts(), border)?;
        convolve::<D>(&padded, weight, bias.as_ref(), &self.options.clone().padding(Padding::Valid))
    }
}

fn convolve<const D: usize>(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    options: &Convolution,
) -> Result<Tensor> {
    match D {
        1 => x.try_conv1d(weight, bias, options),
        2 => x.try_conv2d(weight, bias, options),
        _ => x.try_conv3d(weight, bias, options),
    }
}

impl<const D: usize> Layer for Conv<D> {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.tag.call(x, || self.apply(x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::recorded::compare;
    use hadal_core::testing::Attributes;

    fn recorded<const D: usize>(a: &Attributes) -> Box<dyn Layer> {
        let size = |name| a.integer(name) as usize;
        let layer = Conv::<D>::new(size("in_channels"), size("out_channels"), size("kernel_size"))
            .stride(size("stride"))
            .padding(size("padding"))
            .groups(size("groups"));
        Box::new(match a.text("padding_mode") {
            "reflect" => layer.border(Border::Reflect),
            "replicate" => layer.border(Border::Replicate),
            "circular" => layer.border(Border::Circular),
            _ => layer,
        })
    }

    #[test]
    fn computes_what_pytorch_computes() {
        compare("Conv1d", recorded::<1>);
        compare("Conv2d", recorded::<2>);
        compare("Conv3d", recorded::<3>);
    }

    #[test]
    fn a_lazy_convolution_learns_its_channels() {
        let conv = Conv2d::lazy(4, [3, 5]).without_bias();
        assert_eq!(conv.build(&[2, 3, 8, 8]), [2, 4, 6, 4]);
        assert_eq!(*conv.weight.get().shape(), [4, 3, 3, 5]);
    }
}
