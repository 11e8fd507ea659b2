//! The ways of the first-level cache: lines whose addresses are a multiple of 4096 bytes apart share the places of a
//! set, and rows of such a length push each other out.

/// The first-level cache maps addresses that are this many bytes apart to one set …
const PERIOD: usize = 4096;
/// … of which a tile may use this many ways: an eight-way cache keeps one for the other operand.
const WAYS: usize = 7;
const LINE_BYTES: usize = 64;

/// Whether `count` lines of the cache, `stride` elements apart, can be in it together.
pub(crate) fn fits_ways<T>(stride: usize, count: usize) -> bool {
    let (mut a, mut b) = (PERIOD, stride * size_of::<T>() % PERIOD);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    count.div_ceil(PERIOD / a.max(LINE_BYTES)) <= WAYS
}

/// Elements from one row of `length` elements to the next so that the cache maps all of them to different places: an
/// odd number of lines.
pub(crate) fn apart<T>(length: usize) -> usize {
    let line = LINE_BYTES / size_of::<T>();
    (length.div_ceil(line) | 1) * line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_are_laid_apart_fit() {
        assert!(!fits_ways::<f32>(1024, 14) && !fits_ways::<f64>(512, 14) && fits_ways::<f32>(256, 14));
        for length in 1..5000 {
            for (elements, stride) in [(4, apart::<f32>(length)), (8, apart::<f64>(length))] {
                assert!((length..length + 128 / elements).contains(&stride), "{stride} for rows of {length}");
            }
            // As many as there are places: with an even number of lines between them they would not fit.
            let all = WAYS * PERIOD / LINE_BYTES;
            assert!(fits_ways::<f32>(apart::<f32>(length), all) && fits_ways::<f64>(apart::<f64>(length), all));
        }
    }
}
