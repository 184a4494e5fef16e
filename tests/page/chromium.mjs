// How Chromium is started, for everything that is tested in it.

/** Nothing that the browser does by itself may look like something the page does. */
export const QUIET = [
  "--no-sandbox",
  "--headless=new",
  "--no-first-run",
  "--disable-quic",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-gpu",
];
