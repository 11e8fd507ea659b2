//! `hadal doctor`: what Hadal finds on this machine.

use crate::console::say;
use hadal::Result;
use hadal::data::{cache, datasets};

/// Prints version, processor features, threads, and where data is kept.
pub fn run() -> Result<()> {
    say!("hadal       {} ({}-{})", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH, std::env::consts::OS);
    say!("kernels     {:?}", hadal::kernels::simd::isa());
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    say!("threads     {} of {cores} (--threads or HADAL_THREADS)", hadal::threads());
    match cache::folder() {
        Ok(folder) => say!("data        {} (HADAL_DATA)", folder.display()),
        Err(error) => say!("data        none: {error}"),
    }
    let here = datasets::Name::ALL.into_iter().filter(|&name| super::list::is_here(name));
    say!("data sets   {}", here.map(|name| name.as_str()).collect::<Vec<_>>().join(", "));
    Ok(())
}
