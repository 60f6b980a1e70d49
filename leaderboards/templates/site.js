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
  const text = ownText(column === 0 ? cell.querySelector("a") || cell : cell);
  if (!text || text === MISSING) return null;
  const number = parseFloat(text.replace("< ", ""));
  return column === 0 || Number.isNaN(number) ? text : number;
}

function ownText(cell) {
  const holder = cell.querySelector("button, .head, td > span:not(.unseen)") || cell;
  if (holder.matches(".head, th button")) return holder.textContent.trim();
  return [...holder.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.data).join("").trim();
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
  table.dataset.sort = direction && `${head.dataset.name}|${direction}`;
  remember({ sort: direction && `${nameOf(table)}|${table.dataset.sort}` });
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
    if (head.tagName === "TD") continue;
    const button = document.createElement("button");
    button.type = "button";
    button.append(head.firstChild || "");
    head.dataset.name = button.textContent.trim();
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
  remember({ method: form.elements.method.value, ...chosen });
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

// The state of the page is in its address, #ANCHOR?method=&benchmark=&pool=&metric=&sort=&cell=&compare=, so that a link shows the same.

const READ = () => { const [anchor, query] = location.hash.slice(1).split("?"); return [decodeURIComponent(anchor), new URLSearchParams(query)]; };

function remember(changes, anchor = READ()[0]) {
  const state = READ()[1];
  for (const [name, value] of Object.entries(changes)) value ? state.set(name, value) : state.delete(name);
  const query = String(state);
  const found = anchor || query ? `#${encodeURIComponent(anchor)}${query && `?${query}`}` : location.pathname;
  history.replaceState(null, "", found);
}

function nameOf(table) {
  return table.caption?.querySelector("strong")?.textContent || "";
}

function showTab(section) {
  for (const one of all("main > section")) one.hidden = one !== section;
  for (const link of all("nav a")) link.toggleAttribute("aria-current", link.hash === `#${section.id}`);
  document.querySelector("nav [aria-current]")?.setAttribute("aria-current", "page");
  document.documentElement.dataset.tab = section.id;
}

function openTarget() {
  const [anchor] = READ();
  const target = document.getElementById(anchor);
  const section = target?.closest("main > section");
  if (section || !anchor || anchor === "main") showTab(section || document.querySelector("main > section:not([hidden])") || document.querySelector("main > section"));
  for (let details = target?.closest("details"); details; details = details.parentElement.closest("details")) details.open = true;
  if (target) (target === section ? document.body : target).scrollIntoView();
}

function restore() {
  const [, state] = READ();
  const form = document.querySelector(".filters");
  form.elements.method.value = state.get("method") || "";
  for (const facet of FACETS) form.elements[facet].value = state.get(facet) || "";
  applyFilters(form);
  const [title, name, direction] = (state.get("sort") || "").split("|");
  const table = all("table").find((one) => title && nameOf(one) === title);
  const head = table && [...table.tHead.rows[0].cells].find((one) => one.dataset.name === name);
  if (head) sortBy(table, head, direction);
  for (const box of all("[name=compare]")) box.checked = (state.get("compare") || "").split("|").includes(box.value);
  compareTicked();
  const [of, row, column] = (state.get("cell") || "").split("|");
  const cell = all("table").filter((one) => of && nameOf(one) === of).flatMap((one) => all("tbody.rows td", one)).find((one) => heads(one).join("|") === `${row}|${column}`);
  if (cell) openCell(cell);
}

// A cell opens what is behind it: value, interval, seeds as dots, patients by tenth of the metric, the command, the row to copy.

function heads(cell) {
  const row = cell.parentElement;
  const head = cell.closest("table").tHead.rows[0].cells[cell.cellIndex];
  return [ownText(row.cells[0].querySelector("a") || row.cells[0]), head.dataset.name || head.textContent.trim()];
}

function element(tag, text = "", attributes = {}, space = "http://www.w3.org/1999/xhtml") {
  const found = document.createElementNS(space, tag);
  found.textContent = text;
  for (const [name, value] of Object.entries(attributes)) found.setAttribute(name, value);
  return found;
}

function picture(label, shapes, height) {
  const svg = element("svg", "", { viewBox: `0 0 320 ${height}`, role: "img", "aria-label": label }, "http://www.w3.org/2000/svg");
  svg.append(...shapes.map(([tag, attributes, text]) => element(tag, text, attributes, svg.namespaceURI)));
  return svg;
}

function seedDots(seeds) {
  const values = Object.values(seeds);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const at = (value) => (high > low ? 20 + (280 * (value - low)) / (high - low) : 160);
  const dots = values.map((value) => ["circle", { cx: at(value), cy: 12, r: 5 }]);
  return picture(`Seeds: ${values.join(", ")}`, [["path", { d: "M20 12H300" }], ...dots, ["text", { x: 20, y: 32 }, low], ["text", { x: 300, y: 32, "text-anchor": "end" }, high]], 36);
}

function patientBars(counts) {
  const most = Math.max(...counts);
  const bars = counts.map((count, place) => ["path", { d: `M${20 + 28 * place} 70v${(-60 * count) / most}h24v${(60 * count) / most}z` }]);
  return picture(`Patients by tenth of the metric: ${counts.join(", ")}`, [...bars, ["text", { x: 20, y: 84 }, "0"], ["text", { x: 296, y: 84, "text-anchor": "end" }, "1"]], 88);
}

function openCell(cell) {
  const [method, name] = heads(cell);
  const dialog = document.getElementById("behind");
  const { seeds, patients, interval } = cell.dataset;
  const found = [element("p", `${ownText(cell)} ${interval || cell.querySelector("small")?.textContent || ""}`, { class: "verdict" })];
  if (seeds) found.push(element("p", `Seeds: ${Object.entries(JSON.parse(seeds)).map((one) => one.join(": ")).join(", ")}`));
  if (seeds?.includes(",")) found.push(seedDots(JSON.parse(seeds)));
  if (patients) found.push(element("p", "Patients by the mean of their items and seeds"), patientBars(patients.split(" ").map(Number)));
  const link = cell.parentElement.cells[0].querySelector("a");
  const card = link && document.getElementById(decodeURIComponent(link.hash.slice(1)));
  if (card) {
    const more = element("a", `All that the records say of ${method}`, { href: link.getAttribute("href") });
    more.addEventListener("click", () => dialog.close());
    found.push(element("p", "Repeat it"), element("pre", card.querySelector("pre")?.textContent || ""), more);
  }
  dialog.querySelector("h2").textContent = `${method} · ${name}`;
  dialog.querySelector(".found").replaceChildren(...found);
  dialog.querySelector("textarea").hidden = true;
  dialog.cell = cell;
  if (!dialog.open) dialog.showModal();
  remember({ cell: [nameOf(cell.closest("table")), method, name].join("|") });
}

const ESCAPES = { Markdown: [/[|\\`*]/g, "\\$&"], LaTeX: [/[&%$#_{}]/g, "\\$&"], CSV: [/"/g, '""'] };

function rowText(cell, form) {
  const row = cell.parentElement;
  const names = [...row.cells].map((one) => (one.cellIndex ? heads(one)[1] : "method"));
  const values = [...row.cells].map((one) => [ownText(one.querySelector("a") || one), one.dataset.interval || (one.cellIndex && one.querySelector("small")?.textContent)].filter(Boolean).join(" "));
  const [names_, values_] = [names, values].map((line) => line.map((text) => text.replace(...ESCAPES[form]).replaceAll("→", form === "LaTeX" ? "$\\rightarrow$" : "→")));
  if (form === "CSV") return [names_, values_].map((line) => line.map((text) => `"${text}"`).join(",")).join("\n");
  if (form === "LaTeX") return [names_, values_].map((line) => `${line.join(" & ")} \\\\`).join("\n");
  return [names_, names_.map(() => "--"), values_].map((line) => `| ${line.join(" | ")} |`).join("\n");
}

function makeCells() {
  const dialog = document.getElementById("behind");
  for (const cell of all("tbody.rows td:not([colspan])")) cell.dataset.open = "";
  document.querySelector("main").addEventListener("click", ({ target }) => {
    const cell = target.closest("td[data-open]");
    if (cell && !target.closest("a, input") && !getSelection().toString()) openCell(cell);
  });
  dialog.addEventListener("close", () => remember({ cell: "" }));
  for (const button of all(".copies button", dialog)) {
    button.addEventListener("click", () => {
      const area = dialog.querySelector("textarea");
      area.hidden = false;
      area.value = button.value === "link" ? location.href : rowText(dialog.cell, button.value);
      area.select();
      navigator.clipboard?.writeText(area.value).catch(() => {});
    });
  }
}

// Two ticked methods are compared side by side, with the paired difference where the ranking has it.

function paired(one, two) {
  const [there, back] = [[one, two], [two, one]].map(([a, b]) => JSON.parse(a.dataset.against || "{}")[heads(b)[0]]);
  if (there) return there;
  return back && [-back[0], -back[2], -back[1]];
}

function signed(number) {
  return `${number < 0 ? "−" : "+"}${Math.abs(number).toFixed(3)}`;
}

function compareTicked() {
  const boxes = all("[name=compare]");
  const [a, b] = boxes.filter((box) => box.checked);
  const panel = document.getElementById("compared");
  if (!panel) return;
  for (const box of boxes) box.disabled = Boolean(b) && !box.checked;
  panel.hidden = !b;
  remember({ compare: a ? [a, b].filter(Boolean).map((box) => box.value).join("|") : "" });
  if (!b) return;
  const [one, two] = [a, b].map((box) => box.closest("tr"));
  const table = element("table", "", { class: "small" });
  const line = (tag, texts) => texts.reduce((row, text, place) => (row.append(element(place && tag === "td" ? "td" : "th", text)), row), element("tr"));
  table.append(line("th", ["", a.value, b.value, "difference"]));
  for (const cell of all("td[data-seeds]", one)) {
    const other = two.cells[cell.cellIndex];
    const difference = other.dataset.seeds && paired(cell, other);
    table.append(line("td", [heads(cell)[1], ownText(cell), ownText(other), difference ? `${signed(difference[0])} [${difference.slice(1).map(signed).join(", ")}]` : MISSING]));
  }
  panel.replaceChildren(element("strong", `${a.value} beside ${b.value}`), element("p", "Difference: paired, 95 % interval, not adjusted.", { class: "note" }), table);
}

function makeComparing() {
  for (const box of all("[name=compare]")) {
    box.parentElement.hidden = false;
    box.addEventListener("change", compareTicked);
  }
  for (const note of all(".note.compare")) note.hidden = false;
}

function watchScrolling() {
  const observer = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const region = target.closest(".scroll");
      region.toggleAttribute("tabindex", region.scrollWidth > region.clientWidth);
      region.toggleAttribute("data-wide", region.hasAttribute("tabindex"));
      if (region.hasAttribute("tabindex")) region.tabIndex = 0;
    }
  });
  for (const region of all(".scroll")) for (const watched of [region, region.firstElementChild]) observer.observe(watched);
}

showTheme(storedTheme());
document.addEventListener("DOMContentLoaded", () => {
  makeThemes();
  all("table:has(> tbody.rows)").forEach(makeSortable);
  makeFilters();
  all(".legend").forEach(makeLegend);
  watchScrolling();
  document.addEventListener("toggle", ({ target }) => all("table:has(th[data-level])", target).forEach(drawCells), true);
  makeCells();
  makeComparing();
  restore();
  openTarget();
  addEventListener("hashchange", ({ oldURL }) => {
    const kept = (new URL(oldURL).hash.split("?")[1] || "");
    if (kept && !location.hash.includes("?")) remember(Object.fromEntries(new URLSearchParams(kept)));
    openTarget();
  });
  addEventListener("beforeprint", () => all("details").forEach((one) => { one.open = true; }));
  document.documentElement.dataset.ready = "true";
});
