//! The tile machine: several elementwise ops in one pass.
//!
//! The elements are walked in tiles that stay in the cache. For each tile every op runs its own kernel, the results of
//! earlier ops being read from scratch memory; only what is needed outside of the group is written to where it belongs.

use super::graph::{Member, Source};
use crate::dispatch;
use crate::op::{Input, Output};
use crate::run::map::{CHUNK, Reader};
use crate::tensor::{ALIGNMENT, Buffer, Layout, Meta, Shape};
use hadal_kernels::threads::for_chunks;
use smallvec::SmallVec;
use std::ops::Range;
use std::ptr::NonNull;

/// Elements per tile: large enough that the call of a kernel costs little, and small enough that a few tiles fit the
/// second-level cache.
const TILE: usize = 4096;

/// How a tile of an input is found.
enum Reading<'a> {
    /// The elements follow on each other from here.
    Direct(usize),
    /// One element, here, stands for all.
    Repeated(usize),
    /// The elements of a row-major walk over another layout are copied into scratch memory.
    Gathered(Box<Fetch<'a>>),
}

/// `(first element, room, number of elements)`
type Fetch<'a> = dyn Fn(usize, &mut Buffer, usize) + Sync + 'a;

impl<'a> Reading<'a> {
    fn new(input: &Input<'a>, shape: &Shape) -> Reading<'a> {
        let layout = input.layout();
        if layout.shape == *shape && layout.is_contiguous() {
            return Reading::Direct(layout.offset);
        }
        let layout = layout.broadcast_to(shape);
        if layout.strides.iter().all(|&stride| stride == 0) {
            return Reading::Repeated(layout.offset);
        }
        let input = *input;
        dispatch!(moves input.dtype(), T => {
            let reader = Reader::<T>::new(input.bits(), &layout);
            Reading::Gathered(Box::new(move |start, tile, len| reader.read(start, &mut tile.slice_mut::<T>()[..len])))
        })
    }
}

/// Where an output's elements go.
struct Target {
    start: NonNull<u8>,
    size: usize,
}

// SAFETY: tasks write disjoint ranges of what it points to.
unsafe impl Sync for Target {}

impl Target {
    /// The buffer of one tile.
    ///
    /// # Safety
    /// The range lies within the output, and nobody else uses it.
    unsafe fn tile(&self, range: &Range<usize>) -> Buffer {
        // SAFETY: within the output, as the caller says.
        unsafe { Buffer::part(self.start.add(range.start * self.size), range.len() * self.size) }
    }
}

/// Runs the members of a group, which all have the shape of the outputs.
pub(super) fn run(members: &[Member], inputs: &[Input], outputs: &mut [Output]) {
    let shape = outputs[0].shape().clone();
    let readings: Vec<Reading> = inputs.iter().map(|input| Reading::new(input, &shape)).collect();
    let targets: Vec<Target> = outputs.iter_mut().map(target).collect();
    for_chunks(shape.elements(), CHUNK, |chunk| {
        let mut scratch = Scratch::new(inputs, &readings, members);
        for start in chunk.clone().step_by(TILE) {
            let range = start..chunk.end.min(start + TILE);
            tile(members, inputs, &readings, &targets, &mut scratch, range);
        }
    });
}

fn target(output: &mut Output) -> Target {
    let size = output.dtype().size();
    dispatch!(moves output.dtype(), T => Target { start: NonNull::from(output.bits::<T>()).cast(), size })
}

/// The memory of one task: room for the tiles that are gathered, and for the results that stay inside of the group.
struct Scratch {
    gathered: Vec<Option<Buffer>>,
    /// By member; those of outputs are not used.
    rooms: Vec<NonNull<u8>>,
    /// What the rooms lie in.
    _memory: Buffer,
}

impl Scratch {
    fn new(inputs: &[Input], readings: &[Reading], members: &[Member]) -> Scratch {
        let gathered = inputs.iter().zip(readings).map(|(input, reading)| match reading {
            Reading::Gathered(_) => Some(Buffer::recycled(TILE * input.dtype().size())),
            _ => None,
        });
        let gathered = gathered.collect();
        let room = |member: &Member| match member.output {
            None => (TILE * member.meta.dtype.size()).next_multiple_of(ALIGNMENT),
            Some(_) => 0,
        };
        let mut memory = Buffer::recycled(members.iter().map(room).sum());
        let mut next = NonNull::from(memory.bytes_mut()).cast::<u8>();
        let rooms = members.iter().map(|member| {
            let start = next;
            // SAFETY: the rooms add up to the memory.
            next = unsafe { next.add(room(member)) };
            start
        });
        let rooms = rooms.collect();
        Scratch { gathered, rooms, _memory: memory }
    }
}

/// Runs every member on the elements of one range.
fn tile(
    members: &[Member],
    inputs: &[Input],
    readings: &[Reading],
    targets: &[Target],
    scratch: &mut Scratch,
    range: Range<usize>,
) {
    let len = range.len();
    let mut layouts: SmallVec<[Layout; 4]> = SmallVec::new();
    for (reading, room) in readings.iter().zip(&mut scratch.gathered) {
        let mut layout = Layout::contiguous([len]);
        match reading {
            Reading::Direct(offset) => layout.offset = offset + range.start,
            Reading::Repeated(offset) => (layout.offset, layout.strides[0]) = (*offset, 0),
            Reading::Gathered(read) => {
                let room = room.as_mut().expect("made for every gathered input");
                read(range.start, room, len);
            }
        }
        layouts.push(layout);
    }
    let whole = Layout::contiguous([len]);
    let mut results: SmallVec<[Buffer; 8]> = SmallVec::new();
    for (member, room) in members.iter().zip(&scratch.rooms) {
        let mut result = match member.output {
            // SAFETY: each task has a range of its own.
            Some(output) => unsafe { targets[output].tile(&range) },
            // SAFETY: the room is this member's, as large as a tile, and lives as long as the scratch memory.
            None => unsafe { Buffer::part(*room, len * member.meta.dtype.size()) },
        };
        let view = |source: &Source| match *source {
            Source::Member(i) => Input::new(&whole, members[i].meta.dtype, &results[i]),
            Source::Input(i) => match &scratch.gathered[i] {
                Some(tile) => Input::new(&layouts[i], inputs[i].dtype(), tile),
                None => inputs[i].over(&layouts[i]),
            },
        };
        let views: SmallVec<[Input; 3]> = member.inputs.iter().map(view).collect();
        let meta = Meta::new([len], member.meta.dtype);
        member.op.run(&views, &mut [Output::new(&meta, &mut result)]);
        drop(views);
        results.push(result);
    }
}
