//! Tensors as raw bytes: little-endian, row-major; each element of `BYTES` after its length as `u32`.

use crate::data::{Data, Strings};
use crate::datatype::Datatype;
use hadal::{Buffer, Element, Tensor};

/// Reads exactly `bytes` as a tensor.
///
/// # Errors
/// When there are more or fewer bytes than the shape needs.
pub fn read(bytes: &[u8], datatype: Datatype, shape: &[usize]) -> Result<Data, String> {
    let (Some(size), Some(dtype)) = (datatype.size(), datatype.dtype()) else { return strings(bytes, shape) };
    let needed = shape.iter().try_fold(size, |bytes, &n| bytes.checked_mul(n));
    if needed != Some(bytes.len()) {
        let needed = needed.map_or("more than memory has".to_owned(), |n| n.to_string());
        return Err(format!("{datatype} of shape {shape:?} takes {needed} bytes, got {}", bytes.len()));
    }
    match datatype {
        Datatype::Uint16 => widened(bytes, shape, |b| i32::from(u16::from_le_bytes(b))),
        Datatype::Int16 => widened(bytes, shape, |b| i32::from(i16::from_le_bytes(b))),
        Datatype::Uint32 => widened(bytes, shape, |b| i64::from(u32::from_le_bytes(b))),
        Datatype::Uint64 => {
            if let Some(at) = bytes.chunks_exact(8).position(|number| number[7] > 0x7f) {
                return Err(format!("element {at} is beyond {}, the greatest that can be held", i64::MAX));
            }
            widened(bytes, shape, i64::from_le_bytes)
        }
        _ => {
            let mut buffer = Buffer::recycled(bytes.len());
            match datatype {
                Datatype::Bool => {
                    buffer.bytes_mut().iter_mut().zip(bytes).for_each(|(to, from)| *to = (*from != 0).into())
                }
                _ => in_memory(size, bytes, buffer.bytes_mut()),
            }
            let tensor = Tensor::from_buffer(buffer, shape, dtype).ok_or("the shape does not fit the bytes")?;
            Ok(Data::Numbers(tensor))
        }
    }
}

/// Little-endian elements as this machine holds them.
fn in_memory(size: usize, from: &[u8], to: &mut [u8]) {
    to.copy_from_slice(from);
    if cfg!(target_endian = "big") {
        to.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    }
}

fn widened<T: Element, const N: usize>(
    bytes: &[u8],
    shape: &[usize],
    number: impl Fn([u8; N]) -> T,
) -> Result<Data, String> {
    let (numbers, _) = bytes.as_chunks::<N>();
    Tensor::try_from_vec(numbers.iter().map(|&b| number(b)).collect(), shape)
        .map(Data::Numbers)
        .map_err(|e| e.to_string())
}

fn strings(bytes: &[u8], shape: &[usize]) -> Result<Data, String> {
    let expected: usize = shape.iter().product();
    let (mut strings, mut rest) = (Strings::default(), bytes);
    while !rest.is_empty() {
        let Some((length, after)) = rest.split_first_chunk::<4>() else {
            return Err(format!("{} bytes are left where a length of 4 bytes is expected", rest.len()));
        };
        let length = u32::from_le_bytes(*length) as usize;
        let Some((string, after)) = after.split_at_checked(length) else {
            return Err(format!("element {} claims {length} bytes, but {} are left", strings.len(), after.len()));
        };
        strings.push(string);
        rest = after;
    }
    if strings.len() != expected {
        return Err(format!("there are {} elements, but the shape {shape:?} has {expected}", strings.len()));
    }
    Ok(Data::Bytes(strings, shape.to_vec()))
}

