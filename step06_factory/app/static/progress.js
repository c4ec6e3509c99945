// Keep the bars on the page of exports moving. The page also works without: reload to see more.

const FINAL = ["SUCCESS", "FAILURE", "REVOKED"];
const POLL_EVERY = 500; // milliseconds
const WAITING = "Waiting for the server.";

// Show the status of an export in its article.
function show(article, status) {
  const bar = article.querySelector("progress");
  const quarter = Math.floor(status.percent / 25);
  if (status.state !== article.dataset.state || quarter !== Math.floor(bar.value / 25)) {
    // Screen readers read this aloud: not each number, that would be too much.
    document.getElementById("status").textContent = status.message;
  }
  // Without Redis the status is a second old, and the bar would jump back.
  if (!status.message.startsWith(WAITING)) bar.value = status.percent;
  article.dataset.state = status.state;
  article.querySelector(".text").textContent = status.message;
  article.querySelector(".again").hidden = status.state !== "FAILURE";
  if (status.archive_url) {
    const link = article.querySelector(".archive");
    link.href = status.archive_url;
    link.hidden = false;
  }
  if (FINAL.includes(status.state)) {
    article.querySelector(".remove button").textContent = "Delete";
  }
}

function showText(article, text) {
  article.querySelector(".text").textContent = text;
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

// Return the articles of exports that have not ended.
function unfinished() {
  const articles = [...document.querySelectorAll("article[data-url]")];
  return articles.filter((article) => !FINAL.includes(article.dataset.state));
}

let source;

// Follow the stream of the server, one for all exports; ask again and again where there is none.
function watch() {
  source?.close();
  // A browser has few connections to one site: only pages that somebody sees take one.
  if (document.hidden || unfinished().length === 0) return;
  source = new EventSource(unfinished()[0].dataset.url.replace(/[^/]+$/, "events"));
  source.onmessage = (event) => {
    const status = JSON.parse(event.data);
    const article = unfinished().find(({ dataset }) => dataset.url.endsWith(status.id));
    if (article) show(article, status);
    if (unfinished().length === 0) source.close();
  };
  source.addEventListener("ids", (event) => {
    const isDeleted = ({ dataset }) => !event.data.includes(dataset.url.split("/").at(-1));
    unfinished().filter(isDeleted).forEach((article) => article.remove());
    if (unfinished().length === 0) source.close();
  });
  source.onerror = () => {
    unfinished().forEach((article) => showText(article, WAITING)); // the browser connects again by itself ...
    if (source.readyState !== EventSource.CLOSED) return;
    document.removeEventListener("visibilitychange", watch);
    unfinished().forEach(poll); // ... unless it was refused
  };
}

document.addEventListener("visibilitychange", watch);
watch();
