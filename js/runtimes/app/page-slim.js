// The program over `/slim` in a page.

import program from './slim.js';

globalThis.program = program;
