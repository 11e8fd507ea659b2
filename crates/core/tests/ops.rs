//! Every op against PyTorch's recorded results, numerical derivatives, and itself on other layouts and threads.

use hadal_core::{ops, testing::check_cases};

#[test]
fn every_op_passes_its_cases() {
    let (mut compared, mut gradients, mut failures) = (0, 0, Vec::new());
    for cases in ops::all_cases() {
        let check = check_cases(&cases);
        compared += check.compared;
        gradients += check.gradients;
        failures.extend(check.failures);
    }
    println!("{} ops, {compared} cases, {gradients} with gradients", ops::all_cases().len());
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}
