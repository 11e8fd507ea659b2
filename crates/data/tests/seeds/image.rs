//! Arbitrary bytes as an image.

use hadal_data::image::{Channels, decode};

/// Whether the image was understood: then it has as many pixels as it says, and no more than are allowed.
pub fn check(bytes: &[u8]) -> bool {
    const MOST: usize = 1 << 16;
    let images = [Channels::Grey, Channels::Rgb].map(|channels| decode(bytes, channels, MOST));
    let understood = images.each_ref().map(Result::is_ok);
    assert_eq!(understood[0], understood[1]);
    for image in images.into_iter().flatten() {
        assert!((1..=MOST).contains(&(image.width * image.height)));
        assert_eq!(image.pixels.len(), image.width * image.height * image.channels.count());
    }
    understood[0]
}
