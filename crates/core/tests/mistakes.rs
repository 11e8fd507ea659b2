//! Mistakes people make with tensors, and exactly what they are told: what was given, what was expected, and
//! where it helps, what to write instead.

use hadal_core::{Border, DType, Keep, Param, Result, Tensor, grad, no_grad};
use std::sync::Mutex;

fn ones(shape: &[usize]) -> Tensor {
    Tensor::ones(shape)
}

#[track_caller]
fn says<T>(result: Result<T>, message: &str) {
    match result {
        Ok(_) => panic!("no error, but expected: {message}"),
        Err(error) => assert_eq!(error.to_string(), message),
    }
}

#[test]
fn shapes_that_do_not_broadcast() {
    says(
        ones(&[2, 3]).try_add(ones(&[2])),
        "add cannot broadcast [2, 3] with [2]: aligned at the last axis, sizes must be equal or 1",
    );
    says(
        ones(&[3, 2]).gt(0.0).try_where_(ones(&[4]), 0.0),
        "where cannot broadcast [4] with [3, 2]: aligned at the last axis, sizes must be equal or 1",
    );
    says(
        ones(&[3, 2]).try_expand([3, 4]),
        "expand cannot broadcast [3, 2] with [3, 4]: aligned at the last axis, sizes must be equal or 1",
    );
    says(ones(&[3, 4]).try_expand([4]), "expand cannot stretch [3, 4] to [4]");
}

#[test]
fn reshapes_that_do_not_fit() {
    says(
        ones(&[64, 1, 28, 28]).try_reshape([64, 783]),
        "reshape cannot turn [64, 1, 28, 28] (50176 elements) into [64, 783] (50112 elements)",
    );
    says(Tensor::try_from_vec(vec![1f32; 5], [2, 3]), "from_vec needs 6 values for the shape [2, 3], got 5");
    says(ones(&[2, 3]).try_flatten(1, 0), "flatten needs the first axis before the last, got 1 to 0 for [2, 3]");
}

#[test]
fn axes_that_do_not_exist() {
    says(ones(&[2, 3]).try_sum(2), "sum got axis 2 for a tensor of shape [2, 3], whose axes are -2 to 1");
    says(ones(&[2, 3]).try_mean([0, -2]), "mean got axis 0 twice in [0, -2] (shape [2, 3])");
    says(ones(&[2, 3, 4]).try_permute([0, 1]), "permute needs each axis of [2, 3, 4] once, got [0, 1]");
    says(ones(&[2, 3]).try_permute([0, 0]), "permute needs each axis of [2, 3] once, got [0, 0]");
    says(ones(&[2, 3]).try_unsqueeze(4), "unsqueeze got axis 4 for shape [2, 3]: a new axis can be -3 to 2");
}

#[test]
fn indices_out_of_range() {
    says(ones(&[2, 3]).try_select(1, 3), "select got index 3 for axis 1 of size 3 (shape [2, 3])");
    says(
        ones(&[5, 2]).try_narrow(0, 4, 2),
        "narrow got start 4 and length 2 for axis 0 of size 5 (shape [5, 2]): start + length must not exceed the size",
    );
    says(
        ones(&[3, 2]).try_index_select(0, &Tensor::from([0i64, 3])),
        "index_select got index 3 at position [1]; allowed for axis 0 are 0 to 2",
    );
    says(
        ones(&[3, 2]).try_index_select(0, &Tensor::from([0.0f32])),
        "index_select needs integer indices, got f32; convert with .to_dtype(DType::I64)",
    );
    says(
        ones(&[3, 2]).try_index_select(0, &Tensor::from([[0i64]])),
        "index_select needs a vector of indices, got shape [1, 1]; see embedding and gather",
    );
    says(
        ones(&[3, 2]).try_gather(1, &Tensor::from([0i64])),
        "gather needs an index of rank 2, not larger than [3, 2] except in axis 1, got [1]",
    );
    says(
        ones(&[10, 4]).try_embedding(&Tensor::from([[1i64, 10]])),
        "embedding got index 10 at position [0, 1]; allowed for axis 0 are 0 to 9",
    );
    says(Tensor::from([0i64, 4]).try_one_hot(3), "one_hot got index 4 at position [1]; allowed for axis 1 are 0 to 2");
}

