// The switches of the curves: the drawing is changed in place, from the numbers on the page.

const MAX_INTERVALS = 5;

function ticksUpTo(top) {
  const size = 10 ** Math.floor(Math.log10(top / MAX_INTERVALS));
  const step = [1, 2, 2.5, 5, 10].map((one) => one * size).find((one) => top / one <= MAX_INTERVALS);
  return Array.from({ length: Math.floor(top / step + 1e-9) + 1 }, (_, number) => number * step);
}

// Places at least `gap` apart, as near as can be to the given ascending ones: `spread` of curves.py.
function apart(values, gap, low, high) {
  const blocks = [];
  values.forEach((value, number) => {
    let [mean, size] = [value - number * gap, 1];
    while (blocks.length && blocks.at(-1)[0] > mean) {
      const [other, count] = blocks.pop();
      mean = (other * count + mean * size) / (count + size);
      size += count;
    }
    blocks.push([mean, size]);
  });
  const offsets = blocks.flatMap(([mean, size]) => Array(size).fill(mean));
  const last = values.length - 1;
  return offsets.map((offset, number) =>
    Math.min(Math.max(offset, low) + number * gap, high - (last - number) * gap),
  );
}

function drawAxis(svg, frame, top, label) {
  const axis = svg.querySelector('[data-part="x-axis"]');
  const texts = all("text", axis);
  const [tick, title] = [texts[0], texts.at(-1)].map((text) => ({
    style: text.getAttribute("style"),
    y: text.getAttribute("y"),
  }));
  const ticks = ticksUpTo(top).flatMap((value) => {
    const x = frame.across(value);
    return [
      made("path", { d: `M${x} ${frame.y[0]}v2.5`, class: "tick" }),
      made("text", { x, ...tick }, shown(value, 10)),
    ];
  });
  axis.replaceChildren(...ticks, made("text", { x: frame.x[1], ...title }, label));
}

// An arm that has no curve at first is given copies of another's, with the looks of its legend.
function addArm(svg, { arm, name, y }) {
  const figure = svg.closest("figure");
  const entry = figure.querySelector(`.legend li[data-arm="${arm}"] svg`);
  const colour = entry.querySelector("path").style.fill;
  const [curve, , text] = ["curve", "leader", "name"].map((part) => {
    const model = svg.querySelector(`[data-part="${part}"]`);
    const copy = model.cloneNode(true);
    copy.dataset.arm = arm;
    model.after(copy);
    return copy;
  });
  curve.dataset.words = name;
  text.querySelector("text").style.fill = colour;
  const { style } = curve.querySelector("path");
  const lengths = entry.querySelector("line").style.strokeDasharray.match(/[\d.]+/g) ?? [];
  style.stroke = colour;
  style.strokeDasharray = lengths.map((length) => length * parseFloat(style.strokeWidth)).join(" ");
  style.strokeLinecap = lengths.length ? "butt" : "round";
  const shape = curve.querySelector("defs path");
  shape.id = `${figure.id}-mark-${arm}`;
  shape.setAttribute("d", entry.querySelector("path").getAttribute("d"));
  shape.setAttribute("transform", "scale(0.6) translate(-13 -5)"); // around 13, 5 in the legend
  const use = curve.querySelector("use");
  use.setAttribute("href", `#${shape.id}`);
  use.style.fill = colour;
  if (Object.values(y)[0].length > 1) {
    const band = made("g", { "data-part": "band", "data-arm": arm });
    svg.querySelector('[data-part="curve"]').before(band);
  }
}

function partsOf(svg, { arm, short }) {
  const part = (name) => svg.querySelector(`[data-part="${name}"][data-arm="${arm}"]`);
  const use = part("curve").querySelector("use");
  return {
    line: part("curve").querySelector("path"),
    marks: use.parentElement,
    mark: use.cloneNode(),
    band: part("band"),
    leader: part("leader").querySelector("path"),
    name: part("name").querySelector("text"),
    short,
  };
}

function clearArm({ line, marks, band, leader, name }) {
  for (const path of [line, leader]) path.setAttribute("d", "");
  for (const holder of [marks, band, name]) holder?.replaceChildren();
}

