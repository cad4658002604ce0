"use strict";
// The table of a report: search, order, pages, and the details of a row once it is opened.
(async () => {
  const PAGE = 100;
  const byId = (id) => document.getElementById(id);
  const about = JSON.parse(byId("about").textContent);
  const table = byId("table"), body = table.tBodies[0];
  const VERDICT = 1;

  async function unpack(id) {
    const raw = Uint8Array.from(atob(byId(id).textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([raw]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  }

  const chunks = new Map();
  const chunk = (n) => {
    if (!chunks.has(n)) chunks.set(n, unpack("chunk" + n));
    return chunks.get(n);
  };

  let rows;
  try {
    rows = await unpack("rows");
  } catch (error) {
    const note = document.createElement("p");
    note.textContent = "This browser cannot unpack the table; one of 2023 or later can.";
    table.before(note);
    return;
  }
  const words = rows.map((row) =>
    row.slice(0, -1).map((cell, c) => (c === VERDICT ? about.verdicts[cell] : cell ?? ""))
      .join("\n").toLowerCase());

  let order = rows.map((_, n) => n), shown = order, page = 0, sorted = null, falling = false;

  function sort(column, direction) {
    sorted = column;
    falling = direction;
    const sign = falling ? -1 : 1;
    const compare = (a, b) => typeof a === "number" ? a - b : a < b ? -1 : a > b ? 1 : 0;
    const empty = (cell) => cell === null || cell === "";
    order = rows.map((_, n) => n).sort((m, n) => {
      const a = rows[m][column], b = rows[n][column];
      // What is missing comes last either way; equals keep the order of the input.
      if (empty(a) || empty(b)) return empty(a) - empty(b) || m - n;
      return sign * compare(a, b) || m - n;
    });
    for (const button of table.tHead.querySelectorAll("button")) {
      const head = button.parentElement;
      if (+button.dataset.column === column) {
        head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      } else head.removeAttribute("aria-sort");
    }
    filter();
  }

  function filter() {
    const wanted = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const verdict = byId("verdict").value;
    shown = order.filter((n) =>
      (verdict === "" || rows[n][VERDICT] === +verdict) && wanted.every((w) => words[n].includes(w)));
    page = 0;
    draw();
  }

  function cell(value, c) {
    const made = document.createElement("td");
    if (value === null || value === "") return made;
    made.dataset.name = about.names[c];
    if (c === VERDICT) {
      const badge = document.createElement("span");
      badge.className = "verdict v" + value;
      badge.textContent = about.verdicts[value];
      made.append(badge);
    } else if (typeof value === "number") {
      made.className = "number";
      made.textContent = value.toFixed(3);
    } else {
      const text = document.createElement("span");
      text.className = "text";
      text.textContent = value;
      made.append(text);
    }
    return made;
  }

  function draw() {
    body.replaceChildren(...shown.slice(page * PAGE, (page + 1) * PAGE).map((n) => {
      const made = document.createElement("tr");
      const number = rows[n].at(-1);
      rows[n].slice(0, -1).forEach((value, c) => made.append(cell(value, c)));
      if (number >= 0) {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "text";
        button.textContent = rows[n][0] || "(no id)";
        button.setAttribute("aria-expanded", "false");
        button.addEventListener("click", () => toggle(made, button, number));
        made.cells[0].replaceChildren(button);
        made.cells[0].dataset.name = about.names[0];
      }
      return made;
    }));
    const pages = Math.max(1, Math.ceil(shown.length / PAGE));
    byId("found").textContent = `${shown.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")}`;
    byId("page").textContent = `page ${page + 1} of ${pages}`;
    byId("previous").disabled = page === 0;
    byId("next").disabled = page >= pages - 1;
    byId("pages").hidden = pages === 1;
  }

  async function toggle(row, button, number) {
    const open = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!open));
    if (open) {
      row.nextElementSibling.remove();
      return;
    }
    const made = document.createElement("tr");
    made.className = "details";
    const inside = document.createElement("div");
    inside.className = "inside";
    made.insertCell().append(inside);
    made.cells[0].colSpan = about.names.length;
    row.after(made);
    // Escaped when the page was written.
    inside.innerHTML = (await chunk(Math.floor(number / about.chunk)))[number % about.chunk];
  }

  const go = (step) => {
    page += step;
    draw();
    table.scrollIntoView();
  };
  byId("previous").addEventListener("click", () => go(-1));
  byId("next").addEventListener("click", () => go(1));
  byId("search").addEventListener("input", filter);
  byId("verdict").addEventListener("change", filter);
  byId("sort").addEventListener("change", (event) => sort(+event.target.value, false));
  for (const button of table.tHead.querySelectorAll("button")) {
    button.addEventListener("click", () => {
      const column = +button.dataset.column;
      sort(column, sorted === column && !falling);
    });
  }
  byId("tools").hidden = table.hidden = false;
  draw();
})();
