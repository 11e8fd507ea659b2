//! Windows that move over the last axes: kernels, strides, dilations and what is added around the input. Shared by
//! convolutions and poolings.

use super::prelude::*;
use hadal_core::Padding;

/// How the borders are decided.
#[derive(Clone, Copy, PartialEq, Debug)]
enum AutoPad {
    /// As the attribute `pads` says.
    Given,
    None,
    /// So that every stride begins a window; an odd one at the end.
    SameUpper,
    /// The same with an odd one at the beginning.
    SameLower,
}

/// The attributes that say how windows move; without values they are 1, or 0 for the borders.
#[derive(Clone, Debug)]
pub(super) struct Windows {
    kernel: Option<Vec<usize>>,
    strides: Option<Vec<usize>>,
    dilations: Option<Vec<usize>>,
    pads: Option<Vec<i64>>,
    auto: AutoPad,
}

/// The windows over an input of known size: one entry per axis.
#[derive(Clone, Debug)]
pub(super) struct Geometry {
    pub kernel: Vec<usize>,
    pub stride: Vec<usize>,
    pub dilation: Vec<usize>,
    /// Added before and after; negative numbers cut off.
    pub pads: Vec<(i64, i64)>,
}

impl Windows {
    pub fn new(node: &Node) -> Result<Windows> {
        let positive = |name: &str| match node.ints(name)? {
            Some(given) if given.iter().any(|&n| n < 1 || n > i64::from(i32::MAX)) => {
                Err(node.wrong(name, format!("is {given:?}, not all positive")))
            }
            given => Ok(given.map(|g| g.iter().map(|&n| n as usize).collect::<Vec<usize>>())),
        };
        let auto = match node.choice("auto_pad", &["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"], "NOTSET")? {
            0 => AutoPad::Given,
            1 => AutoPad::None,
            2 => AutoPad::SameUpper,
            _ => AutoPad::SameLower,
        };
        let pads = node.ints("pads")?;
        if pads.as_ref().is_some_and(|p| p.iter().any(|n| n.unsigned_abs() > i32::MAX as u64)) {
            return Err(node.wrong("pads", "has numbers that are too large"));
        }
        let (kernel, strides) = (positive("kernel_shape")?, positive("strides")?);
        Ok(Windows { kernel, strides, dilations: positive("dilations")?, pads, auto })
    }

    /// Whether the end of the input decides where windows are, not `pads`.
    pub fn is_same(&self) -> bool {
        matches!(self.auto, AutoPad::SameUpper | AutoPad::SameLower)
    }

    /// Splits what is too much or too little at the two ends; an odd one at the end with SAME_UPPER, else at the
    /// beginning.
    pub fn split(&self, total: i64) -> (i64, i64) {
        let (less, more) = (total.div_euclid(2), total - total.div_euclid(2));
        if self.auto == AutoPad::SameUpper { (less, more) } else { (more, less) }
    }

    /// The geometry for an input with these spatial sizes; `weight` has the kernel's sizes where no attribute has.
    pub fn over(&self, input: &[usize], weight: Option<&[usize]>) -> Result<Geometry> {
        let rank = input.len();
        let kernel = match (weight, &self.kernel) {
            (Some(sizes), _) => sizes.to_vec(),
            (None, Some(kernel)) => kernel.clone(),
            (None, None) => return invalid("attribute `kernel_shape` is missing"),
        };
        let ones = || vec![1; rank];
        let stride = self.strides.clone().unwrap_or_else(ones);
        let dilation = self.dilations.clone().unwrap_or_else(ones);
        if [kernel.len(), stride.len(), dilation.len()] != [rank; 3] || kernel.contains(&0) {
            return invalid(format!("kernel {kernel:?}, strides or dilations do not fit {rank} spatial axes"));
        }
        let reach = |i: usize| ((kernel[i] - 1) * dilation[i] + 1) as i64;
        let pads = match (self.auto, &self.pads) {
            (AutoPad::Given, Some(pads)) if pads.len() == 2 * rank => {
                (0..rank).map(|i| (pads[i], pads[i + rank])).collect()
            }
            (AutoPad::Given, Some(pads)) => {
                return invalid(format!("{} pads do not fit {rank} spatial axes", pads.len()));
            }
            (AutoPad::Given, None) | (AutoPad::None, _) => vec![(0, 0); rank],
            _ => {
                let missing = |i: usize| {
                    let windows = input[i].div_ceil(stride[i]) as i64;
                    ((windows - 1) * stride[i] as i64 + reach(i) - input[i] as i64).max(0)
                };
                (0..rank).map(|i| self.split(missing(i))).collect()
            }
        };
        Ok(Geometry { kernel, stride, dilation, pads })
    }
}

impl Geometry {
    /// Elements from the first to the last of a window.
    pub fn reach(&self, axis: usize) -> usize {
        (self.kernel[axis] - 1) * self.dilation[axis] + 1
    }

    /// The borders for Hadal's operations, if nothing is cut off.
    pub fn padding(&self) -> Option<Padding> {
        let pairs = self.pads.iter().map(|&(a, b)| Some((usize::try_from(a).ok()?, usize::try_from(b).ok()?)));
        Some(Padding::Explicit(pairs.collect::<Option<_>>()?))
    }

    /// The borders as amounts for `pad`.
    pub fn amounts(&self) -> Vec<(isize, isize)> {
        self.pads.iter().map(|&(a, b)| (a as isize, b as isize)).collect()
    }
}

/// The sizes of the axes after batch and channels.
pub(super) fn spatial(tensor: &Tensor) -> Result<&[usize]> {
    match tensor.shape()[..] {
        [_, _, _, ..] => Ok(&tensor.shape()[2..]),
        _ => invalid(format!("an input [batch, channels, …] is needed, got shape {}", tensor.shape())),
    }
}
