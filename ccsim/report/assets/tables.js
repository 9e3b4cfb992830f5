// Tables that sort by the column whose heading is pressed, and sheets of which one is shown.

/** The key of a cell: its number, else its text; what is missing goes last in either order. */
function keyOf(row, column) {
  const cell = row.cells[column];
  const key = cell.dataset.key;
  if (key === undefined) return cell.textContent.trim().toLowerCase();
  return key === "" ? null : Number(key);
}

function inOrder(a, b, column, sign) {
  const [one, other] = [keyOf(a, column), keyOf(b, column)];
  if (one === null || other === null) return (one === null) - (other === null);
  if (typeof one === "number" && typeof other === "number") return sign * (one - other);
  return sign * String(one).localeCompare(String(other), "en", { numeric: true });
}

function sortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = head.querySelector("button");
    if (!button) return;
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const body = table.tBodies[0];
      body.append(...[...body.rows].sort((a, b) => inOrder(a, b, column, down ? -1 : 1)));
    });
  });
}

/** Let the buttons of a row show one of the sheets that follow it; without scripts all are. */
function sheets(root) {
  const buttons = [...root.querySelectorAll("[role=tab]")];
  const pages = buttons.map((one) => document.getElementById(one.getAttribute("aria-controls")));
  const pick = (k, focus) => {
    buttons.forEach((button, j) => {
      button.setAttribute("aria-selected", j === k);
      button.tabIndex = j === k ? 0 : -1;
      pages[j].classList.toggle("put-away", j !== k);
    });
    if (focus) buttons[k].focus();
  };
  buttons.forEach((button, k) => {
    button.addEventListener("click", () => pick(k));
    button.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) pick((k + step + buttons.length) % buttons.length, true);
    });
  });
  root.querySelector("[role=tablist]").hidden = false;
  pick(0);
}

/** Show what a cell of a heat map says in full beside it, on hover and on focus. */
function cellTips(root) {
  const tip = html("div", "tip");
  tip.hidden = true;
  root.append(tip);
  const show = (cell) => {
    tip.replaceChildren(...cell.dataset.tip.split("\n").map((line, k) =>
      html("div", k ? "" : "tip-time", line)));
    tip.hidden = false;
    const [box, edge] = [cell.getBoundingClientRect(), root.getBoundingClientRect()];
    const left = Math.min(box.left - edge.left, edge.width - tip.offsetWidth - 4);
    tip.style.left = `${Math.max(left, 0)}px`;
    tip.style.top = `${box.bottom - edge.top + 6}px`;
  };
  const hide = () => { tip.hidden = true; };
  for (const cell of root.querySelectorAll("[data-tip]")) {
    cell.addEventListener("pointerenter", () => show(cell));
    cell.addEventListener("pointerleave", hide);
    cell.addEventListener("focus", () => show(cell));
    cell.addEventListener("blur", hide);
  }
}
