//! Colour and measure of the output, as arguments.

use crate::text;
use anstyle::{AnsiColor, Effects};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Whether the text carries colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// No escape sequences.
    Plain,
    /// ANSI escape sequences.
    Ansi,
}

/// How output is to look.
#[derive(Debug, Clone)]
pub struct Look {
    /// Colours or none.
    pub style: Style,
    /// The time zone in which times are shown.
    pub zone: TimeZone,
    /// The most columns that a line takes.
    pub width: usize,
}

/// What a piece of text wants to say besides its words. Nothing is said by colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Strong,
    Quiet,
    Good,
    Warn,
    Bad,
}

impl Look {
    /// Returns the width that previews are made for when nobody says otherwise.
    pub const WIDTH: usize = 100;

    /// Returns a look without colours, in UTC, for files and tests.
    #[must_use]
    pub fn plain() -> Self {
        Self { style: Style::Plain, zone: TimeZone::UTC, width: Self::WIDTH }
    }

    pub(crate) fn paint(&self, tone: Tone, text: &str) -> String {
        match self.style {
            Style::Plain => text.to_owned(),
            Style::Ansi => {
                let style = match tone {
                    Tone::Plain => return text.to_owned(),
                    Tone::Strong => anstyle::Style::new().effects(Effects::BOLD),
                    Tone::Quiet => anstyle::Style::new().effects(Effects::DIMMED),
                    Tone::Good => AnsiColor::Green.on_default(),
                    Tone::Warn => AnsiColor::Yellow.on_default(),
                    Tone::Bad => AnsiColor::Red.on_default().effects(Effects::BOLD),
                };
                format!("{style}{text}{style:#}")
            }
        }
    }

    /// Returns the local time of day with seconds.
    pub(crate) fn time(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%H:%M:%S").to_string()
    }

    /// Returns the local time of day, with the date when it is not the day of `now`.
    pub(crate) fn moment(&self, at: Timestamp, now: Timestamp) -> String {
        let (at, now) = (at.to_zoned(self.zone.clone()), now.to_zoned(self.zone.clone()));
        if at.date() == now.date() {
            at.strftime("%H:%M").to_string()
        } else {
            at.strftime("%a %d %b %H:%M").to_string()
        }
    }

    /// Returns in which zone times are shown. Drivers and servers speak in UTC, and mark it.
    pub(crate) fn zone_said(&self, at: Timestamp) -> String {
        let at = at.to_zoned(self.zone.clone());
        if at.offset().is_zero() {
            "times are UTC".to_owned()
        } else {
            format!("times are {} (UTC{}), those that end with Z are UTC", at.strftime("%Z"), at.strftime("%:z"))
        }
    }

    /// Returns date and local time with the zone's abbreviation.
    #[must_use]
    pub fn date_time(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%a %Y-%m-%d %H:%M %Z").to_string()
    }

    /// Returns `text` broken into lines of this width: the first after `lead`, the others after as many spaces.
    pub(crate) fn hang(&self, lead: &str, tone: Tone, body: &str) -> Vec<String> {
        let indent = text::width(lead);
        let room = self.width.saturating_sub(indent).max(20);
        let body = text::wrap(body, room);
        let painted = body.iter().map(|line| self.paint(tone, line));
        painted
            .enumerate()
            .map(|(row, line)| if row == 0 { format!("{lead}{line}") } else { format!("{:indent$}{line}", "") })
            .collect()
    }
}