#[test]
fn tensors_that_do_not_join() {
    says(
        Tensor::try_cat(&[ones(&[2, 3]), ones(&[2, 4])], 0),
        "cat needs equal sizes in all axes but 0, got [2, 3] and (number 1) [2, 4]",
    );
    says(Tensor::try_cat(&[] as &[Tensor], 0), "cat needs at least one tensor");
    says(
        Tensor::try_stack(&[ones(&[2]), ones(&[2]), ones(&[3])], 0),
        "stack needs equal shapes, got [2] and (number 2) [3]",
    );
    says(ones(&[6]).try_split_sizes(&[2, 3], 0), "split needs sizes that sum to 6 (axis 0 of [6]), got [2, 3]");
    says(ones(&[6]).try_chunk(0, 0), "chunk needs at least 1 piece, got 0");
    says(
        ones(&[3]).try_pad([(3, 0)], Border::Reflect),
        "pad got (3, 0) for an axis of size 3 (shape [3]); Reflect allows less than the size",
    );
}

#[test]
fn matrices_that_do_not_multiply() {
    says(
        ones(&[100, 2048]).try_matmul(ones(&[10, 2048])),
        "matmul needs equal inner sizes, got 2048 and 10 (shapes [100, 2048] and [10, 2048]); transpose the right \
         operand with .t()",
    );
    says(
        ones(&[2, 3]).try_matmul(ones(&[4, 5])),
        "matmul needs equal inner sizes, got 3 and 4 (shapes [2, 3] and [4, 5])",
    );
    says(
        ones(&[2, 3]).try_matmul(Tensor::from(2f32)),
        "matmul needs operands with axes, got shapes [2, 3] and []; multiply by a number with `*`",
    );
    says(
        ones(&[100, 2048]).try_linear(&ones(&[10, 800]), None),
        "linear expects 800 features, got 2048 (input [100, 2048]); use Linear::new(2048, 10)",
    );
    says(ones(&[1, 4]).try_linear(&ones(&[2, 4]), Some(&ones(&[3]))), "linear needs a bias of shape [2], got [3]");
}

#[test]
fn types_that_do_not_fit() {
    says(
        ones(&[2]).try_to_vec::<f64>(),
        "to_vec of a f32 tensor cannot give f64: use .to_dtype(DType::F64) or to_vec::<f32>()",
    );
    says(ones(&[2]).try_item::<f32>(), "item needs a tensor with one element, got shape [2]");
    says(Tensor::from([true]).try_neg(), "neg of a bool tensor is not defined; use .logical_not()");
    says(
        Tensor::from([true]).try_sub(Tensor::from([true])),
        "sub of two bool tensors is not defined; use .logical_xor() or convert one",
    );
    says(ones(&[2]).try_where_(1.0, 0.0), "where needs a bool condition, got f32; compare first: .ne(0)");
    says(
        ones(&[2]).try_bitwise_and(ones(&[2])),
        "bitwise_and needs integers or booleans, got f32; compare first, or convert",
    );
    says(
        Tensor::from([2i64]).try_pow(-1),
        "pow of integers needs an exponent of at least 0, got -1; convert the base to a float",
    );
    says(
        Tensor::from([[true]]).try_matmul(Tensor::from([[true]])),
        "matmul does not multiply bool matrices; convert with .to_dtype(DType::F32)",
    );
}

#[test]
fn reductions_of_nothing() {
    says(ones(&[0, 3]).try_amax(0), "amax of no elements is not defined (shape [0, 3])");
    says(ones(&[0]).try_argmin(..), "argmin of no elements is not defined (shape [0])");
}

#[test]
fn labels_that_do_not_fit_the_logits() {
    says(
        ones(&[8, 10]).try_cross_entropy(&Tensor::zeros_with([8, 10, 1], DType::I64)),
        "cross_entropy needs one label per sample: logits [8, 10] take labels [8], got [8, 10, 1]",
    );
    says(
        ones(&[8, 10]).try_cross_entropy(&ones(&[8])),
        "cross_entropy needs class indices (integers) or probabilities of the logits' shape [8, 10], got f32 of shape \
         [8]; convert labels with .to_dtype(DType::I64)",
    );
}

