// The keys of the tour, what is done, and what is copied. All pages work without it.
"use strict";

const DONE = "study-log-done";
const main = document.querySelector("main");
const read = (name) => JSON.parse(localStorage.getItem(name) || "[]");
const click = (selector) => document.querySelector(selector)?.click();

function showDone() {
  const done = read(DONE);
  for (const item of document.querySelectorAll("li[data-part]"))
    item.classList.toggle("done", done.includes(item.dataset.part) || "kept" in item.dataset);
  for (const item of document.querySelectorAll("[data-parts]")) {
    const count = item.dataset.parts.split(" ").filter((part) => done.includes(part)).length;
    item.textContent = count ? `, ${count} done` : "";
  }
  const button = document.querySelector("button.done");
  if (button) {
    button.hidden = false;
    button.setAttribute("aria-pressed", done.includes(main.dataset.part));
    button.textContent = done.includes(main.dataset.part) ? "✓ Done" : "Done";
  }
}

function toggleDone() {
  const part = main.dataset.part;
  const others = read(DONE).filter((other) => other !== part);
  localStorage.setItem(DONE, JSON.stringify(read(DONE).includes(part) ? others : [...others, part]));
  showDone();
}

// The next of some things from the one that has the focus, or is above the middle of the screen.
function go(selector, by) {
  const all = [...document.querySelectorAll(selector)];
  let at = all.findIndex((item) => item.contains(document.activeElement));
  if (at < 0 && by < 0) at = all.length;
  const next = all[(at + by + all.length) % all.length];
  next?.focus({preventScroll: true});
  next?.scrollIntoView({block: "start"});
}

document.querySelector("#keys")?.removeAttribute("hidden");

function columns() {
  const all = [...document.querySelectorAll("[name=columns]")];
  all[(all.findIndex((radio) => radio.checked) + 1) % all.length]?.click();
}

function keys() {
  const box = document.querySelector("#keys");
  if (box) box.open = !box.open;
  if (box?.open) box.querySelector("summary").focus();
}

const KEYS = {
  j: () => click("a[rel=next]"), ArrowRight: () => click("a[rel=next]"),
  k: () => click("a[rel=prev]"), ArrowLeft: () => click("a[rel=prev]"),
  n: () => go(".hunk", 1), p: () => go(".hunk", -1), f: () => go(".file > .name", 1),
  s: columns, w: () => click("[name=space]"), x: () => click("button.done"), "?": keys,
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input:not([type=checkbox]), textarea, select");
  const scrolls = event.key.startsWith("Arrow") && event.target.matches("pre, .table");
  const off = document.querySelector("[name=keys]:not(:checked)");
  if (typing || scrolls || off || event.ctrlKey || event.metaKey || event.altKey) return;
  if (!(event.key in KEYS)) return;
  event.preventDefault();
  KEYS[event.key]();
});

document.querySelector("button.done")?.addEventListener("click", toggleDone);
for (const button of document.querySelectorAll(".copy")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    const lines = button.closest(".hunk").querySelectorAll("tr:not(.removed) > .code");
    const text = [...lines].map((line) => line.textContent.replace(/\n$/, "") + "\n").join("");
    const copied = await navigator.clipboard.writeText(text).then(() => true, () => false);
    button.textContent = copied ? "copied" : "not allowed here";
  });
}

// How the lines are shown, and whether keys work, stays from page to page.
for (const input of document.querySelectorAll(".view input, [name=keys]")) {
  const saved = localStorage.getItem(`study-log-${input.name}`);
  if (saved !== null) input.checked = input.type === "radio" ? input.value === saved : saved === "true";
  input.addEventListener("change", () => {
    const value = input.type === "radio" ? input.value : input.checked;
    localStorage.setItem(`study-log-${input.name}`, value);
  });
}

// In a long lesson, the part that is open is in sight.
const here = document.querySelector(".parts [aria-current]");
if (here) here.closest("nav").scrollTop = here.offsetTop - here.closest("nav").clientHeight / 2;

addEventListener("storage", showDone);
addEventListener("pageshow", showDone);
