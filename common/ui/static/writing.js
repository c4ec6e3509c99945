// Help people who write a long text: say how much more fits, and ask before the text is lost.

const NEAR = 200; // characters: from here on the number is also read aloud
const PAUSE = 1000; // milliseconds: not after each key, which would disturb the typing

// Show below a text how many more characters fit. The server counts them in the same way.
function countDown(area) {
  const limit = Number(area.dataset.limit);
  const shown = document.createElement("small");
  shown.className = "left";
  shown.id = `${area.id}-left`;
  const spoken = document.createElement("span");
  spoken.className = "visually-hidden";
  spoken.setAttribute("role", "status");
  area.after(shown, spoken);
  area.setAttribute("aria-describedby", `${area.getAttribute("aria-describedby") ?? ""} ${shown.id}`);
  let timer;
  const count = () => {
    const left = limit - [...area.value.trim()].length; // an emoji is one character, as in Python
    const number = Math.abs(left).toLocaleString(document.documentElement.lang);
    shown.textContent = left < 0 ? `${number} characters too many` : `${number} characters left`;
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
  const fields = [...form.querySelectorAll("input, textarea")];
  const ask = (event) => event.preventDefault();
  const stop = () => removeEventListener("beforeunload", ask);
  const watch = () => {
    const isChanged = fields.some((field) => field.value !== field.defaultValue);
    if (isChanged || "unsaved" in form.dataset) addEventListener("beforeunload", ask);
    else stop();
  };
  form.addEventListener("input", watch);
  form.addEventListener("submit", stop);
  watch(); // after a reload, browsers put back what was typed
}

document.querySelectorAll("textarea[data-limit]").forEach(countDown);
document.querySelectorAll("form:has(textarea)").forEach(askBeforeLeaving);
