//! The timeline as a picture: a panel for each night, a row for each server. Measures are those of the picture, whose
//! width is always [`WIDTH`]; the page or the viewer scales it.

use super::Preview;
use super::alike::Called;
use super::nights::{Bar, Night, Nights, Part, Row, Stands};
use crate::style::Look;
use crate::templates::{Unwritten, rendered};
use crate::text::{clean, count, cut, duration, width};
use jiff::{SignedDuration, Timestamp};
use orchestrate_planner::{Plan, StepKind};
use serde::Serialize;
use std::collections::BTreeMap;

const WIDTH: f64 = 1000.0;
/// Room for what is between two panels, with its words.
const GAP: f64 = 32.0;
/// Room between two days of the same work.
const SEAM: f64 = 6.0;
const ROW: f64 = 22.0;
const BAR: f64 = 16.0;
/// Above the rows of a panel: the day, the window and the hours.
const HEAD: f64 = 46.0;
/// The narrowest panel: its day has to be read.
const PANEL: f64 = 150.0;
/// The least that an hour is wide. A drain of an hour has its word in it then.
const HOUR: f64 = 22.0;
/// How much wider an hour may become where there is room.
const STRETCH: f64 = 4.0;
/// What a character takes at the size of labels, and at that of the words in bars.
const CHARACTER: f64 = 6.7;
const SMALL: f64 = 5.6;
/// Most nights and most rows that are drawn. A plan of more is told by its table.
const MOST_NIGHTS: usize = 40;
const MOST_ROWS: usize = 80;
/// Most servers that the description of the picture names.
const MOST_DESCRIBED: usize = 16;

/// Whether the picture stands in a page or is a file of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Page,
    File,
}

#[derive(Debug, Default, Serialize)]
struct Picture {
    title: String,
    description: String,
    height: f64,
    own_file: bool,
    /// From top to bottom. In a page each is a picture of its own, so that paper breaks between them.
    pieces: Vec<Piece>,
}

/// What stands between two heights: a row of panels, or what is above and below them.
#[derive(Debug, Default, Serialize)]
struct Piece {
    from: f64,
    height: f64,
    ground: Vec<Shape>,
    words: Vec<Words>,
    bars: Vec<Drawn>,
}

#[derive(Debug, Serialize)]
struct Drawn {
    title: String,
    shapes: Vec<Shape>,
    words: Vec<Words>,
}

#[derive(Debug, Serialize)]
struct Shape {
    x: f64,
    y: f64,
    w: f64,
    h: f64,
    class: String,
}

#[derive(Debug, Serialize)]
struct Words {
    x: f64,
    y: f64,
    class: &'static str,
    /// Whether they are written upwards.
    turned: bool,
    text: String,
}

/// A step kind that takes time, with its number in the picture and what it takes at worst.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Key {
    pub(crate) number: usize,
    pub(crate) kind: String,
    pub(crate) class: String,
    pub(crate) limit: String,
}

/// What is drawn, besides when.
pub(crate) struct Subject<'s> {
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) keys: &'s [Key],
    pub(crate) called: &'s Called,
    /// The moment that is marked.
    pub(crate) now: Option<Timestamp>,
}

/// Returns the picture of a preview.
pub(crate) fn svg(
    preview: &Preview<'_>,
    nights: &Nights<'_>,
    (place, look): (Place, &Look),
) -> Result<String, Unwritten> {
    let look = Look { zone: nights.zone.clone(), ..look.clone() };
    let keys = keys(preview.plan, nights);
    let subject = Subject {
        title: format!("Timeline, at worst: {}", clean(&preview.plan.change().name)),
        description: description(preview, nights, &look),
        keys: &keys,
        called: &Called::of(preview),
        now: None,
    };
    let mut drawing = Drawing::of(nights, subject, &look);
    if place == Place::File {
        drawing.picture.own_file = true;
        drawing.heading(preview);
    }
    drawing.drawn()
}

