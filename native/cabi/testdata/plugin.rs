// A plugin in Rust: the structs of berth_plugin.h as Rust writes them.
use std::ffi::{c_char, c_void};
use std::ptr::null;

#[repr(C)]
pub struct Call {
    size: u32,
    reserved: u32,
    host: *const Host,
    function: *const Function,
    input: *const u8,
    input_length: usize,
    out: *mut u8,
    out_length: usize,
    out_capacity: usize,
}

#[repr(C)]
pub struct Host {
    size: u32,
    abi: u32,
    handle: *mut c_void,
    log: unsafe extern "C" fn(*const Host, i32, *const c_char, usize),
    grow: unsafe extern "C" fn(*mut Call, usize) -> i32,
    // what follows is not used here
}

#[repr(C)]
pub struct Function {
    name: *const c_char,
    call: unsafe extern "C" fn(*mut c_void, *mut Call) -> i32,
    flags: u32,
    reserved: u32,
}

#[repr(C)]
pub struct Plugin {
    abi: u32,
    size: u32,
    name: *const c_char,
    version: *const c_char,
    concurrency: u32,
    open: Option<unsafe extern "C" fn(*mut Call, *mut *mut c_void) -> i32>,
    close: Option<unsafe extern "C" fn(*mut c_void)>,
    functions: *const Function,
    function_count: usize,
    sources: *const c_void,
    source_count: usize,
    sinks: *const c_void,
    sink_count: usize,
}

// The pointers lead to what never changes.
unsafe impl Sync for Plugin {}
unsafe impl Sync for Function {}

const OK: i32 = 0;
const FAILED: i32 = 1;
const PARALLEL: u32 = 2;

impl Call {
    fn input(&self) -> &[u8] {
        unsafe { std::slice::from_raw_parts(self.input, self.input_length) }
    }

    fn write(&mut self, bytes: &[u8]) -> i32 {
        unsafe {
            if bytes.len() > self.out_capacity - self.out_length && ((*self.host).grow)(self, self.out_length + bytes.len()) != OK {
                return FAILED;
            }
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.out.add(self.out_length), bytes.len());
        }
        self.out_length += bytes.len();
        OK
    }
}

unsafe extern "C" fn reverse(_: *mut c_void, call: *mut Call) -> i32 {
    let call = &mut *call;
    let answer = std::panic::catch_unwind(|| match std::str::from_utf8(call.input()) {
        Ok(text) => Ok(text.chars().rev().collect::<String>()),
        Err(_) => Err("the input is not UTF-8"),
    });
    match answer {
        Ok(Ok(text)) => call.write(text.as_bytes()),
        Ok(Err(text)) => {
            call.write(text.as_bytes());
            FAILED
        }
        Err(_) => FAILED,
    }
}

static FUNCTIONS: [Function; 1] = [Function { name: b"reverse\0".as_ptr() as *const c_char, call: reverse, flags: 0, reserved: 0 }];

#[allow(non_upper_case_globals)]
#[no_mangle]
pub static berth_plugin_v1: Plugin = Plugin {
    abi: 1,
    size: std::mem::size_of::<Plugin>() as u32,
    name: b"reverse\0".as_ptr() as *const c_char,
    version: null(),
    concurrency: PARALLEL,
    open: None,
    close: None,
    functions: FUNCTIONS.as_ptr(),
    function_count: 1,
    sources: null(),
    source_count: 0,
    sinks: null(),
    sink_count: 0,
};
