use super::events::read;
use super::of_windows;
use orchestrate_model::window::Freeze;

/// Returns what a calendar with these lines says, one line for each freeze.
fn told(lines: &str, zone: Option<&str>) -> Result<Vec<String>, String> {
    let calendar = format!("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n{}\nEND:VCALENDAR\n", lines.trim());
    let freezes = read(&calendar.replace('\n', "\r\n"), zone)?;
    let one = |freeze: &Freeze| match freeze {
        Freeze::Days(days) => {
            let zone = days.timezone.as_deref().unwrap_or("-");
            format!("{} {} {zone} {}", days.from, days.to, days.reason)
        }
        Freeze::Span(span) => format!("{} {} {}", span.from, span.to, span.reason),
    };
    Ok(freezes.iter().map(one).collect())
}

fn event(lines: &str) -> String {
    format!("BEGIN:VEVENT\nUID:1\nDTSTAMP:20260101T000000Z\n{}\nEND:VEVENT", lines.trim())
}

/// As Outlook and Exchange write it for central Europe.
const CUSTOM: &str = "BEGIN:VTIMEZONE\nTZID:Customised\nBEGIN:STANDARD\nDTSTART:16010101T030000\nTZOFFSETFROM:+0200\n\
                      TZOFFSETTO:+0100\nRRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10\nEND:STANDARD\n\
                      BEGIN:DAYLIGHT\nDTSTART:16010101T020000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\n\
                      RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3\nEND:DAYLIGHT\nEND:VTIMEZONE\n";

#[test]
fn whole_days_end_the_day_before_their_end() {
    let year_end = event("DTSTART;VALUE=DATE:20261219\nDTEND;VALUE=DATE:20270104\nSUMMARY:Year end\\, all sites");
    assert_eq!(told(&year_end, None).unwrap(), ["2026-12-19 2027-01-03 - Year end, all sites"]);
    let one_day = event("DTSTART;VALUE=DATE:20260714\nSUMMARY:Holiday");
    assert_eq!(told(&one_day, Some("Europe/Paris")).unwrap(), ["2026-07-14 2026-07-14 Europe/Paris Holiday"]);
    let three = event("DTSTART;VALUE=DATE:20260714\nDURATION:P3D");
    assert_eq!(told(&three, None).unwrap(), ["2026-07-14 2026-07-16 - a freeze of the calendar"]);
}

#[test]
fn times_are_those_of_the_zone_that_is_named_however_it_is_named() {
    let paris = ["2026-12-01T21:00:00Z 2026-12-02T05:00:00Z Inventory"];
    for zone in ["Europe/Paris", "W. Europe Standard Time", "\"Europe/Paris\"", "/example.org/20260101_1/Europe/Paris"]
    {
        let lines =
            format!("DTSTART;TZID={zone}:20261201T220000\nDTEND;TZID={zone}:20261202T060000\nSUMMARY:Inventory");
        assert_eq!(told(&event(&lines), None).unwrap(), paris, "{zone}");
    }
    let universal = event("DTSTART:20261201T210000Z\nDURATION:PT8H\nSUMMARY:Inventory");
    assert_eq!(told(&universal, None).unwrap(), paris);
    let floating = event("DTSTART:20261201T220000\nDTEND:20261202T060000\nSUMMARY:Inventory");
    assert_eq!(told(&floating, Some("Europe/Paris")).unwrap(), paris);
    assert_eq!(told(&format!("X-WR-TIMEZONE:Europe/Paris\n{floating}"), None).unwrap(), paris);
    let why = told(&floating, None).unwrap_err();
    assert!(why.contains("has no time zone") && why.contains("Inventory"), "{why}");
}

#[test]
fn a_zone_that_the_calendar_describes_has_its_summer_time() {
    let lines = "DTSTART;TZID=Customised:20261201T220000\nDTEND;TZID=Customised:20261202T060000";
    let winter = told(&format!("{CUSTOM}{}", event(lines)), None).unwrap();
    assert_eq!(winter, ["2026-12-01T21:00:00Z 2026-12-02T05:00:00Z a freeze of the calendar"]);
    let summer = told(&format!("{CUSTOM}{}", event(&lines.replace("202612", "202607"))), None).unwrap();
    assert_eq!(summer, ["2026-07-01T20:00:00Z 2026-07-02T04:00:00Z a freeze of the calendar"]);
    let why = told(&event(lines), None).unwrap_err();
    assert!(why.contains("\"Customised\" is known neither here nor in the file"), "{why}");
}

#[test]
fn what_recurs_keeps_its_hour_over_a_change_of_the_clocks() {
    // Clocks go back in Paris on 2026-10-25.
    let lines = "DTSTART;TZID=Europe/Paris:20261018T220000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;BYDAY=SU;UNTIL=20261101T210000Z\n\
                 SUMMARY:Backup";
    let found = told(&event(lines), None).unwrap();
    let wanted = ["2026-10-18T20:00:00Z", "2026-10-25T21:00:00Z", "2026-11-01T21:00:00Z"];
    let starts: Vec<&str> = found.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(starts, wanted);
}

