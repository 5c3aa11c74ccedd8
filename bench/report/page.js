"use strict";
// A flame graph as nested boxes: the root above, width by value; a click makes a box as wide as the page.
const ROW_PX = 20;

function colour(name) {
  const file = name.split(":")[0].split(".").slice(0, 3).join(".");
  let hash = 0;
  for (const letter of file) hash = (hash * 31 + letter.charCodeAt(0)) >>> 0;
  const hues = { flows: 24, detectors: 268, state: 205, numpy: 140, orjson: 50, xxhash: 50 };
  const family = Object.keys(hues).find((key) => file.startsWith(key));
  return `hsl(${(family ? hues[family] : hash % 360) + (hash % 21) - 10} 62% ${70 + (hash % 9)}%)`;
}

function short(name) {
  return name.includes("/") ? name : name.split(".").slice(-2).join(".");
}

function depth(node) {
  return 1 + Math.max(0, ...node.children.map(depth));
}

function draw(place, root, focus, say) {
  const path = [];
  (function find(node) {
    if (node === focus) return true;
    path.push(node);
    if (node.children.some(find)) return true;
    path.pop();
    return false;
  })(root);
  place.replaceChildren();
  const box = (node, level, left, width, above) => {
    const part = document.createElement("div");
    const share = `${((100 * node.value) / root.value).toFixed(1)} %`;
    part.textContent = width > 0.03 ? short(node.name) : "";
    part.title = `${node.name}\n${share} of the samples`;
    part.className = above ? "above" : "";
    part.style.cssText = `top:${level * ROW_PX}px;left:${left * 100}%;width:${width * 100}%;background:${colour(node.name)}`;
    part.addEventListener("click", () => draw(place, root, node, say));
    part.addEventListener("mouseenter", () => say(`${node.name}: ${share}`));
    place.append(part);
  };
  path.forEach((node, level) => box(node, level, 0, 1, true));
  (function below(node, level, left) {
    const width = node.value / focus.value;
    if (width < 0.001) return;
    box(node, level, left, width, false);
    for (const child of node.children) {
      below(child, level + 1, left);
      left += child.value / focus.value;
    }
  })(focus, path.length, 0);
  place.style.height = `${depth(root) * ROW_PX}px`;
}

for (const part of document.querySelectorAll(".flames")) {
  const graphs = JSON.parse(part.querySelector("script").textContent);
  const choice = part.querySelector("select");
  const place = part.querySelector(".flame");
  const output = part.querySelector("output");
  const show = () => draw(place, graphs[choice.value], graphs[choice.value], (text) => (output.textContent = text));
  choice.addEventListener("change", show);
  part.querySelector("button").addEventListener("click", show);
  show();
}
