import { eraseUser } from '../../../src/observe/index.ts';

/** Erases users of a data directory, one after another, as the command line does. */
const [dir = '', ...users] = process.argv.slice(2);
console.log('ready');
for (const user of users) eraseUser(dir, user);
