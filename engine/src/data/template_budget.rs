//! Budget of what a template from a stranger may compute: one for all that is made, looked through and written.
//!
//! minijinja compiles a template to instructions. Before they run, each that can take more than a moment gets others around
//! it: before it, one that pays for the values it is given; behind it, one that pays for the value it made, and computes at
//! once what would be computed at each use. So the price is that of the work, whatever operator, filter, method or loop
//! does it, and whether its result is ever written or not. A round of a loop and a call of a macro cost what is in them.
//!
//! How deep an expression nests is the other half, and is looked at before it is parsed: `template_guard.rs`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use minijinja::machinery::{Instruction, Instructions, Vm, get_compiled_template, make_string_output};
use minijinja::value::{Object, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, Value};

use crate::{Sentence, sentence};

/// Longest text a template may give, and longest result of a filter that repeats texts, in bytes.
pub(super) const MAX_TEXT: usize = 4 * 1024 * 1024;
/// Bytes that one rendering may make, look through and write in all: so many, and so many times what it is given, so that
/// the rows of a file cost no more than its size allows.
const LEAST: usize = 512 * 1024;
const TIMES: usize = 500;
/// The same at most.
const BUDGET: usize = 64 * 1024 * 1024;
/// Deepest value inside of values.
const MAX_DEPTH: usize = 150;
/// Most calls of macros inside of each other, in minijinja's count, where a call is 4.
const MAX_CALLS: usize = 240;
/// Price of a value beside its text: what it takes in a list.
const PART: usize = 32;
/// Price of an instruction in a loop or a macro.
const STEP: usize = 4;
/// Sorting looks at each item this often.
const LOOKS: usize = 16;
/// Message for a template that computes more than its budget.
const WORK: Sentence = sentence!("it makes and looks through far more text than it is given");
/// Where a rendering keeps what it may still spend.
const PURSE: &str = "purse";

/// Names of the filters that pay. No source can name them: a name has no such character.
mod pay {
    /// For all that is in the operands.
    pub(super) const READ: &str = "\u{1}read";
    /// For a look at every item, together with what it is compared with.
    pub(super) const READ_EACH: &str = "\u{1}read_each";
    /// For the texts and the lengths of the operands, not for what is inside of them.
    pub(super) const GLANCE: &str = "\u{1}glance";
    /// A glance at maps, and all that is in other values.
    pub(super) const ASK: &str = "\u{1}ask";
    /// For a value that a namespace gets.
    pub(super) const HOLD: &str = "\u{1}hold";
    /// For a result.
    pub(super) const MADE: &str = "\u{1}made";
    /// For so many bytes that are written.
    pub(super) const WRITE: &str = "\u{1}write";
    /// Says how much there is to spend.
    pub(super) const OPEN: &str = "\u{1}open";
}

/// Filters that look at each item more than once, or compare each with what they are given.
const EACH: [&str; 11] =
    ["sort", "dictsort", "unique", "groupby", "min", "max", "map", "select", "reject", "selectattr", "rejectattr"];

/// Filters and tests that look at what a value is, or at its items but not into them.
const SHALLOW: [&str; 25] = [
    "length",
    "count",
    "first",
    "last",
    "default",
    "d",
    "reverse",
    "list",
    "items",
    "attr",
    "defined",
    "undefined",
    "none",
    "string",
    "number",
    "integer",
    "float",
    "boolean",
    "sequence",
    "mapping",
    "iterable",
    "true",
    "false",
    "odd",
    "even",
];

/// An error for a template that asks for too much of any row.
pub(super) fn too_much(reason: Sentence) -> Error {
    Ours { reason, is_too_much: true }.into_error()
}

/// An error for a template that cannot be rendered so.
pub(super) fn refused(reason: Sentence) -> Error {
    Ours { reason, is_too_much: false }.into_error()
}

/// Our own message on a template, inside the template engine's error.
#[derive(Debug)]
struct Ours {
    reason: Sentence,
    is_too_much: bool,
}

impl Ours {
    fn into_error(self) -> Error {
        Error::new(ErrorKind::InvalidOperation, self.reason.to_string()).with_source(self)
    }
}

impl fmt::Display for Ours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl std::error::Error for Ours {}

fn ours(error: &Error) -> Option<&Ours> {
    std::error::Error::source(error)?.downcast_ref()
}

