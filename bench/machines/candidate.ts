/** @file What the benchmark of engines asks of one: a server process, and a client with jobs, messages and weights. */

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";

/** A client of an engine, over names that are the same in every process. */
export interface Client {
  /** Whether it was taken: false where the engine knew the id already. @throws where the engine is full */
  addJob(id: string, data?: Uint8Array): Promise<boolean>;
  /** Take jobs one at a time until closed; a job is done when `run` resolves. */
  work(run: (id: string) => Promise<void>): Promise<void>;
  /** Jobs stored and not done. */
  jobsLeft(): Promise<number>;
  /** One message with a payload; resolves when the engine has it. */
  send(id: string, payload: Uint8Array): Promise<void>;
  /** Receive and acknowledge `count` messages. */
  receive(count: number): Promise<number>;
  putWeights(version: number, bytes: Uint8Array): Promise<void>;
  /** Called with the bytes of every new version. */
  onWeights(seen: (bytes: Uint8Array) => void): Promise<void>;
  close(): Promise<void>;
}

/** A running server. */
export interface Server {
  readonly port: number;
  /** SIGKILL, then a new process on the same folder. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** An engine with one configuration. */
export interface Candidate {
  readonly name: string;
  readonly program: string;
  /** Command line of a server on `port` that stores in `folder`. */
  args(port: number, folder: string): Promise<string[]>;
  open(port: number): Promise<Client>;
}

/** How long a silent worker keeps its job, in both engines. */
export const leaseMs = 2000;

async function listening(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    const open = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    });
    socket.destroy();
    if (open) return;
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
  }
}

/** Start a server of `candidate` that stores in `folder`. */
export async function startServer(candidate: Candidate, port: number, folder: string): Promise<Server> {
  const args = await candidate.args(port, folder);
  const start = async (): Promise<ChildProcess> => {
    const child = spawn(candidate.program, args, { stdio: "ignore" });
    await listening(port);
    return child;
  };
  const kill = async (child: ChildProcess): Promise<void> => {
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  };
  let process = await start();
  return {
    port,
    async restart() {
      await kill(process);
      process = await start();
    },
    stop: () => kill(process),
  };
}
