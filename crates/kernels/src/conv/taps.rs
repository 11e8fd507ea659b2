//! Which sources a result is a sum of: the geometry of a convolution, or of its data gradient, axis by axis.
//!
//! Along an axis a result meets a kernel element in one source, in padding or, in the gradient of a convolution with a
//! stride, not at all. Results that meet the same kernel elements at the same distances are of one kind; there are few
//! kinds, since all but the borders look alike.

use super::ConvShape;
use crate::gemm::{LANES, Step};

/// One axis: how positions and kernel elements lead to sources.
#[derive(Clone, Copy)]
pub(super) struct Axis {
    backward: bool,
    results: usize,
    sources: usize,
    kernel: usize,
    stride: usize,
    pad: usize,
    dilation: usize,
}

impl Axis {
    /// Results are outputs, sources are inputs.
    pub fn forward(shape: &ConvShape, d: usize) -> Axis {
        Axis {
            backward: false,
            results: shape.output[d],
            sources: shape.input[d],
            kernel: shape.kernel[d],
            stride: shape.stride[d],
            pad: shape.pad_begin[d],
            dilation: shape.dilation[d],
        }
    }

    /// Results are inputs, sources are outputs.
    fn backward(shape: &ConvShape, d: usize) -> Axis {
        let forward = Axis::forward(shape, d);
        Axis { backward: true, results: forward.sources, sources: forward.results, ..forward }
    }

    /// Where the result `at` meets the kernel element `tap`.
    pub fn source(&self, at: usize, tap: usize) -> Option<usize> {
        let source = if self.backward {
            let reached = (at + self.pad).checked_sub(tap * self.dilation)?;
            reached.is_multiple_of(self.stride).then_some(reached / self.stride)?
        } else {
            (at * self.stride + tap * self.dilation).checked_sub(self.pad)?
        };
        (source < self.sources).then_some(source)
    }

    /// The kernel elements that a result meets with their sources, in the order of the sources.
    fn met(&self, at: usize) -> Vec<(usize, usize)> {
        let meets = |tap: usize| Some((tap, self.source(at, tap)?));
        let taps = 0..self.kernel;
        if self.backward { taps.rev().filter_map(meets).collect() } else { taps.filter_map(meets).collect() }
    }

    /// Products that all results along this axis are sums of; none of them with padding.
    pub fn products(&self) -> usize {
        (0..self.results).map(|at| (0..self.kernel).filter(|&tap| self.source(at, tap).is_some()).count()).sum()
    }

    fn kinds(&self) -> Kinds {
        let mut kinds = Kinds { taps: Vec::new(), of: Vec::with_capacity(self.results) };
        for at in 0..self.results {
            let met = self.met(at);
            let first = met.first().map_or(0, |&(_, source)| source);
            let taps: Vec<(usize, usize)> = met.into_iter().map(|(tap, source)| (tap, source - first)).collect();
            let kind = kinds.taps.iter().position(|known| *known == taps).unwrap_or_else(|| {
                kinds.taps.push(taps);
                kinds.taps.len() - 1
            });
            kinds.of.push((kind, first));
        }
        kinds
    }
}

/// The kinds of results along an axis.
struct Kinds {
    /// The kernel elements of each kind, with the distance of their source from that of the first.
    taps: Vec<Vec<(usize, usize)>>,
    /// The kind of each result, and its first source.
    of: Vec<(usize, usize)>,
}

/// Kinds of results in three dimensions.
pub(super) struct Taps {
    axes: [Axis; 3],
    kinds: [Kinds; 3],
    /// For each kind along the last axis: its results and their first sources.
    columns: Vec<Vec<(usize, usize)>>,
}

impl Taps {
    pub fn forward(shape: &ConvShape) -> Taps {
        Taps::new(std::array::from_fn(|d| Axis::forward(shape, d)))
    }

    pub fn backward(shape: &ConvShape) -> Taps {
        Taps::new(std::array::from_fn(|d| Axis::backward(shape, d)))
    }

