"use strict";
(() => {
  const rows = [...document.querySelectorAll("main .r")];
  const place = new Map(rows.map((row, index) => [row.id, index]));
  const find = document.getElementById("find");
  const every = document.getElementById("every");
  const keys = document.getElementById("keys");
  const said = document.getElementById("said");
  const read = document.getElementById("read");
  const goal = document.getElementById("goal");
  let at = -1;
  document.documentElement.classList.add("js");

  const shown = (row) => every.checked || !row.classList.contains("q");

  function show(row) {
    row.scrollIntoView({ block: row.offsetHeight > innerHeight / 2 ? "start" : "center" });
  }

  function spoken(row) {
    const number = row.querySelector(".n");
    const body = row.querySelector(".b").innerText.replace(/\s+/g, " ");
    return number.textContent + " " + number.title + ": " + body.slice(0, 300);
  }

  function go(index) {
    if (index < 0) return;
    if (at >= 0) rows[at].classList.remove("at");
    at = index;
    const row = rows[at];
    row.classList.add("at");
    history.replaceState(null, "", "#" + row.id);
    show(row);
    said.textContent = read.textContent = "";
    if (document.activeElement.dataset.go) { // whoever uses the buttons wants to press them again
      read.textContent = spoken(row);
      return;
    }
    row.tabIndex = -1; // from here Tab goes on, and from here it is read aloud
    row.setAttribute("role", "article");
    row.setAttribute("aria-label", spoken(row));
    row.focus({ preventScroll: true });
  }

  function step(forward, wanted, what) {
    for (let index = forward ? at + 1 : at - 1; index >= 0 && index < rows.length; index += forward ? 1 : -1) {
      if (wanted(rows[index])) return go(index);
    }
    said.textContent = "no " + what + (at < 0 ? "" : forward ? " after this" : " before this");
  }

  function search(forward) {
    const text = find.value.toLowerCase();
    if (!text) {
      said.textContent = "nothing was searched for yet";
      return;
    }
    step(forward, (row) => row.textContent.toLowerCase().includes(text), "“" + find.value + "”");
    if (at >= 0) {
      for (const fold of rows[at].querySelectorAll("details")) {
        if (fold.textContent.toLowerCase().includes(text)) fold.open = true;
      }
    }
  }

  const kinds = { e: "error", a: "approval", f: "file change", c: "cost jump" };

  function press(key) {
    const lower = key.toLowerCase();
    if (key === "j" || key === "ArrowRight") step(true, shown, "event");
    else if (key === "k" || key === "ArrowLeft") step(false, shown, "event");
    else if (key === "g") go(rows.findIndex(shown));
    else if (key === "G") go(rows.findLastIndex(shown));
    else if (lower in kinds) step(key === lower, (row) => (row.dataset.k || "").includes(lower), kinds[lower]);
    else if (key === "]" || key === "[") step(key === "]", (row) => row.dataset.k, "error, approval, file change or cost jump");
    else if (lower === "n") search(key === "n");
    else if (key === "/") find.focus();
    else if (key === "o" && at >= 0) for (const fold of rows[at].querySelectorAll("details")) fold.open = !fold.open;
    else if (key === "O") openAll();
    else if (key === "v") every.click();
    else if (key === "?") keys.open = !keys.open;
    else return false;
    return true;
  }

  function openAll() {
    const folds = [...document.querySelectorAll("details:not(#keys)")];
    const open = folds.some((fold) => !fold.open);
    for (const fold of folds) fold.open = open;
    if (at >= 0) show(rows[at]);
  }

  function follow() {
    const index = place.get(location.hash.slice(1));
    if (index !== undefined) go(index);
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target === find) {
      if (event.key === "Escape") find.blur();
      if (event.key === "Enter") { find.blur(); goal.value = "n"; search(true); }
      return;
    }
    if (event.target === goal) return;
    if (press(event.key)) event.preventDefault();
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-go]");
    if (!button) return;
    const key = goal.value || button.dataset.go;
    press(goal.value && button.dataset.go === "k" ? key.toUpperCase() : key);
  });
  addEventListener("hashchange", follow);
  follow();
})();
