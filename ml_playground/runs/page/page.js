"use strict";
// Curves of a comparison on a canvas: zoom, hover, smoothing, and a band of one standard deviation over seeds.
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const canvas = byId("canvas"), tip = byId("tip"), context = canvas.getContext("2d");
const COLORS = ["#2563eb", "#ea580c", "#16a34a", "#9333ea", "#dc2626", "#0891b2", "#ca8a04", "#db2777", "#65a30d", "#64748b"];
const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3]];
const MARGIN = { left: 62, right: 14, top: 10, bottom: 38 };
const NAMES = { step: "steps", tokens: "tokens", seconds: "seconds of training", flops: "FLOPs" };
const shown = data.groups.map(() => true);
let zoom = null, lines = [], bounds = null, hover = null, drag = null;

const style = (index) => ({ color: COLORS[index % 10], dash: DASHES[Math.floor(index / 10) % 4] });

function short(number) {
  if (number === 0) return "0";
  const prefixes = ["", "k", "M", "G", "T", "P", "E"];
  let power = 0;
  while (Math.abs(number) >= 999.5 && power < 6) { number /= 1000; power += 1; }
  return `${Number(number.toPrecision(3))}${prefixes[power] && ` ${prefixes[power]}`}`;
}

// Exponential moving average without the bias towards the first value, as in TensorBoard.
function smoothed(values, weight) {
  let mean = 0, total = 0;
  return values.map((value) => {
    mean = weight * mean + (1 - weight) * value;
    total = weight * total + (1 - weight);
    return mean / total;
  });
}

function at(xs, ys, x) {
  if (!xs.length || x < xs[0] || x > xs[xs.length - 1]) return null;
  let low = 0, high = xs.length - 1;
  while (high - low > 1) { const middle = (low + high) >> 1; if (xs[middle] <= x) low = middle; else high = middle; }
  const span = xs[high] - xs[low];
  return span ? ys[low] + (ys[high] - ys[low]) * (x - xs[low]) / span : ys[low];
}

function places(curve, axis) {
  return axis === "flops" ? curve.flops_per_token && curve.tokens && curve.tokens.map((n) => n * curve.flops_per_token) : curve[axis];
}

// One line per group: the mean over its seeds where all of them have values, and their deviation.
function line(group, index, axis, kind, weight) {
  const members = group.members.map((member) => ({ xs: places(member[kind], axis), raw: member[kind].values }))
    .filter((member) => member.xs && member.xs.length);
  if (!members.length) return null;
  const smooth = members.map((member) => smoothed(member.raw, weight));
  if (members.length === 1) return { index, xs: members[0].xs, ys: smooth[0], raw: members[0].raw, members, deviations: null };
  const end = Math.min(...members.map((member) => member.xs[member.xs.length - 1]));
  const start = Math.max(...members.map((member) => member.xs[0]));
  const xs = members[0].xs.filter((x) => x >= start && x <= end);
  const columns = (ys) => xs.map((x) => members.map((member, which) => at(member.xs, ys[which], x)));
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const values = columns(smooth), ys = values.map(mean);
  const deviations = values.map((column, place) => Math.sqrt(
    column.reduce((sum, value) => sum + (value - ys[place]) ** 2, 0) / (column.length - 1)));
  return { index, xs, ys, raw: columns(members.map((member) => member.raw)).map(mean), members, deviations };
}

function update() {
  const axis = byId("axis").value, kind = byId("kind").value, weight = Number(byId("smoothing").value);
  lines = data.groups.map((group, index) => shown[index] ? line(group, index, axis, kind, weight) : null).filter(Boolean);
  draw();
}

function fullBounds() {
  let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const { xs, ys, deviations } of lines) {
    xs.forEach((x, place) => {
      const reach = deviations ? deviations[place] : 0;
      left = Math.min(left, x); right = Math.max(right, x);
      low = Math.min(low, ys[place] - reach); high = Math.max(high, ys[place] + reach);
    });
  }
  if (!(left < right)) [left, right] = [left - 1 || 0, left + 1 || 1];
  const pad = (high - low) * 0.04 || 0.1;
  return Number.isFinite(low) ? { left, right, low: low - pad, high: high + pad } : { left: 0, right: 1, low: 0, high: 1 };
}

