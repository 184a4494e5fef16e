//! Which memories an instance of a component has, in the order in which they come
//! to be.
//!
//! An instance is made step by step, as its component has it, and an instance within
//! it from its first step to its last before the next step. Whenever this makes an
//! instance of a core module, the memories come to be that the module does not
//! import.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use super::structure::{Index, Item, Sort, Structure};

/// Steps that are followed, and memories that are made. A component with more is not
/// loaded (`unfold`), and one instance has far fewer.
const MAX_STEPS: usize = 1_000_000;

/// What an instance of a component counts for, by what it takes to follow it.
const FRAME: usize = 10;

/// A memory, by the core module that an instance of has made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    /// The module's place among those of the file.
    pub(super) module: usize,
    /// The memory's number in it.
    pub(super) memory: usize,
}

/// The memories of an instance of it, up to the first that cannot be told.
pub(super) fn memories(structure: &Structure<'_>) -> Vec<Origin> {
    let mut instances = Instances {
        structure,
        frames: Vec::new(),
        exports: Vec::new(),
        memories: Vec::new(),
        steps: 0,
    };
    // What is not known ends it, and leaves what is.
    let _ = instances.make();
    instances.memories
}

/// What a number of a component stands for.
#[derive(Debug, Clone, Copy)]
enum Thing {
    /// By its place in the file.
    Module(usize),
    /// By its place in the file, and the frame of the component around it.
    Component(usize, Option<usize>),
    /// By what it exports: a place in `Instances::exports`.
    Instance(usize),
    /// It comes from outside, so that it can be anything.
    Unknown,
}

/// What goes by these names.
type Things<'a> = BTreeMap<&'a str, Thing>;

/// An instance of a component, as far as it is made.
struct Frame<'a> {
    component: usize,
    /// The frame that numbers of further out are of.
    around: Option<usize>,
    next: usize,
    given: Things<'a>,
    modules: Vec<Thing>,
    components: Vec<Thing>,
    instances: Vec<Thing>,
    exports: Things<'a>,
}

impl Frame<'_> {
    fn numbered(&mut self, sort: Sort) -> &mut Vec<Thing> {
        match sort {
            Sort::Module => &mut self.modules,
            Sort::Component => &mut self.components,
            Sort::Instance => &mut self.instances,
        }
    }

    fn get(&self, index: Index) -> Option<Thing> {
        let numbered = match index.sort {
            Sort::Module => &self.modules,
            Sort::Component => &self.components,
            Sort::Instance => &self.instances,
        };
        numbered.get(index.number).copied()
    }
}

struct Instances<'a, 's> {
    structure: &'s Structure<'a>,
    /// All that were begun. They stay, since components within them refer to them.
    frames: Vec<Frame<'a>>,
    exports: Vec<Things<'a>>,
    memories: Vec<Origin>,
    steps: usize,
}

impl<'a> Instances<'a, '_> {
    /// Makes the whole. `None` where something is not known, or does not exist.
    fn make(&mut self) -> Option<()> {
        // Those that are being made, each by the one before.
        let mut making = vec![self.begin(0, None, Things::new())];
        while let Some(&at) = making.last() {
            let frame = self.frames.get_mut(at)?;
            let component = self.structure.components.get(frame.component)?;
            let Some(item) = component.get(frame.next) else {
                making.pop();
                let exports = std::mem::take(&mut frame.exports);
                if let Some(outer) = making.last() {
                    let made = self.instance(exports);
                    self.frames.get_mut(*outer)?.instances.push(made);
                }
                continue;
            };
            frame.next += 1;
            self.count(1)?;
            if let Some(within) = self.step(at, item)? {
                making.push(within);
            }
        }
        Some(())
    }

    /// Takes a step of a frame. Returns another one where that has to be made first.
    fn step(&mut self, at: usize, item: &Item<'a>) -> Option<Option<usize>> {
        let frame = self.frames.get_mut(at)?;
        match *item {
            Item::Module(module) => frame.modules.push(Thing::Module(module)),
            Item::Component(component) => {
                let component = Thing::Component(component, Some(at));
                frame.components.push(component);
            }
            Item::Import(sort, name) => {
                let given = frame.given.get(name).copied();
                frame.numbered(sort).push(given.unwrap_or(Thing::Unknown));
            }
            Item::Outer(out, index) => {
                self.count(out)?;
                let mut from = at;
                for _ in 0..out {
                    from = self.frames.get(from)?.around?;
                }
                let thing = self.frames.get(from)?.get(index)?;
                self.frames.get_mut(at)?.numbered(index.sort).push(thing);
            }
            Item::Taken {
                sort,
                instance,
                name,
            } => {
                let thing = match frame.instances.get(instance)? {
                    Thing::Instance(exports) => *self.exports.get(*exports)?.get(name)?,
                    _ => Thing::Unknown,
                };
                frame.numbered(sort).push(thing);
            }
            Item::Instance(component, ref args) => {
                let Thing::Component(component, around) = *frame.components.get(component)? else {
                    return None;
                };
                let given = self.things(at, args)?;
                self.count(FRAME)?;
                return Some(Some(self.begin(component, around, given)));
            }
            Item::Group(ref exports) => {
                let exports = self.things(at, exports)?;
                let group = self.instance(exports);
                self.frames.get_mut(at)?.instances.push(group);
            }
            Item::Export(name, index) => {
                let thing = frame.get(index)?;
                frame.exports.insert(name, thing);
                frame.numbered(index.sort).push(thing);
            }
            Item::CoreInstance(module) => {
                let Thing::Module(place) = *frame.modules.get(module)? else {
                    return None;
                };
                self.instance_of(place)?;
            }
        }
        Some(None)
    }

    /// Makes the memories of an instance of a core module.
    fn instance_of(&mut self, place: usize) -> Option<()> {
        let module = self.structure.modules.get(place)?;
        if module.shares_memory() {
            return None;
        }
        let own = module.own_memories();
        self.count(own.len())?;
        self.memories.extend(own.map(|memory| Origin {
            module: place,
            memory,
        }));
        Some(())
    }

    fn begin(&mut self, component: usize, around: Option<usize>, given: Things<'a>) -> usize {
        self.frames.push(Frame {
            component,
            around,
            next: 0,
            given,
            modules: Vec::new(),
            components: Vec::new(),
            instances: Vec::new(),
            exports: Things::new(),
        });
        self.frames.len() - 1
    }

    fn instance(&mut self, exports: Things<'a>) -> Thing {
        self.exports.push(exports);
        Thing::Instance(self.exports.len() - 1)
    }

    fn things(&mut self, at: usize, named: &[(&'a str, Index)]) -> Option<Things<'a>> {
        self.count(named.len())?;
        let frame = self.frames.get(at)?;
        let things = named.iter();
        things
            .map(|(name, index)| Some((*name, frame.get(*index)?)))
            .collect()
    }

    fn count(&mut self, steps: usize) -> Option<()> {
        self.steps = self.steps.saturating_add(steps);
        (self.steps <= MAX_STEPS).then_some(())
    }
}
