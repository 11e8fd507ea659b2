//! Tensors from raw bytes and back: what crosses the border to another language.

use hadal_core::{Buffer, DType, Element, Error, Result, Tensor};
use hadal_onnx::ElementType;

/// Bytes per element, for the types that have a form in memory everywhere: truth values, integers of 8 to 64 bits, floats
/// of 16 to 64.
pub fn size_of(element: ElementType) -> Option<usize> {
    match element {
        ElementType::U16 | ElementType::I16 => Some(2),
        ElementType::U32 => Some(4),
        ElementType::U64 => Some(8),
        other => other.storage().filter(|&dtype| ElementType::of(dtype) == other).map(DType::size),
    }
}

/// A tensor of row-major elements in this machine's byte order; any byte but 0 is true.
///
/// # Errors
/// When there are more or fewer bytes than the shape needs, or there is no such type in memory.
pub fn from_bytes(element: ElementType, bytes: &[u8], shape: &[usize]) -> Result<Tensor> {
    let (Some(size), Some(dtype)) = (size_of(element), element.storage()) else {
        return Err(Error::invalid(format!("elements of {element} cannot be given as bytes")));
    };
    let needed = shape.iter().try_fold(size, |bytes, &n| bytes.checked_mul(n));
    if needed != Some(bytes.len()) {
        let needed = needed.map_or("more bytes than memory has".to_owned(), |n| format!("{n} bytes"));
        return Err(Error::invalid(format!("{element} {shape:?} takes {needed}, got {}", bytes.len())));
    }
    match element {
        ElementType::U16 => widened(bytes, shape, |b| i32::from(u16::from_ne_bytes(b))),
        ElementType::I16 => widened(bytes, shape, |b| i32::from(i16::from_ne_bytes(b))),
        ElementType::U32 => widened(bytes, shape, |b| i64::from(u32::from_ne_bytes(b))),
        _ => {
            let mut buffer = Buffer::recycled(bytes.len());
            match element {
                ElementType::Bool => {
                    buffer.bytes_mut().iter_mut().zip(bytes).for_each(|(to, &from)| *to = (from != 0).into())
                }
                _ => buffer.bytes_mut().copy_from_slice(bytes),
            }
            Tensor::from_buffer(buffer, shape, dtype)
                .ok_or_else(|| Error::invalid(format!("{element} {shape:?} does not fit its bytes")))
        }
    }
}

fn widened<T: Element, const N: usize>(bytes: &[u8], shape: &[usize], number: fn([u8; N]) -> T) -> Result<Tensor> {
    Tensor::try_from_vec(bytes.as_chunks::<N>().0.iter().map(|&b| number(b)).collect(), shape)
}

/// The elements in row-major order and this machine's byte order, as this type: what [`from_bytes`] takes.
pub fn to_bytes(element: ElementType, tensor: &Tensor) -> Vec<u8> {
    match (element, tensor.dtype()) {
        (ElementType::U16 | ElementType::I16, DType::I32) => {
            tensor.to_vec::<i32>().into_iter().flat_map(|x| (x as u16).to_ne_bytes()).collect()
        }
        (ElementType::U32, DType::I64) => {
            tensor.to_vec::<i64>().into_iter().flat_map(|x| (x as u32).to_ne_bytes()).collect()
        }
        _ => tensor.to_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_width_come_back() {
        let bytes: Vec<u8> = (0..16).map(|i| (i * 37 + 11) as u8).collect();
        for element in [ElementType::U16, ElementType::I16, ElementType::U32, ElementType::U64, ElementType::F32] {
            let n = 16 / size_of(element).unwrap();
            let tensor = from_bytes(element, &bytes, &[n]).unwrap();
            assert_eq!(Some(tensor.dtype()), element.storage());
            assert_eq!(to_bytes(element, &tensor), bytes, "{element}");
        }
        let ends = from_bytes(ElementType::U16, &[u16::MAX.to_ne_bytes(), [0; 2]].concat(), &[2]).unwrap();
        assert_eq!(ends.to_vec::<i32>(), [65535, 0]);
        let truth = from_bytes(ElementType::Bool, &[0, 1, 7], &[3]).unwrap();
        assert_eq!(truth.to_bytes(), [0, 1, 1]);
    }

    #[test]
    fn sizes_are_checked() {
        let error = |element, bytes: usize, shape: &[usize]| {
            from_bytes(element, &vec![0; bytes], shape).unwrap_err().to_string()
        };
        assert_eq!(error(ElementType::F32, 12, &[1, 4]), "float [1, 4] takes 16 bytes, got 12");
        let huge = [usize::MAX, 2];
        assert!(error(ElementType::F64, 8, &huge).contains("more bytes than memory has"));
        assert_eq!(error(ElementType::String, 8, &[8]), "elements of string cannot be given as bytes");
        assert_eq!(from_bytes(ElementType::F32, &[], &[0, usize::MAX]).unwrap().elements(), 0);
    }
}
