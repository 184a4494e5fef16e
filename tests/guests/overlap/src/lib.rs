//! Waits for an origin while others wait, in the way that its path says.
#![cfg(target_arch = "wasm32")]
#![cfg_attr(feature = "unwaiting", allow(dead_code))]

use lavandula::{BodyError, Context, FetchError, Incoming, Request, Response, Streamed};

#[cfg(feature = "heap")]
#[global_allocator]
static HEAP: lavandula::InvocationHeap = lavandula::InvocationHeap::new();

#[cfg(not(feature = "unwaiting"))]
lavandula::export!(async answer, budget = 4 << 20);

// A function that does not wait, behind the same door.
#[cfg(feature = "unwaiting")]
lavandula::export!(plain, wasi = 0.3, initialise = prepare);

/// What was done before the first request.
static PREPARED: std::sync::OnceLock<String> = std::sync::OnceLock::new();

#[allow(dead_code, reason = "of one form of this guest")]
fn prepare() {
    PREPARED.get_or_init(|| "prepared".to_owned());
}

#[allow(dead_code, reason = "of one form of this guest")]
fn plain<'a>(cx: &'a Context, request: Request<'a>) -> Result<Response<'a>, lavandula::AllocError> {
    let mut text = cx.arena().buffer();
    text.push(
        PREPARED
            .get()
            .map_or("not prepared", String::as_str)
            .as_bytes(),
    )?;
    text.push(b" ")?;
    text.push(request.body())?;
    Ok(Response::ok(text.finish(), "text/plain"))
}

/// What a handler's path and query ask for.
async fn answer<'a>(
    cx: &'a Context,
    request: Request<'a, Incoming>,
) -> Result<Streamed<'a>, FetchError> {
    let (head, body) = request.into_parts();
    let origin = head.headers().get("x-origin").unwrap_or_default();
    match head.path() {
        "/marked" => Ok(marked(cx, head, body, origin).await?.into()),
        "/beside" => Ok(beside(cx, head, body, origin).await?.into()),
        "/quiet" => Ok(quiet(cx, head, body, origin).await?.into()),
        "/relay" => relay(cx, head, body, origin).await,
        "/echo" => Ok(echo(body)),
        "/gathered" => Ok(gathered(cx, body).await?.into()),
        "/hoard" => Ok(hoard(cx, origin).await?.into()),
        "/hold" => Ok(hold(cx, head, origin).await?.into()),
        "/spin" => spin(cx, origin).await,
        "/trap" => {
            if !origin.is_empty() {
                cx.fetch(Request::new("GET", origin)).await?;
            }
            panic!("asked to trap")
        }
        "/arenas" => Ok(arenas(head)?.into()),
        "/cut" => Ok(cut()),
        "/count" => Ok(count().into()),
        "/invalid" => Ok(Response::new(99).into()),
        "/length" => Ok(whole(cx, head)?.into()),
        _ => Ok(Response::not_found("no such path\n", "text/plain").into()),
    }
}

/// Copies a marker of the request all over its memory, waits for the origin, and
/// answers what is still there, with what the origin said.
async fn marked<'a>(
    cx: &'a Context,
    head: Request<'a>,
    mut body: Incoming,
    origin: &str,
) -> Result<Response<'a>, FetchError> {
    let arena = cx.arena();
    let marker = head.query_value("marker").unwrap_or_default();
    let copies = arena.alloc_slice_fill_with(32, |_| marker)?;
    for copy in copies.iter_mut() {
        *copy = arena.strdup(marker)?;
    }
    let on_the_heap = String::from(marker).repeat(8);
    let sent = body.collect(arena).await.map_err(|_| FetchError::Broken)?;
    let mut answer = cx.fetch(Request::new("GET", origin)).await?;
    let said = answer.body_mut().collect(arena).await;
    let said = said.map_err(|_| FetchError::Broken)?;

    let same = copies.iter().all(|copy| *copy == marker)
        && on_the_heap == marker.repeat(8)
        && sent == marker.as_bytes();
    let mut text = arena.buffer();
    text.push(if same { marker } else { "mixed up" }.as_bytes())?;
    text.push(b" ")?;
    text.push(said)?;
    Ok(Response::ok(text.finish(), "text/plain"))
}

/// The same as [`marked`], with the platform's allocator in the place of the arena.
async fn beside<'a>(
    cx: &'a Context,
    head: Request<'a>,
    mut body: Incoming,
    origin: &str,
) -> Result<Response<'a>, FetchError> {
    let marker = head.query_value("marker").unwrap_or_default().to_owned();
    let copies: Vec<String> = (0..32).map(|_| marker.clone()).collect();
    let mut sent = Vec::new();
    while let Ok(Some(piece)) = body.next().await {
        sent.extend_from_slice(piece);
    }
    let mut answer = cx.fetch(Request::new("GET", origin)).await?;
    let mut said = Vec::new();
    while let Ok(Some(piece)) = answer.body_mut().next().await {
        said.extend_from_slice(piece);
    }
    let same = copies.iter().all(|copy| *copy == marker) && sent == marker.as_bytes();
    let mut text = if same { marker } else { "mixed up".to_owned() };
    text.push(' ');
    text.push_str(&String::from_utf8_lossy(&said));
    Ok(Response::ok(text, "text/plain"))
}

