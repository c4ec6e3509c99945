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

document.querySelectorAll("article[data-url]").forEach(poll);
