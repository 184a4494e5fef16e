//! Contexts, from headers to headers.

use std::collections::HashSet;
use std::hint::black_box;

use super::*;
use crate::testing::thread_time;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

fn headers(fields: &[(HeaderName, &str)]) -> HeaderMap {
    let fields = fields
        .iter()
        .map(|(name, value)| (name.clone(), value.parse().expect("a value")));
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(name, value);
    }
    headers
}

fn of(traceparent: &str) -> TraceContext {
    TraceContext::from_headers(&headers(&[(TRACEPARENT, traceparent)]))
}

/// What is sent on for what was given.
fn sent(fields: &[(HeaderName, &str)]) -> HeaderMap {
    let mut headers = headers(fields);
    TraceContext::from_headers(&headers).write(&mut headers);
    headers
}

#[track_caller]
fn assert_ignored(traceparent: &str) {
    let context = of(traceparent);
    assert_eq!(context.parent_id(), None, "{traceparent}");
    assert_ne!(context.trace_id().to_string(), TRACE, "{traceparent}");
}

#[test]
fn a_request_stays_in_its_trace_and_gets_a_span_of_its_own() {
    let context = of(&format!("00-{TRACE}-{SPAN}-01"));
    assert_eq!(context.to_string(), TRACE);
    let parent = context.parent_id().expect("a parent");
    assert_eq!(parent.to_string(), SPAN);
    assert_ne!(context.span_id(), parent);
    assert!(context.flags().is_sampled());
}

#[test]
fn what_is_sent_on_names_our_span() {
    let mut headers = headers(&[(TRACEPARENT, &format!("00-{TRACE}-{SPAN}-01"))]);
    let context = TraceContext::from_headers(&headers);
    context.write(&mut headers);
    let span = context.span_id();
    assert_eq!(headers[TRACEPARENT], format!("00-{TRACE}-{span}-01"));
    assert_eq!(headers.get_all(TRACEPARENT).iter().count(), 1);
    assert!(!headers.contains_key(TRACESTATE));
    // Whoever gets it understands it.
    let next = TraceContext::from_headers(&headers);
    assert_eq!(next.trace_id(), context.trace_id());
    assert_eq!(next.parent_id(), Some(span));
}

#[test]
fn without_a_context_there_is_a_new_one_each_time() {
    let mut seen = HashSet::new();
    for _ in 0..1000 {
        let context = TraceContext::from_headers(&HeaderMap::new());
        assert_eq!(context.parent_id(), None);
        assert!(!context.flags().is_sampled());
        let trace = context.to_string();
        assert_eq!(trace.len(), 32, "{trace}");
        assert!(seen.insert(trace));
        assert!(seen.insert(context.span_id().to_string()));
    }
}

#[test]
fn threads_draw_different_numbers() {
    let here = random();
    let there = std::thread::spawn(random).join().expect("no panic");
    assert_ne!(here, there);
}

#[test]
fn ids_have_their_leading_zeros() {
    let context = of("00-00000000000000000000000000000001-0000000000000002-00");
    let id = context.trace_id().to_string();
    assert_eq!(id, "00000000000000000000000000000001");
    let parent = context.parent_id().expect("a parent").to_string();
    assert_eq!(parent, "0000000000000002");
}

#[test]
fn what_is_not_as_the_recommendation_has_it_is_ignored() {
    for bad in [
        String::new(),
        "00".to_owned(),
        // Zero ids.
        format!("00-{}-{SPAN}-01", "0".repeat(32)),
        format!("00-{TRACE}-{}-01", "0".repeat(16)),
        // The version that never is.
        format!("ff-{TRACE}-{SPAN}-01"),
        // Upper case, and what is no digit.
        format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
        format!("00-{TRACE}-{}-01", SPAN.to_uppercase()),
        format!("0A-{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}-0A"),
        format!("00-{}-{SPAN}-01", TRACE.replace('a', "g")),
        format!("0x-{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}-+1"),
        // Too short, too long.
        format!("00-{TRACE}-{SPAN}"),
        format!("00-{TRACE}-{SPAN}-"),
        format!("00-{TRACE}-{SPAN}-1"),
        format!("00-{TRACE}-{SPAN}-001"),
        format!("00-{}-{SPAN}-01", &TRACE[1..]),
        format!("00-0{TRACE}-{SPAN}-01"),
        format!("0-{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}-01-more"),
        // Other separators, and spaces.
        format!("00_{TRACE}_{SPAN}_01"),
        format!("00-{TRACE}-{SPAN}-01 ,"),
        // A later version goes on after a dash only.
        format!("01-{TRACE}-{SPAN}-01more"),
        format!("01-{TRACE}-{SPAN}"),
    ] {
        assert_ignored(&bad);
    }
    // Not text at all.
    let mut bytes = HeaderMap::new();
    let value = HeaderValue::from_bytes(&[0xff; 55]).expect("a value");
    bytes.insert(TRACEPARENT, value);
    assert_eq!(TraceContext::from_headers(&bytes).parent_id(), None);
}