/// Returns the picture of other nights than those of a preview, as it stands in a page.
pub(crate) fn of_nights(nights: &Nights<'_>, subject: Subject<'_>, look: &Look) -> Result<String, Unwritten> {
    Drawing::of(nights, subject, look).drawn()
}

/// Returns the step kinds that take time in the picture, in their order. In a picture of pools there are none.
pub(crate) fn keys(plan: &Plan, nights: &Nights<'_>) -> Vec<Key> {
    let mut known: BTreeMap<StepKind, (SignedDuration, SignedDuration)> = BTreeMap::new();
    for part in nights.rows.iter().flat_map(|row| &row.bars).flat_map(|bar| &bar.parts) {
        let length = part.ends.duration_since(part.begins);
        let (least, most) = known.entry(part.kind).or_insert((length, length));
        (*least, *most) = ((*least).min(length), (*most).max(length));
    }
    let keys = known.into_iter().enumerate().map(|(position, (kind, (least, most)))| {
        let limit = if least == most { duration(most) } else { format!("{} to {}", duration(least), duration(most)) };
        let kept = !plan.steps().iter().any(|step| step.kind == kind);
        let kept = if kept { ", kept in reserve" } else { "" };
        Key { number: position + 1, kind: kind.word().to_owned(), class: class(kind), limit: format!("{limit}{kept}") }
    });
    keys.collect()
}

/// The word of a hold, and what names its colour.
const HELD: &str = "held";

/// Returns how a part of a bar is coloured.
fn class_of(part: &Part) -> String {
    match part.stands {
        Stands::AtWorst | Stands::Was => class(part.kind),
        Stands::Ahead => format!("{} ahead", class(part.kind)),
        Stands::Held => format!("k-{HELD}"),
        Stands::Pool => "batch".to_owned(),
        Stands::PoolAhead => "batch ahead".to_owned(),
    }
}

/// Returns which words are read on a part of a bar.
fn ink_of(part: &Part) -> &'static str {
    match part.stands {
        Stands::AtWorst | Stands::Was => ink(part.kind),
        Stands::Held => "in light",
        Stands::Ahead => "in ink",
        Stands::Pool | Stands::PoolAhead => "in",
    }
}

fn class(kind: StepKind) -> String {
    format!("k-{}", drawn_as(kind).word())
}

/// Returns the step whose colour a step has: those of seconds have that of the one beside which they stand.
pub(crate) fn drawn_as(kind: StepKind) -> StepKind {
    match kind {
        StepKind::Guard => StepKind::Record,
        StepKind::BalancerOut => StepKind::Block,
        StepKind::BalancerIn => StepKind::Return,
        StepKind::Database => StepKind::Stop,
        StepKind::Record
        | StepKind::Block
        | StepKind::Drain
        | StepKind::Stop
        | StepKind::Patch
        | StepKind::Restart
        | StepKind::Verify
        | StepKind::Return
        | StepKind::Gate
        | StepKind::Soak => kind,
    }
}

/// Returns what a row is called.
pub(crate) fn label(row: &Row<'_>) -> String {
    match row.names.as_slice() {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first, ..] => format!("{} like {first}", count(row.names.len() as u64, "pool")),
    }
}

/// Returns what the picture shows, in words.
pub(crate) fn description(preview: &Preview<'_>, nights: &Nights<'_>, look: &Look) -> String {
    if nights.rows.is_empty() {
        return "No server has a place in the windows ahead.".to_owned();
    }
    let servers = count(preview.report.forecast.servers as u64, "server");
    let mut said = vec![format!("{servers} in {}", count(nights.nights.len() as u64, "night"))];
    for row in nights.rows.iter().take(MOST_DESCRIBED) {
        let (Some(first), Some(last)) = (row.bars.first(), row.bars.last()) else { continue };
        let (begins, ends) = (look.date_time(first.placed.begins), look.date_time(last.placed.ends));
        said.push(format!("{} from {begins} to {ends}", label(row)));
    }
    if nights.rows.len() > MOST_DESCRIBED {
        said.push(format!("and {} rows more", nights.rows.len() - MOST_DESCRIBED));
    }
    format!("{}.", said.join("; "))
}

