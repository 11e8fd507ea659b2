//! `ConvTranspose1d`, `ConvTranspose2d`, `ConvTranspose3d`: convolutions that enlarge.

use super::conv::kernel_of;
use super::lazy::Lazy;
use super::weighted::Weighted;
use crate::Layer;
use crate::compat::{self, Defaults};
use crate::init::Initialiser;
use hadal_core::{Convolution, Error, Module, Padding, Param, Result, Shape, Tag, Tensor};

/// A transposed convolution over `D` axes: `[batch, in, …]` to `[batch, out, …]`, the size of an axis from `n` to
/// `(n − 1) · stride − 2 · padding + dilation · (kernel − 1) + 1 + output_padding`.
///
/// `weight` is `[in, out / groups, …kernel]` and `bias` `[out]`, drawn as PyTorch draws them.
#[derive(Debug, Module)]
pub struct ConvTranspose<const D: usize> {
    /// `[in, out / groups, …kernel]`
    pub weight: Param,
    /// `[out]`
    pub bias: Option<Param>,
    #[module(config)]
    kernel: Shape,
    #[module(config)]
    options: Convolution,
    #[module(config)]
    lazy: Option<Lazy>,
    tag: Tag,
}

/// `[batch, in, length]`
pub type ConvTranspose1d = ConvTranspose<1>;
/// `[batch, in, height, width]`
pub type ConvTranspose2d = ConvTranspose<2>;
/// `[batch, in, depth, height, width]`
pub type ConvTranspose3d = ConvTranspose<3>;

impl<const D: usize> ConvTranspose<D> {
    const KIND: &'static str = ["ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"][D - 1];

    /// From `inputs` channels to `outputs`, with kernels of this size; stride 1, no padding.
    #[track_caller]
    pub fn new(inputs: usize, outputs: usize, kernel: impl Into<Shape>) -> ConvTranspose<D> {
        let conv = ConvTranspose::lazy(outputs, kernel);
        conv.draw(compat::current(), inputs, outputs);
        ConvTranspose { lazy: None, ..conv }
    }

    /// To `outputs` channels, from as many as the first input has.
    #[track_caller]
    pub fn lazy(outputs: usize, kernel: impl Into<Shape>) -> ConvTranspose<D> {
        ConvTranspose {
            weight: Lazy::param(),
            bias: Some(Param::new(Tensor::zeros(outputs))),
            kernel: kernel_of::<D>(kernel.into()),
            options: Convolution::new(),
            lazy: Some(Lazy::new(outputs)),
            tag: Tag::new(Self::KIND),
        }
    }

    fn draw(&self, defaults: Defaults, inputs: usize, outputs: usize) {
        let channels = [inputs, outputs / self.options.groups.max(1)];
        let shape: Shape = channels.into_iter().chain(self.kernel.iter().copied()).collect();
        self.weight.replace(&defaults.weights().draw(&shape));
        self.bias.iter().for_each(|bias| bias.replace(&defaults.bias(outputs, &shape)));
    }

    /// Steps between windows of the output.
    pub fn stride(mut self, stride: impl Into<Shape>) -> ConvTranspose<D> {
        self.options = self.options.stride(stride);
        self
    }

    /// What is cut off around the output.
    pub fn padding(mut self, padding: impl Into<Padding>) -> ConvTranspose<D> {
        self.options = self.options.padding(padding);
        self
    }

    /// What is added at the end of the output, whose size the stride leaves open.
    pub fn output_padding(mut self, output_padding: impl Into<Shape>) -> ConvTranspose<D> {
        self.options = self.options.output_padding(output_padding);
        self
    }

    /// Steps between the kernel's elements.
    pub fn dilation(mut self, dilation: impl Into<Shape>) -> ConvTranspose<D> {
        self.options = self.options.dilation(dilation);
        self
    }

    /// Independent groups of channels, which must divide inputs and outputs. The parameters are drawn anew.
    #[track_caller]
    pub fn groups(mut self, groups: usize) -> ConvTranspose<D> {
        let before = self.options.groups;
        self.options = self.options.groups(groups);
        if self.lazy.is_none() {
            let (inputs, outputs) = (self.weight.get().shape()[0], self.weight.get().shape()[1] * before);
            if groups == 0 || outputs % groups != 0 || inputs % groups != 0 {
                let message = format!("cannot split {inputs} inputs and {outputs} outputs into {groups} groups");
                Error::op(Self::KIND, message).raise();
            }
            self.draw(compat::current(), inputs, outputs);
        }
        self
    }

    /// Without a bias.
    pub fn without_bias(self) -> ConvTranspose<D> {
        ConvTranspose { bias: None, ..self }
    }

    /// Draws the weight anew.
    pub fn weight_init(self, init: impl Initialiser) -> ConvTranspose<D> {
        init.fill(&self.weight);
        self
    }

    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        if let Some(lazy) = &self.lazy {
            let channels = x.rank().checked_sub(D + 1).map_or(1, |axis| x.shape()[axis]);
            lazy.fill(&self.weight, |defaults, outputs| self.draw(defaults, channels, outputs));
        }
        self.with_weight(&self.weight.get(), x)
    }
}

impl<const D: usize> Weighted for ConvTranspose<D> {
    fn weight(&self) -> &Param {
        &self.weight
    }

    fn output_axis(&self) -> usize {
        1
    }

    fn tag(&self) -> &Tag {
        &self.tag
    }

    fn with_weight(&self, weight: &Tensor, x: &Tensor) -> Result<Tensor> {
        let bias = self.bias.as_ref().map(Param::get);
        match D {
            1 => x.try_conv_transpose1d(weight, bias.as_ref(), &self.options),
            2 => x.try_conv_transpose2d(weight, bias.as_ref(), &self.options),
            _ => x.try_conv_transpose3d(weight, bias.as_ref(), &self.options),
        }
    }
}

impl<const D: usize> Layer for ConvTranspose<D> {
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
        let layer = ConvTranspose::<D>::new(size("in_channels"), size("out_channels"), size("kernel_size"));
        let layer = layer.stride(size("stride")).padding(size("padding")).output_padding(size("output_padding"));
        Box::new(layer.groups(size("groups")))
    }

    #[test]
    fn computes_what_pytorch_computes() {
        compare("ConvTranspose1d", recorded::<1>);
        compare("ConvTranspose2d", recorded::<2>);
    }
}
