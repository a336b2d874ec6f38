//! textkit: a Berth plugin in Rust with no dependencies.
//!
//! This file says which functions there are; `abi` is the glue to the host,
//! `json` reads arguments, and `text` does the work and knows of neither.

mod abi;
mod json;
mod text;

use abi::{Call, export};

export!(slugify, levenshtein, similarity);

/// Raw text to a slug: "Äpfel & Öl" to "apfel-ol".
fn slugify(input: &[u8]) -> Call {
    let input = std::str::from_utf8(input).map_err(|_| "slugify wants text in UTF-8")?;
    Ok(text::slugify(input))
}

/// JSON `[a, b]` to how many characters must change to make a into b.
fn levenshtein(input: &[u8]) -> Call {
    let [a, b] = json::two_strings(input)?;
    Ok(text::levenshtein(&a, &b).to_string())
}

/// JSON `[a, b]` to a number from 0 (nothing in common) to 1 (equal).
fn similarity(input: &[u8]) -> Call {
    let [a, b] = json::two_strings(input)?;
    Ok(text::similarity(&a, &b).to_string())
}
