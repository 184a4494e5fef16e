//! The door of WASI 0.3, `wasi:http` 0.3, as far as it is about values: requests
//! come in, responses go out, and the other way round.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use core::future::{Future, IntoFuture, poll_fn};
use core::mem::{self, ManuallyDrop};
use core::pin::pin;

use wit_bindgen::rt::async_support::{FutureReader, FutureWriter, StreamReader, StreamResult};

use super::bindings::wasi::http::client;
use super::bindings::wasi::http::types::{
    ErrorCode, Fields, Method, Request as WitRequest, Response as WitResponse, Scheme, Trailers,
};
use super::bindings::{wit_future, wit_stream};
use super::fetch::{Kind, Target, Tls};
use super::incoming::Rest as Unread;
use super::streamed::{Rest, Streamed, Writer};
use super::{BodyError, FetchError, Fetched, Incoming, LocalFuture, Outgoing, wipe};
use crate::http::{headers_in, headers_of};
use crate::{AllocError, Arena, Body, Header, Request, Response, instance};

/// Bytes of a body that are copied for the host at a time.
const PIECE: usize = 64 * 1024;

type EndOfBody = Result<Option<Trailers>, ErrorCode>;

// Coming in.

/// The request as the handler sees it: its head in the arena, its body to come.
pub(crate) fn request_in(
    arena: &Arena,
    request: WitRequest,
) -> Result<Request<'_, Incoming>, AllocError> {
    let method = match request.get_method() {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Other(name) => text(arena, name)?,
    };
    let path = match request.get_path_with_query() {
        Some(path) => text(arena, path)?,
        None => "/",
    };
    let authority = match request.get_authority() {
        Some(authority) => Some(text(arena, authority)?),
        None => None,
    };
    let headers = headers(arena, request.get_headers().copy_all())?;
    Ok(Request::new(method, path)
        .with_authority(authority)
        .with_headers(headers)
        .carrying(Incoming::of(Reader {
            state: State::Request(request),
            sending: None,
        })))
}

/// A text that the host put into memory, in the arena: where it lies already it is
/// taken back with everything else.
fn text(arena: &Arena, text: String) -> Result<&str, AllocError> {
    if instance::holds_everything() {
        let text: &String = arena.alloc(ManuallyDrop::new(text))?;
        return Ok(text);
    }
    let copy = arena.strdup(&text)?;
    wipe(&mut text.into_bytes());
    Ok(copy)
}

/// Likewise the headers.
fn headers(
    arena: &Arena,
    mut headers: Vec<(String, Vec<u8>)>,
) -> Result<&[Header<'_>], AllocError> {
    if instance::holds_everything() {
        let headers: &mut Vec<_> = arena.alloc(ManuallyDrop::new(headers))?;
        return headers_of(arena, headers);
    }
    let copies = headers_in(arena, &headers);
    for (_, value) in &mut headers {
        wipe(value);
    }
    copies
}

/// A body that comes from the host.
pub(super) struct Reader {
    state: State,
    /// The body of the request that this one answers, where it is still being sent.
    sending: Option<LocalFuture<'static, ()>>,
}

enum State {
    /// Nobody has asked for the body yet.
    Request(WitRequest),
    Response(WitResponse),
    Open(Open),
    Closed,
}

struct Open {
    stream: StreamReader<u8>,
    end: FutureReader<EndOfBody>,
    /// Tells the other end that all is well, when it is dropped.
    #[expect(dead_code, reason = "dropped, which says so")]
    done: FutureWriter<Result<(), ErrorCode>>,
}

impl Reader {
    /// Reads into `piece`, which is empty and has room. An error is the end, and
    /// what was wrong with it where something was.
    pub(super) async fn read(&mut self, piece: &mut Vec<u8>) -> Result<(), Result<(), BodyError>> {
        if matches!(self.state, State::Request(_) | State::Response(_)) {
            self.open();
        }
        let State::Open(Open { stream, .. }) = &mut self.state else {
            return Err(Ok(()));
        };
        loop {
            let reading = stream.read(mem::take(piece));
            let (status, read) = beside(&mut self.sending, reading).await;
            *piece = read;
            match status {
                StreamResult::Complete(_) if !piece.is_empty() => return Ok(()),
                StreamResult::Complete(_) | StreamResult::Cancelled => {}
                StreamResult::Dropped => break,
            }
        }
        let State::Open(open) = mem::replace(&mut self.state, State::Closed) else {
            return Err(Ok(()));
        };
        drop(open.stream);
        let end = beside(&mut self.sending, open.end.into_future()).await;
        Err(end.map(drop).map_err(|_| BodyError::CutOff))
    }

