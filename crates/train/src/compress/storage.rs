//! Weights in fewer bytes: how they lie in a file.

use hadal_core::{DType, Error, Result, SignedBytes, Tensor};
use std::collections::BTreeMap;

/// What follows the name of a weight in the names of its parts.
const SCALES: &str = ".scales";
const NONZERO: &str = ".nonzero";
const MASK: &str = ".mask";
const SHAPE: &str = ".shape";
/// Bytes that two more tensors take in a file's header, about.
const LINES: usize = 160;

type Tensors = BTreeMap<String, Tensor>;

/// Whether a tensor is worth it: a weight with at least two axes. Biases, normalizations and statistics are few, and matter.
fn is_weight(name: &str, tensor: &Tensor) -> bool {
    tensor.dtype() == DType::F32 && tensor.rank() >= 2 && name.rsplit('.').next().is_some_and(|n| n.contains("weight"))
}

/// Weights as `f16` or `bf16`, the rest as it is. Any reader of safetensors knows the types, and loading a state into a
/// model converts them.
///
/// # Errors
/// For a type that is not one of the two, or weights that `f16` cannot hold: beyond 65504.
pub fn pack_halves(tensors: &Tensors, dtype: DType) -> Result<Tensors> {
    if !matches!(dtype, DType::F16 | DType::BF16) {
        return Err(Error::invalid(format!("half precision is f16 or bf16, not {dtype}")));
    }
    let pack = |(name, tensor): (&String, &Tensor)| {
        if !is_weight(name, tensor) {
            return Ok((name.clone(), tensor.clone()));
        }
        let half = tensor.try_to_dtype(dtype)?;
        let finite = |t: &Tensor| t.to_f64_vec().iter().all(|x| x.is_finite());
        if !finite(&half) && finite(tensor) {
            return Err(Error::invalid(format!("`{name}` has numbers that f16 cannot hold; take bf16")));
        }
        Ok((name.clone(), half))
    };
    tensors.iter().map(pack).collect()
}

/// Weights `[out, …]` that `chosen` takes, as signed bytes beside a scale for each output, `conv1.weight` and `conv1.weight.scales`, the rest as
/// it is: the bytes with which quantized graphs compute.
///
/// # Errors
/// If a tensor is already called like scales.
pub fn pack_bytes(tensors: &Tensors, chosen: impl Fn(&Tensor) -> bool) -> Result<Tensors> {
    let mut packed = Tensors::new();
    for (name, tensor) in tensors {
        if !is_weight(name, tensor) || !chosen(tensor) {
            packed.insert(name.clone(), tensor.clone());
            continue;
        }
        let scales = format!("{name}{SCALES}");
        if tensors.contains_key(&scales) {
            return Err(Error::invalid(format!("`{scales}` is the name of a tensor of the model")));
        }
        let SignedBytes { values, scales: steps, .. } = SignedBytes::of(tensor)?;
        packed.insert(name.clone(), Tensor::from_vec(values, tensor.shape()));
        packed.insert(scales, Tensor::from(steps));
    }
    Ok(packed)
}

/// Tensors with at least two axes of which many elements are zero, as those that are not: `conv1.weight` becomes
/// `conv1.weight.nonzero`, `conv1.weight.mask` (a bit for each element, the lowest first) and `conv1.weight.shape`. Others,
/// for which that would not be smaller, stay as they are.
///
/// # Errors
/// If a tensor is already called so.
pub fn pack_sparse(tensors: Tensors) -> Result<Tensors> {
    let mut packed = Tensors::new();
    for (name, tensor) in &tensors {
        let size = tensor.dtype().size();
        let bytes = tensor.to_bytes();
        let kept: Vec<bool> = bytes.chunks(size).map(|element| element.iter().any(|&byte| byte != 0)).collect();
        let nonzero = kept.iter().filter(|&&kept| kept).count();
        let parts = [NONZERO, MASK, SHAPE].map(|part| format!("{name}{part}"));
        let smaller = nonzero * size + kept.len().div_ceil(8) + 8 * tensor.rank() + LINES < bytes.len();
        if tensor.rank() < 2 || !smaller {
            packed.insert(name.clone(), tensor.clone());
            continue;
        }
        if let Some(taken) = parts.iter().find(|part| tensors.contains_key(*part)) {
            return Err(Error::invalid(format!("`{taken}` is the name of a tensor of the model")));
        }
        let places: Vec<i64> = (0..).zip(&kept).filter(|(_, kept)| **kept).map(|(place, _)| place).collect();
        let mask = kept.chunks(8).map(|bits| bits.iter().rev().fold(0u8, |byte, &bit| byte << 1 | bit as u8));
        let [values, bits, shape] = parts;
        packed.insert(values, tensor.try_reshape([kept.len()])?.try_index_select(0, &Tensor::from(places))?);
        packed.insert(bits, Tensor::from(mask.collect::<Vec<u8>>()));
        packed.insert(shape, Tensor::from(tensor.shape().iter().map(|&n| n as i64).collect::<Vec<_>>()));
    }
    Ok(packed)
}

