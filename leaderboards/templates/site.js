"use strict";

const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const MISSING = "–";

// The choice of colours outlives the page where the browser lets it; before the body is drawn, so that nothing flashes.

function storedTheme(value) {
  try {
    if (value) localStorage.setItem("theme", value);
    return localStorage.getItem("theme") || "auto";
  } catch {
    return value || "auto";
  }
}

function showTheme(value) {
  document.documentElement.dataset.theme = value;
}

function makeThemes() {
  const choice = document.querySelector(".theme");
  choice.hidden = false;
  for (const radio of all("input", choice)) {
    radio.checked = radio.value === document.documentElement.dataset.theme;
    radio.addEventListener("change", () => showTheme(storedTheme(radio.value)));
  }
}

// Sorting: by the first number of a cell, else by its words; rows without a value stay last whatever the direction.

function valueOf(row, column) {
  const cell = row.cells[column];
  if (!cell || cell.colSpan > 1) return null;
  const text = column === 0 ? cell.textContent : ownText(cell);
  if (!text || text === MISSING) return null;
  const number = parseFloat(text.replace("< ", ""));
  return column === 0 || Number.isNaN(number) ? text : number;
}

function ownText(cell) {
  return [...cell.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.data).join("").trim();
}

function compared(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}

function sortBy(table, head, direction) {
  const body = table.querySelector("tbody.rows");
  const sign = direction === "ascending" ? 1 : -1;
  const keyed = [...body.rows].map((row) => [row, direction ? valueOf(row, head.cellIndex) : Number(row.dataset.place)]);
  keyed.sort(([, a], [, b]) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return direction ? sign * compared(a, b) : a - b;
  });
  body.append(...keyed.map(([row]) => row));
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  if (direction) head.setAttribute("aria-sort", direction);
  say(direction ? `Sorted by ${head.dataset.name}, ${direction}` : "Sorted as first shown");
}

function nextDirection(table, head) {
  const isNumber = [...table.querySelector("tbody.rows").rows].some((row) => typeof valueOf(row, head.cellIndex) === "number");
  const first = isNumber && !head.dataset.lower ? "descending" : "ascending";
  const now = head.getAttribute("aria-sort");
  if (!now) return first;
  return now === first ? (first === "ascending" ? "descending" : "ascending") : "";
}

function makeSortable(table) {
  const rows = [...table.querySelector("tbody.rows").rows];
  if (rows.length < 2) return;
  rows.forEach((row, place) => { row.dataset.place = place; });
  for (const head of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(head.firstChild || "");
    head.dataset.name = button.textContent.trim();
    if (!head.dataset.name) continue;
    head.prepend(button);
    button.addEventListener("click", () => sortBy(table, head, nextDirection(table, head)));
  }
}

function say(text) {
  document.getElementById("said").textContent = text;
}

// What stands in something closed is drawn when it is opened.

function drawing(paths) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("aria-hidden", "true");
  for (const data of paths.filter(Boolean)) {
    svg.append(document.createElementNS(space, "path"));
    svg.lastChild.setAttribute("d", data);
  }
  return svg;
}

function drawCells(table) {
  const levels = [...table.tHead.rows[0].cells].map((head) => head.dataset.level);
  for (const cell of all("td:not([colspan])", table)) {
    const level = levels[cell.cellIndex];
    if (level === undefined || cell.querySelector("svg")) continue;
    const { mark } = cell.dataset;
    cell.insertBefore(drawing(mark ? [mark, level] : []), cell.querySelector("small"));
  }
}

// Filters: rows and cards by their method, columns by what they are of; a table without a column left is hidden.

const FACETS = ["benchmark", "pool", "metric"];

function matches(name, terms) {
  return !terms.length || terms.some((term) => name.toLowerCase().includes(term));
}

function filterMethods(terms) {
  for (const marked of all("[data-method]")) marked.toggleAttribute("hidden", !matches(marked.dataset.method, terms));
  for (const table of all("table[data-filtered]")) {
    const rows = [...table.querySelector("tbody.rows").rows];
    for (const row of rows) row.hidden = !matches(row.cells[0].textContent, terms);
    table.closest(".scroll").classList.toggle("empty", rows.every((row) => row.hidden));
  }
}

function isChosen(head, chosen) {
  return FACETS.every((facet) => !chosen[facet] || !head.dataset[facet] || head.dataset[facet] === chosen[facet]);
}

