//! An op's cases, and every check that they drive.

use super::fixture::{difference, float_as};
use super::{Attributes, Fixture, FixtureCase, gradient_check, gradient_check_twice};
use crate::compile::Graphs;
use crate::{DType, Keep, Tensor, attempt, partial_grad};
use std::panic::{AssertUnwindSafe, catch_unwind};

type Call = fn(&Attributes, &[Tensor]) -> Vec<Tensor>;

/// How one op is called, given a case's attributes and inputs. The cases themselves are those that
/// PyTorch recorded in `fixtures/ops/{op}.safetensors` (or `losses/`), and any added here.
pub struct Cases {
    /// The op's name, which is also that of its fixture.
    pub op: &'static str,
    call: Call,
    added: Vec<(String, FixtureCase)>,
    differentiable_twice: bool,
    reads_elements: Option<&'static [&'static str]>,
}

impl Cases {
    /// Cases of `op`, called by `call`.
    pub fn new(op: &'static str, call: Call) -> Cases {
        Cases { op, call, added: Vec::new(), differentiable_twice: true, reads_elements: None }
    }

    /// Says that the op refuses to be differentiated twice.
    pub fn differentiable_once(self) -> Cases {
        Cases { differentiable_twice: false, ..self }
    }

    /// Says that the shape of the result, or the way to it, depends on elements in the cases of these names (in all, if
    /// none is named): they cannot be compiled.
    pub fn reading_elements(self, names: &'static [&'static str]) -> Cases {
        Cases { reads_elements: Some(names), ..self }
    }

    /// Adds a case with expected results from a source named in a comment beside it.
    pub fn with(mut self, name: &str, attributes: &str, inputs: &[Tensor], outputs: &[Tensor]) -> Cases {
        let mut case = FixtureCase { attributes: Attributes::parse(attributes), ..FixtureCase::default() };
        for (i, t) in inputs.iter().enumerate() {
            case.tensors.insert(format!("in{i}"), t.clone());
        }
        for (i, t) in outputs.iter().enumerate() {
            case.tensors.insert(format!("out{i}"), t.clone());
        }
        self.added.push((name.to_owned(), case));
        self
    }

    /// All cases by name: those that PyTorch recorded, and those that were added.
    pub fn all(&self) -> Vec<(String, FixtureCase)> {
        let files = ["ops", "losses"].map(|folder| format!("{folder}/{}", self.op));
        let recorded = files.iter().find(|file| Fixture::exists(file));
        let recorded = recorded.map(|file| Fixture::read(file).cases).unwrap_or_default();
        recorded.into_iter().chain(self.added.iter().cloned()).collect()
    }

    /// Calls the op as a case with these attributes says.
    pub fn call(&self, attributes: &Attributes, inputs: &[Tensor]) -> Vec<Tensor> {
        (self.call)(attributes, inputs)
    }
}

/// The result of checking one op.
#[derive(Default, Debug)]
pub struct Check {
    /// The number of cases compared with recorded results.
    pub compared: usize,
    /// The number of those with gradients.
    pub gradients: usize,
    /// One line per failure.
    pub failures: Vec<String>,
}

/// Relative error allowed in f32 and f64.
const TOLERANCES: [(DType, f64); 2] = [(DType::F64, 1e-10), (DType::F32, 2e-5)];

/// Checks all cases of an op: values and gradients in f32 and f64 against the record, the same bits for
/// strided inputs, for 1, 2, 3 and 8 threads, and gradients of first and second order by differences.
pub fn check_cases(cases: &Cases) -> Check {
    let mut check = Check::default();
    let all = cases.all();
    if all.is_empty() {
        check.failures.push(format!("{}: no recorded and no added case", cases.op));
    }
    for (name, case) in &all {
        let mut fail = |what: &str| check.failures.push(format!("{}/{name}: {what}", cases.op));
        let run = AssertUnwindSafe(|| check_case(cases, name, case, &mut fail));
        match catch_unwind(run) {
            Ok(()) => check.compared += 1,
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("panic");
                fail(&format!("panicked: {text}"));
            }
        }
        check.gradients += !case.numbered("grad").is_empty() as usize;
    }
    check
}

