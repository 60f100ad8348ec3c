//! Intel's Advanced Matrix Extensions: eight registers of 16 lines of 64 bytes, and products of them.
//!
//! Each block is one piece of assembler that sets the unit up, computes and leaves it as it was: nothing of it lives on
//! between instructions of ours and the compiler's. Intel 64 and IA-32 Architectures Software Developer's Manual,
//! volume 1, chapter 18; Linux: Documentation/arch/x86/xstate.rst.
#![expect(unsafe_code, reason = "instructions that were detected, in assembler: Rust has no stable names for them")]

use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
use std::sync::LazyLock;

use super::tiles::{Block, LeftTiles, RightTiles};

/// The unit; there is a value only where the processor has it and the kernel lets this process use it.
#[derive(Clone, Copy, Debug)]
pub(in crate::nn::cpu) struct Amx(());

/// Palette 1, with all tiles of 16 lines of 64 bytes.
#[repr(C, align(64))]
struct Config([u8; 64]);

static CONFIG: Config = {
    let mut config = [0; 64];
    config[0] = 1;
    let mut tile = 0;
    while tile < 8 {
        config[16 + 2 * tile] = 64;
        config[48 + tile] = 16;
        tile += 1;
    }
    Config(config)
};

static DETECTED: LazyLock<bool> = LazyLock::new(|| has_instructions() && is_permitted());

impl Amx {
    pub(super) fn detected() -> Option<Self> {
        DETECTED.then_some(Self(()))
    }

    pub(super) fn multiply(self, block: &mut Block, [above, below]: LeftTiles<'_>, right: RightTiles<'_>) {
        let depth = right.len();
        if depth == 0 {
            *block = Block::ZERO;
            return;
        }
        assert!(above.len() >= depth, "as many tiles as the panel is deep");
        let is_whole = !below.is_empty();
        // Without rows below, the upper ones are multiplied once more, by the same instructions.
        let below = if is_whole { below } else { above };
        assert!(below.len() >= depth, "as many tiles as the panel is deep");
        // SAFETY: the instructions are there and permitted. Tiles of 1024 bytes are read at the three pointers, `depth`
        // of the left ones and twice as many of the right one, which the slices have; the block has 32 lines of 128 bytes.
        unsafe {
            asm!(
                "ldtilecfg [{config}]",
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                "2:",
                "tileloadd tmm6, [{right} + {line}]",
                "tileloadd tmm4, [{above} + {line}]",
                "tileloadd tmm7, [{right} + {line} + 1024]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm5, [{below} + {line}]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "add {above}, 1024",
                "add {below}, 1024",
                "add {right}, 2048",
                "dec {depth}",
                "jnz 2b",
                "tilestored [{block} + {wide}], tmm0",
                "tilestored [{block} + {wide} + 64], tmm1",
                "tilestored [{block} + {wide} + 2048], tmm2",
                "tilestored [{block} + {wide} + 2112], tmm3",
                "tilerelease",
                config = in(reg) &raw const CONFIG,
                above = inout(reg) above.as_ptr() => _,
                below = inout(reg) below.as_ptr() => _,
                right = inout(reg) right.as_ptr() => _,
                depth = inout(reg) depth => _,
                block = in(reg) &raw mut *block,
                line = in(reg) 64_usize,
                wide = in(reg) 128_usize,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }
}

/// Whether processor and kernel have tiles and their products of bf16.
fn has_instructions() -> bool {
    /// Leaf 7: AMX-BF16 and AMX-TILE.
    const FEATURES: u32 = 1 << 22 | 1 << 24;
    /// State of tiles that the kernel saves: their configuration and their numbers.
    const STATE: u64 = 1 << 17 | 1 << 18;
    if __cpuid(0).eax < 7 || !is_x86_feature_detected!("xsave") {
        return false;
    }
    // SAFETY: `xsave` was detected, and it is enabled wherever that is.
    let state = unsafe { _xgetbv(0) };
    __cpuid_count(7, 0).edx & FEATURES == FEATURES && state & STATE == STATE
}

/// Asks the kernel, once for all threads: a process that does not ask has no room for the state of tiles.
fn is_permitted() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_long = 18;
    // SAFETY: the call changes nothing but what this process may use.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 }
}
