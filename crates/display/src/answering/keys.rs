//! What was typed, as keys: bytes of a terminal in, keys out.

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A character that can be seen, or a blank.
    Char(char),
    /// The end of a line.
    Enter,
    /// The last character is taken back.
    Back,
    /// The question is gone back from.
    Escape,
    /// The next question.
    Tab,
    /// The terminal says in which column its cursor is, counted from 1.
    Column(usize),
}

/// Takes bytes apart that come in pieces.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    rest: Vec<u8>,
}

/// The longest piece that is waited for the rest of. What is longer is no key of a terminal.
const LONGEST: usize = 32;

/// What a piece begins with.
enum Piece {
    /// A key of so many bytes, or none that means anything.
    Key(Option<Key>, usize),
    /// Not all of it is there.
    Part,
}

impl Keys {
    /// Returns the keys in `bytes`. What is not whole yet is kept for the next ones; an escape that nothing follows is the key.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<Key> {
        self.rest.extend_from_slice(bytes);
        let mut keys = Vec::new();
        while !self.rest.is_empty() {
            match first(&self.rest) {
                Piece::Key(key, length) => {
                    keys.extend(key);
                    self.rest.drain(..length);
                }
                Piece::Part if self.rest.len() < LONGEST => break,
                Piece::Part => self.rest.clear(),
            }
        }
        keys
    }
}

fn first(bytes: &[u8]) -> Piece {
    match bytes {
        [] => Piece::Part,
        [b'\r' | b'\n', ..] => Piece::Key(Some(Key::Enter), 1),
        [0x7f | 0x08, ..] => Piece::Key(Some(Key::Back), 1),
        [b'\t', ..] => Piece::Key(Some(Key::Tab), 1),
        [0x1b] => Piece::Key(Some(Key::Escape), 1),
        [0x1b, b'[', rest @ ..] => sequence(rest),
        // Keys of a terminal in application mode.
        [0x1b, b'O', _, ..] => Piece::Key(None, 3),
        [0x1b, b'O'] => Piece::Part,
        [0x1b, ..] => Piece::Key(Some(Key::Escape), 1),
        [byte, ..] if *byte < 0x20 => Piece::Key(None, 1),
        bytes => character(bytes),
    }
}

/// An escape sequence, without what introduces it: arrows and other keys, which mean nothing here, and answers of the terminal.
fn sequence(bytes: &[u8]) -> Piece {
    let Some(end) = bytes.iter().position(|byte| (0x40..=0x7e).contains(byte)) else { return Piece::Part };
    let column = || std::str::from_utf8(&bytes[..end]).ok()?.split_once(';')?.1.parse().ok();
    let key = (bytes[end] == b'R').then(column).flatten();
    Piece::Key(key.map(Key::Column), end + 3)
}

fn character(bytes: &[u8]) -> Piece {
    let length = match bytes[0] {
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf7 => 4,
        _one => 1,
    };
    let Some(whole) = bytes.get(..length) else { return Piece::Part };
    let c = std::str::from_utf8(whole).ok().and_then(|text| text.chars().next());
    let seen = c.filter(|c| !orchestrate_model::text::is_unseen(*c));
    Piece::Key(seen.map(Key::Char), length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_keys_however_they_come() {
        let all = "r2\r\u{7f}\t\u{1b}[Aé\u{1b}[12;40R\u{1b}OP\u{3}x";
        let wanted = [
            Key::Char('r'),
            Key::Char('2'),
            Key::Enter,
            Key::Back,
            Key::Tab,
            Key::Char('é'),
            Key::Column(40),
            Key::Char('x'),
        ];
        assert_eq!(Keys::default().take(all.as_bytes()), wanted);
        for cut in 1..all.len() {
            // An escape at the end of a piece is the key itself.
            if all.as_bytes()[cut - 1] == 0x1b {
                continue;
            }
            let mut keys = Keys::default();
            let mut said = keys.take(&all.as_bytes()[..cut]);
            said.extend(keys.take(&all.as_bytes()[cut..]));
            assert_eq!(said, wanted, "cut at {cut}");
        }
    }

    #[test]
    fn what_is_no_key_ends_and_is_nothing() {
        let mut keys = Keys::default();
        assert!(keys.take(&[0x1b, b'[']).is_empty());
        assert!(keys.take(&[b'1'; 100]).is_empty(), "a sequence without end is dropped");
        assert_eq!(keys.take(b"q\xff\xfe"), [Key::Char('q')]);
        assert_eq!(keys.take(&[0x1b]), [Key::Escape]);
        assert!(keys.take("\u{202e}".as_bytes()).is_empty(), "what turns text round is not typed");
    }
}
