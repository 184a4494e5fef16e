//! Slots that are put back, and slots that are not.

use super::pristine::Difference;
use super::*;
use crate::failure::Failure;
use crate::program::Guest;
use crate::testing;

const KIB: usize = 1024;

/// Grows by 48 pages and writes to every other page of the machine in them, more
/// pages than one scan of the kernel lists and more than is put back in place;
/// then it answers. Without memory it traps.
const SCATTER: &str = "
    (local $i i32)
    (drop (memory.grow (i32.const 48)))
    (local.set $i (i32.const 131072))
    (loop $l
        (i32.store (local.get $i) (i32.const -1))
        (local.set $i (i32.add (local.get $i) (i32.const 8192)))
        (br_if $l (i32.lt_u (local.get $i) (i32.const 3276800))))
    (call $answer (i32.const 200))";

/// Overwrites its request, and answers.
const FORGET: &str = "
    (memory.fill (i32.const 65536) (i32.const 0) (i32.const 65536))
    (call $answer (i32.const 200))";

/// One small shape, so that the endings come in the order of their declaration.
fn plan() -> Plan {
    let shape = Shape::new("POST", "/", Vec::new(), b"{{marker}}".to_vec());
    Plan::new().shape(shape.expect("valid")).given_only()
}

/// The component as `serve` has it.
fn served(component: &[u8], door: Door) -> Program {
    let pool = engine::pooling(
        &limits(),
        Restore::all()[0],
        Concurrency::needed_by(component),
    );
    let engine = Engine::new(&pool).expect("a pool");
    let program = Program::new(&engine, component).expect("it loads");
    program.with_door(door).expect("it has the door")
}

fn limits() -> Limits {
    Limits {
        max_in_flight: 1,
        ..Limits::default()
    }
}

fn slots(component: &[u8]) -> Vec<Pooled> {
    pools(component, &served(component, Door::Fast), &limits()).expect("it loads")
}

/// The slot from which the kernel takes back every page.
fn slot(component: &[u8]) -> Pooled {
    slots(component).pop().expect("a slot")
}

async fn try_slots(slots: &mut [impl Slot]) -> Result<Tally, Fault> {
    try_all(slots, Door::Fast, limits(), &plan()).await
}

async fn evidence(component: &[u8], door: Door) -> Evidence {
    let evidence = run(
        component,
        &served(component, door),
        &Limits::default(),
        &Plan::new(),
    )
    .await;
    evidence.expect("it can be tried")
}

#[tokio::test]
async fn every_slot_is_put_back_however_a_request_ends() {
    let component = testing::handler(SCATTER);
    let mut slots = slots(&component);
    let tally = try_slots(&mut slots).await.expect("it holds");
    let ways = slots.len() as u64;
    assert_eq!(
        (tally.trapped, tally.late, tally.dropped, tally.denied),
        (ways, ways, ways, ways),
        "{tally}"
    );
    // Once more, to count.
    assert_eq!(tally.answered, ways + 1, "{tally}");
    assert_eq!(tally.size, 2 * 64 * KIB);
    assert!(tally.written && !tally.cut);
}

#[tokio::test]
async fn the_evidence_names_what_was_tried() {
    let evidence = evidence(&testing::handler(SCATTER), Door::Fast).await;
    assert!(evidence.holds, "{}", evidence.detail);
    assert_eq!(evidence.kind, Kind::Freshness);
    for text in [" trapped", " dropped", "128 KiB"] {
        assert!(evidence.detail.contains(text), "{}", evidence.detail);
    }
}

#[tokio::test]
async fn it_holds_by_the_door_of_wasi_http_too() {
    let respond = "(call $respond (local.get $out) (i32.const 9000) (i32.const 1))";
    let evidence = evidence(&testing::wasi_handler(respond), Door::WasiHttp).await;
    assert!(evidence.holds, "{}", evidence.detail);
}

