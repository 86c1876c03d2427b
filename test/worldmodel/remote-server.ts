/**
 * @file A real HTTP server that keeps the contracts of the Cosmos NIM's Generator and of vLLM-Omni's videos, as strictly as
 * they do, around a toy world: every action brightens the picture by ten times its first number.
 */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { ndarray, stackRows, type NdArray } from "../../src/core/ndarray.ts";
import type { Image } from "../../src/data/image.ts";
import type { PictureCodec } from "../../src/worldmodel/remote/pictures.ts";

/** What goes wrong, for as many requests as `times` says. */
export interface Fault {
  readonly kind:
    | "busy"
    | "drop"
    | "empty"
    | "fail-job"
    | "guardrail"
    | "huge"
    | "hang"
    | "html"
    | "missing-frame"
    | "only-action"
    | "reasoner";
  times: number;
}

/** One request that came. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly body: Record<string, unknown>;
}

/** How the toy world reads pictures and writes videos. */
export interface ToyCodec {
  readonly decodeImage: (bytes: Uint8Array) => Promise<Image>;
  readonly encodeVideo: (frames: NdArray<"uint8">) => Promise<Uint8Array>;
}

/** Pictures and videos as their bytes behind three 16-bit numbers: exact, and without programs. */
export const plainCodec: PictureCodec & ToyCodec = {
  encodeImage: async (image) => ({ bytes: pack(stackRows([image])), type: "image/x-plain" }),
  decodeVideo: async (bytes) => unpack(bytes),
  decodeImage: async (bytes) => {
    const { shape, data } = unpack(bytes);
    return ndarray("uint8", shape.slice(1), data);
  },
  encodeVideo: async (frames) => pack(frames),
};

function pack({ shape, data }: NdArray<"uint8">): Uint8Array {
  return new Uint8Array(Buffer.concat([new Uint8Array(Uint16Array.from(shape.slice(0, 3)).buffer), data]));
}

function unpack(bytes: Uint8Array): NdArray<"uint8"> {
  const own = Uint8Array.from(bytes);
  const [count, height, width] = new Uint16Array(own.slice(0, 6).buffer);
  return ndarray("uint8", [count, height, width, 3], own.slice(6));
}

/** The picture, then one frame per action. */
function imagined(picture: Image, actions: readonly number[][], seed: number): NdArray<"uint8"> {
  const frames = [picture];
  let sum = seed % 5;
  for (const action of actions) {
    sum += 10 * action[0];
    const data = picture.data.map((value) => Math.max(0, Math.min(255, Math.round(value + sum))));
    frames.push({ ...picture, data });
  }
  return stackRows(frames);
}

const inferFields = new Set(
  "model_mode prompt negative_prompt input_reference seed guidance_scale num_inference_steps flow_shift resolution num_frames fps action_params".split(
    " ",
  ),
);
const actionFields = new Set(
  "domain_name action_chunk_size action raw_action_dim image_size action_fps".split(" "),
);
const formFields = new Set(
  "prompt negative_prompt size num_frames fps seed num_inference_steps guidance_scale flow_shift extra_params input_reference".split(
    " ",
  ),
);
const limits: Readonly<Record<string, number>> = { "256": 397, "480": 297, "720": 197 };

type Body = Record<string, unknown>;

/** What a strict server says against a chunk of actions, or nothing. */
function actionProblem(params: Body): string | undefined {
  const {
    action,
    action_chunk_size: size,
    raw_action_dim: dim,
  } = params as {
    action: number[][];
    action_chunk_size: number;
    raw_action_dim: number;
  };
  if (!Number.isInteger(size) || size < 4 || size % 4 !== 0)
    return "action_chunk_size must be a multiple of 4";
  if (action.length !== size) return "action must have action_chunk_size rows";
  if (action.some((row) => row.length !== dim)) return "action must have raw_action_dim columns";
  if (action.flat().some((value) => typeof value !== "number")) return "action must be finite numbers";
  return undefined;
}