/// Message of an error, without the name that the template engine gives a template from a string.
pub(super) fn said(error: &Error) -> Sentence {
    let what = match (ours(error), error.detail()) {
        (Some(ours), _) => ours.reason.clone(),
        (None, Some(detail)) => Sentence::verbatim(format!("{}: {detail}", error.kind())),
        (None, None) => Sentence::verbatim(error.kind()),
    };
    match error.line() {
        Some(line) => sentence!("{what} (line {line})", what, line),
        None => what,
    }
}

/// Whether an error concerns the template and not what it was given.
pub(super) fn is_too_much(error: &Error) -> bool {
    ours(error).is_some_and(|ours| ours.is_too_much)
}

/// Lets an environment be used with [`render`].
pub(super) fn prepare(environment: &mut Environment<'_>) {
    environment.set_recursion_limit(MAX_CALLS);
    environment.add_filter(pay::READ, |state: &State, values: Vec<Value>| paid(state, values, read));
    environment.add_filter(pay::READ_EACH, |state: &State, values: Vec<Value>| paid(state, values, read_each));
    environment.add_filter(pay::GLANCE, |state: &State, values: Vec<Value>| paid(state, values, glance));
    environment.add_filter(pay::ASK, |state: &State, values: Vec<Value>| paid(state, values, ask));
    environment.add_filter(pay::HOLD, |state: &State, values: Vec<Value>| paid(state, values, hold));
    environment.add_filter(pay::MADE, made);
    environment.add_filter(pay::WRITE, |state: &State, bytes: usize| spend(state, bytes).map(|()| true));
    environment.add_filter(pay::OPEN, |state: &State, bytes: usize| {
        state.set_temp(PURSE, Value::from_object(Purse(AtomicUsize::new(bytes))));
    });
}

/// The text that a template gives for these values, within its budget.
///
/// # Errors
/// The template engine's, with [`is_too_much`] for what exceeds the budget. The source must have passed
/// `template_guard.rs`, which looks at its depth.
pub(super) fn render(environment: &Environment<'_>, source: &str, values: Value) -> Result<String, Error> {
    let template = environment.template_from_str(source)?;
    let budget = BUDGET.min(LEAST + TIMES * Size::of(std::slice::from_ref(&values))?.all());
    let instructions = priced(&get_compiled_template(&template).instructions, budget)?;
    let blocks = BTreeMap::new();
    let mut text = String::new();
    let mut output = make_string_output(&mut text);
    Vm::new(environment).eval(&instructions, values, &blocks, &mut output, AutoEscape::None)?;
    if text.len() > MAX_TEXT {
        return Err(too_much(sentence!("it gives more than {max_text} bytes of text", max_text = MAX_TEXT)));
    }
    Ok(text)
}

/// The instructions with those between them that pay.
fn priced<'source>(plain: &Instructions<'source>, budget: usize) -> Result<Instructions<'source>, Error> {
    let mut priced = Instructions::new(plain.name(), plain.source());
    for instruction in pay_for(pay::OPEN, budget) {
        priced.add(instruction);
    }
    let macros = macros(plain);
    let mut starts = Vec::with_capacity(plain.len() + 1);
    for index in 0..place(plain.len()) {
        starts.push(place(priced.len()));
        let Some(instruction) = plain.get(index) else { continue };
        if let Some(price) = macros.get(&index) {
            for instruction in pay_for(pay::WRITE, *price) {
                priced.add(instruction);
            }
        }
        let line = plain.get_line(index).and_then(|line| u16::try_from(line).ok()).unwrap_or(u16::MAX);
        for instruction in with_price(instruction)? {
            priced.add_with_line(instruction, line);
        }
        if let Instruction::Iterate(end) = instruction {
            let price = STEP * end.saturating_sub(index) as usize;
            for instruction in pay_for(pay::WRITE, price) {
                priced.add(instruction);
            }
        }
    }
    starts.push(place(priced.len()));
    for index in 0..place(priced.len()) {
        use Instruction as I;
        if let Some(
            I::Iterate(target)
            | I::Jump(target)
            | I::JumpIfFalse(target)
            | I::JumpIfFalseOrPop(target)
            | I::JumpIfTrueOrPop(target)
            | I::BuildMacro(_, target, _),
        ) = priced.get_mut(index)
        {
            *target = starts[*target as usize];
        }
    }
    Ok(priced)
}

