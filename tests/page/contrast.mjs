// Whether the texts of a page can be read: for the pages of reports, and for the playground.

/** All texts whose contrast with what is behind them is below what can be read, but for those in
 *  elements that `ignored` selects, and how many were looked at. */
export function faint(page, ignored) {
  return page.evaluate((ignored) => {
    const channels = (colour) => {
      const [red, green, blue, alpha = 1] = colour.match(/[\d.]+/g).map(Number);
      return [red, green, blue, alpha];
    };
    const behind = (element) => {
      for (let one = element; one; one = one.parentElement) {
        const colour = channels(getComputedStyle(one).backgroundColor);
        if (colour[3] === 1) return colour;
      }
      return [255, 255, 255, 1];
    };
    const bright = (colour) => {
      const [red, green, blue] = colour.slice(0, 3).map((channel) => (channel / 255 <= 0.04045 ? channel / 255 / 12.92 : ((channel / 255 + 0.055) / 1.055) ** 2.4));
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    let looked = 0;
    while (walker.nextNode()) {
      const element = walker.currentNode.parentElement;
      if (walker.currentNode.data.trim() === "" || !element.checkVisibility() || element.closest(ignored)) continue;
      looked += 1;
      const [low, high] = [bright(channels(getComputedStyle(element).color)), bright(behind(element))].sort((a, b) => a - b);
      const ratio = (high + 0.05) / (low + 0.05);
      if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${element.tagName} ${element.className}: ${walker.currentNode.data.slice(0, 40)}`);
    }
    return { found, looked };
  }, ignored);
}
