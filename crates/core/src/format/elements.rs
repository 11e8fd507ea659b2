//! Numbers as files hold them, and the buffers they become.

use super::mapped::Source;
use crate::{Buffer, DType, Tensor};
use std::borrow::Cow;

/// The type of a file's elements. Hadal has no unsigned or 16-bit integers beyond `u8`; those that fit
/// without loss into a wider type are widened on reading.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Stored {
    /// One of Hadal's own types.
    As(DType),
    /// Becomes `i32`.
    I16,
    /// Becomes `i32`.
    U16,
    /// Becomes `i64`.
    U32,
}

/// The order of the bytes in a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

impl Stored {
    /// Bytes per element in the file.
    pub fn size(self) -> usize {
        match self {
            Stored::As(dtype) => dtype.size(),
            Stored::I16 | Stored::U16 => 2,
            Stored::U32 => 4,
        }
    }

    /// The type of the tensor.
    pub fn dtype(self) -> DType {
        match self {
            Stored::As(dtype) => dtype,
            Stored::I16 | Stored::U16 => DType::I32,
            Stored::U32 => DType::I64,
        }
    }

    /// A buffer with the elements in bytes `start..start + bytes` of `source`, which must exist: the bytes
    /// themselves where type, order and alignment allow, a converted copy otherwise.
    pub fn buffer(self, source: &Source, start: usize, bytes: usize, order: ByteOrder) -> Buffer {
        let dtype = self.dtype();
        let in_place = self == Stored::As(dtype) && (order == ByteOrder::Little || dtype.size() == 1);
        // Any byte is a number, but only 0 and 1 are truth values, so these are always copied.
        if in_place && dtype != DType::Bool {
            return Buffer::mapped_or_copied(source.clone(), start, bytes, dtype.size());
        }
        let from = &(**source).as_ref()[start..][..bytes];
        let mut buffer = Buffer::recycled(bytes / self.size() * dtype.size());
        let to = buffer.bytes_mut();
        match self {
            Stored::As(DType::Bool) => to.iter_mut().zip(from).for_each(|(to, &from)| *to = (from != 0) as u8),
            Stored::As(_) => {
                for (to, from) in to.chunks_exact_mut(dtype.size()).zip(from.chunks_exact(dtype.size())) {
                    to.copy_from_slice(from);
                    to.reverse();
                }
            }
            Stored::I16 => widen(to, from, order, |b| i32::from(i16::from_le_bytes(b)).to_le_bytes()),
            Stored::U16 => widen(to, from, order, |b| i32::from(u16::from_le_bytes(b)).to_le_bytes()),
            Stored::U32 => widen(to, from, order, |b| i64::from(u32::from_le_bytes(b)).to_le_bytes()),
        }
        buffer
    }
}

fn widen<const N: usize, const W: usize>(to: &mut [u8], from: &[u8], order: ByteOrder, wide: fn([u8; N]) -> [u8; W]) {
    for (to, from) in to.as_chunks_mut::<W>().0.iter_mut().zip(from.as_chunks::<N>().0) {
        let mut from = *from;
        if order == ByteOrder::Big {
            from.reverse();
        }
        *to = wide(from);
    }
}

/// The elements' bytes in row-major order, copied only when they do not lie so already.
pub(super) fn row_major(tensor: &Tensor) -> Cow<'_, [u8]> {
    let layout = tensor.layout();
    if !layout.is_contiguous() {
        return Cow::Owned(tensor.to_bytes());
    }
    let (bytes, size) = (tensor.0.data.buffer.bytes(), tensor.dtype().size());
    // An empty view may point behind the end.
    Cow::Borrowed(&bytes[(layout.offset * size).min(bytes.len())..][..tensor.elements() * size])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn read(stored: Stored, bytes: &[u8], order: ByteOrder) -> Tensor {
        let source: Source = Arc::new(bytes.to_vec());
        let buffer = stored.buffer(&source, 0, bytes.len(), order);
        Tensor::from_buffer(buffer, bytes.len() / stored.size(), stored.dtype()).unwrap()
    }

    #[test]
    fn unsigned_and_short_integers_keep_their_values() {
        let bytes = [0xff, 0xfe, 0x00, 0x01];
        assert_eq!(read(Stored::I16, &bytes, ByteOrder::Little).to_vec::<i32>(), [-257, 256]);
        assert_eq!(read(Stored::I16, &bytes, ByteOrder::Big).to_vec::<i32>(), [-2, 1]);
        assert_eq!(read(Stored::U16, &bytes, ByteOrder::Little).to_vec::<i32>(), [65279, 256]);
        assert_eq!(read(Stored::U32, &bytes, ByteOrder::Big).to_vec::<i64>(), [0xfffe_0001]);
    }

    #[test]
    fn any_byte_but_zero_is_true() {
        assert_eq!(
            read(Stored::As(DType::Bool), &[0, 1, 2, 255], ByteOrder::Little).to_vec::<bool>(),
            [false, true, true, true]
        );
    }

    #[test]
    fn numbers_in_the_other_byte_order_are_reversed() {
        assert_eq!(read(Stored::As(DType::F32), &1.5f32.to_be_bytes(), ByteOrder::Big).to_vec::<f32>(), [1.5]);
        assert_eq!(read(Stored::As(DType::I8), &[0x80, 1], ByteOrder::Big).to_vec::<i8>(), [-128, 1]);
    }
}
