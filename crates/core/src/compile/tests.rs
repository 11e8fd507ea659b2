//! Compiled functions against the functions themselves: the same bits, the same state, the same mistakes.

use super::graph::Equation;
use super::{Graphs, compile, effect};
use crate::random::Generator;
use crate::{Convolution, DType, Param, Pooling, Tensor, attempt, detect_anomaly, no_grad, warnings};
use std::sync::Arc;

fn bytes(tensors: &[Tensor]) -> Vec<Vec<u8>> {
    tensors.iter().map(Tensor::to_bytes).collect()
}

/// Numbers of both signs, different in every place.
fn numbers(shape: &[usize], seed: usize) -> Tensor {
    let n = shape.iter().product::<usize>();
    Tensor::from_vec((0..n).map(|i| ((i * 7919 + seed * 31) % 2003) as f32 / 700.0 - 1.4).collect(), shape)
}

/// The function and its graph give the same bits, twice, on any number of threads.
fn same(f: impl Fn(&[Tensor]) -> Vec<Tensor>, arguments: &[Tensor]) -> String {
    let expected = bytes(&f(arguments));
    let graphs = Graphs::default();
    let listed: Vec<&Tensor> = arguments.iter().collect();
    let f = |x: &[Tensor]| Ok(f(x));
    for threads in [1, 2, 3, 0] {
        hadal_kernels::threads::set_threads(threads);
        assert!(bytes(&graphs.call(&listed, &f).unwrap()) == expected, "other bits on {threads} threads");
    }
    graphs.kept(arguments, &f).unwrap().graph().to_string()
}

#[test]
fn chains_of_elementwise_ops_are_one_pass() {
    let x = [numbers(&[7, 5001], 1), numbers(&[5001], 2), numbers(&[7, 1], 3)];
    let graph = same(|x| vec![x[0].mul(&x[1]).add(&x[2]).tanh().mul(2.0).sub(x[0].exp()).relu()], &x);
    assert_eq!(graph.lines().count(), 4, "{graph}");
    assert!(graph.contains("mul · add · tanh · mul · exp · sub · relu(in0, in1, in2, "), "{graph}");
}

#[test]
fn what_is_read_elsewhere_is_written() {
    let x = [numbers(&[80, 90], 1), numbers(&[80, 90], 2)];
    // A sum, a transposed view and the result itself read what the chain makes half way.
    let graph = same(
        |x| {
            let half = x[0].sigmoid().mul(&x[1]);
            let whole = half.add(1.0).sqrt();
            vec![half.sum(0), whole.t().mul(x[0].reshape([90, 80])).gt(0.5), half.clone(), half.narrow(1, 3, 9)]
        },
        &x,
    );
    assert!(graph.contains("sigmoid · mul"), "{graph}");
}

/// Every op's recorded inputs made long enough for tiles, followed by other elementwise ops.
#[test]
fn every_op_of_the_table_can_be_part_of_a_group() {
    let mut fused = 0;
    for cases in crate::ops::all_cases() {
        for (_, case) in cases.all().iter().take(3) {
            let long = |x: &Tensor| {
                let shape: Vec<usize> = [3001].into_iter().chain(x.shape().iter().copied()).collect();
                if x.elements() > 40 { x.clone() } else { x.expand(&shape[..]).contiguous() }
            };
            let inputs: Vec<Tensor> = case.inputs(DType::F32).iter().map(long).collect();
            let f = |x: &[Tensor]| {
                let y = cases.call(&case.attributes, x);
                let more = |y: &Tensor| if y.dtype() == DType::F32 { y.mul(1.25).add(0.5).abs() } else { y.clone() };
                y.iter().map(more).chain(y.iter().cloned()).collect::<Vec<_>>()
            };
            let (graphs, listed) = (Graphs::default(), inputs.iter().collect::<Vec<_>>());
            let traced = |x: &[Tensor]| attempt(|| f(x));
            // Some ops take no axis more; that is another test's business.
            let kept = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| graphs.kept(&inputs, &traced)));
            let Ok(Ok(kept)) = kept else { continue };
            if kept.graph().to_string().contains(" · mul · add · abs") {
                let found = graphs.call(&listed, &traced).unwrap();
                assert!(bytes(&found) == bytes(&f(&inputs)), "{}: other bits", cases.op);
                fused += 1;
            }
        }
    }
    assert!(fused > 100, "only {fused} cases were fused");
}