#[test]
fn two_parents_are_none() {
    let parent = format!("00-{TRACE}-{SPAN}-01");
    let context =
        TraceContext::from_headers(&headers(&[(TRACEPARENT, &parent), (TRACEPARENT, &parent)]));
    assert_eq!(context.parent_id(), None);
    // And neither is handed on.
    let sent = sent(&[(TRACEPARENT, &parent), (TRACEPARENT, &parent)]);
    assert_eq!(sent.get_all(TRACEPARENT).iter().count(), 1);
    assert_ne!(sent[TRACEPARENT], parent);
}

#[test]
fn later_versions_are_read_as_far_as_they_are_known() {
    for later in [
        format!("01-{TRACE}-{SPAN}-01"),
        format!("cc-{TRACE}-{SPAN}-01"),
        format!("cc-{TRACE}-{SPAN}-01-what-the-future-brings"),
        format!("fe-{TRACE}-{SPAN}-01-"),
    ] {
        let context = of(&later);
        assert_eq!(context.to_string(), TRACE, "{later}");
        // And answered in ours.
        let sent = sent(&[(TRACEPARENT, &later)]);
        let value = sent[TRACEPARENT].to_str().expect("text");
        assert!(value.starts_with("00-") && value.len() == 55, "{value}");
    }
}

#[test]
fn flags_without_a_meaning_are_cleared() {
    for (given, kept) in [
        ("00", "00"),
        ("01", "01"),
        ("03", "03"),
        ("ff", "03"),
        ("f8", "00"),
    ] {
        let sent = sent(&[(TRACEPARENT, &format!("00-{TRACE}-{SPAN}-{given}"))]);
        let value = sent[TRACEPARENT].to_str().expect("text");
        assert!(value.ends_with(&format!("-{kept}")), "{given}: {value}");
    }
}

fn state_sent(states: &[&str]) -> Option<String> {
    let parent = format!("00-{TRACE}-{SPAN}-01");
    let mut fields = vec![(TRACEPARENT, &*parent)];
    fields.extend(states.iter().map(|state| (TRACESTATE, *state)));
    let sent = sent(&fields);
    assert!(sent.get_all(TRACESTATE).iter().count() <= 1);
    let state = sent.get(TRACESTATE)?.to_str().expect("text");
    Some(state.to_owned())
}

#[test]
fn the_state_of_others_is_passed_on() {
    let long = format!("a={}", "x".repeat(256));
    for state in [
        "congo=t61rcWkgMzE",
        "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
        "a=1, b=2 ,\tc=3",
        "0fish@vendor=x/y;z",
        "a=1,,b=2",
        "a=with space",
        &long,
    ] {
        assert_eq!(state_sent(&[state]).as_deref(), Some(state));
    }
    assert_eq!(state_sent(&["a=1", "b=2"]).as_deref(), Some("a=1,b=2"));
}

#[test]
fn state_that_is_not_valid_is_dropped_and_the_trace_is_not() {
    let many: Vec<_> = (0..33).map(|n| format!("k{n}=1")).collect();
    let many = many.join(",");
    for bad in [
        "",
        ",",
        "novalue",
        "a=",
        "=1",
        "A=1",
        "a=1,a=2",
        "a=b=c",
        "@vendor=1",
        "tenant@=1",
        "tenant@1vendor=1",
        "a@b@c=1",
        "a =1",
        &format!("a={}", "x".repeat(257)),
        &format!("{}=1", "a".repeat(257)),
        &many,
    ] {
        assert_eq!(state_sent(&[bad]), None, "{bad}");
    }
    assert_eq!(state_sent(&["a=1", "a=2"]), None);
    let context = TraceContext::from_headers(&headers(&[
        (TRACEPARENT, &format!("00-{TRACE}-{SPAN}-01")),
        (TRACESTATE, "bad"),
    ]));
    assert_eq!(context.to_string(), TRACE);
}

