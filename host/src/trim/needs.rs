//! What is reached from the exports that are kept.

use std::collections::{HashMap, HashSet};

use super::Parts;
use super::items::{Args, At, Item, Items, PerSpace, Space};
use super::module::{Effect, Kept, Module};

/// What has to stay of a component.
pub(super) struct Needs<'i, 'a> {
    items: &'i Items<'a>,
    live: PerSpace<Vec<bool>>,
    /// The exports that are used of each core instance.
    used: Vec<HashSet<&'a str>>,
    /// The functions of each core instance that are reached. None of one that is not needed.
    reached: Vec<Option<Vec<bool>>>,
    /// How often each module is instantiated.
    instances: HashMap<u32, u32>,
    /// The instances whose table only [fillers](Module::is_filler) have besides them, and
    /// the entries of it that are called.
    tables: HashMap<u32, HashSet<u32>>,
    /// Items of which nobody has looked yet at what they need.
    open: Vec<Open<'a>>,
}

/// Something that is needed, for the first time.
enum Open<'a> {
    Item(At),
    /// An export of a core instance.
    Export(u32, &'a str),
    /// A function of a core instance.
    Function(u32, u32),
}

impl<'i, 'a> Needs<'i, 'a> {
    /// None where the component refers to something that it has not.
    pub(super) fn of(items: &'i Items<'a>) -> Option<Self> {
        let core = items.all(Space::CoreInstance).len();
        let mut needs = Self {
            items,
            live: PerSpace::default(),
            used: vec![HashSet::new(); core],
            reached: vec![None; core],
            instances: HashMap::new(),
            tables: HashMap::new(),
            open: Vec::new(),
        };
        for (_, module, _) in items.instances() {
            *needs.instances.entry(module).or_default() += 1;
        }
        needs.tables = needs.plain_tables()?;
        for root in &items.roots {
            needs.need(*root);
        }
        needs.settle()?;
        while needs.effects()? {
            needs.settle()?;
        }
        Some(needs)
    }

    pub(super) fn is_live(&self, at: At) -> bool {
        let live = self.live.get(at.space);
        live.get(at.index as usize) == Some(&true)
    }

    /// Whether export `name` of core instance `instance` is used.
    pub(super) fn uses(&self, instance: u32, name: &str) -> bool {
        let used = self.used.get(instance as usize);
        used.is_some_and(|names| names.contains(name))
    }