/// Appends a tensor's bytes; numbers of a type that Hadal holds in a wider one get their own width back.
pub fn write(data: &Data, datatype: Datatype, out: &mut Vec<u8>) {
    match data {
        Data::Numbers(tensor) => match datatype {
            Datatype::Uint16 | Datatype::Int16 => {
                out.extend(tensor.to_vec::<i32>().into_iter().flat_map(|x| (x as u16).to_le_bytes()));
            }
            Datatype::Uint32 => out.extend(tensor.to_vec::<i64>().into_iter().flat_map(|x| (x as u32).to_le_bytes())),
            _ => out.extend(tensor.to_bytes()),
        },
        Data::Bytes(strings, _) => {
            for string in strings.iter() {
                out.extend((string.len() as u32).to_le_bytes());
                out.extend(string);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type() {
        let numbers = |bytes: &[u8], datatype, shape: &[usize]| match read(bytes, datatype, shape) {
            Ok(Data::Numbers(tensor)) => tensor,
            other => panic!("{other:?}"),
        };
        let x = Tensor::from([[1.5f32, -2.0], [f32::INFINITY, 0.25]]);
        let mut bytes = Vec::new();
        write(&Data::Numbers(x.transpose(0, 1)), Datatype::Fp32, &mut bytes);
        assert_eq!(numbers(&bytes, Datatype::Fp32, &[2, 2]).to_vec::<f32>(), [1.5, f32::INFINITY, -2.0, 0.25]);
        assert_eq!(numbers(&[0, 2], Datatype::Bool, &[2]).to_vec::<bool>(), [false, true]);
        assert_eq!(numbers(&[0xff, 0xff], Datatype::Uint16, &[1]).to_vec::<i32>(), [65535]);
        assert_eq!(numbers(&[0xff, 0xff], Datatype::Int16, &[1]).to_vec::<i32>(), [-1]);
        assert_eq!(numbers(&[0xff; 4], Datatype::Uint32, &[1]).to_vec::<i64>(), [i64::from(u32::MAX)]);
        assert_eq!(numbers(&[1, 0, 0, 0, 0, 0, 0, 0], Datatype::Uint64, &[1]).to_vec::<i64>(), [1]);
        assert_eq!(numbers(&[0xff, 0xff, 0xff, 0xff], Datatype::Int32, &[1]).to_vec::<i32>(), [-1]);
        for datatype in [Datatype::Uint16, Datatype::Int16, Datatype::Uint32, Datatype::Uint64, Datatype::Fp16] {
            let bytes: Vec<u8> = (0..48).map(|i| i * 5 % 128).collect();
            let mut again = Vec::new();
            let shape = [48 / datatype.size().unwrap()];
            write(&Data::Numbers(numbers(&bytes, datatype, &shape)), datatype, &mut again);
            assert_eq!(again, bytes, "{datatype}");
        }
    }

    #[test]
    fn strings_after_their_length() {
        let strings: Strings = ["ab", "", "c"].into_iter().collect();
        let mut bytes = Vec::new();
        write(&Data::Bytes(strings.clone(), vec![3]), Datatype::Bytes, &mut bytes);
        assert_eq!(bytes, b"\x02\0\0\0ab\0\0\0\0\x01\0\0\0c");
        assert!(matches!(read(&bytes, Datatype::Bytes, &[3]), Ok(Data::Bytes(found, _)) if found == strings));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let error = |bytes: &[u8], datatype, shape: &[usize]| read(bytes, datatype, shape).unwrap_err();
        assert_eq!(error(&[0; 7], Datatype::Fp32, &[2]), "FP32 of shape [2] takes 8 bytes, got 7");
        let huge = error(&[0; 8], Datatype::Fp64, &[1 << 62, 4]);
        assert_eq!(huge, "FP64 of shape [4611686018427387904, 4] takes more than memory has bytes, got 8");
        assert_eq!(
            error(&[0xff; 8], Datatype::Uint64, &[1]),
            format!("element 0 is beyond {}, the greatest that can be held", i64::MAX)
        );
        assert_eq!(error(&[0xff; 8], Datatype::Bytes, &[1]), "element 0 claims 4294967295 bytes, but 4 are left");
        assert_eq!(error(&[0; 6], Datatype::Bytes, &[1]), "2 bytes are left where a length of 4 bytes is expected");
        assert_eq!(error(&[0; 4], Datatype::Bytes, &[2]), "there are 1 elements, but the shape [2] has 2");
    }
}
