//! A training run under the profiler: layers, optimizer and loader have their rows.

use hadal::data::transforms::Pipeline;
use hadal::data::{Loader, Split, digits};
use hadal::prelude::*;
use hadal::profile;
use hadal::profile::What;

#[test]
fn a_training_run_is_accounted_for() {
    let mut set = digits::load(Split::Train, 0);
    set.images.truncate(96 * digits::PIXELS);
    set.labels.truncate(96);
    let loader = Loader::new(set, 32).transform(Pipeline::new()).workers(1);
    let model = Sequential::new()
        .add(Conv2d::new(1, 8, 3))
        .add(BatchNorm2d::new(8))
        .add(Relu)
        .add(Flatten::new())
        .add(Linear::new(8 * 26 * 26, 10));
    let optimizer = Adam::new(1e-3).optimize(model.parameters());
    let mut trainer = model.compile(optimizer, |y, target| cross_entropy(y, target)).metric(Accuracy::new());
    let (history, profile) = profile(|| trainer.fit(&loader, Fit::epochs(2)));
    assert_eq!(history.unwrap().epochs.len(), 2);

    let rows = profile.rows();
    let row = |what: What| rows.iter().find(|row| row.what == what).unwrap_or_else(|| panic!("no {what:?}"));
    assert_eq!((row(What::Optimizer).name.as_str(), row(What::Optimizer).calls), ("Adam", 6));
    assert_eq!((row(What::Data).calls, row(What::Loading).calls), (6, 6));
    let sum: f64 = rows.iter().filter(|row| row.what != What::Loading).map(|row| row.seconds).sum();
    assert!((sum - profile.tracks[0].spans[0].duration.as_secs_f64()).abs() < 1e-6);

    let layers = profile.modules();
    let layer = |name: &str| layers.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("no layer {name}"));
    let (conv, dense) = (6 * 2 * 32 * 26 * 26 * 8 * 9, 6 * 2 * 32 * 8 * 26 * 26 * 10);
    // Images are no leaves: their gradient is not computed.
    assert_eq!((layer("0").detail.as_str(), layer("0").calls, layer("0").flops), ("Conv2d", 6, 2 * conv));
    assert_eq!((layer("4").detail.as_str(), layer("4").calls, layer("4").flops), ("Linear", 6, 3 * dense));
    for name in ["0", "1", "2", "4"] {
        assert!(layer(name).backward > 0.0 && layer(name).backward < layer(name).seconds, "{name}");
    }
    let steps = profile.tracks[0].spans.iter().filter(|span| span.name == "training step");
    assert_eq!(steps.count(), 6);
}
