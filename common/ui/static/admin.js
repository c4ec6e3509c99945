// Tick all rows of the page, or none.
document.getElementById("all").addEventListener("change", (event) => {
  for (const box of document.querySelectorAll(".action-checkbox")) {
    box.checked = event.target.checked;
  }
});
