//! The pickle machine: a stack, a memo, and the instructions of protocols 2 to 5 that hold data.
//!
//! Everything made lives in one arena and is referred to by index, so that objects may refer to each
//! other in any way without recursion or reference cycles here.
//! Instructions: Python's `Lib/pickletools.py`, which documents every one.

mod calls;

use super::super::Problem;
use super::super::elements::{ByteOrder, Stored};
use super::globals::Global;
use super::reader::Reader;
use super::storage::{Storage, View};
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