#[test]
fn gradients_that_do_not_exist() {
    let x = ones(&[3]).requires_grad();
    says(
        x.exp().try_backward(),
        "backward needs a scalar, got shape [3]: reduce the loss with .mean(..) or .sum(..), or use \
         backward_from(&seed)",
    );
    let constant = "backward found no history: the result was computed from tensors without gradient (constants, \
                    .detach(), no_grad, or frozen parameters)";
    says(ones(&[3]).sum(..).try_backward(), constant);
    says(x.detach().sum(..).try_backward(), constant);
    says(no_grad(|| x.sum(..)).try_backward(), constant);
    says(x.exp().try_backward_from(&ones(&[2])), "backward needs a seed of the result's shape [3], got [2]");

    let loss = x.exp().sum(..);
    loss.backward();
    says(
        loss.try_backward(),
        "backward reached `sum` of a graph that was already walked and freed: compute the result again, or keep it \
         with Keep::Graph",
    );

    let other = ones(&[2]).requires_grad();
    let gradients = x.sum(..).backward();
    says(gradients.of(&other), "gradient of this leaf: the loss does not depend on it");
    let middle = x.exp();
    let gradients = middle.sum(..).backward();
    says(
        gradients.of(&middle),
        "gradient can be read for leaves only; for other tensors use grad(&[&y], &[], &[&x], …)",
    );
    says(grad(&[&x.sum(..)], &[], &[&other], Keep::Nothing), "grad of input 0: the result does not depend on it");

    let (used, unused) = (Param::new(ones(&[1])), Param::new(ones(&[1])));
    unused.set_name("fc2.bias");
    says(
        used.get().sum(..).backward().get(&unused),
        "gradient of parameter `fc2.bias`: the loss does not depend on it; use it in the forward pass, freeze it \
         (param.freeze()), or leave it out of the optimizer",
    );
}

#[test]
fn a_parameter_keeps_its_shape() {
    let weight = Param::new(ones(&[2, 3]));
    weight.set_name("fc.weight");
    says(weight.set(&ones(&[3, 2])), "parameter `fc.weight` has shape [2, 3], got [3, 2]");
}

/// What is said about a mistake.
fn told<T>(result: Result<T>) -> String {
    result.err().map_or("(nothing)".into(), |error| error.to_string())
}

