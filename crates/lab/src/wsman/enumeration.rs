//! Enumerate, Pull and Release: one item with the first answer, then pages by size.

use super::envelope::new_id;
use super::fault::Fault;
use super::names::{ACTION_ENUMERATE, ACTION_PULL, ACTION_RELEASE, DIALECT_WQL, NS_ENUMERATION, NS_WSMAN};
use super::wmi::instances;
use super::wql::Query;
use super::xml::Element;
use super::{Body, Call, Host, Request};
use crate::world::World;
use std::collections::VecDeque;

/// Items that have not been fetched yet.
pub(super) struct Enumeration {
    resource: String,
    items: VecDeque<String>,
}

/// What an envelope takes besides its items, in bytes as the server counts them.
const ENVELOPE_OVERHEAD: usize = 2_000;

/// Answers Enumerate.
pub(super) fn enumerate(world: &World, host: &mut Host, call: &Call<'_>, class: &str) -> Result<Body, Fault> {
    let body = call.request.body(NS_ENUMERATION, "Enumerate")?;
    let mut items = find(world, call, body, class)?;
    let optimised = body.child(NS_WSMAN, "OptimizeEnumeration").is_some();
    let first = if optimised { items.pop_front() } else { None };
    let ended = optimised && items.is_empty();
    let context = if ended { String::new() } else { keep(host, call, items) };
    let mut content = format!("<n:EnumerateResponse><n:EnumerationContext>{context}</n:EnumerationContext>");
    if optimised {
        content.push_str("<w:Items>");
        content.push_str(first.as_deref().unwrap_or_default());
        content.push_str("</w:Items>");
    }
    if ended {
        content.push_str("<w:EndOfSequence/>");
    }
    content.push_str("</n:EnumerateResponse>");
    Ok(Body::Content { action: format!("{ACTION_ENUMERATE}Response"), content })
}

fn find(world: &World, call: &Call<'_>, body: &Element, class: &str) -> Result<VecDeque<String>, Fault> {
    let filter = body.child(NS_WSMAN, "Filter").or_else(|| body.child(NS_ENUMERATION, "Filter"));
    let Some(filter) = filter else {
        let found = instances(world, call.server, class).ok_or_else(|| Fault::no_such_resource(class))?;
        return Ok(found.iter().map(super::wmi::Instance::whole).collect());
    };
    if filter.attribute("Dialect").is_some_and(|dialect| !dialect.eq_ignore_ascii_case(DIALECT_WQL)) {
        return Err(Fault::dialect());
    }
    let text = filter.text();
    let query = Query::parse(text).map_err(|why| Fault::filter(text, &why))?;
    if class != "*" && !class.eq_ignore_ascii_case(&query.class) {
        return Err(Fault::filter(text, "The class of the query is not the class of the resource."));
    }
    let found = instances(world, call.server, &query.class);
    let found =
        found.ok_or_else(|| Fault::filter(text, "The specified class does not exist in the given namespace."))?;
    if let Some(first) = found.first() {
        query.check(first).map_err(|why| Fault::filter(text, &why))?;
    }
    let matching = found.iter().filter(|instance| query.matches(instance));
    Ok(matching.map(|instance| query.render(instance)).collect())
}

/// Returns the class that an enumeration asks for by its query.
pub(super) fn class_of(request: &Request) -> Option<String> {
    let body = request.body(NS_ENUMERATION, "Enumerate").ok()?;
    let filter = body.child(NS_WSMAN, "Filter").or_else(|| body.child(NS_ENUMERATION, "Filter"))?;
    Query::parse(filter.text()).ok().map(|query| query.class)
}

fn keep(host: &mut Host, call: &Call<'_>, items: VecDeque<String>) -> String {
    let context = new_id();
    let resource = call.request.resource.clone();
    host.contexts.insert(context.clone(), Enumeration { resource, items });
    context
}

fn context_of(call: &Call<'_>, operation: &str) -> Result<String, Fault> {
    let body = call.request.body(NS_ENUMERATION, operation)?;
    let context = body.child(NS_ENUMERATION, "EnumerationContext").map(Element::text);
    context.map(str::to_owned).ok_or_else(|| Fault::schema("The body has no enumeration context."))
}

/// Answers Pull. A context is good for one Pull; the answer brings the next one.
pub(super) fn pull(host: &mut Host, call: &Call<'_>) -> Result<Body, Fault> {
    let context = context_of(call, "Pull")?;
    let body = call.request.body(NS_ENUMERATION, "Pull")?;
    let most = body.child(NS_ENUMERATION, "MaxElements").and_then(|most| most.text().parse::<usize>().ok());
    let most = most.unwrap_or(1).max(1);
    let mut enumeration = host.contexts.remove(&context).ok_or_else(Fault::no_such_context)?;
    if !enumeration.resource.eq_ignore_ascii_case(&call.request.resource) {
        return Err(Fault::no_such_context());
    }
    let room = call.request.largest_answer().saturating_sub(ENVELOPE_OVERHEAD);
    let mut page = String::new();
    let mut count = 0;
    while let Some(item) = enumeration.items.front() {
        let size = (page.len() + item.len()) * 2;
        if count >= most || (count > 0 && size > room) {
            break;
        }
        page.push_str(item);
        count += 1;
        enumeration.items.pop_front();
    }
    let mut content = "<n:PullResponse>".to_owned();
    let ended = enumeration.items.is_empty();
    if !ended {
        let next = keep(host, call, enumeration.items);
        content.push_str(&super::xml::leaf("n:EnumerationContext", &next));
    }
    content.push_str("<n:Items>");
    content.push_str(&page);
    content.push_str("</n:Items>");
    if ended {
        content.push_str("<n:EndOfSequence/>");
    }
    content.push_str("</n:PullResponse>");
    Ok(Body::Content { action: format!("{ACTION_PULL}Response"), content })
}

/// Answers Release.
pub(super) fn release(host: &mut Host, call: &Call<'_>) -> Result<Body, Fault> {
    let context = context_of(call, "Release")?;
    host.contexts.remove(&context).ok_or_else(Fault::no_such_context)?;
    Ok(Body::Content { action: format!("{ACTION_RELEASE}Response"), content: String::new() })
}
