//! Images from files.

use super::prelude::*;
use image::{ImageReader, RgbImage};
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub(super) const OPERATORS: &[Operator] = &[op("ImageDecoder", 20, With(image_decoder))];

/// The bytes of a file become `[height, width, channels]`: of BMP, JPEG, PNG, TIFF, WebP and the portable formats. What
/// cannot be decoded becomes an empty image, as the standard wants it.
fn image_decoder(node: &Node) -> Result<Run> {
    let format = node.choice("pixel_format", &["RGB", "BGR", "Grayscale"], "RGB")?;
    run(move |x| {
        let (file, element) = x.typed(0)?;
        if element != ElementType::U8 || file.rank() != 1 {
            return invalid(format!("a file is a vector of uint8, got {} of {element}", file.shape()));
        }
        let pixels = decode(&file.try_to_vec::<u8>()?).unwrap_or_default();
        let (width, height) = (pixels.width() as usize, pixels.height() as usize);
        let (bytes, channels) = match format {
            0 => (pixels.into_raw(), 3),
            1 => (pixels.pixels().flat_map(|pixel| [pixel[2], pixel[1], pixel[0]]).collect(), 3),
            _ => (pixels.pixels().map(|pixel| luma(pixel.0)).collect(), 1),
        };
        one(Tensor::try_from_vec(bytes, [height, width, channels])?)
    })
}

fn decode(file: &[u8]) -> Option<RgbImage> {
    // Decoders panic at some damaged files instead of refusing them.
    let decoded = catch_unwind(AssertUnwindSafe(|| {
        // The reader's own limit is 512 MiB.
        ImageReader::new(Cursor::new(file)).with_guessed_format().ok()?.decode().ok()
    }));
    Some(decoded.ok()??.to_rgb8())
}

/// Brightness by ITU-R BT.601, in 16 bits behind the point.
fn luma([red, green, blue]: [u8; 3]) -> u8 {
    ((u32::from(red) * 19595 + u32::from(green) * 38470 + u32::from(blue) * 7471 + 0x8000) >> 16) as u8
}

#[cfg(test)]
mod tests {
    use crate::testing::{run_in, word};
    use crate::{ElementType, Value};
    use hadal_core::Tensor;

    fn decoded(format: &str, file: &[u8]) -> Tensor {
        let file = Value::Tensor(Tensor::from(file.to_vec()), ElementType::U8);
        run_in("", 20, "ImageDecoder", vec![word("pixel_format", format)], &[file]).unwrap().tensor().unwrap().clone()
    }

    #[test]
    fn files_become_pixels() {
        let file = b"P6 2 1 255 \x01\x02\x03\xff\x00\x80";
        let image = decoded("RGB", file);
        assert_eq!((&image.shape()[..], image.to_vec::<u8>()), (&[1, 2, 3][..], vec![1, 2, 3, 255, 0, 128]));
        assert_eq!(decoded("BGR", file).to_vec::<u8>(), [3, 2, 1, 128, 0, 255]);
        let gray = decoded("Grayscale", file);
        // 0.299 R + 0.587 G + 0.114 B
        assert_eq!((&gray.shape()[..], gray.to_vec::<u8>()), (&[1, 2, 1][..], vec![2, 91]));
    }

    #[test]
    fn what_is_no_image_becomes_an_empty_one() {
        for file in [&b""[..], b"no image", b"\x89PNG\r\n\x1a\n\0\0"] {
            assert_eq!(decoded("RGB", file).shape()[..], [0, 0, 3], "{file:?}");
        }
    }

    /// Damaged ones among them, at which decoders panic, and every beginning of every file.
    #[test]
    fn whatever_the_file_it_is_decoded_or_not() {
        let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/image");
        let (mut images, mut others) = (0, 0);
        for seed in std::fs::read_dir(seeds).unwrap() {
            let file = std::fs::read(seed.unwrap().path()).unwrap();
            for end in (0..file.len()).step_by(file.len() / 20 + 1).chain([file.len()]) {
                let image = decoded("Grayscale", &file[..end]);
                *if image.elements() > 0 { &mut images } else { &mut others } += 1;
            }
        }
        assert!(images > 4 && others > 40, "{images} images, {others} others");
    }
}
