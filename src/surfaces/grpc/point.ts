import type { Log } from '../../observe/index.ts';
import type { DecisionPoint } from '../decision/point.ts';

/** What the gRPC surface is handed. */
export interface GrpcPoint {
  readonly point: DecisionPoint;
  /** Whether policies are changed here too, and not on the admin listener alone. */
  readonly publishing: boolean;
  /** As the metrics listener tells them. */
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>;
  /** Whether calls can be taken now. */
  ready(): boolean;
  readonly log: Log;
}