    /// What is kept of module `index`. None where it is all.
    pub(super) fn kept(&self, index: u32) -> Option<Kept<'a>> {
        if self.instances.get(&index) != Some(&1) {
            return None;
        }
        let mut instances = self.items.instances();
        let (instance, ..) = instances.find(|(_, module, _)| *module == index)?;
        Some(Kept {
            functions: self.reached.get(instance as usize)?.clone()?,
            exports: self.used.get(instance as usize)?.clone(),
        })
    }

    /// What each instance of the component consists of.
    pub(super) fn parts(&self) -> Option<Parts> {
        let mut parts = Parts {
            modules: 0,
            imports: 0,
        };
        for (instance, module, _) in self.items.instances() {
            let Some(reached) = self.reached.get(instance as usize)? else {
                continue;
            };
            let module = self.items.module(module)?;
            let left_out = (0..)
                .zip(reached)
                .filter(|(function, reached)| !**reached && module.import_of(*function).is_some());
            parts.modules += 1;
            parts.imports += module.imports.len() - left_out.count();
        }
        Some(parts)
    }

    fn need(&mut self, at: At) {
        let live = self.live.get_mut(at.space);
        let index = at.index as usize;
        if live.len() <= index {
            // Whether there is such an item shows when it is looked at.
            let all = self.items.all(at.space).len();
            if index >= all {
                self.open.push(Open::Item(at));
                return;
            }
            live.resize(all, false);
        }
        if !std::mem::replace(&mut live[index], true) {
            self.open.push(Open::Item(at));
        }
    }

    fn use_export(&mut self, instance: u32, name: &'a str) -> Option<()> {
        self.need(At::new(Space::CoreInstance, instance));
        if self.used.get_mut(instance as usize)?.insert(name) {
            self.open.push(Open::Export(instance, name));
        }
        Some(())
    }

    fn reach(&mut self, instance: u32, function: u32) -> Option<()> {
        let reached = self.reached.get_mut(instance as usize)?.as_mut()?;
        if !std::mem::replace(reached.get_mut(function as usize)?, true) {
            self.open.push(Open::Function(instance, function));
        }
        Some(())
    }

    /// Looks at everything that is needed, until there is nothing new.
    fn settle(&mut self) -> Option<()> {
        while let Some(open) = self.open.pop() {
            match open {
                Open::Item(at) => self.item(at)?,
                Open::Export(instance, name) => self.export(instance, name)?,
                Open::Function(instance, function) => self.function(instance, function)?,
            }
        }
        Some(())
    }

    fn item(&mut self, at: At) -> Option<()> {
        let items = self.items;
        match items.get(at)? {
            Item::Import => {}
            Item::OfCore { instance, name } => self.use_export(*instance, name)?,
            Item::Of { instance } => self.need(At::new(Space::Instance, *instance)),
            Item::Canonical { needs } | Item::Instance { needs } => {
                for need in needs {
                    self.need(*need);
                }
            }
            Item::CoreInstance { module, args } => {
                self.instantiated(at.index, *module, args)?;
            }
            // By the names that are used of it.
            Item::CoreBag(_) => {}
            Item::Export { of, .. } => self.need(*of),
        }
        Some(())
    }

    /// An instance of a module is needed, whatever is used of it.
    fn instantiated(&mut self, instance: u32, module: u32, args: &Args<'a>) -> Option<()> {
        let alone = self.instances.get(&module) == Some(&1);
        let module = self.items.module(module)?;
        let reached = self.reached.get_mut(instance as usize)?;
        if reached.is_some() {
            // It was looked at when one of its exports was needed.
            return Some(());
        }
        *reached = Some(vec![false; module.functions()]);
        let by_entry = module.is_filler() && self.filled_by(instance)?.is_some();
        if !by_entry {
            for function in &module.roots {
                self.reach(instance, *function)?;
            }
        }
        if !alone {
            for function in 0..u32::try_from(module.functions()).ok()? {
                self.reach(instance, function)?;
            }
        }
        for import in &module.imports {
            if import.space != Space::CoreFunc {
                self.use_export(*args.get(import.module)?, import.name)?;
            }
        }
        Some(())
    }

    fn export(&mut self, instance: u32, name: &'a str) -> Option<()> {
        let items = self.items;
        match items.get(At::new(Space::CoreInstance, instance))? {
            Item::CoreInstance { module, .. } => {
                let module = items.module(*module)?;
                if let Some(function) = module.exported_function(name) {
                    self.item(At::new(Space::CoreInstance, instance))?;
                    self.reach(instance, function)?;
                }
            }
            Item::CoreBag(exports) => {
                self.need(*exports.get(name)?);
            }
            _ => return None,
        }
        Some(())
    }

    fn function(&mut self, instance: u32, function: u32) -> Option<()> {
        let items = self.items;
        let at = At::new(Space::CoreInstance, instance);
        let Item::CoreInstance { module, args } = items.get(at)? else {
            return None;
        };
        let module = items.module(*module)?;
        if let Some(import) = module.import_of(function) {
            return self.use_export(*args.get(import.module)?, import.name);
        }
        for other in module.refers_to(function)? {
            self.reach(instance, *other)?;
        }
        if let Some(called) = self.tables.get_mut(&instance) {
            called.extend(module.calls(function));
        }
        Some(())
    }

    /// The instances whose table only fillers have besides them, with nothing called yet.
    fn plain_tables(&self) -> Option<HashMap<u32, HashSet<u32>>> {
        let mut plain = HashMap::new();
        for (instance, module, _) in self.items.instances() {
            let alone = self.instances.get(&module) == Some(&1);
            if alone && self.items.module(module)?.plain_table {
                plain.insert(instance, HashSet::new());
            }
        }
        for (_, module, args) in self.items.instances() {
            let alone = self.instances.get(&module) == Some(&1);
            let module = self.items.module(module)?;
            for import in &module.imports {
                if import.space == Space::CoreTable && !(alone && module.is_filler()) {
                    let owner = self.owner(*args.get(import.module)?, import.name)?;
                    plain.remove(&owner);
                }
            }
        }
        Some(plain)
    }

    /// The instance whose table instance `filler` fills, where that is one whose entries are
    /// needed one by one.
    fn filled_by(&self, filler: u32) -> Option<Option<u32>> {
        let items = self.items;
        let (_, module, args) = items.instances().find(|(index, ..)| *index == filler)?;
        let mut imports = items.module(module)?.imports.iter();
        let table = imports.find(|import| import.space == Space::CoreTable)?;
        let owner = self.owner(*args.get(table.module)?, table.name)?;
        Some(self.tables.contains_key(&owner).then_some(owner))
    }

    /// Needs the instances of which something would be noticed that is not left out.
    /// Whether there are any.
    fn effects(&mut self) -> Option<bool> {
        let items = self.items;
        let mut more = false;
        for (index, module, args) in items.instances() {
            let at = At::new(Space::CoreInstance, index);
            let module = items.module(module)?;
            if module.is_filler()
                && let Some(owner) = self.filled_by(index)?
            {
                more |= self.fill(index, module, owner)?;
                continue;
            }
            if self.is_live(at) {
                continue;
            }
            let noticed = match &module.effect {
                Effect::None => false,
                Effect::Any => true,
                Effect::Tables(tables) => {
                    let mut owners = Vec::new();
                    for (module, name) in tables {
                        owners.push(self.owner(*args.get(module)?, name)?);
                    }
                    let live = |owner| self.is_live(At::new(Space::CoreInstance, owner));
                    owners.into_iter().any(live)
                }
            };
            if noticed {
                self.need(at);
                more = true;
            }
        }
        Some(more)
    }

    /// Needs of a filler what it puts into entries that are called. Whether that is more
    /// than before.
    fn fill(&mut self, filler: u32, module: &Module<'a>, owner: u32) -> Option<bool> {
        let mut more = false;
        for (entry, function) in module.filled() {
            let called = self.tables.get(&owner)?.contains(&entry);
            let reached = self.reached.get(filler as usize)?.as_ref();
            let reached = reached.and_then(|reached| reached.get(function as usize));
            if called && reached != Some(&true) {
                self.need(At::new(Space::CoreInstance, filler));
                // Its functions are known from here on.
                self.item(At::new(Space::CoreInstance, filler))?;
                self.reach(filler, function)?;
                more = true;
            }
        }
        Some(more)
    }

    /// The instance of a module whose table `name` of `instance` is. None also where it is
    /// not known: of one that exports a table that it imports.
    fn owner(&self, mut instance: u32, mut name: &'a str) -> Option<u32> {
        loop {
            let exports = match self.items.get(At::new(Space::CoreInstance, instance))? {
                Item::CoreBag(exports) => exports,
                Item::CoreInstance { module, .. } => {
                    let own = self.items.module(*module)?.has_table(name);
                    return own.then_some(instance);
                }
                _ => return None,
            };
            match self.items.get(*exports.get(name)?)? {
                // Each refers to what came before it, or the component is not valid.
                Item::OfCore {
                    instance: from,
                    name: there,
                } if *from < instance => (instance, name) = (*from, there),
                _ => return None,
            }
        }
    }
}
