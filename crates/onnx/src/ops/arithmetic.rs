//! Sums, products, quotients, powers and bits of two or more tensors, with broadcasting.

use super::map::ordered;
use super::prelude::*;

pub(super) const OPERATORS: &[Operator] = &[
    op("Add", 7, Map2(|a, b| a.try_add(b))),
    op("BitShift", 11, With(bit_shift)),
    op("BitwiseAnd", 18, Map2(|a, b| a.try_bitwise_and(b))),
    op("BitwiseNot", 18, Map(|x| x.try_bitwise_not())),
    op("BitwiseOr", 18, Map2(|a, b| a.try_bitwise_or(b))),
    op("BitwiseXor", 18, Map2(|a, b| a.try_bitwise_xor(b))),
    op("Div", 7, With(div)),
    op("Max", 6, With(max)),
    op("Mean", 6, With(mean)),
    op("Min", 6, With(min)),
    op("Mod", 10, With(modulo)),
    op("Mul", 7, Map2(|a, b| a.try_mul(b))),
    op("PRelu", 7, Map2(|x, slope| x.try_ge(0)?.try_where_(x, &x.try_mul(slope)?))),
    op("Pow", 7, With(pow)),
    op("Sub", 7, Map2(|a, b| a.try_sub(b))),
    op("Sum", 6, With(sum)),
];

/// `f` of unsigned 64-bit numbers, with broadcasting.
fn unsigned(a: &Tensor, b: &Tensor, f: impl Fn(u64, u64) -> u64) -> Result<Tensor> {
    let shape = a.shape().broadcast(b.shape(), "broadcast")?;
    let numbers = |x: &Tensor| x.try_expand(&shape)?.try_to_vec::<i64>();
    let pairs = numbers(a)?.into_iter().zip(numbers(b)?);
    Tensor::try_from_vec(pairs.map(|(a, b)| f(a as u64, b as u64) as i64).collect(), &shape)
}

fn div(_: &Node) -> Result<Run> {
    run(|x| {
        let ((a, element), b) = (x.typed(0)?, x.tensor(1)?);
        match element {
            ElementType::U64 => {
                refuse_zero(b)?;
                x.like(0, &unsigned(a, b, |a, b| a / b)?)
            }
            _ if element.is_float() => x.like(0, &a.try_div(b)?),
            _ => x.like(0, &a.try_div_trunc(b)?),
        }
    })
}

fn refuse_zero(divisor: &Tensor) -> Result<()> {
    if divisor.to_vec::<i64>().contains(&0) { invalid("an integer is divided by zero") } else { Ok(()) }
}

/// The sign of the remainder is the divisor's as in Python, or with `fmod` the dividend's as in C.
fn modulo(node: &Node) -> Result<Run> {
    let as_in_c = node.flag("fmod")?;
    run(move |x| {
        let ((a, element), b) = (x.typed(0)?, x.tensor(1)?);
        if element == ElementType::U64 {
            refuse_zero(b)?;
            return x.like(0, &unsigned(a, b, |a, b| a % b)?);
        }
        x.like(0, &if as_in_c { a.try_fmod(b)? } else { a.try_remainder(b)? })
    })
}

/// In the type of the base; an exponent of another type is converted, if that keeps its value.
fn pow(_: &Node) -> Result<Run> {
    run(|x| {
        let ((base, element), (exponent, exponent_element)) = (x.typed(0)?, x.typed(1)?);
        let power = match (element.is_float(), exponent_element.is_float()) {
            (true, _) => base.try_pow(&exponent.try_to_dtype(base.dtype())?)?,
            (false, false) => base.try_pow(&exponent.try_to_dtype(base.dtype())?)?,
            (false, true) => {
                let wide = base.try_to_dtype(DType::F64)?.try_pow(&exponent.try_to_dtype(DType::F64)?)?;
                wide.try_to_dtype(DType::I64)?
            }
        };
        x.like(0, &power)
    })
}

/// `f` of the first two inputs, of the result and the third, and so on.
fn fold(f: fn(&Tensor, &Tensor) -> Result<Tensor>) -> Result<Run> {
    run(move |x| {
        let element = x.typed(0)?.1;
        let mut y = ordered(x.tensor(0)?, element)?;
        for i in 1..x.len() {
            y = f(&y, &ordered(x.tensor(i)?, element)?)?;
        }
        x.like(0, &ordered(&y, element)?)
    })
}

fn max(_: &Node) -> Result<Run> {
    fold(|a, b| a.try_maximum(b))
}

fn min(_: &Node) -> Result<Run> {
    fold(|a, b| a.try_minimum(b))
}

