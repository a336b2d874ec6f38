//! resize: an RGBA image scaled bilinearly, over the berth ABI. Nested loops
//! with bounds-checked loads and stores: what metering costs code that walks
//! through memory.
//!
//! The input is four u32 in little-endian order, the width and height of the
//! source and of the target, and then the source's pixels, row by row, four
//! bytes each. The result is the target's pixels.

#![no_std]

extern crate alloc;

use alloc::vec::Vec;
use core::cell::UnsafeCell;

mod arena {
    //! Memory that is taken in order and given back all at once.

    use core::alloc::{GlobalAlloc, Layout};
    use core::arch::wasm32::{memory_grow, memory_size};
    use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    const PAGE: usize = 65536;

    unsafe extern "C" {
        static __heap_base: u8; // set by the linker: the end of the static data
    }

    pub struct Arena {
        next: AtomicUsize,
    }

    impl Arena {
        pub const fn new() -> Self {
            Self {
                next: AtomicUsize::new(0),
            }
        }

        /// Gives all memory back.
        pub fn reset(&self) {
            self.next.store(&raw const __heap_base as usize, Relaxed);
        }
    }

    unsafe impl GlobalAlloc for Arena {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            let start = self
                .next
                .load(Relaxed)
                .checked_next_multiple_of(layout.align());
            let Some((start, end)) = start.and_then(|s| Some((s, s.checked_add(layout.size())?)))
            else {
                return core::ptr::null_mut();
            };
            let (have, want) = (memory_size(0), end.div_ceil(PAGE));
            if want > have && memory_grow(0, want - have) == usize::MAX {
                return core::ptr::null_mut();
            }
            self.next.store(end, Relaxed);
            start as *mut u8
        }

        unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
    }
}

#[global_allocator]
static ARENA: arena::Arena = arena::Arena::new();

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}

/// What the host writes to and reads from, until the next call.
struct Buffers(UnsafeCell<(Vec<u8>, Vec<u8>)>);

// A wasm instance has one thread.
unsafe impl Sync for Buffers {}

static BUFFERS: Buffers = Buffers(UnsafeCell::new((Vec::new(), Vec::new())));

#[unsafe(export_name = "alloc")]
pub extern "C" fn begin(size: u32) -> *mut u8 {
    let (input, output) = unsafe { &mut *BUFFERS.0.get() };
    (*input, *output) = (Vec::new(), Vec::new());
    ARENA.reset();
    if input.try_reserve_exact(size as usize).is_err() {
        return core::ptr::null_mut();
    }
    input.resize(size as usize, 0);
    input.as_mut_ptr()
}

#[unsafe(no_mangle)]
pub extern "C" fn resize(_: *const u8, _: u32) -> u64 {
    const FAILED: u64 = 1 << 31;
    let (input, output) = unsafe { &mut *BUFFERS.0.get() };
    let (bytes, flag) = match scale(input) {
        Ok(pixels) => {
            *output = pixels;
            (output.as_slice(), 0)
        }
        Err(why) => (why.as_bytes(), FAILED),
    };
    (bytes.as_ptr() as u64) << 32 | bytes.len() as u64 | flag
}

const HEADER: usize = 16;

struct Size {
    width: usize,
    height: usize,
}

impl Size {
    /// The bytes of an image of this size.
    fn bytes(&self) -> Option<usize> {
        self.width.checked_mul(self.height)?.checked_mul(4)
    }
}

fn scale(input: &[u8]) -> Result<Vec<u8>, &'static str> {
    const MALFORMED: &str = "want four u32 and then the pixels of the source";
    let (header, source) = input.split_at_checked(HEADER).ok_or(MALFORMED)?;
    let word = |i: usize| {
        u32::from_le_bytes([
            header[4 * i],
            header[4 * i + 1],
            header[4 * i + 2],
            header[4 * i + 3],
        ]) as usize
    };
    let from = Size {
        width: word(0),
        height: word(1),
    };
    let to = Size {
        width: word(2),
        height: word(3),
    };
    if [from.width, from.height, to.width, to.height]
        .iter()
        .any(|&n| n == 0 || n > 16384)
    {
        return Err("want widths and heights from 1 to 16384");
    }
    if from.bytes() != Some(source.len()) {
        return Err(MALFORMED);
    }
    let mut target = Vec::new();
    let size = to.bytes().ok_or("out of memory")?;
    target
        .try_reserve_exact(size)
        .map_err(|_| "out of memory")?;

    let stride = from.width * 4;
    for y in 0..to.height {
        let (top, bottom, down) = sample(y, from.height, to.height);
        let (above, below) = (
            &source[top * stride..][..stride],
            &source[bottom * stride..][..stride],
        );
        for x in 0..to.width {
            let (left, right, across) = sample(x, from.width, to.width);
            for channel in 0..4 {
                let (l, r) = (left * 4 + channel, right * 4 + channel);
                let upper = blend(above[l] as u32, above[r] as u32, across);
                let lower = blend(below[l] as u32, below[r] as u32, across);
                target.push((blend(upper, lower, down) + (1 << 15) >> 16) as u8);
            }
        }
    }
    Ok(target)
}

/// The two places of the source between which the middle of place i of the
/// target lies, and how far towards the second, in 256ths.
fn sample(i: usize, from: usize, to: usize) -> (usize, usize, u32) {
    // (i + 1/2) * from / to - 1/2, in 256ths
    let at = (((2 * i + 1) * from * 128 / to) as isize - 128).max(0) as usize;
    let first = (at >> 8).min(from - 1);
    (first, (first + 1).min(from - 1), (at & 255) as u32)
}

/// 256 times the value that lies between a and b.
fn blend(a: u32, b: u32, towards: u32) -> u32 {
    a * (256 - towards) + b * towards
}
