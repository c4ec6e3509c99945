// Show each time in the time zone of the reader. Without this script it is UTC, and says so.
for (const time of document.querySelectorAll("time[datetime]")) {
  const hasSeconds = time.dateTime.length > "2026-01-05T10:00Z".length;
  time.title = time.textContent;
  time.textContent = new Date(time.dateTime).toLocaleString(document.documentElement.lang, {
    dateStyle: "medium",
    timeStyle: hasSeconds ? "medium" : "short",
    hourCycle: "h23",
  });
}
