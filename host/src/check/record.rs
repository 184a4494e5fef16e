//! Keeps what a report shows of the memory over the requests.
//!
//! The map has a row for a page and a column for a request. Columns that are the same
//! are kept once, in runs of pages that are alike, so that a hundred thousand requests
//! of eight kinds take no more room than eight.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::fmt::Write;
use std::hash::Hash;

use super::names::Names;
use super::pages::{Before, PAGE, Page, Traces};
use super::regions::{Regions, Span};
use super::report::Region;
use super::sealed::Sealed;
use super::timeline::{Cell, Ended, Memory, Row, Timeline};
use super::watch::Remnant;

/// Requests of which a report keeps more than numbers. Of a longer run every second,
/// third, ... is kept.
const MOST_REQUESTS: u32 = 10_000;
/// Rows of the map. A larger memory has larger rows.
const MOST_ROWS: u64 = 1024;
/// Bytes of all columns together.
const MOST_BYTES: usize = 900 * 1024;

/// A column of the map, as runs of pages, one list for each memory.
type Column = Vec<Vec<(Cell, u32)>>;

/// Keeps the columns and rows of a run.
pub(super) struct Recorder<'a> {
    names: &'a dyn Names,
    home: usize,
    store: Regions,
    stack: Span,
    /// What the pages are, by memory: asked for once.
    regions: Vec<Vec<Region>>,
    step: u32,
    columns: Distinct<Column>,
    rows: Distinct<Row>,
    requests: Vec<(u32, u32)>,
    lengths: Vec<usize>,
}

/// What is told of a request besides what it did to memory.
pub(super) struct Told<'a> {
    pub(super) number: u32,
    pub(super) shape: usize,
    pub(super) ended: Ended,
    pub(super) status: Option<u16>,
    pub(super) used: Option<u64>,
    pub(super) committed: Option<u64>,
    /// Where the guest says that its arena is.
    pub(super) blocks: &'a [Span],
    pub(super) remnants: &'a [Remnant],
}

impl<'a> Recorder<'a> {
    /// Of a run of so many requests.
    pub(super) fn new(names: &'a dyn Names, sealed: Option<&Sealed>, requests: u32) -> Self {
        let store = sealed.map(|sealed| sealed.store.clone());
        Self {
            names,
            home: sealed.map_or(0, |sealed| sealed.home),
            store: store.unwrap_or_default(),
            stack: sealed.map_or(0..0, |sealed| sealed.stack.clone()),
            regions: Vec::new(),
            step: requests.div_ceil(MOST_REQUESTS).max(1),
            columns: Distinct::default(),
            rows: Distinct::default(),
            requests: Vec::new(),
            lengths: Vec::new(),
        }
    }

    pub(super) fn hear(&mut self, told: &Told<'_>, traces: &Traces, memory: &Before) {
        for (number, &length) in traces.lengths.iter().enumerate() {
            match self.lengths.get_mut(number) {
                Some(longest) => *longest = length.max(*longest),
                None => self.lengths.push(length),
            }
        }
        // What is wrong is always shown.
        let wrong = !told.remnants.is_empty() || told.ended != Ended::Answer;
        if !(told.number - 1).is_multiple_of(self.step) && !wrong {
            return;
        }
        self.survey(&traces.lengths);
        let column = self.column(told, traces, memory);
        let row = Row {
            shape: told.shape as u32,
            ended: told.ended,
            status: told.status,
            used: told.used,
            committed: told.committed,
            memory: traces.lengths.iter().sum::<usize>() as u64,
            written: traces.written.len() as u32,
            left: traces.bytes_left,
            column: self.columns.number(column),
        };
        let row = self.rows.number(row);
        self.requests.push((told.number, row));
    }

    /// Finds out what pages are that were not there before.
    fn survey(&mut self, lengths: &[usize]) {
        self.regions
            .resize(lengths.len().max(self.regions.len()), Vec::new());
        for (memory, &length) in lengths.iter().enumerate() {
            for number in self.regions[memory].len()..length.div_ceil(PAGE) {
                let region = self.region_of(Page { memory, number });
                self.regions[memory].push(region);
            }
        }
    }

    fn region(&self, page: Page) -> Region {
        let pages = self.regions.get(page.memory);
        let region = pages.and_then(|pages| pages.get(page.number));
        region.copied().unwrap_or(Region::Heap)
    }

