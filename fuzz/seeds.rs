//! The seeds of a fuzz target as an ordinary test.

/// Checks every seed of a target, of which some must be understood and some refused.
pub fn replay(target: &str, check: fn(&[u8]) -> bool) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let seeds = std::fs::read_dir(folder).expect("every target has seeds");
    let understood: Vec<bool> = seeds.map(|seed| check(&std::fs::read(seed.unwrap().path()).unwrap())).collect();
    assert!(understood.contains(&true) && understood.contains(&false), "{target}: {understood:?}");
}
