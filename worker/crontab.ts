/**
 * When which task runs by itself, UTC (graphile-worker documentation, "Cron"). What the night's task missed while no worker ran is done
 * once; those of each minute or hour are done in the next. Each has a key, by which the next takes the place of one whose worker was killed:
 * graphile-worker leaves that one locked for four hours, and a queue with it.
 */
export const CRONTAB = [
  "17 3 * * * audit__roll_over ?fill=2d&jobKey=audit__roll_over",
  "23 * * * * authorities__retire ?jobKey=authorities__retire",
  "* * * * * certificates__supersede ?jobKey=certificates__supersede",
  "* * * * * peers__renew_due ?jobKey=peers__renew_due",
  "* * * * * alerts__deliver ?jobKey=alerts__deliver",
  "* * * * * crl__refresh ?jobKey=crl__refresh",
  "* * * * * grants__expire ?jobKey=grants__expire",
].join("\n");

/** What a worker does when it starts, so that a new gateway has it done before the first night. */
export const AT_START = ["audit__roll_over", "grants__expire"] as const;
