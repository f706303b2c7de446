// What one side from npm does when it is started as a process: the same words as side.py.

import { createRequire } from "node:module"
import { createInterface } from "node:readline"
import { setTimeout as sleep } from "node:timers/promises"
import { pathToFileURL } from "node:url"

/** Milliseconds between two lines that say how far a working side is. */
const TELL_EVERY = 10

/** Jobs of one statement, where a side enqueues in bulk. */
const BULK = 1000

/** Seconds of the clock that Python calls monotonic. */
const now = () => Number(process.hrtime.bigint()) / 1e9

/** Import a package from the peers' own folder. */
export const peer = (name) =>
  import(pathToFileURL(createRequire(process.env.BENCH_NODE + "/").resolve(name)).href)

class Tally {
  count = 0
  started = []

  constructor(timed) {
    this.timed = timed
  }

  note(n) {
    this.count += 1
    if (this.timed) this.started.push([n, now()])
  }

  tell() {
    let told = 0
    setInterval(() => {
      if (this.count !== told) process.stdout.write(`${(told = this.count)}\n`)
    }, TELL_EVERY)
  }
}

const numbers = (first, count) => Array.from({ length: count }, (_, i) => first + i)

const modes = {
  async install(side, dsn) {
    await side.install(dsn)
  },

  async enqueue(side, dsn, jobs, how) {
    const add = await side.enqueuer(dsn, how)
    const step = how === "single" ? 1 : BULK
    const before = now()
    for (let first = 0; first < Number(jobs); first += step)
      await add(numbers(first, Math.min(step, Number(jobs) - first)))
    console.log(JSON.stringify({ seconds: now() - before }))
  },

  async produce(side, dsn, jobs, every, how = "single") {
    const add = await side.enqueuer(dsn, how)
    const step = how === "single" ? 1 : BULK
    const committed = []
    for (let n = 0; n < Number(jobs); n += step) {
      await add(numbers(n, step))
      committed.push([n, now()])
      await sleep(Number(every) * 1000)
    }
    console.log(JSON.stringify({ committed }))
  },

  async work(side, dsn, concurrency, ...words) {
    const tally = new Tally(words.includes("timed"))
    const input = createInterface({ input: process.stdin })
    const begun = new Promise((resolve) => input.once("line", resolve))
    input.on("close", () => {
      process.stdout.write(JSON.stringify({ started: tally.started }) + "\n", () => process.exit(0))
    })
    console.log("ready")
    await begun
    tally.tell()
    await side.work(dsn, Number(concurrency), tally)
    await new Promise(() => {})
  },
}

/** Do what the command line says. */
export async function run(side) {
  const [mode, dsn, ...rest] = process.argv.slice(2)
  await modes[mode](side, dsn, ...rest)
  process.exit(0)
}
