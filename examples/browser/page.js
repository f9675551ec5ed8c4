/** The page: files and settings in, pictures and a table out. */

import { cubeWindow, cut, drawSpace, drawView, jointColours, paint, rangeOf, surfaceOf } from "./drawing.js";
import { depthInMm, HandPose, readDepthPng } from "./hand_pose.js";

const element = (id) => document.getElementById(id);
const INTRINSICS = ["fx", "fy", "cx", "cy"].map(element);

const nothing = () => {};
const page = {
  work: Promise.resolve(),
  handPose: null,
  frame: null,
  name: "",
  pose: null,
  redraw: nothing,
  turn: { yaw: 0.6, pitch: 0.25 },
};

// === Files ===

/** Reads a file, tells a model from a frame by its name, and estimates. */
async function take(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (file.name.toLowerCase().endsWith(".onnx")) {
    page.handPose = await HandPose.open(bytes);
    showModel(file.name);
  } else {
    page.frame = readDepthPng(bytes);
    page.name = file.name;
  }
  await estimate();
}

/** Does what was asked for one after the other, and says on the page what went wrong. */
function queue(task, name) {
  page.work = page.work.then(task).catch((error) => {
    clear();
    say(name ? `${name}: ${error.message}` : error.message, { wrong: true });
  });
}

const takeAll = (files) => Array.from(files, (file) => queue(() => take(file), file.name));

/** Fetches a file, or null where there is none. */
async function fetched(url) {
  const response = await fetch(url).catch(() => null);
  return response?.ok ? new File([await response.blob()], url.split("/").at(-1)) : null;
}

// === Estimating ===

async function estimate() {
  if (!page.handPose) return say("Choose a model: hand.onnx, exported with --pipeline.");
  if (!page.frame) return say("Choose a depth frame: a PNG of one channel of 16 bits.");
  const chosen = cameras.get(element("camera").value);
  const [fx, fy, cx, cy] = INTRINSICS.map((input) => input.valueAsNumber);
  const settings = {
    camera: { ...chosen, fx, fy, cx, cy },
    hand: new FormData(element("settings")).get("hand"),
    depthScale: element("depth-scale").valueAsNumber,
  };
  const pose = await page.handPose.estimate(page.frame, settings);
  show(pose);
  const took = `${pose.milliseconds.toFixed(1)} ms, evidence ${pose.evidence.toFixed(2)}`;
  say(pose.found ? `${page.name}: a hand in ${took}.` : `${page.name}: no hand found (${took}).`);
}

function say(text, { wrong = false } = {}) {
  const status = element("status");
  status.role = wrong ? "alert" : "status";
  status.textContent = text;
}

// === Showing ===

function showModel(name) {
  const { skeleton, cube, preset, quantize, trained_on } = page.handPose.metadata;
  const facts = [preset, `${skeleton.joint_names.length} joints`, `${cube} mm cube`, quantize, trained_on];
  element("model-facts").textContent = `${name}: ${facts.filter(Boolean).join(", ")}`;
}

function clear() {
  page.pose = null;
  page.redraw = nothing;
  element("joints").replaceChildren();
  element("copy").disabled = true;
  for (const canvas of document.querySelectorAll("canvas")) canvas.width = canvas.width;
}

function show(pose) {
  clear();
  const { cube, skeleton } = page.handPose.metadata;
  const { width, height, units } = page.frame;
  const frame = { width, height, depth: depthInMm(units, pose.depth_scale) };
  const whole = { left: 0, top: 0, width, height };
  if (!pose.found) {
    const range = rangeOf(frame, [0.01, 0.75]);
    const picture = paint(frame, range, (range[0] + range[1]) / 2 / pose.camera.fx);
    page.redraw = () => drawView(element("frame-view"), { picture, window: whole });
    return page.redraw();
  }
  page.pose = pose;
  const corners = cubeWindow(pose, cube);
  const z = pose.centre_xyz[2];
  const inside = cut(frame, corners, [z - cube / 2, z + cube / 2]);
  const range = rangeOf(inside, [0.02, 0.98]);
  const pixel = z / pose.camera.fx;
  const frameView = { picture: paint(frame, range, pixel), window: whole };
  const handView = { ...inside, picture: paint(inside, range, pixel), window: corners, aspect: 1 };
  const hand = { ...pose, skeleton, range, surface: surfaceOf(inside, pose.camera) };
  const points = { points_uv: pose.joints_uvd, skeleton };
  page.redraw = () => {
    drawView(element("frame-view"), frameView, { ...points, corners });
    drawView(element("hand-view"), handView, points);
    drawSpace(element("space-view"), hand, page.turn);
  };
  page.redraw();
  showTable(pose, skeleton);
}

