;; A handler that does what the request tells it, so that a test can have any
;; answer and any misdeed from a real module. The path says what:
;;
;; /echo    200, with the head and the body as they came, and x-request, the
;;          number of requests since the seal in one digit
;; /script  the body is the answer, with addresses that count from its start
;; /far     an answer whose address is at the end of the address space
;; /null    no memory for the answer
;; /trap    traps
;; /spin    overflows the stack
;; /hold    like /echo, and one more reference in the table of references
;; /grow    like /echo, and 64 pages more
;; /refuse  like /echo, and the rewind that follows is refused with 7
;; /burst   like /echo, and the rewind that follows traps
(module
  (memory (export "memory") 2 1024)
  (table $externrefs (export "__wbindgen_externrefs") 4 externref)
  (global $cursor (mut i32) (i32.const 4096))
  (global $requests (mut i32) (i32.const 0))
  (global $rewinds (mut i32) (i32.const 0))
  (global $next (mut i32) (i32.const 0))
  ;; Where an answer of /echo is made: 5 words, and one row of the table.
  (data (i32.const 1024) "x-request")
  (func (export "lavandula_seal") (result i32) (i32.const 0))
  (func $receive (export "lavandula_receive") (param $len i32) (result i32)
    (local $at i32) (local $end i32) (local $more i32)
    (local.set $at (global.get $cursor))
    (local.set $end (i32.and (i32.add (i32.add (local.get $at) (local.get $len)) (i32.const 7)) (i32.const -8)))
    (local.set $more (i32.sub (local.get $end) (i32.mul (memory.size) (i32.const 65536))))
    (if (i32.gt_s (local.get $more) (i32.const 0))
      (then
        (if (i32.eq (memory.grow (i32.shr_u (i32.add (local.get $more) (i32.const 65535)) (i32.const 16))) (i32.const -1))
          (then (return (i32.const 0))))))
    (global.set $cursor (local.get $end))
    (local.get $at))
  (func $spin (param $depth i32) (result i32)
    (i32.add (call $spin (i32.add (local.get $depth) (i32.const 1))) (local.get $depth)))
  (func $echo (param $head i32) (param $end i32) (result i32)
    (i32.store8 (i32.const 1040) (i32.add (i32.const 48) (i32.rem_u (global.get $requests) (i32.const 10))))
    (i32.store (i32.const 1056) (i32.const 200))
    (i32.store (i32.const 1060) (i32.const 1088))
    (i32.store (i32.const 1064) (i32.const 1))
    (i32.store (i32.const 1068) (local.get $head))
    (i32.store (i32.const 1072) (i32.sub (local.get $end) (local.get $head)))
    (i32.store (i32.const 1088) (i32.const 1024))
    (i32.store (i32.const 1092) (i32.const 9))
    (i32.store (i32.const 1096) (i32.const 1040))
    (i32.store (i32.const 1100) (i32.const 1))
    (i32.const 1056))
  (func $move (param $at i32) (param $by i32)
    (i32.store (local.get $at) (i32.add (i32.load (local.get $at)) (local.get $by))))
  (func $script (param $at i32) (result i32)
    (local $row i32) (local $end i32)
    (call $move (i32.add (local.get $at) (i32.const 4)) (local.get $at))
    (call $move (i32.add (local.get $at) (i32.const 12)) (local.get $at))
    (local.set $row (i32.load (i32.add (local.get $at) (i32.const 4))))
    (local.set $end (i32.add (local.get $row) (i32.shl (i32.load (i32.add (local.get $at) (i32.const 8))) (i32.const 4))))
    (loop $rows
      (if (i32.lt_u (local.get $row) (local.get $end))
        (then
          (call $move (local.get $row) (local.get $at))
          (call $move (i32.add (local.get $row) (i32.const 8)) (local.get $at))
          (local.set $row (i32.add (local.get $row) (i32.const 16)))
          (br $rows))))
    (local.get $at))
  (func (export "lavandula_handle") (param $head i32) (param $head_len i32) (param $body i32) (param $body_len i32) (result i32)
    (local $end i32) (local $word i32)
    (global.set $requests (i32.add (global.get $requests) (i32.const 1)))
    (local.set $end (global.get $cursor))
    ;; The head and the body as they came: a head's room is a multiple of 8.
    (local.set $end
      (if (result i32) (local.get $body_len)
        (then (i32.add (local.get $body) (local.get $body_len)))
        (else (i32.add (local.get $head) (local.get $head_len)))))
    ;; The two letters behind the slash of the path.
    (local.set $word
      (i32.load16_u
        (i32.add
          (i32.add (local.get $head) (i32.const 17))
          (i32.add (i32.load (local.get $head)) (i32.shl (i32.load (i32.add (local.get $head) (i32.const 12))) (i32.const 3))))))
    (if (i32.eq (local.get $word) (i32.const 0x6373)) (then (return (call $script (local.get $body)))))
    (if (i32.eq (local.get $word) (i32.const 0x6166)) (then (return (i32.const 0xfffffff0))))
    (if (i32.eq (local.get $word) (i32.const 0x756e)) (then (return (i32.const 0))))
    (if (i32.eq (local.get $word) (i32.const 0x7274)) (then (unreachable)))
    (if (i32.eq (local.get $word) (i32.const 0x7073)) (then (return (call $spin (i32.const 0)))))
    (if (i32.eq (local.get $word) (i32.const 0x6f68)) (then (drop (table.grow $externrefs (ref.null extern) (i32.const 1)))))
    (if (i32.eq (local.get $word) (i32.const 0x7267)) (then (drop (memory.grow (i32.const 64)))))
    (if (i32.eq (local.get $word) (i32.const 0x6572)) (then (global.set $next (i32.const 7))))
    (if (i32.eq (local.get $word) (i32.const 0x7562)) (then (global.set $next (i32.const 8))))
    (call $echo (local.get $head) (local.get $end)))
  (func (export "lavandula_usage") (result i32)
    (i32.store (i32.const 1120) (i32.sub (global.get $cursor) (i32.const 4096)))
    (i32.store (i32.const 1152) (global.get $rewinds))
    (i32.store (i32.const 1160) (i32.const -1))
    (i32.const 1120))
  (func (export "lavandula_rewind") (result i32)
    (if (i32.eq (global.get $next) (i32.const 8)) (then (unreachable)))
    (if (i32.eq (global.get $next) (i32.const 7)) (then (return (i32.const 7))))
    (global.set $rewinds (i32.add (global.get $rewinds) (i32.const 1)))
    (memory.fill (i32.const 4096) (i32.const 0) (i32.sub (global.get $cursor) (i32.const 4096)))
    (global.set $cursor (i32.const 4096))
    (i32.const 0))
)
