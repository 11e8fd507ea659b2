//! Signals and their frequencies.

use super::cast::element_attribute;
use super::prelude::*;
use std::f64::consts::TAU;

pub(super) const OPERATORS: &[Operator] = &[
    op("BlackmanWindow", 17, With(|node| window(node, &[0.42, 0.5, 0.08]))),
    op("DFT", 17, With(|node| transform(node, node.int_or("axis", 1)?))),
    op("DFT", 20, With(|node| transform(node, -2))),
    op("HammingWindow", 17, With(|node| window(node, &[25.0 / 46.0, 21.0 / 46.0]))),
    op("HannWindow", 17, With(|node| window(node, &[0.5, 0.5]))),
    op("MelWeightMatrix", 17, With(mel_weights)),
    op("STFT", 17, With(short_time_transform)),
];

/// A sum of cosines with alternating signs: a₀ − a₁ cos(2πi/n) + a₂ cos(4πi/n).
fn window(node: &Node, coefficients: &'static [f64]) -> Result<Run> {
    let periodic = node.int_or("periodic", 1)? != 0;
    let element = element_attribute(node, "output_datatype")?.unwrap_or(ElementType::F32);
    run(move |x| {
        let size = shape_of(&[x.int(0)?])?[0];
        let period = if periodic { size as f64 } else { size.saturating_sub(1) as f64 };
        let value = |i: usize| {
            let term = |(k, a): (usize, &f64)| {
                let sign = if k % 2 == 0 { 1.0 } else { -1.0 };
                // One number alone is the middle of its window.
                if period == 0.0 { a.abs() } else { sign * a * (TAU * (k * i) as f64 / period).cos() }
            };
            coefficients.iter().enumerate().map(term).sum::<f64>()
        };
        Ok(vec![Value::typed(&vector((0..size).map(value).collect()), element)?])
    })
}

/// Pairs of real and imaginary part in the last axis, which holds real parts alone if its size is 1.
fn complex(x: &Tensor) -> Result<Tensor> {
    match x.shape().last() {
        Some(2) => Ok(x.clone()),
        Some(1) => Tensor::try_cat(&[x, &x.zeros_like()], -1),
        _ => invalid(format!("real or complex numbers […, 1 or 2] are needed, got shape {}", x.shape())),
    }
}

/// The first `size` elements along an axis, or all of them and zeros.
fn resized(x: &Tensor, axis: usize, size: usize) -> Result<Tensor> {
    let own = x.size(axis as isize);
    if size <= own {
        return x.try_narrow(axis as isize, 0, size);
    }
    let mut amounts = vec![(0, 0); x.rank()];
    amounts[axis].1 = (size - own) as isize;
    super::layout::grow(x, &amounts, Scalar::Int(0))
}

/// The axis is counted with that of the complex pairs; an input may say it instead.
fn transform(node: &Node, axis: i64) -> Result<Run> {
    let (inverse, one_sided) = (node.flag("inverse")?, node.flag("onesided")?);
    run(move |x| {
        let signal = x.tensor(0)?;
        let axis = axis_of(if x.has(2) { x.int(2)? } else { axis }, signal.rank())?;
        if axis + 1 == signal.rank() {
            return invalid("the last axis holds real and imaginary parts and cannot be transformed");
        }
        let own = signal.size(axis as isize);
        let size = match x.optional(1)? {
            Some(_) => shape_of(&[x.int(1)?])?[0],
            None if inverse && one_sided => 2 * own.saturating_sub(1),
            None => own,
        };
        let numbers = complex(signal)?;
        let along = axis as isize;
        let y = match (inverse, one_sided) {
            (false, _) => {
                let spectrum = resized(&numbers, axis, size)?.try_fft(along)?;
                if one_sided { spectrum.try_narrow(along, 0, size / 2 + 1)? } else { spectrum }
            }
            (true, false) => resized(&numbers, axis, size)?.try_ifft(along)?,
            (true, true) => resized(&numbers, axis, size / 2 + 1)?.try_irfft(size, along)?.try_unsqueeze(-1)?,
        };
        x.like(0, &y)
    })
}

/// Spectra of overlapping pieces: `[batch, frames, frequencies, 2]`.
fn short_time_transform(node: &Node) -> Result<Run> {
    let one_sided = node.int_or("onesided", 1)? != 0;
    run(move |x| {
        let signal = x.tensor(0)?;
        let signal = if signal.rank() == 2 { signal.try_unsqueeze(-1)? } else { signal.clone() };
        let step = shape_of(&[x.int(1)?])?[0];
        let window = x.optional(2)?;
        let size = match (x.has(3), window) {
            (true, _) => shape_of(&[x.int(3)?])?[0],
            (false, Some(window)) => window.elements(),
            (false, None) => return invalid("neither a window nor a frame length is given"),
        };
        if signal.rank() != 3 || step == 0 || size == 0 || signal.size(1) < size {
            return invalid(format!("frames of {size} every {step} do not fit a signal of shape {}", signal.shape()));
        }
        // [batch, frames, 2, size] to [batch, frames, size, 2]
        let mut frames = complex(&signal)?.try_unfold(1, size, step)?.try_transpose(2, 3)?;
        if let Some(window) = window {
            frames = frames.try_mul(window.try_reshape([size, 1])?)?;
        }
        let spectra = frames.try_fft(2)?;
        x.like(0, &if one_sided { spectra.try_narrow(2, 0, size / 2 + 1)? } else { spectra })
    })
}

/// Triangles over the frequencies, equally wide on the mel scale `2595 log₁₀(1 + f / 700)`: `[frequencies, bands]`.
fn mel_weights(node: &Node) -> Result<Run> {
    let element = element_attribute(node, "output_datatype")?.unwrap_or(ElementType::F32);
    run(move |x| {
        let (bands, length) = (x.int(0)?, x.int(1)?);
        let (rate, low, high) = (x.float(2)?, x.float(3)?, x.float(4)?);
        let shape = shape_of(&[length / 2 + 1, bands])?;
        let (rows, bands) = (shape[0], shape[1]);
        let mel = |hertz: f64| 2595.0 * (hertz / 700.0).ln_1p() / std::f64::consts::LN_10;
        let step = (mel(high) - mel(low)) / (bands + 2) as f64;
        let bin = |i: usize| {
            let hertz = 700.0 * ((mel(low) + i as f64 * step) / 2595.0 * std::f64::consts::LN_10).exp_m1();
            ((length + 1) as f64 * hertz / rate).floor() as i64
        };
        let mut weights = vec![0.0; rows * bands];
        let mut set = |row: i64, band: usize, weight: f64| match usize::try_from(row) {
            Ok(row) if row < rows => {
                weights[row * bands + band] = weight;
                Ok(())
            }
            _ => invalid("a band lies above the highest frequency"),
        };
        for band in 0..bands {
            let (left, middle, right) = (bin(band), bin(band + 1), bin(band + 2));
            if left == middle {
                set(middle, band, 1.0)?;
            }
            for row in left..=middle {
                if left < middle {
                    set(row, band, (row - left) as f64 / (middle - left) as f64)?;
                }
            }
            for row in middle..right {
                set(row, band, (right - row) as f64 / (right - middle) as f64)?;
            }
        }
        Ok(vec![Value::typed(&Tensor::try_from_vec(weights, shape)?, element)?])
    })
}
