import { createInterface } from 'node:readline';
import { lock } from '../../src/stores/lock.ts';

// Locks each file it is told of, and says whether it has it.
for await (const file of createInterface({ input: process.stdin })) {
  try {
    lock(file);
    console.log('mine');
  } catch (error) {
    console.log(`not mine: ${(error as Error).message}`);
  }
}
