//! Reads typed values from the tree of nodes, and goes on after every mistake.

use crate::codes::{self, Code};
use crate::diagnostic::{Diagnostic, MOST_DIAGNOSTICS, Span, quoted};
use crate::places;
use crate::secrets::looks_secret;
use crate::slips;
use crate::yaml::{Node, Value};
use orchestrate_model::readable::is_hidden;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::marker::PhantomData;

/// A value and where it is written.
#[derive(Debug, Clone)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

/// A type that can stand in a plan file: how it is read, and how editors are told about it.
pub(crate) trait Written: Sized {
    /// Name in the schema; empty for types that are described where they are used.
    const NAME: &'static str = "";

    /// Returns the value, or reports why there is none.
    fn read(node: &Node, reader: &mut Reader) -> Option<Self>;

    /// Returns the JSON Schema of the value as it is written.
    fn schema(generator: &mut SchemaGenerator) -> Schema;

    /// Returns the value with its place.
    fn read_at(node: &Node, reader: &mut Reader) -> Option<At<Self>> {
        Self::read(node, reader).map(|value| At { value, span: node.span })
    }
}

/// Hands a [`Written`] type to `schemars`.
pub(crate) struct Shape<T>(PhantomData<T>);

impl<T: Written> JsonSchema for Shape<T> {
    fn inline_schema() -> bool {
        T::NAME.is_empty()
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed(if T::NAME.is_empty() { "Value" } else { T::NAME })
    }

    fn schema_id() -> Cow<'static, str> {
        Cow::Borrowed(std::any::type_name::<T>())
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::schema(generator)
    }
}

/// Collects diagnostics, and knows where in the file we are.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    diagnostics: Vec<Diagnostic>,
    path: Vec<String>,
}

impl Reader {
    /// Adds a diagnostic. A hostile file can hold very many; what nobody would see is not kept.
    pub(crate) fn report(&mut self, diagnostic: Diagnostic) {
        if self.diagnostics.len() < 100 * MOST_DIAGNOSTICS {
            self.diagnostics.push(diagnostic);
        }
    }

    /// Returns what was collected.
    pub(crate) fn finish(self) -> Vec<Diagnostic> {
        self.diagnostics
    }

    /// Returns whether an error was reported.
    pub(crate) fn has(&self, code: Code) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.code == code)
    }

    /// Returns a suggestion, unless so many mistakes were found that nobody reads them.
    pub(crate) fn suggest<'a>(&self, text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
        self.near(text, known).map(|near| format!("did you mean `{near}`?"))
    }

    /// Returns the known text that was probably meant, under the same condition.
    pub(crate) fn near<'a>(&self, text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
        if self.crowded() { None } else { nearest(text, known) }
    }

    /// Returns whether more mistakes were found than are shown.
    pub(crate) fn crowded(&self) -> bool {
        self.diagnostics.len() > MOST_DIAGNOSTICS
    }

    pub(crate) fn whole_path(&self) -> String {
        match self.path.as_slice() {
            [] => "the plan".to_owned(),
            path => quoted(&path.join(".")),
        }
    }

    pub(crate) fn wrong_type(&mut self, node: &Node, expected: &str) {
        let found = node.value.kind();
        let message = match self.path.as_slice() {
            [] => format!("expected {expected}, found {found}"),
            path => format!("{} must be {expected}, found {found}", quoted(&path.join("."))),
        };
        let mut diagnostic =
            Diagnostic::error(codes::WRONG_TYPE, node.span, message).label(format!("expected {expected}"));
        if matches!(node.value, Value::Nothing) {
            diagnostic = diagnostic.help("give it a value, or leave the key out");
        }
        self.report(diagnostic);
    }

    /// Returns the text of a single value.
    pub(crate) fn text<'n>(&mut self, node: &'n Node, expected: &str) -> Option<&'n str> {
        match &node.value {
            Value::Scalar { text, .. } => self.seen(node.span, text).then_some(text.as_str()),
            Value::Nothing | Value::List(_) | Value::Map(_) => {
                self.wrong_type(node, expected);
                None
            }
        }
    }

    /// Reports a text with characters that cannot be seen: it looks like another one that it is not. Line breaks and
    /// tabs are for each kind of value to allow. Every text and every key of a file comes through here.
    fn seen(&mut self, span: Span, text: &str) -> bool {
        let hidden = text.chars().enumerate().find(|(_, c)| is_hidden(*c) && !matches!(c, '\n' | '\t'));
        let Some((position, c)) = hidden else { return true };
        let place = match self.path.as_slice() {
            [] => "the plan".to_owned(),
            path => quoted(&path.join(".")),
        };
        let message =
            format!("{place} holds U+{:04X} at character {}, which cannot be seen", u32::from(c), position + 1);
        self.report(
            Diagnostic::error(codes::BAD_TEXT, span, message)
                .label("expected characters that can be seen")
                .help("it may have come with a copied text: type this text anew"),
        );
        false
    }

    /// Reads a value below a key or position.
    pub(crate) fn below<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(name.to_owned());
        let value = read(self);
        self.path.pop();
        value
    }

    /// Returns the entries of a mapping whose keys are texts, without those that are repeated.
    fn entries<'n>(&mut self, node: &'n Node, expected: &str) -> Option<Vec<(&'n str, &'n Node, &'n Node)>> {
        let Value::Map(entries) = &node.value else {
            self.wrong_type(node, expected);
            return None;
        };
        let mut first: BTreeMap<&str, Span> = BTreeMap::new();
        let mut kept = Vec::new();
        for (key, value) in entries {
            let Some(text) = self.text(key, "a key of one line") else { continue };
            if let Some(earlier) = first.get(text) {
                self.report(
                    Diagnostic::error(
                        codes::DUPLICATE_KEY,
                        key.span,
                        format!("the key {} is written twice", quoted(text)),
                    )
                    .label("the second one")
                    .note(format!("the first one is in line {}", earlier.line)),
                );
                continue;
            }
            first.insert(text, key.span);
            kept.push((text, key, value));
        }
        Some(kept)
    }
}

