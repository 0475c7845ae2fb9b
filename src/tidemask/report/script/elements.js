// How the script finds, makes and numbers things; the page stands without any of it.

const all = (selector, root = document) => [...root.querySelectorAll(selector)];

function made(name, attributes = {}, ...children) {
  const drawn = ["g", "path", "circle", "text"].includes(name);
  const node = drawn
    ? document.createElementNS("http://www.w3.org/2000/svg", name)
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

function button(attributes, ...children) {
  return made("button", { type: "button", ...attributes }, ...children);
}

// A number with up to so many figures, as the page writes numbers.
function shown(value, figures) {
  const rounded = Number(value.toPrecision(figures));
  return rounded.toLocaleString("en-US", { maximumSignificantDigits: figures }).replace("-", "−");
}

// Where the axes of a drawing lie, and how places in it and values become each other.
function frameOf(svg) {
  const { x, y, log, label } = JSON.parse(svg.dataset.frame);
  const scale = log ? Math.log10 : (value) => value;
  const back = log ? (value) => 10 ** value : (value) => value;
  const [bottom, top] = [scale(y[2]), scale(y[3])];
  return {
    x,
    y,
    label,
    across: (value) => x[0] + ((x[1] - x[0]) * (value - x[2])) / (x[3] - x[2]),
    up: (value) => y[0] + ((y[1] - y[0]) * (scale(value) - bottom)) / (top - bottom),
    xAt: (place) => x[2] + ((x[3] - x[2]) * (place - x[0])) / (x[1] - x[0]),
    yAt: (place) => back(bottom + ((top - bottom) * (place - y[0])) / (y[1] - y[0])),
  };
}
