//! What happens when this program itself fails in the middle of something.
//!
//! A failure ends what failed and nothing else where that can be: the answer of a driver that fails is unknown, and
//! unknown is unsafe, so the run goes the way it goes for a server that does not answer. Whatever else fails ends the
//! start; the journal has every act before it was asked for. In both cases the program says what to do, and ends with the
//! code of its own mistakes.

use crate::exit::Exit;
use std::any::Any;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Whether anything has failed.
static FAILED: AtomicBool = AtomicBool::new(false);

/// How the run in hand is gone on with, once there is one.
static GOES_ON_WITH: Mutex<Option<String>> = Mutex::new(None);

/// Notes how the run that now begins is gone on with.
pub(crate) fn during(command: String) {
    *GOES_ON_WITH.lock().unwrap_or_else(PoisonError::into_inner) = Some(command);
}

/// Runs the program, and returns how it ends.
pub(crate) fn caught(program: impl FnOnce() -> Exit) -> Exit {
    std::panic::set_hook(Box::new(tell));
    let ended = catch_unwind(AssertUnwindSafe(program)).unwrap_or(Exit::Bug);
    if FAILED.load(Ordering::SeqCst) { Exit::Bug } else { ended }
}

fn tell(what: &PanicHookInfo<'_>) {
    let again = FAILED.swap(true, Ordering::SeqCst);
    let place = what.location().map_or_else(String::new, |place| format!(", {}:{}", place.file(), place.line()));
    let command = GOES_ON_WITH.try_lock().ok().and_then(|command| command.clone());
    let text = text(words(what.payload()), &place, command.as_deref());
    // Only the first is told in full: one mistake often fails many times.
    let told = if again { text.lines().next().unwrap_or_default() } else { text.as_str() };
    // What cannot be written there has nowhere else to go.
    writeln!(std::io::stderr().lock(), "{told}").unwrap_or_default();
}

fn words(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no words")
}

fn text(words: &str, place: &str, command: Option<&str>) -> String {
    let words: Vec<&str> = words.lines().map(str::trim).collect();
    let words = words.join(" ");
    let next = command.map_or_else(
        || "what runs have done is in their journals: orchestrate status".to_owned(),
        |command| {
            format!(
                "every act of the run was written down before it was asked for, and what it has in hand is safe to go on \
                 with: when it has ended, {command}"
            )
        },
    );
    format!(
        "error: a mistake of orchestrate itself: {words}{place}\n  {next}\n  please report this, with the lines above"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_with_what_to_do_next() {
        let told = text("index out of\nbounds", ", crates/engine/src/lib.rs:7", Some("orchestrate resume r1"));
        assert!(
            told.starts_with("error: a mistake of orchestrate itself: index out of bounds, crates/engine"),
            "{told}"
        );
        assert!(told.contains("orchestrate resume r1"), "{told}");
        assert!(text("x", "", None).contains("orchestrate status"));
    }

    #[test]
    fn a_failure_in_a_thread_ends_the_program_with_its_own_code_however_it_went_on() {
        let went_on = caught(|| {
            let failed = std::thread::spawn(|| panic!("on purpose")).join();
            assert!(failed.is_err());
            Exit::Done
        });
        assert_eq!(went_on, Exit::Bug);
        let ended = caught(|| panic!("on purpose"));
        assert_eq!(ended, Exit::Bug);
        assert_eq!(Exit::Bug.code(), 70);
        // The other tests of this process are told as usual.
        drop(std::panic::take_hook());
    }
}
