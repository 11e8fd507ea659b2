//! The profile of small computations: counts and work are exact, spans nest, and times add up.

use super::*;
use crate::{Convolution, DType, Param, Tag};

fn find<'a>(rows: &'a [Row], what: What, name: &str) -> &'a Row {
    let found = rows.iter().find(|row| row.what == what && row.name == name);
    found.unwrap_or_else(|| panic!("no {what:?} {name} among {rows:#?}"))
}

/// Two layers: 100 features to 50 (with a tag of its own), to 10 (outside any layer).
fn training_step(tag: &Tag, first: &Param, second: &Param, x: &Tensor) {
    let hidden = tag.call(x, || x.try_linear(&first.get(), None)?.try_relu());
    let loss = hidden.linear(&second.get(), None).cross_entropy(&Tensor::zeros_with([8], DType::I64));
    loss.backward();
}

fn trained() -> Profile {
    let tag = Tag::new("Linear");
    tag.set_name("fc1");
    let (first, second) = (Param::new(Tensor::ones([50, 100])), Param::new(Tensor::ones([10, 50])));
    let x = Tensor::ones([8, 100]);
    profile(|| (0..3).for_each(|_| training_step(&tag, &first, &second, &x))).1
}

#[test]
fn calls_and_work_are_exact() {
    let profile = trained();
    let rows = profile.rows();
    let (one, two) = (2 * 8 * 100 * 50, 2 * 8 * 50 * 10);
    let forward = find(&rows, What::Op, "linear");
    assert_eq!((forward.calls, forward.flops), (6, 3 * (one + two)));
    // x [8, 100], W [50, 100], y [8, 50], then [8, 50], [10, 50], [8, 10]; f32.
    assert_eq!(forward.bytes, 3 * 4 * (800 + 5000 + 400 + 400 + 500 + 80));
    assert_eq!(forward.allocated, 3 * 4 * (400 + 80));
    // The input is no leaf: of the first layer only the weight has a gradient.
    let backward = find(&rows, What::Gradient, "linear");
    assert_eq!((backward.calls, backward.flops), (6, 3 * (one + 2 * two)));
    let product = backward.parts.iter().find(|part| part.name == "matmul").unwrap();
    assert_eq!((product.calls, product.flops), (3 * 3, backward.flops));
    assert_eq!(find(&rows, What::Backward, "backward").calls, 3);

    let modules = profile.modules();
    let layer = find(&modules, What::Module, "fc1");
    assert_eq!((layer.detail.as_str(), layer.calls, layer.flops), ("Linear", 3, 3 * 2 * one));
    assert!(layer.backward > 0.0 && layer.backward < layer.seconds);
    let outside = find(&modules, What::Op, "ops outside layers");
    assert_eq!(outside.flops, 3 * 3 * two);
}

#[test]
fn spans_nest_and_times_add_up() {
    let profile = trained();
    let spans = &profile.tracks[0].spans;
    assert!(spans.iter().skip(1).all(|span| span.parent.is_some()));
    for (i, span) in spans.iter().enumerate() {
        let Some(parent) = span.parent else { continue };
        let around = &spans[parent];
        assert!(parent < i && around.start <= span.start, "{span:?} in {around:?}");
        assert!(span.start + span.duration <= around.start + around.duration, "{span:?} in {around:?}");
    }
    let whole = spans[0].duration.as_secs_f64();
    for rows in [profile.rows(), profile.modules()] {
        assert!((rows.iter().map(|row| row.seconds).sum::<f64>() - whole).abs() < 1e-9);
        assert!(rows.iter().all(|row| row.seconds >= 0.0 && row.backward <= row.seconds));
    }
    assert!(!profile.truncated && profile.duration >= spans[0].duration);
}

#[test]
fn the_three_products_of_a_convolution_are_told_apart() {
    let (x, w) = (Tensor::ones([2, 3, 8, 8]).requires_grad(), Tensor::ones([4, 3, 3, 3]).requires_grad());
    let ((), profile) = profile(|| {
        x.conv2d(&w, None, &Convolution::new().padding(1)).sum(..).backward();
    });
    let rows = profile.rows();
    let flops = 2 * (2 * 8 * 8) * (4 * 3 * 3 * 3);
    assert_eq!(find(&rows, What::Op, "conv2d").flops, flops);
    let parts = &find(&rows, What::Gradient, "conv2d").parts;
    let mut found: Vec<_> = parts.iter().map(|part| (part.detail.as_str(), part.calls, part.flops)).collect();
    found.sort();
    assert_eq!(found, [("by input", 1, flops), ("by weight", 1, flops)]);
}

