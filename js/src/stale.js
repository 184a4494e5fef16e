// What is no longer there: the error, and the mark that spans share with the
// arena they are from.

const REASONS = {
  reset: 'its arena was reset; allocate again, and keep copy() or text() of what must outlive a reset',
  freed: 'the arena was freed; make a new Arena, and keep copy() or text() of what must outlive it',
  recycled: 'its runtime was recycled, which gave the memory back; make a new Arena',
  trap: 'its instance trapped and was dropped with all of its memory; make a new Arena',
};

/** Thrown where something is used that a reset, a free, a recycle or a trap ended. */
export class StaleError extends TypeError {
  /** `'reset'`, `'freed'`, `'recycled'` or `'trap'`. */
  reason;

  constructor(what, reason) {
    super(`stale ${what}: ${REASONS[reason]}`);
    this.reason = reason;
  }
}

// On the prototype, as with the errors of the language, and by hand: minifiers
// rename classes.
Object.defineProperty(StaleError.prototype, 'name', {
  value: 'StaleError',
  configurable: true,
  writable: true,
});

/**
 * The time from one reset of an arena to the next. Every span of that time holds
 * it, so that one write makes all of them stale.
 *
 * It holds the arena: while a span is in use, its arena is not collected, and so
 * not freed by the net below it.
 */
export class Lifetime {
  /** Why it ended, or null. */
  ended = null;

  constructor(arena, instance) {
    this.arena = arena;
    this.instance = instance;
  }

  /** The instance, where all of this is still there. */
  enter(what) {
    // An arena that was freed was so whatever came of its instance later.
    const { instance } = this;
    if (this.ended !== null) throw new StaleError(what, this.ended);
    if (instance.ended !== null) throw new StaleError(what, instance.ended);
    return instance;
  }
}
