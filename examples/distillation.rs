//! A small model learns from a large one: labels say which digit it is, the teacher also which others it resembles.
//!
//! `cargo run --release -p hadal --example distillation`

use hadal::data::transforms::Pipeline;
use hadal::data::{ImageSet, Loader, Split, digits};
use hadal::prelude::*;

fn main() -> Result<()> {
    let (alone, taught) = run(digits::load(Split::Train, 0), digits::load(Split::Test, 0), 5)?;
    println!("student alone {alone:.4}, taught {taught:.4}");
    Ok(())
}

/// The accuracy of a student that saw labels alone, and of one that heard a teacher.
pub fn run(train: ImageSet, test: ImageSet, epochs: usize) -> Result<(f64, f64)> {
    manual_seed(0);
    let loader = |set, batch| Loader::new(set, batch).transform(Pipeline::new());
    let (train, test) = (loader(train, 64).shuffle(0), loader(test, 256));

    let teacher = Sequential::new()
        .add(Conv2d::new(1, 16, 3).stride(2))
        .add(Relu)
        .add(Conv2d::new(16, 32, 3).stride(2))
        .add(Relu)
        .add(Flatten::new())
        .add(Linear::new(32 * 6 * 6, 10));
    let optimizer = Adam::new(2e-3).optimize(teacher.parameters());
    let mut trainer = teacher.compile(optimizer, cross_entropy).metric(Accuracy::new()).compiled();
    trainer.fit(&train, Fit::epochs(epochs))?;
    let mut teacher = Some(trainer.into_model());

    let mut accuracies = Vec::new();
    for taught in [false, true] {
        manual_seed(1);
        let student = Sequential::new().add(Flatten::new()).add(Linear::new(784, 10));
        let optimizer = Adam::new(2e-3).optimize(student.parameters());
        let mut trainer = student.compile(optimizer, cross_entropy).metric(Accuracy::new());
        if let Some(teacher) = teacher.take_if(|_| taught) {
            trainer = trainer.distill(teacher, Distillation::new().temperature(2.0).alpha(0.5));
        }
        let mut trainer = trainer.compiled();
        trainer.fit(&train, Fit::epochs(epochs))?;
        accuracies.extend(trainer.evaluate(&test)?.metrics.get("accuracy"));
    }
    Ok((accuracies[0], accuracies[1]))
}