/// The numbers that [`pack_sparse`] and [`pack_bytes`] left; others as they are.
///
/// # Errors
/// If the parts of a weight do not fit each other.
pub fn unpack(tensors: Tensors) -> Result<Tensors> {
    let tensors = unpack_sparse(tensors)?;
    let mut unpacked = Tensors::new();
    for (name, tensor) in &tensors {
        let of = name.strip_suffix(SCALES).and_then(|weight| tensors.get(weight));
        if of.is_some_and(|weight| weight.dtype() == DType::I8) {
            continue;
        }
        let scales = tensors.get(&format!("{name}{SCALES}")).filter(|_| tensor.dtype() == DType::I8);
        let number = match scales {
            None => tensor.clone(),
            Some(scales)
                if scales.dtype() == DType::F32 && scales.shape()[..] == tensor.shape()[..1.min(tensor.rank())] =>
            {
                let (values, scales) = (tensor.to_vec::<i8>(), scales.to_vec::<f32>());
                SignedBytes { shape: tensor.shape().clone(), values, scales }.numbers()
            }
            Some(scales) => {
                let (shape, dtype, found) = (tensor.shape(), scales.dtype(), scales.shape());
                return Err(Error::invalid(format!("`{name}` of shape {shape} has {dtype} scales {found}")));
            }
        };
        unpacked.insert(name.clone(), number);
    }
    Ok(unpacked)
}

