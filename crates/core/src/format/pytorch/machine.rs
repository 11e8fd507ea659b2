//! The pickle machine: a stack, a memo, and the instructions of protocols 2 to 5 that hold data.
//!
//! Everything made lives in one arena and is referred to by index, so that objects may refer to each
//! other in any way without recursion or reference cycles here.
//! Instructions: Python's `Lib/pickletools.py`, which documents every one.

use super::super::elements::{ByteOrder, Stored};
use super::super::{MAX_RANK, Problem, npy};
use super::Source;
use super::globals::Global;
use super::reader::Reader;
use super::storage::{Storage, View};
use crate::{DType, Tensor};
use std::collections::HashMap;
use std::sync::Arc;

/// Instructions one pickle may run, and elements it may move. A state dict takes about 30 for a tensor.
pub(super) const MAX_STEPS: usize = 1 << 21;

/// A value on the stack.
#[derive(Clone, Debug)]
pub(super) enum Item {
    None,
    Bool(bool),
    Int(i64),
    /// A whole number beyond `i64`.
    Big(Box<i128>),
    Float(f64),
    Text(Arc<str>),
    Bytes(Arc<[u8]>),
    Global(Global),
    /// An index into the arena.
    Object(usize),
}

/// What an index of the arena stands for.
#[derive(Debug)]
pub(super) enum Object {
    List(Vec<Item>),
    Tuple(Vec<Item>),
    Dict(Vec<(Item, Item)>),
    // Boxed, because a hostile pickle makes millions of the others.
    Storage(Box<Storage>),
    Tensor(Box<View>),
    /// A `numpy.dtype`: kind and size, and the byte order that follows by `BUILD`.
    NumpyType(Stored, ByteOrder),
}

/// A pickle that has been run: its result, and all that the result may refer to.
pub(super) struct Pickle {
    pub result: Item,
    pub objects: Vec<Object>,
}

impl Pickle {
    /// Runs the pickle at the reader's position; the reader stops behind it.
    pub fn run(reader: &mut Reader) -> Result<Pickle, Problem> {
        let mut machine = Machine {
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            objects: Vec::new(),
            steps: MAX_STEPS,
        };
        loop {
            let (at, code) = (reader.position(), reader.u8()?);
            machine.spend(1)?;
            if code == b'.' {
                let result = machine.stack.pop().ok_or("has a pickle that ends without a value")?;
                return Ok(Pickle { result, objects: machine.objects });
            }
            machine.step(code, reader).map_err(|fault| match fault {
                Fault::Form(what) => format!("is not a well-formed pickle at byte {at}: {what}"),
                Fault::Content(problem) => problem,
            })?;
        }
    }
}

/// Why the machine stops: the pickle itself is broken, or it holds what is not read.
enum Fault {
    Form(String),
    Content(Problem),
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Fault {
        Fault::Content(problem)
    }
}

fn malformed(what: impl Into<String>) -> Fault {
    Fault::Form(what.into())
}

struct Machine {
    stack: Vec<Item>,
    marks: Vec<usize>,
    memo: HashMap<u32, Item>,
    objects: Vec<Object>,
    steps: usize,
}

