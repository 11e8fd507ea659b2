//! Maxima over windows, with their places; the elements at places, and elements put at places.

use super::{Geometry, Pooling, adaptive, done, last_three, spatial, wide};
use crate::compile::{self, ChannelsLast, Part};
use crate::op::apply_all;
use crate::ops::prelude::*;
use hadal_kernels::conv::ConvShape;
use hadal_kernels::pool::{self, Windows};
use std::sync::Arc;

/// `x → y, index`: maxima, and their flat places in the plane.
#[derive(Debug)]
struct WindowMaxima(Geometry);

impl Op for WindowMaxima {
    fn name(&self) -> &'static str {
        self.0.name
    }

    fn rewrites(&self) -> &dyn Rewrites {
        self
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_float(self, &x[0])?;
        let y = self.0.resized(&x[0], &self.0.output);
        Ok([y.clone(), y.with_dtype(DType::I32)].into_iter().collect())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let shape = self.0.shape(self.0.planes(x[0].shape()));
        let [y, index] = y else { unreachable!("two outputs") };
        dispatch!(reals x[0].dtype(), T => {
            pool::max_pool::<T>(&shape, &x[0].contiguous(), y.slice(), index.slice())
        });
    }

    fn reads(&self) -> Reads {
        Reads { inputs: 0, outputs: 0b10 }
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![Some(done(apply(PlaceMaxima(self.0), &[&g.of(0), &g.output(1)])))]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        let shape = &x.meta(0).shape;
        let planes = self.0.with_batch(x);
        let outputs = match self.0.attributes() {
            Some(attributes) => {
                let [y, at] = x.nodes("MaxPool", &[planes], &attributes, 2)[..] else { unreachable!("two outputs") };
                // Positions among all elements, of which those in the plane are wanted.
                let size: usize = self.0.input.iter().product();
                let at = x.node("Mod", &[at, x.constant(&Tensor::full((), size as i64))], &[]);
                vec![x.reshape(y, &x.output(0).shape), x.reshape(x.cast(at, DType::I32), &x.output(1).shape)]
            }
            None => vec![(shape.rank() - self.0.rank..shape.rank()).fold(x.input(0), |value, axis| {
                let windows = self.0.adaptive_windows(axis + 3 - shape.rank());
                let width = windows.iter().map(|window| window.len()).max().unwrap_or(0);
                // Shorter windows name their last element again.
                let place = |window: &std::ops::Range<usize>, k: usize| (window.start + k).min(window.end - 1) as i64;
                let places = windows.iter().flat_map(|window| (0..width).map(|k| place(window, k)).collect::<Vec<_>>());
                let places = x.constant(&Tensor::from_vec(places.collect(), [windows.len(), width]));
                let elements = x.node("Gather", &[value, places], &[("axis", axis.into())]);
                x.reduce("ReduceMax", elements, &[axis + 1], false)
            })],
        };
        Ok(outputs)
    }
}

impl Rewrites for PlaceMaxima {
    fn part(&self) -> Option<Part> {
        Some(Part::PlacesMaxima)
    }

    fn channels_last(&self, x: &[Meta]) -> Option<ChannelsLast> {
        let op = Arc::new(PlaceMaximaLast(self.0.of_images(&x[0])?));
        Some(ChannelsLast { op, inputs: vec![true; 2], outputs: vec![true] })
    }
}

impl Rewrites for WindowMaxima {
    fn part(&self) -> Option<Part> {
        Some(Part::PicksMaxima)
    }

    fn channels_last(&self, x: &[Meta]) -> Option<ChannelsLast> {
        let op = Arc::new(WindowMaximaLast(self.0.of_images(&x[0])?));
        Some(ChannelsLast { op, inputs: vec![true], outputs: vec![true; 2] })
    }

