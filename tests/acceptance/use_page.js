// Uses the page of a comparison like a person, and leaves what happened as JSON in the document.
const box = canvas.getBoundingClientRect();
const send = (type, x, y) => canvas.dispatchEvent(new PointerEvent(type, {clientX: box.left + x * box.width, clientY: box.top + y * box.height, bubbles: true}));
const painted = () => {
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data, colors = new Set();
  let count = 0;
  for (let at = 0; at < pixels.length; at += 4) if (pixels[at + 3]) { count += 1; colors.add(`${pixels[at] >> 5},${pixels[at + 1] >> 5},${pixels[at + 2] >> 5}`); }
  return {count, colors: colors.size};
};
const choose = (id, value) => { byId(id).value = value; byId(id).dispatchEvent(new Event("change")); };
const result = {drawn: Number(document.body.dataset.drawn), painted: painted(), axes: [...byId("axis").options].map((option) => option.value)};
send("pointermove", 0.5, 0.5);
result.tip = {visible: tip.style.visibility, text: [...tip.children].map((row) => row.textContent)};
send("pointerdown", 0.2, 0.2); send("pointermove", 0.6, 0.8); send("pointerup", 0.6, 0.8);
result.zoomed = zoom !== null && bounds.right < fullBounds().right;
canvas.dispatchEvent(new Event("dblclick"));
result.reset = zoom === null;
byId("smoothing").value = "0.9"; byId("smoothing").dispatchEvent(new Event("input"));
result.smoothed = lines[0].ys.some((value, place) => value !== lines[0].raw[place]);
byId("smoothing").value = "0"; byId("smoothing").dispatchEvent(new Event("input"));
const across = {};
for (const axis of result.axes) { choose("axis", axis); across[axis] = [fullBounds().left, fullBounds().right]; }
result.across = across;
choose("axis", "step");
result.values = lines.map((entry) => ({xs: entry.xs, ys: entry.ys, deviations: entry.deviations}));
choose("kind", "train"); result.train = lines.length;
choose("kind", "val"); document.querySelector("#legend button").click();
result.after_hiding = lines.length;
result.requests = performance.getEntriesByType("resource").map((entry) => entry.name);
result.problems = window.problems;
const output = document.createElement("pre"); output.id = "result"; output.textContent = JSON.stringify(result);
document.body.append(output);