/// Waits with a marker in nothing but the arena, and answers it.
async fn quiet<'a>(
    cx: &'a Context,
    head: Request<'a>,
    mut body: Incoming,
    origin: &str,
) -> Result<Response<'a>, FetchError> {
    let sent = body.collect(cx.arena()).await;
    let sent = sent.map_err(|_| FetchError::Broken)?;
    cx.fetch(Request::new("GET", origin)).await?;
    let path = head.path_with_query();
    let text = cx
        .arena()
        .alloc_fmt(format_args!("{path} {} bytes", sent.len()))?;
    Ok(Response::ok(text, "text/plain"))
}

/// Sends the request on to the origin, and its answer back, both as they come.
async fn relay<'a>(
    cx: &'a Context,
    head: Request<'a>,
    body: Incoming,
    origin: &str,
) -> Result<Streamed<'a>, FetchError> {
    let answer = cx
        .fetch(Request::new(head.method(), origin).carrying(body))
        .await?;
    Ok(Response::new(answer.status()).passing_on(answer.into_body()))
}

/// Sends the body back, every piece as it comes.
fn echo<'a>(mut body: Incoming) -> Streamed<'a> {
    Response::ok("", "application/octet-stream").streamed(async move |mut out| {
        while let Some(piece) = body.next().await? {
            out.write(piece).await?;
        }
        Ok(())
    })
}

/// Sends the body back when all of it is there.
async fn gathered<'a>(cx: &'a Context, mut body: Incoming) -> Result<Response<'a>, FetchError> {
    let whole = body.collect(cx.arena()).await;
    let whole = whole.map_err(|_| FetchError::Broken)?;
    Ok(Response::ok(whole, "application/octet-stream"))
}

/// Takes all that it may have, and waits with it.
async fn hoard<'a>(cx: &'a Context, origin: &str) -> Result<Response<'a>, FetchError> {
    while cx.arena().calloc(1, 1 << 14).is_ok() {}
    cx.fetch(Request::new("GET", origin)).await?;
    Ok(Response::insufficient_storage("had it all\n", "text/plain"))
}

/// Takes as many bytes as it is told, waits with them, and computes with them.
async fn hold<'a>(
    cx: &'a Context,
    head: Request<'a>,
    origin: &str,
) -> Result<Response<'a>, FetchError> {
    let bytes = head.query_value("n").and_then(|n| n.parse().ok());
    let held = cx
        .arena()
        .alloc_slice_fill_with(bytes.unwrap_or(0), |_| 1_u8)?;
    if !origin.is_empty() {
        cx.fetch(Request::new("GET", origin)).await?;
    }
    let sum = held.iter().map(|byte| usize::from(*byte)).sum::<usize>();
    Ok(Response::ok(
        cx.arena().alloc_fmt(format_args!("{sum}"))?,
        "text/plain",
    ))
}

/// Waits, and then computes without end.
async fn spin<'a>(cx: &'a Context, origin: &str) -> Result<Streamed<'a>, FetchError> {
    if !origin.is_empty() {
        cx.fetch(Request::new("GET", origin)).await?;
    }
    let mut turns = 0_u64;
    loop {
        turns = std::hint::black_box(turns).wrapping_add(1);
    }
}

/// Does as often what a lease does: an arena is made, used a little, overwritten, and
/// given back.
fn arenas(head: Request<'_>) -> Result<Response<'static>, FetchError> {
    let times = head.query_value("n").and_then(|n| n.parse().ok());
    for _ in 0..times.unwrap_or(0_u32) {
        let mut arena = lavandula::Arena::new();
        arena.set_scrub(lavandula::Scrub::Zero);
        arena.calloc(1, 1024)?;
        drop(std::hint::black_box(arena));
    }
    Ok(Response::no_content())
}

/// A body that breaks off.
fn cut<'a>() -> Streamed<'a> {
    Response::ok("", "text/plain").streamed(async |mut out| {
        out.write(b"hello").await?;
        Err(BodyError::CutOff)
    })
}

/// How many invocations the instance has seen, as far as it knows.
fn count() -> Response<'static> {
    use std::sync::atomic::{AtomicU32, Ordering};
    static SEEN: AtomicU32 = AtomicU32::new(0);
    let seen = SEEN.fetch_add(1, Ordering::Relaxed) + 1;
    Response::ok(seen.to_string(), "text/plain")
}

/// A body of as many bytes.
fn whole<'a>(cx: &'a Context, head: Request<'a>) -> Result<Response<'a>, FetchError> {
    let bytes = head.query_value("n").and_then(|n| n.parse().ok());
    let body = cx
        .arena()
        .alloc_slice_fill_with(bytes.unwrap_or(0), |n| n as u8)?;
    Ok(Response::ok(body, "application/octet-stream"))
}
