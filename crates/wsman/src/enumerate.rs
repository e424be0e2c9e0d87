//! Enumeration: a question with many answers, in pages.

use crate::client::{Ask, Client, Repeat};
use crate::envelope::Header;
use crate::error::{Cause, Error, Unresolved};
use crate::fault::FaultClass;
use crate::instance::Instance;
use crate::names::{ENUMERATION, WQL, WSMAN, cimv2, enumeration};
use crate::text::plain;
use crate::xml::{Element, text};
use roxmltree::Node;

/// Items asked for in one page. The size of the envelope is the real limit.
const PAGE_ITEMS: &str = "32000";

/// One page of an enumeration.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) items: Vec<Instance>,
    /// Where the next page is asked for. Missing on the last page.
    pub(crate) context: Option<String>,
    /// How long the answer was that the page came in.
    pub(crate) bytes: usize,
}

impl Page {
    /// Reads the body of an answer to Enumerate or Pull. Items and end marker are found in either namespace.
    pub(crate) fn read(body: Node<'_, '_>) -> Result<Self, Unresolved> {
        let answer = body.children().find(|child| {
            child.has_tag_name((ENUMERATION, "EnumerateResponse")) || child.has_tag_name((ENUMERATION, "PullResponse"))
        });
        let answer = answer.ok_or_else(|| Unresolved::Shape("no page of an enumeration".to_owned()))?;
        let part = |name: &str| {
            answer.children().find(|child| child.has_tag_name((ENUMERATION, name)) || child.has_tag_name((WSMAN, name)))
        };
        let items = part("Items").into_iter().flat_map(|items| items.children());
        let items: Vec<Instance> = items.filter(Node::is_element).map(Instance::read).collect();
        let context = part("EnumerationContext").map(text).filter(|context| !context.is_empty());
        let context = if part("EndOfSequence").is_some() { None } else { context };
        if part("EndOfSequence").is_none() && context.is_none() {
            return Err(Unresolved::Shape("a page without a context that is not the last".to_owned()));
        }
        Ok(Self { items, context, bytes: body.document().input_text().len() })
    }
}

impl Client {
    /// Returns every answer to a WQL query in `root/cimv2`. When the server loses the enumeration half-way, it is
    /// started over once.
    ///
    /// # Errors
    /// When the query is refused, a page is missing, or there are more pages or items than the limits allow: part of
    /// an answer is no answer.
    pub async fn query(&self, wql: &str) -> Result<Vec<Instance>, Error> {
        match self.query_once(wql).await {
            Err(error) if error.fault_class() == Some(FaultClass::LostEnumeration) => self.query_once(wql).await,
            result => result,
        }
    }

    async fn query_once(&self, wql: &str) -> Result<Vec<Instance>, Error> {
        let object = plain(wql);
        let filter = Element::new("w:Filter").attribute("Dialect", WQL).text(wql);
        let body = Element::new("n:Enumerate")
            .child(Element::new("w:OptimizeEnumeration"))
            .child(Element::new("w:MaxElements").text(PAGE_ITEMS))
            .child(filter);
        let ask = self.page_request("Enumerate", &object, Some(body), Repeat::Once);
        let mut page = self.ask(ask, Page::read).await?;
        let mut items = std::mem::take(&mut page.items);
        let (mut pages, mut bytes) = (1, page.bytes);
        while let Some(context) = page.context.take() {
            let limits = self.limits();
            if pages >= limits.pages || items.len() > limits.items || bytes > limits.enumeration_bytes {
                self.release(&context, &object).await;
                let text = format!("more than {} items in {pages} pages of {bytes} bytes", items.len());
                return Err(self.error("Pull", &object, Cause::Unresolved(Unresolved::Shape(text))));
            }
            let body = Element::new("n:Pull")
                .child(Element::new("n:EnumerationContext").text(context))
                .child(Element::new("n:MaxElements").text(PAGE_ITEMS));
            // A page that got lost is gone: asking again with the same context would skip it or fail.
            page = self.ask(self.page_request("Pull", &object, Some(body), Repeat::Never), Page::read).await?;
            items.append(&mut page.items);
            pages += 1;
            bytes += page.bytes;
        }
        if items.len() > self.limits().items {
            let text = format!("{} items, at most {} are read", items.len(), self.limits().items);
            return Err(self.error("Enumerate", &object, Cause::Unresolved(Unresolved::Shape(text))));
        }
        Ok(items)
    }

    /// Tells the server that the rest is not wanted. It forgets the enumeration by itself if this fails.
    async fn release(&self, context: &str, object: &str) {
        let body = Element::new("n:Release").child(Element::new("n:EnumerationContext").text(context));
        let ask = self.page_request("Release", object, Some(body), Repeat::Never);
        if let Err(error) = self.ask(ask, |_body| Ok(())).await {
            tracing::debug!(%error, "release failed");
        }
    }

    fn page_request(&self, operation: &'static str, object: &str, body: Option<Element>, repeat: Repeat) -> Ask {
        let header = Header::new(enumeration(operation), cimv2("*"));
        Ask { operation, object: object.to_owned(), header, body, repeat }
    }
}
