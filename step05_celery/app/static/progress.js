// Keep the page of exports up to date. The page also works without: reload to see more.

const FINAL = ["SUCCESS", "FAILURE", "REVOKED"];
const POLL_EVERY = 500; // milliseconds
const WAITING = "Waiting for the server.";
const announcer = document.getElementById("status");
const NAMES = JSON.parse(announcer.dataset.names);

// Show the status of an export in its article.
function show(article, status) {
  announce(article, status);
  article.dataset.state = status.state;
  article.querySelector(".state").textContent = NAMES[status.state];
  showText(article, status.message, timeLeft(article, status));
  // Without Redis the status is a second old, and the bar would jump back.
  if (!status.message.startsWith(WAITING)) showPercent(article, status.percent);
  if (FINAL.includes(status.state)) showEnd(article, status);
}

function showText(article, text, left = "") {
  article.querySelector(".left").textContent = left;
  // What is between two ` is a command.
  const parts = text.split("`").map((part, index) => {
    const element = document.createElement(index % 2 ? "code" : "span");
    element.textContent = part;
    return element;
  });
  article.querySelector(".text").replaceChildren(...parts);
}

function showPercent(article, percent) {
  article.querySelector(".percent").textContent = `, ${percent}%`;
  article.querySelector("progress").value = percent;
}

function showEnd(article, status) {
  article.querySelector(".percent").textContent = "";
  article.querySelector("progress").remove();
  article.querySelector(".cancel").hidden = true;
  article.querySelector(".remove").hidden = false;
  article.querySelector(".again").hidden = status.state !== "FAILURE";
  if (status.archive_url) {
    const link = article.querySelector(".archive");
    link.href = status.archive_url;
    link.hidden = false;
  }
}

// Tell screen readers of each state and of each quarter: each number would be too much.
function announce(article, status) {
  const quarter = Math.floor(status.percent / 25);
  const before = Math.floor(article.querySelector("progress").value / 25);
  if (status.state === article.dataset.state && quarter === before) return;
  announcer.textContent = `${NAMES[status.state]}. ${status.message}`;
}

const firstSeen = new Map();

// Say how long it will take at the rate that was seen here so far; nothing while that is unknown.
function timeLeft(article, { state, current, total }) {
  const now = performance.now() / 1000;
  const first = firstSeen.get(article);
  if (state !== "PROGRESS" || !first || current < first.current) {
    firstSeen.set(article, { now, current }); // it begins, or begins again
    return "";
  }
  const [seconds, done] = [now - first.now, current - first.current];
  return seconds < 2 || done === 0 ? "" : inWords(((total - current) * seconds) / done);
}

// Round as people do: “47 seconds” would promise too much.
function inWords(seconds) {
  if (seconds <= 50) return `About ${Math.ceil(seconds / 10) * 10 || 10} seconds left.`;
  const minutes = Math.round(seconds / 60);
  return minutes < 2 ? "About a minute left." : `About ${minutes} minutes left.`;
}

// Ask until the export has ended.
async function poll(article) {
  while (!FINAL.includes(article.dataset.state)) {
    await new Promise((resolve) => setTimeout(resolve, POLL_EVERY));
    try {
      const response = await fetch(article.dataset.url);
      if (response.ok) show(article, await response.json());
      else if (response.status >= 500) showText(article, WAITING);
      else return showText(article, (await response.json()).message); // deleted, or logged out
    } catch {
      showText(article, WAITING); // it may answer the next time
    }
  }
}

document.querySelectorAll("article[data-url]").forEach(poll);