fn check_case(cases: &Cases, name: &str, case: &FixtureCase, fail: &mut impl FnMut(&str)) {
    let call = |x: &[Tensor]| (cases.call)(&case.attributes, x);
    for (dtype, tolerance) in TOLERANCES {
        let inputs = case.inputs(dtype);
        let outputs = call(&inputs);
        for (i, expected) in case.numbered("out") {
            let Some(got) = outputs.get(i) else {
                fail(&format!("{dtype}: no output {i}"));
                continue;
            };
            let found = difference(got, expected);
            let limit = match (expected.dtype().is_float(), got.dtype()) {
                (false, _) => 0.0,
                // Some ops make f32 whatever the case's type: random numbers, means of integers.
                (true, DType::F32) => TOLERANCES[1].1,
                (true, _) => tolerance,
            };
            if found > limit {
                fail(&format!("{dtype}: output {i} differs by {found:e}\n  got      {got:?}\n  expected {expected:?}"));
            }
        }
        check_gradients(case, dtype, tolerance, &call, fail);
        check_bits(&inputs, &outputs, &call, fail);
        check_compiled(cases, name, case, &inputs, &outputs, fail);
    }
    if !case.numbered("grad").is_empty() && case.attributes.flag_or("smooth", true) {
        check_numerically(cases, case, &call, fail);
    }
}

fn check_gradients(
    case: &FixtureCase,
    dtype: DType,
    tolerance: f64,
    call: &dyn Fn(&[Tensor]) -> Vec<Tensor>,
    fail: &mut impl FnMut(&str),
) {
    let expected = case.numbered("grad");
    if expected.is_empty() {
        return;
    }
    // An input without a recorded gradient (class weights, running statistics) is not differentiated.
    let leaf = |(i, x): (usize, &Tensor)| if expected.iter().any(|e| e.0 == i) { x.requires_grad() } else { x.clone() };
    let leaves: Vec<Tensor> = case.inputs(dtype).iter().enumerate().map(leaf).collect();
    let outputs = call(&leaves);
    let seeds: Vec<(usize, Tensor)> =
        case.numbered("seed").into_iter().map(|(i, t)| (i, t.to_dtype(outputs[i].dtype()))).collect();
    let live: Vec<&(usize, Tensor)> = seeds.iter().filter(|(i, _)| outputs[*i].has_grad()).collect();
    let ys: Vec<&Tensor> = live.iter().map(|(i, _)| &outputs[*i]).collect();
    let weights: Vec<Option<&Tensor>> = live.iter().map(|(_, t)| Some(t)).collect();
    let xs: Vec<&Tensor> = leaves.iter().collect();
    let found = match partial_grad(&ys, &weights, &xs, Keep::Nothing) {
        Ok(found) => found,
        Err(error) => return fail(&format!("{dtype}: {error}")),
    };
    for (i, expected) in expected {
        let got = found[i].clone().unwrap_or_else(|| leaves[i].zeros_like());
        let found = difference(&got, expected);
        if found > tolerance {
            fail(&format!("{dtype}: gradient {i} differs by {found:e}\n  got      {got:?}\n  expected {expected:?}"));
        }
    }
}

/// The same bits whatever the layout of the inputs and the number of threads.
fn check_bits(
    inputs: &[Tensor],
    outputs: &[Tensor],
    call: &dyn Fn(&[Tensor]) -> Vec<Tensor>,
    fail: &mut impl FnMut(&str),
) {
    let same = |a: &[Tensor], b: &[Tensor]| a.iter().zip(b).all(|(a, b)| a.to_bytes() == b.to_bytes());
    let strided: Vec<Tensor> = inputs.iter().map(scattered).collect();
    if !same(&call(&strided), outputs) {
        fail("other bits for strided inputs");
    }
    let before = hadal_kernels::threads::threads();
    for threads in [1, 2, 3, 8] {
        hadal_kernels::threads::set_threads(threads);
        let again = call(inputs);
        hadal_kernels::threads::set_threads(before);
        if !same(&again, outputs) {
            fail(&format!("other bits with {threads} threads"));
        }
    }
}

