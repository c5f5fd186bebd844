import { loadConfig, problemText } from '../../../src/config.ts';
import { openGateway } from '../../../src/gateway.ts';

/** A whole gateway as a process of its own, on the files of a directory. It says where it listens, and may be killed. */
const [file = '', directory = ''] = process.argv.slice(2);
const load = () => loadConfig({ file, env: process.env, cwd: directory, base: directory });
const loaded = await load();
if (loaded.settings === undefined) throw new Error(loaded.problems.map(problemText).join('\n'));
const gateway = await openGateway({ loaded, load });
process.on('SIGTERM', () => void gateway.close());
console.log(JSON.stringify(gateway.addresses));
