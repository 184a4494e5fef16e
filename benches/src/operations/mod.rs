//! How many operations an allocation has, read off the wasm.
//!
//! Each function that the guest exports for this is walked as a graph of its
//! instructions. What is looked for is the way from entry to return with the
//! fewest operations that contains no call, and at least one store: an allocation
//! that happened has moved a cursor, so a way without a store is an answer
//! without an allocation, such as the one for zero bytes.
//!
//! Operations are what a processor has to do something for: loads, stores,
//! arithmetic, comparisons and branches, taken or not. Constants, locals, labels,
//! unconditional branches and returns are not, since a compiler makes nothing of
//! them or places them. A branch that is never taken on that way counts; what lies
//! behind it does not.

mod instruction;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use serde::Serialize;
use wasmparser::{
    BinaryReaderError, ExternalKind, FunctionBody, KnownCustom, Name, Operator, Parser, Payload,
    TypeRef,
};

use self::instruction::{Kind, kind, mnemonic};

/// The operations of one way through a function.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Operations {
    /// All of them.
    pub operations: usize,
    /// Loads from memory, and reads of globals.
    pub loads: usize,
    /// Stores to memory, and writes of globals.
    pub stores: usize,
    /// Arithmetic and logic.
    pub arithmetic: usize,
    /// Comparisons.
    pub compares: usize,
    /// Conditional branches and selections.
    pub branches: usize,
    /// What they are, in order.
    pub path: Vec<String>,
}

impl Operations {
    fn count(&mut self, kind: Kind, name: &str) {
        let counter = match kind {
            Kind::Load => &mut self.loads,
            Kind::Store => &mut self.stores,
            Kind::Arithmetic => &mut self.arithmetic,
            Kind::Compare => &mut self.compares,
            Kind::Branch => &mut self.branches,
            Kind::Free => return,
        };
        *counter += 1;
        self.operations += 1;
        self.path.push(name.to_owned());
    }
}

/// What the walk of a function found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FastPath {
    /// The shortest way without a call.
    Found(Operations),
    /// Every way that stores something calls another function.
    Calls,
}

/// The functions of a module.
#[derive(Debug)]
pub struct Functions {
    exported: HashMap<String, Vec<Step>>,
    /// All that have a name, exported or not. Names may occur more than once.
    named: Vec<(String, Vec<Step>)>,
}

/// One instruction.
#[derive(Debug)]
struct Step {
    name: String,
    kind: Kind,
    /// Writes to memory.
    stores: bool,
    /// What may come next, by number. Empty after a trap, and for calls, which no
    /// way that is looked for contains.
    next: Vec<usize>,
}

/// What comes after the last instruction of a function.
const RETURN: usize = usize::MAX;

