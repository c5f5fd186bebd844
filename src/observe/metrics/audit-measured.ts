/** What the trail tells; the shape of `Trail.state()`. */
export interface AuditMeasured {
  readonly spooled: number;
  readonly delivered: Readonly<Record<string, number>>;
  readonly failed: Readonly<Record<string, number>>;
  /** Records each sink would not take. */
  readonly aside: Readonly<Record<string, number>>;
  /** Records each sink never gets. */
  readonly missing: Readonly<Record<string, number>>;
  /** Records the slowest sink has not taken yet. */
  readonly waiting: number;
  readonly bytes: number;
}
