//! How a peer answers: `ready` with its version, then each line with a number of steps by the seconds they took.

use std::io::Write;
use std::time::Instant;

/// The workload that the arguments `WORKLOAD VARIANT THREADS` name; peers in Rust have no variants, and their threads are
/// those of `RAYON_NUM_THREADS`.
pub fn workload(peer: &str) -> String {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [workload, variant, _] = &arguments[..] else { refuse(&format!("{peer} takes WORKLOAD VARIANT THREADS")) };
    if !variant.is_empty() {
        refuse(&format!("{peer} knows no variant `{variant}`"));
    }
    workload.clone()
}

/// Ends the program with a reason.
pub fn refuse(reason: &str) -> ! {
    eprintln!("{reason}");
    std::process::exit(1)
}

/// Does what the standard input asks for.
pub fn answer(version: &str, mut step: impl FnMut()) {
    step();
    say(&format!("ready {version}"));
    for line in std::io::stdin().lines() {
        let steps: usize = line.ok().and_then(|line| line.trim().parse().ok()).unwrap_or_else(|| refuse("no number"));
        let start = Instant::now();
        (0..steps).for_each(|_| step());
        say(&start.elapsed().as_secs_f64().to_string());
    }
}

fn say(text: &str) {
    let mut out = std::io::stdout();
    if writeln!(out, "{text}").and_then(|()| out.flush()).is_err() {
        refuse("nobody listens");
    }
}