impl Functions {
    /// Reads a module.
    ///
    /// # Errors
    /// Where it is no valid module.
    pub fn parse(module: &[u8]) -> Result<Self, BinaryReaderError> {
        let mut imported = 0;
        let mut exported = Vec::new();
        let mut named = Vec::new();
        let mut bodies = Vec::new();
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        if matches!(import?.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)) {
                            imported += 1;
                        }
                    }
                }
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let export = export?;
                        if export.kind == ExternalKind::Func {
                            exported.push((export.name.to_owned(), export.index as usize));
                        }
                    }
                }
                Payload::CodeSectionEntry(body) => bodies.push(body),
                Payload::CustomSection(section) => {
                    if let KnownCustom::Name(names) = section.as_known() {
                        for name in names {
                            if let Name::Function(functions) = name? {
                                for function in functions {
                                    let function = function?;
                                    named.push((function.name.to_owned(), function.index as usize));
                                }
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        // An import that is exported again has no body here.
        let with_steps = |(name, index): (String, usize)| {
            let body = index.checked_sub(imported).and_then(|at| bodies.get(at))?;
            Some(steps(body).map(|steps| (name, steps)))
        };
        Ok(Self {
            exported: exported
                .into_iter()
                .filter_map(with_steps)
                .collect::<Result<_, _>>()?,
            named: named
                .into_iter()
                .filter_map(with_steps)
                .collect::<Result<_, _>>()?,
        })
    }

    /// The exported names that start with `prefix`.
    pub fn names(&self, prefix: &str) -> impl Iterator<Item = &str> {
        self.exported
            .keys()
            .map(String::as_str)
            .filter(move |name| name.starts_with(prefix))
    }

    /// The shortest way through an exported function. None where it is not there.
    pub fn fast_path(&self, name: &str) -> Option<FastPath> {
        Some(shortest(self.exported.get(name)?))
    }

    /// For each function with `part` in its name, exported or not, the shortest way
    /// round each of its loops, where there is one without a call.
    pub fn rounds(&self, part: &str) -> Vec<Vec<Operations>> {
        let functions = self.named.iter().filter(|(name, _)| name.contains(part));
        functions.map(|(_, steps)| rounds(steps)).collect()
    }
}

/// The shortest way from entry to return that stores something.
fn shortest(steps: &[Step]) -> FastPath {
    let found = way(steps, 0, |next, stored| next == RETURN && stored);
    found.map_or(FastPath::Calls, FastPath::Found)
}

/// The shortest way from the start of each loop back to it.
fn rounds(steps: &[Step]) -> Vec<Operations> {
    let loops = (0..steps.len()).filter(|&at| steps[at].name == "loop");
    loops
        .filter_map(|at| way(steps, at + 1, |next, _| next == at + 1))
        .collect()
}

/// Dijkstra's algorithm. A node is an instruction, and whether something was
/// stored on the way to it; one more is where the way is to end, which `is_goal`
/// tells by what comes next and whether something was stored by then.
fn way(steps: &[Step], start: usize, is_goal: impl Fn(usize, bool) -> bool) -> Option<Operations> {
    let goal = 2 * steps.len();
    let mut best = vec![usize::MAX; goal + 1];
    let mut came_from = vec![None; goal + 1];
    let mut queue = BinaryHeap::from([Reverse((0, 2 * start))]);
    while let Some(Reverse((cost, from))) = queue.pop() {
        let Some(step) = steps.get(from / 2) else {
            return Some(walked(steps, &came_from));
        };
        if cost > best[from] {
            continue;
        }
        let cost = cost + usize::from(step.kind != Kind::Free);
        let stored = from % 2 == 1 || step.stores;
        for &next in &step.next {
            let to = match next {
                next if is_goal(next, stored) => goal,
                RETURN => continue,
                next => 2 * next + usize::from(stored),
            };
            if best.get(to).is_some_and(|&known| cost < known) {
                best[to] = cost;
                came_from[to] = Some(from);
                queue.push(Reverse((cost, to)));
            }
        }
    }
    None
}

/// The operations on the way to the last node.
fn walked(steps: &[Step], came_from: &[Option<usize>]) -> Operations {
    let before = |node: usize| came_from.get(node).copied().flatten();
    let mut nodes: Vec<_> =
        std::iter::successors(before(2 * steps.len()), |&at| before(at)).collect();
    nodes.reverse();
    let mut operations = Operations::default();
    for step in nodes.iter().filter_map(|node| steps.get(node / 2)) {
        operations.count(step.kind, &step.name);
    }
    operations
}

/// A block that is open.
struct Label {
    /// Where a branch to it leads.
    target: usize,
    /// Where it ends.
    end: usize,
}

/// The instructions of a function with what may follow each.
fn steps(body: &FunctionBody<'_>) -> Result<Vec<Step>, BinaryReaderError> {
    let operators: Vec<Operator<'_>> = body
        .get_operators_reader()?
        .into_iter()
        .collect::<Result<_, _>>()?;
    let (ends, elses) = matching(&operators);
    // The function itself is a block too.
    let mut labels = vec![Label {
        target: RETURN,
        end: RETURN,
    }];
    let mut steps = Vec::with_capacity(operators.len());
    for (at, operator) in operators.iter().enumerate() {
        let end = ends.get(&at).copied().unwrap_or(RETURN);
        let branch = |labels: &[Label], depth: u32| {
            let depth = depth as usize + 1;
            labels
                .len()
                .checked_sub(depth)
                .map_or(RETURN, |label| labels[label].target)
        };
        let next = match operator {
            Operator::Block { .. } => {
                labels.push(Label {
                    target: end + 1,
                    end,
                });
                vec![at + 1]
            }
            Operator::Loop { .. } => {
                labels.push(Label {
                    target: at + 1,
                    end,
                });
                vec![at + 1]
            }
            Operator::If { .. } => {
                let otherwise = elses.get(&at).map_or(end, |&at| at + 1);
                labels.push(Label {
                    target: end + 1,
                    end,
                });
                vec![at + 1, otherwise]
            }
            // Where the first half of an `if` ends.
            Operator::Else => vec![labels.last().map_or(RETURN, |label| label.end)],
            Operator::End => {
                labels.pop();
                vec![if labels.is_empty() { RETURN } else { at + 1 }]
            }
            Operator::Br { relative_depth } => vec![branch(&labels, *relative_depth)],
            Operator::BrIf { relative_depth } => vec![at + 1, branch(&labels, *relative_depth)],
            Operator::BrTable { targets } => {
                let mut next = vec![branch(&labels, targets.default())];
                for target in targets.targets() {
                    next.push(branch(&labels, target?));
                }
                next
            }
            Operator::Return => vec![RETURN],
            Operator::Unreachable
            | Operator::Call { .. }
            | Operator::CallIndirect { .. }
            | Operator::CallRef { .. }
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::ReturnCallRef { .. }
            // Growing memory is a call, whatever it looks like.
            | Operator::MemoryGrow { .. } => Vec::new(),
            _ => vec![at + 1],
        };
        let name = mnemonic(operator);
        let kind = kind(operator, &name);
        steps.push(Step {
            stores: kind == Kind::Store && !matches!(operator, Operator::GlobalSet { .. }),
            name,
            kind,
            next,
        });
    }
    Ok(steps)
}

/// For each block its end, and for each `if` its `else`, by number.
fn matching(operators: &[Operator<'_>]) -> (HashMap<usize, usize>, HashMap<usize, usize>) {
    let (mut ends, mut elses) = (HashMap::new(), HashMap::new());
    let mut open = Vec::new();
    for (at, operator) in operators.iter().enumerate() {
        match operator {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => open.push(at),
            Operator::Else => {
                if let Some(&start) = open.last() {
                    elses.insert(start, at);
                }
            }
            Operator::End => {
                if let Some(start) = open.pop() {
                    ends.insert(start, at);
                }
            }
            _ => {}
        }
    }
    (ends, elses)
}
