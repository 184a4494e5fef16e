//! An arena or a scope while it is open, with what borrows it: buffers, boxes,
//! and scopes beside one another. Levels stand on one another as the scopes
//! that they are do.

use alloc::vec::Vec;
use core::alloc::Layout;
use core::cell::RefCell;
use core::mem;
use core::ptr::NonNull;

use lavandula::{Arena, ArenaBox, Buffer, PageSource, Scope};

use crate::act;
use crate::counted::Counted;
use crate::oracle::{Content, Extent};
use crate::pattern::TABLE;
use crate::program::Op;
use crate::resize;
use crate::session::{Session, Survey};
use crate::transcript::Outcome;

/// Scopes within scopes, at most.
const DEEPEST: usize = 4;

/// Scopes beside one another, at most.
const BESIDE: usize = 3;

/// Why a level ended.
pub enum Ended {
    /// The scope is to be closed.
    Closed,
    /// The program is over.
    Over,
    /// This has to be done with the arena itself.
    Exclusive(Op),
}

/// A level that can be reached from the ones on top of it.
pub trait Open<P: PageSource> {
    fn below(&self) -> Option<&dyn Open<P>>;
    /// How many arenas there are to choose from: its own, and scopes beside.
    fn doors(&self) -> usize;
    fn act(&self, door: usize, op: &Op, session: &mut Session<'_>) -> (u32, Outcome);
    /// Resizes one of its own allocations; `None` where it is of another level.
    fn resize(&self, index: usize, op: &Op, session: &mut Session<'_>) -> Option<Outcome>;
    /// Adds what this level and those below say.
    fn survey(&self, session: &mut Session<'_>, into: &mut Survey);
}

/// A level, and what borrows its arena.
pub struct Level<'a, 'b, P: PageSource> {
    arena: &'a Arena<P>,
    id: u32,
    below: Option<&'b dyn Open<P>>,
    buffers: RefCell<Vec<(Buffer<'a, P>, Vec<u8>)>>,
    boxes: RefCell<Vec<(u32, ArenaBox<'a, Counted>)>>,
    beside: RefCell<Vec<(u32, Scope<'a, P>)>>,
}

impl<'a, 'b, P: PageSource> Level<'a, 'b, P> {
    pub fn new(arena: &'a Arena<P>, id: u32, below: Option<&'b dyn Open<P>>) -> Self {
        Self {
            arena,
            id,
            below,
            buffers: RefCell::default(),
            boxes: RefCell::default(),
            beside: RefCell::default(),
        }
    }

    /// Performs operations until something ends this level, and then ends what
    /// borrows it.
    pub fn run(&self, session: &mut Session<'_>, depth: usize) -> Ended {
        let ended = loop {
            let Some((place, op)) = session.program.next() else {
                break Ended::Over;
            };
            match op {
                _ if op.is_exclusive() => break Ended::Exclusive(op),
                Op::Close if depth > 0 => break Ended::Closed,
                Op::Open if depth < DEEPEST => match self.deeper(session, depth) {
                    Ended::Closed => self.judge(session, self.id, &op, Outcome::Done(1)),
                    ended => break ended,
                },
                _ => self.perform(place, &op, session),
            }
        };
        self.leave(session);
        ended
    }

    /// Opens a scope and stays in it until it ends.
    fn deeper(&self, session: &mut Session<'_>, depth: usize) -> Ended {
        let scrub = session.model(self.id).scrub;
        let id = session.begin(Some(self.id), scrub);
        let scope = self.arena.scope();
        let ended = {
            let level = Level::new(&scope, id, Some(self));
            level.judge(session, id, &Op::Open, Outcome::Done(0));
            level.run(session, depth + 1)
        };
        let gone = session.end(id);
        drop(scope);
        session.given_up(scrub, &gone);
        ended
    }

    fn perform(&self, place: u8, op: &Op, session: &mut Session<'_>) {
        let (arena, outcome) = match resize::subject(op, session) {
            Some(index) => {
                let arena = session.lives[index].arena;
                let mut at: &dyn Open<P> = self;
                loop {
                    if let Some(outcome) = at.resize(index, op, session) {
                        break (arena, outcome);
                    }
                    at = at.below().expect("an arena that is open is one of these");
                }
            }
            None => {
                // Half of the operations are for the topmost level; the others
                // for any that is open.
                let mut at: &dyn Open<P> = self;
                let mut door = 0;
                if place >= 128 {
                    let all = count(self);
                    door = usize::from(place) % all;
                    while door >= at.doors() {
                        door -= at.doors();
                        at = at.below().expect("`count` has counted it");
                    }
                }
                at.act(door, op, session)
            }
        };
        self.judge(session, arena, op, outcome);
    }

    /// Looks at everything after an operation.
    pub fn judge(&self, session: &mut Session<'_>, arena: u32, op: &Op, outcome: Outcome) {
        let mut now = Survey::default();
        self.survey(session, &mut now);
        session.judge(arena, op, outcome, now);
    }

    /// Ends what borrows the arena.
    pub fn leave(&self, session: &mut Session<'_>) {
        // Buffers that nobody has finished give back what they hold.
        let (root, scrub) = (session.model(self.id).root, session.model(self.id).scrub);
        for (buffer, written) in self.buffers.take() {
            let held = Extent {
                start: buffer.bytes().as_ptr().addr(),
                len: written.len(),
                root,
            };
            drop(buffer);
            session.given_up(scrub, &[held]);
        }
        for (number, boxed) in self.boxes.take() {
            session.lives.retain(|live| !is(live.content, number));
            session.expected.push(number);
            drop(boxed);
        }
        // In the order of their opening, so those below end first.
        for (id, scope) in self.beside.take() {
            close(id, scope, session);
        }
    }

    fn buffer(&self, op: &Op, session: &mut Session<'_>) -> Outcome {
        let mut buffers = self.buffers.borrow_mut();
        let count = buffers.len();
        let (Op::BufferWrite { which, .. }
        | Op::BufferFormat { which, .. }
        | Op::BufferReserve { which, .. }
        | Op::BufferFinish { which }) = *op
        else {
            if count < 4 {
                buffers.push((self.arena.buffer(), Vec::new()));
            }
            return Outcome::Done(count as u32);
        };
        let Some(index) = usize::from(which).checked_rem(count) else {
            return Outcome::Skipped;
        };
        let (buffer, written) = &mut buffers[index];
        let result = match *op {
            Op::BufferWrite { len, times, .. } => (0..=times).try_for_each(|_| {
                let bytes = &TABLE[usize::from(which)..][..len.min(4_096)];
                buffer.push(bytes).map(|()| written.extend(bytes))
            }),
            Op::BufferFormat { number, .. } => {
                let result = buffer.write_fmt(format_args!("<{number:>8}|{number:b}>"));
                if result.is_err() {
                    // What was written until then is there still.
                    let whole = alloc::format!("<{number:>8}|{number:b}>");
                    let more = &buffer.bytes()[written.len()..];
                    assert!(whole.as_bytes().starts_with(more));
                    written.extend(more);
                } else {
                    written.extend(alloc::format!("<{number:>8}|{number:b}>").into_bytes());
                }
                result
            }
            Op::BufferReserve { more, .. } => buffer.reserve(more),
            _ => {
                let (buffer, written) = buffers.remove(index);
                let bytes = buffer.finish();
                assert_eq!(bytes, written, "what was written to a buffer");
                let layout = Layout::array::<u8>(bytes.len()).expect("a few bytes");
                return session.made(self.id, NonNull::from(bytes).cast(), layout);
            }
        };
        let root = session.model(self.id).root;
        let bytes = buffer.bytes();
        session.handed_out(root, bytes.as_ptr().addr(), bytes.len());
        match result {
            Ok(()) => Outcome::at(bytes.as_ptr().addr()),
            Err(error) => Outcome::error(error),
        }
    }

    fn boxed(&self, op: &Op, session: &mut Session<'_>) -> Outcome {
        let mut boxes = self.boxes.borrow_mut();
        let (Op::Disown { which } | Op::IntoInner { which }) = *op else {
            let value = session.counted();
            let number = value.number;
            return match self.arena.alloc_owned(value) {
                Ok(boxed) => {
                    let at = NonNull::from(&*boxed).cast();
                    boxes.push((number, boxed));
                    let layout = Layout::new::<Counted>();
                    session.keep(self.id, at, layout, Content::Counted(number))
                }
                Err(error) => {
                    session.expected.push(number);
                    Outcome::error(error)
                }
            };
        };
        let Some(index) = usize::from(which).checked_rem(boxes.len()) else {
            return Outcome::Skipped;
        };
        let (number, boxed) = boxes.remove(index);
        session.lives.retain(|live| !is(live.content, number));
        if let Op::IntoInner { .. } = op {
            let value = boxed.into_inner();
            assert_eq!(
                *session.log.borrow(),
                session.expected,
                "moved, and dropped"
            );
            assert_eq!(value.number, number);
        }
        session.expected.push(number);
        Outcome::Done(number)
    }

    fn side(&self, op: &Op, session: &mut Session<'_>) -> Outcome {
        let mut beside = self.beside.borrow_mut();
        let (Op::CloseBeside { which } | Op::ForgetBeside { which }) = *op else {
            if beside.len() < BESIDE {
                let scrub = session.model(self.id).scrub;
                let id = session.begin(Some(self.id), scrub);
                beside.push((id, self.arena.scope()));
                return Outcome::Done(id);
            }
            return Outcome::Skipped;
        };
        let Some(index) = usize::from(which).checked_rem(beside.len()) else {
            return Outcome::Skipped;
        };
        // From the middle too: nothing says in what order scopes end.
        let (id, scope) = beside.remove(index);
        if let Op::ForgetBeside { .. } = op {
            mem::forget(scope);
            session.model(id).open = false;
        } else {
            close(id, scope, session);
        }
        Outcome::Done(id)
    }
}

fn close<P: PageSource>(id: u32, scope: Scope<'_, P>, session: &mut Session<'_>) {
    let scrub = session.model(id).scrub;
    let gone = session.end(id);
    drop(scope);
    session.given_up(scrub, &gone);
}

fn is(content: Content, number: u32) -> bool {
    matches!(content, Content::Counted(other) if other == number)
}

/// How many arenas there are to choose from, here and below.
fn count<P: PageSource>(level: &dyn Open<P>) -> usize {
    level.doors() + level.below().map_or(0, count)
}

fn defer<P: PageSource>(arena: &Arena<P>, id: u32, session: &mut Session<'_>) -> Outcome {
    let value = session.counted();
    let number = value.number;
    match arena.alloc_deferred(value) {
        Ok(value) => {
            session.model(id).deferred.push(number);
            let at = NonNull::from(value).cast();
            session.keep(id, at, Layout::new::<Counted>(), Content::Counted(number))
        }
        Err(error) => {
            session.expected.push(number);
            Outcome::error(error)
        }
    }
}

impl<P: PageSource> Open<P> for Level<'_, '_, P> {
    fn below(&self) -> Option<&dyn Open<P>> {
        self.below
    }

    fn doors(&self) -> usize {
        1 + self.beside.borrow().len()
    }

    fn act(&self, door: usize, op: &Op, session: &mut Session<'_>) -> (u32, Outcome) {
        match op {
            Op::Foreign => {
                (session.disturb)();
                return (self.id, Outcome::Done(0));
            }
            Op::BufferOpen
            | Op::BufferWrite { .. }
            | Op::BufferFormat { .. }
            | Op::BufferReserve { .. }
            | Op::BufferFinish { .. } => return (self.id, self.buffer(op, session)),
            Op::Own | Op::Disown { .. } | Op::IntoInner { .. } => {
                return (self.id, self.boxed(op, session));
            }
            Op::OpenBeside | Op::CloseBeside { .. } | Op::ForgetBeside { .. } => {
                return (self.id, self.side(op, session));
            }
            _ => {}
        }
        let beside = self.beside.borrow();
        let (id, arena): (u32, &Arena<P>) = match door.checked_sub(1) {
            None => (self.id, self.arena),
            Some(index) => (beside[index].0, &beside[index].1),
        };
        let outcome = match op {
            Op::Defer => defer(arena, id, session),
            Op::OpenReserve => {
                arena.open_reserve();
                session.open_reserve(id);
                Outcome::Done(0)
            }
            _ => act::allocate(arena, id, op, session),
        };
        (id, outcome)
    }

    fn resize(&self, index: usize, op: &Op, session: &mut Session<'_>) -> Option<Outcome> {
        let arena = session.lives[index].arena;
        if arena == self.id {
            return Some(resize::resize(self.arena, index, op, session));
        }
        let beside = self.beside.borrow();
        let (_, scope) = beside.iter().find(|(id, _)| *id == arena)?;
        Some(resize::resize::<P>(scope, index, op, session))
    }

    fn survey(&self, session: &mut Session<'_>, into: &mut Survey) {
        into.usages.push((self.id, self.arena.usage()));
        let mut lent = 0;
        for (id, scope) in self.beside.borrow().iter() {
            into.usages.push((*id, scope.usage()));
            lent += scope.usage().committed;
        }
        assert!(
            self.arena.used() >= lent,
            "scopes have more than they were lent"
        );
        assert_eq!(self.arena.used(), self.arena.usage().used);
        assert_eq!(
            self.arena.total_allocated(),
            self.arena.usage().total_allocated
        );
        let root = session.model(self.id).root;
        for (buffer, written) in self.buffers.borrow().iter() {
            assert_eq!(buffer.bytes(), written, "what was written to a buffer");
            into.extents.push(Extent {
                start: buffer.bytes().as_ptr().addr(),
                len: written.len(),
                root,
            });
        }
        if let Some(below) = self.below {
            below.survey(session, into);
        }
    }
}
