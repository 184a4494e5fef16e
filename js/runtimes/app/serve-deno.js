// The program as a server of Deno.

import program from './main.js';

Deno.serve({ hostname: '127.0.0.1', port: 0, onListen: ({ port }) => console.log(`port ${port}`) }, program.fetch);
