//! What is fed to the readers of this crate. See [`crate::fuzz`].

use crate::auth::seal;
use crate::clixml;
use crate::enumerate::Page;
use crate::fuzz::feed;
use crate::shell::Piece;
use crate::xml;

#[test]
fn the_xml_reader_takes_anything() {
    feed("xml", |bytes| {
        for kind in ["application/soap+xml;charset=UTF-16", "text/xml;charset=utf-8", "x"] {
            if let Ok(text) = xml::decode(bytes, Some(kind)) {
                let _whatever = xml::parse(&text).is_ok();
            }
        }
        let text = match xml::decode(bytes, None) {
            Ok(text) => text,
            Err(error) => return Ok(format!("{error:?}")),
        };
        let document = match xml::parse(&text) {
            Ok(document) => document,
            Err(error) => return Ok(format!("{error:?}")),
        };
        let body = document.root_element();
        let page = Page::read(body).map(|page| page.items.len().min(3));
        let piece =
            Piece::read(body, "C1").map(|piece| (piece.done, piece.stdout.len().min(1), piece.exit_code.is_some()));
        let depth = body.descendants().map(|node| node.ancestors().count()).max().unwrap_or_default();
        if depth > 200 {
            return Err(format!("{depth} levels"));
        }
        Ok(format!("{page:?} {piece:?}"))
    });
}

#[test]
fn the_reader_of_sealed_messages_takes_anything() {
    feed("sealed", |bytes| {
        let (sealed, kind, length) = match seal::read(bytes) {
            Ok(read) => read,
            Err(why) => return Ok(why),
        };
        // What it took is what would be written for it.
        let again = seal::read(&seal::write(&sealed, length));
        match again {
            Ok((same, _, said)) if same == sealed && said == length => Ok(format!("read {}", kind.len() > 40)),
            other => Err(format!("{sealed:?} is read as {other:?}")),
        }
    });
}

#[test]
fn the_reader_of_clixml_takes_anything() {
    feed("clixml", |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let said = clixml::said(&text);
        if said.chars().any(char::is_control) {
            return Err(format!("control characters in {said:?}"));
        }
        // Each reference of XML is shorter than what it stands for by at most a character.
        if said.len() > text.len() * 4 + 64 {
            return Err(format!("{} bytes of {}", said.len(), text.len()));
        }
        let words = ["empty", "short", "long"];
        let documents = text.matches("#< CLIXML").count().min(2);
        Ok(format!(
            "{} {}",
            words[usize::from(!said.is_empty()) + usize::from(said.len() > 100)],
            ["no", "one", "more"][documents]
        ))
    });
}
