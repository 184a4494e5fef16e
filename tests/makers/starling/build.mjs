// Makes the component: `node build.mjs OUTPUT`.
//
// componentize-js brings an engine that is linked against wasi 0.2.10, and no WIT.
// The WIT of jco, on which it depends, is for 0.2.12, in which the interfaces are the
// same: only the number is another.
import { cp, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { componentize } from "@bytecodealliance/componentize-js";

const HERE = import.meta.dirname;
const HAVE = "0.2.12";
const NEED = "0.2.10";
const WIT = join(HERE, "node_modules/@bytecodealliance/jco/lib/wit/builtin", HAVE);
const WORLD = `package makers:handler;

world handler {
  export wasi:http/incoming-handler@${NEED};
}
`;

const wit = await mkdtemp(join(tmpdir(), "makers-"));
try {
  await writeFile(join(wit, "handler.wit"), WORLD);
  await cp(WIT, join(wit, "deps"), { recursive: true });
  for (const file of await readdir(join(wit, "deps"), { recursive: true })) {
    if (!file.endsWith(".wit")) continue;
    const path = join(wit, "deps", file);
    await writeFile(path, (await readFile(path, "utf8")).replaceAll(HAVE, NEED));
  }
  const { component } = await componentize({
    sourcePath: join(HERE, "handler.js"),
    witPath: wit,
    worldName: "handler",
  });
  await writeFile(process.argv[2], component);
} finally {
  await rm(wit, { recursive: true, force: true });
}
