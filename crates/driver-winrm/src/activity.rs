//! The activity level of `Get-CsWindowsService`: a text such as `Active Conferences=3,Connected Users=17`.
//!
//! The keys are not documented. A key that nobody asked for is not used, and no value is added to another.

use orchestrate_model::Answer;
use std::collections::BTreeMap;

/// The values of an activity level, by key in lower case.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Activity(BTreeMap<String, Answer<i64>>);

impl Activity {
    /// Returns the keys and values in a text. Whatever is odd about a value makes it unknown, and nothing else.
    pub(crate) fn parse(text: &str) -> Self {
        let mut values: BTreeMap<String, Answer<i64>> = BTreeMap::new();
        let mut last: Option<String> = None;
        for piece in text.split(',') {
            let Some((key, value)) = piece.split_once('=') else {
                // A separator of thousands or decimals would look like this: the value before it is not whole.
                if let (Some(key), false) = (&last, piece.trim().is_empty()) {
                    values.insert(key.clone(), Answer::unknown("its value has a comma in it"));
                }
                continue;
            };
            let key = fold(key);
            let value = match value.trim().parse::<i64>() {
                Ok(value) => Answer::Known(value),
                Err(_not_whole) => Answer::unknown("its value is not a whole number"),
            };
            let seen = values.get(&key).is_some_and(|before| *before != value);
            let value = if seen { Answer::unknown("it is there twice") } else { value };
            values.insert(key.clone(), value);
            last = Some(key);
        }
        Self(values)
    }

    /// Returns the keys that can be a count of sessions, as they are written, with their values now.
    pub(crate) fn counts(text: &str) -> BTreeMap<String, i64> {
        let read = Self::parse(text);
        let keys = text.split(',').filter_map(|piece| Some(piece.split_once('=')?.0.trim().to_owned()));
        let counts = keys.filter(|key| !key.is_empty() && !is_rate(key));
        counts.filter_map(|key| Some((key.clone(), *read.value(&key).known()?))).collect()
    }

    /// Returns the value of a key. A missing key is unknown, never zero.
    pub(crate) fn value(&self, key: &str) -> Answer<i64> {
        self.0.get(&fold(key)).cloned().unwrap_or_else(|| Answer::unknown("the activity level does not have this key"))
    }
}

/// Whether a key or counter is a rate. Rates read zero on a loaded server that happens to be quiet.
pub(crate) fn is_rate(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let rates = ["per second", "per sec", "/sec", "messages in server"];
    rates.iter().any(|rate| key.contains(rate))
}

fn fold(key: &str) -> String {
    let words: Vec<&str> = key.split_whitespace().collect();
    words.join(" ").to_ascii_lowercase()
}

#[cfg(test)]
#[path = "../../wsman/src/fuzz.rs"]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn activity_levels_are_read_as_they_are_written() {
        let table: &[(&str, &str, Option<i64>)] = &[
            ("Concurrent Calls=0", "Concurrent Calls", Some(0)),
            ("Concurrent Calls=0", "concurrent  calls", Some(0)),
            ("Active Conferences=3,Connected Users=17", "Connected Users", Some(17)),
            (" Active Conferences = 3 , Connected Users=17 ", "Active Conferences", Some(3)),
            ("A=1,", "A", Some(1)),
            ("A=-1", "A", Some(-1)),
            // Not known, each for its own reason: and never zero.
            ("", "Concurrent Calls", None),
            ("Concurrent Calls", "Concurrent Calls", None),
            ("Concurrent Calls=", "Concurrent Calls", None),
            ("Concurrent Confe...", "Concurrent Conferences", None),
            ("Calls=12...", "Calls", None),
            ("Calls=1,234", "Calls", None),
            ("Calls=0.5", "Calls", None),
            ("Calls=1,Calls=2", "Calls", None),
            ("Calls=99999999999999999999", "Calls", None),
            ("Other=1", "Calls", None),
        ];
        for (text, key, expected) in table {
            assert_eq!(Activity::parse(text).value(key).known(), expected.as_ref(), "{text:?} {key:?}");
        }
        assert_eq!(Activity::parse("A=1,A=1").value("A"), Answer::Known(1));
        let counts =
            Activity::counts("Connected Users=17,Incoming Messages Per Second=3, Active  Conferences=2,Odd=1,5");
        assert_eq!(counts, BTreeMap::from([("Active  Conferences".to_owned(), 2), ("Connected Users".to_owned(), 17)]));
    }

    #[test]
    fn p3_rates_are_told_from_sessions() {
        for rate in ["Incoming Requests per Second", "Messages in Server", "CAA - Incomplete calls per sec"] {
            assert!(is_rate(rate), "{rate}");
        }
        for count in ["Concurrent Calls", "USrv - Active Registered Endpoints", "A/V Auth - Requests"] {
            assert!(!is_rate(count), "{count}");
        }
    }

    #[test]
    fn the_reader_of_activity_levels_takes_anything() {
        super::fuzz::feed("activity", |bytes| {
            let text = String::from_utf8_lossy(bytes);
            let read = Activity::parse(&text);
            let mut known = 0;
            for (key, value) in &read.0 {
                let Answer::Known(value) = value else { continue };
                known += 1;
                if !text.contains(&value.unsigned_abs().to_string()) || !fold(&text).contains(key.as_str()) {
                    return Err(format!("{key:?} reads {value}"));
                }
            }
            Ok(format!("{} {}", ["none", "one", "more"][read.0.len().min(2)], ["none", "one", "more"][known.min(2)]))
        });
    }

    proptest! {
        #[test]
        fn p3_no_text_reads_as_a_number_that_is_not_in_it(text in "[a-zA-Z0-9=, .…-]{0,80}", key in "[a-zA-Z ]{1,8}") {
            if let Answer::Known(value) = Activity::parse(&text).value(&key) {
                prop_assert!(text.contains(&value.unsigned_abs().to_string()), "{} from {:?}", value, text);
            }
        }

        #[test]
        fn what_a_service_says_is_read_back(
            said in proptest::collection::btree_map("[a-z]{1,6}( [a-z]{1,6}){0,3}", any::<i64>(), 1..6)
        ) {
            let text: Vec<String> = said.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let read = Activity::parse(&text.join(","));
            for (key, value) in &said {
                prop_assert_eq!(read.value(key), Answer::Known(*value));
            }
        }
    }
}
