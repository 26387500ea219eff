"use strict";

// The controls are the state: show() reads them and draws what they say.
const { Niivue, NVImage, SLICE_TYPE, DRAG_MODE } = niivue;
const { AXIAL, CORONAL, SAGITTAL } = SLICE_TYPE;
const BESIDE = [[AXIAL, 0, 0, 0.61, 1], [CORONAL, 0.63, 0, 0.37, 0.49], [SAGITTAL, 0.63, 0.51, 0.37, 0.49]];
const BELOW = [[AXIAL, 0, 0, 1, 0.59], [CORONAL, 0, 0.61, 0.49, 0.39], [SAGITTAL, 0.51, 0.61, 0.49, 0.39]];
const PROBABILITY = { R: [60, 220, 255], G: [0, 50, 240], B: [90, 60, 150], A: [0, 140, 255], I: [0, 128, 255] };
const LEVELS = 255; // of a probability, from 0 to 1
const find = (selector, within = document) => within.querySelector(selector);

let catalog;
let panes;
let volumes = new Map(); // of the chosen case alone: number to what it is and a promise of its image
let latest = 0; // counts what was asked for, so that a slow answer to an old question is dropped

/** NiiVue where it draws planes alone. */
class Planes extends Niivue {
  /** Keep letters at the lower edge as far from it as those at the upper: an I on the edge looks cut off. */
  drawTextAbove([x, y], ...rest) {
    super.drawTextAbove([x, y - this.fontPx / 4], ...rest);
  }

  /** Make a texture; of the two that light a 3D view, which is not drawn, one voxel a slice. */
  rgbaTex(texture, unit, [rank, width, height, depth], ...rest) {
    const unseen = [this.gl.TEXTURE6, this.gl.TEXTURE8].includes(unit);
    return super.rgbaTex(texture, unit, unseen ? [rank, 1, 1, depth] : [rank, width, height, depth], ...rest);
  }
}

class Pane {
  constructor(section) {
    this.section = section;
    this.layers = [];
    this.view = new Planes({
      backColor: [0, 0, 0, 1], fontColor: [0.75, 0.79, 0.83, 1], fontMinPx: 18, showAllOrientationMarkers: true,
      crosshairColor: [0.9, 0.9, 0.9, 0.6], crosshairWidth: 0.8, crosshairWidthUnit: "mm", crosshairGap: 8,
      isRadiologicalConvention: true, dragAndDropEnabled: false, dragMode: DRAG_MODE.none, loadingText: "", logLevel: "error",
      viewModeHotKey: "", clipPlaneHotKey: "", cycleClipPlaneHotKey: "",
    });
    const { crosshair, pan } = DRAG_MODE;
    this.view.setMouseEventConfig({ leftButton: { primary: crosshair }, rightButton: pan, centerButton: pan });
    this.view.onLocationChange = () => this.describe();
  }

  async attach() {
    const canvas = find("canvas", this.section);
    const zoomWithControl = ({ ctrlKey }) => (this.view.opts.dragMode = ctrlKey ? DRAG_MODE.pan : DRAG_MODE.none);
    canvas.addEventListener("wheel", zoomWithControl); // before NiiVue listens, which zooms in the mode that pans
    await this.view.attachToCanvas(canvas);
    this.view.addColormap("probability", PROBABILITY);
    return this;
  }

  /** Draw layers, the scan first: what each is, its image, how opaque it is, how to say its values, if they are labels. */
  draw(title, layers) {
    find("h2", this.section).textContent = title;
    this.layers = layers;
    for (const { image, opacity } of layers) image.opacity = opacity;
    this.view.volumes = layers.map((layer) => layer.image);
    this.view.setVolume(layers[0].image, 0);
    const { clientWidth, clientHeight } = find(".planes", this.section);
    const layout = clientWidth > clientHeight ? BESIDE : BELOW;
    this.view.setCustomLayout(layout.map(([sliceType, ...position]) => ({ sliceType, position })));
    this.checkDrawn();
  }

  /** Throw where the graphics refused: they keep an error until it is asked for, and of each kind one. */
  checkDrawn() {
    let refused = false;
    while (this.view.gl.getError()) refused = true;
    if (refused) throw new Error(`The graphics of this browser cannot hold ${sizeOf(this.layers[0].image)}.`);
  }

