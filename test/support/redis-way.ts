import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/**
 * A way to a Redis that hands on what is said, and can be shut: then connections end, and new ones as well. Or it hands on one
 * more answer after a certain text was asked, and nothing that is asked after that; or no answer once that was asked. Until it
 * is shut or opened.
 */
export async function wayTo(url: string) {
  const sockets = new Set<Socket>();
  let shut = false;
  let last: string | undefined;
  let asked = false;
  let held = false;
  let mute: string | undefined;
  let muted = false;
  const server = createServer((here) => {
    const there = connect(Number(new URL(url).port), '127.0.0.1');
    here.on('data', (bytes) => {
      if (held) return;
      asked ||= last !== undefined && bytes.includes(last);
      muted ||= mute !== undefined && bytes.includes(mute);
      there.write(bytes);
    });
    there.on('data', (bytes) => {
      if (muted) return;
      here.write(bytes);
      held ||= asked;
    });
    for (const socket of [here, there]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        here.destroy();
        there.destroy();
      });
    }
    if (shut) here.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    shut() {
      shut = true;
      cut();
    },
    open() {
      shut = false;
      last = undefined;
      asked = false;
      held = false;
      mute = undefined;
      muted = false;
    },
    holdAfter(text: string) {
      last = text;
    },
    muteAfter(text: string) {
      mute = text;
    },
    get muted() {
      return muted;
    },
    get held() {
      return held;
    },
    close() {
      cut();
      server.close();
    },
  };
}