#[test]
fn views_move_nothing_and_repeated_elements_count_once() {
    let x = Tensor::ones([10, 20]);
    let (_, profile) = profile(|| x.t() + Tensor::ones([10]).expand([20, 10]));
    let rows = profile.rows();
    let turned = find(&rows, What::Op, "permute");
    assert_eq!((turned.calls, turned.bytes, turned.allocated), (1, 0, 0));
    assert_eq!(find(&rows, What::Op, "add").bytes, 4 * (200 + 10 + 200));
}

#[test]
fn only_what_takes_part_is_recorded() {
    let compute = || drop(Tensor::ones([3]).exp());
    compute();
    let (inner, outer) = profile(|| {
        compute();
        std::thread::spawn(compute).join().unwrap();
        let recorder = Recorder::current().unwrap();
        std::thread::Builder::new()
            .name("helper".into())
            .spawn(move || recorder.enter(compute))
            .unwrap()
            .join()
            .unwrap();
        profile(compute).1
    });
    let count = |track: &Track| track.spans.iter().filter(|span| span.name == "exp").count();
    assert_eq!(outer.tracks.iter().map(count).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(outer.tracks[1].thread, "helper");
    assert_eq!(inner.tracks.iter().map(count).collect::<Vec<_>>(), [1]);
    assert!(Recorder::current().is_none() && !is_on());
}

#[test]
fn a_panic_ends_the_recording() {
    let caught = std::panic::catch_unwind(|| profile(|| Tensor::ones([2]).add(Tensor::ones([3]))));
    assert!(caught.is_err() && !is_on());
}

#[test]
fn too_many_spans_end_the_profile_early() {
    let ((), profile) = profile_at_most(100, || {
        let _region = region("all");
        (0..60).for_each(|_| drop(Tensor::ones([3]).exp().exp()));
        std::thread::sleep(Duration::from_millis(20));
    });
    assert!(profile.truncated && profile.duration < Duration::from_millis(20), "{:?}", profile.duration);
    let spans = &profile.tracks[0].spans;
    assert_eq!(spans.len(), 100);
    assert!(spans.iter().all(|span| span.start + span.duration <= profile.duration));
    let sum: f64 = profile.rows().iter().map(|row| row.seconds).sum();
    assert!((sum - spans[0].duration.as_secs_f64()).abs() < 1e-9);
}

#[test]
fn the_timeline_is_json_with_every_span() {
    let profile = trained();
    let trace: serde_json::Value = serde_json::from_str(&profile.chrome_trace()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let of = |phase: &str| events.iter().filter(|event| event["ph"] == phase).collect::<Vec<_>>();
    assert_eq!((of("M").len(), of("X").len()), (1, profile.tracks[0].spans.len()));
    let linear = of("X").into_iter().find(|event| event["cat"] == "op" && event["name"] == "linear").unwrap();
    assert_eq!(linear["args"]["module"], "fc1");
    assert_eq!(linear["args"]["inputs"], serde_json::json!(["f32 [8, 100]", "f32 [50, 100]"]));
    assert_eq!(linear["args"]["flops"], 80_000);
    let whole = of("X").into_iter().find(|event| event["cat"] == "whole").unwrap();
    assert!((whole["dur"].as_f64().unwrap() * 1e-6 - profile.tracks[0].spans[0].duration.as_secs_f64()).abs() < 1e-8);
    assert!(of("X").iter().any(|event| event["name"] == "linear backward" && event["args"]["module"] == "fc1"));
}

#[test]
fn the_table_has_a_line_for_every_row() {
    let profile = trained();
    let ceiling = hadal_kernels::ceiling::Ceiling { threads: 2, gflops: 100.0, copy: 10.0, triad: 8.0 };
    let text = table::text(&profile, &ceiling);
    for name in ["linear ", "linear backward ", "cross_entropy backward ", "fc1 (Linear) ", "between ops ", "total "] {
        assert!(text.lines().any(|line| line.starts_with(name)), "{name}\n{text}");
    }
    assert!(text.starts_with(&format!(
        "{:.3} s, 2 threads; measured ceilings: 100 GFLOP/s (f32), 10.0 GB/s",
        profile.duration.as_secs_f64()
    )));
}
