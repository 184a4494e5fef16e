// Where subjects put what they made last. The optimising compiler would leave out what
// nobody keeps, and with it what is to be measured.

export let kept;

export function keep(value) {
  kept = value;
}