/// Returns the known text that `text` most likely was meant to be.
fn nearest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Longer texts than any name of ours are not typing mistakes, and comparing them is slow.
    if text.len() > 256 {
        return None;
    }
    let lower = text.to_lowercase();
    let rated = known.into_iter().filter_map(|name| {
        let other = name.to_lowercase();
        let (mine, theirs) = without_shared_domain(&lower, &other);
        let distance = strsim::damerau_levenshtein(mine, theirs);
        let length = mine.chars().count().max(theirs.chars().count());
        // Two slips in a word of five letters, such as `scoop`, are still that word.
        let allowed = (length / 3).max(if length == 5 { 2 } else { 1 });
        (distance <= allowed).then_some((distance, name))
    });
    rated.min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

/// Returns two names without the domain they share: names of one domain are alike without being meant for each other.
fn without_shared_domain<'a>(a: &'a str, b: &'a str) -> (&'a str, &'a str) {
    match (a.split_once('.'), b.split_once('.')) {
        (Some((mine, domain)), Some((theirs, other))) if domain == other => (mine, theirs),
        _ => (a, b),
    }
}

/// A reader over one mapping with fixed keys: takes keys, remembers which it knows, and reports the rest.
pub(crate) struct Fields<'n, 'r> {
    entries: Vec<(&'n str, &'n Node, &'n Node)>,
    known: Vec<&'static str>,
    span: Span,
    reader: &'r mut Reader,
}

impl<'n, 'r> Fields<'n, 'r> {
    /// Opens a mapping, or reports that there is none.
    pub(crate) fn open(node: &'n Node, reader: &'r mut Reader) -> Option<Self> {
        let entries = reader.entries(node, "a mapping")?;
        Some(Self { entries, known: Vec::new(), span: node.span, reader })
    }

