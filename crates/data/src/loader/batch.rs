//! From samples to a batch.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use hadal_core::{Buffer, DType, Tensor, attempt};
use hadal_kernels::simd::prefetch;

use crate::transforms::Picture;
use crate::{Dataset, Error, Pixels, Result, Sample};

/// Samples stacked along a new first axis.
#[derive(Clone, Debug)]
pub struct Batch {
    /// `[samples, …]`.
    pub input: Tensor,
    /// `[samples]` or `[samples, …]`.
    pub target: Tensor,
    /// Which samples of the data set these are.
    pub indices: Vec<usize>,
}

impl Batch {
    /// The number of samples.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }
}

/// One sample with its input transformed. A panic on the way becomes an error; either names the sample.
pub fn sample(dataset: &dyn Dataset, index: usize, transform: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Sample> {
    let prepare = || {
        let Sample { input, target } = dataset.get(index)?;
        Ok(Sample { input: transform(&input)?, target })
    };
    match catch_unwind(AssertUnwindSafe(|| attempt(prepare).flatten())) {
        Ok(result) => result.map_err(|error: Error| Error::invalid(format!("sample {index}: {error}"))),
        Err(panic) => Err(Error::invalid(format!("sample {index}: the data set panicked: {}", text(&*panic)))),
    }
}

/// Images that are on their way from memory while one is changed. Shuffled, each begins where the hardware cannot foresee,
/// and a small one is over before its first lines have come.
const IMAGES_AHEAD: usize = 4;
/// Bytes of an image that are asked for: further on the hardware has understood.
const BYTES_ASKED: usize = 4096;

/// The batch of images that are in memory as bytes, each changed in the same working space and written where the batch is.
/// `None` for other data sets, and where anything is amiss: one sample after the other then tells what.
pub fn images(
    dataset: &dyn Dataset,
    indices: &[usize],
    change: impl Fn(&mut Picture, usize) -> Result<()>,
) -> Option<Batch> {
    let prepare = || {
        let mut picture = Picture { channels: 0, height: 0, width: 0, values: Vec::new() };
        let mut labels = Vec::with_capacity(indices.len());
        let mut inputs: Option<(Buffer, [usize; 3])> = None;
        let ask = |index: usize| {
            if let Some(Pixels { bytes, .. }) = dataset.pixels(index) {
                prefetch(&bytes[..bytes.len().min(BYTES_ASKED)]);
            }
        };
        indices.iter().take(IMAGES_AHEAD).for_each(|&index| ask(index));
        for (&index, place) in indices.iter().zip(0..) {
            if let Some(&index) = indices.get(place + IMAGES_AHEAD) {
                ask(index);
            }
            let Some(pixels) = dataset.pixels(index) else { return Ok(None) };
            picture.take(&pixels);
            change(&mut picture, index)?;
            labels.push(pixels.label);
            let shape = [picture.channels, picture.height, picture.width];
            let bytes = indices.len() * picture.values.len() * size_of::<f32>();
            let (buffer, of_first) = inputs.get_or_insert_with(|| (Buffer::recycled(bytes), shape));
            if *of_first != shape {
                return Ok(None);
            }
            let size = picture.values.len();
            buffer.slice_mut::<f32>()[place * size..][..size].copy_from_slice(&picture.values);
        }
        let Some((buffer, [channels, height, width])) = inputs else { return Ok(None) };
        let shape = [indices.len(), channels, height, width];
        let input = Tensor::from_buffer(buffer, shape, DType::F32).expect("as many bytes as the shape needs");
        let target = Tensor::from_vec(labels, [indices.len()]);
        Ok(Some(Batch { input, target, indices: indices.to_vec() }))
    };
    catch_unwind(AssertUnwindSafe(|| attempt(prepare).flatten())).ok()?.ok()?
}

fn text(panic: &(dyn Any + Send)) -> &str {
    let literal = panic.downcast_ref::<&str>().copied();
    literal.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

/// Stacks samples, which must agree in shape and type.
pub fn collate(samples: impl Iterator<Item = Result<Sample>>, indices: &[usize]) -> Result<Batch> {
    let (mut inputs, mut targets) = (Vec::with_capacity(indices.len()), Vec::with_capacity(indices.len()));
    for sample in samples {
        let Sample { input, target } = sample?;
        inputs.push(input);
        targets.push(target);
    }
    let input = stack(&inputs, indices, "input", "; add a resize or crop transform")?;
    let target = stack(&targets, indices, "target", "")?;
    Ok(Batch { input, target, indices: indices.to_vec() })
}

fn stack(parts: &[Tensor], indices: &[usize], what: &str, hint: &str) -> Result<Tensor> {
    let Some(first) = parts.first() else { return Err(Error::invalid("a batch of no samples")) };
    let (shape, dtype) = (first.shape(), first.dtype());
    if let Some(odd) = parts.iter().position(|part| part.shape() != shape || part.dtype() != dtype) {
        let message = format!(
            "sample {}: its {what} is {} {}, but that of sample {} in the same batch is {dtype} {shape}{hint}",
            indices[odd],
            parts[odd].dtype(),
            parts[odd].shape(),
            indices[0]
        );
        return Err(Error::invalid(message));
    }
    let size = shape.elements() * dtype.size();
    let mut buffer = Buffer::recycled(size * parts.len());
    if size > 0 {
        for (to, part) in buffer.bytes_mut().chunks_exact_mut(size).zip(parts) {
            to.copy_from_slice(&part.to_bytes());
        }
    }
    let sizes: Vec<usize> = std::iter::once(parts.len()).chain(shape.iter().copied()).collect();
    Ok(Tensor::from_buffer(buffer, sizes, dtype).expect("as many bytes as the shape needs"))
}