  place() {
    return Array.from(this.view.frac2mm(this.view.scene.crosshairPos)).slice(0, 3);
  }

  goTo(mm) {
    this.view.scene.crosshairPos = this.view.mm2frac(mm);
    this.view.drawScene();
    this.describe();
  }

  /** Say where the crosshair is and what lies there. */
  describe() {
    if (!this.layers.length) return;
    const mm = this.place();
    const side = (ends, axis) => `${ends[Number(mm[axis] >= 0)]} ${Math.abs(mm[axis]).toFixed(1)}`;
    const facts = this.layers.map(({ what, image, say }) => [what, say(image.getValue(...image.mm2vox(mm)))]);
    const texts = [["place", `${["LR", "PA", "IS"].map(side).join(" ")} mm`], ...facts];
    const spans = texts.flatMap(([what, text]) => [element("span", element("b", what), ` ${text}`), " "]);
    find(".place", this.section).replaceChildren(...spans);
  }
}

function element(tag, ...content) {
  const made = document.createElement(tag);
  made.append(...content);
  return made;
}

function option(value, text) {
  const made = element("option", text);
  made.value = value;
  return made;
}

/** Fill a select with [value, text, group], a group's entries together; the chosen text stays if it is still there. */
function fill(select, entries, preferred) {
  const before = select.selectedOptions[0]?.text;
  let group = select;
  select.replaceChildren();
  for (const [value, text, name] of entries) {
    if (name && group.label !== name) select.append(group = Object.assign(element("optgroup"), { label: name }));
    group.append(option(value, text));
  }
  const options = [...select.options];
  const kept = options.find(({ text }) => text === before) ?? options[preferred];
  if (kept) kept.selected = true;
}

const chosen = () => find("input[name=what]:checked").value;
const chosenCase = () => catalog.cases[find("#case").value];
const chosenSource = () => catalog.synthetic[find("#source").value];
const nameOf = (label) => (label ? catalog.structures[(label - 1) % catalog.structures.length].name : "background");
const spoken = (name) => name.replaceAll("_", " ");

/** Return what is set for an overlay: whether it is drawn, as what, how opaque. */
function overlay(name) {
  const row = find(`[data-overlay=${name}]`);
  const box = find("input[type=checkbox]", row);
  return {
    on: box.checked && !box.disabled,
    filled: find("select", row)?.value === "filled",
    opacity: Number(find("input[type=range]", row).value),
  };
}

/** Return the colors of a label map: k is the inside of a structure, k + their count its outline. */
function colors(filled) {
  const count = catalog.structures.length;
  const table = { R: [0], G: [0], B: [0], A: [0], I: [0], labels: ["background"] };
  for (let label = 1; label <= 2 * count; label++) {
    const { name, color } = catalog.structures[(label - 1) % count];
    const [red, green, blue] = [1, 3, 5].map((start) => parseInt(color.slice(start, start + 2), 16));
    table.R.push(red), table.G.push(green), table.B.push(blue);
    table.A.push(filled || label > count ? 255 : 0);
    table.I.push(label), table.labels.push(name);
  }
  return table;
}

/** Return the image of a volume; each is fetched once while a case is shown. */
function load(number, what) {
  if (!volumes.has(number)) {
    const volume = { what, image: fetchImage(number).finally(() => { volume.read = true; sayWhatIsRead(); }) };
    volumes.set(number, volume);
    sayWhatIsRead();
  }
  return volumes.get(number).image;
}

function sayWhatIsRead() {
  const awaited = [...volumes.values()].filter(({ read }) => !read).map(({ what }) => what);
  if (awaited.length && find("main").ariaBusy === "true") say(`Reading ${[...new Set(awaited)].join(", ")} ...`);
}

