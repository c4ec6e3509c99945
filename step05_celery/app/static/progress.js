// Keeps the bars on the page of exports moving. Without it the page works too: reload to see more.

const FINAL = ["SUCCESS", "FAILURE", "REVOKED"];
const POLL_EVERY = 500; // milliseconds
const WAITING = "Waiting for the server.";

// Write the news of an export into its article.
function show(article, news) {
  const bar = article.querySelector("progress");
  const quarter = Math.floor(news.percent / 25);
  if (news.state !== article.dataset.state || quarter !== Math.floor(bar.value / 25)) {
    // Read aloud by screen readers: not each number, that would be too much.
    document.getElementById("news").textContent = news.message;
  }
  // What is known while Redis is away is a second old: the bar would jump back.
  if (!news.message.startsWith(WAITING)) bar.value = news.percent;
  article.dataset.state = news.state;
  article.querySelector(".text").textContent = news.message;
  article.querySelector(".again").hidden = news.state !== "FAILURE";
  if (news.archive_url) {
    const link = article.querySelector(".archive");
    link.href = news.archive_url;
    link.hidden = false;
  }
  if (FINAL.includes(news.state)) {
    article.querySelector(".remove button").textContent = "Delete";
  }
}

function showWaiting(article) {
  article.querySelector(".text").textContent = WAITING;
}

// Ask again and again, until the export has ended.
async function poll(article) {
  while (!FINAL.includes(article.dataset.state)) {
    await new Promise((resolve) => setTimeout(resolve, POLL_EVERY));
    try {
      const response = await fetch(article.dataset.url);
      if (response.ok) show(article, await response.json());
      else if (response.status < 500) return; // deleted in another window, or logged out
      else showWaiting(article);
    } catch {
      showWaiting(article); // it may be back at the next try
    }
  }
}

document.querySelectorAll("article[data-url]").forEach(poll);
