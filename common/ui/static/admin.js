// These links are buttons: they add a field and move the focus there.
for (const link of document.querySelectorAll("a.filter")) {
  link.addEventListener("click", (event) => event.preventDefault());
}

// Flask-Admin's filter fields have no labels: name each one after its filter.
const filters = document.querySelector(".filters");
const label = () => {
  for (const row of filters.querySelectorAll("tr")) {
    const name = row.querySelector(".remove-filter").textContent.replace("×", "").trim();
    for (const field of row.querySelectorAll("input, select")) {
      field.setAttribute("aria-label", name);
    }
  }
};
new MutationObserver(label).observe(filters, { childList: true, subtree: true });
label();
