//! A small part of WQL: `SELECT * | list FROM class [WHERE condition]` with `=`, `<>`, `!=`, `<`, `>`, `<=`, `>=`,
//! `LIKE`, `IS [NOT] NULL`, `AND`, `OR`, `NOT` and parentheses.

use super::wmi::{Instance, Value};

/// A query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Query {
    /// The properties; `None` means all.
    properties: Option<Vec<String>>,
    pub(super) class: String,
    condition: Option<Condition>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    Compare(String, Comparison, Literal),
    IsNull(String),
    Not(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    Different,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Like,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Literal {
    Text(String),
    Number(i64),
    Bool(bool),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Sign(&'static str),
}

/// The deepest nesting of conditions.
const DEEPEST: usize = 32;

impl Query {
    /// Returns the query that a text spells, or why it is none.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { tokens: tokens(text)?, position: 0 };
        parser.keyword("SELECT")?;
        let properties = if parser.take_sign("*") { None } else { Some(parser.list()?) };
        parser.keyword("FROM")?;
        let class = parser.word()?;
        let condition = if parser.take_keyword("WHERE") { Some(parser.any(0)?) } else { None };
        if parser.position < parser.tokens.len() {
            return Err("Invalid query: something follows its end.".to_owned());
        }
        Ok(Self { properties, class, condition })
    }

    /// Checks that the class has every property that the query names.
    pub(super) fn check(&self, instance: &Instance) -> Result<(), String> {
        let mut named: Vec<&str> = self.properties.iter().flatten().map(String::as_str).collect();
        if let Some(condition) = &self.condition {
            condition.properties(&mut named);
        }
        match named.into_iter().find(|name| instance.property(name).is_none()) {
            Some(name) => Err(format!("Invalid query: the class has no property {name}.")),
            None => Ok(()),
        }
    }

    /// Returns whether an instance is meant.
    pub(super) fn matches(&self, instance: &Instance) -> bool {
        self.condition.as_ref().is_none_or(|condition| condition.holds(instance))
    }

    /// Returns an instance in the shape that the query asks for.
    pub(super) fn render(&self, instance: &Instance) -> String {
        match &self.properties {
            None => instance.whole(),
            Some(wanted) => instance.fragment(wanted),
        }
    }
}

impl Condition {
    fn properties<'a>(&'a self, into: &mut Vec<&'a str>) {
        match self {
            Self::Compare(name, _, _) | Self::IsNull(name) => into.push(name),
            Self::Not(inner) => inner.properties(into),
            Self::And(one, other) | Self::Or(one, other) => {
                one.properties(into);
                other.properties(into);
            }
        }
    }

    fn holds(&self, instance: &Instance) -> bool {
        match self {
            Self::Compare(name, comparison, literal) => {
                instance.property(name).is_some_and(|value| compare(value, *comparison, literal))
            }
            Self::IsNull(name) => instance.property(name).is_none_or(|value| *value == Value::Null),
            Self::Not(inner) => !inner.holds(instance),
            Self::And(one, other) => one.holds(instance) && other.holds(instance),
            Self::Or(one, other) => one.holds(instance) || other.holds(instance),
        }
    }
}

/// Compares a value with a literal. Null compares with nothing.
fn compare(value: &Value, comparison: Comparison, literal: &Literal) -> bool {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let order = match (value, literal) {
        (Value::Text(value), Literal::Text(wanted)) => {
            if comparison == Comparison::Like {
                return like(&value.to_lowercase(), &wanted.to_lowercase());
            }
            value.to_lowercase().cmp(&wanted.to_lowercase())
        }
        (Value::Number(value), Literal::Number(wanted)) => value.cmp(wanted),
        (Value::Number(value), Literal::Text(wanted)) => match wanted.parse::<i64>() {
            Ok(wanted) => value.cmp(&wanted),
            Err(_not_a_number) => return false,
        },
        (Value::Text(value), Literal::Number(wanted)) => value.as_str().cmp(wanted.to_string().as_str()),
        (Value::Bool(value), Literal::Bool(wanted)) => value.cmp(wanted),
        (Value::Bool(value), Literal::Text(wanted)) => {
            value.cmp(&(wanted.eq_ignore_ascii_case("true") || wanted == "1"))
        }
        (Value::Bool(value), Literal::Number(wanted)) => i64::from(*value).cmp(wanted),
        (Value::Datetime(_) | Value::Null, _) | (Value::Text(_) | Value::Number(_), Literal::Bool(_)) => return false,
    };
    match comparison {
        Comparison::Equal => order == Equal,
        Comparison::Different => order != Equal,
        Comparison::Less => order == Less,
        Comparison::LessOrEqual => order != Greater,
        Comparison::Greater => order == Greater,
        Comparison::GreaterOrEqual => order != Less,
        Comparison::Like => false,
    }
}

