// `npm test`: installs what is missing, builds, lints, and runs every test on servers it starts and stops itself.
import { join } from 'node:path';
import { build, checkNode, installPackages, installServer, root, run } from './install.mjs';
import { offerValkey } from './valkey.mjs';

checkNode();
installPackages();
installServer('redis-server', 'redis-server');
installServer('curl', 'curl');
installServer('openssl', 'openssl');
offerValkey();
build();
run('npm', ['run', '--silent', 'lint']);
run(process.execPath, [join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', ...process.argv.slice(2)]);