#[test]
fn state_without_a_trace_is_dropped() {
    let sent = sent(&[(TRACESTATE, "a=1")]);
    assert!(sent.contains_key(TRACEPARENT));
    assert!(!sent.contains_key(TRACESTATE));
}

#[test]
fn a_guest_never_sees_the_span_of_the_client_as_its_parent() {
    // Nobody listens in this test.
    let given = format!("00-{TRACE}-{SPAN}-00");
    let mut valid = headers(&[(TRACEPARENT, &given)]);
    TraceContext::from_headers(&valid).hand_on(&mut valid);
    let value = valid[TRACEPARENT].to_str().expect("text");
    assert!(value.contains(TRACE) && !value.contains(SPAN), "{value}");

    for nonsense in [TRACEPARENT, TRACESTATE] {
        let mut invalid = headers(&[(nonsense, "nonsense")]);
        TraceContext::from_headers(&invalid).hand_on(&mut invalid);
        assert_eq!(
            of(invalid[TRACEPARENT].to_str().expect("text")).state(),
            None
        );
        assert!(!invalid.contains_key(TRACESTATE));
    }

    let mut none = HeaderMap::new();
    TraceContext::from_headers(&none).hand_on(&mut none);
    assert!(none.is_empty(), "{none:?}");
}

#[test]
fn a_new_trace_that_is_recorded_is_handed_on() {
    let mut headers = HeaderMap::new();
    let mut context = TraceContext::from_headers(&headers);
    context.sample(true);
    context.hand_on(&mut headers);
    let value = headers[TRACEPARENT].to_str().expect("text");
    assert!(value.ends_with("-03"), "{value}");
}

#[tokio::test]
async fn what_runs_for_a_request_knows_its_trace_and_nothing_else_does() {
    let seen = || current().map(|context| context.to_string());
    let work = async || {
        let before = seen();
        tokio::task::yield_now().await;
        assert_eq!(seen(), before);
        before
    };
    let (one, two) = (
        TraceContext::from_headers(&HeaderMap::new()),
        TraceContext::from_headers(&HeaderMap::new()),
    );
    let other = async {
        for _ in 0..3 {
            assert_eq!(seen(), None);
            tokio::task::yield_now().await;
        }
    };
    let (of_one, of_two, ()) = tokio::join!(
        one.scope(Box::pin(work())),
        two.scope(Box::pin(work())),
        other
    );
    assert_eq!(of_one, Some(one.to_string()));
    assert_eq!(of_two, Some(two.to_string()));

    // One within the other.
    let nested = one
        .scope(Box::pin(async {
            (two.scope(Box::pin(work())).await, seen())
        }))
        .await;
    assert_eq!(nested, (Some(two.to_string()), Some(one.to_string())));
    assert_eq!(seen(), None);
}

#[tokio::test]
async fn a_panic_leaves_no_trace_behind() {
    let context = TraceContext::from_headers(&HeaderMap::new());
    let mut work = Box::pin(context.scope(Box::pin(async { panic!("on purpose") })));
    let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        work.as_mut().poll(&mut cx).is_ready()
    }));
    assert!(polled.is_err());
    assert!(current().is_none());
}

/// What a context costs, in processor time:
/// `cargo test --release -p lavandula-host --lib -- --ignored --nocapture what_a_context_costs`
#[test]
#[ignore = "it measures"]
fn what_a_context_costs() {
    const TIMES: u32 = 2_000_000;
    let measure = |what: &str, run: &dyn Fn()| {
        let best = (0..5).map(|_| {
            let began = thread_time();
            (0..TIMES).for_each(|_| run());
            (thread_time() - began) / TIMES
        });
        println!("{what}: {:?}", best.min().unwrap_or_default());
    };
    let plain = headers(&[(http::header::HOST, "x"), (http::header::ACCEPT, "*/*")]);
    let traced = headers(&[(TRACEPARENT, &format!("00-{TRACE}-{SPAN}-01"))]);
    measure("no header", &|| {
        black_box(TraceContext::from_headers(black_box(&plain)));
    });
    measure("traceparent", &|| {
        black_box(TraceContext::from_headers(black_box(&traced)));
    });
    measure("traceparent, handed on", &|| {
        let mut headers = HeaderMap::with_capacity(4);
        TraceContext::from_headers(black_box(&traced)).write(&mut headers);
        black_box(headers);
    });
    let context = TraceContext::from_headers(&plain);
    measure("a poll within a scope", &|| {
        let mut work = std::pin::pin!(context.scope(Box::pin(async { black_box(1) })));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(work.as_mut().poll(&mut cx).is_ready());
    });
}