async function fetchImage(number) {
  const answer = await fetch(`volumes/${number}`).catch(() => null);
  if (!answer) throw new Error("DAR-346: No answer: dar-uda view has ended. Give it again, and open the address that it prints.");
  if (!answer.ok) throw new Error(await answer.text());
  const content = await answer.arrayBuffer().catch(() => null);
  if (!content) {
    const size = Math.round(answer.headers.get("Content-Length") / 1e6);
    throw new Error(`${size} MB did not arrive: too much for this browser, or dar-uda view has ended.`);
  }
  const image = await NVImage.loadFromUrl({ url: content, name: `${number}.nii` });
  const { max3D } = panes[0].view.uiData;
  if (Math.max(...image.hdr.dims.slice(1, 4)) <= max3D) return image;
  throw new Error(`The graphics of this browser draw at most ${max3D} voxels a side, not ${sizeOf(image)}.`);
}

const sizeOf = (image) => `${image.hdr.dims.slice(1, 4).join(" x ")} voxels`;

async function scan(number, window = null) {
  const image = await load(number, "image");
  if (!image.opened) {
    image.opened = window ?? [image.cal_min, image.cal_max];
    image.range = rangeOf(image.img, image.opened); // NiiVue's own leaves out what is near the border
    [image.cal_min, image.cal_max] = image.opened;
  }
  return { what: "value", image, opacity: 1, say: (value) => String(Number(value.toPrecision(4))) };
}

/** Return the lowest and the highest of some values and of [low, high]. */
function rangeOf(values, [low, high]) {
  for (let index = 0; index < values.length; index++) { // for ... of takes forty times as long
    if (values[index] < low) low = values[index];
    if (values[index] > high) high = values[index];
  }
  return [low, high];
}

async function labels(name, number) {
  const { on, filled, opacity } = overlay(name);
  if (!on || number === null) return null;
  const image = await load(number, name);
  image.setColormapLabel(colors(filled));
  return { what: name, image, opacity, say: nameOf, labeled: true };
}

/** Return the layer of the chosen probability; of those kept the first is the likeliest structure's, then one each. */
async function probability(kept) {
  const { on, opacity } = overlay("probability");
  if (!on || !kept.length) return null;
  const image = await load(kept[find("[data-overlay=probability] select").value], "probability");
  Object.assign(image, { cal_min: 0.05 * LEVELS, cal_max: LEVELS });
  image._colormap = "probability";
  return { what: "probability", image, opacity, say: (value) => (value / LEVELS).toFixed(2) };
}

/** Return the panes of a test case: one method, and another beside it if one is chosen. */
async function casePanes() {
  const entry = chosenCase();
  const options = [find("#method"), find("#second")].map((select) => select.selectedOptions[0]);
  return Promise.all(options.filter(({ value }) => value).map(async ({ value, text }) => {
    const { mask, probabilities } = entry.predictions[value];
    const overlays = [probability(probabilities), labels("prediction", mask), labels("reference", entry.reference)];
    const layers = await Promise.all([scan(entry.image, entry.window), ...overlays]);
    return { title: `${entry.case}, ${entry.direction}: ${text}`, layers };
  }));
}

/** Return the panes of a synthetic volume: its source, and what became of it. */
async function syntheticPanes() {
  const entry = chosenSource();
  const [from, to] = entry.direction.split("-to-");
  const { style, volume } = entry.styles[find("#style").value];
  const reference = () => labels("reference", entry.label);
  return Promise.all([
    [`${entry.case}: source, ${from}`, entry.source],
    [`${entry.case} as ${to}, style ${style}: ${entry.translation}`, volume],
  ].map(async ([title, number]) => ({ title, layers: await Promise.all([scan(number, [0, 1]), reference()]) })));
}

/** Draw what the controls say; of a case that was not shown before, the middle of what is labeled. */
async function show({ opened = false } = {}) {
  const question = ++latest;
  const main = find("main");
  if (opened) volumes = new Map();
  main.setAttribute("aria-busy", "true");
  say("");
  adapt();
  try {
    const shown = await (chosen() === "cases" ? casePanes() : syntheticPanes());
    if (question !== latest) return;
    draw(shown, opened);
    say("");
  } catch (error) {
    if (question === latest) say(error.message, true);
  }
  if (question === latest) main.setAttribute("aria-busy", "false");
}

