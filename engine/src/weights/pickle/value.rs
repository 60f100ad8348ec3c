//! Values on the machine's stack, and the names that it knows.

use safetensors::Dtype;

use super::{PickleError, Result, Storage};

/// A value on the machine's stack; what is not small is elsewhere, by index.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    /// None, fractions, bytes: nothing that tells of a tensor.
    Other,
    Truth(bool),
    Int(i64),
    Text(&'a str),
    Global(Global),
    Node(usize),
    Storage(Storage<'a>),
    Tensor(usize),
}

/// A value that holds others, by their indices.
#[derive(Debug)]
pub(super) enum Node<'a> {
    Tuple(Vec<Value<'a>>),
    List(Vec<Value<'a>>),
    Dict(Vec<(Value<'a>, Value<'a>)>),
}

/// The names a state dictionary needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Dtype),
    /// An object without tensors, of which nothing is made.
    Inert,
}

impl Global {
    pub(super) fn find(module: &str, name: &str) -> Result<Self> {
        Ok(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            ("torch", "DoubleStorage") => Self::Storage(Dtype::F64),
            ("torch", "FloatStorage") => Self::Storage(Dtype::F32),
            ("torch", "HalfStorage") => Self::Storage(Dtype::F16),
            ("torch", "BFloat16Storage") => Self::Storage(Dtype::BF16),
            ("torch", "LongStorage") => Self::Storage(Dtype::I64),
            ("torch", "IntStorage") => Self::Storage(Dtype::I32),
            ("torch", "ShortStorage") => Self::Storage(Dtype::I16),
            ("torch", "CharStorage") => Self::Storage(Dtype::I8),
            ("torch", "ByteStorage") => Self::Storage(Dtype::U8),
            ("torch", "BoolStorage") => Self::Storage(Dtype::BOOL),
            ("argparse", "Namespace")
            | ("pathlib" | "pathlib._local", "PosixPath" | "PurePosixPath" | "WindowsPath" | "PureWindowsPath") => {
                Self::Inert
            }
            (module, _) if module.starts_with("pytorch_lightning.") => Self::Inert,
            _ => return Err(PickleError::Forbidden(format!("{module}.{name}"))),
        })
    }
}
