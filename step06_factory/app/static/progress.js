// Keeps the bars on the page of exports moving. Without it the page works too: reload to see more.

const FINAL = ["SUCCESS", "FAILURE", "REVOKED"];
const POLL_EVERY = 500; // milliseconds

// Write the news of an export into its article, and say aloud when its state changes.
function show(article, news) {
  article.querySelector("progress").value = news.percent;
  article.querySelector(".text").textContent = news.message;
  if (news.state === article.dataset.state) return;
  article.dataset.state = news.state;
  document.getElementById("news").textContent = news.message;
  if (!FINAL.includes(news.state)) return;
  article.querySelector("button").textContent = "Delete";
  if (news.archive_url) {
    const link = article.querySelector(".archive");
    link.href = news.archive_url;
    link.hidden = false;
  }
}

// Ask again and again, until the export has ended.
async function watch(article) {
  while (!FINAL.includes(article.dataset.state)) {
    await new Promise((resolve) => setTimeout(resolve, POLL_EVERY));
    try {
      const response = await fetch(article.dataset.url);
      if (response.ok) show(article, await response.json());
      else if (response.status < 500) return; // deleted in another window, or logged out
    } catch {
      // The server does not answer now. It may be back at the next try.
    }
  }
}

document.querySelectorAll("article[data-url]").forEach(watch);