#[test]
fn equal_equations_are_computed_once_and_unread_ones_never() {
    let x = [numbers(&[5, 6], 1)];
    let graph = same(
        |x| {
            let _unread = x[0].exp();
            vec![x[0].mul(3.0).sin().add(x[0].mul(3.0).sin())]
        },
        &x,
    );
    assert_eq!((graph.matches("mul").count(), graph.matches("sin").count(), graph.matches("exp").count()), (1, 1, 0));
}

#[test]
fn what_depends_on_no_argument_is_computed_once() {
    let table = numbers(&[4, 4], 9);
    let graph = same(|x| vec![x[0].matmul(table.exp().t())], &[numbers(&[2, 4], 1)]);
    assert_eq!(graph.lines().count(), 4, "{graph}");
}

/// Two steps of gradient descent by hand, with a buffer that counts and a generator that draws.
#[test]
fn parameters_buffers_and_generators_are_found() {
    let run = |compiled: bool| {
        let (weight, count) = (Param::new(numbers(&[3], 4)), Param::buffer(Tensor::from(0i64)));
        let generator = Generator::new(5);
        let step = compile(|[x]: [&Tensor; 1]| {
            let noise = Tensor::uniform_from(&generator, [3], 0.0, 1.0);
            let loss =
                weight.get().mul(x).add(noise.mul(Tensor::uniform_from(&generator, [3], 0.0, 1.0))).square().sum(..);
            let gradient = loss.backward().get(&weight).unwrap().clone();
            no_grad(|| weight.set(&weight.get().sub(gradient.mul(0.1)))).unwrap();
            count.set(&count.get().add(1)).unwrap();
            loss
        });
        let x = numbers(&[3], 8);
        let losses: Vec<Tensor> =
            (0..3).map(|_| if compiled { step.call([&x]) } else { detect_anomaly(|| step.call([&x])) }).collect();
        let places = [weight.get(), count.get(), generator.state().get()];
        (bytes(&losses), bytes(&places))
    };
    // While anomalies are looked for, nothing is compiled.
    assert!(run(true) == run(false));
}

#[test]
fn a_value_read_before_an_update_is_the_old_one() {
    let weight = Param::new(Tensor::from([1.0f32]));
    let step = compile(|[x]: [&Tensor; 1]| {
        let before = weight.get();
        weight.set(&before.detach().add(x)).unwrap();
        (before.detach().mul(10.0), weight.get().detach().mul(10.0))
    });
    let x = Tensor::from([1.0f32]);
    for i in [1.0f32, 2.0, 3.0] {
        let (before, after) = step.call([&x]);
        assert_eq!([before.to_vec::<f32>()[0], after.to_vec::<f32>()[0]], [10.0 * i, 10.0 * i + 10.0]);
    }
}

#[test]
fn results_are_their_callers() {
    let f = compile(|[x]: [&Tensor; 1]| x.mul(2.0));
    let first = f.call([&Tensor::from([1.0f32])]);
    let second = f.call([&Tensor::from([5.0f32])]);
    assert_eq!((first.to_vec::<f32>(), second.to_vec::<f32>()), (vec![2.0], vec![10.0]));
    // An argument and a parameter may be returned as they are.
    let weight = Param::new(Tensor::from([3.0f32]));
    let same = compile(|[x]: [&Tensor; 1]| (x.clone(), weight.get()));
    let (x, w) = same.call([&first]);
    assert_eq!((x.to_vec::<f32>(), w.to_vec::<f32>()), (vec![2.0], vec![3.0]));
}

#[test]
fn shapes_modes_and_frozen_parameters_lead_to_new_graphs() {
    let mode = crate::Mode::default();
    let f = compile(|[x]: [&Tensor; 1]| if mode.is_training() { x.mul(2.0) } else { x.clone() });
    let call = |n: usize| f.call([&Tensor::ones([n])]).to_vec::<f32>();
    assert_eq!((call(1), call(2)), (vec![2.0], vec![2.0, 2.0]));
    mode.set_training(false);
    assert_eq!(call(1), [1.0]);
    mode.set_training(true);
    assert_eq!(call(1), [2.0]);
}

