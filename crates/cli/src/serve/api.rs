//! What the API of `serve` answers: the list of plans as it was judged last, and runs as `status -o json` tells them. Its pages are
//! in a module of their own.

use super::board::Board;
use super::pages::Plans;
use super::shelf::Shelf;
use super::supervisor::say;
use crate::args::ServeArgs;
use crate::commands::order;
use crate::failure::Failure;
use crate::home::Home;
use crate::runs;
use jiff::Timestamp;
use orchestrate_display::pages;
use orchestrate_display::status::{self, Listed};
use orchestrate_serve::Verdict;
use orchestrate_web::{
    Assets, Bounds, Form, Measures, Order, Page, Refused, Socket, Source, Token, Told, Trust, Visitor, answer, router,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// How long ago the folder may have been looked at, for this to be called healthy. A round reads journals now and then.
const FRESH: Duration = Duration::from_secs(60);

/// Where the answers come from.
pub(super) struct Answers {
    pub(super) home: Home,
    pub(super) board: Arc<Board>,
    pub(super) shelf: Shelf,
    pub(super) plans: Plans,
    /// Whether anybody can decide by a page.
    pub(super) decides: bool,
}

/// Begins to answer, where that is asked for. What cannot be listened at ends `serve` before anything is begun.
pub(super) async fn begin(home: &Home, args: &ServeArgs, board: Arc<Board>) -> Result<(), Failure> {
    let token = args.token_file.as_ref().map(|path| {
        Token::read(path).map_err(|error| Failure::TokenFile { path: path.clone(), why: error.to_string() })
    });
    let token = token.transpose()?;
    let user_header = args.trust_user_header.clone();
    let can = match (&token, &user_header) {
        (Some(_), _) => "orders are taken with the token",
        (None, Some(_)) => "people decide whom the proxy names",
        (None, None) => "no orders are taken, without --token-file",
    };
    let decides = token.is_some() || user_header.is_some();
    if user_header.is_some() && token.is_none() && args.listen.is_some() {
        let text = "--trust-user-header at an address needs --token-file: everyone with an account here could say to be \
                    anyone, so the proxy brings the token too; at a --socket it needs none";
        return Err(Failure::Usage(text.to_owned()));
    }
    let trust = Trust { token, user_header };
    let (shelf, plans) = (Shelf::default(), Plans::default());
    let source = Arc::new(Answers { home: home.again(), board, shelf, plans, decides });
    if let Some(address) = args.listen {
        let failed = |source| Failure::Listen { at: address.to_string(), source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let at = listener.local_addr().map_err(failed)?;
        say("", &format!("answers HTTP at http://{at}/; {can}"));
        drop(tokio::spawn(answer(listener, router(source, trust, Socket::Address), Bounds::default())));
    } else if let Some(path) = &args.socket {
        let failed = |source| Failure::Listen { at: path.display().to_string(), source };
        let listener = orchestrate_web::bind(path).map_err(failed)?;
        say("", &format!("answers HTTP at the socket {}; {can}", path.display()));
        drop(tokio::spawn(answer(listener, router(source, trust, Socket::File), Bounds::default())));
    } else if decides {
        let text = "--token-file and --trust-user-header are for HTTP: --listen or --socket says where it is asked";
        return Err(Failure::Usage(text.to_owned()));
    }
    Ok(())
}

/// Returns an answer for a failure.
pub(super) fn refused(failure: &Failure) -> Refused {
    let status = match failure {
        Failure::NoSuchRun { .. } | Failure::NoStateFolder { .. } => 404,
        Failure::NothingToDecide { .. } | Failure::NobodyThere { .. } => 409,
        Failure::Usage(_) => 400,
        _other => 500,
    };
    Refused { status, why: orchestrate_display::clean(&failure.in_one_line()) }
}

impl Source for Answers {
    fn health(&self) -> Result<Value, Refused> {
        let age = self.board.age();
        let seconds = age.as_secs();
        if age > FRESH {
            let why = format!("the folder was looked at {seconds} s ago: serve is stuck, or its folder is");
            return Err(Refused { status: 503, why });
        }
        Ok(json!({"version": 1, "health": "ok", "looked_s_ago": seconds}))
    }

    fn plans(&self) -> Result<Value, Refused> {
        let mut listing = serde_json::to_value(self.board.listing()).unwrap_or_default();
        listing["serving"] = true.into();
        Ok(listing)
    }

    fn runs(&self) -> Result<Value, Refused> {
        let found = self.home.runs().map_err(|failure| refused(&failure))?;
        let list: Vec<Value> = found
            .into_iter()
            .map(|(place, folder)| {
                let run = folder.id().clone();
                let listed = match runs::read(folder).and_then(|found| found.status(&self.home, place)) {
                    Ok(run) => Listed::Run(Box::new(run)),
                    Err(failure) => Listed::Unreadable { run, why: failure.in_one_line() },
                };
                status::listed_json(&listed)
            })
            .collect();
        Ok(json!({"version": 1, "runs": list}))
    }

    fn run(&self, run: &str) -> Result<Value, Refused> {
        let found = self.home.run(run).and_then(|(place, folder)| runs::read(folder)?.status(&self.home, place));
        found.map(|found| status::json(&found)).map_err(|failure| refused(&failure))
    }

    fn order(&self, run: &str, order: Order, who: Option<&str>) -> Result<String, Refused> {
        let passed = match order {
            Order::Stop => order::stop(&self.home, run),
            Order::Hold(server) => order::hold(&self.home, run, server.as_deref()),
            Order::Decide(decision) => self.decide(run, decision, who),
        };
        match passed {
            Ok(text) => {
                let who = who.map(|who| format!(", by {who}")).unwrap_or_default();
                say("", &format!("over HTTP{who}: {text}"));
                Ok(text)
            }
            Err(failure) => Err(refused(&failure)),
        }
    }

    fn page(&self, page: &Page, visitor: &Visitor) -> Result<String, Refused> {
        self.shown_page(page, visitor)
    }

    fn form(&self, form: &Form, visitor: &Visitor) -> Result<String, Refused> {
        self.shown_form(form, visitor)
    }

    fn told(&self, page: &Page) -> Result<Told, Refused> {
        self.changed(page)
    }

    fn assets(&self) -> Assets {
        Assets { style: pages::style(), script: pages::SCRIPT.to_owned(), icon: pages::ICON.to_owned() }
    }

    fn measures(&self) -> Measures {
        let (listing, counted) = (self.board.listing(), self.board.counted());
        let mut plans: BTreeMap<String, u64> = Verdict::WORDS.iter().map(|word| ((*word).to_owned(), 0)).collect();
        for plan in &listing.plans {
            *plans.entry(plan.state.clone()).or_default() += 1;
        }
        let of = |code: Option<u8>| code.map_or_else(|| "force".to_owned(), |code| code.to_string());
        let looked = Timestamp::now().as_second() - i64::try_from(self.board.age().as_secs()).unwrap_or_default();
        let named = |plan: &orchestrate_serve::Status| plan.plan.clone();
        Measures {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            plans,
            last_exit: listing.plans.iter().filter_map(|plan| Some((named(plan), plan.exit?))).collect(),
            next_window: listing
                .plans
                .iter()
                .filter_map(|plan| Some((named(plan), plan.window?.starts.as_second())))
                .collect(),
            begun: counted.begun,
            ended: counted.ended.into_iter().map(|(code, number)| (of(code), number)).collect(),
            looked,
        }
    }
}
