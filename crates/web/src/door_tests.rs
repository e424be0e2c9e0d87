use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

pub(crate) fn token() -> Token {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("token");
    orchestrate_files::replace(&path, SECRET.as_bytes()).unwrap();
    Token::read(&path).unwrap()
}

fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in all {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

/// What a browser sends back of a cookie.
fn sent(cookie: &str) -> String {
    cookie.split(';').next().unwrap().to_owned()
}

#[test]
fn p10_a_session_needs_the_token_and_its_cookie_is_for_us_alone() {
    let door = Door::new(Trust { token: Some(token()), user_header: None }, Socket::Address);
    let none = HeaderMap::new();
    assert!(door.enter("0123456789abcdef0123456789abcdeF", "ann", &none).is_err());
    for bad in ["", "  ", "a\nb", "a\u{202e}b", &"x".repeat(61)] {
        assert!(door.enter(SECRET, bad, &none).is_err(), "{bad:?}");
    }
    let cookie = door.enter(SECRET, " Ann Müller ", &none).unwrap();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure") && !cookie.contains(SECRET));
    assert!(door.enter(SECRET, "ann", &headers(&[("x-forwarded-proto", "https")])).unwrap().contains("; Secure"));
    let asks = headers(&[("cookie", &format!("other=1; {}", sent(&cookie)))]);
    let visitor = door.visitor(&asks);
    assert_eq!(visitor.who.as_deref(), Some("Ann Müller"));
    assert_eq!(door.visitor(&none).who, None);
    assert_eq!(door.sender(&asks, &visitor.proof).unwrap(), "Ann Müller");
    assert!(
        door.sender(&asks, "").is_err()
            && door.sender(&asks, "x").is_err()
            && door.sender(&none, &visitor.proof).is_err()
    );
    door.leave(&asks);
    assert!(door.visitor(&asks).who.is_none() && door.sender(&asks, &visitor.proof).is_err());
}

#[test]
fn what_another_site_sends_is_refused_also_with_the_cookie() {
    let door = Door::new(Trust { token: Some(token()), user_header: None }, Socket::Address);
    let cookie = sent(&door.enter(SECRET, "ann", &HeaderMap::new()).unwrap());
    let proof = door.visitor(&headers(&[("cookie", &cookie)])).proof;
    for (site, good) in [("same-origin", true), ("same-site", false), ("cross-site", false), ("none", false)] {
        let asks = headers(&[("cookie", &cookie), ("sec-fetch-site", site)]);
        assert_eq!(door.sender(&asks, &proof).is_ok(), good, "{site}");
    }
}

#[test]
fn a_proxy_is_believed_only_where_that_is_said_and_nobody_else_can_name_people() {
    let header = HeaderName::from_static("x-remote-user");
    let trust = Trust { token: Some(token()), user_header: Some(header) };
    let bearer = format!("Bearer {SECRET}");
    let named = headers(&[("x-remote-user", "ann")]);
    let proved = headers(&[("x-remote-user", "ann"), ("authorization", &bearer)]);
    let untrusting = Door::new(Trust { token: Some(token()), user_header: None }, Socket::File);
    assert_eq!(untrusting.visitor(&proved).who, None, "nobody said so");
    let at_address = Door::new(trust.clone(), Socket::Address);
    assert_eq!(at_address.visitor(&named).who, None, "everyone on this machine can ask there");
    let visitor = at_address.visitor(&proved);
    assert_eq!(visitor.who.as_deref(), Some("ann"));
    assert!(at_address.sender(&proved, &visitor.proof).is_ok() && at_address.sender(&named, &visitor.proof).is_err());
    let at_socket = Door::new(trust, Socket::File);
    assert_eq!(at_socket.visitor(&named).who.as_deref(), Some("ann"));
    let twice = headers(&[("x-remote-user", "ann"), ("x-remote-user", "bob")]);
    assert_eq!(at_socket.visitor(&twice).who, None, "one of them is not the proxy's");
    let bob = at_socket.visitor(&headers(&[("x-remote-user", "bob")])).proof;
    assert!(at_socket.sender(&named, &bob).is_err(), "a form of somebody else");
}

#[test]
fn sessions_are_bounded_and_the_oldest_makes_room() {
    let door = Door::new(Trust { token: Some(token()), user_header: None }, Socket::Address);
    let first = sent(&door.enter(SECRET, "ann", &HeaderMap::new()).unwrap());
    let cookies: Vec<String> =
        (0..MOST).map(|_| sent(&door.enter(SECRET, "bob", &HeaderMap::new()).unwrap())).collect();
    assert!(door.visitor(&headers(&[("cookie", &first)])).who.is_none());
    assert!(door.visitor(&headers(&[("cookie", cookies.last().unwrap())])).who.is_some());
}