function inferProblem(body: Body): string | undefined {
  const unknown = Object.keys(body).find((name) => !inferFields.has(name));
  if (unknown !== undefined) return `Unknown field: ${unknown}`;
  if (!Number.isInteger(body.seed)) return "seed must be an integer";
  if (body.model_mode !== "forward_dynamics") {
    const frames = body.num_frames as number;
    const most = limits[String(body.resolution).split("_")[0]];
    return frames >= 25 && frames <= most && frames % 4 === 1 ? undefined : `num_frames ${frames}`;
  }
  const params = body.action_params as Body;
  const extra = Object.keys(params).find((name) => !actionFields.has(name));
  return extra === undefined ? actionProblem(params) : `Unknown field: action_params.${extra}`;
}

async function bytesOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function formOf(request: IncomingMessage, bytes: Buffer): Promise<Body> {
  const type = request.headers["content-type"] ?? "";
  const form = await new Response(new Uint8Array(bytes), { headers: { "content-type": type } }).formData();
  const body: Body = {};
  for (const [name, value] of form.entries())
    body[name] = typeof value === "string" ? value : new Uint8Array(await value.arrayBuffer());
  return body;
}

/** A server to test against. */
export class ToyServer {
  readonly seen: Seen[] = [];
  readonly faults: Fault[] = [];
  /** Looks at `/v1/health/ready`, and at a job, before it is ready. */
  notReadyFor = 0;
  jobLooks = 2;
  /** Most requests of work that were there at one time. */
  busiest = 0;
  #working = 0;
  #begun = 0;
  readonly #codec: ToyCodec;
  readonly #server = createServer((request, response) => void this.#answer(request, response));
  readonly #jobs = new Map<string, { video: Uint8Array; looks: number; failed: boolean }>();

  constructor(codec: ToyCodec = plainCodec) {
    this.#codec = codec;
  }

  async open(): Promise<string> {
    // A test that stood still for longer than the server keeps a connection would send into a closed one.
    this.#server.keepAliveTimeout = 120_000;
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Jobs that nobody has deleted. */
  get jobs(): number {
    return this.#jobs.size;
  }

  /** Requests whose path begins so. */
  count(path: string): number {
    return this.seen.filter((request) => request.path.startsWith(path)).length;
  }

  #takeFault(): Fault["kind"] | undefined {
    const fault = this.faults.find(({ times }) => times > 0);
    if (fault === undefined) return undefined;
    fault.times--;
    return fault.kind;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? "/";
    const bytes = await bytesOf(request).catch(() => Buffer.alloc(0));
    const json = (request.headers["content-type"] ?? "").startsWith("application/json");
    const body =
      bytes.length === 0 ? {} : json ? (JSON.parse(String(bytes)) as Body) : await formOf(request, bytes);
    this.seen.push({ method: request.method ?? "", path, body });
    const send = (status: number, value: unknown): void => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
    };
    const refuse = (status: number, message: string): void =>
      send(status, { error: { message, type: "error", code: status } });
    if (path === "/v1/health/ready" || path === "/health") {
      if (this.notReadyFor-- > 0) return refuse(503, "Service is not ready");
      return send(200, { object: "health.response", message: "Service is ready", status: "ready" });
    }
    if (path === "/v1/metadata") return send(200, { model_type: "generator", model_variant: "toy" });
    if (request.method === "POST") {
      this.busiest = Math.max(this.busiest, ++this.#working);
      await new Promise((resolve) => setImmediate(resolve));
      await this.#work({ path, body, send, refuse, response });
      this.#working--;
      return;
    }
    return this.#job(request.method ?? "", path, { send, refuse, response });
  }