function showTable(pose, skeleton) {
  const colours = jointColours(skeleton);
  const rows = skeleton.joint_names.map((name, joint) => {
    const row = document.createElement("tr");
    const head = Object.assign(document.createElement("th"), { scope: "row", textContent: name });
    head.style.setProperty("--joint", colours[joint]);
    row.append(head);
    for (const value of pose.joints_xyz[joint]) row.insertCell().textContent = value.toFixed(1);
    return row;
  });
  element("joints").replaceChildren(...rows);
  element("copy").disabled = false;
}

// === Settings ===

const { default: presets } = await import("./cameras.json", { with: { type: "json" } });
const cameras = new Map(presets.map((camera) => [camera.name, camera]));
cameras.set("custom", { name: "custom", nominal: false });
element("camera").append(...Array.from(cameras.keys(), (name) => new Option(name)));

function chooseCamera(name) {
  const camera = cameras.get(name);
  element("camera").value = name;
  element("nominal").hidden = !camera.nominal;
  if (name !== "custom") for (const input of INTRINSICS) input.value = camera[input.id];
}

/** Fills in what is known of a sample frame, and takes it. */
async function takeSample({ file, camera, depth_scale, hand }) {
  chooseCamera(camera.name);
  for (const input of INTRINSICS) input.value = camera[input.id]; // It was rendered with figures of its own.
  element("depth-scale").value = depth_scale;
  document.querySelector(`input[name="hand"][value="${hand}"]`).checked = true;
  const frame = await fetched(`samples/${file}`);
  if (!frame) throw new Error("This sample cannot be loaded.");
  await take(frame);
}

// === Events ===

for (const input of [element("model"), element("frame")]) {
  input.addEventListener("change", () => {
    takeAll(input.files);
    input.value = ""; // So that the same file can be chosen again.
  });
}
element("settings").addEventListener("input", ({ target }) => {
  if (target.type === "file") return;
  if (target.id === "camera") chooseCamera(target.value);
  if (INTRINSICS.includes(target)) chooseCamera("custom");
  queue(estimate);
});
element("settings").addEventListener("submit", (event) => event.preventDefault());
element("copy").addEventListener("click", async () => {
  const { milliseconds, ...pose } = page.pose;
  const { joint_names } = page.handPose.metadata.skeleton;
  await navigator.clipboard.writeText(JSON.stringify({ file: page.name, joint_names, ...pose }));
  say(`${page.name}: copied.`);
});
for (const [type, dropping] of Object.entries({ dragover: true, dragleave: false, drop: false })) {
  addEventListener(type, (event) => {
    event.preventDefault();
    document.body.classList.toggle("dropping", dropping);
    if (type === "drop") takeAll(event.dataTransfer.files);
  });
}
element("space-view").addEventListener("pointermove", (event) => {
  if (!event.buttons || !page.pose) return;
  event.target.setPointerCapture(event.pointerId);
  page.turn = { yaw: page.turn.yaw + event.movementX / 120, pitch: page.turn.pitch + event.movementY / 120 };
  page.redraw();
});
new ResizeObserver(() => page.redraw()).observe(element("pictures"));

// === Start ===

chooseCamera("msra15");
queue(async () => {
  const [model, samples] = [await fetched("hand.onnx"), await fetched("samples/samples.json")];
  const labels = samples ? JSON.parse(await samples.text()) : [];
  const buttons = labels.map((label) => {
    const button = Object.assign(document.createElement("button"), {
      type: "button",
      textContent: label.sensor.replaceAll("_", " "),
    });
    button.addEventListener("click", () => queue(() => takeSample(label), label.file));
    return button;
  });
  element("samples").hidden = !labels.length;
  element("samples").append("Or a sample: ", ...buttons.flatMap((button, i) => (i ? [", ", button] : [button])));
  if (!model) return estimate();
  await take(model);
  if (labels.length) await takeSample(labels[0]);
});
