//! The machine, in a line: figures mean nothing without it.

/// Processor, threads, instruction set and this library's version.
pub fn line(threads: usize) -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name);
    let (model, isa) = (model.unwrap_or(std::env::consts::ARCH), hadal::kernels::simd::isa());
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    format!("{model}, {cores} cores, {threads} threads, {isa:?}; {}", crate::peer::hadal_version())
}
