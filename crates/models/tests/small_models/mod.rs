//! Every named model with small inputs, one test for each, so that each is named when it fails. Also for the tests of `onnx`.

/// Calls a check with the name and the input's shape of every model of [`hadal_models::ALL`].
macro_rules! test_every_model {
    ($check:ident) => {
        test_every_model! { $check:
            mlp "mlp" [1, 28, 28];
            lenet "lenet" [1, 28, 28];
            cnn "cnn" [1, 28, 28];
            keras_cnn "keras-cnn" [3, 32, 32];
            resnet18 "resnet18" [3, 40, 40];
            resnet20 "resnet20" [3, 32, 32];
            resnet34 "resnet34" [3, 32, 32];
            resnet50 "resnet50" [3, 40, 40];
            resnet101 "resnet101" [3, 32, 32];
            resnet152 "resnet152" [3, 32, 32];
            mobilenet_v2 "mobilenet_v2" [3, 40, 40];
            vit_b_16 "vit_b_16" [3, 32, 32];
            gpt "gpt" [9];
        }
    };
    ($check:ident: $($test:ident $name:literal $input:expr;)*) => {
        $(#[test]
        fn $test() {
            $check($name, &$input);
        })*

        #[test]
        fn every_named_model_is_tested() {
            assert_eq!([$($name),*], hadal_models::ALL.map(|entry| entry.name));
        }
    };
}
pub(crate) use test_every_model;