    fn open(&mut self) {
        let (done, result) = wit_future::new::<Result<(), ErrorCode>>(|| Ok(()));
        let (stream, end) = match mem::replace(&mut self.state, State::Closed) {
            State::Request(request) => WitRequest::consume_body(request, result),
            State::Response(response) => WitResponse::consume_body(response, result),
            as_it_was => return self.state = as_it_was,
        };
        self.state = State::Open(Open { stream, end, done });
    }

    /// The ends of the host's, where the body has not ended.
    fn into_ends(mut self) -> Option<Ends> {
        if matches!(self.state, State::Request(_) | State::Response(_)) {
            self.open();
        }
        match self.state {
            State::Open(open) => Some(Ends {
                contents: Some(open.stream),
                end: open.end,
                sending: self.sending,
            }),
            _ => None,
        }
    }
}

/// Awaits `main`, and lets `side` go on meanwhile where there is one.
async fn beside<T>(
    side: &mut Option<LocalFuture<'static, ()>>,
    main: impl Future<Output = T>,
) -> T {
    let mut main = pin!(main);
    poll_fn(|cx| {
        if side
            .as_mut()
            .is_some_and(|side| side.as_mut().poll(cx).is_ready())
        {
            *side = None;
        }
        main.as_mut().poll(cx)
    })
    .await
}

// Going out.

/// A body as the host takes it, and what has to be done that it gets there.
struct Ends {
    contents: Option<StreamReader<u8>>,
    end: FutureReader<EndOfBody>,
    sending: Option<LocalFuture<'static, ()>>,
}

/// The end of a body without trailers, told in advance.
fn plain_end() -> FutureReader<EndOfBody> {
    wit_future::new::<EndOfBody>(|| Ok(None)).1
}

/// Bytes as a body.
fn whole(bytes: Vec<u8>) -> Ends {
    if bytes.is_empty() {
        return Ends {
            contents: None,
            end: plain_end(),
            sending: None,
        };
    }
    let (mut writer, reader) = wit_stream::new::<u8>();
    Ends {
        contents: Some(reader),
        end: plain_end(),
        sending: Some(Box::pin(async move {
            let mut rest = writer.write_all(bytes).await;
            wipe(&mut rest);
        })),
    }
}

/// What has not been read of a body, as another.
fn unread(body: Incoming) -> Ends {
    match body.into_rest() {
        Unread::Memory(bytes) => whole(bytes),
        Unread::Door(reader) => reader.into_ends().unwrap_or_else(|| whole(Vec::new())),
    }
}

/// Sends a request of the handler's own.
pub(super) async fn send<'a, B: Into<Outgoing>>(
    arena: &'a Arena,
    target: Target<'_>,
    request: Request<'_, B>,
) -> Result<Fetched<'a>, FetchError> {
    let (head, body) = request.into_parts();
    let mut fields: Vec<_> = head.headers().iter().map(owned).collect();
    let body = match body.into().0 {
        Kind::Bytes(bytes) => {
            if !bytes.is_empty() {
                note_length(&mut fields, bytes.len());
            }
            whole(bytes)
        }
        Kind::Incoming(body) => unread(body),
    };
    let invalid = |()| FetchError::Invalid;
    let fields = Fields::from_list(&fields).map_err(|_| FetchError::Invalid)?;
    let (request, _) = WitRequest::new(fields, body.contents, body.end, None);
    let scheme = match target.tls {
        Tls::Without => Scheme::Http,
        Tls::With => Scheme::Https,
    };
    request
        .set_method(&method(head.method()))
        .map_err(invalid)?;
    request.set_scheme(Some(&scheme)).map_err(invalid)?;
    let authority = Some(target.authority);
    request.set_authority(authority).map_err(invalid)?;
    let path = Some(target.path_with_query).filter(|path| !path.is_empty());
    request.set_path_with_query(path).map_err(invalid)?;

    let mut sending = body.sending;
    let answer = beside(&mut sending, client::send(request)).await?;
    Ok(Fetched {
        status: answer.get_status_code(),
        headers: crate::Headers::of(headers(arena, answer.get_headers().copy_all())?),
        body: Incoming::of(Reader {
            state: State::Response(answer),
            sending,
        }),
    })
}

fn owned(header: &Header<'_>) -> (String, Vec<u8>) {
    (String::from(header.name), header.value.to_vec())
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "CONNECT" => Method::Connect,
        "OPTIONS" => Method::Options,
        "TRACE" => Method::Trace,
        "PATCH" => Method::Patch,
        other => Method::Other(String::from(other)),
    }
}

