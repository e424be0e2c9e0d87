//! Times that are reckoned with, without an end that anything could fall over.

use jiff::{SignedDuration, Timestamp};

/// Returns the time that is `by` after `at`, or the first or last time there is where it would lie beyond.
///
/// The plus sign of a time stops the program when the sum lies beyond the year 9999. No clock that is right shows that,
/// but one that is wrong, a lab or a hand-written record can.
#[must_use]
pub fn after(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(if by.is_negative() { Timestamp::MIN } else { Timestamp::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_comes_after_the_last_time_or_before_the_first() {
        let hour = SignedDuration::from_hours(1);
        assert_eq!(after(Timestamp::UNIX_EPOCH, hour).as_second(), 3600);
        assert_eq!(after(Timestamp::UNIX_EPOCH, -hour).as_second(), -3600);
        assert_eq!(after(Timestamp::MAX, hour), Timestamp::MAX);
        assert_eq!(after(Timestamp::MIN, -hour), Timestamp::MIN);
        assert_eq!(after(Timestamp::UNIX_EPOCH, SignedDuration::MAX), Timestamp::MAX);
        assert_eq!(after(Timestamp::UNIX_EPOCH, SignedDuration::MIN), Timestamp::MIN);
    }
}
