// Serves a handler in a runtime of JavaScript.
//
//   node js/edge/serve.mjs --list
//   node js/edge/serve.mjs NAME --package FOLDER | --component FILE

import { parseArgs } from 'node:util';

import { RUNTIMES } from './runtimes.mjs';

const USAGE = `Serves a handler in a runtime of JavaScript, on this machine only.

  node js/edge/serve.mjs --list
  node js/edge/serve.mjs NAME --package FOLDER   for the door \`npm\`
  node js/edge/serve.mjs NAME --component FILE   for the doors \`jco\` and \`jco-0.3\`

NAME is one of ${RUNTIMES.map(({ name }) => name).join(', ')}.
\`--list\` tells in JSON which of them are here, and how to install the others.
FOLDER is what \`lavandula npm\` made, FILE what \`lavandula build\` made; for \`jco-0.3\` of a
handler behind the door of WASI 0.3.

Prints \`Serving HTTP on http://127.0.0.1:PORT/\` once it listens; everything else goes to
stderr. Ends, with what it has started, when its stdin closes, and on SIGINT and SIGTERM.
`;

/** Says what is wrong, and ends as the \`lavandula\` command does. */
function refuse(why) {
  console.error(why);
  process.exit(2);
}

async function list() {
  const told = RUNTIMES.map(async ({ name, door, install, note, version }) => ({ name, door, version: await version(), install, note }));
  console.log(JSON.stringify(await Promise.all(told), null, 2));
}

async function serve(name, given) {
  const runtime = RUNTIMES.find((one) => one.name === name);
  if (runtime === undefined) refuse(`there is no runtime ${name}; there are ${RUNTIMES.map((one) => one.name).join(', ')}`);
  const wanted = runtime.door === 'npm' ? 'package' : 'component';
  if (given[wanted] === undefined) refuse(`${name} is behind the door ${runtime.door}: say --${wanted}`);
  const version = await runtime.version();
  if (version === null) refuse(`${name} is not installed: run \`${runtime.install}\``);

  // From here on whoever started this may end it at any time.
  const told = endIsTold();
  const server = await runtime.start(given, { log: process.stderr }).catch((error) => refuse(error.message));
  const { pid, listenedAfter } = server;
  if (pid !== undefined) console.error(`${name} ${version} is process ${pid}, which listened after ${listenedAfter} ms`);
  console.log(`Serving HTTP on ${server.origin}/`);
  const why = await Promise.race([told, ...(server.ended === undefined ? [] : [server.ended.then(() => 'ended')])]);
  await server.stop();
  if (why === 'ended') {
    console.error(`${name} has ended by itself`);
    process.exit(1);
  }
  process.exit(0);
}

/** Waits until this is to end. */
function endIsTold() {
  return new Promise((end) => {
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => end('told'));
    process.stdin.once('end', () => end('told')).once('error', () => end('told')).resume();
  });
}

const { values: options, positionals: names } = (() => {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        list: { type: 'boolean', default: false },
        package: { type: 'string' },
        component: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    return refuse(`${error.message}\n\n${USAGE}`);
  }
})();

if (options.help) process.stdout.write(USAGE);
else if (options.list) await list();
else if (names.length === 1) await serve(names[0], options);
else refuse(USAGE);