impl From<ErrorCode> for FetchError {
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => Self::Denied,
            ErrorCode::DnsTimeout
            | ErrorCode::ConnectionTimeout
            | ErrorCode::ConnectionReadTimeout
            | ErrorCode::ConnectionWriteTimeout
            | ErrorCode::HttpResponseTimeout => Self::TimedOut,
            ErrorCode::DnsError(_)
            | ErrorCode::DestinationNotFound
            | ErrorCode::DestinationUnavailable
            | ErrorCode::DestinationIpUnroutable
            | ErrorCode::ConnectionRefused
            | ErrorCode::ConnectionLimitReached => Self::Unreachable,
            ErrorCode::HttpRequestMethodInvalid
            | ErrorCode::HttpRequestUriInvalid
            | ErrorCode::HttpRequestUriTooLong
            | ErrorCode::HttpRequestLengthRequired
            | ErrorCode::HttpRequestBodySize(_)
            | ErrorCode::HttpRequestHeaderSize(_)
            | ErrorCode::HttpRequestHeaderSectionSize(_) => Self::Invalid,
            _ => Self::Broken,
        }
    }
}

/// Where the head of a response goes as soon as there is one.
pub(crate) type Told = Rc<Cell<Option<WitResponse>>>;

/// Sends an answer: tells its head, and stays until its body was taken.
pub(crate) async fn deliver(answer: Streamed<'_>, told: &Told) {
    let (response, rest) = answer.into_parts();
    let mut fields: Vec<_> = response.headers().iter().map(owned).collect();
    let status = response.status();
    let head = match rest {
        Rest::InHead => {
            let body = response.into_body();
            // 204 and 304 have no body, and no length either.
            if !matches!(status, 204 | 304) {
                note_length(&mut fields, body.as_bytes().len());
            }
            return deliver_whole(status, &fields, body, told).await;
        }
        Rest::PassedOn(body) => {
            let mut body = unread(body);
            let head = head(status, &fields, body.contents.take(), body.end);
            let Some(head) = head else {
                return deliver_refusal(told).await;
            };
            told.set(Some(head));
            if let Some(sending) = body.sending {
                sending.await;
            }
            return;
        }
        Rest::Written(write) => {
            let (writer, reader) = wit_stream::new::<u8>();
            let (end, ended) = wit_future::new::<EndOfBody>(|| Ok(None));
            head(status, &fields, Some(reader), ended).map(|head| (head, write, writer, end))
        }
    };
    let Some((head, write, writer, end)) = head else {
        return deliver_refusal(told).await;
    };
    told.set(Some(head));
    match write(Writer::to(writer)).await {
        // Dropped, it says that the body is whole.
        Ok(()) | Err(BodyError::Gone) => drop(end),
        Err(_) => {
            let code = ErrorCode::InternalError(Some(String::from("the body is cut off")));
            let _ = end.write(Err(code)).await;
        }
    }
}

async fn deliver_whole(status: u16, fields: &[(String, Vec<u8>)], body: Body<'_>, told: &Told) {
    let bytes = body.as_bytes();
    let (contents, writer) = match bytes.is_empty() {
        true => (None, None),
        false => {
            let (writer, reader) = wit_stream::new::<u8>();
            (Some(reader), Some(writer))
        }
    };
    let Some(head) = head(status, fields, contents, plain_end()) else {
        return Box::pin(deliver_refusal(told)).await;
    };
    told.set(Some(head));
    if let Some(writer) = writer {
        let mut writer = Writer::to(writer);
        for piece in bytes.chunks(PIECE) {
            if writer.write(piece).await.is_err() {
                break;
            }
        }
    }
}

/// In the place of a response of which the host refuses a part, since none at all
/// is worse.
async fn deliver_refusal(told: &Told) {
    const TEXT: &str = "the response has a status or a header that is not valid\n";
    let refused = Response::internal_server_error(TEXT, "text/plain");
    let mut fields: Vec<_> = refused.headers().iter().map(owned).collect();
    note_length(&mut fields, TEXT.len());
    deliver_whole(500, &fields, refused.into_body(), told).await;
}

fn head(
    status: u16,
    fields: &[(String, Vec<u8>)],
    contents: Option<StreamReader<u8>>,
    end: FutureReader<EndOfBody>,
) -> Option<WitResponse> {
    let fields = Fields::from_list(fields).ok()?;
    let (response, _) = WitResponse::new(fields, contents, end);
    response.set_status_code(status).ok()?;
    Some(response)
}

/// Tells how long the body is, unless somebody did.
fn note_length(fields: &mut Vec<(String, Vec<u8>)>, bytes: usize) {
    let there = |(name, _): &(String, Vec<u8>)| name.eq_ignore_ascii_case("content-length");
    if !fields.iter().any(there) {
        let length = alloc::format!("{bytes}").into_bytes();
        fields.push((String::from("content-length"), length));
    }
}