/// Compares what was said with what should be; all differences are listed together.
#[track_caller]
fn compare(said: &[(String, &str)]) {
    let wrong: Vec<String> = said
        .iter()
        .filter(|(said, expected)| said != expected)
        .map(|(said, expected)| format!("got      {said}\nexpected {expected}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn products_that_do_not_exist() {
    let (a, b) = (ones(&[2, 3]), ones(&[4, 5]));
    compare(&[
        (
            told(Tensor::try_einsum("ij,jk->ik", &[&a, &b])),
            "einsum got sizes 3 and 4 for `j` in \"ij,jk->ik\" (shapes [[2, 3], [4, 5]])",
        ),
        (told(Tensor::try_einsum("ij,jk->ik", &[&a])), "einsum \"ij,jk->ik\" names 2 operands, got 1"),
        (told(Tensor::try_einsum("ij->ik", &[&a])), "einsum \"ij->ik\" asks for an axis that no operand has"),
        (
            told(Tensor::try_einsum("ijk->i", &[&a])),
            "einsum \"ijk->i\" names 3 axes of operand 0, which has shape [2, 3]",
        ),
        (
            told(a.try_tensordot(&b, [1], [0])),
            "tensordot needs equal sizes, got [3] and [4] for axes [1] of [2, 3] and [0] of [4, 5]",
        ),
        (told(ones(&[3]).try_dot(&ones(&[4]))), "matmul needs equal inner sizes, got 3 and 4 (shapes [3] and [4])"),
        (told(a.try_bmm(&b)), "bmm needs shapes [b, m, k] and [b, k, n], got [2, 3] and [4, 5]"),
        (told(ones(&[2, 4]).try_cross(&ones(&[2, 4]), 1)), "cross needs an axis of size 3, but axis 1 of [2, 4] has 4"),
        (
            told(ones(&[5, 2, 3]).try_matmul(ones(&[4, 3, 2]))),
            "matmul cannot broadcast [5] with [4]: aligned at the last axis, sizes must be equal or 1",
        ),
    ]);
}

#[test]
fn matrices_that_are_not_what_they_should_be() {
    compare(&[
        (told(ones(&[2, 3]).try_inverse()), "inverse needs square matrices, got shape [2, 3]"),
        (told(ones(&[2, 2]).try_inverse()), "inverse got a singular matrix: its columns are not independent"),
        (told(ones(&[2, 3]).try_det()), "det needs square matrices, got shape [2, 3]"),
        (told(ones(&[2, 2]).try_solve(&ones(&[2]))), "solve got a singular matrix: its columns are not independent"),
        (told(Tensor::eye(2).try_solve(&ones(&[3]))), "solve needs right sides […, 2, m] for [2, 2], got shape [3]"),
        (
            told(Tensor::from([[1f32, 2.0], [2.0, 1.0]]).try_cholesky()),
            "cholesky needs positive definite matrices, but the leading 2×2 part of it is not",
        ),
        (told(ones(&[3]).try_eigh()), "eigh needs matrices […, rows, columns], got shape [3]"),
        (told(ones(&[3]).try_svd()), "svd needs matrices […, rows, columns], got shape [3]"),
        (told(ones(&[3]).try_tril(0)), "tril needs matrices (rank 2 or more), got shape [3]"),
    ]);
}

#[test]
fn random_numbers_that_cannot_be_drawn() {
    compare(&[
        (
            told(Tensor::try_normal([2], 0.0, -1.0)),
            "normal needs a finite mean and a standard deviation of at least 0, got 0 and -1",
        ),
        (told(Tensor::try_uniform([2], 1.0, -1.0)), "uniform needs finite bounds low <= high, got 1 and -1"),
        (told(Tensor::try_randint(5, 5, [2])), "randint needs low < high, got 5 and 5"),
        (told(Tensor::from([0.5f32, 1.5]).try_bernoulli()), "bernoulli needs probabilities from 0 to 1, got 1.5"),
        (told(ones(&[4]).try_dropout(1.5)), "dropout needs a probability from 0 to 1, got 1.5"),
        (
            told(Tensor::try_truncated_normal([2], 0.0, 1.0, [1.0, -1.0])),
            "truncated_normal needs a deviation above 0 and bounds low < high, got 1 and [1, -1]",
        ),
    ]);
}

#[test]
fn orders_and_quantiles() {
    compare(&[
        (told(ones(&[3]).try_topk(5, 0, hadal_core::Order::Descending)), "topk got k = 5 for an axis of size 3"),
        (told(ones(&[3]).try_kthvalue(0, 0)), "kthvalue got k = 0 for an axis of size 3; the smallest is k = 1"),
        (
            told(ones(&[3]).try_quantile(95.0, 0)),
            "quantile needs q from 0 to 1 and at least one element, got q = 95 and shape [3]",
        ),
        (told(ones(&[2, 3]).try_softmax(2)), "softmax got axis 2 for a tensor of shape [2, 3], whose axes are -2 to 1"),
        (told(ones(&[2, 3]).try_cumsum(-3)), "cumsum got axis -3 for a tensor of shape [2, 3], whose axes are -2 to 1"),
        (
            told(Tensor::from([1i64, -1]).try_bincount(0)),
            "bincount needs integers of at least 0, got -1 at position [1]",
        ),
    ]);
}

#[test]
fn shapes_that_cannot_be_made() {
    compare(&[
        (told(ones(&[2, 3]).try_squeeze(0)), "(nothing)"),
        (told(ones(&[2, 3]).try_repeat([2])), "repeat needs a number for each axis of [2, 3], got [2]; see tile"),
        (
            told(ones(&[6]).try_unfold(0, 7, 1)),
            "unfold got windows of 7 every 1 for axis 0 of [6]: a window must fit and the step be at least 1",
        ),
        (
            told(ones(&[6]).try_unfold(0, 2, 0)),
            "unfold got windows of 2 every 0 for axis 0 of [6]: a window must fit and the step be at least 1",
        ),
        (
            told(ones(&[1, 3, 4, 4]).try_pixel_shuffle(2)),
            "pixel_shuffle needs channels divisible by 2², got 3 (shape [1, 3, 4, 4])",
        ),
        (told(ones(&[2, 3]).try_movedim(0, [0, 1])), "movedim needs as many sources as destinations, got 1 and 2"),
        (
            told(ones(&[2, 3]).try_scatter(1, &Tensor::from([[0i64, 3]]), 1.0)),
            "scatter got index 3 at position [0, 1]; allowed for axis 1 are 0 to 2",
        ),
        (
            told(ones(&[2, 3]).try_take_along_dim(&Tensor::from([[0i64, 1], [2, 3]]), 1)),
            "gather got index 3 at position [1, 1]; allowed for axis 1 are 0 to 2",
        ),
    ]);
}

/// The panicking form says the same at the user's line, and the module that was running comes first.
#[test]
fn panics_name_the_line_and_the_module() {
    static SEEN: Mutex<Option<(String, u32)>> = Mutex::new(None);
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(|l| (l.file().to_owned(), l.line()));
        *SEEN.lock().unwrap() = place;
    }));
    let panicked = std::panic::catch_unwind(|| {
        hadal_core::scope::within("model.head", || ones(&[2, 3]).add(ones(&[4])));
    });
    let line = line!() - 2;
    std::panic::set_hook(before);
    let (file, at) = SEEN.lock().unwrap().take().unwrap();
    assert_eq!((file.ends_with("mistakes.rs"), at), (true, line), "{file}");
    assert_eq!(
        *panicked.unwrap_err().downcast::<String>().unwrap(),
        "model.head: add cannot broadcast [2, 3] with [4]: aligned at the last axis, sizes must be equal or 1"
    );
}
