/** Depth and skeletons on canvases: over the frame, over the hand, and in space. Colours are those of style.css. */

const css = getComputedStyle(document.documentElement);
const colour = (name) => css.getPropertyValue(`--${name}`).trim();
const GROUND = colour("ground");
const DEPTH = colour("depth").split(" ").map(rgb); // From far to near, as evenly lit as the library's pictures.
const NO_DEPTH = rgb(colour("no-depth"));
const CONTRAST_SHARE = 0.8; // The part of the colours that the hand's depth gets; what is behind fades out in the rest.

/** Returns the colour of each joint: that of its finger, or the palm's. */
export function jointColours(skeleton) {
  const colours = skeleton.joint_names.map(() => colour("palm"));
  for (const [finger, joints] of Object.entries(skeleton.fingers)) {
    for (const joint of joints) colours[joint] = colour(finger) || colour("palm");
  }
  return colours;
}

/** Returns the window of the hand's cube in the frame, in px; pixel k covers [k, k + 1]. */
export function cubeWindow({ centre_xyz: [x, y, z], camera }, cube) {
  const [width, height] = [(cube * camera.fx) / z, (cube * camera.fy) / z];
  const [u, v] = [(camera.fx * x) / z + camera.cx, (camera.fy * y) / z + camera.cy];
  return { left: u + 0.5 - width / 2, top: v + 0.5 - height / 2, width, height };
}

/** Returns a part of a frame, with pixels nearer or farther than a hand's cube taken out. */
export function cut({ width, height, depth }, window, [near, far] = [0, Infinity]) {
  const [left, top] = [Math.max(0, Math.floor(window.left)), Math.max(0, Math.floor(window.top))];
  const columns = Math.min(width, Math.ceil(window.left + window.width)) - left;
  const rows = Math.min(height, Math.ceil(window.top + window.height)) - top;
  if (columns < 1 || rows < 1) return { left, top, width: 1, height: 1, depth: new Float32Array(1) };
  const part = new Float32Array(columns * rows);
  for (let j = 0; j < rows; j++) {
    for (let i = 0; i < columns; i++) {
      const d = depth[(top + j) * width + left + i];
      part[j * columns + i] = d > near && d < far ? d : 0;
    }
  }
  return { left, top, width: columns, height: rows, depth: part };
}

/** Returns the depths in mm between which there shall be contrast: percentiles of what is there. */
export function rangeOf({ depth }, [low, high]) {
  const values = depth.filter((d) => d > 0).sort();
  if (!values.length) return [0, 100];
  const [near, far] = [low, high].map((share) => values[Math.round(share * (values.length - 1))]);
  return [near, Math.max(far, near + 100)];
}

/** Paints depth in mm as a picture, lit from the upper left; `pixel` is a pixel's size in mm on the hand. */
export function paint({ width, height, depth }, [near, far], pixel) {
  const picture = new ImageData(width, height);
  const smooth = smoothed(depth, width, height);
  const slope = (a, b) => (a > 0 && b > 0 && Math.abs(b - a) < 8 * pixel ? (b - a) / (2 * pixel) : 0);
  for (let v = 0, i = 0; v < height; v++) {
    for (let u = 0; u < width; u++, i++) {
      let rgb = NO_DEPTH;
      let light = 1;
      if (depth[i] > 0) {
        const across = slope(smooth[u > 0 ? i - 1 : i], smooth[u < width - 1 ? i + 1 : i]);
        const down = slope(smooth[v > 0 ? i - width : i], smooth[v < height - 1 ? i + width : i]);
        const facing = (1 - 0.7 * across - 0.8 * down) / Math.hypot(across, down, 1);
        light = Math.min(1.12, Math.max(0.45, 0.4 + 0.6 * facing));
        rgb = depthColour(brightness(depth[i], near, far));
      }
      picture.data.set([rgb[0] * light, rgb[1] * light, rgb[2] * light, 255], 4 * i);
    }
  }
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").putImageData(picture, 0, 0);
  return canvas;
}

/**
 * Draws a picture of a part of the frame, and over it the pose.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {object} view `picture` of `paint`, its `left` and `top` in the frame, the `window` of the frame to
 *   show, and its `aspect` on the page, height to width, where a pixel is not a square in mm.
 * @param {object} [pose] The skeleton's `points_uv`, and the window of its cube if its corners shall be marked.
 */
export function drawView(canvas, { picture, left = 0, top = 0, window, aspect = window.height / window.width }, pose) {
  const [context, width, height] = prepare(canvas, aspect);
  const scale = width / window.width;
  const place = ([u, v]) => [(u + 0.5 - window.left) * scale, (v + 0.5 - window.top) * (height / window.height)];
  context.fillStyle = `rgb(${NO_DEPTH})`;
  context.fillRect(0, 0, width, height);
  context.imageSmoothingEnabled = false;
  const [x, y] = place([left - 0.5, top - 0.5]);
  context.drawImage(picture, x, y, picture.width * scale, picture.height * (height / window.height));
  if (!pose) return;
  if (pose.corners) drawCorners(context, pose.corners, place);
  drawSkeleton(context, pose.points_uv.map(place), pose.skeleton, (pose.corners ? 0.6 : 1) * Math.sqrt(width / 640));
}

/**
 * Draws the hand in space, its seen surface as points.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {object} hand `joints_xyz`, `surface` (points x, y, z and their depth colours), `skeleton`.
 * @param {{yaw: number, pitch: number}} turn From where it is looked at, in radians.
 */
