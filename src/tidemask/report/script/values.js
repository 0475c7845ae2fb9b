// Values of a chart in a box: under the pointer, and with the arrow keys where the chart has focus.

// Points of one curve that lie in a column are one stop, with a line for each curve.
const SAME_PLACE = 0.05;

function pointsOf(path) {
  const found = path.getAttribute("d").matchAll(/[ML]\s*([-\d.e]+)[\s,]+([-\d.e]+)/g);
  return [...found].map(([, x, y]) => [Number(x), Number(y)]);
}

function stopsOfCurves(svg, curves) {
  const frame = frameOf(svg);
  const points = curves.flatMap((curve) => {
    const path = curve.querySelector("path");
    const colour = path.style.stroke;
    return pointsOf(path).map(([x, y]) => ({ x, y, colour, name: curve.dataset.words ?? "" }));
  });
  points.sort((one, other) => one.x - other.x);
  const stops = [];
  for (const point of points) {
    const value = `${point.name} ${shown(frame.yAt(point.y), 5)}`.trim();
    const last = stops.at(-1);
    if (last === undefined || point.x - last.x > SAME_PLACE) {
      const x = Number(frame.xAt(point.x).toPrecision(7));
      const head = `${frame.label} ${shown(x, Number.isInteger(x) ? 7 : 5)}`;
      stops.push({ x: point.x, head, dots: [point], lines: [[value, point.colour]] });
    } else {
      last.dots.push(point);
      last.lines.push([value, point.colour]);
    }
  }
  return stops;
}

function stopsOfPoints(points) {
  return points.map((point) => {
    const { x, y, width, height } = point.getBBox();
    const centre = { x: x + width / 2, y: y + height / 2 };
    return { x: centre.x, head: "", dots: [centre], lines: [[point.dataset.words, ""]] };
  });
}

function stopsOf(svg) {
  const visible = (part) => all(`[data-part="${part}"]:not(.off)`, svg);
  const curves = visible("curve").filter((curve) => curve.querySelector("path"));
  return curves.length ? stopsOfCurves(svg, curves) : stopsOfPoints(visible("point"));
}

function follow(svg) {
  const panel = svg.parentElement;
  const box = made("div", { class: "values", role: "status" });
  const rule = made("path", { class: "rule" });
  const dots = made("g", { class: "dots" });
  let stops = [];
  let place = -1;
  panel.classList.add("followed");
  panel.setAttribute("tabindex", "0");
  panel.setAttribute("role", "application");
  panel.setAttribute("aria-roledescription", "chart");
  svg.append(made("g", { class: "pointer" }, rule, dots));
  panel.append(box);

  function hide() {
    place = -1;
    box.replaceChildren();
    dots.replaceChildren();
    rule.removeAttribute("d");
  }

  function show(next) {
    if (next === place || !stops[next]) return;
    place = next;
    const stop = stops[place];
    const frame = frameOf(svg);
    const lines = stop.lines.map(([text, colour]) => {
      const swatch = made("i", { class: "swatch" });
      swatch.style.background = colour;
      return made("span", {}, ...(colour ? [swatch] : []), text);
    });
    box.replaceChildren(...(stop.head ? [made("b", {}, stop.head)] : []), ...lines);
    dots.replaceChildren(...stop.dots.map(({ x, y }) => made("circle", { cx: x, cy: y, r: 3.4 })));
    if (stop.head) rule.setAttribute("d", `M${stop.x} ${frame.y[0]}V${frame.y[1]}`);
    const share = stop.x / svg.viewBox.baseVal.width;
    const highest = Math.min(...stop.dots.map(({ y }) => y));
    const under = stop.head ? frame.y[1] : highest + 12;
    box.style.top = `${(100 * under) / svg.viewBox.baseVal.height}%`;
    box.style.left = share > 0.5 ? "" : `calc(${100 * share}% + 12px)`;
    box.style.right = share > 0.5 ? `calc(${100 * (1 - share)}% + 12px)` : "";
  }

  function nearest(event) {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(
      svg.getScreenCTM().inverse(),
    );
    let [best, least] = [-1, Infinity];
    stops.forEach((stop, number) => {
      for (const { x, y } of stop.dots) {
        // A column of values is found by its place alone, a single value also by its height.
        const distance = Math.abs(x - at.x) + (stop.head ? 0.001 : 1) * Math.abs(y - at.y);
        if (distance < least) [best, least] = [number, distance];
      }
    });
    return best;
  }

  function label() {
    panel.setAttribute("aria-label", `${svg.dataset.title}: values by the arrow keys`);
  }

  const steps = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };
  label();
  // `curves.js` has drawn other numbers.
  svg.addEventListener("drawn", () => {
    hide();
    stops = stopsOf(svg);
    label();
  });
  panel.addEventListener("pointerenter", () => (stops = stopsOf(svg)));
  panel.addEventListener("pointermove", (event) => show(nearest(event)));
  panel.addEventListener("pointerleave", hide);
  panel.addEventListener("blur", hide);
  panel.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return hide();
    const ends = { Home: 0, End: Infinity };
    if (!(event.key in steps || event.key in ends)) return;
    event.preventDefault();
    if (place < 0) stops = stopsOf(svg);
    const next = event.key in ends ? ends[event.key] : place + steps[event.key];
    show(Math.max(0, Math.min(stops.length - 1, next)));
  });
}

for (const title of all(".panels [data-part] > title")) {
  title.parentElement.dataset.words = title.textContent;
  title.remove(); // the box has the words
}
for (const svg of all(".panels svg[data-frame]")) {
  if (svg.querySelector('[data-part="curve"], [data-part="point"]')) follow(svg);
}
