//! What is printed where nobody looks at a terminal.

use super::{Folder, exists, hadal};
use std::process::Stdio;

#[test]
fn a_pipe_gets_plain_lines() {
    let folder = Folder::new("output");
    let rows: String = (0..40).map(|i| format!("{i},{}\n", if i < 20 { "low" } else { "high" })).collect();
    folder.write("t.csv", format!("a,kind\n{rows}"));
    let data = folder.0.join("t.csv");
    let arguments = ["train", "csv", "--epochs", "2", "--json", "--data", data.to_str().unwrap()];
    for no_colour in [None, Some("1")] {
        let mut command = hadal(&arguments);
        command.env("TERM", "xterm-256color");
        no_colour.map(|value| command.env("NO_COLOR", value));
        let output = command.output().unwrap();
        let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(!stdout.contains(['\x1b', '\r']) && !stderr.contains(['\x1b', '\r']), "{stdout:?} {stderr:?}");
        // One line when an epoch begins, one when it has ended, each whole.
        let lines: Vec<&str> = stderr.lines().collect();
        assert_eq!(lines.len(), 4, "{stderr}");
        for (epoch, lines) in lines.chunks(2).enumerate() {
            assert_eq!(lines[0], format!("Epoch {}/2", epoch + 1));
            assert!(
                lines[1].starts_with("1/1 ━━━━━━━━━━━━━━━━━━━━ ") && lines[1].contains("/step - loss: "),
                "{stderr}"
            );
        }
        let last: serde_json::Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
        assert!(last["test_accuracy"].is_number() && last["weights_sha256"].as_str().unwrap().len() == 64, "{stdout}");
    }
}

#[test]
fn nobody_has_to_read_to_the_end() {
    let folder = Folder::new("unread");
    let rows: String = (0..40).map(|i| format!("{i},{}\n", if i < 20 { "low" } else { "high" })).collect();
    folder.write("t.csv", format!("a,kind\n{rows}"));
    let out = folder.0.join("run");
    let data = folder.0.join("t.csv");
    let arguments = ["train", "csv", "--data", data.to_str().unwrap(), "--epochs", "2", "--out", out.to_str().unwrap()];
    let mut running = hadal(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Both pipes break before the first line, as after `| head -0`.
    drop((running.stdout.take(), running.stderr.take()));
    assert_eq!(running.wait().unwrap().code(), Some(0));
    assert!(exists(&out.join("model.safetensors")));
}