/// Matches `%` (any text) and `_` (any character).
fn like(text: &str, pattern: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let pattern: Vec<char> = pattern.chars().collect();
    // Row by row: whether the first n characters match the pattern read so far.
    let mut row: Vec<bool> = (0..=text.len()).map(|length| length == 0).collect();
    for sign in pattern {
        let mut next = vec![false; text.len() + 1];
        next[0] = sign == '%' && row[0];
        for length in 1..=text.len() {
            next[length] = match sign {
                '%' => row[length] || next[length - 1],
                '_' => row[length - 1],
                other => row[length - 1] && text[length - 1] == other,
            };
        }
        row = next;
    }
    row[text.len()]
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            c if c.is_whitespace() => {}
            '\'' | '"' => tokens.push(Token::Text(quoted(&mut rest, character)?)),
            ',' => tokens.push(Token::Sign(",")),
            '(' => tokens.push(Token::Sign("(")),
            ')' => tokens.push(Token::Sign(")")),
            '*' => tokens.push(Token::Sign("*")),
            '=' => tokens.push(Token::Sign("=")),
            '!' if rest.next_if_eq(&'=').is_some() => tokens.push(Token::Sign("<>")),
            '<' if rest.next_if_eq(&'>').is_some() => tokens.push(Token::Sign("<>")),
            '<' if rest.next_if_eq(&'=').is_some() => tokens.push(Token::Sign("<=")),
            '>' if rest.next_if_eq(&'=').is_some() => tokens.push(Token::Sign(">=")),
            '<' => tokens.push(Token::Sign("<")),
            '>' => tokens.push(Token::Sign(">")),
            c if c.is_alphanumeric() || matches!(c, '_' | '-' | '.') => {
                let mut word = String::from(c);
                while let Some(next) = rest.next_if(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.')) {
                    word.push(next);
                }
                tokens.push(Token::Word(word));
            }
            other => return Err(format!("Invalid query: unexpected {other:?}.")),
        }
    }
    Ok(tokens)
}

fn quoted(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, quote: char) -> Result<String, String> {
    let mut text = String::new();
    while let Some(character) = rest.next() {
        match character {
            '\\' => text.extend(rest.next()),
            c if c == quote => return Ok(text),
            c => text.push(c),
        }
    }
    Err("Invalid query: a text without an end.".to_owned())
}

struct Parser {
    tokens: Vec<Token>,
    position: usize,
}