    fn on_bytes(&self, x: &[Meta], _: &[Option<Tensor>]) -> Option<OnBytes> {
        let Windows::Strided { kernel, stride, pad_begin, dilation, .. } = self.0.windows else { return None };
        let [batch, channels] = x[0].shape[..x[0].shape.rank() - self.0.rank] else { return None };
        let (groups, in_channels, out_channels, input, output) = (1, channels, channels, self.0.input, self.0.output);
        Some(OnBytes::Maxima(ConvShape {
            batch,
            groups,
            in_channels,
            out_channels,
            input,
            kernel,
            output,
            stride,
            pad_begin,
            dilation,
        }))
    }
}

/// `y, index → x`: every element added at its place in a plane of zeros.
#[derive(Debug)]
struct PlaceMaxima(Geometry);

impl Op for PlaceMaxima {
    fn name(&self) -> &'static str {
        self.0.name
    }

    fn rewrites(&self) -> &dyn Rewrites {
        self
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(self.0.resized(&x[0], &self.0.input))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let shape = self.0.shape(self.0.planes(x[0].shape()));
        let index = x[1].contiguous::<i32>();
        dispatch!(reals x[0].dtype(), T => {
            pool::max_pool_backward::<T>(&shape, &x[0].contiguous(), &index, y[0].slice())
        });
    }

    fn reads(&self) -> Reads {
        Reads::input(1)
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![g.when(0, || done(apply(PickMaxima(self.0), &[&g.of(0), &g.input(1)]))), None]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        let (shape, area) = (&x.meta(0).shape, self.0.input.iter().product::<usize>());
        let outer = &shape[..shape.rank() - self.0.rank];
        let with = |last: usize| outer.iter().copied().chain([last]).collect::<Vec<_>>();
        let positions = shape[outer.len()..].iter().product();
        let index = x.cast(x.reshape(x.input(1), &with(positions)), DType::I64);
        let field = x.node("Expand", &[x.number(0), x.sizes(&with(area))], &[]);
        let attributes = [("axis", outer.len().into()), ("reduction", "add".into())];
        let placed = x.node("ScatterElements", &[field, index, x.reshape(x.input(0), &with(positions))], &attributes);
        Ok(vec![x.reshape(placed, &x.output(0).shape)])
    }
}

impl Geometry {
    /// This, if it is one of a kernel that moves over images `[n, c, sizes…]`: that makes places which lie in the windows.
    fn of_images(&self, x: &Meta) -> Option<Geometry> {
        (x.shape.rank() == self.rank + 2 && matches!(self.windows, Windows::Strided { .. })).then_some(*self)
    }

    /// `[n, sizes…, c]` with other sizes.
    fn resized_last(&self, x: &Meta, sizes: &[usize; 3]) -> Meta {
        let (n, c) = (x.shape[0], x.shape[x.shape.rank() - 1]);
        x.with_shape([n].iter().chain(&sizes[3 - self.rank..]).chain(&[c]).copied().collect::<Shape>())
    }
}

/// [`WindowMaxima`] in a graph, of images whose channels lie last.
#[derive(Debug)]
struct WindowMaximaLast(Geometry);

impl Op for WindowMaximaLast {
    fn name(&self) -> &'static str {
        self.0.name
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_float(self, &x[0])?;
        let y = self.0.resized_last(&x[0], &self.0.output);
        Ok([y.clone(), y.with_dtype(DType::I32)].into_iter().collect())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let (n, c) = (x[0].shape()[0], x[0].shape()[self.0.rank + 1]);
        let shape = self.0.shape(n * c);
        let [y, index] = y else { unreachable!("two outputs") };
        dispatch!(reals x[0].dtype(), T => {
            pool::max_pool_channels_last::<T>(&shape, c, &x[0].contiguous(), y.slice(), index.slice())
        });
    }

    fn variant(&self) -> &'static str {
        "channels last"
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("a graph is made after its gradients")
    }
}

/// [`PlaceMaxima`] in a graph, of images whose channels lie last.
#[derive(Debug)]
struct PlaceMaximaLast(Geometry);