#[test]
fn times_that_are_left_out_moved_or_cancelled_count_as_they_are() {
    let series = event(
        "DTSTART;VALUE=DATE:20260630\nRRULE:FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=4\nEXDATE;VALUE=DATE:20260731\n\
                        SUMMARY:Month end",
    );
    let moved = event("RECURRENCE-ID;VALUE=DATE:20260831\nDTSTART;VALUE=DATE:20260901\nSUMMARY:Month end\\, late");
    let found = told(&format!("{series}\n{moved}"), None).unwrap();
    let wanted = [
        "2026-06-30 2026-06-30 - Month end",
        "2026-09-30 2026-09-30 - Month end",
        "2026-09-01 2026-09-01 - Month end, late",
    ];
    assert_eq!(found, wanted);
    let cancelled = event("STATUS:CANCELLED\nDTSTART;VALUE=DATE:20260630\nRRULE:FREQ=DAILY;COUNT=3");
    assert_eq!(told(&cancelled, None).unwrap(), [""; 0]);
}

#[test]
fn what_never_ends_is_worked_out_as_far_as_a_plan_goes() {
    let yearly = told(&event("DTSTART;VALUE=DATE:20101224\nRRULE:FREQ=YEARLY\nSUMMARY:Eve"), None).unwrap();
    assert_eq!(yearly.len(), 15, "{yearly:?}");
    assert_eq!(yearly[0], "2026-12-24 2026-12-24 - Eve");
    let why = told(&event("DTSTART:20260101T000000Z\nDURATION:PT10M\nRRULE:FREQ=HOURLY"), None).unwrap_err();
    assert!(why.contains("recurs more than"), "{why}");
}

#[test]
fn a_calendar_that_would_take_long_is_refused_at_once() {
    // The thirtieth of February never comes, and to find that out takes all the seconds of fifteen years.
    let never = event("DTSTART:20260101T000000Z\nDURATION:PT1S\nRRULE:FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30");
    assert!(told(&never, None).unwrap_err().contains("more than once a day"));
    let yearly = event("DTSTART;VALUE=DATE:20261224\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30");
    assert!(told(&yearly.repeat(201), None).unwrap_err().contains("more than 200 events that recur"));
    let daily = event("DTSTART;VALUE=DATE:20260101\nRRULE:FREQ=DAILY");
    assert!(told(&daily.repeat(5), None).unwrap_err().contains("more than 20000 times in all"));
}

#[test]
fn what_is_no_calendar_is_refused_with_its_reason() {
    for (text, words) in [
        ("", "no iCalendar file"),
        ("version: 1\n", "no iCalendar file"),
        ("BEGIN:VEVENT\r\nEND:VEVENT\r\n", "no iCalendar file"),
    ] {
        let why = read(text, None).unwrap_err();
        assert!(why.contains(words), "{text:?}: {why}");
    }
    for (lines, words) in [
        ("SUMMARY:x", "does not say when it begins"),
        ("DTSTART:soon", "no day and no time"),
        ("DTSTART;VALUE=DATE:20260230", "no day and no time"),
        ("DTSTART:20260101T100000Z\nDTEND:20260101T090000Z", "ends before it begins"),
        ("DTSTART;VALUE=DATE:20260102\nDTEND;VALUE=DATE:20260101", "ends before it begins"),
        ("DTSTART;VALUE=DATE:20260102\nDTEND:20260103T100000Z", "a day and ends with a time"),
        ("DTSTART:20260101T100000Z\nDURATION:PT1H\nRRULE:FREQ=NEVER", "cannot be used"),
        ("DTSTART:20260101T100000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;UNTIL=later", "cannot be used"),
        ("DTSTART;TZID=Mars/Olympus:20260101T100000\nDURATION:PT1H", "is known neither here nor in the file"),
    ] {
        let why = told(&event(lines), None).unwrap_err();
        assert!(why.contains(words), "{lines}: {why}");
    }
}

#[test]
fn names_that_windows_has_for_time_zones_are_those_of_the_table_of_cldr() {
    for (windows, iana) in [
        ("W. Europe Standard Time", "Europe/Berlin"),
        ("Romance Standard Time", "Europe/Paris"),
        ("Eastern Standard Time", "America/New_York"),
        ("India Standard Time", "Asia/Kolkata"),
        ("Lord Howe Standard Time", "Australia/Lord_Howe"),
        ("Egypt Standard Time", "Africa/Cairo"),
        ("UTC", "Etc/UTC"),
    ] {
        let found = of_windows(windows).unwrap_or_default();
        assert_eq!(found.replace("Calcutta", "Kolkata"), iana, "{windows}");
    }
    assert_eq!(of_windows("Middle-earth Standard Time"), None);
}