impl Parser {
    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.position).cloned();
        self.position += 1;
        token
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.tokens.get(self.position), Some(Token::Sign(found)) if *found == sign);
        self.position += usize::from(found);
        found
    }

    fn take_keyword(&mut self, keyword: &str) -> bool {
        let token = self.tokens.get(self.position);
        let found = matches!(token, Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword));
        self.position += usize::from(found);
        found
    }

    fn keyword(&mut self, keyword: &str) -> Result<(), String> {
        if self.take_keyword(keyword) { Ok(()) } else { Err(format!("Invalid query: {keyword} is missing.")) }
    }

    fn word(&mut self) -> Result<String, String> {
        match self.next() {
            Some(Token::Word(word)) => Ok(word),
            Some(Token::Text(_) | Token::Sign(_)) | None => Err("Invalid query: a name is missing.".to_owned()),
        }
    }

    fn list(&mut self) -> Result<Vec<String>, String> {
        let mut names = vec![self.word()?];
        while self.take_sign(",") {
            names.push(self.word()?);
        }
        Ok(names)
    }

    fn any(&mut self, depth: usize) -> Result<Condition, String> {
        let mut condition = self.all(depth)?;
        while self.take_keyword("OR") {
            condition = Condition::Or(Box::new(condition), Box::new(self.all(depth)?));
        }
        Ok(condition)
    }

    fn all(&mut self, depth: usize) -> Result<Condition, String> {
        let mut condition = self.single(depth)?;
        while self.take_keyword("AND") {
            condition = Condition::And(Box::new(condition), Box::new(self.single(depth)?));
        }
        Ok(condition)
    }

    fn single(&mut self, depth: usize) -> Result<Condition, String> {
        if depth > DEEPEST {
            return Err("Invalid query: too deeply nested.".to_owned());
        }
        if self.take_keyword("NOT") {
            return Ok(Condition::Not(Box::new(self.single(depth + 1)?)));
        }
        if self.take_sign("(") {
            let condition = self.any(depth + 1)?;
            return if self.take_sign(")") { Ok(condition) } else { Err("Invalid query: ) is missing.".to_owned()) };
        }
        let name = self.word()?;
        if self.take_keyword("IS") {
            let negated = self.take_keyword("NOT");
            self.keyword("NULL")?;
            let condition = Condition::IsNull(name);
            return Ok(if negated { Condition::Not(Box::new(condition)) } else { condition });
        }
        let comparison = self.comparison()?;
        let literal = self.literal()?;
        Ok(Condition::Compare(name, comparison, literal))
    }

    fn comparison(&mut self) -> Result<Comparison, String> {
        if self.take_keyword("LIKE") {
            return Ok(Comparison::Like);
        }
        match self.next() {
            Some(Token::Sign("=")) => Ok(Comparison::Equal),
            Some(Token::Sign("<>")) => Ok(Comparison::Different),
            Some(Token::Sign("<")) => Ok(Comparison::Less),
            Some(Token::Sign("<=")) => Ok(Comparison::LessOrEqual),
            Some(Token::Sign(">")) => Ok(Comparison::Greater),
            Some(Token::Sign(">=")) => Ok(Comparison::GreaterOrEqual),
            Some(_) | None => Err("Invalid query: a comparison is missing.".to_owned()),
        }
    }

    fn literal(&mut self) -> Result<Literal, String> {
        match self.next() {
            Some(Token::Text(text)) => Ok(Literal::Text(text)),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("true") => Ok(Literal::Bool(true)),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("false") => Ok(Literal::Bool(false)),
            Some(Token::Word(word)) => {
                let number = word.parse::<i64>();
                number.map(Literal::Number).map_err(|error| format!("Invalid query: {word} is no value ({error})."))
            }
            Some(Token::Sign(_)) | None => Err("Invalid query: a value is missing.".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wsman::names::WMI_CIMV2;

    fn instance() -> Instance {
        let text = |text: &str| Value::Text(text.to_owned());
        let properties = vec![
            ("Name".to_owned(), text("RTC$O'Brien\\x")),
            ("Started".to_owned(), Value::Bool(true)),
            ("ProcessId".to_owned(), Value::Number(42)),
            ("InstallDate".to_owned(), Value::Null),
        ];
        Instance { class: "Win32_Service".to_owned(), properties }
    }

    #[test]
    fn conditions_hold_as_wmi_has_them() {
        let cases = [
            ("Name = 'rtc$o\\'brien\\\\x'", true),
            ("Name = \"RTC$O'Brien\\\\x\"", true),
            ("Name LIKE 'rtc%\\\\_'", true),
            ("Name LIKE 'rtc'", false),
            ("Name <> 'a' AND ProcessId = 42", true),
            ("Name = 'a' OR ProcessId >= 42 AND Started = TRUE", true),
            ("(Name = 'a' OR ProcessId = 42) AND Started = false", false),
            ("NOT ProcessId < 42 AND ProcessId != 41", true),
            ("InstallDate IS NULL", true),
            ("InstallDate IS NOT NULL", false),
            ("InstallDate <> 'a'", false),
        ];
        for (condition, expected) in cases {
            let query = Query::parse(&format!("select * from Win32_Service where {condition}"));
            assert_eq!(query.map(|query| query.matches(&instance())), Ok(expected), "{condition}");
        }
    }

    #[test]
    fn what_is_no_query_is_refused() {
        let deep = format!("SELECT * FROM X WHERE {}A=1{}", "(".repeat(200), ")".repeat(200));
        let bad =
            ["", "SELECT", "SELECT * FROM", "SELECT * FROM X WHERE", "SELECT * FROM X WHERE A", "SELECT A B FROM X"];
        for text in bad.into_iter().chain(["SELECT * FROM X WHERE A='", "SELECT * FROM X; DROP", deep.as_str()]) {
            assert!(Query::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_projection_has_only_what_was_asked_for() {
        let query = Query::parse("SELECT processid FROM Win32_Service").unwrap();
        let fragment = query.render(&instance());
        assert!(fragment.contains("<ProcessId>42</ProcessId>") && !fragment.contains("Started"), "{fragment}");
        assert!(!fragment.contains(WMI_CIMV2));
        assert!(query.check(&instance()).is_ok());
        assert!(Query::parse("SELECT Colour FROM X").unwrap().check(&instance()).is_err());
    }
}