const width = () => canvas.clientWidth - MARGIN.left - MARGIN.right;
const height = () => canvas.clientHeight - MARGIN.top - MARGIN.bottom;
const toX = (x) => MARGIN.left + (x - bounds.left) / (bounds.right - bounds.left) * width();
const toY = (y) => MARGIN.top + (bounds.high - y) / (bounds.high - bounds.low) * height();
const fromX = (px) => bounds.left + (px - MARGIN.left) / width() * (bounds.right - bounds.left);
const fromY = (py) => bounds.high - (py - MARGIN.top) / height() * (bounds.high - bounds.low);

function ticks(low, high, count) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough) || 10 * power;
  const found = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high; tick += step) found.push(Number(tick.toPrecision(12)));
  return found;
}

function path(xs, ys) {
  context.beginPath();
  xs.forEach((x, place) => place ? context.lineTo(toX(x), toY(ys[place])) : context.moveTo(toX(x), toY(ys[place])));
}

function drawAxes(colors) {
  context.font = "12px system-ui, sans-serif";
  context.strokeStyle = colors.line; context.fillStyle = colors.faint; context.lineWidth = 1;
  context.textAlign = "center"; context.textBaseline = "top";
  for (const tick of ticks(bounds.left, bounds.right, 8)) {
    context.beginPath(); context.moveTo(toX(tick), MARGIN.top); context.lineTo(toX(tick), MARGIN.top + height()); context.stroke();
    context.fillText(short(tick), toX(tick), MARGIN.top + height() + 5);
  }
  context.textAlign = "right"; context.textBaseline = "middle";
  const rows = ticks(bounds.low, bounds.high, 6), digits = Math.max(0, -Math.floor(Math.log10((rows[1] ?? 1) - (rows[0] ?? 0))));
  for (const tick of rows) {
    context.beginPath(); context.moveTo(MARGIN.left, toY(tick)); context.lineTo(MARGIN.left + width(), toY(tick)); context.stroke();
    context.fillText(tick.toFixed(digits), MARGIN.left - 6, toY(tick));
  }
  context.textAlign = "center"; context.textBaseline = "bottom";
  context.fillText(NAMES[byId("axis").value], MARGIN.left + width() / 2, canvas.clientHeight - 2);
}

function drawLine(entry, smoothing) {
  const { color, dash } = style(entry.index);
  context.strokeStyle = context.fillStyle = color;
  if (entry.deviations) {
    context.globalAlpha = 0.15;
    context.beginPath();
    entry.xs.forEach((x, place) => context.lineTo(toX(x), toY(entry.ys[place] + entry.deviations[place])));
    for (let place = entry.xs.length - 1; place >= 0; place -= 1) {
      context.lineTo(toX(entry.xs[place]), toY(entry.ys[place] - entry.deviations[place]));
    }
    context.fill();
  }
  if (smoothing) { context.globalAlpha = 0.3; context.lineWidth = 1; context.setLineDash([]); path(entry.xs, entry.raw); context.stroke(); }
  context.globalAlpha = 1; context.lineWidth = hover === entry.index ? 3 : 1.6; context.setLineDash(dash);
  path(entry.xs, entry.ys); context.stroke(); context.setLineDash([]);
}

function draw() {
  const ratio = window.devicePixelRatio || 1, css = getComputedStyle(document.documentElement);
  const colors = { line: css.getPropertyValue("--line"), faint: css.getPropertyValue("--faint") };
  canvas.width = canvas.clientWidth * ratio; canvas.height = canvas.clientHeight * ratio;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  bounds = zoom || fullBounds();
  drawAxes(colors);
  context.save();
  context.beginPath(); context.rect(MARGIN.left, MARGIN.top, width(), height()); context.clip();
  const smoothing = Number(byId("smoothing").value) > 0;
  for (const entry of lines) drawLine(entry, smoothing);
  context.restore();
  if (drag && drag.to) {
    context.fillStyle = colors.faint; context.globalAlpha = 0.2;
    context.fillRect(drag.x, drag.y, drag.to.x - drag.x, drag.to.y - drag.y); context.globalAlpha = 1;
  }
}

