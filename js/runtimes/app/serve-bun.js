// The program as a server of Bun.

import program from './main.js';

const { port } = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: program.fetch });
console.log(`port ${port}`);
