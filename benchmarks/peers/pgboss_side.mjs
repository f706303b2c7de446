// pg-boss, which hands a whole batch to its handler; notifications are on, so that an idle worker is woken.

import { peer, run } from "./side.mjs"

const { PgBoss } = await peer("pg-boss")

const started = async (dsn, options = {}) => {
  const boss = new PgBoss({ connectionString: dsn, schedule: false, ...options })
  boss.on("error", (error) => console.error(error.message))
  await boss.start()
  return boss
}

await run({
  async install(dsn) {
    const boss = await started(dsn)
    await boss.createQueue("noop", { notify: true })
  },

  async enqueuer(dsn, how) {
    const boss = await started(dsn, { supervise: false })
    if (how === "single") return ([n]) => boss.send("noop", { n })
    return (batch) => boss.insert("noop", batch.map((n) => ({ data: { n } })))
  },

  async work(dsn, concurrency, tally) {
    const boss = await started(dsn, { useListenNotify: true })
    const options = { batchSize: concurrency, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 }
    await boss.work("noop", options, async (jobs) => {
      for (const job of jobs) tally.note(job.data.n)
    })
  },
})
