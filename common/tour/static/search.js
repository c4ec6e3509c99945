// The search where the tour is files: what common/tour/search.py does, in the browser.
"use strict";

const KINDS = {glossary: "In the glossary", texts: "In the texts", code: "In the code"};
const query = (new URLSearchParams(location.search).get("q") || "").trim().slice(0, 200);
const words = query.toLowerCase().split(/\s+/).filter(Boolean);

// The text around the first place of a word, in one line and without half words at either end.
function around(text, word) {
  const at = Math.max(text.toLowerCase().indexOf(word), 0);
  const begin = Math.max(at - AROUND, 0);
  let end = at + word.length + AROUND;
  const space = begin ? text.slice(begin, at).indexOf(" ") : -1;
  const start = begin && space >= 0 ? begin + space + 1 : 0;
  if (end < text.length)
    end = Math.max(at + word.length + text.slice(at + word.length, end).lastIndexOf(" "), at + word.length);
  const line = text.slice(start, end).split(/\s+/).filter(Boolean).join(" ");
  return (start ? "… " : "") + line + (end < text.length ? " …" : "");
}

function item([kind, link, title, text]) {
  const li = document.createElement("li");
  const a = li.appendChild(document.createElement("a"));
  a.href = link;
  a.textContent = title;
  li.append(document.createElement("br"));
  const shown = li.appendChild(document.createElement(kind === "code" ? "code" : "span"));
  shown.textContent = kind === "texts" ? around(text, words[0]) : text;
  return li;
}

if (words.length) {
  const none = document.querySelector("#none");
  const title = `“${query}”`;
  document.title = `${title} · Study Log`;
  document.querySelector("h1").textContent = `${title} in the course`;
  document.querySelector("[name=q]").value = query;
  document.querySelector("#index").remove();
  const found = INDEX.filter(([, , title, text]) => {
    const all = `${title} ${text}`.toLowerCase();
    return words.every((word) => all.includes(word));
  });
  for (const [kind, heading] of Object.entries(KINDS)) {
    const hits = found.filter((hit) => hit[0] === kind).slice(0, MOST);
    if (!hits.length) continue;
    const h2 = document.createElement("h2");
    h2.textContent = heading;
    const list = document.createElement("ul");
    list.className = "hits";
    list.append(...hits.map(item));
    none.before(h2, list);
  }
  if (found.length) none.remove();
  else none.textContent = "Nothing has all these words. Try one of them alone.";
}