impl Op for PlaceMaximaLast {
    fn name(&self) -> &'static str {
        self.0.name
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(self.0.resized_last(&x[0], &self.0.input))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let (n, c) = (x[0].shape()[0], x[0].shape()[self.0.rank + 1]);
        let (shape, index) = (self.0.shape(n * c), x[1].contiguous::<i32>());
        dispatch!(reals x[0].dtype(), T => {
            pool::max_pool_channels_last_backward::<T>(&shape, c, &x[0].contiguous(), &index, y[0].slice())
        });
    }

    fn variant(&self) -> &'static str {
        "channels last"
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("a graph is made after its gradients")
    }
}

/// `x, index → y`: the elements at the given places of each plane; the adjoint of [`PlaceMaxima`].
#[derive(Debug)]
struct PickMaxima(Geometry);

impl Op for PickMaxima {
    fn name(&self) -> &'static str {
        self.0.name
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(self.0.resized(&x[0], &self.0.output))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let (area, positions) = (self.0.input.iter().product::<usize>(), self.0.output.iter().product::<usize>());
        let index = x[1].contiguous::<i32>();
        dispatch!(reals x[0].dtype(), T => {
            let planes = x[0].contiguous::<T>();
            for (i, y) in y[0].slice::<T>().iter_mut().enumerate() {
                *y = planes[i / positions * area + index[i] as usize];
            }
        });
    }

    fn reads(&self) -> Reads {
        Reads::input(1)
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![g.when(0, || done(apply(PlaceMaxima(self.0), &[&g.of(0), &g.input(1)]))), None]
    }
}

fn largest(x: &Tensor, geometry: Geometry) -> Result<(Tensor, Tensor)> {
    if i32::try_from(geometry.input.iter().product::<usize>()).is_err() {
        return Err(Error::op(
            geometry.name,
            format!("needs planes of less than 2³¹ elements, got shape {}", x.shape()),
        ));
    }
    let mut outputs = apply_all(WindowMaxima(geometry), &[&wide(x)?])?;
    let index = outputs.swap_remove(1);
    Ok((outputs.swap_remove(0).try_to_dtype(x.dtype())?, index))
}

/// Maxima over windows.
pub(crate) fn max_pool(op: &'static str, rank: usize, x: &Tensor, pooling: &Pooling) -> Result<Tensor> {
    Ok(largest(x, pooling.geometry(op, rank, x)?)?.0)
}

/// Maxima over windows that divide the input evenly into `sizes`.
pub(crate) fn adaptive_max_pool(op: &'static str, rank: usize, x: &Tensor, sizes: &Shape) -> Result<Tensor> {
    Ok(largest(x, adaptive(op, rank, x, sizes)?)?.0)
}

/// [`max_pool`], and the flat places of the maxima in their planes.
pub(crate) fn max_pool_with_indices(
    op: &'static str,
    rank: usize,
    x: &Tensor,
    pooling: &Pooling,
) -> Result<(Tensor, Tensor)> {
    let (y, index) = largest(x, pooling.geometry(op, rank, x)?)?;
    Ok((y, index.try_to_dtype(DType::I64)?))
}

/// [`adaptive_max_pool`], and the flat places of the maxima in their planes.
pub(crate) fn adaptive_max_pool_with_indices(
    op: &'static str,
    rank: usize,
    x: &Tensor,
    sizes: &Shape,
) -> Result<(Tensor, Tensor)> {
    let (y, index) = largest(x, adaptive(op, rank, x, sizes)?)?;
    Ok((y, index.try_to_dtype(DType::I64)?))
}