    fn take(&mut self, key: &'static str) -> Option<&'n Node> {
        self.known.push(key);
        self.entries.iter().find(|(text, _, _)| *text == key).map(|(_, _, value)| *value)
    }

    /// Returns the value of a key that may be left out.
    pub(crate) fn optional<T: Written>(&mut self, key: &'static str) -> Option<At<T>> {
        let node = self.take(key)?;
        self.reader.below(key, |reader| T::read_at(node, reader))
    }

    /// Returns the value of a key that must be there.
    pub(crate) fn required<T: Written>(&mut self, key: &'static str) -> Option<At<T>> {
        // A key with a blank in it that is no space is told as that.
        let is_it = |text: &str| text == key || slips::without_blanks(text) == key;
        if !self.entries.iter().any(|(text, _, _)| is_it(text)) {
            let owner = self.reader.whole_path();
            self.reader.report(
                Diagnostic::error(codes::MISSING_KEY, self.span, format!("{owner} has no `{key}`"))
                    .label(format!("`{key}` is needed in this mapping")),
            );
        }
        self.optional(key)
    }

    /// Reports the keys that nobody asked for.
    pub(crate) fn close(self) {
        let Self { entries, known, reader, .. } = self;
        let is_written = |name: &str| entries.iter().any(|(text, _, _)| *text == name);
        let unused: Vec<&str> = known.iter().copied().filter(|name| !is_written(name)).collect();
        for (text, key, _) in entries {
            if known.contains(&text) {
                continue;
            }
            if looks_secret(text) {
                reader.report(secret_key(text, key.span));
                continue;
            }
            // `{address "192.0.2.1:9999"}`: all of it is one key.
            let first = text.split_whitespace().next().filter(|first| *first != text && unused.contains(first));
            let missing = first.map(|first| format!("a colon is missing behind {}", quoted(first)));
            let blank = slips::blank_in(text).map(|name| {
                let meant = slips::without_blanks(text);
                format!("the key holds {name}, which is no space: write {}", quoted(&meant))
            });
            let help = blank
                .or(missing)
                .or_else(|| places::belongs(text))
                .or_else(|| reader.suggest(text, unused.iter().copied()))
                .unwrap_or_else(|| format!("known keys here: {}", known.join(", ")));
            let owner = reader.whole_path();
            reader.report(
                Diagnostic::error(codes::UNKNOWN_KEY, key.span, format!("{owner} has no key {}", quoted(text)))
                    .label("unknown key")
                    .help(help),
            );
        }
    }
}

pub(crate) fn secret_key(key: &str, span: Span) -> Diagnostic {
    Diagnostic::error(codes::CREDENTIALS_IN_PLAN, span, format!("{} does not belong in a plan file", quoted(key)))
        .label("a secret in a plan is read by everybody who reads the plan")
        .help("write `credentials: {env: NAME}` and set NAME_USER and NAME_PASSWORD, or `credentials: {file: PATH}`")
        .note("if the file was shared, change the secret")
}

/// A mapping whose keys are names, in the order of the file. Entries with a bad key or value stay, so that counts are
/// those of the file.
#[derive(Debug, Clone)]
pub(crate) struct Entries<K, V>(pub(crate) Vec<Entry<K, V>>);

/// A key and its value; either is missing when it could not be read.
type Entry<K, V> = (Option<At<K>>, Option<At<V>>);

impl<K, V> Entries<K, V> {
    /// Returns the entries whose key and value could be read.
    pub(crate) fn good(&self) -> impl Iterator<Item = (&At<K>, &At<V>)> {
        self.0.iter().filter_map(|(key, value)| Some((key.as_ref()?, value.as_ref()?)))
    }

    /// Returns the same for changing them.
    pub(crate) fn good_mut(&mut self) -> impl Iterator<Item = (&mut At<K>, &mut At<V>)> {
        self.0.iter_mut().filter_map(|(key, value)| Some((key.as_mut()?, value.as_mut()?)))
    }

    /// Returns the keys that could be read.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &At<K>> {
        self.0.iter().filter_map(|(key, _)| key.as_ref())
    }
}

impl<K: Written, V: Written> Written for Entries<K, V> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let entries = reader.entries(node, "a mapping")?;
        let read = |(text, key, value): (&str, &Node, &Node)| {
            reader.below(text, |reader| (K::read_at(key, reader), V::read_at(value, reader)))
        };
        Some(Self(entries.into_iter().map(read).collect()))
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<Shape<V>>();
        // A plan has pools and a pool has servers; other mappings may be empty.
        if ["Pool", "Server"].contains(&V::NAME) {
            return json_schema!({ "type": "object", "additionalProperties": value, "minProperties": 1 });
        }
        json_schema!({ "type": "object", "additionalProperties": value })
    }
}

impl<T: Written> Written for Vec<At<T>> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Value::List(items) = &node.value else {
            reader.wrong_type(node, "a list");
            return None;
        };
        let mut read = Self::new();
        for (position, item) in items.iter().enumerate() {
            read.extend(reader.below(&(position + 1).to_string(), |reader| T::read_at(item, reader)));
        }
        Some(read)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let item = generator.subschema_for::<Shape<T>>();
        json_schema!({ "type": "array", "items": item })
    }
}

/// A list that says nothing when it is empty: what is left out has a default, and an empty list would be taken for it.
#[derive(Debug, Clone)]
pub(crate) struct Filled<T>(pub(crate) Vec<At<T>>);