#[test]
fn a_size_that_keeps_changing_is_named() {
    let f = compile(|[x, _]: [&Tensor; 2]| x.mul(2.0));
    let ((), messages) = warnings(|| {
        for n in 1..=17 {
            f.call([&Tensor::ones([3, n]), &Tensor::ones([4])]);
        }
    });
    assert_eq!(messages.len(), 1);
    assert!(messages[0].contains("because axis 1 of argument 0 (1, 2, 3, 4, …) keeps changing"), "{}", messages[0]);
}

#[test]
fn mistakes_are_explained() {
    let text = |f: fn(&Tensor) -> Tensor, x: &Tensor| {
        let f = compile(move |[x]: [&Tensor; 1]| attempt(|| f(x)));
        f.call([x]).unwrap_err().to_string()
    };
    let x = Tensor::from([1.0f32, 2.0]);
    let reading = text(|x| if x.sum(..).item::<f32>() > 0.0 { x.clone() } else { x.neg() }, &x);
    assert!(
        reading.starts_with("compile cannot give the element of a tensor in a function that is being compiled"),
        "{reading}"
    );
    assert!(text(|x| x.nonzero(), &x).contains("leave this part out of the compiled function"));
    assert_eq!(
        text(|x| x.matmul(Tensor::ones([3, 3])), &x),
        "matmul needs equal inner sizes, got 2 and 3 (shapes [2] and [3, 3])"
    );
    assert!(text(|x| x.clone(), &x.requires_grad()).starts_with("compile got argument 0 with history"));
    // A check of values fails when the function is run, with the same words as ever.
    let f = compile(|[i]: [&Tensor; 1]| Tensor::ones([3]).try_gather(0, i));
    assert!(f.call([&Tensor::from([2i64])]).is_ok());
    let (compiled, eager) = (f.call([&Tensor::from([7i64])]), Tensor::ones([3]).try_gather(0, &Tensor::from([7i64])));
    assert_eq!(compiled.unwrap_err().to_string(), eager.unwrap_err().to_string());
}

#[test]
fn a_stand_in_that_escapes_is_found_out() {
    let kept = std::sync::Mutex::new(None);
    let f = compile(|[x]: [&Tensor; 1]| {
        *kept.lock().unwrap() = Some(x.clone());
        x.clone()
    });
    f.call([&Tensor::ones([2])]);
    let escaped = kept.lock().unwrap().take().unwrap();
    let text = escaped.try_add(1.0).unwrap_err().to_string();
    assert!(text.starts_with("compile met a value of a function that has been compiled in the meantime"), "{text}");
}

#[test]
fn effects_happen_in_every_run() {
    let place = Param::buffer(Tensor::from([0.0f32]));
    let handle = place.clone();
    let f = compile(move |[x]: [&Tensor; 1]| {
        let inner = handle.clone();
        effect("add", &[&x.mul(2.0)], vec![handle.clone()], move |given| {
            let value = given[0].to_vec::<f32>()[0];
            inner.update(|place: &mut [f32]| place[0] += value);
            Ok(())
        })
        .unwrap();
        handle.get().mul(1.0)
    });
    let x = Tensor::from([1.0f32]);
    assert_eq!([f.call([&x]).to_vec::<f32>(), f.call([&x]).to_vec::<f32>()], [[2.0], [4.0]]);
    assert_eq!(place.get().to_vec::<f32>(), [4.0]);
}

#[test]
fn memory_is_shared_by_values_that_do_not_meet() {
    let f = compile(|[x]: [&Tensor; 1]| (0..10).fold(x.clone(), |x, _| x.cumsum(0)));
    let x = Tensor::ones([1024]);
    let graph = f.graph([&x]).unwrap();
    assert_eq!((graph.len(), graph.memory()), (10, 2 * 4096));
}