function filterTable(table, chosen) {
  const heads = [...table.tHead.rows[0].cells];
  const shown = heads.map((head) => isChosen(head, chosen));
  for (const row of table.rows) {
    for (const cell of row.cells) {
      if (cell.colSpan > 1) cell.colSpan = Math.max(2, shown.filter(Boolean).length - 1);
      else cell.hidden = !shown[cell.cellIndex];
    }
  }
  return heads.some((head, place) => head.dataset.benchmark && shown[place]);
}

function filterTables(chosen, isAny) {
  let count = 0;
  for (const block of all(".block")) {
    const tables = all("table:has(th[data-benchmark])", block);
    const shown = tables.filter((table) => filterTable(table, chosen));
    for (const table of tables) table.closest(".scroll").hidden = !shown.includes(table);
    block.hidden = isAny && tables.length > 0 && !shown.length;
    if (isAny && shown.length && block.matches("details")) block.open = true;
    count += shown.length;
  }
  return count;
}

function chosenIn(form) {
  return Object.fromEntries(FACETS.map((facet) => [facet, form.elements[facet].value]));
}

function offer(form, chosen) {
  const heads = all("th[data-benchmark]");
  for (const facet of FACETS) {
    const others = { ...chosen, [facet]: "" };
    const values = new Set(heads.filter((head) => isChosen(head, others)).map((head) => head.dataset[facet]));
    const select = form.elements[facet];
    select.replaceChildren(new Option("all", ""), ...[...values].map((value) => new Option(value, value)));
    select.value = chosen[facet];
  }
}

function applyFilters(form) {
  const terms = form.elements.method.value.toLowerCase().split(",").map((term) => term.trim()).filter(Boolean);
  const chosen = chosenIn(form);
  const isAny = FACETS.some((facet) => chosen[facet]);
  filterMethods(terms);
  const tables = filterTables(chosen, isAny);
  offer(form, chosen);
  const cards = all(".card.method");
  const said = terms.length ? [`${cards.filter((card) => !card.hidden).length} of ${cards.length} methods`] : [];
  if (isAny) said.push(`${tables} tables`);
  form.querySelector("output").textContent = said.join(", ");
}

function makeFilters() {
  const form = document.querySelector(".filters");
  form.hidden = false;
  offer(form, chosenIn(form));
  form.addEventListener("input", () => applyFilters(form));
  form.querySelector("[type=reset]").addEventListener("click", (event) => {
    event.preventDefault(); // the event comes before the fields are empty
    form.reset();
    applyFilters(form);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
}

// A name in a legend brings its curves to the front.

function makeLegend(legend) {
  for (const item of legend.children) {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-pressed", "false");
    button.append(...item.childNodes);
    item.append(button);
    button.addEventListener("click", () => {
      const isOn = button.getAttribute("aria-pressed") === "false";
      button.setAttribute("aria-pressed", String(isOn));
      const curves = all(".series", legend.parentElement).filter((curve) => curve.dataset.method === item.dataset.method);
      for (const curve of curves) {
        curve.classList.toggle("on", isOn);
        if (isOn) curve.parentElement.append(curve);
      }
    });
  }
}

// A link into something closed opens it; only what scrolls takes part in the order of the Tab key.

function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let details = target?.closest("details"); details; details = details.parentElement.closest("details")) details.open = true;
  if (target) target.scrollIntoView();
}

function watchScrolling() {
  const observer = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const region = target.closest(".scroll");
      region.toggleAttribute("tabindex", region.scrollWidth > region.clientWidth);
      if (region.hasAttribute("tabindex")) region.tabIndex = 0;
    }
  });
  for (const region of all(".scroll")) for (const watched of [region, region.firstElementChild]) observer.observe(watched);
}

showTheme(storedTheme());
document.addEventListener("DOMContentLoaded", () => {
  makeThemes();
  if (matchMedia("(max-width: 70rem)").matches) document.querySelector("nav details").open = false;
  all("table:has(> tbody.rows)").forEach(makeSortable);
  makeFilters();
  all(".legend").forEach(makeLegend);
  watchScrolling();
  document.addEventListener("toggle", ({ target }) => all("table:has(th[data-level])", target).forEach(drawCells), true);
  openTarget();
  addEventListener("hashchange", openTarget);
  document.documentElement.dataset.ready = "true";
});