/// Elements of `y` put at the places `index` of planes of zeros of the given sizes.
pub(crate) fn max_unpool(y: &Tensor, index: &Tensor, sizes: &Shape) -> Result<Tensor> {
    let fail = |message: String| Err(Error::op("max_unpool", message));
    let rank = sizes.rank();
    if !(1..=3).contains(&rank) {
        return fail(format!("takes sizes of one to three axes, got {sizes}"));
    }
    let output = spatial("max_unpool", rank, y)?;
    if index.shape() != y.shape() || index.dtype() != DType::I64 {
        let (wanted, found) = (y.shape(), index.shape());
        return fail(format!("needs i64 indices of shape {wanted}, got {} of shape {found}", index.dtype()));
    }
    let area = sizes.elements() as i64;
    let planes = sizes.clone();
    compile::effect("indices in range", &[index], Vec::new(), move |index| {
        let index = index[0].try_to_vec::<i64>()?;
        let Some(wrong) = index.iter().find(|i| !(0..area).contains(i)) else { return Ok(()) };
        let message = format!("got index {wrong}, but planes of {planes} have places 0 to {}", area - 1);
        Err(Error::op("max_unpool", message))
    })?;
    let (input, output) = (last_three(1, sizes), last_three(1, output));
    let geometry = Geometry { name: "max_unpool", rank, input, output, windows: Windows::Adaptive };
    apply(PlaceMaxima(geometry), &[&wide(y)?, &index.try_to_dtype(DType::I32)?])?.try_to_dtype(y.dtype())
}

#[cfg(test)]
mod tests {
    use super::{PlaceMaxima, WindowMaxima};
    use crate::compile::ChannelsLast;
    use crate::op::{Op, apply_all, values};
    use crate::{DType, Pooling, Tensor};

    fn to_last(x: &Tensor) -> Tensor {
        x.permute([0, 2, 3, 1]).contiguous()
    }

    /// The op on images whose channels lie last, its inputs and outputs turned here.
    fn last(op: &dyn Op, inputs: &[&Tensor]) -> Vec<Tensor> {
        let metas: Vec<_> = inputs.iter().map(|x| x.meta()).collect();
        let ChannelsLast { op: turned, inputs: images, outputs } =
            op.rewrites().channels_last(&metas).expect("a form with channels last");
        assert_ne!(format!("{turned:?}"), format!("{op:?}"));
        assert!(images.iter().chain(&outputs).all(|&image| image));
        let inputs: Vec<Tensor> = inputs.iter().map(|x| to_last(x)).collect();
        let metas: Vec<_> = inputs.iter().map(|x| x.meta()).collect();
        let inferred = turned.infer(&metas).expect("shapes that fit");
        let found = values(&*turned, &inputs.iter().collect::<Vec<_>>()).expect("a result");
        assert!(inferred.iter().zip(&found).all(|(meta, y)| *meta == y.meta()));
        found.iter().map(|y| y.permute([0, 3, 1, 2])).collect()
    }

    #[test]
    fn channels_last_give_the_same_bits() {
        for (dtype, channels, pooling) in [
            (DType::F32, 16, Pooling::new(2)),
            (DType::F32, 21, Pooling::new(3).stride(2).padding(1)),
            (DType::F64, 3, Pooling::new(3).stride(1).dilation(2)),
        ] {
            let value = |i: usize| ((i * 7919) % 13) as f64 - 6.0;
            let shape = [2, channels, 9, 12];
            let x =
                Tensor::from_vec((0..shape.iter().product()).map(value).collect::<Vec<f64>>(), shape).to_dtype(dtype);
            let geometry = pooling.geometry("max_pool2d", 2, &x).unwrap();
            let expected = apply_all(WindowMaxima(geometry), &[&x]).unwrap();
            let found = last(&WindowMaxima(geometry), &[&x]);
            for (a, b) in expected.iter().zip(&found) {
                assert_eq!(a.to_bytes(), b.to_bytes());
            }
            let (g, index) = (expected[0].mul(0.7), &expected[1]);
            let expected = apply_all(PlaceMaxima(geometry), &[&g, index]).unwrap();
            let found = last(&PlaceMaxima(geometry), &[&g, index]);
            assert_eq!(expected[0].to_bytes(), found[0].to_bytes());
            // A single image has no batch axis to turn around.
            let one = x.narrow(0, 0, 1).reshape(&shape[1..]);
            assert!(WindowMaxima(geometry).rewrites().channels_last(&[one.meta()]).is_none());
        }
    }
}
