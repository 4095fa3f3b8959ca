// A worker's renewals in a process whose clock is off: node renew-by-wrong-clock.ts <ms> <administrator's URL> <file of sealing keys>
const [, , ms = "0", adminUrl = "", sealKeys = ""] = process.argv;
const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...given: [] | [number | string | Date]) {
    super(given.length === 0 ? RealDate.now() + Number(ms) : given[0]);
  }

  static override now(): number {
    return RealDate.now() + Number(ms);
  }
} as DateConstructor;

const { createPeerRenewals } = await import("../../src/client/peer-renewals.ts");
const { createLog } = await import("../../src/observability/log.ts");
const { loadKeyring } = await import("../../src/seal/keyring.ts");
const renewals = createPeerRenewals({
  adminUrl,
  keyring: () => loadKeyring(sealKeys),
  timeoutMs: 5_000,
  log: createLog("silent"),
});
const due = await renewals.due();
for (const id of due) {
  await renewals.renew(id);
}
process.stdout.write(JSON.stringify({ now: new Date().toISOString(), due }));
