use super::page::{Ground, Start, html, svg};
use super::tests::{large, report, with_preview};
use super::{Instead, Preview, json};
use crate::fixture::{POOL, at, plan, seen, server};
use crate::style::Look;
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::{PoolName, Verdict};
use orchestrate_planner::forecast::{PlacedBatch, Placement};
use orchestrate_planner::{Plan, Report};
use std::collections::{BTreeMap, BTreeSet};

/// What people and servers may write, to get out of a text or to deceive its reader.
const HOSTILE: &str = "\"'><script>alert(1)</script></title></svg>\u{202e}&amp; {{ 7*7 }}";
const FINGERPRINT: &str = "5e3a91c07d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a089f86";

fn start() -> Start<'static> {
    Start { command: "orchestrate plan.yaml", on: Ground::Real }
}

fn page(preview: &Preview<'_>) -> String {
    html(preview, start(), &Look::plain()).unwrap()
}

/// A plan of which some keys say something else.
fn changed(change: impl FnOnce(&mut serde_json::Value)) -> Plan {
    let mut written = serde_json::to_value(plan()).unwrap();
    change(&mut written);
    serde_json::from_value(written).unwrap()
}

/// The previews of a plan on a report, as page and as picture.
fn both(plan: &Plan, report: &Report) -> [String; 2] {
    let seen = seen();
    let preview = Preview { plan, fingerprint: FINGERPRINT, seen: &seen, report, instead: None };
    [page(&preview), svg(&preview, &Look::plain()).unwrap()]
}

/// Reads a picture as strictly as XML is read, and returns its texts.
fn texts(picture: &str) -> Vec<String> {
    let picture = roxmltree::Document::parse(picture).unwrap();
    let texts = picture.descendants().filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "text")));
    texts.filter_map(|text| text.text().map(str::to_owned)).collect()
}

/// Returns the texts of all pictures of a page.
fn texts_of(page: &str) -> Vec<String> {
    let pictures =
        page.split("<svg").skip(1).map(|rest| format!("<svg{}</svg>", &rest[..rest.find("</svg>").unwrap()]));
    pictures.flat_map(|picture| texts(&picture)).collect()
}

fn placed(number: usize, servers: usize, begins: Timestamp, hours: i64) -> PlacedBatch {
    let ends = begins + SignedDuration::from_hours(hours);
    let servers = (0..servers).map(|one| server(number * servers + one + 1)).collect();
    let batch = u32::try_from(number).unwrap();
    PlacedBatch {
        pool: PoolName::new(POOL).unwrap(),
        batch,
        servers,
        placed: Some(Placement { begins, ends, opening: None }),
    }
}

#[test]
fn the_page_of_a_preview() {
    insta::assert_snapshot!("page", with_preview(page));
}

#[test]
fn the_picture_alone_says_what_it_is_of() {
    let picture = with_preview(|preview| svg(preview, &Look::plain()).unwrap());
    let texts = texts(&picture);
    for said in ["pool01 November update", "fe1", "fe3", "drain", "Sat 28 Nov 2026"] {
        assert!(texts.iter().any(|text| text == said), "{said} of {texts:?}");
    }
    assert!(picture.contains("width=\"1024\" height="), "a viewer has to know how large it is");
}

#[test]
fn the_table_and_the_picture_say_what_the_forecast_says() {
    let page = with_preview(page);
    let said: BTreeSet<&str> = page.split("datetime=\"").skip(1).map(|rest| &rest[..rest.find('"').unwrap()]).collect();
    let report = report(&plan());
    let forecast = report.forecast.schedule.iter().filter_map(|batch| batch.placed);
    let forecast: BTreeSet<String> =
        forecast.flat_map(|placed| [placed.begins.to_string(), placed.ends.to_string()]).collect();
    assert_eq!(said, forecast.iter().map(String::as_str).collect());
    let written = with_preview(json);
    for batch in written["forecast"]["schedule"].as_array().unwrap() {
        let begins = batch["placed"]["begins"].as_str().unwrap();
        assert!(said.contains(begins), "{begins}");
    }
}