    fn column(&self, told: &Told<'_>, traces: &Traces, before: &Before) -> Column {
        let cells = |(memory, &length): (usize, &usize)| {
            let pages = length.div_ceil(PAGE);
            let mut cells = Vec::with_capacity(pages);
            for number in 0..pages {
                let page = Page { memory, number };
                cells.push(match self.region(page) {
                    Region::Image => Cell::Image,
                    _ if !before.is_filled(page) => Cell::Untouched,
                    Region::Stack => Cell::Stack,
                    Region::Statics => Cell::Statics,
                    _ => Cell::Heap,
                });
            }
            if memory == self.home {
                // Joined: a guest may name the same megabytes a million times.
                for block in told.blocks.iter().cloned().collect::<Regions>().iter() {
                    let last = block.end.div_ceil(PAGE).min(pages);
                    if let Some(block) = cells.get_mut(block.start / PAGE..last) {
                        block.fill(Cell::ArenaFree);
                    }
                }
            }
            let of_this = |page: &&Page| page.memory == memory && page.number < pages;
            for page in traces.written.iter().filter(of_this) {
                let cell = &mut cells[page.number];
                *cell = match *cell {
                    Cell::ArenaFree => Cell::ArenaUsed,
                    Cell::Untouched => match self.region(*page) {
                        Region::Stack => Cell::Stack,
                        Region::Statics => Cell::Statics,
                        _ => Cell::Heap,
                    },
                    other => other,
                };
            }
            // What a guest keeps for itself is not expected to be put back.
            let kept = |page: &&Page| self.region(**page) == Region::Image;
            for page in traces.left.iter().filter(of_this) {
                if !kept(&page) {
                    cells[page.number] = Cell::Dirty;
                }
            }
            for remnant in told.remnants {
                let page = Page::of(remnant.place);
                if of_this(&&page) {
                    cells[page.number] = Cell::Marker;
                }
            }
            runs(cells.into_iter())
        };
        traces.lengths.iter().enumerate().map(cells).collect()
    }

    /// What the beginning of a page is. An image may lie anywhere in it.
    fn region_of(&self, page: Page) -> Region {
        let bytes = page.number * PAGE..(page.number + 1) * PAGE;
        if page.memory == self.home {
            if self.store.meets(&bytes) {
                return Region::Image;
            }
            if self.stack.contains(&bytes.start) {
                return Region::Stack;
            }
        }
        self.names.region_of(page.place())
    }

    /// What there is to be drawn.
    pub(super) fn finish(self, shapes: Vec<String>, warm_up: u32) -> Timeline {
        let bytes: u64 = self.lengths.iter().map(|&length| length as u64).sum();
        let mut page = PAGE as u64;
        while bytes.div_ceil(page) > MOST_ROWS {
            page *= 2;
        }
        let columns = loop {
            let columns = self.drawn(page);
            let size: usize = columns.items.iter().map(String::len).sum();
            // A memory of one row is drawn, whatever it is like.
            if size <= MOST_BYTES || page >= bytes {
                break columns;
            }
            page *= 2;
        };
        let mut rows = Distinct::default();
        let row_numbers: Vec<u32> = self
            .rows
            .items
            .into_iter()
            .map(|row| {
                let column = columns.of.get(row.column as usize).copied();
                rows.number(Row {
                    column: column.unwrap_or(0),
                    ..row
                })
            })
            .collect();
        let renumbered = |(number, row): (u32, u32)| (number, row_numbers[row as usize]);
        Timeline {
            page,
            memories: self
                .lengths
                .iter()
                .map(|&length| Memory {
                    rows: (length as u64).div_ceil(page) as u32,
                    bytes: length as u64,
                })
                .collect(),
            shapes,
            warm_up,
            columns: columns.items,
            rows: rows.items,
            requests: self.requests.into_iter().map(renumbered).collect(),
        }
    }

    /// The columns with rows of so many bytes.
    fn drawn(&self, page: u64) -> Drawn {
        let pages = (page / PAGE as u64).max(1);
        let mut drawn = Distinct::default();
        let of = self.columns.items.iter().map(|column| {
            let mut cells = Vec::new();
            for (memory, &length) in self.lengths.iter().enumerate() {
                let rows = (length as u64).div_ceil(page) as usize;
                let mut of_memory = vec![Cell::Untouched; rows];
                let mut at = 0;
                for &(cell, count) in column.get(memory).map_or(&[][..], Vec::as_slice) {
                    let end = at + u64::from(count);
                    let covered = (at / pages) as usize..end.div_ceil(pages) as usize;
                    for row in &mut of_memory[covered] {
                        *row = cell.max(*row);
                    }
                    at = end;
                }
                cells.extend(of_memory);
            }
            let mut text = String::new();
            for (cell, count) in runs(cells.into_iter()) {
                text.push(cell.letter());
                if count > 1 {
                    // Writing to a string does not fail.
                    let _ = write!(text, "{count}");
                }
            }
            drawn.number(text)
        });
        let of = of.collect();
        Drawn {
            items: drawn.items,
            of,
        }
    }
}

/// Columns as they are drawn, and which of them each column has become.
struct Drawn {
    items: Vec<String>,
    of: Vec<u32>,
}

