//! What a request for inference takes in memory once it is decoded, told from its bytes: an empty tensor is two bytes on the
//! wire and hundreds in memory, so a small message could become a large one.
//!
//! Wire format: <https://protobuf.dev/programming-guides/encoding/>.

/// Bytes of the largest struct that a field of this message, or of one within it, becomes; with room for its allocation.
const PART: usize = 512;

/// The messages that are looked into.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Request,
    Input,
    Output,
    Contents,
    Other,
}

impl Kind {
    /// What the bytes of a field are.
    fn of(self, field: u64) -> Kind {
        match (self, field) {
            (Kind::Request, 5) => Kind::Input,
            (Kind::Request, 6) => Kind::Output,
            (Kind::Input, 5) => Kind::Contents,
            _ => Kind::Other,
        }
    }
}

/// An upper bound of the memory for a `ModelInferRequest` beside its bytes, which tonic copies once; `None` if it is no
/// message, or has groups, which this version of the format lacks.
pub fn of(message: &[u8]) -> Option<usize> {
    within(message, Kind::Request).map(|weight| weight.saturating_add(message.len()))
}

fn within(mut message: &[u8], kind: Kind) -> Option<usize> {
    let mut weight: usize = 0;
    while !message.is_empty() {
        let (field, value) = next(&mut message)?;
        weight = weight.saturating_add(match (kind, value) {
            // Small numbers are a byte on the wire, and eight in a list.
            (_, None) => 8,
            // Booleans, floats and byte strings are as wide in memory.
            (Kind::Contents, Some(bytes)) if [1, 6, 7, 8].contains(&field) => PART.saturating_add(bytes.len()),
            (Kind::Contents | Kind::Input, Some(bytes)) if kind.of(field) == Kind::Other => {
                PART.saturating_add(bytes.len().saturating_mul(8))
            }
            // These stay where they are.
            (Kind::Request, Some(_)) if field == 7 => PART,
            (_, Some(bytes)) => match kind.of(field) {
                Kind::Other => PART.saturating_add(bytes.len()),
                inner => PART.saturating_add(within(bytes, inner)?),
            },
        });
    }
    Some(weight)
}

/// The number of the next field, and its bytes if it has a length.
fn next<'a>(message: &mut &'a [u8]) -> Option<(u64, Option<&'a [u8]>)> {
    let key = varint(message)?;
    let length = match key & 7 {
        0 => {
            varint(message)?;
            return Some((key >> 3, None));
        }
        1 => 8,
        2 => usize::try_from(varint(message)?).ok()?,
        5 => 4,
        _ => return None,
    };
    let (bytes, rest) = message.split_at_checked(length)?;
    *message = rest;
    Some((key >> 3, (key & 7 == 2).then_some(bytes)))
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..70).step_by(7) {
        let (&byte, rest) = message.split_first()?;
        *message = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::inference::model_infer_request::InferInputTensor;
    use crate::grpc::inference::{InferParameter, InferTensorContents, ModelInferRequest};
    use prost::Message;

    fn weigh(message: &ModelInferRequest) -> usize {
        of(&message.encode_to_vec()).unwrap()
    }

    #[test]
    fn small_on_the_wire_and_large_in_memory() {
        let of_one = |input: InferInputTensor| ModelInferRequest { inputs: vec![input], ..Default::default() };
        let contents = |contents| of_one(InferInputTensor { contents: Some(contents), ..Default::default() });
        let many = 1000;
        let inputs = ModelInferRequest { inputs: vec![InferInputTensor::default(); many], ..Default::default() };
        assert!(weigh(&inputs) >= many * size_of::<InferInputTensor>());
        let raw = ModelInferRequest { raw_input_contents: vec![Default::default(); many], ..Default::default() };
        assert!(weigh(&raw) >= many * 32);
        assert!(weigh(&of_one(InferInputTensor { shape: vec![1; many], ..Default::default() })) >= 8 * many);
        let bytes = InferTensorContents { bytes_contents: vec![Vec::new(); many], ..Default::default() };
        assert!(weigh(&contents(bytes)) >= many * 24);
        let wide = InferTensorContents { uint64_contents: vec![1; many], ..Default::default() };
        assert!(weigh(&contents(wide)) >= 8 * many);
        let names = (0..many).map(|i| (i.to_string(), InferParameter::default())).collect();
        let parameters = of_one(InferInputTensor { parameters: names, ..Default::default() });
        assert!(weigh(&parameters) >= many * (size_of::<(String, InferParameter)>() + 16));
        // Raw bytes are copied once, and stay there.
        let tensor = ModelInferRequest { raw_input_contents: vec![vec![0; 1 << 20].into()], ..Default::default() };
        assert!(weigh(&tensor) - (1 << 20) < 1000);
    }

    #[test]
    fn what_is_no_message_has_no_weight() {
        // A number without its end, a length without its bytes, and a group before what it would hide.
        for garbage in
            [&[0xff; 40][..], &[0x2a], &[0x2a, 0xff, 0xff, 0xff, 0xff, 0x0f], &[0x2a, 5, 0x2a, 9], &[0x0b, 0x0c]]
        {
            assert_eq!(of(garbage), None, "{garbage:?}");
        }
        assert_eq!(of(&[]), Some(0));
    }
}