#[test]
fn the_parts_of_a_bar_take_all_of_it() {
    let picture = with_preview(|preview| svg(preview, &Look::plain()).unwrap());
    let picture = roxmltree::Document::parse(&picture).unwrap();
    let bars: Vec<_> = picture.descendants().filter(|node| node.tag_name().name() == "g").collect();
    assert_eq!(bars.len(), 3);
    for bar in bars {
        let number =
            |node: &roxmltree::Node<'_, '_>, name: &str| -> f64 { node.attribute(name).unwrap().parse().unwrap() };
        let parts: Vec<_> =
            bar.children().filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "rect"))).collect();
        assert!(parts.len() > 5);
        for pair in parts.windows(2) {
            let ends = number(&pair[0], "x") + number(&pair[0], "width");
            assert!((ends - number(&pair[1], "x")).abs() < 0.3, "a hole before {:?}", pair[1].attribute("class"));
        }
    }
}

#[test]
fn each_fact_has_its_place_on_the_page() {
    let page = with_preview(page);
    for said in [
        "NOT READY: a start would change nothing",
        "CU November, CHG0031337",
        FINGERPRINT,
        "Not to be approved as it is",
        "The servers were asked on",
        "times are UTC",
        "the loss of Call Park",
        "none: it may run at any time",
        "after fe1.contoso.example (one at a time; never two upgrade domains at once)",
        "✓ yes",
        "✗ no",
        "? unknown",
        "Response Group is covered",
        "the pool&#x27;s records list 2 of 3 servers: 192.0.2.12 is missing",
        "Do: see why fe2 is silent",
        "2 servers, 3 services each: the same steps for each SERVER",
        "RTCCPS is not measured on this product",
        "files in use cannot be replaced",
        "2h",
    ] {
        assert!(page.contains(said), "{said} is missing");
    }
}

#[test]
fn how_a_plan_is_approved_is_said_where_nothing_speaks_against_it() {
    let plan = changed(|plan| plan["findings"] = serde_json::json!([]));
    let (report, seen) = (report(&plan), seen());
    let preview = Preview { plan: &plan, fingerprint: FINGERPRINT, seen: &seen, report: &report, instead: None };
    let command = format!("orchestrate plan.yaml --approve {FINGERPRINT}");
    assert!(page(&preview).contains(&command));
    let blind = BTreeMap::new();
    let offline = page(&Preview { seen: &blind, ..preview });
    assert!(!offline.contains("--approve") && offline.contains("without looking at the servers"), "{offline}");
    assert!(!page(&preview).contains("LAB"));
    let lab = html(&preview, Start { on: Ground::Lab, ..start() }, &Look::plain()).unwrap();
    assert!(lab.contains("LAB: "), "{lab}");
    let over = changed(|plan| {
        plan["findings"] = serde_json::json!([]);
        plan["work"].as_array_mut().unwrap().iter_mut().for_each(|work| work["skip"] = "at the level".into());
    });
    let nothing = page(&Preview { plan: &over, ..preview });
    assert!(nothing.contains("There is nothing to approve"), "{nothing}");
}

#[test]
fn p10_what_servers_and_people_write_is_text_on_the_page() {
    let long = "x".repeat(5000);
    let plan = changed(|plan| {
        plan["change"]["name"] = format!("{HOSTILE}{long}").into();
        plan["change"]["reason"] = HOSTILE.into();
        plan["change"]["emergency"] = HOSTILE.into();
        plan["change"]["freezes"] =
            serde_json::json!([{"days": {"from": "2026-12-01", "to": "2026-12-02", "reason": HOSTILE}}]);
        plan["work"][0]["skip"] = HOSTILE.into();
        for key in ["message", "advice", "code"] {
            plan["findings"][0][key] = HOSTILE.into();
        }
    });
    let mut report = report(&plan);
    report.safety[0].asked[0].verdict = Verdict::Unknown(HOSTILE.to_owned());
    report.safety[0].asked[0].advice = HOSTILE.to_owned();
    let refused = Instead::Refused { exit_code: 7, why: HOSTILE.to_owned() };
    let seen = seen();
    let preview =
        Preview { plan: &plan, fingerprint: FINGERPRINT, seen: &seen, report: &report, instead: Some(&refused) };
    let page = html(&preview, Start { command: HOSTILE, on: Ground::Lab }, &Look::plain()).unwrap();
    let picture = svg(&preview, &Look::plain()).unwrap();
    for said in [&page, &picture] {
        assert!(!said.contains("<script") && !said.contains('\u{202e}'), "{said}");
        assert!(said.contains("&lt;script&gt;") && said.contains("{{ 7*7 }}"), "{said}");
        assert_eq!(said.matches("</svg>").count(), said.matches("<svg").count());
    }
    assert!(page.contains(&long) && page.matches("</title>").count() == 1 + 3, "{page}");
    assert!(texts(&picture).iter().all(|text| text.chars().count() <= 160));
}

