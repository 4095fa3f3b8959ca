/** When which task runs by itself, UTC (graphile-worker documentation, "Cron"). What was missed while no worker ran is done once. */
export const CRONTAB = [
  "17 3 * * * audit__roll_over ?fill=2d&jobKey=audit__roll_over",
  "* * * * * grants__expire ?jobKey=grants__expire",
].join("\n");

/** What a worker does when it starts, so that a new gateway has it done before the first night. */
export const AT_START = ["audit__roll_over", "grants__expire"] as const;
