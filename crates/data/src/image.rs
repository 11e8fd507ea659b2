//! PNG and JPEG files as bytes, with a limit on the pixels that holds before anything is decoded.
//!
//! Straight on the decoders `png` and `zune-jpeg`: they are what the `image` crate uses for these formats, without its
//! colour management, which takes longer to compile than the rest of this crate and is not needed for training.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::{Error, Result};

/// Pixels an image may have (64 million, a large photograph) unless said otherwise.
pub const MOST_PIXELS: usize = 64 << 20;

/// Colour channels of a decoded image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channels {
    /// One: brightness.
    Grey,
    /// Three: red, green, blue. Transparency is dropped.
    Rgb,
}

impl Channels {
    /// Bytes per pixel.
    pub fn count(self) -> usize {
        match self {
            Channels::Grey => 1,
            Channels::Rgb => 3,
        }
    }
}

/// A decoded image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// What the bytes of a pixel mean.
    pub channels: Channels,
    /// `[height, width, channels]`.
    pub pixels: Vec<u8>,
}

/// Reads a PNG or JPEG file (told apart by content, not by name) and converts it to `channels`.
///
/// Grey from colour is ITU-R BT.601 luma, `0.299 R + 0.587 G + 0.114 B` rounded. 16-bit samples keep their high byte.
///
/// # Errors
/// When the file cannot be read, is of another format, is damaged, or announces more than [`MOST_PIXELS`] pixels.
pub fn read(path: impl AsRef<Path>, channels: Channels) -> Result<Image> {
    let path = path.as_ref();
    let file = File::open(path).map_err(|error| Error::file(path, error))?;
    decode_from(BufReader::new(file), channels, MOST_PIXELS).map_err(|message| Error::file(path, message))
}

/// As [`read`](fn@read), from bytes in memory and with a limit of pixels of one's own.
pub fn decode(bytes: &[u8], channels: Channels, most_pixels: usize) -> Result<Image> {
    decode_from(Cursor::new(bytes), channels, most_pixels).map_err(Error::invalid)
}

/// What is wrong with an image; its file is named by the caller.
type Problem = String;

fn decode_from(mut file: impl BufRead + Seek, channels: Channels, most: usize) -> Result<Image, Problem> {
    let mut start = Vec::new();
    file.by_ref().take(8).read_to_end(&mut start).map_err(|error| error.to_string())?;
    file.rewind().map_err(|error| error.to_string())?;
    // The decoders panic at some damaged files (`panics` in `fuzz/corpus/image`) instead of refusing them.
    let decoded = if start.starts_with(b"\x89PNG\r\n\x1a\n") {
        catch_unwind(AssertUnwindSafe(|| png(file, most)))
    } else if start.starts_with(&[0xff, 0xd8, 0xff]) {
        catch_unwind(AssertUnwindSafe(|| jpeg(file, most)))
    } else {
        return Err(format!("neither PNG nor JPEG: it begins with {start:02x?}"));
    };
    let (width, height, pixels, from) =
        decoded.unwrap_or_else(|_| Err("a damaged image: its decoder failed".to_owned()))?;
    Ok(Image { width, height, channels, pixels: convert(pixels, from, channels) })
}

/// Refuses an image before its pixels are decoded.
fn check_size(width: usize, height: usize, most: usize) -> Result<(), Problem> {
    match width.checked_mul(height) {
        Some(0) => Err(format!("an image of {width} × {height} pixels is empty")),
        Some(count) if count <= most => Ok(()),
        _ => Err(format!("an image of {width} × {height} pixels; the limit is {most} pixels")),
    }
}

type Decoded = (usize, usize, Vec<u8>, Channels);

fn png(file: impl BufRead + Seek, most: usize) -> Result<Decoded, Problem> {
    let refuse = |error: png::DecodingError| format!("a damaged PNG: {error}");
    let mut decoder = png::Decoder::new(file);
    // Palettes become colours, 1 to 4 bits become 8, 16 bits become 8.
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    decoder.set_ignore_text_chunk(true);
    let mut reader = decoder.read_info().map_err(refuse)?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    check_size(width, height, most)?;
    let (colour, _) = reader.output_color_type();
    let size = reader.output_buffer_size().ok_or("the image does not fit into memory")?;
    let mut bytes = vec![0; size];
    reader.next_frame(&mut bytes).map_err(refuse)?;
    let keep =
        |bytes: &[u8], of: usize, keep: usize| bytes.chunks_exact(of).flat_map(|p| &p[..keep]).copied().collect();
    Ok(match colour {
        png::ColorType::Grayscale => (width, height, bytes, Channels::Grey),
        png::ColorType::GrayscaleAlpha => (width, height, keep(&bytes, 2, 1), Channels::Grey),
        png::ColorType::Rgba => (width, height, keep(&bytes, 4, 3), Channels::Rgb),
        png::ColorType::Rgb | png::ColorType::Indexed => (width, height, bytes, Channels::Rgb),
    })
}