/// A row of panels.
struct Band<'n> {
    /// Each night with where it begins and how wide it is.
    panels: Vec<(&'n Night, f64, f64)>,
}

struct Drawing<'d> {
    nights: &'d Nights<'d>,
    look: &'d Look,
    called: &'d Called,
    keys: &'d [Key],
    /// The moment that is marked.
    now: Option<Timestamp>,
    /// Where the panels begin.
    left: f64,
    /// How far down the picture is done.
    y: f64,
    picture: Picture,
    /// What is drawn since the last cut.
    piece: Piece,
}

impl<'d> Drawing<'d> {
    fn of(nights: &'d Nights<'d>, subject: Subject<'d>, look: &'d Look) -> Self {
        let labels = nights.rows.iter().take(MOST_ROWS).map(label).collect::<Vec<_>>();
        let widest = labels.iter().map(|label| width(label)).max().unwrap_or(0);
        let left = (units(widest) * CHARACTER + 16.0).clamp(70.0, 210.0);
        let Subject { title, description, keys, called, now } = subject;
        let picture = Picture { title, description, ..Picture::default() };
        Self { nights, look, called, keys, now, left, y: 0.0, picture, piece: Piece::default() }
    }

    fn drawn(mut self) -> Result<String, Unwritten> {
        self.bands();
        self.keys();
        self.cut();
        self.picture.height = self.y.ceil();
        rendered("timeline.svg", &self.picture)
    }

    fn heading(&mut self, preview: &Preview<'_>) {
        let name = cut(&clean(&preview.plan.change().name), 100);
        self.write((0.0, 18.0), "title", name);
        let said = super::verdict::how_long(preview, self.look).join(". ");
        self.write((0.0, 36.0), "day", cut(&said, 150));
        self.y = 50.0;
        self.cut();
    }

    fn bands(&mut self) {
        if self.nights.rows.is_empty() {
            self.write((0.0, self.y + 16.0), "day", "No server has a place in the windows ahead.".to_owned());
            self.y += 28.0;
        }
        for band in self.laid() {
            self.band(&band);
            self.cut();
        }
        let more = [
            (self.nights.nights.len().saturating_sub(MOST_NIGHTS), "night"),
            (self.nights.rows.len().saturating_sub(MOST_ROWS), "row"),
        ];
        for (more, noun) in more.into_iter().filter(|(more, _)| *more > 0) {
            let said = format!("{} more are not drawn: -o json has them all", count(more as u64, noun));
            self.write((0.0, self.y + 12.0), "day", said);
            self.y += 20.0;
        }
    }