impl Machine {
    fn step(&mut self, code: u8, reader: &mut Reader) -> Result<(), Fault> {
        match code {
            0x80 => match reader.u8()? {
                2..=5 => {}
                protocol => return Err(malformed(format!("protocol {protocol} is not known"))),
            },
            0x95 => drop(reader.u64()?), // FRAME: a hint for buffering
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.since_mark()?),
            b'2' => {
                let top = self.top()?.clone();
                self.stack.push(top);
            }
            b'N' => self.stack.push(Item::None),
            0x88 => self.stack.push(Item::Bool(true)),
            0x89 => self.stack.push(Item::Bool(false)),
            b'J' => self.stack.push(Item::Int(i32::from_le_bytes(reader.array()?).into())),
            b'K' => self.stack.push(Item::Int(reader.u8()?.into())),
            b'M' => self.stack.push(Item::Int(reader.u16()?.into())),
            0x8a => {
                let length = reader.u8()?;
                self.long(reader.take(length.into())?)?;
            }
            0x8b => {
                let length = reader.u32()?;
                self.long(reader.take(length.into())?)?;
            }
            b'G' => self.stack.push(Item::Float(f64::from_be_bytes(reader.array()?))),
            // BINSTRING and SHORT_BINSTRING are Python 2's `str`; what tensors need of it is ASCII.
            b'X' | b'T' => {
                let length = reader.u32()?.into();
                self.text(reader.text(length)?);
            }
            0x8c | b'U' => {
                let length = reader.u8()?.into();
                self.text(reader.text(length)?);
            }
            0x8d => {
                let length = reader.u64()?;
                self.text(reader.text(length)?);
            }
            b'B' => {
                let length = reader.u32()?.into();
                self.stack.push(Item::Bytes(reader.take(length)?.into()));
            }
            b'C' => {
                let length = reader.u8()?.into();
                self.stack.push(Item::Bytes(reader.take(length)?.into()));
            }
            0x8e => {
                let length = reader.u64()?;
                self.stack.push(Item::Bytes(reader.take(length)?.into()));
            }
            b']' | 0x8f => self.make(Object::List(Vec::new())), // a set is read as a list
            b')' => self.make(Object::Tuple(Vec::new())),
            b'}' => self.make(Object::Dict(Vec::new())),
            b't' | 0x91 => {
                let items = self.since_mark()?;
                self.make(Object::Tuple(items));
            }
            0x85..=0x87 => {
                let items = self.last((code - 0x84).into())?;
                self.make(Object::Tuple(items));
            }
            b'l' => {
                let items = self.since_mark()?;
                self.make(Object::List(items));
            }
            b'd' => {
                let items = self.since_mark()?;
                self.make(Object::Dict(Vec::new()));
                self.set_items(items)?;
            }
            b'a' => {
                let items = self.last(1)?;
                self.append(items)?;
            }
            b'e' | 0x90 => {
                let items = self.since_mark()?;
                self.append(items)?;
            }
            b's' => {
                let items = self.last(2)?;
                self.set_items(items)?;
            }
            b'u' => {
                let items = self.since_mark()?;
                self.set_items(items)?;
            }
            b'q' => {
                let key = reader.u8()?.into();
                self.remember(key)?;
            }
            b'r' => {
                let key = reader.u32()?;
                self.remember(key)?;
            }
            0x94 => self.remember(self.memo.len() as u32)?,
            b'h' => {
                let key = reader.u8()?.into();
                self.recall(key)?;
            }
            b'j' => {
                let key = reader.u32()?;
                self.recall(key)?;
            }
            b'c' => {
                let (module, name) = (reader.line()?, reader.line()?);
                self.stack.push(Item::Global(Global::find(module, name)?));
            }
            0x93 => {
                let names = self.last(2)?;
                let [Item::Text(module), Item::Text(name)] = &names[..] else {
                    return Err(malformed("the names of a global are not text"));
                };
                let global = Global::find(module, name)?;
                self.stack.push(Item::Global(global));
            }
            // INST, the oldest form of a call, is refused even for allowed names: nothing uses it.
            b'i' => {
                let (module, name) = (reader.line()?, reader.line()?);
                Global::find(module, name)?;
                return Err(unknown(code));
            }
            b'R' | 0x81 => self.call()?,
            b'b' => self.build()?,
            b'Q' => {
                let id = self.pop()?;
                let storage = self.storage(&id)?;
                self.make(Object::Storage(Box::new(storage)));
            }
            _ => return Err(unknown(code)),
        }
        Ok(())
    }

    /// Counts work that the pickle causes, instruction by instruction and element by element.
    fn spend(&mut self, steps: usize) -> Result<(), Problem> {
        self.steps = self.steps.checked_sub(steps).ok_or_else(|| {
            format!("has a pickle of more than {MAX_STEPS} steps, more than weights need: it is not read further")
        })?;
        Ok(())
    }

    fn make(&mut self, object: Object) {
        self.stack.push(Item::Object(self.objects.len()));
        self.objects.push(object);
    }

    fn text(&mut self, text: &str) {
        self.stack.push(Item::Text(text.into()));
    }

    /// A little-endian two's complement number of any length.
    fn long(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if bytes.len() > 16 {
            return Err(format!("has a whole number of {} bytes; at most 16 are read", bytes.len()).into());
        }
        let sign = if bytes.last().is_some_and(|b| b & 0x80 != 0) { 0xff } else { 0 };
        let mut wide = [sign; 16];
        wide[..bytes.len()].copy_from_slice(bytes);
        let number = i128::from_le_bytes(wide);
        self.stack.push(i64::try_from(number).map_or_else(|_| Item::Big(Box::new(number)), Item::Int));
        Ok(())
    }

    /// Values below the innermost mark belong to an outer construct.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Item, Fault> {
        if self.stack.len() <= self.floor() {
            return Err(malformed("the stack is empty"));
        }
        Ok(self.stack.pop().expect("not empty"))
    }

    fn top(&self) -> Result<&Item, Fault> {
        if self.stack.len() <= self.floor() {
            return Err(malformed("the stack is empty"));
        }
        Ok(&self.stack[self.stack.len() - 1])
    }

    fn last(&mut self, count: usize) -> Result<Vec<Item>, Fault> {
        let start = self.stack.len().checked_sub(count).filter(|&start| start >= self.floor());
        Ok(self.stack.split_off(start.ok_or_else(|| malformed("the stack is empty"))?))
    }

    fn since_mark(&mut self) -> Result<Vec<Item>, Fault> {
        let mark = self.marks.pop().ok_or_else(|| malformed("there is no mark"))?;
        Ok(self.stack.split_off(mark))
    }

    fn remember(&mut self, key: u32) -> Result<(), Fault> {
        let top = self.top()?.clone();
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, key: u32) -> Result<(), Fault> {
        let item = self.memo.get(&key).ok_or_else(|| malformed(format!("memo {key} was never set")))?.clone();
        self.stack.push(item);
        Ok(())
    }

    fn append(&mut self, items: Vec<Item>) -> Result<(), Fault> {
        let Item::Object(list) = *self.top()? else { return Err(malformed("only a list can be appended to")) };
        let Object::List(list) = &mut self.objects[list] else {
            return Err(malformed("only a list can be appended to"));
        };
        list.extend(items);
        Ok(())
    }

    fn set_items(&mut self, items: Vec<Item>) -> Result<(), Fault> {
        let Item::Object(dict) = *self.top()? else { return Err(malformed("only a dictionary has keys")) };
        let Object::Dict(dict) = &mut self.objects[dict] else { return Err(malformed("only a dictionary has keys")) };
        let (pairs, []) = items.as_chunks::<2>() else { return Err(malformed("a key has no value")) };
        dict.extend(pairs.iter().map(|[key, value]| (key.clone(), value.clone())));
        Ok(())
    }

    fn tuple(&self, item: &Item) -> Result<&[Item], Fault> {
        match item {
            Item::Object(at) => match &self.objects[*at] {
                Object::Tuple(items) | Object::List(items) => Ok(items),
                _ => Err(malformed("a tuple was expected")),
            },
            _ => Err(malformed("a tuple was expected")),
        }
    }

    /// `REDUCE` and `NEWOBJ`: a global from the whitelist, applied to a tuple.
    fn call(&mut self) -> Result<(), Fault> {
        let operands = self.last(2)?;
        let Item::Global(function) = operands[0] else {
            return Err(malformed("only a named function can be called"));
        };
        self.apply(function, &operands[1])
    }

    fn apply(&mut self, function: Global, arguments: &Item) -> Result<(), Fault> {
        let arguments = self.tuple(arguments)?;
        // Copied so that the arena can grow; one argument list is short, but may be referred to often.
        let count = arguments.len();
        if count > 16 {
            return Err(malformed(format!("{count} arguments are more than any allowed function takes")));
        }
        let arguments = arguments.to_vec();
        match (function, &arguments[..]) {
            (Global::Dict, []) => self.make(Object::Dict(Vec::new())),
            (Global::Dict, [Item::Object(at)]) => self.dictionary(*at)?,
            (Global::Set | Global::Size, []) => self.make(Object::List(Vec::new())),
            // A set or size is its list; nothing tells them apart here.
            (Global::Set | Global::Size, [items @ Item::Object(_)]) => self.stack.push(items.clone()),
            (Global::Device, [Item::Text(name), ..]) => self.stack.push(Item::Text(name.clone())),
            (Global::RebuildTensor, [Item::Object(storage), offset, size, stride, ..]) => {
                self.tensor(*storage, None, offset, size, stride)?;
            }
            (
                Global::RebuildTyped,
                [Item::Object(storage), offset, size, stride, _, _, Item::Global(Global::Type(stored)), ..],
            ) => {
                self.tensor(*storage, Some(*stored), offset, size, stride)?;
            }
            (Global::RebuildParameter, [data @ Item::Object(_), ..]) => self.stack.push(data.clone()),
            (Global::RebuildFromType, [Item::Global(rebuild), Item::Global(Global::TensorClass), arguments, ..])
                if *rebuild != Global::RebuildFromType =>
            {
                self.apply(*rebuild, arguments)?;
            }
            (Global::Encode, [Item::Text(text), Item::Text(codec)]) if &**codec == "latin1" => {
                self.spend(text.len() / 16)?;
                let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
                self.stack.push(Item::Bytes(bytes.ok_or_else(|| malformed("bytes are not latin1"))?.into()));
            }
            (Global::NumpyType, [Item::Text(name), ..]) => {
                let (stored, order) = npy::element_type(name)?;
                self.make(Object::NumpyType(stored, order));
            }
            (Global::NumpyScalar, [Item::Object(at), Item::Bytes(bytes)]) => self.numpy_scalar(*at, bytes)?,
            (function, arguments) => {
                let problem = format!("{function:?} cannot be called with these {} arguments", arguments.len());
                return Err(malformed(problem));
            }
        }
        Ok(())
    }

    /// `OrderedDict([(key, value), …])` of Python 2, or `Counter({…})`.
    fn dictionary(&mut self, from: usize) -> Result<(), Fault> {
        let count = match &self.objects[from] {
            Object::Dict(pairs) => pairs.len(),
            Object::List(list) => list.len(),
            _ => 0,
        };
        // Copies take memory that the file does not, so an element counts as many steps.
        self.spend(count.saturating_mul(16))?;
        let pairs = match &self.objects[from] {
            Object::Dict(pairs) => pairs.clone(),
            Object::List(list) => list
                .iter()
                .map(|pair| match self.tuple(pair)? {
                    [key, value] => Ok((key.clone(), value.clone())),
                    _ => Err(malformed("a dictionary is made of pairs")),
                })
                .collect::<Result<_, _>>()?,
            _ => return Err(malformed("a dictionary is made of pairs")),
        };
        self.make(Object::Dict(pairs));
        Ok(())
    }

    fn numpy_scalar(&mut self, at: usize, bytes: &[u8]) -> Result<(), Fault> {
        let Object::NumpyType(stored, order) = self.objects[at] else {
            return Err(malformed("a NumPy type was expected"));
        };
        if bytes.len() != stored.size() {
            return Err(malformed(format!("a NumPy number of {} bytes has {}", stored.size(), bytes.len())));
        }
        let source: Source = Arc::new(bytes.to_vec());
        let buffer = stored.buffer(&source, 0, bytes.len(), order);
        let number = Tensor::from_buffer(buffer, (), stored.dtype()).expect("one element");
        self.stack.push(match stored.dtype() {
            DType::Bool => Item::Bool(number.item()),
            dtype if dtype.is_float() => Item::Float(number.item()),
            _ => Item::Int(number.item()),
        });
        Ok(())
    }

    /// `BUILD`: attributes of an object. The byte order of a NumPy type matters; the `_metadata` of a state
    /// dict and attributes of tensors do not.
    fn build(&mut self) -> Result<(), Fault> {
        let state = self.pop()?;
        let Item::Object(at) = *self.top()? else { return Err(malformed("attributes of something that has none")) };
        match &self.objects[at] {
            Object::NumpyType(stored, _) => {
                let stored = *stored;
                let order = match self.tuple(&state)?.get(1) {
                    Some(Item::Text(order)) if &**order == ">" => ByteOrder::Big,
                    _ => ByteOrder::Little,
                };
                self.objects[at] = Object::NumpyType(stored, order);
                Ok(())
            }
            Object::Dict(_) | Object::Tensor(_) => Ok(()),
            _ => Err(malformed("attributes of something that has none")),
        }
    }

    /// A persistent id: `('storage', class, key, device, elements[, view])`.
    fn storage(&self, id: &Item) -> Result<Storage, Fault> {
        let wrong = || malformed("a reference that is not to a storage");
        match self.tuple(id)? {
            [Item::Text(kind), Item::Global(Global::Storage(stored)), Item::Text(key), _, count, rest @ ..]
                if &**kind == "storage" =>
            {
                let elements = size(count)?;
                let view = match rest {
                    [] | [Item::None] => None,
                    // Before PyTorch 0.4 a storage could be part of another: (key, offset, elements).
                    [view @ Item::Object(_)] => match self.tuple(view)? {
                        [Item::Text(_), offset, length] => Some((size(offset)?, size(length)?)),
                        _ => return Err(wrong()),
                    },
                    _ => return Err(wrong()),
                };
                Ok(Storage { key: key.clone(), stored: *stored, elements, view })
            }
            _ => Err(wrong()),
        }
    }

    fn tensor(
        &mut self,
        storage: usize,
        stored: Option<Stored>,
        offset: &Item,
        shape: &Item,
        strides: &Item,
    ) -> Result<(), Fault> {
        let Object::Storage(storage) = &self.objects[storage] else { return Err(malformed("a storage was expected")) };
        let (shape, strides) = (self.tuple(shape)?, self.tuple(strides)?);
        if shape.len() > MAX_RANK {
            return Err(format!("has a tensor of {} axes; at most {MAX_RANK} are supported", shape.len()).into());
        }
        let shape = shape.iter().map(size).collect::<Result<Vec<_>, _>>()?;
        let strides = strides.iter().take(shape.len() + 1).map(size).collect::<Result<Vec<_>, _>>()?;
        let view = View::new((**storage).clone(), stored, size(offset)?, shape, strides)?;
        self.make(Object::Tensor(Box::new(view)));
        Ok(())
    }
}

fn size(item: &Item) -> Result<usize, Fault> {
    match item {
        Item::Int(n) => usize::try_from(*n).ok(),
        _ => None,
    }
    .ok_or_else(|| malformed(format!("a size, offset or stride was expected, not {item:?}")))
}

/// The refusal of an instruction, by its name in Python's `pickletools`.
fn unknown(code: u8) -> Fault {
    let name = match code {
        b'I' => "INT",
        b'L' => "LONG",
        b'F' => "FLOAT",
        b'S' => "STRING",
        b'V' => "UNICODE",
        b'g' => "GET",
        b'p' => "PUT",
        b'i' => "INST",
        b'o' => "OBJ",
        b'P' => "PERSID",
        0x82..=0x84 => "EXT",
        0x92 => "NEWOBJ_EX",
        0x96 => "BYTEARRAY8",
        0x97 => "NEXT_BUFFER",
        0x98 => "READONLY_BUFFER",
        _ => return malformed(format!("there is no instruction {code:#04x}")),
    };
    format!(
        "uses the pickle instruction {name}, which files of tensors written by torch.save do not need: it is not run"
    )
    .into()
}
