//! `export!` without anything that takes back: the floor.
//!
//! A handler behind the fast door, as one would write it who does not care what
//! the last request has left. Each request has an arena of its own, whose pages
//! the next one takes as they are; nothing is overwritten, no static is put back,
//! and there is no `invocation` to ask.

#[cfg(target_arch = "wasm32")]
pub use wasm::{Handler, bindings};

#[cfg(target_arch = "wasm32")]
mod wasm {
    use lavandula::{
        AllocError, Arena, Context, Header, IntoResponse, Invocation, Request, Response,
    };

    use bindings::exports::lavandula::arena::handler as wit;

    #[allow(missing_docs, reason = "generated from the WIT, which has the docs")]
    #[allow(clippy::undocumented_unsafe_blocks, reason = "generated")]
    pub mod bindings {
        wit_bindgen::generate!({
            path: "../../../wit",
            inline: "
                package lavandula:bare-handler;
                world bare {
                    export lavandula:arena/handler@0.1.0;
                }
            ",
            pub_export_macro: true,
        });
    }

    /// What `export!` implements.
    pub trait Handler: 'static {
        fn handle<'a>(cx: &'a Context, request: Request<'a>) -> Response<'a>;
    }

    impl<T: Handler> wit::Guest for T {
        fn handle(request: wit::Request) -> wit::Response {
            let answer = Invocation::new().run(|cx| match copy(cx.arena(), request) {
                Ok(request) => lower(&T::handle(cx, request)),
                Err(error) => lower(&error.into_response()),
            });
            match answer {
                Ok(answer) => answer,
                Err(_) => unreachable!("a new one is not running"),
            }
        }
    }

    /// Moves the request into the arena, as lavandula's own door does.
    fn copy(arena: &Arena, request: wit::Request) -> Result<Request<'_>, AllocError> {
        let authority = match &request.authority {
            Some(authority) => Some(&*arena.strdup(authority)?),
            None => None,
        };
        let empty = Header {
            name: "",
            value: b"",
        };
        let headers = arena.alloc_slice_fill_with(request.headers.len(), |_| empty)?;
        for (place, (name, value)) in headers.iter_mut().zip(&request.headers) {
            *place = Header {
                name: arena.strdup(name)?,
                value: arena.alloc_slice_copy(value)?,
            };
        }
        Ok(Request::new(
            arena.strdup(&request.method)?,
            arena.strdup(&request.path_with_query)?,
        )
        .with_authority(authority)
        .with_headers(headers)
        .with_body(arena.alloc_slice_copy(&request.body)?))
    }

    fn lower(response: &Response<'_>) -> wit::Response {
        let owned = |header: &Header<'_>| (header.name.to_owned(), header.value.to_vec());
        wit::Response {
            status: response.status(),
            headers: response.headers().iter().map(owned).collect(),
            body: response.body().as_bytes().to_vec(),
        }
    }
}

/// Puts a handler behind the fast door. Natively it is nothing.
#[macro_export]
macro_rules! export {
    ($handler:path) => {
        const _: () = {
            #[cfg(target_arch = "wasm32")]
            struct Exported;

            #[cfg(target_arch = "wasm32")]
            impl $crate::Handler for Exported {
                fn handle<'a>(
                    cx: &'a $crate::Context,
                    request: $crate::Request<'a>,
                ) -> $crate::Response<'a> {
                    $crate::IntoResponse::into_response($handler(cx, request))
                }
            }

            #[cfg(target_arch = "wasm32")]
    $crate::bindings::export!(Exported with_types_in $crate::bindings);
        };
    };
}
