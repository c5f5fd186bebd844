import {
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Leaving } from './leaving.ts';

interface Asked {
  readonly service?: string;
}

/** How often a watched server looks whether it can still take calls. */
const look_ms = 1000;

/** Health checking, of the server as a whole (`''`) and of each service. Open: a probe has no key. */
export function health(
  services: readonly string[],
  ready: () => boolean,
  leaving: Leaving,
): UntypedServiceImplementation {
  const stateOf = (service: string) => {
    if (service !== '' && !services.includes(service)) return 'SERVICE_UNKNOWN';
    return ready() && !leaving.now ? 'SERVING' : 'NOT_SERVING';
  };
  return {
    check({ request }: ServerUnaryCall<Asked, object>, callback: sendUnaryData<object>) {
      const state = stateOf(request.service ?? '');
      if (state === 'SERVICE_UNKNOWN') callback({ code: status.NOT_FOUND, details: 'there is no such service' });
      else callback(null, { status: state });
    },
    watch(call: ServerWritableStream<Asked, object>) {
      let told: string | undefined;
      const tell = (): void => {
        const state = stateOf(call.request.service ?? '');
        if (state !== told) call.write({ status: state });
        told = state;
      };
      tell();
      const looking = setInterval(tell, look_ms).unref();
      const forget = leaving.when(() => {
        clearInterval(looking);
        tell();
        call.end();
      });
      call.once('cancelled', () => {
        clearInterval(looking);
        forget();
      });
    },
  };
}
