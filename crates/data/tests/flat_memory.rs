//! The loader's memory does not grow. A process of its own: other tests would be measured with it.

use hadal_data::transforms::Pipeline;
use hadal_data::{ImageSet, Loader, Split, digits};

/// Resident memory in bytes, where the system tells.
fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(status.split(' ').nth(1)?.parse::<usize>().ok()? * 4096)
}

#[test]
fn memory_stays_flat_over_twenty_epochs() {
    if resident().is_none() {
        println!("skipped: the system does not tell its resident memory");
        return;
    }
    let (images, labels) = digits::generate(Split::Train, 0..2000, 0);
    let set = ImageSet { images, shape: [1, 28, 28], labels, classes: ('0'..='9').map(String::from).collect() };
    let loader = Loader::new(set, 32).shuffle(0).workers(2).transform(Pipeline::new());
    let mut after_two = 0;
    for epoch in 0..20 {
        assert_eq!(loader.epoch(epoch).map(|batch| batch.unwrap().len()).sum::<usize>(), 2000);
        if epoch == 1 {
            after_two = resident().unwrap_or_default();
        }
    }
    // An epoch is 6.3 MB of floats: a leak of a twentieth of it would show.
    let growth = resident().unwrap_or_default().saturating_sub(after_two);
    assert!(growth < 4 << 20, "{growth} bytes more than after two epochs");
}