/// Where macros begin, and what a call of each costs.
fn macros(plain: &Instructions<'_>) -> BTreeMap<u32, usize> {
    let of_macro = |index: u32| match plain.get(index) {
        Some(Instruction::BuildMacro(_, begin, _)) => Some((*begin, STEP * index.saturating_sub(*begin) as usize)),
        _ => None,
    };
    (0..place(plain.len())).filter_map(of_macro).collect()
}

/// The place of an instruction; a template of 256 KB has far fewer.
fn place(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// An instruction and those that pay for it. Every instruction is named, so that a new one of minijinja's is seen here.
fn with_price<'source>(instruction: &Instruction<'source>) -> Result<Vec<Instruction<'source>>, Error> {
    use Instruction as I;
    let own = instruction.clone();
    let operands = |filter, n: usize| around(filter, n).into_iter().chain([own.clone()]);
    let result = || around(pay::MADE, 1);
    Ok(match instruction {
        I::EmitRaw(text) => pay_for(pay::WRITE, text.len()).into_iter().chain([own]).collect(),
        I::Emit => operands(pay::READ, 1).collect(),
        I::Eq | I::Ne | I::Gt | I::Gte | I::Lt | I::Lte | I::In | I::CompareAndPreserve(_) => {
            operands(pay::READ, 2).collect()
        }
        I::GetItem => operands(pay::GLANCE, 2).collect(),
        I::SetAttr(_) => operands(pay::HOLD, 2).collect(),
        I::PushLoop(_) | I::UnpackList(_) | I::FastRecurse => operands(pay::GLANCE, 1).collect(),
        I::PerformTest(name, Some(n), _) => {
            let price = if SHALLOW.contains(name) { pay::GLANCE } else { pay::READ };
            operands(price, usize::from(*n)).collect()
        }
        I::Slice => operands(pay::GLANCE, 4).chain(result()).collect(),
        I::StringConcat => operands(pay::READ, 2).chain(result()).collect(),
        I::Add => operands(pay::GLANCE, 2).chain(result()).collect(),
        I::ApplyFilter(name, Some(n), _) => {
            let price = match name {
                name if EACH.contains(name) => pay::READ_EACH,
                // Unlike the test of this name, the filter writes all that is in a list.
                name if SHALLOW.contains(name) && **name != *"string" => pay::GLANCE,
                _ => pay::READ,
            };
            operands(price, usize::from(*n)).chain(result()).collect()
        }
        I::CallMethod(_, Some(n)) => operands(pay::ASK, usize::from(*n)).chain(result()).collect(),
        I::CallFunction(_, Some(n)) | I::CallObject(Some(n)) => {
            operands(pay::GLANCE, usize::from(*n)).chain(result()).collect()
        }
        I::BuildList(_) | I::BuildMap(_) => std::iter::once(own).chain(result()).collect(),
        I::Mul | I::Pow => return Err(too_much(sentence!("multiplication (*) is not available in templates"))),
        I::UnpackLists(_)
        | I::MergeKwargs(_)
        | I::ApplyFilter(_, None, _)
        | I::PerformTest(_, None, _)
        | I::CallMethod(_, None)
        | I::CallFunction(_, None)
        | I::CallObject(None) => {
            return Err(too_much(sentence!("lists of arguments (*) are not available in templates")));
        }
        // Numbers, names and jumps: a step each.
        I::StoreLocal(_)
        | I::Lookup(_)
        | I::GetAttr(_)
        | I::LoadConst(_)
        | I::BuildKwargs(_)
        | I::Sub
        | I::Div
        | I::IntDiv
        | I::Rem
        | I::Neg
        | I::Not
        | I::PushWith
        | I::Iterate(_)
        | I::PushDidNotIterate
        | I::PopFrame
        | I::PopLoopFrame
        | I::Jump(_)
        | I::JumpIfFalse(_)
        | I::JumpIfFalseOrPop(_)
        | I::JumpIfTrueOrPop(_)
        | I::PushAutoEscape
        | I::PopAutoEscape
        | I::BeginCapture(_)
        | I::EndCapture
        | I::DupTop
        | I::DiscardTop
        | I::FastSuper
        | I::Swap
        | I::BuildMacro(..)
        | I::Return
        | I::IsUndefined
        | I::Enclose(_)
        | I::GetClosure => vec![own],
    })
}

/// The mark of a filter that is looked up by its name each time.
const UNCACHED: u8 = u8::MAX;

