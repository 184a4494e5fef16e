// The program as an edge function.

import program from './main.js';

addEventListener('fetch', (event) => event.respondWith(program.fetch(event.request)));
