//! Exit codes of Windows: 32 bits, which some tools print with a sign, some without and some in hexadecimal.

/// The bits of `HRESULT_FROM_WIN32`: failure, facility 7.
const OF_WIN32: i64 = 0x8007_0000;

/// Returns the one number that stands for a code here: without a sign.
#[must_use]
pub fn unsigned(code: i64) -> i64 {
    if (i64::from(i32::MIN)..0).contains(&code) { code + (1 << 32) } else { code }
}

/// Returns the same code in its other form: 3010 as the HRESULT 0x80070BC2, and the other way round. `None` for codes
/// that have one form.
#[must_use]
pub fn other_form(code: i64) -> Option<i64> {
    let code = unsigned(code);
    match code {
        1..=0xffff => Some(OF_WIN32 | code),
        _ if code & !0xffff == OF_WIN32 && code != OF_WIN32 => Some(code & 0xffff),
        _ => None,
    }
}

/// Returns the code of Windows itself, where a code is the HRESULT form of one.
#[must_use]
pub fn win32(code: i64) -> i64 {
    let code = unsigned(code);
    if code > 0xffff { other_form(code).unwrap_or(code) } else { code }
}

/// Returns a code as people look it up: small ones in decimal, others in hexadecimal with the decimal behind it.
#[must_use]
pub fn text(code: i64) -> String {
    let code = unsigned(code);
    if (0..=0xffff).contains(&code) { code.to_string() } else { format!("0x{code:08X} ({code})") }
}

/// Returns the code that a text stands for: decimal with or without a sign, or hexadecimal after `0x`, in 32 bits.
#[must_use]
pub fn parse(text: &str) -> Option<i64> {
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let code = match hexadecimal {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => i64::from_str_radix(digits, 16).ok()?,
        Some(_) => return None,
        None => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
            if plain { text.parse().ok()? } else { return None }
        }
    };
    (i64::from(i32::MIN)..=i64::from(u32::MAX)).contains(&code).then(|| unsigned(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_code_is_one_number_however_it_is_written() {
        for text in ["-2147021886", "2147945410", "0x80070BC2", "0X80070bc2"] {
            assert_eq!(parse(text), Some(0x8007_0bc2), "{text}");
        }
        assert_eq!((parse("-1"), parse("0xFFFFFFFF")), (Some(0xffff_ffff), Some(0xffff_ffff)));
        for text in [
            "",
            "-",
            "0x",
            "+1",
            "007",
            "1_000",
            "1e3",
            " 1",
            "80070BC2",
            "4294967296",
            "-2147483649",
            "0x1FFFFFFFF",
            "0x-1",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_hresult_of_a_code_is_the_code() {
        for (hresult, code) in [(0x8007_0bc2, 3010), (0x8007_0669, 1641), (0x8007_0652, 1618), (0x8007_0643, 1603)] {
            assert_eq!((win32(hresult), other_form(code), other_form(hresult)), (code, Some(hresult), Some(code)));
        }
        assert_eq!(win32(-2_147_021_886), 3010, "signed");
        for alone in [0, 0x8024_0017, 0x0024_0005, 0x8007_0000] {
            assert_eq!((win32(alone), other_form(alone)), (alone, None));
        }
    }

    #[test]
    fn large_codes_are_shown_as_tables_print_them() {
        assert_eq!((text(3010), text(-2_147_021_886)), ("3010".to_owned(), "0x80070BC2 (2147945410)".to_owned()));
    }
}