/// Hands so many values from the top of the stack to a filter and puts back what it returns, the last first.
fn around<'source>(filter: &'static str, n: usize) -> Vec<Instruction<'source>> {
    use Instruction as I;
    match n {
        0 => Vec::new(),
        _ => vec![I::BuildList(Some(n)), I::ApplyFilter(filter, Some(1), UNCACHED), I::UnpackList(n)],
    }
}

/// Hands a number to a filter, and leaves nothing.
fn pay_for<'source>(filter: &'static str, bytes: usize) -> [Instruction<'source>; 3] {
    use Instruction as I;
    [I::LoadConst(Value::from(bytes)), I::ApplyFilter(filter, Some(1), UNCACHED), I::DiscardTop]
}

/// Bytes that a rendering may still spend.
#[derive(Debug, Default)]
struct Purse(AtomicUsize);

impl Object for Purse {}

fn spend(state: &State, bytes: usize) -> Result<(), Error> {
    let purse = state.get_or_set_temp_object(PURSE, Purse::default);
    let paid = purse.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
    paid.map(|_| ()).map_err(|_left| too_much(WORK))
}

/// Pays for operands, and hands them back in the order in which they are unpacked.
fn paid(
    state: &State,
    mut values: Vec<Value>,
    price: fn(&[Value]) -> Result<usize, Error>,
) -> Result<Vec<Value>, Error> {
    spend(state, price(&values)?)?;
    values.reverse();
    Ok(values)
}

fn read(values: &[Value]) -> Result<usize, Error> {
    Size::of(values).map(|size| size.all())
}

fn read_each(values: &[Value]) -> Result<usize, Error> {
    let (items, others) = values.split_at(values.len().min(1));
    let (items, others) = (Size::of(items)?, Size::of(others)?);
    Ok(items.all().saturating_mul(LOOKS).saturating_add(items.parts.saturating_mul(others.all())))
}

fn glance(values: &[Value]) -> Result<usize, Error> {
    let length = |value: &Value| value.as_str().map_or_else(|| value.len().unwrap_or(1), str::len);
    Ok(values.iter().map(length).sum())
}

fn ask(values: &[Value]) -> Result<usize, Error> {
    match values.first().is_some_and(|value| value.kind() == ValueKind::Map) {
        true => glance(values),
        false => read(values),
    }
}

fn hold(values: &[Value]) -> Result<usize, Error> {
    let size = Size::of(&values[..values.len().min(1)])?;
    match size.has_namespace {
        true => Err(too_much(sentence!("a namespace cannot hold a namespace"))), // it could hold itself
        false => Ok(size.parts * PART),
    }
}

/// Pays for a result, which is computed now if it would be at each use.
fn made(state: &State, values: Vec<Value>) -> Result<Vec<Value>, Error> {
    let mut results = Vec::with_capacity(values.len());
    for value in values {
        let value = match value.kind() {
            ValueKind::Iterable => {
                let mut items = Vec::new();
                for item in value.try_iter()? {
                    spend(state, PART)?;
                    items.push(item);
                }
                Value::from(items)
            }
            _ => value,
        };
        let price = match value.as_str() {
            Some(text) => text.len(),
            None => Size::of(std::slice::from_ref(&value))?.parts * PART,
        };
        spend(state, price)?;
        results.push(value);
    }
    Ok(results)
}

/// Size of values: their parts and their text.
#[derive(Debug, Default)]
struct Size {
    parts: usize,
    text: usize,
    has_namespace: bool,
}

impl Size {
    fn of(values: &[Value]) -> Result<Self, Error> {
        let mut size = Self::default();
        for value in values {
            size.take(value, 0)?;
        }
        Ok(size)
    }

    fn all(&self) -> usize {
        self.parts * PART + self.text
    }

    fn take(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        self.parts += 1;
        self.text += value.as_str().map_or(0, str::len);
        self.has_namespace |= value.as_object().is_some_and(|object| object.type_name().ends_with("::Namespace"));
        if depth > MAX_DEPTH {
            return Err(too_much(sentence!("it puts values into values too deep")));
        }
        if self.all() > BUDGET {
            return Err(too_much(WORK));
        }
        if !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable | ValueKind::Map) {
            return Ok(());
        }
        // What cannot be listed, as a macro, has nothing inside of it.
        for item in value.try_iter().into_iter().flatten() {
            if value.kind() == ValueKind::Map {
                self.take(&value.get_item(&item)?, depth + 1)?;
            }
            self.take(&item, depth + 1)?;
        }
        Ok(())
    }
}
