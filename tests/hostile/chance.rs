//! Where the cases come from: a seed, always the same one where none is given.
//!
//! `LAVANDULA_HOSTILE_SEED` takes another one, and `LAVANDULA_HOSTILE_CASES` a
//! multiple of the number of cases: 50 for a night.

use std::env;

/// The seed where none is given.
const SEED: u64 = 0x1a7a_4d01;

/// The seed of this run.
pub fn seed() -> u64 {
    number("LAVANDULA_HOSTILE_SEED").unwrap_or(SEED)
}

/// As many cases as this run is to have where `usual` is the usual number.
pub fn cases(usual: u64) -> u64 {
    usual * number("LAVANDULA_HOSTILE_CASES").unwrap_or(1)
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    let parsed = text.parse();
    Some(parsed.unwrap_or_else(|_| panic!("{name} is `{text}`; give a number")))
}

/// Numbers that look like chance. SplitMix64.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The numbers of the case with this number in the test of this name, so that
    /// each can be had without those before it.
    pub fn of(test: &str, case: u64) -> Self {
        let mut chance = Self(seed());
        for byte in test.bytes() {
            chance.0 ^= u64::from(byte);
            chance.next();
        }
        chance.0 ^= case.wrapping_mul(0xd134_2543_de82_ef95);
        chance.next();
        chance
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn byte(&mut self) -> u8 {
        self.next() as u8
    }

    /// Less than `bound`; 0 where that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.byte()).collect()
    }
}