#[tokio::test]
async fn it_holds_for_a_handler_that_traps_by_itself() {
    let mut slots = slots(&testing::handler(testing::COUNT_THEN_TRAP));
    let tally = try_slots(&mut slots).await.expect("it holds");
    assert_eq!(tally.answered, 0, "{tally}");
    assert!(tally.trapped > tally.dropped, "{tally}");
}

#[tokio::test]
async fn a_memory_that_nobody_exports_is_seen_too() {
    let component = testing::handler_with_hidden_memory(testing::HELLO);
    let mut slots = slots(&component);
    let tally = try_slots(&mut slots).await.expect("it holds");
    assert_eq!(tally.size, 3 * 64 * KIB);
}

#[tokio::test]
async fn the_time_at_which_an_instance_starts_makes_no_difference() {
    let mut slots = slots(&testing::starting_with_the_time());
    try_slots(&mut slots).await.expect("it holds");
}

#[tokio::test]
async fn without_a_write_nothing_is_known() {
    let component = testing::wasi_handler("");
    let evidence = evidence(&component, Door::WasiHttp).await;
    assert!(!evidence.holds);
    assert!(
        evidence.detail.contains("nothing is known"),
        "{}",
        evidence.detail
    );
}

#[tokio::test]
async fn without_address_space_it_says_that_there_is_no_pool() {
    let limits = Limits {
        max_table_elements: 1 << 44,
        ..Limits::default()
    };
    let component = testing::handler(testing::HELLO);
    let evidence = run(
        &component,
        &served(&component, Door::Fast),
        &limits,
        &plan(),
    )
    .await;
    assert_eq!(evidence.expect("it can be tried").detail, NO_POOL);
}

// Stops.

async fn stopped(body: &str, at: u64, by: Stop) -> (End, u64) {
    let mut slot = slot(&testing::handler(body));
    let state = State::new(&limits(), GuestOutput::Discard);
    let mut guest = slot.instance(state).await.expect("an instance");
    let stop = Interruption { at, by };
    call_until(&mut guest, Door::Fast, http::Request::default(), stop).await
}

#[tokio::test]
async fn a_stop_is_what_it_says() {
    const LOOP: &str = "(loop $l (br $l)) unreachable";
    for at in [1, 2, 1000] {
        let (end, looks) = stopped(LOOP, at, Stop::Trap).await;
        assert!(matches!(end, End::Returned(Err(Failure::Trap(_)))));
        assert_eq!(looks, at);
        let (end, looks) = stopped(LOOP, at, Stop::Deadline).await;
        assert!(matches!(end, End::Returned(Err(Failure::Deadline { .. }))));
        assert_eq!(looks, at);
        let (end, looks) = stopped(LOOP, at, Stop::Drop).await;
        assert!(matches!(end, End::Dropped));
        assert_eq!(looks, at);
    }
}

#[tokio::test]
async fn a_request_that_ends_before_its_stop_is_counted_in_full() {
    for by in [Stop::Trap, Stop::Deadline, Stop::Drop] {
        let (end, looks) = stopped(SCATTER, LONG, by).await;
        assert!(matches!(end, End::Returned(Ok(_))));
        // The loop, and a few functions.
        assert!((384..400).contains(&looks), "{looks}");
    }
}

// Slots that are not put back.

/// Hands out the instance that served a request once more, as if it were new.
struct Kept {
    pooled: Pooled,
    kept: Option<Guest>,
    taken: usize,
}

impl Slot for Kept {
    async fn instance(&mut self, state: State) -> Result<Guest, Failure> {
        match self.kept.take() {
            Some(guest) => Ok(guest),
            None => self.pooled.instance(state).await,
        }
    }

    fn take_back(&mut self, guest: Guest) {
        // Every other one was only looked at, the first included.
        self.kept = (self.taken % 2 == 1).then_some(guest);
        self.taken += 1;
    }

    fn way(&self) -> String {
        "not at all".to_owned()
    }
}

async fn fault_when_kept(body: &str) -> Fault {
    let kept = Kept {
        pooled: slot(&testing::handler(body)),
        kept: None,
        taken: 0,
    };
    let fault = try_slots(&mut [kept]).await;
    fault.expect_err("the instance is the old one")
}