function draw(shown, opened) {
  const drawn = panes.slice(0, shown.length);
  find("#other").hidden = drawn.length < 2;
  link(drawn);
  drawn.forEach((pane, index) => pane.draw(shown[index].title, shown[index].layers.filter(Boolean)));
  const place = opened ? middle(panes[0]) : panes[0].place();
  for (const pane of drawn) pane.goTo(place);
  readWindow();
}

/** Let the panes that are drawn share crosshair and pan; NiiVue fails on one that never drew. */
function link(drawn) {
  for (const { view } of panes) view.broadcastTo(drawn.map((pane) => pane.view).filter((other) => other !== view));
}

function say(text, failed = false) {
  find("#status").textContent = text;
  find("#status").classList.toggle("failed", failed);
}

/** Return the middle of the labeled voxels of a pane in mm, or of its image where nothing is labeled. */
function middle({ layers, view }) {
  const layer = layers.findLast(({ image, labeled }) => labeled && image.img.some(Boolean));
  if (!layer) return view.frac2mm([0.5, 0.5, 0.5]);
  const [, width, height] = layer.image.hdr.dims;
  const sum = [0, 0, 0];
  let count = 0;
  const { img } = layer.image;
  for (let index = 0; index < img.length; index++) {
    if (!img[index]) continue;
    sum[0] += index % width;
    sum[1] += Math.floor(index / width) % height;
    sum[2] += Math.floor(index / width / height);
    count++;
  }
  const voxel = [...sum.map((total) => Math.round(total / count)), 1];
  return layer.image.hdr.affine.slice(0, 3).map((row) => row.reduce((total, step, axis) => total + step * voxel[axis], 0));
}

/** List the least sure cases of the chosen case's direction, and say whether adaptation helped there. */
function listDoubts() {
  const { direction } = chosenCase();
  const first = catalog.cases.map((entry, index) => ({ ...entry, index })).filter((entry) => entry.first && entry.direction === direction);
  find("#doubts").hidden = !first.length;
  find("#doubts ol").replaceChildren(...first.map(({ index, case: name, doubt: { expected_dice: dice, structure, reason } }) => {
    const button = Object.assign(element("button", name), { type: "button" });
    button.addEventListener("click", () => {
      find("#case").value = index;
      find("#case").dispatchEvent(new Event("change"));
    });
    return element("li", button, ` ${spoken(structure)}, expected Dice ${dice.toFixed(2)}: ${reason}`);
  }));
  find("#verdict").textContent = (catalog.verdicts[direction] ?? []).map((said) => `${said}.`).join(" ");
}

/** Show the controls that the choice has, and the names, scores and notes that go with it. */
function adapt() {
  const what = chosen();
  for (const part of document.querySelectorAll("[data-for]")) part.hidden = part.dataset.for !== what;
  const entry = what === "cases" ? chosenCase() : chosenSource();
  const methods = ["#method", "#second"].map((id) => entry.predictions?.[find(id).value]).filter(Boolean);
  const kept = methods.some(({ probabilities }) => probabilities.length);
  find("[data-overlay=probability] input").disabled = !kept;
  find("[data-overlay=reference] input").disabled = (what === "cases" ? entry.reference : entry.label) === null;
  find("#missing").textContent = [
    what === "cases" && !kept ? "The run kept no probabilities of this method (DAR-349)." : "",
    find("[data-overlay=reference] input").disabled ? "This case has no reference." : "",
    entry.resampled ? "The scan itself is not on this machine: its image on the network grid is shown (DAR-348)." : "",
  ].filter(Boolean).join(" ");
  if (what === "cases") listDoubts();
  if (what === "synthetic") {
    const { code } = entry.styles[find("#style").value];
    find("#code").textContent = code ? `Style code: ${code.map((part) => part.toFixed(2)).join(", ")}` : "No style code.";
  }
  fillLegend(methods);
}

function fillLegend(methods) {
  find("#legend tbody").replaceChildren(...catalog.structures.map(({ name, color }) => {
    const swatch = Object.assign(element("span"), { className: "swatch" });
    swatch.style.background = color;
    const cells = methods.map((method) => {
      const [dice, expected] = [method.dice[name], method.expected_dice[name]];
      const text = typeof dice === "number" ? dice.toFixed(3) : typeof expected === "number" ? `~ ${expected.toFixed(2)}` : "";
      return Object.assign(element("td", text), { className: "dice" });
    });
    return element("tr", element("td", swatch, spoken(name)), ...cells);
  }));
  document.querySelectorAll("th.dice").forEach((head, index) => (head.hidden = index >= methods.length));
}

