//! prose: an Extism plugin in Rust, with Extism's own plugin development kit.

use extism_pdk::{FnResult, Json, ToBytes, config, error, info, plugin_fn, var};
use serde::{Deserialize, Serialize};

/// Gives every word a capital, but for those that the configuration names as
/// small, separated by spaces.
#[plugin_fn]
pub fn title_case(text: String) -> FnResult<String> {
    let small = config::get("small")?.unwrap_or_default();
    let words = text.split_whitespace().enumerate().map(|(i, word)| {
        let mut letters = word.chars();
        match letters.next() {
            Some(first) if i == 0 || !small.split(' ').any(|s| s == word) => {
                first.to_uppercase().chain(letters).collect()
            }
            _ => word.to_owned(),
        }
    });
    Ok(words.collect::<Vec<String>>().join(" "))
}

#[derive(Deserialize)]
struct Question {
    text: String,
    #[serde(default = "usual_pace")]
    words_per_minute: u32,
}

fn usual_pace() -> u32 {
    200
}

#[derive(Serialize, ToBytes)]
#[encoding(Json)]
struct Answer {
    words: usize,
    longest: String,
    seconds: u32,
}

/// Takes {"text": …, "words_per_minute": 200} and says how long reading takes.
#[plugin_fn]
pub fn reading_time(Json(q): Json<Question>) -> FnResult<Answer> {
    if q.words_per_minute == 0 {
        return Err(extism_pdk::Error::msg("words_per_minute must be more than zero").into());
    }
    let words = q.text.split_whitespace().count();
    let longest = q
        .text
        .split_whitespace()
        .max_by_key(|w| w.chars().count())
        .unwrap_or_default();
    info!("{words} words");
    Ok(Answer {
        words,
        longest: longest.to_owned(),
        seconds: (words as u64 * 60 / u64::from(q.words_per_minute)) as u32,
    })
}

/// Remembers the input and returns what it was given before.
#[plugin_fn]
pub fn remember(text: String) -> FnResult<String> {
    let before: Option<String> = var::get("text")?;
    var::set("text", &text)?;
    Ok(before.unwrap_or_default())
}

/// Panics: what a fault of the plugin's own looks like from outside.
#[plugin_fn]
pub fn panics(text: String) -> FnResult<String> {
    error!("about to panic");
    panic!("it was {text:?}");
}