    fn new(axes: [Axis; 3]) -> Taps {
        let kinds = axes.map(|axis| axis.kinds());
        let mut columns = vec![Vec::new(); kinds[2].taps.len()];
        for (at, &(kind, source)) in kinds[2].of.iter().enumerate() {
            columns[kind].push((at, source));
        }
        Taps { axes, kinds, columns }
    }

    /// Positions of the results, along each axis.
    pub fn results(&self) -> [usize; 3] {
        self.axes.map(|axis| axis.results)
    }

    /// Positions of the sources of one channel.
    pub fn sources(&self) -> usize {
        self.axes.iter().map(|axis| axis.sources).product()
    }

    /// The kernel elements that some result meets, by their place in the kernel.
    pub fn used(&self) -> Vec<usize> {
        let [z, y, x] = [0, 1, 2].map(|d| self.used_along(d));
        let place = |z: usize, y: usize, x: usize| (z * self.axes[1].kernel + y) * self.axes[2].kernel + x;
        z.iter()
            .flat_map(|&z| y.iter().map(move |&y| (z, y)))
            .flat_map(|(z, y)| x.iter().map(move |&x| place(z, y, x)))
            .collect()
    }

    fn used_along(&self, d: usize) -> Vec<usize> {
        (0..self.axes[d].kernel).filter(|&tap| self.kinds[d].taps.iter().flatten().any(|met| met.0 == tap)).collect()
    }

    /// The steps of every kind of result: over `channels`, in each over the kernel elements. Weights are packed by channel
    /// and used kernel element; sources are `[channel, position, LANES]`.
    pub fn tables(&self, channels: usize) -> Vec<Vec<Step>> {
        let used = [0, 1, 2].map(|d| self.used_along(d));
        let rank = |d: usize, tap: usize| used[d].iter().position(|&known| known == tap).expect("a used element");
        let [_, height, width] = self.axes.map(|axis| axis.sources);
        let each = used.iter().map(Vec::len).product::<usize>();
        let mut tables = Vec::new();
        for z in &self.kinds[0].taps {
            for y in &self.kinds[1].taps {
                for x in &self.kinds[2].taps {
                    let mut taps = Vec::with_capacity(z.len() * y.len() * x.len());
                    for (tz, sz) in z {
                        for (ty, sy) in y {
                            for (tx, sx) in x {
                                let place =
                                    (rank(0, *tz) * used[1].len() + rank(1, *ty)) * used[2].len() + rank(2, *tx);
                                taps.push((place, (sz * height + sy) * width + sx));
                            }
                        }
                    }
                    let step = |channel: usize, (place, source): (usize, usize)| {
                        let a = u32::try_from(channel * each + place).expect("a panel of weights");
                        let b = (channel * self.sources() + source) * LANES;
                        Step::new(a, i32::try_from(b).expect("an image of 2 GiB"))
                    };
                    tables.push((0..channels).flat_map(|c| taps.iter().map(move |&tap| step(c, tap))).collect());
                }
            }
        }
        tables
    }

    /// The kinds of results in the row `[plane, row]`: the number of their table, and positions in the row with their
    /// first sources in a row of sources.
    pub fn line(&self, [z, y]: [usize; 2]) -> impl Iterator<Item = (usize, &[(usize, usize)])> {
        let first = self.kinds[0].of[z].0 * self.kinds[1].taps.len() + self.kinds[1].of[y].0;
        self.columns.iter().enumerate().map(move |(kind, columns)| (first * self.columns.len() + kind, &columns[..]))
    }

    /// The first source of a result in the row `[plane, row]` whose first source in a row is `x`.
    pub fn source(&self, [z, y]: [usize; 2], x: usize) -> usize {
        let [_, height, width] = self.axes.map(|axis| axis.sources);
        (self.kinds[0].of[z].1 * height + self.kinds[1].of[y].1) * width + x
    }
}
