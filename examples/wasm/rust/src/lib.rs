//! A rule in Rust without dependencies: matches when a call is long.
//!
//!     cargo build --release   # target/wasm32-unknown-unknown/release/rule.wasm

use std::alloc::Layout;

#[no_mangle]
pub extern "C" fn abi_version() -> i32 {
    1
}

/// A place of `length` bytes for the input.
#[no_mangle]
pub extern "C" fn alloc(length: usize) -> *mut u8 {
    match Layout::from_size_align(length.max(1), 1) {
        Ok(layout) => unsafe { std::alloc::alloc(layout) },
        Err(_) => core::ptr::null_mut(),
    }
}

/// # Safety
/// `ptr` came from `alloc(length)` and was filled.
#[no_mangle]
pub unsafe extern "C" fn evaluate(ptr: *const u8, length: usize) -> u64 {
    let input = core::slice::from_raw_parts(ptr, length);
    packed(match core::str::from_utf8(input) {
        Err(_) => r#"{"unable":"the input is not UTF-8"}"#,
        Ok(json) => judge(json),
    })
}

fn judge(json: &str) -> &'static str {
    match number_of(json, "llm.estimatedTokens") {
        None => r#"{"unable":"llm.estimatedTokens is not there"}"#,
        Some(tokens) if tokens > 4000.0 => r#"{"match":true,"reason":"Too long for this rule"}"#,
        Some(_) => r#"{"match":false}"#,
    }
}

/// The number after `"name":`. Inputs are one flat JSON object, so this is enough for numbers.
fn number_of(json: &str, name: &str) -> Option<f64> {
    let key = format!("\"{name}\":");
    let rest = &json[json.find(&key)? + key.len()..];
    let end = rest.find(|c: char| !"0123456789.eE+-".contains(c)).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// Where the output begins, and how long it is, in one number. The instance lives for one evaluation: nothing is freed.
fn packed(text: &'static str) -> u64 {
    ((text.as_ptr() as u64) << 32) | text.len() as u64
}