export function drawSpace(canvas, { joints_xyz, surface, range, skeleton }, { yaw, pitch }) {
  const [context, width, height] = prepare(canvas, 1);
  const middle = [0, 1, 2].map((axis) => {
    const values = joints_xyz.map((joint) => joint[axis]);
    return (Math.min(...values) + Math.max(...values)) / 2;
  });
  const reach = Math.max(...joints_xyz.map((joint) => Math.hypot(...joint.map((x, axis) => x - middle[axis]))));
  const scale = (0.44 * Math.min(width, height)) / reach;
  const [cy, sy, cp, sp] = [Math.cos(yaw), Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
  const turned = (point) => {
    const [x, y, z] = point.map((value, axis) => value - middle[axis]);
    const [right, back] = [cy * x - sy * z, sy * x + cy * z];
    const [down, behind] = [cp * y - sp * back, sp * y + cp * back];
    const near = 900 / (900 + behind); // A little perspective.
    return [width / 2 + right * scale * near, height / 2 + down * scale * near, behind];
  };
  const size = width / 110;
  context.globalAlpha = 0.5;
  for (const point of surface) {
    const [x, y] = turned(point);
    context.fillStyle = `rgb(${depthColour(brightness(point[2], ...range)).map(Math.round)})`;
    context.fillRect(x - size / 2, y - size / 2, size, size);
  }
  context.globalAlpha = 1;
  drawSkeleton(context, joints_xyz.map(turned), skeleton, Math.sqrt(width / 640));
}

/** Returns the points in mm that a part of a frame shows, at most some thousands. */
export function surfaceOf({ left, top, width, height, depth }, { fx, fy, cx, cy }) {
  const step = Math.max(1, Math.round(Math.sqrt((width * height) / 10000)));
  const surface = [];
  for (let j = 0; j < height; j += step) {
    for (let i = 0; i < width; i += step) {
      const z = depth[j * width + i];
      if (z > 0) surface.push([((left + i - cx) * z) / fx, ((top + j - cy) * z) / fy, z]);
    }
  }
  return surface;
}

/** Fits a canvas to its place on the page, and returns its context and size in the page's px. */
function prepare(canvas, aspect) {
  canvas.style.aspectRatio = 1 / aspect;
  const width = canvas.clientWidth;
  const height = width * aspect;
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  return [context, width, height];
}

/** Draws bones and joints, what is farther (the third coordinate, if there is one) first. */
function drawSkeleton(context, points, skeleton, scale) {
  const colours = jointColours(skeleton);
  const behind = ([a, b]) => (points[a][2] ?? 0) + (points[b][2] ?? 0);
  const bones = skeleton.bones.toSorted((one, other) => behind(other) - behind(one));
  context.lineCap = "round";
  const line = (path, width, style) => {
    context.lineWidth = width * scale;
    context.strokeStyle = style;
    context.stroke(path);
  };
  for (const [a, b] of bones) {
    const path = new Path2D();
    path.moveTo(...points[a].slice(0, 2));
    path.lineTo(...points[b].slice(0, 2));
    line(path, 9, GROUND);
    line(path, 6, colours[b]); // A bone has the colour of its outer joint.
  }
  for (const joint of points.keys()) {
    const path = new Path2D();
    path.arc(points[joint][0], points[joint][1], 5 * scale, 0, 2 * Math.PI);
    context.fillStyle = colours[joint];
    context.fill(path);
    line(path, 1.8, "white");
  }
}

function drawCorners(context, { left, top, width, height }, place) {
  context.lineWidth = 1.5;
  context.strokeStyle = colour("ink");
  for (const right of [0, 1]) {
    for (const low of [0, 1]) {
      const [u, v] = [left + right * width - 0.5, top + low * height - 0.5];
      context.beginPath();
      context.moveTo(...place([u + (0.5 - right) * 0.2 * width, v]));
      context.lineTo(...place([u, v]));
      context.lineTo(...place([u, v + (0.5 - low) * 0.2 * height]));
      context.stroke();
    }
  }
}

/** Averages over 5 x 5 px what is within 12 mm: noise would look like gravel, and edges must stay. */
function smoothed(depth, width, height) {
  const smooth = new Float32Array(depth.length);
  for (let v = 0, i = 0; v < height; v++) {
    for (let u = 0; u < width; u++, i++) {
      if (!(depth[i] > 0)) continue;
      let [sum, count] = [0, 0];
      for (let y = Math.max(0, v - 2); y <= Math.min(height - 1, v + 2); y++) {
        for (let x = Math.max(0, u - 2); x <= Math.min(width - 1, u + 2); x++) {
          const d = depth[y * width + x];
          if (Math.abs(d - depth[i]) < 12) {
            sum += d;
            count++;
          }
        }
      }
      smooth[i] = sum / count;
    }
  }
  return smooth;
}

/** Maps depth to 1 (near) to 0 (far away): linear between near and far, fading out behind. */
function brightness(depth, near, far) {
  const t = (depth - near) / (far - near);
  if (t < 1) return 1 - Math.max(t, 0) * CONTRAST_SHARE;
  return (1 - CONTRAST_SHARE) * Math.exp((-(far - near) / 250) * 0.6 * (t - 1));
}

function depthColour(bright) {
  const place = Math.min(Math.max(bright, 0), 1) * (DEPTH.length - 1);
  const i = Math.min(Math.floor(place), DEPTH.length - 2);
  return DEPTH[i].map((value, channel) => value + (place - i) * (DEPTH[i + 1][channel] - value));
}

function rgb(hex) {
  return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
}
