//! A value that notes its drop, for what has to be dropped once and in order.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;

/// The numbers of the values dropped so far, in order.
pub type Log = Rc<RefCell<Vec<u32>>>;

/// A value with a number.
///
/// Aligned so that it has the same size where pointers are shorter, and the
/// arena's own words in front of it take the same room: else no address behind
/// it would be the same natively and in WebAssembly.
#[repr(C, align(16))]
pub struct Counted {
    pub number: u32,
    log: Log,
}

const _: () = assert!(size_of::<Counted>() == 16);

impl Counted {
    pub fn new(number: u32, log: &Log) -> Self {
        Self {
            number,
            log: Log::clone(log),
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.log.borrow_mut().push(self.number);
    }
}
