//! Convolution and its two adjoints as plain loops: every output element has one owner and a fixed order of sums.

use super::real::Real;
use hadal_kernels::threads::for_chunks_mut;

/// The sizes of a convolution in up to three axes; a missing leading axis has size, stride and dilation 1.
#[derive(Clone, Copy, Debug)]
pub struct ConvShape {
    /// Samples.
    pub batch: usize,
    /// Independent groups of channels.
    pub groups: usize,
    /// Channels of x.
    pub in_channels: usize,
    /// Channels of y.
    pub out_channels: usize,
    /// Spatial sizes of x.
    pub input: [usize; 3],
    /// Spatial sizes of the kernel.
    pub kernel: [usize; 3],
    /// Spatial sizes of y.
    pub output: [usize; 3],
    /// Steps between windows.
    pub stride: [usize; 3],
    /// Zeros before the first element of x.
    pub pad_begin: [usize; 3],
    /// Steps between the kernel's elements.
    pub dilation: [usize; 3],
}

impl ConvShape {
    /// The outputs along `axis` whose kernel element `k` falls on the input, and the input position of the first.
    fn range(&self, axis: usize, k: usize) -> (std::ops::Range<usize>, usize) {
        let (stride, pad, at) = (self.stride[axis], self.pad_begin[axis], k * self.dilation[axis]);
        let first = pad.saturating_sub(at).div_ceil(stride);
        let end = (self.input[axis] + pad).saturating_sub(at).div_ceil(stride).min(self.output[axis]);
        (first..end.max(first), (first * stride + at).wrapping_sub(pad))
    }

    /// Calls `f(output row, input row)` as `(start of y, start of x, length)` for one kernel element of one plane.
    fn each_row(&self, [kz, ky, kx]: [usize; 3], mut f: impl FnMut(usize, usize, usize)) {
        let ((z, z0), (y, y0), (x, x0)) = (self.range(0, kz), self.range(1, ky), self.range(2, kx));
        for oz in z.clone() {
            for oy in y.clone() {
                let iz = z0 + (oz - z.start) * self.stride[0];
                let iy = y0 + (oy - y.start) * self.stride[1];
                let out = (oz * self.output[1] + oy) * self.output[2] + x.start;
                f(out, (iz * self.input[1] + iy) * self.input[2] + x0, x.len());
            }
        }
    }

    fn taps(&self) -> impl Iterator<Item = [usize; 3]> + use<> {
        let [d, h, w] = self.kernel;
        (0..d * h * w).map(move |i| [i / (h * w), i / w % h, i % w])
    }

    fn sizes(&self) -> (usize, usize, usize) {
        (self.input.iter().product(), self.kernel.iter().product(), self.output.iter().product())
    }
}

/// `y [n, o, out] = bias + x [n, c, in] ⋆ w [o, c / groups, kernel]`.
pub fn forward<T: Real>(s: &ConvShape, x: &[T], w: &[T], bias: Option<&[T]>, y: &mut [T]) {
    let (input, kernel, output) = s.sizes();
    let (c, o) = (s.in_channels / s.groups, s.out_channels / s.groups);
    for_chunks_mut(y, output, |i, y| {
        let (n, out) = (i / s.out_channels, i % s.out_channels);
        y.fill(bias.map_or(T::default(), |b| b[out]));
        for channel in 0..c {
            let x = &x[(n * s.in_channels + out / o * c + channel) * input..][..input];
            for (tap, &w) in s.taps().zip(&w[(out * c + channel) * kernel..][..kernel]) {
                s.each_row(tap, |to, from, len| {
                    let row = x[from..].iter().step_by(s.stride[2]);
                    y[to..to + len].iter_mut().zip(row).for_each(|(y, &x)| *y += w * x);
                });
            }
        }
    });
}

/// `x [n, c, in]` from `y [n, o, out]`: the adjoint of [`forward`] by x.
pub fn backward_data<T: Real>(s: &ConvShape, y: &[T], w: &[T], x: &mut [T]) {
    let (input, kernel, output) = s.sizes();
    let (c, o) = (s.in_channels / s.groups, s.out_channels / s.groups);
    for_chunks_mut(x, input, |i, x| {
        let (n, channel) = (i / s.in_channels, i % s.in_channels);
        x.fill(T::default());
        for out in channel / c * o..(channel / c + 1) * o {
            let y = &y[(n * s.out_channels + out) * output..][..output];
            for (tap, &w) in s.taps().zip(&w[(out * c + channel % c) * kernel..][..kernel]) {
                s.each_row(tap, |from, to, len| {
                    let row = x[to..].iter_mut().step_by(s.stride[2]);
                    row.zip(&y[from..from + len]).for_each(|(x, &y)| *x += w * y);
                });
            }
        }
    });
}

/// `w [o, c / groups, kernel]` from `x [n, c, in]` and `y [n, o, out]`: the adjoint of [`forward`] by w.
pub fn backward_weight<T: Real>(s: &ConvShape, x: &[T], y: &[T], w: &mut [T]) {
    let (input, kernel, output) = s.sizes();
    let (c, o) = (s.in_channels / s.groups, s.out_channels / s.groups);
    for_chunks_mut(w, kernel, |i, w| {
        let (out, channel) = (i / c, i % c);
        w.fill(T::default());
        for n in 0..s.batch {
            let x = &x[(n * s.in_channels + out / o * c + channel) * input..][..input];
            let y = &y[(n * s.out_channels + out) * output..][..output];
            for (tap, w) in s.taps().zip(&mut *w) {
                s.each_row(tap, |at, from, len| {
                    let row = x[from..].iter().step_by(s.stride[2]);
                    let products = y[at..at + len].iter().zip(row).map(|(&y, &x)| y * x);
                    *w += products.fold(T::default(), |sum, p| sum + p);
                });
            }
        }
    });
}
