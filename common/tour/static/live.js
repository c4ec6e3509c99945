// What runs beside the tour, and the learner's own app: asked for again each second.
"use strict";

const live = document.querySelector("#live");

function mark() {
  const {kept, broken} = live.querySelector(".live").dataset;
  if (kept === undefined) return;
  for (const item of document.querySelectorAll("li[data-part]")) {
    item.toggleAttribute("data-kept", kept.split(" ").includes(item.dataset.part));
    item.classList.toggle("broken", item.dataset.part === broken);
  }
  showDone();
}

async function look() {
  const since = encodeURIComponent(live.querySelector(".live").dataset.version);
  const answer = await fetch(`${live.dataset.url}?since=${since}`).catch(() => null);
  if (answer?.status === 200) {
    const focus = live.contains(document.activeElement) ? document.activeElement.id : "";
    live.innerHTML = await answer.text();
    if (focus) (document.getElementById(focus) || live).focus();
    const log = live.querySelector(".log");
    if (log) log.scrollTop = log.scrollHeight;
    const says = live.querySelector(".own > p")?.textContent || "";
    if (document.querySelector("#says").textContent !== says)
      document.querySelector("#says").textContent = says;
    mark();
  }
  setTimeout(look, 1000);
}

mark();
setTimeout(look, 1000);