/// A network of convolution, batch normalization, ReLU and a residual, in evaluation.
fn network() -> (Vec<Param>, impl Fn(&Tensor) -> Tensor) {
    let shapes: [&[usize]; 9] =
        [&[18, 3, 3, 3], &[18], &[18], &[18], &[18], &[18], &[18, 18, 3, 3], &[18], &[18, 1, 3, 3]];
    let params: Vec<Param> =
        shapes.iter().enumerate().map(|(i, shape)| Param::new(numbers(shape, i).mul(0.3))).collect();
    let p = params.clone();
    let padded = Convolution::new().padding(1);
    let forward = move |x: &Tensor| {
        let norm = |x: &Tensor, at: usize| {
            x.batch_norm_eval(
                &p[at].get(),
                &p[at + 1].get().square().add(0.5),
                Some(&p[at].get()),
                Some(&p[at + 1].get()),
                1e-5,
            )
        };
        let y = norm(&x.conv2d(&p[0].get(), Some(&p[1].get()), &padded), 2).relu();
        let z = norm(&y.conv2d(&p[6].get(), None, &padded), 4).add(&y).relu6();
        z.conv2d(&p[8].get(), Some(&p[7].get()), &Convolution::new().groups(18).stride(2)).relu()
    };
    (params, forward)
}

#[test]
fn graphs_for_inference_fold_and_pack() {
    let (params, forward) = network();
    let x = numbers(&[1, 3, 40, 50], 3);
    let exact = compile(|[x]: [&Tensor; 1]| forward(x));
    assert_eq!(no_grad(|| exact.difference([&x])).unwrap(), 0.0);
    let folded = compile(|[x]: [&Tensor; 1]| forward(x)).for_inference();
    let difference = no_grad(|| folded.difference([&x])).unwrap();
    assert!(difference > 0.0 && difference < 1e-5, "{difference}");
    let graph = no_grad(|| folded.graph([&x])).unwrap().to_string();
    assert_eq!(graph.lines().count(), 3 + 4, "{graph}");
    assert!(!graph.contains("batch_norm") && !graph.contains("load"), "{graph}");
    // Another size leads to another graph over the same weights, with a few vectors of its own.
    no_grad(|| folded.call([&numbers(&[4, 3, 40, 50], 5)]));
    let bytes = folded.graphs.constant_bytes();
    no_grad(|| folded.call([&numbers(&[5, 3, 40, 50], 5)]));
    let own = folded.graphs.constant_bytes() - bytes;
    assert!(folded.graphs.len() == 3 && own <= 5 * 18 * 4, "{own} bytes more");
    // Other weights lead to another graph.
    params[7].set(&params[7].get().add(100.0)).unwrap();
    assert!(no_grad(|| folded.difference([&x])).unwrap() < 1e-4);
    // … in place of the one before, whose weights are gone.
    assert_eq!(folded.graphs.len(), 1);
}

#[test]
fn weights_are_scaled_and_packed_at_the_second_call() {
    let (_, forward) = network();
    let x = numbers(&[1, 3, 40, 50], 3);
    let folded = compile(|[x]: [&Tensor; 1]| forward(x)).for_inference();
    let call = || (bytes(&[no_grad(|| folded.call([&x]))]), folded.graphs.constant_bytes());
    let ((first, as_they_are), (second, packed)) = (call(), call());
    assert_eq!(first, second);
    // Four scales are in the weights now, which take no more when they are packed.
    assert_eq!(as_they_are - packed, 4 * 18 * 4);
    assert_eq!((call(), folded.graphs.len()), ((second, packed), 1));
}

#[test]
fn graphs_of_all_batch_sizes_share_packed_weights() {
    let (params, forward) = network();
    let folded = compile(|[x]: [&Tensor; 1]| forward(x)).for_inference();
    // The constants that convolutions read behind their input, held so that no other takes their place.
    let weights = |batch: usize| -> Vec<Arc<_>> {
        let graph = no_grad(|| folded.graph([&numbers(&[batch, 3, 40, 50], 3)])).unwrap();
        let convolutions = graph.equations.iter().filter(|e| e.title() == "conv2d" && e.inputs.len() > 1);
        let constant = |e: &Equation| graph.values[e.inputs[1].value].constant.clone();
        convolutions.filter_map(constant).collect()
    };
    let (one, two) = (weights(1), weights(2));
    assert_eq!((one.len(), two.len()), (3, 3));
    assert!(one.iter().zip(&two).all(|(a, b)| Arc::ptr_eq(a, b)));
    params[0].set(&params[0].get().mul(2.0)).unwrap();
    assert!(!Arc::ptr_eq(&weights(2)[0], &one[0]), "another weight is packed anew");
}