/// What follows each other and is the same, once with its number.
fn runs(cells: impl Iterator<Item = Cell>) -> Vec<(Cell, u32)> {
    let mut runs: Vec<(Cell, u32)> = Vec::new();
    for cell in cells {
        match runs.last_mut() {
            Some((last, count)) if *last == cell => *count += 1,
            _ => runs.push((cell, 1)),
        }
    }
    runs
}

/// Things of which each is kept once and has a number.
struct Distinct<T> {
    items: Vec<T>,
    numbers: HashMap<T, u32>,
}

impl<T> Default for Distinct<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            numbers: HashMap::new(),
        }
    }
}

impl<T: Clone + Eq + Hash> Distinct<T> {
    fn number(&mut self, item: T) -> u32 {
        if let Some(&number) = self.numbers.get(&item) {
            return number;
        }
        let number = self.items.len() as u32;
        self.items.push(item.clone());
        self.numbers.insert(item, number);
        number
    }
}

#[cfg(test)]
mod tests {
    use super::super::audit::Place;
    use super::*;

    const WASM_PAGE: usize = 64 * 1024;

    fn told(number: u32) -> Told<'static> {
        Told {
            number,
            shape: 0,
            ended: Ended::Answer,
            status: Some(200),
            used: Some(100),
            committed: None,
            blocks: &[],
            remnants: &[],
        }
    }

    fn page(number: usize) -> Page {
        Page { memory: 0, number }
    }

    fn traces(written: &[usize], left: &[usize], length: usize) -> Traces {
        Traces {
            written: written.iter().map(|&number| page(number)).collect(),
            left: left.iter().map(|&number| page(number)).collect(),
            first_left: None,
            bytes_left: left.len() as u64,
            lengths: vec![length],
        }
    }

    #[test]
    fn a_column_says_of_every_page_what_is_the_worst_of_it() {
        let mut memory = vec![0; WASM_PAGE];
        memory[PAGE] = 1;
        let before = Before::new(&[&memory]);
        let mut recorder = Recorder::new(&None, None, 10);
        let block = 4 * PAGE..8 * PAGE;
        let place = Place {
            memory: 0,
            offset: 15 * PAGE + 9,
        };
        let remnants = [Remnant {
            place,
            unique: None,
        }];
        let all = Told {
            blocks: std::slice::from_ref(&block),
            remnants: &remnants,
            ..told(1)
        };
        recorder.hear(&all, &traces(&[4, 5, 9], &[9, 10], WASM_PAGE), &before);
        recorder.hear(&told(2), &traces(&[], &[], WASM_PAGE), &before);
        let timeline = recorder.finish(vec!["GET /".to_owned()], 1);
        assert_eq!(timeline.page, PAGE as u64);
        assert_eq!(timeline.columns, [".h.2u2f2.d2.4m", ".h.14"]);
        assert_eq!(timeline.requests, [(1, 0), (2, 1)]);
        assert_eq!(timeline.rows[0].left, 2);
    }

    #[test]
    fn what_is_alike_is_kept_once() {
        let before = Before::new(&[&[0; WASM_PAGE]]);
        let mut recorder = Recorder::new(&None, None, 100_000);
        for number in 1..=100_000 {
            let written = [number as usize % 8];
            recorder.hear(&told(number), &traces(&written, &[], WASM_PAGE), &before);
        }
        let timeline = recorder.finish(Vec::new(), 0);
        assert_eq!(timeline.requests.len(), 10_000);
        assert!(timeline.columns.len() <= 8 && timeline.rows.len() <= 8);
    }

    #[test]
    fn a_map_that_would_be_large_is_drawn_coarser() {
        let before = Before::new(&[&[0; 64 * WASM_PAGE]]);
        let length = 64 * WASM_PAGE;
        let mut recorder = Recorder::new(&None, None, 5_000);
        for number in 1..=5_000 {
            // No two alike, and none of them in one piece.
            let bits = |page: &usize| (number as usize * 0x9e37) >> (page % 16) & 1 == 1;
            let written: Vec<_> = (0..1024).filter(bits).collect();
            recorder.hear(&told(number), &traces(&written, &[], length), &before);
        }
        let timeline = recorder.finish(Vec::new(), 0);
        let size: usize = timeline.columns.iter().map(String::len).sum();
        assert!(size <= MOST_BYTES, "{size} bytes");
        assert!(timeline.page > PAGE as u64);
        assert_eq!(timeline.requests.len(), 5_000);
    }

    #[test]
    fn memory_that_came_later_was_untouched_before() {
        let before = Before::new(&[&[0; WASM_PAGE]]);
        let mut recorder = Recorder::new(&None, None, 2);
        recorder.hear(&told(1), &traces(&[0], &[], WASM_PAGE), &before);
        recorder.hear(&told(2), &traces(&[31], &[], 2 * WASM_PAGE), &before);
        let timeline = recorder.finish(Vec::new(), 0);
        assert_eq!(timeline.columns, ["h.31", ".31h"]);
        assert_eq!(timeline.memories[0].rows, 32);
    }
}
