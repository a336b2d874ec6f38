//! The functions themselves, on text.

/// Lower-case ASCII letters and digits of s, with one hyphen for each run of
/// anything else between them. Letters with a mark lose it (é to e), ß is ss,
/// æ is ae; an apostrophe goes without a trace. Other scripts are kept, in
/// lower case. The answer may be empty.
pub fn slugify(s: &str) -> String {
    let mut slug = String::with_capacity(s.len());
    let mut gap = false;
    for c in s.chars().flat_map(char::to_lowercase) {
        if matches!(c, '\'' | '’' | '\u{300}'..='\u{36f}') {
            continue;
        }
        if !c.is_alphanumeric() {
            gap = true;
            continue;
        }
        if gap && !slug.is_empty() {
            slug.push('-');
        }
        gap = false;
        match plain(c) {
            Some(letters) => slug.push_str(letters),
            None => slug.push(c),
        }
    }
    slug
}

/// What a lower-case letter of Latin-1 or Latin Extended-A is without its marks.
fn plain(c: char) -> Option<&'static str> {
    Some(match c {
        'à'..='å' | 'ā' | 'ă' | 'ą' => "a",
        'æ' => "ae",
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => "c",
        'ð' | 'ď' | 'đ' => "d",
        'è'..='ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => "e",
        'ĝ' | 'ğ' | 'ġ' | 'ģ' => "g",
        'ĥ' | 'ħ' => "h",
        'ì'..='ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ı' => "i",
        '\u{133}' => "ij",
        'ĵ' => "j",
        'ķ' | 'ĸ' => "k",
        'ĺ' | 'ļ' | 'ľ' | 'ŀ' | 'ł' => "l",
        'ñ' | 'ń' | 'ņ' | 'ň' | '\u{149}' | 'ŋ' => "n",
        'ò'..='ö' | 'ø' | 'ō' | 'ŏ' | 'ő' => "o",
        'œ' => "oe",
        'ŕ' | 'ŗ' | 'ř' => "r",
        'ß' => "ss",
        'ś' | 'ŝ' | 'ş' | 'š' | 'ș' | 'ſ' => "s",
        'ţ' | 'ť' | 'ŧ' | 'ț' => "t",
        'þ' => "th",
        'ù'..='ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' => "u",
        'ŵ' => "w",
        'ý' | 'ÿ' | 'ŷ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        _ => return None,
    })
}

/// How many characters must be put in, taken out or replaced to make a into b.
pub fn levenshtein(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    // row[j] is the distance from what of a was read so far to b[..j].
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// One minus the distance over the longer length: 1 for equal texts, also two
/// empty ones. Rounded to four places.
pub fn similarity(a: &str, b: &str) -> f64 {
    let longer = a.chars().count().max(b.chars().count());
    if longer == 0 {
        return 1.0;
    }
    let share = 1.0 - levenshtein(a, b) as f64 / longer as f64;
    (share * 10_000.0).round() / 10_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs() {
        for (s, want) in [
            ("", ""),
            (" -- ", ""),
            ("Hello, World!", "hello-world"),
            ("  Äpfel & Öl: 3 €/kg  ", "apfel-ol-3-kg"),
            ("Crème brûlée", "creme-brulee"),
            ("cre\u{300}me", "creme"),
            ("Straße STRAẞE", "strasse-strasse"),
            ("It's Don’t", "its-dont"),
            ("İstanbul Łódź Ærø", "istanbul-lodz-aero"),
            ("\u{132}sselmeer \u{149}", "ijsselmeer-n"),
            ("Пушка 7", "пушка-7"),
        ] {
            assert_eq!(slugify(s), want, "{s}");
        }
    }

    #[test]
    fn distances() {
        for (a, b, want) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("flaw", "lawn", 2),
            ("grün", "grun", 1),
            ("😀a", "😁a", 1),
        ] {
            assert_eq!(levenshtein(a, b), want, "{a} {b}");
            assert_eq!(levenshtein(b, a), want, "{b} {a}");
        }
    }

    #[test]
    fn similarities() {
        for (a, b, want) in [
            ("", "", 1.0),
            ("", "a", 0.0),
            ("abc", "abc", 1.0),
            ("kitten", "sitting", 0.5714),
            ("grün", "grun", 0.75),
        ] {
            assert_eq!(similarity(a, b), want, "{a} {b}");
        }
    }
}