/** Set the sliders to the window of the image that is drawn. */
function readWindow() {
  const { image } = panes[0].layers[0];
  const [low, high] = image.range;
  const step = Number(((high - low) / 500).toPrecision(1)) || 1;
  for (const [name, min, max, value] of [
    ["level", low, high, (image.cal_min + image.cal_max) / 2], ["width", step, high - low, image.cal_max - image.cal_min],
  ]) {
    Object.assign(find(`#${name}`), { step: "any", value: Number(value.toPrecision(4)) });
    Object.assign(find(`#${name}-range`), { min, max, step, value });
  }
}

function setWindow(event) {
  const name = event.target.id.replace("-range", "");
  find(event.target.type === "range" ? `#${name}` : `#${name}-range`).value = event.target.value;
  const [level, width] = ["#level", "#width"].map((id) => Number(find(id).value));
  if (width > 0) applyWindow(() => [level - width / 2, level + width / 2]);
}

function applyWindow(of) {
  for (const { layers, view } of panes.filter((pane) => !pane.section.hidden)) {
    [layers[0].image.cal_min, layers[0].image.cal_max] = of(layers[0].image);
    view.refreshLayers(layers[0].image, 0);
    view.drawScene();
  }
}

function reset() {
  applyWindow((image) => image.opened);
  readWindow();
  for (const pane of panes.filter(({ section }) => !section.hidden)) {
    pane.view.scene.pan2Dxyzmm = [0, 0, 0, 1];
    pane.goTo(middle(panes[0]));
  }
}

/** Offer the methods of the chosen case, and the styles of the chosen source. */
function offer() {
  const { predictions } = chosenCase();
  const several = new Set(predictions.map(({ seed }) => seed)).size > 1;
  const methods = predictions.map(({ method, seed }, index) => [index, several ? `${method}, seed ${seed}` : method]);
  fill(find("#method"), methods, predictions.findIndex(({ method }) => method === "dar_uda"));
  fill(find("#second"), [["", "nothing"], ...methods]);
  fill(find("#style"), chosenSource()?.styles.map(({ style }, index) => [index, `style ${style}`]) ?? []);
}

async function start() {
  try {
    catalog = await (await fetch("catalog.json")).json();
    find("#run").textContent = catalog.run;
    document.title = `${catalog.run} - DAR-UDA`;
    const sure = ({ doubt }) => (doubt ? `, expected Dice ${doubt.expected_dice.toFixed(2)}` : "");
    fill(find("#case"), catalog.cases.map((entry, index) => [index, entry.case + sure(entry), entry.direction]));
    const group = ({ direction, translation, seed }) => `${direction}, ${translation}, seed ${seed}`;
    fill(find("#source"), catalog.synthetic.map((entry, index) => [index, entry.case, group(entry)]));
    find("input[value=synthetic]").disabled = !catalog.synthetic.length;
    const structures = catalog.structures.map(({ name }, index) => [index + 1, spoken(name)]);
    fill(find("[data-overlay=probability] select"), [[0, "likeliest structure"], ...structures]);
    offer();
    panes = await Promise.all(["#first", "#other"].map((id) => new Pane(find(id)).attach()));
  } catch (error) {
    return say(`DAR-347: The page cannot draw here: ${error.message}`, true);
  }
  const redrawing = document.querySelectorAll("#method, #second, #style, #overlays select");
  for (const select of redrawing) select.addEventListener("change", () => show());
  for (const input of document.querySelectorAll("#overlays input")) input.addEventListener("input", () => show());
  for (const control of document.querySelectorAll("#case, #source, #what")) {
    control.addEventListener("change", () => { offer(); show({ opened: true }); });
  }
  for (const input of document.querySelectorAll("#window input")) input.addEventListener("input", setWindow);
  find("#reset").addEventListener("click", reset);
  return show({ opened: true });
}

start();
