// Tables: sorted by a column, and copied as they stand for a spreadsheet or a paper.

const rules = JSON.parse(document.getElementById("rules").textContent);
const byWords = new Intl.Collator("en", { numeric: true });

function textOf(cell) {
  const unit = cell.querySelector(".unit")?.textContent.trim();
  const copy = cell.cloneNode(true);
  copy.querySelector(".unit")?.remove();
  const text = copy.textContent.trim();
  if (!unit) return text;
  if (cell.closest("thead")) return `${text}, ${unit}`;
  return unit.startsWith("±") ? `${text} ${unit}` : `${text} (${unit})`;
}

function before(one, other) {
  const [a, b] = [one, other].map((cell) => cell.dataset.value);
  if (a !== undefined && b !== undefined) return Number(a) - Number(b);
  return byWords.compare(textOf(one), textOf(other));
}

function sortable(table) {
  const body = table.tBodies[0];
  if (body.rows.length < 2) return;
  for (const head of table.tHead.rows[0].cells) {
    const control = button({ class: "sort" }, ...head.childNodes);
    control.addEventListener("click", () => {
      const falls = head.ariaSort === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", falls ? "descending" : "ascending");
      const cell = (row) => row.cells[head.cellIndex];
      const [missing, known] = [[], []];
      for (const row of body.rows) {
        (textOf(cell(row)) === rules.missing ? missing : known).push(row);
      }
      known.sort((one, other) => (falls ? -1 : 1) * before(cell(one), cell(other)));
      body.append(...known, ...missing);
    });
    head.replaceChildren(control);
  }
}

function inert(text) {
  const isFormula = [...rules.formula].some((sign) => text.startsWith(sign));
  return isFormula && !new RegExp(`^(?:${rules.number})$`).test(text) ? `'${text}` : text;
}

const formats = {
  CSV(rows) {
    const cell = (found) => {
      const isWhole = found.dataset.value !== undefined && !found.querySelector(".unit");
      const text = inert(isWhole ? found.dataset.value : textOf(found));
      return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    };
    return rows.map((row) => `${row.map(cell).join(",")}\n`).join("");
  },
  LaTeX([head, ...rows]) {
    const cell = (found) => [...textOf(found)].map((one) => rules.latex[one] ?? one).join("");
    const line = (row) => `${row.map(cell).join(" & ")} \\\\\n`;
    const places = head.map((one) => (one.classList.contains("number") ? "r" : "l")).join("");
    const body = `\\toprule\n${line(head)}\\midrule\n${rows.map(line).join("")}\\bottomrule\n`;
    return `% \\usepackage{booktabs}\n\\begin{tabular}{${places}}\n${body}\\end{tabular}\n`;
  },
  Markdown([head, ...rows]) {
    const line = (cells) => `| ${cells.join(" | ")} |\n`;
    const texts = (row) => line(row.map((one) => textOf(one).replaceAll("|", "\\|")));
    const places = head.map((one) => (one.classList.contains("number") ? "---:" : "---"));
    return texts(head) + line(places) + rows.map(texts).join("");
  },
};

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = made("textarea", { "aria-label": "text to copy" });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

function copyable(table) {
  const said = made("span", { role: "status" });
  const controls = Object.entries(formats).map(([name, format]) => {
    const control = button({ "aria-label": `Copy table as ${name}` }, name);
    control.addEventListener("click", async () => {
      const rows = [...table.rows].map((row) => [...row.cells]);
      said.textContent = (await copied(format(rows))) ? `${name} copied` : "The browser refused";
    });
    return control;
  });
  const place = document.querySelector(`[data-files-of="${table.id}"]`);
  place.append(made("span", { class: "copy" }, "Copy as", ...controls, said));
}

for (const table of all("table[data-table]")) {
  sortable(table);
  copyable(table);
}
