// The report for people: what was measured where, then a table for each group.

/** The whole report. */
export function print(report) {
  const { machine, versions, modules } = report;
  const lines = [
    `Versions: ${Object.entries(versions).map((each) => each.join(' ')).join(', ')}`,
    `Machine:  ${machine.cpu}, ${machine.threads} threads, load ${machine.load.map((load) => load.toFixed(1)).join(' ')}`,
    `Command:  ${report.command}`,
    `Figures:  medians of ${report.rounds} rounds, of processor time; +- is half the distance of the quartiles`,
    '',
    ...columns([
      ['Modules', 'bytes', 'gzip'],
      ...modules.map(({ name, bytes, gzip }) => [name, String(bytes), String(gzip)]),
    ]),
  ];
  for (const { name, what, reference, rows } of report.groups) {
    lines.push('', `${name}: ${what}`);
    const head = ['', 'an operation', '+-', 'ratio'];
    const cells = rows.map((row) => [
      row.name,
      duration(row.ns),
      `${Math.round((row.spread / row.ns) * 100)} %`,
      row.name === reference ? '1' : digits(row.ratio),
    ]);
    lines.push(...columns([head, ...cells]));
  }
  if (report.goals.length !== 0) lines.push('', 'Goals');
  lines.push(
    ...columns(
      report.goals.map(({ what, of, to, value, least, most, holds }) => [
        what,
        `${of} / ${to}`,
        digits(value),
        least === undefined ? `at most ${most}` : `at least ${least}`,
        holds ? 'holds' : 'MISSED',
      ]),
    ),
  );
  return `${lines.join('\n')}\n`;
}

/** Columns of text, each as wide as its widest cell; numbers to the right. */
function columns(rows) {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (row) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join('   ');
  return rows.map((row) => `  ${line(row)}`.trimEnd());
}

/** A number with the digits that matter. */
function digits(value) {
  if (value >= 100) return value.toFixed(0);
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** A time in its own unit. */
function duration(ns) {
  if (ns >= 1e6) return `${digits(ns / 1e6)} ms`;
  return ns >= 1e4 ? `${digits(ns / 1e3)} us` : `${digits(ns)} ns`;
}
