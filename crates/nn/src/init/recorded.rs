//! Comparison with the distributions in `fixtures/initialisers.json`.

use super::*;
use serde_json::Value;

fn recorded() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/initialisers.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn shape(draw: &Value) -> Shape {
    draw["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect()
}

/// The scheme that a recorded call names, if it is one of variance scaling.
fn scheme(call: &str) -> Option<VarianceScaling> {
    let next = match call {
        c if c.contains("'relu'") => Nonlinearity::Relu,
        c if c.contains("'tanh'") => Nonlinearity::Tanh,
        c if c.contains("'selu'") => Nonlinearity::Selu,
        c if c.contains("'linear'") => Nonlinearity::Linear,
        c if c.contains("a=0.2") => Nonlinearity::LeakyRelu(0.2),
        c if c.contains("a=5**0.5") => Nonlinearity::LeakyRelu(5f64.sqrt()),
        _ => Nonlinearity::LeakyRelu(0.0),
    };
    let scheme = match call.trim_start_matches("init.").split('(').next()? {
        "xavier_uniform_" => xavier_uniform(),
        "xavier_normal_" => xavier_normal(),
        "kaiming_uniform_" => kaiming_uniform(next),
        "kaiming_normal_" => kaiming_normal(next),
        _ => return None,
    };
    let scheme = if call.contains("gain=2.0") { scheme.gain(2.0) } else { scheme };
    Some(if call.contains("fan_out") { scheme.fan(Fan::Out) } else { scheme })
}

#[test]
fn bounds_and_deviations_are_pytorchs() {
    let mut compared = 0;
    for entry in recorded()["entries"].as_array().unwrap() {
        let call = entry["torch"].as_str().unwrap();
        let Some(scheme) = scheme(call) else { continue };
        let draw = &entry["draws"][0];
        let (got, expected) = match draw["distribution"].as_str().unwrap() {
            "uniform" => (scheme.bound(&shape(draw)), draw["high"].as_f64().unwrap()),
            _ => (scheme.std(&shape(draw)), draw["std"].as_f64().unwrap()),
        };
        assert!((got - expected).abs() <= 1e-14, "{call} {}: {got}, not {expected}", shape(draw));
        compared += 1;
    }
    assert!(compared >= 30, "only {compared} entries compared");
}

#[test]
fn gains_are_pytorchs() {
    let gains = &recorded()["gains"];
    for (name, activation) in [
        ("linear", Nonlinearity::Linear),
        ("sigmoid", Nonlinearity::Sigmoid),
        ("tanh", Nonlinearity::Tanh),
        ("relu", Nonlinearity::Relu),
        ("leaky_relu", Nonlinearity::LeakyRelu(0.01)),
        ("leaky_relu 0.2", Nonlinearity::LeakyRelu(0.2)),
        ("selu", Nonlinearity::Selu),
    ] {
        let expected = gains[name].as_f64().unwrap();
        assert!((activation.gain() - expected).abs() < 1e-15, "{name}");
    }
}

/// Bounds that the values stay within and come near to; mean and deviation within five standard errors.
#[test]
fn draws_have_the_distribution_they_name() {
    let shape = Shape::from([100, 200]);
    let n = shape.elements() as f64;
    let moments = |values: &[f64]| {
        let mean = values.iter().sum::<f64>() / n;
        (mean, (values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n).sqrt())
    };
    let values = Uniform::new(-0.3, 0.7).draw(&shape).to_f64_vec();
    let (mean, std) = moments(&values);
    assert!(values.iter().all(|v| (-0.3..=0.7).contains(v)) && values.iter().any(|v| *v > 0.699));
    assert!((mean - 0.2).abs() < 5.0 * std / n.sqrt() && (std - 1.0 / 12f64.sqrt()).abs() < 0.01);
    let (mean, std) = moments(&Normal::new(0.5, 2.0).draw(&shape).to_f64_vec());
    assert!((mean - 0.5).abs() < 10.0 / n.sqrt() && (std - 2.0).abs() < 10.0 / (2.0 * n).sqrt());
    let (_, std) = moments(&kaiming_normal(Nonlinearity::Relu).draw(&shape).to_f64_vec());
    assert!((std - (2.0 / 200f64).sqrt()).abs() < 5.0 * std / (2.0 * n).sqrt());
}