fn unpack_sparse(mut tensors: Tensors) -> Result<Tensors> {
    let sparse: Vec<String> = tensors.keys().filter_map(|name| Some(name.strip_suffix(NONZERO)?.to_owned())).collect();
    for name in sparse {
        let [values, mask, shape] = [NONZERO, MASK, SHAPE].map(|part| tensors.remove(&format!("{name}{part}")));
        let wrong = || Error::invalid(format!("`{name}` lacks parts, or they do not fit each other"));
        let (Some(values), Some(mask), Some(shape)) = (values, mask, shape) else { return Err(wrong()) };
        if (mask.dtype(), shape.dtype(), shape.rank(), values.rank()) != (DType::U8, DType::I64, 1, 1) {
            return Err(wrong());
        }
        let sizes: Option<Vec<usize>> =
            shape.to_vec::<i64>().into_iter().map(|size| usize::try_from(size).ok()).collect();
        let sizes = sizes.ok_or_else(wrong)?;
        let elements = sizes.iter().try_fold(1usize, |all, &size| all.checked_mul(size)).ok_or_else(wrong)?;
        let mask = mask.to_vec::<u8>();
        let places: Vec<i64> =
            (0..mask.len() * 8).filter(|i| mask[i / 8] >> (i % 8) & 1 == 1).map(|i| i as i64).collect();
        // A mask that ends within the last byte of elements says how many there are, whatever the shape claims.
        let fits = mask.len() == elements.div_ceil(8) && places.len() == values.elements();
        if !fits || places.last().is_some_and(|&last| last as usize >= elements) {
            return Err(wrong());
        }
        let zeros = Tensor::zeros_with([elements], values.dtype());
        let dense = zeros.try_index_copy(0, &Tensor::from(places), &values)?.try_reshape(sizes)?;
        tensors.insert(name, dense);
    }
    Ok(tensors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hadal_nn::layers::{BatchNorm2d, Conv2d, Flatten, Linear};
    use hadal_nn::{Strictness, load_state_dict, seq, state_dict};

    fn apart(a: &Tensor, b: &Tensor) -> f64 {
        a.sub(b).abs().amax(..).to_f64_vec()[0] / a.abs().amax(..).to_f64_vec()[0].max(1e-30)
    }

    #[test]
    fn halves_are_loaded_into_a_model_of_numbers() {
        let make = || seq![Conv2d::new(2, 3, 3), BatchNorm2d::new(3), Flatten::new(), Linear::new(12, 4)];
        let (model, again) = (make(), make());
        for (dtype, error) in [(DType::F16, 1e-3), (DType::BF16, 8e-3)] {
            let packed = pack_halves(&state_dict(&model), dtype).unwrap();
            assert_eq!((packed["0.weight"].dtype(), packed["1.running_var"].dtype()), (dtype, DType::F32));
            load_state_dict(&again, &packed, Strictness::Strict).unwrap();
            for (name, tensor) in state_dict(&model) {
                let found = state_dict(&again)[&name].clone();
                assert_eq!(found.dtype(), tensor.dtype(), "{name}");
                assert!(apart(&tensor, &found) < error, "{name}");
            }
        }
        let large = Tensors::from([("a.weight".to_owned(), Tensor::full([1, 1], 1e6f32))]);
        let error = pack_halves(&large, DType::F16).unwrap_err().to_string();
        assert_eq!(error, "`a.weight` has numbers that f16 cannot hold; take bf16");
        assert!(pack_halves(&large, DType::BF16).is_ok());
    }

    #[test]
    fn bytes_come_back_within_half_a_step() {
        let model = seq![Conv2d::new(2, 3, 3), BatchNorm2d::new(3), Flatten::new(), Linear::new(12, 4)];
        let state = state_dict(&model);
        let packed = pack_bytes(&state, |_| true).unwrap();
        assert_eq!((packed["0.weight"].dtype(), packed["0.weight.scales"].shape()[..].to_vec()), (DType::I8, vec![3]));
        let back = unpack(packed.clone()).unwrap();
        assert_eq!(back.keys().collect::<Vec<_>>(), state.keys().collect::<Vec<_>>());
        assert!(state.iter().all(|(name, tensor)| apart(tensor, &back[name]) <= 0.5 / 127.0 + 1e-6));
        // Bytes of what bytes stand for are the same.
        assert_eq!(pack_bytes(&back, |_| true).unwrap()["3.weight"].to_bytes(), packed["3.weight"].to_bytes());
        let mut wrong = packed;
        wrong.insert("3.weight.scales".to_owned(), Tensor::ones(2));
        let error = unpack(wrong).unwrap_err().to_string();
        assert_eq!(error, "`3.weight` of shape [4, 12] has f32 scales [2]");
    }

    #[test]
    fn zeros_take_a_bit() {
        let weight = Tensor::from_vec((0..600).map(|i| if i % 5 == 3 { 9.0 } else { 0.0f32 }).collect(), [20, 30]);
        let dense = Tensor::ones([4, 4]);
        let state = Tensors::from([("a.weight".to_owned(), weight), ("b.weight".to_owned(), dense)]);
        for state in [state.clone(), pack_bytes(&state, |_| true).unwrap()] {
            let packed = pack_sparse(state.clone()).unwrap();
            assert_eq!(packed["a.weight.nonzero"].shape()[..], [120]);
            assert_eq!(packed["a.weight.mask"].to_vec::<u8>()[..2], [0b0000_1000, 0b0010_0001]);
            let back = unpack_sparse(packed.clone()).unwrap();
            assert!(back.len() == state.len() && state.iter().all(|(name, t)| t.to_bytes() == back[name].to_bytes()));
            assert_eq!(back["a.weight"].shape()[..], [20, 30]);
            for (part, wrong) in [
                ("a.weight.shape", Tensor::from([20i64, 31])),
                ("a.weight.shape", Tensor::from([-20i64, 30])),
                ("a.weight.shape", Tensor::from([i64::MAX, i64::MAX])),
                ("a.weight.mask", Tensor::from(vec![255u8; 75])),
                ("a.weight.nonzero", Tensor::zeros([121])),
            ] {
                let mut broken = packed.clone();
                broken.insert(part.to_owned(), wrong);
                let error = unpack(broken).unwrap_err().to_string();
                assert_eq!(error, "`a.weight` lacks parts, or they do not fit each other", "{part}");
            }
        }
    }
}
