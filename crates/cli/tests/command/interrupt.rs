//! Ctrl-C: the run saves, ends with status 130, and goes on later as if nothing had happened.
#![cfg(unix)]

use super::{Folder, exists, hadal, words};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// Long enough that the signal arrives before the end.
const RUN: [&str; 8] = ["train", "digits", "--model", "mlp", "--limit", "2000", "--epochs", "12"];

fn last_line(stdout: &[u8]) -> serde_json::Value {
    serde_json::from_str(String::from_utf8_lossy(stdout).lines().last().unwrap()).unwrap()
}

#[test]
fn a_run_that_is_interrupted_goes_on_with_the_same_bits() {
    let folder = Folder::new("interrupt");
    let out = folder.0.join("run");
    let place = ["--json", "--out", out.to_str().unwrap()];
    let arguments = [&RUN[..], &place].concat();

    let mut running = hadal(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut progress = BufReader::new(running.stderr.take().unwrap()).lines();
    // The line of the first epoch's end, and the begin of the second.
    assert_eq!(progress.by_ref().take(3).map(Result::unwrap).last().unwrap(), "Epoch 2/12");
    let sent = Command::new("kill").args(["-INT", &running.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let said: Vec<String> = progress.map(Result::unwrap).collect();
    let ended = running.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130), "{said:?}");
    assert!(
        said.iter().any(|line| line == "stopping after this batch; press Ctrl-C again to stop at once"),
        "{said:?}"
    );
    let report = last_line(&ended.stdout);
    assert_eq!((report["interrupted"].as_bool(), report["test_accuracy"].is_null()), (Some(true), true));
    for file in ["checkpoint.safetensors", "model.safetensors", "run.json", "metrics.csv"] {
        assert!(exists(&out.join(file)), "{file}");
    }

    // Other batches than those of the interrupted epoch cannot complete it. (The signal may come between two epochs.)
    let saved = hadal::format::safetensors::read(out.join("checkpoint.safetensors")).unwrap();
    if saved.metadata["hadal.batch"] != "0" {
        let other = hadal(&[&arguments[..], &["--resume", "--batch-size", "50"]].concat()).output().unwrap();
        let (code, said) = words(&other, &folder);
        let (before, after) = said.split_once(" was saved after batch ").unwrap_or_default();
        assert_eq!((code, before), (Some(1), "error: DIR/run/checkpoint.safetensors:"), "{said}");
        let (_, settings) = after.split_once(" of an epoch ").unwrap();
        assert_eq!(
            settings,
            "with seed 0, 2000 samples and batches of 64, but this run has seed 0, 2000 samples and batches of 50: its \
             batches are others. Go on with the same settings"
        );
    }

    let resumed = hadal(&[&arguments[..], &["--resume"]].concat()).output().unwrap();
    assert_eq!(resumed.status.code(), Some(0));
    let stdout = String::from_utf8_lossy(&resumed.stdout).into_owned();
    assert!(stdout.lines().any(|line| line.starts_with("resuming after ")), "{stdout}");
    let whole = hadal(&[&RUN[..], &["--json"]].concat()).output().unwrap();
    let (resumed, whole) = (last_line(&resumed.stdout), last_line(&whole.stdout));
    assert_eq!(resumed["weights_sha256"], whole["weights_sha256"]);
    assert_eq!(resumed["test_accuracy"], whole["test_accuracy"]);
    // One line per epoch, however often the run began.
    let metrics = std::fs::read_to_string(out.join("metrics.csv")).unwrap();
    let epochs: Vec<&str> = metrics.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(epochs, (0..12).map(|epoch| epoch.to_string()).collect::<Vec<_>>());
}