fn jpeg(file: impl BufRead + Seek, most: usize) -> Result<Decoded, Problem> {
    let refuse = |error| format!("a damaged JPEG: {error}");
    let options = DecoderOptions::default().set_max_width(1 << 16).set_max_height(1 << 16).set_strict_mode(false);
    let mut decoder = JpegDecoder::new_with_options(file, options);
    decoder.decode_headers().map_err(refuse)?;
    let (width, height) = decoder.dimensions().ok_or("a JPEG without a size")?;
    check_size(width, height, most)?;
    let channels = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => Channels::Grey,
        _ => Channels::Rgb,
    };
    let space = if channels == Channels::Grey { ColorSpace::Luma } else { ColorSpace::RGB };
    decoder.set_options(options.jpeg_set_out_colorspace(space));
    let bytes = decoder.decode().map_err(refuse)?;
    Ok((width, height, bytes, channels))
}

fn convert(pixels: Vec<u8>, from: Channels, to: Channels) -> Vec<u8> {
    match (from, to) {
        (Channels::Grey, Channels::Rgb) => pixels.iter().flat_map(|&grey| [grey; 3]).collect(),
        (Channels::Rgb, Channels::Grey) => pixels
            .chunks_exact(3)
            .map(|p| ((299 * u32::from(p[0]) + 587 * u32::from(p[1]) + 114 * u32::from(p[2]) + 500) / 1000) as u8)
            .collect(),
        _ => pixels,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{fails, folder};

    fn encode(width: u32, height: u32, colour: png::ColorType, bytes: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(colour);
        encoder.write_header().and_then(|mut writer| writer.write_image_data(bytes)).expect("memory is writable");
        file
    }

    #[test]
    fn png_of_each_kind_of_pixel() {
        let folder = folder();
        let path = |kind, bytes: &[u8]| folder.write("a.png", encode(2, 1, kind, bytes));
        let rgb = read(path(png::ColorType::Rgb, &[255, 0, 0, 10, 20, 30]), Channels::Rgb).unwrap();
        assert_eq!((rgb.width, rgb.height, rgb.pixels), (2, 1, vec![255, 0, 0, 10, 20, 30]));
        let luma = read(path(png::ColorType::Rgb, &[255, 0, 0, 10, 20, 30]), Channels::Grey).unwrap();
        // Pillow: Image.convert("L") gives 76 and 18.
        assert_eq!(luma.pixels, [76, 18]);
        let rgba = read(path(png::ColorType::Rgba, &[1, 2, 3, 0, 4, 5, 6, 255]), Channels::Rgb).unwrap();
        assert_eq!(rgba.pixels, [1, 2, 3, 4, 5, 6]);
        let grey = read(path(png::ColorType::GrayscaleAlpha, &[9, 0, 8, 0]), Channels::Rgb).unwrap();
        assert_eq!(grey.pixels, [9, 9, 9, 8, 8, 8]);
    }

    #[test]
    fn jpeg_within_a_rounding_step_of_pillow() {
        // 24 × 16 pixels in four corners of one colour, written by Pillow at quality 95 without subsampling.
        let jpeg = folder();
        let jpeg = read(jpeg.write("corners.jpg", include_bytes!("../fixtures/corners.jpg")), Channels::Rgb).unwrap();
        assert_eq!((jpeg.width, jpeg.height), (24, 16));
        let corners =
            [((4, 4), [220, 30, 40]), ((18, 4), [29, 200, 60]), ((4, 12), [20, 60, 210]), ((18, 12), [240, 240, 230])];
        for ((x, y), expected) in corners {
            let pixel = &jpeg.pixels[(y * 24 + x) * 3..][..3];
            assert!(pixel.iter().zip(expected).all(|(&a, b): (&u8, u8)| a.abs_diff(b) <= 1), "{pixel:?} at {x}, {y}");
        }
    }

    #[test]
    fn a_png_bomb_is_refused_by_its_header() {
        let folder = folder();
        let mut bomb = encode(1, 1, png::ColorType::Grayscale, &[0]);
        // Rewrite the header: 60,000 × 60,000, with the checksum it needs.
        bomb[16..20].copy_from_slice(&60_000u32.to_be_bytes());
        bomb[20..24].copy_from_slice(&60_000u32.to_be_bytes());
        let mut crc = flate2::Crc::new();
        crc.update(&bomb[12..29]);
        bomb[29..33].copy_from_slice(&crc.sum().to_be_bytes());
        fails(read(folder.write("bomb.png", &bomb), Channels::Rgb), &["bomb.png", "60000 × 60000", "the limit is"]);
        fails(decode(&encode(5, 2, png::ColorType::Grayscale, &[0; 10]), Channels::Grey, 9), &["5 × 2", "limit is 9"]);
    }

    #[test]
    fn damaged_files_are_named() {
        let folder = folder();
        let whole = encode(2, 2, png::ColorType::Grayscale, &[1, 2, 3, 4]);
        fails(read(folder.write("cut.png", &whole[..45]), Channels::Grey), &["cut.png", "damaged PNG"]);
        fails(read(folder.write("text.png", "hello"), Channels::Grey), &["text.png", "neither PNG nor JPEG"]);
        fails(read(folder.write("cut.jpg", [0xff, 0xd8, 0xff, 0xe0, 0, 4]), Channels::Grey), &["cut.jpg", "JPEG"]);
    }
}
