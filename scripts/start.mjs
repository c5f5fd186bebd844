// `npm start`: installs what is missing, builds, and serves with config/gateway.yaml.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { build, checkNode, installPackages, root } from './install.mjs';

checkNode();
installPackages();
build();
// See `servingFlags` in src/gateway/heap.ts.
const serve = ['--max-semi-space-size=8', join(root, 'dist', 'cli.js'), 'serve', ...process.argv.slice(2)];
const child = spawn(process.execPath, serve, {
  cwd: root,
  stdio: 'inherit',
});
// A terminal's Ctrl-C reaches the child by itself; what is sent to us alone is passed on.
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
process.on('SIGINT', () => {});
child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 128)));
