// Graphile Worker at its fastest settings: a local queue of 500 jobs, completions released in batches.

import { peer, run } from "./side.mjs"

const { run: runWorker, makeWorkerUtils, runMigrations, Logger } = await peer("graphile-worker")

const LOCAL_QUEUE = 500
const quiet = new Logger(() => () => {})

await run({
  async install(dsn) {
    await runMigrations({ connectionString: dsn, logger: quiet })
  },

  async enqueuer(dsn, how) {
    const utils = await makeWorkerUtils({ connectionString: dsn, logger: quiet })
    if (how === "single") return ([n]) => utils.addJob("noop", { n })
    return (batch) => utils.addJobs(batch.map((n) => ({ identifier: "noop", payload: { n } })))
  },

  async work(dsn, concurrency, tally) {
    await runWorker({
      preset: {
        worker: {
          connectionString: dsn,
          logger: quiet,
          concurrentJobs: Math.min(concurrency, LOCAL_QUEUE),
          maxPoolSize: 10,
          localQueue: { size: LOCAL_QUEUE },
          completeJobBatchDelay: 0,
          failJobBatchDelay: 0,
        },
      },
      noHandleSignals: true,
      taskList: { noop: (payload) => tally.note(payload.n) },
    })
  },
})
