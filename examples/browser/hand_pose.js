/** The exported pipeline in onnxruntime-web, for pages and for Node: a depth frame and a camera in, joints in mm out. */

import { decode } from "fast-png";
import * as ort from "onnxruntime-web/wasm";
import { PbfReader } from "pbf";

const LARGEST_FRAME = 2 ** 24; // Pixels. A small file can announce a picture that fills the memory.

ort.env.logLevel = "error";

/**
 * Reads a depth PNG: one channel of 16 bits. (A canvas would give 8.)
 *
 * @param {Uint8Array} bytes The file.
 * @returns {{width: number, height: number, units: Uint16Array}} Rows of depth in the file's own unit.
 */
export function readDepthPng(bytes) {
  const header = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 33 || header.getUint32(0) !== 0x89504e47 || header.getUint32(12) !== 0x49484452) {
    throw new Error("This is not a PNG file. A depth frame is a PNG of one channel of 16 bits.");
  }
  const [width, height] = [header.getUint32(16), header.getUint32(20)];
  const [bits, kind] = [header.getUint8(24), header.getUint8(25)];
  if (bits !== 16 || kind !== 0) {
    const colour = { 0: "grey", 2: "colour", 3: "a palette", 4: "grey and transparency", 6: "colour and transparency" };
    throw new Error(
      `This PNG has ${bits} bits of ${colour[kind] ?? "an unknown kind"}. A depth frame has one channel of 16 bits: ` +
        "save the camera's depth itself, not a picture of it.",
    );
  }
  if (width * height === 0 || width * height > LARGEST_FRAME) {
    throw new Error(`This PNG announces ${width} x ${height} px, which is no depth camera's frame.`);
  }
  try {
    const { data } = decode(bytes, { checkCrc: true });
    if (data.length === width * height) return { width, height, units: data };
  } catch {
    // Said below: a decoder's own words tell a reader little.
  }
  throw new Error("This PNG is damaged or not complete.");
}

/**
 * Returns a frame's depth in mm, as the library computes it: float32 times float32.
 *
 * @param {Uint16Array} units Depth in the file's own unit.
 * @param {number} depthScale Millimetres in one unit.
 */
export function depthInMm(units, depthScale) {
  const scale = Math.fround(depthScale);
  return new Float32Array(units).map((unit) => unit * scale);
}

/** An exported pipeline that is ready to run, and what its file says about it. */
export class HandPose {
  #session;

  /** @param {object} metadata What `keras-handpose export` wrote into the file. */
  constructor(session, metadata) {
    this.#session = session;
    this.metadata = metadata;
  }

  /**
   * Opens an ONNX file that was exported with `--pipeline`.
   *
   * @param {Uint8Array} bytes The file.
   */
  static async open(bytes) {
    const metadata = await readMetadata(bytes);
    try {
      const handPose = new HandPose(await ort.InferenceSession.create(bytes), metadata);
      // WebAssembly is compiled as it is needed: without a first run, the first frame would take long.
      await handPose.estimate(
        { width: 1, height: 1, units: new Uint16Array(1) },
        { camera: { fx: 1, fy: 1, cx: 0, cy: 0 } },
      );
      return handPose;
    } catch (error) {
      throw new Error(`onnxruntime-web cannot run this model: ${error.message}`);
    }
  }

  /**
   * Estimates the pose in one frame.
   *
   * @param {{width: number, height: number, units: Uint16Array}} frame
   * @param {object} settings `camera`: fx, fy, cx, cy in px, and the frame's width and height where they are known;
   *   `hand`: "right" or "left"; `depthScale`: mm in one unit.
   * @returns {Promise<object>} The values of the library's `Pose.to_dict`, and the milliseconds it took.
   */
  async estimate(frame, { camera, hand = "right", depthScale = 1 }) {
    const { fx, fy, cx, cy } = camera;
    const { width, height } = frame;
    if (!(fx > 0 && fy > 0 && [fx, fy, cx, cy].every(Number.isFinite))) {
      throw new Error("A camera needs fx and fy above 0, and cx and cy, all in px.");
    }
    if (!(depthScale > 0 && Number.isFinite(depthScale))) {
      throw new Error("The depth scale must be above 0: how many mm one unit of the file is.");
    }
    if ((camera.width ?? width) !== width || (camera.height ?? height) !== height) {
      throw new Error(
        `The frame has ${width} x ${height} px, and ${camera.name} takes ${camera.width} x ${camera.height}. ` +
          "Choose the camera that took it.",
      );
    }
    const feeds = {
      depth: new ort.Tensor("float32", depthInMm(frame.units, depthScale), [height, width]),
      camera: new ort.Tensor("float32", [fx, fy, cx, cy], [4]),
      mirror: new ort.Tensor("bool", [hand !== this.metadata.hand], []),
      centre: new ort.Tensor("float32", [0, 0, 0], [3]), // Zeros: find the hand.
    };
    const start = performance.now();
    const outputs = await this.#session.run(feeds);
    const milliseconds = performance.now() - start;
    const evidence = rounded(outputs.score.data[0]);
    return {
      found: Boolean(outputs.found.data[0]),
      score: evidence, // No calibrated probability is in the file.
      evidence,
      hand,
      skeleton: this.metadata.skeleton.name,
      camera: { ...camera, width, height },
      depth_scale: depthScale,
      centre_xyz: Array.from(outputs.centre_xyz.data, rounded),
      joints_xyz: points(outputs.joints_xyz.data),
      joints_uvd: points(outputs.joints_uvd.data),
      milliseconds,
    };
  }
}

/**
 * Reads what the library wrote into an ONNX file: two metadata_props, field 14 of the file's protocol buffer, behind the
 * model. One is the SHA-256 of the rest: the runtime may break down on a damaged model, so it is checked before.
 */
async function readMetadata(bytes) {
  const readProperty = (field, property, reader) => {
    if (field === 1) property.key = reader.readString();
    if (field === 2) property.value = reader.readString();
  };
  let end = bytes.length;
  const readModel = (field, properties, reader) => {
    if (field !== 14) return;
    const start = reader.pos - 1;
    const { key, value } = reader.readMessage(readProperty, {});
    if (key?.startsWith("keras_handpose")) end = Math.min(end, start);
    properties[key] = value;
  };
  let properties, metadata;
  try {
    properties = new PbfReader(bytes).readFields(readModel, {});
    metadata = JSON.parse(properties.keras_handpose);
  } catch {
    throw new Error("This is not a model of keras-handpose, or not all of it. Export one as the README says.");
  }
  const signed = await new Blob([bytes.subarray(0, end), properties.keras_handpose]).arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", signed));
  const sha256 = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (sha256 !== properties.keras_handpose_sha256) {
    throw new Error("This model is damaged, or was changed after it was exported. Export it again.");
  }
  if (metadata.format_version !== 1) {
    throw new Error(
      `This model is of format ${metadata.format_version}, and this page knows format 1. Update the page.`,
    );
  }
  if (metadata.kind !== "pipeline") {
    throw new Error("This model is a network alone, which wants a hand's crop. Export it with --pipeline.");
  }
  return metadata;
}

/** Rounds to 0.001 as the library does; what is not a number becomes null, as JSON has it. */
const rounded = (value) => (Number.isFinite(value) ? Math.round(value * 1000) / 1000 : null);

const points = (values) =>
  Array.from({ length: values.length / 3 }, (_, i) => Array.from(values.slice(3 * i, 3 * i + 3), rounded));
