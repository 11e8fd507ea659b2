//! Comparison with the layers in `fixtures/layers`.

use crate::{Layer, StateDict, Strictness, load_state_dict};
use hadal_core::compile::Graphs;
use hadal_core::random::manual_seed;
use hadal_core::testing::{Attributes, Fixture, FixtureCase, assert_close};
use hadal_core::{DType, ModuleExt, Tensor, attempt};

/// Relative error allowed in f64 and f32, as in `fixtures/README.md`.
const TOLERANCES: [(DType, f64); 2] = [(DType::F64, 1e-10), (DType::F32, 2e-5)];

/// Makes each recorded layer, loads its recorded state, and compares outputs, gradients and new state.
#[track_caller]
pub fn compare(name: &str, make: impl Fn(&Attributes) -> Box<dyn Layer>) {
    compare_call(name, make, |layer, x| layer.forward(&x[0]));
}

/// As [`compare`], for a layer whose inputs are passed by `call`.
#[track_caller]
pub fn compare_call<L: hadal_core::Module>(
    name: &str,
    make: impl Fn(&Attributes) -> L,
    call: impl Fn(&L, &[Tensor]) -> Tensor,
) {
    compare_calls(name, make, |layer, x| vec![call(layer, x)]);
}

/// As [`compare_call`], for a layer of several outputs.
#[track_caller]
pub fn compare_calls<L: hadal_core::Module>(
    name: &str,
    make: impl Fn(&Attributes) -> L,
    call: impl Fn(&L, &[Tensor]) -> Vec<Tensor>,
) {
    for (label, case) in Fixture::read(&format!("layers/{name}")).cases {
        for (dtype, tolerance) in TOLERANCES {
            let layer = make(&case.attributes);
            layer.to_dtype(dtype);
            let state: StateDict = case.state("state").into_iter().collect();
            let what = format!("{name}/{label} in {dtype}");
            load_state_dict(&layer, &state, Strictness::Strict).unwrap_or_else(|error| panic!("{what}: {error}"));
            if !case.attributes.flag_or("training", true) {
                layer.eval();
            }
            let inputs: Vec<Tensor> = case.inputs(dtype).iter().map(Tensor::requires_grad).collect();
            let outputs = call(&layer, &inputs);
            let expected = case.numbered("out");
            assert_eq!(outputs.len(), expected.len(), "{what}: number of outputs");
            for (i, expected) in expected {
                assert_close(&outputs[i], expected, tolerance, &format!("{what}: output {i}"));
            }
            compare_gradients(&layer, &case, &inputs, &outputs, tolerance, &what);
            for (key, expected) in case.state("new_state") {
                let (_, param) = layer.named_state().into_iter().find(|(name, _)| *name == key).unwrap();
                assert_close(&param.get(), &expected, tolerance, &format!("{what}: new {key}"));
            }
            let fresh = || {
                let layer = make(&case.attributes);
                layer.to_dtype(dtype);
                load_state_dict(&layer, &state, Strictness::Strict).unwrap();
                if !case.attributes.flag_or("training", true) {
                    layer.eval();
                }
                layer
            };
            compare_compiled(fresh, &case, &case.inputs(dtype), &call, &what);
        }
    }
}

/// Compiled, a layer gives the same bits: outputs, gradients, and what it keeps.
fn compare_compiled<L: hadal_core::Module>(
    fresh: impl Fn() -> L,
    case: &FixtureCase,
    inputs: &[Tensor],
    call: &impl Fn(&L, &[Tensor]) -> Vec<Tensor>,
    what: &str,
) {
    let run = |layer: &L, x: &[Tensor]| {
        manual_seed(3);
        let x: Vec<Tensor> = x.iter().map(Tensor::requires_grad).collect();
        let mut found = call(layer, &x);
        let seeds = case.numbered("seed").into_iter().map(|(i, seed)| (i, seed.to_dtype(found[i].dtype())));
        if let Some(total) = seeds.map(|(i, seed)| found[i].mul(seed).sum(..)).reduce(|a, b| a.add(b)) {
            let gradients = total.backward();
            found.extend(x.iter().filter_map(|x| gradients.of(x).ok().cloned()));
            found.extend(layer.parameters().iter().filter_map(|param| gradients.get(param).ok().cloned()));
        }
        found
    };
    let bytes = |found: &[Tensor], layer: &L| {
        let state = layer.named_state().into_iter().map(|(_, param)| param.get().to_bytes());
        found.iter().map(Tensor::to_bytes).chain(state).collect::<Vec<_>>()
    };
    let (plain, traced, graphs) = (fresh(), fresh(), Graphs::default());
    let listed: Vec<&Tensor> = inputs.iter().collect();
    for turn in 0..2 {
        let compiled = graphs.call(&listed, &|x| attempt(|| run(&traced, x)));
        let compiled = compiled.unwrap_or_else(|error| panic!("{what}, compiled: {error}"));
        let expected = run(&plain, inputs);
        assert!(bytes(&compiled, &traced) == bytes(&expected, &plain), "{what}: other bits when compiled, turn {turn}");
    }
}

fn compare_gradients(
    layer: &impl hadal_core::Module,
    case: &FixtureCase,
    inputs: &[Tensor],
    outputs: &[Tensor],
    tolerance: f64,
    what: &str,
) {
    let seeds = case.numbered("seed");
    let weighted = seeds.into_iter().map(|(i, seed)| outputs[i].mul(seed.to_dtype(outputs[i].dtype())).sum(..));
    let Some(total) = weighted.reduce(|a, b| a.add(b)) else { return };
    let gradients = total.backward();
    for (i, expected) in case.numbered("grad") {
        let found = gradients.of(&inputs[i]).unwrap();
        assert_close(found, expected, tolerance, &format!("{what}: gradient of input {i}"));
    }
    for (key, expected) in case.state("state_grad") {
        let (_, param) = layer.named_parameters().into_iter().find(|(name, _)| *name == key).unwrap();
        let found = gradients.get(&param).unwrap();
        assert_close(found, &expected, tolerance, &format!("{what}: gradient of {key}"));
    }
}

/// A recurrent layer of the recorded options.
pub fn recurrent<R: super::Recurrence>(a: &Attributes) -> super::Recurrent<R> {
    let size = |name| a.integer(name) as usize;
    let layer = super::Recurrent::new(size("input_size"), size("hidden_size")).layers(size("num_layers"));
    let layer = if a.flag("bidirectional") { layer.bidirectional() } else { layer };
    let layer = if a.flag("bias") { layer } else { layer.without_bias() };
    if a.flag("batch_first") { layer } else { layer.sequence_first() }
}