    /// Lays the nights into bands, each as wide as the picture at most, all at one scale.
    fn laid(&self) -> Vec<Band<'d>> {
        let room = WIDTH - self.left;
        let needs = |night: &Night| (hours(night.from, night.until) * HOUR).max(PANEL).min(room);
        let mut bands: Vec<Vec<(&Night, f64)>> = Vec::new();
        let mut used = 0.0;
        for night in self.nights.nights.iter().take(MOST_NIGHTS) {
            let before = before(night);
            match bands.last_mut() {
                Some(band) if used + before + needs(night) <= room => {
                    band.push((night, before));
                    used += before + needs(night);
                }
                Some(_) | None => {
                    // What was before the first night of all is no gap between nights.
                    let before = if bands.is_empty() { 0.0 } else { before };
                    bands.push(vec![(night, before)]);
                    used = before + needs(night);
                }
            }
        }
        let stretch = |band: &Vec<(&Night, f64)>| {
            let (gaps, panels) =
                band.iter().fold((0.0, 0.0), |(gaps, all), (night, gap)| (gaps + gap, all + needs(night)));
            (room - gaps) / panels
        };
        let stretch = bands.iter().map(stretch).fold(STRETCH, f64::min);
        let place = |band: Vec<(&'d Night, f64)>| {
            let mut x = self.left;
            let panels = band.into_iter().map(|(night, gap)| {
                let (from, wide) = (x + gap, needs(night) * stretch);
                x = from + wide;
                (night, from, wide)
            });
            Band { panels: panels.collect() }
        };
        bands.into_iter().map(place).collect()
    }

    fn band(&mut self, band: &Band<'d>) {
        let inside = |bar: &Bar<'_>| {
            band.panels.iter().any(|(night, ..)| bar.placed.begins < night.until && night.from < bar.placed.ends)
        };
        let nights: &'d Nights<'d> = self.nights;
        let rows: Vec<&'d Row<'d>> =
            nights.rows.iter().take(MOST_ROWS).filter(|row| row.bars.iter().any(inside)).collect();
        let (top, tall) = (self.y + HEAD, units(rows.len()) * ROW);
        for (night, x, wide) in &band.panels {
            self.panel(night, (*x, *wide), (top, tall));
        }
        for (position, row) in rows.into_iter().enumerate() {
            let y = top + units(position) * ROW;
            let most = ((self.left - 12.0) / CHARACTER).floor();
            let name = cut(&label(row), whole(most));
            self.write((0.0, y + 15.0), "label", name);
            for bar in &row.bars {
                for (night, x, wide) in &band.panels {
                    self.bar((row, bar), (night, *x, *wide), y + (ROW - BAR) / 2.0);
                }
            }
        }
        for (night, x, wide) in &band.panels {
            if let Some(now) = self.now.filter(|now| (night.from..=night.until).contains(now)) {
                self.now(x + at(night, *wide, now), (top, tall));
            }
        }
        self.y = top + tall + 22.0;
    }

    /// Marks the moment that it is.
    fn now(&mut self, x: f64, (top, tall): (f64, f64)) {
        let line = shape((x - 0.7, top - 2.0, 1.4, tall + 4.0), "now");
        let said = words((x, top + tall + 13.0), "now", "now".to_owned());
        self.piece.bars.push(Drawn { title: "now".to_owned(), shapes: vec![line], words: vec![said] });
    }

    fn panel(&mut self, night: &Night, (x, wide): (f64, f64), (top, tall): (f64, f64)) {
        let zoned = |at: Timestamp| at.to_zoned(self.look.zone.clone());
        let (opens, closes) = (zoned(night.open.0), zoned(night.open.1));
        let mut day = zoned(night.from).strftime("%a %d %b %Y").to_string();
        if let Some(reason) = night.gap.as_ref().and_then(|gap| gap.reason.as_ref()) {
            day = cut(&format!("{day}, after a freeze: {reason}"), whole(wide / CHARACTER));
        }
        let span = format!("{} to {}", opens.strftime("%H:%M"), closes.strftime("%H:%M %Z"));
        self.write((x, top - 32.0), "day strong", day);
        self.write((x, top - 19.0), "day", cut(&span, whole(wide / SMALL)));
        self.shape((x, top, wide, tall), "closed");
        let (from, until) = (at(night, wide, night.open.0), at(night, wide, night.open.1));
        self.shape((x + from, top, until - from, tall), "open");
        let hour = wide / hours(night.from, night.until);
        let step = [1, 2, 3, 4, 6, 12].into_iter().find(|step| f64::from(*step) * hour >= 24.0).unwrap_or(24);
        let mut tick = night.from;
        while tick <= night.until {
            let local = zoned(tick);
            if i32::from(local.hour()) % step == 0 && local.minute() == 0 {
                let place = x + at(night, wide, tick);
                self.shape((place, top - 4.0, 1.0, tall + 4.0), "tick");
                if place + 12.0 <= x + wide {
                    self.write((place + 2.0, top - 5.0), "hour", local.strftime("%H").to_string());
                }
            }
            let Ok(next) = tick.checked_add(SignedDuration::from_hours(1)) else { break };
            tick = next;
        }
        if let Some(gap) = &night.gap {
            let frozen = if gap.freezes.is_empty() { "" } else { " frozen" };
            self.shape((x - GAP + 4.0, top, GAP - 8.0, tall), &format!("gap{frozen}"));
            let room = whole((tall - 6.0) / SMALL);
            let said = match gap.freezes.first() {
                Some(freeze) if room >= 24 => cut(freeze, room),
                Some(_) if room >= 6 => "freeze".to_owned(),
                Some(_) | None => duration(gap.length),
            };
            if width(&said) <= room {
                let centre = (x - GAP / 2.0 + 3.5, top + tall / 2.0);
                self.piece.words.push(Words {
                    x: round(centre.0),
                    y: round(centre.1),
                    class: "gone",
                    turned: true,
                    text: said,
                });
            }
        }
    }

    /// Draws what of a bar is in a night.
    fn bar(&mut self, (row, bar): (&Row<'_>, &Bar<'_>), (night, x, wide): (&Night, f64, f64), y: f64) {
        let span = |begins: Timestamp, ends: Timestamp| {
            let (begins, ends) = (begins.max(night.from), ends.min(night.until));
            (begins < ends).then(|| {
                let from = at(night, wide, begins);
                (x + from, at(night, wide, ends) - from)
            })
        };
        let Some((from, all)) = span(bar.placed.begins, bar.placed.ends) else { return };
        let title = bar.said.clone().unwrap_or_else(|| {
            let (begins, ends) = (self.look.date_time(bar.placed.begins), self.look.date_time(bar.placed.ends));
            format!("{}: {begins} to {ends} at worst", label(row))
        });
        let mut drawn = Drawn { title, shapes: Vec::new(), words: Vec::new() };
        if bar.parts.is_empty() {
            drawn.shapes.push(shape((from, y, all, BAR), "batch"));
            let said = match bar.servers {
                [only] if row.names.len() == 1 => self.called.one(only).to_owned(),
                several if row.names.len() == 1 => count(several.len() as u64, "server"),
                several => format!("{} each", count(several.len() as u64, "server")),
            };
            let said = cut(&said, whole((all - 4.0) / SMALL));
            drawn.words.push(words((from + all / 2.0, y + 12.0), "in", said));
        }
        for part in &bar.parts {
            let Some((from, wide)) = span(part.begins, part.ends) else { continue };
            drawn.shapes.push(shape((from, y, wide, BAR), &class_of(part)));
            if let Some(said) = self.word(part, wide) {
                drawn.words.push(words((from + wide / 2.0, y + 12.0), ink_of(part), said));
            }
        }
        self.piece.bars.push(drawn);
    }

    /// What is written into a part of a bar: its word where that fits, or its number, or nothing.
    fn word(&self, part: &Part, wide: f64) -> Option<String> {
        let word = match part.stands {
            Stands::AtWorst | Stands::Was | Stands::Ahead => part.kind.word(),
            Stands::Held => HELD,
            Stands::Pool | Stands::PoolAhead => return None,
        };
        if units(word.len()) * SMALL + 4.0 <= wide {
            return Some(word.to_owned());
        }
        let own = drawn_as(part.kind).word();
        let key = self.keys.iter().find(|key| key.kind == own).filter(|_| part.stands != Stands::Held);
        let number = key?.number.to_string();
        (units(number.len()) * SMALL + 3.0 <= wide).then_some(number)
    }

    /// Draws what the colours mean, and what each step may take.
    fn keys(&mut self) {
        let mut x = 0.0;
        let keys =
            self.keys.iter().map(|key| (key.class.clone(), format!("{} {} {}", key.number, key.kind, key.limit)));
        let mut keys: Vec<(String, String)> = keys.collect();
        let parts = || self.nights.rows.iter().flat_map(|row| &row.bars).flat_map(|bar| &bar.parts);
        for (stands, class, said) in [
            (Stands::Held, "k-held", HELD),
            (Stands::Pool, "batch", "servers in work"),
            (Stands::Ahead, "batch ahead", "likely ahead"),
            (Stands::PoolAhead, "batch ahead", "likely ahead"),
        ] {
            if parts().any(|part| part.stands == stands) {
                keys.push((class.to_owned(), said.to_owned()));
            }
        }
        if !self.nights.rows.is_empty() {
            let windows = self.nights.rows.iter().flat_map(|row| &row.bars).any(|bar| bar.placed.opening.is_some());
            let said = if windows { "the window is open" } else { "no window bounds it" };
            keys.push(("open".to_owned(), said.to_owned()));
        }
        if self.nights.nights.iter().filter_map(|night| night.gap.as_ref()).any(|gap| !gap.freezes.is_empty()) {
            keys.push(("gap frozen".to_owned(), "freeze".to_owned()));
        }
        for (class, said) in keys {
            let wide = 22.0 + units(width(&said)) * 6.1 + 14.0;
            if x + wide > WIDTH {
                (x, self.y) = (0.0, self.y + 18.0);
            }
            self.shape((x, self.y, 16.0, 11.0), &format!("key {class}"));
            self.write((x + 21.0, self.y + 10.0), "day", said.trim_end().to_owned());
            x += wide;
        }
        if x > 0.0 {
            self.y += 20.0;
        }
    }

    /// Ends a piece here, if anything is in it.
    fn cut(&mut self) {
        let from = self.picture.pieces.last().map_or(0.0, |piece| piece.from + piece.height);
        let height = self.y.ceil() - from;
        if height > 0.0 {
            let piece = std::mem::take(&mut self.piece);
            self.picture.pieces.push(Piece { from, height, ..piece });
        }
    }

    fn shape(&mut self, measures: (f64, f64, f64, f64), class: &str) {
        self.piece.ground.push(shape(measures, class));
    }

    fn write(&mut self, place: (f64, f64), class: &'static str, text: String) {
        self.piece.words.push(words(place, class, text));
    }
}

