//! The writer: picks a way to write the digit, an unsteady hand, a pen and a sheet of paper.
//!
//! Everything is f32 arithmetic that is exact to the last bit everywhere (+ − × ÷ √; sine and cosine by `libm`),
//! so a sample has the same bytes on every machine.

use super::glyphs::{self, Point, Stroke};
use super::pen::{self, Touch};
use super::{PIXELS, SIDE};
use crate::random::Stream;

/// Points per Bézier curve.
const STEPS: usize = 8;

/// Draws `digit` as the random numbers of `stream` tell.
pub fn write(digit: u8, stream: &mut Stream) -> [u8; PIXELS] {
    let ways = glyphs::ways(digit);
    let way = &ways[stream.below(ways.len() as u32) as usize];
    let pose = Pose::new(stream);
    let tremor = Tremor::new(stream);
    let radius = stream.uniform(0.7, 1.5);

    let mut image = [0.0; PIXELS];
    for stroke in way {
        let unsteady: Stroke = stroke.iter().map(|p| p.map(|c| c + 1.7 * stream.bell())).collect();
        let (start, end) = (radius * stream.uniform(0.75, 1.25), radius * stream.uniform(0.75, 1.25));
        let line = trace(&unsteady);
        let last = (line.len() - 1) as f32;
        let touches: Vec<Touch> = line
            .iter()
            .enumerate()
            .map(|(i, &point)| Touch {
                at: tremor.shift(pose.place(point)),
                radius: start + (end - start) * (i as f32 / last),
            })
            .collect();
        if stream.chance(0.06) {
            // The pen runs dry for a moment.
            let gap = 1 + stream.below(touches.len() as u32 - 2) as usize;
            pen::draw(&touches[..gap], 1.0, &mut image);
            pen::draw(&touches[gap + 1..], 1.0, &mut image);
        } else {
            pen::draw(&touches, 1.0, &mut image);
        }
    }
    if stream.chance(0.06) {
        hide_a_band(stream, &mut image);
    }
    if stream.chance(0.2) {
        scratch(stream, &mut image);
    }
    develop(stream, &image)
}

/// Size, slant and place of the digit: an affine map from the sheet to the image.
struct Pose {
    matrix: [[f32; 2]; 2],
    centre: Point,
}

impl Pose {
    fn new(stream: &mut Stream) -> Pose {
        let size = SIDE as f32 / 100.0 * stream.uniform(0.76, 1.0);
        let (width, height) = (size * stream.uniform(0.8, 1.15), size * stream.uniform(0.88, 1.1));
        let angle = 0.12 * stream.bell();
        let slant = 0.12 * stream.bell();
        let (sin, cos) = (libm::sinf(angle), libm::cosf(angle));
        // Scale, then slant (x moves with y), then turn.
        let matrix = [[cos * width, (-cos * slant - sin) * height], [sin * width, (-sin * slant + cos) * height]];
        let middle = SIDE as f32 / 2.0;
        let centre = [0, 1].map(|_| middle + 1.1 * stream.bell());
        Pose { matrix, centre }
    }

    fn place(&self, point: Point) -> Point {
        let [x, y] = point.map(|c| c - 50.0);
        [0, 1].map(|axis| self.centre[axis] + self.matrix[axis][0] * x + self.matrix[axis][1] * y)
    }
}

/// A smooth displacement of the whole plane: per axis two plane waves, 14 to 40 pixels long.
struct Tremor([[Wave; 2]; 2]);

struct Wave {
    frequency: Point,
    phase: f32,
    height: f32,
}

impl Tremor {
    fn new(stream: &mut Stream) -> Tremor {
        let mut wave = || {
            let turn = std::f32::consts::TAU;
            let (direction, length) = (stream.uniform(0.0, turn), stream.uniform(14.0, 40.0));
            Wave {
                frequency: [libm::cosf(direction) * turn / length, libm::sinf(direction) * turn / length],
                phase: stream.uniform(0.0, turn),
                height: 0.5 * stream.bell(),
            }
        };
        Tremor([[wave(), wave()], [wave(), wave()]])
    }

    fn shift(&self, [x, y]: Point) -> Point {
        let by = |waves: &[Wave; 2]| -> f32 {
            waves.iter().map(|w| w.height * libm::sinf(w.frequency[0] * x + w.frequency[1] * y + w.phase)).sum()
        };
        [x + by(&self.0[0]), y + by(&self.0[1])]
    }
}

/// The points along a stroke: [`STEPS`] per cubic, by de Casteljau's weights.
fn trace(stroke: &Stroke) -> Vec<Point> {
    let mut line = vec![stroke[0]];
    for curve in stroke.windows(4).step_by(3) {
        for step in 1..=STEPS {
            let t = step as f32 / STEPS as f32;
            let u = 1.0 - t;
            let weights = [u * u * u, 3.0 * u * u * t, 3.0 * u * t * t, t * t * t];
            line.push([0, 1].map(|axis| weights.iter().zip(curve).map(|(w, p)| w * p[axis]).sum()));
        }
    }
    line
}

/// Whites out a straight band, as if a strip of paper lay over the sheet.
fn hide_a_band(stream: &mut Stream, image: &mut [f32; PIXELS]) {
    let direction = stream.uniform(0.0, std::f32::consts::TAU);
    let (cos, sin) = (libm::cosf(direction), libm::sinf(direction));
    let (offset, half) = (stream.uniform(-7.0, 7.0), stream.uniform(0.6, 1.6));
    let middle = (SIDE as f32 - 1.0) / 2.0;
    for (i, pixel) in image.iter_mut().enumerate() {
        let (x, y) = ((i % SIDE) as f32 - middle, (i / SIDE) as f32 - middle);
        let distance = (x * cos + y * sin - offset).abs();
        *pixel *= (distance - half + 0.5).clamp(0.0, 1.0);
    }
}

/// Adds a thin stray line of fainter ink.
fn scratch(stream: &mut Stream, image: &mut [f32; PIXELS]) {
    let side = SIDE as f32;
    let from = [stream.uniform(0.0, side), stream.uniform(0.0, side)];
    let to = from.map(|c| c + 5.0 * stream.bell());
    let radius = stream.uniform(0.3, 0.8);
    let ink = stream.uniform(0.4, 0.9);
    pen::draw(&[from, to].map(|at| Touch { at, radius }), ink, image);
}

/// Ink strength, paper and grain: from coverage to grey values.
fn develop(stream: &mut Stream, image: &[f32; PIXELS]) -> [u8; PIXELS] {
    let paper = stream.uniform(0.0, 0.2);
    let ink = stream.uniform(0.55, 1.0);
    let grain = stream.uniform(0.0, 0.07);
    let mut word = 0;
    std::array::from_fn(|i| {
        if i % 2 == 0 {
            word = stream.word();
        }
        // The sum of two random bytes, centred: a triangular distribution of standard deviation 0.41.
        let noise = ((word & 255) + (word >> 8 & 255)) as f32 / 255.0 - 1.0;
        word >>= 16;
        let value = paper + (ink - paper) * image[i] + 2.4 * grain * noise;
        (value * 255.0 + 0.5) as u8
    })
}
