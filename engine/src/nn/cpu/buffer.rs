//! Memory of tensors, used again.
//!
//! A training step asks for the same large buffers every time. Fresh pages from the system cost more than the
//! arithmetic that fills them, so a buffer returns here when its last tensor is dropped. Its old contents stay: every
//! kernel writes all of what it takes.
#![expect(unsafe_code, reason = "burn's `Bytes` takes memory of ours through an unsafe trait")]

use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

use burn::backend::flex::{FlexTensor, Layout};
use burn::tensor::{AllocationProperty, Bytes, DType, Shape};
use burn_std::{AccessError, AccessPolicy, AllocationController};
use bytemuck::{Pod, Zeroable};

/// Memory that waits to be used again, by size.
static POOL: Mutex<Pool> = Mutex::new(Pool { free: BTreeMap::new(), bytes: 0 });

/// More than this is given back to the system.
const MOST_BYTES: usize = 1 << 30;

/// Smaller buffers are the allocator's business.
const SMALLEST: usize = 16 * 1024 / size_of::<Line>();

/// A cache line of numbers, for its alignment.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([f32; 16]);

struct Pool {
    free: BTreeMap<usize, Vec<Vec<Line>>>,
    bytes: usize,
}

impl Pool {
    fn take(&mut self, lines: usize) -> Option<Vec<Line>> {
        let (&found, buffers) = self.free.range_mut(lines..=lines + lines / 4).next()?;
        let buffer = buffers.pop()?;
        if buffers.is_empty() {
            self.free.remove(&found);
        }
        self.bytes -= size_of::<Line>() * found;
        Some(buffer)
    }

    fn give(&mut self, buffer: Vec<Line>) {
        let bytes = size_of::<Line>() * buffer.len();
        if self.bytes + bytes <= MOST_BYTES {
            self.bytes += bytes;
            self.free.entry(buffer.len()).or_default().push(buffer);
        }
    }
}

/// Gives the memory that waits for the next step back to the system: when a job ends, or memory is short.
pub fn release_buffers() {
    if let Ok(mut pool) = POOL.lock() {
        *pool = Pool { free: BTreeMap::new(), bytes: 0 };
    }
}

/// Numbers in memory of ours; a slice until it becomes a tensor.
pub(super) struct Buffer {
    lines: Vec<Line>,
    len: usize,
}

impl Buffer {
    /// `len` numbers of any value.
    pub(super) fn any(len: usize) -> Self {
        let lines = len.div_ceil(16);
        let pooled = if lines < SMALLEST { None } else { POOL.lock().ok().and_then(|mut pool| pool.take(lines)) };
        Self { lines: pooled.unwrap_or_else(|| vec![Line::zeroed(); lines]), len }
    }

    pub(super) fn into_tensor<const D: usize>(self, shape: [usize; D]) -> FlexTensor {
        let shape = Shape::new(shape);
        assert_eq!(shape.num_elements(), self.len, "a number for every element");
        let bytes = self.len * size_of::<f32>();
        // SAFETY: all of the buffer is initialized, and `bytes` does not exceed it.
        let bytes = unsafe { Bytes::from_controller(Box::new(self), bytes) };
        FlexTensor::new(bytes, Layout::contiguous(shape), DType::F32)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.lines.len() >= SMALLEST
            && let Ok(mut pool) = POOL.lock()
        {
            pool.give(std::mem::take(&mut self.lines));
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

impl AllocationController for Buffer {
    fn alloc_align(&self) -> usize {
        align_of::<Line>()
    }

    fn property(&self) -> AllocationProperty {
        AllocationProperty::Other
    }

    unsafe fn memory_mut(&mut self, _: AccessPolicy) -> Result<&mut [MaybeUninit<u8>], AccessError> {
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut self.lines);
        // SAFETY: the caller writes initialized data only, so what is initialized stays so.
        Ok(unsafe { std::slice::from_raw_parts_mut(bytes.as_mut_ptr().cast(), bytes.len()) })
    }

    fn memory(&self, _: AccessPolicy) -> Result<&[MaybeUninit<u8>], AccessError> {
        let bytes: &[u8] = bytemuck::cast_slice(&self.lines);
        // SAFETY: initialized bytes are also bytes that may not be.
        Ok(unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len()) })
    }
}
