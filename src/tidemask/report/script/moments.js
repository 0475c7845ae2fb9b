// The moments of a preview: one at a time, by a slider; and what is known of each word, in a box.

const moments = all(".moment");
const slider = document.querySelector("#moment");
const output = document.querySelector(".moment-switch output");

function showMoment() {
  const chosen = Number(slider.value);
  const { moment } = moments[chosen].dataset;
  moments.forEach((one, number) => one.toggleAttribute("hidden", number !== chosen));
  slider.setAttribute("aria-valuetext", moment);
  output.textContent = `${chosen + 1} of ${moments.length}: ${moment}`;
}

if (moments.length > 1) {
  slider.addEventListener("input", showMoment);
  slider.closest("div").hidden = false;
  showMoment();
}

function tell(passage) {
  const words = all(".w", passage);
  const box = made("div", { class: "values", role: "status" });
  let place = -1;
  for (const word of words) {
    word.dataset.about = word.title;
    word.removeAttribute("title"); // the box has the words
  }
  passage.append(box);

  function hide() {
    words[place]?.classList.remove("at");
    place = -1;
    box.replaceChildren();
  }

  function show(next) {
    if (next === place || !words[next]) return;
    hide();
    place = next;
    const word = words[place];
    word.classList.add("at");
    box.textContent = word.dataset.about;
    const frame = passage.getBoundingClientRect();
    const [line] = word.getClientRects();
    box.style.top = `${line.bottom - frame.top + 6}px`;
    box.style.left = `${Math.max(0, Math.min(line.left - frame.left, frame.width - box.offsetWidth))}px`;
  }

  const steps = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };
  passage.setAttribute("tabindex", "0");
  passage.setAttribute("role", "group");
  passage.setAttribute("aria-label", `Sequence ${passage.dataset.passage}: words by the arrow keys`);
  passage.addEventListener("pointerover", (event) => show(words.indexOf(event.target.closest(".w"))));
  passage.addEventListener("pointerleave", hide);
  passage.addEventListener("blur", hide);
  passage.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return hide();
    const ends = { Home: 0, End: words.length - 1 };
    if (!(event.key in steps || event.key in ends)) return;
    event.preventDefault();
    const next = event.key in ends ? ends[event.key] : place + steps[event.key];
    show(Math.max(0, Math.min(words.length - 1, next)));
  });
}

all(".passage").forEach(tell);
