// Arms on and off: the entries of the legends become switches, for all charts at once.

const armsOff = new Set();

function showArms() {
  for (const thing of all("svg [data-arm]")) {
    thing.classList.toggle("off", armsOff.has(thing.dataset.arm));
  }
  for (const entry of all(".legend button[data-arm]")) {
    entry.setAttribute("aria-pressed", String(!armsOff.has(entry.dataset.arm)));
  }
}

for (const entry of all(".legend li[data-arm]")) {
  const arm = entry.dataset.arm;
  const control = button({ "data-arm": arm, "aria-pressed": "true" }, ...entry.childNodes);
  control.title = "Show or hide this arm in all charts";
  control.addEventListener("click", () => {
    if (!armsOff.delete(arm)) armsOff.add(arm);
    showArms();
  });
  entry.replaceChildren(control);
}