function position(event) {
  const box = canvas.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}

function showTip(place) {
  const x = fromX(place.x);
  const values = lines.map((entry) => ({ entry, value: at(entry.xs, entry.ys, x) })).filter(({ value }) => value !== null);
  values.sort((a, b) => Math.abs(toY(a.value) - place.y) - Math.abs(toY(b.value) - place.y));
  const nearest = values.length ? values[0].entry.index : null;
  const rows = values.slice(0, 10).sort((a, b) => a.value - b.value);
  tip.replaceChildren();
  const head = document.createElement("div");
  head.className = "at"; head.textContent = `${short(x)} ${NAMES[byId("axis").value]}`;
  tip.append(head);
  for (const { entry, value } of rows) {
    const row = document.createElement("div"), name = document.createElement("span"), number = document.createElement("span");
    const swatch = document.createElement("span");
    swatch.className = "swatch"; swatch.style.background = style(entry.index).color;
    name.append(swatch, data.groups[entry.index].name); number.textContent = value.toFixed(4);
    if (entry.index === nearest) row.style.fontWeight = "bold";
    row.append(name, number); tip.append(row);
  }
  tip.style.visibility = rows.length ? "visible" : "hidden";
  const left = place.x + 14 + tip.offsetWidth > canvas.clientWidth ? place.x - 14 - tip.offsetWidth : place.x + 14;
  tip.style.left = `${left}px`; tip.style.top = `${Math.min(place.y + 10, canvas.clientHeight - tip.offsetHeight)}px`;
  if (nearest !== hover) { hover = nearest; draw(); }
}

canvas.addEventListener("pointerdown", (event) => { drag = position(event); tip.style.visibility = "hidden"; });
canvas.addEventListener("pointermove", (event) => {
  if (drag) { drag.to = position(event); draw(); } else showTip(position(event));
});
canvas.addEventListener("pointerup", () => {
  const { x, y, to } = drag || {};
  drag = null;
  if (to && Math.abs(to.x - x) > 5 && Math.abs(to.y - y) > 5) {
    zoom = { left: fromX(Math.min(x, to.x)), right: fromX(Math.max(x, to.x)), low: fromY(Math.max(y, to.y)), high: fromY(Math.min(y, to.y)) };
  }
  draw();
});
canvas.addEventListener("pointerleave", () => { tip.style.visibility = "hidden"; drag = null; if (hover !== null) { hover = null; draw(); } });
canvas.addEventListener("dblclick", () => { zoom = null; draw(); });
byId("axis").addEventListener("change", () => { zoom = null; update(); });
byId("kind").addEventListener("change", () => { zoom = null; update(); });
byId("smoothing").addEventListener("input", update);
window.addEventListener("resize", draw);
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

for (const option of [...byId("axis").options]) {
  const known = data.groups.some((group) => group.members.some((member) => places(member.val, option.value)));
  if (!known) option.remove();
}
data.groups.forEach((group, index) => {
  const button = document.createElement("button"), swatch = document.createElement("span");
  swatch.className = "swatch"; swatch.style.background = style(index).color;
  button.type = "button"; button.setAttribute("aria-pressed", "true");
  button.append(swatch, group.members.length > 1 ? `${group.name} (${group.members.length} seeds)` : group.name);
  button.addEventListener("click", () => {
    shown[index] = !shown[index]; button.setAttribute("aria-pressed", String(shown[index])); update();
  });
  byId("legend").append(button);
});
update();
document.body.dataset.drawn = String(Math.round(performance.now()));
