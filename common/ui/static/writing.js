// Help people who write a long text: say how much more fits, and ask before the text is lost.

const NEAR = 200; // characters: from here on the number is also read aloud
const PAUSE = 1000; // milliseconds: not after each key, which would disturb the typing

// Show below a text how many more characters fit. The server counts them in the same way.
function countDown(area) {
  const limit = Number(area.dataset.limit);
  const shown = document.createElement("div");
  shown.className = "left";
  shown.id = `${area.id}-left`;
  const spoken = document.createElement("span");
  spoken.className = "visually-hidden";
  spoken.setAttribute("role", "status");
  (document.getElementById(`${area.id}-hint`) ?? area).after(shown, spoken);
  area.setAttribute("aria-describedby", `${area.getAttribute("aria-describedby") ?? ""} ${shown.id}`);
  let timer;
  const count = () => {
    const left = limit - [...area.value.trim()].length; // an emoji is one character, as in Python
    const number = Math.abs(left).toLocaleString(document.documentElement.lang);
    const characters = Math.abs(left) === 1 ? "character" : "characters";
    shown.textContent = `${number} ${characters} ${left < 0 ? "too many" : "left"}`;
    shown.classList.toggle("field-error", left < 0);
    clearTimeout(timer);
    timer = setTimeout(() => {
      spoken.textContent = left < NEAR ? shown.textContent : "";
    }, PAUSE);
  };
  area.addEventListener("input", count);
  count();
}

// Let the browser ask before it leaves a form with a text that the server does not have yet.
function askBeforeLeaving(form) {
  const ask = (event) => event.preventDefault();
  const stop = () => removeEventListener("beforeunload", ask);
  const watch = () => {
    const isChanged = fieldsOf(form).some((field) => field.value !== field.defaultValue);
    if (isChanged || "unsaved" in form.dataset) addEventListener("beforeunload", ask);
    else stop();
  };
  form.addEventListener("input", watch);
  form.addEventListener("submit", stop);
  watch(); // after a reload, browsers put back what was typed
}

// Put a text back that was sent and not taken: the session had ended, so a login came in between.
function bringBack(form) {
  const key = `writing ${location.pathname}`;
  const sent = JSON.parse(sessionStorage.getItem(key) ?? "{}"); // lives as long as the tab
  sessionStorage.removeItem(key);
  form.addEventListener("submit", () => {
    const texts = fieldsOf(form).map((field) => [field.name, field.value]);
    sessionStorage.setItem(key, JSON.stringify(Object.fromEntries(texts)));
  });
  const before = new URL(document.referrer || location.origin);
  const here = [before.pathname, before.searchParams.get("next")].includes(location.pathname);
  if (!here || "unsaved" in form.dataset) return; // it was published, or the server has kept it
  for (const field of fieldsOf(form)) field.value = sent[field.name] ?? field.value;
}

function fieldsOf(form) {
  return [...form.querySelectorAll("input:not([type=hidden]), textarea")];
}

for (const form of document.querySelectorAll("form:has(textarea)")) {
  try {
    bringBack(form);
  } catch {
    // No storage, as some people want it: then nothing is brought back.
  }
  askBeforeLeaving(form);
}
document.querySelectorAll("textarea[data-limit]").forEach(countDown);
