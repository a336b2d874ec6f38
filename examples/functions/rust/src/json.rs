//! As much of JSON as two strings need.

use std::iter::Peekable;
use std::str::Chars;

const WANT: &str = "want a JSON array of two strings";

/// Reads `["…", "…"]`, with every escape JSON has. Anything else is an error.
pub fn two_strings(input: &[u8]) -> Result<[String; 2], String> {
    let input = std::str::from_utf8(input).map_err(|_| "want JSON in UTF-8")?;
    let mut rest = input.chars().peekable();
    expect(&mut rest, '[')?;
    let a = string(&mut rest)?;
    expect(&mut rest, ',')?;
    let b = string(&mut rest)?;
    expect(&mut rest, ']')?;
    space(&mut rest);
    match rest.next() {
        None => Ok([a, b]),
        Some(_) => Err(WANT.into()),
    }
}

fn space(rest: &mut Peekable<Chars>) {
    while rest
        .next_if(|c| matches!(c, ' ' | '\t' | '\n' | '\r'))
        .is_some()
    {}
}

fn expect(rest: &mut Peekable<Chars>, want: char) -> Result<(), String> {
    space(rest);
    if rest.next() == Some(want) {
        Ok(())
    } else {
        Err(WANT.into())
    }
}

fn string(rest: &mut Peekable<Chars>) -> Result<String, String> {
    expect(rest, '"')?;
    let mut s = String::new();
    loop {
        s.push(match rest.next().ok_or("a string does not end")? {
            '"' => return Ok(s),
            '\\' => match rest.next() {
                Some(c @ ('"' | '\\' | '/')) => c,
                Some('b') => '\u{8}',
                Some('f') => '\u{c}',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some('u') => unicode(rest)?,
                _ => return Err("a string holds an unknown escape".into()),
            },
            '\0'..' ' => {
                return Err("a string holds a control character that is not escaped".into());
            }
            c => c,
        });
    }
}

/// What follows `\u`: four hex digits, or a pair of them with another `\u` between.
fn unicode(rest: &mut Peekable<Chars>) -> Result<char, String> {
    const LONE: &str = "a string holds half of a surrogate pair";
    let first = hex4(rest)?;
    let code = match first {
        0xd800..0xdc00 => {
            if rest.next() != Some('\\') || rest.next() != Some('u') {
                return Err(LONE.into());
            }
            match hex4(rest)? {
                second @ 0xdc00..0xe000 => 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00),
                _ => return Err(LONE.into()),
            }
        }
        _ => first,
    };
    char::from_u32(code).ok_or_else(|| LONE.into())
}

fn hex4(rest: &mut Peekable<Chars>) -> Result<u32, String> {
    (0..4).try_fold(0, |n, _| {
        let digit = rest.next().and_then(|c| c.to_digit(16));
        Ok(n << 4 | digit.ok_or("\\u wants four hex digits")?)
    })
}

#[cfg(test)]
mod tests {
    use super::two_strings;

    #[test]
    fn reads() {
        for (input, a, b) in [
            (r#"["",""]"#, "", ""),
            (" [ \"a\" ,\t\"b\" ]\r\n", "a", "b"),
            (r#"["\"\\\/\b\f\n\r\t","é"]"#, "\"\\/\u{8}\u{c}\n\r\t", "é"),
            (r#"["\u00e9\uD83D\ude00x","\u0000"]"#, "é😀x", "\0"),
        ] {
            assert_eq!(
                two_strings(input.as_bytes()),
                Ok([a.to_string(), b.to_string()]),
                "{input}"
            );
        }
    }

    #[test]
    fn refuses() {
        for input in [
            "",
            "[",
            "[]",
            "{}",
            "null",
            r#""a""#,
            r#"["a"]"#,
            r#"["a","b""#,
            r#"["a","b","c"]"#,
            r#"["a","b",]"#,
            r#"["a" "b"]"#,
            r#"["a",1]"#,
            r#"["a",null]"#,
            r#"["a","b"]x"#,
            r#"["a","b]"#,
            r#"["a","\x"]"#,
            r#"["a","\u12"]"#,
            r#"["a","\u+123"]"#,
            r#"["a","\ud83d"]"#,
            r#"["a","\ud83dx"]"#,
            r#"["a","\ud83d\n"]"#,
            r#"["a","\ud83d\ud83d"]"#,
            r#"["a","\ude00"]"#,
            "[\"a\",\"\n\"]",
            r#"["a","\"#,
        ] {
            assert!(two_strings(input.as_bytes()).is_err(), "{input}");
        }
        assert!(two_strings(b"[\"\xff\",\"\"]").is_err());
    }
}
