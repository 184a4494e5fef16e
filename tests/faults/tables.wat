;; Grows its tables without end, which no Rust can do. It stands behind the fast door;
;; what it does is told by the length of the path, and so are the two answers by which
;; every guest here shows that it is well.
(module
    (memory (export "memory") 2)
    (data (i32.const 48) "1")
    (table $one 1 funcref)
    (table $other 1 funcref)
    (global $at (mut i32) (i32.const 65536))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
        (global.get $at)
        (global.set $at (i32.and
            (i32.add (i32.add (global.get $at) (local.get 3)) (i32.const 7))
            (i32.const -8))))
    (func $respond (param $status i32) (param $body i32) (param $len i32) (result i32)
        (i32.store16 (i32.const 1024) (local.get $status))
        (i32.store (i32.const 1036) (local.get $body))
        (i32.store (i32.const 1040) (local.get $len))
        (i32.const 1024))
    ;; Whether both got what they asked for.
    (func $grow (result i32)
        (i32.and
            (i32.ne (table.grow $one (ref.null func) (i32.const 100)) (i32.const -1))
            (i32.ne (table.grow $other (ref.null func) (i32.const 100)) (i32.const -1))))
    (func $grow-without-end
        (loop $again (br_if $again (call $grow))))
    (func (export "lavandula:arena/handler@0.1.0#handle")
        (param $method i32) (param i32)
        (param $path i32) (param $path-len i32)
        (param i32 i32 i32)
        (param $headers i32) (param i32)
        (param $body i32) (param $body-len i32)
        (result i32)
        ;; /tables
        (if (i32.eq (local.get $path-len) (i32.const 7)) (then
            (call $grow-without-end)
            unreachable))
        ;; /tables-again
        (if (i32.eq (local.get $path-len) (i32.const 13)) (then
            (loop $again (call $grow-without-end) (br $again))))
        ;; /tables-survived
        (if (i32.eq (local.get $path-len) (i32.const 16)) (then
            (call $grow-without-end)
            (return (call $respond (i32.const 507) (i32.const 48) (i32.const 0)))))
        ;; /count
        (if (i32.eq (local.get $path-len) (i32.const 6)) (then
            (return (call $respond (i32.const 200) (i32.const 48) (i32.const 1)))))
        ;; /echo
        (call $respond (i32.const 200) (local.get $body) (local.get $body-len))))