/// Compiled, the op gives the same bits, and so do its gradients; or it says why it cannot be compiled.
fn check_compiled(
    cases: &Cases,
    name: &str,
    case: &FixtureCase,
    inputs: &[Tensor],
    outputs: &[Tensor],
    fail: &mut impl FnMut(&str),
) {
    let f = |x: &[Tensor]| attempt(|| (cases.call)(&case.attributes, x));
    let arguments: Vec<&Tensor> = inputs.iter().collect();
    let graphs = Graphs::default();
    let first = graphs.call(&arguments, &f);
    if cases.reads_elements.is_some_and(|names| names.is_empty() || names.contains(&name)) {
        if !first.is_err_and(|error| error.to_string().contains("in a function that is being compiled")) {
            fail("was compiled, though it reads elements");
        }
        return;
    }
    let same = |a: &[Tensor], b: &[Tensor]| a.iter().zip(b).all(|(a, b)| a.to_bytes() == b.to_bytes());
    for run in [first, graphs.call(&arguments, &f)] {
        match run {
            Ok(again) if same(&again, outputs) => (),
            Ok(_) => fail("other bits when compiled"),
            Err(error) => fail(&format!("compiled: {error}")),
        }
    }
    if case.numbered("grad").is_empty() {
        return;
    }
    let wanted = case.numbered("grad");
    let gradients = |x: &[Tensor]| {
        let leaf =
            |(i, x): (usize, &Tensor)| if wanted.iter().any(|e| e.0 == i) { x.requires_grad() } else { x.clone() };
        let leaves: Vec<Tensor> = x.iter().enumerate().map(leaf).collect();
        let outputs = attempt(|| (cases.call)(&case.attributes, &leaves))?;
        let live: Vec<&Tensor> = outputs.iter().filter(|y| y.has_grad()).collect();
        let seeds: Vec<Tensor> = live.iter().map(|y| y.ones_like()).collect();
        let found = attempt(|| {
            partial_grad(
                &live,
                &seeds.iter().map(Some).collect::<Vec<_>>(),
                &leaves.iter().collect::<Vec<_>>(),
                Keep::Nothing,
            )
        })??;
        Ok(found.into_iter().flatten().collect())
    };
    match (gradients(inputs), Graphs::default().call(&arguments, &gradients)) {
        (Ok(eager), Ok(compiled)) if same(&eager, &compiled) && eager.len() == compiled.len() => (),
        (Ok(_), Ok(_)) => fail("other bits of gradients when compiled"),
        (Err(error), _) => fail(&format!("gradient: {error}")),
        (_, Err(error)) => fail(&format!("compiled gradient: {error}")),
    }
}

/// An equal tensor whose elements lie apart and transposed in memory.
fn scattered(t: &Tensor) -> Tensor {
    let n = t.elements();
    if t.rank() == 0 || n == 0 {
        return t.clone();
    }
    let reversed: Vec<isize> = (0..t.rank() as isize).rev().collect();
    let transposed = t.permute(&reversed);
    let mut shape = transposed.shape().to_vec();
    let apart: Vec<u8> =
        transposed.to_bytes().chunks(t.dtype().size()).flat_map(|element| [element, element].concat()).collect();
    shape.push(2);
    let mut buffer = crate::Buffer::recycled(apart.len());
    buffer.bytes_mut().copy_from_slice(&apart);
    let wide = Tensor::from_buffer(buffer, shape, t.dtype()).expect("twice the elements");
    let layout = wide.layout().select(t.rank(), 1);
    let mut data = wide.0.data.clone();
    data.layout = layout.permute(&reversed.iter().map(|&a| a as usize).collect::<Vec<_>>());
    Tensor::make(data, None)
}

/// Gradients of first and second order by finite differences, in f64, for cases at smooth points.
fn check_numerically(
    cases: &Cases,
    case: &FixtureCase,
    call: &dyn Fn(&[Tensor]) -> Vec<Tensor>,
    fail: &mut impl FnMut(&str),
) {
    let inputs: Vec<Tensor> = case.inputs(DType::F64).iter().map(|t| float_as(t, DType::F64)).collect();
    if inputs.iter().map(Tensor::elements).sum::<usize>() > 40 {
        return;
    }
    let varied: Vec<usize> = case.numbered("grad").into_iter().map(|(i, _)| i).collect();
    let at: Vec<Tensor> = varied.iter().map(|&i| inputs[i].clone()).collect();
    for (i, _) in case.numbered("seed") {
        let f = |x: &[Tensor]| {
            let mut inputs = inputs.clone();
            varied.iter().zip(x).for_each(|(&i, x)| inputs[i] = x.clone());
            call(&inputs).swap_remove(i)
        };
        if let Err(error) = gradient_check(f, &at) {
            fail(&format!("output {i}: {error}"));
        }
        if cases.differentiable_twice
            && let Err(error) = gradient_check_twice(f, &at)
        {
            fail(&format!("output {i}, second order: {error}"));
        }
    }
}
