/**
 * The page's estimate without a page: prints the pose as JSON, and the milliseconds that a frame takes.
 *
 * node estimate.js hand.onnx frame.png --camera sr305 --depth-scale 0.125 --hand right --repeat 50
 */

import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import * as ort from "onnxruntime-web/wasm";
import { HandPose, readDepthPng } from "./hand_pose.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    camera: { type: "string", default: "msra15" },
    "depth-scale": { type: "string", default: "1" },
    hand: { type: "string", default: "right" },
    repeat: { type: "string", default: "1" },
    threads: { type: "string", default: "1" },
  },
});

try {
  const read = async (path) => new Uint8Array(await readFile(path));
  const cameras = JSON.parse(await readFile(new URL("cameras.json", import.meta.url), "utf-8"));
  const camera = cameras.find(({ name }) => name === values.camera);
  if (!camera || positionals.length !== 2) {
    throw new Error(`Give a model, a frame and --camera, one of ${cameras.map(({ name }) => name).join(", ")}.`);
  }
  ort.env.wasm.numThreads = Number(values.threads);
  const handPose = await HandPose.open(await read(positionals[0]));
  const frame = readDepthPng(await read(positionals[1]));
  const settings = { camera, hand: values.hand, depthScale: Number(values["depth-scale"]) };
  const poses = [];
  for (let i = 0; i < Number(values.repeat); i++) poses.push(await handPose.estimate(frame, settings));
  const times = poses.map(({ milliseconds }) => milliseconds).sort((a, b) => a - b);
  const [least, median] = [times[0], times[times.length >> 1]].map((ms) => Math.round(ms * 100) / 100);
  console.log(JSON.stringify({ ...poses[0], milliseconds: { least, median, frames: times.length } }));
} catch (error) {
  console.error(`Error: ${error.message}`);
  process.exitCode = 1;
}