#[tokio::test]
async fn the_old_instance_is_told_from_a_new_one_by_a_marker() {
    let fault = fault_when_kept(testing::COUNT).await;
    let text = fault.to_string();
    let Fault::Stale { difference, .. } = fault else {
        panic!("{fault}")
    };
    assert!(matches!(difference, Difference::Marker(_)), "{text}");
    assert!(
        text.contains("was answered and the slot was put back (not at all)"),
        "{text}"
    );
}

#[tokio::test]
async fn the_old_instance_is_told_from_a_new_one_by_a_single_byte() {
    let fault = fault_when_kept(FORGET).await;
    let Fault::Stale { difference, .. } = fault else {
        panic!("{fault}")
    };
    // The low byte of the status that it answered with.
    let expected = "the byte at 0x400 was 0xc8 in place of 0x00";
    assert_eq!(difference.to_string(), expected);
}

#[tokio::test]
async fn the_old_instance_is_told_from_a_new_one_by_its_size() {
    let grow = "(drop (memory.grow (i32.const 1))) (call $answer (i32.const 200))";
    let fault = fault_when_kept(grow).await;
    assert!(
        matches!(
            &fault,
            Fault::Stale {
                difference: Difference::Sizes { .. },
                ..
            }
        ),
        "{fault}"
    );
}

/// Has another slot instead, for one instance.
struct Swapped {
    slots: [Pooled; 2],
    /// Which of all instances.
    at: usize,
    had: usize,
}

impl Slot for Swapped {
    async fn instance(&mut self, state: State) -> Result<Guest, Failure> {
        self.had += 1;
        let other = usize::from(self.had == self.at);
        self.slots[other].instance(state).await
    }

    fn take_back(&mut self, guest: Guest) {
        drop(guest);
    }

    fn way(&self) -> String {
        self.slots[0].way()
    }
}

/// The look after the request with this number.
fn look_after(request: usize) -> usize {
    2 * request + 1
}

#[tokio::test]
async fn one_byte_that_stays_is_found_after_every_ending() {
    let endings = [
        "was answered",
        "was answered",
        "was denied memory",
        "trapped",
        "ran out of time",
        "was dropped",
    ];
    let component = testing::handler(testing::GROW_OR_TRAP);
    // As it would be if one byte of the image were not put back.
    let mut stale = component.clone();
    let at = memchr::memmem::find(&stale, b"hello").expect("its data");
    stale[at] = b'j';
    for (request, was) in endings.into_iter().enumerate() {
        let slot = slot(&component);
        let engine = slot.program.engine().clone();
        let restore = slot.restore;
        let program = Program::new(&engine, &stale).expect("it loads");
        let swapped = Swapped {
            slots: [slot, Pooled { program, restore }],
            at: look_after(request + 1),
            had: 0,
        };
        let fault = try_slots(&mut [swapped]).await;
        let fault = fault.expect_err("a byte is another one").to_string();
        assert!(fault.contains(&format!(") {was} and the slot")), "{fault}");
        let difference = "0x30 was 0x6a in place of 0x68";
        assert!(fault.contains(difference), "{fault}");
    }
}

#[tokio::test]
async fn an_instance_in_another_slot_is_no_evidence() {
    let component = testing::handler(testing::HELLO);
    let swapped = Swapped {
        slots: [slot(&component), slot(&component)],
        at: look_after(3),
        had: 0,
    };
    let fault = try_slots(&mut [swapped]).await.expect_err("another slot");
    assert!(matches!(fault, Fault::Elsewhere { .. }), "{fault}");
}

#[tokio::test]
async fn instances_that_differ_from_the_start_are_no_evidence() {
    let one = slot(&testing::handler(testing::HELLO));
    let other = slot(&testing::starting_with_the_time());
    let fault = try_slots(&mut [one, other]).await.expect_err("two images");
    assert!(matches!(fault, Fault::Unsteady(_)), "{fault}");
}

#[cfg(all(target_os = "linux", target_endian = "little"))]
mod kernel;
