//! The machine that a pickle is a program for, an opcode at a time.

use std::collections::BTreeMap;

use super::value::{Global, Node, Value};
use super::{PickleError, Result, Storage, TensorAt, damaged};
use crate::sentence;

/// Axes of a tensor at most: no weight has more, and a shape is copied once for each mention.
const MAX_RANK: usize = 8;

/// The machine: its program, its stack, and what it has described.
#[derive(Debug, Default)]
pub(super) struct Machine<'a> {
    bytes: &'a [u8],
    pub(super) at: usize,
    stack: Vec<Value<'a>>,
    /// Heights of the stack at its marks.
    marks: Vec<usize>,
    memo: BTreeMap<u32, Value<'a>>,
    pub(super) nodes: Vec<Node<'a>>,
    pub(super) tensors: Vec<TensorAt<'a>>,
    pub(super) storages: BTreeMap<&'a str, Storage<'a>>,
}

impl<'a> Machine<'a> {
    /// Before the first opcode.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, ..Self::default() }
    }

    /// The dictionary of tensors in the outermost one, if there is one further in.
    pub(super) fn state_of<'m>(&'m self, outermost: &'m [(Value<'a>, Value<'a>)]) -> &'m [(Value<'a>, Value<'a>)] {
        let inner = outermost.iter().rev().find_map(|pair| match *pair {
            (Value::Text("state_dict"), Value::Node(id)) => match &self.nodes[id] {
                Node::Dict(pairs) => Some(pairs.as_slice()),
                Node::Tuple(_) | Node::List(_) => None,
            },
            _ => None,
        });
        inner.unwrap_or(outermost)
    }

    /// One opcode; whether it was the last.
    pub(super) fn step(&mut self) -> Result<bool> {
        let opcode = self.byte()?;
        match opcode {
            b'.' => return Ok(true),
            0x80 => drop(self.take(1)?), // the protocol's number
            0x95 => drop(self.take(8)?), // the length of a frame
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'q' | b'r' | 0x94 => self.memoize(opcode)?,
            b'h' | b'j' => self.recall(opcode)?,
            b'c' | 0x93 => self.global(opcode)?,
            b'R' | 0x81 => self.call(opcode)?,
            b'b' => self.build()?,
            b'Q' => self.persistent()?,
            b't' | b')' | b']' | b'}' | 0x85..=0x87 => self.container(opcode)?,
            b's' | b'u' | b'a' | b'e' => self.fill(opcode)?,
            _ => self.literal(opcode)?,
        }
        Ok(false)
    }

    fn literal(&mut self, opcode: u8) -> Result<()> {
        let value = match opcode {
            b'N' => Value::Other,
            0x88 | 0x89 => Value::Truth(opcode == 0x88),
            b'J' => Value::Int(i64::from(i32::from_le_bytes(self.array()?))),
            b'K' => Value::Int(i64::from(self.byte()?)),
            b'M' => Value::Int(i64::from(u16::from_le_bytes(self.array()?))),
            0x8a => self.long()?,
            b'G' => {
                self.take(8)?;
                Value::Other
            }
            b'X' => self.text(4)?,
            0x8c => self.text(1)?,
            0x8d => self.text(8)?,
            b'C' | b'U' => self.raw(1)?,
            b'B' | b'T' => self.raw(4)?,
            0x8e => self.raw(8)?,
            _ => {
                return damaged(sentence!(
                    "its opcode {opcode} belongs to no state dictionary",
                    opcode = format!("{opcode:#04x}")
                ));
            }
        };
        self.stack.push(value);
        Ok(())
    }

    /// A whole number of any length; one that no size can be says nothing.
    fn long(&mut self) -> Result<Value<'a>> {
        let n = usize::from(self.byte()?);
        let digits = self.take(n)?;
        if n > 8 {
            return Ok(Value::Other);
        }
        let fill = if digits.last().is_some_and(|&top| top >= 0x80) { 0xFF } else { 0 };
        let mut number = [fill; 8];
        number[..n].copy_from_slice(digits);
        Ok(Value::Int(i64::from_le_bytes(number)))
    }

    fn text(&mut self, width: usize) -> Result<Value<'a>> {
        let n = self.length(width)?;
        match std::str::from_utf8(self.take(n)?) {
            Ok(text) => Ok(Value::Text(text)),
            Err(error) => damaged(sentence!("a name in it is no text: {error}", error)),
        }
    }

    fn raw(&mut self, width: usize) -> Result<Value<'a>> {
        let n = self.length(width)?;
        self.take(n)?;
        Ok(Value::Other)
    }

    fn container(&mut self, opcode: u8) -> Result<()> {
        let node = match opcode {
            b')' => Node::Tuple(Vec::new()),
            b']' => Node::List(Vec::new()),
            b'}' => Node::Dict(Vec::new()),
            b't' => Node::Tuple(self.since_mark()?),
            _ => {
                let mut items = Vec::new();
                for _ in 0x85..=opcode {
                    items.push(self.pop()?);
                }
                items.reverse();
                Node::Tuple(items)
            }
        };
        self.push_node(node);
        Ok(())
    }

    fn fill(&mut self, opcode: u8) -> Result<()> {
        let items = match opcode {
            b'a' => vec![self.pop()?],
            b's' => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
            _ => self.since_mark()?,
        };
        let Some(Value::Node(id)) = self.stack.last() else {
            return damaged(sentence!("it fills what cannot be filled"));
        };
        match (&mut self.nodes[*id], opcode) {
            (Node::List(list), b'a' | b'e') => list.extend(items),
            (Node::Dict(dict), b's' | b'u') => {
                let (pairs, odd) = items.as_chunks::<2>();
                if !odd.is_empty() {
                    return damaged(sentence!("a name in it has no value"));
                }
                dict.extend(pairs.iter().map(|&[name, value]| (name, value)));
            }
            _ => return damaged(sentence!("it fills what cannot be filled")),
        }
        Ok(())
    }

    fn memoize(&mut self, opcode: u8) -> Result<()> {
        let key = match opcode {
            b'q' => u32::from(self.byte()?),
            b'r' => u32::from_le_bytes(self.array()?),
            _ => u32::try_from(self.memo.len()).unwrap_or(u32::MAX),
        };
        let Some(&value) = self.stack.last() else { return damaged(sentence!("it keeps what is not there")) };
        self.memo.insert(key, value);
        Ok(())
    }

    fn recall(&mut self, opcode: u8) -> Result<()> {
        let key = if opcode == b'h' { u32::from(self.byte()?) } else { u32::from_le_bytes(self.array()?) };
        match self.memo.get(&key) {
            Some(&value) => self.stack.push(value),
            None => return damaged(sentence!("it recalls what it never kept")),
        }
        Ok(())
    }

    fn global(&mut self, opcode: u8) -> Result<()> {
        let (module, name) = if opcode == b'c' {
            (self.line()?, self.line()?)
        } else {
            let name = self.pop()?;
            match (self.pop()?, name) {
                (Value::Text(module), Value::Text(name)) => (module, name),
                _ => return damaged(sentence!("it asks for something without a name")),
            }
        };
        self.stack.push(Value::Global(Global::find(module, name)?));
        Ok(())
    }

    /// Where the original would call a function: the description of what it would return.
    fn call(&mut self, opcode: u8) -> Result<()> {
        let arguments = self.pop()?;
        let Value::Global(global) = self.pop()? else { return damaged(sentence!("it calls what is no function")) };
        let arguments = self.tuple(arguments)?;
        if opcode != b'R' && global != Global::Inert {
            return damaged(sentence!("it makes an object of {global}, which is none", global = format!("{global:?}")));
        }
        let made = match (global, arguments) {
            (Global::OrderedDict, []) | (Global::Inert, _) => {
                self.push_node(Node::Dict(Vec::new()));
                return Ok(());
            }
            (Global::RebuildParameter, [tensor @ Value::Tensor(_), ..]) => *tensor,
            (Global::RebuildTensor, &[Value::Storage(storage), offset, shape, strides, ..]) => {
                let tensor = TensorAt {
                    storage,
                    offset: size(offset)?,
                    shape: self.sizes(shape)?,
                    strides: self.sizes(strides)?,
                };
                self.tensors.push(tensor);
                Value::Tensor(self.tensors.len() - 1)
            }
            _ => {
                return damaged(sentence!(
                    "it calls {global} with what that does not take",
                    global = format!("{global:?}")
                ));
            }
        };
        self.stack.push(made);
        Ok(())
    }

    /// A dictionary's attributes, such as the versions of its modules, tell of no tensor.
    fn build(&mut self) -> Result<()> {
        self.pop()?;
        match self.stack.last() {
            Some(Value::Node(id)) if matches!(self.nodes[*id], Node::Dict(_)) => Ok(()),
            _ => damaged(sentence!("it gives attributes to what has none")),
        }
    }

    /// `("storage", type, key, device, numbers)`, and in the older format which part of another it is: none.
    fn persistent(&mut self) -> Result<()> {
        let id = self.pop()?;
        let storage = match self.tuple(id)? {
            &[Value::Text("storage"), Value::Global(Global::Storage(dtype)), Value::Text(key), _, len]
            | &[
                Value::Text("storage"),
                Value::Global(Global::Storage(dtype)),
                Value::Text(key),
                _,
                len,
                Value::Other,
            ] => Storage { key, dtype, len: size(len)? },
            _ => return damaged(sentence!("a storage in it is described in a way that is not known here")),
        };
        self.storages.insert(storage.key, storage);
        self.stack.push(Value::Storage(storage));
        Ok(())
    }

    fn tuple(&self, value: Value<'a>) -> Result<&[Value<'a>]> {
        match value {
            Value::Node(id) => match &self.nodes[id] {
                Node::Tuple(items) => Ok(items),
                _ => damaged(sentence!("a list of arguments in it is none")),
            },
            _ => damaged(sentence!("a list of arguments in it is none")),
        }
    }

    fn sizes(&self, value: Value<'a>) -> Result<Vec<usize>> {
        let sizes = self.tuple(value)?;
        if sizes.len() > MAX_RANK {
            return damaged(sentence!("a tensor in it has {n_sizes} axes", n_sizes = sizes.len()));
        }
        sizes.iter().map(|&value| size(value)).collect()
    }

    fn push_node(&mut self, node: Node<'a>) {
        self.nodes.push(node);
        self.stack.push(Value::Node(self.nodes.len() - 1));
    }

    /// Takes the top value if it lies above the last mark; [`Machine::since_mark`] takes the mark away.
    pub(super) fn pop(&mut self) -> Result<Value<'a>> {
        if self.stack.len() <= self.marks.last().copied().unwrap_or(0) {
            return damaged(sentence!("it takes what is not there"));
        }
        self.stack.pop().ok_or_else(|| PickleError::Damaged(sentence!("it takes what is not there")))
    }

    fn since_mark(&mut self) -> Result<Vec<Value<'a>>> {
        match self.marks.pop() {
            Some(height) if height <= self.stack.len() => Ok(self.stack.split_off(height)),
            _ => damaged(sentence!("a mark in it is missing")),
        }
    }

    fn byte(&mut self) -> Result<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        match self.bytes.get(self.at..).and_then(<[u8]>::first_chunk) {
            Some(&array) => {
                self.at += N;
                Ok(array)
            }
            None => damaged(sentence!("it is cut short")),
        }
    }

    fn length(&mut self, width: usize) -> Result<usize> {
        let mut number = [0; 8];
        number[..width].copy_from_slice(self.take(width)?);
        usize::try_from(u64::from_le_bytes(number)).or_else(|_| damaged(sentence!("it is cut short")))
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        match self.at.checked_add(n).and_then(|end| self.bytes.get(self.at..end)) {
            Some(taken) => {
                self.at += n;
                Ok(taken)
            }
            None => damaged(sentence!("it is cut short")),
        }
    }

    fn line(&mut self) -> Result<&'a str> {
        let rest = &self.bytes[self.at..];
        let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
            return damaged(sentence!("it is cut short"));
        };
        self.at += end + 1;
        std::str::from_utf8(&rest[..end]).or_else(|_| damaged(sentence!("a name in it is no text")))
    }
}

fn size(value: Value<'_>) -> Result<usize> {
    match value {
        Value::Int(number) => {
            usize::try_from(number).or_else(|_| damaged(sentence!("a size in it is {number}", number)))
        }
        _ => damaged(sentence!("a size in it is no number")),
    }
}