  async #work(at: {
    path: string;
    body: Body;
    send: (status: number, value: unknown) => void;
    refuse: (status: number, message: string) => void;
    response: ServerResponse;
  }): Promise<void> {
    const { path, body, send, refuse, response } = at;
    const fault = this.#takeFault();
    if (fault === "hang") return;
    if (fault === "drop") return void response.destroy();
    if (fault === "reasoner") return refuse(404, "This container serves the Reasoner");
    if (fault === "busy") return void response.writeHead(503, { "retry-after": "0" }).end("{}");
    if (fault === "html") return void response.end("<html>a proxy's page</html>");
    if (fault === "huge") return void response.end(Buffer.alloc(3_000_000, 32));
    if (fault === "only-action")
      return send(200, { action: { data: [[0]], shape: [1, 1], dtype: "float32" } });
    if (fault === "empty") return send(200, { b64_video: "" });
    const omni = path === "/v1/videos";
    if (fault === "guardrail")
      return refuse(omni ? 500 : 422, "Request blocked by guardrail: content policy violation");
    const problem = omni ? this.#formProblem(body) : inferProblem(body);
    if (problem !== undefined) return refuse(422, problem);
    const video = omni ? await this.#omniVideo(body, fault) : await this.#nimVideo(body, fault);
    if (!omni) return send(200, { b64_video: Buffer.from(video).toString("base64"), action: null });
    const id = `video_gen_${this.#begun++}`;
    this.#jobs.set(id, { video, looks: 0, failed: fault === "fail-job" });
    return send(200, { id, object: "video", status: "queued", progress: 0, error: null });
  }

  #formProblem(body: Body): string | undefined {
    const unknown = Object.keys(body).find((name) => !formFields.has(name));
    if (unknown !== undefined) return `Unknown field: ${unknown}`;
    const params = JSON.parse(String(body.extra_params)) as Body;
    if (Number(body.num_frames) !== Number(params.action_chunk_size) + 1) return "num_frames";
    return actionProblem(params);
  }

  async #nimVideo(body: Body, fault: Fault["kind"] | undefined): Promise<Uint8Array> {
    const text = typeof body.input_reference === "string" ? body.input_reference : "";
    const picture =
      text === ""
        ? ndarray("uint8", [4, 4, 3], new Uint8Array(48))
        : await this.#codec.decodeImage(Buffer.from(text.slice(text.indexOf(",") + 1), "base64"));
    const { action } = (body.action_params ?? {}) as { action?: number[][] };
    const steps = action ?? Array.from({ length: (body.num_frames as number) - 1 }, () => [0]);
    return this.#video(picture, steps, Number(body.seed), fault);
  }

  async #omniVideo(body: Body, fault: Fault["kind"] | undefined): Promise<Uint8Array> {
    const picture = await this.#codec.decodeImage(body.input_reference as Uint8Array);
    const { action } = JSON.parse(String(body.extra_params)) as { action: number[][] };
    return this.#video(picture, action, Number(body.seed), fault);
  }

  #video(
    picture: Image,
    actions: number[][],
    seed: number,
    fault: Fault["kind"] | undefined,
  ): Promise<Uint8Array> {
    const kept = fault === "missing-frame" ? actions.slice(1) : actions;
    return this.#codec.encodeVideo(imagined(picture, kept, seed));
  }

  #job(
    method: string,
    path: string,
    at: {
      send: (status: number, value: unknown) => void;
      refuse: (status: number, message: string) => void;
      response: ServerResponse;
    },
  ): void {
    const [, , , id, content] = path.split("/");
    const job = this.#jobs.get(id);
    if (job === undefined) return at.refuse(404, "no such video");
    if (method === "DELETE") {
      this.#jobs.delete(id);
      return at.send(200, { id, deleted: true });
    }
    if (content === "content") return void at.response.end(job.video);
    const looks = job.looks++;
    const done = looks >= this.jobLooks;
    const status = !done ? (looks === 0 ? "queued" : "in_progress") : job.failed ? "failed" : "completed";
    const error = status === "failed" ? { code: "internal", message: "out of memory" } : null;
    return at.send(200, { id, object: "video", status, progress: 50, error });
  }
}
