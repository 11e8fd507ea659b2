//! The fuzzer's seeds as an ordinary test.

mod decode;

#[test]
fn every_seed_is_understood_or_refused() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/request");
    let understood =
        std::fs::read_dir(folder).unwrap().map(|seed| decode::check(&std::fs::read(seed.unwrap().path()).unwrap()));
    let understood: Vec<bool> = understood.collect();
    assert!(understood.contains(&true) && understood.contains(&false), "{understood:?}");
}
