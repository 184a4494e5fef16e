// The program in a page: the test calls it there.

import program from './main.js';

globalThis.program = program;