/// Returns the room before a night.
fn before(night: &Night) -> f64 {
    if night.gap.is_some() { GAP } else { SEAM }
}

/// Returns where in a panel a moment is.
fn at(night: &Night, wide: f64, moment: Timestamp) -> f64 {
    wide * hours(night.from, moment) / hours(night.from, night.until)
}

fn hours(from: Timestamp, until: Timestamp) -> f64 {
    until.duration_since(from).as_secs_f64() / 3600.0
}

/// Returns which words are read on a part: light ones on what is dark.
fn ink(kind: StepKind) -> &'static str {
    match kind {
        StepKind::Patch | StepKind::Restart => "in light",
        StepKind::Guard
        | StepKind::Record
        | StepKind::BalancerOut
        | StepKind::Block
        | StepKind::Drain
        | StepKind::Stop
        | StepKind::Verify
        | StepKind::Return
        | StepKind::BalancerIn
        | StepKind::Gate
        | StepKind::Soak
        | StepKind::Database => "in",
    }
}

fn shape((x, y, w, h): (f64, f64, f64, f64), class: &str) -> Shape {
    Shape { x: round(x), y: round(y), w: round(w), h: round(h), class: class.to_owned() }
}

fn words((x, y): (f64, f64), class: &'static str, text: String) -> Words {
    Words { x: round(x), y: round(y), class, turned: false, text }
}

fn round(measure: f64) -> f64 {
    (measure * 10.0).round() / 10.0
}

fn units(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

/// Returns how many whole characters a measure has room for.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a measure of the picture, and never below zero"
)]
fn whole(measure: f64) -> usize {
    measure.max(0.0) as usize
}