impl<T: Written> Written for Filled<T> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let message = match &node.value {
            Value::List(items) if items.is_empty() => Some("is an empty list"),
            Value::Nothing => Some("has no value"),
            Value::List(_) | Value::Scalar { .. } | Value::Map(_) => None,
        };
        if let Some(message) = message {
            let owner = reader.whole_path();
            let is_windows = reader.path.last().is_some_and(|key| key == "windows");
            // To leave it out is the opposite of what somebody may have meant by it.
            let help = if is_windows {
                "write the windows; a plan without the key may be run at any time"
            } else {
                "leave the key out for its default, or write what belongs there"
            };
            reader.report(
                Diagnostic::error(codes::EMPTY_LIST, node.span, format!("{owner} {message}"))
                    .label("expected at least one item: \"none\" is not what an empty list would do")
                    .help(help),
            );
            return None;
        }
        Vec::read(node, reader).map(Self)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let item = generator.subschema_for::<Shape<T>>();
        json_schema!({ "type": "array", "items": item, "minItems": 1 })
    }
}

/// The value of a key that is written, whether it could be read or not: rules about missing keys do not apply to it.
#[derive(Debug, Clone)]
pub(crate) struct Given<T>(pub(crate) Option<T>);

impl<T: Written> Written for Given<T> {
    const NAME: &'static str = T::NAME;

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        Some(Self(T::read(node, reader)))
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        T::schema(generator)
    }
}

/// A list, or its single item without the brackets.
#[derive(Debug, Clone)]
pub(crate) struct OneOrMany<T>(pub(crate) Vec<At<T>>);

impl<T: Written> Written for OneOrMany<T> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::List(items) if items.is_empty() => {
                let owner = reader.whole_path();
                reader.report(
                    Diagnostic::error(codes::BAD_TEXT, node.span, format!("{owner} is an empty list"))
                        .label("expected at least one")
                        .help("leave the key out instead, or write what belongs there"),
                );
                None
            }
            Value::List(_) => Vec::read(node, reader).map(Self),
            Value::Nothing | Value::Scalar { .. } | Value::Map(_) => {
                T::read_at(node, reader).map(|item| Self(vec![item]))
            }
        }
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let item = generator.subschema_for::<Shape<T>>();
        json_schema!({ "anyOf": [item, { "type": "array", "items": item, "minItems": 1 }] })
    }
}

/// Declares a mapping with fixed keys: the type, its reader and its schema from one list, so that they cannot differ.
/// `required` and `optional` say whether the key must be there; a value that could not be read is `None` either way.
macro_rules! written {
    ($(#[doc = $doc:literal])* struct $name:ident {
        $($(#[doc = $key_doc:literal])* $need:ident $key:ident: $type:ty,)*
    }) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone)]
        pub(crate) struct $name {
            $($(#[doc = $key_doc])* pub(crate) $key: Option<$crate::reader::At<$type>>,)*
        }

        impl $crate::reader::Written for $name {
            const NAME: &'static str = stringify!($name);

            fn read(node: &$crate::yaml::Node, reader: &mut $crate::reader::Reader) -> Option<Self> {
                // What could not be read is reported once, and is then a mapping without keys: rules about missing keys
                // do not apply to it, because it is there.
                let Some(mut fields) = $crate::reader::Fields::open(node, reader) else {
                    return Some(Self { $($key: None),* });
                };
                let value = Self { $($key: fields.$need(stringify!($key)),)* };
                fields.close();
                Some(value)
            }

            fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let keys = vec![$((
                    stringify!($key),
                    concat!($($key_doc),*),
                    stringify!($need) == "required",
                    generator.subschema_for::<$crate::reader::Shape<$type>>(),
                ),)*];
                $crate::reader::object_schema(concat!($($doc),*), keys)
            }
        }
    };
}
pub(crate) use written;

/// Returns the schema of a mapping with fixed keys: name, description, whether required, and schema of each.
pub(crate) fn object_schema(description: &str, keys: Vec<(&str, &str, bool, Schema)>) -> Schema {
    let mut properties = serde_json::Map::new();
    let mut required = Vec::new();
    for (name, text, needed, mut schema) in keys {
        schema.insert("description".to_owned(), text.trim().into());
        properties.insert(name.to_owned(), schema.to_value());
        if needed {
            required.push(name);
        }
    }
    let mut schema = json_schema!({
        "type": "object",
        "description": description.trim(),
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema.insert("required".to_owned(), required.into());
    }
    schema
}
