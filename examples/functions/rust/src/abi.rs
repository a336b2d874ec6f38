//! The `berth` ABI: copy this file as it is.
//!
//! For each call the host calls `alloc(len)`, writes the input there, calls
//! the function with `(ptr, len)`, and copies the result before it calls
//! `alloc` again. A function returns `ptr << 32 | len`; with the top bit of
//! len set, the bytes are the text of an error.

use std::cell::RefCell;

/// What a function answers: the output, or the text of an error.
pub type Call = Result<String, String>;

// The two buffers of the call in progress. The next call to alloc reuses one and drops the other.
thread_local! {
    static INPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static OUTPUT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Makes room for the input; null when there is none.
#[unsafe(no_mangle)]
pub extern "C" fn alloc(size: usize) -> *mut u8 {
    OUTPUT.take();
    INPUT.with_borrow_mut(|input| {
        input.clear();
        if input.try_reserve_exact(size).is_err() {
            return std::ptr::null_mut();
        }
        input.resize(size, 0);
        input.as_mut_ptr()
    })
}

/// Runs f on the first len bytes of the input, and keeps and packs its result.
pub fn serve(f: fn(&[u8]) -> Call, len: usize) -> u64 {
    const FAILED: u64 = 1 << 31;
    let (output, flag) = match INPUT.with_borrow(|input| f(&input[..len])) {
        Ok(output) => (output, 0),
        Err(text) => (text, FAILED),
    };
    let packed = (output.as_ptr() as u64) << 32 | output.len() as u64 | flag;
    OUTPUT.set(output);
    packed
}

/// Exports functions `fn(&[u8]) -> Call` of the crate's root under their own names.
macro_rules! export {
    ($($name:ident),+) => {
        #[cfg(target_arch = "wasm32")]
        mod exports {
            $(#[unsafe(no_mangle)]
            extern "C" fn $name(_ptr: *const u8, len: usize) -> u64 {
                crate::abi::serve(crate::$name, len)
            })+
        }

        // Elsewhere nothing calls them but the tests.
        #[cfg(not(target_arch = "wasm32"))]
        const _: &[fn(&[u8]) -> Call] = {
            let _ = abi::serve;
            &[$($name),+]
        };
    };
}
pub(crate) use export;