#[test]
fn products_of_few_rows_read_packed_weights() {
    let (w, turned) = (Param::new(numbers(&[40, 30], 1)), Param::new(numbers(&[30, 40], 2)));
    let f = |x: &Tensor| x.linear(&w.get(), None).mul(x.matmul(turned.get()));
    let predict = compile(|[x]: [&Tensor; 1]| f(x)).for_inference();
    for (shape, packed) in [(&[2, 128, 30][..], true), (&[2, 129, 30], false)] {
        let x = numbers(shape, 3);
        let graph = no_grad(|| predict.graph([&x])).unwrap();
        let read = graph.equations.iter().flat_map(|equation| &equation.inputs).map(|input| &graph.values[input.value]);
        let ranks: Vec<_> =
            read.filter(|value| value.constant.is_some()).map(|value| value.meta.shape.rank()).collect();
        assert_eq!(ranks, [if packed { 1 } else { 2 }; 2], "{shape:?}");
        let expected = no_grad(|| f(&x));
        assert_eq!(bytes(&[no_grad(|| predict.call([&x]))]), bytes(&[expected]), "{shape:?}");
    }
}

#[test]
fn a_convolution_applies_the_relu_behind_it() {
    let (x, w) = (numbers(&[2, 4, 9, 9], 1), numbers(&[8, 4, 3, 3], 2));
    let f = |x: &[Tensor]| vec![x[0].conv2d(&x[1], None, &Convolution::new()).relu()];
    let graph = same(f, &[x.clone(), w.clone()]);
    assert!(!graph.contains("relu"), "{graph}");
    // Not if something else reads what comes before.
    let f = |x: &[Tensor]| {
        let y = x[0].conv2d(&x[1], None, &Convolution::new());
        vec![y.relu(), y.sum(..)]
    };
    assert!(same(f, &[x, w]).contains("relu"));
}

#[test]
fn gradients_of_maxima_are_gated_before_they_are_placed() {
    let (x, w) = (numbers(&[3, 2, 12, 14], 1), numbers(&[5, 2, 3, 3], 2));
    for pooling in [Pooling::new(2), Pooling::new(3).stride(2).padding(1), Pooling::new(3).stride(1)] {
        let f = |x: &[Tensor]| {
            let w = x[1].requires_grad();
            let loss = x[0].conv2d(&w, None, &Convolution::new()).relu().max_pool2d(&pooling).square().sum(..);
            vec![loss.backward().of(&w).unwrap().clone(), loss]
        };
        let graph = same(f, &[x.clone(), w.clone()]);
        // The gate is the one line with that name; of the two poolings the second places.
        let (gate, place) = (graph.find("relu_grad").unwrap(), graph.rfind("max_pool2d").unwrap());
        assert!(gate < place, "{graph}");
    }
}

/// Small images of a batch are convolved side by side, with the weight as it lies: scaled, it is kept once.
#[test]
fn graphs_of_all_batch_sizes_share_scaled_weights() {
    let (weight, scale) =
        (Param::new(numbers(&[32, 32, 2, 2], 1).mul(0.1)), Param::new(numbers(&[32], 2).square().add(0.5)));
    let padded = Convolution::new().padding(1);
    let folded = compile(|[x]: [&Tensor; 1]| {
        let s = scale.get();
        x.conv2d(&weight.get(), None, &padded).batch_norm_eval(&s, &s, Some(&s), None, 1e-5)
    })
    .for_inference();
    let read = |batch: usize| {
        let x = numbers(&[batch, 32, 4, 4], 3);
        assert!(no_grad(|| folded.difference([&x])).unwrap() < 1e-5);
        let graph = no_grad(|| folded.graph([&x])).unwrap();
        assert_eq!(graph.len(), 1, "{graph}");
        graph.values[graph.equations[0].inputs[1].value].clone()
    };
    let (two, three) = (read(2), read(3));
    assert_eq!(two.meta.shape, [32, 32, 2, 2]);
    assert!(Arc::ptr_eq(&two.constant.unwrap(), &three.constant.unwrap()));
}

