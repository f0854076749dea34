// Sortable tables: Tablesort does the sorting; here are the buttons, and where missing values go.

// Numbers by value, everything else as text. Tablesort reverses what it gets for "ascending".
Tablesort.extend("number", () => false, (a, b) => {
  const [x, y] = [Number.parseFloat(a), Number.parseFloat(b)];
  return (Number.isNaN(y) ? -Infinity : y) - (Number.isNaN(x) ? -Infinity : x) || 0;
});
Tablesort.extend("text", () => false, (a, b) => b.localeCompare(a, undefined, { numeric: true }));

function sortable(table) {
  for (const heading of table.tHead.rows[0].cells) {
    const numeric = heading.classList.contains("number");
    heading.setAttribute("data-sort-method", numeric ? "number" : "text");
    // Of numbers one looks for the highest first.
    if (numeric) heading.setAttribute("data-sort-reverse", "");
    const button = make("button", { type: "button" });
    button.append(...heading.childNodes);
    heading.append(button);
  }
  const sorter = new Tablesort(table);
  for (const heading of table.tHead.rows[0].cells) {
    heading.removeAttribute("tabindex"); // the button inside takes the focus
    heading.removeAttribute("role"); // a th with a scope has it already
  }
  table.addEventListener("afterSort", () => missingLast(table, sorter.col));
  return sorter;
}

// Rows without a value stand at the end, whichever way the others are sorted.
function missingLast(table, column) {
  const numeric = table.tHead.rows[0].cells[column].classList.contains("number");
  if (!numeric) return;
  for (const body of table.tBodies) {
    const missing = [...body.rows].filter((row) => {
      const cell = row.cells[column];
      return cell && Number.isNaN(Number.parseFloat(cell.dataset.sort ?? cell.textContent));
    });
    body.append(...missing);
  }
}
