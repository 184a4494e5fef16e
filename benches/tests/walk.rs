//! The walk, on functions written by hand.

use lavandula_bench::operations::{FastPath, Functions, Operations};

/// Walks the function `f` of a module with these functions in it.
fn walk(functions: &str) -> FastPath {
    let module = format!("(module (memory 1) (global $sp (mut i32) (i32.const 0)) {functions})");
    let module = wat::parse_str(module).expect("a valid module");
    let functions = Functions::parse(&module).expect("a valid module");
    functions.fast_path("f").expect("it is exported")
}

fn found(functions: &str) -> Operations {
    match walk(functions) {
        FastPath::Found(operations) => operations,
        FastPath::Calls => panic!("it has a way without a call"),
    }
}

#[test]
fn straight_code_is_counted_by_kind() {
    let path = found(
        r#"(func (export "f") (param i32) (result i32)
            (i32.store (local.get 0)
              (i32.add (i32.load (local.get 0)) (i32.const 8)))
            (i32.lt_u (i32.load offset=4 (local.get 0)) (i32.const 3)))"#,
    );
    let kinds = (
        path.loads,
        path.stores,
        path.arithmetic,
        path.compares,
        path.branches,
    );
    assert_eq!((path.operations, kinds), (5, (2, 1, 1, 1, 0)));
    assert_eq!(path.path[0], "i32.load");
}

#[test]
fn a_branch_counts_and_what_lies_behind_it_does_not() {
    let path = found(
        r#"(func $slow (param i32))
           (func (export "f") (param i32)
            (block
              (br_if 0 (i32.gt_u (local.get 0) (i32.const 9)))
              (i32.store (local.get 0) (local.get 0))
              (return))
            (call $slow (local.get 0)))"#,
    );
    assert_eq!(path.path, ["i32.gt_u", "br_if", "i32.store"]);
}

#[test]
fn the_shorter_half_of_an_if_is_taken() {
    let path = found(
        r#"(func (export "f") (param i32)
            (if (i32.eqz (local.get 0))
              (then (i32.store (i32.const 0) (i32.mul (local.get 0) (i32.add (local.get 0) (local.get 0)))))
              (else (i32.store8 (i32.const 0) (local.get 0)))))"#,
    );
    assert_eq!(path.path, ["i32.eqz", "if", "i32.store8"]);
}

#[test]
fn an_if_without_an_else_can_be_skipped() {
    let path = found(
        r#"(func (export "f") (param i32)
            (i64.store (i32.const 0) (i64.const 1))
            (if (local.get 0) (then (i64.store (i32.const 8) (i64.const 1)))))"#,
    );
    assert_eq!(path.path, ["i64.store", "if"]);
}

#[test]
fn a_way_without_a_store_is_no_allocation() {
    // Zero bytes are answered at once; that is shorter, and not what is asked.
    let path = found(
        r#"(func (export "f") (param i32) (result i32)
            (block (br_if 0 (local.get 0)) (return (i32.const 8)))
            (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (local.get 0)))
            (i32.load (i32.const 0)))"#,
    );
    assert_eq!(
        path.path,
        ["br_if", "i32.load", "i32.add", "i32.store", "i32.load"]
    );
}

#[test]
fn a_trap_is_no_way_out() {
    let path = found(
        r#"(func (export "f") (param i32)
            (i32.store (i32.const 0) (i32.const 1))
            (if (local.get 0) (then unreachable))
            (i32.store (i32.const 4) (i32.const 1)))"#,
    );
    assert_eq!(path.stores, 2);
}

#[test]
fn every_way_of_a_table_is_tried() {
    let path = found(
        r#"(func $slow)
           (func (export "f") (param i32)
            (block (block (block
              (br_table 0 1 2 (local.get 0)))
              (call $slow) (return))
              (i32.store (i32.const 0) (i32.add (local.get 0) (i32.const 1))) (return))
            (i32.store (i32.const 0) (local.get 0)))"#,
    );
    assert_eq!(path.path, ["br_table", "i32.store"]);
}

#[test]
fn a_loop_is_left_as_soon_as_it_can_be() {
    let path = found(
        r#"(func (export "f") (param i32)
            (loop
              (i32.store (local.get 0) (i32.const 0))
              (local.set 0 (i32.sub (local.get 0) (i32.const 4)))
              (br_if 0 (local.get 0))))"#,
    );
    assert_eq!(path.path, ["i32.store", "i32.sub", "br_if"]);
}

#[test]
fn the_stack_pointer_is_no_allocation_and_costs_something() {
    let path = found(
        r#"(func (export "f") (param i32)
            (global.set $sp (i32.sub (global.get $sp) (i32.const 16)))
            (if (local.get 0) (then (return)))
            (i32.store (i32.const 0) (i32.const 1)))"#,
    );
    assert_eq!(
        path.path,
        ["global_get", "i32.sub", "global_set", "if", "i32.store"]
    );
    assert_eq!((path.loads, path.stores), (1, 2));
}

#[test]
fn a_function_that_always_calls_says_so() {
    let calls = walk(
        r#"(func $other)
           (func (export "f") (param i32)
            (i32.store (i32.const 0) (i32.const 1))
            (if (local.get 0) (then (call $other)) (else (drop (memory.grow (i32.const 1))))))"#,
    );
    assert_eq!(calls, FastPath::Calls);
}

#[test]
fn the_shortest_round_of_a_loop_ends_where_it_began() {
    let module = wat::parse_str(
        r#"(module (memory 1)
            (func $rare)
            (func $around (param i32)
              (loop
                (i64.store (local.get 0) (i64.const 0))
                (if (i32.eqz (local.get 0)) (then (call $rare)))
                (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 8)))))))"#,
    );
    let functions = Functions::parse(&module.expect("a valid module")).expect("a valid module");
    let rounds = functions.rounds("around");
    assert_eq!(rounds.len(), 1);
    assert_eq!(rounds[0].len(), 1);
    assert_eq!(
        rounds[0][0].path,
        ["i64.store", "i32.eqz", "if", "i32.sub", "br_if"]
    );
    assert_eq!(functions.rounds("rare"), [[]]);
}
