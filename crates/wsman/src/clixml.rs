//! The standard error of PowerShell, which comes as serialised objects.

use crate::text::plain;
use crate::xml::{self, text};

/// Returns what was said: the error texts of every CLIXML document in the output, and text that is none. Progress and
/// the other streams are left out.
#[must_use]
pub fn said(output: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut rest = output.trim_start_matches('\u{feff}');
    while let Some(start) = rest.find("#< CLIXML") {
        parts.push(rest[..start].to_owned());
        let after = &rest[start + "#< CLIXML".len()..];
        let Some(end) = after.find("</Objs>") else {
            // A document that was cut off says nothing that can be relied on.
            rest = "";
            break;
        };
        let document = after[..end + "</Objs>".len()].trim();
        parts.extend(errors(document));
        rest = &after[end + "</Objs>".len()..];
    }
    parts.push(rest.to_owned());
    plain(&parts.concat())
}

fn errors(document: &str) -> Vec<String> {
    let Ok(parsed) = xml::parse(document) else { return Vec::new() };
    let is_error =
        |node: &roxmltree::Node<'_, '_>| node.tag_name().name() == "S" && node.attribute("S") == Some("Error");
    parsed.descendants().filter(is_error).map(|node| unescape(&text(node))).collect()
}

/// Returns the text with `_xHHHH_` turned back into UTF-16 units.
fn unescape(text: &str) -> String {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let escaped = rest
            .strip_prefix("_x")
            .and_then(|after| Some((after.get(..4)?, after.get(4..)?.strip_prefix('_')?)))
            .and_then(|(hex, after)| Some((u16::from_str_radix(hex, 16).ok()?, after)));
        if let Some((unit, after)) = escaped {
            units.push(unit);
            rest = after;
        } else {
            units.extend(c.encode_utf16(&mut [0; 2]).iter());
            rest = &rest[c.len_utf8()..];
        }
    }
    String::from_utf16_lossy(&units)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_texts_are_kept_and_progress_is_dropped() {
        let objects = "<Objs Version=\"1.1.0.1\" xmlns=\"http://schemas.microsoft.com/powershell/2004/04\">\
            <Obj S=\"progress\"><TN/></Obj><S S=\"Error\">no such_x000D__x000A_</S><S S=\"Error\"> service</S>\
            <S S=\"Warning\">never mind</S></Objs>";
        assert_eq!(said(&format!("before #< CLIXML\r\n{objects} after")), "before no such service after");
        assert_eq!(said("plain words"), "plain words");
        assert_eq!(said("#< CLIXML\r\n<Objs><S S=\"Error\">cut"), "");
        assert_eq!(unescape("a_x0041_b_x00_é_x"), "aAb_x00_é_x");
    }
}