#[test]
fn a_weight_that_is_scaled_twice_is_packed() {
    let (weight, s) = (Param::new(numbers(&[16, 16, 3, 3], 1).mul(0.1)), numbers(&[16], 2).square().add(0.5));
    let norm = |x: &Tensor| x.batch_norm_eval(&s, &s, Some(&s), None, 1e-5);
    let padded = Convolution::new().padding(1);
    let folded = compile(|[x]: [&Tensor; 1]| norm(&norm(&x.conv2d(&weight.get(), None, &padded)))).for_inference();
    for batch in [1, 2] {
        let x = numbers(&[batch, 16, 12, 12], 3);
        assert!(no_grad(|| folded.difference([&x])).unwrap() < 1e-5);
        let graph = no_grad(|| folded.graph([&x])).unwrap();
        let read = graph.equations[0].inputs[1].value;
        assert_eq!((graph.len(), graph.values[read].meta.shape.rank()), (1, 1), "{graph}");
    }
}

/// A batch of a larger tensor begins in the middle of its buffer.
#[test]
fn arguments_may_be_parts_of_tensors() {
    let (x, labels) = (numbers(&[12, 700], 1), Tensor::from_slice(&(0..12).map(|i| i % 5).collect::<Vec<i64>>()));
    let f = compile(|[x, y]: [&Tensor; 2]| (x.mul(2.0).add(1.0).narrow(1, 0, 5).cross_entropy(y), x.clone(), y.add(1)));
    for start in [0, 4, 8] {
        let (x, y) = (x.narrow(0, start, 4), labels.narrow(0, start, 4));
        let (loss, same, next) = f.call([&x, &y]);
        let expected = x.mul(2.0).add(1.0).narrow(1, 0, 5).cross_entropy(&y);
        assert_eq!(bytes(&[loss, same, next]), bytes(&[expected, x.clone(), y.add(1)]), "from {start} on");
    }
}

/// Between convolutions that sum over many channels, images lie channels-last, forwards and backwards.
#[test]
fn images_between_convolutions_lie_channels_last() {
    let shapes = [&[32, 16, 3, 3][..], &[32], &[32, 32, 3, 3], &[32], &[16, 32, 3, 3], &[16, 256]];
    let params: Vec<Param> =
        shapes.iter().enumerate().map(|(i, shape)| Param::new(numbers(shape, i).mul(0.1))).collect();
    let padded = Convolution::new().padding(1);
    let step = |x: &[Tensor]| {
        let p: Vec<Tensor> = params.iter().map(Param::get).collect();
        let a = x[0].conv2d(&p[0], Some(&p[1]), &padded).relu();
        let b = a.conv2d(&p[2], Some(&p[3]), &padded).relu();
        let c = a.add(&b).max_pool2d(&Pooling::new(2)).conv2d(&p[4], None, &padded).tanh();
        let loss = c.reshape([20, 1024]).narrow(1, 0, 256).matmul(p[5].t()).square().mean(..);
        let gradients = loss.backward();
        params.iter().map(|p| gradients.get(p).unwrap().clone()).chain([loss.detach(), c.detach()]).collect()
    };
    let graph = same(step, &[numbers(&[20, 16, 16, 16], 9)]);
    let made = |shape: &str| graph.lines().filter(|line| line.contains(&format!(": f32 {shape} = conv2d("))).count();
    assert!(made("[20, 16, 16, 32]") == 3 && made("[20, 32, 16, 16]") == 0, "{graph}");
    // The argument is copied; all else is made in the order in which it is read.
    assert_eq!(graph.matches("contiguous(").count(), 1, "{graph}");
    assert!(graph.contains("[20, 8, 8, 32], v13: i32 [20, 8, 8, 32] = max_pool2d("), "{graph}");
}
