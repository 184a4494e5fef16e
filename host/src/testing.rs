//! Guests for the tests of this crate, small enough to be read: a few lines of
//! WebAssembly text behind the canonical ABI.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const WIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../wit");

/// How long the calling thread has run: what the kernel counts, so that it is the
/// same on a machine that has other things to do.
///
/// # Panics
/// Where there is no Linux.
pub(crate) fn thread_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("a Linux");
    let nanos = stat.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.expect("a number of nanoseconds"))
}

/// Answers 200 with a header and `hello`.
pub(crate) const HELLO: &str = "(call $answer (i32.const 200))";

/// Answers 200 plus the number of requests that this memory has seen.
pub(crate) const COUNT: &str = "
    (i32.store (i32.const 2048) (i32.add (i32.load (i32.const 2048)) (i32.const 1)))
    (call $answer (i32.add (i32.const 200) (i32.load (i32.const 2048))))";

/// Writes all over its first page and traps; answers 200 where it finds a
/// trace of an earlier request instead.
pub(crate) const COUNT_THEN_TRAP: &str = "
    (if (i32.load (i32.const 60000)) (then (return (call $answer (i32.const 200)))))
    (memory.fill (i32.const 50000) (i32.const 255) (i32.const 15000))
    unreachable";

/// Never ends calling itself.
pub(crate) const RECURSE: &str = "(call $recurse)";

/// Asks for a mebibyte, answers 200 if it gets it and traps if not.
pub(crate) const GROW_OR_TRAP: &str = "
    (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable))
    (call $answer (i32.const 200))";

/// A component whose door has no function.
pub(crate) const NO_HANDLE: &str = r#"
    (component
        (instance $handler)
        (export "lavandula:arena/handler@0.1.0" (instance $handler)))"#;

/// A component whose handler is no function of a request.
pub(crate) const WRONG_TYPE: &str = r#"
    (component
        (core module $m (func (export "f")))
        (core instance $i (instantiate $m))
        (func $f (canon lift (core func $i "f")))
        (instance $handler (export "handle" (func $f)))
        (export "lavandula:arena/handler@0.1.0" (instance $handler)))"#;

/// Answers with `status`.
pub(crate) fn status(status: u16) -> String {
    format!("(call $answer (i32.const {status}))")
}

/// Answers 200 after a while, in which others get their turn.
pub(crate) const SLOW: &str = "
    (loop $l
        (i32.store (i32.const 2048) (i32.add (i32.load (i32.const 2048)) (i32.const 1)))
        (br_if $l (i32.lt_u (i32.load (i32.const 2048)) (i32.const 200000000))))
    (call $answer (i32.const 200))";

/// A folder that goes with the test that made it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// `name` is to be the test's own.
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("lavandula-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        // Of a process with the same number that came to no good end.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).expect("a folder for temporary files");
        Self(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The names of what lies in it.
    pub(crate) fn listing(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("it is there");
        let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
        entries
            .map(|entry| name(entry).to_string_lossy().into_owned())
            .collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A component from its text.
pub(crate) fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the text is valid")
}

/// A component that imports `name` and exports nothing but a door's name.
pub(crate) fn importing(name: &str) -> Vec<u8> {
    component(&format!(
        r#"(component
            (import "{name}" (instance (export "get" (func))))
            (instance $none)
            (export "lavandula:arena/handler@0.1.0" (instance $none)))"#
    ))
}

/// A component with the fast door, whose handler has `body`.
pub(crate) fn handler(body: &str) -> Vec<u8> {
    encode(&fast("", body), "export lavandula:arena/handler@0.1.0;")
}

/// The same with a second memory of one page, `$hidden`, which it does not
/// export.
pub(crate) fn handler_with_hidden_memory(body: &str) -> Vec<u8> {
    let module = fast("", body);
    let (head, tail) = module.rsplit_once(')').expect("the end of the module");
    encode(
        &format!("{head}(memory $hidden 1)){tail}"),
        "export lavandula:arena/handler@0.1.0;",
    )
}

/// A component with the doors of `lavandula:arena` and of `wasi:http`, whose handlers have
/// `body` and `other`. The second finds what `wasi:http` needs: `$fields` and `$body`, of which
/// the latter writes to memory, so that it goes through a module of its own.
pub(crate) fn with_two_doors(items: &str, body: &str, other: &str) -> Vec<u8> {
    let items = format!(
        r#"
        (import "wasi:http/types@0.2.0" "[constructor]fields" (func $fields (result i32)))
        (import "wasi:http/types@0.2.0" "[method]outgoing-response.body"
            (func $body (param i32 i32)))
        {items}
        (func (export "wasi:http/incoming-handler@0.2.0#handle")
            (param $request i32) (param $out i32)
            {other})"#
    );
    encode(
        &fast(&items, body),
        "import wasi:http/types@0.2.0; export wasi:http/incoming-handler@0.2.0; \
         export lavandula:arena/handler@0.1.0;",
    )
}

/// Answers 200, and notes the time in its memory when it starts.
pub(crate) fn starting_with_the_time() -> Vec<u8> {
    let import = r#"
        (import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $now (result i64)))
        (func $note (i64.store (i32.const 4096) (call $now)))
        (start $note)"#;
    encode(
        &fast(import, HELLO),
        "import wasi:clocks/monotonic-clock@0.2.0; export lavandula:arena/handler@0.1.0;",
    )
}