#[test]
fn p10_a_page_needs_nothing_and_asks_for_nothing() {
    let page = with_preview(page);
    assert!(page.contains("content=\"default-src 'none'; style-src 'unsafe-inline'\""));
    for forbidden in ["<script", " src=", "href=", "@import", "javascript:", " style=", " onload", "<iframe", "<link"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert_eq!(
        page.matches("http").count(),
        page.matches("http://www.w3.org/2000/svg").count() + 1,
        "http-equiv alone"
    );
}

#[test]
fn what_lies_between_two_nights_is_named() {
    let plan = changed(|plan| {
        let freeze = serde_json::json!({"from": "2026-12-01", "to": "2026-12-02", "timezone": "UTC", "reason": "peak"});
        plan["change"]["freezes"] = serde_json::json!([{"days": freeze}]);
    });
    let [page, picture] = both(&plan, &report(&plan));
    let gap = "before Sat 2026-12-05 21:00 UTC: freeze from 2026-12-01 to 2026-12-02, both included: peak";
    assert!(page.contains(gap), "{page}");
    assert_eq!(page.matches("both included: peak</li>").count(), 1, "in the gap that it lies in, and in no other");
    assert!(picture.contains("gap frozen"), "{picture}");
}

#[test]
fn work_without_a_window_is_cut_into_days() {
    let plan = plan();
    let mut report = report(&plan);
    report.forecast.schedule = (0..3).map(|number| placed(number, 1, at(0), 20)).collect();
    for (number, batch) in (0..).zip(&mut report.forecast.schedule) {
        let placed = batch.placed.as_mut().unwrap();
        placed.begins += SignedDuration::from_hours(20 * number);
        placed.ends += SignedDuration::from_hours(20 * number);
    }
    let days =
        |texts: &[String]| texts.iter().filter(|text| text.ends_with("Nov 2026") || text.ends_with("Dec 2026")).count();
    let [page, picture] = both(&plan, &report);
    // From 21:00 on the 28th for 60 hours: four days.
    assert_eq!((days(&texts(&picture)), days(&texts_of(&page))), (4, 4), "{picture}");
    report.forecast.schedule.truncate(1);
    let [_, picture] = both(&plan, &report);
    assert_eq!(days(&texts(&picture)), 1, "what fits one panel is not cut at midnight");
}

#[test]
fn what_has_no_place_is_said() {
    let plan = plan();
    let mut report = report(&plan);
    report.forecast.schedule[2].placed = None;
    let [page, _] = both(&plan, &report);
    assert!(page.contains("No place in the windows ahead: fe3.contoso.example"), "{page}");
    report.forecast.schedule.clear();
    let [page, picture] = both(&plan, &report);
    assert!(page.contains("No server has a place") && picture.contains("No server has a place"), "{page}");
}

#[test]
fn a_page_of_a_thousand_servers_stays_a_page() {
    let plan = large(1000);
    let mut report = Report { safety: Vec::new(), ..report(&plan) };
    let pools: Vec<PoolName> =
        (0..2).map(|pool| PoolName::new(&format!("pool{pool}.contoso.example")).unwrap()).collect();
    report.forecast.schedule = (0..1000)
        .map(|number| {
            let begins = at(0) + SignedDuration::from_hours(8) * i32::try_from(number / 2).unwrap();
            PlacedBatch { pool: pools[number % 2].clone(), ..placed(number, 1, begins, 8) }
        })
        .collect();
    let [page, picture] = both(&plan, &report);
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    assert!(picture.len() < 500_000, "{} bytes", picture.len());
    assert!(texts(&picture).iter().any(|text| text.starts_with("2 pools like")), "pools of the same times share a row");
}
