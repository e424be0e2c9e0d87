//! Checksums, as the tools of the trade print them.

use crate::codes;
use crate::diagnostic::{Diagnostic, quoted};
use crate::reader::{Reader, Written};
use crate::scalars::parsed;
use crate::yaml::{Node, Value};
use schemars::{Schema, SchemaGenerator, json_schema};

/// A SHA-256 in lower-case hexadecimal.
#[derive(Debug, Clone)]
pub(crate) struct Sha256(pub(crate) String);

/// Returns the digits of a text that holds nothing but hexadecimal digits, and blanks, colons or hyphens between them:
/// `certutil` prints blanks, `openssl x509 -fingerprint` colons, .NET hyphens.
fn digits(text: &str) -> Option<String> {
    let edges = text.starts_with(|c: char| c.is_ascii_hexdigit()) && text.ends_with(|c: char| c.is_ascii_hexdigit());
    let between = |c: char| matches!(c, ' ' | ':' | '-');
    let fits = edges && text.chars().all(|c| c.is_ascii_hexdigit() || between(c));
    fits.then(|| text.chars().filter(|c| !between(*c)).collect::<String>().to_ascii_lowercase())
}

fn whole(text: &str) -> Option<String> {
    digits(text).filter(|digits| digits.len() == 64)
}

/// Returns the checksum inside a whole line of a tool, such as `SHA256(setup.exe)= 9f86…`.
fn inside(text: &str) -> Option<String> {
    let after = text.rsplit(['=']).next().map(str::trim).unwrap_or_default();
    let words = text.split(|c: char| c.is_whitespace() || matches!(c, '=' | ':' | ',' | ';' | '"' | '\''));
    whole(after).or_else(|| words.into_iter().find_map(whole))
}

/// The SHA-256 of a file without contents.
const OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Says why a checksum is that of no file that could be meant.
fn of_nothing(hash: &str) -> Option<String> {
    if hash == OF_NOTHING {
        return Some(
            "this is the SHA-256 of an empty file: the download or the copy that it was made of was empty".to_owned(),
        );
    }
    let first = hash.chars().next()?;
    hash.chars().all(|c| c == first).then(|| "64 equal digits are the SHA-256 of no file".to_owned())
}

fn parse(text: &str) -> Result<String, String> {
    if let Some(hash) = whole(text) {
        return Ok(hash);
    }
    if let Some(hash) = inside(text) {
        return Err(format!("write only its digits: `{hash}`"));
    }
    let Some(digits) = digits(text) else {
        let other = text.chars().find(|c| !c.is_ascii_hexdigit() && !matches!(c, ' ' | ':' | '-'));
        return Err(match other {
            Some(other) => format!("{} is not a hexadecimal digit", quoted(&other.to_string())),
            None => "write its 64 digits, without anything before and after them".to_owned(),
        });
    };
    let kind = match digits.len() {
        32 => ", as an MD5 has",
        40 => ", as a SHA-1 has",
        96 => ", as a SHA-384 has",
        128 => ", as a SHA-512 has",
        _ => "",
    };
    Err(format!("it has {} digits{kind}; 64 are needed", digits.len()))
}

impl Written for Sha256 {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        // A block ends with a line break that is not part of what was written in it.
        let block = matches!(node.value, Value::Scalar { block: true, .. });
        let hash = parsed(node, reader, codes::BAD_SHA256, "a SHA-256 in hexadecimal", |text| {
            parse(if block { text.trim_end_matches('\n') } else { text })
        })?;
        let Some(why) = of_nothing(&hash) else { return Some(Self(hash)) };
        reader.report(
            Diagnostic::error(codes::BAD_SHA256, node.span, why)
                .label("expected the checksum of a file with contents")
                .help("have it printed once more, of the file itself: `certutil -hashfile FILE SHA256`"),
        );
        None
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"], "pattern": "^[0-9a-fA-F]([ :-]*[0-9a-fA-F]){63}$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    fn paired(with: &str) -> String {
        let pairs: Vec<&str> = HASH.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap()).collect();
        pairs.join(with)
    }

    #[test]
    fn a_hash_is_one_hash_however_a_tool_prints_it() {
        for text in [
            HASH.to_owned(),
            HASH.to_uppercase(),
            paired(" "),
            paired(":").to_uppercase(),
            paired("-").to_uppercase(),
            format!("{} {}", &HASH[..32], &HASH[32..]),
        ] {
            assert_eq!(parse(&text).as_deref(), Ok(HASH), "{text}");
        }
    }

    #[test]
    fn the_checksum_of_nothing_is_no_checksum_of_a_file() {
        assert!(of_nothing(OF_NOTHING).is_some_and(|why| why.contains("of an empty file")));
        assert!(of_nothing(&"0".repeat(64)).is_some_and(|why| why.contains("64 equal digits")));
        assert_eq!(of_nothing(HASH), None);
    }

    #[test]
    fn a_whole_line_of_a_tool_is_told_which_part_is_meant() {
        for text in [
            format!("SHA256(setup.exe)= {HASH}"),
            format!("SHA2-256(stdin)= {HASH}"),
            format!("sha256:{HASH}"),
            format!("{HASH}  setup.exe"),
            format!("{HASH} *setup.exe"),
            format!("SHA256          {}       C:\\CU\\setup.exe", HASH.to_uppercase()),
            format!("sha256 Fingerprint={}", paired(":").to_uppercase()),
            format!(" {HASH}"),
            format!("0x{HASH}").replace("0x", "0x "),
        ] {
            assert_eq!(parse(&text), Err(format!("write only its digits: `{HASH}`")), "{text}");
        }
        for (text, said) in [
            (&HASH[..40], "40 digits, as a SHA-1 has; 64"),
            (&HASH[..63], "63 digits; 64"),
            ("n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=", "`n` is not"),
            ("", "64 digits"),
        ] {
            assert!(parse(text).unwrap_err().contains(said), "{text}: {:?}", parse(text));
        }
    }
}