/// A module with the fast door, whose handler has `body`. It begins with `items`.
fn fast(items: &str, body: &str) -> String {
    format!(
        r#"(module
            {items}
            (memory (export "memory") 2)
            (data (i32.const 16) "X-Guest")
            (data (i32.const 32) "wat")
            (data (i32.const 48) "hello")
            ;; One header: where its name and value are and how long.
            (data (i32.const 64) "\10\00\00\00\07\00\00\00\20\00\00\00\03\00\00\00")
            (global $at (mut i32) (i32.const 65536))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (global.get $at)
                (global.set $at (i32.and
                    (i32.add (i32.add (global.get $at) (local.get 3)) (i32.const 7))
                    (i32.const -8))))
            (func $answer (param $status i32) (result i32)
                (i32.store16 (i32.const 1024) (local.get $status))
                (i32.store (i32.const 1028) (i32.const 64))
                (i32.store (i32.const 1032) (i32.const 1))
                (i32.store (i32.const 1036) (i32.const 48))
                (i32.store (i32.const 1040) (i32.const 5))
                (i32.const 1024))
            (func $recurse (result i32) (i32.add (call $recurse) (i32.const 1)))
            (func (export "lavandula:arena/handler@0.1.0#handle")
                (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
                {body}))"#
    )
}

/// A component with the door of `wasi:http`, whose handler has `body`. It finds
/// the outparam in `$out`, and `$respond`, which sets a response of 200 with as
/// many bytes as it is told, in pieces of 4 KiB at most, and does or does not
/// finish its body.
pub(crate) fn wasi_handler(body: &str) -> Vec<u8> {
    let module = format!(
        r#"(module
            (import "wasi:http/types@0.2.0" "[constructor]fields" (func $fields (result i32)))
            (import "wasi:http/types@0.2.0" "[constructor]outgoing-response"
                (func $response (param i32) (result i32)))
            (import "wasi:http/types@0.2.0" "[method]outgoing-response.body"
                (func $body (param i32 i32)))
            (import "wasi:http/types@0.2.0" "[method]outgoing-body.write"
                (func $write (param i32 i32)))
            (import "wasi:http/types@0.2.0" "[static]outgoing-body.finish"
                (func $finish (param i32 i32 i32 i32)))
            (import "wasi:http/types@0.2.0" "[static]response-outparam.set"
                (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
            (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
                (func $flush (param i32 i32 i32 i32)))
            (import "wasi:io/streams@0.2.0" "[resource-drop]output-stream"
                (func $drop-stream (param i32)))
            (import "wasi:http/types@0.2.0" "[resource-drop]outgoing-body"
                (func $drop-body (param i32)))
            (memory (export "memory") 2)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
            (func $respond (param $out i32) (param $bytes i32) (param $finish i32)
                (local $r i32) (local $b i32) (local $s i32) (local $n i32)
                (local.set $r (call $response (call $fields)))
                (call $body (local.get $r) (i32.const 64))
                (local.set $b (i32.load (i32.const 68)))
                (call $set (local.get $out) (i32.const 0) (local.get $r)
                    (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
                    (i32.const 0))
                (call $write (local.get $b) (i32.const 64))
                (local.set $s (i32.load (i32.const 68)))
                (memory.fill (i32.const 8192) (i32.const 120) (i32.const 4096))
                (block $done (loop $more
                    (br_if $done (i32.eqz (local.get $bytes)))
                    (local.set $n (select (i32.const 4096) (local.get $bytes)
                        (i32.gt_u (local.get $bytes) (i32.const 4096))))
                    (call $flush (local.get $s) (i32.const 8192) (local.get $n) (i32.const 64))
                    (br_if $done (i32.load8_u (i32.const 64)))
                    (local.set $bytes (i32.sub (local.get $bytes) (local.get $n)))
                    (br $more)))
                (if (i32.eq (local.get $finish) (i32.const 2)) (then (return)))
                (call $drop-stream (local.get $s))
                (if (local.get $finish)
                    (then (call $finish (local.get $b) (i32.const 0) (i32.const 0)
                        (i32.const 64)))
                    (else (call $drop-body (local.get $b)))))
            (func (export "wasi:http/incoming-handler@0.2.0#handle")
                (param $request i32) (param $out i32)
                {body}))"#
    );
    encode(&module, "export wasi:http/incoming-handler@0.2.0;")
}

/// Makes a component of a core module that keeps to the canonical ABI.
fn encode(module: &str, exports: &str) -> Vec<u8> {
    let world = format!("package test:guest; world guest {{ {exports} }}");
    let mut resolve = Resolve::default();
    resolve.push_dir(WIT).expect("the WIT of this project");
    let package = resolve.push_str("guest.wit", &world).expect("a world");
    let world = resolve.select_world(&[package], None).expect("one world");

    let mut module = wat::parse_str(module).expect("the text is valid");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("metadata fits");
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|mut encoder| encoder.encode())
        .expect("the module keeps to the canonical ABI")
}
