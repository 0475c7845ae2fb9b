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

function drawArm(svg, frame, arm, xs, [means, lows, highs]) {
  const part = (name) => svg.querySelector(`[data-part="${name}"][data-arm="${arm}"]`);
  const curve = part("curve");
  const points = means.flatMap((mean, number) =>
    mean === null || xs[number] === null ? [] : [[frame.across(xs[number]), number]],
  );
  const line = (values, along) => along.map(([x, number]) => `${x} ${frame.up(values[number])}`);
  curve.querySelector("path").setAttribute("d", `M${line(means, points).join("L")}`);
  const uses = all("use", curve);
  const every = Math.ceil(points.length / 12) || 1; // as many marks as `curves.py` draws
  const marks = points.filter((_, number) => number % every === 0);
  uses[0]?.parentElement.replaceChildren(
    ...marks.map(([x, number]) => {
      const use = uses[0].cloneNode();
      use.setAttribute("x", x);
      use.setAttribute("y", frame.up(means[number]));
      return use;
    }),
  );
  const band = part("band");
  if (band && lows) {
    const around = [...line(lows, points), ...line(highs, [...points].reverse())].join("L");
    const area = made("path", { d: `M${around}z`, class: "area" });
    area.style.fill = curve.querySelector("path").style.stroke;
    band.replaceChildren(area);
  }
  const [x, last] = points.at(-1);
  return { x, y: frame.up(means[last]), part };
}

function nameEnds(frame, ends) {
  ends.sort((one, other) => one.y - other.y);
  const heights = ends.map(({ y }) => y);
  const places = apart(heights, 9.2, frame.y[1], frame.y[0] - 4.6);
  const beside = Math.max(...ends.map(({ x }) => x)) + 0.05 * (frame.x[1] - frame.x[0]);
  ends.forEach(({ x, y, part }, number) => {
    const place = places[number];
    part("leader")?.querySelector("path").setAttribute("d", `M${x} ${y}L${beside} ${place}`);
    const text = part("name")?.querySelector("text");
    text?.removeAttribute("transform");
    text?.setAttribute("y", place + 2.6);
  });
}

function switchCurves(holder) {
  const figure = holder.closest("figure");
  const svg = figure.querySelector("svg[data-frame]");
  if (svg === null) return;
  const { axes, measures, arms } = JSON.parse(holder.textContent);
  const [byMeasure, byAxis] = all(".switches select", figure);

  function draw() {
    const [measure, axis] = [measures[byMeasure.value], axes[byAxis.value]];
    const known = arms.filter(({ y }) => y[byMeasure.value]?.[0].some((value) => value !== null));
    const tops = known.flatMap(({ x }) => x[byAxis.value].filter((value) => value !== null));
    const top = Math.max(...tops) * 1.02 || 1;
    const before = JSON.parse(svg.dataset.frame);
    const x = [...before.x.slice(0, 2), 0, top];
    svg.dataset.frame = JSON.stringify({ ...before, x, label: axis.label });
    const frame = frameOf(svg);
    drawAxis(svg, frame, top, axis.label);
    const ends = known
      .filter(({ arm }) => svg.querySelector(`[data-part="curve"][data-arm="${arm}"]`))
      .map(({ arm, x, y }) => drawArm(svg, frame, arm, x[byAxis.value], y[byMeasure.value]));
    nameEnds(frame, ends);
    svg.querySelector('[data-part="title"] text').textContent = measure.title;
    svg.setAttribute("aria-label", measure.alternative);
    figure.querySelector(".axis-note").textContent = axis.note;
  }

  for (const choice of [byMeasure, byAxis]) choice.addEventListener("change", draw);
  figure.querySelector(".switches").hidden = false;
}

for (const holder of all("script.curves")) switchCurves(holder);