fn total(x: &Inputs) -> Result<Tensor> {
    let mut total = x.tensor(0)?.clone();
    for i in 1..x.len() {
        total = total.try_add(x.tensor(i)?)?;
    }
    Ok(total)
}

fn sum(_: &Node) -> Result<Run> {
    run(|x| x.like(0, &total(x)?))
}

fn mean(_: &Node) -> Result<Run> {
    run(|x| x.like(0, &total(x)?.try_div(x.len())?))
}

fn bit_shift(node: &Node) -> Result<Run> {
    let direction = node.required("direction", node.string("direction")?)?;
    let right = match &direction[..] {
        "LEFT" => false,
        "RIGHT" => true,
        _ => return Err(node.wrong("direction", "is neither LEFT nor RIGHT")),
    };
    run(move |x| {
        let ((a, element), n) = (x.typed(0)?, x.tensor(1)?);
        let y = match (right, element) {
            (true, ElementType::U64) => unsigned(a, n, |a, n| if n < 64 { a >> n } else { 0 })?,
            (true, _) => a.try_bitwise_right_shift(n)?,
            // The widest storage, so that no bit is lost before the type's own width cuts it off.
            (false, _) => a.try_to_dtype(DType::I64)?.try_bitwise_left_shift(&n.try_to_dtype(DType::I64)?)?,
        };
        x.like(0, &y)
    })
}

#[cfg(test)]
mod tests {
    use crate::testing::{int, run, run_with, to_u64s, u64s, word};
    use crate::{ElementType, Value};
    use hadal_core::Tensor;

    const BIG: u64 = u64::MAX - 1;

    /// Numbers from 2^63 on, which the tensors that hold them take for negative ones.
    #[test]
    fn unsigned_numbers_of_64_bits() {
        let (a, b) = (u64s(&[BIG, 7, 3]), u64s(&[5, BIG, 2]));
        let of = |operator: &str| to_u64s(&run(operator, &[a.clone(), b.clone()]).unwrap());
        let alone = std::slice::from_ref(&a);
        assert_eq!(of("Div"), [BIG / 5, 0, 1]);
        assert_eq!(of("Mod"), [BIG % 5, 7, 1]);
        assert_eq!(of("Max"), [BIG, BIG, 3]);
        assert_eq!(of("Min"), [5, 7, 2]);
        assert_eq!(of("Add"), [3, 5, 5]);
        let greater = run("Greater", &[a.clone(), b.clone()]).unwrap();
        assert_eq!(greater.tensor().unwrap().to_vec::<bool>(), [true, false, true]);
        assert_eq!(to_u64s(&run("ReduceSum", alone).unwrap()), [8]);
        assert_eq!(to_u64s(&run("ReduceMax", alone).unwrap()), [BIG]);
        assert_eq!(to_u64s(&run("Sign", alone).unwrap()), [1, 1, 1]);
        assert_eq!(to_u64s(&run("Clip", &[a.clone(), u64s(&[4])]).unwrap()), [BIG, 7, 4]);
        let float = run_with("Cast", vec![int("to", 11)], alone).unwrap();
        assert_eq!(float.tensor().unwrap().to_vec::<f64>(), [BIG as f64, 7.0, 3.0]);
        let right = run_with("BitShift", vec![word("direction", "RIGHT")], &[a.clone(), u64s(&[60, 1, 64])]).unwrap();
        assert_eq!(to_u64s(&right), [15, 3, 0]);
        assert!(run("Div", &[a.clone(), u64s(&[0, 1, 1])]).is_err());
    }

    #[test]
    fn reductions_of_scattered_unsigned_numbers() {
        let (data, source) = (u64s(&[1, BIG]), u64s(&[2, 1]));
        let scatter = |how: &str| {
            let index = Tensor::from([0i64, 1]).into();
            to_u64s(
                &run_with("ScatterElements", vec![word("reduction", how)], &[data.clone(), index, source.clone()])
                    .unwrap(),
            )
        };
        assert_eq!(scatter("max"), [2, BIG]);
        assert_eq!(scatter("min"), [1, 1]);
        assert_eq!(scatter("add"), [3, u64::MAX]);
    }

    #[test]
    fn narrow_numbers_wrap() {
        let of = |element, values: [i32; 2]| Value::typed(&Tensor::from(values), element).unwrap();
        let sum = |element| {
            let sum = run("Add", &[of(element, [32767, 65535]), of(element, [1, 1])]).unwrap();
            assert_eq!(sum.element_type(), Some(element));
            sum.tensor().unwrap().to_vec::<i32>()
        };
        assert_eq!(sum(ElementType::I16), [-32768, 0]);
        assert_eq!(sum(ElementType::U16), [32768, 0]);
    }
}
