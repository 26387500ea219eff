"use strict";
// A click on a column's head sorts its table by it, a second one the other way; empty cells stay last.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th"), body = head.closest("table").tBodies[0];
    const down = head.ariaSort === "ascending";
    for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
    head.ariaSort = down ? "descending" : "ascending";
    const key = row => row.cells[head.cellIndex].dataset.sort;
    const numbers = [...body.rows].every(row => key(row) === "" || isFinite(key(row)));
    const order = (a, b) => (numbers ? a - b : a.localeCompare(b, "en", { numeric: true })) * (down ? -1 : 1);
    const rows = [...body.rows].sort((a, b) => (key(a) === "") - (key(b) === "") || order(key(a), key(b)));
    body.append(...rows);
  });
}
for (const button of document.querySelectorAll("button[data-figure]")) {
  button.addEventListener("click", () => {
    const svg = button.closest("figure").querySelector("svg");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(svg)], { type: "image/svg+xml" }));
    link.download = button.dataset.figure + ".svg";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}
// Paper shows what is folded away on the screen.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach(part => { part.open = true; }));
