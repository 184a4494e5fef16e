//! Handlers that break the canonical ABI, the patience of the host, or both: a
//! few lines of WebAssembly text behind the fast door.
//!
//! A handler answers `GET` as it should and does what it is told to otherwise, so
//! that one host can be seen to answer the next request.

pub use super::encode::encode;

/// Bytes of the body of the request that a hostile `cabi_realloc` waits for.
pub const SIGNAL: usize = 7777;

/// Bytes of the memory of these handlers.
pub const MEMORY: usize = 2 * 65536;

/// What a handler does instead of what it should.
#[derive(Clone, Copy, Default)]
pub struct Evil<'a> {
    /// More items of its module.
    pub items: &'a str,
    /// When it is to answer. May `return` an address, `(call $respond STATUS
    /// HEADERS COUNT BODY LEN)`, or `(call $answer STATUS)`.
    pub handle: &'a str,
    /// After an answer whose status is 201.
    pub post: &'a str,
    /// When it is to give memory for a body of `SIGNAL` bytes. May `return` an
    /// address.
    pub realloc: &'a str,
}

impl Evil<'_> {
    pub fn module(&self) -> String {
        let Self {
            items,
            handle,
            post,
            realloc,
        } = self;
        format!(
            r#"(module
            {items}
            (memory (export "memory") 2)
            (data (i32.const 16) "X-Guest")
            (data (i32.const 32) "wat")
            (data (i32.const 48) "hello")
            (data (i32.const 64) "\10\00\00\00\07\00\00\00\20\00\00\00\03\00\00\00")
            (global $at (mut i32) (i32.const 65536))
            (func $realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (if (i32.eq (local.get 3) (i32.const {SIGNAL})) (then {realloc}))
                (global.get $at)
                (global.set $at (i32.and
                    (i32.add (i32.add (global.get $at) (local.get 3)) (i32.const 7))
                    (i32.const -8))))
            (func $respond (param i32 i32 i32 i32 i32) (result i32)
                (i32.store16 (i32.const 1024) (local.get 0))
                (i32.store (i32.const 1028) (local.get 1))
                (i32.store (i32.const 1032) (local.get 2))
                (i32.store (i32.const 1036) (local.get 3))
                (i32.store (i32.const 1040) (local.get 4))
                (i32.const 1024))
            (func $answer (param $status i32) (result i32)
                (call $respond (local.get $status)
                    (i32.const 64) (i32.const 1) (i32.const 48) (i32.const 5)))
            (func $header (param i32 i32 i32 i32)
                (i32.store (i32.const 2048) (local.get 0))
                (i32.store (i32.const 2052) (local.get 1))
                (i32.store (i32.const 2056) (local.get 2))
                (i32.store (i32.const 2060) (local.get 3)))
            (func $recurse (result i32) (i32.add (call $recurse) (i32.const 1)))
            (func (export "lavandula:arena/handler@0.1.0#handle")
                (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
                (if (i32.eq (local.get 1) (i32.const 4)) (then {handle}))
                (call $answer (i32.const 200)))
            (func (export "cabi_post_lavandula:arena/handler@0.1.0#handle") (param i32)
                (if (i32.eq (i32.load16_u (local.get 0)) (i32.const 201)) (then {post}))))"#
        )
    }

    pub fn component(&self) -> Vec<u8> {
        encode(&self.module(), "export lavandula:arena/handler@0.1.0;")
    }
}

/// What a handler says of itself in `lavandula:arena/invocation`: the bodies of
/// its functions, each of which returns an address.
#[derive(Clone, Copy)]
pub struct Claims<'a> {
    pub seal: &'a str,
    pub rewind: &'a str,
    pub usage: &'a str,
    pub image_store: &'a str,
    pub blocks: &'a str,
}

impl Default for Claims<'_> {
    /// It does nothing and has nothing.
    fn default() -> Self {
        Self {
            seal: "(i32.const 8192)",
            rewind: "(i32.const 8192)",
            usage: "(i32.const 8192)",
            image_store: "(i32.const 8192)",
            blocks: "(i32.const 8192)",
        }
    }
}

impl Claims<'_> {
    /// A handler with these. There are `$refuse LEN`, an error with LEN bytes of
    /// text, and `$regions COUNT`, so many regions.
    pub fn component(&self) -> Vec<u8> {
        let Self {
            seal,
            rewind,
            usage,
            image_store,
            blocks,
        } = self;
        let functions = [
            ("seal", seal),
            ("rewind", rewind),
            ("usage", usage),
            ("image-store", image_store),
            ("blocks", blocks),
        ]
        .map(|(name, body)| {
            format!(
                r#"(func (export "lavandula:arena/invocation@0.1.0#{name}") (result i32) {body})"#
            )
        })
        .concat();
        // At 8192 there are zeros, at 8448 an error, at 8704 a list.
        let items = format!(
            r#"
            (func $refuse (param i32) (result i32)
                (i32.store8 (i32.const 8448) (i32.const 1))
                (i32.store8 (i32.const 8456) (i32.const 5))
                (i32.store (i32.const 8464) (i32.const 16384))
                (i32.store (i32.const 8468) (local.get 0))
                (i32.const 8448))
            (func $regions (param i32) (result i32)
                (i32.store (i32.const 8704) (i32.const 131072))
                (i32.store (i32.const 8708) (local.get 0))
                (i32.const 8704))
            {functions}"#
        );
        let module = Evil {
            items: &items,
            ..Evil::default()
        };
        let world = "export lavandula:arena/types@0.1.0;
            export lavandula:arena/handler@0.1.0;
            export lavandula:arena/invocation@0.1.0;";
        encode(&module.module(), world)
    }
}