function drawArm(frame, { line, marks, mark, band }, points, [means, lows, highs]) {
  const places = (values, along) => along.map(([x, number]) => `${x} ${frame.up(values[number])}`);
  line.setAttribute("d", `M${places(means, points).join("L")}`);
  const every = Math.ceil(points.length / 12); // as many marks as `curves.py` draws
  for (const [x, number] of points.filter((_, place) => place % every === 0)) {
    const use = mark.cloneNode();
    use.setAttribute("x", x);
    use.setAttribute("y", frame.up(means[number]));
    marks.append(use);
  }
  if (band && lows) {
    const around = [...places(lows, points), ...places(highs, [...points].reverse())].join("L");
    const area = made("path", { d: `M${around}z`, class: "area" });
    area.style.fill = line.style.stroke;
    band.append(area);
  }
}

function nameEnds(frame, ends) {
  ends.sort((one, other) => one.y - other.y);
  const heights = ends.map(({ y }) => y);
  const places = apart(heights, 9.2, frame.y[1], frame.y[0] - 4.6);
  const beside = Math.max(...ends.map(({ x }) => x)) + 0.05 * (frame.x[1] - frame.x[0]);
  ends.forEach(({ x, y, parts }, number) => {
    const place = places[number];
    parts.leader.setAttribute("d", `M${x} ${y}L${beside} ${place}`);
    parts.name.removeAttribute("transform");
    parts.name.setAttribute("y", place + 2.6);
    parts.name.textContent = parts.short;
  });
}

function switchCurves(holder) {
  const figure = holder.closest("figure");
  const svg = figure.querySelector("svg[data-frame]");
  if (svg === null) return;
  const { axes, measures, arms } = JSON.parse(holder.textContent);
  const [byMeasure, byAxis] = all(".switches select", figure);
  const isDrawn = ({ arm }) => svg.querySelector(`[data-part="curve"][data-arm="${arm}"] use`);
  const added = arms.filter((arm) => !isDrawn(arm));
  for (const arm of added) addArm(svg, arm);
  const parts = new Map(arms.map((arm) => [arm, partsOf(svg, arm)]));
  for (const arm of added) clearArm(parts.get(arm));

  // The chosen numbers of an arm, and the places at which it has a value on both axes.
  function chosen({ x, y }) {
    const [xs, values] = [x[byAxis.value], y[byMeasure.value]];
    const known = xs.flatMap((across, number) =>
      across === null || values[0][number] === null ? [] : [[across, number]],
    );
    return { values, known };
  }

  function say() {
    const [measure, axis] = [measures[byMeasure.value], axes[byAxis.value]];
    const lacking = arms.filter((arm) => arm.x[byAxis.value].length && !chosen(arm).known.length);
    const notes = lacking.map(
      ({ name }) => `${name} has no value of this measure against ${axis.title}: it is not drawn.`,
    );
    const words = [measure.alternative, `Drawn against ${axis.title}.`, ...notes];
    svg.setAttribute("aria-label", words.join(" "));
    svg.dataset.title = `${measure.title} against ${axis.title}`;
    svg.querySelector('[data-part="title"] text').textContent = measure.title;
    figure.querySelector(".axis-note").textContent = axis.note;
    figure.querySelector(".lacking").textContent = notes.join(" ");
    svg.dispatchEvent(new Event("drawn"));
  }

  function draw() {
    const { label } = axes[byAxis.value];
    const tops = arms.flatMap((arm) => chosen(arm).known.map(([across]) => across));
    const top = Math.max(0, ...tops) * 1.02 || 1;
    const before = JSON.parse(svg.dataset.frame);
    const x = [...before.x.slice(0, 2), 0, top];
    svg.dataset.frame = JSON.stringify({ ...before, x, label });
    const frame = frameOf(svg);
    drawAxis(svg, frame, top, label);
    const ends = [];
    for (const [arm, its] of parts) {
      clearArm(its);
      const { values, known } = chosen(arm);
      if (!known.length) continue;
      const points = known.map(([across, number]) => [frame.across(across), number]);
      drawArm(frame, its, points, values);
      const [last, number] = points.at(-1);
      ends.push({ x: last, y: frame.up(values[0][number]), parts: its });
    }
    nameEnds(frame, ends);
    say();
  }

  for (const choice of [byMeasure, byAxis]) choice.addEventListener("change", draw);
  figure.querySelector(".switches").hidden = false;
  say();
}

for (const holder of all("script.curves")) switchCurves(holder);
