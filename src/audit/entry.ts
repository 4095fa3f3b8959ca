/** One row of `federation.federation_audit_log`. Holds no body and no parameter, only the hash of the parameters. */
export interface AuditEntry {
  at: string;
  verb: string;
  outcome: "served" | "denied" | "failed";
  /** `OK` or the error's code. */
  code: string;
  grant_id?: string | undefined;
  subject_user_id?: string | undefined;
  certificate_serial?: string | undefined;
  /** Kept by the database only where it is a registered resource: any other name is the caller's text. */
  resource?: string | undefined;
  /** Hex. */
  query_hash?: string | undefined;
  row_count?: number;
  bytes_out?: number;
  latency_ms?: number;
  request_id: string;
  /** 32 hex digits (W3C Trace Context). */
  trace_id?: string;
  /** Of a gap: since when and until when rows are missing. Of a refused handshake: how many before it have no row. */
  details?: Record<string, string>;
}
